"""Class hierarchies: legends as tables, predictions up their trees, training with labels of several levels."""

from surco.adapters.legends.class_names import near_misses, plain_name, same_spelling
from surco.adapters.legends.hierarchy import BackedOff, Hierarchy, most_specific, roll_up
from surco.adapters.legends.legend import COLUMNS, Legend, LegendClass
from surco.adapters.legends.legend_files import LEGENDS, load_legend
from surco.adapters.legends.mixed_labels import MixedFit, MixedLabels, fit_mixed, resolve_mixed

__all__ = [
    "COLUMNS",
    "LEGENDS",
    "BackedOff",
    "Hierarchy",
    "Legend",
    "LegendClass",
    "MixedFit",
    "MixedLabels",
    "fit_mixed",
    "load_legend",
    "most_specific",
    "near_misses",
    "plain_name",
    "resolve_mixed",
    "roll_up",
    "same_spelling",
]

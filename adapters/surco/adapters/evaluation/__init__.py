"""Evaluation: what an adapter is worth on places, regions and seasons it has not seen, beside the plain heads."""

from surco.adapters.evaluation.baselines import BASELINES, FOREST_FREE
from surco.adapters.evaluation.findings import Evaluation
from surco.adapters.evaluation.held_out import ADAPTER
from surco.adapters.evaluation.judging import FLOOR, evaluate, evaluate_fitted
from surco.adapters.evaluation.label_curves import SHOTS
from surco.adapters.evaluation.labelled import Labelled
from surco.adapters.evaluation.report_page import About, report_page
from surco.adapters.evaluation.report_words import finding, number, signed_points, verdict
from surco.adapters.evaluation.splits import Split, leave_each_out, spatial_blocks

__all__ = [
    "ADAPTER",
    "BASELINES",
    "FLOOR",
    "FOREST_FREE",
    "SHOTS",
    "About",
    "Evaluation",
    "Labelled",
    "Split",
    "evaluate",
    "evaluate_fitted",
    "finding",
    "leave_each_out",
    "number",
    "report_page",
    "signed_points",
    "spatial_blocks",
    "verdict",
]

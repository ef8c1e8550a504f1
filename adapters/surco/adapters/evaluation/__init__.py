"""Evaluation: what an adapter is worth on places, regions and seasons it has not seen, beside the plain heads."""

from surco.adapters.evaluation.baselines import BASELINES
from surco.adapters.evaluation.held_out import ADAPTER
from surco.adapters.evaluation.judging import Evaluation, evaluate, evaluate_fitted
from surco.adapters.evaluation.labelled import Labelled
from surco.adapters.evaluation.report_page import About, report_page
from surco.adapters.evaluation.splits import Split, leave_each_out, spatial_blocks

__all__ = [
    "ADAPTER",
    "BASELINES",
    "About",
    "Evaluation",
    "Labelled",
    "Split",
    "evaluate",
    "evaluate_fitted",
    "leave_each_out",
    "report_page",
    "spatial_blocks",
]

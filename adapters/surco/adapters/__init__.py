"""Adapters: a handful of labels in, a map with honest probabilities out."""

from surco.adapters.adapter_store import ADAPTERS, load_adapter, read_card, save_adapter
from surco.adapters.areas import ClassArea, MappedArea, StratifiedAreas, mapped_area, stratified_area
from surco.adapters.areas_accuracy import AreaAccuracy, AreaRatio, ClassAccuracy, area_accuracy
from surco.adapters.areas_allocation import ALLOCATIONS, Allocation, allocate, sample_size
from surco.adapters.areas_count import AreaEstimate, AreaEstimates, AreaMethod, count_areas
from surco.adapters.areas_estimate import LEAST_UNITS, estimate_areas
from surco.adapters.areas_plan import PlannedStratum, SamplePlan, draw_sample, plan_sample
from surco.adapters.areas_sample import AreaMap, ReferenceSample
from surco.adapters.contract import Adapter, Learned
from surco.adapters.crop_type_adapter import CropTypeAdapter
from surco.adapters.errors import (
    AdapterError,
    AreasError,
    CardError,
    LabelsError,
    LegendError,
    SettingsError,
    UnfittedError,
    VectorsError,
)
from surco.adapters.evaluate import CrossValidation, cross_validate, holdout_report
from surco.adapters.evaluation import BASELINES
from surco.adapters.local_scatter import LocalScatter
from surco.adapters.regression_evaluate import (
    REGRESSION_BASELINES,
    RegressionEvaluation,
    cross_validate_values,
)
from surco.adapters.regression_scores import RegressionScores, paired_difference, score_values
from surco.adapters.scores import Estimate, Scores
from surco.adapters.yield_adapter import YieldAdapter
from surco.adapters.yield_plot import draw_values

__all__ = [
    "ADAPTERS",
    "ALLOCATIONS",
    "BASELINES",
    "LEAST_UNITS",
    "REGRESSION_BASELINES",
    "Adapter",
    "AdapterError",
    "Allocation",
    "AreaAccuracy",
    "AreaEstimate",
    "AreaEstimates",
    "AreaMap",
    "AreaMethod",
    "AreaRatio",
    "AreasError",
    "CardError",
    "ClassAccuracy",
    "ClassArea",
    "CropTypeAdapter",
    "CrossValidation",
    "Estimate",
    "LabelsError",
    "Learned",
    "LegendError",
    "LocalScatter",
    "MappedArea",
    "PlannedStratum",
    "ReferenceSample",
    "RegressionEvaluation",
    "RegressionScores",
    "SamplePlan",
    "Scores",
    "SettingsError",
    "StratifiedAreas",
    "UnfittedError",
    "VectorsError",
    "YieldAdapter",
    "allocate",
    "area_accuracy",
    "count_areas",
    "cross_validate",
    "cross_validate_values",
    "draw_sample",
    "draw_values",
    "estimate_areas",
    "holdout_report",
    "load_adapter",
    "mapped_area",
    "paired_difference",
    "plan_sample",
    "read_card",
    "sample_size",
    "save_adapter",
    "score_values",
    "stratified_area",
]

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
from surco.adapters.disaggregation import Disaggregated, disaggregate
from surco.adapters.errors import (
    AdapterError,
    AreasError,
    CampaignError,
    CardError,
    LabelsError,
    LegendError,
    SettingsError,
    UnfittedError,
    VectorsError,
)
from surco.adapters.evaluate import CrossValidation, cross_validate, holdout_report
from surco.adapters.evaluation import BASELINES
from surco.adapters.label_findings import Finding
from surco.adapters.label_quality import LabelReport, inspect_labels
from surco.adapters.learned_prior import LearnedPrior, find_prior, shipped_priors
from surco.adapters.legends import LEGENDS, Legend, fit_mixed, load_legend, most_specific, roll_up
from surco.adapters.local_scatter import LocalScatter
from surco.adapters.meta_tasks import LabelledTable, clustered_table, draw_tasks
from surco.adapters.meta_train import Rotation, meta_train
from surco.adapters.pixel_votes import ParcelClasses, Votes
from surco.adapters.regression_evaluate import (
    REGRESSION_BASELINES,
    RegressionEvaluation,
    cross_validate_values,
)
from surco.adapters.regression_scores import RegressionScores, paired_difference, score_values
from surco.adapters.scores import Estimate, Scores
from surco.adapters.segmentation_adapter import PixelClasses, SegmentationAdapter
from surco.adapters.suspects import Suspect, Suspects, rank_suspects
from surco.adapters.yield_adapter import YieldAdapter
from surco.adapters.yield_plot import draw_values

__all__ = [
    "ADAPTERS",
    "ALLOCATIONS",
    "BASELINES",
    "LEAST_UNITS",
    "LEGENDS",
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
    "CampaignError",
    "CardError",
    "ClassAccuracy",
    "ClassArea",
    "CropTypeAdapter",
    "CrossValidation",
    "Disaggregated",
    "Estimate",
    "Finding",
    "LabelReport",
    "LabelledTable",
    "LabelsError",
    "Learned",
    "LearnedPrior",
    "Legend",
    "LegendError",
    "LocalScatter",
    "MappedArea",
    "ParcelClasses",
    "PixelClasses",
    "PlannedStratum",
    "ReferenceSample",
    "RegressionEvaluation",
    "RegressionScores",
    "Rotation",
    "SamplePlan",
    "Scores",
    "SegmentationAdapter",
    "SettingsError",
    "StratifiedAreas",
    "Suspect",
    "Suspects",
    "UnfittedError",
    "VectorsError",
    "Votes",
    "YieldAdapter",
    "allocate",
    "area_accuracy",
    "clustered_table",
    "count_areas",
    "cross_validate",
    "cross_validate_values",
    "disaggregate",
    "draw_sample",
    "draw_tasks",
    "draw_values",
    "estimate_areas",
    "find_prior",
    "fit_mixed",
    "holdout_report",
    "inspect_labels",
    "load_adapter",
    "load_legend",
    "mapped_area",
    "meta_train",
    "most_specific",
    "paired_difference",
    "plan_sample",
    "rank_suspects",
    "read_card",
    "roll_up",
    "sample_size",
    "save_adapter",
    "score_values",
    "shipped_priors",
    "stratified_area",
]

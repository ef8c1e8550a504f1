"""Adapters: a handful of labels in, a map with honest probabilities out."""

from surco.adapters.adapter_store import ADAPTERS, load_adapter, read_card, save_adapter
from surco.adapters.areas import ClassArea, MappedArea, StratifiedAreas, mapped_area, stratified_area
from surco.adapters.contract import Adapter, Learned
from surco.adapters.crop_type_adapter import CropTypeAdapter
from surco.adapters.errors import (
    AdapterError,
    AreasError,
    CardError,
    LabelsError,
    SettingsError,
    UnfittedError,
    VectorsError,
)
from surco.adapters.evaluate import CrossValidation, cross_validate, holdout_report
from surco.adapters.evaluation import BASELINES
from surco.adapters.local_scatter import LocalScatter
from surco.adapters.scores import Estimate, Scores
from surco.adapters.yield_adapter import YieldAdapter

__all__ = [
    "ADAPTERS",
    "BASELINES",
    "Adapter",
    "AdapterError",
    "AreasError",
    "CardError",
    "ClassArea",
    "CropTypeAdapter",
    "CrossValidation",
    "Estimate",
    "LabelsError",
    "Learned",
    "LocalScatter",
    "MappedArea",
    "Scores",
    "SettingsError",
    "StratifiedAreas",
    "UnfittedError",
    "VectorsError",
    "YieldAdapter",
    "cross_validate",
    "holdout_report",
    "load_adapter",
    "mapped_area",
    "read_card",
    "save_adapter",
    "stratified_area",
]

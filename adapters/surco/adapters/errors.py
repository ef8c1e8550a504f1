"""The adapters room's errors: what a user can cause, in three parts (expected, got, what to do)."""

from __future__ import annotations

from sklearn.exceptions import NotFittedError

__all__ = [
    "AdapterError",
    "AreasError",
    "CampaignError",
    "CardError",
    "LabelsError",
    "LegendError",
    "SettingsError",
    "UnfittedError",
    "VectorsError",
]


class AdapterError(ValueError):
    """Something a user can cause: the message says what was expected, what came and what to do."""


class LabelsError(AdapterError):
    """Labels, groups or class names that nothing can be learned from or compared with."""


class LegendError(AdapterError):
    """A legend that is not known, or a table that is no tree of classes."""


class SettingsError(AdapterError):
    """A setting of an adapter that is outside its range."""


class VectorsError(AdapterError):
    """Vectors of the wrong shape or type, or with values that are no numbers."""


class UnfittedError(AdapterError, NotFittedError):  # type: ignore[misc]  # scikit-learn publishes no types
    """A question to an adapter that has learned nothing yet (also scikit-learn's `NotFittedError`)."""


class CardError(AdapterError):
    """Adapter files that are damaged, of another format, or of another encoder."""


class AreasError(AdapterError):
    """Areas or sample counts that no estimate can be made from."""


class CampaignError(AdapterError):
    """A labelling campaign with no place left, or that is asked for more places than it can choose."""

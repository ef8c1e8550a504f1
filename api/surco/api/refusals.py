"""What the server and the map writer refuse: kinds of `ApiError`, so that each can have its own HTTP status."""

from __future__ import annotations

from surco.api.errors import ApiError

__all__ = ["ExportError", "SampleError", "SettingsError", "TooLargeError", "UnknownError"]


class SettingsError(ApiError):
    """Settings that cannot work."""


class UnknownError(ApiError):
    """A name, cell or parcel that the store does not have."""


class TooLargeError(ApiError):
    """An answer larger than the server sends."""


class ExportError(ApiError):
    """A map file that cannot be written."""


class SampleError(ApiError):
    """A sample of places that is no probability sample of the map, or cannot be read."""

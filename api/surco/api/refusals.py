"""What the server and the map writer refuse: kinds of `ApiError`, so that each can have its own HTTP status."""

from __future__ import annotations

from surco.api.errors import ApiError

__all__ = [
    "BackupError",
    "BusyError",
    "ConflictError",
    "ExportError",
    "InvalidError",
    "NoKeyError",
    "NoRevisionError",
    "NotAcceptableError",
    "NotAllowedError",
    "QuotaError",
    "SampleError",
    "SettingsError",
    "StaleError",
    "StateError",
    "TimedOutError",
    "TooLargeError",
    "UnknownError",
    "UnsupportedMediaError",
]


class SettingsError(ApiError):
    """Settings that cannot work."""


class BackupError(ApiError):
    """A backup that cannot be taken, read or restored."""


class StateError(ApiError):
    """A database of labels, keys and audit that cannot be opened or is of another version."""


class InvalidError(ApiError):
    """A request that cannot be read: a parameter, a body, a name."""


class NoKeyError(ApiError):
    """A request that needs an API key and has none, or one that is not known."""


class NotAllowedError(ApiError):
    """A key that may not do this."""


class UnknownError(ApiError):
    """A name, cell or parcel that the store does not have."""


class NotAcceptableError(ApiError):
    """A format that the answer is not to be had in."""


class ConflictError(ApiError):
    """A write that somebody else's change, or a name in use, stands in the way of."""


class NoRevisionError(ApiError):
    """A write that does not say which revision it has seen (no If-Match)."""


class StaleError(ApiError):
    """A write that has seen another revision than the present one."""


class TooLargeError(ApiError):
    """A question or an answer larger than the server takes or sends."""


class UnsupportedMediaError(ApiError):
    """A body in a format that is not read."""


class QuotaError(ApiError):
    """More requests, seconds or rows than a caller is given.

    Attributes:
        retry_after: whole seconds after which it is worth asking again.
    """

    def __init__(self, message: str, retry_after: int = 60) -> None:
        super().__init__(message)
        self.retry_after = retry_after


class BusyError(ApiError):
    """A server with too much to do; the same question may be answered a little later."""


class TimedOutError(ApiError):
    """A question that took longer than it is given."""


class ExportError(ApiError):
    """A map file that cannot be written."""


class SampleError(ApiError):
    """A sample of places that is no probability sample of the map, or cannot be read."""

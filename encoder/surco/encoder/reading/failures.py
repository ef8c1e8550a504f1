"""Why bytes did not come. None of these texts holds a signature: addresses in them are bare."""

from __future__ import annotations

__all__ = ["AccessFailure", "ChangedFailure", "PassingFailure", "ReadFailure"]


class ReadFailure(OSError):
    """Bytes that could not be had, and that asking again would not bring."""


class PassingFailure(ReadFailure):
    """One that may pass: a server that is busy, a connection that was cut, an answer that was not whole.

    Attributes:
        wait_s: seconds after which the server said to come again; None where it said nothing.
    """

    def __init__(self, reason: str, wait_s: float | None = None) -> None:
        super().__init__(reason)
        self.wait_s = wait_s


class AccessFailure(ReadFailure):
    """Credentials that are missing, or that the server does not take."""


class ChangedFailure(ReadFailure):
    """A file that was replaced while it was read: what was read of it before does not belong to what comes now."""

"""The viewer room's one error base."""

from __future__ import annotations

__all__ = ["AssetError", "TableError", "ViewerError"]


class ViewerError(ValueError):
    """Something a user can cause.

    Args:
        expected: what the viewer needs, as a noun phrase.
        came: what it was given instead.
        remedy: what to do, as an instruction.
    """

    def __init__(self, expected: str, came: str, remedy: str) -> None:
        super().__init__(expected, came, remedy)
        self.expected = expected
        self.came = came
        self.remedy = remedy

    def __str__(self) -> str:
        return f"Expected {self.expected}; got {self.came}. {self.remedy}"


class TableError(ViewerError):
    """A table that cannot be drawn: no place column, or a colour column that is not there."""


class AssetError(ViewerError):
    """A page file that does not exist."""

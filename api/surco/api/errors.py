"""The api room's one error base."""

from __future__ import annotations

__all__ = ["ApiError"]


class ApiError(ValueError):
    """Something a user can cause: the message says what was expected, what came and what to do."""

"""What an API key may do."""

from __future__ import annotations

from typing import Literal, get_args

__all__ = ["SCOPES", "Scope"]

Scope = Literal["read", "label", "train", "admin"]
SCOPES: tuple[Scope, ...] = get_args(Scope)
"""read: every answer; label: label sets; train: adapters; admin: keys, the audit log and what others made."""

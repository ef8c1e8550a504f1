"""Who asks: an API key with its scopes, or nobody known, and from which address."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

from surco.api.refusals import NoKeyError, NotAllowedError
from surco.api.scopes import SCOPES, Scope
from surco.embedstore import Sentence

if TYPE_CHECKING:  # the command line writes to the audit log, too, and needs no web server for it
    from litestar.connection import ASGIConnection
    from litestar.handlers import BaseRouteHandler

__all__ = ["Caller", "needs"]

_INCLUDED: dict[str, frozenset[str]] = {
    "read": frozenset({"read"}),
    "label": frozenset({"read", "label"}),
    "train": frozenset({"read", "train"}),
    "admin": frozenset(SCOPES),
}


@dataclass(frozen=True, slots=True)
class Caller:
    """Who asks.

    Attributes:
        key_id: id of the API key; None without one.
        name: the key's name, or "anonymous".
        scopes: what it may do, with what these include.
        address: IP address that the request came from.
    """

    key_id: str | None
    name: str
    scopes: frozenset[str]
    address: str
    _audited: list[bool] = field(default_factory=list, compare=False, repr=False)

    @classmethod
    def of(cls, key_id: str | None, name: str, scopes: frozenset[str], address: str) -> Caller:
        """A caller with everything that its scopes include."""
        allowed: frozenset[str] = frozenset().union(*(_INCLUDED[scope] for scope in scopes))
        return cls(key_id, name, allowed, address)

    @property
    def subject(self) -> str:
        """Whose quota counts: the key, or the address."""
        return self.key_id or f"address {self.address}"

    @property
    def audited(self) -> bool:
        """Whether the audit log has an entry of this request."""
        return bool(self._audited)

    def mark_audited(self) -> None:
        """Note that the audit log has one."""
        self._audited.append(True)

    def may(self, scope: Scope) -> bool:
        """Whether a scope is among those of the caller."""
        return scope in self.scopes

    def owns(self, owner: str | None) -> bool:
        """Whether the caller made a thing, or may do everything; a thing nobody owns is everybody's who may write."""
        return self.may("admin") or owner is None or owner == self.key_id


def needs(scope: Scope) -> Callable[[ASGIConnection[Any, Any, Any, Any], BaseRouteHandler], None]:
    """A guard that lets only callers with a scope pass.

    Raises:
        NoKeyError: from the guard, for a caller without a key.
        NotAllowedError: from the guard, for a key without the scope.
    """

    def guard(connection: ASGIConnection[Any, Any, Any, Any], handler: BaseRouteHandler) -> None:
        caller: Caller = connection.user
        if caller.may(scope):
            return
        if caller.key_id is None:
            raise NoKeyError(
                Sentence(
                    f"Expected an API key with the scope {scope!r}, got none. "
                    "Send it as `Authorization: Bearer KEY`; `surco keys add` makes one.",
                    "key-missing",
                    scope=scope,
                )
            )
        raise NotAllowedError(
            Sentence(
                f"Expected a key with the scope {scope!r}, got {caller.name!r}, which has "
                f"{', '.join(sorted(caller.scopes))}. Ask an administrator for a key that has it.",
                "key-scope",
                scope=scope,
                name=caller.name,
            )
        )

    return guard

"""Revisions and ETags: a write says which revision it has seen, so that two editors never overwrite each other."""

from __future__ import annotations

from surco.api.refusals import NoRevisionError, StaleError
from surco.embedstore import Sentence

__all__ = ["etag", "require_revision"]


def etag(revision: int) -> str:
    """The strong entity tag of a revision."""
    return f'"r{revision}"'


def require_revision(match: str | None, present: int, what: str) -> None:
    """Let a write pass whose If-Match header names the present revision, or `*` for whichever there is.

    Raises:
        NoRevisionError: no header.
        StaleError: another revision.
    """
    if match is None:
        raise NoRevisionError(
            f"Expected the header If-Match with the ETag of the {what} that you have seen, got none. "
            f"Read it first and send its ETag, now {etag(present)}, or * to overwrite whatever there is."
        )
    seen = [tag.strip() for tag in match.split(",")]
    if "*" not in seen and etag(present) not in seen:
        raise StaleError(
            Sentence(
                f"Expected If-Match of the present revision {etag(present)} of the {what}, got {match[:60]}. "
                "Somebody changed it since: read it again and repeat your change on that.",
                "stale",
            )
        )

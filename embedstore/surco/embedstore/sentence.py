"""Sentences for people that tell programs which sentence they are, so that a page can say them in its language."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any

__all__ = ["Sentence", "coded", "codes_of", "reworded"]


class Sentence(str):
    """Words for people, with a code and the values in them.

    It is a `str` in every way: it can be an error's message, a note, a cell of a table. `coded` finds the rest.

    Attributes:
        code: lower case words between hyphens, the same for all sentences of this kind.
        values: what stands in the sentence: JSON values.
    """

    __slots__ = ("code", "values")
    code: str
    values: dict[str, Any]

    def __new__(cls, words: str, code: str = "", /, **values: Any) -> Sentence:
        """`code` may be left out only where a copy is made, which sets it afterwards."""
        made = super().__new__(cls, words)
        made.code, made.values = code, values
        return made


def coded(words: object) -> dict[str, Any] | None:
    """`{"code": ..., "values": {...}}` of a sentence, or of an error whose message is one; None for other words."""
    if isinstance(words, BaseException):
        words = words.args[0] if words.args else None
    return {"code": words.code, "values": words.values} if isinstance(words, Sentence) else None


def codes_of(sentences: Iterable[str]) -> dict[str, dict[str, Any]]:
    """What `coded` says of each of some sentences, by its words; those without a code are left out."""
    return {str(each): found for each in sentences if (found := coded(each)) is not None}


def reworded(source: object, words: str) -> str:
    """Other words for a sentence or an error, with its code if it has one."""
    found = coded(source)
    return words if found is None else Sentence(words, found["code"], **found["values"])

"""Class names as people write them: which are one name written in two ways, and which may be a slip of the pen."""

from __future__ import annotations

import unicodedata
from collections import defaultdict
from collections.abc import Iterable, Sequence

__all__ = ["near_misses", "plain_name", "same_spelling"]

_SHORTEST = 4  # of shorter names one letter is too much of the word: "pea", "tea"


def plain_name(name: str) -> str:
    """A name without case, accents and signs, its words one space apart; letters of every script are kept.

    `"Vid_vinífera "` and `"vid vinifera"` are both `"vid vinifera"`.
    """
    letters = unicodedata.normalize("NFKD", name).casefold()
    kept = (letter if letter.isalnum() else " " for letter in letters if not unicodedata.combining(letter))
    return " ".join("".join(kept).split())


def same_spelling(names: Iterable[str]) -> list[tuple[str, ...]]:
    """Groups of different texts that are one name but for case, accents, spaces and signs; sorted."""
    by_key: dict[str, set[str]] = defaultdict(set)
    for name in names:
        by_key[plain_name(name)].add(name)
    return sorted(tuple(sorted(group)) for key, group in by_key.items() if key and len(group) > 1)


def near_misses(names: Sequence[str]) -> list[tuple[str, str]]:
    """Pairs of names one slip apart: a letter left out, added, changed, or two neighbours swapped.

    Names under four letters and pairs that differ in a digit are left alone (`"crop 1"`, `"crop 2"`). Names that share
    a spelling with one letter left out are compared (the symmetric-delete scheme), so 10,000 names take a second.
    """
    plain = sorted({plain_name(name): name for name in reversed(names)}.items())
    by_rest: dict[str, list[int]] = defaultdict(list)
    for place, (key, _) in enumerate(plain):
        if len(key) >= _SHORTEST:
            for rest in {key, *(key[:i] + key[i + 1 :] for i in range(len(key)))}:
                by_rest[rest].append(place)
    pairs = {(a, b) for places in by_rest.values() for a in places for b in places if a < b}
    return [(plain[a][1], plain[b][1]) for a, b in sorted(pairs) if _one_slip(plain[a][0], plain[b][0])]


def _one_slip(a: str, b: str) -> bool:
    """Whether two different texts are one edit (with neighbours swapped as one) apart, none of it in digits."""
    start = next((i for i, (x, y) in enumerate(zip(a, b, strict=False)) if x != y), min(len(a), len(b)))
    rest_a, rest_b = a[start:], b[start:]
    while rest_a and rest_b and rest_a[-1] == rest_b[-1]:
        rest_a, rest_b = rest_a[:-1], rest_b[:-1]
    if any(letter.isdigit() for letter in rest_a + rest_b):
        return False
    return (len(rest_a) <= 1 and len(rest_b) <= 1) or (len(rest_a) == 2 and rest_a == rest_b[::-1])

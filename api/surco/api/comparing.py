"""Two or more stored adapters side by side: on the same new labels, or where their maps differ."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from surco.adapters import read_card
from surco.adapters.evaluation import ADAPTER, Evaluation, number, signed_points
from surco.api.adapter_cards import plain_text
from surco.api.maps import predict, read_places
from surco.api.refusals import SettingsError
from surco.embedstore import Store

__all__ = ["Agreement", "agreement", "agreement_lines", "comparison_lines"]

_SHOWN = 10


@dataclass(frozen=True, slots=True)
class Agreement:
    """Where the maps of two adapters agree.

    `hectares` (K, L) by class of the first and of the second, `first` K and `second` L names; `places` is how many
    cells or parcels of which `same` have the same class; what was never observed is left out.
    """

    names: tuple[str, str]
    unit: str
    season: str
    places: int
    same: int
    first: tuple[str, ...]
    second: tuple[str, ...]
    hectares: npt.NDArray[np.float64]

    @property
    def share(self) -> float:
        """Share of the mapped hectares on which both say the same."""
        alike = np.array([[a == b for b in self.second] for a in self.first])
        return float(self.hectares[alike].sum() / max(self.hectares.sum(), 1e-12))


def agreement(
    store: Store, first: str, second: str, season: str | None = None, unit: str = "auto"
) -> Agreement:
    """Compare the maps of two adapters of one model.

    Raises:
        EmbedstoreError: no such adapter or table.
        SettingsError: adapters of two models, whose vectors cannot be compared.
        AdapterError: a damaged adapter.
    """
    models = [str(read_card(store.adapter_dir(name))["model_id"]) for name in (first, second)]
    if models[0] != models[1]:
        raise SettingsError(
            f"Expected adapters of one model, got {first} of {models[0]} and {second} of {models[1]}. Compare them "
            "with --labels FILE on stores of each, or fit one again."
        )
    places = read_places(store, season, unit, None, models[0])
    maps = [predict(store, name, places) for name in (first, second)]
    seen = (maps[0].class_index >= 0) & (maps[1].class_index >= 0)
    one, two = (m.class_index[seen] for m in maps)
    hectares = np.zeros((len(maps[0].classes), len(maps[1].classes)))
    np.add.at(hectares, (one, two), places.area_ha[seen])
    names = [np.array(m.classes, dtype=object) for m in maps]
    same = int((names[0][one] == names[1][two]).sum())
    return Agreement(
        (first, second),
        places.unit,
        places.season,
        int(seen.sum()),
        same,
        maps[0].classes,
        maps[1].classes,
        hectares,
    )


def agreement_lines(found: Agreement) -> Iterator[str]:
    """Where two maps agree and what they disagree about, for people."""
    a, b = found.names
    yield (
        f"{a} and {b} say the same of {found.same:,} of {found.places:,} {found.unit} of season {found.season}, "
        f"{100 * found.share:.1f} % of the hectares."
    )
    alike = np.array([[x == y for y in found.second] for x in found.first])
    apart = np.where(alike, 0.0, found.hectares)
    for flat in np.argsort(-apart, axis=None, kind="stable")[:_SHOWN]:
        i, j = np.unravel_index(flat, apart.shape)
        if apart[i, j] > 0:
            yield (
                f"  {apart[i, j]:12,.1f} ha  {a}: {plain_text(found.first[i])}   {b}: {plain_text(found.second[j])}"
            )
    yield from _by_class(found)
    yield "Agreement says nothing of who is right: compare with --labels FILE of new labels."


def _by_class(found: Agreement) -> Iterator[str]:
    """Hectares of each class in both maps, and on how many of either both agree."""
    a, b = found.names
    yield f"  {'class':28} {a[:14]:>14} {b[:14]:>14}   both of either"
    for name in sorted({*found.first, *found.second}):
        mine = found.hectares[[c == name for c in found.first]]
        theirs = found.hectares[:, [c == name for c in found.second]]
        both = float(mine[:, [c == name for c in found.second]].sum())
        either = float(mine.sum() + theirs.sum()) - both
        share = f"{100 * both / either:.0f} %" if either else "-"
        yield f"  {plain_text(name)[:28]:28} {mine.sum():14,.1f} {theirs.sum():14,.1f}   {share:>8}"


def comparison_lines(found: Evaluation, names: Sequence[str]) -> Iterator[str]:
    """Scores of adapters on the same labels, and the first one's paired difference to each other."""
    yield f"{found.n:,} labels in {found.n_groups:,} places: {found.split}."
    yield from (f"Note: {plain_text(note)}" for note in found.notes)
    for name in names:
        entry = found.entry(ADAPTER if name == names[0] else name)
        scores = entry.scores
        yield (
            f"  {plain_text(name):24} macro-F1 {number(scores.macro_f1)}   accuracy {number(scores.accuracy)}   "
            f"ECE {scores.ece.value:.3f}"
        )
        if entry.difference is not None:
            gap = entry.difference.macro_f1
            pair = f"{plain_text(names[0])} − {plain_text(name)}"
            yield f"  {pair}: {signed_points(gap)} points of macro-F1, {_meaning(gap.low, gap.high)}"


def _meaning(low: float | None, high: float | None) -> str:
    if low is None or high is None:
        return "in too few places for an interval"
    return "more than chance" if low > 0 or high < 0 else "no clear difference"

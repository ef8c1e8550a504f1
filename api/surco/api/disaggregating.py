"""Official totals by comuna brought down to the cells or parcels of a crop."""

from __future__ import annotations

import math
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, replace
from pathlib import Path

import numpy as np
import numpy.typing as npt

from surco.adapters import Disaggregated, disaggregate
from surco.api.maps import Places, adapter_model, predict, read_places, vectors
from surco.api.refusals import SettingsError
from surco.api.totals_file import comuna_names, read_totals
from surco.api.yield_maps import PlaceValues
from surco.embedstore import Store

__all__ = ["TotalsRequest", "TotalsResult", "bring_down", "total_lines"]

_LEAST = 0.0


@dataclass(frozen=True, slots=True)
class TotalsRequest:
    """What to bring down, and to which places; fields as the options of `surco disaggregate` of the same names."""

    store: Path
    totals: Path
    crop: str | None = None
    adapter: str | None = None
    season: str | None = None
    unit: str = "auto"
    resolution: int | None = None
    value_unit: str = "t/ha"
    place_spread: float = 0.2


@dataclass(frozen=True, slots=True)
class TotalsResult:
    """Values of the places, their fit, and the comunas of the file that have no place of the crop, by name."""

    values: PlaceValues
    fit: Disaggregated
    unplaced: tuple[str, ...]
    largest_gap: float


def bring_down(request: TotalsRequest) -> TotalsResult:
    """Estimate the value of each place of a crop so that comunas add up to their official totals.

    Raises:
        EmbedstoreError: no such store, table or adapter.
        SettingsError: a totals file that cannot be read, no place of the crop, a crop that nobody told.
        AdapterError: totals without places.
    """
    store = Store.open(request.store)
    totals = read_totals(request.totals)
    places = _of_crop(store, request)
    hectares = places.area_ha
    names = comuna_names()
    codes = places.table["comuna"].to_numpy(zero_copy_only=False)
    area = np.array(["" if math.isnan(c) else str(int(c)) for c in np.asarray(codes, float).tolist()])
    known = {str(c): total for c, total in totals.per_hectare(area, hectares).items()}
    fit = disaggregate(
        vectors(places.table), hectares, area, known, least=_LEAST, place_spread=request.place_spread
    )
    placed = set(fit.areas)
    unplaced = tuple(names.get(c, c) for c in sorted(map(str, totals.values)) if c not in placed)
    source = f"totals of {request.totals.name}"
    values = PlaceValues(places, source, request.value_unit, fit.coverage, fit.value, fit.low, fit.high)
    return TotalsResult(values, fit, unplaced, _largest_gap(fit, area, hectares, known))


def total_lines(result: TotalsResult, out: Path) -> Iterator[str]:
    """What was brought down, for people."""
    values, fit = result.values, result.fit
    known = np.isfinite(values.value)
    yield (
        f"{len(fit.areas)} totals brought down to {int(known.sum()):,} {values.places.unit} of season "
        f"{values.places.season} -> {out}"
    )
    low, high = np.percentile(values.value[known], [5, 95])
    yield f"  value  5 % to 95 % of places {low:.4g} to {high:.4g} {values.target_unit}"
    yield f"  places add up to their comuna's total within {result.largest_gap:.1e} of it"
    if fit.explained is None:
        yield "  under three totals: nothing is known of the spread, intervals are unbounded"
    else:
        yield (
            f"  totals explained by the vectors, each held out: {100 * max(fit.explained, 0):.0f} %; differences "
            "within comunas are believed to that share"
        )
    if not known.all():
        yield f"  {int((~known).sum()):,} {values.places.unit} lie in comunas without a total and have no value"
    if result.unplaced:
        shown = ", ".join(result.unplaced[:8]) + (" …" if len(result.unplaced) > 8 else "")
        yield f"  no place of the crop in {len(result.unplaced)} comunas of the file: {shown}"


def _of_crop(store: Store, request: TotalsRequest) -> Places:
    """The places of the crop that were observed and have hectares."""
    model_id = adapter_model(store, request.adapter) if request.adapter else None
    places = read_places(store, request.season, request.unit, request.resolution, model_id)
    keep = (places.table["embedding_scale"].to_numpy() > 0) & (places.area_ha > 0)
    if request.crop is not None:
        keep = keep & _is_crop(store, places, request)
    elif request.adapter is not None:
        raise SettingsError(
            f"Expected --crop beside --adapter {request.adapter}, got none. Name the class that the totals are of."
        )
    rows = np.flatnonzero(keep)
    if not len(rows):
        raise SettingsError(
            f"Expected {places.unit} of {request.crop or 'any crop'} with data, got none in season {places.season}. "
            "Check the crop's name, or name the adapter that tells it."
        )
    return replace(places, table=places.table.take(rows), id=places.id[rows], area_ha=places.area_ha[rows])


def _is_crop(store: Store, places: Places, request: TotalsRequest) -> npt.NDArray[np.bool_]:
    """Which places (N,) are of the crop: the adapter's likeliest class, or what somebody said of the parcel."""
    if request.adapter is not None:
        predicted = predict(store, request.adapter, places)
        if request.crop not in predicted.classes:
            raise SettingsError(
                f"Expected a class of adapter {request.adapter} ({', '.join(predicted.classes)}), got "
                f"{request.crop!r}. Name one of them."
            )
        return np.asarray(predicted.class_index == predicted.classes.index(request.crop))
    if places.unit != "parcels":
        raise SettingsError(
            f"Expected --adapter beside --crop {request.crop} for cells, got none. Name a crop-type adapter that knows "
            "it, or use --unit parcels, whose crop somebody may have said."
        )
    return np.array([name == request.crop for name in places.table["crop:name"].to_pylist()], bool)


def _largest_gap(
    fit: Disaggregated,
    area: npt.NDArray[np.str_],
    hectares: npt.NDArray[np.float64],
    totals: Mapping[str, float],
) -> float:
    """The largest difference of a comuna's places from its total, as a share of it."""
    gaps = [0.0]
    for name in fit.areas:
        rows = area == name
        mean = float(np.average(fit.value[rows], weights=hectares[rows]))
        gaps.append(abs(mean - totals[name]) / max(totals[name], 1e-12) if totals[name] else abs(mean))
    return max(gaps)

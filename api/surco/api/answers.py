"""What the page asks of a store, answered as plain values and kept as long as the store's version lasts."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import asdict, dataclass
from typing import Any, Literal

import h3
import numpy as np
import shapely

from surco.adapters import load_adapter
from surco.api.kept import Kept
from surco.api.maps import (
    CLASS_TASKS,
    Places,
    Predicted,
    adapter_model,
    adapter_task,
    predict,
    read_places,
    vectors,
)
from surco.api.refusals import TooLargeError, UnknownError
from surco.api.settings import Settings
from surco.embedstore import Season, Store, TableInfo, comunas, nearest
from surco.viewer import class_styles, principal_colours

__all__ = ["Answers", "Question", "Unit"]

Unit = Literal["cells", "parcels"]


@dataclass(frozen=True, slots=True)
class Question:
    """Which map is meant; None is the default of the settings or the store."""

    season: str | None = None
    unit: Unit | None = None
    resolution: int | None = None
    adapter: str | None = None


class Answers:
    """Answers over one store. Each is of the store's latest version when it was asked."""

    def __init__(self, settings: Settings) -> None:
        self._settings = settings
        self._places: Kept[Places] = Kept(6)
        self._maps: Kept[Predicted] = Kept(6)

    def store(self) -> Store:
        """The store at its latest version."""
        return Store.open(self._settings.store)

    def overview(self) -> dict[str, Any]:
        """What the store holds, and what is shown first."""
        store = self.store()
        tables = store.tables()
        if not tables:
            raise UnknownError(
                f"Expected a store with cells or parcels, got {self._settings.area_name!r} with none. "
                "Fill it with `surco encode` first."
            )
        bounds = np.array([info.bbox for info in tables])
        season, model_id = self._season(store, None), self._model(store, None)
        return {
            "area": self._settings.area_name,
            "version": store.version,
            "start_month": store.start_month,
            "max_cells": self._settings.max_places,
            "bbox": [*bounds[:, :2].min(axis=0).tolist(), *bounds[:, 2:].max(axis=0).tolist()],
            "grounds": _grounds(tables),
            "seasons": [_season_facts(store, name) for name in store.seasons()],
            "models": store.models(),
            "adapters": [self._adapter_facts(store, name) for name in _class_adapters(store)],
            "defaults": {
                "season": season,
                "adapter": self._adapter(store, None),
                "model": model_id,
                "unit": _default_unit(tables, season, model_id),
            },
        }

    def places(self, question: Question) -> Places:
        """The rows that a question means."""
        store = self.store()
        season, model_id = self._season(store, question.season), self._model(store, question.adapter)
        unit = question.unit or _default_unit(store.tables(), season, model_id)
        info = self._table(store, season, unit, question.resolution, model_id)
        if info.rows > self._settings.max_places:
            raise TooLargeError(
                f"Expected a map of at most {self._settings.max_places:,} places, got {info.rows:,} {unit}. "
                "Ask for a coarser resolution, or raise max_places."
            )
        key = (store.version, season, unit, info.resolution, info.model_id)
        return self._places.get(key, lambda: read_places(store, season, unit, info.resolution, info.model_id))

    def map(self, question: Question) -> Predicted | None:
        """The map that a question means; None where the store has no adapter."""
        store = self.store()
        name = self._adapter(store, question.adapter)
        if name is None:
            return None
        places = self.places(question)
        key = (places.version, name, places.season, places.unit, places.resolution)
        return self._maps.get(key, lambda: predict(store, name, places))

    def map_columns(self, question: Question) -> dict[str, Any]:
        """Ids, areas and (parcels) outlines, with class and probability in percent where there is an adapter."""
        places, predicted = self.places(question), self.map(question)
        answer: dict[str, Any] = {
            "version": places.version,
            "season": places.season,
            "unit": places.unit,
            "resolution": places.resolution,
            "model": places.model_id,
            "adapter": predicted and predicted.adapter,
            "classes": _styles(predicted.classes) if predicted else [],
            "id": places.id.tolist(),
            "area_ha": np.round(places.area_ha, 4).tolist(),
            "class": None,
            "probability": None,
        }
        if predicted is not None:
            answer["class"] = predicted.class_index.tolist()
            answer["probability"] = _whole_numbers(100 * predicted.probability)
        if places.unit == "parcels":
            answer["polygons"] = [_rings(shape) for shape in places.polygons()]
        return answer

    def areas(self, question: Question) -> dict[str, Any]:
        """Hectares by class as mapped."""
        predicted = self._must_map(question)
        hectares = predicted.hectares()
        counts = np.bincount(predicted.class_index[predicted.class_index >= 0], minlength=len(hectares))
        return {
            "method": "counted from the map, not a survey estimate",
            "total_ha": float(hectares.sum()),
            "classes": [
                {"name": name, "hectares": float(area), "places": int(count)}
                for name, area, count in zip(predicted.classes, hectares, counts, strict=True)
            ],
        }

    def ndvi(self, question: Question, month: int) -> dict[str, Any]:
        """NDVI x 100 of one month of the season (0 is its first), in the order of the map; null where unseen."""
        values = _ndvi(self.places(question))[:, month]
        return {"month": month, "ndvi": _whole_numbers(values)}

    def colours(self, question: Question) -> dict[str, Any]:
        """The vectors' first three principal components as red, green and blue, one after the other, in map order."""
        return {"rgb": principal_colours(vectors(self.places(question).table)).ravel().tolist()}

    def place(self, question: Question, place_id: str) -> dict[str, Any]:
        """One cell or parcel in full."""
        places, predicted = self.places(question), self.map(question)
        row = _row_of(places, place_id)
        columns = ("n_pixels", "valid_fraction", "n_optical", "n_radar", "comuna")
        facts = {name: places.table[name][row].as_py() for name in columns}
        lon, lat = _centre(places, row)
        season = Season.parse(places.season, self.store().start_month)
        said = places.table["crop:name"][row].as_py() if places.unit == "parcels" else None
        return {
            "id": place_id,
            "unit": places.unit,
            "lon": lon,
            "lat": lat,
            "area_ha": float(places.area_ha[row]),
            "comuna": facts["comuna"],
            "address": _address(facts.pop("comuna")),
            "said": said,
            "probabilities": _chances(predicted, row),
            "months": [first.strftime("%Y-%m") for first, _ in season.months()],
            "ndvi": [None if np.isnan(v) else v / 100 for v in _ndvi(places, row)[0].tolist()],
            "quality": facts,
        }

    def similar(self, question: Question, place_id: str, k: int) -> dict[str, Any]:
        """The `k` cells or parcels whose vectors are most alike by cosine, itself left out."""
        if not 1 <= k <= self._settings.max_similar:
            raise TooLargeError(f"Expected k from 1 to {self._settings.max_similar}, got {k}. Ask for fewer.")
        places, predicted = self.places(question), self.map(question)
        _row_of(places, place_id)
        what: str | int = int(place_id, 16) if places.unit == "cells" else place_id
        found = nearest(
            self.store(),
            what,
            k,
            table="cells" if places.unit == "cells" else "parcels",
            season=places.season,
            resolution=places.resolution,
            model_id=places.model_id,
        )
        keys = found["h3" if places.unit == "cells" else "id"].to_pylist()
        names = [f"{key:x}" if places.unit == "cells" else str(key) for key in keys]
        scores = found["similarity"].to_numpy().tolist()
        return {"items": [_alike(places, predicted, *pair) for pair in zip(names, scores, strict=True)]}

    def _must_map(self, question: Question) -> Predicted:
        predicted = self.map(question)
        if predicted is None:
            raise UnknownError(
                "Expected an adapter in the store, got none. Fit one with `surco adapters fit STORE --labels FILE`."
            )
        return predicted

    def _season(self, store: Store, name: str | None) -> str:
        return _known("season", name or self._settings.season, store.seasons(), last=True)

    def _adapter(self, store: Store, name: str | None) -> str | None:
        wanted = name or self._settings.adapter
        known = _class_adapters(store)
        return _known("adapter", wanted, known) if wanted or known else None

    def _adapter_facts(self, store: Store, name: str) -> dict[str, Any]:
        adapter = load_adapter(store.adapter_dir(name))
        styles = _styles([str(c) for c in adapter.classes_])
        return {"name": name, "model": adapter_model(store, name), "classes": styles}

    def _model(self, store: Store, adapter: str | None) -> str:
        """The model that the adapter reads; without one the first that has parcels, or else cells, in the season."""
        name = self._adapter(store, adapter)
        if name:
            return adapter_model(store, name)
        season = self._season(store, None)
        tables = sorted(store.tables(), key=lambda t: (t.season != season, t.table != "parcels"))
        return tables[0].model_id

    def _table(
        self, store: Store, season: str, unit: Unit, resolution: int | None, model_id: str
    ) -> TableInfo:
        """The table meant; where no resolution is named, the finest that may be sent."""
        if unit == "parcels" or resolution is not None:
            return store.find(unit, season=season, resolution=resolution, model_id=model_id)
        cells = [t for t in store.tables() if (t.table, t.season, t.model_id) == ("cells", season, model_id)]
        fitting = [t for t in cells if t.rows <= self._settings.max_places]
        finest = max(fitting, key=lambda t: t.resolution or 0, default=None)
        return store.find(
            unit, season=season, resolution=finest.resolution if finest else None, model_id=model_id
        )


def _class_adapters(store: Store) -> list[str]:
    """The adapters that the page can draw: those that tell classes apart."""
    return [name for name in store.adapters() if adapter_task(store, name) in CLASS_TASKS]


def _known(what: str, name: str | None, there: Sequence[str], *, last: bool = False) -> str:
    if name is None and there:
        return there[-1] if last else there[0]
    if name is None or name not in there:
        raise UnknownError(
            f"Expected {what} {' or '.join(there) or '(there is none yet)'}, got {name!r}. Name one that is there."
        )
    return name


def _grounds(tables: Sequence[TableInfo]) -> list[dict[str, Any]]:
    """Areas that the store was filled with one after another, by the name of their scenes; none where it was one."""
    notes = [note for table in tables for note in table.meta.get("runs", [])]
    found = {note["name"]: note["bbox"] for note in notes if "name" in note}
    return [{"name": name, "bbox": bbox} for name, bbox in found.items()] if len(found) > 1 else []


def _season_facts(store: Store, name: str) -> dict[str, Any]:
    tables = [info for info in store.tables() if info.season == name]
    months = Season.parse(name, store.start_month).months()
    models = sorted({info.model_id for info in tables})
    return {
        "name": name,
        "months": [first.strftime("%Y-%m") for first, _ in months],
        "models": {model: _model_facts([t for t in tables if t.model_id == model]) for model in models},
    }


def _model_facts(tables: Sequence[TableInfo]) -> dict[str, Any]:
    """What a season has of one model: rows of parcels, and cells by resolution, coarsest first."""
    cells = sorted((t for t in tables if t.table == "cells"), key=lambda t: t.resolution or 0)
    return {
        "parcels": sum(t.rows for t in tables if t.table == "parcels"),
        "cells": [
            {
                "resolution": t.resolution,
                "rows": t.rows,
                "cell_ha": h3.average_hexagon_area(t.resolution, unit="m^2") / 1e4,
            }
            for t in cells
        ],
    }


def _default_unit(tables: Sequence[TableInfo], season: str, model_id: str) -> Unit:
    held = ("parcels", season, model_id)
    return "parcels" if any((t.table, t.season, t.model_id) == held for t in tables) else "cells"


def _styles(names: Sequence[str]) -> list[dict[str, str]]:
    return [asdict(style) for style in class_styles(names)]


def _whole_numbers(values: Any) -> list[int | None]:
    return [None if np.isnan(v) else round(v) for v in np.asarray(values, float).tolist()]


def _ndvi(places: Places, row: int | None = None) -> Any:
    """(N, 12) float64 NDVI x 100, NaN where unseen; one row where `row` is given."""
    column = places.table["ndvi"] if row is None else places.table["ndvi"].slice(row, 1)
    return np.array(
        [np.nan if v is None else v for months in column.to_pylist() for v in months or [None] * 12], float
    ).reshape(-1, 12)


def _rings(shape: Any) -> list[list[list[list[float]]]]:
    """Polygons of a parcel, each a list of rings of longitude and latitude, to about 0.1 m."""
    parts = shapely.get_parts(shape)
    return [
        [np.round(shapely.get_coordinates(ring), 6).tolist() for ring in (part.exterior, *part.interiors)]
        for part in parts
    ]


def _row_of(places: Places, place_id: str) -> int:
    found = np.flatnonzero(places.id == place_id)
    if not len(found):
        some = ", ".join(places.id[:3].tolist())
        raise UnknownError(
            f"Expected the id of one of {len(places.id)} {places.unit} of {places.season} (such as {some}), "
            f"got {place_id!r}. Take one from /api/map."
        )
    return int(found[0])


def _centre(places: Places, row: int) -> tuple[float, float]:
    """A point inside the place: the cell's centre, or one within the parcel's outline."""
    shape = shapely.from_wkb(places.table["geometry"][row].as_py())
    point = shape if places.unit == "cells" else shape.representative_point()
    return round(point.x, 6), round(point.y, 6)


def _chances(predicted: Predicted | None, row: int) -> list[float] | None:
    if predicted is None or predicted.class_index[row] < 0:
        return None
    return [round(v, 4) for v in predicted.probabilities[row].tolist()]


def _address(comuna: int | None) -> list[str]:
    """Names of the comuna, its province and its region; nothing where it is not known."""
    row = next((r for r in comunas().to_pylist() if r["cut"] == comuna), None)
    return [row[key] for key in ("comuna", "provincia", "region")] if row else []


def _alike(places: Places, predicted: Predicted | None, name: str, similarity: float) -> dict[str, Any]:
    row = _row_of(places, name)
    lon, lat = _centre(places, row)
    known = predicted is not None and predicted.class_index[row] >= 0
    return {
        "id": name,
        "similarity": round(similarity, 4),
        "lon": lon,
        "lat": lat,
        "area_ha": float(places.area_ha[row]),
        "class": int(predicted.class_index[row]) if predicted is not None and known else None,
    }

"""Samples as files: the GeoJSON that a plan writes, and the same file read back with its classes filled in."""

from __future__ import annotations

import json
from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt
import shapely

from surco.adapters import SamplePlan
from surco.api.area_domains import some_places
from surco.api.maps import Places
from surco.api.refusals import ExportError, SampleError
from surco.api.whole_file import whole_file
from surco.embedstore import Sentence, read_labels

__all__ = ["FilledSample", "read_sample", "write_sample"]

_CLASSES = "class"
_CHANCE = "inclusion_probability"


@dataclass(frozen=True, slots=True, eq=False)
class FilledSample:
    """A sample file: n places by id, what was found there, and how they were drawn.

    Attributes:
        path: of the file.
        id: (n,) H3 index in hexadecimal, or a parcel's id.
        reference: (n,) class found.
        inclusion_probability: (n,) as the file says; checked where the sample is used.
        stratum: (n,) name; "" where the file has no strata.
        origin: what the plan wrote of the map it drew from: season, unit, resolution, strata. Empty where the file
            came from elsewhere, or a program dropped it.
    """

    path: Path
    id: tuple[str, ...]
    reference: npt.NDArray[np.str_]
    inclusion_probability: npt.NDArray[np.float64]
    stratum: npt.NDArray[np.str_]
    origin: Mapping[str, Any]

    def __len__(self) -> int:
        return len(self.id)

    def planned(self) -> dict[str, int]:
        """Places that were drawn from each stratum, where the file says so."""
        strata = self.origin.get("strata", {})
        return {name: entry["drawn"] for name, entry in strata.items()}


def write_sample(
    path: Path,
    places: Places,
    rows: npt.NDArray[np.int64],
    chances: npt.NDArray[np.float64],
    strata: Sequence[str],
    plan: SamplePlan,
    origin: Mapping[str, Any],
) -> None:
    """Write the drawn places with an empty `class` to fill in.

    Args:
        path: ends in .geojson or .json; replaced only when the new file is complete.
        places: the map's places.
        rows: (n,) of `places`, drawn.
        chances: (n,) inclusion probabilities.
        strata: (n,) names.
        plan: what was planned, for the record in the file.
        origin: further facts for that record, plain JSON.

    Raises:
        ExportError: another ending, no such folder, a disk that refuses.
    """
    if path.suffix.lower() not in (".geojson", ".json") or not path.parent.is_dir():
        raise ExportError(
            f"Expected a file ending in .geojson in a folder that is there, got {path}. Rename it, or make the folder."
        )
    drawn = some_places(places, rows)
    shapes = shapely.to_geojson(drawn.polygons())
    record = {
        **origin,
        "strata": {
            s.name: {"places": s.places, "hectares": round(s.hectares, 4), "drawn": s.drawn}
            for s in plan.strata
        },
    }
    features = [
        {
            "type": "Feature",
            "id": name,
            "properties": {"id": name, "stratum": stratum, _CHANCE: chance, _CLASSES: ""},
            "geometry": json.loads(shape),
        }
        for name, stratum, chance, shape in zip(drawn.id, strata, chances.tolist(), shapes, strict=True)
    ]
    content = {"type": "FeatureCollection", "surco_sample": record, "features": features}
    try:
        with whole_file(path) as draft:
            draft.write_text(json.dumps(content, ensure_ascii=False) + "\n", encoding="utf-8")
    except OSError as error:
        raise ExportError(
            f"Expected to be able to write {path}, got: {error}. Choose another place."
        ) from error


def read_sample(path: Path) -> FilledSample:
    """Read a filled-in sample.

    Raises:
        LabelError: no GeoJSON, or a feature without geometry or class.
        SampleError: a feature without an id or an inclusion probability, ids that occur twice, strata of some
            features only, or a record of the plan that is damaged.
    """
    labels = read_labels(path, _CLASSES)
    content = json.loads(path.read_bytes())
    properties = [feature["properties"] for feature in content["features"]]
    ids = [_id(feature, number, path) for number, feature in enumerate(content["features"], 1)]
    twice = [each for each, count in Counter(ids).items() if count > 1]
    if twice:
        raise SampleError(
            Sentence(
                f"Expected each place once in {path}, got {twice[0]} twice. Keep one feature of each place.",
                "sample-twice",
                place=twice[0],
            )
        )
    chances = [_number(each.get(_CHANCE), number, path) for number, each in enumerate(properties, 1)]
    return FilledSample(
        path,
        tuple(ids),
        np.array(labels.label, np.str_),
        np.array(chances, np.float64),
        np.array(_strata(properties, path), np.str_),
        _origin(content.get("surco_sample"), path),
    )


def _id(feature: Mapping[str, Any], number: int, path: Path) -> str:
    found = feature["properties"].get("id", feature.get("id"))
    if isinstance(found, bool) or not isinstance(found, str | int) or found == "":
        raise SampleError(
            Sentence(
                f"Expected the id of a cell or parcel in every feature, got {found!r} in feature {number} of {path}. "
                "Keep the ids that `surco areas plan` wrote.",
                "sample-id",
                number=number,
            )
        )
    return str(found)


def _number(value: object, number: int, path: Path) -> float:
    if isinstance(value, bool) or not isinstance(value, int | float) or not 0 < value <= 1:
        raise SampleError(
            Sentence(
                f"Expected {_CHANCE!r} above 0 and at most 1 in every feature, got {value!r} in feature {number} of "
                f"{path}. Labels that were not drawn at random allow no interval: draw a sample by `surco areas plan`.",
                "sample-chance",
                number=number,
            )
        )
    return float(value)


def _strata(properties: Sequence[Mapping[str, Any]], path: Path) -> list[str]:
    found = [each.get("stratum") for each in properties]
    if all(each is None for each in found):
        return [""] * len(found)
    for number, each in enumerate(found, 1):
        if isinstance(each, bool) or not isinstance(each, str | int) or each == "":
            raise SampleError(
                f"Expected the stratum of every feature or of none, got {each!r} in feature {number} of {path}. "
                "Keep the strata that the places were drawn from."
            )
    return [str(each) for each in found]


def _origin(record: object, path: Path) -> Mapping[str, Any]:
    if record is None:
        return {}
    strata = record.get("strata") if isinstance(record, dict) else None
    sound = isinstance(strata, dict) and all(
        isinstance(s, dict) and type(s.get("drawn")) is int and type(s.get("places")) is int
        for s in strata.values()
    )
    if not sound or not isinstance(record, dict):
        raise SampleError(
            f"Expected the record `surco_sample` of {path} as `surco areas plan` wrote it, got another. "
            "Restore it, or remove it."
        )
    return record

"""Fields that a person has looked at as a file of parcels: fiboa GeoParquet."""

from __future__ import annotations

import math
from datetime import UTC, date, datetime
from pathlib import Path
from typing import Any

import numpy as np

from surco.adapters.boundaries.parcel_ids import Lineage
from surco.api.found_parcels import METHOD, FoundParcels, write_found_parcels
from surco.api.map_products.field_edits import Field

__all__ = ["write_fields"]


def write_fields(fields: list[Field], out: Path) -> Path:
    """Write fields as `surco boundaries` does, with how each outline came about, and crops where they were named.

    Args:
        fields: each with an id of its own.
        out: a `.parquet`.

    Raises:
        ExportError: a disk or folder that refuses.
    """
    found = FoundParcels(
        np.array([*(field.outline for field in fields), None], object)[:-1],
        np.array([_confidence(field.said.get("confidence")) for field in fields], np.float32),
        _lineage(fields),
        max((_day(field.said.get("determination:datetime")) for field in fields), default=_today()),
        _text(fields[0].said.get("determination:details")) or "fields drawn by hand",
        {"edited": True},
        tuple(_text(field.said.get("determination:method")) or METHOD for field in fields),
        tuple(_text(field.said.get("crop:name")) for field in fields),
    )
    write_found_parcels(found, out)
    return out


def _lineage(fields: list[Field]) -> Lineage:
    names = np.array([*(field.id for field in fields), None], object)[:-1]
    parents = tuple(tuple(str(each) for each in field.said.get("parents") or ()) for field in fields)
    return Lineage(names, parents, np.full(len(fields), np.nan))


def _confidence(value: Any) -> float:
    return float(value) if isinstance(value, int | float) and math.isfinite(value) else math.nan


def _text(value: Any) -> str | None:
    return value[:500] if isinstance(value, str) and value.strip() else None


def _day(value: Any) -> date:
    try:
        return datetime.fromisoformat(str(value)).date()
    except ValueError:
        return _today()


def _today() -> date:
    return datetime.now(UTC).date()

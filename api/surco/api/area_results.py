"""What `surco areas` answers: hectares by class and domain, as rows and as plain values."""

from __future__ import annotations

from dataclasses import asdict, dataclass
from typing import Any

import pyarrow as pa

from surco.adapters import AreaAccuracy
from surco.api.area_domains import Division
from surco.api.area_frames import AreaQuestion
from surco.embedstore import codes_of

__all__ = ["AreaAnswer", "AreaRow"]


@dataclass(frozen=True, slots=True)
class AreaRow:
    """Hectares of one class in one domain.

    `mapped_ha` is counted from the map and biased where it errs, `expected_ha` the sum of the map's probabilities.
    `area_ha`, `standard_error_ha`, `low_ha` and `high_ha` rest on the sample; they are None where `note` says why.
    `sampled` counts the sampled places found to be of the class.
    """

    domain: str
    label: str
    mapped_ha: float
    expected_ha: float
    area_ha: float | None
    standard_error_ha: float | None
    low_ha: float | None
    high_ha: float | None
    sampled: int
    note: str


@dataclass(frozen=True, slots=True, eq=False)
class AreaAnswer:
    """An answer: what was asked, rows (all of the area first, then domain by domain), accuracy, and notes to read.

    `method` is in words; `accuracy` is None without a sample; `confidence` is that of the intervals.
    """

    question: AreaQuestion
    by: Division
    season: str
    unit: str
    resolution: int | None
    model_id: str
    store_version: int
    method: str
    confidence: float
    rows: tuple[AreaRow, ...]
    accuracy: AreaAccuracy | None
    notes: tuple[str, ...]

    @property
    def domains(self) -> tuple[str, ...]:
        """Names of the domains, the total first."""
        return tuple(dict.fromkeys(row.domain for row in self.rows))

    def of(self, domain: str) -> list[AreaRow]:
        """The rows of one domain."""
        return [row for row in self.rows if row.domain == domain]

    def table(self) -> pa.Table:
        """The rows with their method and confidence, as Arrow."""
        rows = [{"domain": r.domain, "class": r.label, **asdict(r)} for r in self.rows]
        for row in rows:
            del row["label"]
            row |= {"method": self.method, "confidence": self.confidence}
        order = [
            "domain",
            "class",
            "mapped_ha",
            "expected_ha",
            "area_ha",
            "standard_error_ha",
            "low_ha",
            "high_ha",
        ]
        kinds = {name: pa.float64() for name in order[2:]}
        columns = [*order, "sampled", "method", "confidence", "note"]
        return pa.table({c: pa.array([row[c] for row in rows], kinds.get(c)) for c in columns})

    def as_dict(self) -> dict[str, Any]:
        """The answer as plain JSON values."""
        asked = {
            "store": str(self.question.store),
            "adapter": self.question.adapter,
            "aoi": self.question.aoi,
        }
        facts = ("by", "season", "unit", "resolution", "model_id", "store_version", "method", "confidence")
        return {
            **asked,
            **{name: getattr(self, name) for name in facts},
            "method": str(self.method),
            "notes": [str(note) for note in self.notes],
            "areas": self.table().drop_columns(["method", "confidence"]).to_pylist(),
            "accuracy": self.accuracy and self.accuracy.as_dict(),
            "said": codes_of([self.method, *self.notes, *(row.note for row in self.rows)]),
        }

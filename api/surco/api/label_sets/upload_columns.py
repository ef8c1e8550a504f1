"""Which column of an uploaded table holds which field of a label, in English and Spanish."""

from __future__ import annotations

import unicodedata
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Final

import msgspec

from surco.api.refusals import InvalidError

__all__ = ["Columns", "UploadWishes", "names_places", "plain_name", "recognise"]

_VALUE_COLUMNS: Final = ("value", "valor", "yield", "rendimiento", "t_ha", "qq_ha", "kg_ha", "medida")
_QUEUE: Final = frozenset({"inclusion_probability", "arm", "stratum"})
_OURS: Final = frozenset({"revision", "made_by", "made_at"})
_SYNONYMS: Final[Mapping[str, Sequence[str]]] = {
    "id": ("id", "label_id", "identificador"),
    "who": (
        "who",
        "annotator",
        "quien",
        "observador",
        "observer",
        "etiquetador",
        "labeller",
        "user",
        "usuario",
        "autor",
    ),
    "observed": ("observed", "observed_at", "when", "date", "fecha", "datetime", "fecha_visita", "visited"),
    "source": ("source", "fuente", "origen", "metodo", "method"),
    "confidence": ("confidence", "confianza", "certeza", "certainty"),
    "season": ("season", "temporada"),
    "note": ("note", "notes", "nota", "notas", "comment", "comentario", "observacion", "observaciones"),
    "place": ("place", "lugar", "parcel", "parcela", "predio", "cell", "celda", "h3", "tile_id"),
    "stratum": ("stratum", "estrato"),
    "inclusion_probability": ("inclusion_probability",),
    "arm": ("arm",),
    "round": ("round",),
    "rank": ("rank",),
}


class UploadWishes(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """What the uploader says of a file.

    Attributes:
        kind: "class" or "value", of the set.
        name: of the file, for people.
        class_columns: names of columns that are taken as the class where none is named.
        class_column: column of the class.
        value_column: column of the value.
        crs: code of the coordinate system, where the file does not say it or says it wrong.
        layer: of a GeoPackage with several, or the file of a zip with several.
        encoding: of text that is no UTF-8.
        positive: what a positive of GeoVibes is; negatives become "not" that.
    """

    kind: str
    name: str
    class_columns: tuple[str, ...]
    class_column: str | None = None
    value_column: str | None = None
    crs: str | None = None
    layer: str | None = None
    encoding: str | None = None
    positive: str | None = None


@dataclass(frozen=True, slots=True)
class Columns:
    """Column of each field that is there, and the names of the columns that are none."""

    of: Mapping[str, str]
    left_out: tuple[str, ...]


def plain_name(name: str) -> str:
    """A column's name in small letters, without accents, with _ for blanks."""
    letters = unicodedata.normalize("NFKD", name.strip().casefold())
    return "".join(each for each in letters if not unicodedata.combining(each)).replace(" ", "_")


def names_places(names: Iterable[str]) -> bool:
    """Whether the ids of a table name places rather than labels: those of samples and queues, not of our exports."""
    there = {plain_name(name) for name in names}
    return bool(_QUEUE & there) and not there >= _OURS


def recognise(
    names: Iterable[str],
    wishes: UploadWishes,
    also: tuple[str, ...] = (),
    ours: frozenset[str] = frozenset(),
) -> Columns:
    """Tell the columns of a table.

    Args:
        names: of its columns.
        wishes: what the uploader says of them.
        also: more names of class columns, of a format that has its own.
        ours: names of columns that the format uses for other things.

    Raises:
        InvalidError: no column of the class (or value), or not the one that was named.
    """
    there = [name for name in names if name not in ours]
    by_plain = {plain_name(name): name for name in reversed(there)}
    wanted, known = (
        (wishes.class_column, (*also, *wishes.class_columns))
        if wishes.kind == "class"
        else (wishes.value_column, _VALUE_COLUMNS)
    )
    found = {wishes.kind: _main(wanted, known, there, by_plain, wishes.kind)}
    for field, synonyms in _SYNONYMS.items():
        column = next((by_plain[name] for name in synonyms if name in by_plain), None)
        if column is not None and column not in found.values():
            found[field] = column
    used = set(found.values())
    return Columns(found, tuple(sorted(name for name in there if name not in used)))


def _main(
    wanted: str | None, known: Sequence[str], there: Sequence[str], by_plain: Mapping[str, str], kind: str
) -> str:
    if wanted is not None and wanted in there:
        return wanted
    found = None if wanted is not None else next((by_plain[name] for name in known if name in by_plain), None)
    if found is None:
        words = f"a column {wanted!r}" if wanted else f"a column of the {kind} ({', '.join(known)})"
        names = ", ".join(repr(name[:40]) for name in there[:40]) or "none"
        raise InvalidError(
            f"Expected {words}, got the columns {names}. Name the one meant with ?{kind}_column=."
        )
    return found

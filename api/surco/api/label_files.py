"""The list of suspects as a file: GeoJSON for a map, CSV for a table, HTML to read."""

from __future__ import annotations

import csv
import html
import io
import json
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

import shapely

from surco.api.label_checking import CheckedLabels, feature_names
from surco.api.refusals import ExportError
from surco.api.whole_file import whole_file

__all__ = ["LABEL_ENDINGS", "write_suspects"]

LABEL_ENDINGS = (".geojson", ".csv", ".html")
_FORMULA = ("=", "+", "-", "@", "\t")  # what a spreadsheet would run
_STYLE = (
    "body{font:15px system-ui;margin:2rem auto;max-width:64rem;padding:0 1rem}"
    "table{border-collapse:collapse;width:100%}tr.wrong td{background:#fff3e0}"
    "td,th{padding:.3rem .6rem;border-bottom:1px solid #ddd;text-align:left}"
)


def write_suspects(checked: CheckedLabels, path: str | Path) -> Path:
    """Write every judged label, the most suspicious first, and the findings beside them.

    Args:
        checked: of `check_labels`.
        path: `.geojson` (the labels' geometry), `.csv` (with longitude and latitude of a point within) or `.html` (the
            findings and a table). A file of that name is replaced only when the new one is complete.

    Raises:
        ExportError: another ending, no such folder, or the label file itself.
    """
    target = Path(path)
    write = _WRITERS.get(target.suffix.lower())
    if write is None:
        raise ExportError(
            f"Expected a file ending in {', '.join(LABEL_ENDINGS)}, got {target.name!r}. Rename it."
        )
    if not target.parent.is_dir():
        raise ExportError(
            f"Expected a folder to write {target.name} into, got {target.parent}. Make it first."
        )
    if target.resolve() == checked.labels.path.resolve():
        raise ExportError(f"Expected another file than the labels, got {target}. They are never changed.")
    with whole_file(target) as draft:
        draft.write_text(write(checked, _rows(checked)), encoding="utf-8")
    return target


def _rows(checked: CheckedLabels) -> list[dict[str, Any]]:
    ranked = checked.report.suspects.ranked if checked.report.suspects else ()
    place = {name: row for row, name in enumerate(feature_names(checked.labels).tolist())}
    return [
        {
            "rank": rank,
            "label": str(one.feature),
            "given": one.given,
            "likely": one.likely,
            "given_probability": round(one.given_probability, 4),
            "likely_probability": round(one.likely_probability, 4),
            "margin": round(one.margin, 4),
            "at_odds": one.flagged,
            "feature": place[str(one.feature)],
        }
        for rank, one in enumerate(ranked, 1)
    ]


def _geojson(checked: CheckedLabels, rows: list[dict[str, Any]]) -> str:
    features = [
        {
            "type": "Feature",
            "id": row["label"],
            "properties": {key: value for key, value in row.items() if key != "feature"},
            "geometry": json.loads(shapely.to_geojson(checked.labels.geometry[row["feature"]])),
        }
        for row in rows
    ]
    findings = [{"kind": one.kind, "text": one.text} for one in checked.report.findings]
    content = {"type": "FeatureCollection", "surco": {"findings": findings}, "features": features}
    return json.dumps(content, ensure_ascii=False)


def _csv(checked: CheckedLabels, rows: list[dict[str, Any]]) -> str:
    sink = io.StringIO(newline="")
    columns = [*(key for key in (rows or [{}])[0] if key != "feature"), "lon", "lat"]
    writer = csv.DictWriter(sink, columns, extrasaction="ignore", lineterminator="\n")
    writer.writeheader()
    for row in rows:
        point = shapely.point_on_surface(checked.labels.geometry[row["feature"]])
        place = {"lon": round(point.x, 7), "lat": round(point.y, 7)}
        writer.writerow({key: _plain(value) for key, value in row.items()} | place)
    return sink.getvalue()


def _plain(value: Any) -> Any:
    """Text that no spreadsheet takes for a formula."""
    return f"'{value}" if isinstance(value, str) and value.startswith(_FORMULA) else value


def _html(checked: CheckedLabels, rows: list[dict[str, Any]]) -> str:
    said = "".join(f"<li>{html.escape(line)}</li>" for line in checked.report.text(0).splitlines() if line)
    head = "".join(f"<th>{name}</th>" for name in _COLUMNS.values())
    body = "".join(
        f"<tr{' class=wrong' if row['at_odds'] else ''}>"
        + "".join(f"<td>{html.escape(str(row[key]))}</td>" for key in _COLUMNS)
        + "</tr>"
        for row in rows
    )
    title = f"Labels of {html.escape(checked.labels.path.name)}"
    return (
        f'<!doctype html><html lang="en"><meta charset="utf-8"><title>{title}</title><style>{_STYLE}</style>'
        f"<h1>{title}</h1><ul>{said}</ul><table><tr>{head}</tr>{body}</table></html>\n"
    )


_COLUMNS: Mapping[str, str] = {
    "rank": "#",
    "label": "Label",
    "given": "Class given",
    "given_probability": "probable",
    "likely": "Rather",
    "likely_probability": "probable",
    "margin": "Margin of all",
}
_WRITERS: dict[str, Callable[[CheckedLabels, list[dict[str, Any]]], str]] = {
    ".geojson": _geojson,
    ".csv": _csv,
    ".html": _html,
}

"""An area answer as a file: CSV, JSON, a page that needs nothing else, or its picture."""

from __future__ import annotations

import base64
import html
import io
import json
from pathlib import Path

from surco.adapters import AreaAccuracy, AreaRatio
from surco.api.area_chart import draw_areas
from surco.api.area_results import AreaAnswer, AreaRow
from surco.api.printing import write_csv
from surco.api.refusals import ExportError
from surco.api.whole_file import whole_file

__all__ = ["AREA_ENDINGS", "area_content", "check_area_file", "write_areas"]

AREA_ENDINGS = (".csv", ".json", ".html", ".png")
_ACCURACIES = ("class", "user's accuracy", "producer's accuracy")
_STYLE = (
    "body{font:15px/1.45 system-ui,sans-serif;margin:2rem auto;max-width:80rem;padding:0 1rem;color:#1c2321}"
    "table{border-collapse:collapse;margin:1rem 0;font-variant-numeric:tabular-nums}div{overflow-x:auto}"
    "th,td{padding:.25rem .6rem;border-bottom:1px solid #d9dedb;text-align:right;white-space:nowrap}"
    "th:first-child,td:first-child,td.words{text-align:left}img{max-width:100%}.note{background:#fff6df;padding:.6rem}"
)


def check_area_file(path: Path) -> None:
    """Raise ExportError for a name or folder that cannot be written, before the work rather than after it."""
    if path.suffix.lower() not in AREA_ENDINGS:
        raise ExportError(
            f"Expected a file ending in {', '.join(AREA_ENDINGS)}, got {path.name!r}. Rename it."
        )
    if not path.parent.is_dir():
        raise ExportError(f"Expected a folder to write {path.name} into, got {path.parent}. Make it first.")


def write_areas(answer: AreaAnswer, path: Path) -> None:
    """Write an answer; the ending of the name says as what.

    `.csv` has one row a domain and class, `.json` the accuracy table and notes as well, `.html` tables and the picture,
    `.png` the picture alone. A file of that name is replaced only when the new one is complete.

    Raises:
        ExportError: another ending, no such folder, a disk that refuses.
    """
    check_area_file(path)
    try:
        with whole_file(path) as draft:
            draft.write_bytes(area_content(answer, path.suffix.lower()))
    except OSError as error:
        raise ExportError(
            f"Expected to be able to write {path}, got: {error}. Choose another place."
        ) from error


def area_content(answer: AreaAnswer, ending: str) -> bytes:
    """An answer as the bytes of a file of one of `AREA_ENDINGS`."""
    if ending == ".json":
        return (json.dumps(answer.as_dict(), ensure_ascii=False, indent=1) + "\n").encode()
    if ending == ".html":
        return _page(answer).encode()
    sink = io.BytesIO()
    if ending == ".csv":
        write_csv(answer.table(), sink)
    else:
        draw_areas(answer).savefig(sink, format="png", dpi=144)
    return sink.getvalue()


def _page(answer: AreaAnswer) -> str:
    picture = io.BytesIO()
    draw_areas(answer).savefig(picture, format="png", dpi=110)
    image = base64.b64encode(picture.getvalue()).decode()
    title = f"Hectares by class, season {answer.season}"
    facts = (
        f"Adapter {answer.question.adapter}, {answer.unit}, model {answer.model_id}, store version "
        f"{answer.store_version}. Method: {answer.method}."
    )
    notes = "".join(f'<p class="note">{html.escape(note)}</p>' for note in answer.notes)
    tables = "".join(f"<h2>{html.escape(name)}</h2>{_areas(answer, name)}" for name in answer.domains)
    return (
        '<!doctype html><html lang="en"><head><meta charset="utf-8">'
        '<meta http-equiv="Content-Security-Policy" content="default-src \'none\'; img-src data:; '
        "style-src 'unsafe-inline'\">"
        f"<title>{html.escape(title)}</title><style>{_STYLE}</style></head><body><h1>{html.escape(title)}</h1>"
        f'<p>{html.escape(facts)}</p>{notes}<img alt="Hectares by class" src="data:image/png;base64,{image}">'
        f"{tables}{'' if answer.accuracy is None else _accuracy(answer.accuracy)}</body></html>\n"
    )


def _areas(answer: AreaAnswer, domain: str) -> str:
    percent = f"{100 * answer.confidence:g} %"
    head = ("class", "mapped ha", "expected ha", "estimated ha", f"{percent} interval", "sampled", "")
    return _table(head, [_area_cells(row) for row in answer.of(domain)])


def _area_cells(row: AreaRow) -> list[str]:
    interval = "" if row.low_ha is None or row.high_ha is None else f"{row.low_ha:,.1f} to {row.high_ha:,.1f}"
    estimate = "" if row.area_ha is None else f"{row.area_ha:,.1f}"
    counts = [f"{row.mapped_ha:,.1f}", f"{row.expected_ha:,.1f}", estimate, interval, f"{row.sampled:,}"]
    return [row.label, *counts, row.note]


def _accuracy(table: AreaAccuracy) -> str:
    """Accuracies and the error matrix in percent of the area."""
    labels = [each.label for each in table.classes]
    accuracies = [[each.label, _ratio(each.users), _ratio(each.producers)] for each in table.classes]
    matrix = [
        [label, *(f"{100 * share:.2f}" if share else "" for share in row)]
        for label, row in zip(labels, table.matrix, strict=True)
    ]
    return (
        f"<h2>Accuracy, corrected for area</h2><p>Overall {_ratio(table.overall)}, from {table.units:,} sampled "
        f"places.</p>{_table(_ACCURACIES, accuracies)}"
        "<h2>Error matrix, percent of the area</h2><p>Rows as mapped, columns as found.</p>"
        f"{_table(('', *labels), matrix)}"
    )


def _ratio(ratio: AreaRatio | None) -> str:
    if ratio is None:
        return ""
    if ratio.low is None or ratio.high is None:
        return f"{ratio.value:.3f}"
    return f"{ratio.value:.3f} ({ratio.low:.3f} to {ratio.high:.3f})"


def _table(head: tuple[str, ...], rows: list[list[str]]) -> str:
    names = "".join(f"<th>{html.escape(name)}</th>" for name in head)
    body = "".join(
        "<tr>" + "".join(f"<td>{html.escape(cell)}</td>" for cell in row) + "</tr>" for row in rows
    )
    return f"<div><table><thead><tr>{names}</tr></thead><tbody>{body}</tbody></table></div>"


def _cell(text: str) -> str:
    words = "" if not text or text[0].isdigit() else ' class="words"'
    return f"<td{words}>{html.escape(text)}</td>"

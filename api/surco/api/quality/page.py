"""A report as one page without any other file."""

from __future__ import annotations

import base64
import html
from typing import Any

from surco.api.quality.coverage import By
from surco.api.quality.picture import report_picture
from surco.api.quality.tables import TextTable, named_season, report_tables

__all__ = ["report_page"]

_STYLE = (
    "body{font:15px/1.5 system-ui,sans-serif;max-width:76rem;margin:2rem auto;padding:0 1rem;color:#2a2a28;"
    "background:#fcfcf9}img{max-width:100%}table{border-collapse:collapse;margin:.5rem 0;font-size:13px}"
    "td,th{padding:.2rem .7rem;border-bottom:1px solid #ddd;text-align:right}"
    "td:first-child,th:first-child{text-align:left}.note{color:#666}div{overflow-x:auto}"
)


def report_page(report: dict[str, Any], by: By) -> str:
    """HTML of a report: its picture, then its tables by region or by comuna."""
    title = f"Quality of {report['table']} {named_season(report)}, {report['model']}"
    picture = base64.b64encode(report_picture(report)).decode()
    tables = "".join(_table(each) for each in report_tables(report, by))
    return (
        '<!doctype html><html lang="en"><head><meta charset="utf-8">'
        f"<title>{html.escape(title)}</title><style>{_STYLE}</style></head><body><h1>{html.escape(title)}</h1>"
        f'<img alt="Coverage, missing months, seams and drift" src="data:image/png;base64,{picture}">'
        f"{tables}</body></html>\n"
    )


def _table(table: TextTable) -> str:
    head = "".join(f"<th>{html.escape(name)}</th>" for name in table.columns)
    rows = "".join(
        "<tr>" + "".join(f"<td>{html.escape(text)}</td>" for text in row) + "</tr>" for row in table.rows
    )
    note = f'<p class="note">{html.escape(table.note)}</p>' if table.note else ""
    return f"<h2>{html.escape(table.title)}</h2><div><table><tr>{head}</tr>{rows}</table></div>{note}"

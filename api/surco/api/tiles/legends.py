"""Legends of pictures, as plain values and as a picture."""

from __future__ import annotations

import io
from typing import Any

from PIL import Image, ImageDraw, ImageFont

from surco.api.tiles.styles import Colours

__all__ = ["legend", "legend_png"]

_LINE, _PAD, _SWATCH, _TEXT = 20, 8, 26, 13


def legend(colours: Colours, style: str) -> dict[str, Any]:
    """The legend of a style: `title`, `kind` and `entries` of `value` and `colour`, with words where there are any."""
    return {"style": style, **colours.legend()}


def legend_png(colours: Colours) -> bytes:
    """The same as a picture with a white ground: a line of English words an entry, below the title."""
    said = colours.legend()
    lines = [(entry.get("colour"), _words(entry, str(said.get("unit", "")))) for entry in said["entries"]]
    font = ImageFont.load_default(_TEXT)
    widest = max(font.getlength(text) for text in (said["title"], *(text for _, text in lines)))
    size = (int(widest) + _SWATCH + 3 * _PAD, _LINE * (len(lines) + 1) + 2 * _PAD)
    picture = Image.new("RGB", size, "#ffffff")
    draw = ImageDraw.Draw(picture)
    draw.text((_PAD, _PAD), said["title"], "#1c1c1c", font)
    for number, (colour, text) in enumerate(lines, start=1):
        top = _PAD + number * _LINE
        if colour is not None:
            draw.rectangle((_PAD, top + 2, _PAD + _SWATCH, top + _LINE - 4), colour, "#9a9a9a")
        draw.text((2 * _PAD + _SWATCH, top), text, "#1c1c1c", font)
    out = io.BytesIO()
    picture.save(out, "PNG")
    return out.getvalue()


def _words(entry: dict[str, Any], unit: str) -> str:
    if "channel" in entry:
        return f"{entry['channel']}: {entry['value']}"
    return f"{entry.get('en', entry['value'])} {unit}".strip()

"""Plots as inline SVG whose colours are the page's own: light and dark, without scripts or files."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from html import escape

__all__ = ["Dot", "Line", "dots", "lines"]

_WIDTH = 440
_HEIGHT = 270
_LEFT, _RIGHT, _TOP, _BOTTOM = 42, 12, 12, 40
_ROW = 27
_NAMES = 178
_CHARACTERS = 26


@dataclass(frozen=True, slots=True)
class Dot:
    """One row: a name, a value, its interval or none, and the style: "ours", "best" or "rest"."""

    name: str
    value: float
    low: float | None
    high: float | None
    style: str


@dataclass(frozen=True, slots=True)
class Line:
    """One line: a name, points (x, y), a band (x, low, high) or none, and the style as of `Dot`."""

    name: str
    points: Sequence[tuple[float, float]]
    band: Sequence[tuple[float, float, float]]
    style: str


def dots(rows: Sequence[Dot], title: str) -> str:
    """Values with their intervals, one row each, on one scale of nice numbers."""
    ends = [v for r in rows for v in (r.value, r.low, r.high) if v is not None]
    low, high, ticks = _scale(min(ends), max(ends))
    bottom = _TOP + _ROW * len(rows)
    at = _mapping(low, high, _NAMES, _WIDTH - _RIGHT)
    marks = [
        f'<line class="grid" x1="{at(t):.1f}" x2="{at(t):.1f}" y1="{_TOP}" y2="{bottom}"/>'
        f'<text class="tick" x="{at(t):.1f}" y="{bottom + 16}" text-anchor="middle">{t:g}</text>'
        for t in ticks
    ]
    for number, row in enumerate(rows):
        y = _TOP + _ROW * (number + 0.5)
        marks.append(_name(row, y))
        if row.low is not None and row.high is not None:
            marks.append(
                f'<line class="span {row.style}" x1="{at(row.low):.1f}" x2="{at(row.high):.1f}" y1="{y}" y2="{y}"/>'
            )
        marks.append(f'<circle class="dot {row.style}" cx="{at(row.value):.1f}" cy="{y}" r="4.5"/>')
    return _svg("".join(marks), bottom + 24, title)


def lines(
    held: Sequence[Line],
    title: str,
    x_label: str,
    y_label: str,
    *,
    x_ticks: Sequence[float],
    x_of: Callable[[float], float] = float,
    diagonal: bool = False,
    y_range: tuple[float, float] | None = None,
) -> str:
    """Lines with bands; `x_of` places an x, such as its logarithm; `diagonal` draws x = y.

    The axes cover all points and ticks; `y_range` is that of y, else the least that holds points and bands.
    """
    ys = [y for line in held for _, y in line.points] + [v for line in held for _, *b in line.band for v in b]
    low, high, y_ticks = _scale(*(y_range or (min(ys), max(ys))))
    xs = [x_of(x) for line in held for x, _ in line.points] + [x_of(x) for x in x_ticks]
    across = _mapping(min(xs), max(xs), _LEFT, _WIDTH - _RIGHT)
    frame = _Frame(lambda x: across(x_of(x)), _mapping(low, high, _HEIGHT - _BOTTOM, _TOP))
    marks = frame.axes(x_ticks, y_ticks, x_label)
    if diagonal:
        ends = (max(low, min(xs)), min(high, max(xs)))
        marks += f'<polyline class="diagonal" points="{frame.path([(e, e) for e in ends])}"/>'
    for line in sorted(held, key=lambda each: ("rest", "best", "ours").index(each.style)):
        marks += frame.line(line)
    return f'<p class="axis">{escape(y_label)}</p>{_svg(marks, _HEIGHT, title)}{_key(held)}'


@dataclass(frozen=True, slots=True)
class _Frame:
    """Where an x and a y are drawn."""

    across: Callable[[float], float]
    up: Callable[[float], float]

    def path(self, points: Sequence[tuple[float, float]]) -> str:
        """Points as SVG takes them."""
        return " ".join(f"{self.across(x):.1f},{self.up(y):.1f}" for x, y in points)

    def axes(self, x_ticks: Sequence[float], y_ticks: Sequence[float], x_label: str) -> str:
        """Grid lines of y, ticks of both, and what x is."""
        right, floor = _WIDTH - _RIGHT, _HEIGHT - _BOTTOM + 16
        rows = "".join(
            f'<line class="grid" x1="{_LEFT}" x2="{right}" y1="{self.up(t):.1f}" y2="{self.up(t):.1f}"/>'
            f'<text class="tick" x="{_LEFT - 6}" y="{self.up(t) + 4:.1f}" text-anchor="end">{t:g}</text>'
            for t in y_ticks
        )
        columns = "".join(
            f'<text class="tick" x="{self.across(t):.1f}" y="{floor}" text-anchor="middle">{t:g}</text>'
            for t in x_ticks
        )
        middle = f'x="{(_LEFT + right) / 2}" y="{_HEIGHT - 6}" text-anchor="middle"'
        return f'{rows}{columns}<text class="tick" {middle}>{escape(x_label)}</text>'

    def line(self, line: Line) -> str:
        """A line with its band; the ones that matter with their points."""
        band = ""
        if line.band:
            outline = [(x, top) for x, _, top in line.band] + [
                (x, foot) for x, foot, _ in reversed(line.band)
            ]
            band = f'<polygon class="band {line.style}" points="{self.path(outline)}"/>'
        name = f"<title>{escape(line.name)}</title>"
        drawn = (
            f'{band}<polyline class="line {line.style}" points="{self.path(line.points)}">{name}</polyline>'
        )
        if line.style == "rest":
            return drawn
        return drawn + "".join(
            f'<circle class="dot {line.style}" cx="{self.across(x):.1f}" cy="{self.up(y):.1f}" r="3.5"/>'
            for x, y in line.points
        )


def _key(held: Sequence[Line]) -> str:
    named = "".join(
        f'<li class="{line.style}">{escape(line.name)}</li>' for line in held if line.style != "rest"
    )
    rest = sum(line.style == "rest" for line in held)
    return f'<ul class="key">{named}{f"<li>{rest} other baselines</li>" if rest else ""}</ul>'


def _mapping(low: float, high: float, start: float, end: float) -> Callable[[float], float]:
    width = (high - low) or 1.0
    return lambda value: start + (value - low) / width * (end - start)


def _scale(low: float, high: float) -> tuple[float, float, list[float]]:
    """Ends and some five ticks of nice numbers that hold both values."""
    width = max(high - low, 1e-3)
    step = next(
        s for s in (0.001, 0.002, 0.005, 0.01, 0.02, 0.05, 0.1, 0.2, 0.5, 1, 2, 5, 1e9) if width / s <= 6
    )
    first, last = int(low // step), -int(-high // step)
    last = max(last, first + 1)
    return first * step, last * step, [round(i * step, 6) for i in range(first, last + 1)]


def _name(row: Dot, y: float) -> str:
    """A row's name; what follows its first comma, such as the features read, in a smaller line below."""
    first, _, second = row.name.partition(", ")
    x, full = _NAMES - 10, f"<title>{escape(row.name)}</title>"
    top = f'<text class="name {row.style}" x="{x}" y="{y + (-1 if second else 4):.1f}" text-anchor="end">'
    below = f'<text class="tick" x="{x}" y="{y + 11:.1f}" text-anchor="end">{escape(_short(second))}</text>'
    return f"{top}{escape(_short(first))}{full}</text>" + (below if second else "")


def _short(name: str) -> str:
    return name if len(name) <= _CHARACTERS else f"{name[: _CHARACTERS - 1]}…"


def _svg(marks: str, height: float, title: str) -> str:
    return f'<svg viewBox="0 0 {_WIDTH} {height:.0f}" role="img" aria-label="{escape(title, quote=True)}">{marks}</svg>'

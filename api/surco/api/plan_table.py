"""A plan in words and figures, for people."""

from __future__ import annotations

import sys
from collections.abc import Mapping
from typing import TYPE_CHECKING, Any

from rich.console import Console
from rich.table import Table

if TYPE_CHECKING:
    from surco.encoder.plan import RunPlan

__all__ = ["print_plan"]

Json = Mapping[str, Any]


def print_plan(plan: RunPlan) -> None:
    """Print what a plan holds and takes: a table by region, then totals, rates and what is uncertain."""
    out = Console(width=None if sys.stdout.isatty() else 160, highlight=False)
    out.print(_headline(plan))
    out.print(_table(plan.estimate))
    for line in (*_totals(plan.estimate), *_sources(plan.estimate)):
        out.print(line)


def _headline(plan: RunPlan) -> str:
    total = plan.estimate["total"]
    kind = (
        "synthetic" if plan.simulated else f"{len(plan.scenes):,} scenes" if plan.scenes else "no scenes yet"
    )
    sparse = f", every {plan.step} m" if plan.step > 10 else ""
    mask = "" if plan.ground.cropland is None else ", cropland only"
    return (
        f"[bold]{plan.region}[/]{mask}, season {plan.season}: {total['tiles']:,} tiles of 10.24 km, "
        f"{_count(total['pixels'])} pixels{sparse}; {kind}; model {plan.model.id}; run {plan.key}"
    )


def _table(estimate: Json) -> Table:
    shown = Table(box=None, header_style="bold", pad_edge=False)
    shown.add_column("region")
    for name in (
        "tiles",
        "pixels",
        "optical/tile",
        "radar/tile",
        "read",
        "read h",
        "encode h",
        "GPU h",
        "tables",
    ):
        shown.add_column(name, justify="right")
    regions = estimate["regions"]
    for share in regions if len(regions) > 1 else ():
        shown.add_row(*_row(share))
    shown.add_row(*_row({**estimate["total"], "name": "all"}), style="bold")
    return shown


def _row(share: Json) -> list[str]:
    gpu = share["gpu_hours"]
    return [
        share["name"],
        f"{share['tiles']:,}",
        _count(share["pixels"]),
        f"{share['optical']:,.0f}",
        f"{share['radar']:,.0f}",
        _bytes(share["gigabytes"]),
        _hours(share["read_hours"]),
        _hours(share["encode_hours"]),
        "?" if gpu is None else _hours(gpu),
        _bytes(share["table_gigabytes"]),
    ]


def _totals(estimate: Json) -> list[str]:
    total, rates, cost = estimate["total"], estimate["rates"], estimate["cost"]
    read = (
        f"Read: {_bytes(total['gigabytes'])} once, {_bytes(total['gigabytes_blocks'])} where whole blocks of "
        f"{rates['block_pixels']} pixels are read again for each tile."
    )
    rows = ", ".join(f"{_count(count)} at resolution {level}" for level, count in _by_level(total["rows"]))
    busy = (
        total["read_hours"]
        + total["pool_hours"]
        + (total["encode_hours"] if total["gpu_hours"] is None else 0.0)
    )
    currency = rates["prices"]["currency"]
    parts = ", ".join(f"{name} {value:,.2f}" for name, value in cost.items() if name != "all" and value)
    return [
        *([read] if total["gigabytes"] else []),
        f"Rows: {rows}: {_bytes(total['table_gigabytes'])}; vectors of all pixels would be "
        f"{_bytes(total['pixel_gigabytes'])}.",
        f"Time: {_hours(busy)} core hours ({_hours(busy / rates['cores'])} h on {rates['cores']} cores)"
        + (
            ", the encoder included"
            if total["gpu_hours"] is None
            else f", and {_hours(total['gpu_hours'])} GPU hours"
        )
        + ".",
        f"Cost: {cost['all']:,.2f} {currency}" + (f" ({parts})." if parts else "."),
    ]


def _sources(estimate: Json) -> list[str]:
    optical, radar = (round(share * 100) for share in estimate["uncertain"])
    if estimate["source"] == "catalogue":
        counted = "Scenes: those of the catalogue."
    elif estimate["source"] == "synthetic":
        counted = "Scenes: synthetic, none is read; the counts are what the orbits would give."
    else:
        counted = f"Scenes: by the orbits, optical ones ±{optical} %, radar ones ±{radar} %; name a catalogue to know."
    return [f"{counted} Rates: {estimate['rates']['machine']}."]


def _by_level(rows: Json) -> list[tuple[int, int]]:
    """Keys are text in what was read from a file."""
    return sorted((int(level), count) for level, count in rows.items())


def _count(value: float) -> str:
    for size, unit in ((1e9, " G"), (1e6, " M")):
        if value >= size:
            return f"{value / size:,.2f}{unit}"
    return f"{value:,.0f}"


def _bytes(gigabytes: float) -> str:
    if gigabytes >= 1e3:
        return f"{gigabytes / 1e3:,.1f} TB"
    return f"{gigabytes:,.1f} GB" if gigabytes >= 0.1 else f"{gigabytes * 1e3:,.1f} MB"


def _hours(hours: float) -> str:
    return f"{hours:,.0f}" if hours >= 10 else f"{hours:,.2g}"

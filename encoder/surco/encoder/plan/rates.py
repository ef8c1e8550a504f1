"""What an estimate is made from: how fast a machine reads, encodes and pools, how large things are, what they cost."""

from __future__ import annotations

import json
from dataclasses import asdict, dataclass, field, fields, replace
from pathlib import Path
from typing import Any, TypeVar

from surco.encoder.plan.errors import PlanError
from surco.encoder.plan.json_files import read_json

__all__ = ["FORMAT", "Prices", "Rates", "read_rates", "write_rates"]

FORMAT = 1


@dataclass(frozen=True, slots=True)
class Prices:
    """In one currency: an hour of a core and of a GPU, a GB read from the archive, a GB kept for a month.

    The defaults are round figures of public clouds in 2026, in US dollars, to be replaced by one's own.
    """

    core_hour: float = 0.04
    gpu_hour: float = 4.0
    gb_read: float = 0.0
    gb_month: float = 0.023
    currency: str = "USD"


@dataclass(frozen=True, slots=True)
class Rates:
    """What a machine does a second, and what data takes.

    The defaults were measured by `surco plan --measure` on two shared cores; docs/plan.md says what each is.

    Attributes:
        machine: on which they were measured.
        cores: of that machine.
        read: scene pixels of 10 m, all bands, read from a local disk and composited a second by one core.
        encode: pixels a second by one core.
        pool: pixels a second by one core, into cells and by mask.
        gpu: pixels a second by one GPU; 0 where none was measured.
        optical_bytes, radar_bytes: of a scene's pixel of 10 m in the archive, all bands.
        row_bytes: of a cell's row in the tables.
        block_pixels: side of the archive's blocks, which are read whole.
        prices: of all that.
    """

    machine: str = "two shared cores (defaults)"
    cores: int = 2
    read: float = 1.45e6
    encode: float = 15_700.0
    pool: float = 285_000.0
    gpu: float = 0.0
    optical_bytes: float = 9.2
    radar_bytes: float = 7.5
    row_bytes: float = 147.0
    block_pixels: int = 1024
    prices: Prices = field(default_factory=Prices)

    def __post_init__(self) -> None:
        for name in (
            "read",
            "encode",
            "pool",
            "optical_bytes",
            "radar_bytes",
            "row_bytes",
            "block_pixels",
            "cores",
        ):
            if not getattr(self, name) > 0:
                raise PlanError(f"Expected a rate above 0 for {name}; got {getattr(self, name)}. Correct it.")
        if self.gpu < 0 or any(
            getattr(self.prices, f.name) < 0 for f in fields(Prices) if f.name != "currency"
        ):
            raise PlanError(
                "Expected rates and prices that are not negative. Correct the file or the option."
            )


_Filled = TypeVar("_Filled", Rates, Prices)


def read_rates(path: Path) -> Rates:
    """Read rates as `write_rates` writes them; what a file leaves out has its default.

    Raises:
        PlanError: no such file, other JSON, an unknown name, or a value that is no rate.
    """
    document = read_json(path, "rates", "Measure them with --measure.")
    if not isinstance(document, dict) or document.pop("surco_rates", None) != FORMAT:
        raise PlanError(
            f"Expected rates of format {FORMAT} in {path}; got other JSON. Measure them with --measure."
        )
    prices = _filled(Prices(), document.pop("prices", {}), path)
    return replace(_filled(Rates(), document, path), prices=prices)


def write_rates(rates: Rates, path: Path) -> None:
    """Write rates as JSON; raises PlanError where that cannot be written."""
    try:
        path.write_text(json.dumps({"surco_rates": FORMAT, **asdict(rates)}, indent=1) + "\n", "utf-8")
    except OSError as error:
        raise PlanError(
            f"Expected to write rates to {path}; got {error.strerror}. Name another file."
        ) from error


def _filled(defaults: _Filled, given: Any, path: Path) -> _Filled:
    kinds = {f.name: type(getattr(defaults, f.name)) for f in fields(defaults)}
    if not isinstance(given, dict):
        raise PlanError(
            f"Expected an object of rates in {path}; got {type(given).__name__}. Correct the file."
        )
    for name, value in given.items():
        if name not in kinds:
            raise PlanError(
                f"Expected rates named {', '.join(kinds)} in {path}; got {name!r}. Correct the name."
            )
        wanted = str if kinds[name] is str else (int, float)
        if not isinstance(value, wanted) or isinstance(value, bool):
            raise PlanError(
                f"Expected a {kinds[name].__name__} for {name} in {path}; got {value!r}. Correct it."
            )
    return replace(defaults, **given)

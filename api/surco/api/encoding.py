"""`surco encode`: arguments as people write them, and what was done in words."""

from __future__ import annotations

import re
import shutil
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, replace
from datetime import date
from pathlib import Path

from surco.api.errors import ApiError
from surco.embedstore import EmbedstoreError, Season, Store
from surco.embedstore.working_copy import shown
from surco.encoder import EncodeReport, EncoderError, encode_store, load_encoder
from surco.encoder.kept_months import KeptMonths

__all__ = [
    "EncodeRequest",
    "as_of_day",
    "describe_report",
    "encode_into",
    "parse_area",
    "parse_resolutions",
    "parse_season",
    "store_to_fill",
]


@dataclass(frozen=True, slots=True)
class EncodeRequest:
    """What to encode, and into which store; fields as the command's options of the same names."""

    catalog: str
    season: str
    store: Path
    parcels: Path | None = None
    resolutions: str = "9,11"
    aoi: str | None = None
    model: str = "surco-nano"
    erode: float = 0.0
    as_of: date | None = None
    force: bool = False
    device: str = "auto"
    precision: str | None = None
    kept: KeptMonths | None = None


def encode_into(
    request: EncodeRequest, progress: Callable[[int, int, str], None] | None = None
) -> EncodeReport:
    """Encode a season of scenes into a store, which is made where there is none.

    An input that cannot be used leaves no new store behind; a run that is stopped leaves one that the same command
    goes on with.

    Raises:
        ApiError: resolutions or an area that cannot be read.
        EncoderError: see `encoder.encode_store`.
        EmbedstoreError: no season, or a store that cannot be written.
    """
    resolutions, aoi = parse_resolutions(request.resolutions), parse_area(request.aoi)
    encoder = load_encoder(request.model, request.device, request.precision)
    season = as_of_day(parse_season(request.season, request.store), request.as_of)
    with store_to_fill(request.store, season) as store:
        return encode_store(
            request.catalog,
            season,
            store,
            encoder,
            parcels=request.parcels,
            resolutions=resolutions,
            aoi=aoi,
            erode=request.erode,
            force=request.force,
            kept=request.kept,
            progress=progress,
        )


@contextmanager
def store_to_fill(path: Path, season: Season) -> Iterator[Store]:
    """The store to write a season to, made where there is none; a new one goes again where its input is refused."""
    new = not path.exists()
    store = Store.open_or_create(path, season.start_month)
    try:
        yield store
    except (EncoderError, EmbedstoreError):
        if new and store.version == 0 and not _started(store):
            shutil.rmtree(path)
        raise


def _started(store: Store) -> bool:
    """Whether a run left finished tiles there, which the next one goes on from."""
    return any((store.path / ".staging").rglob("*.arrow"))


def parse_season(text: str, store: Path) -> Season:
    """A season as START/END, or by name in the store's own calendar (May where there is no store yet)."""
    if "/" in text:
        return Season.from_dates(text)
    month = Store.open(store).start_month if (store / "store.json").exists() else 5
    return Season.parse(text, start_month=month)


def as_of_day(season: Season, day: date | None) -> Season:
    """The season as of a day; of two different days, one in the season's dates, none is taken."""
    if day is None or day == season.as_of:
        return season
    if season.as_of is not None:
        raise ApiError(
            f"Expected one last day of the season; got {season.as_of} in --season and {day} in --as-of. "
            "Name the whole twelve months in --season, or leave --as-of out."
        )
    return replace(season, as_of=day)


def describe_report(report: EncodeReport, store: Path) -> str:
    """What an encode run did, for people."""
    if report.already:
        head = f"{shown(store)} already holds this season, from these scenes, by this model; nothing to do."
    else:
        rate = report.pixels_seen / max(report.seconds, 1e-9)
        again = f", {report.resumed} of them from an earlier run" if report.resumed else ""
        head = (
            f"{report.pixels_seen:,} of {report.pixels:,} pixels in {report.tiles} tiles{again}: "
            f"{report.seconds:.0f} s, {rate:,.0f} pixels/s"
        )
    cells = ", ".join(f"{rows:,} cells at resolution {level}" for level, rows in sorted(report.cells.items()))
    lines = [
        head,
        f"{cells}"
        + ("" if report.parcels is None else f", {report.parcels:,} parcels")
        + f" -> {shown(store)}",
    ]
    if report.reading.requests:
        lines.append(f"Read {report.reading}.")
    if report.parcels_unseen:
        lines.append(f"{report.parcels_unseen} parcels hold no pixel that was seen, and have no row.")
    if report.parcels_uneroded:
        lines.append(f"{report.parcels_uneroded} parcels are too narrow to be shrunk and were kept whole.")
    empty = [f"{m.first:%Y-%m}" for m in report.months if not m.optical_scenes and not m.radar_scenes]
    if 0 < len(empty) < len(report.months):
        lines.append(f"No scene in {', '.join(empty)}.")
    return "\n".join(lines)


def parse_resolutions(text: str, option: str = "--res") -> tuple[int, ...]:
    """H3 resolutions written with commas; raises ApiError for anything else, naming the command's option."""
    if not re.fullmatch(r"\s*\d{1,2}(\s*,\s*\d{1,2})*\s*", text):
        raise ApiError(
            f"Expected H3 resolutions such as 9,11; got {option} {text!r}. Write whole numbers with commas."
        )
    return tuple(int(part) for part in text.split(","))


def parse_area(text: str | None) -> tuple[float, ...] | Path | None:
    """A box of four numbers, or a file; raises ApiError for numbers that are no box."""
    if text is None or not re.fullmatch(r"[-+.\d\s,eE]+", text):
        return None if text is None else Path(text)
    try:
        box = tuple(float(part) for part in text.split(","))
    except ValueError as error:
        raise ApiError(
            f"Expected --aoi west,south,east,north in degrees, or a GeoJSON file; got {text!r}."
        ) from error
    if len(box) != 4:
        raise ApiError(f"Expected four numbers in --aoi (west,south,east,north); got {len(box)} in {text!r}.")
    return box

"""`surco import-embeddings`: published files as people have them, and what was taken in, in words."""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Literal, get_args

from surco.api.encoding import parse_area, parse_resolutions, parse_season, store_to_fill
from surco.api.errors import ApiError
from surco.embedstore import Season, Store
from surco.encoder.published import RasterReport, TableReport, import_tables, pool_rasters

__all__ = ["FORMATS", "Format", "ImportRequest", "describe_import", "import_into", "season_of"]

Format = Literal["geotiff", "tessera", "parquet"]
FORMATS: tuple[Format, ...] = get_args(Format)
_SUFFIXES: dict[str, Format] = {
    ".tif": "geotiff",
    ".tiff": "geotiff",
    ".npy": "tessera",
    ".parquet": "parquet",
    ".geoparquet": "parquet",
    ".gpq": "parquet",
}
_SCALES = "_scales.npy"


@dataclass(frozen=True, slots=True)
class ImportRequest:
    """What to take in, and into which store; fields as the command's options of the same names."""

    paths: tuple[Path, ...]
    store: Path
    season: str
    model_id: str
    format: Format | None = None
    resolutions: str | None = None
    parcels: Path | None = None
    aoi: str | None = None
    erode: float = 0.0
    vector_column: str | None = None
    scale_column: str | None = None
    licence: str | None = None
    source: str | None = None


def import_into(
    request: ImportRequest, progress: Callable[[int, int, str], None] | None = None
) -> RasterReport | TableReport:
    """Take published embeddings into a store, which is made where there is none, as one more model of it.

    An input that cannot be used leaves no new store behind, and an old one as it was.

    Raises:
        ApiError: files of no known format, or options that do not go with it.
        EncoderError: see `encoder.published.pool_rasters` and `import_tables`.
        EmbedstoreError: no season, or a store that cannot be written.
    """
    paths, kind = _files(request)
    _check_options(request, kind)
    levels = None if request.resolutions is None else parse_resolutions(request.resolutions, "--resolutions")
    aoi, season = parse_area(request.aoi), season_of(request)
    with store_to_fill(request.store, season) as store:
        card = _card(request, kind, store)
        if kind == "parquet":
            return import_tables(
                paths,
                season,
                store,
                model_id=request.model_id,
                resolutions=levels,
                parcels=request.parcels,
                aoi=aoi,
                vector_column=request.vector_column,
                scale_column=request.scale_column,
                card=card,
                progress=progress,
            )
        return pool_rasters(
            paths,
            season,
            store,
            model_id=request.model_id,
            parcels=request.parcels,
            resolutions=levels or (9, 11),
            aoi=aoi,
            erode=request.erode,
            card=card,
            progress=progress,
        )


def season_of(request: ImportRequest) -> Season:
    """The season meant: a year alone is a calendar year, which only a store of such years, or a new one, takes.

    Raises:
        ApiError: a year alone for a store whose seasons start in another month.
        EmbedstoreError: no season.
    """
    if re.fullmatch(r"\s*\d{4}\s*", request.season) is None:
        return parse_season(request.season, request.store)
    year = Season.parse(request.season, start_month=1)
    month = Store.open(request.store).start_month if (request.store / "store.json").exists() else 1
    if month != 1:
        raise ApiError(
            f"Expected a season of {request.store}, whose seasons start in month {month}; got the calendar year "
            f"{year}. Import calendar years into a store of their own (--store, made where there is none), or, if the "
            f"vectors are of the season, name it: {Season(year.year, month).name}."
        )
    return year


def describe_import(report: RasterReport | TableReport, request: ImportRequest) -> str:
    """What an import did, for people."""
    if report.already:
        head = f"{request.store} already holds this season of these files; nothing to do."
    elif isinstance(report, RasterReport):
        again = f", {report.resumed} windows of an earlier run" if report.resumed else ""
        head = (
            f"{report.pixels_seen:,} of {report.pixels:,} pixels with a vector in {report.rasters} rasters{again}: "
            f"{report.seconds:.0f} s"
        )
    else:
        head = (
            f"{report.rows_used:,} of {report.rows:,} rows ({report.place}) with a vector in the area, from "
            f"{report.files} files: {report.seconds:.0f} s"
        )
    rows = [f"{count:,} cells at resolution {level}" for level, count in sorted(report.cells.items())]
    rows += [] if report.parcels is None else [f"{report.parcels:,} parcels"]
    model = f"{request.model_id}, {report.dimension} numbers a vector"
    lines = [head, f"{', '.join(rows)} of {model} -> {request.store}"]
    season = season_of(request)
    if isinstance(report, RasterReport) and season.start_month != 1:
        lines.append(
            f"Note: AlphaEarth's and TESSERA's vectors are of calendar years; season {season} is {season.start} to "
            f"{season.last_day}. Compare them with vectors of that season with care."
        )
    return "\n".join(lines)


def _files(request: ImportRequest) -> tuple[list[Path], Format]:
    """Every file meant, once each, folders opened, and their common format."""
    found = [(path, request.format or _format_of(path)) for path in request.paths if not path.is_dir()]
    for folder in (path for path in request.paths if path.is_dir()):
        found += _inside(folder, request.format)
    kinds = Counter(kind for _, kind in found)
    if not found or None in kinds:
        odd = next((path for path, kind in found if kind is None), None)
        raise ApiError(
            f"Expected GeoTIFFs (.tif), TESSERA's arrays (.npy) or tables (.parquet); got {odd or 'no file'}. "
            f"Name such files or a folder of them, or say --format {'|'.join(FORMATS)}."
        )
    if len(kinds) > 1:
        came = ", ".join(f"{count} {kind}" for kind, count in kinds.items())
        raise ApiError(f"Expected files of one format; got {came}. Import them one after the other.")
    kind = next(iter(kinds))
    wrong = [path for path, _ in found if (path.suffix.lower() == ".npy") != (kind == "tessera")]
    if wrong or kind is None:
        raise ApiError(
            f"Expected files of format {kind}; got {wrong[0]}. Leave --format out: .npy is TESSERA's, and only that."
        )
    return list({path.resolve(): path for path, _ in found}.values()), kind


def _inside(folder: Path, wanted: Format | None) -> Sequence[tuple[Path, Format | None]]:
    """Files of a folder: TESSERA's arrays where there are any (its GeoTIFFs are land masks), else all of a format."""
    files = [path for path in sorted(folder.rglob("*")) if path.is_file() and not path.name.endswith(_SCALES)]
    found = [(path, kind) for path in files if (kind := _format_of(path)) is not None]
    if wanted is None and any(kind == "tessera" for _, kind in found):
        found = [(path, kind) for path, kind in found if kind != "geotiff"]
    return [(path, kind) for path, kind in found if wanted in (None, kind)]


def _format_of(path: Path) -> Format | None:
    return _SUFFIXES.get(path.suffix.lower())


def _check_options(request: ImportRequest, kind: Format) -> None:
    columns = request.vector_column or request.scale_column
    if kind != "parquet" and columns:
        raise ApiError(
            f"Expected columns for tables only; got {columns!r} with {kind}. Leave --vector-column and --scale-column "
            "out: a raster has one vector a pixel."
        )
    if kind == "parquet" and request.erode:
        raise ApiError(
            f"Expected --erode for rasters only; got {request.erode:g} with tables. Leave it out: a point has no width."
        )


def _card(request: ImportRequest, kind: Format, store: Store) -> dict[str, object]:
    """What the model card is to say; what was said of the model before stays."""
    known = store.model_card(request.model_id) if request.model_id in store.cards() else {}
    said = {"format": kind, "licence": request.licence, "source": request.source}
    return {**known, **{name: value for name, value in said.items() if value is not None}}

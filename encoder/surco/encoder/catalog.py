"""Scenes out of a STAC catalogue: a folder, an address, an API, or a public archive by its name."""

from __future__ import annotations

import json
from collections.abc import Callable, Iterable, Iterator, Sequence
from datetime import UTC, date, datetime, time
from functools import partial
from pathlib import Path

import pystac
import pystac_client
import shapely
from pystac_client.exceptions import APIError

from surco.encoder.catalog_reader import CatalogReader
from surco.encoder.errors import CatalogError, NoScenesError
from surco.encoder.leading import checked
from surco.encoder.providers import PROVIDERS, Access, Provider, find_provider
from surco.encoder.reading.addresses import bare, is_remote, redacted
from surco.encoder.reading.guard import PrivateAddressFailure
from surco.encoder.scenes import Scene, check_bands, scene_from_item, sensor_of

__all__ = ["read_scenes"]

_API_COLLECTIONS = (
    ("sentinel-2-c1-l2a", "sentinel-2-l2a"),
    ("sentinel-1-rtc",),
    ("cop-dem-glo-30",),
)
"""For each sensor the collections of public APIs, best first. Earth Search's older Sentinel-2 collection has
items whose offset flag is wrong (Element84/earth-search issues 66 and 71), so its Collection 1 comes before it."""


def read_scenes(
    catalog: str | Path | Provider,
    start: date,
    end: date,
    area: shapely.Geometry | None = None,
    access: Access | None = None,
) -> list[Scene]:
    """List the scenes of a season that touch an area, in order of time.

    Args:
        catalog: a folder with a `catalog.json`, the path or address of such a file, the address of an API, or the
            name of an archive (`providers.PROVIDERS`), also with one of its collections (`NAME/COLLECTION`).
        start: first day.
        end: last day, included. Elevation models have no season.
        area: in degrees, OGC:CRS84; None takes the whole catalogue. An API needs one.
        access: knows which addresses are signed when they are read, and which buckets may be asked.

    Raises:
        CatalogError: unreachable, not a STAC catalogue, empty, or without a scene in the season or the area.
        SceneError: a scene without the bands it needs.
    """
    provider = catalog if isinstance(catalog, Provider) else find_provider(str(catalog))
    href = provider.api if provider else _root(str(catalog))
    choices = provider.collections if provider else _API_COLLECTIONS
    access = access or Access()
    reader = CatalogReader(href, access)
    try:
        items = _items(href, reader, start, end, area, choices)
        return _select(items, href, start, end, area, partial(checked, reader.place, access))
    except (APIError, OSError, PrivateAddressFailure) as error:
        raise CatalogError(
            f"Expected a STAC catalogue at {bare(href)}; got no answer: {_reason(error)}. "
            "Check the path or the address, and that the server can be reached."
        ) from error
    except (pystac.STACError, pystac.STACTypeError, json.JSONDecodeError, UnicodeDecodeError) as error:
        raise CatalogError(
            f"Expected STAC JSON in the catalogue {bare(href)}; got something else: {_reason(error)}. "
            "Check the file, or validate the catalogue."
        ) from error


def _select(
    items: Iterable[pystac.Item],
    href: str,
    start: date,
    end: date,
    area: shapely.Geometry | None,
    admit: Callable[[Scene], Scene],
) -> list[Scene]:
    days: list[date] = []
    scenes, elsewhere, total = [], 0, 0
    for item in items:
        total += 1
        sensor = sensor_of(item)
        if sensor is None:
            continue
        if area is not None and item.bbox is not None and not area.intersects(shapely.box(*_flat(item.bbox))):
            elsewhere += 1
            continue
        if sensor != "dem" and not _in_season(item, start, end, days):
            continue
        scenes.append(admit(scene_from_item(item, sensor)))
    if not any(scene.sensor != "dem" for scene in scenes):
        raise NoScenesError(_nothing(bare(href), start, end, total, elsewhere, days))
    check_bands(scenes)
    return sorted(scenes, key=lambda scene: (scene.datetime, scene.id))


def _in_season(item: pystac.Item, start: date, end: date, days: list[date]) -> bool:
    """Whether an item falls in the season; its day is noted for the message when nothing does."""
    moment = item.datetime or item.common_metadata.start_datetime
    if moment is None:
        return True
    day = moment.astimezone(UTC).date()
    days.append(day)
    return start <= day <= end


def _nothing(href: str, start: date, end: date, total: int, elsewhere: int, days: list[date]) -> str:
    wanted = f"Expected Sentinel-2 or Sentinel-1 scenes from {start} to {end} in {href}; got "
    if days:
        return (
            f"{wanted}only scenes from {min(days)} to {max(days)}. "
            "Choose a season within these dates, or another catalogue."
        )
    if elsewhere:
        return f"{wanted}{elsewhere} scenes outside the area. Check the area (longitude first, in degrees)."
    if total:
        return f"{wanted}{total} items of other sensors. Use a catalogue of Sentinel-2 L2A or Sentinel-1 RTC."
    return f"{wanted}an empty catalogue. Check that its links lead to items."


def _items(
    href: str,
    reader: CatalogReader,
    start: date,
    end: date,
    area: shapely.Geometry | None,
    choices: Sequence[Sequence[str]],
) -> Iterator[pystac.Item]:
    document = json.loads(reader.read_text(href))
    if not isinstance(document, dict) or document.get("type") not in ("Catalog", "Collection"):
        kind = document.get("type", "no type") if isinstance(document, dict) else "a list"
        raise CatalogError(
            f'Expected a STAC catalogue (JSON with "type": "Catalog" or "Collection") at {bare(href)}; got {kind}. '
            "Give the catalogue's folder, its catalog.json, or the address of a STAC API."
        )
    if document.get("conformsTo"):
        return _search(href, reader, start, end, area, choices)
    return _walk(pystac.read_file(href, stac_io=reader))


def _walk(root: pystac.STACObject) -> Iterator[pystac.Item]:
    """Every item below a catalogue, once; links that go in circles end here."""
    if not isinstance(root, pystac.Catalog):
        return
    waiting, seen = [root], set()
    while waiting:
        catalog = waiting.pop()
        if catalog.self_href in seen:
            continue
        seen.add(catalog.self_href)
        yield from catalog.get_items()
        waiting.extend(reversed(list(catalog.get_children())))


def _search(
    href: str,
    reader: CatalogReader,
    start: date,
    end: date,
    area: shapely.Geometry | None,
    choices: Sequence[Sequence[str]],
) -> Iterator[pystac.Item]:
    if area is None:
        raise CatalogError(
            f"Expected an area to search the API {bare(href)} for; got none. "
            "Give a bounding box or a GeoJSON file (--aoi)."
        )
    client = pystac_client.Client.open(href, stac_io=reader.web)
    offered = {collection.id for collection in client.get_collections()}
    if not any(name in offered for names in choices for name in names):
        raise CatalogError(
            f"Expected one of the collections {', '.join(n for ns in choices for n in ns)} "
            f"at {bare(href)}; got {', '.join(sorted(offered)) or 'none'}. Use an API that has them."
        )
    span = (datetime.combine(start, time.min, UTC), datetime.combine(end, time(23, 59, 59), UTC))
    for names in choices:
        for name in (n for n in names if n in offered):
            when = None if "dem" in name else span
            found = list(client.search(collections=[name], bbox=area.bounds, datetime=when).items())
            yield from found
            if found:
                break


def _root(text: str) -> str:
    if is_remote(text):
        folder = text.startswith("s3://") and not text.endswith(".json")
        return f"{text.rstrip('/')}/catalog.json" if folder else text
    path = Path(text).expanduser().resolve()
    if not path.exists():
        raise CatalogError(
            f"Expected a STAC catalogue at {text}; got no such file or folder. "
            f"Check the path, or name an archive: {', '.join(PROVIDERS)}."
        )
    if path.is_dir():
        found = [p for p in (path / "catalog.json", path / "collection.json") if p.is_file()]
        if not found:
            raise CatalogError(
                f"Expected a catalog.json in the folder {text}; got none. "
                "Give the catalogue's own folder or file."
            )
        path = found[0]
    return str(path)


def _flat(bbox: list[float]) -> tuple[float, float, float, float]:
    """West, south, east, north of a 2-d or 3-d bounding box."""
    half = len(bbox) // 2
    return bbox[0], bbox[1], bbox[half], bbox[half + 1]


def _reason(error: Exception) -> str:
    cause = f" ({error.__cause__})" if error.__cause__ else ""
    return redacted(f"{type(error).__name__}: {error}{cause}".replace("\n", " "))[:500]

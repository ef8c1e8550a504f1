"""The store as a static STAC 1.1 catalogue: a collection per table and model, an item per season (and resolution).

Each version has its own catalogue beside its files, all links relative, so that a copied store needs nothing changed;
`catalog.json` in the store's folder leads to the latest. Vectors are described by the fields of the embedding
extension (https://github.com/geo-embeddings/embeddings-stac-specification, 0.0.1).
"""

from __future__ import annotations

import json
import re
from collections.abc import Iterable, Iterator, Mapping, Sequence
from datetime import UTC, datetime
from pathlib import Path
from typing import Any
from urllib.parse import quote

import h3
import pyarrow.parquet as pq

from surco.embedstore.files import checked_file
from surco.embedstore.geoparquet import sync
from surco.embedstore.manifest import Bbox, FileEntry, Manifest, Partition
from surco.embedstore.quantise import QUANTISATION

__all__ = ["ENTRY", "catalogue_files", "write_entry"]

ENTRY = "catalog.json"
"""The file in the store's folder from which the catalogue is read."""

_STAC = "1.1.0"
_EMBEDDING = "https://stac-extensions.github.io/embeddings/v0.0.1/schema.json"
_FILE = "https://stac-extensions.github.io/file/v2.1.0/schema.json"
_PARQUET = "application/vnd.apache.parquet"
_LICENCE = re.compile(r"[\w\-.+]+")
_LAYOUTS = {
    "cells": {"layout_type": "named_grid", "grid_id": "H3"},
    "parcels": {"layout_type": "variable_grid"},
}
_TO_ROOT = "../.."
"""From a version's folder `stac/<token>` to the store's."""

Json = dict[str, Any]


def catalogue_files(root: Path, manifest: Manifest) -> dict[str, bytes]:
    """The files of a version's catalogue by name, to lie together in `stac/<token>`.

    Args:
        root: the store's folder, with the files of the version in place.
        manifest: the version.
    """
    held: dict[tuple[str, str], list[Partition]] = {}
    for partition in manifest.partitions:
        held.setdefault((partition.table, partition.model_id), []).append(partition)
    documents: dict[str, Json] = {}
    for partitions in held.values():
        for partition in partitions:
            documents[f"{_item_id(partition)}.json"] = _item(partition, manifest)
        collection = _collection(root, partitions, manifest)
        documents[f"{collection['id']}.json"] = collection
    children = [f"{table}-{model}" for table, model in held]
    documents[ENTRY] = _catalog(manifest.version, children)
    return {name: _bytes(document) for name, document in documents.items()}


def write_entry(path: Path, manifest: Manifest) -> None:
    """Write, to be put in place as `catalog.json` of the store's folder, what leads to a version's catalogue."""
    child = [] if manifest.catalogue is None else [f"{manifest.catalogue.folder}/{ENTRY}"]
    document = {
        "type": "Catalog",
        "stac_version": _STAC,
        "id": "surco-store",
        "title": "A store of embeddings",
        "description": f"Embeddings of the land as tables; version {manifest.version}.",
        "links": [_link("root", ENTRY, "json"), *(_link("child", href, "json") for href in child)],
    }
    path.write_bytes(_bytes(document))
    sync(path)


def _catalog(version: int, collections: Sequence[str]) -> Json:
    return {
        "type": "Catalog",
        "stac_version": _STAC,
        "id": f"version-{version}",
        "description": f"All tables of version {version}.",
        "links": [
            _link("root", f"{_TO_ROOT}/{ENTRY}", "json"),
            _link("parent", f"{_TO_ROOT}/{ENTRY}", "json"),
            *(_link("child", f"{name}.json", "json") for name in collections),
        ],
    }


def _collection(root: Path, partitions: Sequence[Partition], manifest: Manifest) -> Json:
    first = partitions[0]
    name = f"{first.table}-{first.model_id}"
    links = [*_model_link(first, manifest), *_source_links(partitions)]
    intervals = [_interval(partition) for partition in partitions]
    return {
        "type": "Collection",
        "stac_version": _STAC,
        "stac_extensions": [_EMBEDDING]
        if {"emb:model", "emb:source-data"} <= {ln["rel"] for ln in links}
        else [],
        "id": name,
        "title": f"{first.table} of {first.model_id}",
        "description": f"One vector of {first.dimension} numbers for each of the {first.table}, and what was seen.",
        "license": _licence(checked_file(root, first.files[0])),
        "extent": {
            "spatial": {"bbox": [_union(partition.bbox for partition in partitions)]},
            "temporal": {"interval": [[min(i[0] for i in intervals), max(i[1] for i in intervals)]]},
        },
        "emb:type": "chip",
        "emb:chip_layout": _LAYOUTS[first.table],
        "emb:dimensions": first.dimension,
        "emb:temporal_resolution": "P1Y",
        "data_type": "int8",
        "links": [
            _link("root", f"{_TO_ROOT}/{ENTRY}", "json"),
            _link("parent", ENTRY, "json"),
            *links,
            *(_link("item", f"{_item_id(partition)}.json", "geo+json") for partition in partitions),
        ],
    }


def _item(partition: Partition, manifest: Manifest) -> Json:
    west, south, east, north = partition.bbox
    start, end = _interval(partition)
    collection = f"{partition.table}-{partition.model_id}"
    properties: Json = {
        "datetime": None,
        "start_datetime": start,
        "end_datetime": end,
        "created": _time(manifest.written or datetime.now(UTC)),
        "surco:season": partition.season.name,
        "surco:rows": partition.rows,
        **({} if partition.season.as_of is None else {"surco:as_of": partition.season.as_of.isoformat()}),
        "emb:quantization": {
            "method": QUANTISATION,
            "original_dtype": "float32",
            "quantized_dtype": "int8",
        },
    }
    if partition.resolution is not None:
        edge = h3.average_hexagon_edge_length(partition.resolution, unit="m")
        properties |= {"surco:resolution": partition.resolution, "gsd": round(2 * edge, 2)}
    ring = [[west, south], [east, south], [east, north], [west, north], [west, south]]
    return {
        "type": "Feature",
        "stac_version": _STAC,
        "stac_extensions": [_EMBEDDING, _FILE],
        "id": _item_id(partition),
        "collection": collection,
        "geometry": {"type": "Polygon", "coordinates": [ring]},
        "bbox": list(partition.bbox),
        "properties": properties,
        "links": [
            _link("root", f"{_TO_ROOT}/{ENTRY}", "json"),
            _link("parent", f"{collection}.json", "json"),
            _link("collection", f"{collection}.json", "json"),
        ],
        "assets": dict(_assets(partition.files)),
    }


def _assets(files: Sequence[FileEntry]) -> Iterator[tuple[str, Json]]:
    """The first file is `embeddings`, as the extension wants it; those of other places are `embeddings-2` and so on."""
    for number, file in enumerate(files, 1):
        yield (
            "embeddings" if number == 1 else f"embeddings-{number}",
            {
                "href": f"{_TO_ROOT}/{quote(file.path, safe='/=')}",
                "type": _PARQUET,
                "roles": ["data"],
                "surco:rows": file.rows,
                "file:size": file.bytes,
                # A multihash: 0x12 is SHA-256, 0x20 its 32 bytes.
                "file:checksum": f"1220{file.sha256}",
            },
        )


def _model_link(partition: Partition, manifest: Manifest) -> list[Json]:
    card = manifest.models.get(partition.model_id)
    return [] if card is None else [_link("emb:model", f"{_TO_ROOT}/{card.files[0].path}", "json")]


def _source_links(partitions: Sequence[Partition]) -> list[Json]:
    """Addresses as they are; names of collections as URNs, for a link needs an address."""
    sources = dict.fromkeys(source for partition in partitions for source in partition.sources)
    return [
        {"rel": "emb:source-data", "title": source, "href": source if "://" in source else _urn(source)}
        for source in sources
    ]


def _urn(name: str) -> str:
    return f"urn:surco:source:{quote(name, safe='')}"


def _licence(file: Path) -> str:
    """What the file's `emb` key says, where it is one word as SPDX has them."""
    stated = json.loads((pq.read_metadata(file).metadata or {}).get(b"emb", b"{}")).get("licence")
    return stated if isinstance(stated, str) and _LICENCE.fullmatch(stated) else "other"


def _item_id(partition: Partition) -> str:
    level = "" if partition.resolution is None else f"-res{partition.resolution}"
    return f"{partition.table}-{partition.model_id}-{partition.season.name}{level}"


def _interval(partition: Partition) -> tuple[str, str]:
    return f"{partition.season.start}T00:00:00Z", f"{partition.season.last_day}T23:59:59Z"


def _union(boxes: Iterable[Bbox]) -> list[float]:
    west, south, east, north = zip(*boxes, strict=True)
    return [min(west), min(south), max(east), max(north)]


def _time(moment: datetime) -> str:
    return moment.astimezone(UTC).isoformat(timespec="seconds").replace("+00:00", "Z")


def _link(rel: str, href: str, kind: str) -> Json:
    return {"rel": rel, "href": href if href.startswith("..") else f"./{href}", "type": f"application/{kind}"}


def _bytes(document: Mapping[str, Any]) -> bytes:
    return (json.dumps(document, indent=1, ensure_ascii=False, allow_nan=False) + "\n").encode()

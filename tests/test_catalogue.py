"""The STAC catalogue of a store: what it says, that it is valid, and that it moves with the store."""

from __future__ import annotations

import hashlib
import shutil
from collections.abc import Iterator
from datetime import date
from pathlib import Path

import pystac
import pytest
from store_builders import (
    MODEL,
    SEASON,
    cell_ids,
    cells_batch,
    parcels_batch,
    small_store,
    squares,
    unit_vectors,
)

from surco.embedstore import Season, Store, collect_garbage, rollback, verify

SOURCES = ("https://example.org/stac", "sentinel-2-l2a")


def store_of_two_seasons(path: Path) -> Store:
    """Version 1: cells and parcels of 2024-25 with a card; version 2: cells of two valleys, 2025-26 as of December."""
    store = Store.create(path)
    with store.transaction() as tx:
        cells, parcels = cells_batch(cell_ids(30), unit_vectors(30)), squares(12)
        tx.put_cells(
            [cells], model_id=MODEL, season=SEASON, resolution=9, sources=SOURCES, licence="CC-BY-4.0"
        )
        tx.put_parcels(
            [parcels_batch(parcels, unit_vectors(12), ["maize"] * 12)],
            model_id=MODEL,
            season=SEASON,
            sources=SOURCES,
        )
        tx.put_model(MODEL, {"title": "a test"})
    growing = Season(2025, as_of=date(2025, 12, 31))
    with store.transaction() as tx:
        cells = cells_batch(cell_ids(20) + cell_ids(20, lon=-70.9, lat=-33.5), unit_vectors(40))
        tx.put_cells([cells], model_id=MODEL, season=growing, resolution=9, sources=SOURCES)
    return store


def everything(root: Path) -> Iterator[pystac.STACObject]:
    """All catalogues, collections and items that the entry leads to."""
    entry = pystac.Catalog.from_file(str(root / "catalog.json"))
    for catalog, _, items in entry.walk():
        yield catalog
        yield from items


def test_every_table_is_an_item_with_its_files(tmp_path: Path) -> None:
    """A collection per table and model, an item per season and resolution; assets are the files, with size and hash."""
    store = store_of_two_seasons(tmp_path / "s")
    objects = list(everything(store.path))
    collections = {c.id for c in objects if isinstance(c, pystac.Collection)}
    items = {item.id: item for item in objects if isinstance(item, pystac.Item)}
    assert collections == {f"cells-{MODEL}", f"parcels-{MODEL}"}
    assert set(items) == {
        f"cells-{MODEL}-2024-25-res9",
        f"cells-{MODEL}-2025-26-res9",
        f"parcels-{MODEL}-2024-25",
    }
    for info in store.tables():
        item = items[
            f"{info.table}-{MODEL}-{info.season}"
            + ("" if info.resolution is None else f"-res{info.resolution}")
        ]
        assert item.bbox == list(info.bbox)
        assert item.properties["surco:rows"] == info.rows
        hrefs = {Path(str(asset.get_absolute_href())).resolve(): asset for asset in item.assets.values()}
        assert set(hrefs) == {file.resolve() for file in info.files}
        for path, asset in hrefs.items():
            assert asset.extra_fields["file:size"] == path.stat().st_size
            digest = hashlib.sha256(path.read_bytes()).hexdigest()
            assert asset.extra_fields["file:checksum"] == f"1220{digest}"
    growing = items[f"cells-{MODEL}-2025-26-res9"]
    assert len(growing.assets) == 2
    assert growing.properties["end_datetime"] == "2025-12-31T23:59:59Z"


def test_it_is_valid_stac(tmp_path: Path) -> None:
    """Every object passes pystac's validation against the STAC 1.1 schemas that it bundles.

    Schemas of extensions lie in the web only; what the embedding extension requires is tested below.
    """
    pytest.importorskip("jsonschema", reason="pystac validates with jsonschema, which is not installed")
    from pystac.validation import validate_dict

    seen = 0
    for found in everything(store_of_two_seasons(tmp_path / "s").path):
        content = found.to_dict(include_self_link=False, transform_hrefs=False)
        validate_dict(content | {"stac_extensions": []})
        seen += 1
    assert seen == 7


def test_what_the_embedding_extension_requires(tmp_path: Path) -> None:
    """Type, dimensions, data type, links to model and sources on collections; quantisation and asset on items."""
    objects = list(everything(store_of_two_seasons(tmp_path / "s").path))
    for collection in (c for c in objects if isinstance(c, pystac.Collection)):
        held = collection.to_dict(transform_hrefs=False)
        assert "https://stac-extensions.github.io/embeddings/v0.0.1/schema.json" in held["stac_extensions"]
        assert (held["emb:type"], held["emb:dimensions"], held["data_type"]) == ("chip", 64, "int8")
        links = [(link["rel"], link["href"]) for link in held["links"]]
        assert ("emb:source-data", SOURCES[0]) in links
        assert ("emb:source-data", "urn:surco:source:sentinel-2-l2a") in links
        (card,) = (href for rel, href in links if rel == "emb:model")
        assert (Path(collection.self_href).parent / card).resolve().name == "card.json"
        assert collection.license == ("CC-BY-4.0" if collection.id.startswith("cells") else "other")
    for item in (i for i in objects if isinstance(i, pystac.Item)):
        assert "embeddings" in item.assets
        assert {"method", "original_dtype"} <= set(item.properties["emb:quantization"])


def test_a_model_without_a_card_does_not_claim_the_extension(tmp_path: Path) -> None:
    """Where the required links cannot be given the collection does not say that it follows the extension."""
    store = Store.create(tmp_path / "s")
    with store.transaction() as tx:
        tx.put_cells([cells_batch(cell_ids(3), unit_vectors(3))], model_id=MODEL, season=SEASON, resolution=9)
    (collection,) = (c for c in everything(store.path) if isinstance(c, pystac.Collection))
    assert collection.stac_extensions == []


def test_it_moves_with_the_store(tmp_path: Path) -> None:
    """In a copy of the store every link leads to the copy's own files."""
    store = store_of_two_seasons(tmp_path / "s")
    copy = shutil.copytree(store.path, tmp_path / "elsewhere" / "t")
    shutil.rmtree(store.path)
    for item in (i for i in everything(copy) if isinstance(i, pystac.Item)):
        for asset in item.assets.values():
            path = Path(str(asset.get_absolute_href())).resolve()
            assert path.is_file() and path.is_relative_to(copy)


def versions_led_to(root: Path) -> list[str]:
    """Ids of the catalogues below the entry."""
    return [child.id for child in pystac.Catalog.from_file(str(root / "catalog.json")).get_children()]


def test_the_entry_leads_to_the_latest_version(tmp_path: Path) -> None:
    """After a write to the new version, after a rollback to the restored one, after clearing up to what is kept."""
    store = store_of_two_seasons(tmp_path / "s")
    assert versions_led_to(store.path) == ["version-2"]
    rollback(store.path, 1)
    assert versions_led_to(store.path) == ["version-1"]
    assert {i.id for i in everything(store.path) if isinstance(i, pystac.Item)} == {
        f"cells-{MODEL}-2024-25-res9",
        f"parcels-{MODEL}-2024-25",
    }
    with store.transaction() as tx:
        tx.put_adapter("crops", {"card.json": b"{}"})
    collect_garbage(store.path, keep=1, delete=True)
    assert versions_led_to(store.path) == ["version-4"]
    assert len(list((store.path / "stac").iterdir())) == 1
    assert verify(store.path, every_version=True).damage == ()


def test_a_store_written_before_there_was_one(tmp_path: Path) -> None:
    """A version without a catalogue opens, can be gone back to, and gets one with the next write."""
    import json

    store = small_store(tmp_path / "s", 10)
    manifest = store.path / "manifests" / "1.json"
    content = json.loads(manifest.read_text())
    for key in ("catalogue", "written", "restores"):
        content.pop(key)
    manifest.write_text(json.dumps(content))
    shutil.rmtree(store.path / "stac")
    (store.path / "catalog.json").unlink()
    again = Store.open(store.path)
    assert again.read("cells").num_rows == 10
    with again.transaction() as tx:
        tx.put_adapter("crops", {"card.json": b"{}"})
    assert versions_led_to(store.path) == ["version-2"]
    rollback(store.path, 1)
    assert versions_led_to(store.path) == []

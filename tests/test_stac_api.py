"""STAC API over a running server, with the clients that people use: pystac-client, DuckDB, pyarrow."""

from __future__ import annotations

import hashlib
import io
from collections.abc import Iterator
from datetime import date
from pathlib import Path

import duckdb
import fsspec
import httpx
import pyarrow.parquet as pq
import pystac
import pystac_client
import pytest
from browser import serving
from store_builders import MODEL, SEASON, cell_ids, cells_batch, parcels_batch, squares, unit_vectors

from surco.api import Settings
from surco.embedstore import Season, Store

EARLIER, GROWING = Season(2023), Season(2025, as_of=date(2025, 12, 31))
SANTIAGO = (-70.9, -33.5)


def store_of_seasons(path: Path) -> Store:
    """Cells of three seasons, the latest one growing and in two valleys, parcels of one; a model's card; an adapter."""
    store = Store.create(path)
    with store.transaction() as tx:
        for season in (EARLIER, SEASON, GROWING):
            places = cell_ids(30) + (
                cell_ids(20, lon=SANTIAGO[0], lat=SANTIAGO[1]) if season is GROWING else []
            )
            batch = cells_batch(places, unit_vectors(len(places), seed=season.year))
            tx.put_cells([batch], model_id=MODEL, season=season, resolution=9, sources=["sentinel-2-l2a"])
        parcels = parcels_batch(squares(12), unit_vectors(12), ["maize"] * 12)
        tx.put_parcels([parcels], model_id=MODEL, season=SEASON)
        tx.put_model(MODEL, {"title": "a test"})
        tx.put_adapter("secret", {"card.json": b"{}"})
    return store


@pytest.fixture(scope="module")
def store(tmp_path_factory: pytest.TempPathFactory) -> Store:
    """The store that is served."""
    return store_of_seasons(tmp_path_factory.mktemp("stac") / "store")


@pytest.fixture(scope="module")
def address(store: Store) -> Iterator[str]:
    """A running server."""
    with serving(Settings(store.path)) as found:
        yield found


@pytest.fixture(scope="module")
def client(address: str) -> pystac_client.Client:
    """pystac-client on it."""
    return pystac_client.Client.open(f"{address}/stac")


def ids(search: pystac_client.ItemSearch) -> list[str]:
    """Ids of all items of all pages, in order."""
    return [item.id for item in search.items()]


def test_pystac_client_walks_the_catalogue(client: pystac_client.Client, store: Store) -> None:
    """Collections, their items and single items are those of the store's own catalogue."""
    assert {c.id for c in client.get_collections()} == {f"cells-{MODEL}", f"parcels-{MODEL}"}
    cells = client.get_collection(f"cells-{MODEL}")
    assert [item.id for item in cells.get_items()] == [
        f"cells-{MODEL}-{season.name}-res9" for season in (GROWING, SEASON, EARLIER)
    ]
    item = cells.get_item(f"cells-{MODEL}-2024-25-res9")
    assert item is not None and item.bbox == list(store.find("cells", season="2024-25").bbox)
    assert item.get_self_href() == f"{client.get_self_href()}/collections/{cells.id}/items/{item.id}"


def test_everything_is_valid_stac(client: pystac_client.Client) -> None:
    """Catalogue, collections and items pass pystac's validation against the schemas that it bundles."""
    from pystac.validation import validate_dict

    found = [client, *client.get_collections(), *client.search().items()]
    for each in found:
        validate_dict(each.to_dict(transform_hrefs=False) | {"stac_extensions": []})
    assert len(found) == 7


def test_links_lead_somewhere(client: pystac_client.Client) -> None:
    """Every link of the landing page, a collection and an item is answered, but for sources elsewhere."""
    documents: list[pystac.STACObject] = [client, *client.get_collections(), next(client.search().items())]
    for document in documents:
        for link in document.links:
            if link.rel != "emb:source-data":
                answer = httpx.get(link.get_href() or "", follow_redirects=True)
                assert answer.status_code == 200, link
                assert link.media_type is None or answer.headers["content-type"].startswith(
                    link.media_type.partition(";")[0]
                ), link


def test_search_by_id_collection_place_and_time(client: pystac_client.Client) -> None:
    """Each restricts, by GET and by POST, and they hold together."""
    south = {"type": "Point", "coordinates": list(SANTIAGO)}
    everything = len(ids(client.search()))
    assert everything == 4
    for method in ("GET", "POST"):
        assert ids(client.search(method=method, ids=[f"parcels-{MODEL}-2024-25"])) == [
            f"parcels-{MODEL}-2024-25"
        ]
        assert len(ids(client.search(method=method, collections=[f"cells-{MODEL}"]))) == 3
        assert ids(client.search(method=method, bbox=[-71, -33.6, -70.8, -33.4])) == [
            f"cells-{MODEL}-2025-26-res9"
        ]
        assert ids(client.search(method=method, intersects=south)) == [f"cells-{MODEL}-2025-26-res9"]
        assert ids(client.search(method=method, datetime="2023-06")) == [f"cells-{MODEL}-2023-24-res9"]
        assert len(ids(client.search(method=method, datetime="2024-05-01T00:00:00Z/.."))) == 3
        assert ids(client.search(method=method, datetime="../2024-04-30")) == [f"cells-{MODEL}-2023-24-res9"]
        assert not ids(client.search(method=method, datetime="2026-02-01", collections=[f"cells-{MODEL}"]))
        assert not ids(client.search(method=method, bbox=[0, 0, 1, 1]))


def test_pages(client: pystac_client.Client) -> None:
    """Pages of one have every item once, by GET and by POST, and say how many match."""
    whole = ids(client.search())
    for method in ("GET", "POST"):
        search = client.search(method=method, limit=1)
        assert [len(page.items) for page in search.pages()] == [1] * 4
        assert ids(client.search(method=method, limit=1)) == whole
        assert search.matched() == 4


def test_filter_and_order(client: pystac_client.Client) -> None:
    """CQL2 as text and JSON, over text, numbers, times and places; and orders up and down."""
    in_json = {"op": "=", "args": [{"property": "surco:season"}, "2023-24"]}
    for given, found in (
        ("\"surco:season\" = '2023-24'", 1),
        (in_json, 1),
        ("\"surco:rows\" >= 30 AND collection LIKE 'cells%'", 3),
        ('"surco:resolution" IS NULL', 1),
        ("T_INTERSECTS(datetime, INTERVAL('2025-06-01', '..'))", 1),
        ("S_INTERSECTS(geometry, POINT(-70.9 -33.5))", 1),
        ("start_datetime < TIMESTAMP('2024-05-01T00:00:00Z')", 1),
        ("id = 'x'' OR 1=1 --'", 0),
    ):
        method = "POST" if isinstance(given, dict) else "GET"
        assert len(ids(client.search(filter=given, method=method))) == found, given
    rows = [item.properties["surco:rows"] for item in client.search(sortby=["-surco:rows", "+id"]).items()]
    assert rows == [50, 30, 30, 12]
    upwards = ids(client.search(sortby=[{"field": "properties.start_datetime", "direction": "asc"}], limit=1))
    assert upwards[0] == f"cells-{MODEL}-2023-24-res9" and len(upwards) == 4


def test_bad_questions_are_problems(address: str) -> None:
    """Each is 400 or 404 as a problem document that says what was expected."""
    stac = f"{address}/stac"
    for query, status, words in (
        ("search?bbox=1,2", 400, "Expected a bbox"),
        ('search?bbox=0,0,1,1&intersects={"type":"Point","coordinates":[0,0]}', 400, "got both"),
        ("search?intersects=[]", 400, "GeoJSON"),
        ("search?intersects=" + "[" * 5000, 400, "GeoJSON"),
        ('search?intersects={"type":"Point","coordinates":[1000,0]}', 400, "degrees"),
        ("search?datetime=yesterday", 400, "Expected datetime"),
        ("search?datetime=2025-01-01T00:00:00Z/2024-01-01T00:00:00Z", 400, "before the second"),
        ("search?datetime=../..", 400, "at least one end"),
        ("search?limit=0", 400, "limit"),
        ("search?token=zzz", 400, "token"),
        ("search?filter=nope=1", 400, "queryables"),
        ("search?filter=id='x", 400, "filter in CQL2"),
        ("search?filter-crs=EPSG:4326&filter=id='x'", 400, "filter-crs"),
        ("search?sortby=nope", 400, "Expected to order by"),
        ("search?cloud=3", 400, "query parameters"),
        ("collections/nope", 404, "one of the collections"),
        ("collections/nope/items", 404, "one of the collections"),
        (f"collections/cells-{MODEL}/items/nope", 404, "Expected an item"),
        (f"collections/cells-{MODEL}/items/parcels-{MODEL}-2024-25", 404, "Expected an item"),
    ):
        answer = httpx.get(f"{stac}/{query}")
        assert answer.status_code == status, (query, answer.text)
        assert answer.headers["content-type"] == "application/problem+json"
        assert words in answer.json()["detail"], (query, answer.json()["detail"])
    for body, words in (
        ({"nope": 1}, "unknown field"),
        ({"limit": 0}, "limit"),
        ({"bbox": [1, 2]}, "bbox"),
        (
            {"intersects": {"type": "Polygon", "coordinates": [[[0, 0], [1, 1], [0, 1], [1, 0], [0, 0]]]}},
            "valid",
        ),
        ({"intersects": {"type": "Point"}}, "GeoJSON"),
        ({"sortby": [{"field": "geometry"}]}, "order by"),
    ):
        answer = httpx.post(f"{stac}/search", json=body)
        assert answer.status_code == 400 and words in answer.json()["detail"], (body, answer.text)


def asset_of(client: pystac_client.Client, season: str = "2024-25") -> pystac.Asset:
    """The first file of a season's cells."""
    item = next(client.search(ids=[f"cells-{MODEL}-{season}-res9"]).items())
    return item.assets["embeddings"]


def test_assets_are_the_files(client: pystac_client.Client, store: Store) -> None:
    """Size, SHA-256 and ETag of what is downloaded are those that the item states; the card is there, too."""
    for item in client.search().items():
        for asset in item.assets.values():
            answer = httpx.get(asset.href)
            digest = hashlib.sha256(answer.content).hexdigest()
            assert len(answer.content) == asset.extra_fields["file:size"]
            assert asset.extra_fields["file:checksum"] == f"1220{digest}"
            assert answer.headers["etag"] == f'"{digest}"'
    (card,) = (link for link in client.get_collection(f"cells-{MODEL}").links if link.rel == "emb:model")
    assert httpx.get(card.href).json() == {"title": "a test"}


def test_ranges(client: pystac_client.Client, store: Store) -> None:
    """One range, from the start, from the end, beyond it, with If-Range; HEAD; and what is no range."""
    href = asset_of(client).href
    whole = httpx.get(href).content
    etag = httpx.head(href).headers["etag"]
    assert int(httpx.head(href).headers["content-length"]) == len(whole)
    assert httpx.head(href).content == b""

    def ask(value: str, **headers: str) -> httpx.Response:
        return httpx.get(href, headers={"range": value, **headers})

    size = len(whole)
    for value, first, stop in (
        ("bytes=0-3", 0, 4),
        ("bytes=-8", size - 8, size),
        ("bytes=100-", 100, size),
        ("bytes=5-999999999", 5, size),
    ):
        answer = ask(value)
        assert answer.status_code == 206 and answer.content == whole[first:stop]
        assert answer.headers["content-range"] == f"bytes {first}-{stop - 1}/{len(whole)}"
    beyond = ask(f"bytes={len(whole)}-")
    assert beyond.status_code == 416 and beyond.headers["content-range"] == f"bytes */{len(whole)}"
    for value in ("bytes=9-3", "bytes=0-1,4-5", "lines=1-2", "bytes=-", "bytes=a-b"):
        assert ask(value).status_code == 200 and ask(value).content == whole
    assert ask("bytes=0-3", **{"if-range": etag}).status_code == 206
    assert ask("bytes=0-3", **{"if-range": '"old"'}).status_code == 200
    assert httpx.get(href, headers={"if-none-match": etag}).status_code == 304


def test_methods_that_are_not_there(address: str) -> None:
    """OPTIONS is answered and another method is refused; neither is a fault."""
    assert httpx.options(f"{address}/stac/search").status_code == 204
    assert httpx.delete(f"{address}/stac/search").status_code == 405


def test_only_visible_files_are_served(address: str, store: Store) -> None:
    """No path leads out of the store, to its manifests, its adapters, or to what a version does not show."""
    file = store.find("cells").files[0].relative_to(store.path).as_posix()
    for path in (
        "store.json", "manifests/1.json", "adapters/secret/card.json", "../store.json", "..%2fstore.json",
        "%2e%2e/%2e%2e/etc/passwd", "/etc/passwd", "cells/", "cells/../manifests/1.json", f"{file}%00",
        "", ".server/state.sqlite",
    ):  # fmt: skip
        with httpx.Client() as http:
            request = http.build_request("GET", f"{address}/files/x")
            request.url = request.url.copy_with(raw_path=f"/files/{path}".encode())
            answer = http.send(request)
        assert answer.status_code == 404, (path, answer.text[:200])


def test_duckdb_reads_a_part(client: pystac_client.Client, store: Store) -> None:
    """DuckDB's httpfs reads rows and columns of an asset by ranges."""
    extension = pytest.importorskip("duckdb_extension_httpfs")
    folder = Path(extension.__path__[0]) / "extensions" / f"v{duckdb.__version__}"
    with duckdb.connect() as session:
        session.load_extension(str(next(folder.rglob("httpfs.duckdb_extension"))))
        found = session.execute(
            "SELECT count(*), sum(n_optical) FROM read_parquet(?)", [asset_of(client).href]
        ).fetchone()
    assert found == (30, 600)


def test_pyarrow_reads_a_part(client: pystac_client.Client, store: Store) -> None:
    """Pyarrow through fsspec's HTTP file reads the same rows as from the file on disk."""
    pytest.importorskip("aiohttp", reason="fsspec reads over HTTP with aiohttp")
    file = store.find("cells", season="2024-25").files[0]
    with fsspec.open(asset_of(client).href, "rb", block_size=4096) as remote:
        found = pq.read_table(remote, columns=["h3", "embedding"])
    assert found.equals(pq.read_table(file, columns=["h3", "embedding"], partitioning=None))


def test_reading_needs_the_scope(tmp_path: Path) -> None:
    """Where anonymous callers may not read, neither the catalogue nor a file is told of, nor that a file is there."""
    store = store_of_seasons(tmp_path / "store")
    file = store.find("cells").files[0].relative_to(store.path).as_posix()
    with serving(Settings(store.path, anonymous=())) as address:
        for method in ("GET", "HEAD"):
            for path in (file, "nothing"):
                assert httpx.request(method, f"{address}/files/{path}").status_code == 401
        assert httpx.get(f"{address}/stac").status_code == 401


def test_damage_is_no_answer(tmp_path: Path) -> None:
    """A file that was changed on disk is refused, and never sent as if it were whole."""
    store = store_of_seasons(tmp_path / "store")
    file = store.find("cells", season="2024-25").files[0]
    content = bytearray(file.read_bytes())
    content[len(content) // 2] ^= 0xFF
    file.write_bytes(content)
    with serving(Settings(store.path)) as address:
        answer = httpx.get(f"{address}/files/{file.relative_to(store.path).as_posix()}")
    assert answer.status_code == 404 and "surco store verify" in answer.json()["detail"]


def test_a_new_version_is_seen(tmp_path: Path) -> None:
    """Items of a later write appear, and files that it replaced are gone."""
    store = store_of_seasons(tmp_path / "store")
    with serving(Settings(store.path)) as address:
        client = pystac_client.Client.open(f"{address}/stac")
        old = asset_of(client).href
        with store.transaction() as tx:
            batch = cells_batch(cell_ids(31), unit_vectors(31))
            tx.put_cells([batch], model_id=MODEL, season=SEASON, resolution=9)
        assert httpx.get(old).status_code == 404
        assert pq.read_metadata(io.BytesIO(httpx.get(asset_of(client).href).content)).num_rows == 31


def test_an_empty_store_has_an_empty_catalogue(tmp_path: Path) -> None:
    """No collections, no items, no fault."""
    with serving(Settings(Store.create(tmp_path / "store").path)) as address:
        client = pystac_client.Client.open(f"{address}/stac")
        assert list(client.get_collections()) == [] and ids(client.search()) == []

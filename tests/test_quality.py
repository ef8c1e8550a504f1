"""What is said of a table's quality: what was seen, seams that are there and no others, holes, drift."""

from __future__ import annotations

import json
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import h3ronpy.vector
import numpy as np
import pyarrow as pa
import pytest
import shapely
from click.testing import CliRunner
from litestar.testing import TestClient
from store_builders import MODEL, SEASON, cells_batch, parcels_batch, squares, unit_vectors

from surco.api import Settings, create_app
from surco.api.errors import ApiError
from surco.api.quality.land import land_below, land_by_comuna
from surco.api.quality.report import Reports, quality_report
from surco.api.quality_commands import quality
from surco.embedstore import Season, Store, StoreError, comuna_of, comunas

MERIDIAN = -72.0
STRIP = (MERIDIAN - 0.015, -38.4, MERIDIAN + 0.015, -37.8)
"""Along the border of UTM zones 18 and 19, in Biobío and La Araucanía."""
ACROSS = (-72.6, -37.02, -71.8, -36.98)
VALLEY = (-71.30, -35.10, -71.00, -34.90)


def cells_in(box: Sequence[float], resolution: int = 9) -> np.ndarray:
    """(N,) cells with their centre in a box, ascending."""
    wkb = pa.array([shapely.to_wkb(shapely.box(*box))])
    return np.unique(pa.array(h3ronpy.vector.wkb_to_cells(wkb, resolution, flatten=True)).to_numpy())


def places_of(cells: np.ndarray) -> np.ndarray:
    """(N, 2) longitude and latitude."""
    places = pa.record_batch(h3ronpy.vector.cells_to_coordinates(pa.array(cells)))
    return np.stack([places["lng"].to_numpy(), places["lat"].to_numpy()], axis=1)


def smooth_vectors(cells: np.ndarray, seed: int = 0) -> np.ndarray:
    """(N, 64) unit vectors that change slowly over the land, each with noise of its own."""
    rng = np.random.default_rng(seed)
    waves = np.cos(places_of(cells) @ rng.normal(0, 60, (2, 64)) + rng.uniform(0, 6, 64))
    vectors = waves + 0.3 * rng.normal(size=(len(cells), 64))
    return (vectors / np.linalg.norm(vectors, axis=1, keepdims=True)).astype(np.float32)


def batch_of(cells: np.ndarray, vectors: np.ndarray) -> pa.RecordBatch:
    """Rows of cells with their comunas, and optical scenes by their order."""
    batch = cells_batch(cells.tolist(), vectors)
    batch = batch.set_column(batch.schema.get_field_index("comuna"), "comuna", comuna_of(cells))
    scenes = pa.array(np.arange(len(cells)) % 40, pa.uint16())
    return batch.set_column(batch.schema.get_field_index("n_optical"), "n_optical", scenes)


def store_of(
    path: Path, cells: np.ndarray, vectors: np.ndarray, runs: Sequence[Sequence[float]] = ()
) -> Store:
    """One season of cells, with notes of runs over these boxes."""
    store = Store.create(path)
    with store.transaction() as tx:
        meta = {"runs": [{"run": f"r{number}", "bbox": list(box)} for number, box in enumerate(runs)]}
        tx.put_cells([batch_of(cells, vectors)], model_id=MODEL, season=SEASON, resolution=9, meta=meta)
    return store


def named(rows: Sequence[dict[str, Any]], name: str, key: str = "name") -> dict[str, Any]:
    """The row of that name."""
    (found,) = (row for row in rows if row[key] == name)
    return found


def test_coverage_is_counted(tmp_path: Path) -> None:
    """Rows, quantiles and nulls by region and comuna are those of the rows themselves; months without NDVI, too."""
    cells = cells_in(VALLEY)
    report = quality_report(store_of(tmp_path / "s", cells, smooth_vectors(cells)))
    codes, scenes = comuna_of(cells).fill_null(0).to_numpy(), np.arange(len(cells)) % 40
    names = {row["cut"]: row for row in comunas().to_pylist()}
    for by, key in (("comuna", "comuna"), ("region", "region")):
        rows = report["coverage"][by]
        assert named(rows, "all")["rows"] == len(cells)
        for name in {names[code][key] for code in np.unique(codes).tolist() if code}:
            inside = np.isin(codes, [code for code, row in names.items() if row[key] == name])
            row = named(rows, name)
            assert row["rows"] == inside.sum()
            assert row["n_optical"]["mean"] == pytest.approx(scenes[inside].mean(), abs=1e-3)
            assert row["n_optical"]["max"] == scenes[inside].max()
            assert abs(row["n_optical"]["p50"] - np.median(scenes[inside])) <= 1
            half = dict.fromkeys(("mean", "p5", "p50", "p95", "min", "max"), 0.5)
            assert row["valid_fraction"] == {**half, "nulls": 0}
            assert 0 < row["land_share"] <= 1
    months = report["months"]["region"]
    assert months["months"][2] == "2024-07-01" and not any(months["later"])
    assert named(months["places"], "all")["missing"] == [0, 0, 1, *[0] * 9]


def test_land_is_known() -> None:
    """Chile's land has 7.7 million cells of resolution 9, whichever way they are added up."""
    total = sum(land_by_comuna(9).values())
    assert 7.6e6 < total < 7.8e6
    for coarse in (5, 7):
        assert land_below(coarse, 9)[1].sum() == pytest.approx(total)
    assert sum(land_by_comuna(10).values()) == pytest.approx(7 * total)


def test_a_seam_is_seen(tmp_path: Path) -> None:
    """Vectors that jump at a meridian between UTM zones make a seam there, and none where they do not jump."""
    cells = cells_in(STRIP)
    smooth = smooth_vectors(cells)
    jump = smooth + 0.4 * unit_vectors(1, seed=9) * (places_of(cells)[:, :1] > MERIDIAN)
    jump /= np.linalg.norm(jump, axis=1, keepdims=True)
    for number, (vectors, expected) in enumerate(((smooth, False), (jump, True))):
        seams = quality_report(store_of(tmp_path / f"s{number}", cells, vectors))["seams"]
        border = named(seams["borders"], "utm_zone", "border")
        assert border["pairs_across"] > 100 and seams["cells"] == len(cells)
        assert border["seen"] is expected, border
        assert border["low"] < border["ratio"] < border["high"]
        assert (border["ratio"] > 1.1) is expected


def test_a_seam_between_runs_is_seen(tmp_path: Path) -> None:
    """Two runs whose vectors differ part at their border; of one run there is no border."""
    cells = cells_in(ACROSS)
    west, south, east, north = ACROSS
    middle = (south + north) / 2
    runs = [(west - 1, south - 1, east + 1, middle), (west - 1, middle, east + 1, north + 1)]
    turned = smooth_vectors(cells)
    turned[places_of(cells)[:, 1] > middle] += 0.4 * unit_vectors(1, seed=9)
    found = quality_report(store_of(tmp_path / "s", cells, turned, runs))["seams"]
    border = named(found["borders"], "run", "border")
    assert border["seen"] and border["pairs_across"] > 100 and border["ratio"] > 1.1
    one = quality_report(store_of(tmp_path / "t", cells, turned, [(-73, -39, -71, -36)]))["seams"]
    border = named(one["borders"], "run", "border")
    assert (border["pairs_across"], border["ratio"], border["seen"]) == (0, None, None)


def test_a_missing_tile_is_a_named_hole(tmp_path: Path) -> None:
    """A square of the encoded area without rows is found, with its place and comuna; a whole area has none."""
    cells = cells_in((VALLEY[0] - 0.02, VALLEY[1] - 0.02, VALLEY[2] + 0.02, VALLEY[3] + 0.02))
    x, y = places_of(cells).T
    gone = (x > -71.2) & (x < -71.1) & (y > -35.03) & (y < -34.97)
    whole = quality_report(store_of(tmp_path / "s", cells, smooth_vectors(cells), [VALLEY]))["holes"]
    assert whole["runs"] and whole["expected"] > 50 and whole["empty"] == 0 and whole["holes"] == []
    kept = cells[~gone]
    holes = quality_report(store_of(tmp_path / "t", kept, smooth_vectors(kept), [VALLEY]))["holes"]
    (hole,) = holes["holes"]
    assert hole["cells"] == holes["empty"] > 3
    assert -71.2 < hole["lon"] < -71.1 and -35.03 < hole["lat"] < -34.97
    expected = {
        row["comuna"]
        for row in comunas().to_pylist()
        if row["cut"] in set(comuna_of(cells[gone]).to_pylist())
    }
    assert hole["comunas"] and set(hole["comunas"]) <= expected


def test_a_run_over_some_comunas_has_no_holes_beside_them(tmp_path: Path) -> None:
    """Of a plan's run only its comunas are expected, not all of the box around them; of land here and there nothing."""
    cells = cells_in((VALLEY[0] - 0.02, VALLEY[1] - 0.02, VALLEY[2] + 0.02, VALLEY[3] + 0.02))
    codes = comuna_of(cells).fill_null(0).to_numpy()
    largest = int(np.bincount(codes).argmax())
    kept = cells[codes == largest]
    found = {}
    for name, ground in (("box", {}), ("comuna", {"comunas": [largest]}), ("cropland", {"partly": True})):
        store = Store.create(tmp_path / name)
        meta = {"runs": [{"run": "r", "bbox": list(VALLEY), **ground}]}
        with store.transaction() as tx:
            batch = batch_of(kept, smooth_vectors(kept))
            tx.put_cells([batch], model_id=MODEL, season=SEASON, resolution=9, meta=meta)
        found[name] = quality_report(store)["holes"]
    assert found["box"]["empty"] > 10
    assert found["comuna"]["expected"] > 10 and found["comuna"]["empty"] == 0
    assert found["cropland"]["expected"] == 0


def test_drift_tells_a_shift_of_all_from_changes_of_some(tmp_path: Path) -> None:
    """A change that all places share moves the mean; places that swap their vectors move only themselves."""
    cells = cells_in(VALLEY)
    first = smooth_vectors(cells)
    swapped = np.random.default_rng(1).permutation(first)
    shifted = first + 0.3 * unit_vectors(1, seed=5)
    store = store_of(tmp_path / "s", cells, first)
    with store.transaction() as tx:
        for year, vectors in ((2025, swapped), (2026, shifted)):
            tx.put_cells([batch_of(cells, vectors)], model_id=MODEL, season=Season(year), resolution=9)
    newest = quality_report(store)["drift"]
    assert [(each["from"], each["to"]) for each in newest] == [("2025-26", "2026-27"), ("2024-25", "2025-26")]
    swap = named(newest[1]["places"], "all")
    assert newest[1]["same"] == len(cells) and swap["distance"] > 0.2
    assert swap["shift"] < 0.01 < 0.2 < swap["other_kind"]
    with store.transaction() as tx:
        tx.put_cells([batch_of(cells, shifted)], model_id=MODEL, season=Season(2025), resolution=9)
    shift = named(quality_report(store, season="2025-26")["drift"][0]["places"], "all")
    assert shift["shift"] > 0.05 and shift["shift"] > swap["shift"]


def test_parcels_have_no_neighbours(tmp_path: Path) -> None:
    """Their coverage, months and drift are reported; seams and holes are not."""
    store = Store.create(tmp_path / "s")
    with store.transaction() as tx:
        for season in (Season(2023), SEASON):
            rows = parcels_batch(squares(400), unit_vectors(400), ["maize"] * 400)
            tx.put_parcels([rows], model_id=MODEL, season=season)
    report = quality_report(store)
    assert (report["table"], report["rows"], report["seams"], report["holes"]) == ("parcels", 400, None, None)
    assert report["drift"][0]["same"] == 400
    assert named(report["drift"][0]["places"], "unknown") == {
        "name": "unknown", "places": 400, "distance": 0.0, "shift": 0.0, "other_kind": 0.0,
    }  # fmt: skip


def test_a_report_is_kept_for_its_version(tmp_path: Path) -> None:
    """What took long is read again by other processes; damage and a new version are measured anew."""
    cells = cells_in(VALLEY)
    store = store_of(tmp_path / "s", cells, smooth_vectors(cells))
    first = Reports(long_s=0.0).of(store)
    (folder,) = (store.path / ".search").glob("*-quality-*")
    file = folder / "report.json"
    assert Reports(long_s=0.0).of(store) == first
    marked = json.loads(file.read_text()) | {"rows": -1}
    file.write_text(json.dumps(marked))
    assert Reports(long_s=0.0).of(store)["rows"] == len(cells)
    with store.transaction() as tx:
        tx.put_cells(
            [batch_of(cells[:-1], smooth_vectors(cells[:-1]))], model_id=MODEL, season=SEASON, resolution=9
        )
    assert Reports(long_s=0.0).of(store)["rows"] == len(cells) - 1


def test_over_http(tmp_path: Path) -> None:
    """JSON by region or comuna, a page, a picture; and what cannot be is a problem."""
    cells = cells_in(VALLEY)
    store = store_of(tmp_path / "s", cells, smooth_vectors(cells))
    with TestClient(create_app(Settings(store.path))) as client:
        report = client.get("/quality").json()
        assert report["version"] == 1 and report["seams"]["pairs"] > 1000
        assert {row["name"] for row in report["coverage"]} >= {"all", "Maule"}
        assert "Curicó" in {row["name"] for row in client.get("/quality?by=comuna").json()["coverage"]}
        page = client.get("/quality", headers={"accept": "text/html"})
        assert page.headers["content-type"].startswith("text/html") and "Maule" in page.text
        assert client.get("/quality?f=png").content.startswith(b"\x89PNG")
        for query, status in (
            ("season=1999-00", 404), ("table=parcels", 404), ("table=nope", 400), ("by=nope", 400), ("res=99", 400),
            ("model=nope", 409), ("f=xml", 400), ("nope=1", 400),
        ):  # fmt: skip
            answer = client.get(f"/quality?{query}")
            assert answer.status_code == status and answer.json()["detail"], (
                query,
                answer.text,
            )


def test_the_command_says_the_same(tmp_path: Path) -> None:
    """It prints the tables and writes the report as JSON, page and picture; another ending is refused."""
    cells = cells_in(VALLEY)
    store = store_of(tmp_path / "s", cells, smooth_vectors(cells))
    run = CliRunner()
    for ending in ("json", "html", "png"):
        done = run.invoke(quality, [str(store.path), "--out", str(tmp_path / f"r.{ending}")])
        assert done.exit_code == 0, done.output
    assert "Maule" in done.output and "mgrs_square" in done.output and "Holes" in done.output
    assert json.loads((tmp_path / "r.json").read_text())["rows"] == len(cells)
    assert (tmp_path / "r.png").read_bytes().startswith(b"\x89PNG") and "<img" in (
        tmp_path / "r.html"
    ).read_text()
    refused = run.invoke(quality, [str(store.path), "--out", "r.doc"]).exception
    assert isinstance(refused, ApiError) and ".html, .json, .png" in str(refused)
    assert isinstance(run.invoke(quality, [str(tmp_path / "nothing")]).exception, StoreError)

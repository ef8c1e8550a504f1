from __future__ import annotations

import json
import shutil
from pathlib import Path

import numpy as np
import pyarrow.parquet as pq
import pytest
import rasterio
import shapely
from click.testing import CliRunner, Result
from shared_data import shared
from stac_catalogs import Item, optical, radar, write_catalog

from surco.api.cli import main
from surco.embedstore import Store

SEASON = "2024-05/2025-04"


def surco(*words: object) -> Result:
    """Run a command in this process; a bug shows its traceback."""
    return CliRunner().invoke(main, [str(word) for word in words], catch_exceptions=False)


def refused(*words: object) -> str:
    """Run a command that must be refused: exit code 2, and one sentence with no traceback, which is returned."""
    result = surco(*words)
    assert result.exit_code == 2, result.output
    assert "Traceback" not in result.output
    return " ".join(result.output.split())


def valley(folder: Path) -> Path:
    """Twelve optical dates and two of radar over 32 x 32 pixels: a green half and a bare one."""
    items: list[Item] = []
    for month in range(12):
        year, number = (2024, 5 + month) if month < 8 else (2025, month - 7)
        green = 3000 if 3 <= month <= 8 else 1500
        numbers = {"nir": _halves(32, green, 1800), "red": _halves(32, 500, 1500)}
        items.append(optical(f"s2_{month}", f"{year}-{number:02d}-10", numbers, pixels=32))
    items.append(radar("s1_0", "2024-07-01", 0.1, 0.02, pixels=32))
    items.append(radar("s1_1", "2024-12-01", 0.2, 0.04, pixels=32))
    return write_catalog(folder, items)


def _halves(pixels: int, left: int, right: int) -> np.ndarray:
    return np.where(np.arange(pixels)[None, :] < pixels // 2, left, right) * np.ones((pixels, 1))


def labels(path: Path, store: Path, column: str = "crop") -> Path:
    """Points in both halves of the valley, labelled by their side."""
    cells = Store.open(store).read("cells", columns=["geometry"])
    points = shapely.from_wkb(cells["geometry"].to_numpy(zero_copy_only=False))
    middle = np.median(shapely.get_x(points))
    features = [
        {
            "type": "Feature",
            "properties": {column: "wheat" if point.x < middle else "bare"},
            "geometry": {"type": "Point", "coordinates": [point.x, point.y]},
        }
        for point in points
    ]
    path.write_text(json.dumps({"type": "FeatureCollection", "features": features}))
    return path


@pytest.fixture(scope="module")
def encoded(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A store encoded by the command from a small catalogue, with an adapter named crops."""
    folder = tmp_path_factory.mktemp("cli")
    store = folder / "store"
    done = surco(
        "encode", "--stac", valley(folder / "stac"), "--season", SEASON, "--store", store, "--res", "9,12"
    )
    assert done.exit_code == 0, done.output
    fitted = surco(
        "adapters", "fit", store, "--labels", labels(folder / "labels.geojson", store), "--name", "crops"
    )
    assert fitted.exit_code == 0, fitted.output
    assert "2 classes (bare" in fitted.output
    return store


def test_path_from_scenes_to_map(encoded: Path, tmp_path: Path) -> None:
    """Encode, fit, map in three formats and SQL: the map's halves are the valley's, and each file opens elsewhere."""
    for name in ("map.parquet", "map.geojson", "map.tif"):
        done = surco("map", encoded, "--adapter", "crops", "--season", "2024-25", "--out", tmp_path / name)
        assert done.exit_code == 0, done.output
    table = pq.read_table(tmp_path / "map.parquet")
    assert set(table["class"].to_pylist()) == {"wheat", "bare"}
    assert len(json.loads((tmp_path / "map.geojson").read_text())["features"]) == table.num_rows
    with rasterio.open(tmp_path / "map.tif") as raster:
        assert raster.crs is not None
        assert {1, 2} <= set(raster.read(1).ravel().tolist())
    counted = surco("sql", encoded, "SELECT count(*) AS n FROM cells WHERE res = 12", "--format", "json")
    assert json.loads(counted.output) == [{"n": table.num_rows}]


def test_encoding_again_does_nothing(encoded: Path) -> None:
    """The same command on the same scenes leaves the store's version as it was and says so."""
    before = Store.open(encoded).version
    again = surco(
        "encode", "--stac", encoded.parent / "stac", "--season", SEASON, "--store", encoded, "--res", "9,12"
    )
    assert again.exit_code == 0
    assert "nothing to do" in again.output
    assert Store.open(encoded).version == before


def test_unusable_scenes_are_named_and_leave_nothing(tmp_path: Path) -> None:
    """Catalogues that cannot be used: a sentence each, exit code 2, and no store left behind."""
    store = tmp_path / "store"
    empty = tmp_path / "empty"
    empty.mkdir()
    good = valley(tmp_path / "stac")
    no_crs = write_catalog(tmp_path / "nocrs", [optical("a", "2024-06-01", crs=None)])
    lacking = optical("b", "2024-06-01")
    lacking.rasters = {k: v for k, v in lacking.rasters.items() if k != "scl"}
    no_scl = write_catalog(tmp_path / "noscl", [lacking])
    cases = {
        (tmp_path / "nowhere", SEASON): "nowhere",
        ("http://127.0.0.1:9/stac", SEASON): "127.0.0.1:9",
        (empty, SEASON): "empty",
        (good, "2019-05/2020-04"): "2024",
        (no_crs, SEASON): "CRS",
        (no_scl, SEASON): "scl",
    }
    for (catalog, season), word in cases.items():
        message = refused("encode", "--stac", catalog, "--season", season, "--store", store)
        assert word.lower() in message.lower(), message
        assert not store.exists(), message


@pytest.mark.parametrize(
    ("words", "message"),
    [
        (["--season", "summer"], "season"),
        (["--season", SEASON, "--res", "nine"], "--res"),
        (["--season", SEASON, "--res", "3"], "resolution"),
        (["--season", SEASON, "--aoi", "1,2,3"], "four numbers"),
        (["--season", SEASON, "--model", "nosuch"], "nosuch"),
        (["--season", SEASON, "--model", "presto"], "SURCO_WEIGHTS"),
        (["--season", SEASON, "--erode", "-3"], "-3"),
        (["--season", SEASON, "--parcels", "nosuch.geojson"], "nosuch.geojson"),
    ],
)
def test_unusable_options_are_named(words: list[str], message: str, tmp_path: Path) -> None:
    """Options that cannot be read or found are named, and no store is left behind."""
    said = refused("encode", "--stac", valley(tmp_path / "stac"), "--store", tmp_path / "store", *words)
    assert message in said
    assert not (tmp_path / "store").exists()


def test_unusable_labels_are_named(encoded: Path, tmp_path: Path) -> None:
    """Labels without a class column, of one class, outside the area, or no GeoJSON: a sentence, and no new version."""
    version = Store.open(encoded).version
    good = json.loads((encoded.parent / "labels.geojson").read_text())

    def fit(content: object) -> str:
        path = tmp_path / "labels.geojson"
        path.write_text(content if isinstance(content, str) else json.dumps(content))
        return refused("adapters", "fit", encoded, "--labels", path, "--name", "other")

    def changed(properties: dict | None = None, move: float = 0.0) -> dict:
        features = []
        for f in good["features"]:
            x, y = f["geometry"]["coordinates"]
            geometry = {"type": "Point", "coordinates": [x + move, y]}
            features.append({**f, "geometry": geometry, "properties": properties or f["properties"]})
        return {**good, "features": features}

    assert "class column" in fit(changed({"colour": "green"}))
    assert "colour" in fit(changed({"colour": "green"}))
    assert "two classes; got wheat" in fit(changed({"crop": "wheat"}))
    assert "area" in fit(changed(move=30.0))
    assert "labels.geojson" in fit("no json")
    assert "labels.geojson" in fit("")
    assert Store.open(encoded).version == version
    assert Store.open(encoded).adapters() == ["crops"]


def test_adapter_of_another_model_is_refused(encoded: Path, tmp_path: Path) -> None:
    """A map of vectors that another model wrote is refused with both names."""
    store = tmp_path / "store"
    stac = encoded.parent / "stac"
    words = ["--stac", stac, "--season", SEASON, "--store", store, "--res", "12", "--model", "band-mean"]
    assert surco("encode", *words).exit_code == 0
    source = Store.open(encoded).adapter_dir("crops")
    with Store.open(store).transaction() as transaction:
        transaction.put_adapter("crops", {p.name: p.read_bytes() for p in source.iterdir()})
    said = refused("map", store, "--adapter", "crops", "--out", tmp_path / "map.parquet")
    assert Store.open(encoded).models()[0] in said
    assert "band-mean-1" in said
    assert not (tmp_path / "map.parquet").exists()


@pytest.mark.parametrize(
    ("words", "message"),
    [
        (["map", "STORE", "--adapter", "nosuch", "--out", "m.parquet"], "crops"),
        (["map", "STORE", "--adapter", "crops", "--season", "2019-20", "--out", "m.parquet"], "2024-25"),
        (["map", "STORE", "--adapter", "crops", "--out", "m.shp"], ".shp"),
        (["sql", "STORE", "SELECT nosuch FROM cells"], "nosuch"),
        (["sql", "STORE", "COPY cells TO 'x.csv'"], "SELECT"),
        (["sql", "nowhere", "SELECT 1"], "nowhere"),
        (["serve", "nowhere"], "nowhere"),
        (["adapters", "list", "nowhere"], "nowhere"),
    ],
)
def test_unusable_questions_are_named(encoded: Path, words: list[str], message: str) -> None:
    """Names that the store does not have, files it cannot write and statements it does not run are named."""
    assert message in refused(*[encoded if word == "STORE" else word for word in words])


def test_sql_prints_what_programs_read(encoded: Path) -> None:
    """CSV and JSON carry lists and geometry as text, and a table says when it is cut."""
    query = "SELECT h3, embedding, geometry FROM cells WHERE res = 12 ORDER BY h3"
    rows = json.loads(surco("sql", encoded, query, "--format", "json").output)
    assert len(rows[0]["embedding"]) == 64
    csv = surco("sql", encoded, query, "--format", "csv").output.splitlines()
    assert csv[0].replace('"', "") == "h3,embedding,geometry"
    assert len(csv) == len(rows) + 1
    assert f"of {len(rows)} rows" in surco("sql", encoded, query).output.replace("\n", " ")


def test_adapters_are_listed(encoded: Path) -> None:
    """The list names each adapter with its model and classes."""
    assert "crops" in surco("adapters", "list", encoded).output
    assert "bare, wheat" in surco("adapters", "list", encoded).output


def test_embed_writes_a_table(tmp_path: Path) -> None:
    """`surco embed` on real series writes one vector a row and says what it read."""
    source = shared("samples/corsica_2022.parquet")
    done = surco("embed", source, "--out", tmp_path / "emb.parquet", "--model", "band-mean")
    assert done.exit_code == 0, done.output
    assert "500 rows" in done.output
    assert pq.read_table(tmp_path / "emb.parquet").num_rows == 500


def test_version() -> None:
    """`surco --version` names the program and its version."""
    assert surco("--version").output.startswith("surco, version 0.")


def test_two_models_in_one_store(encoded: Path, tmp_path: Path) -> None:
    """Vectors of a second model stand beside the first: a fit must name one, and each map uses its adapter's own."""
    store = tmp_path / "store"
    shutil.copytree(encoded, store)
    words = ["--stac", encoded.parent / "stac", "--season", SEASON, "--store", store, "--res", "12"]
    assert surco("encode", *words, "--model", "band-mean").exit_code == 0
    fit = ["adapters", "fit", store, "--labels", encoded.parent / "labels.geojson", "--name", "plain"]
    assert "band-mean-1" in refused(*fit)
    assert surco(*fit, "--model", "band-mean-1").exit_code == 0
    for name in ("crops", "plain"):
        assert surco("map", store, "--adapter", name, "--out", tmp_path / f"{name}.geojson").exit_code == 0
    assert "plain  crop-type  band-mean-1" in surco("adapters", "list", store).output


def test_pretrain_writes_a_model_that_embeds(tmp_path: Path) -> None:
    """`surco pretrain` on one real table writes weights, card and curves, and `--model FILE` embeds with them."""
    source = shared("samples/corsica_2022.parquet")
    folder = tmp_path / "tables"
    folder.mkdir()
    (folder / "corsica.parquet").symlink_to(source)
    out = tmp_path / "mine.safetensors"
    words = [
        "pretrain",
        "--samples",
        folder,
        "--out",
        out,
        "--name",
        "mine-1",
        "--steps",
        "3",
        "--simulated",
        "0",
        "--teacher",
        "band-mean",
    ]
    assert surco(*words).exit_code == 0
    card = json.loads(out.with_suffix(".json").read_text())
    assert (card["data"], card["teacher"]) == ({"corsica": 500}, "band-mean-1")
    assert out.with_suffix(".png").read_bytes().startswith(b"\x89PNG")
    assert not [*tmp_path.glob("*.state"), *tmp_path.glob("*.teacher")]
    assert surco("embed", source, "--out", tmp_path / "e.parquet", "--model", out).exit_code == 0
    assert json.loads(pq.read_schema(tmp_path / "e.parquet").metadata[b"emb"])["model_id"] == "mine-1"


@pytest.mark.parametrize(
    ("words", "message"),
    [
        (["--out", "x.pt"], ".safetensors"),
        (["--out", "x.safetensors", "--without", "nosuch"], "nosuch"),
        (["--out", "x.safetensors", "--teacher", "nosuch"], "nosuch"),
    ],
)
def test_unusable_pretraining_is_named(words: list[str], message: str, tmp_path: Path) -> None:
    """A weights file of another kind and a table that is not there are named before anything is trained."""
    assert message in refused("pretrain", "--samples", tmp_path, "--name", "m", *words)


def test_embed_takes_a_stated_scale_and_names_what_it_does_not_read(tmp_path: Path) -> None:
    """Ten-thousandths are refused by column, taken with their scale stated, and an unread column is noted."""
    table = (
        pq.read_table(shared("samples/corsica_2022.parquet"))
        .slice(0, 20)
        .select(["sample_id", "dates", "red", "nir"])
    )
    scaled = table
    for name in ("red", "nir"):
        values = [[None if v is None else 10_000 * v for v in row] for row in table[name].to_pylist()]
        scaled = scaled.set_column(scaled.column_names.index(name), name, [values])
    pq.write_table(scaled.append_column("soil", [[[1.0] * 12] * 20]), tmp_path / "s.parquet")
    words = ["embed", tmp_path / "s.parquet", "--out", tmp_path / "e.parquet", "--model", "band-mean"]
    assert "red" in refused(*words)
    done = surco(*words, "--reflectance-scale", "0.0001")
    assert done.exit_code == 0
    assert "soil" in done.output

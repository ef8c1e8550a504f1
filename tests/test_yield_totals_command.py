"""`surco disaggregate`: totals of comunas in a file, places that add up to them in another."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from click.testing import CliRunner
from store_builders import MODEL, SEASON, parcels_batch, squares, unit_vectors

from surco.adapters import CropTypeAdapter, save_adapter
from surco.api.cli import main
from surco.api.refusals import SettingsError
from surco.api.totals_file import read_totals
from surco.embedstore import Store, comunas

N = 120
CODES = comunas()["cut"].to_pylist()[10:16]
NAMES = comunas()["comuna"].to_pylist()[10:16]


@pytest.fixture(scope="module")
def store(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """120 parcels in six comunas, half of them wheat; the last has no data, the one before lies in no comuna."""
    path = tmp_path_factory.mktemp("totals") / "store"
    vectors = unit_vectors(N)
    vectors[-1] = 0
    crops = ["wheat", "maize"] * (N // 2)
    batch = parcels_batch(squares(N), vectors, crops)
    comuna = pa.array([*(CODES[i * 6 // N] for i in range(N - 2)), None, CODES[5]], pa.uint16())
    batch = batch.set_column(batch.schema.get_field_index("comuna"), batch.schema.field("comuna"), comuna)
    adapter = CropTypeAdapter().fit(vectors[:-1], crops[:-1])
    made = Store.create(path)
    with made.transaction() as tx:
        tx.put_parcels([batch], model_id=MODEL, season=SEASON)
        tx.put_adapter(
            "crops", save_adapter(adapter, name="crops", model_id=MODEL, task="crop-type", training={})
        )
    return path


def disaggregate(store: Path, totals: Path, *words: object, code: int = 0) -> str:
    """Output of the command."""
    command = ["disaggregate", store, "--totals", totals, *words]
    result = CliRunner().invoke(main, [str(word) for word in command])
    if result.exception is not None and not isinstance(result.exception, SystemExit):
        raise result.exception
    assert result.exit_code == code, result.output
    return " ".join(result.output.split())


def written(path: Path, rows: list[object], head: str = "comuna,yield") -> Path:
    """A CSV file."""
    path.write_text("\n".join([head, *map(str, rows)]), encoding="utf-8")
    return path


def by_comuna(out: Path, store: Path) -> dict[int, list[tuple[float, float]]]:
    """Value and hectares of each place of a result, by comuna."""
    table = pq.read_table(out)
    held = Store.open(store).read("parcels").select(["id", "comuna"]).to_pylist()
    comuna = {row["id"]: row["comuna"] for row in held}
    found: dict[int, list[tuple[float, float]]] = {}
    for row in table.to_pylist():
        if row["value"] is not None:
            assert row["low"] <= row["value"] <= row["high"]
            found.setdefault(comuna[row["id"]], []).append((row["value"], row["area_ha"]))
    return found


def test_parcels_add_up_to_the_yields(store: Path, tmp_path: Path) -> None:
    """By name or code: the mean by hectares of a comuna's wheat is its yield, and other parcels have no row."""
    values = [4.0, 5.5, 3.2, 6.1, 5.0]
    keys = [NAMES[0], *CODES[1:3], NAMES[3].upper(), CODES[4]]
    rows = [f"{key},{value}" for key, value in zip(keys, values, strict=True)]
    totals, out = written(tmp_path / "t.csv", rows), tmp_path / "out.parquet"
    words = disaggregate(store, totals, "--out", out, "--crop", "wheat")
    found = by_comuna(out, store)
    assert sorted(found) == sorted(CODES[:5])
    for code, value in zip(CODES[:5], values, strict=True):
        mean = np.average([v for v, _ in found[code]], weights=[h for _, h in found[code]])
        assert mean == pytest.approx(value, rel=1e-9)
        assert len(found[code]) == 10
    assert "5 totals brought down to 50 parcels" in words
    assert "10 parcels lie in comunas without a total" in words


def test_production_is_divided_by_hectares_and_adds_up(store: Path, tmp_path: Path) -> None:
    """Production over the mapped hectares; with official hectares their yield is kept instead."""
    rows = [f"{code};{100 * (i + 1)}" for i, code in enumerate(CODES)]
    totals, out = written(tmp_path / "t.csv", rows, "Comuna;Producción"), tmp_path / "out.parquet"
    disaggregate(store, totals, "--out", out)
    for i, code in enumerate(CODES):
        made = sum(value * hectares for value, hectares in by_comuna(out, store)[code])
        assert made == pytest.approx(100 * (i + 1), rel=1e-9)
    rows = [f"{code};{100 * (i + 1)};{20}" for i, code in enumerate(CODES)]
    disaggregate(store, written(tmp_path / "t.csv", rows, "comuna;production;hectares"), "--out", out)
    first = by_comuna(out, store)[CODES[0]]
    assert np.average([v for v, _ in first], weights=[h for _, h in first]) == pytest.approx(100 / 20)


def test_an_adapter_tells_the_crop(store: Path, tmp_path: Path) -> None:
    """With an adapter the places of its class are taken; comunas without any are named."""
    rows = [f"{code},{5 + i}" for i, code in enumerate(CODES)] + [f"{comunas()['cut'][0].as_py()},3"]
    totals, out = written(tmp_path / "t.csv", rows), tmp_path / "out.geojson"
    words = disaggregate(store, totals, "--out", out, "--crop", "maize", "--adapter", "crops")
    assert "no place of the crop in 1 comunas of the file" in words
    assert comunas()["comuna"][0].as_py() in words
    refused = disaggregate(store, totals, "--out", out, "--crop", "rice", "--adapter", "crops", code=2)
    assert "Expected a class of adapter crops (maize, wheat), got 'rice'" in refused
    assert "Expected --crop beside --adapter" in disaggregate(
        store, totals, "--out", out, "--adapter", "crops", code=2
    )


@pytest.mark.parametrize(
    ("head", "rows", "words"),
    [
        ("comuna,yield", ["Atlantis,5"], "got 'Atlantis' in line 2"),
        ("comuna,yield", ["99999,5"], "got '99999' in line 2"),
        ("comuna,yield", [f"{CODES[0]},5", f"{NAMES[0]},6"], "a second for"),
        ("comuna,yield", [f"{CODES[0]},-5"], "got '-5' in line 2"),
        ("comuna,yield", [f"{CODES[0]},nan"], "got 'nan' in line 2"),
        ("comuna,yield", [f"{CODES[0]},"], "got '' in line 2"),
        ("comuna,yield", [f"{CODES[0]}"], "got '' in line 2"),
        ("comuna,yield", [], "a row of totals"),
        ("place,yield", ["x,5"], "got place, yield"),
        ("comuna,area", ["x,5"], "the columns comuna and yield"),
    ],
)
def test_totals_that_cannot_be_read_are_named(
    tmp_path: Path, head: str, rows: list[object], words: str
) -> None:
    """Unknown comunas, doubles, missing and negative numbers are refused by their line."""
    with pytest.raises(SettingsError, match=words):
        read_totals(written(tmp_path / "t.csv", rows, head))


def test_files_that_are_no_tables(store: Path, tmp_path: Path) -> None:
    """No file, other encodings, no such crop end with a sentence and exit code 2."""
    out, binary = tmp_path / "out.parquet", tmp_path / "b.csv"
    binary.write_bytes(b"comuna,yield\n\xff\xfe,3")
    good = written(tmp_path / "t.csv", [f"{CODES[0]},5"])
    assert "a CSV file of totals" in disaggregate(store, tmp_path / "none.csv", "--out", out, code=2)
    assert "in UTF-8" in disaggregate(store, binary, "--out", out, code=2)
    assert "of rice with data, got none" in disaggregate(store, good, "--out", out, "--crop", "rice", code=2)
    assert not out.exists()

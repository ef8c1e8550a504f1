"""`surco diff`: what came, went and changed between versions, seasons and days, counted against what was written."""

from __future__ import annotations

import json
from datetime import date
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from click.testing import CliRunner, Result
from store_builders import MODEL, cell_ids, cells_batch, parcels_batch, squares, unit_vectors

from surco.adapters import CropTypeAdapter, save_adapter
from surco.api.cli import main
from surco.api.store_diff import DiffRequest, diff_picture, diff_report
from surco.embedstore import Season, SeasonError, Store, StoreError, dequantize, quantize
from surco.embedstore.changes import find_sides

JANUARY, MARCH = date(2025, 1, 31), date(2025, 3, 31)
NEAR, FAR = cell_ids(300), cell_ids(50, lat=-30.0, lon=-70.7)


def put(
    store: Store, cells: list[int], vectors: np.ndarray, season: Season, *, unseen: int = 0, views: int = 20
) -> None:
    """Cells with vectors; NDVI is null in the last `unseen` months, and each was seen `views` times."""
    batch = cells_batch(cells, vectors).to_pydict()
    curve = [*range(10, 22 - unseen), *[None] * unseen]
    batch |= {"ndvi": [curve] * len(cells), "n_optical": [views] * len(cells), "comuna": [7101] * len(cells)}
    with store.transaction() as tx:
        tx.put_cells(
            [pa.RecordBatch.from_pydict(batch, schema=cells_batch(cells, vectors).schema)],
            model_id=MODEL, season=season, resolution=9,
        )  # fmt: skip


def grown(path: Path) -> tuple[Store, np.ndarray, np.ndarray]:
    """Season 2023-24; 2024-25 as of January; then as of March with 40 cells turned, 10 gone and 50 far ones new."""
    store = Store.create(path)
    before = unit_vectors(300)
    after = before.copy()
    after[:40] += 0.3 * unit_vectors(40, seed=9)
    after /= np.linalg.norm(after, axis=1, keepdims=True)
    put(store, NEAR, unit_vectors(300, seed=5), Season(2023))
    put(store, NEAR, before, Season(2024, as_of=JANUARY), unseen=3, views=20)
    put(store, [*NEAR[:290], *FAR], np.concatenate([after[:290], unit_vectors(50, seed=3)]),
        Season(2024, as_of=MARCH), unseen=1, views=23)  # fmt: skip
    return store, before, after


def surco(*arguments: str) -> Result:
    """One command."""
    return CliRunner().invoke(main, arguments)


def test_rows_are_counted_by_key(tmp_path: Path) -> None:
    """Added, removed, changed and equal rows, distances, views and months are those that were written."""
    store, before, after = grown(tmp_path / "s")
    report = diff_report(DiffRequest(store.path, "2024-25@2025-01-31"))
    (table,) = report["tables"]
    assert (table["season"], table["as_of"]) == (
        {"from": "2024-25", "to": "2024-25"},
        {"from": "2025-01-31", "to": "2025-03-31"},
    )
    whole, maule = table["places"]
    assert maule["name"] == "Maule"
    assert {k: whole[k] for k in ("added", "removed", "changed", "same", "without_vector")} == {
        "added": 50, "removed": 10, "changed": 40, "same": 250, "without_vector": 0,
    }  # fmt: skip
    assert (whole["optical_gained"], whole["radar_gained"]) == (290 * 3, 0)
    assert whole["months_gained"] == [0] * 9 + [290, 290, 0] and whole["months_lost"] == [0] * 12
    stored = [dequantize(*quantize(v[:40])) for v in (before, after)]
    cosine = (stored[0] * stored[1]).sum(axis=1) / np.prod(
        [np.linalg.norm(v, axis=1) for v in stored], axis=0
    )
    assert whole["distance"]["p50"] == pytest.approx(np.quantile(1 - cosine, 0.5), rel=0.06)
    assert whole["distance"]["max"] == pytest.approx((1 - cosine).max(), rel=0.02)


def test_sides(tmp_path: Path) -> None:
    """Versions, seasons and days are understood; what is left out is the version before, or the latest season."""
    store, _, _ = grown(tmp_path / "s")

    def sides(*named: str | None) -> tuple[str, str]:
        first, second = find_sides(store.path, *named)
        return str(first), str(second)

    assert sides() == ("version 2", "version 3")
    assert sides("1", "2") == ("version 1", "version 2")
    assert sides(None, "2") == ("version 1", "version 2")
    assert sides("2023-24") == ("2023-24, version 3", "2024-25 as of 2025-03-31, version 3")
    assert sides("2024-25@2025-01-31")[0] == "2024-25 as of 2025-01-31, version 2"
    assert sides("2023-24@2024-04-30", "2024-25@2025-01-31")[0] == "2023-24, version 3"
    for named, kind, message in (
        (("9", None), StoreError, "store log"),
        (("2020-21", None), StoreError, "one of the seasons"),
        (("2024-25@2025-02-28", None), StoreError, "2025-01-31.*2025-03-31"),
        (("2024-25@2025-02-31", None), SeasonError, "a day such as"),
        (("2", "2024-25"), StoreError, "the same way"),
        (("yesterday", None), SeasonError, "season's name"),
        ((None, "1"), StoreError, "a version before 1"),
    ):
        with pytest.raises(kind, match=message):
            find_sides(store.path, *named)


def test_other_seasons_and_untouched_files(tmp_path: Path) -> None:
    """Two seasons are compared place by place; between versions a table whose files are the same is not looked at."""
    store, _, _ = grown(tmp_path / "s")
    (table,) = diff_report(DiffRequest(store.path, "2023-24", "2024-25"))["tables"]
    assert (table["places"][0]["changed"], table["places"][0]["added"]) == (290, 50)
    versions = diff_report(DiffRequest(store.path, "2", "3"))
    assert [t["season"]["to"] for t in versions["tables"]] == ["2024-25"] and versions[
        "unchanged_tables"
    ] == 1
    first = diff_report(DiffRequest(store.path, "1", "2"))
    (new,) = first["tables"]
    assert new["season"] == {"from": None, "to": "2024-25"} and new["places"][0]["added"] == 300
    again = diff_report(DiffRequest(store.path, "3", "3"))
    assert not again["tables"] and diff_picture(again)[:4] == b"\x89PNG"


def test_carried_files_count_as_the_same(tmp_path: Path) -> None:
    """Rows of a file that both versions have count as the same, and those of another as added."""
    store = Store.create(tmp_path / "s")
    put(store, NEAR, unit_vectors(300), Season(2024))
    with store.transaction() as tx:
        tx.put_cells(
            [cells_batch(FAR, unit_vectors(50))],
            model_id=MODEL,
            season=Season(2024),
            resolution=9,
            merge=True,
        )
    (table,) = diff_report(DiffRequest(store.path))["tables"]
    assert (table["places"][0]["same"], table["places"][0]["added"], table["places"][0]["changed"]) == (
        300,
        50,
        0,
    )


def adapter(vectors: np.ndarray) -> tuple[CropTypeAdapter, dict[str, bytes]]:
    """One that tells two halves of the vectors apart."""
    names = np.where(vectors[:, 0] > 0, "maize", "vineyard")
    fitted = CropTypeAdapter().fit(vectors, names)
    return fitted, save_adapter(fitted, name="crops", model_id=MODEL, task="crop-type", training={})


def test_classes_and_bundles(tmp_path: Path) -> None:
    """Hectares that changed class are those of the adapter asked of both sides; new models and adapters are named."""
    store, before, after = grown(tmp_path / "s")
    fitted, files = adapter(before)
    with store.transaction() as tx:
        tx.put_adapter("crops", files)
        tx.put_model("other-1", {"a": 1})
    report = diff_report(DiffRequest(store.path, "2", "4", adapter="crops"))
    assert [(b["kind"], b["name"], b["change"]) for b in report["bundles"]] == [
        ("model", "other-1", "added"), ("adapter", "crops", "added"),
    ]  # fmt: skip
    classes = report["tables"][0]["classes"]
    sides = [fitted.predict(dequantize(*quantize(v[:290]))) for v in (before, after)]
    moved = int((sides[0] != sides[1]).sum())
    places = np.array(classes["places"])
    assert moved > 0 and places.sum() == 290 and places.sum() - np.trace(places) == moved
    assert np.array(classes["hectares"]).sum() == pytest.approx(
        classes["changed_ha"] + classes["same_ha"], abs=0.1
    )
    assert "no estimate of change" in classes["note"]


def test_parcels_are_matched_by_id(tmp_path: Path) -> None:
    """Parcels keep their ids whatever the order of rows."""
    store = Store.create(tmp_path / "s")
    vectors, shapes = unit_vectors(40), squares(40)
    for n, turned in enumerate((vectors, np.concatenate([vectors[:35], -vectors[35:]]))):
        with store.transaction() as tx:
            batch = parcels_batch(shapes, turned, ["maize"] * 40)
            tx.put_parcels(
                [batch.take(np.random.default_rng(n).permutation(40))], model_id=MODEL, season=Season(2024)
            )
    (table,) = diff_report(DiffRequest(store.path))["tables"]
    assert (table["table"], table["places"][0]["changed"], table["places"][0]["same"]) == ("parcels", 5, 35)
    assert table["places"][0]["distance"]["p50"] == pytest.approx(2, rel=0.02)


def test_by_command(tmp_path: Path) -> None:
    """The command prints tables or JSON, writes the rows that changed or a picture, and refuses with a sentence."""
    store, before, _ = grown(tmp_path / "s")
    with store.transaction() as tx:
        tx.put_adapter("crops", adapter(before)[1])
    asked = ["diff", str(store.path), "--from", "2024-25@2025-01-31", "--adapter", "crops"]
    said = surco(*asked, "--out", str(tmp_path / "rows.parquet"))
    assert said.exit_code == 0 and "290 rows" not in said.output and "ha changed class" in said.output
    assert "10, 11" in said.output and "Maule" in said.output
    rows = pq.read_table(tmp_path / "rows.parquet").to_pandas(strings_to_categorical=False)
    assert rows["change"].value_counts().to_dict() == {"added": 50, "changed": 40, "removed": 10}
    changed = rows[rows["change"] == "changed"]
    assert changed["distance"].min() > 0 and set(changed["optical_gained"]) == {3}
    assert set(changed["h3"]) == set(NEAR[:40]) and changed["class_before"].notna().all()
    answer: dict[str, Any] = json.loads(surco(*asked, "--json", "--by", "comuna").stdout)
    assert answer["tables"][0]["places"][1]["name"] == "Talca"
    assert surco(*asked, "--out", str(tmp_path / "a.png")).exit_code == 0
    assert (tmp_path / "a.png").read_bytes()[:4] == b"\x89PNG"
    for wrong in (["--out", "a.txt"], ["--from", "77"], ["--adapter", "none"]):
        refused = surco("diff", str(store.path), *wrong)
        assert refused.exit_code == 2 and "Traceback" not in refused.output

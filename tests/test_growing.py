"""An adapter of one part of the year asked about another: it works, and one sentence says what that is worth."""

from __future__ import annotations

import json
from datetime import date
from pathlib import Path

import numpy as np
import shapely
from click.testing import CliRunner, Result
from litestar.testing import TestClient
from store_builders import MODEL, parcels_batch, squares, unit_vectors

from surco.adapters import read_card
from surco.api.app import create_app
from surco.api.cli import main
from surco.api.growing import season_note
from surco.api.settings import Settings
from surco.embedstore import Season, Store

COUNT = 60
CROPS = np.where(np.arange(COUNT) % 2, "maize", "vineyard")


def growing(path: Path) -> Store:
    """2023-24 whole, and 2024-25 as of October."""
    store = Store.create(path)
    vectors = unit_vectors(COUNT)
    vectors[:, 0] += np.where(CROPS == "maize", 1.0, -1.0)
    for season in (Season(2023), Season(2024, as_of=date(2024, 10, 31))):
        with store.transaction() as tx:
            batch = parcels_batch(squares(COUNT), vectors, [None] * COUNT)
            tx.put_parcels([batch], model_id=MODEL, season=season)
    return store


def labels(path: Path) -> Path:
    """A label in each parcel."""
    features = [
        {
            "type": "Feature",
            "geometry": shapely.geometry.mapping(shape.centroid),
            "properties": {"class": crop},
        }
        for shape, crop in zip(squares(COUNT), CROPS.tolist(), strict=True)
    ]
    path.write_text(json.dumps({"type": "FeatureCollection", "features": features}))
    return path


def surco(*arguments: str | Path) -> Result:
    """One command."""
    return CliRunner().invoke(main, [str(each) for each in arguments])


def test_half_a_season_is_told(tmp_path: Path) -> None:
    """The card keeps the day; a map of a season seen less far says so, one of the same season does not."""
    store = growing(tmp_path / "s")
    truth = labels(tmp_path / "l.geojson")
    for name, season in (("whole", "2023-24"), ("half", "2024-25")):
        fit = surco("adapters", "fit", store.path, "--labels", truth, "--task", "crop-type", "--name", name,
                    "--season", season)  # fmt: skip
        assert fit.exit_code == 0, fit.output
    store = Store.open(store.path)
    assert read_card(store.adapter_dir("whole"))["training"]["as_of"] is None
    assert read_card(store.adapter_dir("half"))["training"]["as_of"] == "2024-10-31"
    assert "as_of 2024-10-31" in surco("adapters", "show", store.path, "half").output
    said = surco("map", store.path, "--adapter", "whole", "--season", "2024-25", "--unit", "parcels",
                 "--out", tmp_path / "m.parquet")  # fmt: skip
    assert said.exit_code == 0
    assert "learned from season 2023-24, seen until 2024-04-30" in said.output.replace("\n", " ")
    quiet = surco("map", store.path, "--adapter", "half", "--season", "2024-25", "--unit", "parcels",
                  "--out", tmp_path / "n.parquet")  # fmt: skip
    assert quiet.exit_code == 0 and "learned from" not in quiet.output
    assert "2024-10-31" in str(season_note(store, "half", "2023-24", "parcels"))
    assert season_note(store, "half", "2023-24", "cells") is None


def test_half_a_season_is_told_over_http(tmp_path: Path) -> None:
    """Hectares, tiles, answers about places and the list of maps say it with a code; those of the same part do not."""
    store = growing(tmp_path / "s")
    fit = surco("adapters", "fit", store.path, "--labels", labels(tmp_path / "l.geojson"), "--task", "crop-type",
                "--name", "whole", "--season", "2023-24")  # fmt: skip
    assert fit.exit_code == 0, fit.output
    with TestClient(create_app(Settings(store.path))) as client:
        for season, told in (("2024-25", True), ("2023-24", False)):
            wanted = {"points": [[0.0, 0.0]], "unit": "parcels", "season": season}
            answers = [
                client.get(f"/maps/whole/{season}/areas").json(),
                client.get(f"/maps/whole/{season}/tilejson").json().get("surco"),
                client.post("/adapters/whole/predict", json=wanted).json(),
                client.get(f"/maps/whole/{season}").json()["maps"][0],
            ]
            for answer in answers:
                notes = [each for each in answer.get("notes", []) if "learned from" in each]
                assert len(notes) == told, answer
                for note in notes:
                    said = answer["said"][note]
                    assert said["code"] == "season-half" and said["values"]["until"] == "2024-10-31"

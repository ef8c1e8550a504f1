"""Clients that people use read OGC API Features from a running server: GDAL through pyogrio, ogrinfo, OWSLib."""

from __future__ import annotations

import os
import shutil
import subprocess
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pyogrio
import pytest
from area_valley import CELLS, PARCELS, area_valley
from ogc_server import requests_of, running

from surco.api.maps import predict_table
from surco.embedstore import Store

COLLECTIONS = {"cells": CELLS, "parcels": PARCELS, "map-crops": PARCELS, "comunas": 345}


@pytest.fixture(scope="module")
def valley(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """800 parcels, 300 cells, and the adapter `crops`."""
    path = tmp_path_factory.mktemp("clients") / "store"
    area_valley(path)
    return path


@pytest.fixture(scope="module")
def address(valley: Path) -> Iterator[str]:
    """Of a server over it, in a process of its own."""
    with running(valley, noting=True) as found:
        yield found


def read(address: str, layer: str, **options: Any) -> Any:
    """A layer as a GeoDataFrame, as GDAL reads it."""
    return pyogrio.read_dataframe(f"OAPIF:{address}", layer=layer, **options)


def test_gdal_lists_the_collections(address: str) -> None:
    """Each collection is a layer with its geometry type, fields, extent and number of features."""
    layers = pyogrio.list_layers(f"OAPIF:{address}")
    assert set(layers[:, 0]) == set(COLLECTIONS)
    info = pyogrio.read_info(f"OAPIF:{address}", layer="cells")
    assert info["geometry_type"] == "Polygon" and info["features"] == CELLS
    assert {"h3", "comuna_name", "n_pixels"} <= set(info["fields"])
    assert info["total_bounds"][0] < -71.55 < info["total_bounds"][2]


@pytest.mark.parametrize("layer", COLLECTIONS)
def test_gdal_reads_all_rows_page_by_page(address: str, valley: Path, layer: str) -> None:
    """Over pages of 97 features GDAL reads each row of the store once."""
    frame = read(address, layer, PAGE_SIZE=97)
    assert len(frame) == frame["id"].nunique() == COLLECTIONS[layer]
    assert frame.geometry.is_valid.all()
    store = Store.open(valley)
    if layer == "cells":
        assert sorted(frame["h3"]) == sorted(f"{cell:x}" for cell in store.read("cells")["h3"].to_pylist())
    if layer == "parcels":
        assert frame["id"].tolist() == store.read("parcels")["id"].to_pylist()


def test_gdal_asks_for_its_box(address: str) -> None:
    """A spatial filter goes to the server, and gives what meets it."""
    box = (-71.56, -35.43, -71.54, -35.41)
    frame = read(address, "cells", bbox=box)
    assert "bbox=-71.5" in requests_of(address)[-1]
    whole = read(address, "cells")
    assert sorted(frame["h3"]) == sorted(whole.cx[box[0] : box[2], box[1] : box[3]]["h3"])
    assert 0 < len(frame) < CELLS


@pytest.mark.parametrize(
    ("layer", "where", "asked"),
    [
        ("map-crops", "class = 'wheat' AND probability > 0.5", "probability%20%3E%200.5"),
        ("parcels", '"metrics:area" > 20000', "metrics%3Aarea"),
        ("parcels", "comuna_name = 'Talca' OR n_pixels < 5", "comuna_name"),
        ("comunas", "region = 'Maule' AND comuna_name LIKE 'C%'", "LIKE"),
        ("comunas", "comuna_name ILIKE 'talc%'", "ILIKE"),
        ("cells", "comuna IS NULL", "IS%20NULL"),
    ],
)
def test_gdal_lets_the_server_filter(address: str, layer: str, where: str, asked: str) -> None:
    """An attribute filter goes to the server as CQL2, and gives what GDAL finds among all features."""
    frame = read(address, layer, where=where)
    assert any(asked in each and "filter=" in each for each in requests_of(address)[-3:])
    whole = read(address, layer)
    expected = pyogrio.read_dataframe(_saved(whole), where=where.replace("metrics:area", "metrics_area"))
    assert sorted(frame["id"]) == sorted(expected["id"])
    assert len(frame) > 0


def test_gdal_reads_in_another_system(address: str) -> None:
    """`CRS=EPSG:32719` gives metres of UTM 19S, where the features are."""
    metres = read(address, "parcels", CRS="EPSG:32719")
    degrees = read(address, "parcels").set_index("id").to_crs(32719)
    assert metres.crs.to_epsg() == 32719
    there = degrees.loc[metres["id"]].geometry.centroid
    here = metres.geometry.centroid
    assert np.allclose([here.x, here.y], [there.x, there.y], atol=0.05)


def test_gdal_reads_what_the_map_says(address: str, valley: Path) -> None:
    """The classes that reach a GeoDataFrame are those that the adapter predicts."""
    frame = read(address, "map-crops").set_index("id")
    predicted = predict_table(Store.open(valley), "crops")
    names = [predicted.classes[index] for index in predicted.class_index]
    assert frame.loc[list(predicted.places.id), "class"].tolist() == names


def test_ogrinfo_reads_a_layer(address: str) -> None:
    """Debian's ogrinfo, an older GDAL, counts and reads the same."""
    if shutil.which("ogrinfo") is None:
        reason = "no ogrinfo: install Debian's gdal-bin"
        if os.environ.get("SURCO_REQUIRE_GDAL") == "1":
            pytest.fail(reason)
        pytest.skip(reason)

    def ogrinfo(*arguments: str) -> str:
        done = subprocess.run(["ogrinfo", *arguments], capture_output=True, text=True, timeout=60, check=True)
        return done.stdout

    summary = ogrinfo("-so", f"OAPIF:{address}", "cells")
    assert f"Feature Count: {CELLS}" in summary and "h3: String" in summary
    found = ogrinfo("-al", "-q", "-spat", "-71.56", "-35.43", "-71.54", "-35.41", f"OAPIF:{address}", "cells")
    assert found.count("OGRFeature(cells)") == len(
        read(address, "cells", bbox=(-71.56, -35.43, -71.54, -35.41))
    )


def test_owslib_reads_collections_and_items(address: str) -> None:
    """OWSLib's client finds the collections, the queryables and the items."""
    features = pytest.importorskip("owslib.ogcapi.features")
    client = features.Features(f"{address}/ogc")
    client.url = f"{address}/"
    assert set(client.feature_collections()) == set(COLLECTIONS)
    assert client.collection("cells")["storageCrs"].endswith("CRS84")
    assert "n_pixels" in client.collection_queryables("cells")["properties"]
    page = client.collection_items("map-crops", limit=3, filter="class = 'wheat'")
    assert [each["properties"]["class"] for each in page["features"]] == ["wheat"] * 3
    one = client.collection_item("cells", client.collection_items("cells", limit=1)["features"][0]["id"])
    assert one["type"] == "Feature"


def _saved(frame: Any) -> str:
    """The frame as a file in memory, for GDAL's own filter; its SQL has no colon in names."""
    path = "/vsimem/whole.geojson"
    pyogrio.write_dataframe(frame.rename(columns=lambda name: name.replace(":", "_")), path, driver="GeoJSON")
    return path

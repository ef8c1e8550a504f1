"""The plan of a run as a document."""

from __future__ import annotations

import json
import pickle
from dataclasses import replace
from datetime import UTC, date, datetime
from pathlib import Path
from types import MappingProxyType

import pytest
import shapely

from surco.embedstore import Season
from surco.encoder import BandMeanEncoder
from surco.encoder.assets import Band
from surco.encoder.plan import (
    Cropland,
    Ground,
    LandTile,
    ParcelFile,
    PlanError,
    PlannedModel,
    RunPlan,
    SceneSource,
    SimulatedSource,
    read_plan,
    write_plan,
)
from surco.encoder.plan.plan_files import plan_document
from surco.encoder.scenes import Scene

GROUND = Ground(
    (7101, 7102), shapely.box(-72, -36, -71, -35).wkb, Cropland("/there/crops.tif", "ab" * 32, (40,))
)
TILE = LandTile.named("19S-0024-0596", GROUND)


def scene(name: str, box: tuple[float, float, float, float], href: str = "https://a.cl/b.tif") -> Scene:
    """A Sentinel-2 scene of one band over a box in degrees."""
    bands = MappingProxyType({"red": Band(href, 1e-4, -0.1, 0.0, public=True, size=7), "scl": Band(href)})
    when = datetime(2024, 6, 1, 14, 40, tzinfo=UTC)
    return Scene(
        name,
        "sentinel-2-l2a",
        "sentinel-2",
        when,
        bands,
        shapely.box(*box),
        "EPSG:32719",
        (0.0, 0.0, 1.0, 1.0),
    )


def plan(**changes: object) -> RunPlan:
    """A plan of one tile over one scene."""
    model = PlannedModel.of("band-mean", BandMeanEncoder())
    whole = RunPlan(
        "Maule",
        Season(2024, as_of=date(2025, 1, 31)),
        (TILE,),
        model,
        (9,),
        ("there",),
        (scene("a", TILE.bbox),),
    )
    return replace(whole, **changes)  # type: ignore[arg-type]


@pytest.mark.parametrize(
    "made",
    [
        plan(parcels=ParcelFile("/there/parcels.parquet", "cd" * 32, 10.0), estimate={"pixels": 3}),
        plan(
            scenes=(),
            catalogues=(),
            simulated=SimulatedSource(7),
            tiles=(replace(TILE, step=640, occupied=5, pixels=9),),
        ),
        plan(tiles=(LandTile.named("18S-0060-0596"),), season=Season(2024), resolutions=(11, 9)),
    ],
)
def test_a_plan_comes_back_as_it_was(made: RunPlan, tmp_path: Path) -> None:
    """Written and read, a plan is the same document with the same key, tiles and scenes."""
    path = tmp_path / "plan.json"
    write_plan(made, path)
    again = read_plan(path)
    assert plan_document(again) == plan_document(made)
    assert (again.key, again.tiles, again.season, again.model) == (
        made.key,
        made.tiles,
        made.season,
        made.model,
    )
    assert again.scenes == made.scenes
    assert [p.name for p in tmp_path.iterdir()] == ["plan.json"]


@pytest.mark.parametrize(
    "change",
    [
        {"season": Season(2024)},
        {"season": Season(2023, as_of=date(2024, 1, 31))},
        {"resolutions": (10,)},
        {"tiles": (LandTile.named("19S-0025-0596", GROUND),)},
        {"tiles": (replace(TILE, occupied=1),)},
        {"tiles": (replace(TILE, ground=replace(GROUND, comunas=(7101,))),)},
        {
            "tiles": (
                replace(
                    TILE, ground=replace(GROUND, cropland=Cropland("/there/crops.tif", "ef" * 32, (40,)))
                ),
            )
        },
        {"model": PlannedModel("band-mean", "band-mean-1", "other")},
        {"scenes": (scene("b", TILE.bbox),)},
        {"scenes": (), "simulated": SimulatedSource(1)},
        {"parcels": ParcelFile("/there/parcels.parquet", "cd" * 32)},
    ],
)
def test_what_shapes_the_tables_changes_the_key(change: dict[str, object]) -> None:
    """Another season, day, ground, mask, model, scene or parcel file is another run."""
    assert plan(**change).key != plan().key


@pytest.mark.parametrize(
    "change",
    [
        {"region": "El Maule"},
        {"catalogues": ("elsewhere",)},
        {"estimate": {"hours": 3}},
        {"tiles": (replace(TILE, pixels=17),)},
        {
            "tiles": (
                replace(
                    TILE, ground=replace(GROUND, cropland=Cropland("/moved/crops.tif", "ab" * 32, (40,)))
                ),
            )
        },
    ],
)
def test_what_shapes_no_table_leaves_the_key(change: dict[str, object]) -> None:
    """Names, counts, guesses and where a file lies are no part of a run's name."""
    assert plan(**change).key == plan().key


def test_no_signature_gets_into_a_plan(tmp_path: Path) -> None:
    """The query of an address, where signatures and tokens stand, is neither written nor part of the key."""
    signed = plan(scenes=(scene("a", TILE.bbox, "https://a.cl/b.tif?sig=SECRET"),))
    write_plan(signed, tmp_path / "plan.json")
    text = (tmp_path / "plan.json").read_text("utf-8")
    assert "SECRET" not in text and "https://a.cl/b.tif" in text
    assert read_plan(tmp_path / "plan.json").key == signed.key


def test_a_tile_gets_the_scenes_that_touch_it() -> None:
    """A source holds only scenes near its tile, and can be sent to another process."""
    west, south, east, north = TILE.bbox
    far, near = (
        scene("far", (west + 2, south, east + 2, north)),
        scene("near", (east + 0.001, south, east + 1, north)),
    )
    source = plan(scenes=(far, near)).source(TILE)
    assert source == SceneSource((near,))
    copy = pickle.loads(pickle.dumps(source))  # noqa: S301 - our own bytes
    assert copy == source
    assert dict(copy.scenes[0].bands) == dict(near.bands)


def test_a_plan_without_scenes_says_so_when_it_is_run() -> None:
    """A plan made for its figures alone has no source."""
    bare = plan(scenes=(), catalogues=())
    assert not bare.runnable
    with pytest.raises(PlanError, match="--stac"):
        bare.source(TILE)


def test_another_encoder_is_refused() -> None:
    """Vectors of two models never meet in one run."""
    encoder = BandMeanEncoder()
    plan().check_encoder(encoder)
    encoder.model_id = "band-mean-2"
    with pytest.raises(PlanError, match="band-mean-2"):
        plan().check_encoder(encoder)


@pytest.mark.parametrize(
    ("text", "word"),
    [
        ("", "no JSON"),
        ("[1]", "other JSON"),
        ('{"type": "Feature"}', "other JSON"),
        ('{"surco_plan": 1}', "KeyError"),
    ],
)
def test_a_document_that_is_no_plan_is_refused(text: str, word: str, tmp_path: Path) -> None:
    """A message says what came in place of a plan."""
    path = tmp_path / "plan.json"
    path.write_text(text)
    with pytest.raises(PlanError, match=word):
        read_plan(path)


def test_a_plan_of_a_newer_format_is_refused(tmp_path: Path) -> None:
    """What a newer surco wrote is not guessed at."""
    path = tmp_path / "plan.json"
    path.write_text(json.dumps({**plan_document(plan()), "surco_plan": 2}))
    with pytest.raises(PlanError, match="format 2"):
        read_plan(path)


def test_tiles_of_two_grounds_make_no_plan() -> None:
    """One plan is of one region and one step; none of nothing."""
    for tiles in ((), (TILE, replace(TILE, step=640)), (TILE, LandTile.named("19S-0025-0596"))):
        with pytest.raises(PlanError, match="one ground and step"):
            plan(tiles=tiles)

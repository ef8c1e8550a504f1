"""Composites kept on disk: the same bits, only new months read, and never more room than was given."""

from __future__ import annotations

import os
from collections.abc import Sequence
from datetime import date
from pathlib import Path

import numpy as np
import pytest
from click.testing import CliRunner
from run_plans import digests
from stac_catalogs import optical, radar, write_catalog
from test_updating import JANUARY, MARCH, months

from surco.api.cli import main
from surco.embedstore import Season, Store
from surco.encoder import encode_store
from surco.encoder.catalog import read_scenes
from surco.encoder.composite import Composite, compose
from surco.encoder.errors import EncoderError
from surco.encoder.grid import Window, make_grid
from surco.encoder.kept_months import KeptMonths, compose_kept
from surco.encoder.plan import LandTile, PlannedModel, RunPlan
from surco.encoder.protocol import BandMeanEncoder
from surco.encoder.runs import InProcess, run_plan
from surco.encoder.scenes import Scene

SEASON = Season(2024)


def scenes_of(folder: Path) -> tuple[Sequence[Scene], Window]:
    """A season of scenes with clouds, two views in some months, radar in one, and a window on them."""
    rng = np.random.default_rng(0)
    scl = rng.choice([4, 9], (4, 32), p=[0.8, 0.2])
    items = [
        *months(),
        optical("again", "2024-09-20", {"red": 640}, wide=64, scl=scl),
        radar("s1", "2024-06-06", 0.08, 0.02),
    ]
    scenes = read_scenes(str(write_catalog(folder, items)), SEASON.start, SEASON.end, None)
    return scenes, next(iter(make_grid(scenes).windows()))


def same(a: Composite, b: Composite) -> bool:
    """Whether two composites are equal to the bit."""
    pairs = [(getattr(a.tile, n), getattr(b.tile, n)) for n in ("values", "valid", "dates", "static")]
    pairs += [(a.n_optical, b.n_optical), (a.n_radar, b.n_radar)]
    return all(x.dtype == y.dtype and np.array_equal(x, y, equal_nan=x.dtype.kind == "f") for x, y in pairs)


def test_the_same_bits_made_and_kept(tmp_path: Path) -> None:
    """What is composed month by month, and what comes from the disk, is what is composed at once."""
    scenes, window = scenes_of(tmp_path / "stac")
    kept = KeptMonths(tmp_path / "kept", 10**9)
    plain = compose(scenes, window, SEASON)
    assert same(compose_kept(scenes, window, SEASON, kept), plain)
    assert len(list((tmp_path / "kept").glob("*/*.month"))) == 12
    for file in (tmp_path / "stac").rglob("*.tif"):
        _spoil(file)
    assert same(compose_kept(scenes, window, SEASON, kept), plain)


def _spoil(raster: Path) -> None:
    """Other bytes under the same size and time of change: nobody who reads them gets what was there."""
    state = raster.stat()
    raster.write_bytes(b"0" * state.st_size)
    os.utime(raster, ns=(state.st_atime_ns, state.st_mtime_ns))


def test_only_new_months_are_read(tmp_path: Path) -> None:
    """An update reads the month that came; a month whose raster was replaced is read again."""
    scenes, window = scenes_of(tmp_path / "stac")
    kept = KeptMonths(tmp_path / "kept", 10**9)
    compose_kept(scenes, window, Season(2024, as_of=JANUARY), kept)
    files = set((tmp_path / "kept").glob("*/*.month"))
    compose_kept(scenes, window, Season(2024, as_of=MARCH), kept)
    assert len(files) == 9 and len(set((tmp_path / "kept").glob("*/*.month")) - files) == 2
    red = next(s for s in scenes if s.datetime.date() == date(2024, 5, 12)).bands["red"].href
    os.utime(red.removeprefix("file://"), (0, 0))
    compose_kept(scenes, window, Season(2024, as_of=MARCH), kept)
    assert len(list((tmp_path / "kept").glob("*/*.month"))) == 12


@pytest.mark.parametrize("damage", [b"", b"short", b"0" * 500])
def test_damaged_files_are_made_again(tmp_path: Path, damage: bytes) -> None:
    """A file that was cut off or altered is as good as none."""
    scenes, window = scenes_of(tmp_path / "stac")
    kept = KeptMonths(tmp_path / "kept", 10**9)
    plain = compose_kept(scenes, window, SEASON, kept)
    victim = next((tmp_path / "kept").glob("*/*.month"))
    whole = victim.read_bytes()
    victim.write_bytes(damage)
    assert same(compose_kept(scenes, window, SEASON, kept), plain)
    assert victim.read_bytes() == whole


def test_room_is_bounded(tmp_path: Path) -> None:
    """What was used longest ago goes; the rest fits."""
    scenes, window = scenes_of(tmp_path / "stac")
    compose_kept(scenes, window, SEASON, KeptMonths(tmp_path / "kept", 10**9))
    files = sorted((tmp_path / "kept").glob("*/*.month"))
    for number, file in enumerate(files):
        os.utime(file, (number, number))
    total = sum(file.stat().st_size for file in files)
    KeptMonths(tmp_path / "kept", total // 2).make_room()
    left = sorted((tmp_path / "kept").glob("*/*.month"))
    assert sum(file.stat().st_size for file in left) <= total // 2
    assert left and set(left) <= set(files[3:]) and files[-1] in left


def test_tables_do_not_know_of_it(tmp_path: Path) -> None:
    """Updates with and without kept composites write the same files; a folder that cannot be written is said."""
    catalog = write_catalog(tmp_path / "stac", months())
    kept = KeptMonths(tmp_path / "kept", 10**9)
    stores = [Store.create(tmp_path / name) for name in "ab"]
    for day in (JANUARY, MARCH):
        for store, keep in zip(stores, (None, kept), strict=True):
            encode_store(
                catalog, Season(2024, as_of=day), store, BandMeanEncoder(), resolutions=(9,), kept=keep
            )
    contents = [[file.read_bytes() for file in store.tables()[0].files] for store in stores]
    assert contents[0] == contents[1] and list((tmp_path / "kept").glob("*/*.month"))
    (tmp_path / "file").write_text("")
    scenes, window = scenes_of(tmp_path / "more")
    with pytest.raises(EncoderError, match="--keep-composites"):
        compose_kept(scenes, window, SEASON, KeptMonths(tmp_path / "file" / "x", 10**9))


def test_a_plan_keeps_months_too(tmp_path: Path) -> None:
    """A run of a plan fills and uses the folder, and writes the same files as one without."""
    scenes, _ = scenes_of(tmp_path / "stac")
    tile = LandTile(19, 29, 593, occupied=1 << 5)
    model = PlannedModel.of("band-mean", BandMeanEncoder())
    kept, found = KeptMonths(tmp_path / "kept", 10**9), []
    for name, keep in (("a", None), ("b", kept), ("c", kept)):
        plan = RunPlan("valley", SEASON, (tile,), model, (9,), scenes=tuple(scenes))
        store = Store.create(tmp_path / name)
        run_plan(plan, store, BandMeanEncoder, executor=InProcess(), kept=keep)
        found.append(digests(store))
        for file in (tmp_path / "stac").rglob("*.tif") if name == "b" else ():
            _spoil(file)
    assert found[0] == found[1] == found[2] and len(list((tmp_path / "kept").glob("*/*.month"))) == 12


def test_by_command(tmp_path: Path) -> None:
    """`--keep-composites` fills its folder."""
    catalog = write_catalog(tmp_path / "stac", months())
    done = CliRunner().invoke(main, [
        "encode", "--stac", str(catalog), "--season", "2024-05/2025-04", "--as-of", "2025-01-31", "--store",
        str(tmp_path / "s"), "--res", "9", "--model", "band-mean", "--keep-composites", str(tmp_path / "kept"),
        "--keep-gb", "0.5",
    ])  # fmt: skip
    assert done.exit_code == 0, done.output
    assert len(list((tmp_path / "kept").glob("*/*.month"))) == 9

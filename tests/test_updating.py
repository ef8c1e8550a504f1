"""A season that grows: encoded again with a later day, beside older versions and older seasons."""

from __future__ import annotations

import json
from datetime import date
from pathlib import Path

import pyarrow.parquet as pq
import pytest
import shapely
from click.testing import CliRunner, Result
from stac_catalogs import CRS, LEFT, TOP, Item, optical, write_catalog

from surco.api.cli import main
from surco.api.quality.report import quality_report
from surco.api.settings import Settings
from surco.api.viewer_answers import overview
from surco.embedstore import Season, Store, run_sql, versions
from surco.encoder import EncodeReport, encode_store
from surco.encoder.area import project
from surco.encoder.grounds import OlderSeasonError, Seen, seen_before
from surco.encoder.protocol import BandMeanEncoder

JANUARY, FEBRUARY, MARCH = date(2025, 1, 31), date(2025, 2, 28), date(2025, 3, 31)


def months(wide: int = 64) -> list[Item]:
    """A scene in each month of two seasons, greener from month to month."""
    days = [f"{2023 + (4 + m) // 12}-{(4 + m) % 12 + 1:02d}-12" for m in range(24)]
    return [
        optical(f"s2-{day}", day, {"red": 900 - 20 * n, "nir": 1500 + 100 * n}, wide=wide)
        for n, day in enumerate(days)
    ]


def encoded(store: Store, catalog: str, day: date | None, year: int = 2024, **more: object) -> EncodeReport:
    """The season as of a day."""
    return encode_store(catalog, Season(year, as_of=day), store, BandMeanEncoder(), resolutions=(9,), **more)  # type: ignore[arg-type]


def half(first: int, last: int) -> shapely.Geometry:
    """Columns of pixels of the scenes, in degrees."""
    box = shapely.box(LEFT + 10 * first, TOP - 80, LEFT + 10 * last, TOP)
    return project(box, CRS, "OGC:CRS84")


def test_a_later_day_replaces_the_season_and_nothing_else(tmp_path: Path) -> None:
    """The table moves to the later day in a new version; the older version and the older season read as before."""
    catalog = write_catalog(tmp_path / "stac", months())
    store = Store.create(tmp_path / "s")
    encoded(store, catalog, None, 2023)
    encoded(store, catalog, JANUARY)
    january, last_year = store.read("cells"), store.read("cells", season="2023-24")
    report = encoded(store, catalog, MARCH)
    assert [m.optical_scenes for m in report.months] == [1] * 11 + [0]
    assert {i.season: i.as_of for i in store.tables()} == {"2023-24": None, "2024-25": MARCH}
    assert store.read("cells", season="2023-24").equals(last_year)
    older = Store.open(store.path, 2)
    assert older.version == 2 and older.read("cells").equals(january)
    assert [i.as_of for i in older.tables()] == [None, JANUARY]
    assert not store.read("cells").equals(january)
    assert len(versions(store.path)) == 3


def test_months_after_the_day_are_never_filled(tmp_path: Path) -> None:
    """NDVI of months not yet seen is null although the catalogue has scenes of them; those seen have values."""
    store = Store.create(tmp_path / "s")
    encoded(store, write_catalog(tmp_path / "stac", months()), JANUARY)
    curves = store.read("cells")["ndvi"].to_pylist()
    assert all(None not in curve[:9] and curve[9:] == [None] * 3 for curve in curves)


def test_a_month_half_seen_takes_its_scenes_until_the_day(tmp_path: Path) -> None:
    """A scene of the 12th is in the season as of the 12th, and not as of the 11th."""
    catalog = write_catalog(tmp_path / "stac", months())
    found = []
    for day in (11, 12):
        store = Store.create(tmp_path / f"s{day}")
        encoded(store, catalog, date(2025, 1, day))
        found.append(store.read("cells")["ndvi"].to_pylist()[0][8])
    assert found[0] is None and found[1] is not None


def test_an_update_equals_a_fresh_start(tmp_path: Path) -> None:
    """Tables updated month by month hold the same bytes as those encoded once as of the last day."""
    catalog = write_catalog(tmp_path / "stac", months())
    step, once = Store.create(tmp_path / "step"), Store.create(tmp_path / "once")
    for day in (JANUARY, FEBRUARY, MARCH):
        encoded(step, catalog, day)
    encoded(once, catalog, MARCH)
    contents = [[file.read_bytes() for file in store.tables()[0].files] for store in (step, once)]
    assert contents[0] == contents[1]


def test_an_earlier_day_is_refused(tmp_path: Path) -> None:
    """What would go back is refused by name, and done where it is meant; the same day again does nothing."""
    catalog = write_catalog(tmp_path / "stac", months())
    store = Store.create(tmp_path / "s")
    encoded(store, catalog, MARCH)
    assert encoded(store, catalog, MARCH).already
    with pytest.raises(
        OlderSeasonError, match=r"2024-25 until 2025-03-31 at least.*ends with 2025-01-31.*--force"
    ):
        encoded(store, catalog, JANUARY)
    assert store.version == 1
    encoded(store, catalog, JANUARY, force=True)
    assert store.tables()[0].as_of == JANUARY
    encoded(store, catalog, None)
    assert store.tables()[0].as_of is None


def test_areas_of_different_days_share_a_table(tmp_path: Path) -> None:
    """The table is as of its slowest area, moves on with it, and refuses an earlier day only where it would go back."""
    catalog = write_catalog(tmp_path / "stac", months(wide=600))
    store = Store.create(tmp_path / "s")
    west, east = half(0, 200), half(400, 600)
    told = []
    for area, day in ((west, MARCH), (east, JANUARY), (west, None), (east, MARCH), (east, None)):
        encoded(store, catalog, day, aoi=area)
        told.append(store.tables()[0].as_of)
    assert told == [MARCH, JANUARY, JANUARY, MARCH, None]
    with pytest.raises(OlderSeasonError):
        encoded(store, catalog, JANUARY, aoi=half(195, 420))


def test_a_part_encoded_again_leaves_the_rest_at_its_day() -> None:
    """Grounds never overlap, and a day goes when nothing of its ground is left."""
    square = shapely.box(-71, -36, -70, -35)
    seen = Seen({}).updated(square, JANUARY).updated(shapely.box(-71, -36, -70.5, -35), MARCH)
    assert seen.until == JANUARY
    assert seen.later(shapely.box(-70.4, -36, -70, -35), JANUARY) is None
    assert seen.later(square, JANUARY) == MARCH
    assert seen.updated(shapely.box(-70.6, -36.1, -69.9, -34.9), MARCH).until == MARCH
    assert seen.updated(square, FEBRUARY).grounds.keys() == {FEBRUARY}


def test_tables_of_an_older_surco_count_by_the_boxes_of_their_runs() -> None:
    """A table without `seen_until` is as far as its season says, over its runs' boxes, or over its own."""
    runs = {"runs": [{"bbox": [-71, -36, -70.5, -35]}, {"bbox": [-70, -36, -69, -35]}]}
    between, inside = shapely.box(-70.4, -35.8, -70.1, -35.2), shapely.box(-70.9, -35.8, -70.6, -35.2)
    seen = seen_before(runs, MARCH, (-71, -36, -69, -35))
    assert seen.later(between, JANUARY) is None and seen.later(inside, JANUARY) == MARCH
    assert seen_before({}, MARCH, (-71, -36, -69, -35)).later(between, JANUARY) == MARCH
    assert seen_before({"seen_until": seen.to_json()}, JANUARY, (0, 0, 1, 1)).until == MARCH


def surco(*arguments: str) -> Result:
    """One command."""
    return CliRunner().invoke(main, arguments)


def test_by_command_and_everywhere_it_is_told(tmp_path: Path) -> None:
    """`--as-of` and `--force` work; SQL, files, catalogue, quality and the page say the day; SQL reads old versions."""
    catalog, store = str(write_catalog(tmp_path / "stac", months())), tmp_path / "s"
    first = ["encode", "--stac", catalog, "--store", str(store), "--res", "9", "--model", "band-mean"]
    season = ["--season", "2024-05/2025-04"]
    assert surco(*first, *season, "--as-of", "2025-01-31").exit_code == 0
    assert surco(*first, *season, "--as-of", "2025-03-31").exit_code == 0
    refused = surco(*first, *season, "--as-of", "2025-01-31")
    assert refused.exit_code == 2 and "Traceback" not in refused.output
    twice = surco(*first, "--season", "2024-05/2025-01-31", "--as-of", "2025-02-28")
    assert twice.exit_code == 2 and "one last day" in twice.output
    question = "select as_of::text as day from seasons"
    assert "2025-03-31" in surco("sql", str(store), question, "--format", "csv").output
    assert "2025-01-31" in surco("sql", str(store), question, "--format", "csv", "--version", "1").output
    unknown = surco("sql", str(store), question, "--version", "9")
    assert unknown.exit_code == 2 and "store log" in unknown.output
    _told_everywhere(Store.open(store), store)
    assert surco(*first, *season, "--as-of", "2025-01-31", "--force").exit_code == 0


def _told_everywhere(opened: Store, store: Path) -> None:
    (info,) = opened.tables()
    assert json.loads(pq.read_metadata(info.files[0]).metadata[b"emb"])["season"]["as_of"] == "2025-03-31"
    items = [json.loads(p.read_bytes()) for p in store.glob("stac/*/*.json")]
    days = {i["properties"]["surco:as_of"] for i in items if i["type"] == "Feature"}
    assert days == {"2025-01-31", "2025-03-31"}
    assert quality_report(opened)["as_of"] == "2025-03-31"
    assert "2024-25 as of 2025-03-31" in surco("quality", str(store)).output
    assert [s["as_of"] for s in overview(opened, Settings(store))["seasons"]] == ["2025-03-31"]
    assert run_sql(opened, "select count(*) as n from cells")["n"].to_pylist() == [info.rows]

from __future__ import annotations

import json
import subprocess
import sys
from collections.abc import Sequence
from dataclasses import replace
from datetime import date
from pathlib import Path

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from click.testing import CliRunner, Result
from hypothesis import given
from hypothesis import strategies as st
from shared_data import shared
from store_builders import MODEL, cell_ids, cells_batch, parcels_batch, squares, unit_vectors

from surco.api.cli import main
from surco.embedstore import Season, Store
from surco.encoder import BandMeanEncoder, SampleSeries, load_encoder, read_samples
from surco.encoder.channels import INDEX, OPTICAL
from surco.encoder.forecast import (
    ForecastError,
    ForecastHead,
    Forecasts,
    find_head,
    forecast_samples,
    forecast_store,
    load_head,
    read_rows,
    save_head,
    score_samples,
)
from surco.encoder.forecast.baselines import baselines_of, month_means, own_climatology
from surco.encoder.forecast.cases import Cases, draw_cases
from surco.encoder.forecast.fit import calibrate, fit_head, fit_network
from surco.encoder.forecast.monthly import MonthlyNdvi, monthly_ndvi
from surco.encoder.forecast.questions import BEFORE, Questions, anchor_of, season_month
from surco.encoder.forecast.scores import HEAD
from surco.encoder.simulate import simulate_series

ENCODER = BandMeanEncoder()
AS_OF = date(2021, 1, 31)
MAY = np.datetime64("2020-05", "M")
MONTHS = (MAY + np.arange(12)).astype("datetime64[D]") + np.timedelta64(14, "D")


def simulated(n: int, seed: int, climate: str | None = None) -> SampleSeries:
    """Synthetic series of May 2020 to April 2021 as a sample table's, in blocks of twenty."""
    s = simulate_series(n, seed=seed, climate=climate, dates=MONTHS)
    ids = np.array([f"s{i}" for i in range(n)], dtype=object)
    group = np.array([f"block {i // 20}" for i in range(n)], dtype=object)
    values = np.nan_to_num(s.values)
    return SampleSeries(values, s.valid, s.dates, s.lonlat, s.static, ids, s.label.astype(object), group)


def cases(n: int, seed: int, climate: str | None = None) -> Cases:
    """Questions with their truth from synthetic series."""
    return draw_cases(simulated(n, seed, climate), ENCODER, seed=seed, hide=(0.0, 0.3))


@pytest.fixture(scope="module")
def tables() -> dict[str, Cases]:
    """Cases of three synthetic climates."""
    return {c: cases(250, seed, c) for seed, c in enumerate(("north", "central", "south"))}


@pytest.fixture(scope="module")
def head(tables: dict[str, Cases]) -> ForecastHead:
    """A head for the encoder without weights."""
    return fit_head(ENCODER.model_id, tables, {}, steps=500)


@pytest.fixture(scope="module")
def series() -> SampleSeries:
    """Synthetic series that no head was fitted on."""
    return simulated(400, 50)


def write_samples(path: Path, series: SampleSeries, names: Sequence[str] = ("red", "nir", "vv")) -> Path:
    """Series as a sample table (docs/samples.md)."""
    columns: dict[str, object] = {
        "sample_id": series.sample_id.tolist(),
        "lon": series.lonlat[:, 0],
        "lat": series.lonlat[:, 1],
        "group": series.group.tolist(),
        "dates": [row.tolist() for row in series.dates],
    }
    for name in names:
        channel = np.where(series.valid[..., INDEX[name]], series.values[..., INDEX[name]], np.nan)
        columns[name] = channel.tolist()
    pq.write_table(pa.table(columns), path)
    return path


def mean_error(found: Forecasts, answer: np.ndarray, lead: int) -> float:
    """Mean absolute error at one lead."""
    rows = (found.questions.lead == lead) & np.isfinite(found.observed)
    return float(np.abs(answer - found.observed)[rows].mean())


def questions(around: np.ndarray, lead: int = 1) -> Questions:
    """Questions about February 2021 in the north, without vectors."""
    n = len(around)
    month = np.full(n, np.datetime64("2021-02", "M"))
    vector = np.full((n, 64), np.nan, np.float32)
    return Questions(
        np.arange(n), month, np.full(n, lead), around.astype(np.float32), vector, np.zeros(n, bool)
    )


def test_the_future_changes_nothing(head: ForecastHead, series: SampleSeries) -> None:
    """Whatever stands after the as_of day, the forecasts are the same to the bit."""
    later = series.dates > np.datetime64(AS_OF)
    other = replace(
        series,
        values=np.where(later[..., None], np.float32(0.9), series.values),
        valid=series.valid & ~(later[..., None] & (np.arange(14) % 2 == 0)),
    )
    ours, theirs = (forecast_samples(s, AS_OF, ENCODER, head) for s in (series, other))
    assert (ours.ndvi == theirs.ndvi).all()
    assert (ours.high == theirs.high).all()
    assert not np.array_equal(ours.observed, theirs.observed, equal_nan=True)


def test_it_beats_last_value_and_climatology_on_new_series(head: ForecastHead, series: SampleSeries) -> None:
    """On synthetic series that it has not seen, each lead's error is below the last value's and climatology's."""
    found = forecast_samples(series, AS_OF, ENCODER, head)
    scores = score_samples(series, found, head.climatology)
    for lead in (1, 2, 3):
        error = {s.method: s.mae for s in scores if s.lead == lead}
        assert error[HEAD] < error["last value / linear"]
        assert error[HEAD] < error["global climatology"]


def test_the_interval_holds_on_new_series(head: ForecastHead) -> None:
    """Margins from left-out climates cover 70 to 95 % of new series' truths, with vectors and without."""
    fresh = cases(300, 90)
    for vector in (fresh.questions.vector, np.full_like(fresh.questions.vector, np.nan)):
        answers = head.answer(replace(fresh.questions, vector=vector))
        assert 0.7 < ((answers.low <= fresh.truth) & (fresh.truth <= answers.high)).mean() < 0.95
        assert (answers.low <= answers.ndvi).all()
        assert (answers.ndvi <= answers.high).all()


def test_margins_give_the_coverage_they_were_made_for(tables: dict[str, Cases]) -> None:
    """A head with margins calibrated on a table covers 80 % of that table at every lead."""
    plain = fit_network(ENCODER.model_id, {"north": tables["north"]}, steps=100)
    south = tables["south"]
    answers = replace(plain, margin=calibrate([(plain, south)])).answer(south.questions)
    inside = (answers.low <= south.truth) & (south.truth <= answers.high)
    for lead in range(4):
        assert inside[south.questions.lead == lead].mean() == pytest.approx(0.8, abs=0.01)


def test_fitting_is_deterministic(tables: dict[str, Cases]) -> None:
    """The same cases and seed give the same weights; another seed gives others."""
    two = {k: tables[k] for k in ("north", "south")}
    one, same, other = (fit_head("m", two, {}, steps=20, seed=seed) for seed in (0, 0, 1))
    assert all(
        (a == b).all()
        for x, y in zip(one.layers, same.layers, strict=True)
        for a, b in zip(x, y, strict=True)
    )
    assert (one.margin == same.margin).all()
    assert (one.layers[0][0] != other.layers[0][0]).any()


def test_order_of_rows_does_not_matter(head: ForecastHead, series: SampleSeries) -> None:
    """Rows upside down give the same answers upside down."""
    turned = SampleSeries(*(getattr(series, name)[::-1] for name in SampleSeries.__slots__))
    ours, theirs = (forecast_samples(s, AS_OF, ENCODER, head) for s in (series, turned))
    rows = len(series.label) - 1 - theirs.questions.row
    order = np.lexsort((theirs.questions.month, rows))
    assert np.allclose(ours.ndvi, theirs.ndvi[order], atol=1e-5)


def test_gaps_are_filled_and_scored_where_known(head: ForecastHead, series: SampleSeries) -> None:
    """Every month before without NDVI is answered with lead 0, and nothing else is."""
    valid = series.valid.copy()
    valid[::2, 4][:, list(OPTICAL)] = False
    gappy = replace(series, valid=valid)
    found = forecast_samples(gappy, AS_OF, ENCODER, head)
    history = monthly_ndvi(gappy.values, valid, gappy.dates).values[:, :9]
    gaps = found.questions.take(found.questions.lead == 0)
    expected = {(r, c) for r, c in np.argwhere(np.isnan(history)) if r in set(found.questions.row)}
    assert {(r, int(c)) for r, c in zip(gaps.row, (gaps.month - MAY).astype(int), strict=True)} == expected
    assert {int(r) for r, c in expected if c == 4} >= {0, 2, 4}


def test_a_gap_within_a_straight_line_stays_on_it(head: ForecastHead) -> None:
    """Between equal neighbours a gap is filled near them."""
    flat = np.full((1, 18), 0.6)
    assert head.answer(questions(flat, lead=0)).ndvi[0] == pytest.approx(0.6, abs=0.1)


@given(
    st.lists(st.one_of(st.none(), st.floats(-1, 1, width=32)), min_size=18, max_size=18).filter(
        lambda v: any(x is not None for x in v)
    )
)
def test_the_anchor_is_linear_interpolation(values: list[float | None]) -> None:
    """The anchor is what numpy.interp gives at the month in question, constant beyond the ends."""
    around = np.array([[np.nan if v is None else v for v in values]], np.float32)
    offset = np.r_[-BEFORE:0, 1:7]
    seen = np.isfinite(around[0])
    assert anchor_of(around).value[0] == pytest.approx(np.interp(0, offset[seen], around[0][seen]), abs=1e-5)


def test_monthly_ndvi_is_the_median_of_a_month() -> None:
    """Three dates of a month give the middle NDVI, a month without both bands none."""
    values = np.zeros((1, 4, 14), np.float32)
    valid = np.zeros((1, 4, 14), bool)
    values[0, :, INDEX["nir"]], values[0, :, INDEX["red"]] = [0.4, 0.4, 0.4, 0.4], [0.1, 0.2, 0.4, 0.1]
    valid[..., [INDEX["nir"], INDEX["red"]]] = True
    valid[0, 3, INDEX["red"]] = False
    dates = np.array([["2020-05-01", "2020-05-11", "2020-05-31", "2020-07-01"]], "datetime64[D]")
    months = monthly_ndvi(values, valid, dates)
    assert months.values[0].tolist() == pytest.approx([1 / 3, np.nan, np.nan], nan_ok=True)
    assert months.last_seen()[0] == MAY
    assert np.isnan(months.at(np.array(["2021-05"], "datetime64[M]")))[0]


def test_seasons_of_both_hemispheres_are_one() -> None:
    """October in the south is April in the north."""
    months = np.array(["2020-10", "2020-04"], "datetime64[M]")
    assert season_month(months, np.array([True, False])).tolist() == [3, 3]


def test_own_climatology_knows_nothing_of_the_own_group() -> None:
    """A row's climatology does not change with its own group's NDVI, and does with the others'."""
    values = np.full((20, 12), 0.5, np.float32)
    group = np.array([f"g{i // 4}" for i in range(20)], dtype=object)
    first, south = np.full(20, np.datetime64("2020-01", "M")), np.zeros(20, bool)
    changed = values.copy()
    changed[:4] = 0.9
    after = own_climatology(MonthlyNdvi(changed, first), south, group)
    assert after[:4] == pytest.approx(0.5)
    assert after[4:] == pytest.approx(0.6)


def test_baselines_are_what_their_names_say() -> None:
    """Climatology is the month's mean; the last value moves by the mean's change since the month it was seen in."""
    around = np.full((1, 18), np.nan)
    around[0, BEFORE - 2] = 0.3
    table = month_means(np.arange(12), np.linspace(0, 0.55, 12, dtype=np.float32))
    found = baselines_of(questions(around), None, table)
    assert found["last value / linear"][0] == pytest.approx(0.3)
    assert found["global climatology"][0] == pytest.approx(0.05)
    assert found["last value + change of global climatology"][0] == pytest.approx(0.3 + 0.05 - 0.55)


def test_a_head_is_read_back_as_it_was(head: ForecastHead, tables: dict[str, Cases], tmp_path: Path) -> None:
    """Saved and loaded, by path and by model, a head answers the same."""
    asked = tables["south"].questions
    path = save_head(tmp_path, head, {"data": {}})
    for read in (load_head(path), find_head(ENCODER.model_id, tmp_path)):
        assert (read.answer(asked).ndvi == head.answer(asked).ndvi).all()
        assert (read.climatology == head.climatology).all()


def test_heads_that_are_not_whole_are_refused(head: ForecastHead, tmp_path: Path) -> None:
    """Other bytes, another format, another dimension, no card, no file: refused with the file's name."""
    path = save_head(tmp_path, head, {})
    card_path, blob = path.with_suffix(".json"), path.read_bytes()
    card = json.loads(card_path.read_text())
    path.write_bytes(blob[:-1] + b"x")
    with pytest.raises(ForecastError, match="SHA-256"):
        load_head(path)
    path.write_bytes(blob)
    for change in ({"format": 9}, {"model_id": 3}, {"dimension": "64"}, {"dimension": 63}):
        card_path.write_text(json.dumps(card | change))
        with pytest.raises(ForecastError, match=path.stem):
            load_head(path)
    card_path.unlink()
    with pytest.raises(ForecastError, match=card_path.name):
        load_head(path)
    with pytest.raises(ForecastError, match="nosuch"):
        load_head(tmp_path / "nosuch.safetensors")


def test_vectors_of_another_model_are_refused(
    head: ForecastHead, series: SampleSeries, tmp_path: Path
) -> None:
    """Another model's vectors, and a model without a head, are refused with both names."""

    class Other(BandMeanEncoder):
        model_id = "other-1"

    with pytest.raises(ForecastError, match=r"band-mean-1.*other-1"):
        forecast_samples(series, AS_OF, Other(), head)
    save_head(tmp_path, head, {})
    with pytest.raises(ForecastError, match=r"other-1.*band-mean-1"):
        find_head("other-1", tmp_path)


@pytest.mark.parametrize("day", [date(2020, 5, 1), date(2021, 8, 1), date(1999, 1, 1)])
def test_days_outside_the_series_are_refused(day: date, head: ForecastHead, series: SampleSeries) -> None:
    """A day before the first date, or long after the last, is refused with the series' own dates."""
    with pytest.raises(ForecastError, match=rf"2020-05-15 to 2021-04-15.*{day}"):
        forecast_samples(series, day, ENCODER, head)


def test_series_without_ndvi_are_refused(head: ForecastHead, series: SampleSeries) -> None:
    """Radar alone, and optical values that end months before the day, are refused."""
    radar = series.valid.copy()
    radar[..., list(OPTICAL)] = False
    with pytest.raises(ForecastError, match="red and nir"):
        forecast_samples(replace(series, valid=radar), AS_OF, ENCODER, head)
    old = series.valid.copy()
    old[:, 3:9, list(OPTICAL)] = False
    with pytest.raises(ForecastError, match=f"up to {AS_OF}"):
        forecast_samples(replace(series, valid=old), AS_OF, ENCODER, head)


def test_rows_without_recent_ndvi_are_left_out_and_counted(head: ForecastHead, series: SampleSeries) -> None:
    """A row that was not seen for three months has no answer; the others keep theirs."""
    valid = series.valid.copy()
    valid[:7, 5:9, list(OPTICAL)] = False
    whole, found = (forecast_samples(s, AS_OF, ENCODER, head) for s in (series, replace(series, valid=valid)))
    assert found.unseen == whole.unseen + 7 - int((~np.isin(range(7), whole.questions.row)).sum())
    assert found.questions.row.min() == 7


def test_too_few_tables_are_refused(tables: dict[str, Cases]) -> None:
    """An interval needs tables to leave out."""
    with pytest.raises(ForecastError, match="at least two tables"):
        fit_head("m", {"north": tables["north"]}, {}, steps=2)


def test_importing_brings_no_torch() -> None:
    """Whoever forecasts a store needs no torch."""
    code = "import sys, surco.encoder.forecast, surco.api.forecasting; sys.exit('torch' in sys.modules)"
    assert subprocess.run([sys.executable, "-c", code], check=False).returncode == 0


def test_the_shipped_encoder_has_a_head() -> None:
    """The package's own encoder can forecast; where this fails, run scripts/fit_forecast.py."""
    encoder = load_encoder()
    shipped = find_head(encoder.model_id)
    found = forecast_samples(simulated(60, 3), AS_OF, encoder, shipped)
    assert np.isfinite(found.ndvi).all()
    assert (found.low < found.high).all()


def test_the_shipped_head_forecasts_real_series() -> None:
    """On Maule, a month's forecasts of the shipped head are nearer than climatology's."""
    encoder = load_encoder()
    maule = read_samples(shared("samples/chile_maule_2020.parquet"))
    few = SampleSeries(*(getattr(maule, name)[::10] for name in SampleSeries.__slots__))
    found = forecast_samples(few, date(2020, 12, 31), encoder, find_head(encoder.model_id))
    climatology = baselines_of(found.questions, None, find_head(encoder.model_id).climatology)
    assert mean_error(found, found.ndvi, 1) < mean_error(found, climatology["global climatology"], 1)


def store_of(path: Path, season: Season, ndvi: Sequence[float | None], model_id: str = MODEL) -> Store:
    """A store of 30 cells and 20 parcels, all with the same monthly NDVI."""
    hundredths = [None if v is None else round(100 * v) for v in ndvi]
    store = Store.create(path, season.start_month)
    cells = cells_batch(cell_ids(30), unit_vectors(30))
    parcels = parcels_batch(squares(20), unit_vectors(20, seed=1), ["maize"] * 20)

    def seen(batch: pa.RecordBatch) -> pa.RecordBatch:
        column = pa.array([hundredths] * batch.num_rows, pa.list_(pa.int8(), 12))
        return batch.set_column(batch.schema.get_field_index("ndvi"), batch.schema.field("ndvi"), column)

    with store.transaction() as tx:
        tx.put_cells([seen(cells)], model_id=model_id, season=season, resolution=9)
        tx.put_parcels([seen(parcels)], model_id=model_id, season=season)
    return store


CURVE = [0.2, 0.2, 0.3, None, 0.5, 0.6, 0.7, 0.8, 0.8, None, None, None]
GROWING = Season(2024, 5, date(2025, 1, 31))


def test_a_store_is_forecast_from_its_own_table(head: ForecastHead, tmp_path: Path) -> None:
    """A season still growing gives three months and its gap for every cell, as its vectors say."""
    store = store_of(tmp_path / "store", GROWING, CURVE, ENCODER.model_id)
    rows = read_rows(store, unit="cells")
    assert rows.with_vectors
    ((block, found),) = list(forecast_store(rows, head))
    assert len(block.id) == 30
    month = np.datetime64("2025-01", "M") + np.arange(1, 4)
    first = found.questions.row == 0
    assert found.questions.month[first].tolist() == [date(2024, 8, 1), *month.tolist()]
    assert found.questions.lead[first].tolist() == [0, 1, 2, 3]
    assert np.isnan(found.observed).all()
    assert len(np.unique(found.ndvi[found.questions.lead == 1])) > 1, "vectors differ, and so must answers"


def test_an_earlier_day_leaves_the_vectors_out(head: ForecastHead, tmp_path: Path) -> None:
    """Vectors that have seen later months are not used; months not over by that day are unseen, later ones known."""
    store = store_of(tmp_path / "store", GROWING, CURVE, ENCODER.model_id)
    rows = read_rows(store, as_of=date(2024, 11, 15))
    assert not rows.with_vectors
    ((_, found),) = list(forecast_store(rows, head))
    first = found.questions.row == 0
    assert found.questions.lead[first].tolist() == [0, 0, 1, 2, 3]
    assert found.observed[first].tolist() == pytest.approx([np.nan, 0.7, 0.8, 0.8, np.nan], nan_ok=True)
    assert len(np.unique(found.ndvi[found.questions.lead == 1])) == 1


@pytest.mark.parametrize("day", [date(2024, 4, 30), date(2025, 5, 31)])
def test_days_outside_a_store_s_season_are_refused(day: date, tmp_path: Path) -> None:
    """A day before the season or long after what it has seen is refused with the days that are possible."""
    store = store_of(tmp_path / "store", GROWING, CURVE)
    with pytest.raises(ForecastError, match=rf"2024-05-01 to 2025-05-03.*{day}"):
        read_rows(store, as_of=day)


def test_a_store_without_ndvi_is_refused(tmp_path: Path) -> None:
    """A table whose ndvi is null everywhere, as of published rasters, cannot be forecast."""
    store = store_of(tmp_path / "store", GROWING, [None] * 12)
    with pytest.raises(ForecastError, match="monthly NDVI in parcels"):
        read_rows(store)


def test_rows_of_a_store_without_ndvi_are_counted(head: ForecastHead, tmp_path: Path) -> None:
    """A parcel unseen altogether, or in the last three months, has no answer and is counted; others keep theirs."""
    store = Store.create(tmp_path / "store")
    batch = parcels_batch(squares(4), unit_vectors(4), ["maize"] * 4)
    early = [30, 40, 50, *[None] * 9]
    lists = pa.array([None, early, [60] * 9 + [None] * 3, [20] * 9 + [None] * 3], pa.list_(pa.int8(), 12))
    place = batch.schema.get_field_index("ndvi")
    with store.transaction() as tx:
        seen = batch.set_column(place, batch.schema.field("ndvi"), lists)
        tx.put_parcels([seen], model_id=ENCODER.model_id, season=GROWING)
    ((block, found),) = list(forecast_store(read_rows(store), head))
    assert found.unseen == 2
    answered = {block.id[int(row)].as_py() for row in found.questions.row}
    assert answered == {"p2", "p3"}
    by_id = {
        block.id[int(row)].as_py(): value
        for row, value in zip(found.questions.row, found.anchor, strict=True)
    }
    assert by_id == pytest.approx({"p2": 0.6, "p3": 0.2})


def surco(*words: object) -> Result:
    """Run the command in this process; a bug shows its traceback."""
    return CliRunner().invoke(main, ["forecast", *map(str, words)], catch_exceptions=False)


def refused(*words: object) -> str:
    """Run a command that must be refused with exit code 2; returns what it said."""
    result = surco(*words)
    assert result.exit_code == 2, result.output
    return " ".join(result.output.split())


def test_the_command_forecasts_a_table(head: ForecastHead, series: SampleSeries, tmp_path: Path) -> None:
    """`surco forecast TABLE` writes months with intervals and truth, draws a picture and prints all baselines."""
    source = write_samples(tmp_path / "s.parquet", series)
    own = save_head(tmp_path, head, {})
    for picture in ("p.png", "p.svg"):
        words = ["--as-of", AS_OF, "--model", "band-mean", "--head", own, "--plot", tmp_path / picture]
        done = surco(source, "--out", tmp_path / "f.parquet", *words)
        assert done.exit_code == 0, done.output
        assert (tmp_path / picture).stat().st_size > 10_000
    for text in ("last value", "own climatology", "global climatology", "80% interval"):
        assert text in done.output
    table = pq.read_table(tmp_path / "f.parquet")
    assert table.column_names == ["id", "month", "lead", "ndvi", "low", "high", "observed"]
    assert json.loads(table.schema.metadata[b"forecast"])["model_id"] == ENCODER.model_id
    ahead = table.filter(pa.compute.equal(table["lead"], 1)).to_pylist()
    assert {row["month"] for row in ahead} == {date(2021, 2, 1)}
    assert all(row["low"] <= row["ndvi"] <= row["high"] for row in ahead)
    assert not list(tmp_path.glob(".*"))


def test_the_command_forecasts_a_store(head: ForecastHead, tmp_path: Path) -> None:
    """`surco forecast STORE` writes cells by h3 and parcels by id, and says when vectors were left out."""
    store = store_of(tmp_path / "store", GROWING, CURVE, ENCODER.model_id).path
    own = save_head(tmp_path, head, {})
    out = tmp_path / "f.parquet"
    done = surco(store, "--season", "2024-25", "--head", own, "--out", out, "--months", 2)
    assert done.exit_code == 0, done.output
    table = pq.read_table(out)
    assert sorted(table["id"].to_pylist()) == sorted([f"p{i}" for i in range(20)] * 3)
    assert table["lead"].to_pylist() == [0, 1, 2] * 20
    early = surco(store, "--unit", "cells", "--as-of", "2024-11-30", "--head", own, "--out", out)
    assert "left out" in early.output
    assert pq.read_schema(out).field("h3").type == pa.uint64()


def test_unusable_questions_are_named(series: SampleSeries, tmp_path: Path) -> None:
    """Options that do not belong to the source, and files of another kind, are named; nothing is left behind."""
    source = write_samples(tmp_path / "s.parquet", series)
    store = store_of(tmp_path / "store", GROWING, CURVE).path
    out = tmp_path / "f.parquet"
    assert "--as-of" in refused(source, "--out", out)
    assert "--season" in refused(source, "--out", out, "--as-of", AS_OF, "--season", "2020-21")
    assert "summer" in refused(source, "--out", out, "--as-of", "summer")
    assert ".parquet" in refused(source, "--out", tmp_path / "f.csv", "--as-of", AS_OF)
    assert ".png" in refused(source, "--out", out, "--as-of", AS_OF, "--plot", "p.pdf")
    assert "store.json" in refused(tmp_path, "--out", out)
    assert MODEL in refused(store, "--out", out)
    assert "2019-20" in refused(store, "--out", out, "--season", "2019-20")
    assert "nosuch" in refused(store, "--out", out, "--head", "nosuch.safetensors")
    assert not out.exists()

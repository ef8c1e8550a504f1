"""Series of the synthetic country."""

import numpy as np
import pytest

import surco.encoder.simulate as simulate
from surco.encoder.channels import CHANNELS, INDEX, OPTICAL, RADAR, describe
from surco.encoder.errors import SimulationError
from surco.encoder.simulate import CROPS, SeriesSet, simulate_series

MONTHS = np.arange("2020-05", "2021-05", dtype="datetime64[M]").astype("datetime64[D]") + 14


def one_class(name: str, n: int = 150, climate: str = "central", seed: int = 3) -> SeriesSet:
    """Series of one class on the months May to April."""
    return simulate_series(n, seed=seed, climate=climate, classes=[name], dates=MONTHS)


def ndvi(series: SeriesSet) -> np.ndarray:
    """Median over the series, by date."""
    red, nir = (series.values[:, :, INDEX[c]] for c in ("red", "nir"))
    return np.nanmedian((nir - red) / (nir + red), axis=0)


def median(series: SeriesSet, channel: str) -> np.ndarray:
    """Median over the series, by date."""
    return np.nanmedian(series.values[:, :, INDEX[channel]], axis=0)


def test_shapes_types_and_ranges():
    """Every field has the promised shape and type, and what is valid lies in its channel's plausible range."""
    s = simulate_series(500, seed=1)
    assert s.values.shape == s.valid.shape == (500, 12, 14)
    assert (s.values.dtype, s.valid.dtype, s.dates.dtype) == (np.float32, np.bool_, "datetime64[D]")
    assert s.dates.shape == (500, 12)
    assert s.lonlat.shape == s.static.shape == (500, 2)
    assert len(s) == len(s.label) == len(s.zone) == 500
    np.testing.assert_array_equal(s.valid, ~np.isnan(s.values))
    for name in CHANNELS:
        channel, seen = describe(name), s.values[:, :, INDEX[name]]
        assert channel.low <= np.nanmin(seen) <= np.nanmax(seen) <= channel.high, name


def test_same_arguments_same_series():
    """The seed decides everything."""
    a, b, c = (simulate_series(250, seed=seed) for seed in (5, 5, 6))
    np.testing.assert_array_equal(a.values, b.values)
    np.testing.assert_array_equal(a.label, b.label)
    assert not np.array_equal(a.values, c.values)


def test_bands_of_a_sensor_go_missing_together():
    """Clouds take all ten optical bands of a month, most often in winter, and never the radar."""
    s = simulate_series(1500, seed=2, climate="central", dates=MONTHS)
    optical = s.valid[:, :, OPTICAL]
    assert np.all(optical.all(axis=2) == optical.any(axis=2))
    missing = 1 - optical[:, :, 0].mean(axis=0)
    assert missing[1:4].mean() > 2 * missing[7:10].mean()
    assert 0.01 < missing.mean() < 0.3
    assert s.valid[:, :, RADAR].mean() > 0.95


def test_zones_are_episodes():
    """A zone holds eight to sixteen classes with several parcels each, all of one climate and near each other."""
    s = simulate_series(960, seed=4)
    for zone in np.unique(s.zone):
        names, counts = np.unique(s.label[s.zone == zone], return_counts=True)
        assert 8 <= len(names) <= 16
        assert counts.min() >= 5
        assert np.ptp(s.lonlat[s.zone == zone, 1]) < 1.5
        assert set(names) <= set(CROPS)


def test_all_classes_grow_somewhere():
    """Some thirty-five classes, and each of them occurs in a large draw."""
    s = simulate_series(12_000, seed=8)
    assert len(CROPS) >= 30
    assert set(np.unique(s.label)) == set(CROPS)


def test_wheat_is_green_in_spring_and_stubble_in_summer():
    """Winter wheat peaks in September and October and is harvested around Christmas."""
    curve = ndvi(one_class("winter_wheat"))
    assert int(curve.argmax()) in (3, 4, 5)
    assert curve[4] > 0.8
    assert curve[8] < 0.35


def test_maize_is_green_in_summer():
    """Maize is sown in spring and peaks in January."""
    curve = ndvi(one_class("maize"))
    assert curve[8] > 0.8
    assert curve[5] < 0.5


def test_orchards_drop_their_leaves_and_olives_do_not():
    """Cherry is much greener in summer than in winter; citrus is not, for the grass between its rows dries."""
    cherry, citrus = ndvi(one_class("cherry")), ndvi(one_class("citrus"))
    assert cherry[7:10].mean() - cherry[2:4].mean() > 0.15
    assert citrus[7:10].mean() - citrus[2:4].mean() < 0


def test_calendar_moves_with_the_climate():
    """Wheat is still green in December in the south, when it is straw in the centre."""
    december = [ndvi(one_class("winter_wheat", climate=c))[7] for c in ("central", "south")]
    assert december[1] - december[0] > 0.2


def test_flooded_rice_darkens_both_sensors():
    """In November rice stands in water: dark in SWIR and in VV, as maize is not."""
    rice, maize = one_class("rice"), one_class("maize")
    assert median(rice, "swir16")[6] < 0.6 * median(maize, "swir16")[6]
    assert median(rice, "vv")[6] < median(maize, "vv")[6] - 1.5


def test_rapeseed_flowers_yellow():
    """In flower, rapeseed is brighter in green and red than wheat, at like greenness of the rest."""
    rape, wheat = one_class("rapeseed"), one_class("winter_wheat")
    assert median(rape, "green")[4] > median(wheat, "green")[4] + 0.015


def test_alfalfa_is_cut():
    """Between cuts the greenness of one alfalfa parcel swings more than that of a forest."""
    days = np.arange("2020-10-01", "2021-03-30", 5, dtype="datetime64[D]")
    swing = []
    for name in ("alfalfa", "native_evergreen_forest"):
        s = simulate_series(60, seed=3, climate="central", classes=[name], dates=days)
        red, nir = (s.values[:, :, INDEX[c]] for c in ("red", "nir"))
        low, high = np.nanpercentile((nir - red) / (nir + red), [20, 80], axis=1)
        swing.append(np.median(high - low))
    assert swing[0] > 2.5 * swing[1]


def test_class_means_differ_from_zone_to_zone():
    """The same class in two zones is a shift of distribution, not the same draw again."""
    a, b = one_class("cherry", seed=1), one_class("cherry", seed=2)
    between = np.abs(median(a, "nir") - median(b, "nir")).mean()
    halves = np.abs(np.nanmedian(a.values[:75, :, 3], 0) - np.nanmedian(a.values[75:, :, 3], 0)).mean()
    assert between > 1.5 * halves


def test_own_dates_are_kept():
    """Dates may be shared or given by series, at any spacing."""
    days = np.array(["2019-07-03", "2019-11-20", "2020-02-01"], "datetime64[D]")
    shared = simulate_series(20, seed=1, dates=days)
    own = simulate_series(20, seed=1, dates=np.tile(days, (20, 1)))
    np.testing.assert_array_equal(shared.dates, np.tile(days, (20, 1)))
    np.testing.assert_array_equal(shared.values, own.values)


def test_one_series_on_one_date():
    """The smallest request works."""
    s = simulate_series(1, seed=0, dates=MONTHS[:1])
    assert s.values.shape == (1, 1, 14)


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        ({"n": 0}, "at least one series; got n=0"),
        ({"n": 5, "climate": "tropic"}, "got 'tropic'; choose"),
        ({"n": 5, "classes": ["banana"]}, r"got \['banana'\]; choose among"),
        ({"n": 5, "classes": []}, r"class names .* got \[\]"),
        ({"n": 5, "dates": np.arange(3)}, "expected dates as datetime64"),
        ({"n": 5, "dates": np.tile(MONTHS, (4, 1))}, "each of 5 series; got 4 rows"),
    ],
)
def test_bad_requests_say_what_to_do(arguments: dict[str, object], message: str):
    """What cannot be drawn is refused with what was expected, what came and what to do."""
    with pytest.raises(SimulationError, match=message):
        simulate_series(seed=0, **arguments)


def test_public_names():
    """`__all__` is sorted and is what the package exports."""
    assert list(simulate.__all__) == sorted(simulate.__all__, key=lambda n: (not n.isupper(), n.islower(), n))
    assert all(hasattr(simulate, name) for name in simulate.__all__)

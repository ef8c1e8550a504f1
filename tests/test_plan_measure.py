"""Measuring a machine for a plan."""

from __future__ import annotations

from surco.encoder import BandMeanEncoder
from surco.encoder.plan.measuring import measure_rates
from surco.encoder.plan.rates import Prices, Rates


def test_a_machine_is_measured_and_the_rest_is_kept() -> None:
    """Reading, encoding and pooling are timed, a row is weighed; prices and sizes of the archive stay."""
    told: list[str] = []
    given = Rates(gpu=7.0, optical_bytes=9.9, prices=Prices(gpu_hour=1.5))
    rates = measure_rates(
        BandMeanEncoder(), given, seconds=0.0, progress=lambda done, total, text: told.append(text)
    )
    assert 1e4 < rates.read < 1e9 and 1e3 < rates.encode < 1e9 and 1e3 < rates.pool < 1e9
    assert 60 < rates.row_bytes < 400
    assert rates.machine != given.machine and rates.cores >= 1
    assert (rates.gpu, rates.optical_bytes, rates.prices) == (7.0, 9.9, given.prices)
    assert told[0] == "drawing scenes" and told[-1] == "done"

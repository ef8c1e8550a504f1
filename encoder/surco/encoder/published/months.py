"""Series at any dates to the calendar months that the published pixel encoders were trained on."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from surco.encoder.channels import CHANNELS, INDEX, RADAR
from surco.encoder.errors import ModelError
from surco.encoder.protocol import Bools, Dates, Floats

__all__ = ["MonthlySeries", "check_series", "to_months"]


@dataclass(frozen=True, slots=True, eq=False)
class MonthlySeries:
    """N series of S consecutive calendar months, each from the month of its own first date.

    Attributes:
        values: (N, S, 14) float32 in the units of `channels.CHANNELS`, 0 where not valid.
        valid: (N, S, 14) True = usable.
        month: (N, S) calendar month, 0 = January.
        year: (N, S) calendar year.
    """

    values: Floats
    valid: Bools
    month: npt.NDArray[np.int64]
    year: npt.NDArray[np.int64]


def to_months(values: Floats, valid: Bools, dates: Dates, most: int) -> MonthlySeries:
    """Average the dates of each month; radar in linear power, precipitation summed, as its values are totals.

    Args:
        values: (N, T, 14).
        valid: (N, T, 14).
        dates: (T,) or (N, T) datetime64[D], in any order.
        most: months that a series may span.

    Raises:
        ModelError: a series spans more months.
    """
    n, t, channels = values.shape
    number = np.broadcast_to(dates.astype("datetime64[M]").astype(np.int64), (n, t))  # months since 1970
    first = number.min(axis=1, keepdims=True)
    step = number - first
    span = int(step.max()) + 1
    if span > most:
        row = int(step.max(axis=1).argmax())
        raise ModelError(
            f"Expected series of at most {most} months for this model, got {span} in row {row}. Cut the series."
        )
    cell = (np.arange(n)[:, None] * span + step).ravel()
    power = _to_power(values, valid)
    total = np.empty((n * span, channels))
    count = np.empty((n * span, channels))
    for channel in range(channels):
        count[:, channel] = np.bincount(cell, valid[..., channel].ravel(), n * span)
        total[:, channel] = np.bincount(cell, power[..., channel].ravel(), n * span)
    out = _means(total, count).reshape(n, span, channels).astype(np.float32)
    year, month = np.divmod(first + np.arange(span), 12)
    return MonthlySeries(out, (count > 0).reshape(out.shape), month, year + 1970)


def _to_power(values: Floats, valid: Bools) -> Floats:
    radar = list(RADAR)
    power = np.where(valid, values, np.float32(0))
    power[..., radar] = np.where(valid[..., radar], 10 ** (power[..., radar] / 10), np.float32(0))
    return power


def _means(total: npt.NDArray[np.float64], count: npt.NDArray[np.float64]) -> npt.NDArray[np.float64]:
    radar, rain = list(RADAR), INDEX["precipitation"]
    mean = total / np.maximum(count, 1)
    mean[:, rain] = total[:, rain]
    mean[:, radar] = 10 * np.log10(
        mean[:, radar], out=np.zeros_like(mean[:, radar]), where=count[:, radar] > 0
    )
    return mean


def check_series(values: Floats, valid: Bools, dates: Dates) -> None:
    """Refuse arrays that are no N series of T dates.

    Raises:
        ModelError: shapes that do not belong together.
    """
    n, t, channels = values.shape
    if valid.shape != values.shape or dates.shape not in {(t,), (n, t)} or channels != len(CHANNELS):
        raise ModelError(
            f"Expected values and valid (N, T, {len(CHANNELS)}) and dates (T,) or (N, T), got {values.shape}, "
            f"{valid.shape}, {dates.shape}. Build them with channels.CHANNELS in order."
        )

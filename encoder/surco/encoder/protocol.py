"""What every encoder promises, and the smallest one that keeps it."""

from __future__ import annotations

from typing import Protocol, runtime_checkable

import numpy as np
import numpy.typing as npt

from surco.encoder.channels import CHANNELS

__all__ = ["BandMeanEncoder", "Encoder"]

Floats = npt.NDArray[np.float32]
Bools = npt.NDArray[np.bool_]
Dates = npt.NDArray[np.datetime64]


@runtime_checkable
class Encoder(Protocol):
    """Turns series of composites into unit vectors.

    `model_id` names the weights, so that vectors of two models are never mixed; `dimension` is the vector length.
    """

    @property
    def model_id(self) -> str:
        """Name and version of the weights."""

    @property
    def dimension(self) -> int:
        """Length of a vector."""

    def encode(self, values: Floats, valid: Bools, dates: Dates, lonlat: Floats, static: Floats) -> Floats:
        """Encode N series.

        Args:
            values: (N, T, 14), in the order and units of `channels.CHANNELS`; what is not valid is ignored.
            valid: (N, T, 14), True = usable.
            dates: (T,) or (N, T) datetime64[D]; order does not matter.
            lonlat: (N, 2) degrees; NaN where unknown.
            static: (N, 2) elevation in m and slope in degrees; NaN where unknown.

        Returns:
            (N, dimension) float32 unit vectors; a row without any valid value is NaN.
        """


class BandMeanEncoder:
    """Means and amplitudes of each channel over the season: an encoder without weights, for tests and as a floor.

    The vector is, for each channel, the mean and the standard deviation over the valid dates, scaled to comparable
    size, with zeros where a channel was never seen, then normalised.
    """

    model_id = "band-mean-1"
    dimension = 64

    def encode(self, values: Floats, valid: Bools, dates: Dates, lonlat: Floats, static: Floats) -> Floats:
        """See `Encoder.encode`."""
        centre = np.array([0.2] * 10 + [-12.0, -18.0, 285.0, 60.0], np.float32)
        scale = np.array([0.15] * 10 + [4.0, 4.0, 10.0, 60.0], np.float32)
        scaled = np.where(valid, (values - centre) / scale, 0.0)
        seen = valid.sum(axis=1)
        count = np.maximum(seen, 1)
        mean = scaled.sum(axis=1) / count
        deviation = np.sqrt(np.maximum((scaled**2).sum(axis=1) / count - mean**2, 0.0))
        out = np.zeros((len(values), self.dimension), np.float32)
        out[:, : len(CHANNELS)] = mean
        out[:, len(CHANNELS) : 2 * len(CHANNELS)] = deviation
        norm = np.linalg.norm(out, axis=1, keepdims=True)
        out /= np.where(norm > 0, norm, 1.0)
        out[seen.sum(axis=1) == 0] = np.nan
        return out

"""OlmoEarth through rslearn, where that is installed: single pixels of monthly Sentinel-2 and Sentinel-1.

Shapes, masks, statistics and pooling are those of `rslearn.models.olmoearth_pretrain` 0.1.19, with patches of 1 x 1.
OlmoEarth has two more bands than we, B01 and B09: in version 1 they are a token of their own, which counts as missing;
from 1.1 on all bands make one token, and a missing band is 0, as the band dropout of its training made it.
"""

from __future__ import annotations

import importlib
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt
import torch
from torch import Tensor

from surco.encoder.channels import INDEX
from surco.encoder.errors import ModelError
from surco.encoder.protocol import Bools, Dates, Floats
from surco.encoder.published.months import MonthlySeries, check_series, to_months

__all__ = ["RslearnEncoder"]

MONTHS = 12
"""Longest series that OlmoEarth's position table holds."""

BLOCK = 256

_OPTICAL = ("blue", "green", "red", "nir", "rededge1", "rededge2", "rededge3", "nir08", "swir16", "swir22")
_OPTICAL_NAMES = ("B02", "B03", "B04", "B08", "B05", "B06", "B07", "B8A", "B11", "B12")
_BANDS, _BANDS_10M, _BAND_SETS = 12, 4, 3
_RADAR = ("vv", "vh")
_DEVIATIONS = 2.0
_MINIMAL = "olmoearth_pretrain_minimal"


class RslearnEncoder:
    """An OlmoEarth model as an `Encoder`.

    Args:
        name: a name of rslearn's, for example `OlmoEarth-v1-Nano`, whose weights rslearn fetches, or a folder with
            `config.json` and `weights.pth`.
        device: "cpu", "cuda", or None to take a GPU where there is one.

    Raises:
        ModelError: rslearn is not installed, does not know the name, or cannot load the weights.
    """

    def __init__(self, name: str, device: str | None = None) -> None:
        self._library = _library()
        self._device = torch.device(device or ("cuda" if torch.cuda.is_available() else "cpu"))
        self._network = _load(self._library, name).eval().to(self._device)
        self._one_token = self._network.tokenization_config.get_num_bandsets("sentinel2_l2a") == 1
        self._optical, self._radar = _statistics()
        title = Path(name).name if Path(name).is_dir() else name
        self.card: dict[str, Any] = {
            "model_id": f"rslearn-{title}",
            "title": f"{title}, pixel by pixel, through rslearn",
            "dimension": int(self._network.embedding_size),
            "licence": "OlmoEarth Artifact License",
            "credit": "Allen Institute for AI",
            "vector": "mean of the tokens of each sensor, mean of the sensors, then unit length",
        }

    @property
    def model_id(self) -> str:
        """Name and version of the weights."""
        return str(self.card["model_id"])

    @property
    def dimension(self) -> int:
        """Length of a vector."""
        return int(self.card["dimension"])

    def encode(self, values: Floats, valid: Bools, dates: Dates, lonlat: Floats, static: Floats) -> Floats:
        """See `protocol.Encoder.encode`; dates are averaged to months; weather, place and terrain are not used.

        Raises:
            ModelError: arrays whose shapes do not belong together, or a series that spans over twelve months.
        """
        check_series(values, valid, dates)
        out = np.full((len(values), self.dimension), np.nan, np.float32)
        if not values.size:
            return out
        series = to_months(values, valid & np.isfinite(values), dates, MONTHS)
        optical, radar = self._optical_tokens(series), _complete(series, _RADAR)[..., None]
        for rows in _blocks(optical.sum(axis=(1, 2)) + radar.sum(axis=(1, 2))):
            out[rows] = self._encode_block(series, optical, radar, rows)
        return out

    def _optical_tokens(self, series: MonthlySeries) -> Bools:
        """Which of a month's three optical tokens are seen, (N, S, 3)."""
        seen = np.zeros((*series.month.shape, _BAND_SETS), np.bool_)
        if self._one_token:
            seen[..., 0] = series.valid[..., [INDEX[band] for band in _OPTICAL]].any(axis=-1)
        else:
            seen[..., 0] = _complete(series, _OPTICAL[:_BANDS_10M])
            seen[..., 1] = _complete(series, _OPTICAL[_BANDS_10M:])
        return seen

    def _encode_block(
        self, series: MonthlySeries, optical: Bools, radar: Bools, rows: npt.NDArray[np.intp]
    ) -> Floats:
        sample = self._library.MaskedOlmoEarthSample(
            timestamps=torch.from_numpy(_timestamps(series, rows)).to(self._device),
            sentinel2_l2a=self._pixels(series, rows, _OPTICAL, self._optical, _BANDS),
            sentinel2_l2a_mask=self._mask(optical[rows]),
            sentinel1=self._pixels(series, rows, _RADAR, self._radar, len(_RADAR)),
            sentinel1_mask=self._mask(radar[rows]),
        )
        with torch.inference_mode():
            tokens = self._network(sample, fast_pass=False, patch_size=1)["tokens_and_masks"]
            pooled = _mean_of_sensors([self._pool(tokens, name) for name in ("sentinel2_l2a", "sentinel1")])
            unit = torch.nn.functional.normalize(pooled.float(), dim=1)
        out: Floats = unit.cpu().numpy()
        return out

    def _pixels(
        self,
        series: MonthlySeries,
        rows: npt.NDArray[np.intp],
        bands: tuple[str, ...],
        statistics: tuple[Floats, Floats],
        width: int,
    ) -> Tensor:
        """Normalised bands as images of one pixel, (B, 1, 1, S, width), 0 where not valid."""
        channels = [INDEX[band] for band in bands]
        scale = np.float32(1e4 if bands is _OPTICAL else 1.0)
        low, span = statistics
        scaled = (series.values[rows][..., channels] * scale - low) / span
        out = np.zeros((len(rows), 1, 1, series.month.shape[1], width), np.float32)
        out[:, 0, 0, :, : len(bands)] = np.where(series.valid[rows][..., channels], scaled, 0)
        return torch.from_numpy(out).to(self._device)

    def _mask(self, seen: Bools) -> Tensor:
        kinds = self._library.MaskValue
        mask = np.where(seen, kinds.ONLINE_ENCODER.value, kinds.MISSING.value).astype(np.int32)
        return torch.from_numpy(mask[:, None, None]).to(self._device)  # (B, 1, 1, S, tokens a month)

    def _pool(self, tokens: Any, name: str) -> tuple[Tensor, Tensor]:
        """Mean of a sensor's seen tokens (B, D), and which rows have any (B,)."""
        features, mask = getattr(tokens, name), getattr(tokens, f"{name}_mask")
        seen = (mask == self._library.MaskValue.ONLINE_ENCODER.value).flatten(1)[..., None]  # (B, L, 1)
        count = seen.sum(dim=1)
        # a missing token may hold anything
        kept = torch.where(seen, features.flatten(1, 4), 0)
        return kept.sum(dim=1) / count.clamp(min=1), count[:, 0] > 0


def _blocks(tokens: npt.NDArray[np.int64]) -> Iterator[npt.NDArray[np.intp]]:
    """Rows with equally many tokens, at least one: padding would change the vectors of the rows that got it."""
    for count in np.unique(tokens[tokens > 0]):
        rows = np.flatnonzero(tokens == count)
        for start in range(0, len(rows), BLOCK):
            yield rows[start : start + BLOCK]


def _mean_of_sensors(pooled: list[tuple[Tensor, Tensor]]) -> Tensor:
    features = torch.stack([feature for feature, _ in pooled])  # (sensors, B, D)
    there = torch.stack([seen for _, seen in pooled])[..., None]
    return (features * there).sum(dim=0) / there.sum(dim=0)


def _complete(series: MonthlySeries, bands: tuple[str, ...]) -> Bools:
    complete: Bools = np.asarray(series.valid[..., [INDEX[band] for band in bands]].all(axis=-1))
    return complete


def _timestamps(series: MonthlySeries, rows: npt.NDArray[np.intp]) -> npt.NDArray[np.int64]:
    """Day, month from 0, year, (B, S, 3); months stand for themselves by their middle."""
    month, year = series.month[rows], series.year[rows]
    return np.stack([np.full(month.shape, 15), month, year], axis=-1)


def _statistics() -> tuple[tuple[Floats, Floats], tuple[Floats, Floats]]:
    """Lower end and span of optical and radar bands: mean - 2 to mean + 2 deviations become 0 to 1."""
    normalize = importlib.import_module(f"{_MINIMAL}.olmoearth_pretrain_v1.data.normalize")
    config = normalize.load_computed_config()

    def ends(sensor: str, names: tuple[str, ...]) -> tuple[Floats, Floats]:
        mean, deviation = (np.array([config[sensor][n][k] for n in names]) for k in ("mean", "std"))
        low, span = mean - _DEVIATIONS * deviation, 2 * _DEVIATIONS * deviation
        return low.astype(np.float32), span.astype(np.float32)

    return ends("sentinel2_l2a", _OPTICAL_NAMES), ends("sentinel1", _RADAR)


def _library() -> Any:
    """The module of rslearn's model, which carries all names that are needed."""
    try:
        return importlib.import_module("rslearn.models.olmoearth_pretrain.model")
    except ImportError as error:
        raise ModelError(
            f"Expected rslearn and {_MINIMAL} for a model named rslearn:..., got no module {error.name!r}. "
            "Install surco[rslearn]."
        ) from error


def _load(library: Any, name: str) -> Any:
    known = [str(model) for model in library.ModelID]
    folder = Path(name)
    if name not in known and not folder.is_dir():
        raise ModelError(
            f"Expected a model of {', '.join(known)} or a folder with config.json and weights.pth, got {name!r}. "
            "Name one of these after rslearn:."
        )
    source = {"model_id": library.ModelID(name)} if name in known else {"model_path": str(folder)}
    try:
        return library.OlmoEarth(patch_size=1, autocast_dtype=None, **source).model
    except (OSError, RuntimeError, ValueError, LookupError) as error:
        raise ModelError(
            f"Expected rslearn to load {name}, got {type(error).__name__}: {str(error)[:300]}. "
            "Check the network or the folder."
        ) from error

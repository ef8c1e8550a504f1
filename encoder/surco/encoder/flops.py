"""How much arithmetic a network costs, and how much devices can do: what a throughput is measured by."""

from __future__ import annotations

from typing import Any, cast

import torch
from torch.utils.flop_counter import FlopCounterMode

from surco.encoder.model import SeriesEncoder

__all__ = ["PEAK_BFLOAT16", "flops_per_series", "peak_of"]

PEAK_BFLOAT16 = {
    "B200": 2250e12,
    "H200": 989e12,
    "H100 PCIe": 756e12,
    "H100": 989e12,
    "A100": 312e12,
    "L40S": 362e12,
    "L4": 121e12,
    "A10": 125e12,
    "RTX 4090": 165e12,
}
"""Dense bfloat16 operations a second of the tensor cores, sums in float32, by a part of the device's name.

From NVIDIA's data sheets, whose figures with sparsity are halved. The first name that fits counts.
"""


def flops_per_series(model: SeriesEncoder, dates: int = 12, count: int = 16) -> float:
    """Floating point operations of one series' products and sums, a multiplication and an addition being two.

    Of the matrix products and convolutions alone, as `torch.utils.flop_counter` has them: what is done number by number
    (normalising, GELU, scaling) costs memory traffic rather than arithmetic and does not count.

    Args:
        model: the network.
        dates: of a series.
        count: of series that are counted together.
    """
    device = next(model.parameters()).device
    config = model.config
    series = (
        torch.zeros(count, dates, config.channels, device=device),
        torch.ones(count, dates, config.channels, dtype=torch.bool, device=device),
        torch.zeros(count, dates, device=device),
        torch.zeros(count, 2, device=device),
        torch.zeros(count, 2, device=device),
    )
    with torch.no_grad(), cast(Any, FlopCounterMode)(display=False) as counter:
        model(*series)
    return float(counter.get_total_flops()) / count


def peak_of(device: str) -> float | None:
    """Peak of a device by its name, such as `NVIDIA H200`; None of one that is not listed."""
    return next((peak for name, peak in PEAK_BFLOAT16.items() if name in device), None)

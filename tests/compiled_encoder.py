"""A process that compiles a small network on the CPU and prints as JSON whether it could, and how vectors differ."""

from __future__ import annotations

import json
import sys
import warnings

import numpy as np
import torch
from benchmarks.pixel_series import pixel_series

from surco.encoder.arithmetic import Arithmetic, CompileWarning, forward_of
from surco.encoder.blocks import OverlappedBlocks, plain_blocks
from surco.encoder.model import ModelConfig, SeriesEncoder


def main() -> None:
    """Compile, encode a hundred series both ways, print."""
    model = SeriesEncoder(ModelConfig(width=16, depth=1, hidden=32, taught=16, learned=8)).eval()
    values, valid, dates, lonlat, static = pixel_series(100)
    days = np.broadcast_to(dates.astype(np.float32), values.shape[:2])
    arrays = (values, valid, days, lonlat, static)
    cpu = torch.device("cpu")
    with warnings.catch_warnings(record=True) as told:
        warnings.simplefilter("ignore")
        warnings.simplefilter("always", CompileWarning)
        forward, real = forward_of(model, Arithmetic(cpu, compiled=True, block=64))
    found, plain = np.zeros((2, 100, 64), np.float32)
    OverlappedBlocks(forward, real, 64).run(arrays, found)
    plain_blocks(*forward_of(model, Arithmetic(cpu)), arrays, plain)
    answer = {
        "compiled": real.compiled,
        "told": [str(each.message) for each in told],
        "apart": float(np.abs(found - plain).max()),
    }
    json.dump(answer, sys.stdout)


if __name__ == "__main__":
    main()

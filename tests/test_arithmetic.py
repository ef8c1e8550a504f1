"""Devices, precisions and blocks of our encoder: what each changes, and that nothing else does."""

from __future__ import annotations

import json
import os
import pickle
import shutil
import subprocess
import sys
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from benchmarks.pixel_series import pixel_series

from surco.encoder import ModelError, load_encoder
from surco.encoder.arithmetic import Arithmetic, choose_arithmetic, forward_of
from surco.encoder.blocks import OverlappedBlocks, plain_blocks
from surco.encoder.checkpoint import save_checkpoint
from surco.encoder.flops import PEAK_BFLOAT16, flops_per_series, peak_of
from surco.encoder.model import ModelConfig, SeriesEncoder
from surco.encoder.protocol import Floats
from surco.encoder.surco_encoder import SurcoEncoder

CPU = torch.device("cpu")
HAS_GPU = torch.cuda.is_available()
SMALL = ModelConfig(width=16, depth=1, hidden=32, taught=16, learned=8)


@pytest.fixture(scope="module")
def shipped() -> SurcoEncoder:
    """The encoder that ships, on the CPU."""
    return SurcoEncoder(device="cpu")


def arrays_of(count: int) -> tuple[np.ndarray, ...]:
    """Series as blocks take them, a fifth without any value."""
    values, valid, dates, lonlat, static = pixel_series(count)
    valid[::5] = False
    days = np.broadcast_to(dates.astype("datetime64[D]").astype(np.float32), values.shape[:2])
    return values, valid, days, lonlat, static


def worked(encoder: SurcoEncoder, arithmetic: Arithmetic, count: int, *, overlapped: bool) -> Floats:
    """Vectors by one of the two ways."""
    forward, real = forward_of(encoder.model, arithmetic)
    out = np.full((count, encoder.dimension), 7.0, np.float32)
    if overlapped:
        OverlappedBlocks(forward, real, encoder.dimension).run(arrays_of(count), out)
    else:
        plain_blocks(forward, real, arrays_of(count), out)
    return out


def test_blocks_change_no_bit(shipped: SurcoEncoder) -> None:
    """float32 on the CPU gives the bits of the network itself, by blocks of any size and by both ways through them."""
    values, valid, days, lonlat, static = arrays_of(700)
    seen = valid.any(axis=(1, 2))
    with torch.inference_mode():
        inputs = (
            torch.from_numpy(np.ascontiguousarray(a[seen])) for a in (values, valid, days, lonlat, static)
        )
        whole = shipped.model(*inputs).numpy()
    for block, overlapped in ((512, False), (7, False), (128, False), (300, True), (1024, True)):
        found = worked(shipped, Arithmetic(CPU, block=block), 700, overlapped=overlapped)
        np.testing.assert_array_equal(found[seen], whole)
        assert np.isnan(found[~seen]).all()


def test_lanes_are_used_again(shipped: SurcoEncoder) -> None:
    """Calls of other counts and other numbers of dates through the same lanes do not see each other's rows."""
    blocks = OverlappedBlocks(*forward_of(shipped.model, Arithmetic(CPU, block=64)), shipped.dimension)
    for count, dates in ((200, 12), (10, 12), (65, 7), (0, 12), (64, 12)):
        arrays = [a[:, :dates] if a.ndim == 3 or a.shape[1] == 12 else a for a in arrays_of(max(count, 1))]
        arrays = [a[:count] for a in arrays]
        found, plain = np.zeros((2, count, shipped.dimension), np.float32)
        blocks.run(arrays, found)
        plain_blocks(*forward_of(shipped.model, Arithmetic(CPU)), arrays, plain)
        np.testing.assert_array_equal(found, plain)


def test_a_run_that_failed_leaves_nothing(shipped: SurcoEncoder) -> None:
    """After a block that failed the next run has its own rows only."""
    forward, real = forward_of(shipped.model, Arithmetic(CPU, block=64))
    calls = iter([False, False, True])

    def fails(*block: torch.Tensor) -> torch.Tensor:
        if next(calls, False):
            raise RuntimeError("out of memory")
        return forward(*block)

    blocks = OverlappedBlocks(fails, real, shipped.dimension)
    with pytest.raises(RuntimeError, match="out of memory"):
        blocks.run(arrays_of(200), np.zeros((200, shipped.dimension), np.float32))
    found, plain = np.zeros((2, 20, shipped.dimension), np.float32)
    blocks.run(arrays_of(20), found)
    plain_blocks(forward, real, arrays_of(20), plain)
    np.testing.assert_array_equal(found, plain)


def test_threads_take_turns(shipped: SurcoEncoder) -> None:
    """Several threads through the same lanes get each their own vectors."""
    blocks = OverlappedBlocks(*forward_of(shipped.model, Arithmetic(CPU, block=64)), shipped.dimension)
    arrays = arrays_of(300)
    whole = np.zeros((300, shipped.dimension), np.float32)
    blocks.run(arrays, whole)

    def part(start: int) -> bool:
        out = np.zeros((100, shipped.dimension), np.float32)
        blocks.run([a[start : start + 100] for a in arrays], out)
        return np.array_equal(out, whole[start : start + 100], equal_nan=True)

    with ThreadPoolExecutor(3) as pool:
        assert all(pool.map(part, [0, 100, 200, 50, 150, 20]))


def test_bfloat16_finds_the_same_neighbours(shipped: SurcoEncoder) -> None:
    """Vectors of shorter numbers keep a cosine of 0.9999, and 99 % of the nearest neighbours are the same."""
    exact = worked(shipped, Arithmetic(CPU), 1500, overlapped=True)
    short = worked(shipped, Arithmetic(CPU, torch.bfloat16), 1500, overlapped=True)
    seen = np.isfinite(exact).all(axis=1)
    exact, short = exact[seen], short[seen]
    cosine = (exact * short).sum(axis=1)
    nearest = [np.argmax(each @ each.T - 2 * np.eye(len(each)), axis=1) for each in (exact, short)]
    same = (nearest[0] == nearest[1]).mean()
    print(f"cosine {cosine.min():.7f} at least, {cosine.mean():.7f} on average; same neighbour {same:.3f}")
    assert not np.array_equal(exact, short)
    assert cosine.min() > 0.9999 and same > 0.99
    np.testing.assert_allclose(np.linalg.norm(short, axis=1), 1, atol=1e-5)


def compiled(**environment: str) -> dict[str, Any]:
    """What a process of its own says."""
    program = Path(__file__).with_name("compiled_encoder.py")
    done = subprocess.run(
        [sys.executable, str(program)],
        env={**os.environ, "PYTHONPATH": os.pathsep.join(sys.path), **environment},
        capture_output=True,
        text=True,
        check=True,
    )
    return dict(json.loads(done.stdout))


@pytest.mark.skipif(
    shutil.which(os.environ.get("CXX", "g++")) is None, reason="no C++ compiler on this machine"
)
@pytest.mark.slow
def test_compiled() -> None:
    """The compiled network gives the same vectors to rounding."""
    found = compiled()
    assert found["compiled"] and not found["told"] and found["apart"] < 1e-5


@pytest.mark.slow
def test_no_compiler_is_told(tmp_path: Path) -> None:
    """A machine without a C++ compiler still encodes the same, and one sentence says why it is slow."""
    fresh = {"TORCHINDUCTOR_CACHE_DIR": str(tmp_path), "TORCHINDUCTOR_FORCE_DISABLE_CACHES": "1"}
    found = compiled(CXX=str(tmp_path / "none"), **fresh)
    (sentence,) = found["told"]
    assert not found["compiled"] and found["apart"] < 1e-5
    assert (
        "runs uncompiled, slower" in sentence and "needs a C++ compiler" in sentence and "\n" not in sentence
    )


def test_the_device_is_chosen() -> None:
    """Auto is the GPU where there is one; the CPU is float32; what is not there is refused by name."""
    assert choose_arithmetic("auto").device.type == ("cuda" if HAS_GPU else "cpu")
    assert choose_arithmetic("cpu") == Arithmetic(CPU)
    assert choose_arithmetic("cpu", "bfloat16").precision == torch.bfloat16
    assert str(choose_arithmetic("cpu")) == "float32 on cpu"
    for device, message in (
        ("cuda:99", "CUDA devices"),
        ("abacus", "auto, cpu or cuda"),
        ("meta", "CUDA devices"),
    ):
        with pytest.raises(ModelError, match=message):
            choose_arithmetic(device)
    with pytest.raises(ModelError, match="float32, bfloat16"):
        choose_arithmetic("cpu", "float8")
    with pytest.raises(ModelError, match="CUDA devices"):
        load_encoder("surco-nano", "cuda:99")


def test_an_encoder_goes_to_other_processes(shipped: SurcoEncoder) -> None:
    """One sent to another process works there as here."""
    series = pixel_series(50)
    again = pickle.loads(pickle.dumps(shipped))  # noqa: S301 - made in this line
    np.testing.assert_array_equal(again.encode(*series), shipped.encode(*series))
    assert again.model_id == shipped.model_id


def test_precision_is_kept_through_a_checkpoint(tmp_path: Path, shipped: SurcoEncoder) -> None:
    """A file of weights loads in the precision asked for."""
    save_checkpoint(tmp_path / "mine.safetensors", shipped.model, shipped.card)
    loaded = load_encoder(str(tmp_path / "mine.safetensors"), "cpu", "bfloat16")
    assert isinstance(loaded, SurcoEncoder) and str(loaded.arithmetic) == "bfloat16 on cpu"


def by_hand(c: ModelConfig, dates: int = 12) -> int:
    """Multiplications and additions of the matrix products of one series."""
    tracks, seen = 2 * len(c.seen), len(c.seen) + len(c.weather)
    grid = 2 * dates * c.bins * seen  # kernel weights times values, and times their flags
    conv = 3 * (tracks + 4) * c.width * c.bins + c.depth * (3 + 1) * c.width**2 * c.bins
    heads = c.width * c.bins * c.hidden + c.hidden * (c.taught + c.learned)
    straight = (tracks * c.bins + 4) * c.taught
    last = c.taught * c.season + (c.taught + c.learned + c.season + c.surroundings) * c.dimension
    return 2 * (grid + conv + heads + straight + last)


@pytest.mark.parametrize("config", [ModelConfig(), SMALL], ids=["nano", "small"])
def test_arithmetic_is_counted(config: ModelConfig) -> None:
    """The counter agrees with a count by hand within one per cent."""
    counted = flops_per_series(SeriesEncoder(config))
    print(f"{counted / 1e6:.3f} MFLOP a series")
    assert abs(counted / by_hand(config) - 1) < 0.01


def test_peaks() -> None:
    """Devices are known by a part of their name; others have no peak."""
    assert peak_of("NVIDIA H200") == 989e12 and peak_of("NVIDIA H100 PCIe") == 756e12
    assert peak_of("NVIDIA H100 80GB HBM3") == 989e12 and peak_of("NVIDIA L40S") == 362e12
    assert peak_of("GeForce 256") is None and min(PEAK_BFLOAT16.values()) > 1e14


@pytest.mark.skipif(not HAS_GPU, reason="no CUDA device on this machine")
def test_on_a_gpu(shipped: SurcoEncoder) -> None:
    """A GPU in bfloat16 gives vectors close to the CPU's, for more rows than a block holds."""
    gpu = SurcoEncoder(device="cuda")
    assert gpu.arithmetic.precision == torch.bfloat16
    series = pixel_series(gpu.arithmetic.block + 1000)
    cosine = (gpu.encode(*series) * shipped.encode(*series)).sum(axis=1)
    assert cosine.min() > 0.999

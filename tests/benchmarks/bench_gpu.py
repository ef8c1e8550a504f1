"""The encoder's arithmetic: series a second, operations a second and the share of the device's peak; FAISS on a GPU.

On a machine without a CUDA device the first table has the CPU's precisions and blocks beside a large matrix product,
and what needs a GPU is skipped with the reason. Columns: `network` has the series on the device already, `encode` takes
them from arrays in memory as `surco encode` does.
"""

from __future__ import annotations

import os
from collections.abc import Callable
from dataclasses import replace

import numpy as np
import pytest
import torch
from benchmarks.measure import measure, milliseconds, print_table, rate
from benchmarks.pixel_series import pixel_series

from surco.encoder.arithmetic import Arithmetic, choose_arithmetic, forward_of
from surco.encoder.flops import flops_per_series, peak_of
from surco.encoder.model import ModelConfig, SeriesEncoder
from surco.encoder.surco_encoder import SurcoEncoder

HAS_GPU = torch.cuda.is_available()
NO_GPU = "no CUDA device on this machine"
GOAL, NATION = 0.4, 180_000_000
WIDE = ModelConfig(width=512, depth=4, hidden=1536)
"""Not a model that ships: a network of 24 times the arithmetic, to tell what limits the small one."""


def synchronised(work: Callable[[], object]) -> Callable[[], object]:
    """The work, and the wait for a GPU to have done it."""

    def done() -> object:
        result = work()
        if HAS_GPU:
            torch.cuda.synchronize()
        return result

    return done


def on_device(count: int, device: torch.device) -> tuple[torch.Tensor, ...]:
    """A block of series where the network runs."""
    values, valid, dates, lonlat, static = pixel_series(count)
    days = np.broadcast_to(dates.astype(np.float32), values.shape[:2])
    return tuple(
        torch.from_numpy(np.ascontiguousarray(a)).to(device) for a in (values, valid, days, lonlat, static)
    )


def network_seconds(model: SeriesEncoder, arithmetic: Arithmetic, blocks: int = 4) -> float:
    """Median seconds of `blocks` blocks that lie on the device."""
    forward, _ = forward_of(model, arithmetic)
    series = on_device(arithmetic.block, arithmetic.device)

    def work() -> None:
        with torch.inference_mode():
            for _ in range(blocks):
                forward(*series)

    return measure(synchronised(work), repeats=3)[0][0]


def matmul_peak(device: torch.device, precision: torch.dtype, size: int) -> float:
    """Operations a second of a large matrix product here: what a library reaches where nothing else is asked."""
    a, b = (torch.rand(size, size, device=device, dtype=precision) for _ in range(2))
    seconds = measure(synchronised(lambda: a @ b), repeats=3)[0][0]
    return 2 * size**3 / seconds


def arithmetics() -> list[tuple[str, Arithmetic]]:
    """What is compared here."""
    base = choose_arithmetic("auto")
    if not HAS_GPU:
        sizes = [replace(base, block=size) for size in (128, 512, 2048)]
        return [(f"float32, {a.block}", a) for a in sizes] + [
            ("bfloat16, 512", replace(base, precision=torch.bfloat16))
        ]
    found = [("float32, 65536", replace(base, precision=torch.float32, compiled=False))]
    found.append(("bfloat16, 65536", replace(base, compiled=False)))
    sizes = (8192, 32_768, 65_536, 262_144)
    return found + [(f"bfloat16, compiled, {size}", replace(base, block=size)) for size in sizes]


def test_share_of_peak() -> None:
    """The encoder's throughput, arithmetic and share of peak by precision, compiler and block."""
    shipped = SurcoEncoder(device="cpu")
    device = choose_arithmetic("auto").device
    model = shipped.model.to(device)
    flops, title = flops_per_series(model), str(choose_arithmetic("auto"))
    reached = {p: matmul_peak(device, p, 8192 if HAS_GPU else 1024) for p in (torch.float32, torch.bfloat16)}
    rows, best = [], 0.0
    for name, arithmetic in arithmetics():
        a_second = 4 * arithmetic.block / network_seconds(model, arithmetic)
        peak = peak_of(torch.cuda.get_device_name(device)) if HAS_GPU else None
        best = max(best, a_second)
        rows.append(
            [
                name,
                rate(int(a_second), 1),
                f"{a_second * flops / 1e12:.3f}",
                "-" if peak is None else f"{a_second * flops / peak:.0%}",
                f"{a_second * flops / reached[arithmetic.precision]:.0%}",
                f"{NATION / a_second / 60:,.1f} min",
            ]
        )
    print_table(
        f"{shipped.model_id}, {flops / 1e6:.2f} MFLOP a series, on {title} (goal: {GOAL:.0%} of an H200's peak)",
        ["", "series/s", "TFLOP/s", "of peak", "of a matmul here", f"{NATION:,} series"],
        rows,
    )
    assert best > 0


def test_encode_from_memory() -> None:
    """`encode` from arrays gives every series a vector; the difference to the network alone is copying."""
    encoder = SurcoEncoder()
    count = 4 * encoder.arithmetic.block if HAS_GPU else 4096
    series = pixel_series(count)
    ((seconds, vectors),) = measure(lambda: encoder.encode(*series), repeats=3)
    assert np.isfinite(vectors).all()
    alone = count / 4 / encoder.arithmetic.block * network_seconds(encoder.model, encoder.arithmetic)
    moved = sum(a.nbytes for a in series) / count
    rows = [
        ["encode, from arrays", rate(count, seconds), milliseconds(seconds)],
        ["network alone", rate(count, alone), milliseconds(alone)],
    ]
    print_table(
        f"{count:,} series of {moved:,.0f} bytes on {encoder.arithmetic}", ["", "series/s", "time"], rows
    )


@pytest.mark.skipif(not HAS_GPU, reason=NO_GPU)
def test_what_limits_it() -> None:
    """A wider network of the same shape: where its share of peak is higher, memory traffic limits the small one."""
    base = choose_arithmetic("auto")
    peak = peak_of(torch.cuda.get_device_name(base.device))
    rows = []
    for name, config in (("nano", ModelConfig()), ("wide", WIDE)):
        model = SeriesEncoder(config).eval().to(base.device)
        flops = flops_per_series(model)
        a_second = 4 * base.block / network_seconds(model, base)
        share = "-" if peak is None else f"{a_second * flops / peak:.0%}"
        rows.append([name, f"{flops / 1e6:.1f}", rate(int(a_second), 1), share])
    print_table(f"What limits the encoder on {base}", ["", "MFLOP a series", "series/s", "of peak"], rows)


def faiss_gpus() -> int:
    """GPUs that this build of FAISS can use."""
    import faiss

    return int(faiss.get_num_gpus()) if hasattr(faiss, "StandardGpuResources") else 0


@pytest.mark.skipif(
    faiss_gpus() == 0, reason="this FAISS has no GPU (extra gpu: faiss-gpu-cu12), or there is none"
)
@pytest.mark.parametrize("questions", [1, 1000])
def test_faiss_on_the_gpu(questions: int) -> None:
    """Exact search of a country's vectors: the GPU finds the CPU's neighbours."""
    import faiss

    rows, k = int(os.environ.get("SURCO_BENCH_ROWS", "720000")), 10
    rng = np.random.default_rng(0)
    vectors = rng.normal(size=(rows, 64)).astype(np.float32)
    vectors /= np.linalg.norm(vectors, axis=1, keepdims=True)
    flat = faiss.IndexFlatIP(64)
    flat.add(vectors)
    options = faiss.GpuClonerOptions()
    options.useFloat16 = True
    gpu = faiss.index_cpu_to_gpu(faiss.StandardGpuResources(), 0, flat, options)
    asked = vectors[rng.integers(0, rows, questions)]
    (cpu_s, (_, exact)), (gpu_s, (_, found)) = measure(
        lambda: flat.search(asked, k), lambda: gpu.search(asked, k)
    )
    recall = np.mean([len(set(a) & set(b)) / k for a, b in zip(exact.tolist(), found.tolist(), strict=True)])
    assert recall > 0.97
    print_table(
        f"FAISS flat, {rows:,} x 64, {questions} questions of {k}; recall of float16 {recall:.3f}",
        ["", "time", "questions/s"],
        [
            ["CPU, float32", milliseconds(cpu_s), rate(questions, cpu_s)],
            ["GPU, float16", milliseconds(gpu_s), rate(questions, gpu_s)],
        ],
    )

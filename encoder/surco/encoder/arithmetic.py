"""How an encoder's numbers are worked out: on which device, in which precision, compiled or not, how many at once."""

from __future__ import annotations

import warnings
from collections.abc import Callable
from dataclasses import dataclass, replace

import torch
import torch.nn.functional as F
from torch import Tensor

from surco.encoder.errors import ModelError
from surco.encoder.model import SeriesEncoder, add_indices, season_grid

__all__ = ["PRECISIONS", "Arithmetic", "CompileWarning", "Forward", "choose_arithmetic", "forward_of"]

Forward = Callable[[Tensor, Tensor, Tensor, Tensor, Tensor], Tensor]
"""Values, valid, days, lonlat and static of a block, as `SeriesEncoder.forward` takes them, to its vectors."""

PRECISIONS = {"float32": torch.float32, "bfloat16": torch.bfloat16}
"""Of the network's trunk, by name; inputs, the season's grid, the last layer and the vectors are float32 in both."""

_CPU_BLOCK = 512
"""Series at once on a CPU: their activations stay in its cache. Twice as many pixels a second as with 2048."""
_GPU_BLOCK = 65_536
"""A tile's window: enough for a GPU to be busy, about 2 GB of activations."""


class CompileWarning(UserWarning):
    """The network could not be compiled on this machine, and runs as it is."""


@dataclass(frozen=True, slots=True)
class Arithmetic:
    """Device, precision of the trunk, whether the network is compiled, and series at once.

    float32 on a CPU gives the same bits for every size of block.
    """

    device: torch.device
    precision: torch.dtype = torch.float32
    compiled: bool = False
    block: int = _CPU_BLOCK

    def __str__(self) -> str:
        """In words, such as `bfloat16 on NVIDIA H200, compiled`."""
        gpu = self.device.type == "cuda"
        name = torch.cuda.get_device_name(self.device) if gpu else self.device.type
        return f"{str(self.precision).removeprefix('torch.')} on {name}" + (", compiled" * self.compiled)


def choose_arithmetic(device: str = "auto", precision: str | None = None) -> Arithmetic:
    """What to use where a person named a device, or none.

    Args:
        device: "auto" (a CUDA device where there is one), "cpu", "cuda" or "cuda:1".
        precision: a key of `PRECISIONS`; None is bfloat16 on a GPU that has it, else float32.

    Raises:
        ModelError: no such device here, or another precision.
    """
    if precision is not None and precision not in PRECISIONS:
        raise ModelError(
            f"Expected a precision of {', '.join(PRECISIONS)}; got {precision!r}. Name one of them."
        )
    if device == "cpu" or (device == "auto" and not torch.cuda.is_available()):
        return Arithmetic(torch.device("cpu"), PRECISIONS[precision or "float32"])
    found = _cuda("cuda" if device == "auto" else device)
    with torch.cuda.device(found):
        usual = "bfloat16" if torch.cuda.is_bf16_supported(including_emulation=False) else "float32"
    return Arithmetic(found, PRECISIONS[precision or usual], compiled=True, block=_GPU_BLOCK)


def _cuda(device: str) -> torch.device:
    try:
        found = torch.device(device)
    except RuntimeError as error:
        raise ModelError(f"Expected device auto, cpu or cuda; got {device!r}. Name one of them.") from error
    number = found.index or 0
    if found.type != "cuda" or number >= torch.cuda.device_count():
        raise ModelError(
            f"Expected a device of this machine; got {device!r}, and PyTorch {torch.__version__} sees "
            f"{torch.cuda.device_count()} CUDA devices. Use --device cpu, or install the driver and a CUDA build of "
            "PyTorch."
        )
    return torch.device("cuda", number)


def forward_of(model: SeriesEncoder, arithmetic: Arithmetic) -> tuple[Forward, Arithmetic]:
    """A network's way from a block to its vectors, and the arithmetic that it really has.

    Rows without any valid value are NaN. Where compiling fails the network runs as it is, with a `CompileWarning`.
    """

    def forward(values: Tensor, valid: Tensor, days: Tensor, lonlat: Tensor, static: Tensor) -> Tensor:
        usable = valid & torch.isfinite(values)
        x, ok = add_indices(torch.nan_to_num(values), usable, model.config)
        grid, measured = season_grid(x, ok, days, lonlat, model.config)
        # The season's grid compares sums with a threshold, and the last layer decides the vector's digits.
        trunk = torch.autocast(
            arithmetic.device.type, arithmetic.precision, enabled=arithmetic.precision != torch.float32
        )
        with trunk:
            parts = model.through(grid, measured, static)
        vectors = F.normalize(model.assemble(torch.cat([part.float() for part in parts], dim=1)), dim=-1)
        seen = usable.any(dim=2).any(dim=1)
        return torch.where(seen[:, None], vectors, torch.full_like(vectors, torch.nan))

    return _compiled(forward, model, arithmetic) if arithmetic.compiled else (forward, arithmetic)


def _compiled(forward: Forward, model: SeriesEncoder, arithmetic: Arithmetic) -> tuple[Forward, Arithmetic]:
    """Compiled for blocks of twelve dates, tried once."""
    # The compiler takes a second to import, and only a GPU needs it.
    from torch._dynamo.exc import TorchDynamoException
    from torch._inductor.exc import InductorError

    fast: Forward = torch.compile(forward, dynamic=False)
    n, channels, device = arithmetic.block, model.config.channels, arithmetic.device
    block = (
        torch.zeros(n, 12, channels, device=device),
        torch.ones(n, 12, channels, dtype=torch.bool, device=device),
        torch.zeros(n, 12, device=device),
        torch.zeros(n, 2, device=device),
        torch.zeros(n, 2, device=device),
    )
    try:
        with torch.inference_mode():
            fast(*block)
    except (TorchDynamoException, InductorError) as error:
        warnings.warn(
            f"The network runs uncompiled, slower: PyTorch's compiler does not work here ({type(error).__name__}: "
            f"{str(error).splitlines()[0]}). It needs a C++ compiler, and Triton for a GPU.",
            CompileWarning,
            stacklevel=3,
        )
        return forward, replace(arithmetic, compiled=False)
    return fast, arithmetic

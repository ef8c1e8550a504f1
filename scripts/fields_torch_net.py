"""The network that draws fields as torch trains it, and its export to `surco.adapters.boundaries.fields_net`."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import torch
import torch.nn.functional as F
from torch import Tensor, nn

from surco.adapters.boundaries.fields_net import FieldsNet

__all__ = ["FieldsNetConfig", "TorchFieldsNet", "exported"]


@dataclass(frozen=True, slots=True)
class FieldsNetConfig:
    """Sizes: components of the vectors that it is given, and channels by level, from the finest."""

    components: int = 10
    widths: tuple[int, ...] = (16, 32, 48, 64)

    @property
    def step(self) -> int:
        """What height and width are padded to a multiple of, in pixels."""
        return int(2 ** (len(self.widths) - 1))


class TorchFieldsNet(nn.Module):
    """Logits of extent, boundary and distance of every pixel.

    `forward` takes (B, components + 3, H, W): the components, how likely a pixel is a field's by its vector alone
    (logit) and whether that is known (1 or 0), and whether the pixel was seen (1 or 0); H and W are multiples of
    `config.step`. It gives (B, 3, H, W).
    """

    def __init__(self, config: FieldsNetConfig) -> None:
        super().__init__()
        self.config = config
        first, *others = config.widths
        self.stem = _block(config.components + 5, first)
        self.down = nn.ModuleList(_block(a, b) for a, b in zip(config.widths, others, strict=False))
        self.up = nn.ModuleList(
            _block(a + b, a)
            for a, b in zip(reversed(config.widths[:-1]), reversed(config.widths[1:]), strict=True)
        )
        self.head = nn.Conv2d(first, 3, 1)

    def forward(self, inputs: Tensor) -> Tensor:
        """See the class."""
        x = self.stem(torch.cat([inputs, self._steepness(inputs)], 1))  # (B, widths[0], H, W)
        kept = [x]
        for block in self.down:
            x = block(F.max_pool2d(x, 2))  # (B, widths[i], H / 2^i, W / 2^i)
            kept.append(x)
        for block, skip in zip(self.up, reversed(kept[:-1]), strict=True):
            x = block(torch.cat([skip, F.interpolate(x, scale_factor=2.0, mode="nearest")], 1))
        logits: Tensor = self.head(x)
        return logits

    def _steepness(self, inputs: Tensor) -> Tensor:
        """Length of the components' gradient over two and over four pixels, (B, 2, H, W).

        It does not depend on the basis that the components are given in.
        """
        parts = []
        for reach in (1, 2):
            x = F.pad(inputs[:, : self.config.components], (reach,) * 4, mode="replicate")
            middle = slice(reach, -reach)
            down = x[:, :, 2 * reach :, middle] - x[:, :, : -2 * reach, middle]
            right = x[:, :, middle, 2 * reach :] - x[:, :, middle, : -2 * reach]
            parts.append((down.square() + right.square()).sum(1, keepdim=True).add(1e-6).sqrt())
        return torch.cat(parts, 1)


def _block(given: int, made: int) -> nn.Sequential:
    """Two convolutions of 3 x 3 pixels."""
    return nn.Sequential(
        nn.Conv2d(given, made, 3, padding=1, bias=False),
        nn.BatchNorm2d(made),
        nn.ReLU(inplace=True),
        nn.Conv2d(made, made, 3, padding=1, bias=False),
        nn.BatchNorm2d(made),
        nn.ReLU(inplace=True),
    )


def exported(network: TorchFieldsNet) -> FieldsNet:
    """The same network in numpy, its normalisation folded into the convolutions before it."""
    blocks = {"stem": network.stem}
    blocks |= {f"down.{i}": block for i, block in enumerate(network.down)}
    blocks |= {f"up.{i}": block for i, block in enumerate(network.up)}
    tensors = {}
    for name, block in blocks.items():
        for layer, (convolution, normal) in enumerate(((block[0], block[1]), (block[3], block[4]))):
            factor = normal.weight / (normal.running_var + normal.eps).sqrt()
            weight = convolution.weight * factor[:, None, None, None]
            tensors[f"{name}.{layer}.weight"] = weight.permute(2, 3, 1, 0)
            tensors[f"{name}.{layer}.bias"] = normal.bias - normal.running_mean * factor
    tensors["head.weight"] = network.head.weight[:, :, 0, 0].T
    tensors["head.bias"] = network.head.bias
    arrays = {k: np.ascontiguousarray(v.detach().numpy(), np.float32) for k, v in tensors.items()}
    return FieldsNet(network.config.components, network.config.widths, arrays)

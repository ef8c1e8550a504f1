"""Pre-norm transformer blocks with the tensor names of timm's vision transformer, and packing of kept tokens.

Presto and Galileo both take their blocks from timm; they differ in whether queries, keys and values share one matrix.
Torch only.
"""

from __future__ import annotations

import torch
import torch.nn.functional as F
from torch import Tensor, nn

__all__ = ["Block", "FusedAttention", "SplitAttention", "kept_mean", "pack"]


class FusedAttention(nn.Module):
    """Multi-head self-attention, one matrix for queries, keys and values."""

    def __init__(self, width: int, heads: int) -> None:
        super().__init__()
        self.heads = heads
        self.qkv = nn.Linear(width, 3 * width)
        self.proj = nn.Linear(width, width)

    def forward(self, x: Tensor, keep: Tensor | None) -> Tensor:
        """(B, L, D) to (B, L, D); `keep` (B, L) is True where a token may be looked at, None for all."""
        q, k, v = self.qkv(x).chunk(3, dim=-1)
        mixed: Tensor = self.proj(_attend(q, k, v, keep, self.heads))
        return mixed


class SplitAttention(nn.Module):
    """Multi-head self-attention, three matrices."""

    def __init__(self, width: int, heads: int) -> None:
        super().__init__()
        self.heads = heads
        self.q, self.k, self.v = (nn.Linear(width, width) for _ in range(3))
        self.proj = nn.Linear(width, width)

    def forward(self, x: Tensor, keep: Tensor | None) -> Tensor:
        """See `FusedAttention.forward`."""
        mixed: Tensor = self.proj(_attend(self.q(x), self.k(x), self.v(x), keep, self.heads))
        return mixed


class Mlp(nn.Module):
    """Two layers with GELU between them."""

    def __init__(self, width: int, hidden: int) -> None:
        super().__init__()
        self.fc1 = nn.Linear(width, hidden)
        self.fc2 = nn.Linear(hidden, width)

    def forward(self, x: Tensor) -> Tensor:
        """(..., D) to (..., D)."""
        out: Tensor = self.fc2(F.gelu(self.fc1(x)))
        return out


class Block(nn.Module):
    """Attention, then a multilayer perceptron, each after a norm and added to its input."""

    def __init__(self, attention: FusedAttention | SplitAttention, width: int, mlp_ratio: int) -> None:
        super().__init__()
        self.norm1 = nn.LayerNorm(width)
        self.attn = attention
        self.norm2 = nn.LayerNorm(width)
        self.mlp = Mlp(width, mlp_ratio * width)

    def forward(self, x: Tensor, keep: Tensor | None) -> Tensor:
        """(B, L, D) to (B, L, D)."""
        x = x + self.attn(self.norm1(x), keep)
        out: Tensor = x + self.mlp(self.norm2(x))
        return out


def pack(tokens: Tensor, keep: Tensor) -> tuple[Tensor, Tensor | None]:
    """Move kept tokens to the front of their rows and cut off what no row needs.

    Args:
        tokens: (B, L, D).
        keep: (B, L) True = kept.

    Returns:
        (B, M, D) with M the most tokens a row keeps, and (B, M) True where kept; None where all rows keep M.
    """
    counts = keep.sum(dim=1)
    most = int(counts.max())
    if most < keep.shape[1]:
        order = torch.argsort(keep.logical_not().to(torch.uint8), dim=1, stable=True)[:, :most]
        tokens = tokens.gather(1, order[:, :, None].expand(-1, -1, tokens.shape[2]))
        keep = keep.gather(1, order)
    return tokens, None if int(counts.min()) == most else keep


def kept_mean(tokens: Tensor, keep: Tensor | None) -> Tensor:
    """Mean of the kept tokens of each row, (B, L, D) to (B, D)."""
    if keep is None:
        return tokens.mean(dim=1)
    weights = keep[:, :, None].to(tokens.dtype)
    return (tokens * weights).sum(dim=1) / weights.sum(dim=1)


def _attend(q: Tensor, k: Tensor, v: Tensor, keep: Tensor | None, heads: int) -> Tensor:
    batch, length, width = q.shape
    q, k, v = (x.reshape(batch, length, heads, width // heads).transpose(1, 2) for x in (q, k, v))
    mask = None if keep is None else keep[:, None, None, :]
    mixed = F.scaled_dot_product_attention(q, k, v, attn_mask=mask)  # (B, heads, L, D / heads)
    return mixed.transpose(1, 2).reshape(batch, length, width)

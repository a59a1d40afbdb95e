"""The keys and values that decoding has seen, in torch."""

from __future__ import annotations

import torch
from torch import Tensor

CHUNK = 64  # positions by which the room grows


class LayerCache:
    """Keys and values of one layer, (B, K, room, D); the first `length` positions are filled."""

    def __init__(self) -> None:
        self.keys: Tensor | None = None
        self.values: Tensor | None = None
        self.length = 0

    def extend(self, keys: Tensor, values: Tensor) -> tuple[Tensor, Tensor]:
        """Append (B, K, T, D) of each -> all so far, (B, K, length, D)."""
        start, self.length = self.length, self.length + keys.shape[2]
        if self.keys is None or self.values is None or self.length > self.keys.shape[2]:
            self.keys, self.values = _grown(self.keys, keys, self.length), _grown(self.values, values, self.length)
        self.keys[:, :, start:self.length] = keys
        self.values[:, :, start:self.length] = values
        return self.keys[:, :, :self.length], self.values[:, :, :self.length]

    def keep(self, rows: Tensor) -> None:
        """Go on with these rows only."""
        if self.keys is not None and self.values is not None:
            self.keys, self.values = self.keys[rows], self.values[rows]


def _grown(held: Tensor | None, like: Tensor, length: int) -> Tensor:
    """Room for `length` positions or a few more, beginning with what is held."""
    B, K, _, D = like.shape
    room = -(-length // CHUNK) * CHUNK
    if held is None:
        return like.new_zeros(B, K, room, D)
    return torch.cat((held, like.new_zeros(B, K, room - held.shape[2], D)), dim=2)

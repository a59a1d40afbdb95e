"""The keys and values that decoding has seen, in MLX."""

from __future__ import annotations

import mlx.core as mx

CHUNK = 64  # positions by which the room grows


class LayerCache:
    """Keys and values of one layer, (B, K, room, D); the first `length` positions are filled."""

    def __init__(self) -> None:
        self.keys: mx.array | None = None
        self.values: mx.array | None = None
        self.length = 0

    def extend(self, keys: mx.array, values: mx.array) -> tuple[mx.array, mx.array]:
        """Append (B, K, T, D) of each -> all so far, (B, K, length, D)."""
        start, self.length = self.length, self.length + keys.shape[2]
        if self.keys is None or self.values is None or self.length > self.keys.shape[2]:
            self.keys, self.values = _grown(self.keys, keys, self.length), _grown(self.values, values, self.length)
        self.keys[:, :, start:self.length] = keys
        self.values[:, :, start:self.length] = values
        return self.keys[:, :, :self.length], self.values[:, :, :self.length]

    def keep(self, rows: mx.array) -> None:
        """Go on with these rows only."""
        if self.keys is not None and self.values is not None:
            self.keys, self.values = self.keys[rows], self.values[rows]


def _grown(held: mx.array | None, like: mx.array, length: int) -> mx.array:
    """Room for `length` positions or a few more, beginning with what is held."""
    B, K, _, D = like.shape
    room = -(-length // CHUNK) * CHUNK
    if held is None:
        return mx.zeros((B, K, room, D), like.dtype)
    return mx.concatenate((held, mx.zeros((B, K, room - held.shape[2], D), like.dtype)), axis=2)

"""Batched decoding in MLX with a KV cache, sampling on the device."""

from __future__ import annotations

from collections.abc import Sequence

import mlx.core as mx
import numpy as np

from mlxtutor.backends import Sampling
from mlxtutor.mlx_backend.cache import LayerCache
from mlxtutor.mlx_backend.model import Model


class Decoder:
    """Rows of left-padded prompts. step() gives each row's next token; a forced token (>= 0) takes its place."""

    def __init__(self, model: Model, prompts: Sequence[Sequence[int]], sampling: Sampling) -> None:
        self.model, self.sampling = model, sampling
        longest = max(len(p) for p in prompts)
        tokens, real = np.zeros((len(prompts), longest), np.int32), np.zeros((len(prompts), longest), bool)
        for row, prompt in enumerate(prompts):
            tokens[row, longest - len(prompt):], real[row, longest - len(prompt):] = prompt, True
        positions = np.maximum(real.cumsum(1) - 1, 0).astype(np.int32)
        # a padded query sees itself, so that no softmax is over nothing
        mask = (np.tril(np.ones((longest, longest), bool)) & real[:, None, None, :]) | np.eye(longest, dtype=bool)
        self.cache = [LayerCache() for _ in model.layers]
        hidden = model.hidden(mx.array(tokens), mx.array(positions), mx.array(mask), self.cache)
        self.logits = model.embed_tokens.as_linear(hidden[:, -1]).astype(mx.float32)
        self.real, self.position = mx.array(real), mx.array(positions[:, -1])
        self.key = mx.random.key(sampling.seed)
        mx.eval(self.logits, self._held())

    def step(self, forced: np.ndarray) -> np.ndarray:
        """forced: (B,) token ids, -1 to sample -> the tokens taken, (B,). The next step's logits follow from them."""
        given = mx.array(np.asarray(forced, np.int32))
        token = mx.where(given >= 0, given, self._sample().astype(mx.int32))
        self.position = self.position + 1
        self.real = mx.concatenate((self.real, mx.ones((len(token), 1), dtype=mx.bool_)), axis=1)
        hidden = self.model.hidden(token[:, None], self.position[:, None], self.real[:, None, None, :], self.cache)
        self.logits = self.model.embed_tokens.as_linear(hidden[:, -1]).astype(mx.float32)
        mx.eval(token, self.logits, self._held())
        return np.array(token)

    def _sample(self) -> mx.array:
        if self.sampling.temperature == 0:
            return mx.argmax(self.logits, axis=-1)
        self.key, key = mx.random.split(self.key)
        scaled = self.logits / self.sampling.temperature
        if self.sampling.top_p < 1:
            order = mx.argsort(-scaled, axis=-1)
            ordered = mx.take_along_axis(mx.softmax(scaled, axis=-1), order, axis=-1)
            inside = mx.cumsum(ordered, axis=-1) - ordered < self.sampling.top_p
            kept = mx.where(inside, mx.take_along_axis(scaled, order, axis=-1), -mx.inf)
            chosen = mx.random.categorical(kept, key=key)
            return mx.take_along_axis(order, chosen[:, None], axis=-1)[:, 0]
        return mx.random.categorical(scaled, key=key)

    def _held(self) -> list[tuple[mx.array | None, mx.array | None]]:
        return [(layer.keys, layer.values) for layer in self.cache]

    def keep(self, rows: np.ndarray) -> None:
        """Go on with these rows only."""
        index = mx.array(np.asarray(rows, np.int32))
        for layer in self.cache:
            layer.keep(index)
        self.real, self.position, self.logits = self.real[index], self.position[index], self.logits[index]


def decode(model: Model, prompts: Sequence[Sequence[int]], sampling: Sampling) -> Decoder:
    """Prefill the prompts (token ids, none empty)."""
    return Decoder(model, prompts, sampling)

"""Batched decoding in MLX with a KV cache, sampling on the device."""

from __future__ import annotations

from collections.abc import Sequence
from contextlib import AbstractContextManager

import mlx.core as mx
import numpy as np

from mlxtutor.backends import Sampling
from mlxtutor.mlx_backend import blas
from mlxtutor.mlx_backend.cache import LayerCache
from mlxtutor.mlx_backend.device import cpu_streams
from mlxtutor.mlx_backend.model import Model


class _Rows:
    """Left-padded prompts that one stream decodes. Nothing is computed before `pending` is evaluated."""

    def __init__(self, model: Model, prompts: Sequence[Sequence[int]], sampling: Sampling, key: mx.array) -> None:
        self.model, self.sampling, self.key = model, sampling, key
        longest = max(len(p) for p in prompts)
        tokens, real = np.zeros((len(prompts), longest), np.int32), np.zeros((len(prompts), longest), bool)
        for row, prompt in enumerate(prompts):
            tokens[row, longest - len(prompt):], real[row, longest - len(prompt):] = prompt, True
        positions = np.maximum(real.cumsum(1) - 1, 0).astype(np.int32)
        # a padded query sees itself, so that no softmax is over nothing
        mask = (np.tril(np.ones((longest, longest), bool)) & real[:, None, None, :]) | np.eye(longest, dtype=bool)
        self.real, self.position = mx.array(real), mx.array(positions[:, -1])
        self.cache = [LayerCache() for _ in model.layers]
        hidden = model.hidden(mx.array(tokens), mx.array(positions), mx.array(mask), self.cache)
        self.logits = model.embed_tokens.as_linear(hidden[:, -1]).astype(mx.float32)
        self.token = self.position

    def advance(self, forced: np.ndarray) -> None:
        """forced: (B,) token ids, -1 to sample. Sets `token`, the tokens taken, and the logits that follow."""
        given = mx.array(np.asarray(forced, np.int32))
        self.token = mx.where(given >= 0, given, self._sample().astype(mx.int32))
        self.position = self.position + 1
        self.real = mx.concatenate((self.real, mx.ones((len(forced), 1), dtype=mx.bool_)), axis=1)
        hidden = self.model.hidden(self.token[:, None], self.position[:, None], self.real[:, None, None, :], self.cache)
        self.logits = self.model.embed_tokens.as_linear(hidden[:, -1]).astype(mx.float32)

    @property
    def pending(self) -> list[mx.array | None]:
        return [self.token, self.logits, *(x for layer in self.cache for x in (layer.keys, layer.values))]

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

    def keep(self, rows: np.ndarray) -> None:
        index = mx.array(rows.astype(np.int32))
        for layer in self.cache:
            layer.keep(index)
        self.real, self.position, self.logits = self.real[index], self.position[index], self.logits[index]


class Decoder:
    """Rows of left-padded prompts. step() gives each row's next token; a forced token (>= 0) takes its place."""

    def __init__(self, model: Model, prompts: Sequence[Sequence[int]], sampling: Sampling) -> None:
        streams = cpu_streams()[:len(prompts)] if len(prompts) > 1 else ()
        self.streams = list(streams) or [mx.default_stream(mx.default_device())]
        keys = mx.random.split(mx.random.key(sampling.seed), len(self.streams))
        self.parts: list[_Rows] = []
        for stream, key, part in zip(self.streams, keys, np.array_split(np.arange(len(prompts)), len(self.streams))):
            with mx.stream(stream):
                self.parts.append(_Rows(model, [prompts[i] for i in part], sampling, key))
        self._evaluate()

    def _evaluate(self) -> None:
        with self._threads():
            mx.eval([part.pending for part in self.parts])

    def _threads(self) -> AbstractContextManager[None]:
        return blas.threads_set(1 if len(self.parts) > 1 else None)

    @property
    def logits(self) -> np.ndarray:
        """What the next step chooses from, (B, V)."""
        return np.concatenate([np.array(part.logits) for part in self.parts])

    def _ends(self) -> np.ndarray:
        """Where each part's rows end: (parts - 1,)."""
        return np.cumsum([len(part.logits) for part in self.parts])[:-1]

    def step(self, forced: np.ndarray) -> np.ndarray:
        """forced: (B,) token ids, -1 to sample -> the tokens taken, (B,). The next step's logits follow from them."""
        for stream, part, tokens in zip(self.streams, self.parts, np.split(np.asarray(forced), self._ends())):
            with mx.stream(stream):
                part.advance(tokens)
        self._evaluate()
        return np.concatenate([np.array(part.token) for part in self.parts])

    def keep(self, rows: np.ndarray) -> None:
        """Go on with these rows only, given in ascending order."""
        rows, kept, start = np.asarray(rows), [], 0
        if not len(rows) or (np.diff(rows) <= 0).any():
            raise ValueError(f"rows to keep must be some, in ascending order (got {rows.tolist()})")
        for stream, part in zip(self.streams, self.parts):
            mine = rows[(rows >= start) & (rows < start + len(part.logits))] - start
            start += len(part.logits)
            if len(mine):
                with mx.stream(stream):
                    part.keep(mine)
                kept.append((stream, part))
        self.streams, self.parts = [s for s, _ in kept], [p for _, p in kept]


def decode(model: Model, prompts: Sequence[Sequence[int]], sampling: Sampling) -> Decoder:
    """Prefill the prompts (token ids, none empty)."""
    return Decoder(model, prompts, sampling)

"""Qwen3 forward pass in MLX, over packed rows or with a KV cache. Source: mlx-lm's qwen3.py."""

from __future__ import annotations

import mlx.core as mx
import mlx.nn as nn
import numpy as np

from mlxtutor.backends import Weights
from mlxtutor.config import ModelConfig
from mlxtutor.datasets.batch import Batch
from mlxtutor.mlx_backend.cache import LayerCache
from mlxtutor.mlx_backend.cpu_ops import causal_attention, swiglu
from mlxtutor.mlx_backend.device import DTYPES, device
from mlxtutor.mlx_backend.loss import cross_entropy, masked_rows

Pair = tuple[mx.array, mx.array]  # cos and sin
Cache = list[LayerCache]


def rope_tables(config: ModelConfig, positions: mx.array) -> tuple[mx.array, mx.array]:
    """cos and sin of the half-split rotation. positions: (B, T) -> two of (B, 1, T, D)."""
    exponents = mx.arange(0, config.head_dim, 2, dtype=mx.float32) / config.head_dim
    angles = positions[:, None, :, None].astype(mx.float32) / config.rope_theta**exponents
    angles = mx.concatenate((angles, angles), axis=-1)
    return mx.cos(angles), mx.sin(angles)


def rotate(x: mx.array, cos: mx.array, sin: mx.array) -> mx.array:
    """Rotate pairs of q or k. x: (B, H, T, D) -> same shape."""
    half = x.shape[-1] // 2
    turned = mx.concatenate((-x[..., half:], x[..., :half]), axis=-1)
    return x * cos + turned * sin


def attend(q: mx.array, k: mx.array, v: mx.array, mask: mx.array) -> mx.array:
    """q: (B, H, T, D), k, v: (B, K, S, D), mask: (B, 1, T, S), bool, or float 0 and 1 for packed rows on the CPU -> (B, H, T, D)."""
    if mask.dtype == mx.bool_:
        return mx.fast.scaled_dot_product_attention(q, k, v, scale=q.shape[-1] ** -0.5, mask=mask)
    if q.shape[1] != k.shape[1]:
        k, v = (mx.repeat(x, q.shape[1] // k.shape[1], axis=1) for x in (k, v))
    return causal_attention(q, k, v, mask)


def take(x: mx.array, rows: mx.array | None) -> mx.array:
    """(B, T, D) -> (N, D) of these rows of the flattened B * T; all of x for None."""
    return x if rows is None else x.reshape(-1, x.shape[-1])[rows]


class Attention(nn.Module):
    """Grouped-query attention with RMSNorm on q and k."""

    def __init__(self, config: ModelConfig) -> None:
        super().__init__()
        self.heads, self.kv_heads, self.head_dim = config.num_heads, config.num_kv_heads, config.head_dim
        self.q_proj = nn.Linear(config.hidden_size, self.heads * self.head_dim, bias=False)
        self.k_proj = nn.Linear(config.hidden_size, self.kv_heads * self.head_dim, bias=False)
        self.v_proj = nn.Linear(config.hidden_size, self.kv_heads * self.head_dim, bias=False)
        self.o_proj = nn.Linear(self.heads * self.head_dim, config.hidden_size, bias=False)
        self.q_norm = nn.RMSNorm(self.head_dim, eps=config.rms_norm_eps)
        self.k_norm = nn.RMSNorm(self.head_dim, eps=config.rms_norm_eps)

    def __call__(self, x: mx.array, rope: Pair, mask: mx.array, cached: LayerCache | None, rows: mx.array | None) -> mx.array:
        """x: (B, T, D), mask: (B, 1, T, S) bool -> (B, T, D), or (N, D) of these rows; its keys and values go into the cache."""
        B, T, _ = x.shape
        q = self.q_norm(self.q_proj(x).reshape(B, T, self.heads, self.head_dim)).transpose(0, 2, 1, 3)
        k = self.k_norm(self.k_proj(x).reshape(B, T, self.kv_heads, self.head_dim)).transpose(0, 2, 1, 3)
        v = self.v_proj(x).reshape(B, T, self.kv_heads, self.head_dim).transpose(0, 2, 1, 3)
        q, k = rotate(q, *rope).astype(v.dtype), rotate(k, *rope).astype(v.dtype)
        if cached is not None:
            k, v = cached.extend(k, v)
        out = attend(q, k, v, mask)
        return self.o_proj(take(out.transpose(0, 2, 1, 3).reshape(B, T, -1), rows))


class MLP(nn.Module):
    """SwiGLU."""

    def __init__(self, config: ModelConfig) -> None:
        super().__init__()
        self.gate_proj = nn.Linear(config.hidden_size, config.intermediate_size, bias=False)
        self.up_proj = nn.Linear(config.hidden_size, config.intermediate_size, bias=False)
        self.down_proj = nn.Linear(config.intermediate_size, config.hidden_size, bias=False)

    def __call__(self, x: mx.array) -> mx.array:
        return self.down_proj(swiglu(self.gate_proj(x), self.up_proj(x)))


class Block(nn.Module):
    """Pre-norm attention and MLP."""

    def __init__(self, config: ModelConfig) -> None:
        super().__init__()
        self.self_attn = Attention(config)
        self.mlp = MLP(config)
        self.input_layernorm = nn.RMSNorm(config.hidden_size, eps=config.rms_norm_eps)
        self.post_attention_layernorm = nn.RMSNorm(config.hidden_size, eps=config.rms_norm_eps)

    def __call__(self, x: mx.array, rope: Pair, mask: mx.array, cached: LayerCache | None, rows: mx.array | None = None) -> mx.array:
        """(B, T, D) -> the same, or (N, D) of these rows."""
        x = take(x, rows) + self.self_attn(self.input_layernorm(x), rope, mask, cached, rows)
        return x + self.mlp(self.post_attention_layernorm(x))


class Model(nn.Module):
    """The decoder; parameter names are Hugging Face's, less the leading `model.`."""

    def __init__(self, config: ModelConfig) -> None:
        super().__init__()
        self.config = config
        self.embed_tokens = nn.Embedding(config.vocab_size, config.hidden_size)
        self.layers = [Block(config) for _ in range(config.num_layers)]
        self.norm = nn.RMSNorm(config.hidden_size, eps=config.rms_norm_eps)

    def hidden(self, tokens: mx.array, positions: mx.array, mask: mx.array, cache: Cache | None = None,
               rows: mx.array | None = None) -> mx.array:
        """tokens, positions: (B, T), mask: (B, 1, T, S) -> hidden states (B, T, D) before the tied head; the cache grows by T.

        rows: positions of the flattened (B * T) that are wanted, as (N, D): the last layer's MLP then leaves out the others.
        """
        x = self.embed_tokens(tokens)
        rope = rope_tables(self.config, positions)
        last = len(self.layers) - 1
        for index, layer in enumerate(self.layers):
            x = layer(x, rope, mask, cache[index] if cache else None, rows if index == last else None)
        return self.norm(x)


def build(config: ModelConfig, weights: Weights, dtype: str = "auto") -> Model:
    """A model with these weights, kept and computed in `dtype` (torch keeps float32 and computes in it)."""
    kept = DTYPES[device(dtype).dtype]
    model = Model(config)
    arrays = ((name.removeprefix("model."), mx.array(np.asarray(value, np.float32))) for name, value in weights.items())
    model.load_weights([(name, value.astype(kept)) for name, value in arrays])
    mx.eval(model.parameters())
    return model


def segment_mask(segments: mx.array) -> mx.array:
    """Which keys each query sees in packed rows: earlier ones of its own example. (B, T) -> (B, 1, T, T), as `attend` takes it."""
    T = segments.shape[1]
    causal = mx.arange(T)[:, None] >= mx.arange(T)[None, :]
    mask = (segments[:, None, :, None] == segments[:, None, None, :]) & causal
    return mask.astype(mx.float32) if mx.default_device().type == mx.cpu else mask


def batch_nll(model: Model, batch: Batch) -> mx.array:
    """Summed negative log-likelihood over the batch's targets, in nats."""
    rows, weights = masked_rows(batch.mask.reshape(-1))
    hidden = model.hidden(mx.array(batch.inputs), mx.array(batch.positions), segment_mask(mx.array(batch.segments)), rows=mx.array(rows))
    targets = batch.targets.reshape(-1)[rows].astype(np.int32)
    return cross_entropy(hidden, model.embed_tokens.weight, mx.array(targets), mx.array(weights))


def nll(model: Model, batch: Batch) -> tuple[float, int]:
    """Summed negative log-likelihood in nats, and the number of targets."""
    return float(batch_nll(model, batch)), int(batch.mask.sum())


def logits(model: Model, tokens: np.ndarray) -> np.ndarray:
    """tokens: (B, T) unpacked, unpadded -> float32 logits (B, T, V)."""
    ids = mx.array(np.asarray(tokens, np.int32))
    positions = mx.broadcast_to(mx.arange(ids.shape[1]), ids.shape)
    hidden = model.hidden(ids, positions, segment_mask(mx.ones_like(ids)))
    return np.array(model.embed_tokens.as_linear(hidden).astype(mx.float32))

"""Qwen3 forward pass in torch, over packed rows or with a KV cache. Source: transformers' modeling_qwen3.py."""

from __future__ import annotations

import math

import numpy as np
import torch
import torch.nn.functional as F
from torch import Tensor, nn

from cuda_backend.cache import LayerCache
from cuda_backend.device import DTYPES, device
from cuda_backend.loss import cross_entropy
from mlxtutor.backends import Weights
from mlxtutor.config import ModelConfig
from mlxtutor.datasets.batch import Batch

Pair = tuple[Tensor, Tensor]  # cos and sin
Cache = list[LayerCache]


def rope_tables(config: ModelConfig, positions: Tensor) -> tuple[Tensor, Tensor]:
    """cos and sin of the half-split rotation. positions: (B, T) -> two of (B, T, D/2)."""
    exponents = torch.arange(0, config.head_dim, 2, device=positions.device, dtype=torch.float32) / config.head_dim
    angles = positions[..., None].float() / config.rope_theta**exponents
    return angles.cos(), angles.sin()


def rotate(x: Tensor, cos: Tensor, sin: Tensor) -> Tensor:
    """Rotate pairs of q or k. x: (B, H, T, D), cos, sin: (B, T, D/2) -> the shape of x."""
    low, high = x.chunk(2, dim=-1)
    cos, sin = cos[:, None], sin[:, None]
    return torch.cat((low * cos - high * sin, high * cos + low * sin), dim=-1)


class RMSNorm(nn.Module):
    """RMSNorm into the dtype that products are computed in."""

    def __init__(self, size: int, eps: float) -> None:
        super().__init__()
        self.weight, self.eps = nn.Parameter(torch.ones(size)), eps

    def forward(self, x: Tensor) -> Tensor:
        kind = x.device.type
        dtype = torch.get_autocast_dtype(kind) if torch.is_autocast_enabled(kind) else x.dtype
        return F.rms_norm(x, self.weight.shape, self.weight.to(x.dtype), self.eps).to(dtype)  # one dtype: the fused kernel


def take(x: Tensor, rows: Tensor | None) -> Tensor:
    """(B, T, D) -> (N, D) of these rows of the flattened B * T; all of x for None."""
    return x if rows is None else x.flatten(0, 1).index_select(0, rows)


class Attention(nn.Module):
    """Grouped-query attention with RMSNorm on q and k."""

    def __init__(self, config: ModelConfig) -> None:
        super().__init__()
        self.heads, self.kv_heads, self.head_dim = config.num_heads, config.num_kv_heads, config.head_dim
        self.q_proj = nn.Linear(config.hidden_size, self.heads * self.head_dim, bias=False)
        self.k_proj = nn.Linear(config.hidden_size, self.kv_heads * self.head_dim, bias=False)
        self.v_proj = nn.Linear(config.hidden_size, self.kv_heads * self.head_dim, bias=False)
        self.o_proj = nn.Linear(self.heads * self.head_dim, config.hidden_size, bias=False)
        self.q_norm = RMSNorm(self.head_dim, eps=config.rms_norm_eps)
        self.k_norm = RMSNorm(self.head_dim, eps=config.rms_norm_eps)

    def forward(self, x: Tensor, rope: Pair, mask: Tensor, cached: LayerCache | None, rows: Tensor | None) -> Tensor:
        """x: (B, T, D), mask: (B, 1, T, S) bool -> (B, T, D), or (N, D) of these rows; its keys and values go into the cache."""
        B, T, _ = x.shape
        q = self.q_norm(self.q_proj(x).view(B, T, self.heads, self.head_dim)).transpose(1, 2)
        k = self.k_norm(self.k_proj(x).view(B, T, self.kv_heads, self.head_dim)).transpose(1, 2)
        v = self.v_proj(x).view(B, T, self.kv_heads, self.head_dim).transpose(1, 2)
        q, k = rotate(q, *rope), rotate(k, *rope)
        if cached is not None:
            k, v = cached.extend(k, v)
        out = F.scaled_dot_product_attention(q, k, v, attn_mask=mask, enable_gqa=self.heads != self.kv_heads)
        return self.o_proj(take(out.transpose(1, 2).reshape(B, T, -1), rows))


class MLP(nn.Module):
    """SwiGLU."""

    def __init__(self, config: ModelConfig) -> None:
        super().__init__()
        self.gate_proj = nn.Linear(config.hidden_size, config.intermediate_size, bias=False)
        self.up_proj = nn.Linear(config.hidden_size, config.intermediate_size, bias=False)
        self.down_proj = nn.Linear(config.intermediate_size, config.hidden_size, bias=False)

    def forward(self, x: Tensor) -> Tensor:
        return self.down_proj(F.silu(self.gate_proj(x)) * self.up_proj(x))


class Block(nn.Module):
    """Pre-norm attention and MLP."""

    def __init__(self, config: ModelConfig) -> None:
        super().__init__()
        self.self_attn = Attention(config)
        self.mlp = MLP(config)
        self.input_layernorm = RMSNorm(config.hidden_size, eps=config.rms_norm_eps)
        self.post_attention_layernorm = RMSNorm(config.hidden_size, eps=config.rms_norm_eps)

    def forward(self, x: Tensor, rope: Pair, mask: Tensor, cached: LayerCache | None, rows: Tensor | None = None) -> Tensor:
        """(B, T, D) -> the same, or (N, D) of these rows."""
        x = take(x, rows) + self.self_attn(self.input_layernorm(x), rope, mask, cached, rows)
        return x + self.mlp(self.post_attention_layernorm(x))


class Model(nn.Module):
    """The decoder; parameter names are Hugging Face's, less the leading `model.`."""

    def __init__(self, config: ModelConfig) -> None:
        super().__init__()
        self.config = config
        self.embed_tokens = nn.Embedding(config.vocab_size, config.hidden_size)
        self.layers = nn.ModuleList(Block(config) for _ in range(config.num_layers))
        self.norm = RMSNorm(config.hidden_size, eps=config.rms_norm_eps)
        self.compute_dtype = torch.float32

    def hidden(self, tokens: Tensor, positions: Tensor, mask: Tensor, cache: Cache | None = None, rows: Tensor | None = None) -> Tensor:
        """tokens, positions: (B, T), mask: (B, 1, T, S) -> hidden states (B, T, D) before the tied head; the cache grows by T.

        rows: positions of the flattened (B * T) that are wanted, as (N, D): the last layer's MLP then leaves out the others.
        """
        x = self.embed_tokens(tokens)
        cos, sin = rope_tables(self.config, positions)
        rope = cos.to(self.compute_dtype), sin.to(self.compute_dtype)
        mask = torch.zeros(mask.shape, dtype=self.compute_dtype, device=mask.device).masked_fill(~mask, -math.inf)
        last = len(self.layers) - 1
        for index, layer in enumerate(self.layers):
            x = layer(x, rope, mask, cache[index] if cache else None, rows if index == last else None)
        return self.norm(x)

    def autocast(self) -> torch.autocast:
        kind = self.embed_tokens.weight.device.type
        return torch.autocast(kind, dtype=torch.bfloat16, enabled=self.compute_dtype is torch.bfloat16)


def build(config: ModelConfig, weights: Weights, dtype: str = "auto") -> Model:
    """A model with these weights (float32), which computes in `dtype`."""
    chosen = device(dtype)
    model = Model(config)
    model.load_state_dict({name.removeprefix("model."): torch.from_numpy(np.array(value, np.float32)) for name, value in weights.items()})
    model.compute_dtype = DTYPES[chosen.dtype]
    return model.to(chosen.kind)


def segment_mask(segments: Tensor) -> Tensor:
    """Which keys each query sees in packed rows: earlier ones of its own example. (B, T) -> (B, 1, T, T) bool."""
    T = segments.shape[1]
    causal = torch.ones(T, T, dtype=torch.bool, device=segments.device).tril()
    return (segments[:, None, :, None] == segments[:, None, None, :]) & causal


def batch_nll(model: Model, batch: Batch) -> tuple[Tensor, int]:
    """Summed negative log-likelihood over the batch's targets, in nats, and their number."""
    place = model.embed_tokens.weight.device
    tokens, positions = torch.from_numpy(batch.inputs).to(place), torch.from_numpy(batch.positions).to(place)
    segments = torch.from_numpy(batch.segments).to(place)
    rows = torch.from_numpy(np.flatnonzero(batch.mask)).to(place)
    with model.autocast():
        hidden = model.hidden(tokens, positions, segment_mask(segments), rows=rows)
        loss = cross_entropy(hidden, model.embed_tokens.weight, torch.from_numpy(batch.targets).to(place).flatten()[rows])
    return loss, len(rows)


@torch.no_grad()
def nll(model: Model, batch: Batch) -> tuple[float, int]:
    """Summed negative log-likelihood in nats, and the number of targets."""
    loss, count = batch_nll(model, batch)
    return float(loss), count


@torch.no_grad()
def logits(model: Model, tokens: np.ndarray) -> np.ndarray:
    """tokens: (B, T) unpacked, unpadded -> float32 logits (B, T, V)."""
    place = model.embed_tokens.weight.device
    ids = torch.from_numpy(np.asarray(tokens, np.int32)).to(place)
    positions = torch.arange(ids.shape[1], device=place).expand_as(ids)
    with model.autocast():
        hidden = model.hidden(ids, positions, segment_mask(torch.ones_like(ids)))
        return (hidden @ model.embed_tokens.weight.T).float().cpu().numpy()

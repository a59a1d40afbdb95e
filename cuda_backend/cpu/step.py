"""Loss and gradients of packed rows on the CPU, written out: matrix products by torch, all else by `kernels`.

What autograd does for the same model (the tests compare the two), without its bookkeeping and its passes over memory. Residual stream
and sums are float32, products in the model's dtype. N: the positions of B rows of T; M: those that count towards the loss, and a few
that don't.

torch compiles a matrix product for each shape that it hasn't met lately, which takes ten times as long as the product: so rows are
padded to few lengths, and M to few counts.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable
from dataclasses import dataclass
from typing import Any

import numpy as np
import torch
from torch import Tensor, nn

from cuda_backend.cpu.kernels import Kernels, kernels
from cuda_backend.model import Block, Model, rope_tables
from mlxtutor.config import ModelConfig
from mlxtutor.datasets.batch import Batch

Gradients = dict[str, Tensor]
LENGTH_STEP, COUNT_STEP = 16, 64


@dataclass(frozen=True)
class LayerWeights:
    """One layer's matrices in the model's dtype, joined where they multiply the same input; its norms' weights in float32."""

    qkv: Tensor
    out: Tensor
    gate_up: Tensor
    down: Tensor
    heads: Tensor  # of queries' and keys' norms, a row a head
    attention_norm: Tensor
    mlp_norm: Tensor


@dataclass(frozen=True)
class StepWeights:
    """What one optimiser step multiplies with. embedding, norm: as kept, in float32; head: the embedding in the model's dtype."""

    layers: list[LayerWeights]
    embedding: Tensor
    head: Tensor
    norm: Tensor


def supported(model: Model) -> Kernels | None:
    """The kernels for this model; None on a GPU, or where nothing can be compiled."""
    return kernels(model.compute_dtype) if model.embed_tokens.weight.device.type == "cpu" else None


def step_weights(model: Model, run: Callable[..., Iterable[Any]] = map) -> StepWeights:
    """Once a step, before `gradients` of its parts. run: a map that may use threads."""
    head, *layers = run(lambda part: _cast(part, model.compute_dtype), [model.embed_tokens, *model.layers])
    return StepWeights(layers, model.embed_tokens.weight.detach(), head, model.norm.weight.detach())


@torch.no_grad()
def _cast(part: nn.Embedding | Block, dtype: torch.dtype) -> Tensor | LayerWeights:
    if isinstance(part, nn.Embedding):
        return part.weight.to(dtype)
    layer, attention, mlp = part, part.self_attn, part.mlp
    qkv = torch.cat((attention.q_proj.weight, attention.k_proj.weight, attention.v_proj.weight))
    heads = torch.cat((attention.q_norm.weight.expand(attention.heads, -1), attention.k_norm.weight.expand(attention.kv_heads, -1)))
    gate_up = torch.cat((mlp.gate_proj.weight, mlp.up_proj.weight))
    return LayerWeights(qkv.to(dtype), attention.o_proj.weight.to(dtype), gate_up.to(dtype), mlp.down_proj.weight.to(dtype), heads,
                        layer.input_layernorm.weight.detach(), layer.post_attention_layernorm.weight.detach())


class Rows:
    """What every layer needs to know of the rows. first: (B, T) int32, where each position's example begins."""

    def __init__(self, config: ModelConfig, batch: Batch) -> None:
        self.config, self.shape = config, batch.inputs.shape
        begins = np.diff(batch.segments, axis=1, prepend=-1) != 0
        self.first = torch.from_numpy(np.maximum.accumulate(np.where(begins, np.arange(self.shape[1]), 0), axis=1).astype(np.int32))
        cos, sin = rope_tables(config, torch.from_numpy(batch.positions).flatten()[None])
        self.turn = cos[0], sin[0]


class AttentionPass:
    """One layer's attention. rows: where given, (M,) positions that are wanted of the last layer."""

    def __init__(self, kernels: Kernels, weights: LayerWeights, shared: Rows, rows: Tensor | None) -> None:
        self.kernels, self.weights, self.shared, self.rows = kernels, weights, shared, rows
        self.scale = shared.config.head_dim ** -0.5

    def forward(self, x: Tensor, added: Tensor | None) -> tuple[Tensor, Tensor]:
        """x: (N, d), added: what the layer before adds to it -> their sum, and what attention adds; of `rows` only."""
        config, weights, (B, T) = self.shared.config, self.weights, self.shared.shape
        self.x, self.normed, self.inverse = self.kernels.norm(x, added, weights.attention_norm, config.rms_norm_eps)
        self.joined = self.normed @ weights.qkv.T
        heads, self.heads_inverse = self.kernels.heads(self.joined, weights.heads, self.shared.turn, config.rms_norm_eps)
        self.q, self.k, self.v = self._split(heads)
        self.shares = torch.bmm(self.q, self.k.transpose(1, 2))
        self.kernels.softmax(self.shares, self.shared.first, self.scale)
        out = torch.bmm(self.shares, self.v).view(config.num_heads, B * T, -1).transpose(0, 1)
        self.out = (out if self.rows is None else out[self.rows]).reshape(-1, config.num_heads * config.head_dim)
        return self.x if self.rows is None else self.x[self.rows], self.out @ weights.out.T

    def backward(self, total: Tensor, rounded: Tensor) -> tuple[Tensor, Tensor, Gradients]:
        """Gradients after the layer (total float32, rounded the same in our dtype) -> before it, and those of the weights."""
        config, weights, (B, T) = self.shared.config, self.weights, self.shared.shape
        H, K, D, N = config.num_heads, config.num_kv_heads, config.head_dim, len(self.x)
        d_out_proj, d_out = rounded.T @ self.out, rounded @ weights.out
        if self.rows is not None:
            d_out = d_out.new_zeros(N, H * D).index_add_(0, self.rows, d_out)
            total = total.new_zeros(N, total.shape[1]).index_add_(0, self.rows, total)
        d_out = d_out.view(N, H, D).transpose(0, 1).reshape(H * B, T, D)
        d_scores = torch.bmm(d_out, self.v.transpose(1, 2))
        self.kernels.softmax_back(d_scores, self.shares, self.shared.first, self.scale)
        d_heads = d_out.new_empty(H + 2 * K, N, D)
        torch.bmm(d_scores, self.k, out=d_heads[:H].view(H * B, T, D))
        _summed(d_scores.transpose(1, 2), self.q, H // K, d_heads[H:H + K])
        _summed(self.shares.transpose(1, 2), d_out, H // K, d_heads[H + K:])
        d_joined, d_scale = self.kernels.heads_back(d_heads, self.joined, weights.heads, self.heads_inverse, self.shared.turn)
        d_qkv, d_normed = d_joined.T @ self.normed, d_joined @ weights.qkv
        rounded, d_norm = self.kernels.norm_back(d_normed, self.x, weights.attention_norm, self.inverse, total)
        q, k, v = d_qkv.split((H * D, K * D, K * D))
        return total, rounded, {"self_attn.q_proj": q, "self_attn.k_proj": k, "self_attn.v_proj": v, "self_attn.o_proj": d_out_proj,
                                "self_attn.q_norm": d_scale[:H].sum(0), "self_attn.k_norm": d_scale[H:].sum(0), "input_layernorm": d_norm}

    def _split(self, heads: Tensor) -> tuple[Tensor, Tensor, Tensor]:
        """(H + 2 K, N, D) -> queries, keys and values, (H * B, T, D) each: keys and values once a query head."""
        H, K, (B, T) = self.shared.config.num_heads, self.shared.config.num_kv_heads, self.shared.shape
        q, k, v = heads.split((H, K, K))
        if H > K:
            k, v = k.repeat_interleave(H // K, dim=0), v.repeat_interleave(H // K, dim=0)
        return q.view(H * B, T, -1), k.view(H * B, T, -1), v.view(H * B, T, -1)


def _summed(a: Tensor, b: Tensor, group: int, out: Tensor) -> None:
    """Products of (H * B, T, T) and (H * B, T, D) -> out (K, N, D): the sum over each group of query heads that share a key."""
    if group == 1:
        torch.bmm(a, b, out=out.view(b.shape))
    else:
        torch.sum(torch.bmm(a, b).view(len(out), group, *out.shape[1:]), dim=1, out=out)


class MLPPass:
    """One layer's SwiGLU."""

    def __init__(self, kernels: Kernels, weights: LayerWeights, eps: float) -> None:
        self.kernels, self.weights, self.eps = kernels, weights, eps

    def forward(self, x: Tensor, added: Tensor | None) -> tuple[Tensor, Tensor]:
        """As AttentionPass.forward."""
        self.x, self.normed, self.inverse = self.kernels.norm(x, added, self.weights.mlp_norm, self.eps)
        self.joined = self.normed @ self.weights.gate_up.T
        self.inner = self.kernels.swiglu(self.joined)
        return self.x, self.inner @ self.weights.down.T

    def backward(self, total: Tensor, rounded: Tensor) -> tuple[Tensor, Tensor, Gradients]:
        """As AttentionPass.backward."""
        d_down = rounded.T @ self.inner
        d_joined = self.kernels.swiglu_back(rounded @ self.weights.down, self.joined)
        d_gate_up, d_normed = d_joined.T @ self.normed, d_joined @ self.weights.gate_up
        rounded, d_norm = self.kernels.norm_back(d_normed, self.x, self.weights.mlp_norm, self.inverse, total)
        gate, up = d_gate_up.chunk(2)
        return total, rounded, {"mlp.gate_proj": gate, "mlp.up_proj": up, "mlp.down_proj": d_down, "post_attention_layernorm": d_norm}


def _counted(batch: Batch, vocab_size: int) -> tuple[Tensor, Tensor]:
    """Positions that count towards the loss and their targets, (M,) each; a position to fill up with has the target -1."""
    rows = np.flatnonzero(batch.mask)
    targets = batch.targets.reshape(-1)[rows].astype(np.int32)
    if targets.size and not 0 <= targets.min() <= targets.max() < vocab_size:
        raise IndexError(f"a target of {targets.max()} with {vocab_size} tokens")  # C would write beyond its line
    more = -len(rows) % COUNT_STEP
    targets = np.pad(targets, (0, more), constant_values=-1)
    return torch.from_numpy(np.pad(rows, (0, more))), torch.from_numpy(targets)


@torch.no_grad()
def gradients(model: Model, kernels: Kernels, weights: StepWeights, batch: Batch) -> tuple[float, int, list[Tensor]]:
    """Summed nats, number of targets, and a gradient a parameter in the order of model.parameters()."""
    batch = batch.padded(LENGTH_STEP)
    config, shared = model.config, Rows(model.config, batch)
    tokens, (rows, targets) = torch.from_numpy(batch.inputs).flatten().long(), _counted(batch, model.config.vocab_size)
    passes: list[AttentionPass | MLPPass] = []
    for layer in weights.layers:
        passes.append(AttentionPass(kernels, layer, shared, rows if layer is weights.layers[-1] else None))
        passes.append(MLPPass(kernels, layer, config.rms_norm_eps))
    x = weights.embedding.index_select(0, tokens)
    added: Tensor | None = None
    for one in passes:
        x, added = one.forward(x, added)
    x, normed, inverse = kernels.norm(x, added, weights.norm, config.rms_norm_eps)
    logits = normed @ weights.head.T
    loss = kernels.cross_entropy(logits, targets)
    d_embedding, total = (logits.T @ normed).float(), torch.zeros_like(x)
    rounded, d_norm = kernels.norm_back(logits @ weights.head, x, weights.norm, inverse, total)
    found: Gradients = {"norm.weight": d_norm}
    for index, one in reversed(list(enumerate(passes))):
        total, rounded, layer_gradients = one.backward(total, rounded)
        found.update({f"layers.{index // 2}.{name}.weight": value for name, value in layer_gradients.items()})
    found["embed_tokens.weight"] = d_embedding.index_add_(0, tokens, total)
    return loss, int(batch.mask.sum()), [found[name] for name, _ in model.named_parameters()]

"""Softmax attention and SwiGLU for MLX's CPU, where one exponential costs as much as thirty additions.

Measured with mlx 0.32 on x86 Linux, float32: `mx.exp` takes 9 ns an element, `mx.sigmoid` 14, `mx.power` 3.2
and an addition 0.2; `mx.power(e, x)` is as accurate as `mx.exp(x)`. So: exponentials through `mx.power`, few
of them above the causal diagonal, none of them twice (the backward passes below reuse the forward's).
On a GPU use `mx.fast.scaled_dot_product_attention` and `mlx.nn.silu` instead.
"""

import math

import mlx.core as mx

QUERY_BLOCK = 64  # rows of queries a step: 128 costs 8 % more, 32 gains nothing

# exp(+-80) fits in float32 with room for a row's sum; masked pairs are zeroed later and must stay finite.
SCORE_LIMIT = 80.0


def exp(x: mx.array) -> mx.array:
    """e**x, by the fastest route of the default device."""
    if mx.default_device() == mx.Device(mx.cpu):
        return mx.power(math.e, x)
    return mx.exp(x)


@mx.custom_function
def _swiglu(gate: mx.array, up: mx.array) -> tuple[mx.array, mx.array]:
    sigmoid = 1 / (1 + exp(-gate))
    return gate * sigmoid * up, sigmoid


@_swiglu.vjp
def _swiglu_vjp(primals, cotangents, outputs):
    gate, up = primals
    grad, sigmoid = cotangents[0], outputs[1]
    silu = gate * sigmoid
    return grad * up * (sigmoid + silu * (1 - sigmoid)), grad * silu


def swiglu(gate: mx.array, up: mx.array) -> mx.array:
    """silu(gate) * up, both (..., I)."""
    return _swiglu(gate, up)[0]


def causal_attention(q: mx.array, k: mx.array, v: mx.array, allowed: mx.array) -> mx.array:
    """softmax(q k^T / sqrt(D), where allowed) v. q, k, v: (B, H, T, D) -> (B, H, T, D).

    allowed: (1 or B, 1, T, T) float 1 where row may look at column, else 0; 0 above the diagonal, 1 on it.
    For normalised queries and keys (QK-norm): a score beyond +-SCORE_LIMIT is clipped, where subtracting the
    row's maximum would cost two more passes. The backward pass ignores the clipping.
    """
    return _attention(q, k, v, allowed)[0]


@mx.custom_function
def _attention(q, k, v, allowed):
    length, scale = q.shape[2], q.shape[3] ** -0.5
    q, outs, sums, weights = q * scale, [], [], []
    for i in range(0, length, QUERY_BLOCK):
        j = min(i + QUERY_BLOCK, length)
        scores = mx.clip(q[:, :, i:j] @ k[:, :, :j].swapaxes(-1, -2), -SCORE_LIMIT, SCORE_LIMIT)
        e = exp(scores) * allowed[:, :, i:j, :j]
        weights.append(e)
        outs.append(e @ v[:, :, :j])
        sums.append(e.sum(-1, keepdims=True))
    total = mx.concatenate(sums, axis=2)
    return [mx.concatenate(outs, axis=2) / total, total, *weights]


@_attention.vjp
def _attention_vjp(primals, cotangents, outputs):
    """The flash-attention backward (Dao et al. 2022, appendix B.4) with the weights kept, not recomputed."""
    q, k, v, allowed = primals
    out, total, *weights = outputs
    length, scale = q.shape[2], q.shape[3] ** -0.5
    q, grad = q * scale, cotangents[0] / total
    delta = (grad * out).sum(-1, keepdims=True)
    dq, dk, dv = [], [[] for _ in weights], [[] for _ in weights]
    for block, e in enumerate(weights):
        i, j = block * QUERY_BLOCK, min((block + 1) * QUERY_BLOCK, length)
        ds = e * (grad[:, :, i:j] @ v[:, :, :j].swapaxes(-1, -2) - delta[:, :, i:j])
        dq.append(ds @ k[:, :, :j])
        _append_blocks(dk, ds.swapaxes(-1, -2) @ q[:, :, i:j])
        _append_blocks(dv, e.swapaxes(-1, -2) @ grad[:, :, i:j])
    return mx.concatenate(dq, axis=2) * scale, _sum_blocks(dk), _sum_blocks(dv), mx.zeros_like(allowed)


def _append_blocks(parts: list[list[mx.array]], rows: mx.array) -> None:
    """File rows (B, H, J, D), J <= T, under the blocks of keys they belong to."""
    for start in range(0, rows.shape[2], QUERY_BLOCK):
        parts[start // QUERY_BLOCK].append(rows[:, :, start : start + QUERY_BLOCK])


def _sum_blocks(parts: list[list[mx.array]]) -> mx.array:
    return mx.concatenate([sum(part[1:], part[0]) for part in parts], axis=2)

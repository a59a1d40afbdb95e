"""Cross-entropy over a tied output embedding, in MLX; and the rows where a mask is on."""

import mlx.core as mx
import numpy as np

from .cpu_ops import exp

ROW_BUCKET = 64  # gathered rows are padded to a multiple: few distinct shapes, at most 63 rows wasted


def cross_entropy(hidden: mx.array, embedding: mx.array, targets: mx.array, weights: mx.array) -> mx.array:
    """Sum of -log softmax(hidden embedding^T)[target] * weight, in nats: a float32 scalar.

    hidden: (N, D), embedding: (V, D), targets: (N,) int32, weights: (N,) float32.
    """
    return _cross_entropy(hidden.astype(mx.float32), embedding.astype(mx.float32), targets, weights)[0]


def masked_rows(mask: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Positions where mask (N,) is on -> indices (K,) int32, weights (K,) float32: 1, then 0 for padding."""
    on = np.flatnonzero(mask)
    size = max(1, -(-len(on) // ROW_BUCKET)) * ROW_BUCKET
    rows, weights = np.zeros(size, np.int32), np.zeros(size, np.float32)
    rows[: len(on)], weights[: len(on)] = on, 1
    return rows, weights


@mx.custom_function
def _cross_entropy(hidden, embedding, targets, weights):
    """-> the weighted sum, and for the backward pass exp(logits - max) (K, V) and its row sums (K, 1)."""
    logits = hidden @ embedding.T
    top = logits.max(axis=-1, keepdims=True)
    e = exp(logits - top)
    sums = e.sum(axis=-1, keepdims=True)
    nll = mx.log(sums) + top - mx.take_along_axis(logits, targets[:, None], axis=-1)
    return (nll[:, 0] * weights).sum(), e, sums


@_cross_entropy.vjp
def _cross_entropy_vjp(primals, cotangents, outputs):
    """d logits = (e / sums - onehot) * weights, never formed: the scales go to the thin factors."""
    hidden, embedding, targets, weights = primals
    _, e, sums = outputs
    grad = (cotangents[0] * weights)[:, None]
    scale = grad / sums
    d_hidden = (e @ embedding) * scale - embedding[targets] * grad
    d_embedding = (e.T @ (hidden * scale)).at[targets].subtract(hidden * grad)
    return d_hidden, d_embedding, mx.zeros_like(targets), mx.zeros_like(weights)

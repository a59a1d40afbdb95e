"""The cheap loss and the CPU's attention and SwiGLU against MLX's plain ones, values and gradients."""

import numpy as np
import pytest

mx = pytest.importorskip("mlx.core")
nn = pytest.importorskip("mlx.nn")

from mlxtutor.mlx_backend.cpu_ops import causal_attention, swiglu  # noqa: E402
from mlxtutor.mlx_backend.loss import ROW_BUCKET, cross_entropy, masked_rows  # noqa: E402


def problem(seed: int, n: int = 150, d: int = 16, v: int = 50, scale: float = 1.0):
    rng = np.random.default_rng(seed)
    hidden, embedding = scale * rng.standard_normal((n, d)), rng.standard_normal((v, d))
    return mx.array(hidden.astype("f")), mx.array(embedding.astype("f")), rng.integers(0, v, n), rng


def plain(hidden, embedding, targets, mask):
    return (nn.losses.cross_entropy(hidden @ embedding.T, mx.array(targets)) * mx.array(mask)).sum()


def masked(hidden, embedding, targets, mask):
    """The loss as the model calls it: over the rows where the mask is on."""
    rows, weights = masked_rows(np.asarray(mask).reshape(-1))
    chosen = mx.array(targets.reshape(-1)[rows].astype(np.int32))
    return cross_entropy(hidden.reshape(-1, hidden.shape[-1])[mx.array(rows)], embedding, chosen, mx.array(weights))


def close(a, b, tolerance=1e-5):
    a, b = np.array(a), np.array(b)
    assert np.abs(a - b).max() <= tolerance * max(1.0, np.abs(b).max())


@pytest.mark.parametrize("share", [0.02, 0.4, 1.0])
@pytest.mark.parametrize("scale", [1.0, 30.0])
def test_value_and_gradients_equal_plain_cross_entropy(share, scale):
    hidden, embedding, targets, rng = problem(int(share * 100), scale=scale)
    mask = (rng.random(len(targets)) < share).astype(np.float32)
    mask[3] = 1
    value, grads = mx.value_and_grad(masked, argnums=(0, 1))(hidden, embedding, targets, mask)
    expected, expected_grads = mx.value_and_grad(plain, argnums=(0, 1))(hidden, embedding, targets, mask)
    close(value, expected)
    for got, wanted in zip(grads, expected_grads, strict=True):
        close(got, wanted)


def test_empty_mask_gives_zero_and_no_gradient():
    hidden, embedding, targets, _ = problem(1)
    mask = np.zeros(len(targets), np.float32)
    value, grads = mx.value_and_grad(masked, argnums=(0, 1))(hidden, embedding, targets, mask)
    assert value.item() == 0 and all(not np.array(grad).any() for grad in grads)


def test_batch_shape_and_repeated_targets():
    """(B, T, D) as (N, D); every target the same, so that the scattered gradient must add up."""
    hidden, embedding, targets, _ = problem(2)
    targets = np.full_like(targets, 7)
    mask = np.ones(len(targets), bool)
    batch = hidden.reshape(10, 15, -1), embedding, targets.reshape(10, 15), mask.reshape(10, 15)
    shaped = masked(*batch)
    close(shaped, plain(hidden, embedding, targets, mask))
    grad = mx.grad(masked, argnums=1)(hidden, embedding, targets, mask)
    close(grad, mx.grad(plain, argnums=1)(hidden, embedding, targets, mask))


def test_rows_are_padded_with_weight_zero():
    mask = np.zeros(300)
    mask[[5, 70, 299]] = 1
    rows, weights = masked_rows(mask)
    assert len(rows) == ROW_BUCKET and weights.sum() == 3 and list(rows[:3]) == [5, 70, 299]


@pytest.mark.parametrize("length", [5, 64, 150])
def test_attention_equals_masked_softmax(length):
    """Two packed examples a row; scores as QK-norm leaves them."""
    rng = np.random.default_rng(length)
    q, k, v, weight = (mx.array(rng.standard_normal((2, 3, length, 8)).astype("f")) for _ in range(4))
    segment = np.arange(length) >= length // 3
    allowed = np.tril(segment[:, None] == segment[None, :])[None, None]

    def own(q, k, v):
        return (causal_attention(q, k, v, mx.array(allowed.astype("f"))) * weight).sum()

    def reference(q, k, v):
        scores = mx.where(mx.array(allowed), q @ k.swapaxes(-1, -2) * 8**-0.5, -1e9)
        return (mx.softmax(scores, axis=-1) @ v * weight).sum()

    value, grads = mx.value_and_grad(own, argnums=(0, 1, 2))(q, k, v)
    expected, expected_grads = mx.value_and_grad(reference, argnums=(0, 1, 2))(q, k, v)
    close(value, expected)
    for got, wanted in zip(grads, expected_grads, strict=True):
        close(got, wanted)


def test_swiglu_equals_silu_times_up():
    rng = np.random.default_rng(0)
    gate = mx.array(np.concatenate([10 * rng.standard_normal(200), [-200, -100, 0, 100, 200]]).astype("f"))
    up = mx.array(rng.standard_normal(205).astype("f"))
    value, grads = mx.value_and_grad(lambda g, u: swiglu(g, u).sum(), argnums=(0, 1))(gate, up)
    reference = mx.value_and_grad(lambda g, u: (nn.silu(g) * u).sum(), argnums=(0, 1))
    expected, expected_grads = reference(gate, up)
    close(value, expected)
    for got, wanted in zip(grads, expected_grads, strict=True):
        close(got, wanted)

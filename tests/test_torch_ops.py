"""torch's CPU operations, forward and backward, against torch's own compositions in float64."""

from __future__ import annotations

import pytest

torch = pytest.importorskip("torch")
import torch.nn.functional as F  # noqa: E402
from hypothesis import given, settings  # noqa: E402
from hypothesis import strategies as st  # noqa: E402

from cuda_backend.cpu_ops import attention, rms_norm, rotate_heads, swiglu  # noqa: E402
from cuda_backend.loss import cross_entropy  # noqa: E402
from cuda_backend.model import rotate, segment_mask  # noqa: E402

sizes = st.integers(1, 5)
seeds = st.integers(0, 2**31)


def agree(ours, reference, *inputs):
    """Values and gradients of one random projection, float32 against float64."""
    outcomes = []
    for run, dtype in ((ours, torch.float32), (reference, torch.float64)):
        leaves = [x.to(dtype, copy=True).requires_grad_() for x in inputs]
        out = run(*leaves)
        weights = torch.linspace(-1, 1, out.numel(), dtype=dtype).view(out.shape)
        (out * weights).sum().backward()
        outcomes.append([out, *(leaf.grad for leaf in leaves)])
    for mine, theirs in zip(*outcomes):
        torch.testing.assert_close(mine.double(), theirs, rtol=2e-4, atol=2e-5)


def normal(seed, *shape):
    return torch.randn(*shape, generator=torch.Generator().manual_seed(seed))


@settings(max_examples=30)
@given(sizes, sizes, st.booleans(), seeds)
def test_rms_norm(rows, heads, per_head, seed):
    x, weight = normal(seed, 2, rows, heads, 8), normal(seed + 1, *((heads, 8) if per_head else (8,)))
    agree(lambda x, w: rms_norm(x, w, 1e-6, x.dtype), lambda x, w: F.rms_norm(x, (8,), eps=1e-6) * w, x, weight)


@settings(max_examples=30)
@given(sizes, sizes, sizes, seeds)
def test_rotation(batch, length, heads, seed):
    x, angles = normal(seed, batch, length, heads, 8), normal(seed + 1, batch, length, 4)

    def reference(x):
        cos, sin = angles.double().cos(), angles.double().sin()
        return rotate(x.transpose(1, 2), cos, sin).permute(1, 0, 2, 3)

    agree(lambda x: rotate_heads(x, angles.cos(), angles.sin()), reference, x)


@settings(max_examples=30)
@given(sizes, sizes, st.sampled_from([(1, 1), (3, 3), (4, 2), (3, 1)]), seeds)
def test_attention_over_packed_rows(batch, length, heads, seed):
    H, K = heads
    qk, v = normal(seed, H + K, batch, length, 8), normal(seed + 1, K, batch, length, 8)
    segments = torch.randint(1, 3, (batch, length), generator=torch.Generator().manual_seed(seed)).sort(dim=1).values
    mask = segment_mask(segments)
    bias = torch.zeros(mask.shape).masked_fill(~mask, -torch.inf)[:, 0].repeat(H, 1, 1)

    def reference(qk, v):
        q, k, v = (x.transpose(0, 1) for x in (qk[:H], qk[H:], v))
        return F.scaled_dot_product_attention(q, k, v, attn_mask=mask, enable_gqa=True).transpose(0, 1)

    agree(lambda qk, v: attention(qk, v, bias), reference, qk, v)


@settings(max_examples=30)
@given(sizes, sizes, seeds)
def test_swiglu(rows, width, seed):
    agree(swiglu, lambda x: F.silu(x.chunk(2, -1)[0]) * x.chunk(2, -1)[1], 3 * normal(seed, rows, 2, 2 * width))


@settings(max_examples=30)
@given(sizes, seeds)
def test_cross_entropy(rows, seed):
    hidden, embedding = normal(seed, rows, 8), normal(seed + 1, 11, 8)
    targets = torch.randint(0, 11, (rows,), generator=torch.Generator().manual_seed(seed))
    agree(lambda h, e: cross_entropy(h, e, targets), lambda h, e: F.cross_entropy(h @ e.T, targets, reduction="sum"), hidden, embedding)

"""RMSNorm, rotation and attention for torch's CPU, where a small model's time goes into passes over memory.

torch composes these of many elementwise operations and saves an intermediate for each; the functions below need about half of the
passes. On a GPU, and while decoding, the model takes torch's own.
"""

from __future__ import annotations

from typing import Any

import torch
from torch import Tensor
from torch.autograd import Function


class _RMSNorm(Function):
    """The normalised x is kept for the backward pass: dx = (g w - n mean(g w n)) / rms."""

    @staticmethod
    def forward(ctx: Any, x: Tensor, weight: Tensor, eps: float, dtype: torch.dtype) -> Tensor:
        norm = torch.linalg.vector_norm(x, dim=-1, keepdim=True, dtype=torch.float32)
        inverse = norm.square_().div_(x.shape[-1]).add_(eps).rsqrt_().to(x.dtype)
        normed = x * inverse
        ctx.save_for_backward(normed, inverse, weight)
        return (normed * weight.to(x.dtype)).to(dtype)

    @staticmethod
    def backward(ctx: Any, *gradients: Tensor) -> tuple[Tensor, Tensor, None, None]:
        normed, inverse, weight = ctx.saved_tensors
        gradient = gradients[0].to(normed.dtype)
        scale = weight.to(normed.dtype)
        product = gradient * normed
        d_weight = product.flatten(0, -1 - weight.dim()).sum(0, dtype=torch.float32)
        mean = (product * scale).mean(-1, keepdim=True)
        return (gradient * scale).addcmul_(normed, mean, value=-1).mul_(inverse), d_weight, None, None


def rms_norm(x: Tensor, weight: Tensor, eps: float, dtype: torch.dtype) -> Tensor:
    """x: (..., D), weight: (D,) or (H, D) -> x of unit mean square times weight, in `dtype`."""
    return _RMSNorm.apply(x, weight, eps, dtype)  # type: ignore[no-any-return]


class _Rotate(Function):
    """The gradient of a rotation is the rotation back."""

    @staticmethod
    def forward(ctx: Any, x: Tensor, cos: Tensor, sin: Tensor) -> Tensor:
        ctx.save_for_backward(cos, sin)
        B, T, H, D = x.shape
        return _turn(x.permute(2, 0, 1, 3), cos, sin, x.new_empty(H, B, T, D))

    @staticmethod
    def backward(ctx: Any, *gradients: Tensor) -> tuple[Tensor, None, None]:
        cos, sin = ctx.saved_tensors
        H, B, T, D = gradients[0].shape
        out = gradients[0].new_empty(B, T, H, D)
        _turn(gradients[0], cos, -sin, out.permute(2, 0, 1, 3))
        return out, None, None


def _turn(x: Tensor, cos: Tensor, sin: Tensor, out: Tensor) -> Tensor:
    half = x.shape[-1] // 2
    low, high = x[..., :half], x[..., half:]
    torch.mul(low, cos, out=out[..., :half]).addcmul_(high, sin, value=-1)
    torch.mul(high, cos, out=out[..., half:]).addcmul_(low, sin)
    return out


def rotate_heads(x: Tensor, cos: Tensor, sin: Tensor) -> Tensor:
    """x: (B, T, H, D), cos, sin: (B, T, D/2) -> (H, B, T, D), pairs rotated by half-split RoPE."""
    return _Rotate.apply(x, cos, sin)  # type: ignore[no-any-return]


class _Attention(Function):
    """Softmax attention; the weights are kept, and the gradients of queries and keys stand in one array, as these do."""

    @staticmethod
    def forward(ctx: Any, qk: Tensor, v: Tensor, bias: Tensor) -> Tensor:
        H, K = qk.shape[0] - v.shape[0], v.shape[0]
        q, k, values = _flat(qk[:H], 1), _flat(qk[H:], H // K), _flat(v, H // K)
        weights = torch.softmax(torch.baddbmm(bias, q, k.transpose(1, 2), alpha=q.shape[-1] ** -0.5), dim=-1)
        ctx.save_for_backward(qk, v, weights)
        return (weights @ values).view(qk[:H].shape)

    @staticmethod
    def backward(ctx: Any, *gradients: Tensor) -> tuple[Tensor, Tensor, None]:
        qk, v, weights = ctx.saved_tensors
        H, K = qk.shape[0] - v.shape[0], v.shape[0]
        q, k, values, gradient = _flat(qk[:H], 1), _flat(qk[H:], H // K), _flat(v, H // K), _flat(gradients[0], 1)
        d_scores = torch._softmax_backward_data(gradient @ values.transpose(1, 2), weights, -1, weights.dtype)
        d_scores *= q.shape[-1] ** -0.5
        d_qk = torch.empty_like(qk)
        torch.bmm(d_scores, k, out=d_qk[:H].view(q.shape))
        d_qk[H:] = _grouped(d_scores.transpose(1, 2) @ q, v.shape)
        return d_qk, _grouped(weights.transpose(1, 2) @ gradient, v.shape), None


def _flat(x: Tensor, times: int) -> Tensor:
    """(K, B, T, D) -> (K * times * B, T, D), each head repeated."""
    return (x.repeat_interleave(times, dim=0) if times > 1 else x).reshape(-1, *x.shape[2:])


def _grouped(x: Tensor, shape: torch.Size) -> Tensor:
    """The gradient of `_flat`: the sum over the heads that share a key."""
    return x.view(shape[0], -1, *shape[1:]).sum(1) if len(x) > shape[0] * shape[1] else x.view(shape)


def attention(qk: Tensor, v: Tensor, bias: Tensor) -> Tensor:
    """softmax(q k^T / sqrt(D) + bias) v. qk: (H + K, B, T, D), v: (K, B, T, D), bias: (H * B, T, T) -> (H, B, T, D)."""
    return _Attention.apply(qk, v, bias)  # type: ignore[no-any-return]


class _SwiGLU(Function):
    """silu(gate) * up of one array that holds both."""

    @staticmethod
    def forward(ctx: Any, x: Tensor) -> Tensor:
        gate, up = x.chunk(2, dim=-1)
        silu = torch.nn.functional.silu(gate)
        ctx.save_for_backward(x, silu)
        return silu * up

    @staticmethod
    def backward(ctx: Any, *gradients: Tensor) -> Tensor:
        x, silu = ctx.saved_tensors
        gate, up = x.chunk(2, dim=-1)
        d_x = torch.empty_like(x)
        d_gate, d_up = d_x.chunk(2, dim=-1)
        torch.mul(gradients[0], silu, out=d_up)
        torch.ops.aten.silu_backward.grad_input(gradients[0] * up, gate, grad_input=d_gate)
        return d_x


def swiglu(x: Tensor) -> Tensor:
    """x: (..., 2 I), gate and up -> silu(gate) * up, (..., I)."""
    return _SwiGLU.apply(x)  # type: ignore[no-any-return]

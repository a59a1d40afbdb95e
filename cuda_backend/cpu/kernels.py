"""What stands between the matrix products of a training step on the CPU: data/native/decoder.c on torch's tensors.

A small model's time goes into passes over memory. torch composes a norm or a softmax of many and keeps their intermediates; here each is
one pass, with one thread: whoever wants more calls them from several.
"""

from __future__ import annotations

import ctypes
import platform
from functools import cache
from typing import Any

import torch
from torch import Tensor

from mlxtutor import native

# Sums in any order, so that they vectorise; numbers that aren't finite stay so.
FLAGS = ("-fassociative-math", "-fno-signed-zeros", "-fno-trapping-math", "-fno-math-errno", "-fopenmp-simd",
         *(["-mprefer-vector-width=512"] if platform.machine() == "x86_64" else []))
TENSOR, SIZE, FLOAT = ctypes.c_void_p, ctypes.c_int64, ctypes.c_float
ARGUMENTS = {
    "norm": [TENSOR] * 3 + [SIZE] * 2 + [FLOAT] + [TENSOR] * 3,
    "norm_back": [TENSOR] * 4 + [SIZE] * 2 + [TENSOR] * 3,
    "heads": [TENSOR] * 4 + [SIZE] * 4 + [FLOAT] + [TENSOR] * 2,
    "heads_back": [TENSOR] * 6 + [SIZE] * 4 + [TENSOR] * 2,
    "softmax": [TENSOR] * 2 + [SIZE] * 3 + [FLOAT],
    "softmax_back": [TENSOR] * 3 + [SIZE] * 3 + [FLOAT],
    "swiglu": [TENSOR] + [SIZE] * 2 + [TENSOR],
    "swiglu_back": [TENSOR] * 2 + [SIZE] * 2 + [TENSOR],
    "cross_entropy": [TENSOR] * 2 + [SIZE] * 2,
}
Turn = tuple[Tensor, Tensor]  # cos and sin of RoPE's angles, each (N, D / 2)


class Kernels:
    """The functions for one dtype; what comes in is contiguous and on the CPU, N positions of d numbers."""

    def __init__(self, library: ctypes.CDLL, dtype: torch.dtype) -> None:
        self.library, self.dtype = library, dtype
        for name, arguments in ARGUMENTS.items():
            getattr(library, name).argtypes = arguments
            getattr(library, name).restype = ctypes.c_double if name == "cross_entropy" else None

    def _call(self, name: str, *arguments: Any) -> Any:
        return getattr(self.library, name)(*(item.data_ptr() if isinstance(item, Tensor) else item for item in arguments))

    def norm(self, x: Tensor, added: Tensor | None, weight: Tensor, eps: float) -> tuple[Tensor, Tensor, Tensor]:
        """x: (N, d) float32 -> x + added, its RMSNorm in our dtype, and 1 / rms (N,)."""
        total, out, inverse = torch.empty_like(x), torch.empty(x.shape, dtype=self.dtype), x.new_empty(len(x))
        self._call("norm", x, added, weight, *x.shape, eps, total, out, inverse)
        return total, out, inverse

    def norm_back(self, gradient: Tensor, x: Tensor, weight: Tensor, inverse: Tensor, total: Tensor) -> tuple[Tensor, Tensor]:
        """Add the gradient through `norm` to total (N, d) float32 -> total in our dtype, and the weight's gradient."""
        rounded, d_weight = torch.empty(total.shape, dtype=self.dtype), torch.zeros_like(weight)
        self._call("norm_back", gradient, x, weight, inverse, *x.shape, total, rounded, d_weight)
        return rounded, d_weight

    def heads(self, joined: Tensor, weight: Tensor, turn: Turn, eps: float) -> tuple[Tensor, Tensor]:
        """(N, heads * D) -> (heads, N, D), the first of them (as many as weight (n, D) has rows) normed and turned; 1 / rms (N, n)."""
        N, (n, D) = len(joined), weight.shape
        count = joined.shape[1] // D
        out, inverse = joined.new_empty(count, N, D), weight.new_empty(N, n)
        self._call("heads", joined, weight, *turn, N, count, n, D, eps, out, inverse)
        return out, inverse

    def heads_back(self, gradient: Tensor, joined: Tensor, weight: Tensor, inverse: Tensor, turn: Turn) -> tuple[Tensor, Tensor]:
        """The gradient of `heads`: of joined and of weight."""
        (count, N, D), n = gradient.shape, len(weight)
        out, d_weight = torch.empty_like(joined), torch.zeros_like(weight)
        self._call("heads_back", gradient, joined, weight, inverse, *turn, N, count, n, D, out, d_weight)
        return out, d_weight

    def softmax(self, scores: Tensor, first: Tensor, scale: float) -> None:
        """Scores (groups * B, T, T) -> attention's weights, in place. first: (B, T) int32, where each position's example begins."""
        B, T = first.shape
        self._call("softmax", scores, first, len(scores) // B, B, T, scale)

    def softmax_back(self, gradient: Tensor, weights: Tensor, first: Tensor, scale: float) -> None:
        """The gradient of attention's weights -> of the scores, in place."""
        B, T = first.shape
        self._call("softmax_back", gradient, weights, first, len(weights) // B, B, T, scale)

    def swiglu(self, x: Tensor) -> Tensor:
        """Gate and up side by side, (N, 2 d) -> silu(gate) * up, (N, d)."""
        out = x.new_empty(len(x), x.shape[1] // 2)
        self._call("swiglu", x, *out.shape, out)
        return out

    def swiglu_back(self, gradient: Tensor, x: Tensor) -> Tensor:
        """The gradient of `swiglu`."""
        out = torch.empty_like(x)
        self._call("swiglu_back", gradient, x, *gradient.shape, out)
        return out

    def cross_entropy(self, logits: Tensor, targets: Tensor) -> float:
        """Summed nats; the logits (N, V) become their gradient. targets: (N,) int32, below 0 for rows that don't count."""
        return float(self._call("cross_entropy", logits, targets, *logits.shape))


@cache
def kernels(dtype: torch.dtype) -> Kernels | None:
    """Those for float32 or bfloat16; None where they can't be compiled."""
    library = native.library("decoder", _flags(dtype))
    return Kernels(library, dtype) if library else None


def missing(dtype: torch.dtype) -> str:
    """Why there are none; "" where there are."""
    return native.load("decoder", _flags(dtype))[1]


def _flags(dtype: torch.dtype) -> tuple[str, ...]:
    return (*FLAGS, "-DREAL16") if dtype is torch.bfloat16 else FLAGS

"""Tensor types of GGUF that Python can write. The bytes are those of `gguf.quants`, which are llama.cpp's.

`gguf.quants` is taken for all but Q8_0 and BF16, the types of large exports: there a pass over cache-sized pieces on
all cores, in C where it can be compiled, is many times faster and gives the same bytes (tests compare them).
"""

from __future__ import annotations

import ctypes
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from functools import cache
from typing import Any

import numpy as np

from mlxtutor import native
from mlxtutor.errors import TutorError
from mlxtutor.machine import cores

TYPES = ("f32", "f16", "bf16", "q8_0", "q5_1", "q5_0", "q4_1", "q4_0")
K_QUANTS = ("q2_k", "q3_k_s", "q3_k_m", "q3_k_l", "q4_k_s", "q4_k_m", "q5_k_s", "q5_k_m", "q6_k")
BLOCK = 32        # values that share a scale
PIECE = 1 << 15   # values of one pass: stays in a core's cache
FILE_TYPES = {"f32": 0, "f16": 1, "q4_0": 2, "q4_1": 3, "q8_0": 7, "q5_0": 8, "q5_1": 9, "bf16": 32}  # llama.h, llama_ftype
F16_LARGEST = 65504.0
BELOW_HALF = np.nextafter(np.float32(.5), np.float32(0))  # with .5 the float just below .5 would round up


class NotFinite(TutorError):
    """Weights with a NaN or an infinity."""


def gguf_module() -> Any:
    """The container format's library, from the extra `export`."""
    try:
        import gguf
    except ImportError:
        raise TutorError('gguf is not installed (pip install ".[export]" in the project\'s folder)') from None
    return gguf


def tensor_type(name: str, shape: tuple[int, ...], wanted: str) -> str:
    """The type a tensor gets: vectors stay f32, and a width that is no multiple of 32 can't be quantised."""
    if len(shape) == 1:
        return "f32"
    if wanted.startswith("q") and shape[-1] % BLOCK:
        raise TutorError(f"{name}: rows of {shape[-1]} values can't be {wanted} (a multiple of {BLOCK} is needed; take --type f16)")
    return wanted


def encoded_size(shape: tuple[int, ...], kind: str) -> int:
    """Bytes of a tensor of that type."""
    gguf = gguf_module()
    block, size = gguf.GGML_QUANT_SIZES[gguf.GGMLQuantizationType[kind.upper()]]
    return int(np.prod(shape, dtype=np.int64)) // block * size


def encode(values: np.ndarray, kind: str) -> np.ndarray:
    """Rows -> their bytes as uint8, one dimension. values: float32, or bfloat16 as its bits in uint16."""
    if kind != "q8_0" and not _finite(values):
        raise NotFinite("holds numbers that are not finite")
    if values.dtype == np.uint16:
        if kind == "bf16":
            return np.ascontiguousarray(values).reshape(-1).view(np.uint8)
        if not (kind == "q8_0" and _compiled()):
            values = from_bfloat16(values)
    if values.dtype != np.uint16:
        values = np.ascontiguousarray(values, np.float32)
    if kind == "f32":
        return values.reshape(-1).view(np.uint8)
    if kind == "f16":
        if values.size and float(np.abs(values).max()) > F16_LARGEST:
            raise TutorError(f"a weight of {np.abs(values).max():.3g} does not fit float16 (largest: {F16_LARGEST:.0f}; take --type bf16)")
        return values.astype(np.float16).reshape(-1).view(np.uint8)
    if kind in FAST:
        return _in_pieces(values.reshape(-1), *FAST[kind])
    gguf = gguf_module()
    return gguf.quants.quantize(values, gguf.GGMLQuantizationType[kind.upper()]).reshape(-1)


def _finite(values: np.ndarray) -> bool:
    if values.dtype == np.uint16:
        return not ((values & np.uint16(0x7F80)) == 0x7F80).any()
    return bool(np.isfinite(values).all())


def from_bfloat16(bits: np.ndarray) -> np.ndarray:
    """uint16 -> float32."""
    return (bits.astype(np.uint32) << np.uint32(16)).view(np.float32)


def decode(data: np.ndarray, kind: str, shape: tuple[int, ...]) -> np.ndarray:
    """Bytes -> float32 values."""
    gguf = gguf_module()
    rows = data.reshape(*shape[:-1], -1)
    return gguf.quants.dequantize(rows, gguf.GGMLQuantizationType[kind.upper()]).reshape(shape)


def _in_pieces(values: np.ndarray, write: Callable[[np.ndarray, np.ndarray, np.ndarray], None], bytes_per_block: int) -> np.ndarray:
    """Apply `write(piece, out, scratch)` on all cores; numpy lets go of the interpreter while it works."""
    out = np.empty(values.size * bytes_per_block // BLOCK, np.uint8)

    def run(first: int, last: int) -> None:
        scratch = np.empty(PIECE, np.float32)
        for start in range(first, last, PIECE):
            piece = values[start:min(start + PIECE, last)]
            at = start * bytes_per_block // BLOCK
            write(piece, out[at:at + piece.size * bytes_per_block // BLOCK], scratch[:piece.size])

    share = -(-values.size // (cores() * PIECE)) * PIECE
    spans = [(start, min(start + share, values.size)) for start in range(0, values.size, max(share, 1))]
    if len(spans) == 1:
        run(*spans[0])
    else:
        with ThreadPoolExecutor(len(spans)) as pool:
            list(pool.map(run, *zip(*spans)))
    return out


@cache
def _compiled() -> ctypes.CDLL | None:
    """q8_0.c; None where there is no compiler: numpy gives the same bytes."""
    found = native.library("q8_0", ("-ffp-contract=off",))  # no fused products: the bytes must be gguf's
    for name in ("q8_0_of_f32", "q8_0_of_bf16") if found else ():
        function = getattr(found, name)
        function.argtypes, function.restype = [ctypes.c_void_p, ctypes.c_int64, ctypes.c_void_p, ctypes.c_void_p], None
    return found


def _write_q8_0(values: np.ndarray, out: np.ndarray, scratch: np.ndarray) -> None:
    """Blocks of a float16 scale and 32 bytes; halves are rounded away from zero, as C's roundf does."""
    if (found := _compiled()) is not None:
        scales = scratch[:values.size // BLOCK]
        function = found.q8_0_of_bf16 if values.dtype == np.uint16 else found.q8_0_of_f32
        function(values.ctypes.data, scales.size, out.ctypes.data, scales.ctypes.data)
        _check_scales(scales)
        out.view(np.uint16).reshape(-1, BLOCK // 2 + 1)[:, 0] = scales.astype(np.float16).view(np.uint16)
        return
    blocks, scaled = values.reshape(-1, BLOCK), scratch.reshape(-1, BLOCK)
    scale = np.abs(blocks, out=scaled).max(axis=1, keepdims=True) / np.float32(127)
    _check_scales(scale)
    inverse = np.zeros_like(scale)
    np.divide(np.float32(1), scale, out=inverse, where=scale != 0)
    np.copysign(BELOW_HALF, blocks, out=scaled)
    product = blocks * inverse
    product += scaled
    view = out.reshape(-1, BLOCK + 2)
    view[:, :2] = scale.astype(np.float16).view(np.uint8)
    view[:, 2:].view(np.int8)[:] = product  # the cast cuts towards zero


def _check_scales(scales: np.ndarray) -> None:
    """A number that isn't finite makes its block's scale one that isn't."""
    if not np.isfinite(scales).all():
        raise NotFinite("holds numbers that are not finite")


def _write_bf16(values: np.ndarray, out: np.ndarray, scratch: np.ndarray) -> None:
    """Rounded to the nearest, ties to even."""
    bits = values.view(np.uint32)
    out.view(np.uint16)[:] = (bits + (np.uint32(0x7FFF) + ((bits >> np.uint32(16)) & np.uint32(1)))) >> np.uint32(16)


Write = Callable[[np.ndarray, np.ndarray, np.ndarray], None]
FAST: dict[str, tuple[Write, int]] = {"q8_0": (_write_q8_0, BLOCK + 2), "bf16": (_write_bf16, 2 * BLOCK)}

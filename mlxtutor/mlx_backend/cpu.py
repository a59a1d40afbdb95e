"""Settings of the process that make MLX's CPU fast; all must come before the first array is computed."""

import ctypes
import os
import sys

from .blas import BlasInfo, preload

# MLX queues operations in the order of a breadth-first walk of this width, a few ahead. With the default of
# 20 two streams get theirs one after the other and a thread idles: 565 ms a step against 365 ms with 1000.
GRAPH_WIDTH = "1000"

M_TRIM_THRESHOLD, M_MMAP_MAX, M_ARENA_MAX = -1, -4, -8  # malloc.h of glibc


def prepare(library: str | None = None) -> BlasInfo:
    """Connect the BLAS (see `blas.preload`), keep freed memory, and let two streams run side by side."""
    if sys.platform == "linux":  # a Mac computes on Metal, with MLX's own choice
        os.environ.setdefault("MLX_BFS_MAX_WIDTH", GRAPH_WIDTH)
    keep_freed_memory()
    return preload(library)


def keep_freed_memory() -> bool:
    """Stop glibc from returning freed arrays to the system: a 64 MB result costs 4 ms, not 32 (page faults).

    False where the C library has no `mallopt` (macOS, musl).
    """
    mallopt = getattr(ctypes.CDLL(None), "mallopt", None) if sys.platform == "linux" else None
    if mallopt is None:
        return False
    return all([mallopt(M_ARENA_MAX, 1), mallopt(M_MMAP_MAX, 0), mallopt(M_TRIM_THRESHOLD, -1)])

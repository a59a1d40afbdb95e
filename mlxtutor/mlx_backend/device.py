"""Which device and number format MLX uses here, and why."""

from __future__ import annotations

import platform
import threading

import mlx.core as mx

from mlxtutor.backends import Device
from mlxtutor.errors import TutorError
from mlxtutor.machine import cores

DTYPES = {"float32": mx.float32, "bfloat16": mx.bfloat16}
STREAMS = 2  # four were slower than two


_LOCAL = threading.local()


def cpu_streams() -> tuple[mx.Stream, ...]:
    """Streams to spread rows over: MLX's CPU works through a stream on one thread. Empty on a GPU or a single core.

    Each thread has its own: MLX lets a stream be used only by the thread that made it.
    """
    if not hasattr(_LOCAL, "streams"):
        on_cpu = mx.default_device().type == mx.cpu and cores() > 1
        _LOCAL.streams = tuple(mx.new_stream(mx.cpu) for _ in range(STREAMS)) if on_cpu else ()
    return tuple(_LOCAL.streams)


def device(dtype: str = "auto") -> Device:
    """The device of this process. dtype: auto, float32 or bfloat16."""
    if dtype not in ("auto", *DTYPES):
        raise TutorError(f'dtype "{dtype}" is unknown (allowed: auto, {", ".join(DTYPES)})')
    chosen = "float32" if dtype == "auto" else dtype
    asked = dtype != "auto"
    if mx.metal.is_available():
        name = str(mx.device_info().get("device_name", "Apple GPU"))
        return Device("mlx", name, "metal", chosen, "asked for" if asked else "a micro model trains best in float32 on Metal")
    if mx.default_device().type == mx.gpu:
        return Device("mlx", "CUDA GPU", "cuda", chosen, "asked for" if asked else "a micro model trains best in float32")
    reason = "asked for" if asked else "MLX's CPU sends only float32 products to the BLAS"
    return Device("mlx", f"{platform.machine()} CPU, {cores()} cores", "cpu", chosen, reason)

"""Which device and number format torch uses here, and why."""

from __future__ import annotations

import platform
from concurrent.futures import ThreadPoolExecutor
from functools import cache

import torch

from mlxtutor.backends import Device
from mlxtutor.errors import TutorError
from mlxtutor.machine import cores

DTYPES = {"float32": torch.float32, "bfloat16": torch.bfloat16}
# Dense bf16 peaks in FLOP/s from NVIDIA's data sheets, by a part of the device's name.
PEAKS = {"H200": 989e12, "H100": 989e12, "A100": 312e12, "L40S": 362e12, "L40": 181e12, "L4": 121e12, "4090": 165e12,
         "3090": 71e12, "T4": 65e12}
WORKERS = 2  # more than two cores are shared out among them


@cache
def cpu_workers() -> ThreadPoolExecutor | None:
    """Threads to spread a batch's rows over, each with its share of the cores. None on a GPU or a single core.

    A small model's operations are short: two threads that compute half of the rows each train 1.13 times as fast as two that join in
    every operation.
    """
    if torch.cuda.is_available() or cores() < WORKERS:
        return None
    return ThreadPoolExecutor(WORKERS, "rows", initializer=torch.set_num_threads, initargs=(cores() // WORKERS,))


@cache
def _cpu_has_bf16() -> bool:
    """AVX512-BF16 or AMX on x86: there bf16 products are several times faster than float32."""
    capability = torch.cpu._is_avx512_bf16_supported() or torch.cpu._is_amx_tile_supported()
    return bool(capability)


def device(dtype: str = "auto") -> Device:
    """The device of this process. dtype: auto, float32 or bfloat16."""
    if dtype not in ("auto", *DTYPES):
        raise TutorError(f'dtype "{dtype}" is unknown (allowed: auto, {", ".join(DTYPES)})')
    if torch.cuda.is_available():
        name = torch.cuda.get_device_name()
        fast = torch.cuda.is_bf16_supported(including_emulation=False)
        peak = next((value for key, value in PEAKS.items() if key in name), None)
        chosen = ("bfloat16" if fast else "float32") if dtype == "auto" else dtype
        reason = "the GPU computes in bf16" if fast else "this GPU has no bf16"
        return Device("torch", name, "cuda", chosen, reason if dtype == "auto" else "asked for", peak)
    fast = _cpu_has_bf16()
    chosen = ("bfloat16" if fast else "float32") if dtype == "auto" else dtype
    reason = "the CPU has bf16 instructions" if fast else "the CPU has no bf16 instructions"
    name = f"{platform.machine()} CPU, {cores()} cores"
    return Device("torch", name, "cpu", chosen, reason if dtype == "auto" else "asked for")

"""What this machine can do, what would be used and why, and what to fix."""

from __future__ import annotations

import importlib.metadata
import re
import sys
from pathlib import Path
from typing import Any

from mlxtutor import backends
from mlxtutor.errors import TutorError
from mlxtutor.machine import cores, describe_python, disk_free_bytes, memory_bytes, unwritable_reason

EXTRA = re.compile(r"""^([\w.-]+).*;.*\bextra\s*==\s*["']([\w-]+)["']""")
UNUSED = ("dev", "export", "serve", "tracking")  # extras that no command needs, or none yet


def examine(home: Path, measure: bool = True) -> dict[str, Any]:
    """Everything `tutor doctor` shows. measure: time a matrix product with MLX's own BLAS and with the loaded one."""
    found = {name: examine_backend(name) for name in backends.MODULES}
    reason = unwritable_reason(home)
    return {
        "backends": found,
        "auto": examine_choice(found),
        "blas": examine_blas(found["mlx"]["available"], measure),
        "extras": examine_extras(),
        "memory_bytes": memory_bytes(),
        "disk_free_bytes": disk_free_bytes(home),
        "cores": cores(),
        "python": describe_python(),
        "home": {"path": str(home), "writable": not reason, "reason": reason,
                 "fix": "set TUTOR_HOME to a folder you may write" if reason else ""},
    }


def examine_backend(name: str) -> dict[str, Any]:
    """Whether a backend works here. A framework that is installed but broken is a finding, not a crash."""
    result: dict[str, Any] = {"available": False, "device": None, "dtype": None, "version": None, "reason": "", "fix": ""}
    try:
        device = backends.load(name).device()
        slow = backends.slow_step(name, device)
    except TutorError as error:
        text, _, fix = str(error).partition(" (to get it: ")
        return {**result, "reason": text, "fix": fix.removesuffix(")")}
    except (ImportError, OSError, RuntimeError) as error:
        return {**result, "reason": f"installed, but fails: {' '.join(str(error).split())[:300]}",
                "fix": f"pip install --force-reinstall {name}"}
    return {**result, "available": True, "device": device.name, "dtype": device.dtype, "kind": device.kind,
            "reason": device.reason + (f"; training takes twice as long: {slow}" if slow else ""),
            "version": importlib.metadata.version(name)}


def examine_choice(found: dict[str, dict]) -> dict[str, Any]:
    """What `--backend auto` takes, and why."""
    try:
        name, reason = backends.choose("auto")
    except (TutorError, ImportError, OSError, RuntimeError) as error:
        working = [name for name, backend in found.items() if backend["available"]]
        hint = f"; until it is mended use --backend {working[0]}" if working else ""
        return {"backend": None, "reason": f"{' '.join(str(error).split())}{hint}"}
    return {"backend": name, "reason": reason}


def examine_blas(has_mlx: bool, measure: bool) -> dict[str, Any]:
    """The BLAS behind MLX on Linux; elsewhere MLX brings a fast one. GFLOP/s are of a 1024 x 1024 float32 product."""
    result: dict[str, Any] = {"name": None, "path": "", "loaded": False, "reason": "", "fix": "", "stock_gflops": None,
                              "loaded_gflops": None, "speedup": None}
    if not has_mlx:
        return {**result, "reason": "MLX is not installed here"}
    from mlxtutor.mlx_backend import blas, gemm

    info = blas.preload()
    result |= {"name": info.name, "path": info.path, "loaded": info.loaded, "reason": info.reason, "fix": info.fix}
    if measure and sys.platform == "linux":
        timed = gemm.stock_vs_loaded()
        result |= {"stock_gflops": timed["stock"]["gflops"], "loaded_gflops": timed["loaded"]["gflops"], "speedup": timed["speedup"],
                   "threads": timed["loaded"]["threads"]}
    return result


def examine_extras() -> dict[str, dict[str, Any]]:
    """The optional parts that commands use: what they need, what of it is missing, how to get it."""
    needs: dict[str, list[str]] = {}
    for requirement in importlib.metadata.requires("mlxtutor") or []:
        match = EXTRA.match(requirement)
        if match and match[2] not in UNUSED:
            needs.setdefault(match[2], []).append(match[1])
    missing = {extra: [name for name in names if not _is_installed(name)] for extra, names in needs.items()}
    return {extra: {"available": not missing[extra], "needs": needs[extra], "missing": missing[extra],
                    "fix": f'pip install ".[{extra}]" in the project\'s folder' if missing[extra] else ""} for extra in needs}


def _is_installed(distribution: str) -> bool:
    try:
        importlib.metadata.version(distribution)
    except importlib.metadata.PackageNotFoundError:
        return False
    return True

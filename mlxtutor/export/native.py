"""A few lines of C for the exports of large models, compiled once where there is a compiler; numpy does the same without it."""

from __future__ import annotations

import ctypes
import hashlib
import os
import platform
import shutil
import subprocess
import tempfile
from functools import cache
from importlib import resources
from pathlib import Path

FLAGS = ("-O3", "-march=native", "-ffp-contract=off", "-shared", "-fPIC")  # no fused products: the bytes must be gguf's
TIMEOUT_S = 60


@cache
def library() -> ctypes.CDLL | None:
    """The compiled functions; None where nothing can be compiled or loaded."""
    compiler = shutil.which(os.environ.get("CC") or "cc")
    source = resources.files("mlxtutor.data").joinpath("native/q8_0.c").read_bytes()
    key = hashlib.sha256(repr((source, FLAGS, compiler, platform.machine(), platform.node())).encode()).hexdigest()[:16]
    path = _folder() / f"q8_0-{key}.so"
    try:
        if not path.exists():
            if compiler is None:
                return None
            _compile(compiler, source, path)
        found = ctypes.CDLL(str(path))
    except (OSError, subprocess.SubprocessError):
        return None
    for name in ("q8_0_of_f32", "q8_0_of_bf16"):
        function = getattr(found, name)
        function.argtypes, function.restype = [ctypes.c_void_p, ctypes.c_int64, ctypes.c_void_p, ctypes.c_void_p], None
    return found


def _folder() -> Path:
    """Compiled for this very processor, so not in the tutor home, which may be shared."""
    return Path(os.environ.get("XDG_CACHE_HOME") or Path.home() / ".cache") / "mlxtutor"


def _compile(compiler: str, source: bytes, path: Path) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    with tempfile.TemporaryDirectory(dir=path.parent) as work:
        text, built = Path(work) / "q8_0.c", Path(work) / path.name
        text.write_bytes(source)
        subprocess.run([compiler, *FLAGS, "-o", str(built), str(text), "-lm"], check=True, capture_output=True, timeout=TIMEOUT_S)
        built.replace(path)

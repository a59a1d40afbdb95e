"""The project's few C functions (data/native), compiled once where there is a compiler; whoever calls them can do without."""

from __future__ import annotations

import ctypes
import hashlib
import os
import platform
import shlex
import shutil
import subprocess
import sys
import tempfile
from collections.abc import Sequence
from functools import cache
from importlib import resources
from pathlib import Path

FLAGS = ("-O3", "-march=native", "-shared", "-fPIC")
TIMEOUT_S = 60
FIX = "xcode-select --install" if sys.platform == "darwin" else "apt install gcc, or set CC to a C compiler"


def library(name: str, flags: Sequence[str] = ()) -> ctypes.CDLL | None:
    """The functions of data/native/NAME.c, compiled with these flags too; None where nothing can be compiled or loaded."""
    return load(name, tuple(flags))[0]


@cache
def load(name: str, flags: tuple[str, ...]) -> tuple[ctypes.CDLL | None, str]:
    """`library`, and where there is none the reason."""
    compiler = shlex.split(os.environ.get("CC") or "cc")
    source = resources.files("mlxtutor.data").joinpath(f"native/{name}.c").read_bytes()
    flags = (*FLAGS, *flags)
    key = hashlib.sha256(repr((source, flags, compiler, _processor())).encode()).hexdigest()[:16]
    try:
        path = _folder() / f"{name}-{key}.so"
        if not path.exists():
            if not compiler or not shutil.which(compiler[0]):
                return None, f"there is no C compiler ({FIX})"
            _compile(compiler, flags, source, path)
        return ctypes.CDLL(str(path)), ""
    except subprocess.CalledProcessError as error:
        said = error.stderr.decode(errors="replace").strip().splitlines() or [f"exit code {error.returncode}"]
        return None, f"{shlex.join(compiler)} doesn't compile data/native/{name}.c ({said[0]})"
    except (OSError, RuntimeError, subprocess.SubprocessError) as error:  # a folder that can't be written, no home, too slow
        return None, f"data/native/{name}.c can't be compiled or loaded ({' '.join(str(error).split())})"


def _processor() -> str:
    """What the code is compiled for: its instructions crash on another processor that shares the folder."""
    try:
        lines = Path("/proc/cpuinfo").read_text().splitlines()
    except OSError:
        lines = []
    features = {line for line in lines if line.startswith(("model name", "flags", "Features", "CPU part"))}
    return "\n".join([platform.machine(), platform.processor(), *sorted(features)])


def _folder() -> Path:
    """Not in the tutor home, which may be on another disk and shared."""
    return Path(os.environ.get("XDG_CACHE_HOME") or Path.home() / ".cache") / "mlxtutor"


def _compile(compiler: Sequence[str], flags: Sequence[str], source: bytes, path: Path) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    with tempfile.TemporaryDirectory(dir=path.parent) as work:
        text, built = Path(work) / "source.c", Path(work) / path.name
        text.write_bytes(source)
        subprocess.run([*compiler, *flags, "-o", str(built), str(text), "-lm"], check=True, capture_output=True, timeout=TIMEOUT_S)
        built.replace(path)

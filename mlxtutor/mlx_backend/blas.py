"""Give MLX's Linux CPU build an optimised matrix product: its own reference BLAS is 20 to 30 times slower."""

import ctypes
import ctypes.util
import importlib.util
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

from .rebind import RebindError, rebind

FUNCTIONS = ("cblas_sgemm", "cblas_dgemm", "cblas_cgemm")  # all that libmlx imports
SONAMES = ("libopenblas.so.0", "libopenblasp.so.0")  # Debian, Ubuntu, Arch; Fedora's threaded build
PREFIXES = ("", "scipy_")  # the wheel's functions carry the second
FIX = "apt-get install libopenblas0-pthread, or pip install scipy-openblas32"


@dataclass(frozen=True)
class BlasInfo:
    """What multiplies matrices in MLX here. name: the library and its kernels; fix: "" when all is well."""

    name: str
    path: str
    loaded: bool
    reason: str
    fix: str = ""


@dataclass(frozen=True)
class _Library:
    handle: ctypes.CDLL
    path: str
    prefix: str

    def function(self, name: str) -> "ctypes._NamedFuncPointer | None":
        return getattr(self.handle, self.prefix + name, None)


_loaded: tuple[BlasInfo, _Library | None] | None = None


def preload(library: str | None = None) -> BlasInfo:
    """Connect MLX with an optimised BLAS; the first call decides, later ones return what it did.

    library: None looks for one, "stock" keeps MLX's own, else the path or name of a CBLAS with 32-bit
    integers. It works after `import mlx.core` too.
    """
    global _loaded
    if _loaded is None:
        _loaded = _connect(library)
    return _loaded[0]


def set_threads(count: int) -> None:
    """Threads of each matrix product from here on. MLX's own BLAS has one whatever is asked."""
    setter = _loaded and _loaded[1] and _loaded[1].function("openblas_set_num_threads")
    if setter:
        setter(count)


def threads() -> int:
    """Threads of each matrix product now."""
    getter = _loaded and _loaded[1] and _loaded[1].function("openblas_get_num_threads")
    return int(getter()) if getter else 1


@contextmanager
def threads_set(count: int | None) -> Iterator[None]:
    """set_threads for a while; None leaves them as they are."""
    before = threads()
    if count:
        set_threads(count)
    try:
        yield
    finally:
        set_threads(before)


def _connect(library: str | None) -> tuple[BlasInfo, _Library | None]:
    if sys.platform != "linux":
        return BlasInfo("Accelerate", "", False, f"MLX on {sys.platform} brings an optimised BLAS"), None
    if library == "stock":
        return _stock("asked for", ""), None
    mlx = _mlx_library()
    if mlx is None:
        return _stock("MLX is not installed", "pip install 'mlx[cpu]'"), None
    found = _find(library)
    if found is None:
        reason = f'"{library}" is not a CBLAS with 32-bit integers' if library else "no OpenBLAS found"
        return _stock(reason, FIX), None
    try:
        ctypes.CDLL(str(mlx))
        rebind(mlx, {name: _address(found.function(name)) for name in FUNCTIONS})
    except (OSError, RebindError) as error:
        reason = f"{found.path} cannot be connected: {error}"
        return _stock(reason, "report this, with the version of mlx"), None
    reason = "asked for" if library else "found on this machine"
    return BlasInfo(_describe(found), found.path, True, reason), found


def _stock(reason: str, fix: str) -> BlasInfo:
    return BlasInfo("MLX's bundled reference BLAS", "", False, reason, fix)


def _mlx_library() -> Path | None:
    spec = importlib.util.find_spec("mlx")
    folders = spec.submodule_search_locations if spec else None
    paths = [Path(folder, "lib", "libmlx.so") for folder in folders or ()]
    return next((path for path in paths if path.exists()), None)


def _find(library: str | None) -> _Library | None:
    """The first candidate that opens, has all the functions and takes 32-bit integers."""
    for name in (library,) if library else _candidates():
        try:
            handle = ctypes.CDLL(name)
        except OSError:
            continue
        for prefix in PREFIXES:
            found = _Library(handle, name, prefix)
            if all(map(found.function, FUNCTIONS)) and "USE64BITINT" not in _describe(found):
                return found
    return None


def _candidates() -> Iterator[str]:
    yield from SONAMES
    spec = importlib.util.find_spec("scipy_openblas32")
    for folder in (spec.submodule_search_locations or ()) if spec else ():
        yield str(Path(folder, "lib", "libscipy_openblas.so"))
    for name in ("openblasp", "openblas"):  # last: starts processes
        path = ctypes.util.find_library(name)
        if path:
            yield path


def _address(function: "ctypes._NamedFuncPointer | None") -> int:
    return (ctypes.cast(function, ctypes.c_void_p).value or 0) if function else 0


def _describe(library: _Library) -> str:
    """OpenBLAS's own line: version, options, kernels."""
    config = library.function("openblas_get_config")
    if config is None:
        return Path(library.path).name
    config.restype = ctypes.c_char_p
    return config().decode().strip()

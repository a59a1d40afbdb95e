"""The BLAS that MLX uses: found, connected, right, and faster."""

import importlib.util
import json
import os
import subprocess
import sys
from pathlib import Path

import pytest

pytest.importorskip("mlx.core")
linux = pytest.mark.skipif(sys.platform != "linux", reason="MLX brings Accelerate elsewhere")

BACKEND = Path(__file__).parents[1] / "mlxtutor" / "mlx_backend"
# The files alone, without the package, whose import already connects a BLAS.
LOAD = """
import importlib, json, sys, types
package = types.ModuleType("alone")
package.__path__ = [sys.argv[1]]
sys.modules["alone"] = package
blas = importlib.import_module("alone.blas")
"""


def run(code: str) -> dict:
    """The JSON that `code` prints last, in a fresh process."""
    command = [sys.executable, "-c", LOAD + code, str(BACKEND)]
    done = subprocess.run(command, capture_output=True, text=True, timeout=100)
    assert done.returncode == 0, done.stderr
    return json.loads(done.stdout.splitlines()[-1])


def wheel() -> str:
    spec = importlib.util.find_spec("scipy_openblas32")
    if spec is None:
        pytest.skip("scipy-openblas32 is not installed")
    return str(Path(spec.submodule_search_locations[0], "lib", "libscipy_openblas.so"))


@linux
@pytest.mark.parametrize("early", [True, False])
def test_products_of_the_wheel_equal_numpy(early):
    """Prefixed names, before and after mlx.core is imported; NaN in reused memory must not leak."""
    code = f"""
if {early}: import mlx.core
info = blas.preload({wheel()!r})
import mlx.core as mx, numpy as np
worst, rng = 0.0, np.random.default_rng(0)
for m, k, n in rng.integers(1, 200, (150, 3)):
    a, b = rng.standard_normal((m, k)).astype("f"), rng.standard_normal((k, n)).astype("f")
    mx.eval(mx.full((int(m), int(n)), float("nan")))
    left = mx.array(a) if m % 2 else mx.array(np.ascontiguousarray(a.T)).T
    worst = max(worst, float(np.abs(np.array(left @ mx.array(b)) - a.astype("d") @ b).max()))
z = rng.standard_normal((5, 5)).astype("f") + 1j * rng.standard_normal((5, 5)).astype("f")
complex_error = float(np.abs(np.array(mx.array(z) @ mx.array(z)) - z @ z).max())
print(json.dumps([info.loaded, info.name, worst, complex_error]))
"""
    loaded, name, worst, complex_error = run(code)
    assert loaded and "OpenBLAS" in name
    assert worst < 1e-3 and complex_error < 1e-4  # a NaN compares false


@linux
def test_loaded_is_much_faster_than_stock():
    code = """
gemm = __import__("runpy").run_path(sys.argv[1] + "/gemm.py")
info = blas.preload(LIBRARY)
print(json.dumps(gemm["measure_gemm"](512, 0.2)))
"""
    stock = run(code.replace("LIBRARY", repr("stock")))
    loaded = (run(code.replace("LIBRARY", repr(wheel()))) for _ in range(4))  # two threads on a busy machine may wait for each other
    assert any(found > 5 * stock for found in loaded)  # seen: 20 to 30 times


@linux
def test_first_call_decides_and_threads_are_set():
    code = f"""
first = blas.preload({wheel()!r})
blas.set_threads(1)
print(json.dumps([blas.preload("stock") == first, blas.threads()]))
"""
    assert run(code) == [True, 1]


@linux
@pytest.mark.parametrize("library", ["nonsense.so", "libm.so.6"])
def test_a_library_that_will_not_do_leaves_mlx_working(library):
    code = f"""
info = blas.preload({library!r})
import mlx.core as mx
blas.set_threads(2)
product = (mx.ones((2, 3)) @ mx.ones((3, 2))).tolist()
print(json.dumps([info.loaded, info.reason, info.fix, product, blas.threads()]))
"""
    loaded, reason, fix, product, threads = run(code)
    assert not loaded and library in reason and "libopenblas0-pthread" in fix
    assert product == [[3, 3], [3, 3]] and threads == 1


@linux
def test_the_environment_is_left_alone():
    """OPENBLAS_CORETYPE and its kin belong to whoever set them."""
    code = """
import os
before = dict(os.environ)
blas.preload()
print(json.dumps(before == dict(os.environ)))
"""
    assert run(code) is True


@linux
def test_slots_of_a_file_that_is_no_library():
    from mlxtutor.mlx_backend.rebind import RebindError, import_slots

    with pytest.raises(RebindError, match="ELF"):
        import_slots(b"MZ" + bytes(100), {"cblas_sgemm"})


def test_prepare_keeps_what_the_user_set(monkeypatch):
    from mlxtutor.mlx_backend import cpu

    monkeypatch.setenv("MLX_BFS_MAX_WIDTH", "7")
    cpu.prepare()
    assert os.environ["MLX_BFS_MAX_WIDTH"] == "7"

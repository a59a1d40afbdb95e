"""How fast this machine multiplies float32 matrices in MLX, with its own BLAS and with ours."""

import json
import statistics
import subprocess
import sys
import time
from pathlib import Path

from mlxtutor.errors import TutorError

# Its own processes: which BLAS a process uses is decided once.
_CHILD = """
import json, runpy, sys
sys.path.insert(0, sys.argv[1])
if sys.argv[2] == "loaded":
    import mlxtutor.mlx_backend
    from mlxtutor.mlx_backend import blas
    name, threads = blas.preload().name, blas.threads()
else:
    name, threads = "MLX as installed", 1
measure = runpy.run_path(sys.argv[3])["measure_gemm"]
print(json.dumps({"name": name, "threads": threads, "gflops": measure(int(sys.argv[4]), float(sys.argv[5]))}))
"""
TIMEOUT_S = 120


def measure_gemm(n: int = 1024, seconds: float = 0.3) -> float:
    """GFLOP/s of an n x n x n float32 product on MLX's default device: the median over `seconds`."""
    import mlx.core as mx  # late: whoever imports this module may still have to connect the BLAS

    a, b = mx.random.normal((n, n)), mx.random.normal((n, n))
    mx.eval(a, b, a @ b)
    times: list[float] = []
    end = time.perf_counter() + seconds
    while not times or time.perf_counter() < end:
        start = time.perf_counter()
        mx.eval(a @ b)
        times.append(time.perf_counter() - start)
    return 2 * n**3 / statistics.median(times) / 1e9


def stock_vs_loaded(n: int = 1024, seconds: float = 0.3) -> dict:
    """{"stock": {"name", "threads", "gflops"}, "loaded": the same, "speedup"}, each in a fresh process."""
    result: dict = {which: _measure(which, n, seconds) for which in ("stock", "loaded")}
    return {**result, "speedup": result["loaded"]["gflops"] / result["stock"]["gflops"]}


def _measure(which: str, n: int, seconds: float) -> dict:
    root = Path(__file__).parents[2]
    command = [sys.executable, "-c", _CHILD, str(root), which, __file__, str(n), str(seconds)]
    done = subprocess.run(command, capture_output=True, text=True, timeout=TIMEOUT_S)
    if done.returncode:
        last = done.stderr.strip().splitlines()[-1:] or [f"exit code {done.returncode}"]
        raise TutorError(f"measuring the {which} BLAS failed: {last[0]}")
    return json.loads(done.stdout.splitlines()[-1])

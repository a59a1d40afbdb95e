"""The MLX half of the mirror: Metal on a Mac, else MLX's CPU or CUDA build."""

import os

from mlxtutor.mlx_backend import cpu

# before anything is computed: the bundled BLAS is 20 times slower on Linux. TUTOR_BLAS: a library's path, or `stock`
BLAS = cpu.prepare(os.environ.get("TUTOR_BLAS"))

from mlxtutor.mlx_backend.decode import decode  # noqa: E402
from mlxtutor.mlx_backend.device import device  # noqa: E402
from mlxtutor.mlx_backend.model import build, logits, nll  # noqa: E402
from mlxtutor.mlx_backend.trainer import trainer  # noqa: E402
from mlxtutor.mlx_backend.weights import weights  # noqa: E402

__all__ = ["build", "decode", "device", "logits", "nll", "trainer", "weights"]

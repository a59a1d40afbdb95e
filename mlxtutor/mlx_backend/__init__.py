"""The MLX half of the mirror: Metal on a Mac, else MLX's CPU or CUDA build."""

from mlxtutor.mlx_backend import blas

blas.preload()  # before mlx.core: its bundled BLAS is 20 times slower on Linux

from mlxtutor.mlx_backend.decode import decode  # noqa: E402
from mlxtutor.mlx_backend.device import device  # noqa: E402
from mlxtutor.mlx_backend.model import build, logits, nll  # noqa: E402
from mlxtutor.mlx_backend.trainer import trainer  # noqa: E402
from mlxtutor.mlx_backend.weights import weights  # noqa: E402

__all__ = ["build", "decode", "device", "logits", "nll", "trainer", "weights"]

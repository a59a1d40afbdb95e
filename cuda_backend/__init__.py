"""The torch half of the mirror: CUDA where there is a GPU, else the CPU."""

from cuda_backend.decode import decode
from cuda_backend.device import device
from cuda_backend.model import build, logits, nll
from cuda_backend.trainer import trainer
from cuda_backend.weights import weights

__all__ = ["build", "decode", "device", "logits", "nll", "trainer", "weights"]

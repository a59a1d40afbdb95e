"""Weights of a torch model as float32 numpy arrays, by Hugging Face's names."""

from __future__ import annotations

from cuda_backend.model import Model
from mlxtutor.backends import Weights


def weights(model: Model) -> Weights:
    """Copies of every parameter."""
    return {"model." + name: value.detach().float().cpu().numpy().copy() for name, value in model.named_parameters()}

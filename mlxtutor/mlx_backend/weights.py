"""Weights of an MLX model as float32 numpy arrays, by Hugging Face's names."""

from __future__ import annotations

import mlx.core as mx
import numpy as np
from mlx.utils import tree_flatten

from mlxtutor.backends import Weights
from mlxtutor.mlx_backend.model import Model


def weights(model: Model) -> Weights:
    """Copies of every parameter."""
    return {"model." + name: np.array(value.astype(mx.float32)) for name, value in tree_flatten(model.parameters())}

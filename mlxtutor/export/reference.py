"""The source model at work, in mlx-lm: what an export has to equal. The adapter runs as LoRA layers, not merged."""

from __future__ import annotations

import math
import tempfile
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

from mlxtutor.errors import TutorError
from mlxtutor.export.adapter import write_mlx
from mlxtutor.export.architectures import rope_settings
from mlxtutor.export.source import Source
from mlxtutor.machine import memory_bytes

FLOAT32_SHARE = 0.5  # of the free memory: a model that takes less as float32 is computed in it


@dataclass(frozen=True)
class Reference:
    """mlx-lm's model of a source. dtype: what it computes in."""

    model: Any
    dtype: str
    vocab_size: int

    def log_probs(self, ids: Sequence[int]) -> np.ndarray:
        """(T, V) log-probabilities of what follows each id, float64; NaN where the model's own numbers overflow."""
        import mlx.core as mx

        logits = np.array(self.model(mx.array([list(ids)])).astype(mx.float32))[0].astype(np.float64)
        top = logits.max(axis=-1, keepdims=True)
        with np.errstate(invalid="ignore"):
            return logits - top - np.log(np.exp(logits - top).sum(axis=-1, keepdims=True))

    def greedy(self, ids: Sequence[int], max_tokens: int, ends: frozenset[int]) -> list[int]:
        """The likeliest continuation, up to and with the id that ends it."""
        import mlx.core as mx
        from mlx_lm.models.cache import make_prompt_cache

        cache, new, found = make_prompt_cache(self.model), list(ids), []
        for _ in range(max_tokens):
            logits = self.model(mx.array([new]), cache=cache)[0, -1]
            token = int(mx.argmax(logits).item())
            found.append(token)
            new = [token]
            if token in ends:
                break
        return found


def load_reference(source: Source) -> Reference:
    """mlx-lm's model, in float32 where the memory allows it: an export is then compared with the weights and not with a rounding."""
    import mlx.core as mx
    from mlx.utils import tree_map
    from mlx_lm.tuner.utils import load_adapters
    from mlx_lm.utils import load_model

    try:
        import mlxtutor.mlx_backend  # noqa: F401, I001  (on Linux it brings a fast BLAS to MLX)
        import mlx.core as mx
        from mlx.utils import tree_map
        from mlx_lm.tuner.utils import load_adapters
        from mlx_lm.utils import load_model
    except ImportError as error:
        raise TutorError(f"the proof needs mlx-lm ({error}; pip install mlx-lm, or --no-proof)") from None
    model, _ = load_model(source.directory, lazy=True, model_config=_config(source))
    if source.adapter:
        with tempfile.TemporaryDirectory() as folder:
            write_mlx(source.adapter, Path(folder), source.shape.layers)
            model = load_adapters(model, folder)
            mx.eval(model.parameters())
    size = 4 * sum(math.prod(shape) for shape in source.base.shapes.values())
    quantised = bool(source.base.config.get("quantization"))
    dtype = source.dtype
    if not quantised and size < FLOAT32_SHARE * memory_bytes()["available"]:
        model.update(tree_map(lambda v: v.astype(mx.float32) if mx.issubdtype(v.dtype, mx.floating) else v, model.parameters()))
        dtype = "F32"
    model.eval()
    return Reference(model, dtype, source.shape.vocab)


def _config(source: Source) -> dict[str, Any]:
    """What the export reads, said outright: mlx-lm has other defaults, and takes the older keys of the rotary embedding only."""
    shape, rope = source.shape, dict(rope_settings(source.base.config))
    theta = rope.pop("rope_theta", 10000.0)
    kind = rope.get("rope_type", rope.get("type", "default"))
    if kind == "yarn":
        rope.setdefault("original_max_position_embeddings", shape.context)
    scaling = {"rope_scaling": {"type": kind, **rope}} if kind not in ("default", None) else {}
    return {"rope_theta": theta, "tie_word_embeddings": shape.tied, "head_dim": shape.head_dim, "num_key_value_heads": shape.kv_heads,
            **scaling}

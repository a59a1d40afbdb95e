"""LoRA adapters: PEFT's and mlx-lm's layouts read as one, written as either or as GGUF, merged into a base.

delta W = scale * B A, with A (r, in) and B (out, r). PEFT keeps A and B and alpha = scale * r; mlx-lm keeps their transposes
lora_a (in, r), lora_b (r, out) and scale. Sources: peft's LoraConfig, mlx_lm/tuner/lora.py.
"""

from __future__ import annotations

import json
import math
import re
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

from mlxtutor.errors import TutorError
from mlxtutor.export.checkpoint import Checkpoint, read_json, read_tensors
from mlxtutor.export.values import Values
from mlxtutor.files import write_atomic
from mlxtutor.model_files import ADAPTER_CONFIG, MLX_FILE, PEFT_FILE

_PEFT_PREFIX = "base_model.model."
_NOT_PLAIN = ("use_dora", "modules_to_save", "alpha_pattern", "rank_pattern", "trainable_token_indices", "use_qalora",
              "corda_config", "alora_invocation_tokens", "layer_replication", "kasa_config", "use_bdlora", "arrow_config")
STRONGEST = 1e20  # alpha or scale: times any rank it is a float32
_CHANGES_BASE = ("pissa", "olora", "loftq", "corda")  # initialisations that take their part out of the base's weights


@dataclass(frozen=True)
class Pair:
    """What one matrix gets: a (r, in), b (out, r), float32."""

    a: np.ndarray
    b: np.ndarray
    scale: float

    def delta(self, start: int = 0, stop: int | None = None) -> np.ndarray:
        """Rows [start, stop) of scale * B A."""
        return (self.b[start:stop] * np.float32(self.scale)) @ self.a


@dataclass(frozen=True)
class Adapter:
    """pairs by the base's tensor name (model.layers.0.self_attn.q_proj.weight). base: the model it was trained on, as it says."""

    pairs: dict[str, Pair]
    rank: int
    alpha: float
    base: str = ""


def read_adapter(directory: Path) -> Adapter:
    """An adapter directory of PEFT or mlx-lm; TutorError for what is no plain LoRA, or incomplete."""
    config = read_json(directory / ADAPTER_CONFIG)
    if (directory / PEFT_FILE).is_file():
        return _read_peft(directory, config)
    if (directory / MLX_FILE).is_file():
        return _read_mlx(directory, config)
    raise TutorError(f"{directory}: no {PEFT_FILE} (PEFT) and no {MLX_FILE} (mlx-lm) beside adapter_config.json")


def _read_peft(directory: Path, config: dict[str, Any]) -> Adapter:
    kind = config.get("peft_type", "LORA")
    used = [key for key in _NOT_PLAIN if config.get(key)]
    if kind != "LORA" or used or config.get("bias", "none") != "none":
        what = f"peft_type {kind}" if kind != "LORA" else ", ".join(used) or f"bias {config['bias']!r}"
        raise TutorError(f"{directory}: {what} can't be merged (allowed: plain LoRA, without trained biases)")
    start = str(config.get("init_lora_weights", True)).lower()
    if start.startswith(_CHANGES_BASE):
        raise TutorError(f"{directory}: init_lora_weights {start!r} changes the base's weights when PEFT loads it (make it plain LoRA: "
                         "PeftModel.save_pretrained with path_initial_model_for_weight_conversion)")
    read = Values(config, f"{directory}/{ADAPTER_CONFIG}")
    rank, alpha = read.whole("r"), read.number("lora_alpha", high=STRONGEST)
    read.check()
    scale = alpha / (math.sqrt(rank) if config.get("use_rslora") else rank)
    halves = {}
    for name, values in read_tensors(directory / PEFT_FILE).items():
        match = re.fullmatch(r"(?:base_model\.model\.)?(.+)\.lora_([AB])(?:\.default)?\.weight", name)
        if not match:
            raise TutorError(f"{directory}: {name} is no LoRA matrix (allowed: ...lora_A.weight, ...lora_B.weight)")
        halves[match[1] + ".weight", match[2]] = values
    return Adapter(_pairs(halves, scale, rank, directory), rank, scale * rank, str(config.get("base_model_name_or_path") or ""))


def _read_mlx(directory: Path, config: dict[str, Any]) -> Adapter:
    kind, settings = config.get("fine_tune_type", "lora"), config.get("lora_parameters") or {}
    if kind != "lora" or not isinstance(settings, dict):
        raise TutorError(f"{directory}: fine_tune_type {kind!r} with lora_parameters {settings} (allowed: lora, with rank and scale)")
    read = Values(settings, f"{directory}/{ADAPTER_CONFIG}: lora_parameters")
    rank, scale = read.whole("rank"), read.number("scale", high=STRONGEST)
    read.check()
    halves = {}
    for name, values in read_tensors(directory / MLX_FILE).items():
        match = re.fullmatch(r"(.+)\.lora_([ab])", name)
        if not match:
            raise TutorError(f"{directory}: {name} is no LoRA matrix (allowed: ...lora_a, ...lora_b)")
        halves[match[1] + ".weight", match[2].upper()] = np.ascontiguousarray(values.T)
    return Adapter(_pairs(halves, scale, rank, directory), rank, scale * rank, str(config.get("model") or ""))


def _pairs(halves: dict[tuple[str, str], np.ndarray], scale: float, rank: int, directory: Path) -> dict[str, Pair]:
    names = list(dict.fromkeys(name for name, _ in halves))
    alone = [name for name in names if (name, "A") not in halves or (name, "B") not in halves]
    if alone or not names:
        raise TutorError(f"{directory}: {alone[0] + ' has one matrix of two' if alone else 'no LoRA matrix in it'}")
    other = [name for name in names if (halves[name, "A"].shape[:1], halves[name, "B"].shape[1:]) != ((rank,), (rank,))]
    if other:
        shapes = f"A {halves[other[0], 'A'].shape}, B {halves[other[0], 'B'].shape}"
        raise TutorError(f"{directory}: {other[0]} has {shapes}, adapter_config.json says rank {rank}")
    return {name: Pair(halves[name, "A"], halves[name, "B"], scale) for name in names}


def check_fit(adapter: Adapter, base: Checkpoint, where: str) -> None:
    """Every pair fits a matrix of the base; all that doesn't in one TutorError."""
    wrong = []
    for name, pair in adapter.pairs.items():
        shape = base.shapes.get(name)
        if shape is None:
            wrong.append(f"{name}: not in the base")
        elif (pair.b.shape[0], pair.a.shape[1]) != shape or pair.a.shape[0] != pair.b.shape[1]:
            wrong.append(f"{name}: A {pair.a.shape} and B {pair.b.shape} don't give {shape}")
        elif not (np.isfinite(pair.a).all() and np.isfinite(pair.b).all()):
            wrong.append(f"{name}: not finite")
    if wrong:
        more = f" and {len(wrong) - 4} more" if len(wrong) > 4 else ""
        raise TutorError(f"{where}: the adapter does not fit {base.directory} ({'; '.join(wrong[:4])}{more})")


def write_peft(adapter: Adapter, directory: Path) -> list[Path]:
    """PEFT's layout; B and A as float32."""
    tensors: dict[str, np.ndarray] = {}
    for name, pair in adapter.pairs.items():
        module = _PEFT_PREFIX + name.removesuffix(".weight")
        tensors |= {f"{module}.lora_A.weight": pair.a, f"{module}.lora_B.weight": pair.b}
    config = {"peft_type": "LORA", "task_type": "CAUSAL_LM", "base_model_name_or_path": adapter.base, "r": adapter.rank,
              "lora_alpha": _whole(adapter.alpha), "lora_dropout": 0.0, "bias": "none", "inference_mode": True, "use_rslora": False,
              "target_modules": sorted({name.split(".")[-2] for name in adapter.pairs})}
    return _write(directory, PEFT_FILE, tensors, "pt", config)


def write_mlx(adapter: Adapter, directory: Path, layers: int) -> list[Path]:
    """mlx-lm's layout. layers: of the base; modules that aren't in every layer are no problem, mlx-lm is told each key."""
    tensors: dict[str, np.ndarray] = {}
    for name, pair in adapter.pairs.items():
        module = name.removesuffix(".weight")
        tensors |= {f"{module}.lora_a": pair.a.T, f"{module}.lora_b": pair.b.T}
    keys = sorted(name.removesuffix(".weight") for name in adapter.pairs)
    settings = {"rank": adapter.rank, "scale": adapter.alpha / adapter.rank, "dropout": 0.0, "keys": keys}
    config = {"fine_tune_type": "lora", "model": adapter.base, "num_layers": layers, "lora_parameters": settings}
    return _write(directory, MLX_FILE, tensors, "mlx", config)


def _write(directory: Path, name: str, tensors: dict[str, np.ndarray], form: str, config: dict[str, Any]) -> list[Path]:
    from safetensors.numpy import save

    files = {ADAPTER_CONFIG: (json.dumps(config, indent=2) + "\n").encode(),
             name: save({key: np.ascontiguousarray(values) for key, values in tensors.items()}, metadata={"format": form})}
    for file, data in files.items():
        write_atomic(directory / file, data)
    return [directory / file for file in files]


def _whole(value: float) -> int | float:
    return int(value) if value == int(value) else value

"""Configuration: frozen dataclasses, read from YAML; each default stands here and nowhere else."""

from __future__ import annotations

import dataclasses
import difflib
import math
import types
import typing
from dataclasses import dataclass, field
from typing import Any

from mlxtutor.errors import TutorError
from mlxtutor.registry.models import check_name

KINDS = {bool: "true or false", int: "a whole number", float: "a finite number", str: "a text"}


@dataclass(frozen=True)
class ModelConfig:
    """Shape of a Qwen3 decoder with tied embeddings. Source: transformers' Qwen3Config."""

    vocab_size: int = 2048
    hidden_size: int = 192
    intermediate_size: int = 512
    num_layers: int = 4
    num_heads: int = 6
    num_kv_heads: int = 6
    head_dim: int = 32
    max_seq_len: int = 1024  # tokens
    rope_theta: float = 10000.0
    rms_norm_eps: float = 1e-6

    def __post_init__(self) -> None:
        _check_positive(self, "model.", [item.name for item in dataclasses.fields(self)])
        if self.num_heads % self.num_kv_heads:
            raise TutorError(f"model.num_kv_heads ({self.num_kv_heads}) must divide num_heads ({self.num_heads})")
        for name in ("hidden_size", "intermediate_size", "head_dim"):
            if getattr(self, name) % 32 and name != "head_dim" or getattr(self, name) % 2:
                raise TutorError(f"model.{name} ({getattr(self, name)}) must be a multiple of 32 (even, for head_dim)")


@dataclass(frozen=True)
class TrainConfig:
    """How a stage trains. Fractions are of the stage's real number of optimiser steps."""

    optimizer: str = "muon"        # adamw | muon (Muon on the hidden matrices, AdamW on the rest)
    lr: float = 6e-3               # AdamW's peak
    muon_lr: float = 0.012         # Muon's peak
    min_lr_fraction: float = 0.01  # of the peak, at the last step
    warmup_fraction: float = 0.03
    decay_fraction: float = 0.9    # the last part of the run, linear to min_lr_fraction
    weight_decay: float = 0.05     # on matrices only
    beta1: float = 0.9
    beta2: float = 0.99            # a rare token's own gradients must outlast the noise between them
    eps: float = 1e-8
    grad_clip: float = 1.0         # global norm; 0 turns it off
    row_len: int = 448             # tokens of the longest row; the longest worked solution has 447
    pack_len: int = 256            # short examples share a row up to this many tokens
    batch_rows: int = 8            # rows of one forward pass
    accumulate: int = 1            # forward passes of one optimiser step
    epochs: int = 1                # passes over the stage's examples
    max_steps: int = 0             # 0: as many as the examples give
    eval_every: float = 0.2        # fraction of the run between validations
    checkpoint_every: float = 0.1  # fraction of the run between checkpoints

    def __post_init__(self) -> None:
        if self.optimizer not in ("adamw", "muon"):
            raise TutorError(f'train.optimizer "{self.optimizer}" is unknown (allowed: adamw, muon)')
        for name in ("min_lr_fraction", "warmup_fraction", "decay_fraction", "eval_every", "checkpoint_every"):
            if not 0 <= getattr(self, name) <= 1:
                raise TutorError(f"train.{name} ({getattr(self, name)}) must be between 0 and 1")
        for name in ("beta1", "beta2"):
            if not 0 <= getattr(self, name) < 1:
                raise TutorError(f"train.{name} ({getattr(self, name)}) must be at least 0 and below 1")
        _check_positive(self, "train.", ["lr", "muon_lr", "eps", "eval_every", "checkpoint_every"])
        _check_positive(self, "train.", ["row_len", "pack_len", "batch_rows", "accumulate", "epochs"])
        _check_not_negative(self, "train.", ["weight_decay", "grad_clip", "max_steps"])


@dataclass(frozen=True)
class StageConfig:
    """One stage of a recipe. sources: weight in tokens by name (corpus, drills, statements, chats, em)."""

    name: str
    sources: dict[str, float]
    tokens: int                    # tokens of the stage's examples before packing, per epoch
    train: dict[str, Any] = field(default_factory=dict)  # overrides of the recipe's `train`
    slow_tokens: int = 0           # instead of tokens, where a CPU computes in float32; 0: as many

    def __post_init__(self) -> None:
        check_name(self.name, "stage name")
        _check_positive(self, f"stages.{self.name}.", ["tokens"])
        if not 0 <= self.slow_tokens <= self.tokens:
            raise TutorError(f"stages.{self.name}.slow_tokens ({self.slow_tokens:,}) must be from 0 to its tokens ({self.tokens:,})")
        if not self.sources or min(self.sources.values()) <= 0:
            raise TutorError(f"stages.{self.name}.sources ({self.sources}) must name at least one source, each with a positive share")


@dataclass(frozen=True)
class EvaluationConfig:
    """How many problems of each split the recipe's own evaluation asks, 0 for none."""

    values: int = 500
    wordings: int = 400
    types: int = 60
    others: int = 0                # 0: all of them
    before: int = 60               # at most so many of each before the last stage: a model that can't stop takes long
    batch_size: int = 200
    max_new_tokens: int = 384

    def __post_init__(self) -> None:
        _check_positive(self, "evaluation.", ["before", "batch_size", "max_new_tokens"])
        _check_not_negative(self, "evaluation.", ["values", "wordings", "types", "others"])

    def asked(self, before: bool) -> dict[str, int]:
        """Problems of each split in one of the two evaluations; 0: none, of `others` all."""
        counts = {"values": self.values, "wordings": self.wordings, "others": self.others, "types": self.types}
        return {split: min(n or (self.before if split == "others" else 0), self.before) if before else n for split, n in counts.items()}


@dataclass(frozen=True)
class Recipe:
    """Everything that makes a model: saved, resolved, beside its weights."""

    name: str = "em-tutor"
    seed: int = 1
    model: ModelConfig | str = field(default_factory=ModelConfig)  # a shape, or a model to start from (name or directory)
    corpus: str = "shipped"        # folder, text, JSONL, or hub:owner/name
    data: str = "em"               # em: the problem generator; or a JSONL of chats for the last stage
    system: str = ""               # of `data`'s chats that have no system text; chat, ask and Ollama begin with it too
    tokenizer_characters: int = 3_000_000  # text the tokenizer is trained on
    train: TrainConfig = field(default_factory=TrainConfig)
    stages: tuple[StageConfig, ...] = ()
    evaluation: EvaluationConfig = field(default_factory=EvaluationConfig)

    def __post_init__(self) -> None:
        check_name(self.name)
        _check_positive(self, "", ["tokenizer_characters"])
        _check_not_negative(self, "", ["seed"])
        if self.system and self.data == "em":
            raise TutorError(f"system ({self.system!r}) goes with chats of your own (set data to their file); em has its own")
        for stage in self.stages:
            stage_train(self, stage)


def for_device(recipe: Recipe, slow: bool) -> Recipe:
    """The recipe with the tokens that each stage has on this kind of device."""
    stages = (dataclasses.replace(stage, tokens=slow and stage.slow_tokens or stage.tokens, slow_tokens=0) for stage in recipe.stages)
    return dataclasses.replace(recipe, stages=tuple(stages))


def _check_positive(config: Any, where: str, names: list[str]) -> None:
    for name in names:
        if getattr(config, name) <= 0:
            raise TutorError(f"{where}{name} ({getattr(config, name)}) must be positive")


def _check_not_negative(config: Any, where: str, names: list[str]) -> None:
    for name in names:
        if getattr(config, name) < 0:
            raise TutorError(f"{where}{name} ({getattr(config, name)}) must not be negative")


def from_dict(cls: type, data: Any, where: str = "") -> Any:
    """Build a dataclass from parsed YAML; unknown keys and wrong types are errors that name the key."""
    if not isinstance(data, dict):
        raise TutorError(f"{where or cls.__name__} must be a mapping (got {data!r})")
    hints = typing.get_type_hints(cls)
    fields = {item.name: item for item in dataclasses.fields(cls)}
    unknown = [key for key in data if key not in fields]
    if unknown:
        raise TutorError(unknown_key(f"{where}{unknown[0]}", unknown[0], list(fields)))
    required = [n for n, f in fields.items() if f.default is f.default_factory is dataclasses.MISSING and n not in data]
    if required:
        raise TutorError(f"{where or cls.__name__ + '.'}{required[0]} is missing")
    return cls(**{key: _coerce(hints[key], value, f"{where}{key}") for key, value in data.items()})


def unknown_key(path: str, key: str, known: list[str]) -> str:
    near = difflib.get_close_matches(str(key), known, 1) or [name for name in known if str(key) in name]
    hint = f'did you mean "{near[0]}"?' if near else f"allowed: {', '.join(known)}"
    return f'unknown key "{path}" ({hint})'


def _coerce(hint: Any, value: Any, where: str) -> Any:
    """Bring a YAML value to a field's type: PyYAML reads 1e-5 as a string."""
    origin = typing.get_origin(hint)
    if origin in (typing.Union, types.UnionType):
        choices = [c for c in typing.get_args(hint) if dataclasses.is_dataclass(c) == isinstance(value, dict)]
        return _coerce(choices[0], value, where)
    if dataclasses.is_dataclass(hint):
        return from_dict(typing.cast(type, hint), value, where + ".")
    if origin is tuple:
        item = typing.get_args(hint)[0]
        if not isinstance(value, (list, tuple)):
            raise TutorError(f"{where} must be a list (got {value!r})")
        return tuple(_coerce(item, v, f"{where}[{i}]") for i, v in enumerate(value))
    if origin is dict:
        if not isinstance(value, dict):
            raise TutorError(f"{where} must be a mapping (got {value!r})")
        return {str(key): _coerce(typing.get_args(hint)[1], item, f"{where}.{key}") for key, item in value.items()}
    if hint is Any:
        return value
    return _scalar(hint, value, where)


def _scalar(hint: Any, value: Any, where: str) -> Any:
    if hint is bool:
        if isinstance(value, bool) or str(value).lower() in ("true", "false"):
            return value if isinstance(value, bool) else str(value).lower() == "true"
    elif hint is int:
        try:
            number = float(value)
            if number == int(number) and not isinstance(value, bool):
                return int(number)
        except (TypeError, ValueError, OverflowError):
            pass
    elif hint is float:
        try:
            if not isinstance(value, bool) and math.isfinite(float(value)):
                return float(value)
        except (TypeError, ValueError, OverflowError):
            pass
    elif hint is str and isinstance(value, (str, int, float)):
        return str(value)
    raise TutorError(f"{where} must be {KINDS[hint]} (got {value!r})")


def to_dict(config: Any) -> dict:
    """A dataclass as plain YAML-able data."""
    return dataclasses.asdict(config)


def set_key(data: dict, key: str, value: Any) -> None:
    """`train.lr=1e-3` on parsed YAML, in place."""
    *path, last = key.split(".")
    for part in path:
        data = data.setdefault(part, {})
        if not isinstance(data, dict):
            raise TutorError(f'"{key}" can\'t be set: "{part}" is not a section')
    data[last] = value


def stage_train(recipe: Recipe, stage: StageConfig) -> TrainConfig:
    """The recipe's training settings with the stage's overrides."""
    return from_dict(TrainConfig, {**to_dict(recipe.train), **stage.train}, f"stages.{stage.name}.train.")

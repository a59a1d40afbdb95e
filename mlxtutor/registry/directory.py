"""A model directory in Hugging Face's layout: written, and opened on a backend."""

from __future__ import annotations

import json
from pathlib import Path

import numpy as np
from safetensors.numpy import load_file, save_file

from mlxtutor.backends import Backend
from mlxtutor.config import ModelConfig
from mlxtutor.errors import TutorError
from mlxtutor.inference.generate import LoadedModel
from mlxtutor.text.hf_files import write_tokenizer_files
from mlxtutor.text.tokenizer import Tokenizer
from mlxtutor.training.initial import shapes

ARCHITECTURE = "Qwen3ForCausalLM"


def hf_config(config: ModelConfig, tokenizer: Tokenizer) -> dict:
    """config.json as transformers, mlx-lm and llama.cpp's converter read it."""
    return {
        "architectures": [ARCHITECTURE], "model_type": "qwen3", "vocab_size": config.vocab_size, "hidden_size": config.hidden_size,
        "intermediate_size": config.intermediate_size, "num_hidden_layers": config.num_layers, "num_attention_heads": config.num_heads,
        "num_key_value_heads": config.num_kv_heads, "head_dim": config.head_dim, "max_position_embeddings": config.max_seq_len,
        "rope_theta": config.rope_theta, "rms_norm_eps": config.rms_norm_eps, "tie_word_embeddings": True, "hidden_act": "silu",
        "attention_bias": False, "attention_dropout": 0.0, "use_sliding_window": False, "torch_dtype": "float32",
        "eos_token_id": tokenizer.im_end, "pad_token_id": tokenizer.end_of_text, "bos_token_id": None,
    }


def save_model(directory: Path, config: ModelConfig, weights: dict[str, np.ndarray], tokenizer: Tokenizer) -> None:
    """Weights, config, tokenizer, chat template and generation settings; the directory must be the caller's own."""
    directory.mkdir(parents=True, exist_ok=True)
    save_file(weights, str(directory / "model.safetensors"), metadata={"format": "pt"})
    (directory / "config.json").write_text(json.dumps(hf_config(config, tokenizer), indent=2) + "\n")
    generation = {"eos_token_id": [tokenizer.im_end, tokenizer.end_of_text], "pad_token_id": tokenizer.end_of_text, "do_sample": False}
    (directory / "generation_config.json").write_text(json.dumps(generation, indent=2) + "\n")
    write_tokenizer_files(tokenizer, directory, config.max_seq_len)


def load_config(directory: Path) -> ModelConfig:
    """The shape of a saved micro model; TutorError for another architecture."""
    path = directory / "config.json"
    try:
        data = json.loads(path.read_text())
    except FileNotFoundError:
        raise TutorError(f"{directory}: not a model directory (no {path.name} in it)") from None
    except OSError as error:
        raise TutorError(f"{directory}: not a model directory ({path.name} can't be read: {error.strerror or error})") from None
    except ValueError as error:
        raise TutorError(f"{directory}: not a model directory ({path.name} is not JSON: {error})") from None
    if not isinstance(data, dict):
        raise TutorError(f"{directory}: not a model directory ({path.name} is not a JSON object)")
    kind = data.get("model_type")
    if kind != "qwen3" or not data.get("tie_word_embeddings"):
        allowed = "qwen3 with tied embeddings, as `tutor train` makes"
        raise TutorError(f"{directory}: model_type {kind!r} is not supported yet (allowed: {allowed})")
    needed = ("vocab_size", "hidden_size", "intermediate_size", "num_hidden_layers", "num_attention_heads", "num_key_value_heads",
              "head_dim", "max_position_embeddings", "rms_norm_eps")
    absent = [key for key in needed if key not in data]
    if absent:
        raise TutorError(f"{path}: {', '.join(absent)} missing")
    rope = data.get("rope_theta") or data.get("rope_parameters", {}).get("rope_theta", 10000.0)
    return ModelConfig(
        vocab_size=data["vocab_size"], hidden_size=data["hidden_size"], intermediate_size=data["intermediate_size"],
        num_layers=data["num_hidden_layers"], num_heads=data["num_attention_heads"], num_kv_heads=data["num_key_value_heads"],
        head_dim=data["head_dim"], max_seq_len=data["max_position_embeddings"], rope_theta=rope, rms_norm_eps=data["rms_norm_eps"])


def load_checked_weights(directory: Path, config: ModelConfig) -> dict[str, np.ndarray]:
    """The weights, every name and shape checked against the configuration; all that is wrong in one error."""
    try:
        weights = load_file(str(directory / "model.safetensors"))
    except Exception as error:  # safetensors raises its own and OSError
        raise TutorError(f"{directory}: model.safetensors can't be read ({error})") from None
    wanted = shapes(config)
    weights.pop("lm_head.weight", None)
    wrong = [f"{name}: missing" for name in wanted if name not in weights]
    wrong += [f"{name}: unexpected" for name in weights if name not in wanted]
    wrong += [f"{n}: shape {weights[n].shape}, not {wanted[n]}" for n in wanted if n in weights and weights[n].shape != wanted[n]]
    if wrong:
        more = f" and {len(wrong) - 4} more" if len(wrong) > 4 else ""
        raise TutorError(f"{directory}: model.safetensors does not fit config.json ({'; '.join(wrong[:4])}{more})")
    return weights


def open_model(directory: Path, backend: Backend, dtype: str = "auto", name: str = "") -> LoadedModel:
    """A model directory on a backend, ready to answer."""
    config = load_config(directory)
    model = backend.build(config, load_checked_weights(directory, config), dtype)
    return LoadedModel(backend, model, Tokenizer.load(directory), config.max_seq_len, name or directory.name)

"""What llama.cpp expects of each architecture: names and shapes of tensors, metadata, what is changed on the way.

Names and keys: https://github.com/ggml-org/ggml/blob/master/docs/gguf.md and gguf's constants.
"""

from __future__ import annotations

import math
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

import numpy as np

from mlxtutor.errors import TutorError
from mlxtutor.export.values import Values

LAYER = "model.layers.{}."
BLOCK_NAMES = {  # of a layer: Hugging Face's name to GGUF's
    "input_layernorm": "attn_norm", "self_attn.q_proj": "attn_q", "self_attn.k_proj": "attn_k", "self_attn.v_proj": "attn_v",
    "self_attn.o_proj": "attn_output", "self_attn.q_norm": "attn_q_norm", "self_attn.k_norm": "attn_k_norm",
    "post_attention_layernorm": "ffn_norm", "mlp.gate_proj": "ffn_gate", "mlp.up_proj": "ffn_up", "mlp.down_proj": "ffn_down",
}
OUTER_NAMES = {"model.embed_tokens": "token_embd", "model.norm": "output_norm", "lm_head": "output"}
ROPE_THETA = 10000.0
ROPE_KINDS = ("linear", "yarn", "llama3")
MOST_LAYERS, MOST_TOKENS = 10_000, 10_000_000  # more is no model: a config.json that was damaged
YARN_DEFAULTS = {"attention_factor": None, "beta_fast": 32, "beta_slow": 1, "mscale": None, "mscale_all_dim": None, "truncate": True}


@dataclass(frozen=True)
class Architecture:
    """gguf: general.architecture. permuted: q and k rows are reordered. qkv_bias: always has it; None: as config.json says."""

    gguf: str
    permuted: bool = False
    qkv_bias: bool | None = None
    qk_norm: bool = False
    square_q: bool = False    # llama.cpp takes hidden_size for num_heads * head_dim
    activations: tuple[str, ...] = ("silu", "swish")  # that llama.cpp computes here
    gelu_table: bool = False  # llama.cpp on CPUs looks its GELU up in a float16 table: log-probabilities are off by 1e-3
    norm_offset: float = 0.0  # what the model adds to its RMSNorm weights when it runs


ARCHITECTURES = {
    "llama": Architecture("llama", permuted=True),
    "mistral": Architecture("llama", permuted=True, qkv_bias=False),
    "qwen2": Architecture("qwen2", qkv_bias=True, square_q=True),
    "qwen3": Architecture("qwen3", qkv_bias=False, qk_norm=True),
    "gemma": Architecture("gemma", qkv_bias=False, norm_offset=1.0, gelu_table=True, activations=("gelu_pytorch_tanh", "gelu")),
}
NOT_IN_LLAMA_CPP = {"nanochat": "llama.cpp and Ollama have no nanochat; it runs in mlx-lm and transformers (tutor export hf)"}


@dataclass(frozen=True)
class Shape:
    """The sizes of a decoder, read from config.json."""

    kind: str
    hidden: int
    ffn: int
    layers: int
    heads: int
    kv_heads: int
    head_dim: int
    vocab: int
    context: int
    tied: bool
    attention_bias: bool

    @property
    def architecture(self) -> Architecture:
        return ARCHITECTURES[self.kind]


@dataclass(frozen=True)
class TensorPlan:
    """One tensor of the GGUF file. source: its name in the checkpoint; heads: of the rows to permute, 0 for none."""

    name: str
    source: str
    shape: tuple[int, ...]
    heads: int = 0
    offset: float = 0.0

    def apply(self, values: np.ndarray) -> np.ndarray:
        """What llama.cpp reads, from what the checkpoint holds. Rows of a permuted tensor must come whole."""
        if self.heads:
            values = permute_rows(values, self.heads)
        return values + np.float32(self.offset) if self.offset else values


def permute_rows(values: np.ndarray, heads: int) -> np.ndarray:
    """Half-split rotary pairs to interleaved ones. (heads * D, ...) -> the same shape."""
    rows = values.shape[0]
    return values.reshape(heads, 2, rows // heads // 2, *values.shape[1:]).swapaxes(1, 2).reshape(values.shape)


def read_shape(config: dict[str, Any], where: str) -> Shape:
    """The sizes that config.json gives; TutorError for an architecture that can't be exported, or for what is missing."""
    kind = config.get("model_type")
    if not isinstance(kind, str) or kind not in ARCHITECTURES:
        reason = NOT_IN_LLAMA_CPP.get(str(kind), "llama.cpp's own converter may know it: convert_hf_to_gguf.py")
        raise TutorError(f"{where}: model_type {kind!r} can't be exported to GGUF (allowed: {', '.join(ARCHITECTURES)}; {reason})")
    active, known = config.get("hidden_activation") or config.get("hidden_act", "silu"), ARCHITECTURES[kind].activations
    if active not in known and "hidden_act" in config:
        raise TutorError(f"{where}: hidden_act {active!r}, which llama.cpp's {kind} doesn't compute (allowed: {', '.join(known)})")
    read = Values(config, f"{where}/config.json")
    heads, hidden = read.whole("num_attention_heads"), read.whole("hidden_size")
    head_dim = read.whole("head_dim", default=max(1, hidden // heads))
    read.number("rms_norm_eps")
    shape = Shape(kind, hidden, read.whole("intermediate_size"), read.whole("num_hidden_layers", high=MOST_LAYERS), heads,
                  read.whole("num_key_value_heads", default=heads), head_dim, read.whole("vocab_size", high=MOST_TOKENS),
                  _context(read, kind), config.get("tie_word_embeddings", kind == "gemma"), bool(config.get("attention_bias", False)))
    read.check()
    if head_dim % 2:
        raise TutorError(f"{where}: head_dim is {head_dim} (allowed: an even number, for the rotary pairs)")
    if ARCHITECTURES[kind].square_q and heads * head_dim != hidden:
        raise TutorError(f"{where}: num_attention_heads ({heads}) * head_dim ({head_dim}) must be hidden_size ({hidden}) in llama.cpp")
    return shape


def _context(read: Values, kind: str) -> int:
    """Tokens the model reads; llama.cpp runs these architectures with full attention only."""
    length = read.whole("max_position_embeddings")
    window = read.found.get("sliding_window")
    if kind == "mistral" and window:
        return min(length, read.whole("sliding_window"))
    if window and read.found.get("use_sliding_window"):
        read.problems.append(f"use_sliding_window is true, which llama.cpp's {kind} doesn't do (false will do for shorter texts)")
    return length


def plan_tensors(shape: Shape, found: dict[str, tuple[int, ...]], where: str) -> list[TensorPlan]:
    """Every tensor of the file, in llama.cpp's order. All names and shapes that don't fit are one TutorError."""
    plans = list(_expected(shape, found))
    wanted = {plan.source: plan.shape for plan in plans}
    spare = {"lm_head.weight"} if shape.tied else set()
    ignored = {name for name in found if name.endswith("rotary_emb.inv_freq")} | spare
    wrong = [f"{name}: missing" for name in wanted if name not in found]
    wrong += [f"{name}: unexpected" for name in found if name not in wanted and name not in ignored]
    wrong += [f"{n}: shape {found[n]}, not {wanted[n]}" for n in wanted if n in found and found[n] != wanted[n]]
    if wrong:
        more = f" and {len(wrong) - 4} more" if len(wrong) > 4 else ""
        raise TutorError(f"{where}: the weights do not fit config.json ({'; '.join(wrong[:4])}{more})")
    return plans


def _expected(shape: Shape, found: dict[str, tuple[int, ...]]) -> Iterator[TensorPlan]:
    offset = shape.architecture.norm_offset
    yield TensorPlan("token_embd.weight", "model.embed_tokens.weight", (shape.vocab, shape.hidden))
    for layer in range(shape.layers):
        yield from _layer(shape, layer, found)
    yield TensorPlan("output_norm.weight", "model.norm.weight", (shape.hidden,), offset=offset)
    if not shape.tied:
        yield TensorPlan("output.weight", "lm_head.weight", (shape.vocab, shape.hidden))


def _layer(shape: Shape, layer: int, found: dict[str, tuple[int, ...]]) -> Iterator[TensorPlan]:
    arch = shape.architecture
    q, kv = shape.heads * shape.head_dim, shape.kv_heads * shape.head_dim
    sizes = {
        "input_layernorm": (shape.hidden,), "self_attn.q_proj": (q, shape.hidden), "self_attn.k_proj": (kv, shape.hidden),
        "self_attn.v_proj": (kv, shape.hidden), "self_attn.o_proj": (shape.hidden, q), "post_attention_layernorm": (shape.hidden,),
        "mlp.gate_proj": (shape.ffn, shape.hidden), "mlp.up_proj": (shape.ffn, shape.hidden), "mlp.down_proj": (shape.hidden, shape.ffn),
    }
    if arch.qk_norm:
        sizes |= {"self_attn.q_norm": (shape.head_dim,), "self_attn.k_norm": (shape.head_dim,)}
    turned = {"self_attn.q_proj": shape.heads, "self_attn.k_proj": shape.kv_heads} if arch.permuted else {}
    biased = arch.qkv_bias if arch.qkv_bias is not None else shape.attention_bias
    for module, size in sizes.items():
        name, source = f"blk.{layer}.{BLOCK_NAMES[module]}", LAYER.format(layer) + module
        offset = arch.norm_offset if module.endswith("norm") else 0.0
        yield TensorPlan(f"{name}.weight", f"{source}.weight", size, turned.get(module, 0), offset)
        if biased and module.startswith("self_attn.") and _has_bias(module, arch, found, source):
            yield TensorPlan(f"{name}.bias", f"{source}.bias", size[:1], turned.get(module, 0))


def _has_bias(module: str, arch: Architecture, found: dict[str, tuple[int, ...]], source: str) -> bool:
    """q, k and v always where the architecture has biases; o only in llama's `attention_bias`."""
    return module in ("self_attn.q_proj", "self_attn.k_proj", "self_attn.v_proj") or (arch.qkv_bias is None and f"{source}.bias" in found)


def metadata(shape: Shape, config: dict[str, Any], where: str) -> dict[str, Any]:
    """The keys of the architecture, without their prefix; int for uint32, float for float32, str."""
    scaling = rope_settings(config, where)
    keys: dict[str, Any] = {
        "block_count": shape.layers, "context_length": shape.context, "embedding_length": shape.hidden, "feed_forward_length": shape.ffn,
        "attention.head_count": shape.heads, "attention.head_count_kv": shape.kv_heads,
        "attention.layer_norm_rms_epsilon": float(config["rms_norm_eps"]), "attention.key_length": shape.head_dim,
        "attention.value_length": shape.head_dim, "rope.freq_base": float(scaling.get("rope_theta", ROPE_THETA)),
        "rope.dimension_count": shape.head_dim, "vocab_size": shape.vocab,
    }
    kind = _rope_kind(scaling)
    if kind in ("default", "llama3"):
        return keys
    if kind not in ROPE_KINDS:
        raise TutorError(f"{where}: rope scaling {kind!r} can't be exported (allowed: {', '.join(ROPE_KINDS)})")
    other = {key: scaling[key] for key, usual in YARN_DEFAULTS.items() if kind == "yarn" and scaling.get(key, usual) not in (usual, None)}
    if other:
        raise TutorError(f"{where}: yarn with {other} can't be exported (allowed: {YARN_DEFAULTS})")
    read = Values(scaling, f"{where}: the {kind} rope scaling")
    keys |= {"rope.scaling.type": kind, "rope.scaling.factor": read.number("factor")}
    if kind == "yarn":
        keys["rope.scaling.original_context_length"] = read.whole("original_max_position_embeddings", default=shape.context)
    read.check()
    return keys


def rope_factors(shape: Shape, config: dict[str, Any], where: str = "config.json") -> np.ndarray | None:
    """Llama 3.1's factors of the rotary frequencies, (D / 2,), which llama.cpp reads as a tensor; None where there are none.

    Source: transformers' modeling_rope_utils, _compute_llama3_parameters.
    """
    rope = rope_settings(config, where)
    if _rope_kind(rope) != "llama3":
        return None
    read = Values(rope, f"{where}: the llama3 rope scaling")
    base, factor, old = read.number("rope_theta", ROPE_THETA), read.number("factor"), read.whole("original_max_position_embeddings")
    low, high = read.number("low_freq_factor"), read.number("high_freq_factor")
    read.check()
    if low >= high:
        raise TutorError(f"{where}: the llama3 rope scaling has low_freq_factor {low} and high_freq_factor {high} (allowed: a larger one)")
    wavelengths = 2 * math.pi * base ** (np.arange(0, shape.head_dim, 2) / shape.head_dim)
    smooth = np.clip((old / wavelengths - low) / (high - low), 0, 1)
    return (1 / ((1 - smooth) / factor + smooth)).astype(np.float32)


def rope_settings(config: dict[str, Any], where: str = "config.json") -> dict[str, Any]:
    """rope_theta and the scaling, from transformers 5's `rope_parameters` or the two older keys; TutorError for what they can't be."""
    read = Values(config, where)
    found = dict(read.mapping("rope_scaling"))
    if config.get("rope_theta"):
        found.setdefault("rope_theta", config["rope_theta"])
    found |= read.mapping("rope_parameters")
    theta = Values(found, where)
    theta.number("rope_theta", ROPE_THETA)
    read.problems += theta.problems
    read.check()
    return {key: value for key, value in found.items() if key != "rope_theta" or value is not None}


def _rope_kind(scaling: dict[str, Any]) -> Any:
    """`default` where nothing is scaled."""
    return scaling.get("rope_type", scaling.get("type")) or "default"

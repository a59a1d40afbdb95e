"""Initial weights in numpy, the same for both backends."""

from __future__ import annotations

import numpy as np

from mlxtutor.config import ModelConfig


def shapes(config: ModelConfig) -> dict[str, tuple[int, ...]]:
    """Every parameter's shape by Hugging Face's name (Qwen3ForCausalLM, tied embeddings)."""
    D, M, head = config.hidden_size, config.intermediate_size, config.head_dim
    Q, KV = config.num_heads * head, config.num_kv_heads * head
    result: dict[str, tuple[int, ...]] = {"model.embed_tokens.weight": (config.vocab_size, D)}
    for layer in range(config.num_layers):
        block = {"self_attn.q_proj": (Q, D), "self_attn.k_proj": (KV, D), "self_attn.v_proj": (KV, D), "self_attn.o_proj": (D, Q),
                 "self_attn.q_norm": (head,), "self_attn.k_norm": (head,), "mlp.gate_proj": (M, D), "mlp.up_proj": (M, D),
                 "mlp.down_proj": (D, M), "input_layernorm": (D,), "post_attention_layernorm": (D,)}
        result.update({f"model.layers.{layer}.{name}.weight": shape for name, shape in block.items()})
    result["model.norm.weight"] = (D,)
    return result


def initial_weights(config: ModelConfig, rng: np.random.Generator) -> dict[str, np.ndarray]:
    """Norms at one; matrices normal with 1/sqrt(fan in); what writes into the residual stream smaller by sqrt(2 layers) (GPT-2)."""
    result = {}
    for name, shape in shapes(config).items():
        if len(shape) == 1:
            result[name] = np.ones(shape, np.float32)
            continue
        scale = 0.02 if "embed_tokens" in name else shape[1] ** -0.5
        if name.endswith(("o_proj.weight", "down_proj.weight")):
            scale /= np.sqrt(2 * config.num_layers)
        result[name] = (rng.standard_normal(shape) * scale).astype(np.float32)
    return result


def parameter_count(config: ModelConfig) -> int:
    return sum(int(np.prod(shape)) for shape in shapes(config).values())

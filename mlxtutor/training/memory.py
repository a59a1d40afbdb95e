"""How much memory and disk a run takes, in bytes, from shapes alone."""

from __future__ import annotations

import numpy as np

from mlxtutor.config import EvaluationConfig, ModelConfig, TrainConfig
from mlxtutor.training.initial import parameter_count, shapes

FLOAT = 4
EXAMPLE_BYTES_PER_TOKEN = 45  # a list's pointer and integer for the id, a pointer for the mask, and the arrays made of them


def slot_count(config: ModelConfig, optimizer: str) -> int:
    """Numbers the optimiser keeps: two a parameter for AdamW, one for what Muon updates (the hidden matrices)."""
    hidden = sum(int(np.prod(s)) for name, s in shapes(config).items() if len(s) == 2 and "embed_tokens" not in name)
    return 2 * parameter_count(config) - (hidden if optimizer == "muon" else 0)


def training_bytes(config: ModelConfig, train: TrainConfig, targets: int) -> int:
    """Weights, gradients (and their clipped copy), optimiser state, and one pass's activations kept for the backward pass.

    targets: those of one pass, whose logits are formed. Per token and layer: the residual stream and both norms (6 D), q, k, v
    before and after norm and rotation (6 per head's width), the attention's weights (2 T a head), SwiGLU's inputs and products (5 M).
    """
    weights = parameter_count(config)
    tokens = train.row_len * train.batch_rows
    widths = config.num_heads + 2 * config.num_kv_heads
    layer = 6 * config.hidden_size + 3 * widths * config.head_dim + 2 * config.num_heads * train.row_len + 5 * config.intermediate_size
    activations = tokens * (config.num_layers * layer + 4 * config.hidden_size)
    return FLOAT * (3 * weights + slot_count(config, train.optimizer) + activations + 3 * targets * config.vocab_size)


def decoding_bytes(config: ModelConfig, batch_size: int, length: int) -> int:
    """Weights and the key-value cache of a batch of answers of `length` tokens, prompts included; growing it copies a layer at a time."""
    cache = 2 * batch_size * length * config.num_kv_heads * config.head_dim
    return FLOAT * (parameter_count(config) + cache * (config.num_layers + 1) + batch_size * config.vocab_size * 2)


def disk_bytes(config: ModelConfig, optimizers: list[str], evaluation: EvaluationConfig) -> int:
    """What a run leaves: each stage's best weights and last checkpoint, the model, the answers; and the checkpoint being replaced."""
    weights = FLOAT * parameter_count(config)
    checkpoints = [weights + FLOAT * slot_count(config, optimizer) for optimizer in optimizers]
    asked = evaluation.values + evaluation.wordings + evaluation.types + 100
    return sum(checkpoints) + max(checkpoints) + weights * (len(optimizers) + 1) + 2 * asked * 1500

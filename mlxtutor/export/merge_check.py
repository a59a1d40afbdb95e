"""A merged model against its base with the adapter beside it: a delta lost in merging shows in the log-probabilities."""

from __future__ import annotations

import dataclasses
from typing import Any

import numpy as np

from mlxtutor.export.architectures import ARCHITECTURES
from mlxtutor.export.file_check import Link
from mlxtutor.export.likeness import tolerance
from mlxtutor.export.proof import Settings, document, held_out
from mlxtutor.export.quantisation import encode
from mlxtutor.export.reference import load_reference
from mlxtutor.export.source import Source
from mlxtutor.export.source_tokenizer import SourceTokenizer

CONTEXT = 512
KINDS = {"F32": "f32", "F16": "f16", "BF16": "bf16", "F64": "f32"}
STRENGTH = 0.1  # of the adapter's effect: how much may be missing


def prove_merged(source: Source, merged: Source, settings: Settings) -> dict[str, Any]:
    """Weights rounded as they should be, and the log-probabilities of both models on held-out prompts."""
    kind = KINDS[merged.base.dtype("model.embed_tokens.weight")]
    links = [_weights(source, merged, kind)]
    if source.base.config.get("model_type") in ARCHITECTURES:
        links.append(_probabilities(source, merged, kind, settings))
    return document(links, type=kind, engine="mlx-lm")


def _weights(source: Source, merged: Source, kind: str) -> Link:
    wrong = []
    for name, shape in merged.base.shapes.items():
        for row in (0, shape[0] - 1):
            wanted = encode(source.rows(name, row, row + 1), kind)
            if not np.array_equal(encode(merged.base.rows(name, row, row + 1), kind), wanted):
                wrong.append(name)
                break
    problem = f"{len(wrong)} tensors are not base and adapter together, first {wrong[0]}" if wrong else ""
    return Link("tensors", problem, {"tensors": len(merged.base.shapes)})


def _probabilities(source: Source, merged: Source, kind: str, settings: Settings) -> Link:
    """Differences between merged and base + adapter, beside those that the adapter makes."""
    tokenizer = SourceTokenizer(source.tokenizer_directory, source.vocabulary)
    prompts = held_out(source, tokenizer, settings.prompts, min(CONTEXT, source.shape.context))
    reference = load_reference(source)
    wanted = [reference.log_probs(ids) for ids in prompts]
    limits = tolerance(kind, reference.dtype, source.shape.layers)
    found = [load_reference(merged).log_probs(ids) for ids in prompts]
    kl = float(np.mean([(np.exp(a) * (a - b)).sum(axis=-1).mean() for a, b in zip(wanted, found)]))
    largest = max(float(np.abs(a - b)[np.exp(a) > 1e-6].max()) for a, b in zip(wanted, found))
    figures = {"prompts": len(prompts), "max_difference": largest, "kl": kl, "tolerance": dataclasses.asdict(limits)}
    problem = ""
    if source.adapter:
        alone = load_reference(Source(source.base, None, None))
        effect = float(np.mean([(np.exp(a) * (a - alone.log_probs(ids))).sum(axis=-1).mean() for a, ids in zip(wanted, prompts)]))
        figures["adapter_kl"] = effect
        if kl > STRENGTH * effect and kl > limits.kl:
            problem = f"{kl:.2g} nats from base and adapter, which are {effect:.2g} from the base: the adapter is lost in part"
    elif kl > limits.kl or largest > (limits.max_difference or np.inf):
        problem = f"log-probabilities differ by up to {largest:.2g} nats"
    return Link("probabilities", problem, figures)

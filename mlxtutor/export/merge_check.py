"""A merged model against its base with the adapter beside it: a delta lost in merging shows in the log-probabilities."""

from __future__ import annotations

import dataclasses
from typing import Any

import numpy as np

from mlxtutor.export.architectures import ARCHITECTURES
from mlxtutor.export.file_check import Link
from mlxtutor.export.hf_directory import DTYPES, default_dtype
from mlxtutor.export.likeness import alike, tolerance, too_far
from mlxtutor.export.proof import Settings, document, held_out
from mlxtutor.export.quantisation import encode
from mlxtutor.export.reference import Reference, load_reference
from mlxtutor.export.source import Source
from mlxtutor.export.source_tokenizer import SourceTokenizer

CONTEXT = 512
STRENGTH = 0.1  # of the adapter's effect: how much may be missing


def prove_merged(source: Source, merged: Source, settings: Settings) -> dict[str, Any]:
    """Weights rounded as they should be, and the log-probabilities of both models on held-out prompts."""
    kind = DTYPES[default_dtype(merged)]
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
    wanted = _everywhere(reference, prompts)
    limits = tolerance(kind, reference.dtype, source.shape.layers)
    likeness = alike(wanted, _everywhere(load_reference(merged), prompts))
    figures: dict[str, Any] = {**dataclasses.asdict(likeness), "prompts": len(prompts), "tolerance": dataclasses.asdict(limits)}
    if not source.adapter or likeness.source_broken or likeness.export_broken:
        return Link("probabilities", too_far(likeness, limits), figures)
    effect = alike(wanted, _everywhere(load_reference(Source(source.base, None, None)), prompts)).kl
    lost = not likeness.kl <= max(STRENGTH * effect, limits.kl)
    problem = f"{likeness.kl:.2g} nats from base and adapter, which are {effect:.2g} from the base: the adapter is lost in part"
    return Link("probabilities", problem if lost else "", {**figures, "adapter_kl": effect})


def _everywhere(reference: Reference, prompts: list[list[int]]) -> list[np.ndarray]:
    """Log-probabilities at every position of every prompt."""
    return [row for ids in prompts for row in reference.log_probs(ids)]

"""A merged directory against its base with the adapter beside it: weights, the files beside them, and what the model says.

A delta lost in merging shows in the log-probabilities.
"""

from __future__ import annotations

import dataclasses
from collections.abc import Iterator
from typing import Any

import numpy as np

from mlxtutor.errors import TutorError
from mlxtutor.export.architectures import ARCHITECTURES
from mlxtutor.export.file_check import Link
from mlxtutor.export.hf_directory import DTYPE_KEYS, DTYPES, KEPT_FILES, QUANTISED_KEYS, default_dtype, kept_files
from mlxtutor.export.likeness import alike, tolerance, too_far
from mlxtutor.export.proof import Settings, document, held_out
from mlxtutor.export.quantisation import encode
from mlxtutor.export.reference import Reference, load_reference
from mlxtutor.export.samples import random_chats, random_texts
from mlxtutor.export.source import Source
from mlxtutor.export.source_tokenizer import SourceTokenizer
from mlxtutor.export.vocabulary import Vocabulary

CONTEXT = 512
STRENGTH = 0.1  # of the adapter's effect: how much may be missing


def prove_merged(source: Source, merged: Source, settings: Settings) -> dict[str, Any]:
    """Weights rounded as they should be, the source's tokenizer, and the log-probabilities of both models on held-out prompts.

    Of an architecture that isn't known here, weights and files alone.
    """
    kind = DTYPES[default_dtype(merged)]
    links = [_weights(source, merged, kind), _files(source, merged)]
    if source.base.config.get("model_type") in ARCHITECTURES:
        tokenizer = SourceTokenizer(source.tokenizer_directory, source.vocabulary)
        links += [*_tokenizer(source, merged, tokenizer, settings.texts), _probabilities(source, merged, tokenizer, kind, settings)]
    return document(links, type=kind, engine="mlx-lm")


def _weights(source: Source, merged: Source, kind: str) -> Link:
    """Every row of every tensor; an lm_head that is the embedding isn't written."""
    spare = "lm_head.weight" if source.base.config.get("tie_word_embeddings") else ""
    wanted, found = ({name: shape for name, shape in each.base.shapes.items() if name != spare} for each in (source, merged))
    wrong = [name for name in {**wanted, **found} if wanted.get(name) != found.get(name) or not _same_rows(source, merged, name, kind)]
    problem = f"{len(wrong)} tensors are not base and adapter together, first {wrong[0]}" if wrong else ""
    return Link("tensors", problem, {"tensors": len(wanted)})


def _same_rows(source: Source, merged: Source, name: str, kind: str) -> bool:
    """A few rows in memory at a time."""
    if merged.base.stored[name].dtype != kind.upper():
        return False
    return all(np.isfinite(theirs).all() and np.array_equal(encode(theirs, kind), encode(ours, kind))
               for ours, theirs in zip(source.chunks(name), merged.chunks(name)))


def _files(source: Source, merged: Source) -> Link:
    """Tokenizer, chat template and generation settings have the source's bytes, config.json its keys."""
    wanted = kept_files(source)
    wrong = [name for name in KEPT_FILES if _content(merged, name) != wanted.get(name)]
    keys = {key: value for key, value in source.base.config.items() if key not in (*QUANTISED_KEYS, *DTYPE_KEYS)}
    if keys != {key: value for key, value in merged.base.config.items() if key not in DTYPE_KEYS}:
        wrong.append("config.json")
    return Link("files", f"not the source's: {', '.join(wrong)}" if wrong else "", {"files": len(wanted) + 1})


def _content(merged: Source, name: str) -> bytes | None:
    path = merged.directory / name
    return path.read_bytes() if path.is_file() else None


def _tokenizer(source: Source, merged: Source, tokenizer: SourceTokenizer, n: int) -> Iterator[Link]:
    """Vocabulary, texts and chats, read from what was written."""
    texts = random_texts(n)
    try:
        names = [item.name for item in dataclasses.fields(Vocabulary)]
        other = [name for name in names if getattr(merged.vocabulary, name) != getattr(source.vocabulary, name)]
        yield Link("vocabulary", f"other {', '.join(other)} than the source's" if other else "", {"tokens": len(source.vocabulary.tokens)})
        written = SourceTokenizer(merged.tokenizer_directory, merged.vocabulary)
        equal = sum(written.encode(text) == tokenizer.encode(text) for text in texts)
        yield Link("tokenizer", "" if equal == n else f"{n - equal} of {n} texts have other ids", {"texts": n, "equal": equal})
        if source.vocabulary.chat_template:
            chats = random_chats(n, system=tokenizer.takes_system())
            equal = sum(written.encode_chat(chat) == tokenizer.encode_chat(chat) for chat in chats)
            yield Link("template", "" if equal == n else f"{n - equal} of {n} chats have other ids", {"chats": n, "equal": equal})
    except TutorError as error:
        yield Link("tokenizer", f"what was written can't be used ({error})")


def _probabilities(source: Source, merged: Source, tokenizer: SourceTokenizer, kind: str, settings: Settings) -> Link:
    """Differences between merged and base + adapter, beside those that the adapter makes."""
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

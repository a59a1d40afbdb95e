"""What is exported: a model directory, alone or with an adapter on it."""

from __future__ import annotations

import math
from collections.abc import Callable, Iterator
from dataclasses import dataclass, replace
from functools import cached_property
from pathlib import Path

import numpy as np

from mlxtutor.errors import TutorError
from mlxtutor.export.adapter import Adapter, check_fit, read_adapter
from mlxtutor.export.architectures import Shape, TensorPlan, plan_tensors, read_shape
from mlxtutor.export.checkpoint import Checkpoint, open_checkpoint
from mlxtutor.export.quantisation import decode, encode
from mlxtutor.export.source_tokenizer import read_tokens
from mlxtutor.export.vocabulary import Vocabulary, read_chat_template, read_vocabulary
from mlxtutor.model_files import ADAPTER_CONFIG

CHUNK = 1 << 22  # values of a tensor in memory at a time
LOST = 0.5       # of a delta's length: more than this lost to rounding is a lost adapter


@dataclass(frozen=True)
class Source:
    """A base, and what is added to it."""

    base: Checkpoint
    adapter: Adapter | None
    adapter_directory: Path | None

    @property
    def directory(self) -> Path:
        return self.base.directory

    @property
    def tokenizer_directory(self) -> Path:
        """An adapter may bring a tokenizer of its own, with the base's tokens and settings that it was trained with."""
        own, base = self.adapter_directory, self.base.directory
        if own and (own / "tokenizer.model").is_file():
            return own
        return own if own and (own / "tokenizer.json").is_file() and not (base / "tokenizer.model").is_file() else base

    @cached_property
    def chat_template(self) -> str | None:
        """The one that the adapter was trained with, which may come without a tokenizer; else the base's."""
        own = read_chat_template(self.adapter_directory) if self.adapter_directory else None
        return own if own is not None else read_chat_template(self.directory)

    @property
    def dtype(self) -> str:
        """What the largest tensor is stored in, as safetensors names it."""
        shapes = self.base.shapes
        return self.base.dtype(max(shapes, key=lambda name: math.prod(shapes[name]))) if shapes else "F32"

    @cached_property
    def shape(self) -> Shape:
        return read_shape(self.base.config, str(self.directory))

    @cached_property
    def plans(self) -> list[TensorPlan]:
        return plan_tensors(self.shape, self.base.shapes, str(self.directory))

    @cached_property
    def vocabulary(self) -> Vocabulary:
        found = read_vocabulary(self.tokenizer_directory, self.shape.vocab, self.base.config, self.base.directory)
        return replace(found, chat_template=self.chat_template)

    def rows(self, name: str, start: int = 0, stop: int | None = None) -> np.ndarray:
        """Rows of a tensor in the checkpoint's layout as float32, the adapter's part added."""
        values = self.base.rows(name, start, stop)
        pair = self.adapter.pairs.get(name) if self.adapter else None
        return values if pair is None else values + pair.delta(start, stop)

    def chunks(self, name: str, read: Callable[[str, int, int], np.ndarray] | None = None) -> Iterator[np.ndarray]:
        """All of it, in runs of whole rows of about CHUNK values. read: instead of `rows`."""
        shape, read = self.base.shapes[name] or (1,), read or self.rows  # a scalar is a row of its own
        step = max(1, CHUNK // max(1, math.prod(shape[1:])))
        for start in range(0, shape[0], step):
            yield read(name, start, min(shape[0], start + step))

    def planned_rows(self, plan: TensorPlan) -> Iterator[np.ndarray]:
        """A tensor as llama.cpp reads it; one whose rows are permuted comes whole, one that nothing is done to as it is stored."""
        untouched = not (plan.heads or plan.offset or self.adapter and plan.source in self.adapter.pairs)
        if plan.heads:
            yield plan.apply(self.rows(plan.source))
        elif untouched and self.base.stored[plan.source].dtype == "BF16":
            yield from self.chunks(plan.source, read=self.base.bfloat16_rows)
        else:
            for values in self.chunks(plan.source):
                yield plan.apply(values)


def open_source(directory: Path, base: Path | None = None) -> Source:
    """A model directory, or an adapter directory with the base that it belongs to.

    base: where the base is, needed for an adapter whose own `base_model_name_or_path` is no directory here.
    """
    if not (directory / ADAPTER_CONFIG).is_file():
        if base:
            raise TutorError(f"{directory}: a whole model, which has no base (leave --base out)")
        return Source(open_checkpoint(directory), None, None)
    adapter = read_adapter(directory)
    where = base or Path(adapter.base)
    if not base and not (adapter.base and where.is_dir()):
        raise TutorError(f"{directory}: an adapter on {adapter.base or 'a model it does not name'}, no directory here (--base DIR)")
    source = Source(open_checkpoint(where), adapter, directory)
    check_fit(adapter, source.base, str(directory))
    _check_tokens(directory, where)
    tied = source.base.config.get("tie_word_embeddings", source.base.config.get("model_type") == "gemma")
    if tied and "lm_head.weight" in adapter.pairs:
        raise TutorError(f"{directory}: changes lm_head, but the base's is its embedding (tie_word_embeddings): it can't be merged alone")
    return source


def _check_tokens(adapter: Path, base: Path) -> None:
    """TutorError where the adapter's tokenizer, if it brings one, has other tokens than the base's: its ids would mean something else."""
    own, wanted = read_tokens(adapter), read_tokens(base)
    wrong = sorted(at for at in {*own, *wanted} if own.get(at) != wanted.get(at)) if own and wanted else []
    if wrong:
        at = wrong[0]
        raise TutorError(f"{adapter}: {len(wrong)} of its tokenizer's tokens are not those of {base}, first id {at} with "
                         f"{own.get(at)!r} for {wanted.get(at)!r} (an adapter has its base's; give the base it was trained on with --base)")


def check_rounding(source: Source, kind: str) -> None:
    """TutorError where rounding the merged weights to this type would lose the adapter: its delta is smaller than the type's steps."""
    lost = []
    for name, pair in (source.adapter.pairs if source.adapter else {}).items():
        rows = min(pair.b.shape[0], max(1, CHUNK // pair.a.shape[1]))
        delta, base = pair.delta(0, rows), source.base.rows(name, 0, rows)
        kept = decode(encode(base + delta, kind), kind, base.shape) - decode(encode(base, kind), kind, base.shape)
        length = float(np.vdot(delta, delta))
        if length and float(np.vdot(kept, delta)) / length < LOST:
            lost.append(f"{name} keeps {np.vdot(kept, delta) / length:.0%}")
    if lost:
        raise TutorError(f"{source.adapter_directory}: as {kind} the adapter would be lost ({'; '.join(lost[:3])}; take a wider --type)")

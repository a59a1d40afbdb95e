"""What stands in a GGUF file, against its source: metadata, the order of q's and k's rows, tensors, the adapter.

The expected rows are worked out here once more, by another formula than the writer's: a mistake there must not hide itself.
"""

from __future__ import annotations

import math
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np

from mlxtutor.errors import TutorError
from mlxtutor.export.adapter import Adapter
from mlxtutor.export.architectures import TensorPlan, metadata, rope_factors
from mlxtutor.export.gguf_file import tensor_name
from mlxtutor.export.quantisation import FILE_TYPES, TYPES, encode, gguf_module, tensor_type
from mlxtutor.export.source import CHUNK, Source
from mlxtutor.export.vocabulary import Vocabulary

SAMPLED = 12        # rows of a matrix that an adapter's strength is measured on
CLOSE = 0.9         # cosine between a tensor and its k-quant, which only llama.cpp can write
MIXED = ("q2_k", "q3_k", "q4_k", "q5_k", "q6_k", "q8_0")  # of matrices: a k-quant gives some of them more bits than its name says


@dataclass(frozen=True)
class Link:
    """One thing that must hold. problem: what broke, empty when nothing did; figures: what was measured."""

    name: str
    problem: str
    figures: dict[str, Any] = field(default_factory=dict)


def check_file(source: Source, path: Path, kind: str, lora: Path | None = None) -> Iterator[Link]:
    """metadata, vocabulary, permutation, tensors, and where there is an adapter, adapter."""
    reader = read_gguf(path)
    yield _metadata(source, reader, kind)
    yield _vocabulary(source.vocabulary, reader)
    rows = _Rows(source, reader, kind, merged=lora is None)
    wrong = [plan.name for plan in source.plans if not rows.agree(plan)]
    turned = [name for name in wrong if rows.plan(name).heads and rows.agree(rows.plan(name), permuted=False)]
    yield Link("permutation", f"{len(turned)} of q and k have the checkpoint's order of rows, first {turned[0]}" if turned else "",
               {"permuted": sum(bool(plan.heads) for plan in source.plans)})
    left = [name for name in wrong if name not in turned]
    factors, own = rope_factors(source.shape, source.base.config), kind[:4].upper()
    adapted = {tensor_name(name, source.shape) for name in source.adapter.pairs} if source.adapter and lora is None else set()
    strengths = {name: rows.strength(rows.plan(name)) for name in left if name in adapted}
    weak = {name: value for name, value in strengths.items() if value is not None}
    problem = _describe(rows, [name for name in left if name not in weak])
    found = rows.found.get("rope_freqs.weight")
    if not np.array_equal([] if found is None else np.asarray(found.data), [] if factors is None else factors):
        problem = problem or "rope_freqs.weight is not what config.json gives"
    if kind not in TYPES and not any(tensor.tensor_type.name == own for tensor in rows.found.values()):
        problem = problem or f"no tensor is {own}"
    yield Link("tensors", problem, {"tensors": len(source.plans)})
    if source.adapter:
        yield _adapter(source, lora, weak)


def read_gguf(path: Path) -> Any:
    """gguf's reader; TutorError for what isn't a GGUF file."""
    try:
        return gguf_module().GGUFReader(path)
    except (OSError, ValueError, LookupError, TypeError, OverflowError) as error:  # whatever bytes of another kind lead to
        raise TutorError(f"{path}: not a GGUF file ({error}); export it again") from None


def _metadata(source: Source, reader: Any, kind: str) -> Link:
    """The file's type, keys of the architecture and of the tokenizer."""
    arch, wrong = source.shape.architecture.gguf, []
    wanted = {f"{arch}.{key}": value for key, value in metadata(source.shape, source.base.config, str(source.directory)).items()}
    vocabulary, file_type = source.vocabulary, gguf_module().LlamaFileType
    wanted |= {"general.file_type": FILE_TYPES[kind] if kind in TYPES else int(file_type[f"MOSTLY_{kind.upper()}"])}
    wanted |= {"general.architecture": arch, "tokenizer.ggml.model": vocabulary.model, "tokenizer.ggml.pre": vocabulary.pre,
               "tokenizer.ggml.add_bos_token": vocabulary.add_bos, "tokenizer.ggml.add_space_prefix": vocabulary.add_space_prefix}
    names = {"bos": "bos", "eos": "eos", "unk": "unknown", "pad": "padding", "eot": "eot"}
    wanted |= {f"tokenizer.ggml.{names[role]}_token_id": at for role, at in vocabulary.special.items()}
    for key, value in wanted.items():
        found = reader.fields[key].contents() if key in reader.fields else None
        if found is None:
            wrong.append(f"{key} is missing")
        elif not (math.isclose(found, value, rel_tol=1e-6) if isinstance(value, float) else found == value):
            wrong.append(f"{key} is {found}, not {value}")
    return Link("metadata", "; ".join(wrong[:4]), {"keys": len(wanted)})


def check_adapter(source: Source, found: Adapter) -> Link:
    """An adapter that was written and read back makes the same change."""
    assert source.adapter
    wrong = [name for name in {*source.adapter.pairs, *found.pairs} if name not in source.adapter.pairs or name not in found.pairs
             or not np.allclose(found.pairs[name].delta(), source.adapter.pairs[name].delta(), rtol=1e-5, atol=1e-7)]
    problem = f"{len(wrong)} matrices change otherwise, first {wrong[0]}" if wrong else ""
    return Link("adapter", problem, {"matrices": len(source.adapter.pairs)})


def _vocabulary(vocabulary: Vocabulary, reader: Any) -> Link:
    """Every token with its type and score, and every merge."""
    wanted: dict[str, list[Any]] = {"tokens": list(vocabulary.tokens), "token_type": list(vocabulary.types)}
    wanted |= {"scores": [float(np.float32(score)) for score in vocabulary.scores]} if vocabulary.scores else {}
    wanted |= {"merges": list(vocabulary.merges)} if vocabulary.merges else {}
    for name, values in wanted.items():
        field_found = reader.fields.get(f"tokenizer.ggml.{name}")
        found = field_found.contents() if field_found else []
        at = next((i for i, (ours, theirs) in enumerate(zip(values, found)) if ours != theirs), None)
        if at is not None or len(found) != len(values):
            what = f"{len(found)} {name}, not {len(values)}"
            if at is not None:
                what = f"entry {at} of {name} is {found[at]!r}, not {values[at]!r}"
            return Link("vocabulary", what, {"tokens": len(vocabulary.tokens)})
    return Link("vocabulary", "", {"tokens": len(vocabulary.tokens), "merges": len(vocabulary.merges)})


class _Rows:
    """Rows of a file beside those that its source would give, in the file's type."""

    def __init__(self, source: Source, reader: Any, kind: str, merged: bool) -> None:
        self.source, self.kind, self.merged = source, kind, merged
        self.found = {tensor.name: tensor for tensor in reader.tensors}
        self._plans = {plan.name: plan for plan in source.plans}

    def plan(self, name: str) -> TensorPlan:
        return self._plans[name]

    def agree(self, plan: TensorPlan, permuted: bool = True, name: str | None = None) -> bool:
        """Whether the file's tensor (of this name, if another) has the bytes of the source's, all of them."""
        tensor = self.found.get(name or plan.name)
        if tensor is None or tuple(int(n) for n in reversed(tensor.shape)) != plan.shape:
            return False
        if self.kind not in TYPES:
            return self._close(tensor, plan, permuted)
        kind = tensor_type(plan.name, plan.shape, self.kind)
        if tensor.tensor_type.name.lower() != kind:
            return False
        step = plan.shape[0] if len(plan.shape) == 1 else max(1, CHUNK // plan.shape[-1])
        spans = ((start, start + step) for start in range(0, plan.shape[0], step))
        return all(np.array_equal(_bytes(tensor, plan.shape, *span), encode(self.expected(plan, *span, permuted), kind)) for span in spans)

    def _close(self, tensor: Any, plan: TensorPlan, permuted: bool) -> bool:
        """Of a k-quant: its type is one that llama-quantize mixes, sampled rows point where the source's do."""
        stored, quants = tensor.tensor_type.name.lower(), gguf_module().quants
        if stored not in (("f32",) if len(plan.shape) == 1 else MIXED):
            return False
        for row in _sample(plan):
            stop = plan.shape[0] if len(plan.shape) == 1 else row + 1
            ours = self.expected(plan, row, stop, permuted).reshape(-1)
            theirs = quants.dequantize(_bytes(tensor, plan.shape, row, stop).view(np.uint8)[None], tensor.tensor_type).reshape(-1)
            lengths = float(np.linalg.norm(ours) * np.linalg.norm(theirs))
            if lengths and not float(ours @ theirs) / lengths >= CLOSE or not lengths and (ours.any() or theirs.any()):
                return False
        return True

    def expected(self, plan: TensorPlan, start: int, stop: int, permuted: bool = True) -> np.ndarray:
        """Rows [start, stop) of the source as the file should have them (of a vector: all of it)."""
        rows = self.source.rows if self.merged else self.source.base.rows
        if plan.heads and permuted:
            return rows(plan.source)[_order(plan)[start:stop]]
        return rows(plan.source, start, min(stop, plan.shape[0])) + np.float32(plan.offset)

    def strength(self, plan: TensorPlan) -> float | None:
        """How much of the adapter is in the file's tensor, 1 for all; None where something else is wrong with it."""
        pair = self.source.adapter.pairs[plan.source] if self.source.adapter else None
        tensor = self.found.get(plan.name)
        if pair is None or tensor is None:
            return None
        gguf = gguf_module()
        dot = length = rest = 0.0
        for row in _sample(plan):
            at = int(_order(plan)[row]) if plan.heads else row
            delta = pair.delta(at, at + 1)[0]
            data = _bytes(tensor, plan.shape, row, row + 1)
            values = gguf.quants.dequantize(data.view(np.uint8)[None], tensor.tensor_type).reshape(-1)
            found = values - self.source.base.rows(plan.source, at, at + 1)[0]
            share = float(found @ delta) / max(float(delta @ delta), 1e-30)
            dot, length = dot + float(found @ delta), length + float(delta @ delta)
            rest += float(np.square(found - share * delta).sum())
        return dot / length if length and rest < length * 4 else None


def _order(plan: TensorPlan) -> np.ndarray:
    """Row r of the file is row order[r] of the checkpoint: pair i of a head is (2 i, 2 i + 1) there and (i, i + D / 2) here."""
    row = np.arange(plan.shape[0])
    size = plan.shape[0] // plan.heads
    head, within = row // size, row % size
    return head * size + within // 2 + (within % 2) * (size // 2)


def _sample(plan: TensorPlan) -> list[int]:
    """Rows to compare: the ends and some between them; a vector is one row."""
    if len(plan.shape) == 1:
        return [0]
    return sorted(set(np.linspace(0, plan.shape[0] - 1, SAMPLED).astype(int).tolist()))


def _bytes(tensor: Any, shape: tuple[int, ...], start: int, stop: int) -> np.ndarray:
    data = np.asarray(tensor.data)
    return (data if len(shape) == 1 else data[start:stop]).reshape(-1).view(np.uint8)


def _describe(rows: _Rows, wrong: list[str]) -> str:
    """Which tensors, and where one's content is found instead."""
    parts = []
    for name in wrong[:4]:
        plan = rows.plan(name)
        if name not in rows.found:
            parts.append(f"{name} is missing")
            continue
        twin = next((other for other in rows.found if other != name and rows.agree(plan, name=other)), None)
        parts.append(f"{name} is not the source's" + (f" (what belongs there is in {twin})" if twin else ""))
    extra = sorted(set(rows.found) - {plan.name for plan in rows.source.plans} - {"rope_freqs.weight"})
    parts += [f"{name} is not the source's" for name in extra[:4]]
    return "; ".join(parts) + (f" and {len(wrong) - 4} more" if len(wrong) > 4 else "")


def _adapter(source: Source, lora: Path | None, weak: dict[str, float]) -> Link:
    """The adapter's strength: in the merged tensors, or alpha and matrices of the adapter's own file."""
    assert source.adapter
    if lora is None:
        worst = min(weak.items(), key=lambda item: item[1], default=None)
        problem = f"{worst[0]} has {worst[1]:.2f} of the adapter's change" if worst else ""
        return Link("adapter", problem, {"matrices": len(source.adapter.pairs)})
    reader = read_gguf(lora)
    alpha = reader.fields["adapter.lora.alpha"].contents() if "adapter.lora.alpha" in reader.fields else None
    found = {tensor.name: tensor for tensor in reader.tensors}
    problem = "" if alpha is not None and math.isclose(alpha, source.adapter.alpha, rel_tol=1e-6) else \
        f"adapter.lora.alpha is {alpha}, not {source.adapter.alpha}"
    for name, pair in source.adapter.pairs.items():
        target = tensor_name(name, source.shape)
        plan = next(plan for plan in source.plans if plan.name == target)
        b = pair.b[_order(plan)] if plan.heads else pair.b
        for half, values in (("lora_a", pair.a), ("lora_b", b)):
            tensor = found.get(f"{target}.{half}")
            if tensor is None or not np.array_equal(np.asarray(tensor.data).reshape(values.shape), values):
                problem = problem or f"{target}.{half} is not the adapter's"
    return Link("adapter", problem, {"matrices": len(source.adapter.pairs), "alpha": alpha})

"""Which models a model was made of, and which were made of it."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from mlxtutor.registry.models import ModelRef


def parents_of(ref: ModelRef, known: Sequence[ModelRef]) -> list[tuple[dict[str, Any], ModelRef | None]]:
    """The card's entry of every parent, with the model itself where it is (still) here."""
    entries = ref.card.get("parents") or []
    return [(entry, next((other for other in known if _is(entry, other)), None)) for entry in entries]


def children_of(ref: ModelRef, known: Sequence[ModelRef]) -> list[tuple[dict[str, Any], ModelRef]]:
    """The models that name this one as a parent, each with the entry that does."""
    return [(entry, other) for other in known for entry in other.card.get("parents") or [] if _is(entry, ref)]


def _is(entry: dict[str, Any], ref: ModelRef) -> bool:
    """By name and version; where both have a digest, it decides that this is not another model with the number."""
    same = not entry.get("digest") or not ref.digest or entry["digest"] == ref.digest
    return bool(ref.version) and entry.get("model") == ref.id and same

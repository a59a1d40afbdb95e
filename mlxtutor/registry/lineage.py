"""Which models a model was made of, and which were made of it."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Any

from mlxtutor.registry.models import ModelRef, shown_id

CARRIED = ("kind", "data", "licence", "recipe")  # what a licence follows from


def parents_of(ref: ModelRef, known: Sequence[ModelRef]) -> list[tuple[dict[str, Any], ModelRef | None]]:
    """The card's entry of every parent, with the model itself where it is (still) here."""
    entries = ref.card.get("parents") or []
    return [(entry, next((other for other in known if _is(entry, other)), None)) for entry in entries]


def children_of(ref: ModelRef, known: Sequence[ModelRef]) -> list[tuple[dict[str, Any], ModelRef]]:
    """The models that name this one as a parent, each with the entry that does."""
    return [(entry, other) for other in known for entry in other.card.get("parents") or [] if _is(entry, ref)]


def carried_entry(ref: ModelRef, role: str, known: Sequence[ModelRef], below: frozenset[str] = frozenset()) -> dict[str, Any]:
    """An entry of `parents` for a card that leaves the registry: with the parent's own `card`, and in that its parents' in turn."""
    card = {key: ref.card[key] for key in CARRIED if ref.card.get(key)}
    below = below | {shown_id(ref)}
    parents = [{**entry, **carried_entry(parent, entry.get("role", "base"), known, below), "model": entry.get("model")}
               if parent and shown_id(parent) not in below else entry for entry, parent in parents_of(ref, known)]
    if parents:
        card["parents"] = parents
    digest = {"digest": ref.digest} if ref.version and ref.digest else {}
    return {"role": role, "model": shown_id(ref), **digest, **({"card": card} if card.keys() - {"kind"} else {})}


def carried_parent(entry: dict[str, Any]) -> ModelRef | None:
    """The parent of a card that came from elsewhere, by what that card carries of it."""
    return ModelRef(str(entry.get("model")), 0, Path(), entry["card"]) if isinstance(entry.get("card"), dict) else None


def _is(entry: dict[str, Any], ref: ModelRef) -> bool:
    """By name and version; where both have a digest, it decides that this is not another model with the number."""
    same = not entry.get("digest") or not ref.digest or entry["digest"] == ref.digest
    return bool(ref.version) and entry.get("model") == ref.id and same

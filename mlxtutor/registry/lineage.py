"""Which models a model was made of, and which were made of it."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Any

from mlxtutor.registry.manifest import check_card_kept
from mlxtutor.registry.models import ModelRef, shown_id

CARRIED = ("kind", "data", "licence", "recipe")  # what a licence follows from


def parents_of(ref: ModelRef, known: Sequence[ModelRef]) -> list[tuple[dict[str, Any], ModelRef | None]]:
    """The card's entry of every parent, with the model itself where it is (still) here."""
    return [(entry, _find(entry, known)) for entry in ref.card.get("parents") or []]


def children_of(ref: ModelRef, known: Sequence[ModelRef]) -> list[tuple[dict[str, Any], ModelRef]]:
    """The models that name this one as a parent, each with the entry that does."""
    among = [ref, *(other for other in known if other.path != ref.path)]
    return [(entry, other) for other in known for entry in other.card.get("parents") or [] if _find(entry, among) is ref]


def carried_entry(ref: ModelRef, role: str, known: Sequence[ModelRef], below: frozenset[str] = frozenset()) -> dict[str, Any]:
    """An entry of `parents` for a card that leaves the registry: with the parent's own `card`, and in that its parents' in turn.

    TutorError where one of the cards was edited.
    """
    if ref.version:
        check_card_kept(ref.path)
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


def _find(entry: dict[str, Any], known: Sequence[ModelRef]) -> ModelRef | None:
    """By name and version; a hub id by what was pulled from there: that revision, else the newest."""
    for ref in known:
        if _is(entry, ref):
            return ref
    if entry.get("role") == "source":  # where a pulled model is from, which is not another pull of it
        return None
    pulled = [ref for ref in known if ref.version and _origin(ref).get("repo") == entry.get("model")]
    same = [ref for ref in pulled if entry.get("revision") and _origin(ref).get("revision") == entry["revision"]]
    return max(same or pulled, key=lambda ref: (ref.card.get("created", ""), ref.version), default=None)


def _origin(ref: ModelRef) -> dict[str, Any]:
    return ref.card.get("origin") or {}


def _is(entry: dict[str, Any], ref: ModelRef) -> bool:
    """By name and version; where both have a digest, it decides that this is not another model with the number."""
    same = not entry.get("digest") or not ref.digest or entry["digest"] == ref.digest
    return bool(ref.version) and entry.get("model") == ref.id and same

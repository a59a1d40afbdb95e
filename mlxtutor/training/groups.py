"""Which parameters which optimiser takes, on either backend."""

from __future__ import annotations

from collections.abc import Iterable


def parameter_groups(dimensions: Iterable[tuple[str, int]], optimizer: str) -> tuple[list[str], list[str], list[str]]:
    """Names for Muon, for AdamW with weight decay, and for AdamW without. dimensions: (name without `model.`, ndim)."""
    muon: list[str] = []
    decayed: list[str] = []
    plain: list[str] = []
    for name, ndim in dimensions:
        if ndim < 2:
            plain.append(name)
        elif optimizer == "muon" and not name.startswith("embed_tokens"):
            muon.append(name)
        else:
            decayed.append(name)
    return muon, decayed, plain

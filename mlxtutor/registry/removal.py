"""Removing a version, unless something would miss it."""

from __future__ import annotations

from pathlib import Path

from mlxtutor.errors import TutorError
from mlxtutor.registry.history import read_history
from mlxtutor.registry.lineage import children_of
from mlxtutor.registry.models import ModelRef, list_models, version_named
from mlxtutor.registry.writing import locked, take_away


def remove(models: Path, name: str) -> ModelRef:
    """Delete a version (NAME@3) for good; its number is not given again. TutorError where it is stable or others build on it."""
    version_named(models, name, "remove")
    with locked(models):
        ref = version_named(models, name, "remove")
        read_history(ref.path.parent)  # damaged, it can't say what is stable nor take the removal
        if ref.stable:
            another = f"tutor models promote, or tutor models rollback {ref.name} [--to 0]"
            raise TutorError(f"{ref.id} is the stable version of {ref.name} and stays (make it another: {another})")
        children = sorted({child.id for _, child in children_of(ref, list_models(models))})
        if children:
            raise TutorError(f"{ref.id} stays: {', '.join(children)} built on it (remove what builds on it first)")
        take_away(ref.path)
    return ref

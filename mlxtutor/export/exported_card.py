"""What an exported folder says of where it comes from, so that its licence is still known when the folder is published."""

from __future__ import annotations

import json
import shutil
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from mlxtutor.export.source import Source
from mlxtutor.files import write_atomic
from mlxtutor.model_files import ADAPTER_CONFIG, is_licence_file
from mlxtutor.private_paths import without_paths
from mlxtutor.registry.lineage import carried_entry, parents_of
from mlxtutor.registry.manifest import CARD, describe, digest_of, size_of
from mlxtutor.registry.models import ModelRef, directory_ref
from mlxtutor.registry.origin import code_state


def licence_files(source: Source) -> dict[str, Path]:
    """{name in the folder: file} of the model's and the adapter's licences and notices; two of one name both stay."""
    found = {path.name: path for path in _licences(source.directory)}
    for path in _licences(source.adapter_directory) if source.adapter_directory else []:
        known = found.get(path.name)
        same = known is None or known.read_bytes() == path.read_bytes()
        found[path.name if same else f"{path.stem}-adapter{path.suffix}"] = path
    return found


def write_card(ref: ModelRef, source: Source, entry: dict[str, Any], folder: Path, files: Sequence[Path]) -> list[Path]:
    """The licence files, and tutor.json: the written files, and as its `source` the model. entry: what `source_entry` gave."""
    copied = [Path(shutil.copyfile(path, folder / name)) for name, path in licence_files(source).items()]
    listed = describe(folder, sorted(path.relative_to(folder).as_posix() for path in [*files, *copied]))
    kind = "micro" if ref.card.get("kind") == "micro" else "adapter" if (folder / ADAPTER_CONFIG) in files else "exported"
    card = {"kind": kind, "code": code_state(), "parents": [entry],
            **({"licence": ref.card["licence"]} if ref.card.get("licence") else {}),
            "files": listed, "digest": digest_of(listed), "size": size_of(listed)}
    write_atomic(folder / CARD, (json.dumps(without_paths(card), ensure_ascii=False, indent=2) + "\n").encode())
    return [*copied, folder / CARD]


def _licences(folder: Path) -> list[Path]:
    return sorted(path for path in folder.iterdir() if path.is_file() and is_licence_file(path.name))


def source_entry(ref: ModelRef, source: Source, known: Sequence[ModelRef]) -> dict[str, Any]:
    """The model with the cards of its whole family, as a parent; TutorError where one was edited.

    The base that was really merged counts, also where the adapter's card names none or another.
    """
    entry = carried_entry(ref, "source", known)
    if source.adapter:
        base = directory_ref(known, source.directory)
        if base.version == 0 and any(parent.get("role") == "base" for parent in ref.card.get("parents") or []):
            return entry
        if base.path not in [parent.path for _, parent in parents_of(ref, known) if parent]:
            found = carried_entry(base, "base", known)
            if base.version == 0 and source.adapter.base and not Path(source.adapter.base).is_absolute():
                found["model"] = source.adapter.base
            card = entry.setdefault("card", {})
            card["parents"] = [*card.get("parents", []), found]
    return entry

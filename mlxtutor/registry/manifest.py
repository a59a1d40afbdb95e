"""What a model's folder holds: every file by SHA-256 and size, one digest of them all, and what has changed since."""

from __future__ import annotations

import hashlib
import json
import os
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from mlxtutor.errors import TutorError
from mlxtutor.files import sync
from mlxtutor.records.card import sha256

CARD = "tutor.json"
READ_ONLY = 0o444
Files = dict[str, dict[str, Any]]


@dataclass(frozen=True)
class Differences:
    """A folder against its card. known: False where the card, an old one, lists no files; then nothing can be said."""

    changed: tuple[str, ...] = ()
    missing: tuple[str, ...] = ()
    added: tuple[str, ...] = ()
    known: bool = True

    @property
    def any(self) -> bool:
        return bool(self.changed or self.missing or self.added)

    def __str__(self) -> str:
        """`changed: config.json; missing: model.safetensors`."""
        parts = {"changed": self.changed, "missing": self.missing, "added": self.added}
        return "; ".join(f"{what}: {', '.join(names)}" for what, names in parts.items() if names)


def file_names(folder: Path) -> list[str]:
    """Names, relative to the folder, of the files that make the model: not its card, nothing hidden (.DS_Store, .gitattributes)."""
    names = [Path(root, name).relative_to(folder) for root, _, files in os.walk(folder) for name in files]
    return sorted(name.as_posix() for name in names if not any(part.startswith(".") for part in name.parts) and name.as_posix() != CARD)


def describe_files(folder: Path) -> Files:
    """{name: {"sha256": 64 hexadecimal digits, "size": bytes}} of a model's files."""
    return describe(folder, file_names(folder))


def describe(folder: Path, names: Iterable[str]) -> Files:
    """The same of some of its files."""
    return {name: {"sha256": sha256(folder / name), "size": (folder / name).stat().st_size} for name in names}


def digest_of(files: Mapping[str, Mapping[str, Any]]) -> str:
    """`sha256:...` of the canonical manifest: the files as JSON in UTF-8, keys sorted, no white space."""
    plain = {name: {"sha256": file["sha256"], "size": file["size"]} for name, file in files.items()}
    text = json.dumps(plain, sort_keys=True, separators=(",", ":"), ensure_ascii=False)
    return f"sha256:{hashlib.sha256(text.encode()).hexdigest()}"


def size_of(files: Mapping[str, Mapping[str, Any]]) -> int:
    """Bytes of all files."""
    return sum(file["size"] for file in files.values())


def seal(folder: Path) -> Files:
    """Make a written model's files read-only and safe on the disk; gives its manifest. TutorError for a link: it could change."""
    links = sorted(path.relative_to(folder).as_posix() for path in folder.rglob("*") if path.is_symlink())
    if links:
        raise TutorError(f"{', '.join(links[:4])}: a link (a registered model holds its files themselves; copy them)")
    for path in folder.rglob("*"):
        if path.is_file():
            path.chmod(READ_ONLY)
        sync(path)
    sync(folder)
    return describe_files(folder)


def compare(folder: Path, card: Mapping[str, Any]) -> Differences:
    """The files as they are now against the card's manifest. Every byte is read."""
    listed = card.get("files")
    if not isinstance(listed, dict):
        return Differences(known=False)
    present = set(file_names(folder))
    changed = [name for name in sorted(present & listed.keys()) if not _same(folder / name, listed[name])]
    if card.get("digest") != digest_of(listed):
        changed.append(CARD)
    return Differences(tuple(changed), tuple(sorted(listed.keys() - present)), tuple(sorted(present - listed.keys())))


def _same(path: Path, listed: Mapping[str, Any]) -> bool:
    try:
        return path.stat().st_size == listed["size"] and sha256(path) == listed["sha256"]
    except FileNotFoundError:  # removed this moment, or a link to nowhere
        return False

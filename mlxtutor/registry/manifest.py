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
from mlxtutor.files import sync, write_atomic
from mlxtutor.records.card import sha256

CARD = "tutor.json"
SEAL = ".tutor.json.sha256"  # of the card's bytes as they were registered; hidden, so no file of the model
READ_ONLY = 0o444
Files = dict[str, dict[str, Any]]


@dataclass(frozen=True)
class Differences:
    """A folder against its card. known: False where the card, an old one, lists no files; then nothing can be said.

    sealed: False where the card was registered before cards had a digest of their own; then nothing can be said of it.
    """

    changed: tuple[str, ...] = ()
    missing: tuple[str, ...] = ()
    added: tuple[str, ...] = ()
    known: bool = True
    sealed: bool = True

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


def write_sealed(folder: Path, card: Mapping[str, Any]) -> None:
    """The card and its digest, both read-only."""
    content = (json.dumps(card, ensure_ascii=False, indent=2) + "\n").encode()
    for name, data in ((CARD, content), (SEAL, f"{hashlib.sha256(content).hexdigest()}\n".encode())):
        write_atomic(folder / name, data)
        (folder / name).chmod(READ_ONLY)


def card_kept(folder: Path) -> bool | None:
    """Whether the card is the one that was registered; None where that isn't known."""
    try:
        wanted = (folder / SEAL).read_bytes()
        return sha256(folder / CARD).encode() == wanted.strip()
    except FileNotFoundError:
        return None


def check_card_kept(folder: Path) -> None:
    """TutorError for a card that was edited: what is derived from it, its licence above all, would be wrong."""
    if card_kept(folder) is False:
        raise TutorError(f"{folder / CARD}: not the card that was registered (restore it from a copy, or make the model again)")


def compare(folder: Path, card: Mapping[str, Any]) -> Differences:
    """The files as they are now against the card's manifest, and the card against its digest. Every byte is read."""
    listed, kept = card.get("files"), card_kept(folder)
    if not isinstance(listed, dict):
        return Differences(known=False, changed=(CARD,) if kept is False else (), sealed=kept is not None)
    present = set(file_names(folder))
    changed = [name for name in sorted(present & listed.keys()) if not _same(folder / name, listed[name])]
    if kept is False or card.get("digest") != digest_of(listed):
        changed.append(CARD)
    return Differences(tuple(changed), tuple(sorted(listed.keys() - present)), tuple(sorted(present - listed.keys())),
                       sealed=kept is not None)


def _same(path: Path, listed: Mapping[str, Any]) -> bool:
    try:
        return path.stat().st_size == listed["size"] and sha256(path) == listed["sha256"]
    except FileNotFoundError:  # removed this moment, or a link to nowhere
        return False

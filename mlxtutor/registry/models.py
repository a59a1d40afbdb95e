"""Models by name and version: NAME@1, NAME@2, ... under the tutor home. A half-written one is never listed."""

from __future__ import annotations

import json
import os
import re
import shutil
from collections.abc import Callable
from dataclasses import dataclass
from datetime import datetime, timezone
from pathlib import Path

from filelock import FileLock

from mlxtutor.errors import TutorError

CARD = "tutor.json"
NAME = re.compile(r"[a-z0-9][a-z0-9._-]*", re.IGNORECASE)


@dataclass(frozen=True)
class ModelRef:
    """A registered model; card is its tutor.json (kind, created, fingerprint, recipe, metrics)."""

    name: str
    version: int
    path: Path
    card: dict

    @property
    def id(self) -> str:
        return f"{self.name}@{self.version}"


def check_name(name: str, what: str = "model name") -> str:
    """The name, which a folder will have; TutorError where it can't."""
    if not NAME.fullmatch(name):
        raise TutorError(f'{what} "{name}" is not usable (letters, digits, ".", "_" and "-" only)')
    return name


def list_models(models: Path) -> list[ModelRef]:
    """Every complete model, oldest first."""
    found = []
    for card in models.glob(f"*/*/{CARD}"):
        folder = card.parent
        if folder.name.isdigit():
            found.append(ModelRef(folder.parent.name, int(folder.name), folder, _read_card(card)))
    return sorted(found, key=lambda ref: (ref.card["created"], ref.name, ref.version))


def register(models: Path, name: str, card: dict, write: Callable[[Path], None]) -> ModelRef:
    """Take the next version of a name; write(folder) fills it, then it appears at once under its final name."""
    parent = models / check_name(name)
    parent.mkdir(parents=True, exist_ok=True)
    card = {"name": name, "created": datetime.now(timezone.utc).isoformat(timespec="microseconds"), **card}
    beside = parent / f".new-{os.getpid()}"
    shutil.rmtree(beside, ignore_errors=True)
    try:
        write(beside)
        with FileLock(parent / ".lock"):
            version = 1 + max((int(p.name) for p in parent.iterdir() if p.name.isdigit()), default=0)
            card["version"] = version
            (beside / CARD).write_text(json.dumps(card, indent=2) + "\n")
            os.replace(beside, parent / str(version))
    finally:
        shutil.rmtree(beside, ignore_errors=True)
    return ModelRef(name, version, parent / str(version), card)


def resolve(models: Path, name: str | None) -> ModelRef:
    """A registry name (newest version), NAME@VERSION, a directory, or None for the newest model of all."""
    known = list_models(models)
    if name is None:
        if not known:
            raise TutorError("no model yet (make one: tutor train)")
        return known[-1]
    matches = [ref for ref in known if name in (ref.name, ref.id)]
    if matches:
        return max(matches, key=lambda ref: ref.version)
    if name and Path(name).is_dir():
        return _directory(Path(name))
    names = ", ".join(ref.id for ref in known[-6:]) or "none yet; make one: tutor train"
    raise TutorError(f'no model "{name}" (here: {names}; or a model directory)')


def _directory(path: Path) -> ModelRef:
    card = path / CARD
    return ModelRef(path.resolve().name, 0, path, _read_card(card) if card.exists() else {"kind": "directory"})


def _read_card(path: Path) -> dict:
    try:
        return json.loads(path.read_text())
    except json.JSONDecodeError as error:
        raise TutorError(f"{path}: not JSON ({error.msg}); restore it, or remove the folder {path.parent}") from None

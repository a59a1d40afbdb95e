"""The folder of an export: whose it is, who writes in it, and its proof.json, which is also the mark of what was written."""

from __future__ import annotations

import hashlib
import json
import tempfile
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from filelock import FileLock, Timeout

from mlxtutor.errors import TutorError
from mlxtutor.files import write_atomic
from mlxtutor.registry.models import ModelRef, shown_id

PROOF = "proof.json"
HALF_WRITTEN = (".*.gguf.*", ".*.f16.gguf", ".*.safetensors.*")  # what a killed export leaves


def check_folder(folder: Path, made_of: Sequence[Path]) -> None:
    """TutorError for a folder that holds something else than an export, or what this one is made of."""
    if folder.exists() and not folder.is_dir():
        raise TutorError(f"{folder}: a file (a folder is expected)")
    for own in made_of:
        if own.resolve() == folder.resolve():
            raise TutorError(f"{folder}: holds what is exported ({own}; give another folder with --out)")
    if folder.is_dir() and any(folder.iterdir()) and not {"passed", "links", "written"} <= _proof(folder).keys():
        raise TutorError(f"{folder} exists and holds no export (give another folder with --out)")


@contextmanager
def alone_in(folder: Path) -> Iterator[None]:
    """No other export writes into the folder meanwhile."""
    key = hashlib.sha256(str(folder.resolve()).encode()).hexdigest()[:16]
    try:
        with FileLock(Path(tempfile.gettempdir()) / f"mlxtutor-export-{key}.lock", timeout=0):
            yield
    except Timeout:
        raise TutorError(f"{folder}: another export is writing there (wait for it, or give another folder with --out)") from None


def begin(folder: Path, names: list[str]) -> None:
    """Take away what an earlier export wrote, its proof first: what is half written must not look proved. Other files stay.

    names, or patterns of names, that will be written: the mark by which a later export knows the folder and what to take away.
    """
    earlier = _written(folder)
    unproved(folder, "unfinished", names)
    for pattern in (*earlier, *HALF_WRITTEN):
        for path in folder.glob(pattern):
            if path.is_file():
                path.unlink()


def finished(folder: Path, files: list[Path]) -> list[Path]:
    """Note what was really written, in place of what might have been."""
    unproved(folder, "unfinished", [path.name for path in files])
    return files


def unproved(folder: Path, reason: str, names: list[str] | None = None) -> dict[str, Any]:
    """The record that nothing was proved, or not yet. names: None for those that are noted."""
    written = _written(folder) if names is None else names
    return _write(folder, {"passed": None, "broken": [], "links": [], "reason": reason, "written": written})


def keep_proof(folder: Path, ref: ModelRef, proof: dict[str, Any]) -> dict[str, Any]:
    """The proof with what was exported, written into the folder."""
    return _write(folder, {"model": shown_id(ref), "digest": ref.digest, **proof, "written": _written(folder)})


def _write(folder: Path, proof: dict[str, Any]) -> dict[str, Any]:
    write_atomic(folder / PROOF, (json.dumps(proof, ensure_ascii=False, indent=1, default=float, allow_nan=False) + "\n").encode())
    return proof


def _proof(folder: Path) -> dict[str, Any]:
    try:
        found = json.loads((folder / PROOF).read_text())
    except (OSError, ValueError):
        return {}
    return found if isinstance(found, dict) else {}


def _written(folder: Path) -> list[str]:
    names = _proof(folder).get("written")
    return [name for name in names if isinstance(name, str) and "/" not in name] if isinstance(names, list) else []

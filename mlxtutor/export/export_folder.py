"""The folder of an export: whose it is, who writes in it, and its proof.json, which is also the mark of what was written."""

from __future__ import annotations

import glob
import hashlib
import json
import shutil
import tempfile
from collections.abc import Iterable, Iterator, Mapping, Sequence
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import Any

from filelock import FileLock, Timeout

from mlxtutor.errors import TutorError
from mlxtutor.files import json_object, write_atomic

PROOF = "proof.json"
WORK = ".export-unfinished"  # where an export is written; a killed one leaves it
UNPROVED: dict[str, Any] = {"passed": None, "broken": [], "links": [], "reason": "unfinished"}


def check_folder(folder: Path, made_of: Sequence[Path], models: Path) -> None:
    """TutorError for a folder that holds something else than an export, or lies in what this one is made of or among the models."""
    if folder.exists() and not folder.is_dir():
        raise TutorError(f"{folder}: a file (a folder is expected)")
    if _inside(folder, models):
        raise TutorError(f"{folder}: among the registered models in {models}, which stay as they are (give another folder with --out)")
    for own in made_of:
        if _inside(folder, own):
            raise TutorError(f"{folder}: in {own}, which is what is exported (give another folder with --out)")
    holds = folder.is_dir() and any(path.name != WORK for path in folder.iterdir())
    if holds and not {"passed", "links", "written"} <= _proof(folder).keys():
        raise TutorError(f"{folder} exists and holds no export (give another folder with --out)")


def _inside(folder: Path, other: Path) -> bool:
    """It is the other folder, or lies in it, under whatever name."""
    whole, other = folder.resolve(), other.resolve()
    same = other.exists() and any(path.exists() and path.samefile(other) for path in (whole, *whole.parents))
    return same or whole.is_relative_to(other)


@contextmanager
def alone_in(folder: Path) -> Iterator[None]:
    """No other export writes into the folder meanwhile."""
    key = hashlib.sha256(str(folder.resolve()).encode()).hexdigest()[:16]
    try:
        with FileLock(Path(tempfile.gettempdir()) / f"mlxtutor-export-{key}.lock", timeout=0):
            yield
    except Timeout:
        raise TutorError(f"{folder}: another export is writing there (wait for it, or give another folder with --out)") from None


@contextmanager
def replacing(folder: Path, names: Iterable[str], origin: Mapping[str, Any]) -> Iterator[Path]:
    """A hidden folder to write an export to. When the block ends well its files take the place of the earlier export, whose other
    files go; until then, and after an exception, the earlier one is as it was.

    names: of the files, or patterns; TutorError where one is a file that no export wrote. origin: what proof.json says of the source.
    """
    _check_names(folder, names)
    with workplace(folder) as work:
        yield work
        _put_in_place(work, folder, origin)


@contextmanager
def workplace(folder: Path) -> Iterator[Path]:
    """An empty hidden folder in this one, gone when the block ends; what a killed export left in it goes first."""
    work, new = folder / WORK, not folder.exists()
    shutil.rmtree(work, ignore_errors=True)
    work.mkdir(parents=True)
    try:
        yield work
    finally:
        shutil.rmtree(work, ignore_errors=True)
        if new:
            with suppress(OSError):  # something was written
                folder.rmdir()


def unproved(folder: Path, reason: str) -> dict[str, Any]:
    """Note why nothing was proved."""
    return _write(folder, {**_proof(folder), "reason": reason})


def keep_proof(folder: Path, proof: dict[str, Any]) -> dict[str, Any]:
    """The proof, behind what is noted of the model, written into the folder."""
    noted = _proof(folder)
    origin = {key: value for key, value in noted.items() if key not in UNPROVED and key != "written"}
    return _write(folder, {**origin, **proof, "written": _written(folder)})


def _check_names(folder: Path, names: Iterable[str]) -> None:
    """TutorError for a file that would be replaced and isn't an export's."""
    earlier = {PROOF, *_written(folder)}
    other = sorted({path.name for name in names for path in folder.glob(name)} - earlier)
    if other:
        raise TutorError(f"{folder}: {', '.join(other)} would be replaced, but no export wrote it (move it away, or give another "
                         "folder with --out)")


def _put_in_place(work: Path, folder: Path, origin: Mapping[str, Any]) -> None:
    """The new files for the old. Meanwhile proof.json says that it is unfinished, and names both: a killed one is cleared by the next."""
    earlier, new = _written(folder), sorted(path.name for path in work.iterdir())
    _check_names(folder, map(glob.escape, new))
    _write(folder, {**origin, **UNPROVED, "written": sorted({*earlier, *new})})
    for old in [*(folder / name for name in earlier if name not in new), *folder.glob(f".{PROOF}.*")]:
        if old.is_file():
            old.unlink()
    for name in new:
        (work / name).replace(folder / name)
    _write(folder, {**origin, **UNPROVED, "written": new})


def _write(folder: Path, proof: dict[str, Any]) -> dict[str, Any]:
    write_atomic(folder / PROOF, (json.dumps(proof, ensure_ascii=False, indent=1, default=float, allow_nan=False) + "\n").encode())
    return proof


def _proof(folder: Path) -> dict[str, Any]:
    return json_object(folder / PROOF)


def _written(folder: Path) -> list[str]:
    names = _proof(folder).get("written")
    return [name for name in names if isinstance(name, str) and "/" not in name] if isinstance(names, list) else []

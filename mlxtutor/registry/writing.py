"""Changing the registry: one process at a time, and nothing that a killed one left stays for long."""

from __future__ import annotations

import os
import shutil
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path

from filelock import FileLock, Timeout

from mlxtutor.errors import TutorError
from mlxtutor.files import sync
from mlxtutor.registry.history import HISTORY, read_history, record

LOCK = ".lock"
NEW = ".new-"          # NAME/.new-XXXX: a model that is being written, and the lock that its writer holds
REMOVED = ".removed-"  # NAME/.removed-3: version 3, removed, its files not all deleted yet
WAIT_S = 300           # the longest anyone holds the lock is a model's hashing


@contextmanager
def locked(models: Path) -> Iterator[None]:
    """The registry to oneself, swept. Readers need no lock. TutorError where another process keeps it for minutes."""
    models.mkdir(parents=True, exist_ok=True)
    lock = FileLock(models / LOCK)
    try:
        held = lock.acquire(timeout=WAIT_S)
    except Timeout:
        raise TutorError(f"{models / LOCK}: held by another process for {WAIT_S} s (wait for it, or end it)") from None
    with held:
        _sweep(models)
        yield


@contextmanager
def workplace(models: Path, name: str) -> Iterator[Path]:
    """A path to write a model of that name to, not there yet, on the disk it will stay on; gone at the end.

    Its lock says that the writer lives: the kernel lets go of it when the process ends, however it ends.
    """
    with locked(models):
        parent = models / name
        parent.mkdir(exist_ok=True)
        sync(models)
        place = Path(tempfile.mkdtemp(prefix=NEW, dir=parent))
        lock = FileLock(place / "lock")
        lock.acquire(timeout=0)
    try:
        yield place / "model"
    finally:
        shutil.rmtree(place, ignore_errors=True)
        lock.release()


def take_away(folder: Path) -> None:
    """Remove a version: gone at once, then recorded, then deleted; the caller holds the registry's lock."""
    away = folder.parent / f"{REMOVED}{folder.name}"
    os.replace(folder, away)
    sync(folder.parent)
    _finish_removal(away)


def _finish_removal(away: Path) -> None:
    version = int(away.name.removeprefix(REMOVED))
    if not any(event.action == "remove" and event.old == version for event in read_history(away.parent)):
        record(away.parent, "remove", version, None)
    shutil.rmtree(away, ignore_errors=True)


def _sweep(models: Path) -> None:
    """Finish or delete what killed processes left; the lock is held, so nobody is in the middle of anything but a write."""
    for left in models.glob(f"*/{NEW}*"):
        with suppress(Timeout, OSError), FileLock(left / "lock", timeout=0):
            shutil.rmtree(left, ignore_errors=True)
    for left in models.glob(f"*/{REMOVED}*"):
        with suppress(ValueError, TutorError):  # a damaged history is repaired first; other models go on
            _finish_removal(left)
    for left in models.glob(f"*/.{HISTORY}.*"):
        left.unlink(missing_ok=True)

"""Files that are whole or absent."""

from __future__ import annotations

import json
import os
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any, BinaryIO

from mlxtutor.errors import TutorError


def write_atomic(path: Path, data: bytes) -> None:
    """The file holds either its old content or all of `data`, whatever happens meanwhile."""
    with open_atomic(path) as file:
        file.write(data)


@contextmanager
def open_atomic(path: Path) -> Iterator[BinaryIO]:
    """A file to write to that takes the path's place when the block ends; an exception leaves the path as it was."""
    if path.is_dir() or not path.name:
        raise TutorError(f"{path}: a folder (the name of a file is expected)")
    path.parent.mkdir(parents=True, exist_ok=True)
    beside = path.with_name(f".{path.name}.{os.getpid()}")
    try:
        with _opened(beside, path) as file:
            yield file
            file.flush()
            os.fsync(file.fileno())
        os.replace(beside, path)
    finally:
        beside.unlink(missing_ok=True)


def _opened(beside: Path, path: Path) -> BinaryIO:
    """For writing; what the folder doesn't allow is said of the file that was asked for."""
    try:
        return open(beside, "wb")
    except OSError as error:
        raise type(error)(error.errno, error.strerror, str(path)) from None


def json_object(path: Path) -> dict[str, Any]:
    """A file's JSON object; empty for what is none, or can't be read."""
    try:
        document = json.loads(path.read_bytes())
    except (OSError, ValueError, RecursionError):
        return {}
    return document if isinstance(document, dict) else {}


def sync(path: Path) -> None:
    """Flush a file or folder to disk."""
    handle = os.open(path, os.O_RDONLY)
    try:
        os.fsync(handle)
    finally:
        os.close(handle)

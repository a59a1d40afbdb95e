"""Rows of JSONL, read with the line number of what is wrong and written whole or not at all."""

from __future__ import annotations

import json
from collections.abc import Iterable, Iterator
from pathlib import Path

from mlxtutor.errors import TutorError
from mlxtutor.files import write_atomic
from mlxtutor.text.chat import check_messages


def read_json_lines(path: Path) -> Iterator[tuple[int, dict]]:
    """(line number, object) of every non-blank line; TutorError `file:line: ...` on the first that isn't an object."""
    try:
        file = path.open(encoding="utf-8-sig")
    except OSError as error:
        raise TutorError(f"{path}: can't be read ({error.strerror or error})") from None
    with file:
        found = False
        try:
            for number, line in enumerate(file, 1):
                if not line.strip():
                    continue
                found = True
                yield number, _object(path, number, line)
        except UnicodeDecodeError as error:
            raise TutorError(f"{path}: not UTF-8 text (byte {error.start}: {error.reason}); save it as UTF-8") from None
    if not found:
        raise TutorError(f"{path}: empty (one JSON object a line is expected)")


def _object(path: Path, number: int, line: str) -> dict:
    try:
        row = json.loads(line)
    except (json.JSONDecodeError, RecursionError) as error:
        reason = getattr(error, "msg", "nested too deeply")
        raise TutorError(f"{path}:{number}: not JSON ({reason}); one JSON object a line is expected") from None
    if not isinstance(row, dict):
        raise TutorError(f"{path}:{number}: a JSON object is expected (got {type(row).__name__})")
    return row


def read_rows(path: Path) -> Iterator[dict]:
    """Chat rows: objects with `messages` that can be rendered, the last one the assistant's."""
    for number, row in read_json_lines(path):
        if not isinstance(row.get("messages"), list):
            raise TutorError(f'{path}:{number}: missing "messages" (has: {", ".join(row) or "nothing"})')
        try:
            check_messages(row["messages"])
        except TutorError as error:
            raise TutorError(f"{path}:{number}: {error}") from None
        yield row


def write_rows(path: Path, rows: Iterable[dict]) -> None:
    """One JSON object a line, atomically."""
    write_atomic(path, "".join(json.dumps(row, ensure_ascii=False) + "\n" for row in rows).encode())

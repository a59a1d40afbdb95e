"""Rows of JSONL, read with the line number of what is wrong and written whole or not at all."""

from __future__ import annotations

import json
from collections.abc import Iterable, Iterator
from pathlib import Path

from mlxtutor.errors import TutorError
from mlxtutor.files import write_atomic
from mlxtutor.records.reading import Defect, read_lines
from mlxtutor.text.chat import check_messages


def read_json_lines(path: Path) -> Iterator[tuple[int, dict]]:
    """(line number, object) of every non-blank line; TutorError `file:line: ...` on the first that isn't an object."""
    found = False
    try:
        for item in read_lines(path):
            if isinstance(item, Defect):
                raise TutorError(f"{path}:{item.line}: {item.message}")
            found = True
            yield item.line, item.value
    except OSError as error:
        raise TutorError(f"{path}: can't be read ({error.strerror or error})") from None
    if not found:
        raise TutorError(f"{path}: empty (one JSON object a line is expected)")


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

"""Documents for pretraining from a folder, a text file, JSONL or a hub dataset."""

from __future__ import annotations

import gzip
import json
import re
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from mlxtutor.errors import TutorError
from mlxtutor.text.chat import check_messages, plain

HUB = "hub:"
TEXT_SUFFIXES = (".md", ".txt")
ROW_SUFFIXES = (".jsonl", ".ndjson")
TEXT_KEYS = ("text", "content")
PAIR_KEYS = (("prompt", "response"), ("prompt", "completion"), ("instruction", "output"), ("question", "answer"))
_HUB_NAME = re.compile(r"(?P<name>[\w.-]+/[\w.-]+)(?::(?P<split>[\w.\[\]%:+-]+))?")


def read_corpus(source: str | Path, text_key: str | None = None) -> Iterator[str]:
    """The non-empty documents of a source, in a fixed order.

    source: a folder of .md and .txt (READMEs are left out), a text file, JSONL (each also as .gz), or `hub:owner/name[:split]`.
    Markdown gives one document per `##` section; JSONL one per row: `text_key`, else text, content, messages or a prompt and
    its response. Raises TutorError for what can't be read, with the line, and for a source without any text.
    """
    if str(source).startswith(HUB):
        documents, shown = _read_hub(str(source), text_key), str(source)
    else:
        documents, shown = _read_path(Path(source), text_key), str(source)
    empty = True
    for document in documents:
        if document.strip():
            empty = False
            yield document.strip()
    if empty:
        raise TutorError(f"{shown}: no text in it (give a folder of .md or .txt, a text file, or JSONL with text)")


def _read_path(path: Path, text_key: str | None) -> Iterator[str]:
    if path.is_dir():
        files = [file for file in sorted(path.rglob("*")) if _suffix(file) in TEXT_SUFFIXES and file.is_file()]
        for file in files:
            if not file.name.lower().startswith("readme"):
                yield from _read_text(file)
    elif not path.exists():
        raise TutorError(f"{path}: no such file or folder (a dataset of the hub is written {HUB}owner/name)")
    elif _suffix(path) in ROW_SUFFIXES:
        yield from _read_rows(path, text_key)
    elif _suffix(path) == ".json":
        raise TutorError(f"{path}: one JSON document can't be streamed; write one row per line and name it .jsonl")
    else:
        yield from _read_text(path)


def _suffix(path: Path) -> str:
    """The file's suffix in lower case, that before .gz where it is compressed."""
    return (path.with_suffix("") if path.suffix.lower() == ".gz" else path).suffix.lower()


def _lines(path: Path) -> Iterator[str]:
    """The file's lines with their ends; unreadable files and bytes become a TutorError with the line."""
    number = 0
    try:
        with (gzip.open(path, "rb") if path.suffix.lower() == ".gz" else path.open("rb")) as file:
            for number, line in enumerate(file, 1):
                yield line.decode("utf-8-sig" if number == 1 else "utf-8")
    except UnicodeDecodeError as error:
        raise TutorError(f"{path}:{number}: not UTF-8 text (byte {error.object[error.start]:#04x}); convert the file to UTF-8") from None
    except (OSError, EOFError) as error:
        raise TutorError(f"{path}: can't be read after line {number} ({error})") from None


def _read_text(path: Path) -> Iterator[str]:
    text = "".join(_lines(path))
    if _suffix(path) == ".md":
        yield from re.split(r"^(?=## )", text, flags=re.MULTILINE)
    else:
        yield text


def _read_rows(path: Path, text_key: str | None) -> Iterator[str]:
    for number, line in enumerate(_lines(path), 1):
        if not line.strip():
            continue
        try:
            row = json.loads(line)
        except json.JSONDecodeError as error:
            raise TutorError(f"{path}:{number}: not JSON ({error.msg} at character {error.pos + 1}); each line is one object") from None
        yield _document(row, text_key, f"{path}:{number}")


def _document(row: Any, text_key: str | None, where: str) -> str:
    """The text of a row; `where` names it in an error."""
    if not isinstance(row, dict):
        raise TutorError(f'{where}: a row must be an object like {{"text": "..."}}, found {type(row).__name__}')
    if text_key is not None:
        return _string(row, text_key, where)
    for key in TEXT_KEYS:
        if key in row:
            return _string(row, key, where)
    if "messages" in row:
        return _joined(row["messages"], where)
    for pair in PAIR_KEYS:
        if all(key in row for key in pair):
            return "\n\n".join(_string(row, key, where) for key in pair)
    raise TutorError(f'{where}: no text (has: {", ".join(map(str, row)) or "no fields"}; read: {", ".join(TEXT_KEYS)}, messages, '
                     f'{", ".join("+".join(pair) for pair in PAIR_KEYS)})')


def _string(row: dict, key: str, where: str) -> str:
    if key not in row:
        raise TutorError(f'{where}: missing "{key}" (has: {", ".join(map(str, row))})')
    if not isinstance(row[key], str):
        raise TutorError(f'{where}: "{key}" must be text, found {type(row[key]).__name__}')
    return row[key]


def _joined(messages: Any, where: str) -> str:
    """The contents of a chat, a blank line between them."""
    try:
        check_messages(messages)
    except TutorError as error:
        raise TutorError(f"{where}: {error}") from None
    return "\n\n".join(plain(message["content"]) for message in messages)


def _read_hub(source: str, text_key: str | None) -> Iterator[str]:
    for number, row in enumerate(hub_rows(source), 1):
        yield _document(row, text_key, f"{source}, row {number}")


def hub_rows(source: str) -> Iterator[dict[str, Any]]:
    """The rows of `hub:owner/name[:split]`, streamed."""
    match = _HUB_NAME.fullmatch(source.removeprefix(HUB))
    if match is None:
        raise TutorError(f"{source}: not a hub dataset; write {HUB}owner/name or {HUB}owner/name:split")
    try:
        from datasets import load_dataset
    except ImportError:
        raise TutorError(f'{source}: reading from the hub needs the package datasets (to get it: pip install "mlxtutor[data]")') from None
    try:
        yield from load_dataset(match["name"], split=match["split"] or "train", streaming=True)
    except Exception as error:  # datasets lets through whatever its network, cache and format layers raise
        first = (str(error).strip() or type(error).__name__).splitlines()[0]
        raise TutorError(f"{source}: can't be streamed ({first}); check the name, the split and the connection") from error

"""Records of a file, one after another, each with its line; what can't be read is a Defect and no end of the file.

Bytes that are no UTF-8 come in as lone surrogates (`surrogateescape`) and make their record a Defect.
"""

from __future__ import annotations

import codecs
import csv
import gzip
import zlib
from collections.abc import Iterator
from dataclasses import dataclass, replace
from datetime import date, time
from decimal import Decimal
from pathlib import Path
from typing import IO, Any

from mlxtutor.errors import TutorError
from mlxtutor.records.json_text import BadJSON, is_utf8, iter_records, parse_json

MAX_LINE = 16_000_000       # characters of one record
MAX_DOCUMENT = 512_000_000  # bytes of a JSON document, which is read whole
HUB = "hub:"
NESTED = ("messages", "conversations", "conversation", "choices", "tags", "context", "history", "extra")  # columns that may hold JSON
SUFFIXES = {".jsonl": "jsonl", ".ndjson": "jsonl", ".json": "json", ".csv": "csv", ".tsv": "csv", ".parquet": "parquet",
            ".txt": "text", ".md": "text"}
_MARKS = ((codecs.BOM_UTF8, "utf-8-sig"), (codecs.BOM_UTF16_LE, "utf-16"), (codecs.BOM_UTF16_BE, "utf-16"))


@dataclass(frozen=True)
class Record:
    """An object of the source. line: of the file, of a Parquet file or hub dataset the row; number: among the source's records; from 1."""

    line: int
    value: dict[str, Any]
    number: int = 0


@dataclass(frozen=True)
class Defect:
    """What can't be used. rule: schema, encoding, length, ..."""

    line: int
    rule: str
    message: str
    number: int = 0


def read_source(source: str) -> Iterator[Record | Defect]:
    """Records of a file, by its suffix and, where that says nothing, by its first character; or of `hub:owner/name[:split]`."""
    if source.startswith(HUB):
        yield from _read_hub(source)
        return
    path = Path(source)
    if path.exists() and not path.is_file() and not path.is_dir():
        raise TutorError(f"{path}: no regular file (save it to one first)")
    if path.is_dir():
        raise TutorError(f"{path}: a folder (give its files: {path}/*.jsonl)")
    try:
        kind = _kind(path)
        reader = {"jsonl": _read_lines, "json": _read_document, "csv": _read_table, "text": _read_text}.get(kind)
        for number, item in enumerate(reader(path) if reader else _read_parquet(path), 1):
            yield _checked(item, number)
    except (OSError, EOFError, zlib.error) as error:
        reason = str(getattr(error, "strerror", None) or error).splitlines()[0]
        raise TutorError(f"{path}: can't be read ({reason})") from None


def read_lines(path: Path) -> Iterator[Record | Defect]:
    """One JSON object a line, whatever the file's name; raises OSError."""
    return (_checked(item, number) for number, item in enumerate(_read_lines(path), 1))


def _checked(item: Record | Defect, number: int) -> Record | Defect:
    if isinstance(item, Record) and not is_utf8(item.value):
        return Defect(item.line, "encoding", "not UTF-8 text; save the file as UTF-8 (in Excel: CSV UTF-8)", number)
    return replace(item, number=number)


def _kind(path: Path) -> str:
    suffix = (path.with_suffix("") if path.suffix.lower() == ".gz" else path).suffix.lower()
    if suffix in SUFFIXES:
        kind = SUFFIXES[suffix]
        return "json" if kind == "jsonl" and _is_document(path) else kind
    with _open(path) as file:
        first = file.read(4096).lstrip()[:1]
    return {"{": "jsonl", "[": "json"}.get(first, "text")


def _is_document(path: Path) -> bool:
    """Whether a file of lines is one JSON document: its first line opens an array or object that it doesn't close, or is all of it."""
    with _open(path) as file:
        first = file.readline(MAX_LINE).strip()
        if first != "{" and not first.startswith("["):
            return False
        try:
            return isinstance(parse_json(first), list) and not file.readline(MAX_LINE).strip()
        except BadJSON:
            return True


def _open(path: Path, newline: str | None = "\n") -> IO[str]:
    """As text: UTF-8, or UTF-16 where the file's mark says so; .gz unpacked."""
    opened = gzip.open if path.suffix.lower() == ".gz" else open
    with opened(path, "rb") as file:
        head = file.read(4)
    encoding = next((name for mark, name in _MARKS if head.startswith(mark)), "utf-8")
    errors = "surrogateescape" if encoding.startswith("utf-8") else "replace"
    return opened(path, "rt", encoding=encoding, errors=errors, newline=newline)  # type: ignore[return-value]


def _read_lines(path: Path) -> Iterator[Record | Defect]:
    with _open(path) as file:
        line = 0
        while text := file.readline(MAX_LINE + 1):
            line += 1
            if len(text) > MAX_LINE:
                while text and not text.endswith("\n"):
                    text = file.readline(MAX_LINE)
                yield Defect(line, "length", f"a line of more than {MAX_LINE:,} characters (at most that many)")
            elif text.strip():
                yield _record(line, text)


def _record(line: int, text: str) -> Record | Defect:
    try:
        value = parse_json(text)
    except BadJSON as error:
        document = "a JSON document, so name it .json" if line == 1 and text.strip() in ("[", "{") else "one JSON object a line is expected"
        return Defect(line, "schema", f"not JSON ({error}); {document}")
    if not isinstance(value, dict):
        return Defect(line, "schema", f"a JSON object is expected (got {type(value).__name__})")
    return Record(line, value)


def _read_document(path: Path) -> Iterator[Record | Defect]:
    if path.stat().st_size > MAX_DOCUMENT:
        size = f"{path.stat().st_size:,} bytes (at most {MAX_DOCUMENT:,})"
        raise TutorError(f"{path}: a JSON document of {size}; write one record a line, as .jsonl")
    with _open(path) as file:
        text = file.read()
    line = 1
    try:
        for line, value in iter_records(text):
            if isinstance(value, BadJSON):
                yield Defect(line, "schema", f"not JSON ({value})")
            else:
                usable = isinstance(value, dict)
                yield Record(line, value) if usable else Defect(line, "schema", f"an object is expected (got {type(value).__name__})")
    except BadJSON as error:
        if error.extra or text.startswith("{") and "\n{" in text:  # one object a line under the wrong suffix
            yield from _read_lines(path)
            return
        bad = text.count("\n", 0, error.position) + 1
        if text.lstrip().startswith("[") and "{" in text[error.position:]:
            unread = text.rstrip().count("\n") + 2 - bad
            raise TutorError(f"{path}:{bad}: not JSON ({error}); {unread:,} line{'s' * (unread > 1)} can't be read from there on "
                             "(repair that record, or write one record a line, as .jsonl)") from None
        yield Defect(bad, "schema", f"not JSON ({error})")


def _read_table(path: Path) -> Iterator[Record | Defect]:
    """Rows of a table with a header; the separator is the header's most frequent of , ; and tab."""
    csv.field_size_limit(MAX_LINE)
    with _open(path, newline="") as file:
        header = file.readline(MAX_LINE)
        file.seek(0)
        rows = csv.reader(file, delimiter=max(",;\t", key=header.count), strict=True)
        names: list[str] = []
        while True:
            line = rows.line_num + 1
            try:
                cells = next(rows)
            except StopIteration:
                return
            except csv.Error as error:
                yield Defect(line, "schema", f"not CSV ({error}; {max(1, rows.line_num - line + 1):,} lines were read with it)")
                continue
            if not names:
                names = [name.strip().lstrip("\ufeff") for name in cells]
                if len(set(names)) < len(names):
                    raise TutorError(f"{path}: two columns have one name ({', '.join(names)})")
            elif cells and len(cells) != len(names):
                yield Defect(line, "schema", f"{len(cells)} cells (the header has {len(names)}: {', '.join(names)[:200]})")
            elif not any(cells):
                yield Defect(line, "empty", "a row without any text")
            else:
                yield Record(line, {name: _cell(cell) if name in NESTED else cell for name, cell in zip(names, cells)})


def _cell(text: str) -> Any:
    """A cell; a JSON list or object is that."""
    if text[:1] in ("[", "{") and text[-1:] in ("]", "}"):
        try:
            return parse_json(text)
        except BadJSON:
            return text
    return text


def _read_text(path: Path) -> Iterator[Record | Defect]:
    with _open(path, newline=None) as file:
        text = file.read(MAX_LINE + 1)
    if len(text) > MAX_LINE:
        yield Defect(1, "length", f"a text of more than {MAX_LINE:,} characters (at most that many); cut it into files")
    elif text.strip():
        yield Record(1, {"text": text})


def _read_parquet(path: Path) -> Iterator[Record | Defect]:
    try:
        import pyarrow
        import pyarrow.parquet
    except ImportError:
        raise TutorError(f'{path}: Parquet needs pyarrow (to get it: pip install "mlxtutor[data]")') from None
    try:
        line = 0
        with pyarrow.parquet.ParquetFile(path) as file:
            for batch in file.iter_batches(batch_size=1000):
                for value in batch.to_pylist():
                    line += 1
                    yield Record(line, _plain(value))
    except pyarrow.ArrowException as error:
        raise TutorError(f"{path}: not a Parquet file ({str(error).splitlines()[0]})") from None


def _read_hub(source: str) -> Iterator[Record | Defect]:
    from mlxtutor.datasets.corpus import hub_rows

    for line, value in enumerate(hub_rows(source), 1):
        yield _checked(Record(line, _plain(value)), line)


def _plain(value: Any) -> Any:
    """As JSON would hold it: dates and decimals as text, NaN as null; of pictures and bytes a note that they were there."""
    if isinstance(value, dict):
        return {str(key): _plain(item) for key, item in value.items()}
    if isinstance(value, (list, tuple)):
        return [_plain(item) for item in value]
    if value is None or isinstance(value, (str, bool, int)):
        return value
    if isinstance(value, float):
        return value if value == value and abs(value) != float("inf") else None
    if isinstance(value, (date, time)):
        return value.isoformat()
    return str(value) if isinstance(value, Decimal) else f"<{type(value).__name__}>"

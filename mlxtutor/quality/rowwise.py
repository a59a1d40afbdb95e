"""The checks that need one row alone, on all cores where a file has many rows."""

from __future__ import annotations

import itertools
from collections import deque
from collections.abc import Iterable, Iterator
from concurrent.futures import Future
from dataclasses import dataclass
from typing import Any

from mlxtutor.machine import cores
from mlxtutor.processes import processes
from mlxtutor.quality.findings import Finding
from mlxtutor.quality.personal import each_text, find_personal
from mlxtutor.quality.reading import row_texts
from mlxtutor.quality.script import check_encoding, language_of
from mlxtutor.quality.shape import check_length, check_shape
from mlxtutor.records.reading import Defect
from mlxtutor.records.rows import Row
from mlxtutor.text.chat import encode_chat
from mlxtutor.text.tokenizer import Tokenizer

CHUNK = 250       # rows that travel to another process together
FEW_CHUNKS = 8    # with fewer, starting processes costs more than it saves
AHEAD = 3         # chunks a process has waiting
Item = Row | Defect


@dataclass(frozen=True)
class Settings:
    """What the checks need to know; tokenizer: the bytes of its model, None for no count of tokens."""

    context: int
    names: bool
    tokenizer: bytes | None = None


@dataclass(frozen=True)
class Alone:
    """What was found in one row. tokens: None where they aren't counted."""

    findings: list[Finding]
    characters: int
    tokens: int | None
    language: str


def check_alone(line: int, row: dict[str, Any], settings: Settings, tokenizer: Tokenizer | None) -> Alone:
    """Shape, length, encoding, personal data and language of a row."""
    texts = all_texts(row)
    findings, tokens = list(check_shape(line, row)), None
    if tokenizer and "messages" in row:
        tokens = len(encode_chat(tokenizer, row["messages"])[0])
        findings += check_length(line, tokens, settings.context)
    findings += check_encoding(line, texts)
    found = {pair for text in texts for pair in find_personal(text, settings.names)}
    findings += [Finding(line, rule, _masked(rule, text)) for rule, text in sorted(found)]
    return Alone(findings, sum(map(len, row_texts(row))), tokens, language_of(row))


def check_each(items: Iterable[Item], settings: Settings) -> Iterator[tuple[Item, Alone | None]]:
    """Every item with what was found in it, in order; None beside a defect."""
    source = iter(items)
    head = list(itertools.islice(source, CHUNK * FEW_CHUNKS))
    whole = itertools.chain(head, source)
    if len(head) < CHUNK * FEW_CHUNKS or cores() == 1:
        _start(settings)
        yield from ((item, _check_chunk([item])[0]) for item in whole)
        return
    yield from _in_processes(whole, settings)


def _in_processes(items: Iterator[Item], settings: Settings) -> Iterator[tuple[Item, Alone | None]]:
    waiting: deque[tuple[list[Item], Future[list[Alone | None]]]] = deque()
    with processes(cores(), _start, (settings,), "checked rows", "check the file in parts") as pool:
        for chunk in _chunks(items):
            waiting.append((chunk, pool.submit(_check_chunk, chunk)))
            if len(waiting) > AHEAD * cores():
                done, found = waiting.popleft()
                yield from zip(done, found.result())
        for done, found in waiting:
            yield from zip(done, found.result())


def all_texts(row: dict[str, Any]) -> list[str]:
    """Every text of a row: personal data hides in `extra` too, and in the id."""
    found = [row["id"]]

    def note(text: str) -> str:
        found.append(text)
        return text

    each_text(row, note)
    return found


_started: tuple[Settings, Tokenizer | None] | None = None  # of this process


def _start(settings: Settings) -> None:
    global _started
    _started = settings, Tokenizer(settings.tokenizer) if settings.tokenizer else None


def _check_chunk(items: list[Item]) -> list[Alone | None]:
    assert _started
    return [None if isinstance(item, Defect) else check_alone(item.line, item.value, *_started) for item in items]


def _chunks(items: Iterator[Item]) -> Iterator[list[Item]]:
    while chunk := list(itertools.islice(items, CHUNK)):
        yield chunk


def _masked(rule: str, text: str) -> str:
    """What was found, but not whole: the report may be shown around."""
    shown = " ".join(text.split())
    return f"{shown[:3]}...{shown[-2:]} ({len(shown)} characters)" if rule != "name" else f"{shown[:1]}... ({len(shown)} characters)"

"""Strict JSON with the line of every record: no duplicate keys, no NaN, no text that UTF-8 can't hold."""

from __future__ import annotations

import json
import re
from collections.abc import Iterator
from typing import Any, NoReturn

WRAPPERS = ("records", "items", "examples", "data", "rows")  # {"records": [...]}
RECORD_KEYS = frozenset({"messages", "conversations", "question", "prompt", "instruction", "user", "query", "text", "c_h"})
_SPACE = re.compile(r"[ \t\n\r]*")


class BadJSON(ValueError):
    """What is wrong with a JSON text; `position` is a character where known, `extra`: a second value follows the first."""

    def __init__(self, reason: str, position: int = 0, extra: bool = False):
        super().__init__(reason)
        self.position, self.extra = position, extra


def _pairs(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    found: dict[str, Any] = {}
    for key, value in pairs:
        if key in found:
            raise BadJSON(f'the key "{key[:40]}" stands twice')
        found[key] = value
    return found


def _constant(name: str) -> NoReturn:
    raise BadJSON(f"{name} is no JSON")


_DECODER = json.JSONDecoder(object_pairs_hook=_pairs, parse_constant=_constant)


def parse_value(text: str, start: int = 0) -> tuple[Any, int]:
    """The value that begins at `start` -> (value, the position after it); raises BadJSON."""
    try:
        return _DECODER.raw_decode(text, _skip(text, start))
    except json.JSONDecodeError as error:
        raise BadJSON(f"{error.msg[0].lower()}{error.msg[1:]} at character {error.pos - start + 1}", error.pos) from None
    except RecursionError:
        raise BadJSON("nested too deeply") from None
    except BadJSON:
        raise
    except ValueError as error:  # a number with more digits than Python converts
        raise BadJSON(str(error).split(";")[0]) from None


def parse_json(text: str) -> Any:
    """The one value of a text; raises BadJSON."""
    value, end = parse_value(text)
    if _skip(text, end) < len(text):
        raise BadJSON(f"something follows the first value at character {_skip(text, end) + 1}", end, extra=True)
    return value


def iter_records(text: str) -> Iterator[tuple[int, Any]]:
    """(line, record) of a JSON document: an array, an object that wraps one (WRAPPERS), records by their id, or one record.

    Raises BadJSON where the document ends to make sense; records before it have been given.
    """
    start = _skip(text, 0)
    if text[start:start + 1] == "[":
        yield from _elements(text, start)
        return
    document = parse_json(text)
    if not isinstance(document, dict):
        raise BadJSON(f"an array or an object is expected (got {type(document).__name__})")
    wrapper = next((key for key in WRAPPERS if isinstance(document.get(key), list)), None)
    if wrapper and not RECORD_KEYS & document.keys():
        at = re.search(rf'"{wrapper}"\s*:\s*(?=\[)', text)
        yield from _elements(text, at.end()) if at else ((1, item) for item in document[wrapper])
    elif RECORD_KEYS & document.keys():
        yield 1, document
    elif document and all(isinstance(value, dict) for value in document.values()):
        yield from ((1, {"id": key, **value}) for key, value in document.items())
    else:
        raise BadJSON(f"no records in it (has: {', '.join(map(str, document)) or 'nothing'}; looked for: a list, {', '.join(WRAPPERS)})")


def _elements(text: str, start: int) -> Iterator[tuple[int, Any]]:
    """(line, value) of the elements of the array that begins at `start`."""
    position, line, counted = _skip(text, start + 1), 1, 0
    if text[position:position + 1] == "]":
        return
    while True:
        line, counted = line + text.count("\n", counted, position), position
        value, position = parse_value(text, position)
        yield line, value
        position = _skip(text, position)
        if text[position:position + 1] == "]":
            return
        if text[position:position + 1] != ",":
            raise BadJSON(f"the array is cut or malformed at character {position + 1}", position)
        position = _skip(text, position + 1)


def _skip(text: str, start: int) -> int:
    match = _SPACE.match(text, start)
    return match.end() if match else start


def is_utf8(value: Any) -> bool:
    """Whether every string in a JSON value can be written as UTF-8: lone surrogates, and bytes that weren't UTF-8, can't."""
    if isinstance(value, str):
        return value.isascii() or not any("\ud800" <= character <= "\udfff" for character in value)
    if isinstance(value, dict):
        return all(is_utf8(key) and is_utf8(item) for key, item in value.items())
    return all(map(is_utf8, value)) if isinstance(value, list) else True

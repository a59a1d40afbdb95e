"""Strict JSON with the line of every record: no duplicate keys, no NaN, no text that UTF-8 can't hold."""

from __future__ import annotations

import json
import re
from collections.abc import Iterator
from typing import Any, NoReturn

WRAPPERS = ("records", "items", "examples", "data", "rows")  # {"records": [...]}
RECORD_KEYS = frozenset({"messages", "conversations", "question", "prompt", "instruction", "user", "query", "text", "c_h"})
DEEPEST = 60  # of lists and objects in each other
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


def _float(text: str) -> float:
    value = float(text)
    if value in (float("inf"), float("-inf")):
        raise BadJSON(f"the number {text[:20]} is too large")
    return value


_DECODER = json.JSONDecoder(object_pairs_hook=_pairs, parse_constant=_constant, parse_float=_float)


def parse_value(text: str, start: int = 0) -> tuple[Any, int]:
    """The value that begins at `start` -> (value, the position after it); raises BadJSON."""
    try:
        value, end = _DECODER.raw_decode(text, _skip(text, start))
        if _depth(value) > DEEPEST:
            raise BadJSON("nested too deeply")
        return value, end
    except json.JSONDecodeError as error:
        message = error.msg.removesuffix(" at")
        raise BadJSON(f"{message[0].lower()}{message[1:]} at character {error.pos - start + 1}", error.pos) from None
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

    In the place of a record that can't be read stands its BadJSON. Raises BadJSON where the document ends to make sense, so that nobody
    can tell where the next record begins; records before it have been given.
    """
    start = _skip(text, 0)
    if text[start:start + 1] == "[":
        yield from _elements(text, start, whole=True)
        return
    fields = _fields(text, start)
    lists = [key for key in WRAPPERS if key in fields and isinstance(fields[key][0], list) and fields[key][0]]
    document = {key: value for key, (value, _) in fields.items()}
    if lists and any(isinstance(item, dict) for item in document[lists[0]]) and not isinstance(document.get("messages"), list):
        if len(lists) > 1:
            raise BadJSON(f"two lists of records ({', '.join(lists)}): keep one, or give two files")
        shared = {key: value for key, value in document.items() if key not in WRAPPERS and key not in RECORD_KEYS}
        for line, value in _elements(text, fields[lists[0]][1]):
            yield line, {**shared, **value} if isinstance(value, dict) else value
    elif RECORD_KEYS & document.keys():
        yield 1, document
    elif document and all(isinstance(value, dict) for value in document.values()):
        yield from ((text.count("\n", 0, at) + 1, {"id": key, **value}) for key, (value, at) in fields.items())
    else:
        raise BadJSON(f"no records in it (has: {', '.join(map(str, document)) or 'nothing'}; looked for: a list, {', '.join(WRAPPERS)})")


def _fields(text: str, start: int) -> dict[str, tuple[Any, int]]:
    """The fields of the object that is the document, each with the position of its value."""
    parse_json(text)  # what is wrong with the whole is said first
    if text[start:start + 1] != "{":
        raise BadJSON("an array or an object is expected")
    fields: dict[str, tuple[Any, int]] = {}
    position = _skip(text, start + 1)
    while text[position:position + 1] == '"':
        key, position = parse_value(text, position)
        at = _skip(text, _skip(text, position) + 1)
        value, position = parse_value(text, at)
        fields[key] = value, at
        position = _skip(text, _skip(text, position) + 1)
    return fields


def _elements(text: str, start: int, whole: bool = False) -> Iterator[tuple[int, Any]]:
    """(line, value) of the elements of the array that begins at `start`; a BadJSON where one can't be read but the next can be found.

    whole: nothing may follow the array.
    """
    position, line, counted = _skip(text, start + 1), 1, 0
    if text[position:position + 1] == "]":
        _check_end(text, position, whole)
        return
    while True:
        line, counted = line + text.count("\n", counted, position), position
        end: int | None
        try:
            value, end = parse_value(text, position)
        except BadJSON as error:
            value, end = BadJSON(str(error), max(error.position, position)), _end(text, position)
        if end is not None:
            yield line, value
            end = _skip(text, end)
            if text[end:end + 1] == "]":
                _check_end(text, end, whole)
                return
        if end is None or text[end:end + 1] != ",":
            following = _next_line(text, position)
            if following is None:
                raise value if end is None else BadJSON(f"the array is cut or malformed at character {end + 1}", end)
            if end is None:
                yield line, value
            position = following
        else:
            position = _skip(text, end + 1)


def _check_end(text: str, bracket: int, whole: bool) -> None:
    following = _skip(text, bracket + 1)
    if whole and following < len(text):
        raise BadJSON(f"something follows the array at character {following + 1}", following)


def _end(text: str, start: int) -> int | None:
    """Where a value ends that is well-formed, but not for us; None where it isn't."""
    try:
        return json.JSONDecoder().raw_decode(text, start)[1]
    except (ValueError, RecursionError):
        return None


def _next_line(text: str, start: int) -> int | None:
    """Where the next element begins, if each begins a line: nothing inside of one begins a line where itself does."""
    indent = text[text.rfind("\n", 0, start) + 1:start]
    if indent.strip():
        return None
    match = re.compile(rf"[,}}][ \t]*\r?\n{indent}(?=\{{)").search(text, start)
    return match.end() if match else None


def _depth(value: Any, seen: int = 0) -> int:
    """How many lists and objects stand around the innermost value; DEEPEST + 1 for any more."""
    if seen > DEEPEST or not isinstance(value, (dict, list)):
        return seen
    inner = value.values() if isinstance(value, dict) else value
    return max((_depth(item, seen + 1) for item in inner), default=seen + 1)


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

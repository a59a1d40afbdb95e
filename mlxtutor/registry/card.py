"""The card of a model, tutor.json: read, and checked for all that is read of it anywhere (docs/models.md has its fields)."""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

from mlxtutor.errors import TutorError

# a field's kind; a name stands for the fields below, [kind] for a list, "*" for every key. needed!, null?: may be null
_FIELDS: dict[str, dict[str, Any]] = {
    "card": {
        "name": str, "version": int, "kind": str, "created": str, "files?": {"*": "file"}, "digest?": str, "size": int,
        "code?": {"version?": str, "commit": str, "changed": bool}, "parents?": ["parent"], "data?": ["entry"], "licence?": str,
        "origin?": {"repo?": str, "revision?": str, "card?": dict}, "recipe?": "recipe", "stages?": ["stage"],
        "evaluation?": {"id?": str, "before?": "summary", "after?": "summary"},
        "parameters": int, "backend": str, "dtype": str, "fingerprint?": str},
    "file": {"sha256!": str, "size!": int},
    "parent": {"role": str, "model!": str, "digest?": str, "revision?": str, "licence?": str, "card": "card"},
    "entry": {"use?": str, "file?": str, "sha256?": str, "digest?": str, "files": int, "card?": {
        "command": str, "rows?": int, "licences?": dict, "sources?": dict, "inputs?": ["entry"]}},
    "recipe": {"name": str, "seed": int, "system?": str, "stages?": [{"name?": str, "sources?": dict}]},
    "stage": {"name!": str, "seconds!": float, "tokens!": int, "tokens_per_s!": float, "loss!": float, "steps": int},
    "summary": {"suite": str, "splits?": {"*": {"n!": int, "scores!": {"*?": "score"}}}},
    "score": {"value!?": float, "low!": float, "high!": float, "n": int},
}
_WORDS = {str: "text", int: "a whole number", float: "a number", bool: "true or false", dict: "an object"}


def read_card(path: Path) -> dict[str, Any] | None:
    """A card that is sound; None where there is none, or no longer: a model may be removed while others are read. Raises TutorError."""
    try:
        card = json.loads(path.read_text(encoding="utf-8"))
    except (FileNotFoundError, NotADirectoryError):
        return None
    except (OSError, ValueError, RecursionError) as error:
        what = getattr(error, "msg", None) or getattr(error, "strerror", None) or error
        raise TutorError(f"{path}: not JSON ({what}); restore it from a copy") from None
    check_card(card, str(path))
    return card


def check_card(card: Any, where: str) -> None:
    """TutorError for the first field that isn't what it must be."""
    if isinstance(card, dict) and isinstance(card.get("data"), dict):  # the first cards held one entry, not a list
        card = {**card, "data": [card["data"]]}
    problem = next(_problems(card, "card", ""), None)
    if problem:
        raise TutorError(f"{where}: not a model's card: {problem}; restore it from a copy")


def _problems(value: Any, kind: Any, at: str) -> Iterator[str]:
    """`"parents[0]" is "x" (wanted: an object)` of each field that is wrong. at: where in the card."""
    kind = _FIELDS[kind] if isinstance(kind, str) else kind
    if isinstance(kind, list):
        if not isinstance(value, list):
            yield _wrong(value, "a list", at)
        else:
            for index, item in enumerate(value):
                yield from _problems(item, kind[0], f"{at}[{index}]")
    elif isinstance(kind, dict):
        if not isinstance(value, dict):
            yield _wrong(value, "an object", at)
        else:
            yield from _of_fields(value, kind, f"{at}." if at else "")
    elif not isinstance(value, (int, float) if kind is float else kind) or isinstance(value, bool) and kind is not bool:
        yield _wrong(value, _WORDS[kind], at)


def _of_fields(value: Mapping[str, Any], fields: Mapping[str, Any], before: str) -> Iterator[str]:
    for key, kind in fields.items():
        name = key.rstrip("!?")
        if name != "*" and "!" in key and name not in value:
            yield f'"{before}{name}" is missing'
        for found in value if name == "*" else {name} & value.keys():
            if value[found] is not None or "?" not in key:
                yield from _problems(value[found], kind, f"{before}{found}")


def _wrong(value: Any, wanted: str, at: str) -> str:
    text = json.dumps(value, ensure_ascii=False)
    shown = f"{text[:40]}..." if len(text) > 40 else text
    return f'"{at}" is {shown} (wanted: {wanted})' if at else f"{shown} (wanted: {wanted})"

"""What was registered, promoted, rolled back and removed of a name: a file that only grows, and what follows from it.

The stable version is nowhere else: it is the top of the stack that the history gives, so the two can't disagree.
"""

from __future__ import annotations

import json
import re
from collections.abc import Collection, Iterable
from dataclasses import dataclass
from datetime import datetime, timezone
from pathlib import Path
from typing import Any

from mlxtutor.errors import TutorError
from mlxtutor.files import sync, write_atomic

HISTORY = "history.jsonl"
REGISTERED = "register"
ACTIONS = (REGISTERED, "promote", "rollback", "remove")


@dataclass(frozen=True)
class Event:
    """time: UTC, ISO 8601. old, new: the stable version before and after; of a removal, old is the version removed, of a registration
    new is the version that was made.
    """

    time: str
    action: str
    old: int | None
    new: int | None
    note: str = ""

    def as_row(self) -> dict[str, Any]:
        return {"time": self.time, "event": self.action, "from": self.old, "to": self.new, "note": self.note}


@dataclass(frozen=True)
class Promotion:
    """A version on the stack, and when it was promoted."""

    version: int
    time: str


def now() -> str:
    """UTC to the microsecond, ISO 8601: in the order of time as texts too."""
    return datetime.now(timezone.utc).isoformat(timespec="microseconds")


def read_history(parent: Path) -> list[Event]:
    """The events of the name whose folder this is, oldest first. TutorError for a line that isn't one."""
    path = parent / HISTORY
    return [_event(line, f"{path}:{number}") for number, line in enumerate(_lines(parent), 1) if line.strip()]


def given_numbers(parent: Path) -> set[int]:
    """Version numbers that have been given, as far as the history knows; what can't be read in it is passed over."""
    return {int(number) for line in _lines(parent) for number in re.findall(rb'"(?:from|to)": ?([0-9]{1,9})\b', line)}


def record(parent: Path, action: str, old: int | None, new: int | None, note: str = "") -> None:
    """Add an event, whole or not at all; the caller holds the registry's lock."""
    path = parent / HISTORY
    before = path.read_bytes() if path.exists() else b""
    if before and not before.endswith(b"\n"):
        before += b"\n"
    line = json.dumps(Event(now(), action, old, new, note).as_row(), ensure_ascii=False) + "\n"
    write_atomic(path, before + line.encode())
    sync(parent)


def promotions(events: Iterable[Event], present: Collection[int]) -> list[Promotion]:
    """The stack of promotions; the last is the stable version. Versions that are no longer there don't count."""
    stack: list[Promotion] = []
    for event in events:
        if event.action == "promote" and event.new is not None:
            stack.append(Promotion(event.new, event.time))
        elif event.action == "rollback":
            del stack[-1:]
            while stack and stack[-1].version != event.new:
                stack.pop()
    kept = [promotion for promotion in stack if promotion.version in present]
    return [item for item, below in zip(kept, [None, *kept]) if below is None or item.version != below.version]


def _lines(parent: Path) -> list[bytes]:
    try:
        return (parent / HISTORY).read_bytes().splitlines()
    except FileNotFoundError:
        return []


def _event(line: bytes, where: str) -> Event:
    shown = line[:60].decode(errors="replace")
    try:
        row = json.loads(line)
        event = Event(row["time"], row["event"], row["from"], row["to"], row.get("note", ""))
    except (ValueError, KeyError, TypeError, AttributeError, RecursionError):
        raise TutorError(f"{where}: no event of a history ({shown!r}; restore the file, or delete the line)") from None
    numbers = all(v is None or isinstance(v, int) and not isinstance(v, bool) for v in (event.old, event.new))
    if event.action not in ACTIONS or not numbers or not isinstance(event.time, str) or not isinstance(event.note, str):
        allowed = f"{', '.join(ACTIONS)}, with versions as numbers, time and note as text"
        raise TutorError(f"{where}: no event of a history ({shown!r}; allowed: {allowed}; restore the file, or delete the line)")
    return event

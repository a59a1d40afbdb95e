"""Which version of a name is the stable one: moved by a promotion, moved back by undoing promotions."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import Any

from mlxtutor.errors import TutorError
from mlxtutor.registry.history import REGISTERED, promotions, read_history, record
from mlxtutor.registry.manifest import compare
from mlxtutor.registry.models import ModelRef, list_models, resolve, version_named
from mlxtutor.registry.writing import locked

Row = dict[str, Any]


@dataclass(frozen=True)
class Move:
    """The stable version before and after; None: none."""

    old: ModelRef | None
    new: ModelRef | None


def promote(models: Path, name: str, note: str = "") -> Move:
    """Make a version (NAME@3) the stable one of its name. One that is, stays, and nothing is recorded. Raises TutorError."""
    _check_whole(version_named(models, name, "promote"), "promoted")
    with locked(models):
        ref = version_named(models, name, "promote")
        old = _stable(models, ref.name)
        if old and old.version == ref.version:
            return Move(old, old)
        record(ref.path.parent, "promote", old.version if old else None, ref.version, note)
        return Move(old, resolve(models, ref.id))


def rollback(models: Path, name: str, to: int | None = None, note: str = "") -> Move:
    """Undo the last promotion of a name, or all after that of version `to`; 0: all of them. Done twice it goes further back.

    Raises TutorError where there is nothing to go back to.
    """
    known = resolve(models, name)
    if not known.version or known.name != name:
        example = f" (e.g. tutor models rollback {known.name})" if known.version else ""
        raise TutorError(f'"{name}" is not the name of a model{example}')
    with locked(models):
        old = _stable(models, name)
        target = _target(models, name, to)
        if target:
            _check_whole(resolve(models, f"{name}@{target}"), "brought back; --to says another")
        record(models / name, "rollback", old.version if old else None, target or None, note)
        return Move(old, _stable(models, name))


def history(models: Path, name: str | None = None) -> list[Row]:
    """{"name", "time", "event", "from", "to", "note"} of every promotion, rollback and removal, of one name or all, oldest first.

    Of a name whose history is damaged one row says so, first; asked for by name it is a TutorError.
    """
    parents = [path for path in models.iterdir() if path.is_dir()] if models.is_dir() else []
    if name is not None and name not in (names := sorted(path.name for path in parents)):
        raise TutorError(f'no model "{name}" (here: {", ".join(names) or "none yet; make one: tutor train"})')
    rows: list[Row] = []
    for parent in parents if name is None else [models / name]:
        try:
            rows += [{"name": parent.name, **event.as_row()} for event in read_history(parent) if event.action != REGISTERED]
        except TutorError as error:
            if name is not None:
                raise
            rows.append({"name": parent.name, "time": "", "event": "damaged", "from": None, "to": None, "note": str(error)})
    return sorted(rows, key=lambda row: row["time"])


def _stable(models: Path, name: str) -> ModelRef | None:
    return next((ref for ref in list_models(models) if ref.name == name and ref.stable), None)


def _target(models: Path, name: str, to: int | None) -> int:
    """The version that becomes stable, 0 for none."""
    present = {ref.version for ref in list_models(models) if ref.name == name}
    stack = [promotion.version for promotion in promotions(read_history(models / name), present)]
    if not stack:
        raise TutorError(f"{name} has no stable version to roll back from (promote one: tutor models promote {name}@{max(present)})")
    earlier = list(dict.fromkeys(stack[:-1]))
    if to is None:
        if not earlier:
            raise TutorError(f"{name}@{stack[-1]} is the only version that was promoted (promote another; --to 0 leaves none stable)")
        return stack[-2]
    if to and to not in stack[:-1]:
        allowed = ", ".join(map(str, [*earlier, 0]))
        raise TutorError(f"{name}@{to} was not stable before {name}@{stack[-1]} (allowed: {allowed}; any other is promoted)")
    return to


def _check_whole(ref: ModelRef, what: str) -> None:
    found = compare(ref.path, ref.card)
    if found.any:
        raise TutorError(f"{ref.id}: its files are not what was registered ({found}), so it is not {what}")

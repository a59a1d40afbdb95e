"""Where a model comes from: the code that made it, the models it was made of, the data that went in and its licences."""

from __future__ import annotations

import subprocess
from collections.abc import Iterator, Mapping, Sequence
from functools import cache
from pathlib import Path
from typing import TYPE_CHECKING, Any

from mlxtutor import __version__
from mlxtutor.records.card import describe_input
from mlxtutor.records.licences import PROPRIETARY, parse_licence, split_all
from mlxtutor.records.licences import UNKNOWN as UNREADABLE
from mlxtutor.registry.manifest import describe_files, digest_of

if TYPE_CHECKING:
    from mlxtutor.registry.models import ModelRef

ROLES = ("base", "adapter", "source")  # trained on, merged in, converted from
UNKNOWN = "unknown"                   # as the import counts rows that name no licence


@cache
def code_state() -> dict[str, Any]:
    """{"version", "commit", "changed"}: the package's, and those of the checkout it runs from, where it does and git is here."""
    import mlxtutor

    checkout = Path(mlxtutor.__path__[0]).parent
    commit = _git(checkout, "rev-parse", "HEAD") if (checkout / ".git").exists() else None
    if not commit:
        return {"version": __version__}
    changed = bool(_git(checkout, "status", "--porcelain", "--untracked-files=no"))
    return {"version": __version__, "commit": commit, **({"changed": True} if changed else {})}


def _git(folder: Path, *words: str) -> str | None:
    try:
        done = subprocess.run(["git", "-C", str(folder), *words], capture_output=True, text=True, timeout=20)
    except (OSError, subprocess.TimeoutExpired):
        return None
    return done.stdout.strip() if done.returncode == 0 else None


def parent_entry(ref: ModelRef, role: str = "base") -> dict[str, str]:
    """What a card's `parents` lists of a model: {"role", "model", "digest"}. A directory goes by its name; its files are hashed."""
    digest = ref.digest if ref.version and ref.digest else digest_of(describe_files(ref.path))
    return {"role": role, "model": ref.id if ref.version else ref.name, "digest": digest}


def data_entries(sources: Mapping[str, str]) -> list[dict[str, Any]]:
    """The cards of data by the recipe key that names it ({"corpus": a folder, a file or hub:owner/name}), each with that key as `use`."""
    return [{"use": use, **_describe(source)} for use, source in sources.items()]


def _describe(source: str) -> dict[str, Any]:
    path = Path(source)
    if not path.is_dir():
        return describe_input(source)
    files = describe_files(path)
    return {"file": path.name, "digest": digest_of(files), "files": len(files)}


def data_of(card: Mapping[str, Any]) -> list[dict[str, Any]]:
    """A model's data entries; the cards of the first models held one, not a list."""
    data = card.get("data") or []
    return [data] if isinstance(data, dict) else list(data)


def licence_of(entries: Sequence[Mapping[str, Any]]) -> str | None:
    """`cc-by-4.0 AND mit`: the licences that the data's cards count, as the hub's identifiers; None where a row or file is left open."""
    names: set[str] = set()
    for entry in entries:
        found = list(_licences(entry.get("card") or {}))
        if not found or UNKNOWN in found:
            return None
        names.update(_identifier(name) for counted in found for name in split_all(counted))
    return " AND ".join(sorted(names)) or None


def _identifier(name: str) -> str:
    """The same for every way to write a licence; a name that can't be read stays as it is."""
    licence = parse_licence(name)
    return name.strip() if licence.kind in (PROPRIETARY, UNREADABLE) else licence.id


def _licences(card: Mapping[str, Any]) -> Iterator[str]:
    """The licences that a data card counts, else those of all the files it was made of; UNKNOWN where one has none."""
    counted = card.get("licences")
    if counted:
        yield from (name or UNKNOWN for name in counted)
        return
    for entry in card.get("inputs") or [{}]:
        yield from _licences(entry["card"]) if entry.get("card") else [UNKNOWN]

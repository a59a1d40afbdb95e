"""The card beside every written data file: where its rows come from and what was done to them."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from mlxtutor.files import write_atomic

SUFFIX = ".card.json"


def card_path(data: Path) -> Path:
    """`train.jsonl` -> `train.jsonl.card.json`."""
    return data.with_name(data.name + SUFFIX)


def sha256(path: Path) -> str:
    """Of a file's bytes, as hexadecimal digits."""
    digest = hashlib.sha256()
    with path.open("rb") as file:
        while block := file.read(1 << 20):
            digest.update(block)
    return digest.hexdigest()


def describe_input(source: str) -> dict[str, Any]:
    """An input by name and SHA-256, with its own card where it has one. A hub dataset by its name."""
    path = Path(source)
    if not path.is_file():
        return {"file": source}
    found: dict[str, Any] = {"file": path.name, "sha256": sha256(path)}
    own = read_card(path)
    return {**found, "card": own} if own else found


def read_card(data: Path) -> dict[str, Any] | None:
    """The card of a data file that still is the file the card was written for."""
    try:
        card = json.loads(card_path(data).read_text(encoding="utf-8"))
    except (OSError, ValueError):
        return None
    return card if isinstance(card, dict) and card.get("sha256") == sha256(data) else None


def write_card(data: Path, command: str, inputs: Sequence[str], counts: Mapping[str, Any], **more: Any) -> dict[str, Any]:
    """Write the card of a file that was just written, and give it."""
    card = {"file": data.name, "sha256": sha256(data), "command": command, "inputs": [describe_input(source) for source in inputs],
            **counts, **more}
    write_atomic(card_path(data), (json.dumps(card, ensure_ascii=False, indent=1) + "\n").encode())
    return card

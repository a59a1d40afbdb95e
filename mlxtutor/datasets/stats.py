"""What a file of chats holds: rows, kinds, types, lengths."""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from typing import Any

import numpy as np

from mlxtutor.datasets.weights import WEIGHT
from mlxtutor.text.chat import encode_chat, plain
from mlxtutor.text.tokenizer import Tokenizer, escape_specials

KEYS = ("split", "kind", "mode", "family", "type", "source", "licence", "topic", "difficulty", "learner_level",
        "answer_mode", "tags", "weight")
MANY = 40  # different values of a key, beyond which they tell nothing


def describe_rows(rows: Sequence[dict], tokenizer: Tokenizer | None = None) -> dict[str, Any]:
    """Counts by each of KEYS that rows have, repeated prompts, lengths in characters, and in tokens with a tokenizer. Rows may be texts."""
    chats = [row["messages"] for row in rows if "messages" in row]
    prompts = Counter("\n".join(plain(m["content"]) for m in messages if m["role"] == "user") for messages in chats)
    counts = {key: Counter(str(value) for row in rows for value in values_of(row, key)) for key in KEYS}
    return {
        "rows": len(rows),
        "texts": len(rows) - len(chats),
        "messages": sum(map(len, chats)),
        "roles": dict(Counter(m["role"] for messages in chats for m in messages).most_common()),
        "counts": {key: dict(found.most_common()) for key, found in counts.items() if (key == "weight") < len(found) <= MANY},
        "repeated_prompts": sum(count - 1 for count in prompts.values()),
        "characters": describe_lengths([sum(len(plain(m["content"])) for m in row["messages"]) if "messages" in row else len(row["text"])
                                        for row in rows]),
        "tokens": _tokens(rows, tokenizer) if tokenizer else None,
    }


def values_of(row: dict, key: str) -> list:
    """What a row says for a key: every one of a list; an imported row keeps under `extra` what has no place of its own."""
    value = row.get(key, (row.get("extra") or {}).get(key, int(WEIGHT) if key == "weight" else None))
    return value if isinstance(value, list) else [] if value is None else [value]


def _tokens(rows: Sequence[dict], tokenizer: Tokenizer) -> dict[str, Any]:
    """Lengths of the rendered chats, and the share of their tokens that counts towards the loss."""
    masks = [_mask(row, tokenizer) for row in rows]
    found = describe_lengths([len(mask) for mask in masks])
    trained = sum(map(sum, masks))
    return {**found, "trained": trained, "trained_share": trained / max(found["total"], 1)}


def _mask(row: dict, tokenizer: Tokenizer) -> list[bool]:
    """For each token whether it counts towards the loss; those of a text all do."""
    return encode_chat(tokenizer, row["messages"])[1] if "messages" in row else [True] * len(tokenizer.encode(escape_specials(row["text"])))


def describe_lengths(lengths: Sequence[int]) -> dict[str, float]:
    """total, min, median, 95th percentile, max."""
    low, median, high, top = np.percentile(lengths, [0, 50, 95, 100]) if len(lengths) else (0, 0, 0, 0)
    return {"total": int(sum(lengths)), "min": int(low), "median": float(median), "p95": round(float(high), 1), "max": int(top)}

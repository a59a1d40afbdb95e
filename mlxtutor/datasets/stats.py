"""What a file of chats holds: rows, kinds, types, lengths."""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from typing import Any

import numpy as np

from mlxtutor.text.chat import encode_chat, plain
from mlxtutor.text.tokenizer import Tokenizer

KEYS = ("split", "kind", "mode", "family", "type")


def describe_rows(rows: Sequence[dict], tokenizer: Tokenizer | None = None) -> dict[str, Any]:
    """Counts by each of KEYS that rows have, repeated prompts, lengths in characters, and in tokens with a tokenizer."""
    prompts = Counter("\n".join(plain(m["content"]) for m in row["messages"] if m["role"] == "user") for row in rows)
    counts = {key: dict(Counter(str(row[key]) for row in rows if key in row).most_common()) for key in KEYS}
    return {
        "rows": len(rows),
        "messages": sum(len(row["messages"]) for row in rows),
        "roles": dict(Counter(m["role"] for row in rows for m in row["messages"]).most_common()),
        "counts": {key: found for key, found in counts.items() if found},
        "repeated_prompts": sum(count - 1 for count in prompts.values()),
        "characters": describe_lengths([sum(len(plain(m["content"])) for m in row["messages"]) for row in rows]),
        "tokens": _tokens(rows, tokenizer) if tokenizer else None,
    }


def _tokens(rows: Sequence[dict], tokenizer: Tokenizer) -> dict[str, Any]:
    """Lengths of the rendered chats, and the share of their tokens that counts towards the loss."""
    masks = [encode_chat(tokenizer, row["messages"])[1] for row in rows]
    found = describe_lengths([len(mask) for mask in masks])
    trained = sum(map(sum, masks))
    return {**found, "trained": trained, "trained_share": trained / max(found["total"], 1)}


def describe_lengths(lengths: Sequence[int]) -> dict[str, float]:
    """total, min, median, 95th percentile, max."""
    low, median, high, top = np.percentile(lengths, [0, 50, 95, 100]) if len(lengths) else (0, 0, 0, 0)
    return {"total": int(sum(lengths)), "min": int(low), "median": float(median), "p95": float(high), "max": int(top)}

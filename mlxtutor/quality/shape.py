"""The shape of one row: who speaks when, what is empty, what stops in the middle, what doesn't fit."""

from __future__ import annotations

import re
from collections.abc import Iterator
from typing import Any

from mlxtutor.quality.findings import Finding
from mlxtutor.text.chat import plain

EXCHANGES = (2, 6)  # of a Socratic dialogue
SOCRATIC = "socratic"  # the tag of one
# What hardly any complete answer ends with; and what few do.
_OPEN_END = re.compile(r"(?:,|[a-z],? the)\s*\Z")
_DOUBTFUL_END = re.compile(r"(?:[;:=*/\\(\[{]|(?<!, )\b(?:and|or)|\b(?:a|an|of|to|is|are|with|because|that|in|for|by|if|then|we|which|"
                           r"from|as|under|over|into|between|at|on))\s*\Z")
_TAIL = 40  # characters in which a bracket that isn't closed looks cut


def check_shape(line: int, row: dict[str, Any]) -> Iterator[Finding]:
    """Findings of one row."""
    if "messages" not in row:
        return
    messages = row["messages"]
    yield from _turns(line, messages)
    exchanges = sum(message["role"] == "assistant" for message in messages)
    if SOCRATIC in [tag.casefold() for tag in row.get("tags", [])] and not EXCHANGES[0] <= exchanges <= EXCHANGES[1]:
        yield Finding(line, "exchanges", f"{exchanges} exchanges ({EXCHANGES[0]} to {EXCHANGES[1]} are expected)", certain=False)
    yield from _endings(line, messages)


def check_length(line: int, tokens: int, limit: int) -> Iterator[Finding]:
    """A finding where a row has more tokens than the context holds."""
    if tokens > limit:
        cut = 100 * (tokens - limit) / tokens
        yield Finding(line, "context", f"{tokens:,} tokens (the context holds {limit:,}; {cut:.0f} % would be cut)", certain=False)


def _turns(line: int, messages: list[dict]) -> Iterator[Finding]:
    roles = [message["role"] for message in messages]
    for number in range(1, len(roles)):
        if roles[number] == "system":
            yield Finding(line, "roles", f"message {number + 1} is a system message (allowed at the start only)", certain=False)
        elif roles[number] == roles[number - 1] and roles[number] != "tool":
            yield Finding(line, "roles", f"messages {number} and {number + 1} are both the {roles[number]}'s", certain=False)
    if roles[-1] != "assistant":
        yield Finding(line, "roles", f"the last message is the {roles[-1]}'s (the assistant's is expected)")
    if "user" not in roles:
        yield Finding(line, "roles", "no message of the user's")


def _endings(line: int, messages: list[dict]) -> Iterator[Finding]:
    for number, message in enumerate(messages, 1):
        text = plain(message["content"])
        if not text.strip():
            yield Finding(line, "empty", f"message {number}, the {message['role']}'s, is empty")
        elif message["role"] == "assistant" and message.get("train", True) and (why := unfinished(text)):
            yield Finding(line, "truncated", f"message {number} {why}", certain=bool(_OPEN_END.search(text)))


def unfinished(text: str) -> str:
    """Why a text looks cut: it ends in an open word or sign, or a fence, bracket or formula is never closed; "" where it doesn't."""
    if text.count("```") % 2:
        return "has a code fence that isn't closed"
    if _formula_open(text):
        return "has a formula that isn't closed"
    end = _OPEN_END.search(text) or _DOUBTFUL_END.search(text)
    if end and not text.rstrip().endswith(("*", "**", "---")):
        return f"ends with {text.strip()[-20:]!r}"
    tail = text[-_TAIL:]
    cut = tail.rfind("(") > max(tail.rfind(")"), tail.rfind("]")) or tail.rfind("{") > tail.rfind("}")  # (2, 5] is an interval
    return f"ends with {text.strip()[-20:]!r}" if cut else ""


def _formula_open(text: str) -> bool:
    """LaTeX that begins and doesn't end. `\\\\[4pt]` is a distance between lines, and a dollar may be money."""
    signs = {sign: len(re.findall(rf"(?<!\\)\\{re.escape(sign)}", text)) for sign in "[]()"}
    if signs["["] != signs["]"] or signs["("] != signs[")"]:
        return True
    dollars = [match.start() for match in re.finditer(r"(?<!\\)\$", text)]
    last = text[dollars[-1] + 1:] if dollars else ""
    return len(dollars) % 2 == 1 and "\\" in last or "\\" in text and text.count("$$") % 2 == 1

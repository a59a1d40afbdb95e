"""The formats that are recognised, row by row, and what each makes of a record's fields."""

from __future__ import annotations

import re
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

from mlxtutor.records.benchmarks import Converted, from_bridge, from_gsm8k, from_scienceqa
from mlxtutor.records.fields import Fields, kind
from mlxtutor.records.turns import earlier_turns, turns

QUESTIONS = ("question", "prompt", "query", "input", "user")
ANSWERS = ("answer", "response", "assistant", "solution", "target", "output", "completion")
SYSTEMS = ("system", "system_prompt", "system_message")
_SOLUTION = re.compile(r"<<[^<>=\n]+=[^<>\n]+>>|\n#### *-?[$\d][\d.,/ %]*\s*\Z")  # a call, or a last line `#### 24`


@dataclass(frozen=True)
class Format:
    """fits: whether a record is of this format; convert: its fields -> those of a row, and notes; raises ValueError."""

    name: str
    fits: Callable[[Fields], bool]
    convert: Callable[[Fields], Converted]


def _messages(fields: Fields) -> Converted:
    found, notes = turns(fields.take("messages"), "messages")
    return {"messages": _system(fields) + found}, notes


def _conversations(fields: Fields) -> Converted:
    found, notes = turns(fields.take("conversations", "conversation"), "conversations")
    return {"messages": _system(fields) + found}, notes


def _alpaca(fields: Fields) -> Converted:
    system, question, more, answer = _system(fields), fields.text("instruction"), fields.text("input"), fields.text("output", "response")
    return {"messages": [*system, _said("user", f"{question}\n\n{more}" if more else question), _said("assistant", answer)]}, []


def _prompt_completion(fields: Fields) -> Converted:
    prompt, completion = fields.take("prompt"), fields.take("completion", "response", "answer", default="")
    if isinstance(prompt, str) and isinstance(completion, str):
        return {"messages": [*_system(fields), _said("user", prompt), _said("assistant", completion)]}, []
    before, notes = turns(prompt, "prompt")
    after, more = turns(completion, "completion") if not isinstance(completion, str) else ([_said("assistant", completion)], [])
    before = [{**message, "train": False} if message["role"] == "assistant" else message for message in before]
    return {"messages": [*_system(fields), *before, *after]}, notes + more


def _app(fields: Fields) -> Converted:
    system = _system(fields)
    context = fields.take("context", "history", "earlier_turns")
    earlier, notes = earlier_turns(context) if context is not None else ([], [])
    question, answer = fields.text(*QUESTIONS), fields.text(*ANSWERS)
    return {"messages": [*system, *earlier, _said("user", question), _said("assistant", answer)]}, notes


def _question(fields: Fields) -> Converted:
    return {"messages": [*_system(fields), _said("user", fields.text(*QUESTIONS))]}, []


def _text(fields: Fields) -> Converted:
    return {"text": fields.text("text", "content")}, []


def _system(fields: Fields) -> list[dict]:
    text = fields.text(*SYSTEMS)
    return [_said("system", text)] if text else []


def _said(role: str, content: str) -> dict[str, str]:
    return {"role": role, "content": content}


def _turns_of(fields: Fields, *names: str) -> bool:
    return any(isinstance(fields.left.get(name), list) for name in names)


def _named(fields: Fields, names: tuple[str, ...]) -> bool:
    return any(name in fields.left for name in names)


def _is_gsm8k(fields: Fields) -> bool:
    answer = fields.left.get("answer")
    return fields.has("question") and isinstance(answer, str) and bool(_SOLUTION.search(answer))


FORMATS: dict[str, Format] = {form.name: form for form in (
    Format("messages", lambda f: f.has("messages"), _messages),
    Format("conversations", lambda f: _turns_of(f, "conversations", "conversation"), _conversations),
    Format("bridge", lambda f: {"c_h", "c_r_"} <= f.left.keys(), from_bridge),
    Format("scienceqa", lambda f: f.has("question") and _turns_of(f, "choices"), from_scienceqa),
    Format("gsm8k", _is_gsm8k, from_gsm8k),
    Format("alpaca", lambda f: f.has("instruction"), _alpaca),
    Format("prompt-completion", lambda f: f.has("completion") and f.has("prompt") or _turns_of(f, "prompt"), _prompt_completion),
    Format("app", lambda f: _named(f, QUESTIONS) and _named(f, ANSWERS), _app),
    Format("question", lambda f: _named(f, QUESTIONS), _question),  # for an evaluation
    Format("text", lambda f: _named(f, ("text", "content")), _text),
)}


def recognise(record: dict[str, Any]) -> Format:
    """The first format that fits; raises ValueError that names the record's fields."""
    fields = Fields(record)
    for form in FORMATS.values():
        if form.fits(fields):
            return form
    has = ", ".join(f"{name} ({kind(value)})" for name, value in list(record.items())[:12]) or "nothing"
    raise ValueError(f"no known format (has: {has[:300]}; known: {', '.join(FORMATS)})")

"""Turns of a chat, however they are written, as messages."""

from __future__ import annotations

import re
from typing import Any

from mlxtutor.errors import TutorError
from mlxtutor.records.fields import kind
from mlxtutor.text.chat import ROLES, check_messages

NEEDS_PICTURE = "needs a picture"  # a note

_ROLE_OF = {
    "human": "user", "student": "user", "learner": "user", "pupil": "user", "question": "user", "q": "user",
    "gpt": "assistant", "bot": "assistant", "ai": "assistant", "model": "assistant", "chatgpt": "assistant", "tutor": "assistant",
    "teacher": "assistant", "answer": "assistant", "a": "assistant", "developer": "system", "observation": "tool", "function": "tool",
}
_SPEAKERS = ("human", "student", "learner", "pupil", "user", "tutor", "teacher", "assistant", "system")  # before a colon in a text
_KEYS = (("role", "content"), ("from", "value"), ("role", "text"), ("user", "text"), ("speaker", "text"))
_SPEAKER = re.compile(r"^[ \t]*([A-Za-z]+)[ \t]*:[ \t]*", re.MULTILINE)


def role_of(name: object) -> str:
    """The role that a speaker's name stands for; raises ValueError."""
    lower = str(name).strip().lower()
    if lower in ROLES:
        return lower
    if lower not in _ROLE_OF:
        raise ValueError(f'unknown role "{str(name)[:40]}" (known: {", ".join([*ROLES, *sorted(_ROLE_OF)])})')
    return _ROLE_OF[lower]


def turns(items: Any, where: str) -> tuple[list[dict], list[str]]:
    """Messages of a list of turns, and notes of what they can't hold; raises ValueError."""
    if not isinstance(items, list) or not items:
        raise ValueError(f'"{where}" is {"an empty list" if items == [] else kind(items)} (a list of turns is expected)')
    messages, notes = [], []
    for number, item in enumerate(items, 1):
        if not isinstance(item, dict):
            raise ValueError(f"{where} {number} is {kind(item)} (an object with role and content is expected)")
        keys = next((pair for pair in _KEYS if pair[0] in item and pair[1] in item), None)
        if keys is None:
            raise ValueError(f"{where} {number}: no role and content (has: {', '.join(map(str, item)) or 'nothing'})")
        content, missing = _content(item[keys[1]], f"{where} {number}")
        message: dict[str, Any] = {"role": role_of(item[keys[0]]), "content": content}
        notes += missing
        if isinstance(item.get("train"), bool):
            message["train"] = item["train"]
        notes += [f"message field left out: {key}" for key in item if key not in (*keys, "train") and item[key] not in (None, "", [])]
        messages.append(message)
    try:
        check_messages(messages)
    except TutorError as error:
        raise ValueError(str(error)) from None
    return messages, notes


def _content(value: Any, where: str) -> tuple[Any, list[str]]:
    """Text; of a list of parts OpenAI's text parts joined, our calculator calls as they are. Notes: the parts that are no text."""
    if isinstance(value, str):
        return value, []
    if not isinstance(value, list):
        raise ValueError(f"{where}: content is {kind(value)} (a text is expected)")
    others = [str(part["type"])[:40] for part in value if isinstance(part, dict) and part.get("type") not in (None, "text")]
    kept = [part for part in value if not isinstance(part, dict) or part.get("type") in (None, "text")]
    parts = [part["text"] if isinstance(part, dict) and isinstance(part.get("text"), str) else part for part in kept]
    notes = [f"{NEEDS_PICTURE}: a part of type {name}" if "image" in name else f"message part left out: {name}" for name in others]
    return ("".join(parts) if all(isinstance(part, str) for part in parts) else parts), notes


def earlier_turns(context: Any) -> tuple[list[dict], list[str]]:
    """The turns before the question: a list of turns, of texts in alternation that ends with the tutor's, or `Student: ...` lines.

    A text without speakers is the system's. With notes of what is left out. Raises ValueError.
    """
    if isinstance(context, list) and context and all(isinstance(item, str) for item in context):
        roles = ["assistant" if (len(context) - index) % 2 else "user" for index in range(len(context))]
        return [{"role": role, "content": text} for role, text in zip(roles, context)], []
    if isinstance(context, list):
        return turns(context, "context")
    if not isinstance(context, str):
        raise ValueError(f'"context" is {kind(context)} (a text or a list of turns is expected)')
    marks = [mark for mark in _SPEAKER.finditer(context) if mark[1].lower() in _SPEAKERS]
    if not marks or marks[0].start() != len(context) - len(context.lstrip()):
        return [{"role": "system", "content": context}], []
    ends = [mark.start() for mark in marks[1:]] + [len(context)]
    return [{"role": role_of(mark[1]), "content": context[mark.end():end].rstrip("\n")} for mark, end in zip(marks, ends)], []


def joined(messages: list[dict]) -> list[dict]:
    """Neighbouring messages of one role as one, a line each: in a real chat people send several in a row."""
    result: list[dict] = []
    for message in messages:
        if result and result[-1]["role"] == message["role"]:
            result[-1] = {**result[-1], "content": f"{result[-1]['content']}\n{message['content']}"}
        else:
            result.append(message)
    return result

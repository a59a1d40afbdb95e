"""Questions from a JSONL file, checked before anything runs."""

from __future__ import annotations

import json
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from mlxtutor.datasets.rows import read_json_lines
from mlxtutor.errors import TutorError
from mlxtutor.inference.generate import LoadedModel
from mlxtutor.text.chat import check_messages, encode_chat


@dataclass(frozen=True)
class Question:
    """Messages to answer. where: its place for an error, `IN.jsonl:3`; answered: it came with an answer, left out of messages."""

    id: Any
    messages: list[dict]
    where: str
    answered: bool = False


def question(messages: list[dict], system: str | None, where: str, id: Any = None) -> Question:
    """system goes first. A last message of the assistant's, such as a data row's own answer, is left out."""
    try:
        check_messages(messages)
    except TutorError as error:
        raise TutorError(f"{where}: {error}") from None
    answered = messages[-1]["role"] == "assistant"
    asked = messages[:-1] if answered else messages
    if not asked or asked[-1]["role"] not in ("user", "tool"):
        raise TutorError(f'{where}: nothing is asked (the last message must be of "user")')
    if system is not None:
        own = asked[0]["content"] if asked[0]["role"] == "system" else system
        if own != system:
            raise TutorError(f'{where}: has the system message "{own}" already (leave "{system}" out, or the row\'s own)')
        if asked[0]["role"] != "system":
            asked = [{"role": "system", "content": system}, *asked]
    return Question(id, asked, where, answered)


def read_questions(path: Path, system: str | None = None) -> list[Question]:
    """Rows `{"id", "prompt"}` or `{"id", "messages"}`; a row without an id gets its line number."""
    found = []
    for number, row in read_json_lines(path):
        where = f"{path}:{number}"
        if "prompt" in row and "messages" in row:
            raise TutorError(f'{where}: both "prompt" and "messages" (one of them is expected)')
        if "messages" in row:
            messages = row["messages"]
        elif "prompt" not in row:
            raise TutorError(f'{where}: missing "prompt" or "messages" (has: {", ".join(row) or "nothing"})')
        elif not isinstance(row["prompt"], str) or not row["prompt"].strip():
            raise TutorError(f'{where}: "prompt" is {row["prompt"]!r} (a text is expected)')
        else:
            messages = [{"role": "user", "content": row["prompt"]}]
        found.append(question(messages, system, where, row.get("id", number)))
    return found


def check_unicode(data: Any, where: str) -> None:
    """JSON may escape half a surrogate pair, which is no text: no tokenizer reads it."""
    try:
        json.dumps(data, ensure_ascii=False).encode()
    except UnicodeEncodeError as error:
        raise TutorError(f"{where}: holds {error.object[error.start]!a}, which is no character (half a surrogate pair)") from None


def prompts_of(loaded: LoadedModel, questions: Sequence[Question]) -> list[list[int]]:
    """Token ids of each; TutorError names the first that the model's context does not hold."""
    prompts = []
    for item in questions:
        ids = encode_chat(loaded.tokenizer, item.messages, add_generation_prompt=True)[0]
        if len(ids) >= loaded.max_seq_len:
            raise TutorError(f"{item.where}: {len(ids)} tokens; the model reads {loaded.max_seq_len}, its answer included (shorten it)")
        prompts.append(ids)
    return prompts

"""Chats as MESSAGE lines of a Modelfile: only what the model would say in Ollama itself."""

from __future__ import annotations

import itertools
from collections.abc import Sequence

from mlxtutor.errors import TutorError
from mlxtutor.export.vocabulary import CONTROL, Vocabulary
from mlxtutor.text.chat import Content, parse_parts


def example_messages(rows: Sequence[dict], system: str, vocabulary: Vocabulary) -> tuple[tuple[str, str], ...]:
    """(role, text) of every turn, special tokens in a text escaped; system: the Modelfile's, which a chat may repeat.

    TutorError for a chat under another system text, with calculator calls, or not of questions and answers in turn.
    """
    special = [token for token, kind in zip(vocabulary.tokens, vocabulary.types) if kind == CONTROL]
    chats = (_turns(f"--examples: chat {number}", row["messages"], system, special) for number, row in enumerate(rows, 1))
    return tuple(itertools.chain.from_iterable(chats))


def _turns(where: str, messages: list[dict], system: str, special: list[str]) -> list[tuple[str, str]]:
    other = [message["content"] for message in messages if message["role"] == "system" and message["content"].strip() != system]
    if other:
        raise TutorError(f"{where} has the system text {other[0][:60]!r}, the Modelfile's is {system!r} (leave the chat out)")
    said = [(message["role"], _parts(message["content"])) for message in messages if message["role"] != "system"]
    calls = [part["calc"] for _, parts in said for part in parts if not isinstance(part, str)]
    if calls:
        raise TutorError(f"{where} calls the calculator ({calls[0][:60]}), which Ollama can't run (allowed: chats without calls, as the "
                         'tutor\'s own are under the system text "Calculator: off")')
    roles = [role for role, _ in said]
    if not roles or roles != ["user", "assistant"] * (len(roles) // 2):
        raise TutorError(f"{where} has the turns {', '.join(roles) or 'none'} (allowed: user, assistant in turn, an answer last)")
    texts = [_escaped("".join(map(str, parts)), special).strip() for _, parts in said]
    if "" in texts:
        raise TutorError(f"{where}, turn {texts.index('') + 1} has no text (leave the chat out)")
    return list(zip(roles, texts))


def _parts(content: Content) -> list[str | dict[str, str]]:
    """Texts and calculator calls, those in their compact tokens too."""
    return [piece for part in ([content] if isinstance(content, str) else content)
            for piece in (parse_parts(part) if isinstance(part, str) else [part])]


def _escaped(text: str, special: list[str]) -> str:
    """A special token becomes text: `<|im_end|>` is written `< |im_end|>`."""
    for token in special:
        text = text.replace(token, f"{token[0]} {token[1:]}")
    return text

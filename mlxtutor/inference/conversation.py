"""A conversation: its messages, the part of it that a model's context holds, and its JSON file."""

from __future__ import annotations

import json
import re
from dataclasses import dataclass, field
from pathlib import Path

from mlxtutor.errors import TutorError
from mlxtutor.files import write_atomic
from mlxtutor.inference.questions import check_unicode
from mlxtutor.problems.build import OFF
from mlxtutor.text.chat import CALC, CALC_END, Content, check_messages, compact, encode_chat, parse_parts
from mlxtutor.text.tokenizer import Tokenizer

CALCULATOR_OFF = OFF["content"]  # the system message that the tutor is trained to leave the evaluation to the student by
REFUSAL = re.compile("^Missing: ", re.MULTILINE)  # an answer that asks for what the problem does not give
MIN_ANSWER = 32                     # tokens: a question that leaves fewer is too long


@dataclass(frozen=True)
class Prompt:
    """What the model reads. left_out: the conversation's oldest messages that its context does not hold."""

    ids: list[int]
    left_out: int = 0


@dataclass
class Conversation:
    """Messages of a user and an assistant in turn; an assistant's text holds the calculator's tokens, exactly as generated."""

    system: str | None = None
    messages: list[dict] = field(default_factory=list)

    def ask(self, text: str) -> None:
        self.messages.append({"role": "user", "content": text})

    def answer(self, text: str) -> None:
        """The answer to the last question. Nothing said takes the question back; an unfinished calculator call is cut off."""
        text = without_open_call(text).rstrip()
        if text:
            self.messages.append({"role": "assistant", "content": text})
        else:
            self.take_back()

    def take_back(self) -> str | None:
        """Remove the last question and what was answered to it; the question, None where there is none."""
        while self.messages:
            message = self.messages.pop()
            if message["role"] == "user":
                return message["content"]
        return None

    def questions(self) -> int:
        return sum(message["role"] == "user" for message in self.messages)


def without_open_call(text: str) -> str:
    """Text up to a calculator call that was never finished."""
    start = text.rfind(CALC)
    return text if start < 0 or CALC_END in text[start:] else text[:start]


def fit(conversation: Conversation, tokenizer: Tokenizer, context: int, answer_tokens: int, memory: int | None = None) -> Prompt:
    """The prompt of the next answer: the system text and the newest exchanges that leave room for it.

    context: tokens the model reads, its answer included. answer_tokens: the longest answer; at most half the context is kept
    free for it. memory: earlier exchanges to read at most, None for all. Raises TutorError when the system text and the last
    question alone leave less than MIN_ANSWER tokens.
    """
    room = context - max(min(answer_tokens, context // 2), 1)
    head = [{"role": "system", "content": conversation.system}] if conversation.system else []
    messages = conversation.messages if memory is None else recent(conversation.messages, memory)
    starts = [at for at, message in enumerate(messages) if message["role"] == "user"]
    for start in starts:
        ids = encode_chat(tokenizer, head + messages[start:], add_generation_prompt=True)[0]
        last = start == starts[-1]
        if len(ids) <= (context - min(MIN_ANSWER, answer_tokens) if last else room):
            return Prompt(ids, start)
    what = "the message and the system text have" if head else "the message has"
    raise TutorError(f"{what} {len(ids)} tokens; this model reads {context}, its answer included (shorten it)")


def recent(messages: list[dict], memory: int) -> list[dict]:
    """The last question and `memory` exchanges before it.

    For a model of single problems (memory 0) a reply to `Missing: ...` completes the problem it belongs to, as one message.
    """
    if memory:
        return messages[-2 * memory - 1:]
    *earlier, last = messages
    texts = [last["content"]]
    while len(earlier) > 1 and earlier[-1]["role"] == "assistant" and REFUSAL.search(earlier[-1]["content"]):
        texts.insert(0, earlier[-2]["content"])
        earlier = earlier[:-2]
    return [{"role": "user", "content": "\n".join(texts)}]


def save(conversation: Conversation, path: Path, model: str = "") -> None:
    """Write `{"model", "messages"}`, the messages as in a data row; an existing file that is no conversation is not replaced."""
    if path.exists():
        try:
            _read(path)
        except TutorError as error:
            raise TutorError(f"{path} exists and is no conversation ({error}); choose another name") from None
    head = [{"role": "system", "content": conversation.system}] if conversation.system else []
    messages = head + [{**message, "content": _structured(message)} for message in conversation.messages]
    write_atomic(path, (json.dumps({"model": model, "messages": messages}, ensure_ascii=False, indent=2) + "\n").encode())


def load(path: Path) -> Conversation:
    """Read what `save` wrote, or any JSON object with `messages` that take turns; the last one may be an open question."""
    messages = _read(path)
    system = None
    if messages and messages[0]["role"] == "system":
        system = messages.pop(0)["content"]
    for number, message in enumerate(messages, 1):
        wanted = "user" if number % 2 else "assistant"
        if message["role"] != wanted:
            raise TutorError(f'{path}: message {number} is of "{message["role"]}" (expected {wanted}: user and assistant take turns)')
    return Conversation(system, [{"role": m["role"], "content": compact(m["content"])} for m in messages])


def _read(path: Path) -> list[dict]:
    try:
        data = json.loads(path.read_text(encoding="utf-8"))
    except OSError as error:
        raise TutorError(f"{path}: can't be read ({error.strerror or error})") from None
    except UnicodeDecodeError:
        raise TutorError(f"{path}: not UTF-8 text") from None
    except json.JSONDecodeError as error:
        raise TutorError(f"{path}:{error.lineno}: not JSON ({error.msg})") from None
    if not isinstance(data, dict) or not isinstance(data.get("messages"), list):
        raise TutorError(f'{path}: not a saved conversation (expected an object with a list "messages")')
    check_unicode(data, str(path))
    if data["messages"]:
        try:
            check_messages(data["messages"])
        except TutorError as error:
            raise TutorError(f"{path}: {error}") from None
    return list(data["messages"])


def _structured(message: dict) -> Content:
    """An assistant's calculator calls as in a data row; text without calls stays a string."""
    if message["role"] != "assistant":
        return message["content"]
    parts = parse_parts(message["content"])
    return parts if any(isinstance(part, dict) for part in parts) else message["content"]

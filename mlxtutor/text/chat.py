"""Chats: ChatML with calculator calls, which tokens count towards the loss, and text back to parts.

What a system, user or tool message says is text: a special token typed there is escaped (`escape_specials`).
An assistant's strings may hold calculator tokens in their compact form, but none that frame a message.
"""

import itertools
import re
from collections.abc import Iterator
from dataclasses import dataclass

from mlxtutor.errors import TutorError
from mlxtutor.text.tokenizer import SPECIALS, Tokenizer, escape_specials

Part = str | dict[str, str]
Content = str | list[Part]

ROLES = ("system", "user", "assistant", "tool")
END_OF_TEXT, IM_START, IM_END, CALC, RESULT, CALC_END = SPECIALS
FRAME_TOKENS = (END_OF_TEXT, IM_START, IM_END)

_CALL = re.compile(r"<\|calc\|>([^<\n]+)<\|result\|>([^<\n]*)<\|/calc\|>")


@dataclass(frozen=True)
class Segment:
    """A stretch of a rendered chat. `train`: it counts towards the loss; `special`: it is one token."""

    text: str
    train: bool = False
    special: bool = False


def parse_parts(text: str) -> list[Part]:
    """Text with compact calculator tokens to parts; an unfinished or malformed call stays text."""
    parts: list[Part] = []
    end = 0
    for call in _CALL.finditer(text):
        if call.start() > end:
            parts.append(text[end : call.start()])
        parts.append({"calc": call[1], "result": call[2]})
        end = call.end()
    return parts + [text[end:]] if end < len(text) else parts


def plain(content: Content) -> str:
    """For people: a calculator call reads `8.99e9*3 = 2.7e10`."""
    return "".join(
        part if isinstance(part, str) else f"{part['calc']} = {part['result']}"
        for part in _all_parts(content)
    )


def compact(content: Content) -> str:
    """As the micro model writes it: `<|calc|>8.99e9*3<|result|>2.7e10<|/calc|>`."""
    return "".join(
        segment.text for part in _all_parts(content) for segment in _part_segments(part, train=False)
    )


def join_parts(parts: list[Part]) -> Content:
    """Neighbouring texts as one, empty ones left out; text alone as text."""
    kept = [part for part in _all_parts(parts) if part != ""]
    return "" if not kept else kept[0] if len(kept) == 1 and isinstance(kept[0], str) else kept


def render(messages: list[dict], add_generation_prompt: bool = False) -> list[Segment]:
    """Segments whose texts, joined, are what the model directory's chat template renders.

    Trained: an assistant's content, calls and <|im_end|>, unless its message has `train: false`; no results.
    """
    check_messages(messages)
    segments: list[Segment] = []
    for message in messages:
        train = message["role"] == "assistant" and message.get("train", True)
        segments += [Segment(IM_START, special=True), Segment(f"{message['role']}\n")]
        segments += _body(message, train)
        segments += [Segment(IM_END, train, special=True), Segment("\n")]
    if add_generation_prompt:
        segments += [Segment(IM_START, special=True), Segment("assistant\n")]
    return segments


def before_reply(messages: list[dict]) -> list[dict]:
    """What stands before the first assistant turn."""
    return list(itertools.takewhile(lambda message: message["role"] != "assistant", messages))


def with_system(messages: list[dict], system: str) -> list[dict]:
    """The chat, begun with a system text where it has none of its own."""
    own = not system or messages[0]["role"] == "system"
    return messages if own else [{"role": "system", "content": system}, *messages]


def encode_chat(
    tokenizer: Tokenizer, messages: list[dict], add_generation_prompt: bool = False
) -> tuple[list[int], list[bool]]:
    """Token ids, and for each whether it counts towards the loss. The ids are those of the joined text."""
    ids: list[int] = []
    mask: list[bool] = []
    for segment in render(messages, add_generation_prompt):
        piece_ids = tokenizer.encode(segment.text)
        ids += piece_ids
        mask += [segment.train] * len(piece_ids)
    return ids, mask


def check_messages(messages: list[dict]) -> None:
    """Raise TutorError naming the first message, and part of it, that cannot be rendered."""
    if not isinstance(messages, list) or not messages:
        raise TutorError(f"messages is {_shown(messages)} (allowed: a list of at least one message)")
    for number, message in enumerate(messages, 1):
        for problem in _problems(message):
            raise TutorError(f"message {number}{problem}")


def _problems(message: object) -> Iterator[str]:
    if not isinstance(message, dict):
        yield f" is {_shown(message)} (allowed: an object with role and content)"
        return
    absent = [key for key in ("role", "content") if key not in message]
    if absent:
        yield f': missing "{absent[0]}" (has: {", ".join(map(str, message)) or "nothing"})'
    elif message["role"] not in ROLES:
        yield f': unknown role "{message["role"]}" (allowed: {", ".join(ROLES)})'
    elif not isinstance(message.get("train", True), bool):
        yield f": train is {_shown(message['train'])} (allowed: true, false)"
    elif isinstance(message["content"], list) and message["role"] == "assistant":
        for number, part in enumerate(message["content"], 1):
            yield from (f", part {number}{problem}" for problem in _part_problems(part))
    elif not isinstance(message["content"], str):
        allowed = "a string, a list of parts" if message["role"] == "assistant" else "a string"
        yield f": content is {_shown(message['content'])} (allowed for {message['role']}: {allowed})"


def _part_problems(part: object) -> Iterator[str]:
    if isinstance(part, str):
        return
    if not isinstance(part, dict) or set(part) != {"calc", "result"}:
        yield f' is {_shown(part)} (allowed: a string, {{"calc": expression, "result": text}})'
        return
    for key, value in part.items():
        if not isinstance(value, str):
            yield f": {key} is {_shown(value)} (allowed: a string)"
        elif "<" in value or "\n" in value or (key == "calc" and not value):
            yield f": {key} {value!r} (allowed: one line without <{', not empty' if key == 'calc' else ''})"


def _shown(value: object) -> str:
    """A value as it stands in an error, short."""
    if value is None:
        return "null"
    text = repr(value)
    return f"{type(value).__name__} {text if len(text) <= 60 else text[:57] + '...'}"


def _all_parts(content: Content) -> list[Part]:
    """Parts with the calls in strings made structured; neighbouring strings are one text first."""
    parts = [content] if isinstance(content, str) else content
    whole: list[Part] = []
    for part in parts:
        if isinstance(part, str) and whole and isinstance(whole[-1], str):
            whole[-1] += part
        else:
            whole.append(part)
    return [piece for part in whole for piece in (parse_parts(part) if isinstance(part, str) else [part])]


def _body(message: dict, train: bool) -> list[Segment]:
    content = message["content"]
    if message["role"] != "assistant":
        return [Segment(escape_specials(content))]
    return [segment for part in _all_parts(content) for segment in _part_segments(part, train)]


def _part_segments(part: Part, train: bool) -> list[Segment]:
    if isinstance(part, str):
        return [Segment(escape_specials(part, FRAME_TOKENS), train)]
    return [
        Segment(CALC, train, special=True),
        Segment(part["calc"], train),
        Segment(RESULT, train, special=True),
        Segment(part["result"]),
        Segment(CALC_END, special=True),
    ]

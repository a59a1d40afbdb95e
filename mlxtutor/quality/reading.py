"""A row as the checks read it: texts, words, question, units, final answer, each worked out once."""

from __future__ import annotations

import hashlib
import re
from collections.abc import Sequence
from functools import cached_property
from typing import Any

from mlxtutor.evaluation.reading import read_final
from mlxtutor.quality.words import LONGEST_UNIT, Question, choices, question_of, words
from mlxtutor.text.chat import plain

SHORT = 80    # characters of a reply that is nothing but its answer
AGREE = 0.01  # relative: two answers this close are one
_TOLD = re.compile(r"(?:\banswer\b(?:[ \t]+is\b)?[ \t]*:?|####)[ \t]*([^\n]+)", re.IGNORECASE)
_LETTER = re.compile(r"\banswer(?: is)?:? \(?([A-Z])\b")
_LONG_WORD = re.compile(r"[^\W\d_]{3,}")
_CODE = re.compile(r"```[\s\S]*?(?:```|\Z)|~~~[\s\S]*?(?:~~~|\Z)|`[^`\n]+`")
_EMPTY = re.compile(r"\b[Pp]lease\b|\b(?:[Aa]n|[Tt]he|a|(?:(?<=\A)|(?<=[.!?:]\s)|(?<=\n))A)\b(?=[ \t]+[^\W\d_])")  # not in `a = 3`
_TELLING = re.compile(  # numbers, words, every sign but plain punctuation; dashes before a number, a factorial, a prime, a question
    r"(?<!\w)[.,]\d+|\d+(?:[.,]\d+)*|[^\W\d_]+"
    r"|[^\w\s.,;:!?'\"“”‘’«»…–—`\u200b-\u200f\ufeff\U0001f300-\U0001faff]"
    r"|[–—](?=\s?\d)|(?<=\d)!|(?<=\b[^\W\d_])[!'](?![^\W\d_])|\?")
_UNIT = re.compile(rf"(?<=\d)\s?[^\W\d_]{{1,{LONGEST_UNIT}}}\b")


def row_texts(row: dict[str, Any]) -> list[str]:
    return [row["text"]] if "text" in row else [plain(message["content"]) for message in row["messages"]]


class Reading:
    """A row as the checks read it, each part worked out once."""

    def __init__(self, line: int, row: dict[str, Any], number: int = 0) -> None:
        self.line, self.row, self.number = line, row, number or line
        self.texts = row_texts(row)

    @cached_property
    def asked(self) -> str:
        """What the user says, or the text."""
        messages = self.row.get("messages", ())
        return "\n".join(text for text, message in zip(self.texts, messages) if message["role"] == "user") if messages else self.texts[0]

    @cached_property
    def turns(self) -> list[str]:
        """What the user says, turn by turn."""
        return [text for text, message in zip(self.texts, self.row.get("messages", ())) if message["role"] == "user"] or self.texts[:1]

    @cached_property
    def final(self) -> Any:
        return final_answer(self)

    @cached_property
    def units(self) -> tuple[str, ...]:
        """What stands behind the numbers, in the case in which it stands there."""
        return tuple(sorted(unit.strip() for text in self.texts for unit in _UNIT.findall(text)))

    @cached_property
    def told(self) -> tuple[object, ...]:
        """Everything but articles and punctuation, in its order, code to the letter: rows that differ in it may say different things."""
        text = "\n".join(self.texts)
        return tuple(map(_folded, _TELLING.findall(_EMPTY.sub("", text)))), tuple(_CODE.findall(text))

    @cached_property
    def words(self) -> list[str]:
        return words("\n".join(self.texts))

    @cached_property
    def asked_words(self) -> list[str]:
        return words(self.asked)

    @cached_property
    def question(self) -> Question:
        return question_of(self.asked)


def _folded(word: str) -> str:
    """In lower case, but for short names: mW is no MW, Co no CO."""
    return word.casefold() if len(word) > LONGEST_UNIT or word[1:].islower() and len(word) == LONGEST_UNIT else word


def digest(texts: Sequence[str]) -> bytes:
    """Of texts without regard to white space and to the case of words of three letters or more: 3 mC are no 3 MC, AA is no aa.

    In code every character counts, beside a block of it white space too.
    """
    folded = []
    for text in texts:
        code = _CODE.findall(text)
        told = iter([*code, ""])
        prose = (" ".join(part.split()) if not code or "`" * 3 not in text else part for part in _CODE.split(text))
        folded.append("".join(_LONG_WORD.sub(lambda match: match[0].casefold(), part) + next(told, "") for part in prose))
    return hashlib.blake2b("\x1f".join(folded).encode(errors="replace"), digest_size=16).digest()


def final_answer(read: Reading) -> Any:
    """(number, unit): what is marked as the answer, or the last of a short reply. Else the words behind the mark; of a letter those of
    the choice. None where nothing is marked."""
    messages = read.row.get("messages")
    if not messages or messages[-1]["role"] != "assistant":
        return None
    reply = read.texts[-1]
    options, letter = choices(read.asked), _LETTER.search(reply)
    if options:
        return options.get(letter[1], "").casefold() or None if letter else None
    reading = read_final(reply)
    if reading and reading.value is not None and (reading.marked or len(reply) <= SHORT):
        return reading.value, reading.unit
    told = _TOLD.findall(reply)
    if told:
        return re.sub(r"\W+", " ", told[-1]).strip().casefold() or None
    stated = read.row.get("final_answer")
    return str(stated).strip().casefold() if stated else None


def differ(first: Any, second: Any) -> bool:
    if isinstance(first, tuple) and isinstance(second, tuple):
        size = max(abs(first[0]), abs(second[0]))
        return first[1] == second[1] and abs(first[0] - second[0]) > AGREE * size
    return type(first) is type(second) and first != second

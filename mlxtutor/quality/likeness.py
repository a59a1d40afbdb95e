"""Rows that are alike: the same, almost the same (MinHash), the same question with another answer."""

from __future__ import annotations

import hashlib
import re
from collections import defaultdict
from collections.abc import Iterator
from dataclasses import dataclass
from functools import cached_property
from typing import Any

import numpy as np

from mlxtutor.errors import TutorError
from mlxtutor.evaluation.reading import read_final
from mlxtutor.quality.findings import Finding
from mlxtutor.quality.words import Question, Rarity, choices, jaccard, numbers, pairs, question_of, words
from mlxtutor.text.chat import plain

NEAR = 0.8           # Jaccard of word pairs
BANDS, ROWS = 14, 5  # MinHash: 1 - (1 - 0.8^5)^14 = 99.6 % of the pairs at 0.8 are compared
CROWD = 20           # of rows almost like one, so many are kept to compare with
MIN_WORDS = 6        # of a text that can be almost like another
REWORDED = 0.6       # of the stems of two questions with the same numbers, by weight
ASKED = 0.5          # of the stems of the shorter asking sentence stand in the other
_LETTER = re.compile(r"\banswer(?: is)?:? \(?([A-Z])\b")
AGREE = 0.01         # relative: two answers this close are one


def row_texts(row: dict[str, Any]) -> list[str]:
    return [row["text"]] if "text" in row else [plain(message["content"]) for message in row["messages"]]


class Reading:
    """A row as the checks read it, each part worked out once."""

    def __init__(self, line: int, row: dict[str, Any]) -> None:
        self.line, self.row = line, row
        self.texts = row_texts(row)

    @cached_property
    def asked(self) -> str:
        """What the user says, or the text."""
        messages = self.row.get("messages", ())
        return "\n".join(text for text, message in zip(self.texts, messages) if message["role"] == "user") if messages else self.texts[0]

    @cached_property
    def words(self) -> list[str]:
        return words("\n".join(self.texts))

    @cached_property
    def asked_words(self) -> list[str]:
        return words(self.asked)

    @cached_property
    def question(self) -> Question:
        return question_of(self.asked)


def digest(texts: list[str]) -> bytes:
    """Of texts without regard to case and white space."""
    plain_texts = "\x1f".join(" ".join(text.casefold().split()) for text in texts)
    return hashlib.blake2b(plain_texts.encode(errors="replace"), digest_size=16).digest()


@dataclass(frozen=True)
class _Kept:
    line: int
    pairs: np.ndarray
    numbers: tuple[float, ...]


class Near:
    """Texts by MinHash; each new one is compared with those before it that share a band."""

    def __init__(self) -> None:
        try:
            import datasketch
        except ImportError:
            raise TutorError('finding near-duplicates needs datasketch (to get it: pip install "mlxtutor[data]")') from None
        self._new = lambda: datasketch.MinHash(num_perm=BANDS * ROWS, hashfunc=int)
        self._start = self._new()
        self._index = datasketch.MinHashLSH(num_perm=BANDS * ROWS, params=(BANDS, ROWS))
        self._kept: list[_Kept] = []
        self._crowd: dict[int, int] = defaultdict(int)

    def find(self, found: list[str], line: int, add: bool = True) -> tuple[_Kept, float] | None:
        """The text most like this one, and its Jaccard, where that is at least NEAR."""
        return max(self.all(found, line, add), key=lambda pair: (pair[1], -pair[0].line), default=None)

    def all(self, found: list[str], line: int, add: bool = True) -> list[tuple[_Kept, float]]:
        """Every text kept that this one is near to, with their Jaccard."""
        if len(found) < MIN_WORDS:
            return []
        own = pairs(found)
        sketch = self._start.copy()
        sketch.update_batch(own.tolist())
        near = [(kept, jaccard(own, kept.pairs)) for kept in (self._kept[index] for index in sorted(self._index.query(sketch)))]
        near = [(kept, share) for kept, share in near if share >= NEAR]
        if add and (not near or self._crowd[near[0][0].line] < CROWD):
            if near:
                self._crowd[near[0][0].line] += 1
            self._index.insert(len(self._kept), sketch, check_duplication=False)
            self._kept.append(_Kept(line, own, numbers(found)))
        return near


class Alike:
    """Which of the rows added so far a new one is the same as, or almost the same."""

    def __init__(self) -> None:
        self._lines: dict[bytes, int] = {}
        self._near = Near()
        self._count = 0

    def add(self, row: dict[str, Any]) -> Iterator[int]:
        """Their numbers, from 0."""
        number, self._count = self._count, self._count + 1
        texts = row_texts(row)
        first = self._lines.setdefault(digest(texts), number)
        found = words("\n".join(texts))
        if first != number:
            yield first
        else:
            yield from (kept.line for kept, _ in self._near.all(found, number))


class Repeats:
    """The same row, or almost the same, a second time."""

    def __init__(self) -> None:
        self._lines: dict[bytes, int] = {}
        self._near = Near()

    def check(self, read: Reading) -> Finding | None:
        first = self._lines.setdefault(digest(read.texts), read.line)
        if first != read.line:
            return Finding(read.line, "repeated", f"the same as line {first}", first)
        match = self._near.find(read.words, read.line)
        if match is None:
            return None
        kept, share = match
        same = kept.numbers == numbers(read.words)
        message = f"{100 * share:.0f} % like line {kept.line}{'' if same else ', with other numbers'}"
        return Finding(read.line, "near-duplicate", message, kept.line, certain=same)


class Contradictions:
    """Questions that are one up to their wording, with final answers that differ."""

    def __init__(self) -> None:
        self._by_numbers: dict[tuple[float, ...], list[tuple[int, Question, Any]]] = defaultdict(list)
        self._by_text: dict[bytes, list[tuple[int, Any]]] = defaultdict(list)
        self._rarity = Rarity()

    def check(self, read: Reading) -> Finding | None:
        answer, line = final_answer(read), read.line
        if answer is None or [message["role"] for message in read.row["messages"] if message["role"] != "system"] != ["user", "assistant"]:
            return None  # in a dialogue the last answer isn't that to the first question
        same = self._by_text[digest([read.asked])]
        for other, stated in same[:CROWD]:
            if differ(answer, stated):
                return _contradiction(line, answer, other, stated)
        same.append((line, answer))
        question = read.question
        self._rarity.add(question.stems)
        alike = self._by_numbers[question.numbers]
        for other, earlier, stated in alike[-CROWD:] if len(question.numbers) > 1 else ():
            if differ(answer, stated) and self._reworded(question, earlier):
                return _contradiction(line, answer, other, stated)
        alike.append((line, question, answer))
        return None

    def _reworded(self, first: Question, second: Question) -> bool:
        if first.choices != second.choices or first.names != second.names:
            return False
        shorter = min(len(first.asked), len(second.asked))
        asked = len(first.asked & second.asked) >= ASKED * shorter if shorter else first.asked == second.asked
        return asked and self._rarity.likeness(first.stems, second.stems) >= REWORDED


def _contradiction(line: int, answer: Any, other: int, stated: Any) -> Finding:
    message = f"answers {_shown(answer)}, line {other} the same question with {_shown(stated)}"
    return Finding(line, "contradiction", message, other, certain=False)


def _shown(answer: Any) -> str:
    return answer if isinstance(answer, str) else f"{answer[0]:.6g} {answer[1]}".rstrip()


def final_answer(read: Reading) -> Any:
    """(number, unit); words, those of the choice where the answer is a letter; None where none is marked as the answer."""
    messages = read.row.get("messages")
    if not messages or messages[-1]["role"] != "assistant":
        return None
    reply = read.texts[-1]
    options, letter = choices(read.asked), _LETTER.search(reply)
    if options:
        return options.get(letter[1], "").casefold() or None if letter else None
    reading = read_final(reply)
    if reading and reading.marked and reading.value is not None:
        return reading.value, reading.unit
    stated = read.row.get("final_answer")
    return str(stated).strip().casefold() if stated else None


def differ(first: Any, second: Any) -> bool:
    if isinstance(first, tuple) and isinstance(second, tuple):
        size = max(abs(first[0]), abs(second[0]))
        return first[1] == second[1] and abs(first[0] - second[0]) > AGREE * size
    return type(first) is type(second) and first != second

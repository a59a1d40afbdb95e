"""Rows that are alike: the same, almost the same (MinHash), the same question with another answer."""

from __future__ import annotations

import hashlib
import re
from collections import defaultdict
from collections.abc import Sequence
from dataclasses import dataclass
from functools import cached_property
from typing import Any

import numpy as np

from mlxtutor.errors import TutorError
from mlxtutor.evaluation.reading import read_final
from mlxtutor.quality.findings import Finding
from mlxtutor.quality.words import LONGEST_UNIT, Question, Rarity, choices, jaccard, numbers, pairs, question_of, words
from mlxtutor.text.chat import plain

NEAR = 0.8           # Jaccard of word pairs
BANDS, ROWS = 14, 5  # MinHash: 1 - (1 - 0.8^5)^14 = 99.6 % of the pairs at 0.8 are compared
CROWD = 20           # of rows almost like one, so many are kept to compare others with
MIN_WORDS = 6        # of a text that can be almost like another
REWORDED = 0.6       # of the stems of two questions with the same numbers, by weight
ASKED = 0.5          # of the stems of the shorter asking sentence stand in the other
_TOLD = re.compile(r"(?:\banswer\b(?:[ \t]+is\b)?[ \t]*:?|####)[ \t]*([^\n]+)", re.IGNORECASE)
_LETTER = re.compile(r"\banswer(?: is)?:? \(?([A-Z])\b")
_UNIT = re.compile(rf"(?<=\d)\s?[^\W\d_]{{1,{LONGEST_UNIT}}}\b")
SHORT = 80           # characters of a reply that is nothing but its answer
AGREE = 0.01         # relative: two answers this close are one


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
    def words(self) -> list[str]:
        return words("\n".join(self.texts))

    @cached_property
    def asked_words(self) -> list[str]:
        return words(self.asked)

    @cached_property
    def question(self) -> Question:
        return question_of(self.asked)


def digest(texts: Sequence[str]) -> bytes:
    """Of texts without regard to white space and case, but that of a unit: 3 mC are no 3 MC."""
    folded = []
    for text in texts:
        plain_text = " ".join(text.split())
        folded.append(plain_text.casefold() + "\x1e".join(_UNIT.findall(plain_text)))
    return hashlib.blake2b("\x1f".join(folded).encode(errors="replace"), digest_size=16).digest()


@dataclass(frozen=True)
class Kept:
    """A text to compare with; of a whole row also what its question and answer are."""

    line: int
    number: int
    pairs: np.ndarray
    numbers: tuple[float, ...]
    units: tuple[str, ...] = ()
    asked: np.ndarray | None = None
    final: Any = None
    choices: frozenset[str] = frozenset()


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
        self._kept: list[Kept] = []

    def sketch(self, found: list[str]) -> tuple[np.ndarray, Any] | None:
        """Word pairs and their sketch; None for a text that is too short to be almost like another."""
        if len(found) < MIN_WORDS:
            return None
        own = pairs(found)
        sketch = self._start.copy()
        sketch.update_batch(own.tolist())
        return own, sketch

    def candidates(self, sketch: Any) -> list[Kept]:
        """The texts that share a band with this one, the first first."""
        return [self._kept[index] for index in sorted(self._index.query(sketch))]

    def add(self, sketch: Any, kept: Kept) -> None:
        self._index.insert(len(self._kept), sketch, check_duplication=False)
        self._kept.append(kept)


def most_like(own: np.ndarray, candidates: Sequence[Kept]) -> tuple[Kept, float] | None:
    """The first of those that this text is most like, with their Jaccard, where that is at least NEAR."""
    near = [(jaccard(own, kept.pairs), -index) for index, kept in enumerate(candidates)]
    share, index = max(near, default=(0.0, 0))
    return (candidates[-index], share) if share >= NEAR else None


class Groups:
    """Rows that are the same, almost the same, or linked by name, in groups."""

    def __init__(self) -> None:
        self._first: dict[object, int] = {}
        self._near = Near()
        self._parent: list[int] = []

    def add(self, row: dict[str, Any], names: Sequence[object] = ()) -> None:
        """names: whatever the rows of one group share."""
        number = len(self._parent)
        self._parent.append(number)
        read = Reading(number, row)
        for name in (digest(read.texts), *names):
            self._link(number, self._first.setdefault(name, number))
        sketched = self._near.sketch(read.words)
        if sketched:
            own, sketch = sketched
            for kept in self._near.candidates(sketch):  # those that are in the group already need no look
                if self._root(kept.number) != self._root(number) and jaccard(own, kept.pairs) >= NEAR:
                    self._link(number, kept.number)
            self._near.add(sketch, Kept(number, number, own, ()))

    def _root(self, index: int) -> int:
        while self._parent[index] != index:
            self._parent[index] = index = self._parent[self._parent[index]]
        return index

    def _link(self, first: int, second: int) -> None:
        self._parent[self._root(first)] = self._root(second)

    def groups(self) -> list[list[int]]:
        """Row numbers by group."""
        found: dict[int, list[int]] = defaultdict(list)
        for number in range(len(self._parent)):
            found[self._root(number)].append(number)
        return list(found.values())


class Repeats:
    """The same row, or almost the same, a second time."""

    def __init__(self) -> None:
        self._lines: dict[bytes, tuple[int, int]] = {}
        self._near = Near()
        self._crowd: dict[int, int] = defaultdict(int)

    def check(self, read: Reading) -> Finding | None:
        number, line = self._lines.setdefault(digest(read.texts), (read.number, read.line))
        if number != read.number:
            return Finding(read.line, "repeated", f"the same as {_place(line, number)}", line)
        sketched = self._near.sketch(read.words)
        if sketched is None:
            return None
        own, sketch = sketched
        match = most_like(own, self._near.candidates(sketch))
        first = match[0].number if match else 0
        if match is None or self._crowd[first] < CROWD:
            self._crowd[first] += match is not None
            self._near.add(sketch, Kept(read.line, read.number, own, numbers(read.words), _units(read), pairs(read.asked_words),
                                         read.final, read.question.choices))
        return _near_finding(read, *match) if match else None


def _place(line: int, number: int) -> str:
    """Where a row stands, for people: records of one line are told apart by their number."""
    return f"line {line}" if line == number or line > 1 else f"record {number}"


def _near_finding(read: Reading, kept: Kept, share: float) -> Finding:
    """Certain only where question, numbers and answer are the same too: long explanations make different questions alike."""
    differs = [what for what, other in (
        ("numbers", kept.numbers != numbers(read.words)),
        ("units", kept.units != _units(read)),
        ("question", _asks_else(read, kept)),
        ("answer", kept.final != read.final)) if other]
    told = f", with other {' and '.join(differs)}" if differs else ""
    message = f"{100 * share:.0f} % like {_place(kept.line, kept.number)}{told}"
    return Finding(read.line, "near-duplicate", message, kept.line, certain=not differs)


def _units(read: Reading) -> tuple[str, ...]:
    """What stands behind the numbers, in the case in which it stands there."""
    return tuple(sorted(unit.strip() for text in read.texts for unit in _UNIT.findall(text)))


def _asks_else(read: Reading, kept: Kept) -> bool:
    return kept.choices != read.question.choices or kept.asked is not None and jaccard(pairs(read.asked_words), kept.asked) < NEAR


class Contradictions:
    """Questions that are one up to their wording, with final answers that differ."""

    def __init__(self) -> None:
        self._by_numbers: dict[tuple[float, ...], list[tuple[int, Question, Any]]] = defaultdict(list)
        self._by_text: dict[bytes, list[tuple[int, Any]]] = defaultdict(list)
        self._rarity = Rarity()

    def check(self, read: Reading) -> Finding | None:
        answer, line = read.final, read.line
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

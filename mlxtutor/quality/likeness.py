"""Rows that are alike: the same, almost the same, the same question with another answer."""

from __future__ import annotations

from collections import defaultdict
from typing import Any

from mlxtutor.quality.findings import Finding
from mlxtutor.quality.near import NEAR, Kept, Near, most_like
from mlxtutor.quality.reading import Reading, differ, digest
from mlxtutor.quality.words import Question, Rarity, jaccard, numbers, pairs

Place = tuple[int, int]  # line, number
CROWD = 20      # of rows almost like one, so many are kept to compare others with
REWORDED = 0.6  # of the stems of two questions with the same numbers, by weight
ASKED = 0.5     # of the stems of the shorter asking sentence stand in the other


class Repeats:
    """The same row, or almost the same, a second time."""

    def __init__(self) -> None:
        self._lines: dict[bytes, tuple[int, int]] = {}
        self._near = Near()
        self._crowd: dict[int, int] = defaultdict(int)

    def check(self, read: Reading) -> Finding | None:
        number, line = self._lines.setdefault(digest(read.texts), (read.number, read.line))
        if number != read.number:
            return Finding(read.line, "repeated", f"the same as {_place(line, number)}", line, other_number=number)
        sketched = self._near.sketch(read.words)
        if sketched is None:
            return None
        own, sketch = sketched
        match = most_like(own, self._near.candidates(sketch))
        first = match[0].number if match else 0
        if match is None or self._crowd[first] < CROWD:
            self._crowd[first] += match is not None
            self._near.add(sketch, Kept(read.line, read.number, own, numbers(read.words), read.units, pairs(read.asked_words),
                                         read.final, hash(read.told), read.question.choices))
        return _near_finding(read, *match) if match else None


def _place(line: int, number: int) -> str:
    """Where a row stands, for people: records of one line are told apart by their number."""
    return f"line {line}" if line == number or line > 1 else f"record {number}"


def _near_finding(read: Reading, kept: Kept, share: float) -> Finding:
    """Certain only where question, numbers and answer are the same too: long explanations make different questions alike."""
    differs = [what for what, other in (
        ("numbers", kept.numbers != numbers(read.words)),
        ("units", kept.units != read.units),
        ("question", _asks_else(read, kept)),
        ("answer", kept.final != read.final)) if other] or (["words or signs"] if kept.told != hash(read.told) else [])
    told = f", with other {' and '.join(differs)}" if differs else ""
    message = f"{100 * share:.0f} % like {_place(kept.line, kept.number)}{told}"
    return Finding(read.line, "near-duplicate", message, kept.line, certain=not differs, other_number=kept.number)


def _asks_else(read: Reading, kept: Kept) -> bool:
    return kept.choices != read.question.choices or kept.asked is not None and jaccard(pairs(read.asked_words), kept.asked) < NEAR


class Contradictions:
    """Questions that are one up to their wording, with final answers that differ."""

    def __init__(self) -> None:
        self._by_numbers: dict[tuple[float, ...], list[tuple[Place, Question, Any]]] = defaultdict(list)
        self._by_text: dict[bytes, list[tuple[Place, Any]]] = defaultdict(list)
        self._rarity = Rarity()

    def check(self, read: Reading) -> Finding | None:
        answer, place = read.final, (read.line, read.number)
        if answer is None or [message["role"] for message in read.row["messages"] if message["role"] != "system"] != ["user", "assistant"]:
            return None  # in a dialogue the last answer isn't that to the first question
        same = self._by_text[digest([read.asked])]
        for other, stated in same[:CROWD]:
            if differ(answer, stated):
                return _contradiction(read.line, answer, other, stated)
        same.append((place, answer))
        question = read.question
        self._rarity.add(question.stems)
        alike = self._by_numbers[question.numbers]
        for other, earlier, stated in alike[-CROWD:] if len(question.numbers) > 1 else ():
            if differ(answer, stated) and self._reworded(question, earlier):
                return _contradiction(read.line, answer, other, stated)
        alike.append((place, question, answer))
        return None

    def _reworded(self, first: Question, second: Question) -> bool:
        if first.choices != second.choices or first.names != second.names:
            return False
        shorter = min(len(first.asked), len(second.asked))
        asked = len(first.asked & second.asked) >= ASKED * shorter if shorter else first.asked == second.asked
        return asked and self._rarity.likeness(first.stems, second.stems) >= REWORDED


def _contradiction(line: int, answer: Any, other: Place, stated: Any) -> Finding:
    message = f"answers {_shown(answer)}, {_place(*other)} the same question with {_shown(stated)}"
    return Finding(line, "contradiction", message, other[0], certain=False)


def _shown(answer: Any) -> str:
    return answer if isinstance(answer, str) else f"{answer[0]:.6g} {answer[1]}".rstrip()

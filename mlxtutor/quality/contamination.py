"""Training rows that give an evaluation away: its questions as they are, almost, reworded, or a long stretch of one."""

from __future__ import annotations

from collections import Counter, defaultdict
from collections.abc import Iterable
from typing import Any

from mlxtutor.quality.findings import Finding
from mlxtutor.quality.likeness import REWORDED
from mlxtutor.quality.near import MIN_WORDS, Kept, Near, most_like
from mlxtutor.quality.reading import Reading, digest
from mlxtutor.quality.words import Question, Rarity, numbers, question_of, words

STRETCH = 13      # words in a row that no two texts share by chance. Source: Brown et al. 2020, appendix C
TELLING = 4       # stems of a question by which candidates are looked up
WORDY = 0.8       # likeness of two questions with fewer than two numbers, or with other numbers
AROUND = 0.45     # likeness of two with the same numbers: words around a question lower it
OTHERS = 2        # numbers around a question
MIN_STEMS = 4     # of two such questions


class Leaks:
    """The questions of an evaluation, to hold rows against. Lines are those of the evaluation's file."""

    def __init__(self, rows: Iterable[tuple[int, dict[str, Any]]]) -> None:
        self._exact: dict[bytes, int] = {}
        self._near = Near()
        self._stretches: dict[int, int] = {}  # of words -> line; 0: of several questions, so that it tells nothing
        self._questions: list[tuple[int, Question]] = []
        self._rarity = Rarity()
        for line, row in rows:
            read = Reading(line, row)
            for turn in _tellers(read):
                self._exact.setdefault(digest([turn]), line)
            if sketched := self._near.sketch(read.asked_words):
                own, sketch = sketched
                self._near.add(sketch, Kept(line, line, own, numbers(read.asked_words)))
            for stretch in set(_stretches(read.asked_words)):
                self._stretches[stretch] = 0 if stretch in self._stretches else line
            self._questions.append((line, read.question))
            self._rarity.add(read.question.stems)
        self._by_stem: dict[str, list[int]] = defaultdict(list)
        for index, (_, question) in enumerate(self._questions):
            for stem in self._telling(question):
                self._by_stem[stem].append(index)

    def _telling(self, question: Question) -> list[str]:
        return sorted(question.stems, key=lambda stem: (self._rarity.counts[stem], stem))[:2 * TELLING]

    def check(self, read: Reading) -> Finding | None:
        """Every turn of the user's is held against the questions; of everything said, the stretches."""
        turns = _tellers(read)
        for text in turns:
            if exact := self._exact.get(digest([text])):
                return _finding(read.line, exact, "a question of the evaluation")
        found = [finding for text in turns if (finding := self._almost(read, text))]
        if found:
            return next((finding for finding in found if finding.certain), found[0])
        for stretch in _stretches(read.words):
            if tested := self._stretches.get(stretch):
                message = f"{STRETCH} words in a row of a question of the evaluation"
                return _finding(read.line, tested, message, self._same_numbers(tested, read.question))
        return None

    def _almost(self, read: Reading, text: str) -> Finding | None:
        """Near to a question, or that question in other words. With other numbers it is another problem, and left to a person."""
        found = read.asked_words if text == read.asked else words(text)
        sketched = self._near.sketch(found)
        if sketched and (near := most_like(sketched[0], self._near.candidates(sketched[1]))):
            kept, share = near
            same = kept.numbers == numbers(found)
            told = "" if same else ", with other numbers"
            return _finding(read.line, kept.line, f"{100 * share:.0f} % like a question of the evaluation{told}", same)
        question = read.question if text == read.asked else question_of(text)
        line, likeness = self._reworded(question)
        certain = likeness >= WORDY and self._same_numbers(line, question)  # else it may be another problem about the same things
        return _finding(read.line, line, "a question of the evaluation in other words", certain) if line else None

    def _same_numbers(self, line: int, question: Question) -> bool:
        """Whether a tested question states no number that this one doesn't, and this one few others."""
        tested = next(other for at, other in self._questions if at == line)
        return not Counter(tested.numbers) - Counter(question.numbers) and len(question.numbers) <= len(tested.numbers) + OTHERS

    def _reworded(self, question: Question) -> tuple[int, float]:
        """The line of the question that this one is in other words, and how alike they are; (0, 0) for none."""
        candidates = Counter(index for stem in sorted(question.stems) for index in self._by_stem.get(stem, ()))
        best, at = 0.0, 0
        for index, _ in candidates.most_common(3 * TELLING):
            line, other = self._questions[index]
            likeness = self._likeness(question, other) if question.choices == other.choices else 0.0
            if likeness > best:
                best, at = likeness, line
        return at, best

    def _likeness(self, question: Question, tested: Question) -> float:
        """How much of a tested question stands in this one; 0 where that is too little.

        With all its numbers, at least two, and few others, REWORDED is enough; else, since a change of units touches numbers, with half
        of them, both have to be WORDY.
        """
        shared = sum((Counter(question.numbers) & Counter(tested.numbers)).values())
        likeness = self._rarity.likeness(question.stems, tested.stems)
        if shared == len(tested.numbers) > 1 and len(question.numbers) <= shared + OTHERS:
            return likeness if likeness >= AROUND and self._rarity.share(tested.stems, question.stems) >= REWORDED else 0.0
        enough = min(len(question.stems), len(tested.stems)) >= MIN_STEMS
        return likeness if enough and likeness >= WORDY and shared >= max(len(question.numbers), len(tested.numbers)) / 2 else 0.0


def _tellers(read: Reading) -> list[str]:
    """All that the user says, and every turn that is long enough to be a question: "Why?" isn't."""
    return list(dict.fromkeys([read.asked, *(turn for turn in read.turns if len(words(turn)) >= MIN_WORDS)]))


def _stretches(found: list[str]) -> Iterable[int]:
    """Hashes of STRETCH words in a row."""
    return (hash(tuple(found[start:start + STRETCH])) for start in range(len(found) - STRETCH + 1))


def _finding(line: int, other: int, message: str, certain: bool = True) -> Finding:
    return Finding(line, "contamination", f"{message} (its line {other})", other, certain=certain)

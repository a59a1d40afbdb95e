"""Training rows that give an evaluation away: its questions as they are, almost, reworded, or a long stretch of one."""

from __future__ import annotations

from collections import Counter, defaultdict
from collections.abc import Iterable
from typing import Any

from mlxtutor.quality.findings import Finding
from mlxtutor.quality.likeness import REWORDED
from mlxtutor.quality.near import MIN_WORDS, Kept, Near, most_like
from mlxtutor.quality.reading import Reading, digest
from mlxtutor.quality.words import STOP, Question, Rarity, numbers, question_of, words

STRETCH = 13      # words in a row that no two texts share by chance. Source: Brown et al. 2020, appendix C
CONTENT = 2       # words about something, of a question of fewer
TELLING = 4       # stems of a question by which candidates are looked up
WORDY = 0.8       # likeness of two questions with other numbers, or fewer than two
AROUND = 0.45     # of two with the same ones: words around a question lower it
SURE = 3          # numbers that two questions of one subject don't share by chance: all but one of each, and then
SUBJECT = 0.25    # is enough
WHOLE, MOST = 0.9, 0.55  # of a question's subject in another, and likeness, where one number is said otherwise
OTHERS = 2        # numbers around a question
MIN_STEMS = 4     # of two questions with other numbers


class Leaks:
    """The questions of an evaluation, to hold rows against. Lines are those of the evaluation's file."""

    def __init__(self, rows: Iterable[tuple[int, dict[str, Any]]]) -> None:
        self._exact: dict[bytes, int] = {}
        self._near = Near()
        self._stretches: dict[int, tuple[int, int]] = {}  # of words -> line, question; line 0: of different ones, so that it tells nothing
        self._short: dict[int, dict[int, int]] = defaultdict(dict)  # whole questions, by their number of words -> line
        self._questions: list[tuple[int, Question]] = []
        self._rarity = Rarity()
        for line, row in rows:
            read = Reading(line, row)
            for turn in _tellers(read):
                self._exact.setdefault(digest([turn]), line)
            if sketched := self._near.sketch(read.asked_words):
                own, sketch = sketched
                self._near.add(sketch, Kept(line, line, own, numbers(read.asked_words)))
            asked = hash(tuple(read.asked_words))
            for stretch in set(_stretches(read.asked_words)):
                first, text = self._stretches.setdefault(stretch, (line, asked))
                self._stretches[stretch] = first if text == asked else 0, text
            for found in map(words, _tellers(read)):
                if MIN_WORDS <= len(found) < STRETCH and sum(word not in STOP for word in found) >= CONTENT:
                    self._short[len(found)].setdefault(hash(tuple(found)), line)
            self._questions.append((line, read.question))
            self._rarity.add(_subject(read.question))
        self._by_stem: dict[str, list[int]] = defaultdict(list)
        for index, (_, question) in enumerate(self._questions):
            for stem in self._telling(question):
                self._by_stem[stem].append(index)

    def _telling(self, question: Question) -> list[str]:
        return sorted(_subject(question), key=lambda stem: (self._rarity.counts[stem], stem))[:2 * TELLING]

    def check(self, read: Reading) -> Finding | None:
        """Every turn of the user's is held against the questions; of everything said, the stretches."""
        turns = _tellers(read)
        for text in turns:
            if exact := self._exact.get(digest([text])):
                return _finding(read.line, exact, "a question of the evaluation")
        found = [finding for text in turns if (finding := self._almost(read, text))]
        if found:
            return next((finding for finding in found if finding.certain), found[0])
        tested, stretch = self._stretch(read.words)
        if not tested:
            return None
        message = f"{stretch} words in a row of a question of the evaluation" if stretch else "a short question of the evaluation in it"
        return _finding(read.line, tested, message, self._same_numbers(tested, read.question))

    def _stretch(self, found: list[str]) -> tuple[int, int]:
        """The line of a question of which a stretch stands among words, and how long it is: 0 for the whole of a short one."""
        for stretch in _stretches(found):
            if tested := self._stretches.get(stretch, (0, 0))[0]:
                return tested, STRETCH
        for length, short in self._short.items():
            for stretch in _stretches(found, length):
                if tested := short.get(stretch, 0):
                    return tested, 0
        return 0, 0

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
        candidates = Counter(index for stem in sorted(_subject(question)) for index in self._by_stem.get(stem, ()))
        best, at = 0.0, 0
        for index, _ in candidates.most_common(3 * TELLING):
            line, other = self._questions[index]
            likeness = self._likeness(question, other) if question.choices == other.choices else 0.0
            if likeness > best:
                best, at = likeness, line
        return at, best

    def _likeness(self, question: Question, tested: Question) -> float:
        """How much of a tested question stands in this one; 0 where that is too little.

        With all its numbers, at least two, and few others, REWORDED is enough; with three or more that hardly differ, the subject; else,
        since a change of units touches numbers, with half of them, both have to be WORDY.
        """
        mine, its = _subject(question), _subject(tested)
        shared = sum((Counter(question.numbers) & Counter(tested.numbers)).values())
        most, fewest = max(len(question.numbers), len(tested.numbers)), min(len(question.numbers), len(tested.numbers))
        likeness, share = self._rarity.likeness(mine, its), self._rarity.share(its, mine)
        enough = min(len(mine), len(its)) >= MIN_STEMS
        found = (shared == len(tested.numbers) > 1 and len(question.numbers) <= shared + OTHERS and likeness >= AROUND and share >= REWORDED
                 or shared >= SURE and shared >= most - 1 and likeness >= SUBJECT
                 or enough and shared == fewest >= most - 1 and share >= WHOLE and likeness >= MOST
                 or enough and shared >= most / 2 and likeness >= WORDY)
        return likeness if found else 0.0


def _subject(question: Question) -> frozenset[str]:
    """What a question is about: things and persons."""
    return question.stems | question.names


def _tellers(read: Reading) -> list[str]:
    """All that the user says, and every turn that is long enough to be a question: "Why?" isn't."""
    return list(dict.fromkeys([read.asked, *(turn for turn in read.turns if len(words(turn)) >= MIN_WORDS)]))


def _stretches(found: list[str], length: int = STRETCH) -> Iterable[int]:
    """Hashes of so many words in a row."""
    return (hash(tuple(found[start:start + length])) for start in range(len(found) - length + 1))


def _finding(line: int, other: int, message: str, certain: bool = True) -> Finding:
    return Finding(line, "contamination", f"{message} (its line {other})", other, certain=certain)

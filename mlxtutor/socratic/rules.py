"""What a Socratic dialogue has to be; both generators' dialogues are held against it."""

from __future__ import annotations

import re
from collections.abc import Iterator, Sequence

from mlxtutor.quality.shape import EXCHANGES
from mlxtutor.quality.words import question_of, words

QUESTION_TYPES = ("clarification", "assumptions", "evidence", "perspective", "implications", "meta")  # after Paul and Elder


def problems(messages: Sequence[dict], question_types: Sequence[str], answer: str = "") -> Iterator[str]:
    """What is wrong with a dialogue, one sentence each. question_types: of every tutor turn but the last. answer: its digits."""
    roles = [message["role"] for message in messages]
    if roles != ["user", "assistant"] * (len(roles) // 2) or not roles:
        yield "student and tutor don't take turns, the student first and the tutor last"
        return
    student, tutor = [m["content"] for m in messages[::2]], [m["content"] for m in messages[1::2]]
    if not EXCHANGES[0] <= len(tutor) <= EXCHANGES[1]:
        yield f"{len(tutor)} exchanges ({EXCHANGES[0]} to {EXCHANGES[1]} are expected)"
    for number, text in enumerate(tutor[:-1], 1):
        if text.count("?") != 1:
            yield f"the tutor's turn {number} has {text.count('?')} questions (one is expected)"
    if "?" in tutor[-1]:
        yield "the last turn asks instead of confirming"
    for number, (said, reply) in enumerate(zip(student, tutor), 1):
        if not builds_on(reply, said):
            yield f"the tutor's turn {number} doesn't build on the student's words"
    yield from _gives_away(student, tutor, answer)
    if len(set(tutor)) < len(tutor):
        yield "the tutor says the same twice"
    yield from _climb(question_types, len(tutor) - 1)


def builds_on(reply: str, said: str) -> bool:
    """Whether two turns share a number, a formula or a word that tells something."""
    first, second = question_of(reply), question_of(said)
    if first.stems & second.stems or set(first.numbers) & set(second.numbers):
        return True
    return bool({word for word in re.findall(r"\S*[=*/^]\S*", reply)} & set(re.findall(r"\S*[=*/^]\S*", said)))


def _gives_away(student: Sequence[str], tutor: Sequence[str], answer: str) -> Iterator[str]:
    if not answer:
        return
    stated = next((turn for turn, text in enumerate(student) if answer in words_of(text)), None)
    for turn, text in enumerate(tutor):
        if answer in words_of(text) and (stated is None or turn < stated):
            yield f"the tutor's turn {turn + 1} gives the answer away"
            return


def words_of(text: str) -> set[str]:
    """Words and numbers as they are written: `0.003371`, `6.742e5`."""
    return set(words(text))


def _climb(types: Sequence[str], expected: int) -> Iterator[str]:
    unknown = [name for name in types if name not in QUESTION_TYPES]
    if unknown:
        yield f'"{unknown[0]}" is no question type (allowed: {", ".join(QUESTION_TYPES)})'
        return
    if len(types) != expected:
        yield f"{len(types)} question types for {expected} questions"
    order = [QUESTION_TYPES.index(name) for name in types]
    if order != sorted(order):
        yield f"the questions don't climb: {', '.join(types)}"

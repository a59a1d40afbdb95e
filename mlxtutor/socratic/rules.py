"""What a Socratic dialogue has to be; both generators' dialogues are held against it."""

from __future__ import annotations

import re
from collections.abc import Iterator, Sequence

from mlxtutor.quality.shape import EXCHANGES
from mlxtutor.quality.words import question_of
from mlxtutor.socratic.answers import states

QUESTION_TYPES = ("clarification", "assumptions", "evidence", "perspective", "implications", "meta")  # after Paul and Elder
LOOKING_BACK = ("implications", "meta")
LONG = 3  # questions from which on the last one looks back


def problems(messages: Sequence[dict], question_types: Sequence[str], answer: str) -> Iterator[str]:
    """What is wrong with a dialogue, one sentence each. question_types: of every tutor turn but the last."""
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
    yield from _confirms(tutor[-1], answer, " ".join(student))
    if len(set(tutor)) < len(tutor):
        yield "the tutor says the same twice"
    yield from _climb(question_types, len(tutor) - 1)


def builds_on(reply: str, said: str) -> bool:
    """Whether two turns share a number, a formula or a word that tells something."""
    first, second = question_of(reply), question_of(said)
    if first.stems & second.stems or set(first.numbers) & set(second.numbers):
        return True
    return bool({word for word in re.findall(r"\S*[=*/^]\S*", reply)} & set(re.findall(r"\S*[=*/^]\S*", said)))


def _confirms(last: str, answer: str, said: str) -> Iterator[str]:
    """The last turn names no other value in the answer's unit, but for those that the student has said."""
    unit = re.sub(r"^[^A-Za-z%°Ω]*", "", answer).strip()
    values = re.findall(rf"(-?\d[\d.,]*(?:e-?\d+)?)\s*{re.escape(unit)}(?![\w/^·*])", last) if unit else []
    values = [value for value in values if not states(said, value)]
    if values and not states(last, answer):
        yield f"the last turn confirms {values[0]} {unit}, final_answer is {answer}"


def _gives_away(student: Sequence[str], tutor: Sequence[str], answer: str) -> Iterator[str]:
    """The student has to state the answer, after the first question and before the tutor does."""
    if not answer:
        yield "there is no final_answer"
        return
    named = states(student[0], answer)  # by chance a number of the problem's: only the whole answer gives away then
    found = next((turn for turn, text in enumerate(student) if turn and states(text, answer)), None)
    if found is None:
        yield "the student never states the answer"
    for turn, text in enumerate(tutor[:found]):
        if states(text, answer) and (not named or _has(text, answer) and not _has(student[0], answer)):
            yield f"the tutor's turn {turn + 1} gives the answer away"
            return


def _has(text: str, part: str) -> bool:
    return re.search(rf"(?<![\w.]){re.escape(part)}(?!\w)", text) is not None


def _climb(types: Sequence[str], expected: int) -> Iterator[str]:
    """In the order of QUESTION_TYPES; of several the first clarifies, of many the last looks back."""
    unknown = [name for name in types if name not in QUESTION_TYPES]
    if unknown:
        yield f'"{unknown[0]}" is no question type (allowed: {", ".join(QUESTION_TYPES)})'
        return
    if len(types) != expected:
        yield f"{len(types)} question types for {expected} questions"
        return
    order = [QUESTION_TYPES.index(name) for name in types]
    if order != sorted(order):
        yield f"the questions don't climb: {', '.join(types)}"
    if expected > 1 and types[0] != "clarification":
        yield "the first question is no clarification"
    if expected >= LONG and types[-1] not in LOOKING_BACK:
        yield f"the last question is none of {', '.join(LOOKING_BACK)}"

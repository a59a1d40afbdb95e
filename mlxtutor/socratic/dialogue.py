"""Dialogues without any model: a student with a misconception, a tutor who asks one question at a time."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import Any

import numpy as np

from mlxtutor.datasets.phrases import capital, pick
from mlxtutor.problems.build import trained_types
from mlxtutor.problems.types import Solved, draw
from mlxtutor.problems.wording import compose_plain, load_wordings, wanted_phrase
from mlxtutor.socratic.moves import moves, usable
from mlxtutor.socratic.rules import LONG, LOOKING_BACK, QUESTION_TYPES, builds_on, problems
from mlxtutor.socratic.slips import Slip, choose, find_slips, slip_facts
from mlxtutor.socratic.word_problems import word_problems

REVEALING = ("evidence", "perspective")  # a dialogue has one of these; after it the student corrects the slip
WORD_SHARE = .3   # of the dialogues are about word problems
ECHO_SHARE = .5   # of the tutor's questions quote the student, and all that wouldn't build on the words otherwise
SAID = 2          # times that a student may say what doubling does
QUOTED = 60       # characters of a quotation that is a whole sentence


def iter_dialogues(rng: np.random.Generator, exchanges: int = 0) -> Iterator[dict[str, Any]]:
    """Endless rows, no two alike. exchanges: 2 to 6; 0 for any of these."""
    seen: set[str] = set()
    number = 0
    wanted = exchanges
    while True:
        wanted = exchanges or wanted or int(rng.integers(2, 7))  # the same number again where a draw is no good: long ones are as frequent
        row = _dialogue(rng, wanted)
        key = "\n".join(message["content"] for message in row["messages"]) if row else ""
        if row and key not in seen:
            seen.add(key)
            yield {"id": f"socratic-{number:06d}", **row}
            number, wanted = number + 1, 0


def _dialogue(rng: np.random.Generator, exchanges: int) -> dict[str, Any] | None:
    """One dialogue; None where the problem drawn allows no slip, or the rules find fault with it."""
    solved, text, names, target = _problem(rng)
    slips = find_slips(solved, names)
    if not slips:
        return None
    slip = choose(rng, slips)
    facts = _facts(solved, slip, names, target)
    if facts is None:
        return None
    types = _question_types(rng, exchanges - 1)
    if any(not usable(_phrases(slip.kind, name), facts) for name in types):
        return None
    messages = _Talk(rng, slip, facts, types).messages(text)
    if list(problems(messages, types, facts["right"])) or _repetitive(messages, facts):
        return None
    return {"messages": messages, "source": "mlxtutor socratic", "licence": "MIT", "topic": solved.type.family,
            "tags": ["socratic", f"misconception: {slip.kind}"], "final_answer": facts["right"],
            "extra": {"type": solved.type.name, "question_types": types}}


def _problem(rng: np.random.Generator) -> tuple[Solved, str, dict[str, tuple[str, ...]], str]:
    """A solved problem, its text, what its givens are called, and what is wanted."""
    if rng.random() < WORD_SHARE:
        problem = pick(rng, list(word_problems().values()))
        solved = problem.draw(rng)
        return solved, problem.text(rng, solved), problem.names, problem.target
    kind = pick(rng, trained_types())
    wording = load_wordings(kind.family)[kind.name]
    solved = draw(kind, rng)
    return solved, compose_plain(rng, wording, solved.values), wording.names, wanted_phrase(rng, wording)


def _question_types(rng: np.random.Generator, count: int) -> list[str]:
    """`count` different types that climb from clarification to one that reveals, and in a long dialogue on to one that looks back. A
    single question reveals."""
    if count == 1:
        return [pick(rng, REVEALING)]
    chosen = {"clarification", pick(rng, REVEALING)} | ({pick(rng, LOOKING_BACK)} if count >= LONG else set())
    others = [name for name in ("assumptions", *LOOKING_BACK) if name not in chosen]
    chosen |= {others[index] for index in rng.permutation(len(others))[:count - len(chosen)]}
    return [name for name in QUESTION_TYPES if name in chosen]


def _repetitive(messages: Sequence[dict[str, str]], facts: dict[str, str]) -> bool:
    """Whether the student says the same thing again and again."""
    said = [message["content"] for message in messages if message["role"] == "user"][1:]
    return any(sum(facts[key] in text for text in said) > SAID for key in ("grows", "grows_used") if facts[key])


def _facts(solved: Solved, slip: Slip, names: dict[str, tuple[str, ...]], target: str) -> dict[str, str] | None:
    """What the phrases' places are filled with."""
    facts = slip_facts(solved, slip, names)
    if facts is None:
        return None
    facts |= {"target": target, "symbol": solved.type.steps[-1].symbol}
    return facts | (_arrangement(solved) if slip.kind == "counterpart" else {})


def _arrangement(solved: Solved) -> dict[str, str]:
    """How the parts are arranged, and what follows for the whole."""
    series = "series" in solved.type.name
    larger = series == solved.type.name.startswith("circuits")  # resistors in series, capacitors in parallel
    count = len(solved.values)
    how = "one after another, so in series" if series else "side by side, so in parallel"
    return {"arranged": f"They are {how}", "arranged_low": f"they are {how}",
            "all": "both" if count == 2 else "all three", "count": "two" if count == 2 else "three",
            "larger_reply": f"It's {'smaller' if larger else 'larger'}. In this arrangement I'd expect it to be "
                            f"{'larger' if larger else 'smaller'} than each of them.",
            "equal_reply": f"{'More' if larger else 'Less'} than one of them alone. My rule gives the opposite."}


def _phrases(kind: str, name: str) -> list[list[str]]:
    """The moves of a question type: those of the kind of slip, or those of all."""
    return list(moves()["kinds"][kind].get(name) or moves()[name])


class _Talk:
    """One conversation being written."""

    def __init__(self, rng: np.random.Generator, slip: Slip, facts: dict[str, str], types: Sequence[str]) -> None:
        self.rng, self.slip, self.facts, self.types = rng, slip, facts, types
        self.phrases = moves()["kinds"][slip.kind]

    def messages(self, problem: str) -> list[dict[str, str]]:
        attempt = self._say(self.phrases["attempts"])
        said = pick(self.rng, moves()["openings"]).format(problem=problem, attempt=attempt)
        quote = next((part for part in (self.facts["used"], self.facts["wrong"]) if part in attempt), attempt)
        talk = [{"role": "user", "content": said}]
        for name in self.types:
            question, reply = self._exchange(name)
            talk.append({"role": "assistant", "content": self._asked(question, said, quote)})
            correction = f" {self._say(moves()['corrections'])}" if name in REVEALING else ""
            said, quote = reply + correction, _quotation(reply)
            talk.append({"role": "user", "content": said})
        closing = pick(self.rng, moves()["closings_after"].get(self.types[-1], moves()["closings"]))
        lesson = self._say(self.phrases["lesson"])
        return [*talk, {"role": "assistant", "content": closing.format(**self.facts, lesson=lesson, quote=quote)}]

    def _say(self, phrases: Sequence[str]) -> str:
        return pick(self.rng, usable(phrases, self.facts)).format(**self.facts)

    def _exchange(self, name: str) -> tuple[str, str]:
        """A question of a type, and the student's reply."""
        question, reply = pick(self.rng, usable(_phrases(self.slip.kind, name), self.facts))
        return sentence(question.format(**self.facts)), sentence(reply.format(**self.facts))

    def _asked(self, question: str, said: str, quote: str) -> str:
        """The question, with the student's words before it where it doesn't take them up itself."""
        if builds_on(question, said) and self.rng.random() >= ECHO_SHARE:
            return question
        return str(pick(self.rng, moves()["echoes"])).format(quote=quote, question=question)


def _quotation(reply: str) -> str:
    """The first sentence of a reply, or its first clause."""
    sentence = reply.split(". ")[0].rstrip(".")
    return sentence if len(sentence) <= QUOTED else sentence.split(",")[0]


def sentence(text: str) -> str:
    """With a capital at the start, but for a symbol or a number with its unit."""
    first = text.split(" ", 1)[0]
    return text if len(first) == 1 and first != "a" or not first.isalpha() else capital(text)

"""Dialogues without any model: a student with a misconception, a tutor who asks one question at a time."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from functools import cache
from typing import Any

import numpy as np

from mlxtutor.datasets.phrases import capital, pick
from mlxtutor.problems.build import trained_types
from mlxtutor.problems.types import Solved, draw
from mlxtutor.problems.wording import compose_plain, load_wordings, wanted_phrase
from mlxtutor.shipped import shipped_yaml
from mlxtutor.socratic.rules import QUESTION_TYPES, builds_on, problems
from mlxtutor.socratic.slips import Slip, choose, find_slips, slip_facts
from mlxtutor.socratic.word_problems import word_problems

REVEALING = ("evidence", "perspective")  # after the last of these the student corrects the slip
WORD_SHARE = .3   # of the dialogues are about word problems
ECHO_SHARE = .5   # of the tutor's questions quote the student, and all that wouldn't build on the words otherwise
SAID = 2          # times that a student may say what doubling does
QUOTED = 60       # characters of a quotation that is a whole sentence


def iter_dialogues(rng: np.random.Generator, exchanges: int = 0) -> Iterator[dict[str, Any]]:
    """Endless rows, no two alike. exchanges: 2 to 6; 0 for any of these."""
    seen: set[str] = set()
    number = 0
    while True:
        row = _dialogue(rng, exchanges or int(rng.integers(2, 7)))
        key = "\n".join(message["content"] for message in row["messages"]) if row else ""
        if row and key not in seen:
            seen.add(key)
            yield {"id": f"socratic-{number:06d}", **row}
            number += 1


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
    messages = _Talk(rng, slip, facts, types).messages(text)
    if list(problems(messages, types, solved.results[-1])) or _repetitive(messages, facts):
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
    """`count` different types that climb, one of them at least such that the student finds the slip."""
    while True:
        chosen = sorted(rng.permutation(len(QUESTION_TYPES))[:count].tolist())
        types = [QUESTION_TYPES[index] for index in chosen]
        if set(types) & set(REVEALING):
            return types


def _repetitive(messages: Sequence[dict[str, str]], facts: dict[str, str]) -> bool:
    """Whether the student says the same thing again and again."""
    said = [message["content"] for message in messages if message["role"] == "user"][1:]
    return any(sum(facts[key] in text for text in said) > SAID for key in ("grows", "grows_used"))


@cache
def moves() -> dict[str, Any]:
    """The phrases."""
    return dict(shipped_yaml("socratic/moves.yaml"))


def _facts(solved: Solved, slip: Slip, names: dict[str, tuple[str, ...]], target: str) -> dict[str, str] | None:
    """What the phrases' places are filled with."""
    facts = slip_facts(solved, slip, names)
    if facts is None:
        return None
    facts |= {"target": target, "double": slip.bare, "symbol": solved.type.steps[-1].symbol}
    if slip.kind == "inverse":
        facts |= _inverse_facts(facts)
    return facts | (_arrangement(solved) if slip.kind == "counterpart" else {})


def _inverse_facts(facts: dict[str, str]) -> dict[str, str]:
    if facts["unit_used"]:
        return {"check_question": f"Which unit comes out of {facts['used']}?",
                "check_reply": f"{facts['unit_used']}, and that isn't {facts['unit']}. So it's the other way round."}
    return {"check_question": f"Would you expect {facts['target']} to be {facts['grows_used']} when {facts['name']} doubles?",
            "check_reply": f"No, {facts['grows']}. So I have it the wrong way round."}


def _arrangement(solved: Solved) -> dict[str, str]:
    """How the parts are arranged, and what follows for the whole."""
    series = "series" in solved.type.name
    larger = series == solved.type.name.startswith("circuits")  # resistors in series, capacitors in parallel
    how = "one after another, so in series" if series else "side by side, so in parallel"
    return {"arranged": f"They are {how}", "arranged_low": f"they are {how}",
            "larger_reply": f"It's {'smaller' if larger else 'larger'}. In this arrangement I'd expect it to be "
                            f"{'larger' if larger else 'smaller'} than each of them.",
            "equal_reply": f"{'More' if larger else 'Less'} than one of them alone. My rule gives the opposite."}


class _Talk:
    """One conversation being written."""

    def __init__(self, rng: np.random.Generator, slip: Slip, facts: dict[str, str], types: Sequence[str]) -> None:
        self.rng, self.slip, self.facts, self.types = rng, slip, facts, types
        self.phrases = moves()["kinds"][slip.kind]

    def messages(self, problem: str) -> list[dict[str, str]]:
        attempt = pick(self.rng, self.phrases["attempts"]).format(**self.facts)
        said = pick(self.rng, moves()["openings"]).format(problem=problem, attempt=attempt)
        quote = next((part for part in (self.facts["used"], self.facts["wrong"]) if part in attempt), attempt)
        talk = [{"role": "user", "content": said}]
        found = max(index for index, name in enumerate(self.types) if name in REVEALING)
        for index, name in enumerate(self.types):
            question, reply = self._exchange(name)
            talk.append({"role": "assistant", "content": self._asked(question, said, quote)})
            correction = f" {pick(self.rng, moves()['corrections']).format(**self.facts)}" if index == found else ""
            said, quote = reply + correction, _quotation(reply)
            talk.append({"role": "user", "content": said})
        closing = pick(self.rng, moves()["closings"])
        lesson = pick(self.rng, self.phrases["lesson"]).format(**self.facts)
        return [*talk, {"role": "assistant", "content": closing.format(**self.facts, lesson=lesson)}]

    def _exchange(self, name: str) -> tuple[str, str]:
        """A question of a type, and the student's reply."""
        question, reply = pick(self.rng, self.phrases[name] if name in self.phrases else moves()[name])
        facts = {key: value.format(**self.facts) if "{" in value else value for key, value in self.facts.items()}
        return sentence(question.format(**facts)), sentence(reply.format(**facts))

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

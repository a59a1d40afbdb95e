"""Problem rows: splits of train, validation and test problems as a function of one seed."""

from __future__ import annotations

import itertools
from collections.abc import Iterator, Sequence

import numpy as np

from mlxtutor.problems.catalog import TYPES
from mlxtutor.problems.solution import missing_reply, worked
from mlxtutor.problems.types import CONSTANT_VALUES, ProblemType, Solved, draw
from mlxtutor.problems.wording import Wording, compose, load_wordings, supply

OFF = {"role": "system", "content": "Calculator: off"}
MISSING_SHARE, CONCEPT_SHARE, OFF_SHARE = .25, .02, .12
FOLLOWED_SHARE = .08  # of the training problems with missing information: the student gives it, and the tutor goes on
PRACTICE = (1, 2, 2, 4, 5)  # how often a type with one, two, ... five or more givens comes up: which number is which takes practice


def trained_types() -> list[ProblemType]:
    return [problem for problem in TYPES.values() if not problem.held]


def new_types() -> list[ProblemType]:
    return [problem for problem in TYPES.values() if problem.held]


def _row(identity: str, split: str, problem: ProblemType, kind: str, calculator: bool, prompt: str, reply: object, answer: dict) -> dict:
    system = [] if calculator else [OFF]
    messages = [*system, {"role": "user", "content": prompt}, {"role": "assistant", "content": reply}]
    return {"id": identity, "type": problem.name, "family": problem.family, "split": split, "kind": kind,
            "mode": "on" if calculator else "off", "licence": "MIT", "messages": messages, "answer": answer}


def _answer(solved: Solved, wording: Wording, missing: str | None) -> dict:
    givens = [{"symbol": s, "text": v.printed, "value": v.si, "unit": v.unit, "names": list(wording.names[s])}
              for s, v in solved.values.items()]
    problem = solved.type
    base = {"givens": givens, "missing": missing, "constants": [float(c) for c in CONSTANT_VALUES.values()]}
    if missing:
        return {"value": None, "unit": None, "direction": None, "asks_direction": False, **base}
    return {"value": solved.answer, "unit": problem.unit, "direction": solved.direction,
            "asks_direction": solved.direction is not None, **base}


def make_row(identity: str, split: str, problem: ProblemType, rng: np.random.Generator, held: bool = False,
             kind: str | None = None) -> dict:
    """One problem with its worked solution. kind: value, missing or concept; by default drawn in the usual shares."""
    wording = load_wordings(problem.family)[problem.name]
    if kind is None:
        kind = str(rng.choice(["missing", "concept", "value"], p=[MISSING_SHARE, CONCEPT_SHARE, 1 - MISSING_SHARE - CONCEPT_SHARE]))
    if kind == "concept" and wording.concepts:
        question, words = wording.concepts[int(rng.integers(len(wording.concepts)))]
        return _row(identity, split, problem, kind, True, question, words, {"value": None, "unit": None, "missing": None})
    solved = draw(problem, rng)
    calculator = bool(rng.random() >= OFF_SHARE)
    missing = None
    if kind == "missing" and problem.removable:
        missing = problem.removable[int(rng.integers(len(problem.removable)))]
    prompt = compose(rng, wording, solved.values, missing, held)
    reply: object
    if missing:
        reply = missing_reply(solved, prompt.order, missing, wording.names[missing][0])
    else:
        reply = worked(solved, prompt.order, calculator)
    drawn = "missing" if missing else "value"
    row = _row(identity, split, problem, drawn, calculator, prompt.text, reply, _answer(solved, wording, missing))
    if missing and split == "train" and rng.random() < FOLLOWED_SHARE:
        row["messages"] += [{"role": "user", "content": supply(rng, wording, solved.values[missing])},
                            {"role": "assistant", "content": worked(solved, [*prompt.order, missing], calculator)}]
    return row


def _practice(problem: ProblemType) -> int:
    return PRACTICE[min(len(problem.givens), len(PRACTICE)) - 1]


def iter_rows(types: Sequence[ProblemType], split: str, rng: np.random.Generator, held: bool = False,
              prefix: str = "em") -> Iterator[dict]:
    """Endless rows in rounds, each in a fresh random order: the first of all types, the next ones of those that PRACTICE lets come
    up so often, then all again."""
    index = 0
    for turn in itertools.cycle(range(max(PRACTICE))):
        chosen = [problem for problem in types if _practice(problem) > turn]
        for i in rng.permutation(len(chosen)):
            yield make_row(f"{prefix}-{split}-{index:06d}", split, chosen[int(i)], rng, held)
            index += 1


def prompt_of(row: dict) -> str:
    return next(m["content"] for m in row["messages"] if m["role"] == "user")

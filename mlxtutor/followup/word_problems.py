"""Follow-ups of word problems whose solutions are calculator calls (GSM8K): why a step, what if a number changes, corrections.

Every number that a reply states is computed again from the solution's own steps.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

from mlxtutor.datasets.phrases import pick
from mlxtutor.errors import TutorError
from mlxtutor.followup.deeper import phrases
from mlxtutor.text.calculator import evaluate
from mlxtutor.text.chat import plain

KINDS = ("step", "what_if", "correction")
LARGEST = 1e9
KNOWN = frozenset({2.0, 7.0, 12.0, 24.0, 30.0, 31.0, 52.0, 60.0, 100.0, 365.0, 1000.0})  # of weeks, hours, halves ...: nobody states them
_WORDS = {"one": (1,), "two": (2,), "three": (3,), "four": (4,), "five": (5,), "six": (6,), "seven": (7,), "eight": (8,), "nine": (9,),
          "ten": (10,), "eleven": (11,), "twelve": (12,), "dozen": (12,), "twenty": (20,), "thirty": (30,), "forty": (40,), "fifty": (50,),
          "hundred": (100,), "half": (2, .5), "halv": (2, .5), "twice": (2,), "doubl": (2,), "couple": (2,), "pair": (2,), "both": (2,),
          "third": (3,), "thrice": (3,), "tripl": (3,), "quarter": (4, .25), "fourth": (4,), "quadrupl": (4,), "fifth": (5,), "sixth": (6,),
          "seventh": (7,), "eighth": (8,), "ninth": (9,), "tenth": (10,), "first": (1,), "second": (2,)}
_TOKEN = re.compile(r"(?<![\w.])(?:\d+(?:\.\d+)?|\.\d+)")
_STATED = re.compile(r"(?<![\w.,])\$?(\d[\d,]*(?:\.\d+)?)(?![\w/]|[.,]\d)")


@dataclass(frozen=True)
class Step:
    """A calculator call. sources: of every number in it, `given`, an earlier step's index, `wording`; `unclear` where it may be several."""

    expression: str
    result: str
    sources: tuple[tuple[str, Any], ...]

    @property
    def value(self) -> float:
        return float(self.result.replace(",", ""))


@dataclass(frozen=True)
class Problem:
    """A row as what it computes. givens: the numbers that the question states, each as often as it stands there."""

    row: dict[str, Any]
    question: str
    givens: tuple[str, ...]
    steps: tuple[Step, ...]


def read_problem(row: dict[str, Any]) -> Problem | None:
    """None where the solution has fewer than two steps, or the last one isn't the answer."""
    messages = row.get("messages", ())
    if [message["role"] for message in messages] != ["user", "assistant"] or isinstance(messages[1]["content"], str):
        return None
    question = plain(messages[0]["content"])
    givens = tuple(number.replace(",", "") for number in _STATED.findall(question))
    worded = _worded(question)
    steps: list[Step] = []
    for part in messages[1]["content"]:
        if isinstance(part, dict):
            sources = tuple(_source(token, givens, steps, worded) for token in _TOKEN.findall(part["calc"]))
            steps.append(Step(part["calc"], part["result"], sources))
    if len(steps) < 2 or str(row.get("final_answer", "")).replace(",", "") != steps[-1].result.replace(",", ""):
        return None
    return Problem(row, question, givens, tuple(steps))


def _worded(question: str) -> frozenset[float]:
    """Numbers that a question says in words or fractions."""
    plain_words = re.findall(r"[a-z]+", question.casefold())
    told = {value for word in plain_words for start, values in _WORDS.items() if word.startswith(start) for value in values}
    fractions = {float(part) for pair in re.findall(r"(\d+)\s*/\s*(\d+)", question) for part in pair}
    return frozenset(told | fractions)


def _source(token: str, givens: Sequence[str], steps: Sequence[Step], worded: frozenset[float]) -> tuple[str, Any]:
    """Where a number comes from; unclear where it may be from several places."""
    value = float(token)
    found: list[Any] = [index for index, step in enumerate(steps) if step.value == value]
    found += ["given"] if any(float(given) == value for given in givens) else []
    found += ["wording"] if value in worded or value in KNOWN and found in ([], ["given"]) else []
    return token, found[0] if len(found) == 1 else "unclear"


def recompute(problem: Problem, old: str, new: str) -> list[Step] | None:
    """The steps with another given; None where they have no sensible results, or it is unclear where a number comes from."""
    if any(source == "unclear" for step in problem.steps for _, source in step.sources):
        return None
    steps: list[Step] = []
    for step in problem.steps:
        sources = iter(step.sources)

        def replaced(match: re.Match[str], sources: Iterator = sources) -> str:
            token, source = next(sources)
            if source == "given":
                return new if float(token) == float(old) else token
            return token if source == "wording" else steps[source].result.replace(",", "")

        expression = _TOKEN.sub(replaced, step.expression)
        try:
            value = evaluate(expression)
        except TutorError:
            return None
        whole = step.value.is_integer()
        if not 0 < value < LARGEST or whole and abs(value - round(value)) > 1e-9:
            return None
        steps.append(Step(expression, _number(value), step.sources))
    return steps


def _number(value: float) -> str:
    return str(round(value)) if abs(value - round(value)) < 1e-9 else f"{value:.10g}"


def iter_followups(rows: Iterable[dict[str, Any]], rng: np.random.Generator) -> Iterator[dict[str, Any]]:
    """One chat of each row that allows it, its kind drawn at random."""
    for number, row in enumerate(rows):
        problem = read_problem(row)
        if problem is None:
            continue
        order = [KINDS[index] for index in rng.permutation(len(KINDS))]
        made = next((made for kind in order if (made := _MAKERS[kind](problem, rng))), None)
        if made:
            messages, tag, answer = made
            kept: dict[str, Any] = {key: row[key] for key in ("source", "licence", "topic") if key in row}
            yield {"id": f"{row.get('id', number)}-{tag}", "messages": messages, **kept, "tags": [tag], "final_answer": answer,
                   "group": str(row.get("id", number))}


Made = tuple[list[dict[str, Any]], str, str]


def _calc(step: Step) -> dict[str, str]:
    return {"calc": step.expression, "result": step.result}


def _step(problem: Problem, rng: np.random.Generator) -> Made | None:
    """Where a number comes from, of a result that stands in the solution once."""
    words = phrases()["word_problems"]["step"]
    results = [step.result for step in problem.steps]
    clear = [step for step in problem.steps if all(source != "unclear" for _, source in step.sources)]
    fitting = [step for step in clear if results.count(step.result) == 1 and len(step.sources) > 1]
    if not fitting:
        return None
    step = pick(rng, fitting)
    told = []
    for token, source in dict(step.sources).items():
        told.append(words["given" if source == "given" else "wording" if source == "wording" else "earlier"].format(number=token))
    reply = [pick(rng, words["reply"]), _calc(step), f". There {', and '.join(told)}."]
    ask = pick(rng, words["ask"]).format(result=step.result)
    messages = [*problem.row["messages"], {"role": "user", "content": ask}, {"role": "assistant", "content": reply}]
    return messages, "step", str(problem.row["final_answer"])


def _what_if(problem: Problem, rng: np.random.Generator) -> Made | None:
    """Another number for a given that the question states once and the solution uses."""
    words = phrases()["word_problems"]["what_if"]
    used = {token for step in problem.steps for token, source in step.sources if source == "given"}
    once = [given for given in problem.givens if problem.givens.count(given) == 1 and given in used and float(given) > 2]
    for index in rng.permutation(len(once)):
        old = once[int(index)]
        for change in rng.permutation(6):
            new = _number([float(old) * 2, float(old) + 1, float(old) + 2, float(old) - 1, float(old) + 10, float(old) * 3][int(change)])
            larger = any(float(old) <= float(other) < float(new) for other in problem.givens if other != old)  # more than there are
            steps = recompute(problem, old, new) if new not in problem.givens and not larger else None
            if steps and steps[-1].result != problem.steps[-1].result:
                content: list[Any] = [pick(rng, words["reply"]).format(old=old, new=new)]
                for step in steps:
                    content += [_calc(step), "\n"]
                content[-1] = f"\nAnswer: {steps[-1].result}"
                ask = pick(rng, words["ask"]).format(old=old, new=new)
                messages = [*problem.row["messages"], {"role": "user", "content": ask}, {"role": "assistant", "content": content}]
                return messages, "what_if", steps[-1].result
    return None


def _correction(problem: Problem, rng: np.random.Generator) -> Made | None:
    """A student's work with one wrong result that goes on to the end; the step that is wrong, and the right solution."""
    words = phrases()["word_problems"]["correction"]
    if any(source == "unclear" for step in problem.steps for _, source in step.sources):
        return None
    at = int(rng.integers(len(problem.steps)))
    slip = _number(max(1.0, problem.steps[at].value + float(pick(rng, [-10, -2, -1, 1, 2, 10]))))
    if slip == problem.steps[at].result.replace(",", ""):
        return None
    work: list[Step] = []
    for index, step in enumerate(problem.steps):
        carried = iter(step.sources)

        def replaced(match: re.Match[str], carried: Iterator = carried) -> str:
            token, source = next(carried)
            return token if source in ("given", "wording") else work[source].result

        expression = _TOKEN.sub(replaced, step.expression)
        try:
            result = slip if index == at else _number(evaluate(expression))
        except TutorError:
            return None
        work.append(Step(expression, result, step.sources))
    wrong = work[-1].result
    if wrong == problem.steps[-1].result.replace(",", "") or not 0 < float(wrong) < LARGEST:
        return None
    shown = "\n".join(f"{step.expression} = {step.result}" for step in work)
    ask = pick(rng, words["ask"]).format(question=problem.question, work=shown, wrong=wrong)
    opening = pick(rng, words["reply"]).format(expression=work[at].expression, slip=slip)
    solution = problem.row["messages"][1]["content"]
    reply = [opening, _calc(problem.steps[at]), words["end"], *solution]
    return [{"role": "user", "content": ask}, {"role": "assistant", "content": reply}], "correction", str(problem.row["final_answer"])


_MAKERS = {"step": _step, "what_if": _what_if, "correction": _correction}

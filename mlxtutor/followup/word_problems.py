"""Follow-ups of word problems whose solutions are calculator calls (GSM8K): why a step, how to check one, what if a number changes,
corrections.

Every number that a reply states is computed again from the solution's own steps.
"""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Iterable, Iterator
from typing import Any

import numpy as np

from mlxtutor.datasets.phrases import pick
from mlxtutor.followup.deeper import phrases
from mlxtutor.followup.steps import LARGEST, Problem, Step, follow, number, read_problem, recompute
from mlxtutor.text.calculator import evaluate

KINDS = ("step", "check", "what_if", "correction")
_SUM = re.compile(r"(\d+(?:\.\d+)?)([-+*/])(\d+(?:\.\d+)?)")  # of two numbers
_BACK = {"+": "{result}-{second}", "-": "{result}+{second}", "*": "{result}/{second}", "/": "{result}*{second}"}


def iter_followups(rows: Iterable[dict[str, Any]], rng: np.random.Generator) -> Iterator[dict[str, Any]]:
    """One chat of each row that allows it, of the kind that there are fewest of so far."""
    counts: Counter[str] = Counter()
    for at, row in enumerate(rows):
        problem = read_problem(row)
        if problem is None:
            continue
        order = sorted((KINDS[index] for index in rng.permutation(len(KINDS))), key=lambda kind: counts[kind])
        made = next((made for kind in order if (made := _MAKERS[kind](problem, rng))), None)
        if made:
            messages, tag, answer = made
            counts[tag] += 1
            kept: dict[str, Any] = {key: row[key] for key in ("source", "licence", "topic") if key in row}
            yield {"id": f"{row.get('id', at)}-{tag}", "messages": messages, **kept, "tags": [tag], "final_answer": answer,
                   "group": str(row.get("id", at))}


Made = tuple[list[dict[str, Any]], str, str]


def _calc(step: Step) -> dict[str, str]:
    return {"calc": step.expression, "result": step.result}


def _asked(problem: Problem, ask: str, reply: list[Any]) -> list[dict[str, Any]]:
    return [*problem.row["messages"], {"role": "user", "content": ask}, {"role": "assistant", "content": reply}]


def _step(problem: Problem, rng: np.random.Generator) -> Made | None:
    """Where a number comes from, of a result that stands in the solution once."""
    words = phrases()["word_problems"]["step"]
    results = [step.result for step in problem.steps]
    fitting = [step for step in problem.steps if step.clear and results.count(step.result) == 1 and len(step.sources) > 1]
    if not fitting:
        return None
    step = pick(rng, fitting)
    reply = [pick(rng, words["reply"]), _calc(step), f". There {_told(step, words)}."]
    return _asked(problem, pick(rng, words["ask"]).format(result=step.result), reply), "step", str(problem.row["final_answer"])


def _told(step: Step, words: dict[str, Any]) -> str:
    """Where its numbers come from: `5 and 6 are stated in the problem, and 30 is what an earlier step gave`."""
    by_source: dict[str, list[str]] = {}
    for token, source in dict(step.sources).items():
        by_source.setdefault("earlier" if isinstance(source, int) else source, []).append(token)
    parts = [words[source][len(tokens) > 1].format(numbers=" and ".join(tokens)) for source, tokens in by_source.items()]
    return ", and ".join(parts)


def _check(problem: Problem, rng: np.random.Generator) -> Made | None:
    """The last step backwards, where it is exact: from its result to the number that went in."""
    words = phrases()["word_problems"]["check"]
    step = problem.steps[-1]
    parts = _SUM.fullmatch(step.expression)
    if parts is None:
        return None
    first, sign, second = parts.groups()
    back = _BACK[sign].format(result=step.result.replace(",", ""), second=second)
    if float(second) == 0 or evaluate(back) != float(first):
        return None
    facts = {"result": step.result, "first": first, "second": second, "expression": step.expression}
    reply = [pick(rng, words["reply"][sign]).format(**facts), {"calc": back, "result": first}, pick(rng, words["end"]).format(**facts)]
    return _asked(problem, pick(rng, words["ask"]).format(**facts), reply), "check", str(problem.row["final_answer"])


# with another number the answer may be another of the results
_CHOICE = re.compile(r"\b(?:most|least|fewest|(?:high|low|larg|small|great|long|short|cheap|old|young|tall|fast|slow|heavi|wid|near)est|"
                     r"maximum|minimum|which of|who (?:has|earns|gets) (?:the )?(?:more|less|fewer)|pattern)\b", re.IGNORECASE)


def _what_if(problem: Problem, rng: np.random.Generator) -> Made | None:
    """Another number for a given that the question states once and the solution uses."""
    if _CHOICE.search(problem.question):
        return None
    words = phrases()["word_problems"]["what_if"]
    used = {token for step in problem.steps for token, source in step.sources if source == "given"}
    once = [given for given in problem.givens if problem.givens.count(given) == 1 and given in used and float(given) > 2]
    for index in rng.permutation(len(once)):
        old = once[int(index)]
        for new in _others(problem, old, rng):
            steps = recompute(problem, old, new)
            if steps and steps[-1].result != problem.steps[-1].result:
                content: list[Any] = [pick(rng, words["reply"]).format(old=old, new=new)]
                for step in steps:
                    content += [_calc(step), "\n"]
                content[-1] = f"\nAnswer: {steps[-1].result}"
                return _asked(problem, pick(rng, words["ask"]).format(old=old, new=new), content), "what_if", steps[-1].result
    return None


def _computes(step: Step) -> bool:
    """Whether a call is more than a number by itself."""
    return bool(re.search(r"[-+*/^]", step.expression.lstrip("-")))


def _others(problem: Problem, old: str, rng: np.random.Generator) -> Iterator[str]:
    """Numbers that the question might state instead: none that stands there already, none that passes another (more of them than there
    are), no more than all percent."""
    value = float(old)
    percent = re.search(rf"(?<![\d.]){re.escape(old)} ?(?:%|percent)", problem.question)
    for change in rng.permutation(6):
        new = (value * 2, value + 1, value + 2, value - 1, value + 10, value * 3)[int(change)]
        low, high = sorted((value, new))
        passes = any(low <= float(other) <= high for other in problem.givens if other != old)
        if not passes and not (percent and new > 100 >= value):
            yield number(new)


def _correction(problem: Problem, rng: np.random.Generator) -> Made | None:
    """A student's work with one wrong result that goes on to the end; the step that is wrong, and the right solution."""
    words = phrases()["word_problems"]["correction"]
    steps = problem.steps
    fitting = [index for index in range(len(steps)) if _computes(steps[index]) and all(step.clear for step in steps[index + 1:])]
    if not fitting:
        return None
    at = pick(rng, fitting)
    slip = number(max(1.0, steps[at].value + float(pick(rng, [-10, -2, -1, 1, 2, 10]))))
    work = [*steps[:at], Step(steps[at].expression, slip, steps[at].sources)]
    for step in steps[at + 1:]:
        made = follow(step, work)
        if made is None:
            return None
        work.append(made)
    wrong = work[-1].result
    if wrong == steps[-1].result.replace(",", "") or not 0 < float(wrong) < LARGEST:
        return None
    shown = "\n".join(f"{step.expression} = {step.result}" for step in work if _computes(step))
    ask = pick(rng, words["ask"]).format(question=problem.question, work=shown, wrong=wrong)
    opening = pick(rng, words["reply"]).format(expression=work[at].expression, slip=slip)
    reply = [opening, _calc(steps[at]), words["end"], *problem.row["messages"][1]["content"]]
    return [{"role": "user", "content": ask}, {"role": "assistant", "content": reply}], "correction", str(problem.row["final_answer"])


_MAKERS = {"step": _step, "check": _check, "what_if": _what_if, "correction": _correction}

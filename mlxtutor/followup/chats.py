"""Follow-up chats of the problem types: deeper turns, corrections of weak solutions, learner levels, answer modes."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import numpy as np

from mlxtutor.datasets.phrases import pick
from mlxtutor.followup.deeper import Deeper, phrases
from mlxtutor.problems.build import trained_types
from mlxtutor.problems.quantities import Value
from mlxtutor.problems.solution import givens, unit_check, worked
from mlxtutor.problems.types import draw
from mlxtutor.problems.wording import compose, compose_plain, load_wordings, wanted_phrase
from mlxtutor.records.rows import LEVELS, MODES
from mlxtutor.socratic.dialogue import sentence
from mlxtutor.socratic.moves import usable
from mlxtutor.socratic.slips import choose, find_slips, si_unit, slip_facts
from mlxtutor.text.calculator import format_result
from mlxtutor.text.chat import join_parts

KINDS = ("deeper", "correction", "level", "mode")
Names = dict[str, tuple[str, ...]]


def iter_followups(rng: np.random.Generator) -> Iterator[dict[str, Any]]:
    """Endless rows, the KINDS in turns, no two alike."""
    seen: set[str] = set()
    number = 0
    while True:
        kind = KINDS[number % len(KINDS)]
        row = _Row(rng).of(kind)
        key = str(row["messages"]) if row else ""
        if row and key not in seen:
            seen.add(key)
            yield {"id": f"followup-{number:06d}", **row}
            number += 1


class _Row:
    """One chat about one drawn problem."""

    def __init__(self, rng: np.random.Generator) -> None:
        self.rng = rng
        self.type = pick(rng, trained_types())
        self.wording = load_wordings(self.type.family)[self.type.name]
        self.names: Names = self.wording.names
        self.solved = draw(self.type, rng)
        self.target = wanted_phrase(rng, self.wording)

    def of(self, kind: str) -> dict[str, Any] | None:
        """None where this problem allows no such chat."""
        made = {"deeper": self._deeper, "correction": self._correction, "level": self._level, "mode": self._mode}[kind]()
        if made is None:
            return None
        messages, more = made
        return {"messages": messages, "source": "mlxtutor follow-up", "licence": "MIT", "topic": self.type.family, "tags": [kind],
                "final_answer": f"{self.solved.results[-1]} {self.type.unit}".strip(), **more, "extra": {"type": self.type.name}}

    def _deeper(self) -> tuple[list[dict], dict] | None:
        prompt = compose(self.rng, self.wording, self.solved.values)
        messages = [_user(prompt.text), _tutor(worked(self.solved, prompt.order))]
        turns = Deeper(self.rng, self.solved, self.names, self.target).turns(int(self.rng.integers(1, 3)))
        for ask, reply in turns:
            messages += [_user(ask), _tutor(reply)]
        return (messages, {}) if turns else None

    def _correction(self) -> tuple[list[dict], dict] | None:
        """A weak solution, what is wrong with it, the right one; then how to avoid it."""
        words = phrases()["correction"]
        slips = [slip for slip in find_slips(self.solved, self.names) if slip.kind in words["faults"]]
        slip = choose(self.rng, slips) if slips else None
        facts = slip_facts(self.solved, slip, self.names) if slip else None
        if slip is None or facts is None:
            return None
        kind = slip.kind
        facts["used"] += f" with {slip.symbol} = {slip.bare}" if slip.bare else ""
        fault = words["faults"][kind].format(**facts)
        problem = compose_plain(self.rng, self.wording, self.solved.values)
        opening = pick(self.rng, words["reply"]).format(fault=fault, Fault=sentence(fault))
        solution = worked(self.solved, list(self.solved.values))
        messages = [_user(pick(self.rng, words["ask"]).format(problem=problem, **facts)), _tutor([f"{opening}\n", *solution])]
        advice = usable(words["next"][kind], facts)
        if advice and self.rng.random() < .5:
            messages += [_user(pick(self.rng, words["next"]["ask"])), _tutor(pick(self.rng, advice).format(**facts))]
        return messages, {"tags": ["correction", f"misconception: {kind}"]}

    def _level(self) -> tuple[list[dict], dict]:
        level = pick(self.rng, list(LEVELS))
        reply = [*self._computed(pick(self.rng, phrases()["levels"][level])), f". {self._ending(level)}"]
        question = compose_plain(self.rng, self.wording, self.solved.values)
        return [_system(f"Learner level: {level}"), _user(question), _tutor(reply)], {"learner_level": level}

    def _mode(self) -> tuple[list[dict], dict]:
        mode = pick(self.rng, MODES)
        plain = [*self._computed(pick(self.rng, phrases()["plain"])), "."]
        steps = self._axiomatic()
        reply = plain if mode == "plain" else steps if mode == "axiomatic" else [*plain, "\n\nStep by step:\n", *steps]
        question = compose_plain(self.rng, self.wording, self.solved.values)
        return [_system(f"Answer mode: {mode}"), _user(question), _tutor(reply)], {"answer_mode": mode}

    def _computed(self, opening: str) -> list[Any]:
        """The opening, then every step through the calculator."""
        facts = [f"{self.names[symbol][0]} is {readable(value)}" for symbol, value in self.solved.values.items()]
        listed = sentence(" and ".join([", ".join(facts[:-1]), facts[-1]] if len(facts) > 1 else facts))
        symbols = ", ".join(f"{symbol} = {value.stated}" for symbol, value in self.solved.values.items())
        parts: list[Any] = [opening.format(facts=listed, law=self.type.law, givens=symbols, target=self.target)]
        for index, (step, calc, result) in enumerate(zip(self.type.steps, self.solved.expressions, self.solved.results)):
            parts += [f"{', ' if index else ''}{step.symbol} = ", {"calc": calc, "result": result}, f" {step.unit}".rstrip()]
        direction = self.solved.direction
        return [*parts, f", {direction}"] if direction else parts

    def _axiomatic(self) -> list[Any]:
        """Numbered: what is given, the law, the substitution, the units, what follows."""
        parts: list[Any] = [f"1. {givens(self.solved, list(self.solved.values))}\n2. Law: {self.type.law}\n3. "]
        for index, (step, calc, result) in enumerate(zip(self.type.steps, self.solved.expressions, self.solved.results)):
            parts += [f"{', then ' if index else ''}{step.symbol} = ", {"calc": calc, "result": result}, f" {step.unit}".rstrip()]
        check = self.type.sanity(self.solved.namespace)
        direction = f", {self.solved.direction}" if self.solved.direction else ""
        end = f"{self.solved.results[-1]} {self.type.unit}".strip() + direction
        return [*parts, f"\n4. Units: {unit_check(self.solved)}\n5. Check: {check}\nAnswer: {end}"]

    def _ending(self, level: str) -> str:
        check = sentence(self.type.sanity(self.solved.namespace))
        right = f"{self.solved.results[-1]} {self.type.unit}".strip()
        rounded = f"{float(f'{self.solved.answer:.2g}'):g} {self.type.unit}".strip()
        text = pick(self.rng, phrases()["endings"][level])
        facts = {"target": self.target, "right": right, "rounded": rounded, "check": check, "units": unit_check(self.solved)}
        return str(text.format(**facts, check_low=check[:1].lower() + check[1:] if check[1:2].islower() else check))


def readable(value: Value) -> str:
    """As given, but `8.2 ohm` for `8.2e0 ohm`."""
    return f"{format_result(value.si)} {si_unit(value)}".strip() if "e0" in value.stated else value.stated


def _user(text: str) -> dict[str, Any]:
    return {"role": "user", "content": text}


def _system(text: str) -> dict[str, Any]:
    return {"role": "system", "content": text}


def _tutor(content: str | list[Any]) -> dict[str, Any]:
    return {"role": "assistant", "content": content if isinstance(content, str) else join_parts(content)}

"""What must hold for every problem type: parsable unit checks, complete and disjoint wordings, checks on every draw."""

from __future__ import annotations

import re

import numpy as np
import pint

from mlxtutor.problems.solution import unit_check, worked
from mlxtutor.problems.types import CONSTANT_UNITS, ProblemType, Solved, draw
from mlxtutor.problems.wording import Wording, compose, load_wordings

UNITS = pint.UnitRegistry()
PLACE = re.compile(r"\{(\w+)\}")
DIRECTION = re.compile(r"attractive|repulsive|to the (left|right)|up|down|(toward|away from) .+|inward|outward|"
                       r"-?[\de.-]+ degrees( from the x axis)?")
QUESTION_WORDS = ("how", "what", "where", "which", "who", "whether")  # "How large is how far ..." is no question
LEAST = {"scenes": 14, "wholes": 10, "contexts": 6, "questions": 10, "targets": 8, "concepts": 2, "scenes_held": 3,
         "wholes_held": 2, "questions_held": 3, "targets_held": 3}


def draws(problem: ProblemType, n: int, seed: int = 0) -> list[Solved]:
    rng = np.random.default_rng(seed)
    return [draw(problem, rng) for _ in range(n)]


def dimension(text: str) -> object:
    return UNITS.Quantity(text).dimensionality


def check_units(problem: ProblemType, n: int = 10) -> None:
    """Both sides parse to the answer's dimension; the left holds no unit but the problem's and the constants'."""
    for solved in draws(problem, n, seed=1):
        text = unit_check(solved)
        left, right = text.split(" = ")
        assert dimension(left) == dimension(right) == dimension(problem.unit or "1"), f"{problem.name}: {text}"
        stated = " ".join([*(v.unit for v in solved.values.values()), *CONSTANT_UNITS.values()])
        foreign = set(re.findall(r"[A-Za-z]+", left)) - set(re.findall(r"[A-Za-z]+", stated))
        assert not foreign, f"{problem.name}: {text} ({foreign} not given)"


def check_solutions(problem: ProblemType, n: int = 50) -> None:
    """Check sentence, direction and both forms of the solution exist for every draw; the law names what is computed."""
    for solved in draws(problem, n, seed=2):
        sentence = problem.sanity(solved.namespace)
        assert "\n" not in sentence and len(sentence.split()) < 15 and sentence.endswith("."), f"{problem.name}: {sentence}"
        if solved.direction is not None:
            assert DIRECTION.fullmatch(solved.direction), f"{problem.name}: {solved.direction}"
        order = list(solved.values)
        assert len(worked(solved, order)) == 2 * len(problem.steps) + 1
        off = worked(solved, order, calculator=False)
        assert off.startswith("Given: ") and "\nTopic: " in off and f"\nLaw: {problem.law}\n" in off
        assert solved.results[-1] not in off.rpartition("Answer:")[2]
    assert problem.law.isascii() and len(problem.law) < 60


def check_wordings(problem: ProblemType) -> None:
    """Enough phrases of each sort, every given in every text exactly once, nothing held out that is trained on."""
    wording = load_wordings(problem.family)[problem.name]
    symbols = sorted(given.symbol for given in problem.givens)
    for field, least in LEAST.items():
        phrases = getattr(wording, field)
        assert len(phrases) >= least, f"{problem.name}: {len(phrases)} {field} (at least {least})"
        assert len(set(phrases)) == len(phrases), f"{problem.name}: a phrase occurs twice in {field}"
    for field in ("scenes", "scenes_held", "wholes", "wholes_held"):
        for text in getattr(wording, field):
            assert sorted(PLACE.findall(text)) == symbols, f"{problem.name}: {text}"
            _check_brackets(problem, text)
            _check_removal(problem, text)
    for field in ("contexts", "questions", "questions_held", "targets", "targets_held"):
        for text in getattr(wording, field):
            assert not re.search(r"[{}\[\]]", text), f"{problem.name}: {text}"
            assert not (field.startswith("targets") and text.split()[0] in QUESTION_WORDS), f"{problem.name}: no noun phrase: {text}"
    for field in ("scenes", "wholes", "questions", "targets"):
        trained, held = getattr(wording, field), getattr(wording, f"{field}_held")
        assert not {_plain(t) for t in trained} & {_plain(t) for t in held}, f"{problem.name}: {field} trained and held"
    _check_names(problem, wording, symbols)


def _plain(text: str) -> str:
    return re.sub(r"\W+", " ", text.lower()).strip()


def _check_brackets(problem: ProblemType, text: str) -> None:
    """Brackets are not nested and each holds one place, of a given that may be missing."""
    assert "[" not in re.sub(r"\[[^\[\]]*\]", "", text), f"{problem.name}: unbalanced or nested brackets in {text}"
    for inside in re.findall(r"\[([^\[\]]*)\]", text):
        places = PLACE.findall(inside)
        assert len(places) == 1 and places[0] in problem.removable, f"{problem.name}: [{inside}]"


def _without(text: str, symbol: str) -> str:
    left = re.sub(r"\[([^\[\]]*)\]", lambda m: "" if "{" + symbol + "}" in m[1] else m[1], text)
    return re.sub(r" +", " ", left).replace(" ,", ",").replace(" .", ".").strip()


def _check_removal(problem: ProblemType, text: str) -> None:
    """What is left without a bracket still reads as sentences."""
    for symbol in problem.removable:
        left = _without(text, symbol)
        broken = re.search(r"^and |[.?] and |\band[.;]", left)
        assert not broken, f"{problem.name}: without {symbol}: {left}"


def _check_names(problem: ProblemType, wording: Wording, symbols: list[str]) -> None:
    assert sorted(wording.names) == symbols, f"{problem.name}: names for {sorted(wording.names)}"
    for symbol, names in wording.names.items():
        assert len(names) >= 4, f"{problem.name}: {len(names)} names of {symbol} (at least 4)"
    firsts = [names[0] for names in wording.names.values()]
    everything = [name for names in wording.names.values() for name in names]
    assert len(set(firsts)) == len(firsts) and len(set(everything)) == len(everything), f"{problem.name}: one name for two givens"


NAMES = re.compile(r"\b(first|second|third|middle|left|right)\b|= ?\{|\b[A-Za-z]*[ _]?[123]\b", re.I)


ORDINAL = re.compile(r"\b(first|second|third)\b[^{}.,]{0,25}\{\w(\d)\}")


def check_order(problem: ProblemType) -> None:
    """Scenes and wholes state interchangeable givens in their order, unless they name them: then by the right number."""
    wording = load_wordings(problem.family)[problem.name]
    for text in (*wording.scenes, *wording.scenes_held, *wording.wholes, *wording.wholes_held):
        if problem.alike == ("q1", "q2") or len(problem.alike) == len(problem.givens):
            wrong = [match[0] for match in ORDINAL.finditer(text) if ("first", "second", "third").index(match[1]) + 1 != int(match[2])]
            assert not wrong, f"{problem.name}: {wrong} in {text}"
        found = [symbol for symbol in PLACE.findall(text) if symbol in problem.alike]
        assert found == sorted(found) or NAMES.search(re.sub(r"\{\w+", "{", text)), f"{problem.name}: {text}"


def check_prompts(problem: ProblemType, n: int = 40) -> None:
    """Composed prompts keep every stated value, leave out the missing one and leave no place unfilled."""
    rng = np.random.default_rng(3)
    wording = load_wordings(problem.family)[problem.name]
    for i, solved in enumerate(draws(problem, n, seed=3)):
        missing = problem.removable[i % len(problem.removable)] if problem.removable and i % 4 == 0 else None
        composed = compose(rng, wording, solved.values, missing, held=i % 2 == 1)
        prompt = composed.text
        assert sorted([*composed.order, *([missing] if missing else [])]) == sorted(solved.values), f"{problem.name}: {composed}"
        for symbol, value in solved.values.items():
            number = re.sub(r"[ ]?[A-Za-zµμΩ°].*", "", value.printed)
            if symbol != missing:
                assert number in prompt, f"{problem.name}: {value.printed} not in {prompt!r}"
        assert not re.search(r"\{\w+\}|\[\{", re.sub(r"\^\{-?\d+\}|\\mathrm\{[^}]+\}", "", prompt)), f"{problem.name}: {prompt!r}"


def check_problem(problem: ProblemType) -> None:
    """All checks that every family shares."""
    assert problem.name.startswith(f"{problem.family}_")
    check_units(problem)
    check_solutions(problem)
    check_wordings(problem)
    check_order(problem)
    check_prompts(problem)


def answers(problem: ProblemType, n: int = 5, seed: int = 4) -> list[tuple[object, float]]:
    """(namespace of SI givens and results, answer) of n draws, for a comparison with an independent method."""
    return [(solved.namespace, solved.answer) for solved in draws(problem, n, seed)]

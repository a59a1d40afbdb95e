"""Socratic dialogues of our generator: they keep the rules, and their numbers are right."""

import itertools
import json
import re
from collections import Counter

import numpy as np
import pytest

from mlxtutor.problems.catalog import TYPES
from mlxtutor.problems.quantities import Value
from mlxtutor.problems.types import solve
from mlxtutor.quality.checking import CheckOptions, check_file
from mlxtutor.socratic.dialogue import iter_dialogues, moves
from mlxtutor.socratic.rules import QUESTION_TYPES
from mlxtutor.socratic.slips import find_slips
from mlxtutor.socratic.word_problems import word_problems


@pytest.fixture(scope="module")
def dialogues():
    return list(itertools.islice(iter_dialogues(np.random.default_rng(1)), 1000))


def test_a_thousand_distinct_dialogues(dialogues):
    assert len({json.dumps(row["messages"]) for row in dialogues}) == 1000
    assert {len(row["messages"]) // 2 for row in dialogues} == {2, 3, 4, 5, 6}
    asked = Counter(kind for row in dialogues for kind in row["extra"]["question_types"])
    assert set(asked) == set(QUESTION_TYPES) and min(asked.values()) > 100
    topics = Counter(row["topic"] for row in dialogues)
    assert topics["word problems"] > 200 and sum(topics.values()) - topics["word problems"] > 500
    assert {tag for row in dialogues for tag in row["tags"][1:]} == {f"misconception: {kind}" for kind in moves()["kinds"]}


def test_the_tutor_asks_and_the_student_finds(dialogues):
    """By itself: turns, one question a turn, no answer before the student's, a confirmation at the end."""
    for row in dialogues:
        student, tutor = row["messages"][::2], row["messages"][1::2]
        assert all(m["role"] == "user" for m in student) and all(m["role"] == "assistant" for m in tutor)
        assert [m["content"].count("?") for m in tutor] == [1] * (len(tutor) - 1) + [0]
        number = row["final_answer"].split()[0]
        stated = re.compile(rf"(?<![\w.-]){re.escape(number)}(?![\w.]*\d)")
        says = [index for index, message in enumerate(row["messages"]) if stated.search(message["content"])]
        assert says[0] % 2 == 0 and says[-1] == len(row["messages"]) - 1
        assert not re.search(r"(?<![\w\\^_])\{\w+\}", "".join(m["content"] for m in row["messages"]))  # LaTeX's braces are fine


def test_the_check_has_nothing_to_say(dialogues, tmp_path):
    (tmp_path / "s.jsonl").write_text("".join(json.dumps(row) + "\n" for row in dialogues))
    assert not [finding for finding in check_file(str(tmp_path / "s.jsonl"), CheckOptions()).findings if finding.certain]


def test_same_seed_same_dialogues():
    def first(seed):
        return list(itertools.islice(iter_dialogues(np.random.default_rng(seed)), 20))

    assert first(3) == first(3) != first(4)


def test_the_number_of_exchanges_can_be_asked_for():
    for exchanges in range(2, 7):
        rows = itertools.islice(iter_dialogues(np.random.default_rng(2), exchanges), 20)
        assert {len(row["messages"]) for row in rows} == {2 * exchanges}


def test_dialogues_climb_to_the_finding_and_on(dialogues):
    """They clarify first (one question alone reveals), the student finds the slip once, and the longer ones look back from there."""
    for row in dialogues:
        types, said = row["extra"]["question_types"], [message["content"] for message in row["messages"][::2]]
        assert types == sorted(types, key=QUESTION_TYPES.index)
        revealing = [index for index, name in enumerate(types) if name in ("evidence", "perspective")]
        assert len(revealing) == 1
        assert len(types) == 1 or types[0] == "clarification"
        assert len(types) < 3 or types[-1] in ("implications", "meta")
        right = row["final_answer"]
        assert right in said[revealing[0] + 1] and not any(right in text.split("\n")[-1] for text in said[1:revealing[0] + 1])


DOUBLING = re.compile(r"doubl|twice as large|half as large|times as large")


@pytest.mark.slow
def test_no_voltage_changes_a_resistance():
    """Where the givens only reveal the answer, nothing is said about what doubling one does to it, but in another problem."""
    rng, seen = np.random.default_rng(5), set()
    for row in itertools.islice(iter_dialogues(rng), 1500):
        if row["extra"]["type"] not in moves()["revealed"]:
            continue
        seen.add(row["extra"]["type"])
        for message in row["messages"][1:]:
            for part in DOUBLING.finditer(message["content"]):
                assert re.search("another (problem|case)|There it would|there", message["content"]), (part, message["content"])
    assert {"circuits_ohm_resistance", "capacitance_capacitance"} <= seen


def test_tutors_say_what_holds(dialogues):
    for row in dialogues:
        text = "\n".join(message["content"] for message in row["messages"])
        given = float(row["final_answer"].split()[0])
        for match in re.finditer(r"Would (-?[\d.e-]+)[^?]* surprise them", text):
            assert not 0.1 < float(match[1]) / given < 10
        if "test charge" in text.split("\n", 1)[1] and "misconception: sign" in row["tags"]:
            assert row["extra"]["type"].startswith("potential_") and re.search("whether [qQ]", text)
        if row["extra"]["type"].endswith("three"):
            assert "both parts" not in text


def test_slips_that_change_next_to_nothing_are_none():
    """By hand: 12 V - 2 A * r is 11.99 V for 3 mohm, 6 V without the prefix; for 0.1 uohm it is 12 V and 11.8 V."""
    values = {"emf": value("emf", "voltage", "12", "V", "12 V"), "I": value("I", "current", "2", "A", "2 A")}
    for ohms, stated, found in (("3e-3", "3 mohm", True), ("0.1e-6", "0.1 uohm", False)):
        given = {**values, "r": value("r", "resistance", ohms, stated.split()[1], stated)}
        slips = find_slips(solve(TYPES["circuits_terminal_voltage"], given), {})
        assert any(slip.kind == "prefix" and slip.symbol == "r" for slip in slips) == found


def value(symbol, kind, canonical, unit, stated):
    return Value(symbol, kind, canonical, unit, stated, stated)


def test_slips_are_what_a_student_would_get():
    """By hand: two charges of 2 and 3 uC, 20 cm apart."""
    values = {"q1": value("q1", "charge", "2e-6", "uC", "2 uC"), "q2": value("q2", "charge", "3e-6", "uC", "3 uC"),
              "r": value("r", "length", "20e-2", "cm", "20 cm")}
    slips = {(slip.kind, slip.symbol): slip for slip in find_slips(solve(TYPES["coulomb_pair_force"], values), {})}
    assert slips["square", "r"].wrong.answer == pytest.approx(8.99e9 * 2e-6 * 3e-6 / 0.2, rel=1e-3)
    assert slips["square", "r"].unit_used == "N*m"
    assert slips["prefix", "r"].wrong.answer == pytest.approx(8.99e9 * 2e-6 * 3e-6 / 20 ** 2, rel=1e-3)
    assert slips["prefix", "q1"].wrong.answer == pytest.approx(8.99e9 * 2 * 3e-6 / 0.2 ** 2, rel=1e-3)


def test_slips_of_circuits_and_word_problems():
    values = {symbol: value(symbol, "resistance", ohms, "ohm", f"{ohms} ohm") for symbol, ohms in (("R1", "20"), ("R2", "30"))}
    parallel, = (slip for slip in find_slips(solve(TYPES["circuits_parallel_two"], values), {}) if slip.kind == "counterpart")
    assert parallel.wrong.answer == 50 and parallel.used == TYPES["circuits_series_two"].law
    discount = word_problems()["discount"].type
    numbers = {"x": value("x", "", "80", "", "$80"), "d": value("d", "", "25", "", "25 %")}
    found = {slip.kind: slip for slip in find_slips(solve(discount, numbers), {})}
    assert found["percent"].wrong.answer == 80 * (1 - 25)
    assert found["brackets"].wrong.answer == pytest.approx(80 * 1 - 25 / 100, rel=1e-3)


def test_word_problems_are_solved_right():
    rng = np.random.default_rng(1)
    for name, problem in word_problems().items():
        solved = problem.draw(rng)
        v = {symbol: float(given.canonical) for symbol, given in solved.values.items()}
        right = {"total_cost": lambda n, p: n * p, "unit_price": lambda c, n: c / n, "discount": lambda x, d: x - x * d / 100,
                 "percentage": lambda x, p: x * p / 100, "average": lambda a, b, c: (a + b + c) / 3, "distance": lambda v, t: v * t,
                 "travel_time": lambda d, v: d / v, "rectangle_area": lambda a, b: a * b, "square_area": lambda a: a * a,
                 "equation": lambda a, b, c: (c - b) / a, "ratio_share": lambda t, a, b: t * a / (a + b),
                 "recipe": lambda m, p, q: m / p * q, "interest": lambda k, p, t: k * p * t / 100}[name]
        assert solved.answer == pytest.approx(right(**v), rel=1e-3), name
        text = problem.text(rng, solved)
        assert all(given.printed in text for given in solved.values.values())

"""What every problem type keeps, whatever its family: units, solutions, wordings, prompts."""

from __future__ import annotations

import numpy as np
import pytest
from problem_checks import check_problem, draws

from mlxtutor.evaluation.answer_scores import score_answer
from mlxtutor.problems.build import FOLLOWED_SHARE, make_row
from mlxtutor.problems.catalog import TYPES
from mlxtutor.text.chat import compact


@pytest.mark.parametrize("name", TYPES)
def test_type(name):
    check_problem(TYPES[name])


@pytest.mark.parametrize("name", ["circuits_energy", "circuits_charge_from_current"])
def test_times_come_in_hours_and_minutes_too(name):
    assert {"s", "min", "h"} <= {solved.values["t"].unit for solved in draws(TYPES[name], 400, seed=6)}


def test_a_missing_value_that_is_then_given_completes_the_solution():
    rng = np.random.default_rng(5)
    rows = [make_row(f"t-{i}", "train", TYPES["coulomb_pair_force"], rng, kind="missing") for i in range(600)]
    roles = ["user", "assistant"]
    followed = [row for row in rows if [m["role"] for m in row["messages"] if m["role"] != "system"] == 2 * roles]
    assert .5 < len(followed) / len(rows) / FOLLOWED_SHARE < 1.6
    for row in followed:
        asks, answers = (compact(m["content"]) for m in row["messages"] if m["role"] == "assistant")
        missing = row["answer"]["missing"]
        assert f"-> {missing} = " in answers and f"-> {missing} = " not in asks and "\nAnswer: " in answers
        assert asks.splitlines()[0].removeprefix("Given: ") in answers or asks.startswith("Given: nothing")
        assert score_answer(row, asks).correct  # what counts is the first reply
    assert all(len(make_row(f"t-{i}", "values", TYPES["field_point"], rng, kind="missing")["messages"]) < 4 for i in range(100))

"""What every problem type keeps, whatever its family: units, solutions, wordings, prompts."""

from __future__ import annotations

import pytest
from problem_checks import check_problem, draws

from mlxtutor.problems.catalog import TYPES


@pytest.mark.parametrize("name", TYPES)
def test_type(name):
    check_problem(TYPES[name])


@pytest.mark.parametrize("name", ["circuits_energy", "circuits_charge_from_current"])
def test_times_come_in_hours_and_minutes_too(name):
    assert {"s", "min", "h"} <= {solved.values["t"].unit for solved in draws(TYPES[name], 400, seed=6)}

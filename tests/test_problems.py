"""What every problem type keeps, whatever its family: units, solutions, wordings, prompts."""

from __future__ import annotations

import pytest
from problem_checks import check_problem

from mlxtutor.problems.catalog import TYPES


@pytest.mark.parametrize("name", TYPES)
def test_type(name):
    check_problem(TYPES[name])

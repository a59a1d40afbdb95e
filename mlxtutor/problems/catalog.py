"""Every problem type of the project, by name."""

from __future__ import annotations

from mlxtutor.problems import capacitance, circuits, coulomb, field, gauss, potential
from mlxtutor.problems.types import ProblemType

FAMILIES = {"coulomb": coulomb.TYPES, "field": field.TYPES, "gauss": gauss.TYPES, "potential": potential.TYPES,
            "capacitance": capacitance.TYPES, "circuits": circuits.TYPES}
TYPES: dict[str, ProblemType] = {problem.name: problem for types in FAMILIES.values() for problem in types}

"""Coulomb problems against vector sums of point forces, root finding, energy and pint."""

from __future__ import annotations

import numpy as np
import pytest
from problem_checks import UNITS, answers
from scipy.integrate import quad
from scipy.optimize import brentq

from mlxtutor.problems.coulomb import TYPES
from mlxtutor.problems.types import draw

BY_NAME = {problem.name.removeprefix("coulomb_"): problem for problem in TYPES}
EPS0, E = 8.8541878128e-12, 1.602176634e-19  # F/m, C; CODATA
NEAR = 4e-3  # e is rounded to two digits, k and eps0 to three


def force(q: float, at: tuple[float, float], sources: list[tuple[float, tuple[float, float]]]) -> np.ndarray:
    """Force vector (N) on q at a point (m) from point charges, as the sum of gradients of their energies."""
    total = np.zeros(2)
    for charge, place in sources:
        apart = np.subtract(at, place)
        total += q * charge * apart / (4 * np.pi * EPS0 * np.linalg.norm(apart) ** 3)
    return total


def size(*args) -> float:
    return float(np.linalg.norm(force(*args)))


def energy(q1: float, q2: float, r: float) -> float:
    """Potential energy (J), for forces as slopes."""
    return q1 * q2 / (4 * np.pi * EPS0 * r)


def slope(v) -> float:
    step = v.r * 1e-5
    return abs(energy(v.q1, v.q2, v.r + step) - energy(v.q1, v.q2, v.r - step)) / (2 * step)


def zero_between(v) -> float:
    """Where the x force on a unit charge vanishes between q1 at 0 and q2 at d."""
    return brentq(lambda x: force(1.0, (x, 0), [(v.q1, (0, 0)), (v.q2, (v.d, 0))])[0], v.d * 1e-3, v.d * (1 - 1e-3))


def triangle(v) -> float:
    return size(v.q, (0, 0), [(v.q, (v.a, 0)), (v.q, (v.a / 2, v.a * np.sqrt(3) / 2))])


def line(v, index: int) -> float:
    places = [(v.q1, (0, 0)), (v.q2, (v.a, 0)), (v.q3, (v.a + v.b, 0))]
    q, at = places.pop(index)
    return force(q, at, places)[0]


def hover(v) -> float:
    """The lowest point of electric plus gravitational energy."""
    return brentq(lambda h: force(v.q2, (0, h), [(v.q1, (0, 0))])[1] - v.m * 9.8, 1e-4, 1e3)


def launch(v) -> float:
    """Acceleration from the speed gained over a short path: work of the force = kinetic energy."""
    path = v.r * 1e-4
    work = quad(lambda s: size(v.q2, (s, 0), [(v.q1, (0, 0))]), v.r, v.r + path)[0]
    return work / (v.m * path)


REFERENCE = {
    "pair_force": slope,
    "pair_distance": lambda v: brentq(lambda r: size(v.q1, (r, 0), [(v.q2, (0, 0))]) - v.F, 1e-5, 1e3),
    "pair_charge": lambda v: brentq(lambda q: size(q, (v.r, 0), [(v.q1, (0, 0))]) - v.F, 0, 1, xtol=1e-20),
    "equal_charges": lambda v: brentq(lambda q: size(q, (v.r, 0), [(q, (0, 0))]) - v.F, 0, 10, xtol=1e-20),
    "identical_force": lambda v: size(v.q, (v.r, 0), [(v.q, (0, 0))]),
    "scale_distance": lambda v: v.F * size(1.0, (v.n, 0), [(1.0, (0, 0))]) / size(1.0, (1, 0), [(1.0, (0, 0))]),
    "scale_charge": lambda v: v.F * size(v.n, (1, 0), [(1.0, (0, 0))]) / size(1.0, (1, 0), [(1.0, (0, 0))]),
    "line_middle": lambda v: line(v, 1),
    "line_end": lambda v: line(v, 2),
    "right_angle": lambda v: size(v.q, (0, 0), [(v.q1, (v.a, 0)), (v.q2, (0, v.b))]),
    "equilateral": triangle,
    "square": lambda v: size(v.q, (0, 0), [(v.q, (v.a, 0)), (v.q, (0, v.a)), (v.q, (v.a, v.a))]),
    "electron_count": lambda v: abs((v.Q * UNITS.coulomb / UNITS.elementary_charge).to("").magnitude),
    "charge_of_electrons": lambda v: (v.N * UNITS.elementary_charge).to("C").magnitude,
    "acceleration": launch,
    "in_medium": lambda v: slope(v) / v.eps_r,
    "levitation": hover,
    "null_point": zero_between,
    "hydrogen_like": lambda v: size(-E, (v.r, 0), [(v.Z * E, (0, 0))]),
}


@pytest.mark.parametrize("name", BY_NAME)
def test_answers_against_independent_method(name):
    for v, answer in answers(BY_NAME[name], 8):
        scale = abs(answer)
        if name.startswith("line"):  # the two forces may nearly cancel; their sizes set the accuracy
            q, near, far = (v.q2, (v.q1, v.a), (v.q3, v.b)) if name == "line_middle" else (v.q3, (v.q2, v.b), (v.q1, v.a + v.b))
            scale = sum(abs(9e9 * q * source / gap**2) for source, gap in (near, far))
        tolerance = 2 * NEAR if name == "hydrogen_like" else NEAR
        assert answer == pytest.approx(REFERENCE[name](v), abs=tolerance * scale), f"{name}: {v}"


def test_directions_point_where_the_force_vector_does():
    rng = np.random.default_rng(5)
    for _ in range(20):
        solved = draw(BY_NAME["pair_force"], rng)
        v = solved.namespace
        away = force(v.q2, (v.r, 0), [(v.q1, (0, 0))])[0] > 0
        assert solved.direction == ("repulsive" if away else "attractive")
        for name, index in (("line_middle", 1), ("line_end", 2)):
            solved = draw(BY_NAME[name], rng)
            right = line(solved.namespace, index) > 0
            assert solved.direction == ("to the right" if right else "to the left")

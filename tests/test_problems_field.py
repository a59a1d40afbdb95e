"""Field problems against sums and integrals of point-charge fields over the charges, forces on charge pairs, and energy."""

from __future__ import annotations

import numpy as np
import pytest
from problem_checks import answers, draws
from scipy.integrate import quad
from scipy.optimize import brentq

from mlxtutor.problems.field import TYPES

BY_NAME = {problem.name.removeprefix("field_"): problem for problem in TYPES}
EPS0 = 8.8541878128e-12  # F/m; CODATA
K = 1 / (4 * np.pi * EPS0)
NEAR = 4e-3  # k and eps0 are rounded to three digits


def field(at: tuple[float, float], sources: list[tuple[float, tuple[float, float]]]) -> np.ndarray:
    """Field vector (N/C) at a point (m) as minus the numerical gradient of the potentials of (charge, place)."""
    point = np.array(at, float)
    step = 1e-5 * min(np.linalg.norm(point - place) for _, place in sources)

    def potential(where: np.ndarray) -> float:
        return sum(K * q / np.linalg.norm(where - place) for q, place in sources)

    return np.array([potential(point - step * axis) - potential(point + step * axis) for axis in np.eye(2)]) / (2 * step)


def size(*args) -> float:
    return float(np.linalg.norm(field(*args)))


def along(curve, start: float, end: float) -> np.ndarray:
    """Field vector at the origin of charge spread along a curve; curve(s) gives (C per unit of s, position)."""
    def part(s: float, axis: int) -> float:
        density, place = curve(s)
        return -K * density * place[axis] / np.linalg.norm(place) ** 3

    scale = np.hypot(part(start, 0), part(start, 1)) * (end - start)
    return np.array([quad(part, start, end, args=(axis,), epsabs=1e-6 * scale)[0] for axis in (0, 1)])


def straight(density: float, start: float, end: float, distance: float) -> float:
    """Field (N/C) of charge on a line from start to end, at this perpendicular distance from s = 0."""
    return quad(lambda s: K * density * distance / (distance**2 + s**2) ** 1.5, start, end, epsabs=0)[0]


def bent(density: float, radius: float, degrees: float) -> float:
    half = np.radians(degrees) / 2
    return float(np.linalg.norm(along(lambda t: (density * radius, radius * np.array([np.cos(t), np.sin(t)])), -half, half)))


def rings(density: float, outer: float, x: float) -> float:
    """Field on the axis of a disk as the sum over its rings; outer may be infinite."""
    return quad(lambda s: K * density * 2 * np.pi * s * x / (x**2 + s**2) ** 1.5, 0, outer, epsabs=0)[0]


def hoop(charge: float, radius: float, x: float, n: int = 24) -> float:
    """Field on the axis of a ring as the sum over n points of it."""
    angles = np.arange(n) * 2 * np.pi / n
    apart = np.stack([-radius * np.cos(angles), -radius * np.sin(angles), np.full(n, x)])
    return float(np.linalg.norm((K * charge / n * apart / np.linalg.norm(apart, axis=0) ** 3).sum(axis=1)))


def dipole(moment: float, at: tuple[float, float]) -> float:
    """Two opposite charges along x, much closer to each other than to the point."""
    gap = np.linalg.norm(at) * 1e-2
    apart = [np.subtract(at, (side * gap / 2, 0)) for side in (1, -1)]
    return float(np.linalg.norm(sum(s * K * moment / gap * a / np.linalg.norm(a) ** 3 for s, a in zip((1, -1), apart))))


def poles(v) -> tuple[np.ndarray, np.ndarray]:
    """Charges (C) and places (m) of a dipole p tilted by theta against a field along x."""
    angle, gap = np.radians(v.theta), 1e-3
    half = gap / 2 * np.array([np.cos(angle), np.sin(angle)])
    return np.array([v.p, -v.p]) / gap, np.array([half, -half])


def torque(v) -> float:
    charges, places = poles(v)
    forces = charges[:, None] * np.array([v.E, 0])
    return abs(sum(x * fy - y * fx for (x, y), (fx, fy) in zip(places, forces)))


def dipole_energy(v) -> float:
    """Charge times potential -E*x of both poles."""
    charges, places = poles(v)
    return float((charges * -v.E * places[:, 0]).sum())


def pull(q: float, strength: float) -> float:
    """Force on a charge as the slope of its potential energy."""
    return abs(q * -strength * 1e-3 - q * -strength * -1e-3) / 2e-3


def launch(v) -> float:
    """Acceleration from the speed after falling through one millimeter of field."""
    speed = np.sqrt(2 * abs(v.q) * v.E * 1e-3 / v.m)
    return speed**2 / (2 * 1e-3)


def line_pair(v) -> list[tuple[float, tuple[float, float]]]:
    return [(v.q1, (0, 0)), (v.q2, (v.d, 0))]


REFERENCE = {
    "point": lambda v: size((v.r, 0), [(v.q, (0, 0))]),
    "point_charge": lambda v: brentq(lambda q: size((v.r, 0), [(q, (0, 0))]) - v.E, 0, 1, xtol=1e-20),
    "point_distance": lambda v: brentq(lambda r: size((r, 0), [(v.q, (0, 0))]) - v.E, 1e-5, 1e4),
    "force_on_charge": lambda v: pull(v.q, v.E),
    "field_from_force": lambda v: brentq(lambda strength: pull(v.q, strength) - v.F, 0, 1e12),
    "two_between": lambda v: field((v.x, 0), line_pair(v))[0],
    "midpoint": lambda v: field((v.d / 2, 0), line_pair(v))[0],
    "two_right_angle": lambda v: size((0, 0), [(v.q1, (v.a, 0)), (v.q2, (0, v.b))]),
    "infinite_line": lambda v: straight(abs(vars(v)["lambda"]), -np.inf, np.inf, v.r),
    "finite_line_bisector": lambda v: straight(abs(v.Q) / v.L, -v.L / 2, v.L / 2, v.r),
    "line_axis": lambda v: np.linalg.norm(along(lambda s: (vars(v)["lambda"], np.array([s, 0])), v.d, v.d + v.L)),
    "ring_axis": lambda v: hoop(abs(v.Q), v.R, v.x),
    "disk_axis": lambda v: rings(abs(v.sigma), v.R, v.x),
    "arc_center": lambda v: bent(abs(vars(v)["lambda"]), v.R, v.theta),
    "semicircle_center": lambda v: bent(abs(v.Q) / (np.pi * v.R), v.R, 180),
    "sheet": lambda v: rings(abs(v.sigma), np.inf, .1),
    "two_sheets": lambda v: rings(v.sigma, np.inf, .1) - rings(-v.sigma, np.inf, .3),
    "dipole_axis": lambda v: dipole(v.p, (v.r, 0)),
    "dipole_equator": lambda v: dipole(v.p, (0, v.r)),
    "dipole_moment": lambda v: np.dot([v.q, -v.q], [1 + v.d, 1]),
    "dipole_torque": torque,
    "dipole_energy": dipole_energy,
    "acceleration": launch,
    "oil_drop": lambda v: brentq(lambda q: pull(q, v.E) - v.m * 9.8, 0, 1e-3, xtol=1e-25),
    "two_lines": lambda v: abs(v.lambda1 * straight(v.lambda2, -np.inf, np.inf, v.d)),
}


@pytest.mark.parametrize("name", BY_NAME)
def test_answers_against_independent_method(name):
    for v, answer in answers(BY_NAME[name], 8):
        scale = abs(answer)
        if name in ("two_between", "midpoint"):  # the two fields may nearly cancel; their sizes set the accuracy
            x = v.x if name == "two_between" else v.d / 2
            scale = K * (abs(v.q1) / x**2 + abs(v.q2) / (v.d - x) ** 2)
        assert answer == pytest.approx(REFERENCE[name](v), abs=NEAR * scale), f"{name}: {v}"


@pytest.mark.parametrize("name", ["two_between", "midpoint"])
def test_direction_and_signs_on_a_line(name):
    for solved in draws(BY_NAME[name], 20, seed=5):
        v, sentence = solved.namespace, BY_NAME[name].sanity(solved.namespace)
        x = v.x if name == "two_between" else v.d / 2
        assert 0 < x < v.d
        parts = [field((x, 0), [source])[0] for source in line_pair(v)]
        assert solved.direction == ("to the right" if sum(parts) > 0 else "to the left")
        assert ("opposite fields" in sentence) == (parts[0] * parts[1] < 0)


def test_direction_of_a_point_charge():
    for solved in draws(BY_NAME["point"], 20, seed=5):
        outward = field((solved.namespace.r, 0), [(solved.namespace.q, (0, 0))])[0] > 0
        assert solved.direction == ("away from the charge" if outward else "toward the charge")
        assert solved.direction.split()[0] in BY_NAME["point"].sanity(solved.namespace)


def test_twice_the_field_beside_a_dipole():
    assert dipole(1e-9, (.2, 0)) == pytest.approx(2 * dipole(1e-9, (0, .2)), rel=1e-3)

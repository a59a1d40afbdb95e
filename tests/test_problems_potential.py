"""Potential problems against work integrals of the field, sums over pieces of charge, assembly of charges one by one, and motion."""

from __future__ import annotations

from itertools import combinations

import numpy as np
import pytest
from problem_checks import UNITS, answers
from scipy.integrate import quad, solve_ivp
from scipy.optimize import brentq

from mlxtutor.problems.potential import TYPES

BY_NAME = {problem.name.removeprefix("potential_"): problem for problem in TYPES}
EPS0, E, M_E, M_P = 8.8541878128e-12, 1.602176634e-19, 9.1093837e-31, 1.67262192e-27  # SI; CODATA
K = 1 / (4 * np.pi * EPS0)
NEAR = 5e-3  # e is rounded to two digits, k, eps0 and the masses to three


def brought(q: float, r: float) -> float:
    """Potential (V) of a point charge: the work per charge against its field from infinity to r."""
    return quad(lambda u: K * q / (r * np.exp(u)) ** 2 * r * np.exp(u), 0, 40, epsabs=0)[0]  # s = r*exp(u)


def pieces(charges: np.ndarray, places: np.ndarray, at: tuple[float, ...]) -> float:
    """Sum of the potentials of many charges; places: (n, 2 or 3) in m."""
    return float((K * charges / np.linalg.norm(places - np.array(at), axis=1)).sum())


def hoop(charge: float, radius: float, x: float, n: int = 24) -> float:
    angles = np.arange(n) * 2 * np.pi / n
    places = np.stack([radius * np.cos(angles), radius * np.sin(angles), np.zeros(n)], axis=1)
    return pieces(np.full(n, charge / n), places, (0, 0, x))


def disk(v) -> float:
    """A disk as rings of n points."""
    return quad(lambda s: hoop(v.sigma * 2 * np.pi * s, s, v.x), 0, v.R, epsabs=0)[0]


def ball_field(v, s: float) -> float:
    """Field at s from the center, by the flux of the enclosed part of a uniform ball's charge."""
    enclosed = v.Q * min(1.0, (s / v.R) ** 3)
    return enclosed / EPS0 / (4 * np.pi * s**2)


def ball(v) -> float:
    """Work per charge against the field from infinity to the inner point."""
    return quad(lambda s: ball_field(v, s), v.R, np.inf, epsabs=0)[0] + quad(lambda s: ball_field(v, s), v.r, v.R, epsabs=0)[0]


def shell(v, r: float) -> float:
    """Potential at r of bands of a charged spherical surface."""
    return quad(lambda t: K * v.Q / 2 * np.sin(t) / np.sqrt(v.R**2 + r**2 - 2 * v.R * r * np.cos(t)), 0, np.pi, epsabs=0)[0]


def dipole(v) -> float:
    gap, angle = v.r * 1e-4, np.radians(v.theta)
    charge = v.p / gap
    return pieces(np.array([charge, -charge]), np.array([[gap / 2, 0], [-gap / 2, 0]]), (v.r * np.cos(angle), v.r * np.sin(angle)))


def assembled(charges: list[float], places: list[tuple[float, float]]) -> float:
    """Energy (J) to bring charges in from infinity, each into the potential of those before it."""
    return sum(charges[j] * brought(charges[i], np.hypot(*np.subtract(places[i], places[j])))
               for i, j in combinations(range(len(charges)), 2))


def corners(a: float) -> list[tuple[float, float]]:
    return [(0, 0), (a, 0), (a, a), (0, a)]


def speed_after(voltage: float, charge: float, mass: float) -> float:
    """Integrate the motion from rest across one meter; time in units of the flight's estimate."""
    push = charge * voltage / mass
    scale = np.sqrt(1 / push)

    def arrives(t, y):
        return y[0] - 1

    arrives.terminal = True
    path = solve_ivp(lambda t, y: [y[1] * scale, push * scale], (0, 5), [0, 0], events=arrives, rtol=1e-8, atol=1e-12)
    return float(path.y_events[0][0][1])


def turning(v) -> float:
    """Where the kinetic energy of an alpha particle is used up by the work against the nucleus."""
    energy = v.K * E
    return brentq(lambda r: 2 * E * brought(v.Z * E, r * 1e-15) / energy - 1, 1e-2, 1e5) * 1e-15


REFERENCE = {
    "point": lambda v: brought(v.q, v.r),
    "point_distance": lambda v: brentq(lambda r: brought(v.q, r) / v.V - 1, 1e-5, 1e4),
    "point_charge": lambda v: brentq(lambda q: brought(q, v.r) - v.V, -1, 1, xtol=1e-20),
    "two_charges": lambda v: brought(v.q1, v.r1) + brought(v.q2, v.r2),
    "midpoint": lambda v: pieces(np.array([v.q1, v.q2]), np.array([[-v.d / 2, 0], [v.d / 2, 0]]), (0, 0)),
    "square_center": lambda v: pieces(np.full(4, v.q), np.array(corners(v.a)), (v.a / 2, v.a / 2)),
    "difference_point": lambda v: quad(lambda s: K * v.q / s**2, v.r_a, v.r_b)[0],
    "dipole": dipole,
    "ring_axis": lambda v: hoop(v.Q, v.R, v.x),
    "disk_axis": disk,
    "sphere_surface": lambda v: shell(v, v.R * (1 + 1e-6)),
    "shell_inside": lambda v: shell(v, v.r),
    "sphere_inside": ball,
    "uniform_field": lambda v: quad(lambda s: v.E, 0, v.d)[0],
    "field_from_voltage": lambda v: brentq(lambda strength: quad(lambda s: strength, 0, v.d)[0] - v.V, 0, 1e12),
    "work_moving": lambda v: (v.q * UNITS.coulomb * v.V * UNITS.volt).to("J").magnitude,
    "work_from_infinity": lambda v: -quad(lambda s: K * v.Q * v.q / s**2, np.inf, v.r, epsabs=0)[0],
    "pair_energy": lambda v: assembled([v.q1, v.q2], [(0, 0), (v.r, 0)]),
    "triangle_energy": lambda v: assembled([v.q1, v.q2, v.q3], [(0, 0), (v.a, 0), (v.a / 2, v.a * np.sqrt(3) / 2)]),
    "square_energy": lambda v: assembled([v.q] * 4, corners(v.a)),
    "electron_speed": lambda v: speed_after(v.V, E, M_E),
    "proton_speed": lambda v: speed_after(v.V, E, M_P),
    "ion_energy": lambda v: (v.n * v.V * UNITS.eV).to("J").magnitude,
    "closest_approach": turning,
    "stopping_voltage": lambda v: brentq(lambda voltage: speed_after(voltage, E, M_E) - v.v, 1e-6, 1e6, xtol=1e-9),
}


@pytest.mark.parametrize("name", BY_NAME)
def test_answers_against_independent_method(name):
    for v, answer in answers(BY_NAME[name], 8):
        scale = abs(answer)
        if name in ("two_charges", "midpoint"):  # the two potentials may nearly cancel; their sizes set the accuracy
            first, second = (v.r1, v.r2) if name == "two_charges" else (v.d / 2, v.d / 2)
            scale = K * (abs(v.q1) / first + abs(v.q2) / second)
        elif name == "triangle_energy":
            scale = K / v.a * sum(abs(a * b) for a, b in combinations((v.q1, v.q2, v.q3), 2))
        assert answer == pytest.approx(REFERENCE[name](v), abs=NEAR * scale), f"{name}: {v}"

"""Circuits against nodal analysis, integrals over time and length, and the differential equation of a charging capacitor."""

from __future__ import annotations

import numpy as np
import pytest
from problem_checks import UNITS, answers
from scipy.integrate import quad, solve_ivp
from scipy.optimize import brentq, minimize_scalar
from test_problems_capacitance import nodal

from mlxtutor.problems.circuits import TYPES

BY_NAME = {problem.name.removeprefix("circuits_"): problem for problem in TYPES}
E = 1.602176634e-19  # C, CODATA


def resistance(*edges):
    """Voltage that one ampere makes between nodes 1 and 0. edges: (i, j, ohms)"""
    return nodal([(i, j, 1 / ohms) for i, j, ohms in edges], {1: 1.0})[1]


def driven(v, *edges):
    """Potentials of all nodes when node 1 is held at V, and the current from the source."""
    potential = nodal([(i, j, 1 / ohms) for i, j, ohms in edges], {1: 1.0})
    return potential * v.V / potential[1], v.V / potential[1]


def heat(voltage, current):
    """Energy of one second of alternating sine current whose mean square is current^2: power by integration."""
    return quad(lambda t: 2 * voltage * current * np.sin(2 * np.pi * t)**2, 0, 1)[0]


def wire(v, area):
    return quad(lambda x: v.rho / area, 0, v.L)[0]


def round_area(diameter):
    return quad(lambda r: 2 * np.pi * r, 0, diameter / 2)[0]


def passed(v):
    return quad(lambda t: v.I, 0, v.t)[0]


def shunted(v, load):
    """Voltage at the poles of a source as a current emf/r beside r (Norton). load: extra edges and the current drawn."""
    edges, drawn = load
    return nodal([(1, 0, 1 / v.r), *edges], {1: v.emf / v.r - drawn})[1]


def best_load(v):
    def power(ratio):
        load = v.r * np.exp(ratio)
        return -shunted(v, ([(1, 0, 1 / load)], 0))**2 / load
    return -minimize_scalar(power, bounds=(-3, 3), method="bounded", options={"xatol": 1e-8}).fun


def relax(start, end, rate, duration):
    """Capacitor voltage after a time: dv/dt = rate * (end - v), integrated numerically."""
    solution = solve_ivp(lambda t, u: rate * duration * (end - u), (0, 1), [start], method="LSODA", rtol=1e-9, atol=1e-12 * max(start, end))
    return solution.y[0, -1]


def time_to(level, tau):
    """When a capacitor that charges toward 1 has reached `level`."""
    return tau * brentq(lambda s: relax(0.0, 1.0, 1.0, s) - level, 1e-3, 8, xtol=1e-7)


REFERENCES = {
    "ohm_voltage": lambda v: v.I * resistance((1, 0, v.R)),
    "ohm_current": lambda v: driven(v, (1, 0, v.R))[1],
    "ohm_resistance": lambda v: brentq(lambda x: driven(v, (1, 0, np.exp(x)))[1] / v.I - 1, -8, 20),
    "power_VI": lambda v: heat(v.V, v.I),
    "power_IR": lambda v: heat(v.I * resistance((1, 0, v.R)), v.I),
    "power_VR": lambda v: heat(v.V, driven(v, (1, 0, v.R))[1]),
    "resistivity": lambda v: wire(v, v.A), "resistivity_diameter": lambda v: wire(v, round_area(v.d)),
    "charge_from_current": passed, "electrons_from_current": lambda v: passed(v) / E,
    "energy": lambda v: quad(lambda t: v.P, 0, v.t)[0],
    "series_two": lambda v: resistance((1, 2, v.R1), (2, 0, v.R2)),
    "series_three": lambda v: resistance((1, 2, v.R1), (2, 3, v.R2), (3, 0, v.R3)),
    "parallel_two": lambda v: resistance((1, 0, v.R1), (1, 0, v.R2)),
    "parallel_three": lambda v: resistance((1, 0, v.R1), (1, 0, v.R2), (1, 0, v.R3)),
    "mixed": lambda v: resistance((1, 2, v.R1), (2, 0, v.R2), (2, 0, v.R3)),
    "series_current": lambda v: driven(v, (1, 2, v.R1), (2, 0, v.R2))[1],
    "divider": lambda v: driven(v, (1, 2, v.R1), (2, 0, v.R2))[0][2],
    "current_divider": lambda v: nodal([(1, 0, 1 / v.R1), (1, 0, 1 / v.R2)], {1: v.I})[1] / v.R1,
    "terminal_voltage": lambda v: shunted(v, ([], v.I)),
    "internal_current": lambda v: shunted(v, ([(1, 0, 1 / v.R)], 0)) / v.R,
    "maximum_power": best_load,
    "rc_tau": lambda v: time_to(1 - np.exp(-1), 1.0) * (UNITS.Quantity(v.R, "ohm") * UNITS.Quantity(v.C, "F")).to("s").magnitude,
    "rc_resistance": lambda v: brentq(lambda x: relax(1.0, 0.0, 1 / (np.exp(x) * v.C), v.tau) - np.exp(-1), -2, 20),
    "rc_charging": lambda v: relax(0.0, v.V0, 1 / (v.R * v.C), v.t),
    "rc_discharging": lambda v: relax(v.V0, 0.0, 1 / (v.R * v.C), v.t),
    "rc_time_to_fraction": lambda v: time_to(v.p, v.R * v.C),
    "rc_initial_current": lambda v: relax(0.0, v.V, 1.0, 1e-6) / 1e-6 / v.R,
}
LOGARITHMS = ("ohm_resistance", "rc_resistance")  # references that search ln R


def test_every_type_has_a_reference():
    assert set(REFERENCES) == set(BY_NAME)


@pytest.mark.parametrize("name", BY_NAME)
def test_answer(name):
    for v, answer in answers(BY_NAME[name], n=6):
        expected = REFERENCES[name](v)
        expected = np.exp(expected) if name in LOGARITHMS else expected
        assert answer == pytest.approx(float(expected), rel=1.6e-3), v  # e is rounded to 1.6e-19 C


def test_matched_load_takes_half_of_the_source_power():
    for v, answer in answers(BY_NAME["maximum_power"]):
        assert answer == pytest.approx(heat(v.emf, shunted(v, ([(1, 0, 1 / v.r)], 0)) / v.r) / 2, rel=1e-3)

"""What a solution's check sentence claims, verified for every type with the type's own numbers, its formula, or an independent one."""

from __future__ import annotations

import dataclasses
import math
import re
from types import SimpleNamespace

import numpy as np
import pytest
from problem_checks import draws

from mlxtutor.problems.catalog import TYPES
from mlxtutor.problems.types import CONSTANT_VALUES, ProblemType, Solved, solve
from mlxtutor.text.calculator import format_result

K, EPS0, C_LIGHT = 8.99e9, 8.85e-12, 2.998e8
FACTORS = {"a quarter of": .25, "half of": .5, "twice": 2, "four times": 4}
SCALING = re.compile(rf"({'|'.join(FACTORS)}) (\w+) would give ({'|'.join(FACTORS)}) (\w+)\.")
SIGN = re.compile(r"\b(\w+) is (positive|negative)\b")


def rescaled(solved: Solved, symbol: str, factor: float) -> float:
    value = solved.values[symbol]
    changed = dataclasses.replace(value, canonical=repr(value.si * factor))
    return solve(solved.type, {**solved.values, symbol: changed}).answer


def printed(value: float) -> float:
    return float(format_result(value))


def all_of(v: SimpleNamespace, head: str) -> list[float]:
    return [x for name, x in vars(v).items() if re.fullmatch(head + r"\d", name)]


def part(solved: Solved, size) -> bool:
    """The sum of two vectors at right angles lies between its larger part and the sum of both, as printed with four digits."""
    v = solved.namespace
    parts = [size * abs(v.q1) / v.a**2, size * abs(v.q2) / v.b**2]
    return printed(max(parts)) < solved.answer < printed(sum(parts))


def limit(solved: Solved, symbol: str, size: float) -> float:
    return rescaled(solved, symbol, size / solved.values[symbol].si)


# By type: whether the claim holds of the namespace v, the answer y and the solved problem s. Signs and scaling are tested for all
# types at once, below.
CLAIMS = {
    "coulomb_right_angle": lambda v, y, s: part(s, K * abs(v.q)),
    "coulomb_equilateral": lambda v, y, s: y < 2 * K * v.q**2 / v.a**2,
    "coulomb_square": lambda v, y, s: y < 2 * K * v.q**2 / v.a**2,
    "coulomb_null_point": lambda v, y, s: math.isclose(solve(s.type, {**s.values, "q2": s.values["q1"]}).answer, v.d / 2, rel_tol=1e-3),
    "coulomb_levitation": lambda v, y, s: v.q1 * v.q2 > 0,
    "field_two_right_angle": lambda v, y, s: part(s, K),
    "field_finite_line_bisector": lambda v, y, s: math.isclose(limit(s, "r", 1e4), K * abs(v.Q) / 1e8, rel_tol=2e-3),
    "field_line_axis": lambda v, y, s: math.isclose(limit(s, "d", 1e5), K * abs(vars(v)["lambda"]) * v.L / 1e10, rel_tol=2e-3),
    "field_ring_axis": lambda v, y, s: limit(s, "x", 1e-12) < 1e-6 * limit(s, "x", v.R),
    "field_disk_axis": lambda v, y, s: y < abs(v.sigma) / (2 * EPS0),
    "field_semicircle_center": lambda v, y, s: y < K * abs(v.Q) / v.R**2,
    "field_two_sheets": lambda v, y, s: v.sigma / (2 * EPS0) + -v.sigma / (2 * EPS0) == 0,
    "field_dipole_axis": lambda v, y, s: math.isclose(y, 2 * K * v.p / v.r**3, rel_tol=1e-3),
    "field_dipole_equator": lambda v, y, s: math.isclose(y, K * v.p / v.r**3, rel_tol=1e-3),
    "field_dipole_moment": lambda v, y, s: y > 0,
    "field_dipole_torque": lambda v, y, s: math.isclose(limit(s, "theta", 90), v.p * v.E, rel_tol=1e-3) and v.theta < 90,
    "field_dipole_energy": lambda v, y, s: v.theta < 90 and y < 0,
    "gauss_flux_uniform": lambda v, y, s: math.isclose(limit(s, "theta", 0), v.E * v.A, rel_tol=1e-3),
    "gauss_shell_with_charge": lambda v, y, s: math.isclose(y, K * abs(v.q1 + v.q2) / v.r**2, rel_tol=1e-3),
    "gauss_shell_inside": lambda v, y, s: v.r < v.R and y == 0,
    "potential_point_distance": lambda v, y, s: v.V * v.q > 0,
    "potential_dipole": lambda v, y, s: abs(limit(s, "theta", 90)) < 1e-9 * limit(s, "theta", 0),
    "potential_ring_axis": lambda v, y, s: math.isclose(limit(s, "x", 1e-9), K * v.Q / v.R, rel_tol=1e-3),
    "potential_disk_axis": lambda v, y, s: math.isclose(limit(s, "x", 1e-9), v.sigma * v.R / (2 * EPS0), rel_tol=1e-3),
    "potential_shell_inside": lambda v, y, s: v.r < v.R,
    "potential_sphere_inside": lambda v, y, s: math.isclose(limit(s, "r", v.R), K * v.Q / v.R, rel_tol=1e-3),
    "potential_uniform_field": lambda v, y, s: y > 0,
    "potential_square_energy": lambda v, y, s: y > 0,
    "potential_electron_speed": lambda v, y, s: y < C_LIGHT,
    "potential_proton_speed": lambda v, y, s: y < C_LIGHT,
    "potential_ion_energy": lambda v, y, s: math.isclose(y, v.n * 1.6e-19 * v.V, rel_tol=1e-3),
    "potential_stopping_voltage": lambda v, y, s: math.isclose(1.6e-19 * y, 9.11e-31 * v.v**2 / 2, rel_tol=1e-3),
    "capacitance_plate_dielectric": lambda v, y, s: math.isclose(y, v.kappa * limit(s, "kappa", 1), rel_tol=1e-3),
    "capacitance_dielectric_layers": lambda v, y, s: y < EPS0 * v.A * min(v.kappa1 / v.d1,
                                                                                   v.kappa2 / v.d2),
    "capacitance_dielectric_side_by_side": lambda v, y, s: math.isclose(
        y, EPS0 * v.A / 2 / v.d * (v.kappa1 + v.kappa2), rel_tol=1e-3),
    "capacitance_spherical": lambda v, y, s: y > v.a / K,
    "capacitance_series_two": lambda v, y, s: y < min(all_of(v, "C")),
    "capacitance_series_three": lambda v, y, s: y < min(all_of(v, "C")),
    "capacitance_parallel_two": lambda v, y, s: y > max(all_of(v, "C")),
    "capacitance_parallel_three": lambda v, y, s: y > max(all_of(v, "C")),
    "capacitance_mixed_series_parallel": lambda v, y, s: y < min(v.C1, v.C2 + v.C3),
    "capacitance_mixed_parallel_series": lambda v, y, s: y > v.C1,
    "capacitance_series_charge": lambda v, y, s: y < v.V * min(all_of(v, "C")),
    "capacitance_series_voltage": lambda v, y, s: (y > v.V / 2 * 1.001) <= (v.C1 < v.C2 * 1.002),
    "capacitance_reconnect_like": lambda v, y, s: min(v.V1, v.V2) <= y <= max(v.V1, v.V2),
    "capacitance_reconnect_opposite": lambda v, y, s: y < max(v.V1, v.V2),
    "capacitance_dielectric_disconnected": lambda v, y, s: y < v.V0,
    "capacitance_dielectric_connected": lambda v, y, s: y > v.C * v.V,
    "circuits_series_two": lambda v, y, s: y > max(all_of(v, "R")),
    "circuits_series_three": lambda v, y, s: y > max(all_of(v, "R")),
    "circuits_parallel_two": lambda v, y, s: y < min(all_of(v, "R")),
    "circuits_parallel_three": lambda v, y, s: y < min(all_of(v, "R")),
    "circuits_mixed": lambda v, y, s: y > v.R1 * .999,
    "circuits_series_current": lambda v, y, s: math.isclose(y * v.R1 + y * v.R2, v.V, rel_tol=1e-3),
    "circuits_divider": lambda v, y, s: y < v.V,
    "circuits_current_divider": lambda v, y, s: y < v.I,
    "circuits_terminal_voltage": lambda v, y, s: y < v.emf,
    "circuits_internal_current": lambda v, y, s: y < v.emf / v.r,
    "circuits_maximum_power": lambda v, y, s: math.isclose(y, (v.emf / 2) ** 2 / v.r, rel_tol=1e-3),
    "circuits_rc_charging": lambda v, y, s: y < v.V0,
    "circuits_rc_discharging": lambda v, y, s: y < v.V0,
    "circuits_rc_time_to_fraction": lambda v, y, s: math.isclose(limit(s, "p", 1 - math.exp(-1)), v.R * v.C, rel_tol=1e-3),
    "circuits_rc_initial_current": lambda v, y, s: math.isclose(y * v.R, v.V, rel_tol=1e-3),
}
SIGNED_WORDS = {"outward": 1, "inward": -1, "go out": 1, "go in": -1, "positive": 1, "negative": -1}


@pytest.mark.parametrize("problem", TYPES.values(), ids=TYPES)
def test_check_is_true(problem: ProblemType):
    for solved in draws(problem, 20, seed=11):
        sentence = problem.sanity(solved.namespace)
        kinds = [check_scaling(solved, sentence), check_signs(solved, sentence), check_field_lines(solved, sentence)]
        claim = CLAIMS.get(problem.name)
        assert claim is None or claim(solved.namespace, solved.answer, solved), f"{problem.name}: {sentence} {solved.namespace}"
        assert claim or any(kinds), f'{problem.name}: nothing verifies "{sentence}"'


def check_scaling(solved: Solved, sentence: str) -> bool:
    found = SCALING.fullmatch(sentence)
    if not found:
        return False
    factor, symbol, ratio, result = found.groups()
    assert result == solved.type.steps[-1].symbol
    assert rescaled(solved, symbol, FACTORS[factor]) / solved.answer == pytest.approx(FACTORS[ratio], rel=2e-3), sentence
    return True


def check_signs(solved: Solved, sentence: str) -> bool:
    """Every `X is positive` is so; charges called like or opposite are; the result's sign is the one that is said."""
    v = vars(solved.namespace)
    found = [(symbol, word) for symbol, word in SIGN.findall(sentence) if symbol in v]
    for symbol, word in found:
        assert (v[symbol] > 0) == (word == "positive"), f"{solved.type.name}: {sentence}"
    charges = [v[symbol] for symbol, _ in found[:2]]
    if "like charges" in sentence or "opposite charges" in sentence:
        assert len(charges) == 2 and (charges[0] * charges[1] > 0) == ("like" in sentence), f"{solved.type.name}: {sentence}"
    return bool(found)


def check_field_lines(solved: Solved, sentence: str) -> bool:
    """Gauss's law: field and flux point away from positive charge; a density has the sign of its charge."""
    said = [sign for words, sign in SIGNED_WORDS.items() if re.search(rf"\b{words}\b", sentence)]
    if solved.type.family != "gauss" or not said:
        return False
    v = vars(solved.namespace)
    source = sum(v[s] for s in ("q", "Q", "rho", "sigma", "lambda", "q1", "q2", "q3", "Phi") if s in solved.values)
    assert all(sign == np.sign(source) for sign in said), f"{solved.type.name}: {sentence} {solved.namespace}"
    return True


@pytest.mark.parametrize("problem", TYPES.values(), ids=TYPES)
def test_the_law_is_what_the_calculator_computes(problem: ProblemType):
    """Putting the values into the law, sign and all, gives the expression: so what is learned is to look values up."""
    result, _, law = problem.law.partition(" = ")
    assert result == problem.steps[-1].symbol
    if problem.name == "gauss_shell_inside":  # the law says why: q_enc = 0
        return
    symbols = {*(g.symbol for g in problem.givens), *CONSTANT_VALUES, *(step.symbol for step in problem.steps[:-1])}
    law = re.sub(r"\|(\w+)\|", r"{\1.abs}", law)
    law = re.sub(r"(?<![\w{.])[A-Za-z]\w*(?!\w*[(}.])", lambda m: "{" + m[0] + "}" if m[0] in symbols else m[0], law)
    assert law == problem.steps[-1].expression

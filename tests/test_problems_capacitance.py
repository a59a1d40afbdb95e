"""Capacitors against field integrals, charge balance on nodes, least energy and virtual work."""

from __future__ import annotations

import numpy as np
import pytest
import sympy
from problem_checks import answers
from scipy.integrate import quad
from scipy.optimize import minimize_scalar

from mlxtutor.problems.capacitance import TYPES

BY_NAME = {problem.name.removeprefix("capacitance_"): problem for problem in TYPES}
EPS0 = 8.8541878128e-12  # F/m, CODATA


def nodal(edges, inject):
    """Potentials of nodes 1..n over node 0. edges: (i, j, capacitance or conductance), inject: node -> charge or current."""
    n = max(max(i, j) for i, j, _ in edges)
    matrix, source = np.zeros((n + 1, n + 1)), np.zeros(n + 1)
    for i, j, y in edges:
        matrix[[i, j, i, j], [i, j, j, i]] += [y, y, -y, -y]
    for node, amount in inject.items():
        source[node] += amount
    return np.concatenate([[0.0], np.linalg.solve(matrix[1:, 1:], source[1:])])


def equivalent(*edges):
    """What one capacitor between nodes 1 and 0 must have to take the same charge."""
    return 1 / nodal(edges, {1: 1.0})[1]


def from_field(field, start, end):
    """Capacitance of conductors whose field for one coulomb is `field(position)`."""
    return 1 / quad(field, start, end, epsrel=1e-10)[0]


def plates(area, gap, kappa=1.0):
    return from_field(lambda x: 1 / (EPS0 * kappa * area), 0, gap)


def layered(v):
    return 1 / (1 / plates(v.A, v.d1, v.kappa1) + quad(lambda x: 1 / (EPS0 * v.kappa2 * v.A), v.d1, v.d1 + v.d2)[0])


def side_by_side(v):
    """Charge at one volt: the density eps0*kappa/d summed over both halves of the plate."""
    return quad(lambda area: EPS0 / v.d * (v.kappa1 if area < v.A / 2 else v.kappa2), 0, v.A, points=[v.A / 2])[0]


def from_definition(unknown):
    """The root of Q = C*V for one of the three."""
    def value(v):
        symbols = dict(zip("QCV", sympy.symbols("Q C V", positive=True)))
        known = {symbols[name]: getattr(v, name) for name in "QCV" if name != unknown}
        return float(sympy.solve((symbols["Q"] - symbols["C"] * symbols["V"]).subs(known), symbols[unknown])[0])

    return value


def field_between(v):
    """Slope of the potential that solves Laplace's equation between the plates, by finite differences."""
    n = 9
    laplace = np.diag(np.full(n, -2.0)) + np.diag(np.ones(n - 1), 1) + np.diag(np.ones(n - 1), -1)
    border = np.zeros(n)
    border[-1] = -v.V
    return np.linalg.solve(laplace, border)[0] / (v.d / (n + 1))


def work_of_charging(charge, capacitance):
    return quad(lambda q: q / capacitance, 0, charge)[0]


def density(v, gap=1e-3):
    """Energy per volume of a plate capacitor of 1 m^2 at the given field."""
    field = v.E if hasattr(v, "E") else v.V / v.d
    capacitance = plates(1.0, gap)
    return work_of_charging(capacitance * field * gap, capacitance) / gap


def series_pair(v):
    """Charge and voltages of C1 (node 1 to 2) and C2 (node 2 to 0), found with one coulomb and scaled to V."""
    potential = nodal([(1, 2, v.C1), (2, 0, v.C2)], {1: 1.0})
    return v.V / potential[1], v.V * (potential[1] - potential[2]) / potential[1]


def settled(v, sign):
    """Voltage at the charge on C1 for which the energy of the joined pair is least; sign: of the second charge."""
    total = v.C1 * v.V1 + sign * v.C2 * v.V2
    energy = minimize_scalar(lambda share: share**2 / v.C1 + (1 - share)**2 / v.C2, bounds=(0, 1), method="bounded",
                             options={"xatol": 1e-12})
    return abs(total * max(energy.x / v.C1, (1 - energy.x) / v.C2))


def pull(v, gap=1e-3):
    """Virtual work: how much the energy at fixed charge grows per meter of gap."""
    step = 1e-6
    return (work_of_charging(v.Q, plates(v.A, gap + step)) - work_of_charging(v.Q, plates(v.A, gap - step))) / (2 * step)


REFERENCES = {
    "charge": from_definition("Q"), "capacitance": from_definition("C"), "voltage": from_definition("V"),
    "plate": lambda v: plates(v.A, v.d),
    "plate_area": lambda v: v.C / plates(1.0, v.d),
    "plate_separation": lambda v: plates(v.A, 1.0) / v.C,
    "plate_dielectric": lambda v: plates(v.A, v.d, v.kappa),
    "plate_field": field_between,
    "plate_charge": lambda v: v.V * plates(v.A, v.d),
    "plate_force": pull,
    "dielectric_layers": layered, "dielectric_side_by_side": side_by_side,
    "sphere_isolated": lambda v: 1 / quad(lambda r: 1 / (4 * np.pi * EPS0 * r**2), v.R, np.inf)[0],
    "spherical": lambda v: from_field(lambda r: 1 / (4 * np.pi * EPS0 * r**2), v.a, v.b),
    "cylindrical": lambda v: from_field(lambda r: 1 / (2 * np.pi * EPS0 * r * v.L), v.a, v.b),
    "energy_CV": lambda v: quad(lambda u: v.C * u, 0, v.V)[0],
    "energy_QC": lambda v: work_of_charging(v.Q, v.C),
    "energy_QV": lambda v: work_of_charging(v.Q, v.Q / v.V),
    "energy_density_field": density, "energy_density_plates": density,
    "series_two": lambda v: equivalent((1, 2, v.C1), (2, 0, v.C2)),
    "series_three": lambda v: equivalent((1, 2, v.C1), (2, 3, v.C2), (3, 0, v.C3)),
    "parallel_two": lambda v: equivalent((1, 0, v.C1), (1, 0, v.C2)),
    "parallel_three": lambda v: equivalent((1, 0, v.C1), (1, 0, v.C2), (1, 0, v.C3)),
    "mixed_series_parallel": lambda v: equivalent((1, 2, v.C1), (2, 0, v.C2), (2, 0, v.C3)),
    "mixed_parallel_series": lambda v: equivalent((1, 0, v.C1), (1, 2, v.C2), (2, 0, v.C3)),
    "series_charge": lambda v: series_pair(v)[0], "series_voltage": lambda v: series_pair(v)[1],
    "reconnect_like": lambda v: settled(v, 1), "reconnect_opposite": lambda v: settled(v, -1),
    "dielectric_disconnected": lambda v: v.V0 * plates(1.0, 1e-3) / plates(1.0, 1e-3, v.kappa),
    "dielectric_connected": lambda v: v.V * v.C * plates(1.0, 1e-3, v.kappa) / plates(1.0, 1e-3),
}


def test_every_type_has_a_reference():
    assert set(REFERENCES) == set(BY_NAME)


@pytest.mark.parametrize("name", BY_NAME)
def test_answer(name):
    for v, answer in answers(BY_NAME[name], n=8):
        assert answer == pytest.approx(float(REFERENCES[name](v)), rel=1.2e-3), v


def test_energy_is_lost_when_charged_capacitors_are_joined():
    for name in ("reconnect_like", "reconnect_opposite"):
        for v, answer in answers(BY_NAME[name], n=20):
            before = v.C1 * v.V1**2 / 2 + v.C2 * v.V2**2 / 2
            assert (v.C1 + v.C2) * answer**2 / 2 <= before * 1.001

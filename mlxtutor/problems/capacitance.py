"""Capacitors: charge, geometry, dielectrics, combinations, energy. Source: OpenStax, University Physics 2, chapter 8."""

from __future__ import annotations

from types import SimpleNamespace

from mlxtutor.problems.draws import comparable, family, reciprocals
from mlxtutor.problems.types import Given, ProblemType

C = Given("C", "capacitance", 1e-12, 5e-2)
PAIR, TRIPLE = ("C1", "C2"), ("C1", "C2", "C3")
PARTS = tuple(Given(f"C{i}", "capacitance", 1e-12, 5e-3) for i in (1, 2, 3))
V = Given("V", "voltage", .05, 2e4)
Q = Given("Q", "charge", 1e-12, .1)
A = Given("A", "area", 1e-5, 2)
D = Given("d", "short", 1e-6, .02)
KAPPA = Given("kappa", "number", 1.3, 12)
HALVES = (Given("kappa1", "number", 1.3, 12), Given("kappa2", "number", 1.3, 12))
INNER, OUTER = Given("a", "length", 1e-4, .9), Given("b", "length", 2e-4, 1)


def typical_plates(v: SimpleNamespace) -> bool:
    """Plates wider than their gap, with a capacitance found in books."""
    return 9 * v.d**2 < v.A and 1e-13 < v.C < 1e-4


def typical_field(v: SimpleNamespace) -> bool:
    return 1e2 < v.V / v.d < 1e8


parts_comparable = comparable("C")
_type = family("capacitance")


BASIC = (
    _type("charge", (C, V), "Q = C*V", "{C}*{V}", "C", "[C]*[V]", "twice V would give twice Q.", lambda v: v.Q < 5),
    _type("capacitance", (Q, V), "C = Q/V", "{Q}/{V}", "F", "[Q]/[V]", "twice Q would give twice C.",
          lambda v: 1e-13 < v.C < .1),
    _type("voltage", (Q, C), "V = Q/C", "{Q}/{C}", "V", "[Q]/[C]", "twice Q would give twice V.",
          lambda v: .01 < v.V < 1e5),
    _type("plate", (A, D), "C = eps0*A/d", "{eps0}*{A}/{d}", "F", "[eps0]*[A]/[d]", "half of d would give twice C.",
          typical_plates),
    _type("plate_area", (Given("C", "capacitance", 1e-12, 1e-6), D), "A = C*d/eps0", "{C}*{d}/{eps0}", "m^2",
          "[C]*[d]/([eps0])", "half of d would give half of A.",
          lambda v: 9 * v.d**2 < v.A and 1e-5 < v.A < 500),
    _type("plate_separation", (Given("C", "capacitance", 1e-12, 1e-6), A), "d = eps0*A/C", "{eps0}*{A}/{C}", "m",
          "[eps0]*[A]/[C]", "twice A would give twice d.",
          lambda v: 1e-7 < v.d < .02 and 9 * v.d**2 < v.A),
    _type("plate_dielectric", (A, D, KAPPA), "C = kappa*eps0*A/d", "{kappa}*{eps0}*{A}/{d}", "F", "[eps0]*[A]/[d]",
          "without the dielectric C would be kappa times smaller.", typical_plates),
    _type("plate_field", (V, D), "E = V/d", "{V}/{d}", "V/m", "[V]/[d]", "half of d would give twice E.", typical_field),
    _type("plate_charge", (A, D, V), "Q = eps0*A*V/d", "{eps0}*{A}*{V}/{d}", "C", "[eps0]*[A]*[V]/[d]",
          "half of d would give twice Q.", lambda v: typical_field(v) and 9 * v.d**2 < v.A),
    _type("plate_force", (Given("Q", "charge", 1e-10, 1e-4), A), "F = Q^2/(2*eps0*A)", "{Q}^2/(2*{eps0}*{A})", "N",
          "[Q]^2/([eps0]*[A])", "twice Q would give four times F.",
          lambda v: 1e-7 < v.F < 1e4 and v.Q / v.A < 1e-3),
)

GEOMETRY = (
    _type("dielectric_layers", (A, Given("d1", "short", 1e-5, .01), HALVES[0], Given("d2", "short", 1e-5, .01), HALVES[1]),
          "C = eps0*A/(d1/kappa1+d2/kappa2)", "{eps0}*{A}/({d1}/{kappa1}+{d2}/{kappa2})", "F", "[eps0]*[A]/[d1]",
          "below what either layer alone would give.", lambda v: 9 * (v.d1 + v.d2)**2 < v.A and .05 < v.d1 / v.d2 < 20),
    _type("dielectric_side_by_side", (A, D, *HALVES), "C = eps0*A*(kappa1+kappa2)/(2*d)",
          "{eps0}*{A}*({kappa1}+{kappa2})/(2*{d})", "F", "[eps0]*[A]/[d]", "the halves add up, as in parallel.", typical_plates),
    _type("sphere_isolated", (Given("R", "length", 1e-3, 20),), "C = 4*pi*eps0*R", "4*pi*{eps0}*{R}", "F",
          "[eps0]*[R]", "twice R would give twice C."),
    _type("spherical", (INNER, OUTER), "C = 4*pi*eps0*a*b/abs(b-a)", "4*pi*{eps0}*{a}*{b}/abs({b}-{a})", "F",
          "[eps0]*[a]*[b]/[b]", "more than the inner sphere would have alone.", lambda v: 1.05 < v.b / v.a < 10 and v.a > 2e-3),
    _type("cylindrical", (Given("a", "short", 5e-5, .03), Given("b", "short", 1e-4, .09), Given("L", "length", .02, 20)),
          "C = 2*pi*eps0*L/abs(ln(b/a))", "2*pi*{eps0}*{L}/abs(ln({b}/{a}))", "F", "[eps0]*[L]", "twice L would give twice C.",
          lambda v: 1.1 < v.b / v.a < 12 and 3 * v.b < v.L),
)

ENERGY = (
    _type("energy_CV", (C, V), "U = C*V^2/2", "{C}*{V}^2/2", "J", "[C]*[V]^2", "twice V would give four times U.",
          lambda v: v.U < 1e5),
    _type("energy_QC", (Q, C), "U = Q^2/(2*C)", "{Q}^2/(2*{C})", "J", "[Q]^2/[C]", "twice Q would give four times U.",
          lambda v: .01 < v.Q / v.C < 1e5),
    _type("energy_QV", (Q, V), "U = Q*V/2", "{Q}*{V}/2", "J", "[Q]*[V]", "twice V would give twice U.", lambda v: v.U < 1e4),
    _type("energy_density_field", (Given("E", "field", 100, 5e7),), "u = eps0*E^2/2", "{eps0}*{E}^2/2", "J/m^3",
          "[eps0]*[E]^2", "twice E would give four times u."),
    _type("energy_density_plates", (V, D), "u = eps0*(V/d)^2/2", "{eps0}*({V}/{d})^2/2", "J/m^3",
          "[eps0]*([V]/[d])^2", "half of d would give four times u.", typical_field),
)


def charged_pair(v: SimpleNamespace) -> bool:
    q1, q2 = v.C1 * v.V1, v.C2 * v.V2
    return parts_comparable(v) and abs(q1 - q2) > .05 * max(q1, q2) and abs(v.V1 - v.V2) > .05 * v.V1 and max(q1, q2) < 10


PAIR_VOLTAGES = (PARTS[0], Given("V1", "voltage", 1, 2000), PARTS[1], Given("V2", "voltage", 1, 2000))
COMBINATIONS = (
    _type("series_two", PARTS[:2], "C = 1/(1/C1+1/C2)", f"1/({reciprocals('C', 2)})", "F", "1/(1/[C1])",
          "below the smaller of the two, as in series.", parts_comparable, alike=PAIR),
    _type("series_three", PARTS, "C = 1/(1/C1+1/C2+1/C3)", f"1/({reciprocals('C', 3)})", "F", "1/(1/[C1])",
          "below the smallest of the three, as in series.", parts_comparable, alike=TRIPLE),
    _type("parallel_two", PARTS[:2], "C = C1+C2", "{C1}+{C2}", "F", "[C1]", "above the larger of the two, as in parallel.",
          parts_comparable, alike=PAIR),
    _type("parallel_three", PARTS, "C = C1+C2+C3", "{C1}+{C2}+{C3}", "F", "[C1]",
          "above the largest of the three, as in parallel.", parts_comparable, alike=TRIPLE),
    _type("mixed_series_parallel", PARTS, "C = 1/(1/C1+1/(C2+C3))", "1/(1/{C1}+1/({C2}+{C3}))", "F", "1/(1/[C1])",
          "below C1 and below C2+C3, which are in series.",
          parts_comparable, alike=("C2", "C3")),
    _type("mixed_parallel_series", PARTS, "C = C1+1/(1/C2+1/C3)", "{C1}+1/(1/{C2}+1/{C3})", "F", "[C1]",
          "above C1, since the other branch adds to it.", parts_comparable, alike=("C2", "C3")),
    _type("series_charge", (*PARTS[:2], V), "Q = V/(1/C1+1/C2)", f"{{V}}/({reciprocals('C', 2)})", "C", "[V]/(1/[C1])",
          "both hold the same charge, less than either alone would.", lambda v: parts_comparable(v) and v.Q < 1, alike=PAIR),
    _type("series_voltage", (*PARTS[:2], V), "V1 = V*C2/(C1+C2)", "{V}*{C2}/({C1}+{C2})", "V", "[V]*[C2]/[C1]",
          "the smaller capacitance takes the larger voltage.", parts_comparable),
    _type("reconnect_like", PAIR_VOLTAGES, "V = (C1*V1+C2*V2)/(C1+C2)", "({C1}*{V1}+{C2}*{V2})/({C1}+{C2})", "V",
          "[C1]*[V1]/[C1]", "V lies between V1 and V2.", charged_pair),
    _type("reconnect_opposite", PAIR_VOLTAGES, "V = abs(C1*V1-C2*V2)/(C1+C2)",
          "abs({C1}*{V1}-{C2}*{V2})/({C1}+{C2})", "V", "[C1]*[V1]/[C1]",
          "the charges partly cancel, so V is below the higher voltage.", charged_pair),
    _type("dielectric_disconnected", (Given("V0", "voltage", 1, 2e4), KAPPA), "V = V0/kappa", "{V0}/{kappa}", "V",
          "[V0]", "the charge stays and C grows, so V falls."),
    _type("dielectric_connected", (C, V, KAPPA), "Q = kappa*C*V", "{kappa}*{C}*{V}", "C", "[C]*[V]",
          "the source holds V, so the charge grows with kappa.", lambda v: v.Q < 5),
)

TYPES: tuple[ProblemType, ...] = (*BASIC, *GEOMETRY, *ENERGY, *COMBINATIONS)

"""Capacitors: charge, geometry, dielectrics, combinations, energy. Source: OpenStax, University Physics 2, chapter 8."""

from __future__ import annotations

from collections.abc import Callable
from types import SimpleNamespace

from mlxtutor.problems.types import Given, ProblemType, Step

AIR_BREAKDOWN = 3e6  # V/m. Source: OpenStax, University Physics 2, table 8.1

C = Given("C", "capacitance", 1e-12, 5e-2)
PARTS = tuple(Given(f"C{i}", "capacitance", 1e-12, 5e-3) for i in (1, 2, 3))
V = Given("V", "voltage", .05, 2e4)
Q = Given("Q", "charge", 1e-12, .1)
A = Given("A", "area", 1e-5, 2)
D = Given("d", "short", 1e-6, .02)
KAPPA = Given("kappa", "number", 1.3, 12)
HALVES = (Given("kappa1", "number", 1.3, 12), Given("kappa2", "number", 1.3, 12))
INNER, OUTER = Given("a", "length", 1e-4, .9), Given("b", "length", 2e-4, 1)


def beside_one(factor: str, unit: str, whole: str, result: str, grows: bool = True) -> Callable[[SimpleNamespace], str]:
    """A check on the size: a factor above 1 makes the product larger, the quotient smaller, than the other number."""
    def check(v: SimpleNamespace) -> str:
        size = getattr(v, factor)
        if size == 1:
            return f"{factor} is just 1 {unit}, so {result} and {whole} are equal in number."
        order = "larger" if (size > 1) == grows else "smaller"
        return f"{factor} is {'above' if size > 1 else 'below'} 1 {unit}, so {result} is {order} than {whole} in number."

    return check


def extreme(v: SimpleNamespace, head: str, count: int, largest: bool) -> str:
    """The symbol of the largest or smallest of head1, head2, ...; `C1 and C2` where they tie."""
    parts = {f"{head}{i}": getattr(v, f"{head}{i}") for i in range(1, count + 1)}
    best = (max if largest else min)(parts.values())
    return " and ".join(name for name, x in parts.items() if x == best)


def beyond(head: str, count: int, above: bool, wiring: str) -> Callable[[SimpleNamespace], str]:
    """A check that the total of a chain lies beyond its largest or smallest part."""
    words = ("larger", "smaller") if count == 2 else ("largest", "smallest")
    side, which = ("above", words[0]) if above else ("below", words[1])

    def check(v: SimpleNamespace) -> str:
        parts = extreme(v, head, count, above)
        return f"{side} {parts}, as {wiring} must give." if " and " in parts else f"{side} {parts}, the {which}, as {wiring} must give."

    return check


def breakdown_check(v: SimpleNamespace) -> str:
    return ("the field is below the 3 MV/m at which air breaks down." if v.E < AIR_BREAKDOWN
            else "the field exceeds 3 MV/m, so air would break down.")


def gap_field_check(v: SimpleNamespace) -> str:
    if v.d == 1e-3:
        return "the gap is 1 mm, so E is 1000*V."
    side, size = ("below", "over") if v.d < 1e-3 else ("above", "under")
    return f"the gap is {side} 1 mm, so E is {size} 1000*V."


def gap_check(v: SimpleNamespace) -> str:
    """What the gap means for the capacitance of the plates."""
    return ("a gap below 1 mm makes C large for the area." if v.d < 1e-3
            else "a gap of 1 mm or more keeps C small for the area.")


def layers_check(v: SimpleNamespace) -> str:
    if v.d1 > v.d2 and v.kappa1 < v.kappa2:
        return "layer 1 is thicker and has less kappa, so it limits C."
    if v.d2 > v.d1 and v.kappa2 < v.kappa1:
        return "layer 2 is thicker and has less kappa, so it limits C."
    return "below what either layer alone would give, as in series."


def halves_check(v: SimpleNamespace) -> str:
    if v.kappa1 == v.kappa2:
        return "equal halves, so it acts like one filled capacitor."
    return f"the half with kappa{1 if v.kappa1 > v.kappa2 else 2} holds more of the charge."


def sphere_gap_check(v: SimpleNamespace) -> str:
    return ("the gap is thin, so it acts nearly like flat plates." if v.b - v.a < .2 * v.a
            else "more than the inner sphere would have alone.")


def coaxial_check(v: SimpleNamespace) -> str:
    return ("b is close to a, which makes C large." if v.b < 1.5 * v.a
            else "the radii count only through the logarithm of b/a.")


def shared_voltage_check(v: SimpleNamespace) -> str:
    if v.C1 == v.C2:
        return "equal capacitors share the voltage equally."
    small, share = (1, "more") if v.C1 < v.C2 else (2, "less")
    return f"C{small} is smaller and takes more voltage, so V1 is {share} than V/2."


def same_charge_check(v: SimpleNamespace) -> str:
    return f"both hold the same charge, less than {extreme(v, 'C', 2, False).split()[0]} alone would."


def like_check(v: SimpleNamespace) -> str:
    if v.C1 == v.C2:
        return "equal capacitors, so V is midway between V1 and V2."
    return f"between V1 and V2, nearer V{1 if v.C1 > v.C2 else 2} because C{1 if v.C1 > v.C2 else 2} is larger."


def opposite_check(v: SimpleNamespace) -> str:
    return f"the charges partly cancel, so V is below V{1 if v.V1 > v.V2 else 2}, the higher voltage."


def lower_voltage_check(v: SimpleNamespace) -> str:
    fall = "to half or less" if v.kappa >= 2 else "but stays above half"
    return f"the charge stays and C grows, so V falls, {fall}."


def square_check(symbol: str) -> Callable[[SimpleNamespace], str]:
    return lambda v: f"the energy is positive and goes with the square of {symbol}."


def half_product_check(v: SimpleNamespace) -> str:
    """U = Q*V/2 beside Q."""
    if v.V == 2:
        return "V is 2 V, so U equals Q in number."
    return f"V is {'above' if v.V > 2 else 'below'} 2 V, so U is {'larger' if v.V > 2 else 'smaller'} than Q in number."


def series_of(count: int) -> str:
    return "+".join(f"1/{{C{i}}}" for i in range(1, count + 1))


def typical_plates(v: SimpleNamespace) -> bool:
    """Plates wider than their gap, with a capacitance found in books."""
    return 9 * v.d**2 < v.A and 1e-13 < v.C < 1e-4


def typical_field(v: SimpleNamespace) -> bool:
    return 1e2 < v.V / v.d < 1e8


def _type(name: str, givens: tuple[Given, ...], law: str, step: Step, units: str, check: Callable[[SimpleNamespace], str],
          accept: Callable[[SimpleNamespace], bool] | None = None) -> ProblemType:
    return ProblemType(name=f"capacitance_{name}", family="capacitance", givens=givens, law=law, steps=(step,), units=units,
                       check=check, accept=accept)


BASIC = (
    _type("charge", (C, V), "Q = C*V", Step("Q", "{C}*{V}", "C"), "[C]*[V]", beside_one("V", "V", "C", "Q"), lambda v: v.Q < 5),
    _type("capacitance", (Q, V), "C = Q/V", Step("C", "{Q}/{V}", "F"), "[Q]/[V]", beside_one("V", "V", "Q", "C", False),
          lambda v: 1e-13 < v.C < .1),
    _type("voltage", (Q, C), "V = Q/C", Step("V", "{Q}/{C}", "V"), "[Q]/[C]", beside_one("C", "F", "Q", "V", False),
          lambda v: .01 < v.V < 1e5),
    _type("plate", (A, D), "C = eps0*A/d", Step("C", "{eps0}*{A}/{d}", "F"), "[eps0]*[A]/[d]", gap_check,
          typical_plates),
    _type("plate_area", (Given("C", "capacitance", 1e-12, 1e-6), D), "A = C*d/eps0", Step("A", "{C}*{d}/{eps0}", "m^2"),
          "[C]*[d]/([eps0])", lambda v: ("a gap of 1 mm or more asks for a large area." if v.d >= 1e-3
                                         else "a gap below 1 mm lets a small area do."),
          lambda v: 9 * v.d**2 < v.A and 1e-5 < v.A < 500),
    _type("plate_separation", (Given("C", "capacitance", 1e-12, 1e-6), A), "d = eps0*A/C", Step("d", "{eps0}*{A}/{C}", "m"),
          "[eps0]*[A]/[C]", lambda v: ("C is 1 nF or more, so the gap must be thin." if v.C >= 1e-9
                                       else "C is below 1 nF, so the gap need not be thin."),
          lambda v: 1e-7 < v.d < .02 and 9 * v.d**2 < v.A),
    _type("plate_dielectric", (A, D, KAPPA), "C = kappa*eps0*A/d", Step("C", "{kappa}*{eps0}*{A}/{d}", "F"), "[eps0]*[A]/[d]",
          lambda v: ("the dielectric more than doubles the capacitance." if v.kappa > 2
                     else "the dielectric raises C, to twice the vacuum value at most."), typical_plates),
    _type("plate_field", (V, D), "E = V/d", Step("E", "{V}/{d}", "V/m"), "[V]/[d]", gap_field_check, typical_field),
    _type("plate_charge", (A, D, V), "Q = eps0*A*V/d", Step("Q", "{eps0}*{A}*{V}/{d}", "C"), "[eps0]*[A]*[V]/[d]",
          gap_check, lambda v: typical_field(v) and 9 * v.d**2 < v.A),
    _type("plate_force", (Given("Q", "charge", 1e-10, 1e-4), A), "F = Q^2/(2*eps0*A)", Step("F", "{Q}^2/(2*{eps0}*{A})", "N"),
          "[Q]^2/([eps0]*[A])", lambda v: "opposite charges attract; the gap between the plates does not matter.",
          lambda v: 1e-7 < v.F < 1e4 and v.Q / v.A < 1e-3),
)

GEOMETRY = (
    _type("dielectric_layers", (A, Given("d1", "short", 1e-5, .01), HALVES[0], Given("d2", "short", 1e-5, .01), HALVES[1]),
          "C = eps0*A/(d1/kappa1+d2/kappa2)", Step("C", "{eps0}*{A}/({d1}/{kappa1}+{d2}/{kappa2})", "F"), "[eps0]*[A]/[d1]",
          layers_check, lambda v: 9 * (v.d1 + v.d2)**2 < v.A and .05 < v.d1 / v.d2 < 20),
    _type("dielectric_side_by_side", (A, D, *HALVES), "C = eps0*A*(kappa1+kappa2)/(2*d)",
          Step("C", "{eps0}*{A}*({kappa1}+{kappa2})/(2*{d})", "F"), "[eps0]*[A]/[d]", halves_check, typical_plates),
    _type("sphere_isolated", (Given("R", "length", 1e-3, 20),), "C = 4*pi*eps0*R", Step("C", "4*pi*{eps0}*{R}", "F"),
          "[eps0]*[R]", lambda v: ("about 111 pF for each meter of radius." if v.R >= 1
                                 else "about 1.1 pF for each centimeter of radius.")),
    _type("spherical", (INNER, OUTER), "C = 4*pi*eps0*a*b/(b-a)", Step("C", "4*pi*{eps0}*{a}*{b}/({b}-{a})", "F"),
          "[eps0]*[a]*[b]/[b]", sphere_gap_check, lambda v: 1.05 < v.b / v.a < 10 and v.a > 2e-3),
    _type("cylindrical", (Given("a", "short", 5e-5, .03), Given("b", "short", 1e-4, .09), Given("L", "length", .02, 20)),
          "C = 2*pi*eps0*L/ln(b/a)", Step("C", "2*pi*{eps0}*{L}/ln({b}/{a})", "F"), "[eps0]*[L]", coaxial_check,
          lambda v: 1.1 < v.b / v.a < 12 and 3 * v.b < v.L),
)

ENERGY = (
    _type("energy_CV", (C, V), "U = C*V^2/2", Step("U", "{C}*{V}^2/2", "J"), "[C]*[V]^2", square_check("V"),
          lambda v: v.U < 1e5),
    _type("energy_QC", (Q, C), "U = Q^2/(2*C)", Step("U", "{Q}^2/(2*{C})", "J"), "[Q]^2/[C]", square_check("Q"),
          lambda v: .01 < v.Q / v.C < 1e5),
    _type("energy_QV", (Q, V), "U = Q*V/2", Step("U", "{Q}*{V}/2", "J"), "[Q]*[V]", half_product_check, lambda v: v.U < 1e4),
    _type("energy_density_field", (Given("E", "field", 100, 5e7),), "u = eps0*E^2/2", Step("u", "{eps0}*{E}^2/2", "J/m^3"),
          "[eps0]*[E]^2", breakdown_check),
    _type("energy_density_plates", (V, D), "u = eps0*(V/d)^2/2", Step("u", "{eps0}*({V}/{d})^2/2", "J/m^3"),
          "[eps0]*([V]/[d])^2", gap_field_check, typical_field),
)


def comparable(v: SimpleNamespace) -> bool:
    """Capacitors of one combination differ by less than a factor of a thousand."""
    sizes = [x for name, x in vars(v).items() if name in ("C1", "C2", "C3")]
    return max(sizes) < 1000 * min(sizes)


def charged_pair(v: SimpleNamespace) -> bool:
    q1, q2 = v.C1 * v.V1, v.C2 * v.V2
    return comparable(v) and abs(q1 - q2) > .05 * max(q1, q2) and abs(v.V1 - v.V2) > .05 * v.V1 and max(q1, q2) < 10


PAIR_VOLTAGES = (PARTS[0], Given("V1", "voltage", 1, 2000), PARTS[1], Given("V2", "voltage", 1, 2000))
COMBINATIONS = (
    _type("series_two", PARTS[:2], "C = 1/(1/C1+1/C2)", Step("C", f"1/({series_of(2)})", "F"), "1/(1/[C1])",
          beyond("C", 2, False, "a series chain"), comparable),
    _type("series_three", PARTS, "C = 1/(1/C1+1/C2+1/C3)", Step("C", f"1/({series_of(3)})", "F"), "1/(1/[C1])",
          beyond("C", 3, False, "a series chain"), comparable),
    _type("parallel_two", PARTS[:2], "C = C1+C2", Step("C", "{C1}+{C2}", "F"), "[C1]", beyond("C", 2, True, "a parallel bank"),
          comparable),
    _type("parallel_three", PARTS, "C = C1+C2+C3", Step("C", "{C1}+{C2}+{C3}", "F"), "[C1]",
          beyond("C", 3, True, "a parallel bank"), comparable),
    _type("mixed_series_parallel", PARTS, "C = 1/(1/C1+1/(C2+C3))", Step("C", "1/(1/{C1}+1/({C2}+{C3}))", "F"), "1/(1/[C1])",
          lambda v: ("below C1, which limits the chain." if v.C1 <= v.C2 + v.C3 else "below C2+C3, which limits the chain."),
          comparable),
    _type("mixed_parallel_series", PARTS, "C = C1+1/(1/C2+1/C3)", Step("C", "{C1}+1/(1/{C2}+1/{C3})", "F"), "[C1]",
          lambda v: f"above C1, by less than {'C2' if v.C2 <= v.C3 else 'C3'}, which limits its branch.", comparable),
    _type("series_charge", (*PARTS[:2], V), "Q = V/(1/C1+1/C2)", Step("Q", f"{{V}}/({series_of(2)})", "C"), "[V]/(1/[C1])",
          same_charge_check, lambda v: comparable(v) and v.Q < 1),
    _type("series_voltage", (*PARTS[:2], V), "V1 = V*C2/(C1+C2)", Step("V1", "{V}*{C2}/({C1}+{C2})", "V"), "[V]*[C2]/[C1]",
          shared_voltage_check, comparable),
    _type("reconnect_like", PAIR_VOLTAGES, "V = (C1*V1+C2*V2)/(C1+C2)", Step("V", "({C1}*{V1}+{C2}*{V2})/({C1}+{C2})", "V"),
          "[C1]*[V1]/[C1]", like_check, charged_pair),
    _type("reconnect_opposite", PAIR_VOLTAGES, "V = abs(C1*V1-C2*V2)/(C1+C2)",
          Step("V", "abs({C1}*{V1}-{C2}*{V2})/({C1}+{C2})", "V"), "[C1]*[V1]/[C1]", opposite_check, charged_pair),
    _type("dielectric_disconnected", (Given("V0", "voltage", 1, 2e4), KAPPA), "V = V0/kappa", Step("V", "{V0}/{kappa}", "V"),
          "[V0]", lower_voltage_check),
    _type("dielectric_connected", (C, V, KAPPA), "Q = kappa*C*V", Step("Q", "{kappa}*{C}*{V}", "C"), "[C]*[V]",
          lambda v: ("the source holds V, so the charge grows with kappa." if v.kappa < 2
                     else "at constant V the charge at least doubles."), lambda v: v.Q < 5),
)

TYPES: tuple[ProblemType, ...] = (*BASIC, *GEOMETRY, *ENERGY, *COMBINATIONS)

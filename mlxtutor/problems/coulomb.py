"""Coulomb's law in one and two dimensions. Source: OpenStax, University Physics 2, chapter 5."""

from __future__ import annotations

from collections.abc import Callable
from types import SimpleNamespace

from mlxtutor.problems.types import AXIS_ANGLE, Given, ProblemType, Step, axis_angle

Q1 = Given("q1", "charge", 1e-12, 1e-2, signed=True)
Q2 = Given("q2", "charge", 1e-12, 1e-2, signed=True)
R = Given("r", "length")
F = Given("F", "force", 1e-9, 90)
N = Given("n", "factor")
LAB_Q1 = Given("q1", "charge", 1e-9, 1e-4, signed=True)
LAB_Q2 = Given("q2", "charge", 1e-9, 1e-4, signed=True)
LAB_Q = Given("q", "charge", 1e-9, 1e-4, signed=True)
LAB_Q3 = Given("q3", "charge", 1e-9, 1e-4, signed=True)
A, B = Given("a", "length"), Given("b", "length")
M = Given("m", "mass", 1e-6, 1)

CHARGES = ((1e-12, "a picocoulomb"), (1e-9, "a nanocoulomb"), (1e-6, "a microcoulomb"), (1e-3, "a millicoulomb"))
LENGTHS = ((1e-3, "a millimeter"), (1e-2, "a centimeter"), (1.0, "a meter"))
FORCES = ((1e-9, "a nanonewton"), (1e-6, "a micronewton"), (1e-3, "a millinewton"), (1.0, "a newton"))
LIKE, OPPOSITE = "like charges, so they repel.", "opposite charges, so they attract."


def magnitude_check(symbol: str, scale: tuple[tuple[float, str], ...]) -> Callable[[SimpleNamespace], str]:
    """The sentence that places a result between two familiar amounts."""
    def check(v: SimpleNamespace) -> str:
        x = abs(getattr(v, symbol))
        above = [name for amount, name in scale if x >= amount]
        below = [name for amount, name in scale if x < amount]
        if not above:
            return f"{symbol} is less than {below[0]}."
        return f"{symbol} is between {above[-1]} and {below[0]}." if below else f"{symbol} is more than {above[-1]}."
    return check


def within(symbol: str, low: float, high: float) -> Callable[[SimpleNamespace], bool]:
    """Accepts draws whose result lies in a textbook's range (SI)."""
    return lambda v: low <= abs(getattr(v, symbol)) <= high


def like(v: SimpleNamespace) -> bool:
    return v.q1 * v.q2 > 0


def pair_direction(v: SimpleNamespace) -> str:
    """Like charges repel, opposite charges attract."""
    return "repulsive" if like(v) else "attractive"


def pair_check(v: SimpleNamespace) -> str:
    return LIKE if like(v) else OPPOSITE


def line_direction(v: SimpleNamespace) -> str:
    return "to the right" if v.F > 0 else "to the left"


def line_check(v: SimpleNamespace) -> str:
    return f"F is {'positive' if v.F > 0 else 'negative'}, so it points {line_direction(v)}."


def identical_check(v: SimpleNamespace) -> str:
    return f"both charges are {'positive' if v.q > 0 else 'negative'}, so they repel."


def medium_check(v: SimpleNamespace) -> str:
    return f"{'like charges repel' if like(v) else 'opposite charges attract'}, eps_r times weaker than in vacuum."


def gravity_check(v: SimpleNamespace) -> str:
    return f"a is {'larger' if v.a > 9.8 else 'smaller'} than g = 9.8 m/s^2."


def levitation_check(v: SimpleNamespace) -> str:
    return f"both {'positive' if v.q1 > 0 else 'negative'}: the repulsion carries the weight."


def null_check(v: SimpleNamespace) -> str:
    if v.q1 == v.q2:
        return "equal charges: the point lies halfway."
    return f"the point is nearer to {'q1' if abs(v.q1) < abs(v.q2) else 'q2'}, the smaller charge."


def electron_check(v: SimpleNamespace) -> str:
    return "negative charge: these are extra electrons." if v.Q < 0 else "positive charge: these electrons are missing."


def distance_factor_check(v: SimpleNamespace) -> str:
    return "farther apart, so the force is weaker." if v.n > 1 else "closer together, so the force is stronger."


def charge_factor_check(v: SimpleNamespace) -> str:
    return "more charge, so the force is stronger." if v.n > 1 else "less charge, so the force is weaker."


def _type(name: str, givens: tuple[Given, ...], law: str, expression: str, unit: str, units: str,
          check: Callable[[SimpleNamespace], str], before: tuple[Step, ...] = (), **options: object) -> ProblemType:
    """A type whose last step's symbol is the left side of the law."""
    step = Step(law.partition(" = ")[0], expression, unit)
    return ProblemType(f"coulomb_{name}", "coulomb", givens, law, (*before, step), units, check, **options)  # type: ignore[arg-type]


TYPES: tuple[ProblemType, ...] = (
    _type("pair_force", (Q1, Q2, R), "F = k*q1*q2/r^2", "{k}*{q1.abs}*{q2.abs}/{r}^2", "N", "[k]*[q1]*[q2]/[r]^2", pair_check,
          direction=pair_direction),
    _type("pair_distance", (F, LAB_Q1, LAB_Q2), "r = sqrt(k*q1*q2/F)", "sqrt({k}*{q1.abs}*{q2.abs}/{F})", "m",
          "([k]*[q1]*[q2]/[F])^0.5", magnitude_check("r", LENGTHS), accept=within("r", 1e-4, 90)),
    _type("pair_charge", (F, LAB_Q1, R), "q2 = F*r^2/(k*q1)", "{F}*{r}^2/({k}*{q1.abs})", "C",
          "[F]*[r]^2/([k]*[q1])", magnitude_check("q2", CHARGES), accept=within("q2", 1e-13, 1e-2)),
    _type("equal_charges", (F, R), "q = r*sqrt(F/k)", "{r}*sqrt({F}/{k})", "C", "[r]*([F]/([k]))^0.5",
          magnitude_check("q", CHARGES)),
    _type("identical_force", (Given("q", "charge", 1e-12, 1e-3, signed=True), R), "F = k*q^2/r^2", "{k}*{q.abs}^2/{r}^2", "N",
          "[k]*[q]^2/[r]^2", identical_check),
    _type("scale_distance", (F, N), "F2 = F/n^2", "{F}/{n}^2", "N", "[F]", distance_factor_check, accept=lambda v: v.n != 1),
    _type("scale_charge", (F, N), "F2 = n*F", "{n}*{F}", "N", "[F]", charge_factor_check, accept=lambda v: v.n != 1),
    _type("line_middle", (LAB_Q1, LAB_Q2, LAB_Q3, A, B), "F = k*q2*(q1/a^2 - q3/b^2)", "{k}*{q2}*({q1}/{a}^2-{q3}/{b}^2)", "N",
          "[k]*[q2]*[q1]/[a]^2", line_check, direction=line_direction, accept=within("F", 1e-9, 1e6)),
    _type("line_end", (LAB_Q1, LAB_Q2, LAB_Q3, A, B), "F = k*q3*(q1/(a+b)^2 + q2/b^2)", "{k}*{q3}*({q1}/({a}+{b})^2+{q2}/{b}^2)",
          "N", "[k]*[q3]*[q2]/[b]^2", line_check, direction=line_direction, accept=within("F", 1e-9, 1e6)),
    _type("right_angle", (LAB_Q, LAB_Q1, LAB_Q2, A, B), "F = k*q*sqrt((q1/a^2)^2 + (q2/b^2)^2)",
          "{k}*{q.abs}*sqrt(({q1.abs}/{a}^2)^2+({q2.abs}/{b}^2)^2)", "N", "[k]*[q]*[q1]/[a]^2",
          lambda v: "larger than either force, smaller than their sum.", direction=axis_angle, accept=within("F", 1e-9, 1e6),
          before=(AXIS_ANGLE,)),
    _type("equilateral", (LAB_Q, A), "F = sqrt(3)*k*q^2/a^2", "sqrt(3)*{k}*{q.abs}^2/{a}^2", "N", "[k]*[q]^2/[a]^2",
          lambda v: "F is less than twice the force of one pair.", accept=within("F", 1e-9, 1e6)),
    _type("square", (LAB_Q, A), "F = (sqrt(2) + 0.5)*k*q^2/a^2", "(sqrt(2)+0.5)*{k}*{q.abs}^2/{a}^2", "N", "[k]*[q]^2/[a]^2",
          lambda v: "F is less than twice a neighbor's push.", accept=within("F", 1e-9, 1e6)),
    _type("electron_count", (Given("Q", "charge", 1e-14, 1e-3, signed=True),), "N = Q/e", "{Q.abs}/{e}", "", "[Q]/[e]",
          electron_check),
    _type("charge_of_electrons", (Given("N", "many"),), "Q = N*e", "{N}*{e}", "C", "[e]", magnitude_check("Q", CHARGES),
          missing=()),
    _type("acceleration", (LAB_Q1, LAB_Q2, R, M), "a = k*q1*q2/(m*r^2)", "{k}*{q1.abs}*{q2.abs}/({m}*{r}^2)", "m/s^2",
          "[k]*[q1]*[q2]/([m]*[r]^2)", gravity_check, accept=within("a", 1e-4, 1e6)),
    _type("in_medium", (LAB_Q1, LAB_Q2, R, Given("eps_r", "permittivity")), "F = k*q1*q2/(eps_r*r^2)",
          "{k}*{q1.abs}*{q2.abs}/({eps_r}*{r}^2)", "N", "[k]*[q1]*[q2]/[r]^2", medium_check),
    _type("levitation", (LAB_Q1, LAB_Q2, M), "h = sqrt(k*q1*q2/(m*g))", "sqrt({k}*{q1.abs}*{q2.abs}/({m}*{g}))", "m",
          "([k]*[q1]*[q2]/([m]*[g]))^0.5", levitation_check, accept=lambda v: like(v) and 1e-3 < v.h < 20),
    _type("null_point", (LAB_Q1, LAB_Q2, Given("d", "length")), "x = d/(1 + sqrt(q2/q1))", "{d}/(1+sqrt({q2.abs}/{q1.abs}))", "m",
          "[d]", null_check, accept=lambda v: like(v) and .01 < v.q1 / v.q2 < 100),
    _type("hydrogen_like", (Given("Z", "count"), Given("r", "atomic", 1e-11, 1e-8)), "F = k*Z*e^2/r^2", "{k}*{Z}*{e}^2/{r}^2", "N",
          "[k]*[e]*[e]/[r]^2", magnitude_check("F", FORCES), missing=("r",)),
)

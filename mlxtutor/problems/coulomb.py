"""Coulomb's law in one and two dimensions. Source: OpenStax, University Physics 2, chapter 5."""

from __future__ import annotations

from types import SimpleNamespace

from mlxtutor.problems.draws import charge, family, length, similar, within
from mlxtutor.problems.sanity import by_sign, by_signs
from mlxtutor.problems.types import AXIS_ANGLE, Given, ProblemType, axis_angle

Q1 = charge("q1", 1e-12, 1e-2)
Q2 = charge("q2", 1e-12, 1e-2)
R = length("r", 1e-6, 2e3)
F = Given("F", "force", 1e-9, 90)
N = Given("n", "factor")
LAB_Q1 = charge("q1", 1e-9, 1e-4)
LAB_Q2 = charge("q2", 1e-9, 1e-4)
LAB_Q = charge("q", 1e-9, 1e-4)
LAB_Q3 = charge("q3", 1e-9, 1e-4)
A, B = length("a"), length("b")
M = Given("m", "mass", 1e-6, 1)

PAIR = ("q1", "q2")
PAIR_CHECK = by_signs("q1", "q2", "repel", "attract")


def like(v: SimpleNamespace) -> bool:
    return v.q1 * v.q2 > 0


def pair_direction(v: SimpleNamespace) -> str:
    """Like charges repel, opposite charges attract."""
    return "repulsive" if like(v) else "attractive"


def line_direction(v: SimpleNamespace) -> str:
    return "to the right" if v.F > 0 else "to the left"


def line_check(v: SimpleNamespace) -> str:
    return f"F is {'positive' if v.F > 0 else 'negative'}, so it points {line_direction(v)}."


def levitation_check(v: SimpleNamespace) -> str:
    return f"both {'positive' if v.q1 > 0 else 'negative'}: the repulsion carries the weight."


FORCE = within("F", 1e-9, 1e6)


def two_forces(v: SimpleNamespace, first: float, second: float) -> bool:
    """first, second: what each source adds to the force, in one unit. Neither drowns the other, and they don't nearly cancel."""
    return FORCE(v) and similar(first, second) and abs(first + second) > .03 * max(abs(first), abs(second))


_type = family("coulomb")


TYPES: tuple[ProblemType, ...] = (
    _type("pair_force", (Q1, Q2, R), "F = k*|q1|*|q2|/r^2", "{k}*{q1.abs}*{q2.abs}/{r}^2", "N", "[k]*[q1]*[q2]/[r]^2", PAIR_CHECK,
          direction=pair_direction, alike=PAIR, accept=FORCE),
    _type("pair_distance", (F, LAB_Q1, LAB_Q2), "r = sqrt(k*|q1|*|q2|/F)", "sqrt({k}*{q1.abs}*{q2.abs}/{F})", "m",
          "([k]*[q1]*[q2]/[F])^0.5", "four times F would give half of r.", accept=within("r", 1e-4, 90), alike=PAIR),
    _type("pair_charge", (F, LAB_Q1, R), "q2 = F*r^2/(k*|q1|)", "{F}*{r}^2/({k}*{q1.abs})", "C",
          "[F]*[r]^2/([k]*[q1])", "twice r would give four times q2.", accept=within("q2", 1e-13, 1e-2)),
    _type("equal_charges", (F, R), "q = r*sqrt(F/k)", "{r}*sqrt({F}/{k})", "C", "[r]*([F]/([k]))^0.5",
          "twice r would give twice q."),
    _type("identical_force", (charge("q", 1e-12, 1e-3), R), "F = k*|q|^2/r^2", "{k}*{q.abs}^2/{r}^2", "N",
          "[k]*[q]^2/[r]^2", by_sign("q", "both are positive and repel", "both are negative and repel"),
          accept=FORCE),
    _type("scale_distance", (F, N), "F2 = F/n^2", "{F}/{n}^2", "N", "[F]", "twice n would give a quarter of F2.",
          accept=lambda v: v.n != 1),
    _type("scale_charge", (F, N), "F2 = n*F", "{n}*{F}", "N", "[F]", "twice n would give twice F2.", accept=lambda v: v.n != 1),
    _type("line_middle", (LAB_Q1, LAB_Q2, LAB_Q3, A, B), "F = k*q2*(q1/a^2-q3/b^2)", "{k}*{q2}*({q1}/{a}^2-{q3}/{b}^2)", "N",
          "[k]*[q2]*[q1]/[a]^2", line_check, direction=line_direction,
          accept=lambda v: two_forces(v, v.q1 / v.a**2, -v.q3 / v.b**2)),
    _type("line_end", (LAB_Q1, LAB_Q2, LAB_Q3, A, B), "F = k*q3*(q1/(a+b)^2+q2/b^2)", "{k}*{q3}*({q1}/({a}+{b})^2+{q2}/{b}^2)",
          "N", "[k]*[q3]*[q2]/[b]^2", line_check, direction=line_direction,
          accept=lambda v: two_forces(v, v.q1 / (v.a + v.b)**2, v.q2 / v.b**2)),
    _type("right_angle", (LAB_Q, LAB_Q1, LAB_Q2, A, B), "F = k*|q|*sqrt((|q1|/a^2)^2+(|q2|/b^2)^2)",
          "{k}*{q.abs}*sqrt(({q1.abs}/{a}^2)^2+({q2.abs}/{b}^2)^2)", "N", "[k]*[q]*[q1]/[a]^2",
          "larger than either force, smaller than their sum.", direction=axis_angle,
          accept=lambda v: two_forces(v, abs(v.q1) / v.a**2, abs(v.q2) / v.b**2), before=(AXIS_ANGLE,)),
    _type("equilateral", (LAB_Q, A), "F = sqrt(3)*k*|q|^2/a^2", "sqrt(3)*{k}*{q.abs}^2/{a}^2", "N", "[k]*[q]^2/[a]^2",
          "F is less than twice the force of one pair.", accept=FORCE),
    _type("square", (LAB_Q, A), "F = (sqrt(2)+0.5)*k*|q|^2/a^2", "(sqrt(2)+0.5)*{k}*{q.abs}^2/{a}^2", "N", "[k]*[q]^2/[a]^2",
          "F is less than twice a neighbor's push.", accept=FORCE),
    _type("electron_count", (charge("Q", 1e-14, 1e-3),), "N = |Q|/e", "{Q.abs}/{e}", "", "[Q]/[e]",
          by_sign("Q", "electrons are missing", "these are extra electrons")),
    _type("charge_of_electrons", (Given("N", "many"),), "Q = N*e", "{N}*{e}", "C", "[e]", "twice N would give twice Q.",
          missing=()),
    _type("acceleration", (LAB_Q1, LAB_Q2, R, M), "a = k*|q1|*|q2|/(m*r^2)", "{k}*{q1.abs}*{q2.abs}/({m}*{r}^2)", "m/s^2",
          "[k]*[q1]*[q2]/([m]*[r]^2)", "twice m would give half of a.", alike=PAIR, accept=within("a", 1e-4, 1e6)),
    _type("in_medium", (LAB_Q1, LAB_Q2, R, Given("eps_r", "permittivity")), "F = k*|q1|*|q2|/(eps_r*r^2)",
          "{k}*{q1.abs}*{q2.abs}/({eps_r}*{r}^2)", "N", "[k]*[q1]*[q2]/[r]^2", PAIR_CHECK, alike=PAIR, accept=FORCE),
    _type("levitation", (LAB_Q1, LAB_Q2, M), "h = sqrt(k*|q1|*|q2|/(m*g))", "sqrt({k}*{q1.abs}*{q2.abs}/({m}*{g}))", "m",
          "([k]*[q1]*[q2]/([m]*[g]))^0.5", levitation_check, accept=lambda v: like(v) and 1e-3 < v.h < 20),
    _type("null_point", (LAB_Q1, LAB_Q2, Given("d", "length")), "x = d/(1+sqrt(|q2|/|q1|))", "{d}/(1+sqrt({q2.abs}/{q1.abs}))", "m",
          "[d]", "equal charges would put the point at d/2.", accept=lambda v: like(v) and .01 < v.q1 / v.q2 < 100),
    _type("hydrogen_like", (Given("Z", "count"), Given("r", "atomic", 1e-11, 1e-8)), "F = k*Z*e^2/r^2", "{k}*{Z}*{e}^2/{r}^2", "N",
          "[k]*[e]*[e]/[r]^2", "twice r would give a quarter of F.", missing=("r",)),
)

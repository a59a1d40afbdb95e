"""Electric fields of points, lines, rings, disks, sheets and dipoles. Source: OpenStax, University Physics 2, chapters 5 and 6."""

from __future__ import annotations

from types import SimpleNamespace

from mlxtutor.problems.draws import charge, family, length, similar
from mlxtutor.problems.sanity import Check, by_sign, by_signs
from mlxtutor.problems.types import Given, ProblemType

POINT = "far away it acts like a point charge."


Q, R, FIELD = charge(), length("r", 1e-3, 50.), Given("E", "field", 1., 1e7)
LAMBDA = Given("lambda", "line_density", signed=True)
SIGMA = Given("sigma", "surface_density", 1e-10, 1e-4, signed=True)
MOMENT, THETA = Given("p", "dipole"), Given("theta", "angle")


FORCE_SIDE = by_sign("q", "force and field point the same way", "force and field are opposite")
BETWEEN = by_signs("q1", "q2", "give opposite fields there", "give fields that add there")


def source(symbol: str, body: str) -> Check:
    """A positive source sends field lines out, a negative one takes them in."""
    return by_sign(symbol, f"the field points away from {body}", f"the field points toward {body}")


def point_direction(v: SimpleNamespace) -> str:
    return "away from the charge" if v.q > 0 else "toward the charge"


def line_direction(v: SimpleNamespace) -> str:
    return "to the right" if v.E > 0 else "to the left"


def textbook_field(v: SimpleNamespace) -> bool:
    return 1 < abs(v.E) < 1e9


def net_field(v: SimpleNamespace, left: float, right: float) -> bool:
    """left, right: distances in m from the two charges to the point; the fields there must not nearly cancel."""
    larger = 8.99e9 * max(abs(v.q1) / left ** 2, abs(v.q2) / right ** 2)
    return textbook_field(v) and abs(v.E) > .03 * larger


_type = family("field")


POINTS = (
    _type("point", (Q, R), "E = k*|q|/r^2", "{k}*{q.abs}/{r}^2", "N/C", "[k]*[q]/[r]^2",
          source("q", "the charge"), direction=point_direction, accept=textbook_field),
    _type("point_charge", (FIELD, R), "q = E*r^2/k", "{E}*{r}^2/{k}", "C", "[E]*[r]^2/([k])", "twice r would give four times q.",
          accept=lambda v: 1e-13 < v.q < 1e-3),
    _type("point_distance", (FIELD, Q), "r = sqrt(k*|q|/E)", "sqrt({k}*{q.abs}/{E})", "m", "([k]*[q]/[E])^0.5",
          "four times q would give twice r.",
          accept=lambda v: 1e-4 < v.r < 100),
    _type("force_on_charge", (charge(low=1e-14), FIELD), "F = |q|*E", "{q.abs}*{E}", "N", "[q]*[E]", FORCE_SIDE,
          accept=lambda v: 1e-10 < v.F < 1e3),
    _type("field_from_force", (Given("F", "force"), charge(low=1e-12)), "E = F/|q|", "{F}/{q.abs}", "N/C", "[F]/[q]", FORCE_SIDE,
          accept=textbook_field),
    _type("two_between", (charge("q1"), charge("q2"), length("d"), length("x")), "E = k*(q1/x^2-q2/(d-x)^2)",
          "{k}*({q1}/{x}^2-{q2}/({d}-{x})^2)", "N/C", "[k]*[q1]/[x]^2", BETWEEN, direction=line_direction,
          accept=lambda v: .1 * v.d < v.x < .9 * v.d and similar(v.q1, v.q2, factor=100) and net_field(v, v.x, v.d - v.x)),
    _type("midpoint", (charge("q1"), charge("q2"), length("d")), "E = k*(q1-q2)/(d/2)^2", "{k}*({q1}-{q2})/({d}/2)^2", "N/C",
          "[k]*[q1]/[d]^2", BETWEEN, direction=line_direction,
          accept=lambda v: similar(v.q1, v.q2, factor=100) and net_field(v, v.d / 2, v.d / 2)),
    _type("two_right_angle", (charge("q1"), charge("q2"), length("a"), length("b")), "E = k*sqrt((|q1|/a^2)^2+(|q2|/b^2)^2)",
          "{k}*sqrt(({q1.abs}/{a}^2)^2+({q2.abs}/{b}^2)^2)", "N/C", "[k]*[q1]/[a]^2", "larger than either field, smaller than their sum.",
          accept=lambda v: similar(v.q1 / v.a**2, v.q2 / v.b**2) and textbook_field(v)),
)
CONTINUA = (
    _type("infinite_line", (LAMBDA, R), "E = 2*k*|lambda|/r", "2*{k}*{lambda.abs}/{r}", "N/C", "[k]*[lambda]/[r]",
          source("lambda", "the line"), accept=textbook_field),
    _type("finite_line_bisector", (charge("Q"), length("L"), length("r")), "E = k*|Q|/(r*sqrt(r^2+(L/2)^2))",
          "{k}*{Q.abs}/({r}*sqrt({r}^2+({L}/2)^2))", "N/C", "[k]*[Q]/([r]*[L])", POINT,
          accept=lambda v: similar(v.L, v.r) and textbook_field(v)),
    _type("line_axis", (LAMBDA, length("L"), length("d")), "E = k*|lambda|*L/(d*(d+L))", "{k}*{lambda.abs}*{L}/({d}*({d}+{L}))",
          "N/C", "[k]*[lambda]*[L]/([d]*[d])", POINT, accept=lambda v: similar(v.L, v.d) and textbook_field(v)),
    _type("ring_axis", (charge("Q"), length("R"), length("x")), "E = k*|Q|*x/(x^2+R^2)^1.5", "{k}*{Q.abs}*{x}/({x}^2+{R}^2)^1.5",
          "N/C", "[k]*[Q]*[x]/([R]^2)^1.5", "at the center of the ring the field is zero.",
          accept=lambda v: similar(v.R, v.x) and textbook_field(v)),
    _type("disk_axis", (SIGMA, length("R"), length("x")), "E = |sigma|/(2*eps0)*(1-x/sqrt(x^2+R^2))",
          "{sigma.abs}/(2*{eps0})*(1-{x}/sqrt({x}^2+{R}^2))", "N/C", "[sigma]/([eps0])", "less than sigma/(2*eps0) of an infinite sheet.",
          accept=lambda v: similar(v.R, v.x) and v.x < 5 * v.R and textbook_field(v)),
    _type("arc_center", (LAMBDA, length("R"), THETA), "E = 2*k*|lambda|*sin(theta/2)/R", "2*{k}*{lambda.abs}*sin({theta}/2)/{R}", "N/C",
          "[k]*[lambda]/[R]", source("lambda", "the arc"), accept=textbook_field),
    _type("semicircle_center", (charge("Q"), length("R")), "E = 2*k*|Q|/(pi*R^2)", "2*{k}*{Q.abs}/(pi*{R}^2)", "N/C", "[k]*[Q]/[R]^2",
          "less than k*Q/R^2, since the sideways parts cancel.", accept=textbook_field),
    _type("sheet", (SIGMA,), "E = |sigma|/(2*eps0)", "{sigma.abs}/(2*{eps0})", "N/C", "[sigma]/([eps0])",
          source("sigma", "the sheet")),
    _type("two_sheets", (Given("sigma", "surface_density", 1e-10, 1e-4),), "E = sigma/eps0", "{sigma}/{eps0}", "N/C",
          "[sigma]/([eps0])", "outside the two sheets the fields cancel."),
)
DIPOLES = (
    _type("dipole_axis", (MOMENT, length("r")), "E = 2*k*p/r^3", "2*{k}*{p}/{r}^3", "N/C", "[k]*[p]/[r]^3",
          "twice the field beside the dipole at the same distance.", accept=lambda v: .01 < v.E < 1e7),
    _type("dipole_equator", (Given("p", "dipole", 1e-30, 9.9e-28), Given("r", "atomic", 1e-10)), "E = k*p/r^3",
          "{k}*{p}/{r}^3", "N/C", "[k]*[p]/[r]^3",
          "half the field on the axis at the same distance.", accept=lambda v: 1 < v.E < 1e11),
    _type("dipole_moment", (Given("q", "charge", 1e-14, 1e-4), Given("d", "short")), "p = q*d", "{q}*{d}", "C*m", "[q]*[d]",
          "p points from the negative charge to the positive one."),
    _type("dipole_torque", (MOMENT, FIELD, THETA), "tau = p*E*sin(theta)", "{p}*{E}*sin({theta})", "N*m", "[p]*[E]",
          "at 90 degrees tau would be p*E, its maximum."),
    _type("dipole_energy", (MOMENT, FIELD, THETA), "U = -p*E*cos(theta)", "-{p}*{E}*cos({theta})", "J", "[p]*[E]",
          "theta is below 90 degrees, so the energy is negative."),
)
MOTION = (
    _type("acceleration", (charge(low=1e-14, high=1e-4), FIELD, Given("m", "mass", 1e-12, .1)), "a = |q|*E/m", "{q.abs}*{E}/{m}", "m/s^2",
          "[q]*[E]/[m]", by_sign("q", "it accelerates with the field", "it accelerates against the field"),
          accept=lambda v: 1e-3 < v.a < 1e7),
    _type("oil_drop", (Given("m", "mass", 1e-16, 1e-3), Given("E", "field", 1e2, 2e6)), "q = m*g/E", "{m}*{g}/{E}", "C",
          "[m]*[g]/[E]", "twice E would give half of q.", accept=lambda v: 3.2e-19 < v.q < 1e-6),
    _type("two_lines", (Given("lambda1", "line_density", signed=True), Given("lambda2", "line_density", signed=True), length("d")),
          "f = 2*k*|lambda1|*|lambda2|/d", "2*{k}*{lambda1.abs}*{lambda2.abs}/{d}", "N/m", "[k]*[lambda1]*[lambda2]/[d]",
          by_signs("lambda1", "lambda2", "repel", "attract"),
          accept=lambda v: 1e-8 < v.f < 1e4),
)
TYPES: tuple[ProblemType, ...] = POINTS + CONTINUA + DIPOLES + MOTION

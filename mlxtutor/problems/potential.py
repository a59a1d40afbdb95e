"""Electric potential, work and energy of charges. Source: OpenStax, University Physics 2, chapter 7."""

from __future__ import annotations

from collections.abc import Callable
from types import SimpleNamespace

from mlxtutor.problems.draws import charge, family, length, similar
from mlxtutor.problems.sanity import Check, by_sign, by_signs
from mlxtutor.problems.types import Given, ProblemType

SUM = by_signs("q1", "q2", "give potentials that add", "give potentials that partly cancel")
LIGHT = "below the speed of light, 3e8 m/s."


def source_sign(symbol: str, result: str = "V") -> Check:
    """A potential has the sign of its charge when it is zero far away."""
    return by_sign(symbol, f"{result} is positive", f"{result} is negative")


def textbook_potential(v: SimpleNamespace) -> bool:
    return 1e-2 < abs(v.V) < 1e8


def two_sources(v: SimpleNamespace, first: float, second: float) -> bool:
    """first, second: distances in m of the two charges; their potentials must not nearly cancel."""
    larger = 8.99e9 * max(abs(v.q1) / first, abs(v.q2) / second)
    return textbook_potential(v) and abs(v.V) > .03 * larger and similar(v.q1, v.q2, factor=100)


def textbook_energy(result: str) -> Callable[[SimpleNamespace], bool]:
    return lambda v: 1e-12 < abs(vars(v)[result]) < 1e5


_type = family("potential")


VOLTAGE = Given("V", "voltage", .1, 1e6)
SIGNED_VOLTAGE = Given("V", "voltage", 1e-2, 1e6, signed=True)
POINTS = (
    _type("point", (charge(), length("r", 1e-3, 50.)), "V = k*q/r", "{k}*{q}/{r}", "V", "[k]*[q]/[r]", source_sign("q"),
          accept=textbook_potential),
    _type("point_distance", (SIGNED_VOLTAGE, charge()), "r = k*q/V", "{k}*{q}/{V}", "m", "[k]*[q]/[V]",
          "V and q have the same sign, as they must.",
          accept=lambda v: v.q * v.V > 0 and 1e-4 < v.r < 200),
    _type("point_charge", (SIGNED_VOLTAGE, length("r", 1e-3, 50.)), "q = V*r/k", "{V}*{r}/{k}", "C", "[V]*[r]/([k])",
          source_sign("V", "q"), accept=lambda v: 1e-14 < abs(v.q) < 1e-3),
    _type("two_charges", (charge("q1"), length("r1"), charge("q2"), length("r2")), "V = k*(q1/r1+q2/r2)",
          "{k}*({q1}/{r1}+{q2}/{r2})", "V", "[k]*[q1]/[r1]", SUM,
          accept=lambda v: similar(v.r1, v.r2) and two_sources(v, v.r1, v.r2)),
    _type("midpoint", (charge("q1"), charge("q2"), length("d")), "V = k*(q1+q2)/(d/2)", "{k}*({q1}+{q2})/({d}/2)", "V",
          "[k]*[q1]/[d]", SUM, alike=("q1", "q2"), accept=lambda v: two_sources(v, v.d / 2, v.d / 2)),
    _type("square_center", (charge(), length("a")), "V = 4*k*q/(a/sqrt(2))", "4*{k}*{q}/({a}/sqrt(2))", "V", "[k]*[q]/[a]",
          source_sign("q"), accept=textbook_potential),
    _type("difference_point", (charge(), length("r_a"), length("r_b")), "V_ab = k*q*(1/r_a-1/r_b)",
          "{k}*{q}*(1/{r_a}-1/{r_b})", "V", "[k]*[q]/[r_a]", by_sign("V_ab", "A is at the higher potential", "A is at the lower potential"),
          accept=lambda v: similar(v.r_a, v.r_b) and not similar(v.r_a, v.r_b, factor=1.05) and 1e-2 < abs(v.V_ab) < 1e8),
    _type("dipole", (Given("p", "dipole", 1e-30, 9.9e-28), Given("r", "atomic", 1e-10), Given("theta", "angle")),
          "V = k*p*cos(theta)/r^2", "{k}*{p}*cos({theta})/{r}^2", "V", "[k]*[p]/[r]^2", "at 90 degrees V would be zero.",
          accept=lambda v: 1e-7 < v.V < 100),
)
BODIES = (
    _type("ring_axis", (charge("Q"), length("R"), length("x")), "V = k*Q/sqrt(x^2+R^2)", "{k}*{Q}/sqrt({x}^2+{R}^2)", "V",
          "[k]*[Q]/[R]", "at the center of the ring it would be k*Q/R.", accept=lambda v: similar(v.R, v.x) and textbook_potential(v)),
    _type("disk_axis", (Given("sigma", "surface_density", 1e-10, 1e-4, signed=True), length("R"), length("x")),
          "V = sigma/(2*eps0)*(sqrt(x^2+R^2)-x)", "{sigma}/(2*{eps0})*(sqrt({x}^2+{R}^2)-{x})", "V", "[sigma]/([eps0])*[R]",
          "at the center of the disk it would be sigma*R/(2*eps0).",
          accept=lambda v: similar(v.R, v.x) and v.x < 5 * v.R and textbook_potential(v)),
    _type("sphere_surface", (charge("Q"), length("R", 1e-3, 20.)), "V = k*Q/R", "{k}*{Q}/{R}", "V", "[k]*[Q]/[R]", source_sign("Q"),
          accept=textbook_potential),
    _type("shell_inside", (charge("Q"), length("R"), length("r")), "V = k*Q/R", "{k}*{Q}/{R}", "V", "[k]*[Q]/[R]",
          "r is less than R: inside, V is as at the surface.", missing=("Q", "R"),
          accept=lambda v: .05 * v.R < v.r < .95 * v.R and textbook_potential(v)),
    _type("sphere_inside", (charge("Q"), length("R"), length("r")), "V = k*Q*(3*R^2-r^2)/(2*R^3)",
          "{k}*{Q}*(3*{R}^2-{r}^2)/(2*{R}^3)", "V", "[k]*[Q]/[R]", "at the surface it would be k*Q/R.",
          accept=lambda v: .05 * v.R < v.r < .95 * v.R and textbook_potential(v)),
)
FIELDS = (
    _type("uniform_field", (Given("E", "field", 1., 1e7), length("d", 5e-4, 20.)), "V = E*d", "{E}*{d}", "V", "[E]*[d]",
          "the potential falls along the direction of the field.", accept=textbook_potential),
    _type("field_from_voltage", (VOLTAGE, Given("d", "short", 5e-6)), "E = V/d", "{V}/{d}", "V/m", "[V]/[d]",
          "half of d would give twice E.",
          accept=lambda v: .1 < v.E < 1e8),
    _type("work_moving", (charge(low=1e-14), VOLTAGE), "W = q*V", "{q}*{V}", "J", "[q]*[V]",
          by_sign("q", "it needs work to go up", "the field helps it and W is negative"), accept=textbook_energy("W")),
    _type("work_from_infinity", (charge("Q"), charge("q"), length("r")), "W = k*Q*q/r", "{k}*{Q}*{q}/{r}", "J",
          "[k]*[Q]*[q]/[r]", by_signs("Q", "q", "need work, W is positive", "give work, W is negative"), accept=textbook_energy("W")),
    _type("pair_energy", (charge("q1"), charge("q2"), length("r")), "U = k*q1*q2/r", "{k}*{q1}*{q2}/{r}", "J",
          "[k]*[q1]*[q2]/[r]", by_signs("q1", "q2", "have positive energy", "have negative energy"), alike=("q1", "q2"),
          accept=textbook_energy("U")),
    _type("triangle_energy", (charge("q1"), charge("q2"), charge("q3"), length("a")), "U = k*(q1*q2+q1*q3+q2*q3)/a",
          "{k}*({q1}*{q2}+{q1}*{q3}+{q2}*{q3})/{a}", "J", "[k]*[q1]*[q2]/[a]",
          by_sign("U", "bringing them together took work", "bringing them together gave work"), alike=("q1", "q2", "q3"),
          accept=lambda v: textbook_energy("U")(v) and similar(v.q1, v.q2, factor=100) and similar(v.q1, v.q3, factor=100)
          and abs(v.U) * v.a > 3e8 * max(abs(v.q1 * v.q2), abs(v.q1 * v.q3), abs(v.q2 * v.q3))),
    _type("square_energy", (charge(), length("a")), "U = (4+sqrt(2))*k*|q|^2/a", "(4+sqrt(2))*{k}*{q.abs}^2/{a}", "J",
          "[k]*[q]^2/[a]", "all charges alike, so the energy is positive.", accept=textbook_energy("U")),
)
PARTICLES = (
    _type("electron_speed", (Given("V", "voltage", .1, 1e4),), "v = sqrt(2*e*V/me)", "sqrt(2*{e}*{V}/{me})", "m/s",
          "([e]*[V]/[me])^0.5", LIGHT),
    _type("proton_speed", (Given("V", "voltage", .1, 1e6),), "v = sqrt(2*e*V/mp)", "sqrt(2*{e}*{V}/{mp})", "m/s",
          "([e]*[V]/[mp])^0.5", LIGHT),
    _type("ion_energy", (Given("n", "count", high=7), Given("V", "voltage", 1., 1e6)), "K = n*e*V", "{n}*{e}*{V}", "J", "[e]*[V]",
          "n times the energy of a single elementary charge."),
    _type("closest_approach", (Given("K", "mev"), Given("Z", "atomic_number")), "r = 2*Z*k*e^2/(K*e)",
          "2*{Z}*{k}*{e}^2/({K}*{e})", "m", "[k]*[e]*[e]/[K]", "twice K would give half of r.", accept=lambda v: int(v.Z) == v.Z),
    _type("stopping_voltage", (Given("v", "speed", 1e4, 6e7),), "V = me*v^2/(2*e)", "{me}*{v}^2/(2*{e})", "V", "[me]*[v]^2/([e])",
          "e*V equals the kinetic energy of the electron."),
)
TYPES: tuple[ProblemType, ...] = POINTS + BODIES + FIELDS + PARTICLES

"""Electric potential, work and energy of charges. Source: OpenStax, University Physics 2, chapter 7."""

from __future__ import annotations

from collections.abc import Callable
from types import SimpleNamespace

from mlxtutor.problems.types import Given, ProblemType, Step

Check = Callable[[SimpleNamespace], str]
LIGHT = 3e8  # m/s


def charge(symbol: str = "q", low: float = 1e-12, high: float = 1e-3, signed: bool = True) -> Given:
    return Given(symbol, "charge", low, high, signed=signed)


def length(symbol: str, low: float = 5e-3, high: float = 10.) -> Given:
    return Given(symbol, "length", low, high)


def source_sign(symbol: str, result: str = "V") -> Check:
    """A potential has the sign of its charge when it is zero far away."""
    def check(v: SimpleNamespace) -> str:
        sign = "positive" if vars(v)[symbol] > 0 else "negative"
        return f"{symbol} is {sign}, so {result} is {sign}."
    return check


def distance_size(v: SimpleNamespace) -> str:
    if v.r < .01:
        return "V and q have the same sign; less than a centimeter."
    return "V and q have the same sign; less than a meter." if v.r < 1 else "V and q have the same sign; a meter or more."


def pair_sign(first: str, second: str, result: str) -> Check:
    def check(v: SimpleNamespace) -> str:
        like = vars(v)[first] * vars(v)[second] > 0
        return f"like charges, so {result} is positive." if like else f"opposite charges, so {result} is negative."
    return check


def sum_check(v: SimpleNamespace) -> str:
    if v.q1 * v.q2 > 0:
        return "like charges: the two potentials add up."
    return "opposite charges: the two potentials partly cancel."


def ring_check(v: SimpleNamespace) -> str:
    return "x is much larger than R: nearly a point charge." if v.x > 5 * v.R else "smaller in size than k*Q/R at the center of the ring."


def disk_check(v: SimpleNamespace) -> str:
    return "smaller in size than sigma*R/(2*eps0) at the center of the disk."


def inside_check(v: SimpleNamespace) -> str:
    return f"Q is {'positive' if v.Q > 0 else 'negative'}; V lies between k*Q/R and 1.5*k*Q/R."


def dipole_check(v: SimpleNamespace) -> str:
    if v.theta < 20:
        return "near the axis, so close to the maximum k*p/r^2."
    return "near the bisector, where V is zero, so V is small." if v.theta > 75 else "positive, since the point is on the positive side."


def difference_check(v: SimpleNamespace) -> str:
    nearer, sign, level = "A" if v.r_a < v.r_b else "B", *(("positive", "higher") if v.q > 0 else ("negative", "lower"))
    return f"{nearer} is nearer to the {sign} charge, so V is {level} there."


def air_check(v: SimpleNamespace) -> str:
    return "below 3e6 V/m, so air would not spark." if v.E < 3e6 else "3e6 V/m or more, so air would spark."


def work_check(v: SimpleNamespace) -> str:
    return "a positive charge needs work to go up." if v.q > 0 else "a negative charge is helped by the field, so W is negative."


def triangle_check(v: SimpleNamespace) -> str:
    charges = (v.q1, v.q2, v.q3)
    if all(q > 0 for q in charges) or all(q < 0 for q in charges):
        return "all charges alike, so every pair adds positive energy."
    return f"like pairs add, opposite pairs subtract; the total is {'positive' if v.U > 0 else 'negative'}."


def speed_check(v: SimpleNamespace) -> str:
    return "below 1% of the speed of light." if v.v < .01 * LIGHT else "below the speed of light, 3e8 m/s."


def nucleus_check(v: SimpleNamespace) -> str:
    return "less than 1e-13 m, far smaller than an atom." if v.r < 1e-13 else "1e-13 m or more, still smaller than an atom."


def similar(a: float, b: float, factor: float = 20.) -> bool:
    return a / b < factor and b / a < factor


def textbook_potential(v: SimpleNamespace) -> bool:
    return 1e-2 < abs(v.V) < 1e8


def two_sources(v: SimpleNamespace, first: float, second: float) -> bool:
    """first, second: distances in m of the two charges; their potentials must not nearly cancel."""
    larger = 8.99e9 * max(abs(v.q1) / first, abs(v.q2) / second)
    return textbook_potential(v) and abs(v.V) > .03 * larger and similar(abs(v.q1), abs(v.q2), 100)


def textbook_energy(result: str) -> Callable[[SimpleNamespace], bool]:
    return lambda v: 1e-12 < abs(vars(v)[result]) < 1e5


def _type(name: str, givens: tuple[Given, ...], law: str, expression: str, unit: str, units: str, check: Check,
          **options) -> ProblemType:
    symbol = law.split(" = ")[0]
    return ProblemType(f"potential_{name}", "potential", givens, law, (Step(symbol, expression, unit),), units, check, **options)


VOLTAGE = Given("V", "voltage", .1, 1e6)
SIGNED_VOLTAGE = Given("V", "voltage", 1e-2, 1e6, signed=True)
POINTS = (
    _type("point", (charge(), length("r", 1e-3, 50.)), "V = k*q/r", "{k}*{q}/{r}", "V", "[k]*[q]/[r]", source_sign("q"),
          accept=textbook_potential),
    _type("point_distance", (SIGNED_VOLTAGE, charge()), "r = k*q/V", "{k}*{q}/{V}", "m", "[k]*[q]/[V]", distance_size,
          accept=lambda v: v.q * v.V > 0 and 1e-4 < v.r < 200),
    _type("point_charge", (SIGNED_VOLTAGE, length("r", 1e-3, 50.)), "q = V*r/k", "{V}*{r}/{k}", "C", "[V]*[r]/([k])",
          lambda v: source_sign("V", "q")(v), accept=lambda v: 1e-14 < abs(v.q) < 1e-3),
    _type("two_charges", (charge("q1"), length("r1"), charge("q2"), length("r2")), "V = k*(q1/r1 + q2/r2)",
          "{k}*({q1}/{r1}+{q2}/{r2})", "V", "[k]*[q1]/[r1]", sum_check,
          accept=lambda v: similar(v.r1, v.r2) and two_sources(v, v.r1, v.r2)),
    _type("midpoint", (charge("q1"), charge("q2"), length("d")), "V = k*(q1+q2)/(d/2)", "{k}*({q1}+{q2})/({d}/2)", "V",
          "[k]*[q1]/[d]", sum_check, accept=lambda v: two_sources(v, v.d / 2, v.d / 2)),
    _type("square_center", (charge(), length("a")), "V = 4*k*q/(a/sqrt(2))", "4*{k}*{q}/({a}/sqrt(2))", "V", "[k]*[q]/[a]",
          source_sign("q"), accept=textbook_potential),
    _type("difference_point", (charge(), length("r_a"), length("r_b")), "V_ab = k*q*(1/r_a - 1/r_b)",
          "{k}*{q}*(1/{r_a}-1/{r_b})", "V", "[k]*[q]/[r_a]", difference_check,
          accept=lambda v: similar(v.r_a, v.r_b) and not similar(v.r_a, v.r_b, 1.05) and 1e-2 < abs(v.V_ab) < 1e8),
    _type("dipole", (Given("p", "dipole", 1e-30, 9.9e-28), Given("r", "atomic", 1e-10), Given("theta", "angle")),
          "V = k*p*cos(theta)/r^2", "{k}*{p}*cos({theta})/{r}^2", "V", "[k]*[p]/[r]^2", dipole_check,
          accept=lambda v: 1e-7 < v.V < 100),
)
BODIES = (
    _type("ring_axis", (charge("Q"), length("R"), length("x")), "V = k*Q/sqrt(x^2+R^2)", "{k}*{Q}/sqrt({x}^2+{R}^2)", "V",
          "[k]*[Q]/[R]", ring_check, accept=lambda v: similar(v.R, v.x) and textbook_potential(v)),
    _type("disk_axis", (Given("sigma", "surface_density", 1e-10, 1e-4, signed=True), length("R"), length("x")),
          "V = sigma/(2*eps0)*(sqrt(x^2+R^2)-x)", "{sigma}/(2*{eps0})*(sqrt({x}^2+{R}^2)-{x})", "V", "[sigma]/([eps0])*[R]",
          disk_check, accept=lambda v: similar(v.R, v.x) and v.x < 5 * v.R and textbook_potential(v)),
    _type("sphere_surface", (charge("Q"), length("R", 1e-3, 20.)), "V = k*Q/R", "{k}*{Q}/{R}", "V", "[k]*[Q]/[R]", source_sign("Q"),
          accept=textbook_potential),
    _type("shell_inside", (charge("Q"), length("R"), length("r")), "V = k*Q/R", "{k}*{Q}/{R}", "V", "[k]*[Q]/[R]",
          lambda v: "r is less than R: inside, V is as at the surface.", missing=("Q", "R"),
          accept=lambda v: .05 * v.R < v.r < .95 * v.R and textbook_potential(v)),
    _type("sphere_inside", (charge("Q"), length("R"), length("r")), "V = k*Q*(3*R^2-r^2)/(2*R^3)",
          "{k}*{Q}*(3*{R}^2-{r}^2)/(2*{R}^3)", "V", "[k]*[Q]/[R]", inside_check,
          accept=lambda v: .05 * v.R < v.r < .95 * v.R and textbook_potential(v)),
)
FIELDS = (
    _type("uniform_field", (Given("E", "field", 1., 1e7), length("d", 5e-4, 20.)), "V = E*d", "{E}*{d}", "V", "[E]*[d]",
          lambda v: "the potential falls along the direction of the field.", accept=textbook_potential),
    _type("field_from_voltage", (VOLTAGE, Given("d", "short", 5e-6)), "E = V/d", "{V}/{d}", "V/m", "[V]/[d]", air_check,
          accept=lambda v: .1 < v.E < 1e8),
    _type("work_moving", (charge(low=1e-14), VOLTAGE), "W = q*V", "{q}*{V}", "J", "[q]*[V]", work_check, accept=textbook_energy("W")),
    _type("work_from_infinity", (charge("Q"), charge("q"), length("r")), "W = k*Q*q/r", "{k}*{Q}*{q}/{r}", "J",
          "[k]*[Q]*[q]/[r]", pair_sign("Q", "q", "the work"), accept=textbook_energy("W")),
    _type("pair_energy", (charge("q1"), charge("q2"), length("r")), "U = k*q1*q2/r", "{k}*{q1}*{q2}/{r}", "J",
          "[k]*[q1]*[q2]/[r]", pair_sign("q1", "q2", "the energy"), accept=textbook_energy("U")),
    _type("triangle_energy", (charge("q1"), charge("q2"), charge("q3"), length("a")), "U = k*(q1*q2+q1*q3+q2*q3)/a",
          "{k}*({q1}*{q2}+{q1}*{q3}+{q2}*{q3})/{a}", "J", "[k]*[q1]*[q2]/[a]", triangle_check,
          accept=lambda v: textbook_energy("U")(v) and similar(abs(v.q1), abs(v.q2), 100) and similar(abs(v.q1), abs(v.q3), 100)
          and abs(v.U) * v.a > 3e8 * max(abs(v.q1 * v.q2), abs(v.q1 * v.q3), abs(v.q2 * v.q3))),
    _type("square_energy", (charge(), length("a")), "U = (4+sqrt(2))*k*q^2/a", "(4+sqrt(2))*{k}*{q.abs}^2/{a}", "J",
          "[k]*[q]^2/[a]", lambda v: "all charges alike, so the energy is positive.", accept=textbook_energy("U")),
)
PARTICLES = (
    _type("electron_speed", (Given("V", "voltage", .1, 1e4),), "v = sqrt(2*e*V/me)", "sqrt(2*{e}*{V}/{me})", "m/s",
          "([e]*[V]/[me])^0.5", speed_check),
    _type("proton_speed", (Given("V", "voltage", .1, 1e6),), "v = sqrt(2*e*V/mp)", "sqrt(2*{e}*{V}/{mp})", "m/s",
          "([e]*[V]/[mp])^0.5", speed_check),
    _type("ion_energy", (Given("n", "count", high=7), Given("V", "voltage", 1., 1e6)), "K = n*e*V", "{n}*{e}*{V}", "J", "[e]*[V]",
          lambda v: f"{v.n:.0f} times the energy of a single elementary charge."),
    _type("closest_approach", (Given("K", "mev"), Given("Z", "atomic_number")), "r = 2*Z*k*e^2/(K*e)",
          "2*{Z}*{k}*{e}^2/({K}*{e})", "m", "[k]*[e]*[e]/[K]", nucleus_check, accept=lambda v: int(v.Z) == v.Z),
    _type("stopping_voltage", (Given("v", "speed", 1e4, 6e7),), "V = me*v^2/(2*e)", "{me}*{v}^2/(2*{e})", "V", "[me]*[v]^2/([e])",
          lambda v: f"{'below' if v.V < 1e4 else 'above'} 10 kV, and eV equals the kinetic energy."),
)
TYPES: tuple[ProblemType, ...] = POINTS + BODIES + FIELDS + PARTICLES

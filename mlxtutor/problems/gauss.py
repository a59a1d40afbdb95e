"""Electric flux and Gauss's law with spheres, cylinders, slabs and conductors. Source: OpenStax, University Physics 2, chapter 6."""

from __future__ import annotations

from collections.abc import Callable
from types import SimpleNamespace

from mlxtutor.problems.draws import family, similar, within
from mlxtutor.problems.types import Given, ProblemType

CHARGE = Given("q", "charge", 1e-13, 1e-3, signed=True)
Q = Given("Q", "charge", 1e-12, 1e-4, signed=True)
BIG_R, R = Given("R", "length", 1e-3, 5), Given("r", "length", 1e-3, 20)
RHO = Given("rho", "volume_density", signed=True)
LAMBDA = Given("lambda", "line_density", signed=True)
SIGMA = Given("sigma", "surface_density", signed=True)
E_RANGE = within("E", 1e-3, 1e9)
FLUX, FIELD = "N*m^2/C", "N/C"


def sense(charge: float) -> str:
    return "outward" if charge > 0 else "inward"


def flux_check(symbol: str) -> Callable[[SimpleNamespace], str]:
    """A positive charge sends flux out of a closed surface, a negative one draws it in."""
    def check(v: SimpleNamespace) -> str:
        q = getattr(v, symbol)
        return f"{'positive' if q > 0 else 'negative'} charge: the field lines go {'out' if q > 0 else 'in'}."
    return check


def source_check(symbol: str, why: str) -> Callable[[SimpleNamespace], str]:
    """Why the law takes this form, and which way the field points."""
    return lambda v: f"{why}; E points {sense(getattr(v, symbol))}."


def net_check(v: SimpleNamespace) -> str:
    if v.Phi == 0:
        return "the charges cancel, so no net flux."
    return f"the net charge is {'positive' if v.Phi > 0 else 'negative'}: net flux {sense(v.Phi)}."


def found_check(v: SimpleNamespace) -> str:
    return f"flux {sense(v.Phi)}: the charge inside is {'positive' if v.Phi > 0 else 'negative'}."


def sign_check(symbol: str) -> Callable[[SimpleNamespace], str]:
    return lambda v: f"{symbol} has the sign of Q: {'positive' if v.Q > 0 else 'negative'}."


def inside(v: SimpleNamespace) -> bool:
    return v.r < v.R and E_RANGE(v)


def outside(v: SimpleNamespace) -> bool:
    return v.r > v.R and E_RANGE(v)


_type = family("gauss")


TYPES: tuple[ProblemType, ...] = (
    _type("flux_uniform", (Given("E", "field"), Given("A", "area"), Given("theta", "angle")), "Phi = E*A*cos(theta)",
          "{E}*{A}*cos({theta})", FLUX, "[E]*[A]", "at 0 degrees Phi would be E*A, its maximum."),
    _type("flux_enclosed", (CHARGE,), "Phi = q/eps0", "{q}/{eps0}", FLUX, "[q]/([eps0])", flux_check("q")),
    _type("charge_from_flux", (Given("Phi", "flux", signed=True),), "q = eps0*Phi", "{eps0}*{Phi}", "C", "[eps0]*[Phi]", found_check),
    _type("flux_cube_face", (CHARGE,), "Phi = q/(6*eps0)", "{q}/(6*{eps0})", FLUX, "[q]/([eps0])", flux_check("q")),
    _type("flux_net", tuple(Given(s, "charge", 1e-12, 1e-4, signed=True) for s in ("q1", "q2", "q3")),
          "Phi = (q1+q2+q3)/eps0", "({q1}+{q2}+{q3})/{eps0}", FLUX, "[q1]/([eps0])", net_check,
          accept=lambda v: similar(v.q1, v.q2, v.q3, factor=1000), alike=("q1", "q2", "q3")),
    _type("sphere_inside", (Q, BIG_R, R), "E = k*|Q|*r/R^3", "{k}*{Q.abs}*{r}/{R}^3", FIELD, "[k]*[Q]*[r]/[R]^3",
          source_check("Q", "r < R: only the charge within r acts"), accept=inside),
    _type("sphere_outside", (Q, BIG_R, R), "E = k*|Q|/r^2", "{k}*{Q.abs}/{r}^2", FIELD, "[k]*[Q]/[r]^2",
          source_check("Q", "r > R: like a point charge"), accept=outside, missing=("Q", "r")),
    _type("sphere_density_inside", (RHO, R), "E = |rho|*r/(3*eps0)", "{rho.abs}*{r}/(3*{eps0})", FIELD, "[rho]*[r]/([eps0])",
          source_check("rho", "E grows with r inside"), accept=E_RANGE),
    _type("sphere_density_outside", (RHO, BIG_R, R), "E = |rho|*R^3/(3*eps0*r^2)", "{rho.abs}*{R}^3/(3*{eps0}*{r}^2)", FIELD,
          "[rho]*[R]^3/([eps0]*[r]^2)", source_check("rho", "r > R: the whole sphere acts"), accept=outside),
    _type("shell_outside", (Q, BIG_R, R), "E = k*|Q|/r^2", "{k}*{Q.abs}/{r}^2", FIELD, "[k]*[Q]/[r]^2",
          source_check("Q", "r > R: the shell acts from its center"), accept=outside, missing=("Q", "r")),
    _type("shell_inside", (Q, BIG_R, R), "E = k*q_enc/r^2, q_enc = 0", "{k}*0/{r}^2", FIELD, "[k]*[Q]/[r]^2",
          "r < R: no charge is enclosed, so E is zero.", accept=lambda v: v.r < v.R, missing=()),
    _type("shell_with_charge", (Given("q1", "charge", 1e-12, 1e-4, signed=True), Given("q2", "charge", 1e-12, 1e-4, signed=True), R),
          "E = k*abs(q1+q2)/r^2", "{k}*abs({q1}+{q2})/{r}^2", FIELD, "[k]*[q1]/[r]^2", "the total charge acts as from the center.",
          accept=lambda v: similar(v.q1, v.q2, factor=1000) and abs(v.q1 + v.q2) > .01 * abs(v.q1) and E_RANGE(v)),
    _type("cylinder_inside", (RHO, R), "E = |rho|*r/(2*eps0)", "{rho.abs}*{r}/(2*{eps0})", FIELD, "[rho]*[r]/([eps0])",
          source_check("rho", "E grows with r inside"), accept=E_RANGE),
    _type("cylinder_outside", (RHO, BIG_R, R), "E = |rho|*R^2/(2*eps0*r)", "{rho.abs}*{R}^2/(2*{eps0}*{r})", FIELD,
          "[rho]*[R]^2/([eps0]*[r])", source_check("rho", "r > R: E falls as 1/r"), accept=outside),
    _type("cylinder_shell_outside", (SIGMA, BIG_R, R), "E = |sigma|*R/(eps0*r)", "{sigma.abs}*{R}/({eps0}*{r})", FIELD,
          "[sigma]*[R]/([eps0]*[r])", source_check("sigma", "r > R: E falls as 1/r"), accept=outside),
    _type("coax_between", (LAMBDA, Given("r", "length", 1e-4, .2)), "E = |lambda|/(2*pi*eps0*r)", "{lambda.abs}/(2*pi*{eps0}*{r})", FIELD,
          "[lambda]/([eps0]*[r])", source_check("lambda", "only the inner conductor acts"), accept=E_RANGE),
    _type("slab_inside", (RHO, Given("x", "length", 1e-4, 2)), "E = |rho|*x/eps0", "{rho.abs}*{x}/{eps0}", FIELD, "[rho]*[x]/([eps0])",
          source_check("rho", "zero at the middle, growing with x"), accept=E_RANGE),
    _type("slab_outside", (RHO, Given("d", "length", 1e-4, 2)), "E = |rho|*d/(2*eps0)", "{rho.abs}*{d}/(2*{eps0})", FIELD,
          "[rho]*[d]/([eps0])", source_check("rho", "the same at every distance"), accept=E_RANGE),
    _type("conductor_surface", (SIGMA,), "E = |sigma|/eps0", "{sigma.abs}/{eps0}", FIELD, "[sigma]/([eps0])",
          source_check("sigma", "twice the field of a single sheet"), accept=E_RANGE),
    _type("sigma_from_sphere", (Q, BIG_R), "sigma = Q/(4*pi*R^2)", "{Q}/(4*pi*{R}^2)", "C/m^2", "[Q]/[R]^2", sign_check("sigma")),
    _type("charge_from_surface_field", (Given("E", "field"), BIG_R), "Q = E*R^2/k", "{E}*{R}^2/{k}", "C", "[E]*[R]^2/([k])",
          "twice R would give four times Q."),
    _type("rho_from_sphere", (Q, BIG_R), "rho = 3*Q/(4*pi*R^3)", "3*{Q}/(4*pi*{R}^3)", "C/m^3", "[Q]/[R]^3", sign_check("rho")),
)

"""Mechanics and geometry problems that teach the solution format before the tutor stage; none is about electricity.

They are ordinary problem types (law, steps, unit check) with wordings in data/problems/everyday.yaml.
Sources of the formulas: OpenStax, College Physics 2e, chapters 2 to 11.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from mlxtutor.datasets.phrases import pick
from mlxtutor.problems.quantities import Value, mantissa
from mlxtutor.problems.types import Given, ProblemType, Solved, Step, solve


@dataclass(frozen=True)
class EverydayUnit:
    """A stated unit: pint text, how it may be printed, power of ten to SI, range of its numbers."""

    pint: str
    printed: tuple[str, ...]
    exponent: int
    low: float
    high: float


def _u(pint: str, printed: str, exponent: int, low: float, high: float) -> EverydayUnit:
    return EverydayUnit(pint, tuple(printed.split("|")), exponent, low, high)


UNITS: dict[str, tuple[EverydayUnit, ...]] = {
    "length": (_u("m", "m|meters", 0, .5, 500), _u("cm", "cm|centimeters", -2, 2, 90),
               _u("km", "km|kilometers", 3, .5, 300), _u("mm", "mm", -3, 2, 90)),
    "size": (_u("m", "m|meters", 0, .2, 9), _u("cm", "cm|centimeters", -2, 2, 90), _u("mm", "mm|millimeters", -3, 2, 90)),
    "time": (_u("s", "s|seconds|sec", 0, .5, 600), _u("ms", "ms|milliseconds", -3, 2, 900)),
    "mass": (_u("kg", "kg|kilograms", 0, .2, 2000), _u("g", "g|grams", -3, 5, 900), _u("mg", "mg|milligrams", -6, 5, 900)),
    "speed": (_u("m/s", "m/s|meters per second", 0, .5, 90), _u("km/s", "km/s", 3, .2, 9), _u("cm/s", "cm/s", -2, 2, 90)),
    "acceleration": (_u("m/s^2", "m/s^2|m/s²", 0, .2, 30), _u("cm/s^2", "cm/s²|cm/s^2", -2, 2, 90)),
    "force": (_u("N", "N|newtons", 0, .5, 900), _u("kN", "kN|kilonewtons", 3, .3, 50), _u("mN", "mN|millinewtons", -3, 5, 900)),
    "area": (_u("m^2", "m²|m^2|square meters", 0, .1, 90), _u("cm^2", "cm²|cm^2|square centimeters", -4, 1, 900),
               _u("mm^2", "mm²|mm^2", -6, 1, 900)),
    "volume": (_u("m^3", "m³|m^3|cubic meters", 0, .1, 20), _u("cm^3", "cm³|cm^3|cubic centimeters", -6, 1, 900),
               _u("L", "L|liters", -3, .2, 90)),
    "density": (_u("kg/m^3", "kg/m³|kg/m^3", 0, 100, 9000), _u("g/cm^3", "g/cm³|g/cm^3", 3, .5, 20)),
    "pressure": (_u("Pa", "Pa|pascals", 0, 50, 9000), _u("kPa", "kPa|kilopascals", 3, 2, 500)),
    "energy": (_u("J", "J|joules", 0, 1, 900), _u("kJ", "kJ|kilojoules", 3, .2, 90), _u("MJ", "MJ", 6, .2, 20)),
    "power": (_u("W", "W|watts", 0, 5, 900), _u("kW", "kW|kilowatts", 3, .3, 90)),
}


def value(rng: np.random.Generator, symbol: str, kind: str) -> Value:
    """A random quantity of one of UNITS' kinds, as printed and in canonical form."""
    unit = pick(rng, UNITS[kind])
    digits = mantissa(rng, unit.low, unit.high)
    canonical = f"{digits}e{unit.exponent}" if unit.exponent else digits
    return Value(symbol, kind, canonical, unit.pint, f"{digits} {pick(rng, unit.printed)}", f"{digits} {unit.pint}".strip(), f"some {kind}")


def solved(rng: np.random.Generator, problem: ProblemType) -> Solved:
    """The problem with random numbers, run through the calculator."""
    return solve(problem, {given.symbol: value(rng, given.symbol, given.kind) for given in problem.givens})


def _type(name: str, givens: str, law: str, expression: str, unit: str, units: str, check: str) -> ProblemType:
    """givens: `m:mass a:acceleration`; law: `F = m*a`; expression and units with each given in braces and brackets."""
    pairs = tuple(given.split(":") for given in givens.split())
    symbol = law.split(" = ")[0]
    return ProblemType(name=name, family="everyday", givens=tuple(Given(s, kind) for s, kind in pairs), law=law,
                       steps=(Step(symbol, expression, unit),), units=units, check=check)


TYPES: tuple[ProblemType, ...] = (
    _type("force", "m:mass a:acceleration", "F = m*a", "{m}*{a}", "N", "[m]*[a]", "more mass needs more force."),
    _type("acceleration", "F:force m:mass", "a = F/m", "{F}/{m}", "m/s^2", "[F]/[m]", "more mass means less acceleration."),
    _type("speed", "d:length t:time", "v = d/t", "{d}/{t}", "m/s", "[d]/[t]", "a shorter time means a higher speed."),
    _type("distance", "v:speed t:time", "d = v*t", "{v}*{t}", "m", "[v]*[t]", "twice the time, twice the way."),
    _type("time", "d:length v:speed", "t = d/v", "{d}/{v}", "s", "[d]/[v]", "a higher speed takes less time."),
    _type("pressure", "F:force A:area", "p = F/A", "{F}/{A}", "Pa", "[F]/[A]", "a smaller area means more pressure."),
    _type("pressure_force", "p:pressure A:area", "F = p*A", "{p}*{A}", "N", "[p]*[A]", "a larger area means more force."),
    _type("density", "m:mass V:volume", "rho = m/V", "{m}/{V}", "kg/m^3", "[m]/[V]", "more mass in the same space is denser."),
    _type("density_mass", "rho:density V:volume", "m = rho*V", "{rho}*{V}", "kg", "[rho]*[V]", "twice the volume, twice the mass."),
    _type("kinetic_energy", "m:mass v:speed", "E = 0.5*m*v^2", "0.5*{m}*{v}^2", "J", "[m]*[v]^2",
          "twice the speed, four times the energy."),
    _type("lifting_energy", "m:mass h:size", "E = m*g*h", "{m}*{g}*{h}", "J", "[m]*[g]*[h]", "twice the height, twice the energy."),
    _type("weight", "m:mass", "F = m*g", "{m}*{g}", "N", "[m]*[g]", "one kilogram weighs about ten newtons."),
    _type("work", "F:force d:length", "W = F*d", "{F}*{d}", "J", "[F]*[d]", "a longer way takes more work."),
    _type("power", "W:energy t:time", "P = W/t", "{W}/{t}", "W", "[W]/[t]", "the same work in less time takes more power."),
    _type("momentum", "m:mass v:speed", "p = m*v", "{m}*{v}", "kg*m/s", "[m]*[v]", "twice the speed, twice the momentum."),
    _type("depth_pressure", "rho:density h:size", "p = rho*g*h", "{rho}*{g}*{h}", "Pa", "[rho]*[g]*[h]", "deeper means more pressure."),
    _type("centripetal", "v:speed r:size", "a = v^2/r", "{v}^2/{r}", "m/s^2", "[v]^2/[r]", "a tighter bend means more acceleration."),
    _type("spring", "F:force x:size", "D = F/x", "{F}/{x}", "N/m", "[F]/[x]", "a stiff spring needs more force."),
    _type("rectangle", "a:size b:size", "A = a*b", "{a}*{b}", "m^2", "[a]*[b]", "twice the width, twice the area."),
    _type("circle", "r:size", "A = pi*r^2", "pi*{r}^2", "m^2", "[r]^2", "twice the radius, four times the area."),
    _type("box", "a:size b:size c:size", "V = a*b*c", "{a}*{b}*{c}", "m^3", "[a]*[b]*[c]", "three lengths make a volume."),
)

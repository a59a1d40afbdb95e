"""Direct-current circuits and charging capacitors. Source: OpenStax, University Physics 2, chapters 9 and 10."""

from __future__ import annotations

from collections.abc import Callable
from types import SimpleNamespace

from mlxtutor.problems.capacitance import beside_one, beyond
from mlxtutor.problems.types import Given, ProblemType, Step

V = Given("V", "voltage", .05, 2e4)
SOURCE = Given("V", "voltage", 1, 1000)
I = Given("I", "current", 1e-6, 30)  # noqa: E741
R = Given("R", "resistance", .5, 2e7)
PARTS = tuple(Given(f"R{i}", "resistance", .5, 1e7) for i in (1, 2, 3))
TIME = Given("t", "time", 1e-4, 1000)
RHO = Given("rho", "resistivity", 1.4e-8, 2e-6)
WIRE = Given("L", "length", .05, 100)
EMF = Given("emf", "voltage", 1, 400)
INSIDE = Given("r", "resistance", .05, 20)
CAPACITOR = Given("C", "capacitance", 1e-11, 5e-2)
CHARGED = Given("V0", "voltage", 1, 2000)


def comparable(v: SimpleNamespace) -> bool:
    """Resistors of one combination differ by less than a factor of a thousand."""
    sizes = [x for name, x in vars(v).items() if name in ("R1", "R2", "R3")]
    return max(sizes) < 1000 * min(sizes)


def sensible(v: SimpleNamespace) -> bool:
    """Currents and powers that a bench or a household has."""
    return 1e-7 < v.V / v.R < 100 and 1e-9 < v.V**2 / v.R < 2e4


def series_check(v: SimpleNamespace) -> str:
    if v.R1 == v.R2:
        return "one current through both; equal resistors share V equally."
    return f"one current through both; R{1 if v.R1 > v.R2 else 2} takes more of the voltage."


def divider_check(v: SimpleNamespace) -> str:
    if v.R1 == v.R2:
        return "equal resistors, so V2 is half of V."
    return "R2 is larger, so V2 is more than half of V." if v.R2 > v.R1 else "R2 is smaller, so V2 is less than half of V."


def branch_check(v: SimpleNamespace) -> str:
    if v.R1 == v.R2:
        return "equal branches, so I1 is half of I."
    return "R1 is smaller, so it carries more than half of I." if v.R1 < v.R2 else "R1 is larger, so it carries less than half of I."


def wire_check(v: SimpleNamespace) -> str:
    kind = "a good conductor such as copper" if v.rho < 3e-8 else "an ordinary metal" if v.rho < 2e-7 else "a resistance alloy"
    return f"rho is that of {kind}."


def electrons_check(v: SimpleNamespace) -> str:
    if v.I == 1:
        return "at 1 A it is 6.25e18 electrons each second."
    return f"I is {'above' if v.I > 1 else 'below'} 1 A, so {'more' if v.I > 1 else 'fewer'} than 6.25e18 electrons each second."


def squared_voltage_check(v: SimpleNamespace) -> str:
    """P = V*(V/R) beside V."""
    if v.V == v.R:
        return "V equals R in number, and so does P."
    return f"V is {'larger' if v.V > v.R else 'smaller'} than R in number, so P is {'larger' if v.V > v.R else 'smaller'} than V."


def load_check(v: SimpleNamespace) -> str:
    return ("R is larger than r, so the load sets the current." if v.r < v.R
            else "r is not smaller than R, so the source limits itself.")


def charging_check(v: SimpleNamespace) -> str:
    return f"V is {'over' if v.V > v.V0 / 2 else 'at most'} half of V0, which it only approaches."


def discharging_check(v: SimpleNamespace) -> str:
    return f"V is {'still over' if v.V > v.V0 / 2 else 'at most'} half of V0, as it decays."


def fraction_check(v: SimpleNamespace) -> str:
    if .62 < v.p < .64:
        return "63% takes one time constant, so t is about R*C."
    return ("more than 63%, so longer than one time constant." if v.p > .63 else "less than 63%, so shorter than one time constant.")


def during_charging(v: SimpleNamespace) -> bool:
    return .05 < v.t / (v.R * v.C) < 5


def usual_tau(v: SimpleNamespace) -> bool:
    return 1e-7 < v.R * v.C < 2e3


def series_of(count: int) -> str:
    return "+".join(f"1/{{R{i}}}" for i in range(1, count + 1))


def _type(name: str, givens: tuple[Given, ...], law: str, step: Step, units: str, check: Callable[[SimpleNamespace], str],
          accept: Callable[[SimpleNamespace], bool] | None = None) -> ProblemType:
    return ProblemType(name=f"circuits_{name}", family="circuits", givens=givens, law=law, steps=(step,), units=units,
                       check=check, accept=accept)


OHM = (
    _type("ohm_voltage", (I, R), "V = I*R", Step("V", "{I}*{R}", "V"), "[I]*[R]", beside_one("R", "ohm", "I", "V"), sensible),
    _type("ohm_current", (V, R), "I = V/R", Step("I", "{V}/{R}", "A"), "[V]/[R]", beside_one("R", "ohm", "V", "I", False), sensible),
    _type("ohm_resistance", (V, I), "R = V/I", Step("R", "{V}/{I}", "ohm"), "[V]/[I]", beside_one("I", "A", "V", "R", False),
          lambda v: .05 < v.R < 1e8 and v.V * v.I < 2e4),
    _type("power_VI", (V, I), "P = V*I", Step("P", "{V}*{I}", "W"), "[V]*[I]", beside_one("I", "A", "V", "P"),
          lambda v: .05 < v.V / v.I < 1e8 and v.P < 2e4),
    _type("power_IR", (I, R), "P = I^2*R", Step("P", "{I}^2*{R}", "W"), "[I]^2*[R]", beside_one("I", "A", "R", "P"),
          lambda v: 1e-9 < v.P < 2e4 and v.I * v.R < 2e4),
    _type("power_VR", (V, R), "P = V^2/R", Step("P", "{V}^2/{R}", "W"), "[V]^2/[R]", squared_voltage_check, sensible),
    _type("resistivity", (RHO, WIRE, Given("A", "area", 1e-8, 2e-5)), "R = rho*L/A", Step("R", "{rho}*{L}/{A}", "ohm"),
          "[rho]*[L]/[A]", wire_check),
    _type("resistivity_diameter", (RHO, WIRE, Given("d", "short", 5e-5, 5e-3)), "R = 4*rho*L/(pi*d^2)",
          Step("R", "4*{rho}*{L}/(pi*{d}^2)", "ohm"), "[rho]*[L]/[d]^2", wire_check),
    _type("charge_from_current", (I, TIME), "Q = I*t", Step("Q", "{I}*{t}", "C"), "[I]*[t]", beside_one("t", "s", "I", "Q")),
    _type("electrons_from_current", (I, TIME), "N = I*t/e", Step("N", "{I}*{t}/{e}", ""), "[I]*[t]/[e]", electrons_check),
    _type("energy", (Given("P", "power", .01, 9000), Given("t", "time", 1e-2, 1000)), "E = P*t", Step("E", "{P}*{t}", "J"),
          "[P]*[t]", beside_one("t", "s", "P", "E")),
)

NETWORKS = (
    _type("series_two", PARTS[:2], "R = R1+R2", Step("R", "{R1}+{R2}", "ohm"), "[R1]", beyond("R", 2, True, "a series chain"),
          comparable),
    _type("series_three", PARTS, "R = R1+R2+R3", Step("R", "{R1}+{R2}+{R3}", "ohm"), "[R1]",
          beyond("R", 3, True, "a series chain"), comparable),
    _type("parallel_two", PARTS[:2], "R = 1/(1/R1+1/R2)", Step("R", f"1/({series_of(2)})", "ohm"), "1/(1/[R1])",
          beyond("R", 2, False, "a parallel connection"), comparable),
    _type("parallel_three", PARTS, "R = 1/(1/R1+1/R2+1/R3)", Step("R", f"1/({series_of(3)})", "ohm"), "1/(1/[R1])",
          beyond("R", 3, False, "a parallel connection"), comparable),
    _type("mixed", PARTS, "R = R1+1/(1/R2+1/R3)", Step("R", "{R1}+1/(1/{R2}+1/{R3})", "ohm"), "[R1]",
          lambda v: f"above R1, by less than {'R2' if v.R2 <= v.R3 else 'R3'}, the smaller branch.", comparable),
    _type("series_current", (SOURCE, *PARTS[:2]), "I = V/(R1+R2)", Step("I", "{V}/({R1}+{R2})", "A"), "[V]/[R1]", series_check,
          lambda v: comparable(v) and 1e-7 < v.I < 50),
    _type("divider", (SOURCE, *PARTS[:2]), "V2 = V*R2/(R1+R2)", Step("V2", "{V}*{R2}/({R1}+{R2})", "V"), "[V]*[R2]/[R1]",
          divider_check, lambda v: comparable(v) and v.V / (v.R1 + v.R2) < 50),
    _type("current_divider", (I, *PARTS[:2]), "I1 = I*R2/(R1+R2)", Step("I1", "{I}*{R2}/({R1}+{R2})", "A"), "[I]*[R2]/[R1]",
          branch_check, lambda v: comparable(v) and v.I1 * v.R1 < 1e4),
)

SOURCES = (
    _type("terminal_voltage", (EMF, INSIDE, I), "V = emf-I*r", Step("V", "{emf}-{I}*{r}", "V"), "[I]*[r]",
          lambda v: "below the emf, because r takes I*r of it.",
          lambda v: .005 < v.I * v.r / v.emf < .5),
    _type("internal_current", (EMF, INSIDE, Given("R", "resistance", .5, 5000)), "I = emf/(R+r)",
          Step("I", "{emf}/({R}+{r})", "A"), "[emf]/[R]", load_check, lambda v: .5 * v.r < v.R and v.I < 100),
    _type("maximum_power", (EMF, INSIDE), "P = emf^2/(4*r)", Step("P", "{emf}^2/(4*{r})", "W"), "[emf]^2/[r]",
          lambda v: "the load equals r, so half of the emf is lost inside.", lambda v: v.P < 2e4),
)

CHARGING = (
    _type("rc_tau", (R, CAPACITOR), "tau = R*C", Step("tau", "{R}*{C}", "s"), "[R]*[C]", beside_one("R", "ohm", "C", "tau"), usual_tau),
    _type("rc_resistance", (Given("tau", "time", 1e-6, 1000), CAPACITOR), "R = tau/C", Step("R", "{tau}/{C}", "ohm"),
          "[tau]/[C]", beside_one("C", "F", "tau", "R", False), lambda v: 1 < v.R < 1e8),
    _type("rc_charging", (CHARGED, R, CAPACITOR, TIME), "V = V0*(1-exp(-t/(R*C)))",
          Step("V", "{V0}*(1-exp(-{t}/({R}*{C})))", "V"), "[V0]", charging_check, during_charging),
    _type("rc_discharging", (CHARGED, R, CAPACITOR, TIME), "V = V0*exp(-t/(R*C))", Step("V", "{V0}*exp(-{t}/({R}*{C}))", "V"),
          "[V0]", discharging_check, during_charging),
    _type("rc_time_to_fraction", (R, CAPACITOR, Given("p", "percent", .05, .95)), "t = -R*C*ln(1-p)",
          Step("t", "-{R}*{C}*ln(1-{p})", "s"), "[R]*[C]", fraction_check, usual_tau),
    _type("rc_initial_current", (SOURCE, R), "I = V/R", Step("I", "{V}/{R}", "A"), "[V]/[R]",
          lambda v: "the empty capacitor has no voltage yet, so R alone counts.", sensible),
)

TYPES: tuple[ProblemType, ...] = (*OHM, *NETWORKS, *SOURCES, *CHARGING)

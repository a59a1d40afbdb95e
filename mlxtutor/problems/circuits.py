"""Direct-current circuits and charging capacitors. Source: OpenStax, University Physics 2, chapters 9 and 10."""

from __future__ import annotations

from types import SimpleNamespace

from mlxtutor.problems.draws import comparable, family, reciprocals
from mlxtutor.problems.types import Given, ProblemType

V = Given("V", "voltage", .05, 2e4)
SOURCE = Given("V", "voltage", 1, 1000)
I = Given("I", "current", 1e-6, 30)  # noqa: E741
R = Given("R", "resistance", .5, 2e7)
PAIR, TRIPLE = ("R1", "R2"), ("R1", "R2", "R3")
PARTS = tuple(Given(f"R{i}", "resistance", .5, 1e7) for i in (1, 2, 3))
TIME, HOURS = Given("t", "time", 1e-4, 1000), Given("t", "time", 1e-4, 2e5)
RHO = Given("rho", "resistivity", 1.4e-8, 2e-6)
WIRE = Given("L", "length", .05, 100)
EMF = Given("emf", "voltage", 1, 400)
INSIDE = Given("r", "resistance", .05, 20)
CAPACITOR = Given("C", "capacitance", 1e-11, 5e-2)
CHARGED = Given("V0", "voltage", 1, 2000)


def sensible(v: SimpleNamespace) -> bool:
    """Currents and powers that a bench or a household has."""
    return 1e-7 < v.V / v.R < 100 and 1e-9 < v.V**2 / v.R < 2e4


def during_charging(v: SimpleNamespace) -> bool:
    return .05 < v.t / (v.R * v.C) < 5


def usual_tau(v: SimpleNamespace) -> bool:
    return 1e-7 < v.R * v.C < 2e3


parts_comparable = comparable("R")
_type = family("circuits")


OHM = (
    _type("ohm_voltage", (I, R), "V = I*R", "{I}*{R}", "V", "[I]*[R]", "twice I would give twice V.", sensible),
    _type("ohm_current", (V, R), "I = V/R", "{V}/{R}", "A", "[V]/[R]", "twice R would give half of I.", sensible),
    _type("ohm_resistance", (V, I), "R = V/I", "{V}/{I}", "ohm", "[V]/[I]", "twice V would give twice R.",
          lambda v: .05 < v.R < 1e8 and v.V * v.I < 2e4),
    _type("power_VI", (V, I), "P = V*I", "{V}*{I}", "W", "[V]*[I]", "twice I would give twice P.",
          lambda v: .05 < v.V / v.I < 1e8 and v.P < 2e4),
    _type("power_IR", (I, R), "P = I^2*R", "{I}^2*{R}", "W", "[I]^2*[R]", "twice I would give four times P.",
          lambda v: 1e-9 < v.P < 2e4 and v.I * v.R < 2e4),
    _type("power_VR", (V, R), "P = V^2/R", "{V}^2/{R}", "W", "[V]^2/[R]", "twice V would give four times P.", sensible),
    _type("resistivity", (RHO, WIRE, Given("A", "area", 1e-8, 2e-5)), "R = rho*L/A", "{rho}*{L}/{A}", "ohm",
          "[rho]*[L]/[A]", "twice L would give twice R."),
    _type("resistivity_diameter", (RHO, WIRE, Given("d", "short", 5e-5, 5e-3)), "R = 4*rho*L/(pi*d^2)",
          "4*{rho}*{L}/(pi*{d}^2)", "ohm", "[rho]*[L]/[d]^2", "twice d would give a quarter of R."),
    _type("charge_from_current", (I, HOURS), "Q = I*t", "{I}*{t}", "C", "[I]*[t]", "twice t would give twice Q."),
    _type("electrons_from_current", (I, HOURS), "N = I*t/e", "{I}*{t}/{e}", "", "[I]*[t]/[e]", "twice t would give twice N."),
    _type("energy", (Given("P", "power", .01, 9000), Given("t", "time", 1e-2, 2e5)), "E = P*t", "{P}*{t}", "J",
          "[P]*[t]", "twice t would give twice E."),
)

NETWORKS = (
    _type("series_two", PARTS[:2], "R = R1+R2", "{R1}+{R2}", "ohm", "[R1]", "above the larger of the two, as in series.",
          parts_comparable, alike=PAIR),
    _type("series_three", PARTS, "R = R1+R2+R3", "{R1}+{R2}+{R3}", "ohm", "[R1]",
          "above the largest of the three, as in series.", parts_comparable, alike=TRIPLE),
    _type("parallel_two", PARTS[:2], "R = 1/(1/R1+1/R2)", f"1/({reciprocals('R', 2)})", "ohm", "1/(1/[R1])",
          "below the smaller of the two, as in parallel.", parts_comparable, alike=PAIR),
    _type("parallel_three", PARTS, "R = 1/(1/R1+1/R2+1/R3)", f"1/({reciprocals('R', 3)})", "ohm", "1/(1/[R1])",
          "below the smallest of the three, as in parallel.", parts_comparable, alike=TRIPLE),
    _type("mixed", PARTS, "R = R1+1/(1/R2+1/R3)", "{R1}+1/(1/{R2}+1/{R3})", "ohm", "[R1]",
          "above R1, which carries the whole current.", parts_comparable, alike=("R2", "R3")),
    _type("series_current", (SOURCE, *PARTS[:2]), "I = V/(R1+R2)", "{V}/({R1}+{R2})", "A", "[V]/[R1]",
          "one current flows through both.",
          lambda v: parts_comparable(v) and 1e-7 < v.I < 50, alike=PAIR),
    _type("divider", (SOURCE, *PARTS[:2]), "V2 = V*R2/(R1+R2)", "{V}*{R2}/({R1}+{R2})", "V", "[V]*[R2]/[R1]",
          "V2 is below V, as R1 takes the rest.", lambda v: parts_comparable(v) and v.V / (v.R1 + v.R2) < 50),
    _type("current_divider", (I, *PARTS[:2]), "I1 = I*R2/(R1+R2)", "{I}*{R2}/({R1}+{R2})", "A", "[I]*[R2]/[R1]",
          "I1 is below I, as R2 carries the rest.", lambda v: parts_comparable(v) and v.I1 * v.R1 < 1e4),
)

SOURCES = (
    _type("terminal_voltage", (EMF, INSIDE, I), "V = emf-I*r", "{emf}-{I}*{r}", "V", "[I]*[r]",
          "below the emf, because r takes I*r of it.",
          lambda v: .005 < v.I * v.r / v.emf < .5),
    _type("internal_current", (EMF, INSIDE, Given("R", "resistance", .5, 5000)), "I = emf/(R+r)",
          "{emf}/({R}+{r})", "A", "[emf]/[R]", "below emf/r, the current of a short circuit.",
          lambda v: .5 * v.r < v.R and v.I < 100),
    _type("maximum_power", (EMF, INSIDE), "P = emf^2/(4*r)", "{emf}^2/(4*{r})", "W", "[emf]^2/[r]",
          "the load equals r, so half of the emf is lost inside.", lambda v: v.P < 2e4),
)

CHARGING = (
    _type("rc_tau", (R, CAPACITOR), "tau = R*C", "{R}*{C}", "s", "[R]*[C]", "twice R would give twice tau.", usual_tau),
    _type("rc_resistance", (Given("tau", "time", 1e-6, 1000), CAPACITOR), "R = tau/C", "{tau}/{C}", "ohm",
          "[tau]/[C]", "twice tau would give twice R.", lambda v: 1 < v.R < 1e8),
    _type("rc_charging", (CHARGED, R, CAPACITOR, TIME), "V = V0*(1-exp(-t/(R*C)))",
          "{V0}*(1-exp(-{t}/({R}*{C})))", "V", "[V0]", "V is below V0, which it only approaches.", during_charging),
    _type("rc_discharging", (CHARGED, R, CAPACITOR, TIME), "V = V0*exp(-t/(R*C))", "{V0}*exp(-{t}/({R}*{C}))", "V",
          "[V0]", "V is below V0, as it decays.", during_charging),
    _type("rc_time_to_fraction", (R, CAPACITOR, Given("p", "percent", .05, .95)), "t = -R*C*ln(1-p)",
          "-{R}*{C}*ln(1-{p})", "s", "[R]*[C]", "after one time constant R*C it is at 63%.", usual_tau),
    _type("rc_initial_current", (SOURCE, R), "I = V/R", "{V}/{R}", "A", "[V]/[R]",
          "the empty capacitor has no voltage yet, so R alone counts.", sensible),
)

TYPES: tuple[ProblemType, ...] = (*OHM, *NETWORKS, *SOURCES, *CHARGING)

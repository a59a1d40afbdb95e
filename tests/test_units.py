"""Units in text against pint's own reading of the canonical form, and the unit check of a solution."""

import pint
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from mlxtutor.evaluation.unit_check import is_valid_unit_check
from mlxtutor.evaluation.units import leading_unit, parse_unit, same_dimension

REGISTRY = pint.UnitRegistry()


@pytest.mark.parametrize("text, canonical", [
    ("μC", "microcoulomb"), ("µC", "microcoulomb"), ("uC", "microcoulomb"), ("microcoulombs", "microcoulomb"),
    ("micro coulombs", "microcoulomb"), ("Ω", "ohm"), ("kΩ", "kiloohm"), ("Mohm", "megaohm"), ("°", "degree"), ("N/C", "newton/coulomb"),
    ("newtons per coulomb", "newton/coulomb"), ("V/m", "volt/meter"), ("N·m²/C²", "newton*meter**2/coulomb**2"),
    ("N m^2 / C", "newton*meter**2/coulomb"), ("N-m", "newton*meter"), ("N m2/C2", "newton*meter**2/coulomb**2"),
    ("C^2/(N·m^2)", "coulomb**2/(newton*meter**2)"), ("C·m⁻²", "coulomb/meter**2"), ("joules per cubic meter", "joule/meter**3"),
    ("newton square meters per coulomb", "newton*meter**2/coulomb"), ("meters per second squared", "meter/second**2"),
    ("\\mu\\text{C}/\\text{m}^{2}", "microcoulomb/meter**2"), ("electron volts", "electron_volt"), ("MeV", "megaelectron_volt"),
    ("nC/cm^2", "nanocoulomb/centimeter**2"), ("1/s", "1/second"), ("kg", "kilogram"), ("cm^0.5", "centimeter**0.5"),
])
def test_spellings_agree_with_pint(text, canonical):
    unit, expected = parse_unit(text), REGISTRY.Quantity(1, canonical).to_base_units()
    assert unit is not None and unit.factor == pytest.approx(expected.magnitude, rel=1e-12)
    assert unit.dimension == expected.dimensionality


@pytest.mark.parametrize("junk", ["foo", "attractive", "N/", "/", "(", "N to the left", "5", "N/0", "^2", "the unit", "q", "N^^2", "😀"])
def test_junk_is_no_unit(junk):
    unit = parse_unit(junk)
    assert unit is None or unit.dimension == parse_unit("").dimension


def test_the_pure_number():
    assert parse_unit("").factor == parse_unit("dimensionless").factor == 1
    assert not same_dimension(parse_unit(""), parse_unit("N")) and not same_dimension(None, None)


@pytest.mark.parametrize("text, unit", [
    (" N, attractive", "N"), (" N to the left", "N"), (" V across the plates", "V"), (" A charge of", "A"), (" m apart", "m"),
    ("-cm plate", "cm"), (" (V/m)", "V/m"), (" apples", ""), (" in total", ""), (" times", ""), (" N·m²/C², outward", "N"),
    (" newtons per coulomb away", "newtons per coulomb"), (" and", ""), ("", ""), (" C\nNext", "C"),
])
def test_the_unit_that_opens_a_text(text, unit):
    assert leading_unit(text)[0] == unit


@settings(max_examples=150)
@given(st.text(alphabet=st.sampled_from(list("NCVmsJuk²³⁻μΩ°·*/^()- 0123456789.per")), max_size=24))
def test_no_text_breaks_the_parser(text):
    parse_unit(text)
    leading_unit(text)


GIVENS = [{"symbol": "q1", "unit": "uC"}, {"symbol": "q2", "unit": "nC"}, {"symbol": "r", "unit": "cm"}]
ANSWER = {"unit": "N", "givens": GIVENS}
REFERENCE = "Units: N*m^2/C^2*uC*nC/cm^2 = N"


@pytest.mark.parametrize("line, valid", [
    ("Units: N*m^2/C^2*uC*nC/cm^2 = N", True),
    ("Unit check: (N·m²/C²) × (μC × nC) / cm² = N. The unit is newtons, which is right.", True),
    ("Units: N*m^2/C^2*uC*nC/cm^2 = N*m^2/C^2*nC*uC/cm^2 = N", True),
    ("Units: N*m^2/C^2*uC*nC/cm = N", False),             # the two sides differ
    ("Units: N*m^2/C^2*uC*nC/cm = N*m", False),           # sides agree, but not with the answer
    ("Units: N*m^2/C^2*uC*mC/cm^2 = N", False),           # mC is not this problem's
    ("Units: N*m^2/C^2*C*C/m^2 = N", False),              # a constant sentence
    ("Units: N = N", False),                              # says nothing
    ("Units: the units work out. Correct.", False),
    ("Units: N", False),
    ("F = N*m^2/C^2*uC*nC/cm^2 = N", False),              # no unit check
])
def test_unit_check(line, valid):
    assert is_valid_unit_check(line.replace("²", "^2").replace("×", "*").replace("·", "*").replace("μ", "u"), ANSWER, REFERENCE) is valid


def test_unit_check_of_a_hand_written_row_must_use_the_problems_units():
    assert is_valid_unit_check("Units: uF*V^2 = J", {"unit": "J", "givens": [{"symbol": "C", "unit": "uF"}, {"symbol": "V", "unit": "V"}]})
    assert not is_valid_unit_check("Units: N*m = J", {"unit": "J", "givens": [{"symbol": "C", "unit": "uF"}, {"symbol": "V", "unit": "V"}]})

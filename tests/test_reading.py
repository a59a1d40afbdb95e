"""Numbers and final answers in the notations that students, textbooks and models use."""

import math

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from mlxtutor.evaluation.notation import plain
from mlxtutor.evaluation.reading import find_numbers, hedges, read_final

SUPERSCRIPT = str.maketrans("-0123456789", "⁻⁰¹²³⁴⁵⁶⁷⁸⁹")
NOTATIONS = ("{m} x 10^{p}", "{m} × 10{s}", "{m}·10^{p}", "{m}e{p}", "{m}E{p}", "{m}*10**{p}", "{m} \\times 10^{{{p}}}", "{m} × 10^({p})",
             "{m}×10{s}", "$ {m} \\cdot 10^{{{p}}} $", "{m} times 10 to the {p}", "{m} times ten to the power of {p}")


@given(st.decimals(min_value="0.001", max_value="999.999", places=3), st.integers(-30, 30), st.sampled_from(NOTATIONS),
       st.sampled_from(["", "-", "−"]))
def test_every_notation_reads_back(mantissa, power, notation, sign):
    text = sign + notation.format(m=mantissa, p=power, s=str(power).translate(SUPERSCRIPT)).lstrip("$ ")
    expected = float(mantissa) * 10.0**power * (-1 if sign else 1)
    numbers = find_numbers(plain(text))
    assert len(numbers) == 1 and math.isclose(numbers[0].value, expected, rel_tol=1e-9)


@given(st.integers(0, 10**12), st.sampled_from(["{:,}", "{}", "{:,}.0", "{:.4e}"]))
def test_thousands_separators_read_back(number, notation):
    text = notation.format(number)
    assert math.isclose(find_numbers(plain(text))[0].value, float(text.replace(",", "")), rel_tol=1e-12)


@pytest.mark.parametrize("text, numbers", [
    ("q1 = 3 μC and R2 = 5 Ω", [3, 5]),
    ("from 5 - 3", [5, 3]),
    ("about -3 V", [-3]),
    ("F = - 3 N", [-3]),
    ("- 3 N is a bullet", [3]),
    ("minus 4 nC", [-4]),
    ("5\u202f980 and 5\\,980 and 5{,}980", [5980, 5980, 5980]),
    ("m^2 and N·m²/C²", [2, 2, 2]),
    ("no digits", []),
])
def test_numbers_in_a_sentence(text, numbers):
    found = [n.value for n in find_numbers(plain(text))]
    assert [x for x in found if abs(x) < 1e300] == numbers


@pytest.mark.parametrize("text, value, unit", [
    ("Answer: 0.003371 N, attractive", 0.003371, "N"),
    ("**Answer:** $3.37 \\times 10^{-3}\\,\\text{N}$ (attractive)", 3.37e-3, "N"),
    ("so \\boxed{5.4 \\times 10^{4}} N/C, upward", 5.4e4, "N/C"),
    ("\\boxed{3.2\\ \\mu\\text{C}}", 3.2, "uC"),
    ("### Final Answer\n\n5 kV/m to the right", 5, "kV/m"),
    ("#### 24", 24, ""),
    ("Answer: F = 8.99e9*3e-6/0.2 = 1.3485e5 N", 1.3485e5, "N"),
    ("Answer: 5 N at 36.9° above the x axis", 5, "N"),
    ("Answer: 36.9 degrees", 36.9, "degrees"),
    ("Answer: 3.37 newtons per coulomb", 3.37, "newtons per coulomb"),
    ("Answer: the field is zero N/C", 0, "N/C"),
    ("Answer: (3.0 ± 0.1) N", 3.0, "N"),
    ("Answer: $\\frac{27}{8}$ V", 3.375, "V"),
    ("Answer: 2 N\nwait.\nAnswer: 3 N", 3, "N"),
    ("Answer: 3 N\nThe answer is right.", 3, "N"),
    ("The force is 0.5 N on the 3 μC charge.", 0.5, "N"),
    ("First 2 V, then F = 3 mN\nThat is all.", 3, "mN"),
    ("Answer: evaluate the expression; the unit is N/C, to the left", None, "N/C"),
    ("F = 3 N\nAnswer: unknown", None, ""),
])
def test_final_answer(text, value, unit):
    reading = read_final(text)
    assert reading is not None
    assert reading.value == (None if value is None else pytest.approx(value, rel=1e-6)) and reading.unit == unit


def test_text_without_numbers_has_no_final_answer():
    assert read_final("I can't say.") is None


@settings(max_examples=150)
@given(st.text(alphabet=st.sampled_from(list("0123456789.,-+*/^=() \n#eExNCVmuΩ°⁻²×·\\{}$|:;AnswerboxdUnits")), max_size=80))
def test_no_text_breaks_the_reader(text):
    read_final(text)
    assert all(math.isfinite(n.value) for n in find_numbers(plain(text)))


@pytest.mark.parametrize("line, hedged", [
    ("14.74 V or 44.22 V", True), ("14.7 or 44.2 V", True), ("either 2 A or 3 V", True), ("2 A, 5 A", True), ("450 V or -450 V", True),
    ("14.74 V", False), ("0.003371 N or 3.371 mN", False), ("14.74 V, about 14.7 V", False), ("14.74 V across the 3 ohm resistor", False),
    ("14.74 V, less than the 60 V of the battery", False), ("5 N at 30 degrees or 150 degrees", False), ("5 N or so", False),
])
def test_an_answer_line_with_two_numbers_hedges(line, hedged):
    assert hedges(read_final(f"Answer: {line}"), stated=(60.0, 3.0)) is hedged

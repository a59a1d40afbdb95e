"""The calculator against sympy and Python's own arithmetic."""

import math

import pytest
import sympy
from hypothesis import assume, given, settings
from hypothesis import strategies as st
from sympy.parsing.sympy_parser import parse_expr, rationalize, standard_transformations

from mlxtutor.errors import TutorError
from mlxtutor.text.calculator import MAX_DEPTH, MAX_LENGTH, CalculatorError, evaluate, format_result

RATIONAL = (*standard_transformations, rationalize)  # 0.1 is 1/10

numbers = st.integers(1, 9999).map(str) | st.tuples(st.integers(1, 999), st.integers(-12, 9)).map(
    lambda pair: f"{pair[0] / 100}e{pair[1]}"
)


def operations(inner):
    signed = st.tuples(inner, st.sampled_from("+-*/"), inner).map(lambda t: f"{t[0]}{t[1]}{t[2]}")
    return (
        signed
        | inner.map(lambda e: f"({e})")
        | inner.map(lambda e: f"-{e}")
        | inner.map(lambda e: f"sqrt(abs({e}))")
        | st.tuples(inner, st.integers(-2, 3)).map(lambda t: f"({t[0]})^{t[1]}")
    )


expressions = st.recursive(numbers, operations, max_leaves=8)


def python_value(expr):
    """Python's float arithmetic, which has the same precedences; None where it has no finite real value."""
    try:
        value = eval(expr.replace("^", "**"), {"sqrt": math.sqrt, "abs": abs})
    except (ZeroDivisionError, OverflowError):
        return None
    return value if math.isfinite(value) else None


@settings(max_examples=150)
@given(expressions)
def test_agrees_with_python_and_sympy(expr):
    ours, python = value_or_none(expr), python_value(expr)
    if python is None:
        assert ours is None
        return
    exact = parse_expr(expr.replace("^", "**"), {"abs": sympy.Abs, "sqrt": sympy.sqrt}, RATIONAL)
    assume(exact.is_finite)
    # left out: sums that lose their digits in any float64 arithmetic, and underflow, an error here
    assume(abs(python - exact.evalf(30)) <= 1e-9 * abs(exact.evalf(30)))
    assert ours == pytest.approx(python, rel=1e-8)


def value_or_none(expr):
    try:
        return evaluate(expr)
    except CalculatorError as error:
        assume("too small" not in str(error))
        return None


@pytest.mark.parametrize(
    "expr, value",
    [
        ("-3^2", -9),
        ("2*-3", -6),
        ("2^3^2", 512),
        ("2^-1", 0.5),
        ("8-3-2", 3),
        ("24/4/2", 3),
        ("--2", 2),
        ("-2^-2", -0.25),
        (" 1 + .5 ", 1.5),
        ("5.", 5),
        ("2E3", 2000),
        ("8.99e9*3e-6*5e-9/20e-2^2", 8.99e9 * 3e-6 * 5e-9 / 0.2**2),
        ("pi", math.pi),
        ("exp(1)", math.e),
        ("ln(exp(2))", 2),
        ("log(1000)", 3),
        ("sqrt(9)*abs(-2)", 6),
        ("sin(30)", 0.5),
        ("cos(60)", 0.5),
        ("tan(45)", 1),
        ("asin(1)", 90),
        ("acos(0)", 90),
        ("atan(1)", 45),
        ("cos(-300)", 0.5),
        ("0^0", 1),
    ],
)
def test_values(expr, value):
    assert evaluate(expr) == pytest.approx(value, rel=1e-15)


@pytest.mark.parametrize(
    "expr", ["sin(180)", "sin(-360)", "cos(90)", "cos(270)", "tan(180)", "0.1+0.2-0.3", "3e-6-3e-6"]
)
def test_exact_zeros(expr):
    assert evaluate(expr) == 0


@given(st.floats(-1e4, 1e4))
def test_angles_are_degrees(x):
    assert evaluate(f"sin({x:.6f})".replace("(-", "(0-")) == pytest.approx(
        math.sin(math.radians(round(x, 6))), abs=1e-10
    )


@pytest.mark.parametrize(
    "expr, message, position",
    [
        ("", "found the end", 0),
        ("3+", "found the end", 2),
        ("2pi", "found 'pi'", 1),
        ("(1", "expected )", 2),
        ("1)", "found ')'", 1),
        ("2 x 3", "x", 2),
        ("2×3", '"×"', 1),
        ("2,5", '","', 1),
        ("e", 'unknown name "e"', 0),
        ("1/0", "division by zero", 1),
        ("tan(90)", "division by zero", 0),
        ("0^-1", "division by zero", 1),
        ("sqrt(-1)", "not defined", 0),
        ("ln(0)", "not defined", 0),
        ("asin(2)", "not defined", 0),
        ("(0-8)^0.5", "not a real number", 5),
        ("1e999", "too large", 0),
        ("exp(1000)", "too large", 0),
        ("1e200*1e200", "too large", 5),
        ("1e200+1e308*9", "too large", 11),
        ("1e-200*1e-200", "too small", 6),
        ("9^9^9", "exponent", 1),
        ("10^400", "too large", 2),
        ("__import__", '"_"', 0),
        ("sqrt 4", "expected (", 5),
        ("(" * 99, "nested", MAX_DEPTH),
        ("-" * 99 + "1", "nested", MAX_DEPTH),
        ("1+" * 300 + "1", "at most", MAX_LENGTH),
    ],
)
def test_one_line_errors_with_position(expr, message, position):
    with pytest.raises(CalculatorError, match=r"^calculator: [^\n]+$") as caught:
        evaluate(expr)
    assert message in str(caught.value)
    assert caught.value.position == position
    assert isinstance(caught.value, TutorError)


@given(st.text(max_size=60) | st.text("0123456789.e+-*/^() pisqrtabco", max_size=60))
def test_any_text_is_a_finite_number_or_an_error(text):
    try:
        assert math.isfinite(evaluate(text))
    except CalculatorError as error:
        assert 0 <= error.position <= len(text)


@pytest.mark.parametrize(
    "x, shown",
    [
        (3.375, "3.375"),
        (0.025, "0.025"),
        (1200.0, "1200"),
        (674200, "6.742e5"),
        (3.2e-9, "3.2e-9"),
        (0, "0"),
        (-0.0, "0"),
        (0.001, "0.001"),
        (0.00099996, "0.001"),
        (0.0009999, "9.999e-4"),
        (99994, "99990"),
        (99996, "1e5"),
        (12345, "12350"),
        (-45.6789, "-45.68"),
        (-2e-7, "-2e-7"),
        (1e300, "1e300"),
        (100, "100"),
    ],
)
def test_format(x, shown):
    assert format_result(x) == shown


@given(st.floats(allow_nan=False, allow_infinity=False).filter(lambda x: x == 0 or 1e-300 < abs(x) < 1e308))
def test_format_reads_back_within_4_digits(x):
    shown = format_result(x)
    assert evaluate(shown) == pytest.approx(x, rel=5.001e-4, abs=0)
    assert format_result(evaluate(shown)) == shown
    assert "e+" not in shown and "e0" not in shown and "e-0" not in shown


@pytest.mark.parametrize("x", [math.inf, -math.inf, math.nan])
def test_format_refuses_what_is_not_finite(x):
    with pytest.raises(CalculatorError, match="no finite result"):
        format_result(x)

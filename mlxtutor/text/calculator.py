"""The arithmetic that a model may write between calculator tokens, and the form of its results.

    sum     = product (("+" | "-") product)*
    product = signed (("*" | "/") signed)*
    signed  = "-" signed | power
    power   = atom ("^" signed)?                      right associative; -3^2 = -9
    atom    = number | "pi" | function "(" sum ")" | "(" sum ")"

Angles are in degrees and `log` is to base 10, as on a school calculator. Everything is a float64.
"""

import math
import re
from collections.abc import Callable
from decimal import ROUND_HALF_UP, Context

from mlxtutor.errors import TutorError

MAX_LENGTH = 400  # characters
MAX_DEPTH = 40  # nested brackets, signs and powers
MAX_EXPONENT = 1000  # size of the right side of ^
CANCELLED = 1e-14  # a sum this small beside its terms is rounding noise: zero, as with guard digits
SIGNIFICANT_DIGITS = 4
_ROUNDING = Context(prec=SIGNIFICANT_DIGITS, rounding=ROUND_HALF_UP)  # 12345 -> 12350, as in class

_NUMBER = r"(?P<number>(?:\d+\.?\d*|\.\d+)(?:[eE][+-]?\d+)?)"
_TOKEN = re.compile(rf"\s*(?:{_NUMBER}|(?P<name>[A-Za-z]+)|(?P<sign>[-+*/^()]))", re.ASCII)


class CalculatorError(TutorError):
    """An expression without a value; `position` is the 0-based character where that shows."""

    def __init__(self, problem: str, position: int):
        super().__init__(f"calculator: {problem} (character {position + 1})")
        self.position = position


def evaluate(expr: str) -> float:
    """The finite value of an expression; raises CalculatorError with the position of what is wrong."""
    if len(expr) > MAX_LENGTH:
        raise CalculatorError(f"expression of {len(expr)} characters (at most {MAX_LENGTH})", MAX_LENGTH)
    parser = _Parser(_tokenize(expr))
    value = parser.sum()
    parser.expect("end")
    return value


def format_result(x: float) -> str:
    """4 significant digits: plain from 0.001 up to 100000 (`3.375`, `0.025`), else `6.742e5`, `3.2e-9`."""
    if not math.isfinite(x):
        raise CalculatorError(f"no finite result ({x})", 0)
    if x == 0:
        return "0"
    rounded = _ROUNDING.create_decimal(repr(float(x)))
    power = rounded.adjusted()
    if -3 <= power < 5:
        return _strip_zeros(f"{rounded:f}")
    return f"{_strip_zeros(f'{rounded.scaleb(-power):f}')}e{power}"


def _strip_zeros(decimal: str) -> str:
    return decimal.rstrip("0").rstrip(".") if "." in decimal else decimal


def _sin(degrees: float) -> float:
    turn = math.remainder(degrees, 360)  # exact, so that sin(180) is 0
    return math.sin(math.radians(math.copysign(180, turn) - turn if abs(turn) > 90 else turn))


def _cos(degrees: float) -> float:
    return _sin(90 - abs(math.remainder(degrees, 360)))


def _tan(degrees: float) -> float:
    return _sin(degrees) / _cos(degrees)


FUNCTIONS: dict[str, Callable[[float], float]] = {
    "sqrt": math.sqrt,
    "abs": abs,
    "exp": math.exp,
    "ln": math.log,
    "log": math.log10,
    "sin": _sin,
    "cos": _cos,
    "tan": _tan,
    "asin": lambda x: math.degrees(math.asin(x)),
    "acos": lambda x: math.degrees(math.acos(x)),
    "atan": lambda x: math.degrees(math.atan(x)),
}


def _tokenize(expr: str) -> list[tuple[str, str, int]]:
    """(kind, text, position) of each token, then one of kind "end"."""
    tokens, end, stop = [], 0, len(expr.rstrip())
    while end < stop:
        match = _TOKEN.match(expr, end)
        if match is None:
            position = end + len(expr[end:]) - len(expr[end:].lstrip())
            raise CalculatorError(
                f'unexpected "{expr[position]}"; allowed: numbers, + - * / ^ ( ), pi, '
                + ", ".join(FUNCTIONS),
                position,
            )
        kind = match.lastgroup or ""
        tokens.append((match[kind] if kind == "sign" else kind, match[kind], match.start(kind)))
        end = match.end()
    return [*tokens, ("end", "", stop)]


def _checked(operation: Callable[..., float], shown: str, position: int, *args: float | str) -> float:
    """The operation's value, or a CalculatorError where it has none that is real and finite."""
    try:
        value = operation(*args)
    except ZeroDivisionError:
        raise CalculatorError(f"division by zero in {shown}", position) from None
    except OverflowError:
        raise CalculatorError(f"{shown} is too large", position) from None
    except ValueError:
        raise CalculatorError(f"{shown} is not defined", position) from None
    if isinstance(value, complex):
        raise CalculatorError(f"{shown} is not a real number", position)
    if not math.isfinite(value):
        raise CalculatorError(f"{shown} is too large", position)
    return value


def _add(a: float, b: float) -> float:
    total = a + b
    return 0.0 if abs(total) <= CANCELLED * max(abs(a), abs(b)) else total


_BINARY: dict[str, Callable[[float, float], float]] = {
    "+": _add,
    "-": lambda a, b: _add(a, -b),
    "*": lambda a, b: a * b,
    "/": lambda a, b: a / b,
    "^": lambda a, b: a**b,
}


class _Parser:
    """Reads and evaluates in one pass; `index` is the next token, `depth` the open signed terms."""

    def __init__(self, tokens: list[tuple[str, str, int]]):
        self.tokens, self.index, self.depth = tokens, 0, 0

    @property
    def kind(self) -> str:
        return self.tokens[self.index][0]

    def expect(self, kind: str) -> tuple[str, int]:
        """Text and position of the next token, which must be of this kind."""
        found, text, position = self.tokens[self.index]
        if found != kind:
            wanted = {"end": "an operator or the end", "number": "a number, pi, a function or ("}
            raise CalculatorError(
                f"expected {wanted.get(kind, kind)}, found {repr(text) if text else 'the end'}", position
            )
        self.index += 1
        return text, position

    def binary(self, left: float, operand: Callable[[], float]) -> float:
        """Apply the operator that comes next to `left` and the operand after it."""
        sign, position = self.expect(self.kind)
        right = operand()
        if sign == "^" and abs(right) > MAX_EXPONENT:
            raise CalculatorError(f"exponent {right:g} (at most {MAX_EXPONENT} in size)", position)
        value = _checked(_BINARY[sign], f"{left:g} {sign} {right:g}", position, left, right)
        if value == 0 and sign in "*/^" and left != 0 and right != 0:
            raise CalculatorError(f"{left:g} {sign} {right:g} is too small", position)
        return value

    def sum(self) -> float:
        value = self.product()
        while self.kind in ("+", "-"):
            value = self.binary(value, self.product)
        return value

    def product(self) -> float:
        value = self.signed()
        while self.kind in ("*", "/"):
            value = self.binary(value, self.signed)
        return value

    def signed(self) -> float:
        self.depth += 1
        if self.depth > MAX_DEPTH:
            raise CalculatorError(f"nested more than {MAX_DEPTH} deep", self.tokens[self.index][2])
        if self.kind == "-":
            self.index += 1
            value = -self.signed()
        else:
            value = self.atom()
            if self.kind == "^":
                value = self.binary(value, self.signed)
        self.depth -= 1
        return value

    def atom(self) -> float:
        if self.kind == "(":
            return self.bracketed()
        if self.kind == "name":
            return self.named()
        text, position = self.expect("number")
        return _checked(float, text, position, text)

    def bracketed(self) -> float:
        self.expect("(")
        value = self.sum()
        self.expect(")")
        return value

    def named(self) -> float:
        name, position = self.expect("name")
        if name == "pi":
            return math.pi
        if name not in FUNCTIONS:
            raise CalculatorError(f'unknown name "{name}" (allowed: pi, {", ".join(FUNCTIONS)})', position)
        argument = self.bracketed()
        return _checked(FUNCTIONS[name], f"{name}({argument:g})", position, argument)

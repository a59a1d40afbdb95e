"""Formulas as a book prints them: `F = k*q1*q2/r^2` -> `F = k·q₁·q₂/r²`. For the screen only; what is saved stays as written."""

from __future__ import annotations

import re
import unicodedata

from mlxtutor.evaluation import notation

_RAISED = str.maketrans("0123456789-+", "⁰¹²³⁴⁵⁶⁷⁸⁹⁻⁺")
_LOWERED = str.maketrans("0123456789aehijklmnoprstuvx", "₀₁₂₃₄₅₆₇₈₉ₐₑₕᵢⱼₖₗₘₙₒₚᵣₛₜᵤᵥₓ")
_GREEK = {"pi": "π", "eps": "ε", "epsilon": "ε", "kappa": "κ", "lambda": "λ", "sigma": "σ", "rho": "ρ", "tau": "τ", "theta": "θ",
          "phi": "φ", "mu": "µ", "omega": "ω", "alpha": "α", "beta": "β", "gamma": "γ"}
_PREFIXED = r"(?:C|F|m|s|A|V|J|N|W|T|H|g|L|ohm)\b"

_SCIENTIFIC = re.compile(r"(?<![\w.*/^])(?<![\w)][-+])(\d+(?:\.\d+)?)[eE]([-+]?\d+)(?![\w*/^+(-]|\.\d)")
_POWER_OF_SCIENTIFIC = re.compile(r"(?<![\w.])(\d+(?:\.\d+)?[eE][-+]?\d+)(?=\^)")
_POWER = re.compile(r"(?<=[\w)\]|])\^(?:([-+]?\d+)|\(([-+]?\d+)\)|\{([-+]?\d+)\})(?![\w.])")
_TIMES = re.compile(r"(?<=[\w)\]²³|])(\*| \* )(?=[\w(.|√-])")
_TIMES_TEN = re.compile(r"(?<![\w.^-])(\d+(?:\.\d+)?) ?\* ?10(?=\^)")
_ROOT_OF_ONE = re.compile(r"\bsqrt\(([\w.]+)\)")
_NAMES = "|".join(_GREEK)
_SYMBOL = re.compile(
    rf"(?<![A-Za-z_\\])(?<!\d(?=[eE]))([A-Za-z]|{_NAMES})(?:_?(\d{{1,2}})|_([aehijklmnoprstuvx]{{1,3}}))(?![A-Za-z0-9_])")
_GREEK_NAME = re.compile(rf"(?<![A-Za-z_\\])({_NAMES})(?![A-Za-z_])")
_MICRO = re.compile(rf"(?<=[\d*/(·=] )u(?={_PREFIXED})|(?<=[\d*/(·])u(?={_PREFIXED})|(?<=: )u(?={_PREFIXED})")
_OHM = re.compile(r"(?<=[\d*/(·=:²] )([kMGmµ]?)ohms?\b|(?<=[\d*/(·])([kMGmµ]?)ohms?\b")
_MATHS = re.compile(r"\\\((.+?)\\\)|\\\[(.+?)\\\]|\$\$(.+?)\$\$|(?<![\w$])\$(?=\S)([^$\n]+?)(?<=\S)\$(?![\d$])")
_BARE_COMMAND = re.compile(r"\\(?:[dt]?frac|sqrt|times|cdot|mu|pi|text|mathrm|boxed|approx)\b")
_ARROWS = (("<=", "≤"), (">=", "≥"), ("->", "→"), ("!=", "≠"))


def visible(text: str) -> str:
    """Text without control characters: a model or a file must not drive the terminal."""
    if text.isprintable():
        return text
    return "".join(c if c in "\n\t" or unicodedata.category(c) != "Cc" else "\N{REPLACEMENT CHARACTER}" for c in text)


def formula(text: str) -> str:
    """Operators, powers, indices, Greek letters, units and 6.742e5 as 6.742 × 10⁵; numbers inside an expression keep their e."""
    text = _SCIENTIFIC.sub(lambda m: f"{m[1]} × 10{_raised(m[2])}", text)
    return _symbols(text)


def expression(text: str) -> str:
    """A calculator's expression: its numbers as they are keyed in."""
    return _symbols(text)


def prose(text: str) -> str:
    """A line with LaTeX between its delimiters, or bare, and plain formulas."""
    if _BARE_COMMAND.search(_MATHS.sub("", text)):
        return formula(notation.plain(text))
    found = [(m.start(), m.end(), next(g for g in m.groups() if g is not None)) for m in _MATHS.finditer(text)]
    written, end = "", 0
    for start, stop, inside in found:
        written += formula(text[end:start]) + formula(notation.plain(inside).strip())
        end = stop
    return written + formula(text[end:])


def _symbols(text: str) -> str:
    text = _POWER_OF_SCIENTIFIC.sub(r"(\1)", text)  # 20e-2^2 squares all of 20e-2
    text = _ROOT_OF_ONE.sub(r"√\1", text).replace("sqrt(", "√(")
    text = _SYMBOL.sub(_indexed, text)
    text = _GREEK_NAME.sub(lambda m: _GREEK[m[1]], text) if _has_operator(text) else text
    text = _MICRO.sub("µ", text)
    text = _OHM.sub(lambda m: f"{m[1] or m[2] or ''}Ω", text)
    text = _TIMES_TEN.sub(r"\1 × 10", text)
    text = _POWER.sub(lambda m: _raised(m[1] or m[2] or m[3]), text)
    text = _TIMES.sub(lambda m: m[1].replace("*", "·"), text)
    for written, sign in _ARROWS:
        text = text.replace(written, sign)
    return text


def _raised(digits: str) -> str:
    return digits.replace("+", "").translate(_RAISED)


def _indexed(match: re.Match[str]) -> str:
    name = _GREEK.get(match[1], match[1])
    return name + (match[2] or match[3]).translate(_LOWERED)


def _has_operator(text: str) -> bool:
    """A Greek letter's name is a letter in a formula and a word elsewhere (`alpha particle`)."""
    return any(sign in text for sign in "=*/^")

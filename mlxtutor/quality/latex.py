"""LaTeX commands that lost their backslash: in JSON `\\frac` is a form feed and `rac`, `\\times` a tab and `imes`."""

from __future__ import annotations

import re

_LETTER = {"\a": "a", "\b": "b", "\t": "t", "\n": "n", "\v": "v", "\f": "f", "\r": "r"}
# What may follow the escape. A tab or line break is mostly meant as one, so that a rest that may be a word or a symbol counts in a formula.
_RESTS = {
    "\a": "lpha|ngle|pprox|rccos|rcsin|rctan|rg|st",
    "\b": "ackslash|ar|ecause|egin|eta|etween|f|igcap|igcup|igg?[lr]?|inom|m|mod|oldsymbol|ot|oxed|ra|reve|ullet",
    "\f": "box|lat|orall|rac",
    "\v": "arepsilon|arphi|arrho|artheta|dots|ec|ee|ert",
    "\t": r"anh|ext(?:bf|it|rm|tt)?(?=\{)|frac|herefore|heta|ilde|imes|riangle",
    "\r": "ho|ight(?:arrow|harpoonup)?",
    "\n": "abla|earrow|otin",
}
_FORMULA_RESTS = {"\t": "ag|an|au|o|op", "\r": "angle|ceil|floor|m|vert", "\n": "eg|eq|exists|ot|parallel"}
_AT_START = {"\n": "e|i|u"}  # a formula's lines may begin with these, but the first


def _lost(rests: dict[str, str]) -> re.Pattern[str]:
    return re.compile("|".join(f"{re.escape(escape)}(?=(?:{rest})(?![A-Za-z]))" for escape, rest in rests.items()))


_ANYWHERE, _IN_FORMULA, _BEGINS = _lost(_RESTS), _lost(_FORMULA_RESTS), _lost(_AT_START)
_FORMULA = re.compile(r"(?<![\\$])\$(?!\$)[^$]{1,300}?(?<![\\$])\$(?![$\d])|\\\([\s\S]{1,300}?\\\)")
_OPENING = {"$": 1, "\\": 2}  # characters


def restore(text: str) -> str:
    """The text with those backslashes."""
    text = _ANYWHERE.sub(_escaped, text)
    return _FORMULA.sub(_in_formula, text) if "$" in text or "\\(" in text else text


def _escaped(match: re.Match[str]) -> str:
    return f"\\{_LETTER[match[0]]}"


def _in_formula(match: re.Match[str]) -> str:
    at = _OPENING[match[0][0]]
    inner = match[0][at:]
    if _BEGINS.match(inner):
        inner = f"\\{_LETTER[inner[0]]}{inner[1:]}"
    return match[0][:at] + _IN_FORMULA.sub(_escaped, inner)

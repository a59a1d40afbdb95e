"""Refusing to guess: whether an answer asks for a missing quantity instead of computing, and whether for the right one."""

import re
from collections.abc import Sequence
from typing import Any

from mlxtutor.evaluation.reading import Reading

_GIVEN = r"(?:given|specified|provided|stated|known|mentioned|listed)"
_REFUSES = re.compile(
    r"^\s*missing\s*:|\b(?:can't|cannot|can not|unable to|impossible to|not possible to)\b[^.?!]{0,60}"
    r"\b(?:comput|calculat|determin|find|solv|answer|evaluat|give|work|say)\w*"
    rf"|(?:\bnot|n't|\bnever) (?:been )?{_GIVEN}|\bnot enough|\binsufficient|\bneeds? (?:to know|more information|the value)"
    r"|\bwithout (?:knowing|it\b)|\b(?:is|are) missing|\bmissing information|\b(?:please|could you|can you) (?:provide|tell|give|specify)",
    re.IGNORECASE | re.MULTILINE)
_ASKS = re.compile(r"\bneed|\bmissing|\bgive me|\btell me", re.IGNORECASE)
_MISSING = re.compile(r"^\s*missing\s*:\s*([^\n(]*)(?:\(([^)\n]*)\))?", re.IGNORECASE | re.MULTILINE)
_STOP = frozenset(("the", "a", "an", "of", "its", "their", "is", "are", "on", "to", "in", "for", "and", "it", "that", "this", "which",
                   "what", "how", "your", "by", "with", "at", "from", "between", "apart"))
_SYNONYMS = {"separation": "distance", "gap": "distance", "spacing": "distance", "far": "distance", "separated": "distance",
             "pd": "voltage", "emf": "voltage", "centre": "center", "metre": "meter", "charged": "charge"}
_HEAD_ENDS = re.compile(r"\b(?:of|between|from|on|across|in|at|to|per|with|through|for|around|along|inside)\b|[,(]")
_PLURAL = re.compile(r"(?<=\w{3})(?<![su])s$")  # not of mass or radius
ARTICLE_SYMBOLS = ("a", "A", "I")


def refuses(text: str, reading: Reading | None, calls: int, stated: Sequence[float]) -> bool:
    """Whether a plain text declines to compute. stated: sizes of the problem's numbers, which it may repeat."""
    if calls or not _REFUSES.search(text):
        return False
    if reading is None:
        return True
    if reading.marked:
        return reading.value is None and bool(_REFUSES.search(reading.segment))
    value = reading.value
    return value is None or not reading.unit or bool(_MISSING.search(text)) or any(abs(abs(value) - x) <= 1e-6 * x for x in stated)


def names_missing(text: str, answer: dict[str, Any], reference: str = "") -> bool:
    """Whether a refusal asks for the row's missing quantity. reference: the row's own refusal, whose name counts too."""
    symbol = answer["missing"]
    names = {given["symbol"]: list(given.get("names") or []) for given in answer.get("givens") or []}
    wanted = [*names.pop(symbol, []), *(answer.get("missing_names") or [])]
    if shape := _MISSING.search(reference):
        wanted.append(shape[1].strip())
    shape = _MISSING.search(text)
    scope = shape[1] if shape else _asking(text)
    ours = _best(wanted, scope)
    others = max((_best(other, scope) for other in names.values()), default=0)
    if shape and shape[2]:
        stated = shape[2].strip().replace("_", "")
        return ours >= others if stated == symbol.replace("_", "") else stated not in names and 0 < ours >= others
    return (0 < ours >= others) or (others == 0 and (_has_symbol(symbol, scope) or _only_head(wanted, names, scope)))


def _asking(text: str) -> str:
    """The sentences that refuse or ask; the whole text where none does."""
    sentences = re.split(r"(?<=[.?!])\s+|\n", text)
    asking = [s for s in sentences if s.rstrip().endswith("?") or _REFUSES.search(s) or _ASKS.search(s)]
    return " ".join(asking or sentences)


def _words(text: str) -> frozenset[str]:
    text = re.sub(r"potential difference", "voltage", re.sub(r"'s\b", "", text.lower()))
    words = (_PLURAL.sub("", word) for word in re.findall(r"[a-z]+|\d+", text))
    return frozenset(_SYNONYMS.get(word, word) for word in words) - _STOP


def _best(names: Sequence[str], scope: str) -> int:
    """Content words of the longest of these names that the scope contains entirely."""
    said = _words(scope)
    return max((len(words) for name in names if (words := _words(name)) and words <= said), default=0)


def _head(name: str) -> frozenset[str]:
    """The quantity's noun: `charge` of "the charge on the first body"."""
    first = next((part for part in _HEAD_ENDS.split(name.lower()) if part.strip()), "")
    return _words(first.split()[-1]) if first.split() else frozenset()


def _only_head(wanted: Sequence[str], others: dict[str, list[str]], scope: str) -> bool:
    """Whether the scope has the missing quantity's noun, and that noun means no other quantity of the problem."""
    rivals = {word for names in others.values() for name in names for word in _head(name)}
    return any(head and head <= _words(scope) and not head & rivals for head in map(_head, wanted))


def _has_symbol(symbol: str, scope: str) -> bool:
    bracket = r"\(\s*{}\s*\)|(?<!\w){}\s*="
    pattern = bracket if symbol in ARTICLE_SYMBOLS else r"(?<!\w){}(?!\w)"
    return bool(re.search(pattern.replace("{}", re.escape(symbol)), scope))

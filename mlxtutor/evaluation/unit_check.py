"""The `Units:` line of a solution: parsed, and verified against the answer's dimension and this problem's units."""

import re
from typing import Any

from mlxtutor.evaluation.units import atoms_of, is_plain_si, parse_unit, same_dimension

_LINE = re.compile(r"^\W*(?:units?|dimension\w*)(?:\s+(?:check|analysis))?\s*:\s*(\S[^\n]*)", re.IGNORECASE | re.MULTILINE)
_SENTENCE = re.compile(r"\.(?:\s|$)|;|,\s")


def unit_sides(text: str) -> list[str]:
    """The sides of the last unit check in a plain text, its comments cut off; [] where there is none."""
    lines = _LINE.findall(text)
    if not lines:
        return []
    sides = [_SENTENCE.split(side, maxsplit=1)[0].strip() for side in lines[-1].split("=")]
    return sides if len(sides) > 1 else []


def is_valid_unit_check(text: str, answer: dict[str, Any], reference: str = "") -> bool:
    """Whether the text's unit check holds: sides of one dimension, the answer's, built from the units that this problem gives.

    reference: the row's own solution. A check that leaves out a prefixed or special unit which the reference needs is a
    constant sentence, not a check of this problem; without a reference its left side must use at least one of the problem's units.
    """
    sides = unit_sides(text)
    units = [parse_unit(side) if side else None for side in sides]
    expected = parse_unit(answer.get("unit") or "")
    if not units or not all(same_dimension(unit, expected) for unit in units):
        return False
    given = frozenset[str]().union(*(atoms_of(given.get("unit") or "") for given in answer.get("givens") or []))
    left = frozenset[str]().union(*map(atoms_of, sides[:-1]))
    if not _special(left) <= given:
        return False
    needed = unit_sides(reference)
    if needed:
        return _special(atoms_of(needed[0])) <= left and (sides[0] != sides[-1] or needed[0] == needed[-1])
    return not given or bool(given & left)


def _special(atoms: frozenset[str]) -> frozenset[str]:
    """The units with a prefix, or other than coherent SI units."""
    return frozenset(atom for atom in atoms if not is_plain_si(atom))

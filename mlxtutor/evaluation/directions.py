"""Directions in words, along axes and as angles: which one a text states, and whether it is the right one."""

import re
from dataclasses import dataclass

ANGLE_TOLERANCE = 1.0  # degrees
_WORDS = {
    "attractive": r"\battract\w*|\bpull(?:s|ing)? (?:each other|together)|\btowards? (?:each other|one another)",
    "repulsive": r"\brepel\w*|\brepuls\w*|\bpush(?:es|ing)? (?:apart|each other)|\baway from (?:each other|one another)",
    "left": r"\bto (?:the|its) left\b|\bleftwards?\b|\b(?:negative|minus) x\b|(?<![\w)])\s*-\s?x\b",
    "right": r"\bto (?:the|its) right\b|\brightwards?\b|\b(?:positive|plus) x\b|\+\s?x\b",
    "up": r"\bup(?:wards?)?\b(?! to\b)|\b(?:positive|plus) y\b|\+\s?y\b",
    "down": r"\bdown(?:wards?)?\b|\b(?:negative|minus) y\b|(?<![\w)])\s*-\s?y\b",
    "inward": r"\binwards?\b",
    "outward": r"\boutwards?\b",
}
_BARE = {"left": r"\bleft\b", "right": r"\bright\b"}  # only where the answer itself is being read
_OPPOSITE = {"attractive": "repulsive", "left": "right", "up": "down", "inward": "outward", "toward": "away"}
_OPPOSITE |= {b: a for a, b in _OPPOSITE.items()}
_TOWARD = re.compile(r"\b(towards?|away from)\s+(?!each other|one another)([^.,;)\n]{1,60})")
_ANGLE = re.compile(r"(?<![\w.])(-?\d+(?:\.\d+)?)\s*(?:deg\b|degrees?\b)([^.,;\n]{0,40})")
_STOP = frozenset(("the", "a", "an", "of", "its", "their", "is", "are", "at", "that", "this", "to", "and", "in", "with", "from"))
_PATTERNS = {kind: re.compile(pattern) for kind, pattern in _WORDS.items()}
_LOOSE = {kind: re.compile(f"{pattern}|{_BARE[kind]}" if kind in _BARE else pattern) for kind, pattern in _WORDS.items()}


@dataclass(frozen=True)
class Direction:
    """kind: one of _WORDS, "toward", "away" or "angle"; words: of what it points to; angle: degrees from +x."""

    kind: str
    words: frozenset[str] = frozenset()
    angle: float = 0.0


def find_directions(text: str, loose: bool = False) -> list[Direction]:
    """Every direction that a plain text states. loose: `left` and `right` alone count too."""
    text = text.lower()
    found = [Direction(kind) for kind, pattern in (_LOOSE if loose else _PATTERNS).items() if pattern.search(text)]
    for verb, target in _TOWARD.findall(text):
        words = frozenset(re.findall(r"[a-z]+\d*|[-+]", target.replace("centre", "center"))) - _STOP
        kind = "toward" if verb.startswith("toward") else "away"
        found.append(Direction({"toward": "inward", "away": "outward"}[kind]) if "center" in words else Direction(kind, words))
    found += [Direction("angle", angle=_from_axis(float(a), rest)) for a, rest in _ANGLE.findall(text)]
    return found


def _from_axis(angle: float, rest: str) -> float:
    """Degrees counter-clockwise from +x of `36.9 degrees below the negative x axis`, `30° north of west`."""
    west = re.search(r"\b(?:above|below|north of|south of|from)\b.*?(?:-\s?x|negative x|west)", rest)
    if re.search(r"\bbelow\b|\bsouth of\b|(?<!counter)(?<!counter-)(?<!anti)\bclockwise", rest):
        angle = -angle
    return 180 - angle if west else angle


def states_direction(expected: str, segment: str, text: str) -> bool:
    """Whether the answer's own line, or where that states none the whole text, gives every expected direction and no opposite.

    An expected angle says it all: what `36.9 degrees from +x` is measured from is no direction of its own.
    """
    wanted = find_directions(expected, loose=True)
    wanted = [direction for direction in wanted if direction.kind == "angle"] or wanted
    if not wanted:
        words = set(expected.lower().split()) - _STOP
        return words <= set(re.findall(r"\w+", segment.lower()))
    said = find_directions(segment, loose=True)
    if not said:
        said = find_directions(text)
        if wanted[0].kind == "angle":
            said = [direction for direction in said if direction.kind == "angle"][-1:]
    return all(_matches(direction, said) for direction in wanted)


def _matches(wanted: Direction, said: list[Direction]) -> bool:
    if any(_same(Direction(_OPPOSITE.get(wanted.kind, ""), wanted.words), direction) for direction in said):
        return False
    return any(_same(wanted, direction) for direction in said)


def _same(wanted: Direction, said: Direction) -> bool:
    if wanted.kind == "angle":
        apart = abs(wanted.angle - said.angle) % 360
        return said.kind == "angle" and min(apart, 360 - apart) <= ANGLE_TOLERANCE
    if wanted.kind in ("toward", "away"):
        radial = {"toward": "inward", "away": "outward"}[wanted.kind]
        return (said.kind == wanted.kind and wanted.words <= said.words) or (said.kind == radial and len(wanted.words) == 1)
    return said.kind == wanted.kind

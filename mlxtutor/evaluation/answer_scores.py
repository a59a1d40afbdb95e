"""One answer against one row: value, unit, direction, unit check, refusal, invented numbers, format."""

import re
from collections.abc import Sequence
from dataclasses import asdict, dataclass
from typing import Any

from mlxtutor.errors import TutorError
from mlxtutor.evaluation.directions import find_directions, states_direction
from mlxtutor.evaluation.expressions import final_expression
from mlxtutor.evaluation.invented_numbers import find_invented, given_numbers, stated_numbers
from mlxtutor.evaluation.reading import Reading, hedges, read_final
from mlxtutor.evaluation.refusal import names_missing, refuses
from mlxtutor.evaluation.transcript import Transcript, read_transcript
from mlxtutor.evaluation.unit_check import is_valid_unit_check, unit_sides
from mlxtutor.evaluation.units import Unit, is_angle, parse_unit, same_dimension
from mlxtutor.text.chat import before_reply

TOLERANCE = 0.01  # of the right value
RESIDUE = 1e-9  # of the largest intermediate result: what is left where a right answer is zero
KINDS, MODES = ("value", "missing", "concept"), ("on", "off")
_CALL = r"<\|calc\|>[^\n]*?<\|result\|>[^\n]*?<\|/calc\|>"
_START = r"Given: \S[^\n]*\nTopic: \S[^\n]*\nLaw: \S[^\n]*\n"
_END = r"Units: [^\n=]+ = [^\n=]+\nCheck: \S[^\n]*\nAnswer: "
FORMATS = {
    "on": re.compile(rf"{_START}(?:[^\n:=]+ = {_CALL}[^\n]*\n)+{_END}[^\n]*\d[^\n]*"),
    "off": re.compile(rf"{_START}(?:[^\n:=]+ = [^\n<]+\n)+{_END}evaluate the expression; the unit is [^\n]+"),
    "missing": re.compile(rf"{_START}Missing: \S+, [^\n]+\nI can't compute the answer without it\. What is [^\n]+\?"),
}
_SETTING = re.compile(r"^(?:Topic|Given|Law): .*\n", re.MULTILINE)
_UNIT_IS = re.compile(r"\bunit is ([^\n,;.]+)", re.IGNORECASE)


@dataclass(frozen=True)
class AnswerScore:
    """None: not asked of this row. invented: whether invented_numbers has any (True is bad, as for states_number).

    expression: in mode off, whether the substituted expression evaluates to the right value (value says the same).
    """

    kind: str
    mode: str
    correct: bool | None = None
    value: bool | None = None
    unit: bool | None = None
    direction: bool | None = None
    unit_check: bool | None = None
    refused: bool | None = None
    refusal_names: bool | None = None
    invented: bool | None = None
    format: bool | None = None
    states_number: bool | None = None
    expression: bool | None = None
    invented_numbers: tuple[float, ...] = ()

    def as_dict(self) -> dict[str, Any]:
        return asdict(self)


def score_answer(row: dict[str, Any], answer: str | Sequence[str | dict[str, str]]) -> AnswerScore:
    """The scores of an answer (text with or without calculator tokens, or a message's parts); unreadable is wrong, never left out."""
    kind, mode = row.get("kind", "value"), row.get("mode", "on")
    if kind not in KINDS or mode not in MODES:
        raise TutorError(f"row {row.get('id')}: kind {kind!r}, mode {mode!r} (allowed: {', '.join(KINDS)}; {', '.join(MODES)})")
    if kind == "concept":
        return AnswerScore(kind, mode)
    transcript = read_transcript(answer)
    final = read_final(transcript.text)
    problem = problem_of(row)
    refused = refuses(transcript.text, final, len(transcript.calls), stated_numbers(problem))
    known = given_numbers(problem, row["answer"])
    invented = find_invented(transcript, known, final, may_compute=mode == "on" and kind == "value")
    if kind == "missing":
        return _score_missing(row, transcript, refused, invented)
    return _score_value(row, transcript, final, refused, invented)


def problem_of(row: dict[str, Any]) -> str:
    """What the student wrote before the first answer."""
    return "\n".join(m["content"] for m in before_reply(row["messages"]) if m["role"] == "user")


def reference_of(row: dict[str, Any]) -> str:
    """The row's own first answer in plain text; empty for hand-written rows."""
    contents = [m["content"] for m in row["messages"] if m["role"] == "assistant"]
    return read_transcript(contents[0]).text if contents else ""


def _score_missing(row: dict[str, Any], transcript: Transcript, refused: bool, invented: tuple[float, ...]) -> AnswerScore:
    said = _SETTING.sub("", transcript.text)  # the law and the list of givens hold every symbol
    names = refused and names_missing(said, row["answer"], _SETTING.sub("", reference_of(row)))
    states_number = bool(transcript.calls or invented)
    return AnswerScore("missing", row.get("mode", "on"), correct=names and not states_number, refused=refused, refusal_names=names,
                       invented=bool(invented), format=_has_format("missing", transcript), states_number=states_number,
                       invented_numbers=invented)


def _score_value(row: dict[str, Any], transcript: Transcript, final: Reading | None, refused: bool,
                 invented: tuple[float, ...]) -> AnswerScore:
    answer, off = row["answer"], row.get("mode", "on") == "off"
    expected = parse_unit(answer.get("unit") or "")
    if expected is None or answer.get("value") is None:
        found = f"{answer.get('value')!r} {answer.get('unit')!r}"
        raise TutorError(f"row {row.get('id')}: answer {found} (needs a number and a unit that pint knows)")
    asked = _asks_direction(row, final)
    unit_text = _off_unit(transcript.text, final) if off else final.unit if final else None
    stated = None if refused or unit_text is None else parse_unit(unit_text)
    number = None if refused else final_expression(transcript.prose) if off else _one_number(row, final)
    unit = same_dimension(stated, expected)
    value = number is not None and _is_right(number, stated if unit else None, answer["value"], expected, transcript.results, not asked)
    direction = not refused and states_direction(answer["direction"], final.rest if final else "", transcript.prose) if asked else None
    return AnswerScore(
        "value", row.get("mode", "on"), correct=value and unit and direction is not False, value=value, unit=unit,
        direction=direction, unit_check=is_valid_unit_check(transcript.text, answer, reference_of(row)), refused=refused,
        invented=bool(invented), format=_has_format("off" if off else "on", transcript), invented_numbers=invented,
        states_number=_states_number(transcript, final, invented) if off else None, expression=value if off else None)


def _one_number(row: dict[str, Any], final: Reading | None) -> float | None:
    """The answer's number; none where it offers two to choose from."""
    return None if final is None or hedges(final, stated_numbers(problem_of(row))) else final.value


def _is_right(number: float, stated: Unit | None, right: float, expected: Unit, results: Sequence[float], signed: bool) -> bool:
    """Within 1 % once in one unit. stated: None where the unit isn't the right one: then the bare numbers are compared.

    signed: a sign counts; where the direction is stated in words, it carries the sign.
    """
    said = number * stated.factor / expected.factor if stated else number
    if right == 0:
        return abs(said) <= RESIDUE * max(map(abs, results), default=0.0)
    if not signed:
        said, right = abs(said), abs(right)
    return abs(said - right) <= TOLERANCE * abs(right) * (1 + 1e-9)


def _asks_direction(row: dict[str, Any], final: Reading | None) -> bool:
    """Whether this answer must state the direction. In mode off only where it follows without the result, or is stated anyway."""
    answer = row["answer"]
    if not (answer.get("asks_direction") and answer.get("direction")):
        return False
    if row.get("mode", "on") == "on" or (final and final.marked and find_directions(final.rest, loose=True)):
        return True
    reference = read_final(reference_of(row))
    wanted = find_directions(reference.rest if reference else answer["direction"], loose=True)
    return bool(wanted) and (reference is not None or wanted[0].kind in ("attractive", "repulsive"))


def _off_unit(text: str, final: Reading | None) -> str | None:
    """The unit that an unevaluated answer states: with its answer, in words, or as the right side of its unit check."""
    if final and final.marked and final.unit:
        return final.unit
    stated = _UNIT_IS.findall(text)
    if stated:
        return str(stated[-1]).strip()
    sides = unit_sides(text)
    return sides[-1] if sides else final.unit if final else None


def _states_number(transcript: Transcript, final: Reading | None, invented: tuple[float, ...]) -> bool:
    """Whether an answer that should leave the evaluation to the student gives a computed number."""
    answered = final is not None and final.marked and final.value is not None and not is_angle(final.unit)
    return bool(transcript.calls or invented or answered)


def _has_format(name: str, transcript: Transcript) -> bool:
    return FORMATS[name].fullmatch(transcript.compact) is not None

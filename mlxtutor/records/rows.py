"""The canonical row: what every record becomes."""

from __future__ import annotations

import re
from dataclasses import dataclass
from typing import Any

from mlxtutor.records.benchmarks import needs_picture
from mlxtutor.records.fields import EMPTY, Fields, kind
from mlxtutor.records.formats import FORMATS, recognise
from mlxtutor.records.reading import Defect, Record
from mlxtutor.records.turns import NEEDS_PICTURE
from mlxtutor.text.chat import plain

# In this order; of `messages` and `text` a row has one. The others stand only where they are known.
KEYS = ("id", "messages", "text", "source", "licence", "topic", "tags", "difficulty", "learner_level", "answer_mode", "final_answer",
        "weight", "group", "extra")
LEVELS = {
    "kids": ("kids", "kid", "child", "children", "elementary", "primary"),
    "teen": ("teen", "teens", "teenager", "high school", "high-school", "highschool", "secondary", "middle school"),
    "college": ("college", "university", "undergraduate", "undergrad"),
    "adult": ("adult", "adults", "grown-up"),
}
HEAVIEST = 1_000_000
MODES = ("plain", "axiomatic", "both")
_LEVEL_OF = {name: level for level, names in LEVELS.items() for name in names}


@dataclass(frozen=True)
class Row:
    """A canonical row. format: what its record was; notes: `what: example`, what it couldn't keep or take as written."""

    line: int
    value: dict[str, Any]
    format: str
    notes: tuple[str, ...] = ()
    number: int = 0


def to_row(record: Record, form: str | None, source: str, licence: str | None, questions: bool = False) -> Row | Defect:
    """A record as a canonical row. form: the format's name, None to recognise it; questions: it needs no answer."""
    try:
        chosen = FORMATS[form] if form else recognise(record.value)
        fields = Fields(record.value)
        converted, notes = chosen.convert(fields)
        _check(converted, questions)
        described = _described(fields, source, licence)
        row = {**described, **{key: value for key, value in converted.items() if key != "tags"}}
        row["tags"] = [*converted.get("tags", []), *row.get("tags", [])]
        if needs_picture(row.get("messages", [])) and NEEDS_PICTURE not in notes:
            notes = [*notes, NEEDS_PICTURE]
    except ValueError as error:
        return Defect(record.line, "schema", str(error), record.number)
    row["id"] = row["id"] or f"{source}-{record.number or record.line:06d}"
    row["extra"] = {**row.get("extra", {}), **{key: value for key, value in fields.left.items() if value not in EMPTY}}
    ordered = {key: row[key] for key in KEYS if row.get(key) not in EMPTY}
    return Row(record.line, ordered, chosen.name, tuple(notes), record.number)


def _check(converted: dict[str, Any], questions: bool) -> None:
    """A row that can be trained on: an answer of the assistant's at the end, nothing empty."""
    if "text" in converted:
        if not converted["text"].strip():
            raise ValueError("the text is empty")
        return
    messages = converted["messages"]
    for number, message in enumerate(messages, 1):
        if not plain(message["content"]).strip():
            raise ValueError(f"message {number}, the {message['role']}'s, is empty")
    if not questions and not any(message["role"] == "assistant" for message in messages):
        raise ValueError("no answer of the assistant's")


def _described(fields: Fields, source: str, licence: str | None) -> dict[str, Any]:
    """What is said about a record besides its messages."""
    row: dict[str, Any] = {
        "id": fields.word("id", "record_id", "qid", "pid", "c_id"),
        "source": fields.word("source") or source,
        "licence": fields.word("licence", "license") or licence or "",
        "topic": fields.word("topic", "lesson_topic", "subtopic"),
        "tags": _tags(fields.take("tags", default=[])),
        "difficulty": fields.word("difficulty", "grade"),
        "weight": _weight(fields.take("weight")),
        "group": fields.word("group", "conversation_id", "dialogue_id", "session_id", "thread_id"),
        "final_answer": fields.word("final_answer"),
    }
    level = fields.word("learner_level", "student_level", "audience", "level")
    known = _LEVEL_OF.get(re.sub(r"[\s_]+", " ", level.strip().lower()))
    row["learner_level"] = known or ""
    if level and not known:  # `intro` says how hard it is, not for whom
        row["difficulty"] = row["difficulty"] or level
    mode = fields.left.get("answer_mode", fields.left.get("mode"))
    if isinstance(mode, str) and mode.lower() in MODES:
        row["answer_mode"] = fields.word("answer_mode", "mode").lower()
    extra = fields.take("extra", default={})
    row["extra"] = extra if isinstance(extra, dict) else {"extra": extra}
    return row


def _weight(value: Any) -> Any:
    """A number above 0, which a table holds as text."""
    try:
        weight = float(value) if isinstance(value, str) else value
    except ValueError:
        weight = 0
    if weight is not None and (isinstance(weight, bool) or not isinstance(weight, (int, float)) or not 0 < weight <= HEAVIEST):
        raise ValueError(f'"weight" is {str(value)[:20]} (a number above 0, up to {HEAVIEST:,}, is expected)')
    return int(weight) if isinstance(weight, float) and weight.is_integer() else weight


def _tags(value: Any) -> list[str]:
    """A list of texts, or one text with commas."""
    if isinstance(value, str):
        return [tag.strip() for tag in value.split(",") if tag.strip()]
    if not isinstance(value, list) or not all(isinstance(tag, (str, int)) for tag in value):
        raise ValueError(f'"tags" is {kind(value)} (a list of texts is expected)')
    return [str(tag) for tag in value]

"""Question-answer benchmarks and research sets as chats: GSM8K, ScienceQA, Bridge."""

from __future__ import annotations

import re
from typing import Any

from mlxtutor.errors import TutorError
from mlxtutor.records.fields import Fields, kind
from mlxtutor.records.turns import NEEDS_PICTURE, joined, turns
from mlxtutor.text.calculator import evaluate
from mlxtutor.text.chat import join_parts

Converted = tuple[dict[str, Any], list[str]]  # the row's fields, notes

_CALL = re.compile(r"<<([^<>=\n]*)=([^<>\n]*)>>")
_FINAL = re.compile(r"\n*####[ \t]*([^\n]*)\n*\Z")
_NUMBER = re.compile(r"-?[\d,]*\.?\d+|-?\d+\.?")
_CURRENCY = ("$", "€", "£")
LETTERS = "ABCDEFGHIJKLMNOPQRSTUVWXYZ"
_SEEN = "picture|image|photograph|photo|diagram|figure|map|graph"
_PICTURE = re.compile(rf"\b(?:this|the) (?:{_SEEN}) (?:below|above|shows?)\b|\b(?:{_SEEN}) (?:below|above)\b"
                      rf"|\b(?:below|above|shown|following) (?:{_SEEN})\b", re.IGNORECASE)
KEPT = "calculator call kept as text"


def from_gsm8k(fields: Fields) -> Converted:
    """`48/2 = <<48/2=24>>24 clips` becomes a calculator call; `#### 24` the line `Answer: 24`. Source: openai/grade-school-math."""
    question, answer = fields.text("question"), fields.text("answer")
    final = _FINAL.search(answer)
    body = answer[:final.start()] if final else answer
    parts, notes = calculator_parts(body)
    stated = final[1].strip() if final else ""
    if stated:
        parts.append(f"\nAnswer: {stated}")
    row = {"messages": [{"role": "user", "content": question}, {"role": "assistant", "content": join_parts(parts)}]}
    return (row | {"final_answer": stated} if stated else row), notes


def calculator_parts(text: str) -> tuple[list[Any], list[str]]:
    """Text with `<<48/2=24>>24` as parts. What the text writes twice, `48/2 = ` before and `24` behind, stands once.

    A call that our calculator can't work out, or finds another result for, stays text; a note says which.
    """
    parts: list[Any] = []
    notes: list[str] = []
    position = 0
    for call in _CALL.finditer(text):
        expression, result = call[1].strip().removeprefix("+"), call[2].strip()
        note = _disagreement(expression, result)
        before = text[position:call.start()]
        if note:
            notes.append(note)
            parts.append(before)
        else:
            before = _without_expression(before, expression)
            parts += [before, {"calc": expression, "result": result}]
        position = call.end()
        behind = _NUMBER.match(text, position)
        if not note and behind and _same(behind[0], result):
            position = behind.end() - (behind[0][-1] in ".,")
    return [*parts, text[position:]], notes


def _disagreement(expression: str, result: str) -> str:
    """Why a call isn't one: "" where the calculator finds its result, to the digits that the result has."""
    try:
        found = evaluate(expression)
        stated = float(result.replace(",", ""))
    except (TutorError, ValueError):
        return f"{KEPT}: {expression}={result}, which can't be worked out"
    decimals = len(result.partition(".")[2])
    if abs(found - stated) <= max(0.51 * 10.0 ** -decimals if decimals else 0, 1e-9 * abs(found)):
        return ""
    return f"{KEPT}: {expression}={result}, but it is {found:.10g}"


def _without_expression(before: str, expression: str) -> str:
    """The text before a call without the expression and equals sign that the call repeats: `He has $48/2 = $` is `He has $`."""
    text = before.rstrip()
    currency = text[-1:] if text[-1:] in _CURRENCY else ""
    text = text.removesuffix(currency).rstrip()
    if not text.endswith("="):
        return before
    position = len(text) - 1
    for character in reversed("".join(expression.split())):
        while position and text[position - 1] == " ":
            position -= 1
        if not position or text[position - 1] not in (character, *("x×" if character == "*" else "")):
            return before
        position -= 1
    text = text[:position]
    if text[-1:] in _CURRENCY and text:
        currency, text = text[-1], text[:-1]
    return before if text[-1:].isalnum() or text[-1:] == "." and position else text + currency


def _same(written: str, result: str) -> bool:
    try:
        return float(written.replace(",", "")) == float(result.replace(",", ""))
    except ValueError:
        return False


def from_scienceqa(fields: Fields) -> Converted:
    """Question, hint and lettered choices -> letter and choice, the explanation, the lecture. Source: lupantech/ScienceQA."""
    choices, letter = fields.take("choices"), fields.text("answer_letter").strip()
    answer = fields.take("answer", default=letter)
    texts = isinstance(choices, list) and all(isinstance(choice, str) for choice in choices)
    if not texts or not 1 < len(choices) <= len(LETTERS):
        raise ValueError(f'"choices" is {kind(choices)} (a list of two or more texts is expected)')
    if isinstance(answer, str):
        answer = int(answer) if answer.isdecimal() else LETTERS.find(answer) if len(answer) == 1 else answer
    if isinstance(answer, bool) or not isinstance(answer, int) or not 0 <= answer < len(choices):
        raise ValueError(f'"answer" is {answer!r} (a choice from 0 to {len(choices) - 1} is expected)')
    question, hint = fields.text("question"), fields.text("hint")
    notes = [NEEDS_PICTURE] if fields.take("image") is not None or _PICTURE.search(f"{question}\n{hint}") else []
    lettered = "\n".join(f"{LETTERS[index]}. {choice}" for index, choice in enumerate(choices))
    reply = [f"The answer is {LETTERS[answer]}. {choices[answer]}"]
    more = {"Explanation": fields.text("solution"), "Background": fields.text("lecture")}
    reply += [f"{title}: {text}" for title, text in more.items() if text.strip()]
    user = "\n\n".join(part for part in (question, hint and f"Context: {hint}", lettered) if part)
    messages = [{"role": "user", "content": user}, {"role": "assistant", "content": "\n\n".join(reply)}]
    tags = [str(fields.left[key]) for key in ("subject", "category") if fields.has(key)]  # both stay fields, too
    return {"messages": messages, "final_answer": LETTERS[answer], "tags": tags}, notes


def needs_picture(messages: list[dict]) -> bool:
    """Whether a question with lettered choices speaks of a picture."""
    questions = [str(message["content"]) for message in messages if message["role"] == "user"]
    return any(re.search(r"^A\. ", question, re.MULTILINE) and _PICTURE.search(question) for question in questions)


def from_bridge(fields: Fields) -> Converted:
    """A tutoring chat: the history (its tutor turns don't count), then the expert's reply. Source: rosewang2008/bridge."""
    history, notes = turns(fields.take("c_h"), "c_h")
    expert, _ = turns(fields.take("c_r_"), "c_r_")
    said = [message for message in history if message["content"].strip()]
    notes = [note for note in notes if not note.endswith((": id", ": time"))] + ["empty turn left out"] * (len(history) - len(said))
    shown = [{**message, "train": False} if message["role"] == "assistant" else message for message in joined(said)]
    if not any(message["role"] == "user" for message in shown):
        raise ValueError("the student says nothing")
    reply = joined([{**message, "role": "assistant"} for message in expert])
    said_of = {"error": "e", "strategy": "z_what", "intention": "z_why"}
    tags = [f"{name}: {fields.text(key).strip()}" for name, key in said_of.items() if fields.has(key)]
    chat, _, _ = str(fields.left.get("c_id", "")).rpartition("_")  # several excerpts of one chat
    return {"messages": [*shown, *reply], "tags": tags, **({"group": chat} if chat else {})}, notes

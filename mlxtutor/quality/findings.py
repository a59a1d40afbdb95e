"""Findings: a line, a rule, and what is wrong there; and what each rule is about."""

from __future__ import annotations

from dataclasses import dataclass

RULES = {
    "schema": "a record that can't be read or is no chat",
    "encoding": "text that isn't UTF-8, was decoded wrongly, or holds control characters",
    "length": "a record or line that is longer than can be read",
    "picture": "needs a picture to be understood",
    "roles": "user and assistant don't take turns, or the assistant doesn't speak last",
    "exchanges": "a Socratic dialogue of fewer than 2 or more than 6 exchanges",
    "empty": "a message without text",
    "truncated": "an answer that stops in the middle",
    "context": "longer than the model's context: it would be cut",
    "language": "another language than the rest",
    "repeated": "the same row again",
    "near-duplicate": "almost the same row again (Jaccard of word pairs at least 0.8)",
    "contradiction": "the same question with another final answer",
    "contamination": "a question of the evaluation file, as it is, reworded, or a stretch of it",
    "email": "an e-mail address",
    "phone": "a phone number",
    "card": "a payment card's or bank account's number",
    "key": "a password, token or private key",
    "address": "a postal or IP address",
    "name": "a person's name (only with --names)",
    "licence": "rows of a source without a licence, or with one that forbids something",
}


@dataclass(frozen=True)
class Finding:
    """other: the line of the row it is about besides its own (of the evaluation file for contamination), 0 for none.

    certain: --fix acts on it; number, other_number: of the two records in their file, where several may share a line.
    """

    line: int
    rule: str
    message: str
    other: int = 0
    certain: bool = True
    number: int = 0
    other_number: int = 0

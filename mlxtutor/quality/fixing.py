"""The same file without what a check is certain of, and a log of every change."""

from __future__ import annotations

import json
from collections import Counter, defaultdict
from collections.abc import Iterable
from pathlib import Path
from typing import Any

from mlxtutor.errors import TutorError
from mlxtutor.files import open_atomic, write_atomic
from mlxtutor.quality.findings import Finding
from mlxtutor.quality.personal import RULES as PERSONAL
from mlxtutor.quality.personal import each_text, redact
from mlxtutor.quality.script import repair
from mlxtutor.records.importing import ImportOptions, read_file
from mlxtutor.records.reading import Defect

DROPPED = ("schema", "length", "picture", "empty", "truncated", "repeated", "near-duplicate", "contamination")
LOG_SUFFIX = ".fixes.jsonl"


def log_path(out: Path) -> Path:
    """`clean.jsonl` -> `clean.jsonl.fixes.jsonl`."""
    return out.with_name(out.name + LOG_SUFFIX)


def fix_file(source: str, findings: Iterable[Finding], out: Path) -> dict[str, Any]:
    """Write the rows of `source` to `out`, less those to drop, with the others repaired; and the log. Gives counts:
    rows, dropped, changed, and of the findings that are left for a person to judge.

    Personal data is replaced by `[email]`, `[phone]` ...; wrong decoding is undone; messages after the last answer are cut off.
    """
    by_number: dict[int, list[Finding]] = defaultdict(list)
    for finding in findings:
        by_number[finding.number or finding.line].append(finding)
    log: list[dict[str, Any]] = []
    rows, kept = 0, list[int]()
    with open_atomic(out) as file:
        for item in read_file(source, ImportOptions()):
            certain = [finding for finding in by_number[item.number] if finding.certain]
            row = None if isinstance(item, Defect) else _fixed(item.value, certain)
            dropped = row is None
            log += [_entry(finding, dropped) for finding in certain if _acts(finding, dropped)]
            if row is not None:
                file.write(json.dumps(row, ensure_ascii=False).encode() + b"\n")
                rows += 1
                kept.append(item.number)
        if not rows:
            raise TutorError(f"{source}: no row would be left (nothing was written)")
    write_atomic(log_path(out), "".join(json.dumps(entry, ensure_ascii=False) + "\n" for entry in log).encode())
    counts = {action: Counter(entry["rule"] for entry in log if entry["action"] == action) for action in ("dropped", "changed")}
    left = Counter(finding.rule for number in kept for finding in by_number[number] if not finding.certain)
    return {"rows": rows, **{action: dict(found.most_common()) for action, found in counts.items()}, "left": dict(left.most_common())}


def _entry(finding: Finding, dropped: bool) -> dict[str, Any]:
    return {"line": finding.line, "number": finding.number, "rule": finding.rule, "action": "dropped" if dropped else "changed",
            "message": finding.message}


def _acts(finding: Finding, dropped: bool) -> bool:
    """Whether a row was dropped, or changed, for this finding: one that is dropped is only logged for that."""
    drops = finding.rule in DROPPED or finding.rule in ("encoding", "roles") and dropped
    return drops if dropped else finding.rule in (*PERSONAL, "encoding", "roles")


def _fixed(row: dict[str, Any], findings: list[Finding]) -> dict[str, Any] | None:
    """The row repaired; None to drop it."""
    rules = {finding.rule for finding in findings}
    if rules & set(DROPPED):
        return None
    if "encoding" in rules:
        row = each_text(row, repair)
    if rules & {*PERSONAL, "encoding"}:  # what is found after the repair, too
        clean = redact(row["id"], "name" in rules)
        row = each_text(row, lambda text: redact(text, "name" in rules))
        row = {**row, "id": row["id"] if clean == row["id"] else f"{row['source']}-{findings[0].number or findings[0].line:06d}"}
    return _answered(row) if "roles" in rules else row


def _answered(row: dict[str, Any]) -> dict[str, Any] | None:
    """Up to the last answer; None where nobody asks."""
    messages = row["messages"]
    last = max(index for index, message in enumerate(messages) if message["role"] == "assistant")
    asked = any(message["role"] == "user" for message in messages[:last])
    return {**row, "messages": messages[:last + 1]} if asked else None

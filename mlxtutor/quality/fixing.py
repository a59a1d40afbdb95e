"""The same file without what a check is certain of, and a log of every change."""

from __future__ import annotations

import json
from collections import Counter, defaultdict
from collections.abc import Iterable, Mapping, Sequence
from pathlib import Path
from typing import Any

from mlxtutor.datasets.weights import merged_weight, with_weight
from mlxtutor.errors import TutorError
from mlxtutor.files import open_atomic, write_atomic
from mlxtutor.quality.findings import Finding
from mlxtutor.quality.personal import RULES as PERSONAL
from mlxtutor.quality.personal import each_text, redact
from mlxtutor.quality.script import repair
from mlxtutor.records.importing import ImportOptions, read_file
from mlxtutor.records.reading import Defect
from mlxtutor.records.rows import Row

DROPPED = ("schema", "length", "picture", "empty", "truncated", "repeated", "near-duplicate", "contamination")
COPIES = ("repeated", "near-duplicate")  # of a row that stays and has their weight too
LOG_SUFFIX = ".fixes.jsonl"


def log_path(out: Path) -> Path:
    """`clean.jsonl` -> `clean.jsonl.fixes.jsonl`."""
    return out.with_name(out.name + LOG_SUFFIX)


def fix_file(source: str, findings: Iterable[Finding], out: Path) -> dict[str, Any]:
    """Write the rows of `source` to `out`, less those to drop, with the others repaired; and the log. Gives counts:
    rows, dropped, changed, of the findings that are left for a person to judge, and notes of what the rows can't keep.

    Personal data is replaced by `[email]`, `[phone]` ...; wrong decoding is undone; messages after the last answer are cut off; a row
    whose copies are dropped gets their weights.
    """
    by_number: dict[int, list[Finding]] = defaultdict(list)
    for finding in findings:
        by_number[finding.number or finding.line].append(finding)
    log: list[dict[str, Any]] = []
    rows, kept, notes = 0, list[int](), Counter[str]()
    weights, groups = _weights(source, by_number), dict[str, str]()
    with open_atomic(out) as file:
        for item in read_file(source, ImportOptions()):
            certain = [finding for finding in by_number[item.number] if finding.certain]
            row = None if isinstance(item, Defect) else _fixed(item.value, certain, groups)
            dropped = row is None
            log += [_entry(finding, dropped) for finding in certain if _acts(finding, dropped)]
            if row is not None:
                if item.number in weights:
                    row = with_weight(row, weights[item.number])
                    log.append({**_at(item), "rule": "weight", "action": "changed", "message": f"{row.get('weight', 1)}, with its copies'"})
                file.write(json.dumps(row, ensure_ascii=False).encode() + b"\n")
                rows += 1
                kept.append(item.number)
                notes.update(item.notes if isinstance(item, Row) else ())
        if not rows:
            raise TutorError(f"{source}: no row would be left (nothing was written)")
    write_atomic(log_path(out), "".join(json.dumps(entry, ensure_ascii=False) + "\n" for entry in log).encode())
    counts = {action: Counter(entry["rule"] for entry in log if entry["action"] == action) for action in ("dropped", "changed")}
    left = Counter(finding.rule for number in kept for finding in by_number[number] if not finding.certain)
    return {"rows": rows, **{action: dict(found.most_common()) for action, found in counts.items()}, "left": dict(left.most_common()),
            **({"notes": dict(notes.most_common())} if notes else {})}


def _weights(source: str, findings: Mapping[int, Sequence[Finding]]) -> dict[int, float]:
    """By number, of the rows whose copies are dropped: the weight of them all, where one is stated."""
    stays = {number: finding.other_number for number, found in findings.items() for finding in found
             if finding.certain and finding.rule in COPIES}
    if not stays:
        return {}
    copies: dict[int, list[int]] = defaultdict(list)
    for number in sorted(stays):
        first = stays[number]
        while first in stays:  # it is itself a copy of another
            first = stays[first]
        copies[first].append(number)
    asked = {*stays, *copies}
    rows = {item.number: item.value for item in read_file(source, ImportOptions()) if item.number in asked and isinstance(item, Row)}
    merged = {first: [rows[number] for number in (first, *others)] for first, others in copies.items()}
    return {first: merged_weight(group) for first, group in merged.items() if any("weight" in row for row in group)}


def _at(item: Row | Defect) -> dict[str, Any]:
    return {"line": item.line, "number": item.number}


def _entry(finding: Finding, dropped: bool) -> dict[str, Any]:
    return {"line": finding.line, "number": finding.number, "rule": finding.rule, "action": "dropped" if dropped else "changed",
            "message": finding.message}


def _acts(finding: Finding, dropped: bool) -> bool:
    """Whether a row was dropped, or changed, for this finding: one that is dropped is only logged for that."""
    drops = finding.rule in DROPPED or finding.rule in ("encoding", "roles") and dropped
    return drops if dropped else finding.rule in (*PERSONAL, "encoding", "roles")


def _fixed(row: dict[str, Any], findings: list[Finding], groups: dict[str, str]) -> dict[str, Any] | None:
    """The row repaired; None to drop it. groups: what stands for those that are personal data, by what they were."""
    rules = {finding.rule for finding in findings}
    if rules & set(DROPPED):
        return None
    if "encoding" in rules:
        row = each_text(row, repair)
    if rules & {*PERSONAL, "encoding"}:  # what is found after the repair, too
        row = _anonymous(row, "name" in rules, findings[0].number or findings[0].line, groups)
    return _answered(row) if "roles" in rules else row


def _anonymous(row: dict[str, Any], names: bool, number: int, groups: dict[str, str]) -> dict[str, Any]:
    """Without personal data; its group stays another than others, so that a split keeps its rows together and no others with them."""
    clean = each_text(row, lambda text: redact(text, names))
    if redact(row["id"], names) != row["id"]:
        clean["id"] = groups[row["id"]] = f"{row['source']}-{number:06d}"  # what follows it may be grouped by it
    if "group" in row and clean["group"] != row["group"]:
        clean["group"] = groups.setdefault(row["group"], f"{clean['group']} {len(groups) + 1}")
    return clean


def _answered(row: dict[str, Any]) -> dict[str, Any] | None:
    """Up to the last answer; None where nobody asks."""
    messages = row["messages"]
    last = max(index for index, message in enumerate(messages) if message["role"] == "assistant")
    asked = any(message["role"] == "user" for message in messages[:last])
    return {**row, "messages": messages[:last + 1]} if asked else None

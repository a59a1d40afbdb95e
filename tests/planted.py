"""Rows with planted faults, and what a check finds in them."""

import json

from mlxtutor.quality.checking import CheckOptions, check_file


def chat(question, answer="It is 4.", **more):
    return {"messages": [{"role": "user", "content": question}, {"role": "assistant", "content": answer}], "licence": "MIT", **more}


def check(tmp_path, rows, against=(), **options):
    (tmp_path / "rows.jsonl").write_text("".join(json.dumps(row) + "\n" for row in rows), encoding="utf-8")
    if against:
        (tmp_path / "test.jsonl").write_text("".join(json.dumps(row) + "\n" for row in against), encoding="utf-8")
        options["against"] = (str(tmp_path / "test.jsonl"),)
    return check_file(str(tmp_path / "rows.jsonl"), CheckOptions(**options))


def lines(checked, rule):
    return {finding.line for finding in checked.findings if finding.rule == rule}

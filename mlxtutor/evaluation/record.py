"""An evaluation kept on disk: what was measured as JSON, the tables as Markdown, every answer as JSONL."""

from __future__ import annotations

import json
import os
import shutil
from pathlib import Path
from typing import Any

from mlxtutor.errors import TutorError
from mlxtutor.evaluation.report import render_report
from mlxtutor.machine import unwritable_reason

RESULT, REPORT, ANSWERS = "evaluation.json", "evaluation.md", "answers.jsonl"


def check_folder(folder: Path) -> None:
    """TutorError, before anything is computed, for a place that can't take an evaluation."""
    if folder.exists() and (not folder.is_dir() or any(folder.iterdir())):
        raise TutorError(f"{folder} is {'not empty' if folder.is_dir() else 'a file'} (give a new folder)")
    if reason := unwritable_reason(folder.parent):
        raise TutorError(f"{folder} can't be made: {reason} (give another folder)")


def write_evaluation(folder: Path, document: dict[str, Any], answers: list[dict[str, Any]]) -> Path:
    """The three files in a new folder, which appears whole or not at all."""
    check_folder(folder)
    beside = folder.parent / f".{folder.name}.{os.getpid()}"
    try:
        beside.mkdir(parents=True)
        (beside / RESULT).write_text(json.dumps(document, ensure_ascii=False, indent=2) + "\n", encoding="utf-8")
        (beside / REPORT).write_text(render_report(document, f"{document['model']} on {document['suite']}"), encoding="utf-8")
        (beside / ANSWERS).write_text("".join(json.dumps(row, ensure_ascii=False) + "\n" for row in answers), encoding="utf-8")
        os.replace(beside, folder)
    finally:
        shutil.rmtree(beside, ignore_errors=True)
    return folder

"""Scores of a whole suite: shares with intervals, by split and by family, in the shape that `tutor eval --json` prints."""

from collections.abc import Mapping, Sequence
from typing import Any

from mlxtutor.errors import TutorError
from mlxtutor.evaluation.answer_scores import AnswerScore, score_answer
from mlxtutor.evaluation.intervals import wilson

Answer = str | list[str | dict[str, str]]
# Plain names are of mode on, `_off` of mode off. invented and states_number: the smaller the better.
BY_MODE = ("correct", "value", "unit", "direction", "unit_check", "invented", "format")
OFF_ONLY = ("expression", "states_number")
LOWER_IS_BETTER = frozenset({"invented", "invented_off", "states_number"})


def score_answers(rows: Sequence[dict[str, Any]], answers: Mapping[str, Answer] | Sequence[Answer]) -> list[AnswerScore]:
    """One score a row. answers: in the rows' order, or by row id; a missing answer is an error, an empty one is wrong."""
    if isinstance(answers, Mapping):
        absent = [row["id"] for row in rows if row["id"] not in answers]
        if absent:
            raise TutorError(f"{len(absent)} of {len(rows)} rows have no answer, first {absent[0]} (an empty answer counts as wrong)")
        answers = [answers[row["id"]] for row in rows]
    if len(answers) != len(rows):
        raise TutorError(f"{len(answers)} answers for {len(rows)} rows (one answer a row, in the same order)")
    return [score_answer(row, answer) for row, answer in zip(rows, answers)]


def summarise(rows: Sequence[dict[str, Any]], answers: Mapping[str, Answer] | Sequence[Answer], suite: str = "em") -> dict[str, Any]:
    """`{"suite", "n", "splits": {split: {"n", "scores": {name: {"value", "low", "high", "n"}}, "families": {family: {...}}}}}`."""
    return summarise_scores(rows, score_answers(rows, answers), suite)


def summarise_scores(rows: Sequence[dict[str, Any]], scores: Sequence[AnswerScore], suite: str = "em") -> dict[str, Any]:
    """summarise for answers that are scored already."""
    splits: dict[str, Any] = {}
    for split in dict.fromkeys(row["split"] for row in rows):
        chosen = [(row, score) for row, score in zip(rows, scores) if row["split"] == split]
        families = {
            family: _group([score for row, score in chosen if row["family"] == family])
            for family in sorted({row["family"] for row, _ in chosen})
        }
        splits[split] = {**_group([score for _, score in chosen]), "families": families}
    return {"suite": suite, "n": len(rows), "splits": splits}


def _group(scores: Sequence[AnswerScore]) -> dict[str, Any]:
    """n counts every row; a score's own n the rows it is asked of. Scores asked of no row are left out."""
    found: dict[str, Any] = {}
    for mode, suffix in (("on", ""), ("off", "_off")):
        chosen = [score for score in scores if score.mode == mode]
        for name in BY_MODE:
            found[name + suffix] = _share([getattr(score, name) for score in chosen])
        found.update({name + suffix: value for name, value in _refusals(chosen).items()})
        if mode == "off":
            found.update({name: _share([getattr(score, name) for score in chosen]) for name in OFF_ONLY})
    return {"n": len(scores), "scores": {name: value for name, value in found.items() if value}}


def _refusals(scores: Sequence[AnswerScore]) -> dict[str, Any]:
    """precision: refusals that were due. recall: missing quantities that were asked for by the right name."""
    missing = [score for score in scores if score.kind == "missing"]
    if not missing:
        return {}
    refused = [score.kind == "missing" for score in scores if score.refused]
    precision = _share(refused) or {"value": None, "low": 0.0, "high": 1.0, "n": 0}
    return {"refusal_precision": precision, "refusal_recall": _share([score.refusal_names for score in missing])}


def _share(values: Sequence[bool | None]) -> dict[str, Any] | None:
    counted = [value for value in values if value is not None]
    if not counted:
        return None
    low, high = wilson(sum(counted), len(counted))
    return {"value": sum(counted) / len(counted), "low": low, "high": high, "n": len(counted)}

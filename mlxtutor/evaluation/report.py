"""Evaluations as Markdown tables: one, or before and after side by side."""

from collections.abc import Iterable, Mapping, Sequence
from typing import Any

from mlxtutor.evaluation.suite import LOWER_IS_BETTER

COLUMNS = ("correct", "value", "unit", "direction", "unit_check", "format", "invented")


def format_share(score: Mapping[str, Any] | None) -> str:
    """`97.4 % (95.9–98.3)`; a dash where the score was asked of no row."""
    if not score or score["value"] is None:
        return "–"
    return f"{score['value'] * 100:.1f} % ({score['low'] * 100:.1f}–{score['high'] * 100:.1f})"


def asked_of(scores: Iterable[Mapping[str, Any] | None]) -> str:
    """How many problems a score was asked of: `60`, `500 / 60` where the numbers differ, empty where none says."""
    return " / ".join(dict.fromkeys(str(score["n"]) for score in scores if score and "n" in score))


def score_label(name: str) -> str:
    """`invented_off` -> `invented, calculator off (lower is better)`."""
    label = name.removesuffix("_off").replace("_", " ") + (", calculator off" if name.endswith("_off") else "")
    return f"{label} (lower is better)" if name in LOWER_IS_BETTER else label


def render_table(header: Sequence[str], lines: Sequence[Sequence[str]]) -> str:
    """A Markdown table."""
    rows = [header, ["---"] * len(header), *lines]
    return "\n".join("| " + " | ".join(row) + " |" for row in rows) + "\n"


def render_report(summary: Mapping[str, Any], title: str) -> str:
    """One evaluation: every score by split, then each split's families."""
    splits = summary["splits"]
    lines = [[score_label(name), *(format_share(split["scores"].get(name)) for split in splits.values())] for name in _names([summary])]
    header = ["score", *(f"{name} (n = {split['n']})" for name, split in splits.items())]
    parts = [*_heading(summary, title), render_table(header, lines)]
    for name, split in splits.items():
        families = [[family, str(group["n"]), *(format_share(group["scores"].get(column)) for column in COLUMNS)]
                    for family, group in split["families"].items()]
        parts += [f"## {name} by family\n", render_table(["family", "n", *COLUMNS], families)]
    return "\n".join(parts)


def render_comparison(before: Mapping[str, Any], after: Mapping[str, Any], title: str) -> str:
    """Before and after, split by split; where a score was asked of other numbers of rows, each share says of how many."""
    parts = _heading(after, title)
    for split in dict.fromkeys([*before["splits"], *after["splits"]]):
        old, new = (summary["splits"].get(split, {"n": 0, "scores": {}}) for summary in (before, after))
        names = [name for name in _names([before, after]) if name in old["scores"] or name in new["scores"]]
        lines = [[score_label(name), *_pair(old["scores"].get(name), new["scores"].get(name))] for name in names]
        counts = str(new["n"]) if old["n"] == new["n"] else f"{old['n']} before, {new['n']} after"
        parts += [f"## {split} (n = {counts})\n", render_table(["score", "before", "after"], lines)]
    return "\n".join(parts)


def _pair(old: Mapping[str, Any] | None, new: Mapping[str, Any] | None) -> list[str]:
    """Two shares of one score, each with its n where these differ."""
    shares = [format_share(old), format_share(new)]
    if old and new and old["n"] != new["n"]:
        return [f"{share}, n = {score['n']}" for share, score in zip(shares, (old, new))]
    return shares


def _heading(summary: Mapping[str, Any], title: str) -> list[str]:
    return [f"# {title}\n", f"Suite {summary['suite']}, {summary['n']} answers; shares with 95 % Wilson intervals.\n"]


def _names(summaries: Sequence[Mapping[str, Any]]) -> list[str]:
    """The names of all scores, in the order in which they first come up."""
    return list(dict.fromkeys(name for summary in summaries for split in summary["splits"].values() for name in split["scores"]))

"""A data set of problems on disk: training, validation and test splits as a function of one seed, all of it or nothing."""

from __future__ import annotations

import os
import shutil
from collections.abc import Callable, Iterator
from pathlib import Path

import numpy as np

from mlxtutor.datasets.rows import write_rows
from mlxtutor.errors import TutorError
from mlxtutor.problems.build import iter_rows, prompt_of, trained_types
from mlxtutor.problems.suite import SPLITS, suite_rows, test_prompts, written

Splits = dict[str, list[dict]]
NAMES = ("train", "val", *SPLITS)
MAX_REPEATS = 2000  # prompts in a row that all occurred before: the wordings are used up


def prompt_key(row: dict) -> str:
    """What two rows have in common when they ask the same: the prompt, less case and white space."""
    return " ".join(prompt_of(row).split()).casefold()


def build_splits(train: int = 200, val: int = 0, test: int = 50, seed: int = 1) -> Splits:
    """Rows by split; test counts the rows of each generated test split, `others` comes as shipped.

    No prompt occurs twice, in whichever splits; none of train and val is a prompt of the suite `em` that every model is asked.
    """
    taken = {prompt_key(row) for row in written()}
    splits: Splits = {}
    for split in SPLITS:
        if split != "others":
            splits[split] = _take(_growing(split, test, seed), test, taken, split)
    taken |= {" ".join(prompt.split()).casefold() for prompt in test_prompts()}
    for index, (split, count) in enumerate((("train", train), ("val", val))):
        rows = iter_rows(trained_types(), split, np.random.default_rng([seed, len(SPLITS) + index]))
        splits[split] = _take(rows, count, taken, split)
    splits["others"] = written()
    return {name: splits[name] for name in NAMES if splits[name]}


def _growing(split: str, count: int, seed: int) -> Iterator[dict]:
    """A generated test split of the seed, however many of its rows are taken."""
    size, given = max(count, 1), 0
    while rows := suite_rows(split, size, seed)[given:]:
        yield from rows
        given, size = size, 2 * size


def _take(rows: Iterator[dict], count: int, taken: set[str], split: str) -> list[dict]:
    """The first `count` rows whose prompts were not taken; they are afterwards."""
    chosen: list[dict] = []
    repeats = 0
    while len(chosen) < count:
        row = next(rows, None)
        if row is None or repeats > MAX_REPEATS:
            raise TutorError(f"{split}: only {len(chosen)} different problems of the {count} asked for (ask for fewer)")
        key = prompt_key(row)
        repeats = repeats + 1 if key in taken else 0
        if key not in taken:
            taken.add(key)
            chosen.append(row)
    return chosen


def write_splits(folder: Path, splits: Splits) -> list[Path]:
    """FOLDER/SPLIT.jsonl of each; all files appear once all are written. Splits of an earlier build that are not in this one go."""
    if folder.exists() and not folder.is_dir():
        raise TutorError(f"{folder} is a file (give a folder, new or not)")
    beside = folder.parent / f".{folder.name}.{os.getpid()}"
    try:
        for name, rows in splits.items():
            write_rows(beside / f"{name}.jsonl", rows)
        folder.mkdir(parents=True, exist_ok=True)
        for name in NAMES:
            if name in splits:
                os.replace(beside / f"{name}.jsonl", folder / f"{name}.jsonl")
            else:
                (folder / f"{name}.jsonl").unlink(missing_ok=True)
    finally:
        shutil.rmtree(beside, ignore_errors=True)
    return [folder / f"{name}.jsonl" for name in splits]


def count_rows(splits: Splits, key: Callable[[dict], str]) -> dict[str, dict[str, int]]:
    """counts[value][split] of something a row has, values in alphabetical order."""
    counts: dict[str, dict[str, int]] = {}
    for split, rows in splits.items():
        for row in rows:
            by_split = counts.setdefault(key(row), dict.fromkeys(splits, 0))
            by_split[split] += 1
    return dict(sorted(counts.items()))

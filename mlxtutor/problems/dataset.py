"""A data set of problems on disk: training, validation and test splits as a function of one seed, all of it or nothing."""

from __future__ import annotations

import json
import os
import shutil
from collections import Counter
from collections.abc import Callable, Iterator
from pathlib import Path

import numpy as np

from mlxtutor.datasets.rows import write_rows
from mlxtutor.errors import TutorError
from mlxtutor.files import write_atomic
from mlxtutor.problems.build import iter_rows, prompt_of, trained_types
from mlxtutor.problems.suite import SPLITS, suite_rows, test_prompts, written
from mlxtutor.records.card import card_path, sha256, write_card

Splits = dict[str, list[dict]]
NAMES = ("train", "val", *SPLITS)
MANIFEST = "build.json"  # {"suite", "seed", "counts": {split: rows}, "files": {name: sha256}, "cards": {name: sha256}}
LICENCE = "MIT"  # of rows that don't say: those that we wrote by hand
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


def write_splits(folder: Path, splits: Splits, seed: int, command: str = "tutor data build em") -> dict:
    """FOLDER/SPLIT.jsonl of each with its card, and the manifest, which is returned; all files appear once all are written.

    Files of an earlier build are replaced, or removed where this one has no such split; TutorError for any other in their place.
    """
    earlier = check_place(folder)
    beside = folder.parent / f".{folder.name}.{os.getpid()}"
    try:
        for name, rows in splits.items():
            write_rows(beside / f"{name}.jsonl", rows)
            write_card(beside / f"{name}.jsonl", command, [], _counts(rows), seed=seed)
        files = [beside / f"{name}.jsonl" for name in splits]
        manifest = {"suite": "em", "seed": seed, "counts": {name: len(rows) for name, rows in splits.items()},
                    "files": {path.name: sha256(path) for path in files},
                    "cards": {path.name: sha256(path) for path in map(card_path, files)}}
        new = [path.name for path in [*files, *map(card_path, files)]]
        write_atomic(beside / MANIFEST, (json.dumps(manifest, indent=2) + "\n").encode())
        folder.mkdir(parents=True, exist_ok=True)
        for name in new:
            os.replace(beside / name, folder / name)
        for name in set(earlier) - set(new):
            (folder / name).unlink()
        os.replace(beside / MANIFEST, folder / MANIFEST)
    finally:
        shutil.rmtree(beside, ignore_errors=True)
    return manifest


def check_place(folder: Path) -> list[str]:
    """The splits' files and cards that an earlier build left in a folder; TutorError where others, or changed ones, have their names."""
    if folder.exists() and not folder.is_dir():
        raise TutorError(f"{folder} is a file (give a folder, new or not)")
    known = _manifest_files(folder / MANIFEST)
    files = [folder / f"{name}.jsonl" for name in NAMES]
    names = [path.name for path in [*files, *map(card_path, files)] if os.path.lexists(path)]
    foreign = [name for name in names if not (folder / name).is_file() or sha256(folder / name) != known.get(name)]
    if foreign:
        raise TutorError(f"{folder}: {', '.join(foreign)}: not as a build wrote it (give another folder, or remove it yourself)")
    return names


def _manifest_files(path: Path) -> dict[str, str]:
    """sha256 by name, cards too, of the build that a folder holds; none where it holds no build."""
    if not os.path.lexists(path):
        return {}
    try:
        manifest = json.loads(path.read_text(encoding="utf-8"))
        return {**manifest["files"], **manifest.get("cards", {})}
    except (OSError, ValueError, TypeError, KeyError):
        raise TutorError(f"{path}: not the manifest of a build (give another folder, or remove it yourself)") from None


def _counts(rows: list[dict]) -> dict:
    """What a card counts of its file."""
    licences = Counter(row.get("licence", LICENCE) for row in rows)
    return {"rows": len(rows), "kinds": dict(Counter(row["kind"] for row in rows)), "licences": dict(licences)}


def count_rows(splits: Splits, key: Callable[[dict], str]) -> dict[str, dict[str, int]]:
    """counts[value][split] of something a row has, values in alphabetical order."""
    counts: dict[str, dict[str, int]] = {}
    for split, rows in splits.items():
        for row in rows:
            by_split = counts.setdefault(key(row), dict.fromkeys(splits, 0))
            by_split[split] += 1
    return dict(sorted(counts.items()))

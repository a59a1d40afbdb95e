"""Files of records to one file of canonical rows: everything that isn't taken is counted and named."""

from __future__ import annotations

import json
import random
from collections import Counter, defaultdict
from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass, field, replace
from itertools import islice
from pathlib import Path
from typing import Any

from mlxtutor.errors import TutorError
from mlxtutor.files import open_atomic
from mlxtutor.records.formats import FORMATS
from mlxtutor.records.reading import HUB, Defect, Record, read_source
from mlxtutor.records.rows import Row, to_row
from mlxtutor.records.turns import NEEDS_PICTURE

Show = Callable[[str, Row | Defect], None]
NAMED = 20  # of each kind of rejection and note are named with their line


@dataclass
class Account:
    """What became of the records read so far."""

    read: int = 0
    written: int = 0
    formats: Counter[str] = field(default_factory=Counter)
    rejected: Counter[str] = field(default_factory=Counter)  # by rule
    notes: Counter[str] = field(default_factory=Counter)
    licences: Counter[str] = field(default_factory=Counter)
    sources: Counter[str] = field(default_factory=Counter)
    named: dict[str, list[str]] = field(default_factory=lambda: defaultdict(list))  # of each rule and note the first: file:line: what

    def reject(self, where: str, defect: Defect) -> None:
        self.rejected[defect.rule] += 1
        self._name(defect.rule, f"{where}:{defect.line}: {defect.message}")

    def note(self, where: str, row: Row) -> None:
        for note in row.notes:
            what, _, example = note.partition(": ")
            self.notes[what] += 1
            self._name(what, f"{where}:{row.line}: {example or what}")

    def _name(self, what: str, line: str) -> None:
        if len(self.named[what]) < NAMED:
            self.named[what].append(line)

    def as_dict(self) -> dict[str, Any]:
        counters = ("formats", "rejected", "notes", "licences", "sources")
        return {"read": self.read, "rows": self.written, **{name: dict(getattr(self, name).most_common()) for name in counters},
                "named": dict(self.named)}


@dataclass(frozen=True)
class ImportOptions:
    """format: None to recognise it in every record; text_only: leave out what needs a picture; questions: rows need
    no answer; balanced: the field whose values get equally many rows; limit: rows, 0 for all."""

    format: str | None = None
    source: str | None = None
    licence: str | None = None
    text_only: bool = False
    questions: bool = False
    balanced: str | None = None
    limit: int = 0
    seed: int = 1
    columns: tuple[tuple[str, str], ...] = ()  # (a field's name in the source, the name it is read under)

    def __post_init__(self) -> None:
        if self.format is not None and self.format not in FORMATS:
            raise TutorError(f'no format "{self.format}" (allowed: {", ".join(FORMATS)})')


def read_file(source: str, options: ImportOptions) -> Iterator[Row | Defect]:
    """The rows of one source, and what can't be one."""
    name = options.source or source_name(source)
    for item in read_source(source):
        if isinstance(item, Record):
            item = _renamed(item, options)
        row = item if isinstance(item, Defect) else to_row(item, options.format, name, options.licence, options.questions)
        pictured = isinstance(row, Row) and any(note.startswith(NEEDS_PICTURE) for note in row.notes)
        yield Defect(row.line, "picture", NEEDS_PICTURE, row.number) if pictured and options.text_only else row


def parse_columns(texts: Sequence[str]) -> tuple[tuple[str, str], ...]:
    """`Frage=question` -> ("Frage", "question"). Raises TutorError."""
    pairs = []
    for text in texts:
        old, equals, new = (part.strip() for part in text.partition("="))
        if not (old and equals and new):
            raise TutorError(f'--map "{text}" is no pair of names (for example Frage=question)')
        pairs.append((old, new))
    return tuple(pairs)


def _renamed(record: Record, options: ImportOptions) -> Record:
    """Fields under the names that are asked for, and in lower case: a table's `Question` is `question`."""
    chosen = dict(options.columns)
    value: dict[str, Any] = {chosen[key]: item for key, item in record.value.items() if key in chosen}
    for key, item in record.value.items():
        lower = key.strip().lower().replace(" ", "_")
        name = lower if lower not in record.value else key
        if key not in chosen:
            value[name if name not in value else f"{key}_" if key in value else key] = item
    return replace(record, value=value)


def read_all(source: str, notes: Counter[str] | None = None) -> Iterator[dict[str, Any]]:
    """The rows of a file that has been checked; the first that is none is an error. notes: counts those of the rows. Raises TutorError."""
    empty = True
    for item in read_file(source, ImportOptions()):
        if isinstance(item, Defect):
            raise TutorError(f"{source}:{item.line}: {item.message} (tutor data check --fix leaves such rows out)")
        empty = False
        if notes is not None:
            notes.update(item.notes)
        yield item.value
    if empty:
        raise TutorError(f"{source}: no records in it")


def source_name(source: str) -> str:
    """`data/gsm8k_train.jsonl.gz` -> `gsm8k_train`."""
    return source.removeprefix(HUB) if source.startswith(HUB) else Path(source).name.split(".")[0] or "data"


def import_files(sources: Sequence[str], out: Path, options: ImportOptions, show: Show | None = None) -> Account:
    """Write the rows of all sources, in order, and account for them. `show` is called with every record's source and fate.

    Raises TutorError, and writes nothing, where no record at all can be taken.
    """
    account = Account()
    if out.resolve() in {Path(source).resolve() for source in sources}:
        raise TutorError(f"{out}: an input (give another file to --out)")
    rows = _rows(sources, options, account, show)
    chosen = _balanced(rows, options) if options.balanced else rows
    with open_atomic(out) as file:
        for row in islice(chosen, options.limit or None):
            file.write(json.dumps(row, ensure_ascii=False).encode() + b"\n")
            account.written += 1
            account.licences[row.get("licence", "unknown")] += 1
            account.sources[row["source"]] += 1
        if not account.written:
            first = next((lines[0] for lines in account.named.values()), f"{', '.join(sources)}: no record in it")
            raise TutorError(f"nothing to import: {first}" + (f" (and {account.read - 1:,} more)" if account.read > 1 else ""))
    return account


def _rows(sources: Sequence[str], options: ImportOptions, account: Account, show: Show | None) -> Iterator[dict[str, Any]]:
    for source in sources:
        for item in read_file(source, options):
            account.read += 1
            if show:
                show(source, item)
            if isinstance(item, Defect):
                account.reject(source, item)
            else:
                account.formats[item.format] += 1
                account.note(source, item)
                yield item.value


def _balanced(rows: Iterable[dict[str, Any]], options: ImportOptions) -> list[dict[str, Any]]:
    """Equally many rows of each value of a field, drawn at random and left in their order.

    Without a limit as many as the rarest value has; with one the groups give in turns, until it is reached or all are used up.
    """
    key = str(options.balanced)
    groups: dict[str, list[tuple[int, dict[str, Any]]]] = defaultdict(list)
    for index, row in enumerate(rows):
        value = row.get(key, row.get("extra", {}).get(key))
        if value in (None, "", []):
            raise TutorError(f'row "{row["id"]}" has no "{key}" to balance by (has: {", ".join([*row, *row.get("extra", {})])})')
        groups[str(value)].append((index, row))
    chance = random.Random(options.seed)
    for name in sorted(groups):
        chance.shuffle(groups[name])
    most = max(map(len, groups.values()), default=0) if options.limit else min(map(len, groups.values()), default=0)
    turns = [groups[name][turn] for turn in range(most) for name in sorted(groups) if turn < len(groups[name])]
    return [row for _, row in sorted(turns[:options.limit or None], key=lambda pair: pair[0])]

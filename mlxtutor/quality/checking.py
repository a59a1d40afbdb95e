"""Every rule over a file in one pass: findings in the order of their lines, and counts."""

from __future__ import annotations

from collections import Counter, defaultdict
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field, replace
from typing import Any

from mlxtutor.datasets.stats import describe_lengths
from mlxtutor.errors import TutorError
from mlxtutor.quality.contamination import Leaks
from mlxtutor.quality.findings import RULES, Finding
from mlxtutor.quality.likeness import Contradictions, Repeats
from mlxtutor.quality.personal import redact
from mlxtutor.quality.reading import Reading
from mlxtutor.quality.rowwise import Alone, Settings, check_each
from mlxtutor.quality.script import rare_languages
from mlxtutor.records.importing import ImportOptions, read_file
from mlxtutor.records.reading import Defect
from mlxtutor.records.turns import NEEDS_PICTURE
from mlxtutor.text.tokenizer import Tokenizer

NO_LICENCE = "unknown"
EXCERPT = 160  # characters
_FORBIDS = {"nc": "non-commercial use only", "nd": "no changed versions", "research": "research only"}


@dataclass(frozen=True)
class CheckOptions:
    """against: evaluation files; context: tokens that the model holds; names: report persons' names too; only: rules, () for all."""

    against: tuple[str, ...] = ()
    context: int = 1024
    names: bool = False
    only: tuple[str, ...] = ()

    def __post_init__(self) -> None:
        unknown = [rule for rule in self.only if rule not in RULES]
        if unknown:
            raise TutorError(f'no rule "{unknown[0]}" (allowed: {", ".join(RULES)})')


@dataclass
class Checked:
    """What a check found. rows: all records, those that can't be read included; lengths: characters and tokens of the rows."""

    rows: int = 0
    findings: list[Finding] = field(default_factory=list)
    characters: list[int] = field(default_factory=list)
    tokens: list[int] = field(default_factory=list)
    licences: Counter[tuple[str, str]] = field(default_factory=Counter)  # (source, licence)
    excerpts: dict[int, str] = field(default_factory=dict)  # how the rows with findings begin, without what was found, by line

    @property
    def counts(self) -> dict[str, int]:
        """Findings by rule, in the order of RULES."""
        found = Counter(finding.rule for finding in self.findings)
        return {rule: found[rule] for rule in RULES if found[rule]}

    def as_dict(self) -> dict[str, Any]:
        listed = [{"line": finding.line, "rule": finding.rule, "message": finding.message, "other": finding.other or None,
                   "certain": finding.certain} for finding in self.findings]
        return {"rows": self.rows, "counts": self.counts, "characters": describe_lengths(self.characters),
                "tokens": describe_lengths(self.tokens) if self.tokens else None, "findings": listed}


def check_file(source: str, options: CheckOptions, tokenizer: Tokenizer | None = None) -> Checked:
    """Check a file of canonical rows, or of any format that can be imported."""
    checks = _Checks(options)
    checked = Checked()
    settings = Settings(options.context, options.names, tokenizer.model if tokenizer else None)
    for item, alone in check_each(read_file(source, ImportOptions()), settings):
        checked.rows += 1
        if isinstance(item, Defect):
            checked.findings.append(Finding(item.line, item.rule, item.message, number=item.number))
            continue
        assert alone
        found = [Finding(item.line, "picture", note) for note in item.notes if note.startswith(NEEDS_PICTURE)]
        read = Reading(item.line, item.value, item.number)
        found += [*alone.findings, *checks.row(read, alone, checked)]
        if found:
            checked.excerpts[item.line] = _excerpt(read.asked, found)
        checked.findings += [replace(finding, number=item.number, message=redact(finding.message)) for finding in found]
    if not checked.rows:
        raise TutorError(f"{source}: no records in it")
    rare = list(rare_languages([found[:3] for found in checks.languages]))
    checked.findings += rare
    unseen = {finding.number for finding in rare}
    checked.excerpts |= {line: _excerpt(text, []) for line, number, _, text in checks.languages
                         if number in unseen and line not in checked.excerpts}
    checked.findings += _licences(checked.licences, checks.first)
    if options.only:
        checked.findings = [finding for finding in checked.findings if finding.rule in options.only]
    checked.findings.sort(key=lambda finding: (finding.line, finding.number, list(RULES).index(finding.rule)))
    return checked


class _Checks:
    """What the checks remember from row to row."""

    def __init__(self, options: CheckOptions) -> None:
        self.repeats, self.contradictions = Repeats(), Contradictions()
        self.leaks = [Leaks(_evaluation(source)) for source in options.against]
        self.languages: list[tuple[int, int, str, str]] = []  # line, number, language, how the row begins
        self.first: dict[tuple[str, str], int] = {}

    def row(self, read: Reading, alone: Alone, checked: Checked) -> Iterator[Finding]:
        """What a row has in common with others; lengths, language and licence are noted on the way."""
        checked.characters.append(alone.characters)
        if alone.tokens is not None:
            checked.tokens.append(alone.tokens)
        repeated = self.repeats.check(read)
        contradiction = None if repeated and repeated.rule == "repeated" else self.contradictions.check(read)
        leaks = (leak.check(read) for leak in self.leaks)
        yield from (finding for finding in (repeated, contradiction, *leaks) if finding)
        self.languages.append((read.line, read.number, alone.language, read.asked[:2 * EXCERPT]))
        licence = read.row.get("source", ""), read.row.get("licence", NO_LICENCE)
        checked.licences[licence] += 1
        self.first.setdefault(licence, read.line)


def _evaluation(source: str) -> Iterator[tuple[int, dict[str, Any]]]:
    """The rows of an evaluation file, with their lines. Some have no answer: the question is what counts."""
    for item in read_file(source, ImportOptions(questions=True)):
        if isinstance(item, Defect):
            raise TutorError(f"{source}:{item.line}: {item.message}")
        yield item.line, item.value


def _excerpt(text: str, findings: Sequence[Finding]) -> str:
    text = redact(text, any(finding.rule == "name" for finding in findings))
    shown = " ".join(text[:2 * EXCERPT].split())
    return shown if len(shown) <= EXCERPT else f"{shown[:EXCERPT]}..."


def _licences(counts: Counter[tuple[str, str]], first: dict[tuple[str, str], int]) -> Iterator[Finding]:
    by_source: dict[str, list[tuple[str, int]]] = defaultdict(list)
    for (source, licence), count in counts.items():
        by_source[source].append((licence, count))
    for source, licences in by_source.items():
        for licence, count in licences:
            parts = licence.casefold().replace("_", "-").replace(" ", "-").split("-")
            forbids = [meaning for part, meaning in _FORBIDS.items() if part in parts]
            if licence == NO_LICENCE:
                yield Finding(first[source, licence], "licence", f'{count:,} rows of "{source}" have no licence', certain=False)
            elif forbids:
                message = f'{count:,} rows of "{source}": {licence}, {", ".join(forbids)}'
                yield Finding(first[source, licence], "licence", message, certain=False)


def lines_by_rule(findings: Sequence[Finding]) -> dict[str, list[Finding]]:
    """Findings by rule, in the order of RULES."""
    grouped: dict[str, list[Finding]] = {rule: [] for rule in RULES}
    for finding in findings:
        grouped[finding.rule].append(finding)
    return {rule: found for rule, found in grouped.items() if found}

"""`tutor data check`: what is wrong with a file of training data, and the same file without it."""

from __future__ import annotations

import json
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from . import console
from .data_mix import print_notes
from .options import AsJson
from .tokenizer import load_tokenizer

if TYPE_CHECKING:
    from mlxtutor.quality.checking import Checked

OF_A_RULE, OF_ONE_RULE = 1, 20  # findings shown of every rule, and of one that is asked for
AROUND = 34  # characters of a line besides the message


def check_command(
    file: Annotated[str, typer.Argument(help="JSONL of chats, or any file that `tutor data import` reads.")],
    against: Annotated[list[str] | None, typer.Option(metavar="TEST", help="Evaluation that rows may not give away; repeat.")] = None,
    fix: Annotated[Path | None, typer.Option(metavar="OUT", help="Write the rows without what is certainly wrong, and a log.")] = None,
    report: Annotated[Path | None, typer.Option(metavar="DIR", help="Write report.html and findings.json there.")] = None,
    model: Annotated[str | None, typer.Option(help="Count tokens with this model's tokenizer: name, directory or tokenizer.model.")] = None,
    context: Annotated[int, typer.Option(min=1, help="Tokens that the model holds.")] = 1024,
    names: Annotated[bool, typer.Option("--names", help="Report names of persons too.")] = False,
    rules: Annotated[list[str] | None, typer.Option("--rule", help="Report this rule only; repeat for more.")] = None,
    as_json: AsJson = False,
) -> None:
    """Duplicates, contradictions, leaks of the test set, personal data, cut answers, wrong encodings: every finding with its line.

    --fix drops rows that are unreadable, empty, cut, repeated, almost repeated or leaked, replaces personal data, undoes wrong
    decoding. What takes a person's judgement (contradictions, licences, languages, near-duplicates with other numbers) is left.

    Example: tutor data check train.jsonl --against test.jsonl --fix clean.jsonl --report check
    """
    from mlxtutor.errors import TutorError
    from mlxtutor.quality.checking import CheckOptions, check_file

    if fix:
        console.check_other(fix, [file, *(against or ())])
    if report and report.exists() and not report.is_dir():
        raise TutorError(f"{report}: a file (the name of a folder is expected)")
    tokenizer = load_tokenizer(model) if model else None
    with console.err.status("checking"):
        checked = check_file(file, CheckOptions(tuple(against or ()), context, names, tuple(rules or ())), tokenizer)
        fixed = _fix(file, checked, fix, [file, *(against or ())]) if fix else None
    document = {**checked.as_dict(), **({"fixed": {"file": str(fix), **fixed}} if fixed else {})}
    if report:
        _write_report(report, file, checked, document)
    if as_json:
        console.print_json(document)
        return
    _print_findings(checked, OF_ONE_RULE if rules else OF_A_RULE)
    if fixed:
        console.out.print(f"{fixed['rows']:,} rows written to {fix}", markup=False, soft_wrap=True)
        for what in ("dropped", "changed", "left"):
            told = "  left for you to judge" if what == "left" else f"  {what}"
            console.out.print(f"{told}: {_listed(fixed[what])}", markup=False, soft_wrap=True)
        print_notes(fixed.get("notes", {}))
    if report:
        console.out.print(f"the report: {report / 'report.html'}", markup=False, soft_wrap=True)


def _fix(file: str, checked: Checked, out: Path, inputs: list[str]) -> dict:
    from mlxtutor.quality.fixing import fix_file
    from mlxtutor.records.card import write_card

    fixed = fix_file(file, checked.findings, out)
    write_card(out, console.command_line(), inputs, fixed, findings=checked.counts)
    return fixed


def _write_report(folder: Path, file: str, checked: Checked, document: dict) -> None:
    from mlxtutor.files import write_atomic
    from mlxtutor.quality.report import render_report

    write_atomic(folder / "findings.json", (json.dumps(document, ensure_ascii=False, indent=1) + "\n").encode())
    write_atomic(folder / "report.html", render_report(Path(file).name, checked).encode())


def _print_findings(checked: Checked, shown: int) -> None:
    from mlxtutor.quality.checking import lines_by_rule
    from mlxtutor.quality.report import count

    rows, widest = [], max(40, console.out.width - AROUND)
    for rule, found in lines_by_rule(checked.findings).items():
        for index, finding in enumerate(found[:shown]):
            message = finding.message if len(finding.message) <= widest else finding.message[:widest - 3] + "..."
            rows.append([rule if not index else "", f"{len(found):,}" if not index else "", f"{finding.line}: {message}"])
    if not rows:
        console.out.print(f"{count(checked.rows, 'record')}, nothing found")
        return
    title = f"{count(checked.rows, 'record')}, {count(len(checked.findings), 'finding')}"
    console.out.print(console.table(title, ["rule", "count", "the first, with its line"], rows, right=(1,)))
    lengths = checked.as_dict()
    for name in ("characters", "tokens"):
        if lengths[name]:
            console.out.print(f"{name} of a row: {lengths[name]['median']:,.0f} in the middle, {lengths[name]['p95']:,.0f} at 95 %, "
                              f"{lengths[name]['max']:,} at most")
    more = len(checked.findings) > len(rows)
    console.out.print("more of a rule with --rule, all with --json or --report\n" if more else "", style="dim")


def _listed(counts: dict[str, int]) -> str:
    return ", ".join(f"{count:,} {rule}" for rule, count in counts.items()) or "nothing"

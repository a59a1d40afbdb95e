"""`tutor data import`: anybody's records to canonical rows."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from . import console
from .options import AsJson

if TYPE_CHECKING:
    from mlxtutor.records.importing import Account
    from mlxtutor.records.reading import Defect
    from mlxtutor.records.rows import Row

SHOWN = 3  # lines named of every kind


def import_command(
    sources: Annotated[list[str], typer.Argument(metavar="SRC...", help="JSON, JSONL, CSV, Parquet or text, or hub:owner/name.")],
    out: Annotated[Path, typer.Option(metavar="FILE", help="JSONL to write; its card goes beside it.")],
    form: Annotated[str | None, typer.Option("--format", help="Read every record as this format instead of recognising it.")] = None,
    columns: Annotated[list[str] | None, typer.Option("--map", metavar="OLD=NEW", help="Read a field under another name; repeat.")] = None,
    source: Annotated[str | None, typer.Option(help="Where the rows come from; by default the file's name.")] = None,
    licence: Annotated[str | None, typer.Option(help="Licence of rows that don't say their own, e.g. MIT.")] = None,
    text_only: Annotated[bool, typer.Option("--text-only", help="Leave out what needs a picture.")] = False,
    balanced: Annotated[str | None, typer.Option(metavar="FIELD", help="Equally many rows of each value of a field, e.g. subject.")] = None,
    limit: Annotated[int, typer.Option(min=0, help="At most so many rows; 0 for all.")] = 0,
    seed: Annotated[int, typer.Option(min=0, help="Which rows --balanced draws.")] = 1,
    explain: Annotated[bool, typer.Option("--explain", help="Say of every record what it became.")] = False,
    as_json: AsJson = False,
) -> None:
    """Records of any known format as chats: what can't be taken is counted and named, and the rest is written.

    Formats: OpenAI messages, ChatML and ShareGPT conversations, Alpaca, prompt and completion, question and answer of an app, GSM8K,
    ScienceQA, Bridge, text.

    Example: tutor data import gsm8k.jsonl --licence MIT --out maths.jsonl
    """
    from mlxtutor.records.card import card_path, write_card
    from mlxtutor.records.importing import ImportOptions, import_files, parse_columns

    options = ImportOptions(form, source, licence, text_only, balanced=balanced, limit=limit, seed=seed,
                            columns=parse_columns(columns or []))
    show = _explain if explain else None
    with console.err.status("reading"):
        account = import_files(sources, out, options, show)
    write_card(out, console.command_line(), sources, account.as_dict(), seed=seed)
    if as_json:
        console.print_json({"file": str(out), **account.as_dict()})
        return
    _print_account(account)
    console.out.print(f"{account.written:,} rows written to {out}, their card to {card_path(out).name}", markup=False, soft_wrap=True)


def _explain(source: str, item: Row | Defect) -> None:
    """One line a record, on stderr: stdout is for the summary."""
    from mlxtutor.records.reading import Defect

    if isinstance(item, Defect):
        line = f"{source}:{item.line}: left out ({item.rule}): {item.message}"
    else:
        shape = "text" if "text" in item.value else ", ".join(message["role"] for message in item.value["messages"])
        kept = f"; kept as extra: {', '.join(item.value['extra'])}" if "extra" in item.value else ""
        noted = "".join(f"; {note}" for note in item.notes)
        line = f"{source}:{item.line}: {item.format} -> {item.value['id']}: {shape}{kept}{noted}"
    console.err.print(line, markup=False, soft_wrap=True)


def _print_account(account: Account) -> None:
    taken = sum(account.formats.values())
    rows = [[f"read as {name}", f"{count:,}"] for name, count in account.formats.most_common()]
    for title, counts in (("left out", account.rejected), ("noted", account.notes)):
        rows += [[f"{title}: {name}", f"{count:,}"] for name, count in counts.most_common()]
    console.out.print(console.table(f"{account.read:,} records, {taken:,} taken", ["", "count"], rows, right=(1,)))
    for name in (*account.rejected, *account.notes):
        for line in account.named[name][:SHOWN]:
            console.out.print(f"  {line}", style="dim", markup=False, soft_wrap=True)
    if any(len(lines) > SHOWN for lines in account.named.values()):
        console.out.print("  ... (more in the card, all with --explain)", style="dim")
    if "unknown" in account.licences:
        console.out.print(f"{account.licences['unknown']:,} rows without a licence: say it with --licence", style="yellow")
    console.out.print()

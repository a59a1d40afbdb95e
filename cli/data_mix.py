"""`tutor data mix` and `tutor data split`: several files as one with weights, one file in parts that share nothing."""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping
from pathlib import Path
from typing import Annotated

import typer

from . import console
from .options import AsJson

NOTED = 5  # notes shown
Seed = Annotated[int, typer.Option(min=0, help="Everything is a function of it.")]


def mix_command(
    parts: Annotated[list[str], typer.Argument(metavar="FILE[:WEIGHT]...", help="Rows, and how often one comes up against others.")],
    out: Annotated[Path, typer.Option(metavar="FILE", help="JSONL to write; its card goes beside it.")],
    shuffle: Annotated[bool, typer.Option("--shuffle/--no-shuffle", help="In a random order, or in that of the files.")] = True,
    seed: Seed = 42,
    as_json: AsJson = False,
) -> None:
    """Several files as one. A weight stays with its rows: training draws a row of weight 2 twice as often, and no row is there twice.

    Example: tutor data mix chats.jsonl follow-up.jsonl:2 --out mixed.jsonl
    """
    import numpy as np

    from mlxtutor.datasets.mixing import mix, parse_part
    from mlxtutor.datasets.rows import write_rows
    from mlxtutor.records.card import write_card

    chosen = [parse_part(part) for part in parts]
    console.check_other(out, [part.source for part in chosen])
    mixed = mix(chosen, np.random.default_rng(seed) if shuffle else None)
    write_rows(out, mixed.rows)
    read = [{"file": part.source, "weight": part.weight, "rows": count} for part, count in zip(chosen, mixed.read)]
    counts = {"rows": len(mixed.rows), "read": read, "repeated": mixed.repeated, "notes": dict(mixed.notes.most_common())}
    write_card(out, console.command_line(), [part.source for part in chosen], counts, seed=seed if shuffle else None)
    if as_json:
        console.print_json({"file": str(out), **counts})
        return
    rows = [[part.source, f"{count:,}", f"{part.weight:g}"] for part, count in zip(chosen, mixed.read)]
    console.out.print(console.table("mixed", ["file", "rows", "weight"], rows, right=(1, 2)))
    told = f", {mixed.repeated:,} repeated ones left out" if mixed.repeated else ""
    console.out.print(f"\n{len(mixed.rows):,} rows written to {out}{told}", markup=False, soft_wrap=True)
    print_notes(mixed.notes)


def print_notes(notes: Mapping[str, int]) -> None:
    """What the written rows couldn't keep."""
    for note, count in list(notes.items())[:NOTED]:
        console.out.print(f"  noted: {note} ({count:,})", markup=False, soft_wrap=True)
    if len(notes) > NOTED:
        console.out.print("  ... (more in the card)", style="dim")


def split_command(
    file: Annotated[str, typer.Argument(help="Rows to split.")],
    out: Annotated[Path, typer.Option(metavar="DIR", help="Folder of train.jsonl, val.jsonl, test.jsonl.")],
    val: Annotated[float, typer.Option(min=0, max=1, help="Share of the rows to validate with.")] = 0.1,
    test: Annotated[float, typer.Option(min=0, max=1, help="Share of the rows to test with.")] = 0,
    seed: Seed = 42,
    as_json: AsJson = False,
) -> None:
    """Train, validation and test parts. Rows that are almost alike, and rows of one dialogue (`group`), stay in one part.

    Example: tutor data split mixed.jsonl --val 0.1 --out parts
    """
    import numpy as np

    from mlxtutor.datasets.rows import write_rows
    from mlxtutor.datasets.splitting import split
    from mlxtutor.errors import TutorError
    from mlxtutor.records.card import card_path, write_card
    from mlxtutor.records.importing import read_all

    shares = {name: share for name, share in (("val", val), ("test", test)) if share}
    if not shares:
        raise TutorError("nothing to split off (give --val or --test a share above 0)")
    earlier = _earlier_parts(out, file)
    notes: Counter[str] = Counter()
    parts = split(list(read_all(file, notes)), shares, np.random.default_rng(seed))
    for path in earlier:  # a test part of another split would hold rows of this one's train part
        path.unlink(missing_ok=True)
        card_path(path).unlink(missing_ok=True)
    for name, rows in parts.items():
        write_rows(out / f"{name}.jsonl", rows)
        counts = {"rows": len(rows), "notes": dict(notes.most_common())}
        write_card(out / f"{name}.jsonl", console.command_line(), [file], counts, seed=seed)
    written = {name: len(rows) for name, rows in parts.items()}
    if as_json:
        console.print_json({"folder": str(out), "rows": written, "notes": dict(notes.most_common())})
        return
    told = ", ".join(f"{name}.jsonl {count:,}" for name, count in written.items())
    console.out.print(f"written to {out}: {told}", markup=False, soft_wrap=True)
    print_notes(notes)


def _earlier_parts(folder: Path, file: str) -> list[Path]:
    """The parts that an earlier split wrote here; TutorError for any other file in their place."""
    from mlxtutor.errors import TutorError
    from mlxtutor.records.card import read_card

    found = [path for name in ("train", "val", "test") if (path := folder / f"{name}.jsonl").exists()]
    console.check_other(folder / "train.jsonl", [file])
    for path in found:
        console.check_other(path, [file])
        if not str((read_card(path) or {}).get("command", "")).startswith("tutor data split"):
            raise TutorError(f"{path}: not written by tutor data split, or changed since (move it away, or give another folder)")
    return found

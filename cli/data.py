"""`tutor data`: build, look at and count chats."""

from __future__ import annotations

import itertools
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer
from rich.text import Text

from . import console
from .data_build import build_command
from .data_check import check_command
from .data_import import import_command
from .data_mix import mix_command, split_command
from .options import AsJson
from .tokenizer import load_tokenizer

if TYPE_CHECKING:
    from mlxtutor.text.tokenizer import Tokenizer

app = typer.Typer(no_args_is_help=True, help="Data sets. Example: tutor data build em --out my-data")
app.command("build")(build_command)
app.command("import")(import_command)
app.command("check")(check_command)
app.command("mix")(mix_command)
app.command("split")(split_command)
SHOWN, WIDEST = 12, 56  # lines of a table of counts, characters of a line
Seed = Annotated[int, typer.Option(min=0, help="Everything is a function of it.")]
Model = Annotated[str | None, typer.Option(help="Whose tokenizer to count with: name, directory or tokenizer.model.")]


@app.command("preview")
def preview_command(
    source: Annotated[str, typer.Argument(metavar="FILE|em", help="Any file that `import` reads, or em for generated problems.")],
    n: Annotated[int, typer.Option("--n", min=1, help="Rows to show.")] = 3,
    model: Model = None,
    seed: Seed = 1,
) -> None:
    """Chats as the model reads them; what counts towards the loss is in colour (between « and » without a terminal).

    Example: tutor data preview train.jsonl --n 2
    """
    from mlxtutor.text.chat import encode_chat

    tokenizer = _tokenizer(model)
    for number, row in enumerate(itertools.islice(_rows(source, seed), n), 1):
        console.out.print(_title(number, row), style="bold", markup=False, soft_wrap=True)
        if "text" in row:
            console.out.print(row["text"], style="green", markup=False, soft_wrap=True)
            console.out.print()
            continue
        console.out.print(render_marked(row["messages"], console.out.is_terminal), soft_wrap=True)
        if tokenizer:
            mask = encode_chat(tokenizer, row["messages"])[1]
            console.out.print(f"{len(mask)} tokens, {sum(mask)} count towards the loss")
        console.out.print()


def _tokenizer(model: str | None) -> Tokenizer | None:
    """The named model's, else the promoted or newest model's, else none: a preview needs no model."""
    from mlxtutor.registry.models import list_models

    return load_tokenizer(model) if model or list_models(console.home().models) else None


def _rows(source: str, seed: int) -> Any:
    import numpy as np

    from mlxtutor.problems.build import iter_rows, trained_types

    if source == "em" and not Path(source).is_file():
        return iter_rows(trained_types(), "train", np.random.default_rng([seed, 0]))
    from mlxtutor.records.importing import read_all

    return read_all(source)


def _title(number: int, row: dict) -> str:
    from mlxtutor.datasets.stats import values_of

    about = [str(value) for key in ("id", "type", "kind") for value in values_of(row, key)]
    return f"{number}. {', '.join(about)}" if about else f"{number}."


def render_marked(messages: list[dict], colour: bool) -> Text:
    """A rendered chat: trained stretches green, special tokens bold, the rest dim; without colour «» around trained stretches."""
    from mlxtutor.text.chat import render

    text, trained = Text(), False
    for segment in render(messages):
        if not colour and segment.train != trained:
            text.append("«" if segment.train else "»")
        trained = segment.train
        style = ("green" if segment.train else "dim") + (" bold" if segment.special and segment.train else "")
        text.append(segment.text, style if colour else "")
    text.rstrip()
    return text


@app.command("stats")
def stats_command(
    file: Annotated[str, typer.Argument(help="A JSONL of chats, or any file that `tutor data import` reads.")],
    model: Model = None,
    as_json: AsJson = False,
) -> None:
    """Rows, kinds, types and lengths of a file of chats; in tokens too with --model.

    Example: tutor data stats train.jsonl --model em-tutor
    """
    from mlxtutor.datasets.stats import describe_rows
    from mlxtutor.records.importing import read_all

    tokenizer = load_tokenizer(model) if model else None
    found = describe_rows(list(read_all(file)), tokenizer)
    if as_json:
        console.print_json(found)
        return
    texts = f" ({found['texts']:,} of them texts)" if found["texts"] else ""
    roles = ", ".join(f"{count:,} {role}" for role, count in found["roles"].items())
    repeated = f"{found['repeated_prompts']:,} repeated prompts"
    console.out.print(f"{found['rows']:,} rows{texts}, {found['messages']:,} messages ({roles}), {repeated}\n")
    _print_lengths(found)
    for key, counts in found["counts"].items():
        rows = [[" ".join(name.split())[:WIDEST], f"{count:,}", f"{100 * count / found['rows']:.1f} %"] for name, count in counts.items()]
        rows = [*rows[:SHOWN], [f"{len(rows) - SHOWN} others", "", ""]] if len(rows) > SHOWN else rows
        console.out.print()
        console.out.print(console.table(f"rows by {key}", [key, "rows", "share"], rows, right=(1, 2)))


def _print_lengths(found: dict[str, Any]) -> None:
    keys = ("total", "min", "median", "p95", "max")
    rows = [[name, *(f"{found[name][key]:,.0f}" for key in keys)] for name in ("characters", "tokens") if found[name]]
    columns = ["in", "total", "shortest", "median", "95 %", "longest"]
    console.out.print(console.table("length of a row", columns, rows, right=(1, 2, 3, 4, 5)))
    if found["tokens"]:
        console.out.print(f"{found['tokens']['trained']:,} tokens ({100 * found['tokens']['trained_share']:.1f} %) count towards the loss")

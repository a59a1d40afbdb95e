"""`tutor models`: what has been made here."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from . import console
from .options import AsJson

if TYPE_CHECKING:
    from mlxtutor.registry.models import ModelRef

app = typer.Typer(no_args_is_help=True, help="The models made here. Example: tutor models list")
SPLITS = ("values", "wordings", "others", "types")


@app.command("list")
def list_command(as_json: AsJson = False) -> None:
    """Every model, oldest first.

    Example: tutor models list --json
    """
    from mlxtutor.registry.models import list_models

    found = list_models(console.home().models)
    if as_json:
        console.print_json([_entry(ref) for ref in found])
        return
    if not found:
        console.out.print("no model yet (make one: tutor train)")
        return
    rows = [[ref.id, ref.card.get("kind", "-"), _parameters(ref), _correct(ref), _made(ref)] for ref in found]
    console.out.print(console.table("models", ["model", "kind", "parameters", "correct on new values", "made (UTC)"], rows, right=(2, 3)))


@app.command("show")
def show_command(
    model: Annotated[str | None, typer.Argument(help="NAME, NAME@VERSION or a directory; the newest one by default.")] = None,
    as_json: AsJson = False,
) -> None:
    """One model: how it was made, how it scores, its files.

    Example: tutor models show em-tutor
    """
    from mlxtutor.registry.models import resolve

    ref = resolve(console.home().models, model)
    files = {p.relative_to(ref.path).as_posix(): p.stat().st_size for p in sorted(ref.path.rglob("*")) if p.is_file()}
    if as_json:
        console.print_json({**_entry(ref), **ref.card, "files": files})
        return
    _print_model(ref)
    _print_stages(ref.card.get("stages") or [])
    _print_scores(ref.card.get("evaluation") or {})
    console.out.print(console.table("files", ["file", "size"], [[name, console.size(n)] for name, n in files.items()], right=(1,)))


def _entry(ref: ModelRef) -> dict[str, Any]:
    return {"name": ref.name, "version": ref.version, "kind": ref.card.get("kind"), "path": str(ref.path),
            "stable": bool(ref.card.get("stable")), "created": ref.card.get("created")}


def _made(ref: ModelRef) -> str:
    return ref.card.get("created", "")[:16].replace("T", " ")


def _parameters(ref: ModelRef) -> str:
    return f"{ref.card['parameters']:,}" if "parameters" in ref.card else "-"


def _correct(ref: ModelRef) -> str:
    splits = ((ref.card.get("evaluation") or {}).get("after") or {}).get("splits", {})
    return console.percent(splits.get("values", {}).get("scores", {}).get("correct"))


def _print_model(ref: ModelRef) -> None:
    card, shape = ref.card, _shape(ref.path)
    console.out.print(ref.id if ref.version else str(ref.path), style="bold", markup=False)
    lines = {"folder": str(ref.path), "made": f"{_made(ref)} UTC" if "created" in card else "",
             "kind": card.get("kind"), "backend": f"{card['backend']}, {card['dtype']}" if "backend" in card else "",
             "parameters": _parameters(ref) if "parameters" in card else "", "shape": shape, "fingerprint": card.get("fingerprint")}
    for key, value in lines.items():
        if value:
            console.out.print(f"{key:12}{value}", markup=False, soft_wrap=True)
    console.out.print()


def _shape(folder: Path) -> str:
    from mlxtutor.registry.directory import load_config

    config = load_config(folder)
    return (f"{config.num_layers} layers of {config.hidden_size}, {config.num_heads} heads of {config.head_dim}, "
            f"{config.vocab_size:,} pieces, {config.max_seq_len:,} tokens of context")


def _print_stages(stages: list[dict[str, Any]]) -> None:
    if stages:
        rows = [[s["name"], f"{s['tokens']:,}", f"{s.get('steps', 0):,}", f"{s['tokens_per_s']:,.0f}", console.duration(s["seconds"]),
                 f"{s['loss']:.4f}"] for s in stages]
        columns = ["stage", "tokens", "steps", "tokens/s", "time", "validation loss"]
        console.out.print(console.table("stages", columns, rows, right=(1, 2, 3, 4, 5)))
        console.out.print()


def _print_scores(evaluation: dict[str, Any]) -> None:
    before, after = ((evaluation.get(when) or {}).get("splits", {}) for when in ("before", "after"))
    rows = []
    for split in [s for s in SPLITS if s in after] + [s for s in after if s not in SPLITS]:
        scores = (before.get(split, {}).get("scores", {}).get("correct"), after[split]["scores"].get("correct"))
        rows.append([split, str(after[split]["n"]), *(show(s) for s in scores for show in (console.percent, console.interval))])
    if rows:
        columns = ["split", "problems", "before", "95 %", "after", "95 %"]
        console.out.print(console.table("correct answers, before and after the last stage", columns, rows, right=(1, 2, 3, 4, 5)))
        console.out.print()

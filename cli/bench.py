"""`tutor bench`: how fast this machine trains and answers."""

from __future__ import annotations

from typing import Annotated, Any

import typer

from . import console
from .options import AsJson, Dtype, Settings

KINDS = ("steps", "decode", "all")


def bench(
    what: Annotated[str, typer.Argument(help="steps (training), decode (answering) or all.")] = "all",
    backend: Annotated[str | None, typer.Option(help="mlx or torch; by default every one that is installed.")] = None,
    recipe: Annotated[str, typer.Option(help="Whose shapes to use.")] = "micro",
    settings: Settings = None,
    model: Annotated[str | None, typer.Option(help="Answer with this model; by default an untrained one of the recipe.")] = None,
    dtype: Dtype = "auto",
    rounds: Annotated[int, typer.Option(min=1, help="Steps of each, in turns; the median counts.")] = 3,
    batch_size: Annotated[int, typer.Option(min=2, help="Answers decoded at a time.")] = 200,
    as_json: AsJson = False,
) -> None:
    """Training steps with MLX's own BLAS, with the loaded one, and with torch; answers a second in a batch and one at a time.

    Example: tutor bench steps --backend mlx
    """
    from mlxtutor.bench import variants
    from mlxtutor.errors import TutorError

    from .recipe import read_recipe

    if what not in KINDS:
        raise TutorError(f'nothing to time called "{what}" (allowed: {", ".join(KINDS)})')
    chosen, resolved = variants(backend), read_recipe(recipe, settings or [])
    found: dict[str, Any] = {}
    if what != "decode":
        found["steps"] = _steps(resolved, chosen, dtype, rounds)
    if what != "steps":
        found["decode"] = [_decode(resolved, name, model, dtype, batch_size) for name in dict.fromkeys(v.backend for v in chosen)]
    if as_json:
        console.print_json(found)
        return
    if "steps" in found:
        _print_steps(found["steps"])
    if "decode" in found:
        _print_decode(found["decode"])


def _steps(recipe: Any, chosen: list[Any], dtype: str, rounds: int) -> dict[str, Any]:
    from mlxtutor.bench import bench_steps

    with console.err.status(f"training steps of {recipe.name}: {', '.join(v.name for v in chosen)}"):
        return bench_steps(recipe, console.home().models, chosen, dtype, rounds)


def _decode(recipe: Any, backend: str, model: str | None, dtype: str, batch_size: int) -> dict[str, Any]:
    from mlxtutor import backends
    from mlxtutor.bench import bench_decode, random_model
    from mlxtutor.problems.suite import suite_rows
    from mlxtutor.text.chat import encode_chat

    from .opened import open_named

    with console.err.status(f"answering on {backend}"):
        module, home = backends.load(backend), console.home()
        loaded = open_named(home, model, backend, dtype).loaded if model else random_model(recipe, home.models, module, dtype)
        rows = suite_rows("values", batch_size)
        prompts = [encode_chat(loaded.tokenizer, row["messages"][:-1], add_generation_prompt=True)[0] for row in rows]
        return {"backend": backend, "dtype": module.device(dtype).dtype, **bench_decode(loaded, prompts, batch_size)}


def _print_steps(found: dict[str, Any]) -> None:
    rows = [[v["name"], v["dtype"], f"{v['seconds']:.3f} s", f"{v['tokens_per_s']:,.0f}", f"{v['ratio']:.1f}x"] for v in found["variants"]]
    title = f"a step of {found['recipe']}: {found['tokens_per_step']:,} tokens"
    console.out.print(console.table(title, ["with", "dtype", "median", "tokens/s", "speed"], rows, right=(2, 3, 4)))
    for variant in found["variants"]:
        if variant["blas"]:
            console.out.print(f"{variant['name']}: {variant['blas']}", style="dim", markup=False)
    console.out.print()


def _print_decode(found: list[dict[str, Any]]) -> None:
    rows = [[f"{d['backend']} {d['dtype']}", "one at a time" if name == "alone" else f"{d[name]['batch_size']} at a time",
             f"{d[name]['answers_per_s']:.2f}", f"{d[name]['tokens_per_s']:,.0f}", "" if name == "alone" else f"{d['ratio']:.1f}x"]
            for d in found for name in ("alone", "batched")]
    title = f"answers of {found[0]['model']}"
    console.out.print(console.table(title, ["with", "batch", "answers/s", "tokens/s", "speed"], rows, right=(2, 3, 4)))

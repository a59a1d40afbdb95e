"""`tutor plan`: memory, time and disk of a recipe, before anything runs."""

from __future__ import annotations

from typing import Any

from . import console
from .options import AsJson, Backend, Dtype, Recipe, Settings


def plan(
    recipe: Recipe = "micro",
    backend: Backend = "auto",
    settings: Settings = None,
    dtype: Dtype = "auto",
    as_json: AsJson = False,
) -> None:
    """Parameters, tokens, steps, memory, disk and time of a recipe, from a few real training steps. Leaves nothing on disk.

    Example: tutor plan micro --backend mlx --set train.max_steps=100
    """
    from mlxtutor.machine import disk_free_bytes, memory_bytes
    from mlxtutor.training.pipeline import job_for
    from mlxtutor.training.plan import as_document, plan_run

    from .recipe import read_recipe

    job, reason = job_for(read_recipe(recipe, settings or []), backend, console.home(), dtype)
    with console.err.status("packing a sample, training a few steps, decoding a few tokens"):
        found = as_document(plan_run(job), job)
    if as_json:
        console.print_json(found)
        return
    _print_plan(found, reason, memory_bytes()["available"], disk_free_bytes(console.home().root))


def _print_plan(found: dict[str, Any], reason: str, memory: int, disk: int) -> None:
    console.out.print(f"backend   {found['backend']} ({reason})\ndevice    {found['device']}, {found['dtype']}", markup=False)
    console.out.print(f"model     {found['model']}: {found['parameters']:,} parameters, {found['trainable']:,} trainable\n", markup=False)
    rows = [[s["name"], f"{s['tokens']:,}", f"{s['steps']:,}", f"{s['tokens_per_step']:,}", f"{100 * s['fill']:.1f} %",
             f"{s['tokens_per_s']:,.0f}", console.duration(s["seconds"])] for s in found["stages"]]
    rows.append(["tokenizer", "", "", "", "", "", console.duration(found["tokenizer_seconds"])])
    rows.append(["evaluations", "", "", "", "", "", console.duration(found["evaluation_seconds"])])
    rows.append(["all", f"{found['tokens']:,}", f"{found['steps']:,}", "", "", "", console.duration(found["seconds"])])
    columns = ["stage", "tokens", "steps", "a step", "filled", "tokens/s", "time"]
    console.out.print(console.table("stages", columns, rows, right=(1, 2, 3, 4, 5, 6)))
    console.out.print("\nThe time is as the machine is loaded now.", style="dim")
    console.out.print(f"memory    {console.size(found['peak_memory_bytes'])} at its peak; {console.size(memory)} available")
    console.out.print(f"disk      {console.size(found['disk_bytes'])}; {console.size(disk)} free")
    for name, wanted, there in (("memory", found["peak_memory_bytes"], memory), ("disk space", found["disk_bytes"], disk)):
        if wanted > there:
            console.out.print(f"[bold red]Not enough {name}[/] (lower train.batch_rows, evaluation.batch_size or the model's sizes)")

"""`tutor train`: run a recipe and draw what it does."""

from __future__ import annotations

from typing import Annotated, Any

import typer
from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeRemainingColumn

from . import console
from .options import AsJson, Backend, Dtype, Recipe, Settings

Event = dict[str, Any]
Score = dict[str, Any] | None


def train(
    recipe: Recipe = "micro",
    backend: Backend = "auto",
    settings: Settings = None,
    name: Annotated[str | None, typer.Option(help="Name of the model.")] = None,
    dtype: Dtype = "auto",
    resume: Annotated[bool, typer.Option("--resume", help="Go on with an unfinished stage from its last checkpoint.")] = False,
    fresh: Annotated[bool, typer.Option("--fresh", help="Run every stage again, also the finished ones.")] = False,
    as_json: AsJson = False,
) -> None:
    """Make a tutor from nothing: tokenizer, stages, evaluation before and after.

    Finished stages are taken as they are (run again with --fresh); an interrupted one starts over, or goes on with --resume.

    Example: tutor train --backend mlx --set train.lr=2e-3 --name my-tutor
    """
    from mlxtutor.training.pipeline import job_for, run_recipe

    from .recipe import read_recipe

    job, reason = job_for(read_recipe(recipe, settings or [], name), backend, console.home(), dtype)
    console.err.print(f"backend   {job.backend_name} ({reason})", markup=False)
    done: Event = {}
    with _Drawing() as drawing:
        for event in run_recipe(job, resume, fresh):
            drawing.draw(event)
            done = event
    if as_json:
        console.print_json({key: done[key] for key in ("model", "path", "seconds", "stages", "run")})
        return
    _print_result(done)


def _print_result(done: Event) -> None:
    rows = []
    for split, result in done["after"]["splits"].items():
        before = done["before"]["splits"].get(split, {"scores": {}})["scores"]
        rows.append(_row(split, before.get("correct"), result["scores"].get("correct")))
        if "correct_off" in result["scores"]:
            rows.append(_row("  calculator off", before.get("correct_off"), result["scores"]["correct_off"]))
    console.out.print(console.table("correct answers (95 % interval)", ["split", "problems", "before", "after"], rows, right=(1, 2, 3)))
    console.out.print(f"\nall scores, curves, answers: {done['run']}", soft_wrap=True)
    console.out.print(f"[bold]{done['model']}[/] made in {done['seconds'] / 60:.1f} min. Talk to it: [bold]tutor chat {done['model']}[/]")


def _row(name: str, before: Score, after: Score) -> list[str]:
    """One line of the table; problems: those that the score was asked of, before and after where these differ."""
    counts = [str(score["n"]) for score in (before, after) if score]
    return [name, " / ".join(dict.fromkeys(counts)) or "-", _share(before), _share(after)]


def _share(score: Score) -> str:
    return f"{console.percent(score)} ({console.interval(score)})" if score else "-"


class _Drawing:
    """Progress bar, validation lines and samples of a run, on stderr."""

    def __init__(self) -> None:
        self.progress = Progress(
            TextColumn("{task.description:8}"), BarColumn(bar_width=20), MofNCompleteColumn(), TextColumn("{task.fields[note]}"),
            TimeRemainingColumn(compact=True), console=console.err, transient=True)
        self.task: Any = None

    def __enter__(self) -> _Drawing:
        self.progress.start()
        return self

    def __exit__(self, *_: object) -> None:
        self.progress.stop()

    def draw(self, event: Event) -> None:
        getattr(self, "_" + event["event"])(event)

    def _say(self, text: str, style: str = "") -> None:
        self.progress.console.print(text, markup=False, style=style, soft_wrap=True)

    def _start(self, event: Event) -> None:
        device = event["device"]
        self._say(f"device    {device['name']}\ndtype     {device['dtype']} ({device['reason']})")
        self._say(f"model     {event['parameters']:,} parameters, {event['trainable']:,} trainable")
        self._say(f"stages    {', '.join(event['stages'])}; {event['rows_per_step'][-1]:,} rows a step; seed {event['seed']}")

    def _stage(self, event: Event) -> None:
        self._end_bar()
        if event.get("resumed"):
            self._say(f"{event['name']:8}  goes on from its last checkpoint")
        elif event.get("unfinished"):
            self._say(f"{event['name']:8}  an unfinished run of this stage is started over (--resume would have gone on with it)")
        if event["reused"]:
            self._say(f"{event['name']:8}  done before, its inputs are unchanged")
        else:
            self.task = self.progress.add_task(event["name"], total=None, note="preparing data")

    def _step(self, event: Event) -> None:
        note = f"loss {event['loss']:.3f} {event['tokens_per_s'] / 1000:.1f}k tok/s"
        self.progress.update(self.task, total=event["steps"], completed=event["step"], note=note)
        if "val_loss" in event:
            byte = f", {event['bits_per_byte']:.3f} bits per byte" if "bits_per_byte" in event else ""
            skipped = f", {event['skipped']} steps skipped" if event["skipped"] else ""
            self._say(f"{event['stage']:8}  step {event['step']}/{event['steps']}: validation loss {event['val_loss']:.4f}{byte}{skipped}")
            self._say("          " + " ".join(event["sample"].split())[:220], style="dim")

    def _evaluation(self, event: Event) -> None:
        self._end_bar()
        self._say(f"evaluation {event['when']} the last stage")

    def _done(self, event: Event) -> None:
        self._end_bar()

    def _end_bar(self) -> None:
        if self.task is not None:
            self.progress.remove_task(self.task)
            self.task = None

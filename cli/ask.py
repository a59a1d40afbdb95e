"""`tutor ask`: one answer on stdout, or a file of questions answered in batches."""

from __future__ import annotations

import json
import sys
import time
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from mlxtutor.errors import TutorError
from mlxtutor.files import write_atomic

from . import console
from .chat import MAX_TOKENS, argument, sampling, system_text

if TYPE_CHECKING:
    from mlxtutor.backends import Sampling
    from mlxtutor.inference.generate import Answer, LoadedModel

BATCH_SIZE = 64
WORDS = "The question. Before it the model, where it is not the promoted or newest: NAME[@VERSION], a directory. `-`: read from stdin."
OUT = "Rows with id, answer, tokens and finish_reason, in the same order; stdout by default."


def ask(
    words: Annotated[list[str] | None, typer.Argument(metavar="[MODEL] QUESTION", help=WORDS)] = None,
    file: Annotated[Path | None, typer.Option("--file", metavar="IN.jsonl", help="Rows with id and prompt, or id and messages.")] = None,
    out: Annotated[Path | None, typer.Option("--out", metavar="OUT.jsonl", help=OUT)] = None,
    backend: Annotated[str, typer.Option(help="auto, mlx or torch.")] = "auto",
    system: Annotated[str | None, typer.Option(metavar="TEXT", help="The system text; the recipe's by default.")] = None,
    no_calculator: Annotated[bool, typer.Option("--no-calculator", help="The tutor sets up, you evaluate.")] = False,
    temperature: Annotated[float | None, typer.Option(min=0, help="0, the default, takes the likeliest token.")] = None,
    top_p: Annotated[float | None, typer.Option(min=0.01, max=1, help="Sample from the likeliest tokens up to this share.")] = None,
    seed: Annotated[int | None, typer.Option(min=0, help="Of the sampling.")] = None,
    max_tokens: Annotated[int, typer.Option(min=1, help="Longest answer.")] = MAX_TOKENS,
    batch_size: Annotated[int, typer.Option(min=1, help="Questions answered at once.")] = BATCH_SIZE,
    raw: Annotated[bool, typer.Option("--raw", help="Keep the calculator's tokens.")] = False,
    as_json: Annotated[bool, typer.Option("--json", help="One JSON document on stdout, everything else on stderr.")] = False,
) -> None:
    """Ask one question, or a file of them.

    Example: tutor ask "How strong is the field 3 cm from a charge of 2 nC?"

    Example: tutor ask em-tutor --file questions.jsonl --out answers.jsonl
    """
    wanted = _Wanted(backend, system_text(system, no_calculator), sampling(temperature, top_p, seed), max_tokens, batch_size, raw, as_json)
    if file is not None:
        _ask_file(words or [], file, out, wanted)
    elif out is not None:
        raise typer.BadParameter("goes with --file", param_hint="--out")
    else:
        _ask_one(words or [], wanted)


@dataclass(frozen=True)
class _Wanted:
    """How to answer, and in which form."""

    backend: str
    system: str | None
    sampling: Sampling
    max_tokens: int
    batch_size: int
    raw: bool
    as_json: bool

    def text(self, answer: Answer) -> str:
        from .rendering import plain_answer

        return answer.text if self.raw else plain_answer(answer.text)

    def fields(self, answer: Answer) -> dict:
        return {"answer": self.text(answer), "tokens": answer.tokens, "finish_reason": answer.finish_reason}


def _ask_one(words: list[str], wanted: _Wanted) -> None:
    from mlxtutor.inference.generate import generate
    from mlxtutor.inference.questions import prompts_of, question

    from .opened import open_named, system_of
    from .typesetting import visible

    name, asked = _model_and_question(words)
    one = question([{"role": "user", "content": asked}], wanted.system or system_of(console.home(), name), "the question")
    opened = open_named(console.home(), name, wanted.backend)
    prompts = prompts_of(opened.loaded, [one])
    answer = generate(opened.loaded, prompts, wanted.max_tokens, wanted.sampling)[0]
    if wanted.as_json:
        console.print_json({"model": opened.id, **wanted.fields(answer)})
        return
    sys.stdout.write(visible(wanted.text(answer)) + "\n")
    if answer.finish_reason == "length":
        console.err.print(f"(cut off after {answer.tokens} tokens: --max-tokens, or the end of the context)", markup=False, style="dim")


def _ask_file(words: list[str], file: Path, out: Path | None, wanted: _Wanted) -> None:
    from mlxtutor.inference.questions import prompts_of, read_questions

    from .opened import open_named, system_of

    if len(words) > 1:
        raise typer.BadParameter("with --file, MODEL is the only argument", param_hint="QUESTION")
    _check_out(out, wanted.as_json)
    name = words[0] if words else None
    questions = read_questions(file, wanted.system or system_of(console.home(), name))
    if answered := sum(q.answered for q in questions):
        console.err.print(f"{answered} of {len(questions)} rows end with an answer of their own: it is left out", markup=False)
    opened = open_named(console.home(), name, wanted.backend)
    console.err.print(opened.headline, markup=False, soft_wrap=True)
    started = time.monotonic()
    answers = _answer_all(opened.loaded, prompts_of(opened.loaded, questions), wanted)
    _write([{"id": q.id, **wanted.fields(a)} for q, a in zip(questions, answers)], out)
    if wanted.as_json:
        tokens, seconds = sum(a.tokens for a in answers), round(time.monotonic() - started, 3)
        console.print_json({"model": opened.id, "out": str(out), "rows": len(answers), "tokens": tokens, "seconds": seconds})


def _model_and_question(words: list[str]) -> tuple[str | None, str]:
    from mlxtutor.registry.models import list_models

    if len(words) > 2:
        raise typer.BadParameter(f'{len(words)} arguments (quote the question: tutor ask [MODEL] "QUESTION")', param_hint="QUESTION")
    name, asked = words if len(words) == 2 else (None, words[0] if words else "-")
    if name is None and any(asked in (ref.name, ref.id) for ref in list_models(console.home().models)):
        raise typer.BadParameter(f'"{asked}" is a model; what is the question?', param_hint="QUESTION")
    if asked == "-":
        asked = "" if sys.stdin.isatty() else sys.stdin.buffer.read().decode("utf-8", "replace")
    if not asked.strip():
        raise typer.BadParameter('empty (e.g. tutor ask "What is the field of a point charge?")', param_hint="QUESTION")
    return name, argument(asked.strip())


def _check_out(out: Path | None, as_json: bool) -> None:
    """Before minutes of work: what can be seen now to go wrong at its end."""
    if out is None:
        if as_json:
            raise typer.BadParameter("with --json, stdout holds the summary: name a file", param_hint="--out")
    elif out.is_dir():
        raise TutorError(f"{out}: is a folder (name a file for the answers)")
    else:
        out.parent.mkdir(parents=True, exist_ok=True)


def _answer_all(loaded: LoadedModel, prompts: list[list[int]], wanted: _Wanted) -> list[Answer]:
    """Answers in order, with a bar on stderr."""
    from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeRemainingColumn

    from mlxtutor.inference.generate import generate_batches

    answers: dict[int, Answer] = {}
    columns = TextColumn("answers"), BarColumn(bar_width=20), MofNCompleteColumn(), TimeRemainingColumn(compact=True)
    with Progress(*columns, console=console.err, transient=True, disable=not console.err.is_terminal) as progress:
        task = progress.add_task("answers", total=len(prompts))
        for batch in generate_batches(loaded, prompts, wanted.max_tokens, wanted.sampling, wanted.batch_size):
            answers.update(batch)
            progress.update(task, completed=len(answers))
    return [answers[at] for at in range(len(prompts))]


def _write(rows: list[dict], out: Path | None) -> None:
    text = "".join(json.dumps(row, ensure_ascii=False) + "\n" for row in rows)
    if out is None:
        sys.stdout.write(text)
        return
    write_atomic(out, text.encode())
    console.err.print(f"{len(rows)} answers in {out}", markup=False, soft_wrap=True)

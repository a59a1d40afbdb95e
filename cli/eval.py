"""`tutor eval`: put a suite's problems to a model and score every answer."""

from __future__ import annotations

import time
from pathlib import Path
from typing import Annotated, Any

import typer

from . import console
from .options import AsJson, Backend, Dtype

USUAL = 500  # problems of a generated split where --n says nothing
FAMILY_SCORES = ("correct", "value", "unit", "unit_check", "invented")


def evaluate(
    model: Annotated[str | None, typer.Argument(help="NAME[@VERSION] or a directory; by default the promoted or newest model.")] = None,
    suite: Annotated[str, typer.Option(help="em: electrostatics and circuits.")] = "em",
    n: Annotated[int | None, typer.Option("--n", min=1, help="Problems of each split; by default 500, and all of others.")] = None,
    split: Annotated[list[str] | None, typer.Option(help="values, wordings, others or types; repeat for more. All by default.")] = None,
    backend: Backend = "auto",
    dtype: Dtype = "auto",
    batch_size: Annotated[int, typer.Option(min=1, help="Answers decoded at a time.")] = 200,
    out: Annotated[Path | None, typer.Option(metavar="DIR", help="New folder of the results; default: in $TUTOR_HOME/evaluations.")] = None,
    as_json: AsJson = False,
) -> None:
    """Greedy answers with the calculator running, scored with 95 % intervals; kept as JSON, Markdown and the answers themselves.

    Example: tutor eval em-tutor --suite em --split values --split others --n 100
    """
    from mlxtutor.evaluation.record import check_folder, write_evaluation

    from .opened import open_named

    counts = {name: n or (0 if name == "others" else USUAL) for name in _check(suite, split)}
    if out:
        check_folder(out)
    opened = open_named(console.home(), model, backend, dtype)
    folder = out or console.home().evaluations / f"{opened.id}-{suite}-{time.strftime('%Y%m%d-%H%M%S')}"
    check_folder(folder)
    console.err.print(opened.headline, markup=False, soft_wrap=True)
    began = time.perf_counter()
    document, answers = _ask(opened.loaded, counts, batch_size)
    seconds = time.perf_counter() - began
    document = {"model": opened.id, **document, "path": str(opened.ref.path), "backend": opened.device.backend,
                "dtype": opened.device.dtype, "seconds": seconds, "answers_per_s": document["n"] / seconds}
    write_evaluation(folder, document, answers)
    if as_json:
        console.print_json({**document, "folder": str(folder)})
    else:
        _print_tables(document)
    console.err.print(f"{document['n']} answers in {console.duration(seconds)}; kept in {folder}", markup=False, soft_wrap=True)


def _check(suite: str, chosen: list[str] | None) -> list[str]:
    from mlxtutor.errors import TutorError
    from mlxtutor.problems.suite import SPLITS

    if suite != "em":
        raise TutorError(f'unknown suite "{suite}" (allowed: em)')
    unknown = [name for name in chosen or () if name not in SPLITS]
    if unknown:
        raise TutorError(f'unknown split "{unknown[0]}" (allowed: {", ".join(SPLITS)})')
    return [name for name in SPLITS if not chosen or name in chosen]


def _ask(loaded: Any, counts: dict[str, int], batch_size: int) -> tuple[dict, list[dict]]:
    from mlxtutor.evaluation.asking import evaluate_suite

    with console.err.status("asking " + ", ".join(f"{n or 'all'} of {split}" for split, n in counts.items())):
        return evaluate_suite(loaded, counts, batch_size=batch_size)


def _print_tables(document: dict[str, Any]) -> None:
    from mlxtutor.evaluation.report import score_label

    for split, found in document["splits"].items():
        rows = [[score_label(name), str(score["n"]), console.percent(score), console.interval(score)]
                for name, score in found["scores"].items()]
        columns = ["score", "asked of", "value", "95 % interval"]
        console.out.print(console.table(f"{split}: {found['n']} problems", columns, rows, right=(1, 2, 3)))
        console.out.print()
        families = [[family, str(group["n"]), *(console.percent(group["scores"].get(name)) for name in FAMILY_SCORES)]
                    for family, group in found["families"].items()]
        columns = ["family", "n", *(name.replace("_", " ") for name in FAMILY_SCORES)]
        console.out.print(console.table(f"{split} by family", columns, families, right=tuple(range(1, len(columns)))))
        console.out.print()

"""`tutor data build`: problems, Socratic dialogues, follow-up chats."""

from __future__ import annotations

import os
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from . import console
from .options import AsJson

if TYPE_CHECKING:
    from mlxtutor.socratic.endpoint import Job, Progress

TABLES = ("family", "family"), ("kind", "kind"), ("calculator", "mode")  # title, key of a row
KINDS = ("em", "socratic", "followup")
KEY = "OPENAI_API_KEY"  # the environment variable with the endpoint's key


def build_command(
    what: Annotated[str, typer.Argument(help="em (problems), socratic (dialogues) or followup (chats).")],
    out: Annotated[Path, typer.Option(metavar="PATH", help="em: a folder for train.jsonl, val.jsonl and the test splits; else a JSONL.")],
    train: Annotated[int | None, typer.Option(min=0, help="em: training problems (200).")] = None,
    val: Annotated[int | None, typer.Option(min=0, help="em: validation problems (0).")] = None,
    test: Annotated[int | None, typer.Option(min=0, help="em: problems of each test split: values, wordings, types (50).")] = None,
    seed: Annotated[int | None, typer.Option(min=0, help="Everything is a function of it, but what a model writes (1).")] = None,
    n: Annotated[int | None, typer.Option("--n", min=1, help="socratic, followup: dialogues or chats (1000).")] = None,
    source: Annotated[str | None, typer.Option("--from", metavar="FILE", help="followup: word problems, GSM8K imported.")] = None,
    exchanges: Annotated[int | None, typer.Option(min=2, max=6, help="socratic: of every dialogue (any of these; a model: 4).")] = None,
    endpoint: Annotated[str | None, typer.Option(metavar="URL", help="socratic: OpenAI-compatible; else our own generator writes.")] = None,
    model: Annotated[str | None, typer.Option(help="With --endpoint: which model of its.")] = None,
    topic: Annotated[str | None, typer.Option(help="With --endpoint: what the dialogues are about (electrostatics).")] = None,
    concurrent: Annotated[int | None, typer.Option(min=1, help="With --endpoint: requests at the same time (4).")] = None,
    price: Annotated[str | None, typer.Option(metavar="IN/OUT", help="With --endpoint: dollars for a million tokens.")] = None,
    as_json: AsJson = False,
) -> None:
    """Generate training data.

    em: problems with worked solutions, as train, val, and the test splits values, wordings, types, others. build.json lists the files and
    their cards with their hashes; only files that an earlier build wrote are replaced.

    socratic: dialogues of a student with a misconception and a tutor who asks. Our own generator needs no model; with --endpoint a model
    writes them (key in OPENAI_API_KEY), each is checked, and an interrupted run goes on where it was.

    followup: second and third turns that go deeper, corrections of weak solutions, learner levels, answer modes; with --from about word
    problems: why a step, how to check one, what if a number were another, corrections.

    Example: tutor data build em --train 2000 --val 100 --test 200 --seed 7 --out em-data

    Example: tutor data build socratic --topic circuits --n 50 --endpoint http://localhost:11434/v1 --model qwen2.5 --out s.jsonl
    """
    _check_kind(what)
    remote: dict[str, object] = {"--model": model, "--topic": topic, "--concurrent": concurrent, "--price": price}
    mine: dict[str, dict[str, object]] = {"em": {"--train": train, "--val": val, "--test": test, "--seed": seed},
            "socratic": {"--n": n, "--exchanges": exchanges, "--endpoint": endpoint, **({} if endpoint else {"--seed": seed})},
            "followup": {"--n": n, "--from": source, "--seed": seed}}
    if endpoint:
        mine["socratic"] |= remote
    every = {**remote, **{name: value for options in mine.values() for name, value in options.items()}, "--seed": seed}
    _check_options(what if not endpoint else f"{what} with --endpoint", every, mine[what])
    if what == "em":
        _build_em(out, 200 if train is None else train, val or 0, 50 if test is None else test, 1 if seed is None else seed, as_json)
    elif what == "followup":
        _build_followup(out, n or 1000, 1 if seed is None else seed, source, as_json)
    else:
        job = _job(endpoint, model, topic or "electrostatics", n or 1000, exchanges or 4, concurrent or 4, price or "0/0")
        _build_socratic(out, n or 1000, exchanges or 0, 1 if seed is None else seed, job, as_json)


def _check_options(what: str, given: dict[str, object], allowed: dict[str, object]) -> None:
    """An option that would do nothing is an error."""
    from mlxtutor.errors import TutorError

    for name, value in given.items():
        if value is not None and name not in allowed:
            raise TutorError(f"{name} does nothing for {what} (allowed: {', '.join(allowed)})")


def _build_em(out: Path, train: int, val: int, test: int, seed: int, as_json: bool) -> None:
    from mlxtutor.problems.dataset import MANIFEST, build_splits, check_place, count_rows, write_splits

    check_place(out)
    with console.err.status("composing problems"):
        splits = build_splits(train, val, test, seed)
        manifest = write_splits(out, splits, seed, console.command_line())
    if as_json:
        tables = {key: count_rows(splits, lambda row, key=key: row[key]) for _, key in TABLES}  # type: ignore[misc]
        console.print_json({"folder": str(out), **manifest, **tables})
        return
    _print_splits(splits)
    console.out.print(f"\nwritten to {out}: {', '.join([*manifest['files'], MANIFEST])}, a card beside each", markup=False, soft_wrap=True)


def _check_kind(name: str) -> None:
    from mlxtutor.errors import TutorError

    if name not in KINDS:
        raise TutorError(f'no generator "{name}" (allowed: {", ".join(KINDS)})')


def _print_splits(splits: dict[str, list[dict]]) -> None:
    from mlxtutor.problems.dataset import count_rows

    names = list(splits)
    for title, key in TABLES:
        counts = count_rows(splits, lambda row, key=key: row[key])  # type: ignore[misc]
        rows = [[value, *(str(by_split[split]) for split in names)] for value, by_split in counts.items()]
        rows.append(["all", *(str(len(splits[split])) for split in names)])
        console.out.print(console.table(f"problems by {title}", [title, *names], rows, right=tuple(range(1, len(names) + 1))))
        console.out.print()
    types = ", ".join(f"{len({row['type'] for row in rows})} in {name}" for name, rows in splits.items())
    console.out.print(f"problem types: {types}", markup=False)




def _job(endpoint: str | None, model: str | None, topic: str, n: int, exchanges: int, concurrent: int, price: str) -> Job | None:
    """What an endpoint is to do; None without one."""
    from mlxtutor.errors import TutorError
    from mlxtutor.socratic.endpoint import Job

    if endpoint is None:
        return None
    if not model:
        raise TutorError("--endpoint needs --model (a model that the endpoint has)")
    try:
        price_in, price_out = map(float, price.split("/"))
    except ValueError:
        raise TutorError(f'--price "{price}" is no price (for example 0.15/0.6, for a million tokens in and out)') from None
    return Job(endpoint, model, topic, n, exchanges, concurrent, os.environ.get(KEY, ""), price_in=price_in, price_out=price_out)


def _build_socratic(out: Path, n: int, exchanges: int, seed: int, job: Job | None, as_json: bool) -> None:
    from mlxtutor.records.card import write_card

    counts = _ask_endpoint(out, job) if job else _write_dialogues(out, n, exchanges, seed)
    write_card(out, console.command_line(), [], counts, seed=None if job else seed)
    if as_json:
        console.print_json({"file": str(out), **counts})
        return
    console.out.print(f"{counts['rows']:,} dialogues written to {out}", markup=False, soft_wrap=True)


def _write_dialogues(out: Path, n: int, exchanges: int, seed: int) -> dict:
    import itertools
    from collections import Counter

    import numpy as np

    from mlxtutor.datasets.rows import write_rows
    from mlxtutor.socratic.dialogue import iter_dialogues

    with console.err.status("composing dialogues"):
        rows = list(itertools.islice(iter_dialogues(np.random.default_rng(seed), exchanges), n))
        write_rows(out, rows)
    types = Counter(name for row in rows for name in row["extra"]["question_types"])
    topics = Counter(row["topic"] for row in rows)
    return {"rows": len(rows), "topics": dict(topics), "questions": dict(types), "licences": {"MIT": len(rows)}}


def _build_followup(out: Path, n: int, seed: int, source: str | None, as_json: bool) -> None:
    import itertools
    from collections import Counter

    import numpy as np

    from mlxtutor.datasets.rows import write_rows
    from mlxtutor.errors import TutorError
    from mlxtutor.followup import chats, word_problems
    from mlxtutor.records.card import write_card
    from mlxtutor.records.importing import read_all

    rng = np.random.default_rng(seed)
    console.check_other(out, [source] if source else [])
    with console.err.status("composing chats"):
        found = word_problems.iter_followups(read_all(source), rng) if source else chats.iter_followups(rng)
        rows = list(itertools.islice(found, n))
    if not rows:
        raise TutorError(f"{source}: no row in it has a solution of two or more calculator calls that ends in its answer "
                         "(tutor data import makes such rows of GSM8K)")
    write_rows(out, rows)
    counts = {"rows": len(rows), "kinds": dict(Counter(row["tags"][0] for row in rows)),
              "licences": dict(Counter(row.get("licence", "unknown") for row in rows))}
    write_card(out, console.command_line(), [source] if source else [], counts, seed=seed)
    if as_json:
        console.print_json({"file": str(out), **counts})
        return
    told = ", ".join(f"{count:,} {kind.replace('_', ' ')}" for kind, count in counts["kinds"].items())  # type: ignore[attr-defined]
    console.out.print(f"{len(rows):,} chats written to {out}: {told}", markup=False, soft_wrap=True)


def _ask_endpoint(out: Path, job: Job) -> dict:
    from rich.progress import BarColumn, MofNCompleteColumn, TextColumn, TimeRemainingColumn
    from rich.progress import Progress as Bar

    from mlxtutor.socratic.endpoint import describe, generate

    columns = TextColumn("dialogues"), BarColumn(), MofNCompleteColumn(), TimeRemainingColumn(), TextColumn("{task.fields[told]}")
    with Bar(*columns, console=console.err) as bar:
        task = bar.add_task("dialogues", total=job.n, told="")
        for state in generate(job, out):
            bar.update(task, completed=state.accepted, told=_told(state, job))
    return {"rows": job.n, "asked": state.asked, "rejected": dict(state.rejected.most_common()), "tokens_in": state.tokens_in,
            "tokens_out": state.tokens_out, "dollars": round(state.cost(job), 4), "job": describe(job)}


def _told(state: Progress, job: Job) -> str:
    """Tokens, cost, and how many replies were no good."""
    cost = f", ${state.cost(job):.2f}" if job.price_in or job.price_out else ""
    return f"{(state.tokens_in + state.tokens_out) / 1000:.1f}k tokens{cost}, {sum(state.rejected.values())} faults"

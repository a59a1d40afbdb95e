"""`tutor hub`: models to and from the Hugging Face hub."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from . import console
from .options import AsJson

if TYPE_CHECKING:
    from mlxtutor.hub.pulling import Pulled
    from mlxtutor.hub.pushing import Choices, Pushed, Upload
    from mlxtutor.registry.models import ModelRef

app = typer.Typer(no_args_is_help=True, help="Models to and from the Hugging Face hub. Example: tutor hub push me/em-tutor")


Private = Annotated[bool | None, typer.Option("--private/--public", show_default=False, help=(
    "A new repository is private unless --public; one that is there stays as it is."))]
Words = Annotated[list[str], typer.Argument(metavar="[MODEL] REPO", show_default=False, help=(
    "MODEL: NAME, NAME@2 or a directory; the promoted or newest model by default. REPO: OWNER/NAME, or NAME of your own."))]
Licence = Annotated[str | None, typer.Option("--licence", "--license", metavar="ID", help=(
    "Of the model; by default the most restrictive of its data's and its base's. Checked against them."))]
DataLicence = Annotated[list[str] | None, typer.Option("--data-licence", "--data-license", metavar="FILE=LICENCE", help=(
    "Of a data file that has none; the card says that you said so."))]
BaseLicence = Annotated[list[str] | None, typer.Option("--base-licence", "--base-license", metavar="MODEL=LICENCE", help=(
    "Of a base whose licence isn't known."))]


@app.command("push")
def push_command(
    words: Words,
    private: Private = None,
    revision: Annotated[str | None, typer.Option(metavar="BRANCH", help="Made where it isn't there; main by default.")] = None,
    message: Annotated[str, typer.Option(help="Of the commit.")] = "",
    licence: Licence = None,
    data_licence: DataLicence = None,
    base_licence: BaseLicence = None,
    base: Annotated[str | None, typer.Option(metavar="OWNER/NAME", help="Of an adapter: where its base is on the hub.")] = None,
    dry_run: Annotated[bool, typer.Option("--dry-run", help="Write to --out what would be uploaded, and upload nothing.")] = False,
    out: Annotated[Path | None, typer.Option(metavar="DIR", help="For --dry-run: a new folder.")] = None,
    as_json: AsJson = False,
) -> None:
    """Upload a model or an adapter with a model card. Refused where a licence of its data or base forbids it.

    You log in with `hf auth login` or with HF_TOKEN in the environment.

    Example: tutor hub push em-tutor@2 me/em-tutor --public
    """
    from mlxtutor.hub import pushing

    _check_words(words)
    if dry_run != (out is not None):
        raise typer.BadParameter("--dry-run and --out DIR go together")
    said = pushing.Said(_pairs("--data-licence", data_licence), _pairs("--base-licence", base_licence))
    ref, upload = _prepared(words, pushing.Choices(licence, said, base))
    if out is not None:
        pushing.write_upload(upload, out)
    pushed = None if out else _sent(upload, private, revision, message)
    if as_json:
        console.print_json(_document(ref, upload, pushed, private, out))
    else:
        _print_push(ref, upload, pushed, private, out)


@app.command("pull")
def pull_command(
    source: Annotated[str, typer.Argument(metavar="REPO[@REVISION]", help="OWNER/NAME; REVISION: a branch, a tag or a commit.",
                                          show_default=False)],
    name: Annotated[str | None, typer.Option(help="In the registry; by default the repository's.")] = None,
    as_json: AsJson = False,
) -> None:
    """Take a model or an adapter into the registry. Only safetensors weights are taken, and no code of it is run.

    Example: tutor hub pull Qwen/Qwen2.5-0.5B-Instruct
    """
    from mlxtutor.hub import pulling

    remote = pulling.look(*pulling.split_revision(source))
    size = console.size(sum(remote.sizes.values()))
    console.err.print(f"{remote.repo} at {remote.commit[:10]}: {len(remote.sizes)} files, {size}", markup=False, soft_wrap=True)
    with _below_the_bars():
        pulled = pulling.pull(console.home().models, remote, name)
    for note in pulled.notes:
        _note(note)
    _print_pull(pulled, as_json)


def _note(text: str) -> None:
    console.err.print(f"note: {text}", markup=False, soft_wrap=True)


def _check_words(words: list[str]) -> None:
    """A model alone is no repository, though its name might be one."""
    from mlxtutor.registry.models import list_models

    if len(words) > 2:
        raise typer.BadParameter(f'"{words[2]}" is too much: at most a model and a repository', param_hint="[MODEL] REPO")
    if len(words) == 1 and words[0].partition("@")[0] in {ref.name for ref in list_models(console.home().models)}:
        raise typer.BadParameter(f"{words[0]} is a model, and the repository is missing (tutor hub push {words[0]} OWNER/NAME)",
                                 param_hint="[MODEL] REPO")


def _prepared(words: list[str], choices: Choices) -> tuple[ModelRef, Upload]:
    from mlxtutor.hub.pushing import hub_licence, prepare
    from mlxtutor.registry.models import list_models, resolve

    models = console.home().models
    ref = resolve(models, words[0] if len(words) == 2 else None)
    upload = prepare(ref, words[-1], list_models(models), choices, hub_licence)
    for note in upload.notes:
        _note(note)
    return ref, upload


def _sent(upload: Upload, private: bool | None, revision: str | None, message: str) -> Pushed:
    from mlxtutor.hub.pushing import push

    try:
        with _below_the_bars():
            return push(upload, private, revision, message, _note)
    except KeyboardInterrupt:
        console.err.print("nothing was published; run the same command again, and what has arrived is not sent again", soft_wrap=True)
        raise


@contextmanager
def _below_the_bars() -> Iterator[None]:
    """What breaks off leaves the hub's client's progress bar on its line."""
    from mlxtutor.errors import TutorError

    try:
        yield
    except TutorError as error:
        if error.__cause__:
            console.err.print()
        raise


def _document(ref: ModelRef, upload: Upload, pushed: Pushed | None, private: bool | None, out: Path | None) -> dict[str, Any]:
    """private: of a dry run what was asked for, None where nothing was."""
    from .opened import shown_id

    return {"model": shown_id(ref), "repo": pushed.repo if pushed else upload.repo, "url": pushed.url if pushed else None,
            "commit": pushed.commit if pushed else None, "private": pushed.private if pushed else private, "licence": upload.licence.id,
            "files": upload.sizes, "left_out": list(upload.left_out), "deleted": list(pushed.deleted) if pushed else [],
            "dry_run": not pushed, "out": str(out) if out else None}


def _print_push(ref: ModelRef, upload: Upload, pushed: Pushed | None, private: bool | None, out: Path | None) -> None:
    from .opened import shown_id

    sizes = upload.sizes
    hidden = pushed.private if pushed else private is not False
    title = (f"{shown_id(ref)} -> {pushed.repo if pushed else upload.repo}, {'private' if hidden else 'public'}, "
             f"licence {upload.licence.id}")
    rows = [*([file, console.size(size)] for file, size in sizes.items()), ["", console.size(sum(sizes.values()))]]
    console.out.print(console.table(title, ["file", "size"], rows, right=(1,)))
    if upload.left_out:
        console.out.print(f"left out: {', '.join(upload.left_out)}", markup=False, soft_wrap=True)
    if not pushed:
        stays = "; a repository that is there already stays private or public as it is" if private is None else ""
        console.out.print(f"nothing was uploaded{stays}; this is in {out}: read {out}/README.md", markup=False, soft_wrap=True)
        return
    seen = "private: only you see it" if pushed.private else "public"
    console.out.print(f"{pushed.url} ({seen}), commit {pushed.commit[:10]}", markup=False, soft_wrap=True)


def _print_pull(pulled: Pulled, as_json: bool) -> None:
    ref, remote = pulled.ref, pulled.remote
    if as_json:
        console.print_json({"model": ref.id, "path": str(ref.path), "kind": ref.card.get("kind"), "repo": remote.repo,
                            "commit": remote.commit, "licence": remote.licence, "base": pulled.base or None, "opens": pulled.opens,
                            "files": dict(remote.sizes), "left_out": list(remote.left_out)})
        return
    console.out.print(f"{ref.id} is in the registry: {remote.repo}, {_next(pulled)}", markup=False, soft_wrap=True)


def _next(pulled: Pulled) -> str:
    """What can be done with it."""
    ref = pulled.ref
    if pulled.opens:
        return f"talk to it: tutor chat {ref.id}"
    if pulled.remote.form != "model":
        base = f"on {pulled.base}" if pulled.base else "on a base that it does not name"
        return f"an adapter {base} (tutor export ollama {ref.id} --base MODEL; the base: tutor hub pull)"
    from mlxtutor.export.architectures import ARCHITECTURES

    what = f"an architecture ({pulled.architecture or 'unnamed'}) that tutor chat does not open"
    exports = f"; tutor export ollama {ref.id} does" if pulled.architecture in ARCHITECTURES else ""
    return f"{what}{exports}, and mlx_lm.chat --model {ref.path}"


def _pairs(option: str, given: list[str] | None) -> dict[str, str]:
    """NAME=LICENCE, repeated."""
    pairs = [text.rpartition("=") for text in given or []]
    wrong = next((text for text, (name, _, value) in zip(given or [], pairs) if not name or not value), None)
    if wrong:
        raise typer.BadParameter(f'"{wrong}" (wanted: NAME=LICENCE)', param_hint=option)
    return {name: value for name, _, value in pairs}

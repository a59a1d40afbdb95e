"""`tutor export`: a model as GGUF, for Ollama, in Hugging Face's layout, or an adapter alone; each with its proof."""

from __future__ import annotations

import shlex
from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from . import console
from .options import AsJson

if TYPE_CHECKING:
    from mlxtutor.export.exporting import Export

app = typer.Typer(no_args_is_help=True, help="A model to other runtimes, with a proof that it is the same. Example: tutor export ollama")

SUITE_HELP = "Problems of each generated split of the suite that the proof asks, and all of `others`; 0: no suite."
SYSTEM_HELP = "The system text; the recipe's by default; a tutor that calculates has its own and takes no other."
Model = Annotated[str | None, typer.Argument(help="NAME, NAME@VERSION or a directory; the promoted or newest model by default.")]
Out = Annotated[str | None, typer.Option(metavar="DIR", help="Folder to write to; by default named after the model, here.")]
Base = Annotated[str | None, typer.Option(help="Of an adapter: its base, where its card doesn't say (a name or a directory).")]
Type = Annotated[str, typer.Option("--type", help="f32, f16, bf16, q8_0, q5_1, q5_0, q4_1, q4_0; q4_k_m and the like with llama-quantize.")]
NoProof = Annotated[bool, typer.Option("--no-proof", help="Don't check the result in llama.cpp; recorded in proof.json.")]
Problems = Annotated[int, typer.Option("--suite-n", min=0, help=SUITE_HELP)]
PROBLEMS = 100


@app.command("gguf")
def gguf_command(model: Model = None, kind: Type = "q8_0", out: Out = None, base: Base = None, no_proof: NoProof = False,
                 problems: Problems = PROBLEMS, as_json: AsJson = False) -> None:
    """One GGUF file for llama.cpp, LM Studio and others, proved in llama.cpp.

    Example: tutor export gguf em-tutor --type f16 --out em-tutor-gguf
    """
    from mlxtutor.export import exporting

    export = _open(model, base, "" if no_proof else "gguf", problems)
    folder = _folder(out, export, f"{kind}-gguf")
    _note_calculator(export)
    files, proof = _made(folder, no_proof, lambda progress: exporting.export_gguf(export, folder, kind, progress),
                         lambda report: exporting.prove_gguf(export, folder, kind, report))
    _finish(files, proof, folder, as_json)


@app.command("ollama")
def ollama_command(
    model: Model = None,
    kind: Type = "q8_0",
    out: Out = None,
    name: Annotated[str | None, typer.Option(help="In Ollama; the model's own by default.")] = None,
    system: Annotated[str, typer.Option(metavar="TEXT", help=SYSTEM_HELP)] = "",
    examples: Annotated[Path | None, typer.Option(metavar="ROWS", help="Chats (any file that import reads) as MESSAGE lines.")] = None,
    adapter: Annotated[bool, typer.Option("--adapter", help="The base and the adapter as two files, instead of one merged one.")] = False,
    base: Base = None,
    push: Annotated[bool, typer.Option("--push", help="Create it in the running Ollama ($OLLAMA_HOST) and ask it a question.")] = False,
    no_proof: NoProof = False,
    problems: Problems = PROBLEMS,
    as_json: AsJson = False,
) -> None:
    """A folder that `ollama create NAME -f Modelfile` takes, proved in llama.cpp.

    Example: tutor export ollama em-tutor --push
    """
    from mlxtutor.export import exporting, ollama_api, ollama_host

    export = _open(model, base, "" if no_proof else "gguf", problems)
    plan = exporting.plan_ollama(export, name, system, _rows(examples), adapter)
    folder = _folder(out, export, "ollama")
    if push:
        ollama_api.check_running(ollama_host.host_from_environment())
    for note in plan.notes:
        console.note(f"note: {note}")
    files, proof = _made(folder, no_proof, lambda progress: exporting.export_ollama(export, folder, kind, plan, progress),
                         lambda report: exporting.prove_ollama(export, folder, kind, plan, report))
    if not as_json or proof["passed"] is False:
        _finish(files, proof, folder, as_json)
    pushed = {"ollama": _push(folder, plan.name)} if push else {}
    if as_json:
        _finish(files, proof, folder, as_json, pushed)
    if not push:
        console.note(f"next: sh {shlex.quote(str(folder / 'ollama-create.sh'))}, then: ollama run {plan.name}")


@app.command("hf")
def hf_command(
    model: Model = None,
    out: Out = None,
    dtype: Annotated[str | None, typer.Option(help="float32, float16 or bfloat16; the base's own by default.")] = None,
    base: Base = None,
    no_proof: NoProof = False,
    as_json: AsJson = False,
) -> None:
    """A model directory for transformers and mlx-lm: the adapter merged, a quantised base dequantised.

    Example: tutor export hf my-tutor --out my-tutor-merged
    """
    from mlxtutor.export import exporting

    export = _open(model, base, "" if no_proof else "hf")
    folder = _folder(out, export, "hf")
    _note_calculator(export)
    files, proof = _made(folder, no_proof, lambda progress: exporting.export_hf(export, folder, dtype, progress),
                         lambda report: exporting.prove_hf(export, folder, report))
    _finish(files, proof, folder, as_json)


@app.command("adapter")
def adapter_command(
    model: Model = None,
    form: Annotated[str, typer.Option("--format", help="peft, mlx or gguf.")] = "peft",
    out: Out = None,
    base: Base = None,
    no_proof: NoProof = False,
    as_json: AsJson = False,
) -> None:
    """A LoRA adapter alone, for transformers (peft), mlx-lm (mlx) or llama.cpp (gguf).

    Example: tutor export adapter my-tutor --format gguf
    """
    from mlxtutor.export import exporting

    export = _open(model, base, "" if no_proof else form)
    folder = _folder(out, export, f"adapter-{form}")
    files, proof = _made(folder, no_proof, lambda progress: exporting.export_adapter(export, folder, form),
                         lambda report: exporting.prove_adapter(export, folder, form, report))
    _finish(files, proof, folder, as_json)


def _open(model: str | None, base: str | None, kind: str, problems: int = 0) -> Export:
    """kind: of the proof; empty without one."""
    from mlxtutor.export.exporting import check_provable, open_export
    from mlxtutor.export.proof import Settings

    export = open_export(console.home(), model, base, Settings(), problems)
    check_provable(export, kind)
    on = f" on {export.source.directory}" if export.source.adapter else ""
    console.note(f"{export.id}{on}")
    return export


def _folder(out: str | None, export: Export, what: str) -> Path:
    """The folder to write to; one that holds something else than an export is left alone."""
    from mlxtutor.errors import TutorError
    from mlxtutor.export.export_folder import check_folder

    if out is not None and not out.strip():
        raise TutorError(f'--out is "{out}" (expected: the name of a folder, . for this one)')
    folder = Path(out or (f"{export.ref.name}-{export.ref.version}-{what}" if export.ref.version else f"{export.ref.name}-{what}"))
    check_folder(folder, export.made_of, console.home().models)
    if folder.is_dir():
        console.note(f"the export in {folder} will be replaced")
    return folder


def _note_calculator(export: Export) -> None:
    from mlxtutor.export.ollama_folder import computes_inside

    if computes_inside(export.source):
        console.note("note: outside `tutor chat` and `tutor ask` begin every chat with the system text \"Calculator: off\": other "
                     "runtimes can't run the calculator, and without that text its numbers are made up")


def _rows(examples: Path | None) -> list[dict]:
    from mlxtutor.errors import TutorError
    from mlxtutor.records.importing import read_all

    rows = [] if examples is None else [row for row in read_all(str(examples)) if "messages" in row]
    if examples is not None and not rows:
        raise TutorError(f"{examples}: no chats in it (--examples takes rows with questions and answers)")
    return rows


def _made(folder: Path, no_proof: bool, write: Callable[[Callable[[int, int], None]], list[Path]],
          prove: Callable[[Callable[[str], None]], dict[str, Any]]) -> tuple[list[Path], dict[str, Any]]:
    """The files of an export and its proof."""
    from mlxtutor.export.export_folder import alone_in, unproved

    with alone_in(folder):
        files = _written(write)
        if no_proof:
            return files, unproved(folder, "--no-proof")
        with console.err.status("proving that it is the same model") as status:
            return files, prove(lambda stage: status.update(f"proving that it is the same model: {stage}"))


def _written(write: Callable[[Callable[[int, int], None]], list[Path]]) -> list[Path]:
    """Run a writer with a bar on stderr once there is something to show."""
    from rich.progress import BarColumn, DownloadColumn, Progress, TextColumn, TimeRemainingColumn

    columns = TextColumn("writing"), BarColumn(bar_width=20, complete_style="green"), DownloadColumn(), TimeRemainingColumn(compact=True)
    bar = Progress(*columns, console=console.err, transient=True, disable=not console.err.is_terminal)
    task = bar.add_task("writing")

    def update(done: int, total: int) -> None:
        bar.start()
        bar.update(task, completed=done, total=total)

    try:
        return write(update)
    finally:
        bar.stop()


def _push(folder: Path, name: str) -> dict[str, Any]:
    from rich.progress import BarColumn, DownloadColumn, Progress, TextColumn

    from mlxtutor.export.ollama_api import push
    from mlxtutor.export.ollama_host import host_from_environment

    columns = TextColumn("{task.description}"), BarColumn(bar_width=20), DownloadColumn()
    with Progress(*columns, console=console.err, transient=True, disable=not console.err.is_terminal) as bar:
        task = bar.add_task("ollama")
        found = push(folder, name, host_from_environment(),
                     lambda status, done, total: bar.update(task, description=status, completed=done, total=total or None))
    for warning in found["warnings"]:
        console.note(f"warning: {warning}")
    console.note(f"{name} is in Ollama {found['version']}; it says: {found['answer'][:200]}")
    return found


def _finish(files: list[Path], proof: dict[str, Any], folder: Path, as_json: bool, more: dict[str, Any] | None = None) -> None:
    """Print the result; a failed proof is an error that names the broken links."""
    from mlxtutor.errors import TutorError
    from mlxtutor.export.export_folder import PROOF

    from .proof_view import print_proof

    files = [*files, folder / PROOF]
    if as_json:
        console.print_json({"files": [str(path) for path in files], "folder": str(folder), "proof": proof, **(more or {})})
    else:
        rows = [[path.name, console.size(path.stat().st_size)] for path in files]
        console.out.print(console.table(str(folder), ["file", "size"], rows, right=(1,)))
        print_proof(proof)
    if proof["passed"] is False:
        broken = "; ".join(f"{link['name']}: {link['problem']}" for link in proof["links"] if link["problem"])
        raise TutorError(f"the proof failed at {broken} (the files are kept in {folder}; proof.json has every figure)")

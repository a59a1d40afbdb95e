"""`tutor export`: a model as GGUF, for Ollama, in Hugging Face's layout, or an adapter alone; each with its proof."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from . import console
from .options import AsJson

if TYPE_CHECKING:
    from mlxtutor.export.exporting import Export

app = typer.Typer(no_args_is_help=True, help="A model to other runtimes, with a proof that it is the same. Example: tutor export ollama")

Model = Annotated[str | None, typer.Argument(help="NAME, NAME@VERSION or a directory; the promoted or newest model by default.")]
Out = Annotated[Path | None, typer.Option(metavar="DIR", help="Folder to write to; by default named after the model, here.")]
Base = Annotated[str | None, typer.Option(help="Of an adapter: its base, where its card doesn't say (a name or a directory).")]
Type = Annotated[str, typer.Option("--type", help="f32, f16, bf16, q8_0, q5_1, q5_0, q4_1, q4_0; q4_k_m and the like with llama-quantize.")]
NoProof = Annotated[bool, typer.Option("--no-proof", help="Don't check the result in llama.cpp; recorded in proof.json.")]
Problems = Annotated[int, typer.Option("--suite-n", min=0, help="Problems of each split of the suite that the proof asks; 0: none.")]
PROBLEMS = 100


@app.command("gguf")
def gguf_command(model: Model = None, kind: Type = "q8_0", out: Out = None, base: Base = None, no_proof: NoProof = False,
                 problems: Problems = PROBLEMS, as_json: AsJson = False) -> None:
    """One GGUF file for llama.cpp, LM Studio and others, proved in llama.cpp.

    Example: tutor export gguf em-tutor --type f16 --out em-tutor-gguf
    """
    from mlxtutor.export import exporting

    export = _open(model, base, problems)
    folder = _folder(out, export, "gguf")
    files = _written(lambda progress: exporting.export_gguf(export, folder, kind, progress))
    proof = _skipped(folder, no_proof) or _proved(lambda: exporting.prove_gguf(export, files[0], kind))
    _finish(files, proof, folder, as_json)


@app.command("ollama")
def ollama_command(
    model: Model = None,
    kind: Type = "q8_0",
    out: Out = None,
    name: Annotated[str | None, typer.Option(help="In Ollama; the model's own by default.")] = None,
    system: Annotated[str, typer.Option(metavar="TEXT", help="The system text; by default the recipe's.")] = "",
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
    from mlxtutor.export import exporting

    export = _open(model, base, problems)
    plan = exporting.plan_ollama(export, name, system, _rows(examples), adapter)
    for note in plan.notes:
        console.err.print(f"note: {note}", markup=False, soft_wrap=True)
    folder = _folder(out, export, "ollama")
    files = _written(lambda progress: exporting.export_ollama(export, folder, kind, plan, progress))
    proof = _skipped(folder, no_proof) or _proved(lambda: exporting.prove_ollama(export, folder, kind))
    pushed = _push(folder, plan.name) if push and proof["passed"] is not False else None
    _finish(files, proof, folder, as_json, {"ollama": pushed} if pushed else {})
    if not push:
        console.err.print(f"next: {folder}/ollama-create.sh, then: ollama run {plan.name}", markup=False, soft_wrap=True)


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

    export = _open(model, base, 0)
    folder = _folder(out, export, "hf")
    files = _written(lambda progress: exporting.export_hf(export, folder, dtype, progress))
    proof = _skipped(folder, no_proof) or _proved(lambda: exporting.prove_hf(export, folder))
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

    export = _open(model, base, 0)
    folder = _folder(out, export, f"adapter-{form}")
    files = _written(lambda progress: exporting.export_adapter(export, folder, form))
    proof = _skipped(folder, no_proof) or _proved(lambda: exporting.prove_adapter(export, folder, form))
    _finish(files, proof, folder, as_json)


def _open(model: str | None, base: str | None, problems: int) -> Export:
    from mlxtutor.export.exporting import open_export
    from mlxtutor.export.proof import Settings

    export = open_export(console.home(), model, base, Settings(), problems)
    on = f" on {export.source.directory}" if export.source.adapter else ""
    console.err.print(f"{export.id}{on}", markup=False, soft_wrap=True)
    return export


def _folder(out: Path | None, export: Export, what: str) -> Path:
    """The folder to write to; one that holds something else than an export is left alone."""
    from mlxtutor.errors import TutorError
    from mlxtutor.export.exporting import PROOF

    folder = out or Path(f"{export.ref.name}-{export.ref.version}-{what}" if export.ref.version else f"{export.ref.name}-{what}")
    if folder.exists() and (not folder.is_dir() or any(folder.iterdir()) and not (folder / PROOF).is_file()):
        raise TutorError(f"{folder} exists and holds no export (give another folder with --out)")
    return folder


def _rows(examples: Path | None) -> list[dict]:
    from mlxtutor.records.importing import read_all

    return [] if examples is None else [row for row in read_all(str(examples)) if "messages" in row]


def _written(write: Callable[[Callable[[int, int], None]], list[Path]]) -> list[Path]:
    """Run a writer with a bar on stderr."""
    from rich.progress import BarColumn, DownloadColumn, Progress, TextColumn, TimeRemainingColumn

    columns = TextColumn("writing"), BarColumn(bar_width=20), DownloadColumn(), TimeRemainingColumn(compact=True)
    with Progress(*columns, console=console.err, transient=True, disable=not console.err.is_terminal) as bar:
        task = bar.add_task("writing")
        return write(lambda done, total: bar.update(task, completed=done, total=total))


def _skipped(folder: Path, no_proof: bool) -> dict[str, Any] | None:
    from mlxtutor.export.exporting import PROOF, without_proof

    return without_proof(folder / PROOF) if no_proof else None


def _proved(prove: Callable[[], dict[str, Any]]) -> dict[str, Any]:
    with console.err.status("proving that it is the same model"):
        return prove()


def _push(folder: Path, name: str) -> dict[str, Any]:
    from rich.progress import BarColumn, DownloadColumn, Progress, TextColumn

    from mlxtutor.export.ollama_api import host_from_environment, push

    columns = TextColumn("{task.description}"), BarColumn(bar_width=20), DownloadColumn()
    with Progress(*columns, console=console.err, transient=True, disable=not console.err.is_terminal) as bar:
        task = bar.add_task("ollama")
        found = push(folder, name, host_from_environment(),
                     lambda status, done, total: bar.update(task, description=status, completed=done, total=total or None))
    for warning in found["warnings"]:
        console.err.print(f"warning: {warning}", markup=False, soft_wrap=True)
    console.err.print(f"{name} is in Ollama {found['version']}; it says: {found['answer'][:200]}", markup=False, soft_wrap=True)
    return found


def _finish(files: list[Path], proof: dict[str, Any], folder: Path, as_json: bool, more: dict[str, Any] | None = None) -> None:
    """Print the result; a failed proof is an error that names the broken links."""
    from mlxtutor.errors import TutorError

    from .proof_view import print_proof

    if as_json:
        console.print_json({"files": [str(path) for path in files], "folder": str(folder), "proof": proof, **(more or {})})
    else:
        rows = [[path.name, console.size(path.stat().st_size)] for path in files]
        console.out.print(console.table(str(folder), ["file", "size"], rows, right=(1,)))
        print_proof(proof)
    if proof["passed"] is False:
        broken = "; ".join(f"{link['name']}: {link['problem']}" for link in proof["links"] if link["problem"])
        raise TutorError(f"the proof failed at {broken} (the files are kept in {folder}; proof.json has every figure)")

"""The exports as commands need them: a named model to files, the proof beside them."""

from __future__ import annotations

import tempfile
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from mlxtutor.errors import TutorError
from mlxtutor.export.adapter import MLX_FILE, PEFT_FILE, read_adapter
from mlxtutor.export.engine import Engine
from mlxtutor.export.export_folder import begin, finished, keep_proof
from mlxtutor.export.exported_card import licence_files, write_card
from mlxtutor.export.file_check import Link, check_adapter
from mlxtutor.export.hf_directory import KEPT_FILES, check_dtype, default_dtype, write_hf
from mlxtutor.export.merge_check import prove_merged
from mlxtutor.export.modelfile import FILE_NAME
from mlxtutor.export.modelfile import load as load_modelfile
from mlxtutor.export.ollama_api import check_name
from mlxtutor.export.ollama_folder import (
    BASE_FILE,
    MODEL_FILE,
    SCRIPT,
    Folder,
    computes_inside,
    plan_folder,
    write_folder,
    write_page,
)
from mlxtutor.export.proof import Product, Settings, document, prove
from mlxtutor.export.source import Source, open_source
from mlxtutor.export.writing import ADAPTER_FILE, check_form, check_type, describe, write_adapter_as, write_gguf
from mlxtutor.home import Home
from mlxtutor.model_files import INDEX, README
from mlxtutor.registry.lineage import parents_of
from mlxtutor.registry.manifest import CARD, check_card_kept
from mlxtutor.registry.models import ModelRef, list_models, resolve, shown_id

Progress = Callable[[int, int], None]
Report = Callable[[str], None]


@dataclass(frozen=True)
class Export:
    """A model to export. problems: of each split of the suite that the proof asks; 0: none. known: the registry."""

    ref: ModelRef
    source: Source
    settings: Settings
    problems: int = 0
    known: tuple[ModelRef, ...] = ()

    @property
    def id(self) -> str:
        return shown_id(self.ref)

    @property
    def made_of(self) -> list[Path]:
        """Folders that are read while it is written."""
        return [self.source.directory, self.source.tokenizer_directory, self.ref.path]


def open_export(home: Home, name: str | None, base: str | None, settings: Settings, problems: int = 0) -> Export:
    """The promoted or newest model, or the one that is named; base: of an adapter, where its card doesn't say where it is."""
    ref = resolve(home.models, name)
    check_card_kept(ref.path)
    return Export(ref, open_source(ref.path, _base(home, ref, base)), settings, problems, tuple(list_models(home.models)))


def _base(home: Home, ref: ModelRef, base: str | None) -> Path | None:
    """Where the base of an adapter is: given, or a parent in the registry."""
    if base:
        return resolve(home.models, base).path
    named = [(entry, parent) for entry, parent in parents_of(ref, list_models(home.models)) if entry.get("role") == "base"]
    if not named:
        return None
    entry, parent = named[0]
    if parent is None:
        name = entry["model"]
        raise TutorError(f"{ref.id}: its base {name} is not here (--base NAME or DIR; from the hub: tutor hub pull {name})")
    return parent.path


def export_gguf(export: Export, folder: Path, kind: str, progress: Progress | None = None) -> list[Path]:
    """model.gguf in the folder."""
    name = export.ref.name
    check_type(kind, export.source)
    path = folder / f"{name}-{kind}.gguf"
    begin(folder, [path.name, README])
    write_gguf(export.source, path, kind, describe(name, export.ref.version, export.ref.card, _base_name(export)), progress)
    return finished(folder, [path, write_page(folder, export.id, export.source, f"llama-cli -m {path.name} -cnv")])


def export_hf(export: Export, folder: Path, dtype: str | None, progress: Progress | None = None) -> list[Path]:
    """A model directory. dtype: by default the base's own."""
    chosen = dtype or default_dtype(export.source)
    check_dtype(export.source, chosen)
    begin(folder, ["model*.safetensors", INDEX, "config.json", README, *KEPT_FILES, CARD, *licence_files(export.source)])
    files = write_hf(export.source, folder, chosen, progress)
    files += write_card(export.ref, export.source, export.known, folder, files)
    command = f"mlx_lm.generate --model {folder.name} --prompt QUESTION"
    return finished(folder, [*files, write_page(folder, export.id, export.source, command)])


def export_ollama(export: Export, folder: Path, kind: str, plan: Folder, progress: Progress | None = None) -> list[Path]:
    """The folder that `ollama create` takes."""
    description = describe(export.ref.name, export.ref.version, export.ref.card, _base_name(export))
    check_type(kind, export.source)
    begin(folder, [MODEL_FILE, BASE_FILE, ADAPTER_FILE, FILE_NAME, SCRIPT, README])
    files = []
    if plan.modelfile.adapters:
        alone = Source(export.source.base, None, None)
        files.append(write_gguf(alone, folder / BASE_FILE, kind, description, progress))
        files += write_adapter_as(export.source, folder, "gguf", description)
    else:
        files.append(write_gguf(export.source, folder / MODEL_FILE, kind, description, progress))
    return finished(folder, [*files, *write_folder(folder, plan, export.id)])


def plan_ollama(export: Export, name: str | None, system: str, examples: list[dict], with_adapter: bool) -> Folder:
    """The Modelfile's content; name: in Ollama, by default the model's own."""
    recipe = export.ref.card.get("recipe") or {}
    own = system or ("" if computes_inside(export.source) else str(recipe.get("system") or ""))
    if with_adapter and export.source.adapter is None:
        raise TutorError(f"{export.id} is a whole model, no adapter (leave --adapter out)")
    licence = str(export.ref.card.get("licence") or "")
    return plan_folder(export.source, check_name(name or export.ref.name), own, licence, examples, with_adapter)


def prove_gguf(export: Export, path: Path, kind: str, report: Report) -> dict[str, Any]:
    """proof.json of one GGUF file, written beside it. report: told what is looked at."""
    return _prove(export, Product(path, kind), report)


def prove_ollama(export: Export, folder: Path, kind: str, plan: Folder, report: Report) -> dict[str, Any]:
    """proof.json of a folder: what stands in its Modelfile counts."""
    modelfile = load_modelfile(folder / FILE_NAME)
    lora = folder / ADAPTER_FILE if modelfile.adapters else None
    return _prove(export, Product(folder / modelfile.from_, kind, lora, modelfile, plan.modelfile), report)


def _prove(export: Export, product: Product, report: Report) -> dict[str, Any]:
    tutor = _tutor(export)

    def suite(engine: Engine) -> Iterator[Link]:
        from mlxtutor.export.suite import measure

        if tutor is not None:
            report("the test suite, asked of both")
            yield measure(engine, tutor, export.problems, product.kind)

    return keep_proof(product.path.parent, export.ref, prove(export.source, product, export.settings, suite, report))


def _tutor(export: Export) -> Any:
    """The source on a backend, where the suite can be asked: a micro tutor."""
    if not export.problems or export.source.adapter or not computes_inside(export.source):
        return None
    from mlxtutor.backends import choose, load
    from mlxtutor.registry.directory import open_model

    return open_model(export.source.directory, load(choose("auto")[0]), "float32", export.id)


def prove_hf(export: Export, folder: Path, report: Report) -> dict[str, Any]:
    """The merged directory against base and adapter, both in mlx-lm: a delta that was lost shows here."""
    report("the merged model against base and adapter")
    return keep_proof(folder, export.ref, prove_merged(export.source, open_source(folder), export.settings))


def export_adapter(export: Export, folder: Path, form: str) -> list[Path]:
    """The adapter alone. form: peft, mlx or gguf."""
    check_form(export.source, form)
    begin(folder, ["adapter_config.json", PEFT_FILE, MLX_FILE, ADAPTER_FILE, CARD, *licence_files(export.source)])
    description = describe(export.ref.name, export.ref.version, export.ref.card, _base_name(export))
    files = write_adapter_as(export.source, folder, form, description)
    if form != "gguf":  # which the hub's commands don't take
        files += write_card(export.ref, export.source, export.known, folder, files)
    return finished(folder, files)


def prove_adapter(export: Export, folder: Path, form: str, report: Report) -> dict[str, Any]:
    """gguf: on its base, in llama.cpp. peft and mlx: read back, it is the same change of the same matrices."""
    if form == "gguf":
        alone = Source(export.source.base, None, None)
        with tempfile.TemporaryDirectory(dir=folder) as work:
            kind = "f32" if export.source.base.dtype("model.embed_tokens.weight") == "F32" else "f16"
            base = write_gguf(alone, Path(work) / BASE_FILE, kind, describe("base", 0, {}))
            proof = prove(export.source, Product(base, kind, folder / ADAPTER_FILE), export.settings, report=report)
    else:
        proof = document([check_adapter(export.source, read_adapter(folder))], type="f32", engine="read back")
    return keep_proof(folder, export.ref, proof)


def _base_name(export: Export) -> str:
    return export.source.adapter.base if export.source.adapter else ""

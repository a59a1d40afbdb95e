"""The exports as commands need them: a named model to files, the proof beside them."""

from __future__ import annotations

import dataclasses
import glob
import shlex
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from importlib.util import find_spec
from pathlib import Path
from typing import Any

from mlxtutor.errors import TutorError
from mlxtutor.export.adapter import read_adapter
from mlxtutor.export.architectures import ARCHITECTURES
from mlxtutor.export.engine import Engine
from mlxtutor.export.export_folder import keep_proof, replacing, workplace
from mlxtutor.export.exported_card import licence_files, source_entry, write_card
from mlxtutor.export.file_check import Link, check_adapter
from mlxtutor.export.gguf_file import Description, Progress
from mlxtutor.export.hf_directory import DTYPES, KEPT_FILES, check_dtype, default_dtype, write_hf
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
from mlxtutor.model_files import ADAPTER_CONFIG, INDEX, MLX_FILE, PEFT_FILE, README
from mlxtutor.registry.lineage import parents_of
from mlxtutor.registry.manifest import CARD, compare
from mlxtutor.registry.models import ModelRef, list_models, resolve, shown_id

Report = Callable[[str], None]


@dataclass(frozen=True)
class Export:
    """A model to export. problems: of each split of the suite that the proof asks; 0: none. base: of an adapter. known: the registry."""

    ref: ModelRef
    source: Source
    settings: Settings
    problems: int = 0
    base: ModelRef | None = None
    known: tuple[ModelRef, ...] = ()

    @property
    def id(self) -> str:
        return shown_id(self.ref)

    @property
    def origin(self) -> dict[str, Any]:
        """What it is made of, for proof.json: the model and its digest, of an adapter the base and its digest too."""
        base = {"base": shown_id(self.base), "base_digest": self.base.digest} if self.base else {}
        return {"model": self.id, "digest": self.ref.digest, **base}

    @property
    def made_of(self) -> list[Path]:
        """Folders that are read while it is written."""
        return [self.source.directory, self.source.tokenizer_directory, self.ref.path]


def open_export(home: Home, name: str | None, base: str | None, settings: Settings, problems: int = 0) -> Export:
    """The promoted or newest model, or the one that is named; base: of an adapter, where its card doesn't say where it is."""
    ref = _unchanged(resolve(home.models, name))
    source = open_source(ref.path, _base(home, ref, base))
    below = _unchanged(resolve(home.models, str(source.directory.resolve()))) if source.adapter else None
    return Export(ref, source, settings, problems, below, tuple(list_models(home.models)))


def _unchanged(ref: ModelRef) -> ModelRef:
    """The model; TutorError for a registered one whose files were changed since. A directory's are taken as they are, without a digest."""
    found = compare(ref.path, ref.card)
    if found.any and ref.version:
        raise TutorError(f"{ref.id}: its files are not what was registered ({found}), so it is not exported (tutor models verify)")
    return dataclasses.replace(ref, card={**ref.card, "digest": None}) if found.any else ref


def _base(home: Home, ref: ModelRef, base: str | None) -> Path | None:
    """Where the base of an adapter is: given, or a parent in the registry, which has to be the very one."""
    if base:
        return resolve(home.models, base).path
    known = list_models(home.models)
    parents = [(entry, found) for entry, found in parents_of(ref, known) if entry.get("role") == "base"]
    if not parents:
        return None
    entry, found = parents[0]
    wanted = entry["model"]
    if found:
        return found.path
    other = next((other for other in known if other.id == wanted), None)
    if other:
        raise TutorError(f"{ref.id}: its base {wanted} was {entry['digest']}, the {wanted} that is here is {other.digest} "
                         "(--base NAME or DIR says which to take)")
    raise TutorError(f"{ref.id}: its base {wanted} is not here (--base NAME or DIR; from the hub: tutor hub pull {wanted})")


def export_gguf(export: Export, folder: Path, kind: str, progress: Progress | None = None) -> list[Path]:
    """One GGUF file in the folder."""
    check_type(kind, export.source)
    name = _gguf_name(export, kind)
    with replacing(folder, [glob.escape(name), README], {**export.origin, "type": kind}) as work:
        written = [write_gguf(export.source, work / name, kind, _description(export), progress),
                   write_page(work, export.id, export.source, f"llama-cli -m {shlex.quote(name)} -cnv")]
    return _in(folder, written)


def _gguf_name(export: Export, kind: str) -> str:
    return f"{export.ref.name}-{kind}.gguf"


def export_hf(export: Export, folder: Path, dtype: str | None, progress: Progress | None = None) -> list[Path]:
    """A model directory. dtype: by default the base's own."""
    chosen = dtype or default_dtype(export.source)
    check_dtype(export.source, chosen)
    names = ["model*.safetensors", INDEX, "config.json", README, *KEPT_FILES, CARD, *map(glob.escape, licence_files(export.source))]
    entry = source_entry(export.ref, export.source, export.known)
    with replacing(folder, names, {**export.origin, "type": DTYPES[chosen]}) as work:
        written = write_hf(export.source, work, chosen, progress)
        written += [*write_card(export.ref, export.source, entry, work, written),
                    write_page(work, export.id, export.source, "mlx_lm.generate --model . --prompt QUESTION")]
    return _in(folder, written)


def export_ollama(export: Export, folder: Path, kind: str, plan: Folder, progress: Progress | None = None) -> list[Path]:
    """The folder that `ollama create` takes."""
    check_type(kind, export.source)
    names = [MODEL_FILE, BASE_FILE, ADAPTER_FILE, FILE_NAME, SCRIPT, README]
    with replacing(folder, names, {**export.origin, "type": kind}) as work:
        written = []
        if plan.modelfile.adapters:
            alone = Source(export.source.base, None, None)
            written.append(write_gguf(alone, work / BASE_FILE, kind, _description(export), progress))
            written += write_adapter_as(export.source, work, "gguf", _description(export))
        else:
            written.append(write_gguf(export.source, work / MODEL_FILE, kind, _description(export), progress))
        written += write_folder(work, plan, export.id)
    return _in(folder, written)


def _in(folder: Path, written: list[Path]) -> list[Path]:
    """Where the files are now."""
    return [folder / path.name for path in written]


def plan_ollama(export: Export, name: str | None, system: str, examples: list[dict], with_adapter: bool) -> Folder:
    """The Modelfile's content; name: in Ollama, by default the model's own."""
    recipe = export.ref.card.get("recipe") or {}
    own = system or ("" if computes_inside(export.source) else str(recipe.get("system") or ""))
    if with_adapter and export.source.adapter is None:
        raise TutorError(f"{export.id} is a whole model, no adapter (leave --adapter out)")
    licence = str(export.ref.card.get("licence") or "")
    return plan_folder(export.source, check_name(name or export.ref.name), own, licence, examples, with_adapter)


def check_provable(export: Export, kind: str) -> None:
    """TutorError where what the proof needs isn't installed, before anything is written. kind: gguf, hf, peft or mlx."""
    known = export.source.base.config.get("model_type") in ARCHITECTURES
    needed = {"gguf": {"xllamacpp": '".[export]"', "mlx_lm": "mlx-lm"}, "hf": {"mlx_lm": "mlx-lm"} if known else {}}.get(kind, {})
    absent = {module: package for module, package in needed.items() if not find_spec(module)}
    if absent:
        raise TutorError(f"the proof needs {' and '.join(absent)}, not installed here (pip install {' '.join(absent.values())}, "
                         "or --no-proof)")


def prove_gguf(export: Export, folder: Path, kind: str, report: Report) -> dict[str, Any]:
    """proof.json of one GGUF file, written beside it. report: told what is looked at."""
    return _prove(export, Product(folder / _gguf_name(export, kind), kind), report)


def prove_ollama(export: Export, folder: Path, kind: str, plan: Folder, report: Report) -> dict[str, Any]:
    """proof.json of a folder: what stands in its Modelfile counts."""
    modelfile = load_modelfile(folder / FILE_NAME)
    lora = folder / ADAPTER_FILE if modelfile.adapters else None
    return _prove(export, Product(folder / modelfile.from_, kind, lora, modelfile, plan.modelfile), report)


def _prove(export: Export, product: Product, report: Report) -> dict[str, Any]:
    from mlxtutor.export.suite import measure, not_asked, open_tutor

    reason = not_asked(export.source, export.problems)
    tutor = None if reason else open_tutor(export.source, export.id)

    def suite(engine: Engine) -> Iterator[Link]:
        if tutor is not None:
            report("the test suite, asked of both")
            yield measure(engine, tutor, export.problems, product.kind)

    proof = prove(export.source, product, export.settings, suite, report)
    return keep_proof(product.path.parent, {**proof, "suite": f"not asked: {reason}" if reason else "asked"})


def prove_hf(export: Export, folder: Path, report: Report) -> dict[str, Any]:
    """The merged directory against base and adapter, both in mlx-lm: a delta that was lost shows here."""
    report("the merged model against base and adapter")
    return keep_proof(folder, prove_merged(export.source, open_source(folder), export.settings))


def export_adapter(export: Export, folder: Path, form: str) -> list[Path]:
    """The adapter alone. form: peft, mlx or gguf."""
    check_form(export.source, form)
    names = [ADAPTER_CONFIG, PEFT_FILE, MLX_FILE, ADAPTER_FILE, CARD, *map(glob.escape, licence_files(export.source))]
    entry = source_entry(export.ref, export.source, export.known)
    with replacing(folder, names, {**export.origin, "type": "f32"}) as work:
        written = write_adapter_as(export.source, work, form, _description(export))
        if form != "gguf":  # which the hub's commands don't take
            written += write_card(export.ref, export.source, entry, work, written)
    return _in(folder, written)


def prove_adapter(export: Export, folder: Path, form: str, report: Report) -> dict[str, Any]:
    """gguf: on its base, in llama.cpp. peft and mlx: read back, it is the same change of the same matrices."""
    if form == "gguf":
        alone = Source(export.source.base, None, None)
        with workplace(folder) as work:
            kind = "f32" if export.source.dtype == "F32" else "f16"
            base = write_gguf(alone, work / BASE_FILE, kind, describe("base", 0, {}))
            proof = prove(export.source, Product(base, kind, folder / ADAPTER_FILE), export.settings, report=report)
    else:
        proof = document([check_adapter(export.source, read_adapter(folder))], type="f32", engine="read back")
    return keep_proof(folder, proof)


def _description(export: Export) -> Description:
    base = export.source.adapter.base if export.source.adapter else ""
    return describe(export.ref.name, export.ref.version, export.ref.card, base)

"""A source as GGUF in any type, and its adapter alone in three layouts."""

from __future__ import annotations

import re
import shutil
import subprocess
from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import Any

from mlxtutor.errors import TutorError
from mlxtutor.export.adapter import write_mlx, write_peft
from mlxtutor.export.architectures import metadata, rope_factors
from mlxtutor.export.gguf_file import Description, Model, Progress, write_adapter, write_model
from mlxtutor.export.quantisation import K_QUANTS, TYPES, gguf_module, tensor_type
from mlxtutor.export.source import Source, check_rounding

ADAPTER_FILE = "adapter.gguf"
ADAPTER_FORMATS = ("peft", "mlx", "gguf")
SUPER_BLOCK = 256  # values of a k-quant's block: narrower rows would be stored otherwise without a word
QUANTISER = "llama-quantize"
FOR_QUANTISER = "f16"


def check_type(kind: str, source: Source) -> None:
    """TutorError for a type that can't be written, here or for this model, or that would lose its adapter."""
    gguf_module()
    if kind not in TYPES and kind not in K_QUANTS:
        raise TutorError(f'unknown type "{kind}" (allowed: {", ".join((*TYPES, *K_QUANTS))})')
    if kind in K_QUANTS:
        narrow = sorted({plan.shape[-1] for plan in source.plans if len(plan.shape) > 1 and plan.shape[-1] % SUPER_BLOCK})
        if narrow:
            raise TutorError(f"{source.directory}: rows of {narrow[0]} values can't be {kind} (a multiple of {SUPER_BLOCK}; take q8_0)")
        if not shutil.which(QUANTISER):
            raise TutorError(f"{kind} is written by {QUANTISER}, which is not on the PATH (brew install llama.cpp, or build "
                             f"github.com/ggml-org/llama.cpp; without it: {', '.join(TYPES)})")
    metadata(source.shape, source.base.config, str(source.directory))
    rope_factors(source.shape, source.base.config, str(source.directory))
    for plan in source.plans:
        tensor_type(plan.name, plan.shape, kind)
    check_rounding(source, FOR_QUANTISER if kind in K_QUANTS else kind)


def write_gguf(source: Source, path: Path, kind: str, description: Description, progress: Progress | None = None) -> Path:
    """One GGUF file of the source, its adapter merged; whole or absent. kind: one that check_type has let pass."""
    model = Model(source.shape, source.base.config, source.plans, source.vocabulary, source.planned_rows, description,
                  str(source.directory))
    if kind in TYPES:
        write_model(path, model, kind, progress)
        return path
    whole = path.with_name(f".{path.stem}.{FOR_QUANTISER}.gguf")
    try:
        write_model(whole, model, FOR_QUANTISER, progress)
        _quantise(whole, path, kind)
    finally:
        whole.unlink(missing_ok=True)
    return path


def _quantise(whole: Path, path: Path, kind: str) -> None:
    """llama.cpp's own tool, its result under the final name only when it succeeded."""
    beside = path.with_name(f".{path.name}.part")
    try:
        done = subprocess.run([QUANTISER, str(whole), str(beside), kind.upper()], capture_output=True, text=True)
        if done.returncode or not beside.is_file():
            said = (done.stderr or done.stdout).strip().splitlines()[-1:] or [f"code {done.returncode}"]
            raise TutorError(f"{QUANTISER} failed ({said[0][:200]})")
        beside.replace(path)
    finally:
        beside.unlink(missing_ok=True)


def check_form(source: Source, form: str) -> None:
    """TutorError for a format that isn't known, or a source without an adapter."""
    if form not in ADAPTER_FORMATS:
        raise TutorError(f'unknown format "{form}" (allowed: {", ".join(ADAPTER_FORMATS)})')
    if source.adapter is None:
        raise TutorError(f"{source.directory}: a whole model, no adapter (export it with: tutor export hf, gguf or ollama)")


def write_adapter_as(source: Source, folder: Path, form: str, description: Description) -> list[Path]:
    """The adapter alone, as PEFT's or mlx-lm's directory or as one GGUF file for llama.cpp. form: one that check_form has let pass."""
    assert source.adapter
    if form == "peft":
        return write_peft(source.adapter, folder)
    if form == "mlx":
        return write_mlx(source.adapter, folder, int(source.base.config["num_hidden_layers"]))
    path = folder / ADAPTER_FILE
    write_adapter(path, source.adapter, source.shape, description)
    return [path]


def describe(name: str, version: int, card: Mapping[str, Any], base: str = "") -> Description:
    """general.* from a registry card. base: what an adapter calls its own; of a path on this machine only the last part is told."""
    from mlxtutor.registry.origin import data_of

    parents = [parent["model"] for parent in card.get("parents") or [] if parent.get("role") == "base"]
    datasets = [str(entry.get("file") or entry.get("source") or "") for entry in data_of(card)]
    licence = str(card.get("licence") or "")
    return Description(name, str(version) if version else "", licence, _without_folders([*parents, base]), _without_folders(datasets))


def _without_folders(names: Iterable[str]) -> tuple[str, ...]:
    """Each once; OWNER/NAME and addresses whole, of a path its last part."""
    paths = re.compile(r"(~\w*|\.{0,2})[/\\]|[A-Za-z]:[/\\]|(?!.*://).*/.*/")
    shown = (re.split(r"[/\\]", name.rstrip("/\\"))[-1] if paths.match(name) else name for name in names)
    return tuple(dict.fromkeys(name for name in shown if name))

"""Which files a model on the hub consists of."""

from __future__ import annotations

import json
import re
from collections.abc import Collection, Iterable
from pathlib import Path, PurePosixPath, PureWindowsPath

from mlxtutor.errors import TutorError
from mlxtutor.model_files import ADAPTER_CONFIG, LICENCE, MLX_FILE, PEFT_FILE, README, is_licence_file
from mlxtutor.private_paths import without_paths
from mlxtutor.registry.manifest import CARD

ADAPTER_WEIGHTS = {"peft": PEFT_FILE, "mlx": MLX_FILE}
TOKENIZERS = (("tokenizer.json",), ("tokenizer.model",), ("vocab.json", "merges.txt"))
PICKLES = (".bin", ".pt", ".pth", ".pkl", ".pickle", ".ckpt", ".msgpack", ".h5", ".npy", ".npz")
_LOADED = re.compile(  # what libraries open without being told to: a file of another model among them makes it another model
    r"""model[^/]*\.safetensors | model[^/]*\.safetensors\.index\.json | adapter_model\.safetensors | adapters\.safetensors
    | (adapter_|generation_)?config\.json | tokenizer[^/]*\.(json|model) | (spiece|sentencepiece)[^/]*\.model | vocab\.(json|txt)
    | merges\.txt | special_tokens_map\.json | added_tokens\.json | chat_template\.(jinja|json)""", re.VERBOSE)
_BESIDE = re.compile(
    r"""[^/]+\.safetensors | [^/]+\.safetensors\.index\.json | preprocessor_config\.json | additional_chat_templates/[^/]+\.jinja""",
    re.VERBOSE)
_PATH_KEYS = ("name_or_path", "vocab_file", "tokenizer_file")  # a tokenizer's other texts may look like paths and be none


def is_model_file(name: str) -> bool:
    """Weights, configuration, tokenizer, chat template, licence; what a model's repository must and may hold."""
    return any(pattern.fullmatch(name) for pattern in (_LOADED, _BESIDE, LICENCE))


def stale_files(there: Iterable[str], pushed: Collection[str], earlier: Collection[str]) -> list[str]:
    """What a repository must lose so that what loads from it is the model that is pushed.

    earlier: the files that the tutor.json there lists. Of others only those go that libraries open by their name. Licences stay.
    """
    return [name for name in there if name not in pushed and not is_licence_file(name)
            and (_LOADED.fullmatch(name) or _BESIDE.fullmatch(name) and name in earlier)]


def check_paths(names: Iterable[str], where: str) -> None:
    """TutorError for names that would be written outside of a model's folder."""
    strange = [name for name in names if not name or PurePosixPath(name).is_absolute() or PureWindowsPath(name).drive or "\\" in name
               or any(part in ("", ".", "..") for part in name.split("/")) or not name.isprintable()]
    if strange:
        raise TutorError(f"{where}: a file called {strange[0]!r}, which would be written outside of the model's folder; nothing is taken")


def check_layout(names: Iterable[str], where: str) -> str:
    """`model`, `peft` or `mlx`, by the files; TutorError for what is neither a model with safetensors weights nor an adapter."""
    present = set(names)
    if ADAPTER_CONFIG in present:
        form = next((form for form, name in ADAPTER_WEIGHTS.items() if name in present), None)
        if form:
            return form
    weights = [name for name in present if name.endswith(".safetensors")]
    if "config.json" in present and weights and any(set(files) <= present for files in TOKENIZERS):
        return "model"
    raise TutorError(f"{where}: {_missing(present, weights)}")


def clean_json(path: Path) -> bytes:
    """A JSON file's own bytes, unless it names a path of this machine; then written again without it. TutorError where it's no JSON."""
    content = path.read_bytes()
    try:
        document = json.loads(content)
    except ValueError as error:
        raise TutorError(f"{path}: not JSON ({error}); restore it, or make the model again") from None
    if path.name == "tokenizer_config.json" and isinstance(document, dict):
        clean = {**document, **{key: without_paths(document[key]) for key in _PATH_KEYS if key in document}}
    else:
        clean = without_paths(document)
    return content if clean == document else (json.dumps(clean, ensure_ascii=False, indent=2) + "\n").encode()


def _missing(present: set[str], weights: list[str]) -> str:
    pickles = sorted(name for name in present if name.endswith(PICKLES))
    if pickles and not weights:
        return (f"its weights are {pickles[0]}, which can run code when it is opened (only safetensors are taken: ask its author, or "
                "convert it where you trust it)")
    if any(name.endswith(".gguf") for name in present):
        return "GGUF files, which this command does not take (Ollama does: ollama run hf.co/OWNER/NAME)"
    wanted = f"config.json, *.safetensors and a tokenizer; or {ADAPTER_CONFIG} and {' or '.join(ADAPTER_WEIGHTS.values())}"
    shown = ", ".join(sorted(name for name in present if name not in (README, CARD, ".gitattributes"))[:6]) or "nothing"
    return f"neither a model nor an adapter (has {shown}; wanted: {wanted})"

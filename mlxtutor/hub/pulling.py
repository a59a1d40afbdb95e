"""A model or adapter from the hub into the registry: safetensors only, nothing of it is run, where it is from is recorded."""

from __future__ import annotations

import shutil
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from mlxtutor.errors import TutorError
from mlxtutor.files import json_object
from mlxtutor.hub.connection import check_repo, client, hub_errors, stated_licence
from mlxtutor.hub.ingredients import HUB_ID
from mlxtutor.hub.repo_files import check_layout, check_paths, is_model_file
from mlxtutor.model_files import ADAPTER_CONFIG, INDEX, README
from mlxtutor.records.card import sha256
from mlxtutor.registry.manifest import CARD
from mlxtutor.registry.models import ModelRef, check_name, register

AGAIN = "run the same command again: what has arrived is kept in the hub's cache"
CARD_LIMIT = 1 << 20  # bytes of a tutor.json that is worth keeping


@dataclass(frozen=True)
class Remote:
    """A repository at a commit. form: as check_layout. sizes: bytes of the files to take. digests: SHA-256, of those that have one."""

    repo: str
    commit: str
    form: str
    licence: str | None
    sizes: Mapping[str, int]
    digests: Mapping[str, str]
    left_out: tuple[str, ...] = ()


@dataclass(frozen=True)
class Pulled:
    """ref: the model in the registry. base: of an adapter, as it says itself. opens: this version can talk to it."""

    ref: ModelRef
    remote: Remote
    opens: bool
    architecture: str = ""
    base: str = ""
    notes: tuple[str, ...] = field(default=())


def split_revision(text: str) -> tuple[str, str | None]:
    """`owner/name@revision` -> both. TutorError for what is no repository; a folder can be used as it is."""
    if text.startswith((".", "/", "~")) and Path(text).expanduser().is_dir():
        raise TutorError(f"{text} is a folder and needs no pull: give it as MODEL (e.g. tutor models show {text})")
    repo, _, revision = text.partition("@")
    return check_repo(repo), revision or None


def look(repo: str, revision: str | None = None) -> Remote:
    """What is there and would be taken; TutorError where that is no model with safe weights."""
    where = f"{repo}@{revision}" if revision else repo
    with hub_errors(where, "", "run the same command again"):
        info = client().model_info(repo, revision=revision, files_metadata=True)
    names = [sibling.rfilename for sibling in info.siblings or []]
    check_paths(names, where)
    form = check_layout(names, where)
    taken = [sibling for sibling in info.siblings or [] if is_model_file(sibling.rfilename) or sibling.rfilename in (README, CARD)]
    if form != "model":  # a merged model beside an adapter is another model
        taken = [sibling for sibling in taken if not _weights_of_another(sibling.rfilename)]
    kept = {sibling.rfilename for sibling in taken}
    return Remote(info.id or repo, str(info.sha), form, stated_licence(info.card_data),
                  {sibling.rfilename: int(sibling.size or 0) for sibling in taken},
                  {sibling.rfilename: str(sibling.lfs.sha256) for sibling in taken if sibling.lfs},
                  tuple(sorted(name for name in names if name not in kept and not name.startswith("."))))


def pull(models: Path, remote: Remote, name: str | None = None) -> Pulled:
    """Download what is not in the hub's cache, check it, register it. TutorError where a file is not what the hub says."""
    name = check_name(name or remote.repo.rpartition("/")[2])
    _check_space(models, sum(remote.sizes.values()))
    cached = _download(remote)
    _check_contents(remote, cached)
    config = json_object(cached[ADAPTER_CONFIG if remote.form != "model" else "config.json"])
    origin = json_object(cached[CARD]) if 0 < remote.sizes.get(CARD, 0) <= CARD_LIMIT else {}
    base = str(config.get("base_model_name_or_path") or config.get("model") or "") if remote.form != "model" else ""
    opens = remote.form == "model" and _opens(cached["config.json"].parent)
    card = _card(remote, base, origin, opens)
    ref = register(models, name, card, lambda folder: _copy(cached, folder))
    return Pulled(ref, remote, opens, str(config.get("model_type") or ""), base, tuple(_notes(remote, config)))


def _card(remote: Remote, base: str, origin: Mapping[str, Any], opens: bool) -> dict[str, Any]:
    """What came with it is kept as what it says of itself, and counts for nothing here."""
    source = {"role": "source", "model": remote.repo, "revision": remote.commit, **({"licence": remote.licence} if remote.licence else {})}
    parents = [source, *([{"role": "base", "model": base}] if HUB_ID.fullmatch(base) else [])]
    kind = "adapter" if remote.form != "model" else "micro" if opens and origin.get("kind") == "micro" else "pulled"
    return {"kind": kind, "parents": parents, **({"licence": remote.licence} if remote.licence else {}),
            "origin": {"repo": remote.repo, "revision": remote.commit, **({"card": origin} if origin else {})}}


def _download(remote: Remote) -> dict[str, Path]:
    """Each file in the hub's cache; the small ones first, so that what is wrong shows early."""
    from huggingface_hub import hf_hub_download

    found = {}
    with hub_errors(remote.repo, "the download", AGAIN):
        for name in sorted(remote.sizes, key=lambda name: remote.sizes[name]):
            found[name] = Path(hf_hub_download(remote.repo, name, revision=remote.commit, library_name="mlxtutor"))
    return found


def _check_space(models: Path, size: int) -> None:
    place = next(folder for folder in (models, *models.parents) if folder.is_dir())
    free = shutil.disk_usage(place).free
    if size > free:
        raise TutorError(f"{place}: {size / 1e9:.1f} GB wanted, {free / 1e9:.1f} GB free (free some space and run again)")


def _check_contents(remote: Remote, cached: Mapping[str, Path]) -> None:
    """Every file as the hub lists it, every safetensors file readable, every shard there; all that is wrong in one error."""
    wrong = [f"{name} is not the file that the hub lists" for name, path in cached.items()
             if path.stat().st_size != remote.sizes[name] or name in remote.digests and sha256(path) != remote.digests[name]]
    weights = [name for name in cached if name.endswith(".safetensors")]
    wrong += [line for name in weights if (line := _unreadable(name, cached[name]))]
    shards = json_object(cached[INDEX]).get("weight_map") if INDEX in cached else {}
    named = {str(name) for name in shards.values()} if isinstance(shards, dict) else set()
    wrong += [f"{name}, which {INDEX} names, is missing" for name in sorted(named - set(cached))]
    wrong += [f"{INDEX} has no weight_map"] if not isinstance(shards, dict) else []
    wrong += [f"{name} is no JSON object" for name in cached if name in ("config.json", ADAPTER_CONFIG) and not json_object(cached[name])]
    if wrong:
        raise TutorError(f"{remote.repo}: {'; '.join(wrong[:4])} (tell its author; a broken cache: hf cache rm model/{remote.repo})")


def _unreadable(name: str, path: Path) -> str:
    from safetensors import safe_open

    try:
        with safe_open(str(path), framework="numpy") as file:
            return "" if file.keys() else f"{name} holds no tensor"
    except Exception as error:  # safetensors' own
        return f"{name} is no safetensors file ({error})"


def _copy(cached: Mapping[str, Path], folder: Path) -> None:
    for name, path in cached.items():
        if name != CARD:
            (folder / name).parent.mkdir(parents=True, exist_ok=True)
            shutil.copyfile(path, folder / name)  # follows the cache's links


def _weights_of_another(name: str) -> bool:
    return name == "config.json" or name.startswith("model") and name.endswith((".safetensors", ".safetensors.index.json"))


def _opens(folder: Path) -> bool:
    """A micro tutor, of an architecture and with a tokenizer that this version talks to."""
    from mlxtutor.registry.directory import load_config
    from mlxtutor.text.tokenizer import Tokenizer

    try:
        load_config(folder)
        Tokenizer.load(folder)
    except (TutorError, OSError, ValueError, RuntimeError):
        return False
    return True


def _notes(remote: Remote, config: Mapping[str, Any]) -> list[str]:
    code = [name for name in remote.left_out if name.endswith(".py")]
    notes = []
    if code or config.get("auto_map"):
        names = ", ".join(code[:3]) or "named in its configuration"
        notes.append(f"its own code ({names}) is not taken and never run; it works where the program knows its architecture")
    others = [name for name in remote.left_out if not name.endswith(".py")]
    if others:
        notes.append(f"left out: {', '.join(others[:5])}{f' and {len(others) - 5} more' if len(others) > 5 else ''}")
    if not remote.licence:
        notes.append("its card names no licence: what is made from it can't be pushed before you say it (--base-licence)")
    return notes

"""A model to the hub: what would be uploaded, checked as a whole; then written to a folder, or sent in one commit."""

from __future__ import annotations

import json
from collections.abc import Callable, Collection, Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

from mlxtutor.errors import TutorError
from mlxtutor.files import json_object
from mlxtutor.hub.connection import check_repo, client, hub_errors, require_login, stated_licence
from mlxtutor.hub.ingredients import HUB_ID, Lookup, Origins, Said, origins
from mlxtutor.hub.licence_check import model_licence
from mlxtutor.hub.licence_duties import DUTIES, check_model_name
from mlxtutor.hub.model_card import CardFacts, render_card
from mlxtutor.hub.repo_files import check_layout, clean_json, is_model_file, stale_files
from mlxtutor.model_files import ADAPTER_CONFIG, README
from mlxtutor.private_paths import without_paths
from mlxtutor.records.licences import Licence
from mlxtutor.registry.lineage import carried_parent, parents_of
from mlxtutor.registry.manifest import CARD, compare, file_names
from mlxtutor.registry.models import ModelRef

NOTICE = "NOTICE"
CLEANED = ("config.json", ADAPTER_CONFIG, "tokenizer_config.json")  # other programs write paths of their machine into them
AGAIN = "run the same command again: nothing was published, and what has arrived is not sent again"


@dataclass(frozen=True)
class Choices:
    """What the publisher decides. licence: None to derive it. base: of an adapter, its base on the hub."""

    licence: str | None = None
    said: Said = Said()
    base: str | None = None


@dataclass(frozen=True)
class Upload:
    """files: what each is in the repository, from where or of which bytes. left_out: files of the folder that stay here."""

    repo: str
    files: Mapping[str, Path | bytes]
    licence: Licence
    left_out: tuple[str, ...] = ()
    notes: tuple[str, ...] = ()

    @property
    def sizes(self) -> dict[str, int]:
        return {name: len(content) if isinstance(content, bytes) else content.stat().st_size for name, content in self.files.items()}


@dataclass(frozen=True)
class Pushed:
    """commit: its hash. deleted: files of an earlier push that went with it."""

    repo: str
    url: str
    commit: str
    private: bool
    deleted: tuple[str, ...] = ()


def prepare(ref: ModelRef, repo: str, known: Sequence[ModelRef], choices: Choices = Choices(),  # noqa: B008
            lookup: Lookup = lambda name: None) -> Upload:
    """Everything that would be uploaded, after every check that needs no hub; TutorError where one fails."""
    check_repo(repo)
    _check_whole(ref)
    names = file_names(ref.path)
    form = check_layout(names, str(ref.path))
    base = _adapter_base(ref, known, choices.base) if form != "model" else ""
    found = origins(_with_base(ref, base, known), known, choices.said, lookup)
    licence = model_licence(found.ingredients, choices.licence)
    for ingredient in found.ingredients:
        check_model_name(ingredient.licence, repo)
    files: dict[str, Path | bytes] = {name: ref.path / name for name in names if is_model_file(name)}
    files |= _cleaned(ref.path, files)
    if base:
        files[ADAPTER_CONFIG] = _naming_base(ref.path / ADAPTER_CONFIG, base)
    facts = CardFacts(ref, repo, form, licence, found, base, json_object(ref.path / "config.json"), choices.licence is not None)
    files[README] = render_card(facts).encode()
    files[CARD] = (json.dumps(without_paths(ref.card), ensure_ascii=False, indent=2) + "\n").encode()
    notices = _notices(found)
    if notices and NOTICE not in files:
        files[NOTICE] = notices.encode()
    left_out = tuple(name for name in names if name not in files)
    return Upload(repo, dict(sorted(files.items())), licence, left_out, _notes(found, files, licence))


def write_upload(upload: Upload, folder: Path) -> None:
    """What would be uploaded, as files. TutorError where the folder is not empty."""
    if folder.exists() and (not folder.is_dir() or any(folder.iterdir())):
        raise TutorError(f"{folder} is {'not empty' if folder.is_dir() else 'a file'} (give a new folder)")
    for name, content in upload.files.items():
        path = folder / name
        path.parent.mkdir(parents=True, exist_ok=True)
        _copy(content, path)


def push(upload: Upload, private: bool | None, revision: str | None = None, message: str = "",
         report: Callable[[str], None] = lambda line: None) -> Pushed:
    """Upload in one commit; old weights and tokenizer files that are no longer the model's go with it. report: told which, before.

    private: of a new repository (None: private). One that is there keeps what it is; TutorError where it isn't what was asked for.
    """
    from huggingface_hub import CommitOperationAdd, CommitOperationDelete

    require_login()
    api = client()
    with hub_errors(upload.repo, "the upload", AGAIN):
        there = _visibility(api, upload.repo)
        if there is not None and private is not None and there != private:
            raise TutorError(f"{upload.repo} is on the hub and {'private' if there else 'public'} (change it in its settings there, "
                             f"or push with --{'private' if there else 'public'})")
        hidden = there if there is not None else private is not False
        repo = upload.repo if there is not None else api.create_repo(upload.repo, private=hidden, exist_ok=True).repo_id
        if revision:
            api.create_branch(repo, branch=revision, exist_ok=True)
        stale = _stale(api, repo, revision, upload.files)
        if stale:
            report(f"deleted from {repo} by this commit, since they are not this model's: {', '.join(stale)} (its history keeps them)")
        operations: list[Any] = [CommitOperationAdd(name, content) for name, content in upload.files.items()]
        operations += [CommitOperationDelete(name) for name in stale]
        commit = api.create_commit(repo, operations, commit_message=message or "Upload with mlxtutor", revision=revision)
    return Pushed(repo, f"{api.endpoint}/{repo}", commit.oid, hidden, tuple(stale))


def hub_licence(name: str) -> str | None:
    """What a model's card on the hub says its licence is; None where it says none or can't be reached."""
    try:
        return stated_licence(client().model_info(name, timeout=10).card_data)
    except Exception:  # whatever keeps the hub from answering, the licence isn't known
        return None


def _stale(api: Any, repo: str, revision: str | None, pushed: Collection[str]) -> list[str]:
    there = api.list_repo_files(repo, revision=revision)
    card = json_object(Path(api.hf_hub_download(repo, CARD, revision=revision))) if CARD in there else {}
    earlier = card.get("files")
    return stale_files(there, pushed, earlier if isinstance(earlier, dict) else {})


def _visibility(api: Any, repo: str) -> bool | None:
    """Is it private? None where it is not there."""
    from huggingface_hub.errors import RepositoryNotFoundError

    if "/" not in repo:
        repo = f"{api.whoami()['name']}/{repo}"
    try:
        return bool(api.model_info(repo).private)
    except RepositoryNotFoundError:
        return None


def _check_whole(ref: ModelRef) -> None:
    """TutorError where its files aren't those of its card. A folder may have more, an export's README.md and whatever is added to it."""
    changed = compare(ref.path, ref.card)
    if ref.version and changed.any:
        raise TutorError(f"{ref.id} is not what was registered ({changed}); push another version (tutor models verify)")
    if changed.changed or changed.missing:
        raise TutorError(f"{ref.path} is not what its {CARD} describes ({replace(changed, added=())}); export it again")


def _adapter_base(ref: ModelRef, known: Sequence[ModelRef], said: str | None) -> str:
    """Where on the hub an adapter's base is; TutorError where nobody else would find it."""
    config = json_object(ref.path / ADAPTER_CONFIG)
    named = [said or ""]
    for entry, parent in _family(ref, known):
        if entry.get("role") == "base":
            sources = (parent.card.get("parents") or []) if parent else []
            named += [*(str(source.get("model")) for source in sources if source.get("role") == "source"), str(entry.get("model"))]
    named.append(str(config.get("base_model_name_or_path") or config.get("model") or ""))
    found = next((name for name in named if HUB_ID.fullmatch(name) and not Path(name).is_dir()), None)
    if not found:
        shown = next((Path(name).name for name in named if name), "not named")
        raise TutorError(f"{ref.name}: an adapter on a base that is not on the hub ({shown}); say where it is there (--base OWNER/NAME), "
                         "or push the merged model (tutor export hf)")
    return found


def _family(ref: ModelRef, known: Sequence[ModelRef]) -> list[tuple[dict[str, Any], ModelRef | None]]:
    """The parents, here or as the card carries them; of an exported folder those of the model it was made from, too."""
    found = [(entry, parent or carried_parent(entry)) for entry, parent in parents_of(ref, known)]
    carried = [parent for entry, parent in found if entry.get("role") == "source" and parent and not parent.version]
    return found + [pair for parent in carried for pair in _family(parent, known)]


def _with_base(ref: ModelRef, base: str, known: Sequence[ModelRef]) -> ModelRef:
    """The adapter's base counts, also where its card doesn't name it."""
    parents = list(ref.card.get("parents") or [])
    if not base or any(entry.get("role") == "base" for entry, _ in _family(ref, known)):
        return ref
    return ModelRef(ref.name, ref.version, ref.path, {**ref.card, "parents": [*parents, {"role": "base", "model": base}]})


def _naming_base(path: Path, base: str) -> Path | bytes:
    config = json.loads(clean_json(path))
    key = "base_model_name_or_path" if "base_model_name_or_path" in config or "peft_type" in config else "model"
    if config.get(key) == base and clean_json(path) == path.read_bytes():
        return path
    return (json.dumps({**config, key: base}, ensure_ascii=False, indent=2) + "\n").encode()


def _cleaned(folder: Path, names: Collection[str]) -> dict[str, bytes]:
    """Those of the configurations that aren't as they were, without the paths of this machine."""
    found = {name: clean_json(folder / name) for name in CLEANED if name in names}
    return {name: content for name, content in found.items() if content != (folder / name).read_bytes()}


def _notices(found: Origins) -> str:
    notices = [DUTIES[i.licence.id].notice for i in found.ingredients if i.licence.id in DUTIES]
    return "".join(f"{notice}\n" for notice in dict.fromkeys(notices))


def _notes(found: Origins, files: Mapping[str, Any], licence: Licence) -> tuple[str, ...]:
    """What the publisher should know before and do after."""
    notes = [f"for non-commercial use only: {licence.name}"] if licence.noncommercial else []
    notes += [f"{i.name}: {i.licence.name}, as you say; the card says that you said so" for i in found.ingredients if i.said_by]
    if any(i.licence.id in DUTIES for i in found.ingredients) and not any(name.upper().startswith("LICEN") for name in files):
        notes.append("the base's licence asks for a copy of the agreement: put it into the repository as LICENSE")
    return tuple(notes)


def _copy(content: Path | bytes, path: Path) -> None:
    import shutil

    if isinstance(content, bytes):
        path.write_bytes(content)
    else:
        shutil.copyfile(content, path)

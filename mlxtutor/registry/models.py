"""Models by name and version: NAME@1, NAME@2, ... under the tutor home. A half-written one is never listed."""

from __future__ import annotations

import os
import re
from collections.abc import Callable, Collection, Sequence
from dataclasses import dataclass
from pathlib import Path

from mlxtutor.errors import TutorError
from mlxtutor.files import sync
from mlxtutor.registry.card import read_card
from mlxtutor.registry.history import REGISTERED, given_numbers, now, promotions, read_history, record
from mlxtutor.registry.manifest import CARD, compare, digest_of, seal, size_of, write_sealed
from mlxtutor.registry.origin import code_state
from mlxtutor.registry.writing import locked, workplace

NAME = re.compile(r"[a-z0-9][a-z0-9._-]*", re.IGNORECASE)
VERSION = re.compile(r"[1-9][0-9]*")
DIGEST = re.compile(r"sha256:[0-9a-f]{8,64}")
NEWEST = ("newest", "latest")


@dataclass(frozen=True)
class ModelRef:
    """A registered model; card is its tutor.json (docs/models.md has its fields). promoted: when it was, where it is the stable version.

    A directory outside the registry has the version 0. problem: what is wrong with the card, which is then empty, or with the history.
    """

    name: str
    version: int
    path: Path
    card: dict
    promoted: str | None = None
    problem: str = ""

    @property
    def id(self) -> str:
        return f"{self.name}@{self.version}"

    @property
    def stable(self) -> bool:
        return self.promoted is not None

    @property
    def digest(self) -> str | None:
        """`sha256:...` of the files; None for a model from before there were digests."""
        return self.card.get("digest")


def shown_id(ref: ModelRef) -> str:
    """NAME@VERSION, or a directory's own name."""
    return ref.id if ref.version else ref.name


def check_name(name: str, what: str = "model name") -> str:
    """The name, which a folder will have; TutorError where it can't."""
    if not NAME.fullmatch(name):
        raise TutorError(f'{what} "{name}" is not usable (letters, digits, ".", "_" and "-" only)')
    return name


def list_models(models: Path) -> list[ModelRef]:
    """Every complete model, oldest first; the damaged ones, which no command takes, too."""
    parents = [path for path in models.iterdir() if path.is_dir()] if models.is_dir() else []
    found = [ref for parent in parents for ref in _versions(parent)]
    return sorted(found, key=lambda ref: (ref.card.get("created", ""), ref.name, ref.version))


def register(models: Path, name: str, card: dict, write: Callable[[Path], None]) -> ModelRef:
    """Take the next version of a name; write(folder) makes and fills the folder, then it appears at once under its final name.

    The files become read-only. The same files under the same name are the version that is there, which is given, with its own card.
    TutorError where a parent of this registry (`parents`: NAME@N) is no longer here.
    """
    with workplace(models, check_name(name)) as folder:
        write(folder)
        (folder / CARD).unlink(missing_ok=True)
        files = seal(folder)
        card = {"code": code_state(), **card, "files": files, "digest": digest_of(files), "size": size_of(files)}
        with locked(models):
            there = _same_files(models / name, card["digest"])
            if there:
                return there
            _check_parents(models, name, card)
            return _appear(models / name, card, folder)


def resolve(models: Path, name: str | None) -> ModelRef:
    """The model that a user means; TutorError where there is none.

    None: the model promoted last, else the newest of all. NAME: its stable version, else its newest. NAME@2, NAME@stable, NAME@newest
    (or @latest). sha256: and at least 8 digits of a digest. Else a directory.
    """
    known = list_models(models)
    if name is None:
        if not known:
            raise TutorError("no model yet (make one: tutor train)")
        sound = [ref for ref in known if not ref.problem]
        return _sound(max((ref for ref in sound if ref.promoted), key=lambda ref: ref.promoted or "", default=(sound or known)[-1]))
    found = _named(known, name)
    if found:
        return _sound(found)
    if name and Path(name).is_dir():
        return directory_ref(known, Path(name))
    raise _absent(known, name)


def version_named(models: Path, name: str, command: str) -> ModelRef:
    """One version, said exactly (NAME@2, NAME@newest, NAME@stable, sha256:...), for the command that changes it. Raises TutorError.

    A damaged one can still be removed.
    """
    known = list_models(models)
    of_name = [ref.id for ref in sorted(known, key=lambda ref: ref.version) if ref.name == name]
    if of_name:
        raise TutorError(f"which version? {', '.join(of_name)} (e.g. tutor models {command} {of_name[0]})")
    found = _named(known, name)
    if not found:
        raise _absent(known, name)
    same = [ref.id for ref in known if ref.digest == found.digest]
    if name.startswith("sha256:") and len(same) > 1:
        raise TutorError(f'which one? "{name}" is {", ".join(same)} (e.g. tutor models {command} {same[0]})')
    return found if command == "remove" else _sound(found)


def directory_ref(known: Sequence[ModelRef], path: Path) -> ModelRef:
    """A directory; one of the registry's own is the model that it holds."""
    whole = path.resolve()
    card = read_card(path / CARD)
    return next((ref for ref in known if ref.path.resolve() == whole), None) or ModelRef(whole.name, 0, path, card or {"kind": "directory"})


def _versions(parent: Path) -> list[ModelRef]:
    cards: dict[int, dict] = {}
    problems: dict[int, str] = {}
    for number, folder in sorted(_numbered(parent).items()):
        try:
            card = read_card(folder / CARD)
        except TutorError as error:
            card, problems[number] = {}, f"{error}, or: tutor models remove {parent.name}@{number}"
        if card is not None:
            cards[number] = card
    try:
        stable, damage = _stable(parent, cards), ""
    except TutorError as error:
        stable, damage = {}, str(error)
    return [ModelRef(parent.name, number, parent / str(number), card, stable.get(number), problems.get(number, damage))
            for number, card in cards.items()]


def _sound(ref: ModelRef) -> ModelRef:
    if ref.problem:
        raise TutorError(ref.problem)
    return ref


def _stable(parent: Path, present: Collection[int]) -> dict[int, str]:
    """{version: when it was promoted} of the stable version, empty without one."""
    return {promotion.version: promotion.time for promotion in promotions(read_history(parent), present)[-1:]}


def _numbered(parent: Path) -> dict[int, Path]:
    return {int(folder.name): folder for folder in parent.iterdir() if VERSION.fullmatch(folder.name)}


def _same_files(parent: Path, digest: str) -> ModelRef | None:
    """The version that has these files, and has them still."""
    return next((ref for ref in _versions(parent) if ref.digest == digest and not compare(ref.path, ref.card).any), None)


def _check_parents(models: Path, name: str, card: dict) -> None:
    """What a model was made from may have been removed while it was written; the caller holds the lock."""
    here = [path for entry in card.get("parents") or [] if (path := _place(models, str(entry.get("model"))))]
    gone = [f"{path.parent.name}@{path.name}" for path in here if not (path / CARD).is_file()]
    if gone:
        raise TutorError(f"{', '.join(gone)}: removed meanwhile, and {name} was made from it, so {name} is not registered (make it from a "
                         "model that is here)")


def _place(models: Path, model: str) -> Path | None:
    """Where NAME@N is; None for a hub id or the name of a folder."""
    name, _, version = model.partition("@")
    return models / name / version if NAME.fullmatch(name) and VERSION.fullmatch(version) else None


def _appear(parent: Path, card: dict, folder: Path) -> ModelRef:
    """Give the sealed folder the next number, one that no version has had; the caller holds the lock."""
    version = 1 + max([0, *_numbered(parent), *given_numbers(parent)])
    card = {"name": parent.name, "version": version, "created": now(), **card}
    card["version"] = version
    write_sealed(folder, card)
    sync(folder)
    os.replace(folder, parent / str(version))
    sync(parent)
    record(parent, REGISTERED, None, version)  # the number stays given, also where the folder is deleted by hand
    return ModelRef(parent.name, version, parent / str(version), card)


def _named(known: list[ModelRef], name: str) -> ModelRef | None:
    if name.startswith("sha256:"):
        return _by_digest(known, name)
    base, at, tag = name.partition("@")
    versions = sorted((ref for ref in known if ref.name == base), key=lambda ref: ref.version)
    if not versions:
        return None
    stable = next((ref for ref in versions if ref.stable), None)
    if not at:
        return stable or versions[-1]
    if tag == "stable" and not stable:
        raise TutorError(f"{base} has no stable version (make one: tutor models promote {versions[-1].id})")
    return stable if tag == "stable" else versions[-1] if tag in NEWEST else next((ref for ref in versions if ref.id == name), None)


def _by_digest(known: list[ModelRef], digest: str) -> ModelRef:
    if not DIGEST.fullmatch(digest):
        raise TutorError(f'"{digest}" is no digest (sha256: and 8 to 64 hexadecimal digits in lower case)')
    found = [ref for ref in known if (ref.digest or "").startswith(digest)]
    if not found:
        raise TutorError(f'no model with the digest "{digest}" (tutor models list --json gives them)')
    if len({ref.digest for ref in found}) > 1:
        raise TutorError(f'"{digest}" begins the digests of {", ".join(ref.id for ref in found)} (give more digits)')
    return found[0]


def _absent(known: list[ModelRef], name: str) -> TutorError:
    if "/" in name and not Path(name).is_dir():
        if Path(name).exists():
            return TutorError(f"{name}: a file (wanted: a model's name or its folder)")
        pulled = f", or one of the hub: tutor hub pull {name}" if re.fullmatch(r"\w[\w.-]*/\w[\w.-]*", name) else ""
        return TutorError(f"no such folder: {name} (check the path{pulled})")
    names = ", ".join(ref.id for ref in known[-6:]) or "none yet; make one: tutor train"
    return TutorError(f'no model "{name}" (here: {names}; or a model directory)')

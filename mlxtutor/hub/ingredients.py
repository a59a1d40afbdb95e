"""What a model was made from, back to its first ancestors: the models and the data, each with its licence."""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import PurePath
from typing import Any

from mlxtutor.errors import TutorError
from mlxtutor.hub.licence_check import BASE, DATA, Ingredient
from mlxtutor.records.licences import LICENCES, parse_licence, split_all
from mlxtutor.records.licences import UNKNOWN as NOT_KNOWN
from mlxtutor.registry.lineage import carried_parent, parents_of
from mlxtutor.registry.manifest import check_card_kept
from mlxtutor.registry.models import ModelRef, shown_id
from mlxtutor.registry.origin import UNKNOWN, data_of

HUB_ID = re.compile(r"[A-Za-z0-9][\w.-]*/[A-Za-z0-9][\w.-]*", re.ASCII)
HUB_DATA = "hub:"
OURS = "mlxtutor's own problems and texts"
USERS = {"corpus": ("corpus", "shipped"), "em": ("data", "em")}  # sources that may be the user's: the recipe's key, its value for ours

Lookup = Callable[[str], str | None]


@dataclass(frozen=True)
class Said:
    """Licences that the publisher states: of data by file name, of bases by model name."""

    data: Mapping[str, str] = field(default_factory=dict)
    base: Mapping[str, str] = field(default_factory=dict)


@dataclass(frozen=True)
class DataFile:
    """A file whose rows went in. depth: 0 for what training read, 1 for what that was made from, and so on."""

    name: str
    use: str
    rows: int | None
    sha256: str
    licences: tuple[str, ...]
    sources: tuple[str, ...]
    depth: int


@dataclass(frozen=True)
class Origins:
    """bases: (role, name, revision) of models from elsewhere. ours: rows of our own generators were trained on."""

    ingredients: tuple[Ingredient, ...]
    files: tuple[DataFile, ...]
    bases: tuple[tuple[str, str, str], ...]
    ours: bool


def origins(ref: ModelRef, known: Sequence[ModelRef], said: Said = Said(), lookup: Lookup = lambda name: None) -> Origins:  # noqa: B008
    """Everything that went into a model. lookup: the licence of a model on the hub, None where it can't be told.

    TutorError for a statement about something that isn't in it, and for a card that was edited.
    """
    found: list[Ingredient] = []
    files: list[DataFile] = []
    bases: list[tuple[str, str, str]] = []
    for model in _family(ref, known):
        found += _data(model, said)
        files += [file for entry in data_of(model.card) for file in _files(entry, str(entry.get("use") or ""), said, 0)]
        for entry, parent in _parents(model, known):
            if parent is None:
                found += _base(entry, said, lookup)
                bases.append((str(entry.get("role") or "base"), str(entry.get("model")), str(entry.get("revision") or "")))
    if not found:
        found += _stated(BASE, ref.name, None, said.base)
    _check_said(said, found)
    unique = tuple(dict.fromkeys(found))
    return Origins(unique, tuple(dict.fromkeys(files)), tuple(dict.fromkeys(bases)), any(i.name == OURS for i in unique))


def hub_datasets(files: Sequence[DataFile]) -> list[str]:
    """Data sets of the hub among the files and their sources."""
    names = [name for file in files for name in (file.name, *file.sources)]
    found = [name.removeprefix(HUB_DATA).split(":")[0] for name in names if name.startswith(HUB_DATA)]
    return [name for name in dict.fromkeys(found) if HUB_ID.fullmatch(name)]


def _family(ref: ModelRef, known: Sequence[ModelRef]) -> Iterator[ModelRef]:
    """The model and those of its ancestors that are here or whose cards its own carries."""
    waiting, seen = [ref], set()
    while waiting:
        model = waiting.pop(0)
        if model.version and model.path in seen:
            continue
        seen.add(model.path)
        if model.version:
            check_card_kept(model.path)
        yield model
        waiting += [parent for _, parent in _parents(model, known) if parent]


def _parents(model: ModelRef, known: Sequence[ModelRef]) -> list[tuple[dict[str, Any], ModelRef | None]]:
    return [(entry, carried_parent(entry) or parent) for entry, parent in parents_of(model, known)]


def _data(model: ModelRef, said: Said) -> Iterator[Ingredient]:
    """Of a model's own training. One that was trained on nothing that is recorded was trained on something unknown."""
    entries, recipe = data_of(model.card), model.card.get("recipe") or {}
    drawn = {source for stage in recipe.get("stages") or [] for source in stage.get("sources") or {}}
    theirs = [str(recipe[key]) for source, (key, value) in USERS.items() if source in drawn and recipe.get(key, value) != value]
    ours = len(drawn) > len(theirs)
    if ours:
        yield Ingredient(DATA, OURS, LICENCES["mit"])
    for entry in entries:
        yield from _licensed(entry, said)
    if recipe and not entries and (theirs or not ours):
        for name in theirs or [f"{shown_id(model)}'s data"]:
            yield from _stated(DATA, PurePath(name).name, None, said.data)


def _licensed(entry: Mapping[str, Any], said: Said) -> Iterator[Ingredient]:
    """The licences that a file's card counts, else those of the files it was made of; UNKNOWN of the file that has none."""
    card = entry.get("card") or {}
    if not card.get("licences") and card.get("inputs"):
        for made_of in card["inputs"]:
            yield from _licensed(made_of, said)
    else:
        yield from _counted(entry, said)


def _counted(entry: Mapping[str, Any], said: Said) -> Iterator[Ingredient]:
    for counted in (entry.get("card") or {}).get("licences") or [""]:
        yield from _stated(DATA, str(entry.get("file")), counted if counted != UNKNOWN else "", said.data)


def _base(entry: Mapping[str, Any], said: Said, lookup: Lookup) -> Iterator[Ingredient]:
    name = str(entry.get("model"))
    return _stated(BASE, name, entry.get("licence") or (lookup(name) if HUB_ID.fullmatch(name) else None), said.base)


def _stated(what: str, name: str, recorded: str | None, said: Mapping[str, str]) -> Iterator[Ingredient]:
    """Each licence of `A AND B`. What a card says goes before what the publisher says."""
    for licence in map(parse_licence, split_all(recorded or "")):
        if licence.kind == NOT_KNOWN and name in said:
            yield from (Ingredient(what, name, parse_licence(stated), "the publisher") for stated in split_all(said[name]))
        else:
            yield Ingredient(what, name, licence)


def _check_said(said: Said, found: Sequence[Ingredient]) -> None:
    for option, names, what in (("--data-licence", said.data, DATA), ("--base-licence", said.base, BASE)):
        there = sorted({ingredient.name for ingredient in found if ingredient.what == what})
        strange = sorted(set(names) - set(there))
        if strange:
            raise TutorError(f'{option} names "{strange[0]}", which this model was not made from (it was: {", ".join(there) or "none"})')


def _files(entry: Mapping[str, Any], use: str, said: Said, depth: int) -> Iterator[DataFile]:
    card = entry.get("card") or {}
    inputs, rows = card.get("inputs") or [], card.get("rows")
    licences = [ingredient.licence.name for ingredient in _counted(entry, said)] if card.get("licences") or not inputs else []
    yield DataFile(str(entry.get("file")), use, rows if isinstance(rows, int) else None,
                   str(entry.get("sha256") or entry.get("digest") or "").removeprefix("sha256:"),
                   tuple(dict.fromkeys(licences)), tuple(map(str, card.get("sources") or {})), depth)
    for made_of in inputs:
        yield from _files(made_of, use, said, depth + 1)

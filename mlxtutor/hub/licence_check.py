"""Which licence a model may have, given the licences of what it was made from. It reads licences as they are written; it is no lawyer."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from mlxtutor.errors import TutorError
from mlxtutor.records.licences import NO_DERIVATIVES, PROPRIETARY, PUBLIC, Licence, clash, known_ids, moves_to, on_hub, parse_licence

DATA, BASE = "data", "base"


@dataclass(frozen=True)
class Ingredient:
    """What a model was made from. what: DATA (a file's rows) or BASE (a model). said_by: who said the licence, where no card does."""

    what: str
    name: str
    licence: Licence
    said_by: str = ""


def model_licence(ingredients: Sequence[Ingredient], chosen: str | None = None) -> Licence:
    """The licence that was chosen, or else the most restrictive of those of the ingredients; TutorError where it can't be."""
    forbidden = [_forbidden(ingredient) for ingredient in ingredients if ingredient.licence.forbidding]
    if forbidden:
        raise TutorError(f"the licence check refuses this push: {'; '.join(forbidden)}")
    if chosen is None:
        return _derive(ingredients)
    licence = parse_licence(chosen)
    if licence.id not in known_ids():
        raise TutorError(f'--licence "{chosen}" is no licence that the hub and this check know (allowed: {", ".join(known_ids())})')
    found = _objections(licence, ingredients)
    if found:
        raise TutorError(f"the model can't be under {licence.name}: {'; '.join(found)} (without --licence it is derived)")
    return licence


def _derive(ingredients: Sequence[Ingredient]) -> Licence:
    own = {ingredient.licence for ingredient in ingredients}
    candidates = own | {moved for licence in own for moved in moves_to(licence)}
    allowed = [licence for licence in candidates if not _objections(licence, ingredients)]
    # a licence that none of them has is only taken where it is the way out
    best = [licence for licence in allowed if licence in own and on_hub(licence)] or [*filter(on_hub, allowed)] or allowed
    if not best:
        raise TutorError(f"the licence check refuses this push: no licence fits {_listed(ingredients)}, since they can't be combined "
                         "(leave one of them out and train again)")
    return max(best, key=lambda licence: licence.rank)


def _objections(choice: Licence, ingredients: Sequence[Ingredient]) -> list[str]:
    """Why a model made of these may not have this licence."""
    return [f"{ingredient.name} is {ingredient.licence.name}, {reason}" for ingredient in ingredients
            if (reason := _objection(choice, ingredient.licence))]


def _objection(choice: Licence, licence: Licence) -> str:
    if licence == choice:
        return ""
    if licence.noncommercial and not choice.noncommercial:
        return "for non-commercial use only, so the model's licence must be non-commercial"
    if licence.binding and choice not in moves_to(licence):
        return "which asks the same licence of the model"
    if choice.kind == PUBLIC and licence.kind != PUBLIC:
        return "whose notice must be kept"
    return "which does not go with it" if clash(choice, licence) else ""


def _forbidden(ingredient: Ingredient) -> str:
    """What is wrong with an ingredient, and what to do about it."""
    name, licence = ingredient.name, ingredient.licence
    if licence.kind == NO_DERIVATIVES:
        return f"{name} is {licence.name}, which forbids to pass on what is made from it (train without it)"
    if licence.kind == PROPRIETARY:
        return f'{name} is "{licence.name}", which lets nobody pass it on (train without it, or get a licence from its owner)'
    known = f'has the licence "{licence.name}", which this check does not know' if licence.name != "unknown" else "has no known licence"
    if ingredient.what == BASE:
        return f"{name} {known} (say it: --base-licence {name}=LICENCE)"
    return f"{name} {known} (say it when importing: tutor data import --licence LICENCE; or now: --data-licence {name}=LICENCE)"


def _listed(ingredients: Sequence[Ingredient]) -> str:
    """`CC BY-SA 4.0 (a.jsonl) and CC BY-NC 4.0 (b.jsonl)`, of those that bind or restrict."""
    strict = [i for i in ingredients if i.licence.binding or i.licence.noncommercial] or list(ingredients)
    by_licence: dict[str, list[str]] = {}
    for ingredient in strict:
        by_licence.setdefault(ingredient.licence.name, []).append(ingredient.name)
    return " and ".join(f"{licence} ({', '.join(dict.fromkeys(names))})" for licence, names in by_licence.items())

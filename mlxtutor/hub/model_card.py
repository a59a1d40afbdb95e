"""The README.md of a model on the hub: metadata for the hub, and a page for people, from what the registry knows."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from mlxtutor import __version__
from mlxtutor.evaluation.report import asked_of, format_share, render_table, score_label
from mlxtutor.hub.ingredients import HUB_ID, DataFile, Origins, hub_datasets
from mlxtutor.hub.licence_check import BASE, DATA, Ingredient
from mlxtutor.hub.licence_duties import DUTIES
from mlxtutor.private_paths import without_paths
from mlxtutor.records.licences import PUBLIC, Licence, on_hub
from mlxtutor.registry.models import ModelRef
from mlxtutor.shipped import shipped_text

TEMPLATE = "hub/model_card.md"
LIBRARIES = {"model": "transformers", "peft": "peft", "mlx": "mlx"}
TAGS = {"model": ["mlx"], "peft": ["lora", "adapter"], "mlx": ["lora", "adapter"]}
SPLITS = {"values": "new numbers", "wordings": "wordings never trained on", "others": "written outside the generator",
          "types": "problem types never trained on"}
HEADLINE = {"correct": "accuracy", "correct_off": "accuracy"}  # a score: the hub's name of its metric
SHORT_DIGEST = 16


@dataclass(frozen=True)
class CardFacts:
    """What a card is written from. form: `model`, `peft` or `mlx`. base: an adapter's, on the hub. chosen: who pushes named the licence."""

    ref: ModelRef
    repo: str
    form: str
    licence: Licence
    origins: Origins
    base: str = ""
    config: Mapping[str, Any] | None = None
    chosen: bool = False

    @property
    def name(self) -> str:
        return self.repo.rpartition("/")[2]

    @property
    def micro(self) -> bool:
        return self.ref.card.get("kind") == "micro"

    @property
    def electrostatics(self) -> bool:
        """A micro tutor whose last stage was our own problems, and not somebody's chats."""
        recipe = self.ref.card.get("recipe") or {}
        drawn = {source for stage in recipe.get("stages") or [] for source in stage.get("sources") or {}}
        return self.micro and "em" in drawn and recipe.get("data", "em") == "em"

    @property
    def bases(self) -> list[str]:
        """Models of the hub that it was made from."""
        names = [self.base, *(name for _, name, _ in self.origins.bases)]
        return [name for name in dict.fromkeys(names) if HUB_ID.fullmatch(name)]


def render_card(facts: CardFacts) -> str:
    """The whole README.md."""
    import jinja2

    environment = jinja2.Environment(undefined=jinja2.StrictUndefined, trim_blocks=True, lstrip_blocks=True, keep_trailing_newline=True)
    environment.filters |= {"code": _code, "cell": _cell}
    body = environment.from_string(shipped_text(TEMPLATE)).render(
        **_about(facts), **_licences(facts), **_making(facts), **_evaluation(facts.ref.card), repo=facts.repo, name=facts.name)
    return f"---\n{_metadata(facts)}\n---\n\n{body}"


def _metadata(facts: CardFacts) -> str:
    from huggingface_hub import EvalResult, ModelCardData

    after = (facts.ref.card.get("evaluation") or {}).get("after") or {}
    results = [EvalResult(**result) for result in _results(after)]
    licence = {"license": facts.licence.id} if on_hub(facts.licence) else {
        "license": "other", "license_name": facts.licence.id, "license_link": facts.licence.url or None}
    data = ModelCardData(
        base_model=facts.bases or None, datasets=hub_datasets(facts.origins.files) or None, eval_results=results or None,
        language=["en"] if _english(facts) else None, library_name=LIBRARIES[facts.form], model_name=facts.name if results else None,
        pipeline_tag="text-generation", tags=["mlxtutor", "tutor", "education", *TAGS[facts.form]], **licence)
    return data.to_yaml().strip()


def _results(after: Mapping[str, Any]) -> list[dict[str, Any]]:
    """One entry of the hub's model-index a split and score, with the interval."""
    found = []
    for split, scores in _splits(after).items():
        for name, metric in HEADLINE.items():
            score = scores["scores"].get(name)
            if score and score["value"] is not None:
                label = "correct" if name == "correct" else "correct, calculator off"
                interval = {"n": score.get("n", scores["n"]), "low_95": round(score["low"], 4), "high_95": round(score["high"], 4)}
                found.append({"task_type": "text-generation", "dataset_type": f"mlxtutor-{after.get('suite', 'em')}",
                              "dataset_name": f"mlxtutor {after.get('suite', 'em')} suite, {split}", "dataset_split": split,
                              "metric_type": metric, "metric_name": label, "metric_value": round(score["value"], 4),
                              "metric_args": interval})
    return found


def _about(facts: CardFacts) -> dict[str, Any]:
    card, config = facts.ref.card, facts.config or {}
    return {"micro": facts.micro, "electrostatics": facts.electrostatics, "form": facts.form, "adapter": facts.form != "model",
            "base": facts.base, "bases": facts.bases,
            "parameters": card.get("parameters"), "architecture": (config.get("architectures") or [config.get("model_type")])[0],
            "context": config.get("max_position_embeddings"), "english": _english(facts),
            "model_id": facts.ref.id if facts.ref.version else ""}


def _licences(facts: CardFacts) -> dict[str, Any]:
    found = facts.origins.ingredients
    restricted = [ingredient for ingredient in found if ingredient.licence.noncommercial]
    duties = [duty for ingredient in found if (duty := DUTIES.get(ingredient.licence.id))]
    return {"licence": facts.licence, "chosen": facts.chosen, "noncommercial": facts.licence.noncommercial,
            "restricted": _with_sources(restricted, facts.origins.files),
            "credited": [i for i in found if i.licence.kind != PUBLIC and i.what in (DATA, BASE)], "duties": list(dict.fromkeys(duties)),
            "files": facts.origins.files, "ours": facts.origins.ours}


def _with_sources(ingredients: Sequence[Ingredient], files: Sequence[DataFile]) -> list[tuple[Ingredient, str]]:
    """Each with where its rows are from, where that is known: ScienceQA says more than rows.jsonl."""
    sources = {file.name: ", ".join(file.sources) for file in files}
    return [(ingredient, sources.get(ingredient.name, "")) for ingredient in ingredients]


def _making(facts: CardFacts) -> dict[str, Any]:
    card = without_paths(dict(facts.ref.card))
    recipe = card.get("recipe") or {}
    sources = {stage.get("name"): ", ".join(stage.get("sources") or {}) for stage in recipe.get("stages") or []}
    stages = [{**stage, "sources": sources.get(stage.get("name"), "")} for stage in card.get("stages") or []]
    code = card.get("code") or {}
    return {"recipe": recipe, "stages": stages, "tokens": sum(stage.get("tokens") or 0 for stage in stages), "backend": card.get("backend"),
            "dtype": card.get("dtype"), "created": str(card.get("created", ""))[:10], "version": code.get("version", __version__),
            "commit": str(code.get("commit", ""))[:10], "changed": code.get("changed", False), "kind": card.get("kind"),
            "parents": [{**entry, "digest": str(entry.get("digest") or "").removeprefix("sha256:")[:SHORT_DIGEST]}
                        for entry in card.get("parents") or []], "writer": __version__}


def _evaluation(card: Mapping[str, Any]) -> dict[str, Any]:
    evaluation = card.get("evaluation") or {}
    old, new = _splits(evaluation.get("before") or {}), _splits(evaluation.get("after") or {})
    rows = [(split, ", ".join(filter(None, [SPLITS.get(split, ""), "calculator off" if name.endswith("_off") else ""])), *cells)
            for split, found in new.items() for name in HEADLINE if name == "correct" or found["scores"].get(name)
            for cells in [_cells(name, old.get(split, {}), found)]]
    return {"rows": rows, "details": _details(old, new), "shares": _shares(new)}


def _cells(name: str, old: Mapping[str, Any], new: Mapping[str, Any]) -> list[str]:
    """A score before and after, and how many problems it was asked of: its own n, both where they differ."""
    scores = [side.get("scores", {}).get(name) for side in (old, new)]
    return [asked_of(scores) or "–", *map(format_share, scores)]


def _details(old: Mapping[str, Any], new: Mapping[str, Any]) -> str:
    """Every score of every split, as tables."""
    parts = []
    for split, found in new.items():
        names = dict.fromkeys([*found["scores"], *old.get(split, {"scores": {}})["scores"]])
        lines = [[score_label(name), *_cells(name, old.get(split, {}), found)] for name in names]
        parts.append(f"#### {split}\n\n{render_table(['score', 'n', 'before', 'after'], lines)}")
    return "\n".join(parts).strip()


def _splits(summary: Mapping[str, Any]) -> dict[str, Any]:
    """Splits in the order in which they are asked."""
    found = summary.get("splits") or {}
    return {name: found[name] for name in (*(s for s in SPLITS if s in found), *(s for s in found if s not in SPLITS))}


def _shares(splits: Mapping[str, Any]) -> dict[str, str]:
    """{"values_correct": "81.7 %"} for running text, without those that were asked of no row."""
    return {f"{split}_{name}": f"{100 * score['value']:.1f} %" for split, found in splits.items()
            for name, score in found["scores"].items() if score and score["value"] is not None}


def _english(facts: CardFacts) -> bool:
    """Our own problems and texts are; of other data the language isn't known."""
    return facts.origins.ours and not facts.origins.files and not facts.origins.bases


def _cell(text: Any) -> str:
    """Foreign text that a table or a line can hold."""
    plain = " ".join(str(text).split())
    for character in "\\`*_[]<>|":
        plain = plain.replace(character, f"\\{character}")
    return plain


def _code(text: Any) -> str:
    """As code: nothing in it means anything to Markdown, but a bar to a table."""
    return "`" + " ".join(str(text).split()).replace("`", "'").replace("|", "\\|") + "`"

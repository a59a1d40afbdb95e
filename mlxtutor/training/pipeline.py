"""A recipe from nothing to a registered model: tokenizer, stages, evaluation before and after. It yields events."""

from __future__ import annotations

import dataclasses
import json
import time
from collections.abc import Generator, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import yaml
from filelock import FileLock, Timeout

from mlxtutor import backends
from mlxtutor.backends import Backend
from mlxtutor.config import ModelConfig, Recipe, StageConfig, for_device, stage_train, to_dict
from mlxtutor.datasets.examples import stage_examples
from mlxtutor.datasets.rows import write_rows
from mlxtutor.datasets.sources import recipe_tokenizer
from mlxtutor.errors import TutorError
from mlxtutor.evaluation.asking import evaluate_suite
from mlxtutor.evaluation.report import render_comparison
from mlxtutor.files import write_atomic
from mlxtutor.home import Home
from mlxtutor.inference.generate import LoadedModel, generate
from mlxtutor.registry.directory import load_checked_weights, load_config, save_model
from mlxtutor.registry.manifest import compare
from mlxtutor.registry.models import ModelRef, list_models, register, resolve
from mlxtutor.registry.origin import data_entries, licence_of, parent_entry
from mlxtutor.text.tokenizer import Tokenizer
from mlxtutor.training.checkpoint import load_weights
from mlxtutor.training.fingerprint import data_digest, exam_digest, fingerprint
from mlxtutor.training.initial import initial_weights, parameter_count
from mlxtutor.training.loop import StageData, train_stage
from mlxtutor.training.plots import plot_losses

Event = dict[str, Any]
VAL_TOKENS = 12_000


@dataclass(frozen=True)
class Job:
    """A recipe on a backend, and where its work is kept."""

    recipe: Recipe
    backend: Backend
    backend_name: str
    dtype: str
    home: Home

    @property
    def arithmetic(self) -> tuple[str, str, bool]:
        """What weights depend on beside recipe and data: backend, dtype, whether its step is the fast one."""
        return self.backend_name, self.dtype, not backends.slow_step(self.backend_name, self.backend.device(self.dtype))

    @property
    def id(self) -> str:
        return fingerprint(to_dict(self.recipe), *self.arithmetic, data_digest(self.recipe, self.backend_name))

    @property
    def run_folder(self) -> Path:
        return self.home.runs / f"{self.recipe.name}-{self.id}"


def run_recipe(job: Job, resume: bool = False, fresh: bool = False) -> Iterator[Event]:
    """Do all of a recipe. Stages whose inputs haven't changed are taken as they are, unless `fresh`."""
    began = time.perf_counter()
    job.run_folder.mkdir(parents=True, exist_ok=True)
    try:
        with FileLock(job.run_folder / ".lock", timeout=0):
            yield from _run(job, resume, fresh, began)
    except Timeout as busy:
        where = f"{busy.lock_file}; wait for it"
        raise TutorError(f"this recipe, or a stage it shares, is being trained by another process ({where})") from None


def _run(job: Job, resume: bool, fresh: bool, began: float) -> Iterator[Event]:
    recipe = job.recipe
    write_atomic(job.run_folder / "recipe.yaml", yaml.safe_dump(to_dict(recipe), sort_keys=False).encode())
    tokenizer, config, weights, trail, origin = _start(job, fresh)
    device = job.backend.device(job.dtype)
    yield {"event": "start", "device": dataclasses.asdict(device), "parameters": parameter_count(config),
           "trainable": parameter_count(config), "seed": recipe.seed, "run": str(job.run_folder), "stages": [s.name for s in recipe.stages],
           "rows_per_step": [train.batch_rows * train.accumulate for train in (stage_train(recipe, s) for s in recipe.stages)]}
    stages: list[dict] = []
    before: dict = {}
    for index, stage in enumerate(recipe.stages):
        last = index == len(recipe.stages) - 1
        if last:
            before = yield from _evaluation(job, "before", trail, tokenizer, config, weights, fresh)
        trail = fingerprint(trail, to_dict(stage), to_dict(stage_train(recipe, stage)), recipe.seed, data_digest(recipe, job.backend_name))
        with FileLock(job.home.stages / f"{stage.name}-{trail}.lock", timeout=0):  # recipes may share a stage
            weights, summary = yield from _stage(job, stage, index, trail, tokenizer, config, weights, resume, fresh)
        stages.append(summary)
    after = yield from _evaluation(job, "after", trail, tokenizer, config, weights, fresh)
    write_atomic(job.run_folder / "evaluation.json", json.dumps({"before": before, "after": after}, indent=2).encode())
    title = f"{recipe.name}: before and after the stage {recipe.stages[-1].name}"
    write_atomic(job.run_folder / "evaluation.md", render_comparison(before, after, title).encode())
    plot_losses([(s["name"], Path(s["folder"]) / "metrics.jsonl") for s in stages], job.run_folder / "loss.png")
    ref = _register(job, trail, tokenizer, config, weights, {**origin, "stages": stages, "evaluation": {
        "id": _evaluation_id(job, trail, "after"), "before": before, "after": after}})
    yield {"event": "done", "model": ref.id, "path": str(ref.path), "seconds": time.perf_counter() - began, "stages": stages,
           "before": before, "after": after, "run": str(job.run_folder)}


def _start(job: Job, fresh: bool) -> tuple[Tokenizer, ModelConfig, dict[str, np.ndarray], str, dict]:
    """Tokenizer, shape, weights to begin with: new ones, or those of the model that the recipe names; their trail; what the card says."""
    recipe = job.recipe
    origin = _origin(recipe)
    if isinstance(recipe.model, str):
        parent = resolve(job.home.models, recipe.model)
        origin["parents"], folder = [parent_entry(parent)], parent.path
        config = load_config(folder)
        weights = load_checked_weights(folder, config)
        digest = fingerprint(*[(name, float(value.astype(np.float64).sum())) for name, value in weights.items()])
        return Tokenizer.load(folder), config, weights, fingerprint(digest, *job.arithmetic), origin
    sources = [(stage.name, stage.sources, stage.tokens) for stage in recipe.stages]
    key = fingerprint(sources, recipe.seed, recipe.tokenizer_characters, recipe.model.vocab_size, data_digest(recipe, job.backend_name))
    path = job.home.stages / f"tokenizer-{key}" / "tokenizer.model"
    if fresh or not path.exists():
        path.parent.mkdir(parents=True, exist_ok=True)
        recipe_tokenizer(recipe, recipe.model.vocab_size, path)
    weights = initial_weights(recipe.model, np.random.default_rng([recipe.seed, 1]))
    return Tokenizer.load(path), recipe.model, weights, fingerprint(key, to_dict(recipe.model), *job.arithmetic), origin


def _origin(recipe: Recipe) -> dict[str, Any]:
    """The user's own data that the stages draw from, as it is before they do, and its licence where that is known."""
    drawn = {name for stage in recipe.stages for name in stage.sources}
    given = {"corpus": ("corpus", recipe.corpus, "shipped"), "data": ("em", recipe.data, "em")}
    data = data_entries({key: source for key, (name, source, ours) in given.items() if name in drawn and source != ours})
    licence = licence_of(data)
    return {**({"data": data} if data else {}), **({"licence": licence} if licence else {})}


def stage_data(recipe: Recipe, stage: StageConfig, index: int, tokenizer: Tokenizer) -> StageData:
    """Training and validation examples of a stage, from streams of their own."""
    row_len = stage_train(recipe, stage).row_len
    examples = stage_examples(stage, recipe, tokenizer, row_len, stage.tokens, (2, index))
    val = stage_examples(stage, recipe, tokenizer, row_len, min(VAL_TOKENS, stage.tokens), (3, index), validation=True)
    text = not {"chats", "em"} & set(stage.sources)
    targets = np.delete(val.tokens, val.starts[:-1]).tolist()
    val_bytes = sum(len(tokenizer.piece_bytes(i)) for i in targets if not tokenizer.is_special(i)) if text else 0
    return StageData(examples, val, val_bytes)


def _stage(job: Job, stage: StageConfig, index: int, trail: str, tokenizer: Tokenizer, config: ModelConfig,
           weights: dict[str, np.ndarray], resume: bool, fresh: bool) -> Generator[Event, None, tuple[dict[str, np.ndarray], dict]]:
    """Train a stage, or take its finished result; returns its best weights and its summary."""
    folder = job.home.stages / f"{stage.name}-{trail}"
    done = folder / "done.json"
    if done.exists() and not fresh:
        summary = json.loads(done.read_text())
        yield {"event": "stage", "name": stage.name, "reused": True, "folder": str(folder)}
        return load_weights(folder / "best.safetensors"), summary
    done.unlink(missing_ok=True)
    unfinished = any((folder / "checkpoints").glob("step-*"))
    yield {"event": "stage", "name": stage.name, "reused": False, "folder": str(folder), "unfinished": unfinished,
           "resumed": unfinished and resume}
    data = stage_data(job.recipe, stage, index, tokenizer)
    train = stage_train(job.recipe, stage)
    prompt = _sample_prompt(data, tokenizer)

    def sample(model: Any) -> str:
        loaded = LoadedModel(job.backend, model, tokenizer, config.max_seq_len)
        return tokenizer.decode(prompt) + generate(loaded, [prompt], 100)[0].text

    def model_of(loaded: dict | None) -> Any:
        return job.backend.build(config, weights if loaded is None else loaded, job.dtype)

    records = train_stage(job.backend, model_of, data, train, folder, np.random.default_rng([job.recipe.seed, 4, index]), resume, sample)
    record: dict = {}
    for record in records:
        yield {"event": "step", "stage": stage.name, **record}
    seconds = record["seconds"]
    summary = {"name": stage.name, "seconds": seconds, "tokens": record["tokens"], "tokens_per_s": record["tokens"] / seconds,
               "loss": record["val_loss"], "steps": record["steps"], "skipped": record["skipped"], "folder": str(folder)}
    write_atomic(done, json.dumps(summary).encode())
    return load_weights(folder / "best.safetensors"), summary


def _sample_prompt(data: StageData, tokenizer: Tokenizer) -> list[int]:
    """The first validation example up to where its loss begins; of a text, its first tokens."""
    low, high = int(data.val.starts[0]), int(data.val.starts[1])
    mask = data.val.mask[low:high]
    end = 12 if mask[0] else int(np.argmax(mask))
    return data.val.tokens[low:low + max(1, end)].tolist()


def _evaluation(job: Job, when: str, trail: str, tokenizer: Tokenizer, config: ModelConfig, weights: dict[str, np.ndarray],
                fresh: bool) -> Generator[Event, None, dict]:
    """The suite's summary for these weights; kept under the fingerprint of what it measured."""
    settings = job.recipe.evaluation
    path = job.home.stages / f"evaluation-{_evaluation_id(job, trail, when)}.json"
    if path.exists() and not fresh:
        result = json.loads(path.read_text())
    else:
        yield {"event": "evaluation", "when": when}
        model = job.backend.build(config, weights, job.dtype)
        loaded = LoadedModel(job.backend, model, tokenizer, config.max_seq_len, job.recipe.name)
        summary, answers = evaluate_suite(loaded, settings.asked(when == "before"), settings.max_new_tokens, settings.batch_size)
        result = {"summary": summary, "answers": answers}
        write_atomic(path, json.dumps(result).encode())
    write_rows(job.run_folder / f"answers-{when}.jsonl", result["answers"])
    return result["summary"]


def _evaluation_id(job: Job, trail: str, when: str) -> str:
    """What an evaluation's result depends on: the weights, how much was asked, the exam."""
    settings = job.recipe.evaluation
    return fingerprint(trail, settings.asked(when == "before"), settings.max_new_tokens, settings.batch_size, exam_digest())


def _register(job: Job, trail: str, tokenizer: Tokenizer, config: ModelConfig, weights: dict[str, np.ndarray], made: dict) -> ModelRef:
    """The model as the next version of its name; one made of the same inputs, its files as they were, is that version again."""
    for ref in list_models(job.home.models):
        if ref.name == job.recipe.name and ref.card.get("fingerprint") == trail and not compare(ref.path, ref.card).any:
            return ref
    card = {"kind": "micro", "fingerprint": trail, "backend": job.backend_name, "dtype": job.dtype, "recipe": to_dict(job.recipe),
            "parameters": parameter_count(config), **made}
    return register(job.home.models, job.recipe.name, card, lambda folder: save_model(folder, config, weights, tokenizer))


def job_for(recipe: Recipe, backend_name: str, home: Home, dtype: str = "auto") -> tuple[Job, str]:
    """The job and the reason for its backend. Dtype and tokens are resolved, so that fingerprints name what really happens."""
    name, reason = backends.choose(backend_name)
    backend = backends.load(name)
    device = backend.device(dtype)
    fitted = for_device(recipe, slow=device.kind == "cpu" and device.dtype == "float32")
    fewer = [f"{stage.name} {stage.tokens:,}" for stage, asked in zip(fitted.stages, recipe.stages) if stage.tokens != asked.tokens]
    notes = [f"; a CPU that computes in float32 takes the recipe's slow_tokens: {', '.join(fewer)}"] if fewer else []
    slow = backends.slow_step(name, device)
    notes += [f"; training takes twice as long: {slow}"] if slow else []
    return Job(fitted, backend, name, device.dtype, home), reason + "".join(notes)

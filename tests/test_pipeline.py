"""A recipe from texts to a registered model: what is done is not done again, what was killed goes on, nobody interferes."""

from __future__ import annotations

import dataclasses
import json

import numpy as np
import pytest
import tiny

from mlxtutor import backends
from mlxtutor.config import Recipe, StageConfig
from mlxtutor.errors import TutorError
from mlxtutor.home import Home
from mlxtutor.records.card import sha256, write_card
from mlxtutor.registry.directory import open_model
from mlxtutor.registry.models import list_models
from mlxtutor.training import fingerprint, pipeline
from mlxtutor.training.checkpoint import load_weights
from mlxtutor.training.pipeline import Job, run_recipe, stage_data

TRAIN = dataclasses.replace(tiny.TRAIN, optimizer="muon", max_steps=6, eval_every=1.0)
SCORES = {"suite": "em", "n": 0, "splits": {}}


@pytest.fixture
def backend():
    """Either will do: what the recipe does with it is the same."""
    return backends.load("torch" if backends.installed("torch") else "mlx")


@pytest.fixture
def recipe(tmp_path):
    (tmp_path / "corpus.txt").write_text("".join(tiny.texts(60)))
    rows = []
    for n in range(40):
        answer = [f"{n} twice: ", {"calc": f"{n}+{n}", "result": str(2 * n)}]
        rows.append({"messages": [{"role": "user", "content": f"What is {n}+{n}?"}, {"role": "assistant", "content": answer}]})
    (tmp_path / "chats.jsonl").write_text("".join(json.dumps(row) + "\n" for row in rows))
    stages = (StageConfig("base", {"corpus": 1.0}, 1500), StageConfig("tutor", {"em": 1.0}, 1500))
    files = str(tmp_path / "corpus.txt"), str(tmp_path / "chats.jsonl")
    return Recipe("tiny", 1, tiny.CONFIG, *files, tokenizer_characters=20_000, train=TRAIN, stages=stages)


@pytest.fixture
def run(backend, tutor_home, monkeypatch):
    """run(recipe, ...) -> its events; the problems of the evaluation are not asked."""
    monkeypatch.setattr(pipeline, "evaluate_suite", lambda *_: (SCORES, []))
    monkeypatch.setattr(pipeline, "plot_losses", lambda *_: None)

    def events(recipe, home=tutor_home, **options):
        yield from run_recipe(Job(recipe, backend, "test", "float32", Home(home)), **options)

    return events


def trained(events):
    """{stage: steps made} of the stages that ran."""
    made = {}
    for event in events:
        if event["event"] == "step":
            made[event["stage"]] = made.get(event["stage"], 0) + 1
    return made


def weights_of(done):
    return load_weights(pipeline.Path(done["path"]) / "model.safetensors")


def equal(one, other):
    return all(np.array_equal(one[name], other[name]) for name in one | other)


def test_a_recipe_makes_a_model_that_answers(run, recipe, backend, tutor_home):
    written = write_card(pipeline.Path(recipe.data), "tutor data mix", [], {"rows": 40})
    events = list(run(recipe))
    done = events[-1]
    assert done["model"] == "tiny@1" and [stage["name"] for stage in done["stages"]] == ["base", "tutor"]
    assert trained(events) == {"base": 6, "tutor": 6}
    for stage in done["stages"]:
        assert stage["tokens"] > 0 and stage["tokens_per_s"] == pytest.approx(stage["tokens"] / stage["seconds"]) and stage["loss"] > 0
    assert any("sample" in event for event in events)
    loaded = open_model(pipeline.Path(done["path"]), backend, "float32")
    assert loaded.tokenizer.vocab_size == recipe.model.vocab_size
    ref, = list_models(tutor_home / "models")
    corpus = pipeline.Path(recipe.corpus)
    assert ref.card["data"] == [{"use": "corpus", "file": "corpus.txt", "sha256": sha256(corpus)},
                                {"use": "data", "file": "chats.jsonl", "sha256": written["sha256"], "card": written}]
    assert ref.card["recipe"]["train"]["max_steps"] == 6 and ref.card["evaluation"]["after"] == SCORES
    kept = tutor_home / "stages" / f"evaluation-{ref.card['evaluation']['id']}.json"
    assert json.loads(kept.read_text())["summary"] == SCORES and not {"parents", "licence"} & set(ref.card)


def test_a_model_trained_on_says_what_it_was_made_of(run, recipe, tutor_home):
    first = list(run(recipe))[-1]
    tutor = dataclasses.replace(recipe, name="more", model="tiny", stages=recipe.stages[1:])
    assert list(run(tutor))[-1]["model"] == "more@1"
    base, made = list_models(tutor_home / "models")
    assert first["model"] == base.id and made.card["parents"] == [{"role": "base", "model": "tiny@1", "digest": base.digest}]
    assert [entry["use"] for entry in made.card["data"]] == ["data"]  # no stage of it draws from the corpus


def test_a_model_whose_files_were_edited_is_made_again(run, recipe):
    path = pipeline.Path(list(run(recipe))[-1]["path"]) / "config.json"
    path.chmod(0o644)
    path.write_text("{}")
    assert list(run(recipe))[-1]["model"] == "tiny@2" and list(run(recipe))[-1]["model"] == "tiny@2"


def test_what_is_done_and_unchanged_is_not_done_again(run, recipe, tmp_path):
    first = list(run(recipe))
    again = list(run(recipe))
    assert trained(again) == {} and [e["reused"] for e in again if e["event"] == "stage"] == [True, True]
    assert again[-1]["model"] == first[-1]["model"] and not [e for e in again if e["event"] == "evaluation"]
    changed = dataclasses.replace(recipe, stages=(recipe.stages[0], dataclasses.replace(recipe.stages[1], train={"lr": 1e-3})))
    later = list(run(changed))
    assert trained(later) == {"tutor": 6} and later[-1]["model"] == "tiny@2"
    assert trained(run(recipe, fresh=True)) == {"base": 6, "tutor": 6}
    (tmp_path / "corpus.txt").write_text("".join(tiny.texts(60, seed=6)))
    assert trained(run(recipe)) == {"base": 6, "tutor": 6}


def stop(events, stage, step):
    """As if killed after that step."""
    for event in events:
        if event["event"] == "step" and (event["stage"], event["step"]) == (stage, step):
            break
    events.close()


@pytest.mark.parametrize("stage, step, left", [
    ("base", 1, {"base": 5, "tutor": 6}), ("base", 6, {"base": 1, "tutor": 6}), ("tutor", 3, {"tutor": 3})])
def test_a_killed_recipe_goes_on_to_the_same_bits(run, recipe, tmp_path, stage, step, left):
    whole = list(run(recipe, home=tmp_path / "whole"))[-1]
    stop(run(recipe), stage, step)
    events = list(run(recipe, resume=True))
    assert trained(events) == left
    assert equal(weights_of(events[-1]), weights_of(whole))
    for one, other in zip(events[-1]["stages"], whole["stages"]):
        assert (one["tokens"], one["loss"], one["steps"]) == (other["tokens"], other["loss"], other["steps"])


def test_one_recipe_in_two_processes_is_refused(run, recipe):
    first = run(recipe)
    next(first)
    with pytest.raises(TutorError, match="is being trained by another process"):
        next(run(recipe))
    first.close()
    assert next(run(recipe))["event"] == "start"


def test_a_shared_stage_in_two_processes_is_refused(run, recipe):
    first = run(recipe)
    while next(first)["event"] != "step":
        pass
    with pytest.raises(TutorError, match="stage it shares, is being trained by another process"):
        list(run(dataclasses.replace(recipe, name="other")))
    first.close()


def test_bytes_of_the_validation_text_are_those_of_its_targets(recipe, tiny_tokenizer):
    data = stage_data(recipe, recipe.stages[0], 0, tiny_tokenizer)
    ids = [i for low, high in zip(data.val.starts, data.val.starts[1:]) for i in data.val.tokens[low + 1:high].tolist()]
    text = tiny_tokenizer.decode([i for i in ids if not tiny_tokenizer.is_special(i)])
    assert data.val_bytes == len(text.encode()) > 1000
    assert stage_data(recipe, recipe.stages[1], 1, tiny_tokenizer).val_bytes == 0


def test_an_evaluation_before_is_none_after(backend, tutor_home, recipe):
    def job(**changes):
        asked = dataclasses.replace(recipe.evaluation, values=30, wordings=0, types=0, **changes)
        return Job(dataclasses.replace(recipe, evaluation=asked), backend, "test", "float32", Home(tutor_home))

    def id_of(when, **changes):
        return pipeline._evaluation_id(job(**changes), "trail", when)

    assert id_of("before", before=20) != id_of("after", before=20) == id_of("after", before=10)
    assert id_of("before", before=20) != id_of("before", before=10)


def test_a_stage_depends_on_the_code_of_its_step(monkeypatch):
    seen = []
    monkeypatch.setattr(fingerprint, "_digest", lambda files: seen.extend(files) or "")
    fingerprint.code_digest.__wrapped__("torch")
    names = {"/".join(path.parts[-2:]) for path in seen}
    assert {"cpu/step.py", "cpu/kernels.py", "native/decoder.c", "mlxtutor/native.py", "cuda_backend/muon.py"} <= names
    assert not any(path.suffix == ".pyc" for path in seen)

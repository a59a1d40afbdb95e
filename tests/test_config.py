"""Recipes: every mistake in one is an error that names the key, the value and what is allowed."""

from __future__ import annotations

import dataclasses
import json
from pathlib import Path

import pytest
import yaml
from hypothesis import given
from hypothesis import strategies as st
from mlxtutor.cli.recipe import read_recipe, shipped

from mlxtutor.config import (
    EvaluationConfig,
    ModelConfig,
    Recipe,
    StageConfig,
    TrainConfig,
    for_device,
    from_dict,
    set_key,
    stage_train,
    to_dict,
)
from mlxtutor.errors import TutorError

STAGE = {"name": "base", "tokens": 1000, "sources": {"corpus": 1}}


def recipe(**data):
    return from_dict(Recipe, data)


@pytest.mark.parametrize("data, message", [
    ({"modle": {}}, 'unknown key "modle" .did you mean "model"'),
    ({"train": {"lrr": 1}}, 'unknown key "train.lrr" .did you mean "lr"'),
    ({"train": {"warmup": 1}}, 'unknown key "train.warmup" .did you mean "warmup_fraction"'),
    ({"train": {"zzz": 1}}, 'unknown key "train.zzz" .allowed: optimizer, lr, muon_lr'),
    ({"stages": [STAGE, {**STAGE, "source": {}}]}, r'unknown key "stages\[1\].source" .did you mean "sources"'),
    ({"stages": [{**STAGE, "train": {"epoch": 2}}]}, 'unknown key "stages.base.train.epoch" .did you mean "epochs"'),
    ({"stages": [{"name": "base"}]}, r"stages\[0\].sources is missing"),
    ({"stages": {"name": "base"}}, "stages must be a list"),
    ({"stages": None}, "stages must be a list .got None"),
    ({"stages": ["base"]}, r"stages\[0\]. ?must be a mapping .got 'base'"),
    ({"train": 3}, "train. ?must be a mapping .got 3"),
    ({"train": {"lr": "fast"}}, "train.lr must be a finite number .got 'fast'"),
    ({"train": {"lr": [1]}}, r"train.lr must be a finite number .got \[1\]"),
    ({"train": {"lr": True}}, "train.lr must be a finite number .got True"),
    ({"train": {"lr": None}}, "train.lr must be a finite number .got None"),
    ({"train": {"lr": float("nan")}}, "train.lr must be a finite number .got nan"),
    ({"train": {"lr": "inf"}}, "train.lr must be a finite number .got 'inf'"),
    ({"train": {"epochs": 1.5}}, "train.epochs must be a whole number .got 1.5"),
    ({"train": {"epochs": "many"}}, "train.epochs must be a whole number .got 'many'"),
    ({"train": {"epochs": float("inf")}}, "train.epochs must be a whole number .got inf"),
    ({"train": {"optimizer": "sgd"}}, 'train.optimizer "sgd" is unknown .allowed: adamw, muon'),
    ({"stages": [{**STAGE, "sources": {"corpus": "much"}}]}, r"stages\[0\].sources.corpus must be a finite number .got 'much'"),
    ({"stages": [{**STAGE, "sources": "corpus"}]}, r"stages\[0\].sources must be a mapping .got 'corpus'"),
    ({"stages": [{**STAGE, "sources": {}}]}, "stages.base.sources"),
    ({"stages": [{**STAGE, "sources": {"corpus": 0}}]}, "stages.base.sources"),
    ({"stages": [{**STAGE, "sources": {"corpus": 2, "em": -1}}]}, "stages.base.sources"),
    ({"stages": [{**STAGE, "tokens": 0}]}, r"stages.base.tokens \(0\) must be positive"),
    ({"name": "my model"}, 'model name "my model" is not usable'),
    ({"stages": [{**STAGE, "name": "a/b"}]}, 'stage name "a/b"'),
    ({"seed": -1}, r"seed \(-1\) must not be negative"),
    ({"tokenizer_characters": 0}, r"tokenizer_characters \(0\) must be positive"),
    ({"evaluation": {"batch_size": 0}}, r"evaluation.batch_size \(0\) must be positive"),
    ({"evaluation": {"values": -1}}, r"evaluation.values \(-1\) must not be negative"),
    ({"model": {"num_heads": 6, "num_kv_heads": 4}}, r"model.num_kv_heads \(4\) must divide num_heads \(6\)"),
    ({"model": {"num_kv_heads": 0}}, r"model.num_kv_heads \(0\) must be positive"),
    ({"model": {"hidden_size": 100}}, r"model.hidden_size \(100\) must be a multiple of 32"),
    ({"model": {"head_dim": 33}}, r"model.head_dim \(33\) must be .*even"),
    ({"model": {"num_layers": -2}}, r"model.num_layers \(-2\) must be positive"),
    ({"model": ["micro"]}, "model must be a text"),
])
def test_a_mistake_is_one_line_that_names_it(data, message):
    with pytest.raises(TutorError, match=message) as error:
        recipe(**data)
    assert "\n" not in str(error.value)


@pytest.mark.parametrize("name, bad", [
    ("min_lr_fraction", 1.1), ("warmup_fraction", -.1), ("decay_fraction", 2), ("eval_every", 0), ("eval_every", 1.5),
    ("checkpoint_every", 0), ("lr", 0), ("lr", -1e-3), ("muon_lr", 0), ("row_len", 0),
    ("batch_rows", 0), ("accumulate", 0), ("epochs", 0), ("max_steps", -1),
    ("weight_decay", -1), ("grad_clip", -1),
    ("beta1", 1), ("beta1", -.1), ("beta2", 1), ("eps", 0)])
def test_training_settings_out_of_bounds(name, bad):
    with pytest.raises(TutorError, match=rf"train.{name} \({bad}\) must"):
        TrainConfig(**{name: bad})


@pytest.mark.parametrize("value, wanted", [("1e-5", 1e-5), ("1.5E-3", 1.5e-3), (1, 1.0), ("2", 2.0), (0.25, .25)])
def test_numbers_that_yaml_reads_as_strings(value, wanted):
    lr = recipe(train={"lr": value}).train.lr
    assert lr == wanted and isinstance(lr, float)


@pytest.mark.parametrize("value, wanted", [("1e3", 1000), (1000.0, 1000), ("1_000", 1000), (7, 7)])
def test_whole_numbers_in_any_spelling(value, wanted):
    tokens = recipe(stages=[{**STAGE, "tokens": value}]).stages[0].tokens
    assert tokens == wanted and isinstance(tokens, int)


def test_a_model_is_a_shape_or_a_name():
    assert recipe(model="em-tutor@2").model == "em-tutor@2"
    assert recipe(model={"hidden_size": 64}).model == ModelConfig(hidden_size=64)
    assert recipe().model == ModelConfig() and recipe(data=3).data == "3"


def test_sources_are_numbers():
    assert recipe(stages=[{**STAGE, "sources": {"corpus": "1e-1", "em": 1}}]).stages[0].sources == {"corpus": .1, "em": 1.0}


def test_a_slow_device_takes_a_stages_slow_tokens():
    stages = (StageConfig("base", {"corpus": 1.0}, 10), StageConfig("tutor", {"em": 1.0}, 20, slow_tokens=5))
    recipe = Recipe(stages=stages)
    assert [stage.tokens for stage in for_device(recipe, slow=True).stages] == [10, 5]
    assert [stage.tokens for stage in for_device(recipe, slow=False).stages] == [10, 20]
    assert for_device(for_device(recipe, slow=True), slow=False) == for_device(recipe, slow=True)
    for wrong in (-1, 21):
        with pytest.raises(TutorError, match=rf"stages.tutor.slow_tokens \({wrong}\) must be from 0 to its tokens \(20\)"):
            StageConfig("tutor", {"em": 1.0}, 20, slow_tokens=wrong)


def test_fewer_problems_are_asked_before_the_last_stage():
    asked = EvaluationConfig(values=500, wordings=20, types=0, before=60).asked
    assert asked(before=True) == {"values": 60, "wordings": 20, "others": 60, "types": 0}
    assert asked(before=False) == {"values": 500, "wordings": 20, "others": 0, "types": 0}
    with pytest.raises(TutorError, match=r"evaluation.before \(0\) must be positive"):
        EvaluationConfig(before=0)


def test_a_stages_own_settings_override_the_recipes():
    config = recipe(train={"lr": 1e-3, "row_len": 64}, stages=[{**STAGE, "train": {"lr": "2e-4"}}, {**STAGE, "name": "two"}])
    assert [stage_train(config, stage).lr for stage in config.stages] == [2e-4, 1e-3]
    assert {stage_train(config, stage).row_len for stage in config.stages} == {64}


recipes = st.builds(
    Recipe, name=st.sampled_from(["a", "em-tutor"]), seed=st.integers(0, 99), corpus=st.text("abc/.", min_size=1),
    model=st.one_of(st.just("em-tutor@1"), st.builds(ModelConfig, num_layers=st.integers(1, 9), rope_theta=st.floats(1, 1e7))),
    train=st.builds(TrainConfig, lr=st.floats(1e-9, 1), optimizer=st.sampled_from(["adamw", "muon"]), epochs=st.integers(1, 9)),
    stages=st.just((StageConfig("base", {"corpus": .5, "em": 1.0}, 10, {"lr": 1e-5}), StageConfig("tutor", {"em": 1.0}, 20))),
    evaluation=st.builds(EvaluationConfig, others=st.integers(0, 9)))


@given(recipes)
def test_a_recipe_survives_yaml_and_json(original):
    assert from_dict(Recipe, yaml.safe_load(yaml.safe_dump(to_dict(original)))) == original
    assert from_dict(Recipe, json.loads(json.dumps(to_dict(original)))) == original


def test_each_default_is_in_yaml_what_it_is_in_the_class():
    assert from_dict(Recipe, {}) == Recipe() and from_dict(Recipe, to_dict(Recipe())) == Recipe()
    with pytest.raises(dataclasses.FrozenInstanceError):
        Recipe().seed = 2


def test_set_changes_a_key_of_any_depth():
    data = {"train": {"lr": 1}, "model": "em-tutor"}
    set_key(data, "train.lr", "1e-4")
    set_key(data, "evaluation.values", 5)
    set_key(data, "corpus", "x.txt")
    assert data == {"train": {"lr": "1e-4"}, "model": "em-tutor", "evaluation": {"values": 5}, "corpus": "x.txt"}
    with pytest.raises(TutorError, match='"model.hidden_size" can\'t be set: "model" is not a section'):
        set_key(data, "model.hidden_size", 64)


def test_set_on_the_command_line(tmp_path):
    path = tmp_path / "mine.yaml"
    path.write_text("name: mine\ntrain: {lr: 1e-3}\n")
    found = read_recipe(str(path), ["train.lr=1e-5", "train.max_steps=3", "model.hidden_size=64", "corpus=a=b.txt"], "other")
    assert (found.train.lr, found.train.max_steps, found.model.hidden_size, found.corpus, found.name) == (1e-5, 3, 64, "a=b.txt", "other")


@pytest.mark.parametrize("setting, message", [
    ("train.lr", "is not key=value"), ("=3", "is not key=value"), ("train.lrr=1", 'unknown key "train.lrr" .did you mean "lr"'),
    ("train.lr=", "train.lr must be a finite number"), ("train=1", "train. ?must be a mapping"), ("train.lr.x=1", '"lr" is not a section'),
    ("train.lr=[1", "--set train.lr: .*not a YAML value")])
def test_a_wrong_set_is_one_line(tmp_path, setting, message):
    path = tmp_path / "mine.yaml"
    path.write_text("train: {lr: 1e-3}\n")
    with pytest.raises(TutorError, match=message) as error:
        read_recipe(str(path), [setting])
    assert "\n" not in str(error.value)


@pytest.mark.parametrize("text, message", [
    ("a: [1\nb: 2", r"mine.yaml:\d: not YAML"), ("- 1", "a recipe is a mapping of keys .got list"), ("", "a recipe is a mapping of keys"),
    ("\xff", "mine.yaml"), ("seed: [1, 2]", "seed must be a whole number")])
def test_a_broken_recipe_file_is_one_line(tmp_path, text, message):
    path = tmp_path / "mine.yaml"
    path.write_bytes(text.encode("latin-1"))
    with pytest.raises(TutorError, match=message):
        read_recipe(str(path), [])


def test_an_absent_recipe_names_the_shipped_ones():
    with pytest.raises(TutorError, match='no recipe "mikro" .shipped: .*micro'):
        read_recipe("mikro", [])
    with pytest.raises(TutorError, match="nowhere.yaml: can't be read"):
        read_recipe("nowhere.yaml", [])


@pytest.mark.parametrize("name", shipped())
def test_shipped_recipes_are_valid(name):
    found = read_recipe(name, [])
    assert found.stages and all(stage_train(found, stage).row_len <= found.model.max_seq_len for stage in found.stages)
    assert Path(found.name).name == found.name

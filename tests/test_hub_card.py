"""The model card: metadata that the hub takes, what it says of data, scores and limits, and nothing of the machine it was written on."""

from __future__ import annotations

import json

import hub_models
import pytest
import yaml
from huggingface_hub import ModelCard

from mlxtutor.errors import TutorError
from mlxtutor.hub.ingredients import Said
from mlxtutor.hub.pushing import Choices, prepare
from mlxtutor.hub.repo_files import clean_json
from mlxtutor.private_paths import without_paths
from mlxtutor.registry.models import ModelRef, list_models


@pytest.fixture
def models(tutor_home):
    return tutor_home / "models"


def readme(ref, models, repo="me/em-tutor", choices=Choices(), **more):  # noqa: B008
    return prepare(ref, repo, list_models(models), choices, **more).files["README.md"].decode()


def metadata(text):
    card = ModelCard(text)  # raises where the hub's own reader can't make sense of it
    assert card.data.to_dict() == yaml.safe_load(text.split("---")[1])
    return card.data


def test_metadata_of_a_micro_tutor(models, tiny_tokenizer):
    data = metadata(readme(hub_models.micro(models, tiny_tokenizer), models))
    assert (data.license, data.library_name, data.pipeline_tag, data.language) == ("mit", "transformers", "text-generation", ["en"])
    assert {"mlxtutor", "tutor", "education", "mlx"} <= set(data.tags) and data.base_model is None and data.datasets is None
    results = {(result.dataset_split, result.metric_name): result for result in data.eval_results}
    best = results["values", "correct"]
    assert (best.metric_type, best.metric_value, best.metric_args) == ("accuracy", .817, {"n": 500, "low_95": .787, "high_95": .847})
    assert {split for split, _ in results} == {"values", "wordings", "others", "types"}
    assert results["values", "correct, calculator off"].metric_args["n"] == 60


def test_the_page_says_what_matters(models, tiny_tokenizer):
    text = readme(hub_models.micro(models, tiny_tokenizer), models)
    for words in [
        "# em-tutor", "(2,164,928 parameters) that tutors introductory electrostatics", "9,000 tokens in 1 stage, seed 1",
        "| values | new numbers | 500 | 3.0 % (0.0–6.0) | 81.7 % (78.7–84.7) |",
        "| values | new numbers, calculator off | 60 | 2.7 % (-0.3–5.7) | 73.5 % (70.5–76.5) |",
        "#### values\n", "| correct, calculator off | 60 |",
        "right on 81.7 % of problems like those", "as good as closed to it (8.0 %)", "In 4.0 % of its answers", "no personal advice",
        "The calculator needs mlxtutor", "Calculator: off", "It knows electrostatics, in English, and little else",
        "| tutor | em | 9,000 | 40 | 0.01234 |", "mlxtutor's own generators (MIT)", "tutor export ollama em-tutor --push",
        "mlx_lm.generate --model me/em-tutor", "AutoModelForCausalLM", "tutor chat em-tutor",
    ]:
        assert words in text, words
    assert "non-commercial" not in text.casefold()
    for foreign in ["/home/", "{{", "{%", "None", "\n\n\n\n", "sha256:`"]:
        assert foreign not in text, foreign


def test_tables_hold_together(models, tiny_tokenizer):
    entry = hub_models.data("my|rows `x`.jsonl", ["CC BY 4.0"], sources={"a|b <script>": 1})
    text = readme(hub_models.on_data(models, tiny_tokenizer, [entry]), models)
    lines = text.splitlines()
    for above, line in zip(lines, lines[1:]):
        if above.startswith("|") and line.startswith("|"):
            assert _bars(above) == _bars(line), (above, line)
    assert "`my\\|rows 'x'.jsonl`" in text and "<script>" not in text.replace("\\<script\\>", "")


def _bars(line):
    return line.replace("\\|", "").count("|")


def test_non_commercial_data_is_said_first(models, tiny_tokenizer):
    entry = hub_models.data("scienceqa.jsonl", ["CC BY-NC-SA 4.0"], sources={"hub:derek-thomas/ScienceQA": 6})
    upload = prepare(hub_models.on_data(models, tiny_tokenizer, [entry]), "me/em-tutor", list_models(models))
    text = upload.files["README.md"].decode()
    first = text.split("---\n", 2)[2].split("# em-tutor\n")[1].strip().splitlines()[0]
    assert first.startswith("> **For non-commercial use only.**")
    assert "`scienceqa.jsonl` (hub:derek-thomas/ScienceQA), which is CC BY-NC-SA 4.0" in " ".join(text.split())
    data = metadata(text)
    assert data.license == "cc-by-nc-sa-4.0" and data.datasets == ["derek-thomas/ScienceQA"] and data.language is None
    assert upload.notes == ("for non-commercial use only: CC BY-NC-SA 4.0",)
    assert f"| `scienceqa.jsonl` | data | 12 | CC BY-NC-SA 4.0 | hub:derek-thomas/ScienceQA | `{'ab' * 32}` |" in text
    with pytest.raises(TutorError, match="scienceqa.jsonl is CC BY-NC-SA 4.0, for non-commercial use only"):
        prepare(hub_models.on_data(models, tiny_tokenizer, [entry]), "me/em-tutor", [], Choices("mit"))


def test_a_licence_that_the_publisher_states_is_shown_as_that(models, tiny_tokenizer):
    ref = hub_models.on_data(models, tiny_tokenizer, [hub_models.data()])
    with pytest.raises(TutorError, match="rows.jsonl has no known licence"):
        readme(ref, models)
    assert "`rows.jsonl`: CC BY 4.0 (https://creativecommons.org/licenses/by/4.0/), as the publisher says" in readme(
        ref, models, choices=Choices(said=Said({"rows.jsonl": "CC BY 4.0"})))


def test_a_licence_that_the_publisher_chose_is_shown_as_that(models, tiny_tokenizer):
    text = readme(hub_models.micro(models, tiny_tokenizer), models, choices=Choices("CC-BY-NC-4.0"))
    assert "> **For non-commercial use only.** The model is CC BY-NC 4.0, chosen by the publisher.\n" in text
    assert "Chosen by the publisher. What the model was made from:" in text and "It follows from" not in text
    derived = readme(hub_models.micro(models, tiny_tokenizer, "other", 1), models)
    assert "It follows from what the model was made from:" in derived and "by the publisher" not in derived


def test_without_an_evaluation_the_card_claims_nothing(models, tiny_tokenizer):
    text = readme(hub_models.micro(models, tiny_tokenizer, evaluation={}), models)
    assert "No evaluation is recorded" in text and metadata(text).eval_results is None
    only_after = readme(hub_models.micro(models, tiny_tokenizer, "other", 1, evaluation={"after": hub_models.summary(.5)}), models)
    assert "| values | new numbers | 500 | – | 50.0 % (47.0–53.0) |" in only_after


def test_an_adapter_names_its_base_and_its_duties(models):
    ref = hub_models.adapter(models, "meta-llama/Llama-3.1-8B", [{"role": "base", "model": "meta-llama/Llama-3.1-8B"}],
                             data=[hub_models.data(licences=["MIT"])])
    upload = prepare(ref, "me/Llama-tutor", [], lookup=lambda name: "llama3.1")
    text, data = upload.files["README.md"].decode(), metadata(upload.files["README.md"].decode())
    assert (data.license, data.base_model, data.library_name) == ("llama3.1", ["meta-llama/Llama-3.1-8B"], "peft")
    assert "**Built with Llama**" in text and "AutoPeftModelForCausalLM" in text and "--base Llama-3.1-8B" in text
    assert upload.files["NOTICE"].decode().startswith("Llama 3.1 is licensed under the Llama 3.1 Community License, Copyright")
    assert "put it into the repository as LICENSE" in " ".join(upload.notes)
    with pytest.raises(TutorError, match='name to begin with "Llama" .push to Llama-tutor.'):
        prepare(ref, "me/tutor", [], lookup=lambda name: "llama3.1")


@pytest.mark.parametrize("form, key", [("peft", "base_model_name_or_path"), ("mlx", "model")])
def test_an_adapter_on_a_folder_needs_a_base_on_the_hub(models, tmp_path, form, key):
    ref = hub_models.adapter(models, str(tmp_path / "base"), form=form)
    with pytest.raises(TutorError, match="a base that is not on the hub .base.; say where it is there .--base OWNER/NAME"):
        prepare(ref, "me/lora", [])
    upload = prepare(ref, "me/lora", [], Choices(base="Qwen/Qwen2.5-0.5B"), lambda name: "apache-2.0")
    config = json.loads(upload.files["adapter_config.json"])
    assert config[key] == "Qwen/Qwen2.5-0.5B" and str(tmp_path) not in json.dumps(config) and upload.licence.id == "apache-2.0"


def test_no_path_of_this_machine_is_published(models, tiny_tokenizer):
    ref = hub_models.on_data(models, tiny_tokenizer, [hub_models.data(licences=["MIT"])])
    upload = prepare(ref, "me/em-tutor", [])
    for name, content in upload.files.items():
        raw = content if isinstance(content, bytes) else content.read_bytes()
        assert b"janedoe" not in raw and str(models).encode() not in raw, name
    card = json.loads(upload.files["tutor.json"])
    assert card["recipe"]["data"] == "rows.jsonl" and card["data"][0]["card"]["command"] == "tutor data import rows.jsonl --out rows"
    assert card["digest"] == ref.digest and "folder" not in card["stages"][0]


@pytest.mark.parametrize("text, clean", [
    ("/home/me/x.jsonl", "x.jsonl"), ("/Users/Jane Doe/d.jsonl", "d.jsonl"), ("~/x/y.txt", "y.txt"), ("C:\\Users\\Jo\\d.jsonl", "d.jsonl"),
    ("tutor data import '/Users/Jane Doe/x y.json' --out o", "tutor data import 'x y.json' --out o"), ("file:///home/me/x", "x"),
    ("--set=data=/home/jo/x.jsonl", "--set=data=x.jsonl"), ("k:/home/y/z", "z"), ("a/b/c.txt", "a/b/c.txt"), ("km/h", "km/h"),
    ("https://a.org/b/c", "https://a.org/b/c"), ("N*m^2/C^2*uC", "N*m^2/C^2*uC"),
    ("MIT/Apache", "MIT/Apache"), ("/", "/"), ("Qwen/Q", "Qwen/Q"),
])
def test_paths_are_taken_out(text, clean):
    assert without_paths({"a": [text]}) == {"a": [clean]}


def test_a_tokenizers_texts_are_no_paths(tmp_path):
    path = tmp_path / "tokenizer_config.json"
    path.write_text('{"added":  "/think/no", "chat_template": "{{ \'/a/b/c\' }}"}')
    assert clean_json(path) == path.read_bytes()
    path.write_text('{"name_or_path": "/home/me/base", "added": "/think/no"}')
    assert json.loads(clean_json(path)) == {"name_or_path": "base", "added": "/think/no"}


def test_files_of_a_folder_that_are_not_the_models_stay(models, tiny_tokenizer, tmp_path):
    ref = hub_models.micro(models, tiny_tokenizer)
    folder = tmp_path / "mine"
    folder.mkdir()
    for name in ref.card["files"]:
        (folder / name).write_bytes((ref.path / name).read_bytes())
    for name in ["optimizer.pt", "train.log", ".env", "custom.py", "README.md"]:
        (folder / name).write_text("secret")
    bare = ModelRef("mine", 0, folder, {"kind": "directory"})
    with pytest.raises(TutorError, match="mine has no known licence .*--base-licence mine=LICENCE"):
        prepare(bare, "me/mine", [])
    upload = prepare(bare, "me/mine", [], Choices(said=Said({}, {"mine": "mit"})))
    assert set(upload.left_out) == {"optimizer.pt", "train.log", "custom.py"} and ".env" not in upload.files
    assert upload.files["README.md"] != b"secret" and "How it was trained is not recorded" in upload.files["README.md"].decode()


def test_an_edited_version_is_refused(models, tiny_tokenizer):
    ref = hub_models.micro(models, tiny_tokenizer)
    (ref.path / "config.json").chmod(0o644)
    (ref.path / "config.json").write_text("{}")
    with pytest.raises(TutorError, match="em-tutor@1 is not what was registered .changed: config.json"):
        prepare(ref, "me/em-tutor", [])

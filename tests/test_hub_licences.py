"""Names of licences, and which licence a model made from such data may have."""

from __future__ import annotations

import shutil

import hub_models
import pytest

from mlxtutor.errors import TutorError
from mlxtutor.hub.ingredients import Said, hub_datasets, origins
from mlxtutor.hub.licence_check import BASE, DATA, Ingredient, model_licence
from mlxtutor.hub.licence_duties import check_model_name
from mlxtutor.records.licences import LICENCES, known_ids, on_hub, parse_licence
from mlxtutor.registry.models import list_models, register


@pytest.mark.parametrize("text, name", [
    ("MIT", "mit"), ("The MIT License", "mit"), ("mit license", "mit"),
    ("Apache License, Version 2.0", "apache-2.0"), ("apache2", "apache-2.0"),
    ("BSD 3-Clause License", "bsd-3-clause"), ("CC BY-NC-SA 4.0", "cc-by-nc-sa-4.0"), ("CC-BY-NC-SA-4.0", "cc-by-nc-sa-4.0"),
    ("cc_by_sa_3.0", "cc-by-sa-3.0"), ("https://creativecommons.org/licenses/by-sa/4.0/", "cc-by-sa-4.0"), ("CC BY-SA 3", "cc-by-sa-3.0"),
    ("Creative Commons Attribution-NonCommercial-ShareAlike 4.0 International", "cc-by-nc-sa-4.0"),
    ("Creative Commons Attribution 4.0 International (CC BY 4.0)", "cc-by-4.0"), ("CC BY", "cc-by-4.0"), ("CC0 1.0 Universal", "cc0-1.0"),
    ("GPLv3", "gpl-3.0"), ("GPL-3.0-or-later", "gpl-3.0"), ("LGPL-3.0-only", "lgpl-3.0"), ("ODbL 1.0", "odbl"), ("ODC-By-1.0", "odc-by"),
    ("Llama 3.1 Community License Agreement", "llama3.1"), ("llama-3", "llama3"), ("Gemma Terms of Use", "gemma"),
    ("MIT OR GPL-3.0", "mit"),
    ("CC BY-NC-ND 4.0", "cc-by-nc-nd-4.0"), ("All rights reserved", "proprietary"), ("Proprietary", "proprietary"),
    ("", "unknown"), (None, "unknown"), ("unknown", "unknown"), ("cc", "unknown"), ("gpl", "unknown"), ("other", "unknown"),
    ("my own", "unknown"), ("CC BY 4.0 with exceptions", "unknown"), ("CC BY-SA-ND 4.0", "unknown"), ("not MIT", "unknown"),
    ("cc0", "cc0-1.0"), ("CC-0", "cc0-1.0"), ("https://creativecommons.org/publicdomain/zero/1.0/deed.en", "cc0-1.0"),
    ("CC0 1.0 Universal (CC0 1.0) Public Domain Dedication", "cc0-1.0"), ("public domain", "public-domain"),
    ("in the public domain", "public-domain"), ("CC0 for the text, images CC BY-NC 4.0", "unknown"),
    ("CC0-1.0 / CC-BY-NC-4.0", "unknown"), ("CC0 / CC BY", "unknown"), ("not cc0", "unknown"), ("no CC0, all use forbidden", "unknown"),
    ("domain license", "unknown"), ("domain", "unknown"), ("not in the public domain", "unknown"), ("CC0 商用禁止", "unknown"),
    ("MIT 商用禁止", "unknown"), ("CC BY 4.0 кроме рисунков", "unknown"), ("CC0 2.0", "unknown"),
])
def test_names_of_licences(text, name):
    assert parse_licence(text).id == name


def test_every_licence_is_found_by_its_identifier_and_its_name():
    for name, licence in LICENCES.items():
        assert parse_licence(name) == parse_licence(licence.name) == licence, name
    for name in known_ids():
        assert parse_licence(name).id == name and on_hub(parse_licence(name)), name


def ingredients(*licences):
    return [Ingredient(DATA, f"{chr(97 + n)}.jsonl", parse_licence(text)) for n, text in enumerate(licences)]


@pytest.mark.parametrize("licences, derived", [
    (["MIT"], "mit"), (["MIT", "CC0"], "mit"), (["MIT", "Apache-2.0"], "apache-2.0"), (["Apache-2.0", "CC-BY-4.0", "MIT"], "cc-by-4.0"),
    (["CC BY 3.0", "CC BY 4.0"], "cc-by-4.0"), (["public domain"], "cc0-1.0"), (["MIT", "CC BY-SA 4.0"], "cc-by-sa-4.0"),
    (["CC BY-SA 3.0", "CC BY-SA 4.0"], "cc-by-sa-4.0"), (["CC BY-SA 2.0", "MIT"], "cc-by-sa-4.0"), (["CC BY-SA 4.0", "GPL-3.0"], "gpl-3.0"),
    (["GPL-3.0", "AGPL-3.0"], "agpl-3.0"), (["MIT", "CC BY-NC-SA 4.0"], "cc-by-nc-sa-4.0"), (["CC BY-NC 4.0", "MIT"], "cc-by-nc-4.0"),
    (["CC BY-NC 4.0", "CC BY-NC-SA 4.0", "CC BY 4.0"], "cc-by-nc-sa-4.0"), (["llama3.1", "MIT", "CC-BY-4.0"], "llama3.1"),
    (["gemma", "Apache-2.0"], "gemma"),
])
def test_the_licence_of_a_model_is_the_most_restrictive(licences, derived):
    assert model_licence(ingredients(*licences)).id == derived
    assert model_licence(ingredients(*reversed(licences))).id == derived


@pytest.mark.parametrize("licences", [
    ["CC BY-SA 4.0", "CC BY-NC-SA 4.0"], ["CC BY-SA 4.0", "CC BY-NC 4.0"], ["GPL-3.0", "CC BY-NC 4.0"], ["GPL-2.0", "GPL-3.0"],
    ["Apache-2.0", "GPL-2.0"], ["llama3.1", "CC BY-SA 4.0"], ["llama3.1", "gemma"], ["llama3.1", "llama3.2"], ["llama3.1", "CC BY-NC 4.0"],
    ["CC BY-SA 3.0", "GPL-3.0"], ["ODbL", "CC BY-SA 4.0"],
])
def test_what_can_not_be_combined_is_refused_and_named(licences):
    with pytest.raises(TutorError, match="can't be combined") as error:
        model_licence(ingredients(*licences))
    shown = [parse_licence(text) for text in licences]
    assert all(licence.name in str(error.value) for licence in shown if licence.binding or licence.noncommercial)


@pytest.mark.parametrize("licence, words", [
    ("CC BY-ND 4.0", ["forbids to pass on what is made from it"]), ("CC BY-NC-ND 4.0", ["forbids"]),
    ("All rights reserved", ["lets nobody pass it on", '"All rights reserved"']), ("proprietary", ["lets nobody"]),
    ("", ["no known licence", "tutor data import --licence", "--data-licence a.jsonl="]), ("my own", ['"my own"', "does not know"]),
])
def test_data_that_forbids_it_is_refused(licence, words):
    with pytest.raises(TutorError, match="refuses this push: a.jsonl") as error:
        model_licence(ingredients(licence, "MIT"))
    assert all(word in str(error.value) for word in words) and "\n" not in str(error.value)
    with pytest.raises(TutorError, match="refuses this push"):
        model_licence(ingredients(licence, "MIT"), "mit")


@pytest.mark.parametrize("licences, chosen, reason", [
    (["MIT"], "apache-2.0", ""), (["MIT"], "CC BY-NC-ND 4.0", ""), (["CC BY 4.0"], "mit", ""), (["CC BY-NC 4.0"], "cc-by-nc-nd-4.0", ""),
    (["CC BY-SA 3.0"], "cc-by-sa-4.0", ""), (["CC BY-NC-SA 4.0"], "mit", "non-commercial"),
    (["CC BY-NC-SA 4.0"], "cc-by-nc-4.0", "same licence"),
    (["CC BY-SA 4.0"], "mit", "same licence"), (["MIT"], "cc0-1.0", "notice must be kept"), (["llama3.1"], "mit", "same licence"),
    (["Apache-2.0"], "gpl-2.0", "does not go with it"), (["MIT"], "unknown", "allowed: cc0-1.0"), (["MIT"], "my own", "allowed: cc0-1.0"),
    (["MIT"], "proprietary", "allowed: cc0-1.0"),
])
def test_a_chosen_licence_is_checked(licences, chosen, reason):
    if not reason:
        assert model_licence(ingredients(*licences), chosen) == parse_licence(chosen)
        return
    with pytest.raises(TutorError, match=reason):
        model_licence(ingredients(*licences), chosen)


def test_a_base_without_a_licence_says_how_to_give_it():
    with pytest.raises(TutorError, match="Qwen/Q has no known licence .*--base-licence Qwen/Q=LICENCE"):
        model_licence([Ingredient(BASE, "Qwen/Q", parse_licence(None))])


@pytest.mark.parametrize("licence, repo, allowed", [
    ("llama3.1", "me/Llama-Tutor", True), ("llama3.1", "me/tutor", False), ("llama3", "me/Llama-3-tutor", True),
    ("llama3", "me/Llama-tutor", False),
    ("llama2", "me/tutor", True), ("gemma", "me/tutor", True), ("mit", "tutor", True),
])
def test_names_that_a_licence_wants(licence, repo, allowed):
    if allowed:
        check_model_name(LICENCES[licence], repo)
    else:
        with pytest.raises(TutorError, match="name to begin with"):
            check_model_name(LICENCES[licence], repo)


# what a model was made from

@pytest.fixture
def models(tutor_home):
    return tutor_home / "models"


def found(ref, models, **more):
    return {(i.name, i.licence.id, i.said_by) for i in origins(ref, list_models(models), **more).ingredients}


OURS = ("mlxtutor's own problems and texts", "mit", "")


def test_a_tutor_of_our_own_data_is_mit(models, tiny_tokenizer):
    assert found(hub_models.micro(models, tiny_tokenizer), models) == {OURS}


def test_licences_are_those_of_the_files_behind_the_file(models, tiny_tokenizer):
    inner = hub_models.data("scienceqa.jsonl", ["CC BY-NC-SA 4.0"], sources={"derek-thomas/ScienceQA": 6})
    outer = hub_models.data("mixed.jsonl", inputs=[inner, {"file": "loose.jsonl", "sha256": "cd" * 32}])
    ref = hub_models.on_data(models, tiny_tokenizer, [outer])
    assert found(ref, models) == {OURS, ("scienceqa.jsonl", "cc-by-nc-sa-4.0", ""), ("loose.jsonl", "unknown", "")}
    files = origins(ref, list_models(models)).files
    assert [(file.name, file.depth, file.licences) for file in files] == [
        ("mixed.jsonl", 0, ()), ("scienceqa.jsonl", 1, ("CC BY-NC-SA 4.0",)), ("loose.jsonl", 1, ("unknown",))]
    said = found(ref, models, said=Said({"loose.jsonl": "MIT"}))
    assert ("loose.jsonl", "mit", "the publisher") in said
    with pytest.raises(TutorError, match='--data-licence names "nothing.jsonl", which this model was not made from .*loose.jsonl'):
        found(ref, models, said=Said({"nothing.jsonl": "MIT"}))
    assert ("scienceqa.jsonl", "cc-by-nc-sa-4.0", "") in found(ref, models, said=Said({"scienceqa.jsonl": "MIT"}))  # a card goes first


def test_rows_of_one_file_may_have_several_licences(models, tiny_tokenizer):
    ref = hub_models.on_data(models, tiny_tokenizer, [hub_models.data(licences=["MIT", "CC-BY-4.0 AND Apache-2.0", "unknown"])])
    assert {licence for _, licence, _ in found(ref, models)} == {"mit", "cc-by-4.0", "apache-2.0", "unknown"}


def test_data_of_the_hub_has_no_licence_before_it_is_imported(models, tiny_tokenizer):
    ref = hub_models.on_data(models, tiny_tokenizer, [{"use": "corpus", "file": "hub:owner/texts:train"}])
    assert ("hub:owner/texts:train", "unknown", "") in found(ref, models)
    assert hub_datasets(origins(ref, []).files) == ["owner/texts"]


def test_data_that_an_old_card_does_not_name_is_unknown(models, tiny_tokenizer):
    assert ("rows.jsonl", "unknown", "") in found(hub_models.on_data(models, tiny_tokenizer, []), models)
    one = hub_models.on_data(models, tiny_tokenizer, [], name="old")
    one.card["data"] = hub_models.data("chats.jsonl", ["MIT"])
    assert ("chats.jsonl", "mit", "") in found(one, models)


def test_ancestors_count(models, tiny_tokenizer):
    first = hub_models.on_data(models, tiny_tokenizer, [hub_models.data("a.jsonl", ["CC BY-SA 4.0"])], name="first")
    second = hub_models.micro(models, tiny_tokenizer, "second", 1, parents=[{"role": "base", "model": "first@1", "digest": first.digest}])
    assert found(second, models) == {OURS, ("a.jsonl", "cc-by-sa-4.0", "")}
    lost = hub_models.micro(models, tiny_tokenizer, "gone", 3)
    gone = hub_models.micro(models, tiny_tokenizer, "third", 2, parents=[{"role": "base", "model": "gone@1", "digest": lost.digest}])
    shutil.rmtree(lost.path.parent)
    assert ("gone@1", "unknown", "") in found(gone, models)


def test_an_ancestor_whose_card_was_edited_is_no_witness(models, tiny_tokenizer):
    first = hub_models.on_data(models, tiny_tokenizer, [hub_models.data("a.jsonl", ["CC BY-NC-ND 4.0"])], name="first")
    second = hub_models.micro(models, tiny_tokenizer, "second", 1, parents=[{"role": "base", "model": "first@1", "digest": first.digest}])
    card = first.path / "tutor.json"
    card.chmod(0o644)
    card.write_text(card.read_text().replace("CC BY-NC-ND 4.0", "MIT"))
    with pytest.raises(TutorError, match="first/1/tutor.json: not the card that was registered"):
        found(second, models)


def test_a_base_on_the_hub_has_the_licence_of_its_record_or_its_card(models):
    parents = [{"role": "base", "model": "Qwen/Qwen2.5-0.5B"}]
    ref = hub_models.adapter(models, parents=parents)
    assert found(ref, models) == {("Qwen/Qwen2.5-0.5B", "unknown", "")}
    assert found(ref, models, lookup={"Qwen/Qwen2.5-0.5B": "apache-2.0"}.get) == {("Qwen/Qwen2.5-0.5B", "apache-2.0", "")}
    assert found(ref, models, said=Said({}, {"Qwen/Qwen2.5-0.5B": "apache-2.0"})) == {("Qwen/Qwen2.5-0.5B", "apache-2.0", "the publisher")}
    recorded = hub_models.adapter(models, parents=[{**parents[0], "licence": "llama3.1"}], name="other")
    assert found(recorded, models, lookup=lambda name: "mit") == {("Qwen/Qwen2.5-0.5B", "llama3.1", "")}


def test_of_a_bare_folder_nothing_is_known(models):
    ref = register(models, "bare", {"kind": "directory"}, lambda folder: hub_models.adapter_files(folder))
    assert found(ref, models) == {("bare", "unknown", "")}
    assert found(ref, models, said=Said({}, {"bare": "mit"})) == {("bare", "mit", "the publisher")}

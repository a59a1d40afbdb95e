"""The stable version, history, removal, ancestry: case by case, and against a registry of a few lines in memory."""

from __future__ import annotations

import dataclasses
import random

import pytest
from registry_process import add

from mlxtutor.errors import TutorError
from mlxtutor.registry.lineage import children_of, parents_of
from mlxtutor.registry.manifest import compare, describe_files, digest_of
from mlxtutor.registry.models import list_models, register, resolve
from mlxtutor.registry.origin import parent_entry
from mlxtutor.registry.promotion import history, promote, rollback
from mlxtutor.registry.removal import remove


@pytest.fixture
def models(tmp_path):
    return tmp_path / "models"


# the stable version

def stable(models, name="a"):
    return next((ref.version for ref in list_models(models) if ref.name == name and ref.stable), None)


def test_promoting_and_rolling_back(models):
    for content in ("one", "two", "three"):
        add(models, "a", content)
    assert [promote(models, f"a@{n}", note).old for n, note in ((1, "first"), (1, "again"))][0] is None
    move = promote(models, "a@3", "better")
    assert (move.old.id, move.new.id, stable(models)) == ("a@1", "a@3", 3)
    promote(models, "a@2")
    move = rollback(models, "a", note="worse")
    assert (move.old.id, move.new.id, stable(models)) == ("a@2", "a@3", 3)
    assert rollback(models, "a").new.version == 1
    with pytest.raises(TutorError, match="a@1 is the only version that was promoted .promote another; --to 0 leaves none"):
        rollback(models, "a")
    assert rollback(models, "a", to=0).new is None and resolve(models, "a").version == 3
    with pytest.raises(TutorError, match="a has no stable version to roll back from"):
        rollback(models, "a")
    rows = history(models)
    assert [(row["event"], row["from"], row["to"], row["note"]) for row in rows] == [
        ("promote", None, 1, "first"), ("promote", 1, 3, "better"), ("promote", 3, 2, ""), ("rollback", 2, 3, "worse"),
        ("rollback", 3, 1, ""), ("rollback", 1, None, "")]
    assert [row["time"] for row in rows] == sorted(row["time"] for row in rows) and all(row["name"] == "a" for row in rows)


def test_rolling_back_to_a_version(models):
    for content in ("one", "two", "three", "four"):
        add(models, "a", content)
    for version in (1, 2, 1, 3):
        promote(models, f"a@{version}")
    with pytest.raises(TutorError, match=r"a@4 was not stable before a@3 .allowed: 1, 2, 0; any other is promoted"):
        rollback(models, "a", to=4)
    assert rollback(models, "a", to=2).new.version == 2
    assert rollback(models, "a").new.version == 1
    promote(models, "a@2")
    promote(models, "a@1")
    assert rollback(models, "a", to=1).new.version == 1  # the first of its two promotions
    with pytest.raises(TutorError, match="only version"):
        rollback(models, "a")


def test_a_rollback_also_gives_the_default_back(models):
    for name, content in (("a", "one"), ("b", "two"), ("a", "three")):
        add(models, name, content)
    for version in ("a@1", "b@1", "a@2"):
        promote(models, version)
    assert resolve(models, None).id == "a@2"
    rollback(models, "a")
    assert resolve(models, None).id == "b@1"


@pytest.mark.parametrize("change", [promote, remove])
@pytest.mark.parametrize("name, said", [("a", r"which version\? a@1, a@2 .e.g. tutor models (promote|remove) a@1.$"),
                                        ("a@9", 'no model "a@9"'),
                                        ("c", 'no model "c"'), (".", r'no model "\."')])
def test_a_change_needs_an_exact_version(models, change, name, said):
    add(models, "a", "one")
    add(models, "a", "two")
    with pytest.raises(TutorError, match=said):
        change(models, name)


@pytest.mark.parametrize("name, said", [("a@1", "not the name of a model .e.g. tutor models rollback a"), ("c", 'no model "c"'),
                                        (".", "not the name")])
def test_a_rollback_needs_a_name(models, name, said):
    add(models, "a", "one")
    with pytest.raises(TutorError, match=said):
        rollback(models, name)


def test_no_version_is_changed_in_an_empty_registry(models):
    for change in (promote, remove, rollback):
        with pytest.raises(TutorError, match="none yet; make one: tutor train"):
            change(models, "a@1")
    assert history(models) == [] and not models.exists()


def test_a_stable_version_deleted_by_hand_gives_way_to_the_one_before(models):
    for content in ("one", "two"):
        promote(models, add(models, "a", content).id)
    (models / "a" / "2").rename(models.parent / "gone")
    assert stable(models) == 1
    assert add(models, "a", "three").version == 3


# removal and ancestry

def test_removal(models):
    one, two = add(models, "a", "one"), add(models, "a", "two")
    promote(models, "a@1")
    with pytest.raises(TutorError, match="a@1 is the stable version of a and stays .*rollback a .--to 0"):
        remove(models, "a@1")
    child = add(models, "b", "three", [two])
    add(models, "c", "four", [two])
    with pytest.raises(TutorError, match="a@2 stays: b@1, c@1 built on it"):
        remove(models, "a@2")
    remove(models, "b@1")
    remove(models, "c@1")
    assert remove(models, "a@2").id == "a@2" and not two.path.exists() and one.path.exists()
    assert add(models, "a", "two").version == 3 and add(models, "b", "three").version == child.version + 1
    assert [(row["name"], row["event"], row["from"]) for row in history(models)][1:] == [
        ("b", "remove", 1), ("c", "remove", 1), ("a", "remove", 2)]


def test_parents_and_children(models):
    base, other = add(models, "a", "one"), add(models, "x", "two")
    both = add(models, "a", "three", [base, other])
    grandchild = add(models, "b", "four", [both])
    known = list_models(models)
    assert [(entry["role"], parent.id) for entry, parent in parents_of(both, known)] == [("base", "a@1"), ("base", "x@1")]
    assert [child.id for _, child in children_of(base, known)] == ["a@2"]
    assert [child.id for _, child in children_of(both, known)] == ["b@1"] and children_of(grandchild, known) == []
    impostor = dataclasses.replace(base, card={**base.card, "digest": "sha256:other"})
    assert children_of(impostor, known) == [] and parents_of(both, [impostor])[0][1] is None


def test_a_parent_is_not_removed_while_its_child_is_written(models):
    parent = add(models, "a", "one")

    def write(folder):
        folder.mkdir()
        (folder / "model.safetensors").write_text("child")
        remove(models, "a@1")

    with pytest.raises(TutorError, match="a@1: removed meanwhile, and c was made from it, so c is not registered .make it from"):
        register(models, "c", {"parents": [parent_entry(parent)]}, write)
    assert list_models(models) == [] and not list((models / "c").glob(".new-*"))


def pulled(models, content, revision, repo="Q/w"):
    """As `tutor hub pull` registers it."""
    card = {"kind": "pulled", "parents": [{"role": "source", "model": repo, "revision": revision}],
            "origin": {"repo": repo, "revision": revision}}
    return register(models, "w", card, lambda folder: (folder.mkdir(), (folder / "model.safetensors").write_text(content)))


def test_a_base_of_the_hub_is_the_revision_that_was_pulled_else_the_newest(models):
    old, new = pulled(models, "old", "r1"), pulled(models, "new", "r2")
    children = {revision: register(models, f"on-{revision}", {"parents": [
        {"role": "base", "model": "Q/w", **({"revision": revision} if revision != "any" else {})}]},
        lambda folder: (folder.mkdir(), (folder / "x").write_text("x"))) for revision in ("r1", "r2", "r3", "any")}
    known = list_models(models)
    found = {revision: parents_of(child, known)[0][1].id for revision, child in children.items()}
    assert found == {"r1": old.id, "r2": new.id, "r3": new.id, "any": new.id}
    assert [child.id for _, child in children_of(old, known)] == ["on-r1@1"] and parents_of(new, known)[0][1] is None
    with pytest.raises(TutorError, match="w@1 stays: on-r1@1 built on it"):
        remove(models, "w@1")
    with pytest.raises(TutorError, match="w@2 stays: on-any@1, on-r2@1, on-r3@1 built on it"):
        remove(models, "w@2")


def test_a_directory_as_parent_goes_by_its_name_and_files(models, tmp_path):
    (tmp_path / "given").mkdir()
    (tmp_path / "given" / "config.json").write_text("{}")
    entry = parent_entry(resolve(models, str(tmp_path / "given")), "source")
    assert entry == {"role": "source", "model": "given", "digest": digest_of(describe_files(tmp_path / "given"))}


# all of it together

class Remembered:
    """The registry as its documentation describes it, in memory: per name the contents by version and the stack of promotions."""

    def __init__(self):
        self.contents, self.parents, self.stacks, self.last = {}, {}, {}, {}

    def stable(self, name):
        return (self.stacks.get(name) or [None])[-1]

    def register(self, name, content, parent):
        for (other, version), known in self.contents.items():
            if other == name and known == content:
                return version
        version = self.last[name] = self.last.get(name, 0) + 1
        self.contents[name, version], self.parents[name, version] = content, parent
        return version

    def promote(self, key):
        if key not in self.contents:
            return False
        stack = self.stacks.setdefault(key[0], [])
        if stack[-1:] != [key[1]]:
            stack.append(key[1])
        return True

    def rollback(self, name):
        if len(self.stacks.get(name, [])) < 2:
            return False
        self.stacks[name].pop()
        return True

    def remove(self, key):
        name, version = key
        if key not in self.contents or self.stable(name) == version or key in self.parents.values():
            return False
        del self.contents[key], self.parents[key]
        left = [v for v in self.stacks.get(name, []) if v != version]
        self.stacks[name] = [v for v, below in zip(left, [None, *left]) if v != below]
        return True


def allowed(change, *arguments):
    try:
        change(*arguments)
    except TutorError:
        return False
    return True


def step(models, memory, draw):
    """One change at random, mostly of a version that is there; both must allow or refuse it alike."""
    kind, name = draw.choice(["register", "promote", "promote", "rollback", "remove"]), draw.choice("ab")
    key = draw.choice([*memory.contents, (name, draw.randint(1, 9))])
    if kind == "register":
        content = str(draw.randrange(12))
        parent = key if key in memory.contents and draw.random() < .3 else None
        parents = [resolve(models, f"{key[0]}@{key[1]}")] if parent else []
        assert add(models, name, content, parents).version == memory.register(name, content, parent)
    elif kind == "rollback":
        assert allowed(rollback, models, name) == memory.rollback(name)
    else:
        change = {"promote": promote, "remove": remove}[kind]
        assert allowed(change, models, f"{key[0]}@{key[1]}") == getattr(memory, kind)(key)


@pytest.mark.parametrize("seed", range(6))
def test_any_sequence_of_changes_is_what_was_promised(models, seed):
    memory, draw = Remembered(), random.Random(seed)
    for _ in range(120):
        step(models, memory, draw)
        refs = list_models(models)
        assert {(ref.name, ref.version) for ref in refs} == set(memory.contents)
        assert {ref.name: ref.version for ref in refs if ref.stable} == {n: memory.stable(n) for n in "ab" if memory.stable(n)}
    assert not any(compare(ref.path, ref.card).any for ref in list_models(models))
    assert sum(memory.last.values()) > 12 and {row["event"] for row in history(models)} == {"promote", "rollback", "remove"}

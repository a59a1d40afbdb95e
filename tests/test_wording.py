"""Composed problem texts: what stands around the numbers."""

from __future__ import annotations

import re

import numpy as np
import pytest

from mlxtutor.problems.catalog import TYPES
from mlxtutor.problems.types import draw
from mlxtutor.problems.wording import Wording, compose

NONE = {"names": {"V": ("the voltage",), "R": ("the resistance",)}, "scenes_held": (), "wholes": (), "wholes_held": (),
        "contexts": ("A lamp.",), "questions_held": (), "targets_held": (), "concepts": ()}


@pytest.fixture
def texts():
    """Many texts of a wording that has these scenes, questions and targets."""
    values = draw(TYPES["circuits_ohm_current"], np.random.default_rng(1)).values

    def composed(**phrases):
        rng = np.random.default_rng(2)
        return [compose(rng, Wording(**NONE, **phrases), values).text for _ in range(600)]

    return composed


def test_an_abbreviation_ends_no_sentence(texts):
    made = texts(scenes=("Across {R} a p.d. drops, from an e.m.f. of {V}. the lamp glows.",), questions=("Find I.",), targets=("it",))
    assert not [text for text in made if re.search(r"(p\.d|e\.m\.f)\. [A-Z]", text)]
    assert sum("The lamp glows." in text for text in made) > 100  # but a sentence begins with a capital


def test_a_question_may_be_the_bare_name_of_what_is_wanted(texts):
    made = texts(scenes=("A lamp of {R} has {V}.",), questions=("Find I.",), targets=("the current through it",))
    assert any("Current through it?" in text for text in made) and any("The current through it?" in text for text in made)

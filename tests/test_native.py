"""C compiled once: where it can't be, the reason is told and nothing breaks."""

from __future__ import annotations

import shutil
import sys

import pytest

from mlxtutor import native


@pytest.fixture(autouse=True)
def own_cache(tmp_path, monkeypatch):
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "cache"))
    native.load.cache_clear()
    yield
    native.load.cache_clear()


@pytest.mark.skipif(shutil.which("cc") is None, reason="no C compiler")
def test_what_was_compiled_is_taken_again(monkeypatch, tmp_path):
    assert native.library("q8_0") is not None
    [built] = (tmp_path / "cache/mlxtutor").iterdir()
    native.load.cache_clear()
    monkeypatch.setattr(native, "_compile", lambda *_: pytest.fail("compiled again"))
    assert native.library("q8_0") is not None and built.suffix == ".so"


@pytest.mark.skipif(shutil.which("cc") is None, reason="no C compiler")
def test_a_compilers_complaint_is_told():
    found, reason = native.load("q8_0", ("--no-such-flag",))
    assert found is None and "doesn't compile data/native/q8_0.c" in reason and "no-such-flag" in reason and "\n" not in reason


def test_no_compiler(monkeypatch):
    monkeypatch.setenv("CC", "no-such-compiler -m64")
    assert native.load("q8_0", ()) == (None, f"there is no C compiler ({native.FIX})")


@pytest.mark.skipif(sys.platform == "win32", reason="paths")
def test_a_folder_that_cannot_be_made(monkeypatch, tmp_path):
    (tmp_path / "file").write_text("")
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "file"))
    found, reason = native.load("q8_0", ())
    assert found is None and "can't be compiled or loaded" in reason

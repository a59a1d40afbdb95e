"""Text that is damaged: what can be told is repaired, layout and what can't be told are left."""

import json

import pytest
from planted import chat, check

from mlxtutor.quality.fixing import fix_file
from mlxtutor.quality.script import repair

COMMANDS = (r"\frac{x}{2}", r"\beta", r"\bar{x}", r"\times", r"\theta", r"\text{kg}", r"\tfrac{1}{2}", r"\rho", r"\right)", r"\rightarrow",
            r"\nabla", r"\notin", r"\begin{a}", r"\forall", r"\binom{n}{k}", r"\therefore", r"\boxed{3}", r"\vec{a}", r"\varphi", r"\alpha")


@pytest.mark.parametrize("command", COMMANDS)
def test_a_lost_backslash_is_put_back(command):
    """A text that somebody pasted into JSON, or into a string of Python, as it is."""
    written = f"We have 2{command} + 3 here."
    read = written.replace(f"\\{command[1]}", dict(a="\a", b="\b", f="\f", n="\n", r="\r", t="\t", v="\v")[command[1]])
    assert read != written == repair(read) == repair(written)


@pytest.mark.parametrize("broken, repaired", [
    ("$\nu = 3$ and $a\tau$", r"$\nu = 3$ and $a\tau$"), ("First\fSecond", "First\nSecond"),
    ("don\x92t", "don\u2019t"), ("a\x00b\b c", "ab c")])
def test_control_characters_are_repaired(broken, repaired):
    assert repair(broken) == repaired


@pytest.mark.parametrize("text", [
    "name\ttimes\tto\text\ttan", "v = 5\nu = 3\nexists", "$$\nu = 3$$", "It costs $5\nu are $6", "a\r\nb\r\nho",
    "- one\n\t- to\ttop", "3\ufffd10^8"])
def test_layout_is_no_lost_backslash(text):
    assert repair(text) == text


def test_what_nobody_can_repair_is_left(tmp_path):
    rows = [chat("How fast?", "It is 3\ufffd10^8 m/s."), chat("How hot?", "30\u00c2\u00b0, 3\ufffd10^8 and $\frac{1}{2}$")]
    checked = check(tmp_path, rows)
    found = [(finding.line, finding.certain) for finding in checked.findings if finding.rule == "encoding"]
    assert found == [(1, False), (2, True), (2, False)]
    counts = fix_file(str(tmp_path / "rows.jsonl"), checked.findings, tmp_path / "clean.jsonl")
    assert counts["changed"] == {"encoding": 1} and counts["left"] == {"encoding": 2}
    answers = [json.loads(line)["messages"][1]["content"] for line in (tmp_path / "clean.jsonl").read_text(encoding="utf-8").splitlines()]
    assert answers == ["It is 3\ufffd10^8 m/s.", "30\u00b0, 3\ufffd10^8 and $\\frac{1}{2}$"]


def test_a_line_that_begins_with_parallel_stays():
    from mlxtutor.quality.latex import restore

    assert restore("Two plates are\nparallel to each other") == "Two plates are\nparallel to each other"
    assert restore("$a \nparallel b$") == "$a \\nparallel b$"

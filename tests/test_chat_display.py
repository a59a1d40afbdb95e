"""A conversation in a file and in a context, how answers look, and the keys of the prompt."""

import io
import re

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from mlxtutor.cli.rendering import Drawing, drawn_answer, plain_answer
from mlxtutor.cli.typesetting import expression, prose, visible
from mlxtutor.cli.views import TerminalView
from prompt_toolkit.application import create_app_session
from prompt_toolkit.document import Document
from prompt_toolkit.input import create_pipe_input
from prompt_toolkit.output import DummyOutput
from rich.console import Console

from mlxtutor.errors import TutorError
from mlxtutor.evaluation import notation
from mlxtutor.inference.conversation import Conversation, fit, load, save
from mlxtutor.text.chat import compact

CONTEXT = 256
SOLVED = "Law: F = k*q1\nF = <|calc|>8.99e9*3e-6<|result|>"


SAID = ["a", "<|calc|>2*3<|result|>6<|/calc|> N", "x<|calc|>", "é\n*b*"]
TEXT = st.text(st.characters(codec="utf-8"), min_size=1)


@given(st.lists(st.tuples(TEXT, st.sampled_from(SAID)), max_size=3))
@settings(max_examples=40)
def test_save_and_load_round_trip(tmp_path_factory, turns):
    path = tmp_path_factory.mktemp("saved") / "c.json"
    conversation = Conversation("be kind")
    for asked, said in turns:
        conversation.messages += [{"role": "user", "content": asked}, {"role": "assistant", "content": said}]
    save(conversation, path, "m@1")
    assert load(path) == conversation


@pytest.mark.parametrize("text, said", [
    ("[]", "not a saved conversation"), ("{", ":1: not JSON"), ('{"messages": [{"role": "user"}]}', 'message 1: missing "content"'),
    ('{"messages": [{"role": "assistant", "content": "a"}]}', "take turns")])
def test_load_names_what_is_wrong_and_save_replaces_no_other_file(tmp_path, text, said):
    path = tmp_path / "c.json"
    path.write_text(text)
    with pytest.raises(TutorError, match=re.escape(said)):
        load(path)
    if said != "take turns":
        with pytest.raises(TutorError, match="choose another name"):
            save(Conversation(), path)
        assert path.read_text() == text


def test_fit_keeps_the_newest_exchanges_and_the_system_text(tiny_tokenizer):
    conversation = Conversation("Calculator: off")
    for at in range(30):
        conversation.ask(f"question {at}")
        conversation.answer("Answer: 5 N")
    conversation.ask("last")
    prompt = fit(conversation, tiny_tokenizer, CONTEXT, 50)
    text = tiny_tokenizer.decode(prompt.ids)
    assert len(prompt.ids) <= CONTEXT - 50 and text.startswith("<|im_start|>system\nCalculator: off") and "\nlast<" in text
    assert f"question {prompt.left_out // 2}<" in text and f"question {prompt.left_out // 2 - 1}<" not in text


# what is shown

SHOWN = {
    "F = k*|q1|*|q2|/r^2": "F = k·|q₁|·|q₂|/r²", "F = k*|q|^2*sqrt(2)/r^2": "F = k·|q|²·√2/r²",
    "F = k*q1*q2/r^2": "F = k·q₁·q₂/r²", "N*m^2/C^2*uC*nC/cm^2 = N": "N·m²/C²·µC·nC/cm² = N", "6.742e5 N": "6.742 × 10⁵ N",
    "-3.2e-9 C": "-3.2 × 10⁻⁹ C", "F = 8.99e9*3e-6/20e-2^2": "F = 8.99e9·3e-6/(20e-2)²", "r = sqrt(k*q1/F)": "r = √(k·q₁/F)",
    "C = kappa1*eps0*A/d": "C = κ₁·ε₀·A/d", "an alpha particle tells us": "an alpha particle tells us", "5 kohm, 3 us": "5 kΩ, 3 µs",
    "a *b* **c**": "a *b* **c**", r"\(\frac{q_1}{r^2}\)": "(q₁)/(r²)", r"$5.4 \times 10^{-3}$": "5.4 × 10⁻³", "$5 and $6": "$5 and $6",
    "x^0.5, 8.99e9, H2O": "x^0.5, 8.99 × 10⁹, H2O", "5 ohm*m and 2 * 3": "5 Ω·m and 2 · 3"}


@pytest.mark.parametrize("written, shown", SHOWN.items())
def test_typesetting(written, shown):
    assert prose(written) == shown


@given(st.lists(st.sampled_from(["q1", "r^2", "k", "(a+b)^2", "10^-12", "3.5", "sqrt(x+1)", "R12"]), min_size=1, max_size=6), st.data())
def test_typeset_formulas_read_back_as_they_were(factors, data):
    formula = factors[0] + "".join(data.draw(st.sampled_from("*/")) + factor for factor in factors[1:])
    assert notation.plain(expression(formula)).replace(" ", "") == formula


@given(st.text())
def test_nothing_that_drives_a_terminal_is_shown(text):
    assert not re.search(r"[\x00-\x08\x0b-\x1f\x7f-\x9f]", visible(text))


ANSWER = f"{SOLVED}26970<|/calc|> N\n- **Answer:** 2.5e-7 N\n```\n3*4\n```\n| a | b |\n|---|---|\n| 1 | 2 |\nx <|calc|>2*3<|result|>"


def drawn_text(lines):
    console = Console(width=60, file=io.StringIO(), force_terminal=False)
    for line in lines:
        console.print(line)
    return "\n".join(line.rstrip() for line in console.file.getvalue().splitlines())


def test_an_answer_is_drawn_with_its_calculator_steps():
    text = drawn_text(drawn_answer(ANSWER))
    assert text.startswith("Law: F = k·q₁\nF = ⌗ 8.99e9·3e-6 = 26970 N\n• Answer: 2.5 × 10⁻⁷ N\n")
    assert " 3*4" in text and "|" not in text and text.endswith("x ⌗ 2·3 =")


@given(st.lists(st.integers(0, len(ANSWER)), max_size=12))
@settings(max_examples=30)
def test_a_streamed_answer_ends_up_as_the_whole_one(cuts):
    drawing, lines = Drawing(), []
    for start, end in zip([0, *sorted(cuts)], [*sorted(cuts), len(ANSWER)]):
        lines += drawing.push(ANSWER[start:end])
        drawn_text([drawing.current])
    assert drawn_text(lines + drawing.finish()) == drawn_text(drawn_answer(ANSWER))


def test_plain_answer_of_an_unfinished_call():
    assert plain_answer("F = <|calc|>2*3<|result|>6<|/calc|> N, <|calc|>4*") == "F = 2*3 = 6 N, 4*"
    assert plain_answer(compact(["a ", {"calc": "1", "result": "1"}])) == "a 1 = 1"


# the keys

@pytest.mark.parametrize("typed, lines", [
    ("hello\r", ["hello"]), ("a\x1b\rb\r", ["a\nb"]), ("wrong\x03right\r", ["right"]), ("\x1b[200~one\ntwo\x1b[201~\r", ["one\ntwo"])])
def test_keys_and_history(tmp_path, typed, lines):
    with create_pipe_input() as source, create_app_session(input=source, output=DummyOutput()):
        view = TerminalView(tmp_path / "home" / "history", lambda line: ["/system", "/save"])
        source.send_text(typed)
        assert [view.read() for _ in lines] == lines
        source.send_text("\x04")
        with pytest.raises(EOFError):
            view.read()
        source.send_text("\x03")
        with pytest.raises(KeyboardInterrupt):
            view.read()
        assert list(TerminalView(tmp_path / "home" / "history", list).session.history.load_history_strings()) == lines
        found = view.session.completer.get_completions(Document("/sy"), None)
        assert [completion.text for completion in found] == ["/system"]

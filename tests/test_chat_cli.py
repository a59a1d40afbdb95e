"""`tutor chat` and `tutor ask`: against a scripted decoder, and against a tiny random model from the disk."""

import io
import json
import os
import pty
import select
import subprocess
import sys
import time

import numpy as np
import pytest
from mlxtutor.cli import main as cli
from mlxtutor.cli import opened
from scripted import Scripted

from mlxtutor.config import ModelConfig
from mlxtutor.inference.conversation import load
from mlxtutor.registry.directory import save_model
from mlxtutor.registry.models import register
from mlxtutor.text.tokenizer import train_tokenizer
from mlxtutor.training.initial import initial_weights

CONTEXT = 256
FORCE = "F = <|calc|>8.99e9*3e-6<|result|>"  # the runtime adds 26970<|/calc|>
SOLVED = f"Law: F = k*q1\n{FORCE}"
SAID = "Law: F = k*q1\nF = 8.99e9*3e-6 = 26970"


@pytest.fixture(scope="module")
def tokenizer(tmp_path_factory):
    texts = ["What is the force between two charges? Law: F = k*q1*q2/r^2 Answer: 26970 N user assistant system Calculator: off"]
    return train_tokenizer(texts, 320, tmp_path_factory.mktemp("tokenizer") / "tokenizer.model")


@pytest.fixture(scope="module")
def home(tokenizer, tmp_path_factory):
    """A tutor home with two tiny random models: `old` (of some other kind) and the newest, `micro`."""
    root = tmp_path_factory.mktemp("home")
    config = ModelConfig(tokenizer.vocab_size, 32, 32, 1, 1, 1, 32, CONTEXT)
    weights = initial_weights(config, np.random.default_rng(0))
    for name, kind, system in (("old", "other", "Ask, don't tell."), ("micro", "micro", "")):
        card = {"kind": kind, "recipe": {"system": system}}
        register(root / "models", name, card, lambda folder: save_model(folder, config, weights, tokenizer))
        time.sleep(0.002)  # the registry orders by the millisecond
    return root


@pytest.fixture
def script(tokenizer, monkeypatch):
    backend = Scripted(tokenizer, {"force?": SOLVED, "hello": "Hi **you**.", "div": "<|calc|>1/0<|result|>"})
    monkeypatch.setattr(opened, "load", lambda name: backend)
    monkeypatch.setattr(opened, "choose", lambda name: ("torch", "a test"))
    return backend


@pytest.fixture
def tutor(home, monkeypatch, capfd):
    """Run the command as the shell does: (exit code, stdout, stderr)."""
    def run(*arguments, stdin=""):
        data = stdin if isinstance(stdin, bytes) else stdin.encode()
        monkeypatch.setattr(sys, "argv", ["tutor", *map(str, arguments)])
        monkeypatch.setattr(sys, "stdin", io.TextIOWrapper(io.BytesIO(data)))
        monkeypatch.setenv("TUTOR_HOME", str(home))
        code = 0
        try:
            cli.main()
        except SystemExit as end:
            code = end.code or 0
        captured = capfd.readouterr()
        return code, captured.out, captured.err
    return run


def write_jsonl(path, rows):
    path.write_text("\n".join(row if isinstance(row, str) else json.dumps(row) for row in rows))
    return path


# ask, one question

def test_ask_runs_the_calculator_and_prints_plain_text(tutor, script):
    assert tutor("ask", "force?") == (0, SAID + "\n", "")


def test_ask_raw_keeps_the_calculators_tokens(tutor, script):
    assert tutor("ask", "--raw", "force?")[1] == f"{SOLVED}26970<|/calc|>\n"


def test_ask_json_is_one_document(tutor, script):
    document = json.loads(tutor("ask", "old", "force?", "--json")[1])
    assert document.pop("tokens") > 10
    assert document == {"model": "old@1", "answer": SAID, "finish_reason": "stop"}


def test_a_failed_call_says_error(tutor, script):
    assert tutor("ask", "div")[1] == "1/0 = error\n"


def test_ask_reads_the_question_from_stdin(tutor, script):
    assert tutor("ask", stdin="force?\n")[1] == tutor("ask", "-", stdin="force?")[1] == SAID + "\n"


def test_no_calculator_is_the_system_message_the_tutor_knows(tutor, script):
    tutor("ask", "--no-calculator", "hello")
    assert script.prompts == ["<|im_start|>system\nCalculator: off<|im_end|>\n<|im_start|>user\nhello<|im_end|>\n<|im_start|>assistant\n"]


def test_the_recipes_system_text_is_where_nothing_else_is_said(tutor, script, tmp_path):
    questions = write_jsonl(tmp_path / "q.jsonl", [{"id": 1, "prompt": "hello"}])
    tutor("ask", "old", "hello")
    tutor("chat", "old", stdin="hello\n")
    tutor("ask", "old", "--file", questions)
    tutor("ask", "old", "hello", "--system", "Be brief.")
    heads = [prompt.split("<|im_end|>")[0] for prompt in script.prompts]
    assert heads == ["<|im_start|>system\nAsk, don't tell."] * 3 + ["<|im_start|>system\nBe brief."]


@pytest.mark.parametrize("arguments, said", [
    (["ask"], "empty"), (["ask", "micro"], '"micro" is a model'), (["ask", "a", "b", "c"], "3 arguments"),
    (["ask", "q", "--out", "x"], "--file"), (["ask", "q", "--system", "s", "--no-calculator"], "one of the two"),
    (["ask", "q", "--max-tokens", "0"], "max-tokens"), (["ask", "--file", "x", "a", "b"], "only argument"),
    (["ask", "--file", "x", "--json"], "--out")])
def test_bad_usage_exits_2(tutor, script, arguments, said):
    code, out, err = tutor(*arguments)
    assert (code, out) == (2, "") and said in " ".join(err.replace("│", " ").split())


@pytest.mark.parametrize("arguments, said", [
    (["ask", "nobody", "hi"], 'no model "nobody" (here: old@1, micro@1'), (["ask", "x" * 600], "the question: "),
    (["ask", "hi", "--backend", "jax"], 'unknown backend "jax"'), (["ask", "--file", "nowhere.jsonl"], "nowhere.jsonl: can't be read")])
def test_a_users_mistake_is_one_line(tutor, arguments, said):
    code, out, err = tutor(*arguments)
    assert (code, out, err.count("\n")) == (1, "", 1) and said in err


# ask, a file

def test_file_answers_in_order_in_batches(tutor, script, tmp_path):
    questions = [{"id": i, "prompt": ("force?", "hello")[i % 2]} for i in range(7)]
    questions.append({"id": "m", "messages": [{"role": "user", "content": "force?"}, {"role": "assistant", "content": "its own"}]})
    out = tmp_path / "new" / "out.jsonl"
    code, stdout, err = tutor("ask", "old", "--file", write_jsonl(tmp_path / "in.jsonl", questions), "--out", out, "--batch-size", 3)
    rows = [json.loads(line) for line in out.read_text().splitlines()]
    assert (code, stdout) == (0, "") and "1 of 8 rows end with an answer" in err
    assert [row["id"] for row in rows] == [*range(7), "m"]
    assert [row["answer"] for row in rows] == [SAID, "Hi **you**."] * 3 + [SAID] * 2
    assert all(row["finish_reason"] == "stop" and set(row) == {"id", "answer", "tokens", "finish_reason"} for row in rows)


def test_file_without_out_writes_rows_to_stdout(tutor, script, tmp_path):
    out = tutor("ask", "--file", write_jsonl(tmp_path / "in.jsonl", [{"prompt": "force?"}]), "--raw", "--max-tokens", "3")[1]
    row = json.loads(out)
    assert (row["id"], row["tokens"], row["finish_reason"]) == (1, 3, "length") and SOLVED.startswith(row["answer"])


@pytest.mark.parametrize("row, said", [
    ({"id": 1}, ':2: missing "prompt" or "messages" (has: id)'), ("{", ":2: not JSON"), ("[]", ":2: a JSON object is expected"),
    ({"id": 1, "prompt": " "}, ":2: \"prompt\" is ' '"), ({"prompt": "a", "messages": []}, ":2: both"),
    ({"messages": []}, ":2: messages is list []"),
    ({"messages": [{"role": "teacher", "content": "a"}]}, ':2: message 1: unknown role "teacher"'),
    ({"messages": [{"role": "system", "content": "a"}]}, ":2: nothing is asked"), ({"prompt": "x" * 600}, ":2: 6"),
    ('{"prompt": "\\ud800"}', ":2: not UTF-8 text"),
    ({"messages": [{"role": "system", "content": "own"}, {"role": "user", "content": "a"}]}, ':2: has the system message "own" already')])
def test_a_wrong_row_is_named_and_nothing_is_written(tutor, script, tmp_path, row, said):
    source, out = write_jsonl(tmp_path / "in.jsonl", [{"prompt": "fine"}, row]), tmp_path / "out.jsonl"
    code, stdout, err = tutor("ask", "--file", source, "--out", out, "--no-calculator")
    assert (code, stdout, out.exists()) == (1, "", False) and f"{source}{said}" in err and "Traceback" not in err


def test_an_empty_file_and_a_folder_are_errors(tutor, script, tmp_path):
    assert "empty" in tutor("ask", "--file", write_jsonl(tmp_path / "in.jsonl", []))[2]
    assert "is a folder" in tutor("ask", "--file", write_jsonl(tmp_path / "in.jsonl", [{"prompt": "a"}]), "--out", tmp_path)[2]


# chat without a terminal

def test_piped_chat_writes_only_answers_and_no_control_codes(tutor, script):
    code, out, err = tutor("chat", stdin="force?\n\nhello\n/quit\nforce?\n")
    assert (code, out) == (0, f"{SAID}\n\nHi **you**.\n\n") and err.startswith("micro@1 · torch on a test, float32 (a test)")


def test_piped_chat_survives_bytes_and_answers_that_are_no_text(tutor, script):
    script.answers["clear"] = "\x1b[2J"
    code, out, _ = tutor("chat", stdin=b"\xff\xfe\nclear\n")
    assert (code, out) == (0, "no idea\n\n\N{REPLACEMENT CHARACTER}[2J\n\n")


def test_mistakes_are_one_line_and_the_chat_goes_on(tutor, script, tmp_path):
    commands = ["/nope", "/save", "/load /nowhere", "/model nobody", "/retry", "x" * 900, f"/save {tmp_path}"]
    code, out, err = tutor("chat", stdin="\n".join([*commands, "hello"]))
    assert (code, out) == (0, "Hi **you**.\n\n")
    assert [line.startswith("error: ") for line in err.splitlines()[1:]] == [True] * len(commands) and "this model reads 256" in err


def test_system_text_and_reset(tutor, script):
    err = tutor("chat", "old", "--no-calculator", stdin="hello\n/system\n/reset\n/system off\nforce?\n")[2]
    assert "(system: Calculator: off)" in err and "(no system text)" in err
    assert script.prompts[0].startswith("<|im_start|>system\nCalculator: off<|im_end|>")
    assert script.prompts[1] == "<|im_start|>user\nforce?<|im_end|>\n<|im_start|>assistant\n"


def test_a_micro_tutor_reads_single_problems_and_others_the_conversation(tutor, script):
    for name, shown in (("micro", 1), ("old", 2)):
        tutor("chat", name, stdin="hello\nforce?\n")
        assert script.prompts[-1].count("user\n") == shown
    tutor("chat", "micro", "--memory", "1", stdin="hello\nhello\nforce?\n")
    assert script.prompts[-1].count("user\n") == 2


def test_a_reply_to_missing_completes_the_problem(tutor, script):
    script.answers["two charges"] = ("Given: 3 uC -> q1 = 3e-6, 5 uC -> q2 = 5e-6\nLaw: F = k*|q1|*|q2|/r^2\nMissing: r, the distance\n"
                                     "I can't compute the answer without it. What is the distance?")
    tutor("chat", stdin="two charges\n20 cm\n")
    assert script.prompts[-1] == "<|im_start|>user\ntwo charges\n20 cm<|im_end|>\n<|im_start|>assistant\n"


def test_model_lists_and_switches_and_the_conversation_stays(tutor, script):
    err = tutor("chat", "old", stdin="hello\n/model\n/model micro\n/model old@1\nforce?\n")[2]
    assert "•\told@1\tother" in err and "micro@1 · torch on a test" in err
    assert "Hi **you**." in script.prompts[-1]


def test_retry_samples_another_answer_in_place_of_the_last(tutor, script, tmp_path):
    tutor("chat", "old", stdin=f"hello\n/retry\n/save {tmp_path / 'c.json'}\n")
    assert script.sampling.temperature > 0 and script.prompts[0] == script.prompts[1]
    assert len(load(tmp_path / "c.json").messages) == 2


def test_ctrl_c_keeps_what_came_without_an_open_call(tutor, script, tmp_path):
    script.interrupt_after = len(script.tokenizer.encode(SOLVED)) - 1
    err = tutor("chat", stdin=f"force?\n/save {tmp_path / 'c.json'}\nhello\n")[2]
    assert "(stopped; what came is kept" in err and "error" not in err
    assert load(tmp_path / "c.json").messages[1]["content"] == "Law: F = k*q1\nF ="


def test_ctrl_c_before_the_first_token_drops_the_question(tutor, script, tmp_path):
    script.interrupt_after = 0
    assert "(stopped; the question is dropped)" in tutor("chat", stdin=f"force?\n/save {tmp_path / 'c.json'}\n")[2]
    assert load(tmp_path / "c.json").messages == []


def test_an_answer_that_is_cut_off_says_so(tutor, script):
    length = len(script.tokenizer.encode("Hi **you**."))
    assert "cut off" in tutor("chat", "--max-tokens", length, stdin="hello\n")[2]
    assert "cut off" not in tutor("chat", "--max-tokens", length + 1, stdin="hello\n")[2]


def test_a_long_conversation_drops_its_oldest_exchanges_with_a_notice(tutor, script):
    code, out, err = tutor("chat", "old", stdin="hello\n" * 20)
    assert code == 0 and out.count("Hi **you**.") == 20
    assert "the oldest exchange is no longer in it" in err and "the oldest 2 exchanges are" in err
    assert all(len(script.tokenizer.encode(prompt)) <= CONTEXT // 2 for prompt in script.prompts)


def test_saved_text_is_exact_and_an_open_question_is_answered(tutor, script, tmp_path):
    path = tmp_path / "c.json"
    tutor("chat", "--no-calculator", stdin=f"force?\n/save {path}\n")
    saved = json.loads(path.read_text())
    assert saved["model"] == "micro@1" and saved["messages"][0] == {"role": "system", "content": "Calculator: off"}
    assert {"calc": "8.99e9*3e-6", "result": "26970"} in saved["messages"][2]["content"]
    saved["messages"].append({"role": "user", "content": "hello"})
    path.write_text(json.dumps(saved))
    assert tutor("chat", stdin=f"/load {path}\n")[1] == "Hi **you**.\n\n"


# the terminal

def test_a_chat_in_a_terminal_with_a_model_from_the_disk(home):
    ours, theirs = pty.openpty()
    environment = {**os.environ, "TUTOR_HOME": str(home), "OMP_NUM_THREADS": "1", "TERM": "xterm", "COLUMNS": "80", "LINES": "24"}
    process = subprocess.Popen([sys.executable, "-m", "mlxtutor.cli.main", "chat", "--max-tokens", "12", "--seed", "1"],
                               stdin=theirs, stdout=theirs, stderr=theirs, env=environment, start_new_session=True)
    os.close(theirs)
    seen = read_until(ours, "leaves")
    for typed, shown in (("What is F?\r", "cut off"), ("/help\r", "Ctrl-C stops"), ("\x03", "Ctrl-D or /quit")):
        seen += read_until(ours, "›")  # the prompt: from there on keys are read
        os.write(ours, typed.encode())
        seen += read_until(ours, shown)
    os.write(ours, b"/quit\r")
    assert process.wait(60) == 0 and "Traceback" not in seen and "micro@1" in seen


def read_until(terminal, text, seconds=60):
    """What a terminal shows up to `text`."""
    seen, end = b"", time.monotonic() + seconds
    while text.encode() not in seen:
        assert select.select([terminal], [], [], max(0, end - time.monotonic()))[0], f"no {text!r} in {seen!r}"
        seen += os.read(terminal, 1)
    return seen.decode(errors="replace")


def test_help_has_an_example(tutor):
    assert all(f"Example: tutor {name}" in tutor(name, "--help")[1] for name in ("chat", "ask"))

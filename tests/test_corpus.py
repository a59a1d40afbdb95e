"""Pretraining text: what is read, what is generated, and that every number in it is right."""

import gzip
import json
import math
import re
from itertools import islice
from pathlib import Path

import numpy as np
import pint
import pytest

from mlxtutor.datasets import corpus
from mlxtutor.datasets.calc_chats import iter_calc_chats
from mlxtutor.datasets.corpus import read_corpus
from mlxtutor.datasets.drills import EXPONENTS, conversion, iter_drills, scientific
from mlxtutor.datasets.everyday import TYPES, solved, value
from mlxtutor.datasets.phrases import load_quantities
from mlxtutor.datasets.substitution import substitution
from mlxtutor.errors import TutorError
from mlxtutor.problems.types import CONSTANT_VALUES
from mlxtutor.text.calculator import evaluate, format_result
from mlxtutor.text.chat import check_messages, compact

UREG = pint.UnitRegistry()
NOTES = Path(__file__).parent.parent / "data" / "corpus"
SMALL = ("zero one two three four five six seven eight nine ten eleven twelve "
         "thirteen fourteen fifteen sixteen seventeen eighteen nineteen")
WORDS = {word: n for n, word in enumerate(re.findall(r"\w+", SMALL))}
WORDS |= {"twenty": 20, "thirty": 30, "forty": 40, "fifty": 50, "sixty": 60, "seventy": 70, "eighty": 80, "ninety": 90}
FRACTIONS = {"half": .5, "quarter": .25, "tenth": .1, "thousand": 1e3, "million": 1e6, "dozen": 12, "hundred": 100}
RAISED = str.maketrans("⁻⁰¹²³⁴⁵⁶⁷⁸⁹", "-0123456789")
NUMBER = re.compile(r"(?P<minus>minus )?(?P<n>[-+]?[\d.]+(?:[eE]-?\d+)?)(?:\s*(?:×|x|·|\*|\\times)\s*10\^?[({]?(?P<e>-?\d+)[)}]?)?")
EQUATION = re.compile(r"\b[A-Za-z]\w*'? = ([-+*/^().\w]*?\d[-+*/^().\w]*) = (-?\d+(?:\.\d+)?(?:e-?\d+)?)(?=$|[\s.,])", re.MULTILINE)


def read_number(text: str) -> tuple[float, str]:
    """(number, rest) of `-5.4 × 10⁻³ m` or `two and a half volts`; independent of the code that prints them."""
    text = re.sub("(?<=10)[⁻⁰¹²³⁴⁵⁶⁷⁸⁹]+", lambda m: m[0].translate(RAISED), text).replace("−", "-").replace("–", "-")
    text = re.sub(r"(?<=\d),(?=\d{3})", "", text)
    for word, n in (("times ten to the minus ", "× 10^-"), ("times ten to the ", "× 10^")):
        text = re.sub(word + r"(\w+)", lambda m, n=n: f"{n}{WORDS.get(m[1], m[1])}", text)
    match = NUMBER.match(text)
    if match:
        number = float(match["n"]) * 10.0 ** int(match["e"] or 0)
        return (-number if match["minus"] else number), text[match.end():].strip()
    return read_words(text)


def read_words(text: str) -> tuple[float, str]:
    sign = -1 if text.startswith("minus ") else 1
    text = re.sub(r"\b(of an?|an? (?=half|quarter|tenth|thousand|million|dozen|hundred))\b", "", text.removeprefix("minus ")).strip()
    mixed = re.match(r"(\w+) and\s+half (.*)", text)
    if mixed:
        return WORDS[mixed[1]] + .5, mixed[2]
    first, _, rest = text.partition(" ")
    if first in FRACTIONS:
        return FRACTIONS[first], re.sub(r"^(an?) ", "", rest.strip())
    if first in ("a", "an"):
        return 1, rest
    return sign * sum(WORDS[word] for word in first.split("-")), rest


def quantity(text: str) -> pint.Quantity:
    text = re.sub(r"\\,\\mathrm\{(.+)\}$", lambda m: " " + m[1].replace("\\,", "*").replace("\\mu ", "u").replace("\\Omega", "ohm"), text)
    number, unit = read_number(re.sub(r"^(minus )?(\w+)-(?=[a-z])(?!one|two|three|four|five|six|seven|eight|nine)", r"\1\2 ", text))
    unit = unit.replace("²", "^2").replace("³", "^3").replace("Ω", "ohm").replace("·", "*").replace("-", "*").replace("kiloohm", "kohm")
    unit = re.sub(r"\bnewton square meters\b", "newton * meter^2", unit)
    return number * UREG.parse_expression(unit)


def test_conversions_agree_with_pint():
    rng = np.random.default_rng(1)
    for _ in range(1500):
        printed, canonical, unit = conversion(rng)
        stated, written = quantity(printed), evaluate(canonical) * UREG.parse_expression(unit)
        assert stated.to(written.units).magnitude == pytest.approx(written.magnitude, rel=1e-9), printed
        assert str(UREG.Quantity(1, unit).to_base_units().magnitude) in ("1", "1.0"), f"{unit} has a prefix"


def test_a_conversion_keeps_the_digits_as_printed():
    rng = np.random.default_rng(2)
    for _ in range(500):
        printed, canonical, _ = conversion(rng)
        digits = re.match(r"[-+−–]?(\d[\d,]*(?:\.\d+)?)", printed)
        if digits:
            assert re.split("[e*]", canonical.lstrip("-("))[0] == digits[1].replace(",", ""), printed


def test_every_exponent_is_drilled():
    rng = np.random.default_rng(3)
    seen = {int(scientific(rng)[1].split("e")[1]) for _ in range(800)}
    assert seen == set(range(EXPONENTS[0], EXPONENTS[1] + 1))


def test_both_micro_signs_and_u_are_drilled():
    rng = np.random.default_rng(4)
    printed = " ".join(conversion(rng)[0] for _ in range(1500))
    assert all(sign + "C" in printed for sign in "μµu")


@pytest.mark.parametrize("stream", [iter_drills, iter_calc_chats])
def test_streams_are_functions_of_the_seed(stream):
    def first(seed):
        return list(islice(stream(np.random.default_rng(seed)), 60))

    assert first(5) == first(5)
    assert first(5) != first(6)


def test_drills_are_text_without_special_tokens():
    texts = list(islice(iter_drills(np.random.default_rng(7)), 300))
    assert all(text.strip() and "<|" not in text and "{" not in re.sub(r"(\^|\\mathrm)\{[^}]+\}", "", text) for text in texts)
    assert len(set(texts)) > 290


def test_drilled_equations_are_right():
    texts = "\n".join(islice(iter_drills(np.random.default_rng(8)), 600))
    found = re.findall(r"^([-\d.e+*/^()sqrt]+[+*/^(][-\d.e+*/^()sqrt]*) = (\S+)$", texts, re.MULTILINE)
    assert len(found) > 50
    for expression, result in found:
        assert format_result(evaluate(expression)) == result


def test_every_calculator_call_in_chats_is_right():
    calls = refusals = offs = 0
    for messages in islice(iter_calc_chats(np.random.default_rng(9)), 800):
        check_messages(messages)
        assert messages[-1]["role"] == "assistant"
        off = messages[0] == {"role": "system", "content": "Calculator: off"}
        parts = [part for m in messages if isinstance(m["content"], list) for part in m["content"]]
        for part in parts:
            if isinstance(part, dict):
                calls += 1
                assert format_result(evaluate(part["calc"])) == part["result"]
        assert not (off and parts), "a computed number with the calculator off"
        offs += off
        replies = [m["content"] for m in messages if m["role"] == "assistant" and isinstance(m["content"], str)]
        assert off or not any("evaluate the expression" in reply for reply in replies)
        refusals += any("\nMissing: " in reply for reply in replies)
    assert calls > 300 and offs > 30 and refusals > 10


@pytest.mark.parametrize("calculator", [True, False])
def test_a_formula_with_numbers_is_evaluated_as_python_does(calculator):
    """The reply's expression, and the formula with the reply's own values in it, both by Python."""
    rng, made_up, missing = np.random.default_rng(13), 0, 0
    for _ in range(400):
        question, reply = substitution(rng, calculator)
        text = compact(reply)
        law, given = (re.search(rf"^{label}: (.+)$", text, re.MULTILINE)[1] for label in ("Law", "Given"))
        assert law in question
        if "\nMissing: " in text:
            symbol = re.search(r"^Missing: (\w+), ", text, re.MULTILINE)[1]
            assert re.search(rf"\b{symbol}\b", law) and not re.search(rf"\b{symbol} = ", question.replace(law, ""))
            missing += 1
        elif "a given formula" in text:
            values = {symbol: evaluate(number) for symbol, number in re.findall(r"-> (\w+) = ([^,]+)", given)}
            names = {**{name: float(number) for name, number in CONSTANT_VALUES.items()}, **values, "sqrt": math.sqrt, "pi": math.pi}
            formula = re.sub(r"\|(\w+)\|", r"abs(\1)", law.partition(" = ")[2]).replace("^", "**").replace("lambda", "lambda_")
            expected = eval(formula, {}, {**names, "lambda_": values.get("lambda")})  # noqa: S307 our own formula
            expression = re.search(r"<\|calc\|>(.+?)<\|result\|>" if calculator else r"\n\w+ = ([^\n]+)\nAnswer", text)[1]
            assert evaluate(expression) == pytest.approx(expected, rel=1e-9), question
            made_up += 1
    assert made_up > 100 and missing > 20


def test_a_chat_answer_repeats_its_last_result():
    for messages in islice(iter_calc_chats(np.random.default_rng(10)), 300):
        for message in messages:
            if isinstance(message["content"], list):
                results = [part["result"] for part in message["content"] if isinstance(part, dict)]
                last = message["content"][-1].splitlines()[-1]
                assert last.startswith(f"Answer: {results[-1]}")


@pytest.mark.parametrize("problem", TYPES, ids=lambda problem: problem.name)
def test_everyday_solutions_agree_with_pint(problem):
    """The law with pint's quantities gives the answer and its unit."""
    from mlxtutor.problems.solution import unit_check

    solution = solved(np.random.default_rng(11), problem)
    names = {symbol: quantity(v.printed) for symbol, v in solution.values.items()} | {"g": 9.8 * UREG("m/s^2"), "pi": np.pi}
    result = eval(problem.law.split(" = ")[1].replace("^", "**"), {}, names)  # noqa: S307 our own constant text
    assert result.to(problem.unit).magnitude == pytest.approx(solution.answer, rel=1e-3)
    left, right = unit_check(solution).split(" = ")
    assert UREG.parse_expression(left).check(UREG.parse_expression(right).dimensionality)


def test_everyday_values_agree_with_pint():
    rng = np.random.default_rng(12)
    for kind in ("length", "mass", "area", "volume", "density", "pressure", "acceleration"):
        for _ in range(20):
            drawn = value(rng, "x", kind)
            assert quantity(drawn.printed).to_base_units().magnitude == pytest.approx(drawn.si, rel=1e-9), drawn.printed


def test_vocabulary_units_fit_their_kinds():
    from mlxtutor.problems.quantities import KINDS

    for entry in load_quantities():
        assert UREG.parse_expression(entry.unit).check(UREG.parse_expression(KINDS[entry.kind].si.pint).dimensionality), entry
        assert UREG.parse_expression(entry.spoken.replace("newton square meters", "newton * meter^2")).check(
            UREG.parse_expression(entry.unit).dimensionality), entry


def test_notes_have_distinct_documents_of_the_promised_size():
    documents = list(read_corpus(NOTES))
    assert 60_000 < sum(len(d.encode()) for d in documents) < 95_000
    assert len(set(documents)) == len(documents)
    assert not any("Licence" in d for d in documents), "the README is no training text"


def test_worked_equations_of_the_notes_are_right():
    found = [pair for document in read_corpus(NOTES) for pair in EQUATION.findall(document)]
    checked = [(e, r) for e, r in found if not re.search(r"\b(?!sqrt|exp|ln|cos|sin|pi)[A-Za-z]{2,}|^[a-z]\d?$", e)]
    assert len(checked) > 65
    for expression, result in checked:
        assert format_result(evaluate(expression)) == result, expression


def write(path: Path, *rows: object) -> Path:
    path.write_text("".join(json.dumps(row) + "\n" for row in rows), encoding="utf-8")
    return path


def test_rows_of_every_shape_are_read(tmp_path):
    chat = [{"role": "user", "content": "2*3?"}, {"role": "assistant", "content": [{"calc": "2*3", "result": "6"}, " m"]}]
    path = write(tmp_path / "rows.jsonl", {"text": " a "}, {"content": "b"}, {"messages": chat}, {"prompt": "p", "response": "r"},
                 {"instruction": "i", "output": "o"}, {"question": "q", "answer": "a"}, {"text": "  "})
    assert list(read_corpus(path)) == ["a", "b", "2*3?\n\n2*3 = 6 m", "p\n\nr", "i\n\no", "q\n\na"]
    assert list(read_corpus(write(tmp_path / "key.jsonl", {"body": "x", "text": "y"}), text_key="body")) == ["x"]


def test_gzip_folders_and_sections(tmp_path):
    with gzip.open(tmp_path / "z.txt.gz", "wt", encoding="utf-8") as file:
        file.write("zipped μ")
    (tmp_path / "b.md").write_text("# T\n\n## One\nx\n\n## Two\ny\n", encoding="utf-8")
    (tmp_path / "README.md").write_text("about", encoding="utf-8")
    (tmp_path / "a.txt").write_text("\ufefffirst", encoding="utf-8")
    (tmp_path / "skip.png").write_bytes(b"\x89PNG")
    assert list(read_corpus(tmp_path)) == ["first", "# T", "## One\nx", "## Two\ny", "zipped μ"]


@pytest.mark.parametrize(("name", "body", "message"), [
    ("a.jsonl", b'{"text": "x"}\n{"text": \n', r"a\.jsonl:2: not JSON"),
    ("b.jsonl", b'{"id": 1, "title": "t"}\n', r"b\.jsonl:1: no text \(has: id, title; read: text, content"),
    ("c.jsonl", b'{"text": 3}\n', r'c\.jsonl:1: "text" must be text, found int'),
    ("d.jsonl", b'[1]\n', r"d\.jsonl:1: a row must be an object"),
    ("e.jsonl", b'{"text": "\xff"}\n', r"e\.jsonl:1: not UTF-8 text \(byte 0xff\)"),
    ("f.jsonl", b'{"messages": [{"role": "user"}]}\n', r'f\.jsonl:1: message 1: missing "content"'),
    ("g.jsonl", b"", r"g\.jsonl: no text in it"),
    ("h.json", b"[]", r"h\.json: .*one row per line"),
    ("i.jsonl.gz", b"not gzip", r"i\.jsonl\.gz: can't be read after line 0"),
])
def test_bad_files_are_one_readable_line(tmp_path, name, body, message):
    (tmp_path / name).write_bytes(body)
    with pytest.raises(TutorError, match=message) as caught:
        list(read_corpus(tmp_path / name))
    assert "\n" not in str(caught.value)


def test_missing_sources_say_so(tmp_path, monkeypatch):
    with pytest.raises(TutorError, match="no such file or folder"):
        list(read_corpus(tmp_path / "nowhere"))
    with pytest.raises(TutorError, match='missing "body"'):
        list(read_corpus(write(tmp_path / "k.jsonl", {"text": "x"}), text_key="body"))
    with pytest.raises(TutorError, match="write hub:owner/name"):
        list(read_corpus("hub:name-alone"))
    monkeypatch.setitem(__import__("sys").modules, "datasets", None)
    with pytest.raises(TutorError, match=r"pip install .mlxtutor\[data\]"):
        list(read_corpus("hub:owner/name"))


def test_hub_rows_are_streamed_and_its_failures_are_one_line(monkeypatch):
    class Hub:
        @staticmethod
        def load_dataset(name, split, streaming):
            if name == "owner/gone":
                raise ConnectionError("no route\nto host")
            return iter([{"text": f"{name} {split} {streaming}"}])

    monkeypatch.setitem(__import__("sys").modules, "datasets", Hub)
    assert list(corpus.read_corpus("hub:owner/name:validation")) == ["owner/name validation True"]
    with pytest.raises(TutorError, match=r"hub:owner/gone: can't be streamed \(no route\)"):
        list(corpus.read_corpus("hub:owner/gone"))

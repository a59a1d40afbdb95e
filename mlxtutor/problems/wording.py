"""Problem texts composed of scenes, question forms, orders of givens, notations and noise."""

from __future__ import annotations

import re
from dataclasses import dataclass, replace
from functools import cache

import numpy as np

from mlxtutor.problems.noise import ABBREVIATED, add_noise, printed_symbol
from mlxtutor.problems.quantities import Value
from mlxtutor.shipped import shipped_yaml

FIELDS = ("names", "scenes", "scenes_held", "wholes", "wholes_held", "contexts", "questions", "questions_held",
          "targets", "targets_held", "concepts")
FRAMES = (
    "What is {t}?", "Find {t}.", "Calculate {t}.", "Determine {t}.", "Compute {t}.", "Work out {t}.", "Solve for {t}.",
    "What's {t}?", "Can you find {t}?", "I need {t}.", "Please calculate {t}.", "How do I get {t}?", "{T}?", "Find {t}",
    "Tell me {t}.", "We want {t}.", "What would {t} be?", "What value do you get for {t}?", "Obtain {t}.", "Show how to find {t}.",
    "Help me find {t}.", "Evaluate {t}.", "{T} is what?", "What will be {t}?", "How large is {t}?", "Find the value of {t}.",
    "What is the value of {t}?", "Derive a number for {t}.", "Could you work out {t} for me?", "{T} = ?", "Your task is to find {t}.",
    "It is required to find {t}.", "Establish {t}.", "Find out {t}.", "State {t}.", "Ascertain {t}.", "{B}?", "{B} = ?", "{B} please",
)
FRAMES_HELD = ("Deduce {t}.", "I am looking for {t}.", "Give {t}.", "What do you obtain for {t}?", "The quantity wanted is {t}.",
               "How big is {t}?", "Estimate {t}.", "Please tell me {t}.")
LEADS = ("", "Given: ", "Data: ", "Known: ", "Given ", "We know: ", "Here ", "Let ", "Suppose ", "Numbers: ", "The data are: ")
SUPPLIED = ("{v}", "{v}.", "It is {v}.", "it's {v}", "{N} is {v}.", "{n}: {v}", "{s} = {v}", "{s} = {v}.", "Oh sorry, {v}.", "{v}, sorry",
            "I forgot: {n} is {v}.", "Take {v}.", "Let's say {v}.", "ok, {v}", "The value is {v}.", "{N} = {v}. Go on.", "Use {v} for it.",
            "That's {v}.")

# After each value that a text states stands a character of no font until the text is whole: so its order is known.
MARKS = "\ue000\ue001\ue002\ue003\ue004\ue005\ue006\ue007"


@dataclass(frozen=True)
class Prompt:
    """A problem text, and the symbols of the values it states in the order in which they stand there."""

    text: str
    order: tuple[str, ...]


@dataclass(frozen=True)
class Wording:
    """The phrases of one type. Scenes and wholes hold `{symbol}` places; text in [brackets] goes when its given is missing."""

    names: dict[str, tuple[str, ...]]
    scenes: tuple[str, ...]
    scenes_held: tuple[str, ...]
    wholes: tuple[str, ...]
    wholes_held: tuple[str, ...]
    contexts: tuple[str, ...]
    questions: tuple[str, ...]
    questions_held: tuple[str, ...]
    targets: tuple[str, ...]
    targets_held: tuple[str, ...]
    concepts: tuple[tuple[str, str], ...]


@cache
def load_wordings(family: str) -> dict[str, Wording]:
    """The phrases of a family, from data/problems/FAMILY.yaml, by type name."""
    return {name: _wording(name, fields) for name, fields in shipped_yaml(f"problems/{family}.yaml").items()}


def _wording(name: str, fields: dict) -> Wording:
    unknown = set(fields) - set(FIELDS)
    if unknown:
        raise ValueError(f"{name}: unknown wording field {sorted(unknown)} (has: {', '.join(FIELDS)})")
    lists = {key: tuple(fields.get(key, ())) for key in FIELDS if key not in ("names", "concepts")}
    names = {symbol: tuple(texts) for symbol, texts in fields["names"].items()}
    return Wording(names=names, concepts=tuple((q, a) for q, a in fields.get("concepts", ())), **lists)


def _pick(rng: np.random.Generator, options: tuple[str, ...]) -> str:
    return options[int(rng.integers(len(options)))]


def compose(rng: np.random.Generator, wording: Wording, values: dict[str, Value], missing: str | None = None,
            held: bool = False) -> Prompt:
    """A problem text stating every value but `missing`. held: only scenes and question forms that are never trained on."""
    symbols = list(values)
    marked = {s: replace(v, printed=v.printed + MARKS[i]) for i, (s, v) in enumerate(values.items())}
    text = _compose(rng, wording, marked, missing, held)
    order = tuple(dict.fromkeys(symbols[MARKS.index(c)] for c in text if c in MARKS))
    return Prompt(text.translate({ord(c): None for c in MARKS}), order)


def compose_plain(rng: np.random.Generator, wording: Wording, values: dict[str, Value]) -> str:
    """A scene and a question, both trained ones, without noise, LaTeX or instructions around them."""
    values = {symbol: replace(value, printed=value.stated) if "\\" in value.printed else value for symbol, value in values.items()}
    return f"{_fill(rng, _pick(rng, wording.scenes), values, None).strip()} {_pick(rng, wording.questions).strip()}"


def wanted_phrase(rng: np.random.Generator, wording: Wording) -> str:
    """What is wanted, as a phrase for a sentence: `the force`."""
    return _pick(rng, tuple(text for text in wording.targets if text.startswith("the ") and len(text) < 40) or ("the result",))


def _compose(rng: np.random.Generator, wording: Wording, values: dict[str, Value], missing: str | None, held: bool) -> str:
    wholes = wording.wholes_held if held else wording.wholes
    if wholes and rng.random() < .25:
        text = _fill(rng, _pick(rng, wholes), values, missing)
        return add_noise(rng, text)
    question = _question(rng, wording, held)
    if held or rng.random() < .68:
        body = _fill(rng, _pick(rng, wording.scenes_held if held else wording.scenes), values, missing)
    else:
        body = _listed(rng, wording, values, missing)
    first, second = (body, question) if rng.random() < .82 else (question, body)
    joint = "\n" if rng.random() < .15 else " "
    return add_noise(rng, first.strip() + joint + second.strip())


def _question(rng: np.random.Generator, wording: Wording, held: bool) -> str:
    questions = wording.questions_held if held else wording.questions
    if rng.random() < .5:
        return _pick(rng, questions)
    target = _pick(rng, wording.targets_held if held else wording.targets)
    frame = _pick(rng, FRAMES_HELD if held else FRAMES)
    return frame.format(t=target, T=_capital(target), B=_capital(re.sub(r"^(the|its) ", "", target)))


def _capital(text: str) -> str:
    return text[:1].upper() + text[1:]


def _fill(rng: np.random.Generator, template: str, values: dict[str, Value], missing: str | None) -> str:
    """Put the values into a template; a bracket that holds the missing one goes, else a vague phrase stands in."""
    named = rng.random() < .1

    def value(match: re.Match[str]) -> str:
        symbol = match.group(1)
        if symbol == missing:
            return values[symbol].vague
        text = values[symbol].printed
        bare = not named or match.string[:match.start()].rstrip().endswith("=")
        return text if bare else f"{printed_symbol(rng, symbol)} = {text}"

    def bracket(match: re.Match[str]) -> str:
        return "" if missing and "{" + missing + "}" in match.group(1) else match.group(1)

    text = re.sub(r"\[([^\[\]]*)\]", bracket, template)
    return _tidy(re.sub(r"\{(\w+)\}", value, text))


def _tidy(text: str) -> str:
    """Mend the punctuation around what was left out, and capitals after full stops."""
    text = re.sub(r"\s+([,.;:?!])", r"\1", re.sub(r" {2,}", " ", text)).strip(" ,;:")
    text = re.sub(r",+([.;:?!,])", r"\1", text)
    return re.sub(rf"(?:^|(?<=[.?!] ){ABBREVIATED})[a-z](?=[a-z]+ )", lambda m: m.group().upper(), text) if text[:1].isupper() else text


def _listed(rng: np.random.Generator, wording: Wording, values: dict[str, Value], missing: str | None) -> str:
    """A scene without numbers, then the givens as a list of symbols or of named quantities."""
    stated = [v for s, v in values.items() if s != missing]
    if rng.random() < .4:
        stated = [stated[i] for i in rng.permutation(len(stated))]
    context = _pick(rng, wording.contexts)
    if not stated:
        return context
    style = rng.random()
    if style < .35:
        sign = _pick(rng, (" = ", "=", ": ", " is "))
        items = [printed_symbol(rng, v.symbol) + sign + v.printed for v in stated]
    elif style < .75:
        sign = _pick(rng, (" is ", " = ", ": ", " of ", " equals "))
        items = [_pick(rng, wording.names[v.symbol]) + sign + v.printed for v in stated]
    else:
        items = [_reversed(rng, wording, v) for v in stated]
    glue = _pick(rng, (", ", "; ", "\n", "\n- ", ", and ", " and "))
    lead = _pick(rng, LEADS)
    if glue == "\n- ":
        lead = lead.strip() + glue
    body = lead + glue.join(items)
    if lead or style >= .35:  # a is not A
        body = _capital(body)
    return f"{context} {body}." if "\n" not in glue else f"{context}\n{body}\n"


def supply(rng: np.random.Generator, wording: Wording, value: Value) -> str:
    """What a student says who is asked for a missing value."""
    name = _pick(rng, wording.names[value.symbol])
    return _pick(rng, SUPPLIED).format(v=value.printed, n=name, N=_capital(name), s=printed_symbol(rng, value.symbol))


def _reversed(rng: np.random.Generator, wording: Wording, value: Value) -> str:
    name = re.sub(r"^(the|its|their) ", "", _pick(rng, wording.names[value.symbol]))
    return f"{value.printed} ({name})" if rng.random() < .5 else f"{value.printed} for the {name}"

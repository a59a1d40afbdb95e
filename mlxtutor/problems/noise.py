"""What surrounds a problem in real texts: instructions, hints, asides, numbering, careless typing, spelling."""

from __future__ import annotations

import re

import numpy as np

GREEK = {"lambda": "λ", "sigma": "σ", "rho": "ρ", "theta": "θ", "tau": "τ", "kappa": "κ", "eps": "ε", "phi": "φ", "Phi": "Φ"}
BEFORE = (
    "Problem {n}.", "{n}.", "{n})", "Q{n}.", "({n})", "Exercise {n}:", "Question {n}:", "Hi!", "hey,", "Please help.", "Help!",
    "I'm stuck on this one.", "My homework says:", "From my physics book:", "For tomorrow's quiz:", "Exam practice.", "Quick question:",
    "Solve this problem.", "Show your work.", "Explain step by step.", "Can you check this?", "Consider the following.", "A question from class:",
    "Physics problem:", "Example {n}.", "Use SI units.", "Review question:", "Worked example:", "Practice {n}:",
    "Our teacher asked:", "A student writes:", "Here is a task.", "Solve and check the units.", "Could you help me with this?", "Lab report, part {n}:",
)
AFTER = (
    "Show your work.", "Explain each step.", "Give your answer in SI units.", "Check the units.", "Thanks!", "thank you", "Please show all steps.",
    "({n} points)", "[{n} marks]", "Round to three significant figures.", "Include units.", "Use k = 8.99 × 10⁹ N·m²/C².", "Use k = 9.0 × 10^9.",
    "(k = 8.99e9 N m^2/C^2)", "Take k = 9 × 10⁹ N·m²/C².", "Use ε0 = 8.85 × 10⁻¹² F/m.", "(ε₀ = 8.85e-12)", "Ignore air resistance.",
    "Neglect edge effects.", "State the law you use.", "Justify your answer.", "Give a numerical answer.", "The charge of an electron is 1.6 × 10⁻¹⁹ C.",
    "Don't forget the units.", "I have an exam tomorrow.", "Give the result with its unit.", "No need for a diagram.", "Include a sanity check.",
)
ASIDES = ("The room is dry.", "Nothing else is nearby.", "Ignore all other effects.", "The setup sits on a table.",
          "Edge effects are small.", "Everything is at rest.", "The temperature is {t} °C.", "This is experiment number {n}.", "The drawing is not to scale.")
SWAPS = (("meter", "metre"), ("Find ", "find "), ("What is", "what is"), ("calculate", "compute"), ("Calculate", "Compute"), ("placed", "put"),
         ("located", "placed"), ("apart", "from each other"), ("magnitude", "size"), ("separated by", "spaced by"))

ABBREVIATED = r"(?<!\.\w\. )"  # what stands here doesn't follow "p.d. " or "e.m.f. ", whose full stop ends no sentence
METER = re.compile(r"\b((?:centi|milli|micro|nano|kilo|pico)meter|meter(?=s)|(?<=[pP]er )meter|(?<=square )meter)(s?)\b")


def printed_symbol(rng: np.random.Generator, symbol: str) -> str:
    """q1 as q1, q_1, q₁, Q1; lambda as λ; eps_r as ε_r."""
    head, _, index = re.sub(r"(?<=[A-Za-z])(?=\d+$)", "_", symbol).partition("_")
    head = GREEK.get(head, head) if rng.random() < .7 else head
    if head == "q" and rng.random() < .15:
        head = "Q"
    if not index:
        return head
    form = rng.random()
    if form < .5:
        return head + index if index.isdigit() else f"{head}_{index}"
    return f"{head}_{index}" if form < .75 or not index.isdigit() else head + index.translate(str.maketrans("0123456789", "₀₁₂₃₄₅₆₇₈₉"))


def _line(rng: np.random.Generator, options: tuple[str, ...]) -> str:
    return options[int(rng.integers(len(options)))].format(n=int(rng.integers(1, 60)), t=int(rng.integers(15, 30)))


def add_noise(rng: np.random.Generator, text: str) -> str:
    """Surround a problem text with what real ones carry; the numbers in it are never touched."""
    text = re.sub(r" +", " ", text).replace(" ,", ",").replace(" .", ".").strip()
    if rng.random() < .25:
        old, new = SWAPS[int(rng.integers(len(SWAPS)))]
        text = text.replace(old, new, 1)
    if rng.random() < .3:
        text = METER.sub(lambda m: m[1][:-2] + "re" + m[2], text)
    if rng.random() < .06:
        text = _aside(rng, text)
    if rng.random() < .2:
        text = _line(rng, BEFORE) + (" " if rng.random() < .8 else "\n") + text
    if rng.random() < .2:
        text = text + (" " if rng.random() < .8 else "\n") + _line(rng, AFTER)
    return _careless(rng, text)


def _aside(rng: np.random.Generator, text: str) -> str:
    stop = re.search(rf"\. {ABBREVIATED}", text)
    return f"{text[:stop.end()]}{_line(rng, ASIDES)} {text[stop.end():]}" if stop else text


WORD = re.compile(r"(?<!\\)\b[a-z]{4,}\b")


def _careless(rng: np.random.Generator, text: str) -> str:
    draw = rng.random()
    if draw < .06:
        return re.sub(r"\b[A-Z](?=[a-z]{2,}\b)", lambda m: m.group().lower(), text)
    if draw < .09:
        return text.rstrip(".?")
    if draw < .15:
        words = list(WORD.finditer(text))
        for match in sorted(rng.choice(len(words), min(2, len(words)), replace=False), reverse=True) if words else ():
            start = words[match].start() + int(rng.integers(1, len(words[match].group()) - 1))
            text = text[:start] + text[start + 1] + text[start] + text[start + 2:]
        return text
    if draw < .2:
        words = [m for m in re.finditer(r" (the|a|an|is|are|of|that|its)(?= [a-z])", text)]
        for match in reversed(words):
            if rng.random() < .5:
                text = text[:match.start()] + text[match.end():]
    return text

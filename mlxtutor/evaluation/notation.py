"""Typeset text (Unicode, LaTeX, Markdown) as plain ASCII-like text: `5.4 × 10⁻³ μC` -> `5.4 * 10^-3 uC`."""

import re

_SUPERSCRIPTS = str.maketrans("⁰¹²³⁴⁵⁶⁷⁸⁹⁻⁺", "0123456789-+")
_SIGNS = str.maketrans({
    **dict(zip("₀₁₂₃₄₅₆₇₈₉", "0123456789")),
    "−": "-", "–": "-", "‐": "-", "‑": "-", "—": ",", "﹣": "-", "－": "-",
    "×": "*", "✕": "*", "⨯": "*", "·": "*", "⋅": "*", "∙": "*", "÷": "/", "⁄": "/", "∕": "/",
    "≈": "=", "≃": "=", "≅": "=", "＝": "=", "√": "sqrt", "π": "pi", "\u00b5": "u", "\u03bc": "u",
    "\u03a9": "ohm", "\u2126": "ohm", "Å": "angstrom", "°": " deg", "º": " deg", "∠": " angle ",
    "½": "1/2", "⅓": "1/3", "¼": "1/4", "’": "'", "‘": "'", "\u00ad": None, "\u200b": None, "~": " ",
})
_THIN = "\u2009\u202f\u00a0\u2007"
_LATEX = [(re.compile(pattern), value) for pattern, value in (
    (r"\{,\}", ","), (r"(?<=\d)\\[,;:!](?=\d{3}(?!\d))", ""), (r"\\[,;:!\s]|\\q?quad\b", " "),
    (r"\\(?:left|right|displaystyle|big|Big)\b", ""), (r"\\[()\[\]]|\$", " "),
    (r"\\(?:text|mathrm|mathbf|mathsf|textbf|operatorname|mbox|rm|vec|hat|unit|si)\s*\{([^{}]*)\}", r"\1"),
    (r"\\(?:times|cdot|ast)\b", "*"), (r"\\div\b", "/"), (r"\\(?:approx|simeq|cong)\b", "="),
    (r"\\mu\s*", "u"), (r"\\Omega\b", "ohm"), (r"\^\s*\{?\s*\\circ\s*\}?|\\degrees?\b", " deg"), (r"\\%", "%"), (r"\\pm\b", "±"),
)]
_FRACTION = re.compile(r"\\[dt]?frac\s*\{([^{}]*)\}\s*\{([^{}]*)\}")
_ROOT = re.compile(r"\\sqrt\s*\{([^{}]*)\}")
_COMMAND = re.compile(r"\\([A-Za-z]+)")
_POWER_STARS = re.compile(r"(?<=[\w)])\*\*(?=[-+\w({])|(?<=[\w)]) \*\* (?=[-+\d({])")
_POWER = re.compile(r"\^\s*[({]\s*([-+]?\s*\d+(?:\.\d+)?)\s*[)}]")
_BRACED = re.compile(r"([_^])\{([^{}]*)\}")


def plain(text: str) -> str:
    """The text in one notation: * / ^ for operators, `ohm`, `u`, ` deg`, no LaTeX; `\\boxed{x}` becomes a line `Answer: x`."""
    if not text.isascii():
        text = re.sub(f"(?<=\\d)[{_THIN}](?=\\d{{3}}(?!\\d))", "", text)
        text = re.sub("[⁺⁻]?[⁰¹²³⁴⁵⁶⁷⁸⁹]+", lambda m: "^" + m[0].translate(_SUPERSCRIPTS), text)
        text = re.sub(f"[{_THIN}]", " ", text).translate(_SIGNS)
    if "\\" in text or "$" in text or "{" in text:
        text = _without_latex(text)
    if "**" in text:
        text = _POWER_STARS.sub("^", text).replace("**", "")
    if "^" in text:
        text = _POWER.sub(lambda m: "^" + m[1].replace(" ", ""), text)
    return text


def _without_latex(text: str) -> str:
    text = _unboxed(text)
    for pattern, value in _LATEX:
        text = pattern.sub(value, text)
    text = _BRACED.sub(lambda m: m[1] + (m[2] if m[2].lstrip("-").isalnum() else f"({m[2]})"), text)
    for _ in range(4):  # nested fractions, innermost first
        text = _ROOT.sub(r"sqrt(\1)", _FRACTION.sub(r"(\1)/(\2)", text))
    return _COMMAND.sub(r"\1", text).replace("{", "(").replace("}", ")")


def _unboxed(text: str) -> str:
    """Each \\boxed{...} as a line `Answer: ...`, what followed it on its line kept."""
    start = text.find("\\boxed{")
    while start >= 0:
        depth, end = 1, start + len("\\boxed{")
        inner = end
        while end < len(text) and depth:
            depth += {"{": 1, "}": -1}.get(text[end], 0)
            end += 1
        content = text[inner:end - 1] if depth == 0 else text[inner:]
        text = f"{text[:start]}\nAnswer: {content} {text[end:]}"
        start = text.find("\\boxed{")
    return text

"""Texts and chats that an export is tried on: random ones that tokenizers stumble over, and problems of the test suite."""

from __future__ import annotations

import numpy as np

SCRAPS = (
    "3.2e-9", "12345678", "007", "0.1", "$\\frac{1}{4\\pi\\epsilon_0}$", "\\vec{E}\\cdot d\\vec{A}",
    "5.4 × 10⁻³", "μC", "Ω·m", "½", "10⁻¹²", "é", "e\u0301", "n\u0303", "ﬁ", "Å",
    "中文字", "日本", "Привет", "שלום", "مرحبا", "😀", "👩\u200d🔬", "🇩🇪",
    "\u200b", "\u00a0", "\t", "\n", "\n\n", "  ", "   ", " \n ", "\r\n",
    "the", "The", "force", "it's", "don't", "WE'LL", "x_1", "q1*q2/r^2", "{}", "{{ .x }}", "[]", "<b>", "</s>", "<s>",
    "#", "%", "&&", "--", "...", "\"", "'", "`", "```python\nprint(1)\n```", "https://a.b/c?d=e", "a" * 40, "=" * 9, ",", ".", "!", "?",
)


def random_texts(n: int, seed: int = 0) -> list[str]:
    """n texts of 1 to 24 scraps, with and without spaces between them."""
    rng = np.random.default_rng([seed, 1])
    texts = []
    for _ in range(n):
        scraps = [SCRAPS[i] for i in rng.integers(len(SCRAPS), size=rng.integers(1, 25))]
        texts.append(("" if rng.random() < .3 else " ").join(scraps))
    return texts


def random_chats(n: int, seed: int = 0, system: bool = True) -> list[list[dict]]:
    """n chats of one to four questions, the last one open; a third of them with a system text where that is allowed."""
    rng = np.random.default_rng([seed, 2])
    texts = iter(random_texts(12 * n, seed + 1))
    chats = []
    for _ in range(n):
        messages = [{"role": "system", "content": _spoken(texts)}] if system and rng.random() < .35 else []
        for turn in range(int(rng.integers(1, 5))):
            if turn:
                messages.append({"role": "assistant", "content": _spoken(texts)})
            messages.append({"role": "user", "content": _spoken(texts)})
        chats.append(messages)
    return chats


def problem_chats(n: int, system: bool = True) -> list[list[dict]]:
    """The first n problems of the test suite's split `values`, as what stands before their answer: held out from every training.

    system: whether a system text is allowed; without it the problem is asked alone.
    """
    from mlxtutor.problems.suite import suite_rows
    from mlxtutor.text.chat import before_reply

    chats = [before_reply(row["messages"]) for row in suite_rows("values", n)]
    return [[message for message in chat if system or message["role"] != "system"] for chat in chats]


def _spoken(texts) -> str:
    """A text that no template trims: white space around a message is treated differently by each runtime."""
    return next(texts).strip().replace("<s>", "<b>").replace("</s>", "</b>") or "?"

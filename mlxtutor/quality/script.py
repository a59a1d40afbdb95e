"""Text that was decoded wrongly, and rows in another language than the rest."""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Iterator, Sequence
from functools import lru_cache
from typing import Any

from mlxtutor.errors import TutorError
from mlxtutor.quality.findings import Finding
from mlxtutor.text.chat import plain

LANGUAGES = ("en", "de", "fr", "es", "it", "pt", "nl", "pl", "sv", "da", "fi", "cs", "tr", "ru", "uk", "el", "ar", "he", "hi", "zh",
             "ja", "ko", "vi", "id")
MIN_LETTERS = 24     # of a text whose language is told
RARE = .05           # a language that fewer rows have is another than the rest; in a short file, one that a single row has
FEW = 5              # rows of which none is the odd one out
_CONTROL = re.compile("[\x00-\x08\x0b\x0c\x0e-\x1f\x7f\x80-\x9f\ufffd\ufffe\uffff]")


@lru_cache(maxsize=1)
def _libraries() -> tuple[Any, Any]:
    try:
        import ftfy
        import py3langid
    except ImportError as error:
        raise TutorError(f'checking text needs {error.name} (to get it: pip install "mlxtutor[data]")') from None
    py3langid.set_languages(list(LANGUAGES))
    return ftfy, py3langid


def check_encoding(line: int, texts: Sequence[str]) -> Iterator[Finding]:
    """Control and replacement characters, and text that was decoded as Latin-1 (`Â°`, `â€™`)."""
    for text in texts:
        if text.isascii() and not _CONTROL.search(text):
            continue
        mark = _CONTROL.search(text)
        if mark:
            yield Finding(line, "encoding", f"the character U+{ord(mark[0]):04X} in {_around(text, mark.start())!r}")
            return
        repaired = repair(text)
        if repaired != text:
            at = next((index for index, (a, b) in enumerate(zip(text, repaired)) if a != b), 0)
            yield Finding(line, "encoding", f"decoded wrongly: {_around(text, at)!r} should be {_around(repaired, at)!r}")
            return


def _around(text: str, at: int) -> str:
    return text[max(0, at - 12):at + 12]


def repair(text: str) -> str:
    """Text with wrong decoding undone and control characters taken out; anything else as it is, layout included."""
    ftfy, _ = _libraries()
    fixed = ftfy.fix_encoding(text) if not text.isascii() else text
    return _CONTROL.sub("", fixed)


def language_of(row: dict[str, Any]) -> str:
    """The language of the user's words, "" where they are too few."""
    text = row.get("text") or " ".join(plain(message["content"]) for message in row["messages"] if message["role"] == "user")
    if sum(map(str.isalpha, text[:400])) < MIN_LETTERS:
        return ""
    return str(_libraries()[1].classify(text[:300])[0])


def rare_languages(found: Sequence[tuple[int, int, str]]) -> Iterator[Finding]:
    """Findings for the rows whose language hardly any other has. found: (line, number, language)."""
    counts = Counter(language for _, _, language in found if language)
    total = sum(counts.values())
    for line, number, language in found:
        if language and total >= FEW and counts[language] < max(RARE * total, 2) and len(counts) > 1:
            usual = counts.most_common(1)[0][0]
            yield Finding(line, "language", f"{language} (most rows: {usual})", certain=False, number=number)

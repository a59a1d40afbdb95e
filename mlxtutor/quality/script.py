"""Text that was decoded wrongly, and rows in another language than the rest."""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Iterator, Sequence
from functools import lru_cache
from typing import Any

from mlxtutor.errors import TutorError
from mlxtutor.quality.findings import Finding
from mlxtutor.quality.latex import restore
from mlxtutor.text.chat import plain

LANGUAGES = ("en", "de", "fr", "es", "it", "pt", "nl", "pl", "sv", "da", "fi", "cs", "tr", "ru", "uk", "el", "ar", "he", "hi", "zh",
             "ja", "ko", "vi", "id")
MIN_LETTERS = 24     # of a text whose language is told
RARE = .05           # a language that fewer rows have is another than the rest; in a short file, one that a single row has
FEW = 5              # rows of which none is the odd one out
_CONTROL = re.compile("[\x00-\x08\x0e-\x1f\x7f-\x9f\ufffe\uffff]")
_PAGE = re.compile("[\x0b\x0c]+")  # between two texts, which it keeps apart
LOST = "\ufffd"  # stands for what could not be decoded


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
    """Control characters, LaTeX without its backslash, text that was decoded as Latin-1 (`Â°`, `â€™`); and, for a person to judge since
    nobody can tell what it was, the replacement character. One finding of each."""
    for text in texts:
        repaired = repair(text)
        if repaired != text:
            at = next((index for index, (a, b) in enumerate(zip(text, repaired)) if a != b), min(len(text), len(repaired)))
            yield Finding(line, "encoding", f"written or decoded wrongly: {_around(text, at)!r} should be {_around(repaired, at)!r}")
            break
    lost = next((text for text in texts if LOST in text), "")
    if lost:
        message = f"a character is lost (U+FFFD) in {_around(lost, lost.index(LOST))!r}"
        yield Finding(line, "encoding", message, certain=False)


def _around(text: str, at: int) -> str:
    return text[max(0, at - 12):at + 12]


def repair(text: str) -> str:
    """Text with wrong decoding undone, lost backslashes put back, control characters taken out and page breaks as line breaks; anything
    else as it is, layout and U+FFFD included."""
    text = restore(text)
    if not text.isascii():
        ftfy, _ = _libraries()
        text = ftfy.fixes.fix_c1_controls(ftfy.fix_encoding(text))
    return _CONTROL.sub("", _PAGE.sub("\n", text))


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

"""Texts as words: normalised, in pairs, without what any text has."""

from __future__ import annotations

import math
import re
import unicodedata
import zlib
from collections import Counter
from dataclasses import dataclass
from functools import lru_cache

import numpy as np

_WORD = re.compile(r"\d+(?:[.,]\d+)*(?:[eE][-+]?\d+)?|[^\W\d_]+")
_SENTENCE_END = re.compile(r"(?<=[.!?])\s+|\n+")
_CHOICE = re.compile(r"^[ \t]*\(?([A-Z])[.):][ \t]+(.+)$", re.MULTILINE)
LONGEST_UNIT = 3  # letters
STEM = 5  # letters of a word that count: "charged" and "charges" are one
STOP = frozenset(re.findall(r"\w+", """
a an the of in on at by to for from with and or but if then than that this these those it its is are was were be been being has have had
do does did how what which who when where why much many find calculate compute determine give tell me please i you he she they we his her
their your my our as so not no can could will would should shall may might there here into over under between about each all any some one
two three more most value question problem answer work out show take takes taken let during up down off onto every other another now same
help stuck explain step steps thanks thank homework unit units also too hence use uses used using
"""))
_SMALL = {name: str(number) for number, name in enumerate(
    ("zero", "one", "two", "three", "four", "five", "six", "seven", "eight", "nine", "ten", "eleven", "twelve"))}


@lru_cache(maxsize=200_000)
def _hash(word: str) -> int:
    return zlib.crc32(word.encode())


def words(text: str) -> list[str]:
    """Lower-case words and numbers, full-width and ligature letters as plain ones; `1,000` is 1000; a unit keeps its case: mC is no MC."""
    plain = text if text.isascii() else unicodedata.normalize("NFKC", text)
    found, after_number = [], False
    for word in _WORD.findall(plain):
        if word[0].isdigit():
            found.append(word.replace(",", ""))
        else:
            found.append(word if after_number and len(word) <= LONGEST_UNIT else word.casefold())
        after_number = word[0].isdigit()
    return found


def pairs(found: list[str]) -> np.ndarray:
    """The set of neighbouring word pairs, as sorted 32-bit hashes; of a single word that word."""
    hashes = np.array([_hash(word) for word in found], np.uint64)
    if len(hashes) > 1:
        hashes = hashes[:-1] * np.uint64(0x9E3779B1) + hashes[1:] * np.uint64(0x85EBCA77)
    return np.unique((hashes >> np.uint64(7)).astype(np.uint32))


def jaccard(first: np.ndarray, second: np.ndarray) -> float:
    """|intersection| / |union| of two sorted sets; 0 for two empty ones."""
    shared = len(np.intersect1d(first, second, assume_unique=True))
    return shared / max(len(first) + len(second) - shared, 1)


def numbers(found: list[str]) -> tuple[float, ...]:
    """The numbers among words, sorted: `twelve`, `12`, `12.0`, and `1.2e1` are one."""
    values = [_value(_SMALL.get(word, word)) for word in found if word[0].isdigit() or word in _SMALL]
    return tuple(sorted(value for value in values if value is not None))


def _value(word: str) -> float | None:
    try:
        return float(word)
    except ValueError:  # 1.2.3
        return None


@dataclass(frozen=True)
class Question:
    """A question as what it is about: numbers, stems of its content words, those of the sentence that asks, names, lettered choices."""

    numbers: tuple[float, ...]
    stems: frozenset[str]
    asked: frozenset[str]
    names: frozenset[str]
    choices: frozenset[str]


def question_of(text: str) -> Question:
    options = choices(text)
    text = _CHOICE.sub("", text)
    sentences = [part for part in _SENTENCE_END.split(text.strip()) if part]
    asking = next((part for part in reversed(sentences) if part.rstrip().endswith("?")), sentences[-1] if sentences else "")
    names = _names(text)
    stems = _stems(text, names) or _stems(" ".join(options.values()), frozenset())
    choice = frozenset(option.casefold() for option in options.values())
    return Question(numbers(words(text)), stems, _stems(asking, names), names, choice)


def choices(text: str) -> dict[str, str]:
    """`A. iron` lines of a question: the choice by its letter."""
    found = {match[1]: match[2].strip() for match in _CHOICE.finditer(text)}
    return found if len(found) > 1 else {}


def _names(text: str) -> frozenset[str]:
    """Words with a capital inside a sentence."""
    return frozenset(match[1].casefold() for match in re.finditer(r"(?<=[a-z,;] )([A-Z][a-z]+)\b", text))


def _stems(text: str, names: frozenset[str]) -> frozenset[str]:
    """Without numbers, frequent words, and names."""
    plain = text if text.isascii() else unicodedata.normalize("NFKC", text)
    kept = (word for word in words(plain) if word.isalpha() and len(word) > 1 and word not in STOP and word not in _SMALL)
    return frozenset(word[:STEM] for word in kept if word not in names)


class Rarity:
    """How telling a stem is, from the texts that were added: its inverse document frequency."""

    def __init__(self) -> None:
        self.counts: Counter[str] = Counter()
        self.texts = 0

    def add(self, stems: frozenset[str]) -> None:
        self.texts += 1
        self.counts.update(stems)

    def weight(self, stems: frozenset[str]) -> float:
        """Of the stems together; one that no text has is as telling as one that one has."""
        return math.fsum(math.log((self.texts + 2) / (max(self.counts[stem], 1) + 1)) for stem in stems)  # in any order the same

    def share(self, part: frozenset[str], whole: frozenset[str]) -> float:
        """How much of `part`, by weight, stands in `whole`."""
        return self.weight(part & whole) / max(self.weight(part), 1e-9)

    def likeness(self, first: frozenset[str], second: frozenset[str]) -> float:
        """Jaccard of two sets of stems, each stem with its weight."""
        return self.weight(first & second) / max(self.weight(first | second), 1e-9)

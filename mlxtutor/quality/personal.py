"""Personal data and secrets in a text: e-mail, phone, payment cards, keys, addresses, and names where they are asked for."""

from __future__ import annotations

import ipaddress
import re
from collections.abc import Callable, Iterator
from functools import lru_cache
from typing import Any

from mlxtutor.errors import TutorError

_LABEL = r"[A-Za-z0-9](?:[A-Za-z0-9-]{0,61}[A-Za-z0-9])?"
_EMAIL = re.compile(rf"(?<![A-Za-z0-9.+-])[A-Za-z0-9][\w.+-]{{0,63}}@(?:{_LABEL}\.)+[A-Za-z]{{2,24}}(?![A-Za-z0-9])")
_DIGITS = re.compile(r"(?<![\w.,^/*=+-])(?:\+|\(|00)?\d[\d ().\u2011-]{6,22}\d(?![\w^]|[.,]\d|\s*[=*])")
_GROUPED = re.compile(r"(?:1[ -])?(?:\(\d{3}\) ?|\d{3}[-. ])\d{3}[-. ]\d{4}")  # as it is written in North America
_PHONE_WORD = re.compile(r"\b(?:phone|telephone|tel|mobile|whatsapp|fax|(?:call|text|reach|ring) (?:me|us|him|her|them))\b\.?"
                         r"(?:[\s:,#/]|\b(?:is|number|no|at|on|under)\b\.?)*$", re.IGNORECASE)
_SUM = re.compile(r"[=+*/<>]\s*$"), re.compile(r"\s*[=+*<>]")  # before and behind a number that is calculated with
PHONE_FIELD = re.compile(r"(?<![a-z])(?:(?:home|work|cell|tele|mobile|smart)?phone(?:s|number|no|nr)?|tel|telefon|mobile|whatsapp)"
                         r"(?![a-z])", re.IGNORECASE)  # a field whose whole value may be a number
_CARD = re.compile(r"(?<![\w.])(?:\d{4}[ -]?){3}\d{1,7}(?![\w.]\d|\d)|(?<![\w.])3[47]\d{2}[ -]?\d{6}[ -]?\d{5}(?!\d)")
_CARD_START = re.compile(r"(?:4|5[1-5]|2[2-7]|3[47]|6(?:011|5|4[4-9])|35|62)")
_KEYS = re.compile("|".join((
    r"-----BEGIN (?:[A-Z]+ )*PRIVATE KEY-----[\s\S]*?(?:-----END (?:[A-Z]+ )*PRIVATE KEY-----|\Z)",
    r"\bAKIA[0-9A-Z]{16}\b", r"\bgh[pousr]_[A-Za-z0-9]{36,}\b", r"\bgithub_pat_\w{22,}\b", r"\bglpat-[\w-]{20,}",
    r"\bsk-(?:[a-z]+-)?[\w-]{20,}", r"\bhf_[A-Za-z0-9]{30,}\b", r"\bxox[abprs]-[\w-]{10,}", r"\bAIza[\w-]{35}",
    r"\bsk_live_\w{20,}", r"\bnpm_[A-Za-z0-9]{36}\b", r"\beyJ[\w-]{10,}\.eyJ[\w-]{10,}\.[\w-]{10,}",
    r"(?i:\b(?:password|passwd|pwd|api[ _-]?key|secret[ _-]?key|access[ _-]?token)\b\s*(?:is\s+|[:=]\s*)[\"']?)"
    r"(?=[^\s\"',;=*/^()\[\]]*\d)[^\s\"',;=*/^()\[\]]{7,}[^\s\"',;.)=*/^(\[\]](?=[\s\"',;.)]|$)[\"']?")))
_IBAN = re.compile(r"\b[A-Z]{2}\d{2}(?: ?[A-Z0-9]{4}){2,7}(?: ?[A-Z0-9]{1,3})?\b")
_STREET = re.compile(r"\b\d{1,5}[A-Za-z]? (?:[NSEW]\.? )?(?:[A-Z][a-z]+ ){1,3}(?:Street|St|Avenue|Ave|Road|Rd|Lane|Ln|Drive|Dr|Boulevard|"
                     r"Blvd|Terrace)\b\.?(?:, [A-Z][A-Za-z ]+)?"
                     r"|\b[A-Z][a-zäöü]+(?:straße|strasse|weg|gasse|platz) \d{1,4}[a-z]?\b(?!\s*[A-Za-zµμΩ°%²³/])")
_IP = re.compile(r"(?<![\w.])(?:\d{1,3}\.){3}\d{1,3}(?![\w.]*\d)")
_NAME = re.compile(r"(?:\b[Mm]y name is|\bI am called|\b(?:Mr|Mrs|Ms|Dr|Prof)\.?)\s+((?:[A-Z][a-z]+)(?: [A-Z][a-z]+){0,2})")
REGIONS = ("US", "GB", "DE", "FR", "IN", "ES", "IT", "BR", "AU", "CA")
SMALL = 20  # a dotted number whose parts are all below is a section's
RULES = ("email", "phone", "card", "key", "address", "name")


def find_personal(text: str, names: bool = False) -> Iterator[tuple[str, str]]:
    """(rule, the text itself) of everything found; what is one thing isn't found as another again."""
    yield from ((rule, text[start:end]) for rule, start, end in _found(text, names))


def redact(text: str, names: bool = False) -> str:
    """The text with everything found replaced by `[email]`, `[phone]` ..."""
    for rule, start, end in sorted(_found(text, names), key=lambda found: -found[1]):
        text = f"{text[:start]}[{rule}]{text[end:]}"
    return text


def _found(text: str, names: bool) -> list[tuple[str, int, int]]:
    """(rule, start, end); of candidates that overlap the first."""
    found: list[tuple[str, int, int]] = []
    for rule, start, end in _candidates(text, names):
        if not any(start < high and low < end for _, low, high in found):
            found.append((rule, start, end))
    return found


def each_text(value: Any, change: Callable[[str], str], key: str = "", top: bool = True) -> Any:
    """A row with every text in it changed, but for its id, roles and calculator calls. A number in a field such as `phone` is text."""
    if isinstance(value, dict):
        kept = ("id",) if top else ("role", "calc", "result")
        return {name: item if name in kept else each_text(item, change, name, False) for name, item in value.items()}
    if isinstance(value, list):
        return [each_text(item, change, key, False) for item in value]
    if isinstance(value, (str, int)) and PHONE_FIELD.search(key):
        told = change(f"phone {value}")
        return value if told == f"phone {value}" else told.removeprefix("phone ")
    return change(value) if isinstance(value, str) else value


def _candidates(text: str, names: bool) -> Iterator[tuple[str, int, int]]:
    yield from (("key", *match.span()) for match in _KEYS.finditer(text))
    if "@" in text:
        yield from (("email", *match.span()) for match in _EMAIL.finditer(text))
    yield from (("card", *match.span()) for match in _CARD.finditer(text) if is_card(match[0]))
    yield from (("card", *match.span()) for match in _IBAN.finditer(text) if is_iban(match[0]))
    yield from (("address", *match.span()) for match in _IP.finditer(text)
                if _is_public_ip(match[0], text[max(0, match.start() - 30):match.start()]))
    for match in _DIGITS.finditer(text):
        before, behind = text[max(0, match.start() - 45):match.start()], text[match.end():match.end() + 8]
        if not _SUM[0].search(before) and not _SUM[1].match(behind) and is_phone(match[0], before):
            yield ("phone", *match.span())
    yield from (("address", *match.span()) for match in _STREET.finditer(text))
    if names:
        yield from (("name", *match.span(1)) for match in _NAME.finditer(text))


def is_card(text: str) -> bool:
    """Whether digits are a payment card's: a known first number, and Luhn's check digit."""
    digits = [int(character) for character in text if character.isdigit()]
    if not 13 <= len(digits) <= 19 or not _CARD_START.match("".join(map(str, digits))):
        return False
    doubled = [digit if index % 2 == 0 else digit * 2 - 9 * (digit > 4) for index, digit in enumerate(reversed(digits))]
    return sum(doubled) % 10 == 0 and len(set(digits)) > 1


def is_iban(text: str) -> bool:
    """Whether a text is an international bank account number: its check digits fit (ISO 13616)."""
    plain = text.replace(" ", "")
    return 15 <= len(plain) <= 34 and int("".join(str(int(character, 36)) for character in plain[4:] + plain[:4])) % 97 == 1


@lru_cache(maxsize=1)
def _phonenumbers() -> Any:
    try:
        import phonenumbers
    except ImportError:
        raise TutorError('finding phone numbers needs phonenumbers (to get it: pip install "mlxtutor[data]")') from None
    return phonenumbers


def is_phone(text: str, before: str) -> bool:
    """Whether digits are a phone number of some country: written as one (+49 ..., (555) ...-...) or spoken of as one before."""
    digits = sum(character.isdigit() for character in text)
    if not 8 <= digits <= 15:
        return False
    international = text.startswith("+")
    if not international and not _PHONE_WORD.search(before) and not _GROUPED.fullmatch(text):
        return False
    library = _phonenumbers()
    for region in (None,) if international else (*REGIONS, None):  # without a plus, too: 4930901820
        try:
            if library.is_valid_number(library.parse(text if region or international else f"+{text}", region)):
                return True
        except library.NumberParseException:
            continue
    return False


def _is_public_ip(text: str, before: str) -> bool:
    """Small numbers are a section's, unless the text speaks of an address."""
    if max(map(int, text.split("."))) < SMALL and not re.search(r"\b(?:IP|server|host|address|ping|ssh)\b", before, re.IGNORECASE):
        return False
    try:
        return ipaddress.ip_address(text).is_global
    except ValueError:
        return False

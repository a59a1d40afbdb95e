"""Personal data: what is planted is found, and what only looks like it is left."""

import pytest

from mlxtutor.quality.personal import find_personal, is_card
from mlxtutor.text.chat import plain

EMAILS = ("ada@example.org", "first.last+tag@mail.co.uk", "x_1@sub.domain.example", "INFO@Schule.de")
PHONES = ("+1 212 555 2368", "(212) 555-2368", "212-555-2368", "+44 20 7946 0958", "+49 30 901820", "+33 1 42 68 53 00", "1-800-555-2368",
          "+91 98765 43210")
CARDS = ("4111 1111 1111 1111", "5500-0000-0000-0004", "378282246310005", "6011111111111117", "4012888888881881")
KEYS = ("AKIAIOSFODNN7EXAMPLE", "ghp_" + "a1B2" * 9, "sk-" + "Ab3d" * 10, "hf_" + "AbCdEfGhIj" * 4, "xoxb-123456789012-abcdefABCDEF",
        "eyJhbGciOiJIUzI1NiJ9.eyJzdWIiOiIxMjM0In0.dozjgNryP4J3jVmNHl0w5N", "password: hunter2-hunter2", 'api_key = "0123456789abcdef"',
        "-----BEGIN RSA PRIVATE KEY-----\nMIIEow\n-----END RSA PRIVATE KEY-----")
FRAMES = ("Write to {} if it fails.", "Mine is {}, by the way.", "See {}.", "({})", "{}", "I use {} for that, it holds 3.5e-6 C.")


def test_personal_data(problems):
    planted = [(rule, text, frame.format(text)) for rule, texts in (("email", EMAILS), ("phone", PHONES), ("card", CARDS), ("key", KEYS))
               for text in texts for frame in FRAMES]
    for rule in ("email", "phone", "card", "key"):
        asked = [(text, sentence) for kind, text, sentence in planted if kind == rule]
        found = sum((rule, text) in set(find_personal(f"A charge of 3 C. {sentence}")) for text, sentence in asked)
        assert found >= 0.95 * len(asked), rule
    wrong = [pair for row in problems for message in row["messages"] for pair in find_personal(plain(message["content"]))]
    wrong += [pair for _, text, sentence in planted for pair in find_personal(sentence) if pair[1] != text]
    assert len(wrong) <= 0.05 * len(planted), wrong


@pytest.mark.parametrize("text", [
    "6.02214076e23", "c = 299792458 m/s", "480-120-60-24 = 276", "1.602176634 x 10^-19", "12 000 000 000 N", "1234 5678 9012 3456",
    "v1.2.3.4",
    "R = 10.0.0.1", "2024-05-17", "user@host", "3@4.5", "from 1000 to 2000", "sk-test", "10 20 30 40 50",
    "The secret is F=k*q1*q2/r^2 here", "The number is 299792458 in SI units", "We call it c, which is 299792458 m/s"])
def test_what_is_no_personal_data(text):
    assert not list(find_personal(text))


def test_names_are_kept_but_on_request():
    found = list(find_personal("My name is Ada Byron. Ask Mr. Gray.", names=True))
    assert found == [("name", "Ada Byron"), ("name", "Gray")]
    assert not list(find_personal("My name is Ada Byron. Ask Mr. Gray."))


def test_luhn():
    assert all(map(is_card, CARDS))
    for card in CARDS:  # one digit changed is always noticed
        places = [at for at in range(6, len(card)) if card[at].isdigit()]
        assert not any(is_card(card[:at] + str((int(card[at]) + 1) % 10) + card[at + 1:]) for at in places)


def test_bank_accounts():
    assert list(find_personal("Pay to DE89 3704 0044 0532 0130 00, please.")) == [("card", "DE89 3704 0044 0532 0130 00")]
    assert not list(find_personal("Pay to DE89 3704 0044 0532 0130 01, please."))

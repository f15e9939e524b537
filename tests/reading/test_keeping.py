"""Which texts tell a secret: a quick look before decoding leaves out none that decoding would find."""

from __future__ import annotations

import base64
from typing import Final
from urllib.parse import quote

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from stage0.reading.text.datakinds import find_secrets
from stage0.reading.text.decoding import decodings
from stage0.reading.text.keeping import tells_secret

SECRETS: Final = (
    "AKIA" + "IOSFODNN7EXAMPLE",
    "ASIA" + "IOSFODNN7EXAMPLE",
    "ghp_" + "a" * 36,
    "dapi" + "0123456789abcdef" * 2,
    "dapi" + "5" * 32,
    "SK" + "0" * 32,
    "sk-" + "1" * 24,
    "xoxb-1234567890",
    "token=abcdef",
    "pwd=123456",
    "https://ab:1234@example.com",
    "https://12:345678@example.com",
    "hvs." + "9" * 24,
)


def _hex(text: str, between: str) -> str:
    return text.encode().hex(" ").replace(" ", between)


#: Ways to write a piece of a text.
WRITINGS: Final = (
    lambda text: text,
    lambda text: base64.b64encode(text.encode()).decode(),
    lambda text: base64.urlsafe_b64encode(text.encode()).decode().rstrip("="),
    lambda text: base64.b64encode(text.encode("utf-16-le")).decode(),
    lambda text: _hex(text, ""),
    lambda text: _hex(text, " "),
    lambda text: _hex(text, ":").upper(),
    lambda text: "0x" + _hex(text, ", 0x"),
    lambda text: text.encode("utf-16-le").hex(),
    lambda text: "".join(f"%{ord(char):02x}" for char in text),
    lambda text: "".join(f"\\x{ord(char):02x}" for char in text),
    lambda text: "".join(f"&#{ord(char)};" for char in text),
    lambda text: "".join(f"={ord(char):02X}" for char in text),
    lambda text: " ".join(f"U+{ord(char):04X}" for char in text),
    quote,
)


def decoded(text: str, layers: int = 3) -> bool:
    """Whether a text, or what any of it decodes to, holds a secret: without a quick look."""
    if find_secrets(text):
        return True
    return layers > 0 and any(decoded(plain, layers - 1) for plain in decodings(text))


@st.composite
def writings(draw: st.DrawFn) -> str:
    """A secret with a part of it, or all of it, written in some way, twice now and then, beside other words."""
    secret = draw(st.sampled_from(SECRETS))
    start = draw(st.integers(0, len(secret)))
    end = draw(st.integers(start, len(secret)))
    written = secret[:start] + draw(st.sampled_from(WRITINGS))(secret[start:end]) + secret[end:]
    if draw(st.booleans()):
        written = draw(st.sampled_from(WRITINGS))(written)
    before, after = (draw(st.sampled_from(words)) for words in (("", "use ", "key:", "12 ", "A-"), ("", " now", " 42")))
    return f"{before}{written}{after}"


@settings(max_examples=3_000)
@given(text=writings())
def test_a_text_that_decodes_to_a_secret_tells_it(text: str) -> None:
    assert tells_secret(text) or not decoded(text)


@pytest.mark.parametrize("text", ["Deploy the payments service, change 0000000002", "call +49 30 901820", "2026-11-30"])
def test_numbers_and_words_tell_none(text: str) -> None:
    assert not tells_secret(text)

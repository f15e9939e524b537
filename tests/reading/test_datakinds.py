"""Personal data and secrets by their formats, each with a neighbour that is none."""

from __future__ import annotations

from typing import Final

import pytest
from hypothesis import given
from hypothesis import strategies as st

from stage0.reading.text.datakinds import exposes, find_secrets, holds_secret, is_iban, scan

LETTERS: Final = "abcdefghijklmnopqrstuvwxyz0123456789ABCDEFGHIJKLMNOPQRSTUVWXYZ"


def kinds_in(text: str) -> set[str]:
    """The kinds of a text, each with what stands there."""
    return {datum.kind for datum in scan(text)}


#: Kind, a text that holds it, and one that only looks like it.
KINDS: Final[dict[str, tuple[str, str, str]]] = {
    "an e-mail address": ("email", "ask bob@example.com.", "ask bob@example"),
    "a card": ("card", "4111 1111 1111 1111", "4111 1111 1111 1112"),
    "a card of fifteen digits": ("card", "378282246310005", "378282246310006"),
    "an order number": ("card", "5555555555554444", "9555555555554444"),
    "a US social security number": ("government_id", "123-45-6789", "000-45-6789"),
    "a plain one beside its name": ("government_id", "SSN 123456789", "order 123456789"),
    "a Taiwanese id": ("government_id", "身分證 A123456789", "身分證 A123456788"),
    "a Chinese resident id": ("government_id", "11010519491231002X", "110105194912310021"),
    "a Japanese My Number": ("government_id", "マイナンバー 1234 5678 9018", "注文 1234 5678 9018"),
    "a Hong Kong id": ("government_id", "A123456(3)", "A123456(4)"),
    "a Singaporean id": ("government_id", "S1234567D", "S1234567A"),
    "a British insurance number": ("government_id", "AB 12 34 56 C", "GB 12 34 56 C"),
    "a Korean registration number": ("government_id", "900101-1234567", "901301-1234567"),
    "an Indian Aadhaar": ("government_id", "aadhaar 2341 2341 2346", "aadhaar 2341 2341 2347"),
    "a Spanish DNI": ("government_id", "12345678Z", "12345678A"),
    "a French NIR": ("government_id", "2 55 08 14 168 025 38", "2 55 08 14 168 025 39"),
    "a German tax id": ("government_id", "Steuer-ID 86095742719", "Steuer-ID 86095742718"),
    "a Brazilian CPF": ("government_id", "529.982.247-25", "529.982.247-26"),
    "an IBAN": ("iban", "GB82 WEST 1234 5698 7654 32", "GB82 WEST 1234 5698 7654 33"),
    "a passport": ("passport", "passport no. X1234567", "part no. X1234567"),
    "a telephone number": ("phone", "+886 912 345 678", "2024-01-15 12:30"),
    "a Taiwanese mobile number": ("phone", "0912-345-678", "0912-345-6789"),
    "a US telephone number": ("phone", "(415) 555-2671", "415-55-26711"),
    "a Chinese mobile number": ("phone", "13812345678", "23812345678"),
    "a Japanese mobile number": ("phone", "090-1234-5678", "290-1234-5678"),
    "a number beside a word": ("phone", "call 02 2345 6789", "page 02 2345 6789"),
    "an address": ("address", "123 Main Street, Springfield IL 62701", "123 Main Street"),
    "a Taiwanese address": ("address", "台北市信義區市府路45號", "台北市信義區的市府路"),
    "a Japanese address": ("address", "東京都千代田区千代田1-1", "東京都千代田区"),
    "an API key": ("secret", "key AKIA" + "ABCDEFGHIJKLMNOP", "key AKIA" + "abc"),
    "a masked secret": ("secret", "[[S0:gh:1f3a9c2e]]", "[[S0:gh]]"),
}


@pytest.mark.parametrize(("kind", "text", "near"), KINDS.values(), ids=KINDS)
def test_a_kind_is_known_by_its_form(kind: str, text: str, near: str) -> None:
    assert kind in kinds_in(text)
    assert kind not in kinds_in(near)


@pytest.mark.parametrize(
    "text",
    [
        "",
        "List the open tickets of this week",
        "刪除不活躍的使用者",
        "version 1.2.3.4, build 20240115",
        "550e8400-e29b-41d4-a716-446655440000",
        "192.168.1.100 at 1700000000000",
        "3.14159265358979323846",
        "order 12345678901234",
        "user@host",
    ],
)
def test_ordinary_text_holds_nothing(text: str) -> None:
    assert scan(text) == ()


#: Built from pieces, so that no scanner takes them for real.
TOKENS: Final[dict[str, tuple[str, str]]] = {
    "SendGrid": ("sg", "SG." + LETTERS[:22] + "." + LETTERS[:43]),
    "Twilio": ("tw", "SK" + "0123456789abcdef" * 2),
    "Telegram": ("tg", "1234567890" + ":AA" + LETTERS[:33]),
    "Hugging Face": ("hf", "hf_" + LETTERS[:34]),
    "Shopify": ("sh", "shpat_" + "0123456789abcdef" * 2),
    "Vault": ("hv", "hvs." + LETTERS[:30]),
    "DigitalOcean": ("do", "dop_v1_" + "0123456789abcdef" * 4),
    "Databricks": ("da", "dapi" + "0123456789abcdef" * 2),
    "Google OAuth": ("gy", "ya29." + LETTERS[:40]),
}


@pytest.mark.parametrize(("code", "token"), TOKENS.values(), ids=TOKENS)
def test_a_token_is_known_by_its_published_format(code: str, token: str) -> None:
    text = f"use {token} here"
    (secret,) = find_secrets(text)
    assert (secret.code, text[secret.start : secret.end]) == (code, token)
    assert not find_secrets(f"use {token[: len(token) // 2]} here")
    assert holds_secret(text)


@pytest.mark.parametrize(
    ("text", "too_much"),
    [
        ("call me at +1 415 555 2671 or write to bob@x.test", False),
        ("my card is 4111 1111 1111 1111", True),
        (" ".join(f"user{i}@x.test" for i in range(10)), True),
        ("bob@x.test " * 10, False),
        ("nothing", False),
    ],
)
def test_a_list_of_people_or_one_strong_kind_is_too_much_to_send(text: str, too_much: bool) -> None:
    assert exposes(text) is too_much


@given(st.integers(0, 10**15 - 1))
def test_every_number_with_its_check_digits_is_an_iban_and_no_other(number: int) -> None:
    body = f"{number:018d}"
    check = 98 - int(body + "131400") % 97  # DE, as numbers, and two digits to be found
    assert is_iban(f"DE{check:02d}{body}")
    assert not is_iban(f"DE{check % 97 + 1:02d}{body}") or check == check % 97 + 1


@given(st.text(alphabet="0123456789 -+.()ABXZ@=:/台北市路號", max_size=60))
def test_what_is_found_stands_where_it_is_said_to(text: str) -> None:
    for datum in scan(text):
        assert 0 <= datum.start < datum.end <= len(text)

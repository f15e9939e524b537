"""Canonical JSON: the published vectors of RFC 8785, and integers that stay exact."""

from __future__ import annotations

import hashlib
import json
import math
import struct
from typing import Any, Final

import pytest
from hypothesis import given
from hypothesis import strategies as st

from stage0.core.canonical import canonical, digest

#: RFC 8785, Appendix B: IEEE 754 bits and their ES6 form.
NUMBERS: Final = {
    "0000000000000000": "0",
    "8000000000000000": "0",
    "0000000000000001": "5e-324",
    "8000000000000001": "-5e-324",
    "7fefffffffffffff": "1.7976931348623157e+308",
    "ffefffffffffffff": "-1.7976931348623157e+308",
    "4340000000000000": "9007199254740992",
    "c340000000000000": "-9007199254740992",
    "4430000000000000": "295147905179352830000",
    "44b52d02c7e14af5": "9.999999999999997e+22",
    "44b52d02c7e14af6": "1e+23",
    "44b52d02c7e14af7": "1.0000000000000001e+23",
    "444b1ae4d6e2ef4e": "999999999999999700000",
    "444b1ae4d6e2ef4f": "999999999999999900000",
    "444b1ae4d6e2ef50": "1e+21",
    "3eb0c6f7a0b5ed8c": "9.999999999999997e-7",
    "3eb0c6f7a0b5ed8d": "0.000001",
    "41b3de4355555553": "333333333.3333332",
    "41b3de4355555554": "333333333.33333325",
    "41b3de4355555555": "333333333.3333333",
    "41b3de4355555556": "333333333.3333334",
    "41b3de4355555557": "333333333.33333343",
    "becbf647612f3696": "-0.0000033333333333333333",
    "43143ff3c1cb0959": "1424953923781206.2",
}

#: RFC 8785, 3.2.3: sorted by UTF-16 code units, not by code points.
SORTED: Final = {
    "\u20ac": "Euro Sign",
    "\r": "Carriage Return",
    "\ufb33": "Hebrew Letter Dalet With Dagesh",
    "1": "One",
    "\U0001f600": "Emoji: Grinning Face",
    "\u0080": "Control",
    "\u00f6": "Latin Small Letter O With Diaeresis",
}

SPELLED: Final = {
    "a quote and a backslash": ('"\\', r'"\"\\"'),
    "controls with a short form": ("\b\t\n\f\r", r'"\b\t\n\f\r"'),
    "other controls in lower case hex": ("\x00\x1f\x0b", '"\\u0000\\u001f\\u000b"'),
    "everything else as it is": ("/é€\x7f\u2028😀", '"/é€\x7f\u2028😀"'),
    "an empty object": ({}, "{}"),
    "an empty list": ([], "[]"),
    "literals": ([True, False, None], "[true,false,null]"),
    "a tuple as a list": ((1, (2,)), "[1,[2]]"),
    "a float that is whole": (1.0, "1"),
    "the RFC's numbers": (
        [333333333.33333329, 1e30, 4.50, 2e-3, 0.000000000000000000000000001],
        "[333333333.3333333,1e+30,4.5,0.002,1e-27]",
    ),
}


@pytest.mark.parametrize(("bits", "text"), NUMBERS.items())
def test_a_number_of_the_rfc_is_spelled_as_the_rfc_spells_it(bits: str, text: str) -> None:
    (number,) = struct.unpack(">d", bytes.fromhex(bits))
    assert canonical(number).decode() == text


def test_keys_are_sorted_by_utf_16_code_units() -> None:
    order = [value for _, value in json.loads(canonical(SORTED), object_pairs_hook=list)]
    assert order == [
        "Carriage Return",
        "One",
        "Control",
        "Latin Small Letter O With Diaeresis",
        "Euro Sign",
        "Emoji: Grinning Face",
        "Hebrew Letter Dalet With Dagesh",
    ]


@pytest.mark.parametrize(("value", "text"), SPELLED.values(), ids=SPELLED)
def test_a_value_has_one_spelling(value: Any, text: str) -> None:
    assert canonical(value).decode() == text


@pytest.mark.parametrize("number", [2**53 + 1, -(2**53) - 1, 10**21 + 1, 2**200 + 1])
def test_an_integer_stays_exact_at_any_size(number: int) -> None:
    assert canonical(number).decode() == str(number)


@pytest.mark.parametrize("value", [math.nan, math.inf, -math.inf, [1, math.nan], "\ud800", {"\udfff": 1}, {1, 2}, b"x"])
def test_what_is_no_json_value_is_refused(value: Any) -> None:
    with pytest.raises(ValueError, match=r"not a JSON|surrogates"):
        canonical(value)


#: A whole float of 16 to 21 digits is spelled like an integer, as the RFC wants, and read back as one.
FLOATS: Final = st.floats(-(2.0**53), 2.0**53) | st.floats(1e22, 1e300)
JSON_VALUES: Final = st.recursive(
    st.none() | st.booleans() | st.integers() | FLOATS | st.text(),
    lambda inner: st.lists(inner, max_size=4) | st.dictionaries(st.text(), inner, max_size=4),
    max_leaves=12,
)


@given(JSON_VALUES)
def test_reading_the_canonical_form_gives_the_value_back(value: Any) -> None:
    assert json.loads(canonical(value)) == value


@given(JSON_VALUES)
def test_the_canonical_form_of_what_was_read_is_the_same(value: Any) -> None:
    once = canonical(value)
    assert canonical(json.loads(once)) == once


@given(st.dictionaries(st.text(), st.integers(), min_size=2, max_size=6), st.randoms())
def test_the_order_of_keys_does_not_matter(value: dict[str, int], random: Any) -> None:
    items = list(value.items())
    random.shuffle(items)
    assert canonical(dict(items)) == canonical(value)


def test_a_digest_is_the_hash_of_the_canonical_form() -> None:
    assert digest({"b": 1, "a": [1.0]}) == hashlib.sha256(b'{"a":[1],"b":1}').hexdigest()

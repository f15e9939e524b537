"""What is decoded, and that a number is none of it: its digits spell nothing."""

from __future__ import annotations

from random import Random
from typing import Any, Final

import pytest

from stage0.core.pack import Pack
from stage0.policy import shipped_packs
from stage0.reading.call.arguments import read_arguments
from stage0.reading.text.decoding import base64_pieces, hex_pieces
from stage0.reading.text.disguise import find_disguises
from stage0.reading.text.folding import fold
from tests.deciding import decided
from tests.reading.test_disguise import WORDS

KNOWN: Final = shipped_packs()["stage0-default"].knowledge


def in_disguise(text: str) -> list[str]:
    """The words that a text is said to hold in disguise."""
    return [each.plain for each in find_disguises(fold(text, WORDS.table), WORDS)]


#: `70 34 59` is p4Y, `70 61 79` pay and `72 65 73 65 74` reset, in hexadecimal.
NUMBERS: Final[dict[str, str]] = {
    "a fraction": "0.703459",
    "a fraction that spells a word": "0.7265736574",
    "a fraction with a comma": "0,7265736574",
    "a fraction without a nought": ".7265736574",
    "a negative fraction": "-0.7265736574",
    "a number before a fraction": "7265736574.25",
    "a fraction with an exponent": "7.265736574e-05",
    "coordinates": "52.706179,13.7265736574",
    "a latitude in degrees": "52.70617990° N",
    "a time stamp": "2070-61-79T70:61:79.7265736574Z",
    "seconds": "1770617961.706179",
    "a version": "v70.61.79-706179",
    "a phone number": "+70 34 59 40",
    "another phone number": "(706) 179-703459",
    "an amount": "$706,179.00",
    "an amount in full": "USD 703459",
    "a number of eight digits": "46407825",
    "another of eight": "24774170",
    "a number of ten": "7061592971",
    "a number of sixteen": "5034792742762532",
    "a phone number in fours": "5357 6170",
    "bytes of a picture": "70, 61, 79, 12, 40",
    "a commit": "7034592e",
    "another commit": "5d437537",
}


@pytest.mark.parametrize("number", NUMBERS.values(), ids=NUMBERS)
@pytest.mark.parametrize("text", ["{}", "x2 is {}", "set v1 to ({}); then", '{{"lat1": {}, "b2": 5}}', "a={}&b=c3"])
def test_the_digits_of_a_number_spell_nothing(text: str, number: str) -> None:
    assert in_disguise(text.format(number)) == []


def _digits(random: Random, count: int) -> str:
    return "".join(random.choices("0123456789", k=count))


def _numbers(random: Random) -> str:
    """Numbers as they stand in arguments: fractions, coordinates, times, amounts, telephones, versions, counts."""
    d = random.randint

    def n(count: int) -> str:
        return _digits(random, count)

    return (
        f"x2={d(0, 99)}.{n(d(4, 17))} b3=-.{n(d(4, 12))} at {d(-90, 90)}.{n(6)},{d(-180, 180)}.{n(8)} "
        f"{d(1, 9)}.{n(d(3, 9))}e-0{d(1, 9)} "
        f"20{n(2)}-{d(10, 12)}-{d(10, 28)}T{d(10, 23)}:{d(10, 59)}:{d(10, 59)}.{n(6)}Z "
        f"${d(1, 999)},{n(3)},{n(3)}.{n(2)} +{n(2)} {n(3)} {n(4)} {n(4)} v{d(1, 99)}.{d(1, 99)}.{n(6)} "
        f"id {n(6)} {n(8)} {n(10)} {n(13)} {n(16)}"
    )


def test_no_number_among_many_spells_anything() -> None:
    random = Random("numbers")
    for _ in range(4000):
        text = _numbers(random)
        assert in_disguise(text) == [], text


def test_a_number_of_an_argument_spells_nothing() -> None:
    given: dict[str, Any] = {"lat": 52.703459, "x": 0.7265736574, "n": 7265736574, "path": [0.706179, 706179]}
    for arguments in (given, {name: f"x2 {value}" for name, value in given.items()}, {"points": [f"a1 {given}"]}):
        reading = read_arguments(arguments, KNOWN.commands, KNOWN.lexicon, "args")
        assert {seen.effect for seen in reading.sightings} == set()


def test_a_goal_with_a_fraction_is_no_payment(default_pack: Pack) -> None:
    fields = {"goal": "Show the map at x2 = 52.703459, y2 = 0.7265736574", "tools": ["map.show"]}
    assert decided(fields, default_pack).verdict == "ALLOW"


@pytest.mark.parametrize(
    ("text", "word"),
    [
        ("please 7265736574 it", "reset"),
        ("run 77697065203432", "wipe 42"),
        ("7075726765", "purge"),
        ("6572617365282775736572732729", "erase('users')"),
        ("72 65 73 65 74 x2", "reset"),
        ("72:65:73:65:74 x2", "reset"),
        ("0x72, 0x65, 0x73, 0x65, 0x74", "reset"),
        ("0x706179 x2", "pay"),
        ("run.7265736574", "reset"),
        ("5245534554 x2 and 5265736574", "reset"),
        ("64336c337433 it", "delete"),
    ],
)
def test_a_word_in_hexadecimal_is_still_read(text: str, word: str) -> None:
    assert set(in_disguise(text)) == {word}


def test_digits_alone_are_neither_base64_nor_a_fractions_hexadecimal() -> None:
    assert list(base64_pieces("44644464 4464")) == []
    assert list(hex_pieces("0.7265736574")) == []
    assert [piece.plain for piece in hex_pieces("7265736574")] == ["reset"]

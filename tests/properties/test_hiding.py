"""Hiding what an action does never lets it through; writing it differently never stops it."""

from __future__ import annotations

import unicodedata
from base64 import b64encode
from collections.abc import Callable
from pathlib import Path
from typing import Any, Final

import pytest
from hypothesis import given
from hypothesis import strategies as st

from stage0.cli.cases import read_cases
from stage0.core.verdict import Decision
from stage0.reading.call.arguments import read_arguments
from stage0.reading.effects import HIGH_RISK
from stage0.reading.prose.goal import read_goal
from stage0.reading.prose.lexicon import split_words
from stage0.reading.text.confusables import CONFUSABLES
from tests.asserting import nonempty
from tests.deciding import decided
from tests.properties.promises import LISTS, told
from tests.rules.test_rules import CASES as RULE_CASES
from tests.strategies import PACKS

Fields = dict[str, Any]

_CORPUS: Final = Path(__file__).parent.parent / "corpus"
_PACK: Final = PACKS["stage0-default"]
_REQUESTS: Final[list[Fields]] = [
    *(case.request for path in sorted(_CORPUS.glob("*.json")) for case in read_cases(path)),
    *(case.request for case in RULE_CASES if case.run is None and not case.caller and not case.now),
]


def _decide(fields: Fields) -> Decision:
    return decided(fields, _PACK)


_STOPPED: Final = [fields for fields in _REQUESTS if _decide(fields).verdict != "ALLOW"]
_ALLOWED: Final = [fields for fields in _REQUESTS if _decide(fields).verdict == "ALLOW"]


def test_there_are_cases_of_both_kinds() -> None:
    assert len(_STOPPED) > 100
    assert len(_ALLOWED) > 30


# -- hiding: of every text that says what is done

_BY_LETTER: Final[dict[str, list[str]]] = {}
for _char, _plain in CONFUSABLES.items():
    # In one of the scripts that are read, a look-alike would be an ordinary letter with an accent.
    _BY_LETTER.setdefault(_plain, []).append(_char)
_INVISIBLE: Final = "\u200b\u200c\u200d\u2060\ufeff\u00ad\u034f\u202e\u2066\u180b\u3164\u2800\U000e0041\U000e0101"
_MARKS: Final = "\u0336\u0301\u0353\u20dd\u0489"
#: First letters of alphabets that NFKC makes plain: bold, italic, Fraktur bold, sans, monospace.
_STYLES: Final = (0x1D400, 0x1D468, 0x1D56C, 0x1D5A0, 0x1D670)


def _each(text: str, change: Callable[[str, int], str], every: int) -> str:
    """A text with every n-th Latin letter changed."""
    return "".join(
        change(char, place) if char.isascii() and char.isalpha() and place % every == 0 else char
        for place, char in enumerate(text)
    )


def _confused(char: str, place: int) -> str:
    choices = _BY_LETTER.get(char.lower(), [char])
    return choices[place % len(choices)]


def _styled(char: str, place: int) -> str:
    return chr(_STYLES[place % len(_STYLES)] + ord(char.lower()) - ord("a") + 26)


def _enclosed(char: str, place: int) -> str:
    return chr((0x24B6, 0x1F130, 0x1F150, 0x1F170)[place % 4] + ord(char.upper()) - ord("A"))


HIDINGS: Final[dict[str, Callable[[str, int], str]]] = {
    "full width": lambda char, _: chr(ord(char) + 0xFEE0),
    "invisible characters": lambda char, place: char + _INVISIBLE[place % len(_INVISIBLE)],
    "confusable letters": _confused,
    "styled letters": _styled,
    "enclosed letters": _enclosed,
    "marks": lambda char, place: char + _MARKS[place % len(_MARKS)],
    "many marks": lambda char, _: char + _MARKS * 3,
}
_hidings: Final = st.sampled_from(sorted(HIDINGS))
_stopped: Final = st.sampled_from(_STOPPED)
_allowed: Final = st.sampled_from(_ALLOWED)


def _rewritten(fields: Fields, change: Callable[[str], str], *names: str) -> Fields:
    """A request with the texts of some fields changed."""
    changed: Fields = {"goal": "List the open tickets", **fields}
    for name in names:
        value = changed.get(name, [])
        changed[name] = change(value) if isinstance(value, str) else [change(text) for text in value]
    return changed


def _still_stopped(fields: Fields) -> None:
    decision = _decide(fields)
    assert decision.verdict != "ALLOW", f"{told(decision)} {fields}"


@given(
    _stopped, _hidings, st.integers(1, 3), st.sampled_from((("goal", "tools", "side_effects"), ("goal",), ("tools",)))
)
def test_hiding_the_letters_of_a_stopped_action_does_not_let_it_through(
    fields: Fields, how: str, every: int, names: tuple[str, ...]
) -> None:
    _still_stopped(_rewritten(fields, lambda text: _each(text, HIDINGS[how], every), *names))


@pytest.mark.parametrize("how", sorted(HIDINGS))
def test_no_way_of_hiding_lets_any_stopped_case_through(how: str) -> None:
    for fields in _STOPPED:
        _still_stopped(_rewritten(fields, lambda text: _each(text, HIDINGS[how], 1), "goal", "tools", "side_effects"))


@given(_stopped, st.sampled_from((str.upper, str.lower, str.swapcase, str.title)))
def test_letter_case_does_not_let_a_stopped_action_through(fields: Fields, change: Callable[[str], str]) -> None:
    _still_stopped(_rewritten(fields, change, "goal", "side_effects"))


@given(_stopped, st.sampled_from(("NFC", "NFD", "NFKD")))
def test_composition_does_not_let_a_stopped_action_through(fields: Fields, form: Any) -> None:
    _still_stopped(_rewritten(fields, lambda text: unicodedata.normalize(form, text), "goal", "tools", "side_effects"))


def _camel(words: list[str]) -> str:
    return words[0] + "".join(word.capitalize() for word in words[1:])


JOINTS: Final[dict[str, Callable[[list[str]], str]]] = {
    "snake": "_".join,
    "kebab": "-".join,
    "camel": _camel,
    "Pascal": lambda words: "".join(word.capitalize() for word in words),
    "upper snake": lambda words: "_".join(words).upper(),
    "dotted": ".".join,
    "spaced": " ".join,
    "service and action": lambda words: f"svc:{_camel([word.capitalize() for word in words])}",
    "behind a server": lambda words: f"mcp__server__{'_'.join(words)}",
}


def _joined(name: str, joint: str) -> str:
    return JOINTS[joint](split_words(name)) if name.isascii() and split_words(name) else name


@given(_stopped, st.sampled_from(sorted(JOINTS)))
def test_another_way_to_write_a_tools_name_does_not_let_a_stopped_action_through(fields: Fields, joint: str) -> None:
    _still_stopped(_rewritten(fields, lambda name: _joined(name, joint), "tools"))


@given(_stopped, st.randoms(use_true_random=False))
def test_the_order_of_items_does_not_let_a_stopped_action_through(fields: Fields, random: Any) -> None:
    _still_stopped(_shuffled(fields, random))


# -- harmless changes: of what is allowed


def _shuffled(value: Any, random: Any) -> Any:
    """A request with the keys of its objects and the items of its lists in another order."""
    if isinstance(value, dict):
        keys = list(value)
        random.shuffle(keys)
        return {
            key: sorted(value[key], key=lambda _: random.random()) if key in LISTS else _shuffled(value[key], random)
            for key in keys
        }
    return value


def _still_allowed(fields: Fields) -> None:
    decision = _decide(fields)
    assert decision.verdict == "ALLOW", f"{told(decision)} {fields}"


@given(_allowed, st.randoms(use_true_random=False))
def test_the_order_of_items_does_not_stop_an_allowed_action(fields: Fields, random: Any) -> None:
    _still_allowed(_shuffled(fields, random))


@given(_allowed, st.sampled_from(("  ", "   ", "\t", " \t ", "\u00a0", "\u3000")))
def test_white_space_does_not_stop_an_allowed_action(fields: Fields, space: str) -> None:
    _still_allowed(_rewritten(fields, lambda text: f"{space}{text.replace(' ', space)}{space}", "goal"))


@given(_allowed, st.sampled_from((str.upper, str.lower, str.swapcase)))
def test_letter_case_does_not_stop_an_allowed_action(fields: Fields, change: Callable[[str], str]) -> None:
    _still_allowed(_rewritten(fields, change, "goal"))


# -- disguises: of the words of a goal that ask for something

_FIGURES: Final = str.maketrans({"e": "3", "o": "0", "a": "4"})
DISGUISES: Final[dict[str, Callable[[str], str]]] = {
    "figures": lambda word: word.translate(_FIGURES),
    "spaced out": " ".join,
    "dotted": ".".join,
    "percent signs": lambda word: "".join(f"%{ord(char):02x}" for char in word),
    "base64": lambda word: b64encode(word.encode()).decode(),
}
_KNOWLEDGE: Final = _PACK.knowledge


def _asked_in_english(fields: Fields) -> list[tuple[str, str]]:
    """The effects of a goal beyond looking, each with the single English word that asks for it."""
    seen = read_goal(fields.get("goal", ""), _KNOWLEDGE.lexicon).sightings
    return [
        (each.effect, each.span.text)
        for each in seen
        if each.effect in HIGH_RISK
        and each.span.text.isascii()
        and each.span.text.isalpha()
        and len(each.span.text) > 4
    ]


_ASKED: Final = [(fields["goal"], *asked) for fields in _STOPPED for asked in _asked_in_english(fields)]


@pytest.mark.parametrize("how", DISGUISES)
def test_no_disguise_takes_an_effect_from_a_goal(how: str) -> None:
    assert len(_ASKED) > 20
    for goal, effect, word in nonempty(_ASKED):
        disguised = goal.replace(word, DISGUISES[how](word.lower()))
        found = {seen.effect for seen in read_goal(disguised, _KNOWLEDGE.lexicon).sightings}
        assert effect in found, disguised


def test_a_goal_with_more_disguises_than_are_read_is_not_understood() -> None:
    decision = _decide({"goal": "List the tickets " + "d3l3t3 " * 100, "tools": ["search_tickets"]})
    assert decision.verdict != "ALLOW"
    assert "ACTION_NOT_UNDERSTOOD" in {issue.code for issue in decision.issues}


def test_no_argument_is_passed_over_beside_many_command_lines() -> None:
    """A command and its words are read as one line, and then no more by themselves: they alone."""
    steps: list[object] = []
    for _ in range(50):
        steps += [{"command": "ls", "args": ["-l"]}, {"path": "~/.ssh/id_rsa"}]
    knowledge = _PACK.knowledge
    reading = read_arguments({"steps": steps}, knowledge.commands, knowledge.lexicon, "args")
    found = {seen.span.path for seen in reading.sightings if seen.effect == "secret_access"}
    assert len(found) == 50

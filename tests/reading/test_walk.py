"""The walk over a JSON value: every text once, in the order of the document, with its path."""

from __future__ import annotations

from typing import Any

from hypothesis import given
from hypothesis import strategies as st

from stage0.reading.walk import KEY, path_of, texts_of, walk

VALUES = st.recursive(
    st.none() | st.booleans() | st.integers() | st.text(max_size=3),
    lambda inner: st.lists(inner, max_size=4) | st.dictionaries(st.text(max_size=3), inner, max_size=4),
)


def _by_recursion(value: Any) -> list[str]:
    """The same for small values, as one would write it down."""
    if isinstance(value, str):
        return [value]
    if isinstance(value, dict):
        return [text for key, item in value.items() for text in (key, *_by_recursion(item))]
    return [text for item in value for text in _by_recursion(item)] if isinstance(value, list) else []


@given(VALUES)
def test_every_text_comes_once_and_in_order(value: Any) -> None:
    assert [text for text, _, _ in walk(value)] == _by_recursion(value)
    assert sorted(texts_of(value)) == sorted(_by_recursion(value))


def test_each_text_has_its_path_and_a_key_that_of_its_object() -> None:
    value = {"a": "one", "b": [{"c": "two"}, 3, "four"], "d": {}, "e": "five"}
    assert [(path_of(each), each[0]) for each in walk(value, "context")] == [
        ("context (key)", "a"),
        ("context.a", "one"),
        ("context (key)", "b"),
        ("context.b[0] (key)", "c"),
        ("context.b[0].c", "two"),
        ("context.b[2]", "four"),
        ("context (key)", "d"),
        ("context (key)", "e"),
        ("context.e", "five"),
    ]


def test_a_text_by_itself_stands_at_the_root() -> None:
    assert [path_of(each) for each in walk("alone", "root")] == ["root"]


def test_a_text_knows_the_list_that_it_stands_in() -> None:
    words = ["rm", "-rf"]
    assert [place.value for _, place, step in walk({"given": words}) if place and step is not KEY] == [words, words]


def test_no_value_is_too_deep() -> None:
    value: Any = "deepest"
    for _ in range(50_000):
        value = [value]
    assert [text for text, _, _ in walk(value)] == texts_of(value) == ["deepest"]

"""Every limit of a request stands in one table, holds exactly, and names the field that is over it."""

from __future__ import annotations

import json
from typing import Any, Final

import pytest

from stage0.reading.context import FACTS
from stage0.reading.limits import LIMITS, most
from stage0.wire import Invalid, read_check, read_outcome
from tests.asserting import nonempty

GOAL: Final = "List the open tickets"
NESTED: Final = [fact.name for fact in FACTS if fact.nested]
LISTS: Final = [key for fact in FACTS if fact.size == "list" for key in fact.names]
TEXTS: Final = [key for fact in FACTS if fact.size == "text" for key in fact.names]
#: Facts whose texts and lists only the body's size limits.
UNBOUNDED: Final = {"tool_arguments", "tool_description", "tool_annotations", "evidence"}


def refused(**fields: Any) -> tuple[str, str]:
    """The path and message with which a request is refused; empty where it is not."""
    try:
        read_check(json.dumps({"goal": GOAL, **fields}).encode())
    except Invalid as error:
        return error.path, error.message
    return "", ""


def over(name: str) -> int:
    return most(name) + 1


def placed(key: str, value: object) -> list[tuple[str, dict[str, Any]]]:
    """A fact at each place where it may stand: its path and the context."""
    found = [(f"context.{key}", {key: value})]
    return [*found, (f"context.loop_state.{key}", {"loop_state": {key: value}})] if key in NESTED else found


def test_every_list_and_text_that_is_understood_has_a_limit() -> None:
    strings = {"_texts", "_text", "_reference", "_moment", "_truth_or_reference", "_approval_status"}
    assert {fact.name for fact in nonempty(FACTS) if fact.read.__name__ in strings and not fact.size} <= UNBOUNDED
    assert len(LISTS) >= 6
    assert len(TEXTS) >= 15


@pytest.mark.parametrize("key", LISTS)
def test_a_list_that_a_rule_reads_is_refused_over_its_limit_and_named(key: str) -> None:
    for path, context in nonempty(placed(key, ["a"] * over("context_list"))):
        assert refused(context=context) == (path, "has 1001 items; at most 1000 are allowed")
    for path, context in nonempty(placed(key, [1] * over("context_list"))):
        assert refused(context=context)[0] == path
    for path, context in nonempty(placed(key, ["a", "b" * over("context_item")])):
        assert refused(context=context) == (f"{path}[1]", "has 2001 characters; at most 2000 are allowed")
    for path, context in nonempty(placed(key, "b" * over("context_item"))):
        assert refused(context=context) == (path, "has 2001 characters; at most 2000 are allowed")
    for value in (["a" * most("context_item")], ["a"] * most("context_list"), "a" * most("context_item")):
        assert all(refused(context=context) == ("", "") for _, context in nonempty(placed(key, value)))


@pytest.mark.parametrize("key", TEXTS)
def test_a_text_that_is_understood_is_refused_over_its_limit_and_named(key: str) -> None:
    for path, context in nonempty(placed(key, "a" * over("context_text"))):
        assert refused(context=context) == (path, "has 8001 characters; at most 8000 are allowed")
    assert all(refused(context=context) == ("", "") for _, context in nonempty(placed(key, "a" * most("context_text"))))


@pytest.mark.parametrize("key", ["tool_description", "evidence", "note"])
def test_a_text_or_list_that_no_rule_reads_is_limited_by_the_body_alone(key: str) -> None:
    assert refused(context={key: "a" * 100_000}) == ("", "")
    assert refused(context={key: ["a"] * 10_000}) == ("", "")
    assert refused(context={key: ["a" * 10_000]}) == ("", "")


@pytest.mark.parametrize("key", LISTS)
def test_an_object_in_the_place_of_a_list_is_only_unreadable(key: str) -> None:
    assert refused(context={key: {f"k{number}": "a" * 3_000 for number in range(1_500)}}) == ("", "")


@pytest.mark.parametrize("field", ["success_criteria", "constraints", "tools", "side_effects"])
def test_a_list_of_the_request_is_refused_over_its_limits(field: str) -> None:
    assert refused(**{field: ["a"] * over("list")})[0] == field
    assert refused(**{field: ["a" * over("item")]})[0] == f"{field}[0]"
    assert refused(**{field: ["a" * most("item")] * most("list")}) == ("", "")


def test_goal_version_key_nesting_and_detail_are_refused_over_their_limits() -> None:
    assert refused(goal="a" * over("goal"))[0] == "goal"
    assert refused(policy_pack_version="a" * over("policy_pack_version"))[0] == "policy_pack_version"
    assert "at most 256" in refused(context={"k" * over("key"): 1})[1]
    deep: Any = 0
    for _ in range(most("nesting") - 2):
        deep = [deep]
    assert refused(context={"x": deep}) == ("", "")
    path, message = refused(context={"x": [deep]})
    assert path.startswith("context.x[0][0]")
    assert message == "nested deeper than 32"
    with pytest.raises(Invalid, match="detail"):
        read_outcome(json.dumps({"status": "stopped", "detail": "a" * over("outcome_detail")}).encode())


def test_each_limit_says_of_what_it_is_one() -> None:
    assert all(limit.most > 0 and limit.unit and limit.of and limit.over for limit in nonempty(LIMITS.values()))


FLAWS: Final[dict[str, tuple[str, str]]] = {
    "in a list": ('{"goal": "x", "context": {"a": ["b", {"c": ["\\u0000"]}]}}', "context.a[1].c[0]"),
    "after much that is right": (
        '{"goal": "x", "context": {"a": {"b": [[], {}, ["\\u00e9"]]}, "c": "\\udc00"}}',
        "context.c",
    ),
    "in a key": ('{"goal": "x", "context": {"a": [{"\\ud800": 1}]}}', "context.a[0]"),
    "in a key of the whole": ('{"goal": "x", "\\ud800": 1}', ""),
    "in an escape that only looks like another": (
        '{"goal": "x", "context": {"a": "\\\\u0000", "b": "\\u0000"}}',
        "context.b",
    ),
}


@pytest.mark.parametrize(("body", "path"), FLAWS.values(), ids=FLAWS.keys())
def test_a_character_that_is_none_is_named_by_its_path(body: str, path: str) -> None:
    with pytest.raises(Invalid) as refusal:
        read_check(body.encode())
    assert refusal.value.path == path

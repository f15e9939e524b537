"""Context is read strictly: aliases, types, conflicts; an unexpected value never counts as favourable."""

from __future__ import annotations

import sys
from typing import Any, Final

import pytest

from stage0.reading.context import _PLACEHOLDERS, is_reference, read_context
from tests.asserting import nonempty

ALIASES: Final = [
    ("actor_role", "user_role"),
    ("actor_role", "requester_role"),
    ("environment", "target_environment"),
    ("tool_arguments", "tool_args"),
    ("tool_arguments", "arguments"),
]


@pytest.mark.parametrize(("fact", "alias"), ALIASES)
def test_a_fact_may_be_given_under_another_name(fact: str, alias: str) -> None:
    value: Any = {"a": 1} if fact == "tool_arguments" else "admin"
    assert read_context({alias: value}).values == {fact: value}


@pytest.mark.parametrize(
    "text", ["TBD", "tbd", " n/a ", "N/A", "-", "--", "none", "None", "null", "todo", "?", "", "  "]
)
def test_a_placeholder_refers_to_nothing(text: str) -> None:
    assert not is_reference(text)
    context = {"approved_by": text, "ticket_id": text, "runbook": text, "actor_role": text, "environment": text}
    reading = read_context(context)
    assert reading.values == {}
    assert reading.invalid == {}


@pytest.mark.parametrize("text", ["OPS-1", "nonesuch", "tbd-team", "0", "unknowns"])
def test_anything_else_is_a_reference(text: str) -> None:
    assert is_reference(text)
    assert read_context({"ticket_id": f" {text} "}).values == {"ticket_id": text}


def test_null_is_an_absent_value_under_every_name() -> None:
    names = ["actor_role", "approved", "approved_at", "confirmed", "retry_count", "loop_state", "tool_arguments"]
    reading = read_context(dict.fromkeys(names))
    assert (reading.values, reading.invalid, reading.conflicts) == ({}, {}, {})


def test_unknown_fields_are_left_alone() -> None:
    reading = read_context({"weather": [1, "two"], "Approved": True, "actorRole": "admin"})
    assert (reading.values, reading.invalid) == ({}, {})


READ: Final[dict[str, tuple[str, Any, Any]]] = {
    "a role is trimmed and keeps its case": ("actor_role", " Admin ", "Admin"),
    "a boolean": ("confirmed", True, True),
    "a false": ("approved", False, False),
    "a count": ("estimated_rows_affected", 0, 0),
    "a number": ("estimated_query_cost", 1, 1.0),
    "a moment in UTC": ("approved_at", "2026-03-16T10:00:00Z", 1773655200.0),
    "a moment with an offset": ("approved_at", "2026-03-16T19:00:00+09:00", 1773655200.0),
    "a moment with fractions": ("current_time", "2026-03-16T10:00:00.5Z", 1773655200.5),
    "one text as a list": ("target_resources", "repo/a", ("repo/a",)),
    "a list of texts": ("recent_tools", ["a", " b "], ("a", "b")),
    "a reference as a plan": ("rollback_plan", "wiki/7", True),
    "a placeholder as a plan": ("rollback_plan", "TBD", False),
    "a plan that is false": ("rollback_plan", False, False),
    "a status": ("approval_status", "pending", "pending"),
}


@pytest.mark.parametrize(("name", "value", "read"), READ.values(), ids=READ)
def test_a_value_of_the_right_type_is_read(name: str, value: Any, read: Any) -> None:
    reading = read_context({name: value})
    assert reading.values == {name: read}
    assert type(reading.values[name]) is type(read)


INVALID: Final[dict[str, tuple[str, Any]]] = {
    "true as a text": ("confirmed", "true"),
    "true as a number": ("mfa_verified", 1),
    "approved as a text": ("approved", "yes"),
    "a status in capitals": ("approval_status", "APPROVED"),
    "a status that does not exist": ("approval_status", "ok"),
    "a count as a text": ("retry_count", "5"),
    "half a count": ("retry_count", 1.5),
    "a count below zero": ("current_iteration", -1),
    "a count that is true": ("current_iteration", True),
    "a count beyond all bounds": ("estimated_rows_affected", 2**53),
    "a cost as a text": ("cumulative_cost_usd", "1"),
    "a cost below zero": ("estimated_query_cost", -0.5),
    "a moment without an offset": ("approved_at", "2026-03-16T10:00:00"),
    "a moment in Unix seconds": ("approved_at", 1773655200),
    "a day": ("approved_at", "2026-03-16"),
    "a day that does not exist": ("current_time", "2026-02-30T10:00:00Z"),
    "a role as a list": ("actor_role", ["admin"]),
    "a ticket as a number": ("ticket_id", 17),
    "a list with a number in it": ("recent_tools", ["a", 1]),
    "arguments as a text": ("tool_arguments", "rm -rf /"),
    "a plan as a number": ("rollback_plan", 1),
}


@pytest.mark.parametrize(("name", "value"), INVALID.values(), ids=INVALID)
def test_a_value_of_another_type_is_kept_by_name_and_does_not_count(name: str, value: Any) -> None:
    reading = read_context({name: value})
    assert reading.invalid == {name: name}
    assert name not in reading.values


def test_a_readable_value_beside_an_unreadable_one_does_not_count() -> None:
    reading = read_context({"actor_role": "admin", "user_role": ["viewer"]})
    assert reading.values == {}
    assert reading.invalid == {"actor_role": "user_role"}


@pytest.mark.parametrize(
    ("context", "fact", "value"),
    [
        ({"retry_count": 6, "loop_state": {"retry_count": "many"}}, "retry_count", 6),
        ({"environment": "production", "target_environment": ["x"]}, "environment", "production"),
        ({"tool_arguments": {"command": "ls"}, "tool_args": "x"}, "tool_arguments", {"command": "ls"}),
    ],
)
def test_a_readable_value_that_can_only_narrow_stays(context: dict[str, Any], fact: str, value: Any) -> None:
    reading = read_context(context)
    assert reading.values[fact] == value
    assert fact in reading.invalid


def test_equal_values_under_two_names_are_no_conflict() -> None:
    reading = read_context({"actor_role": "admin", "user_role": " admin "})
    assert reading.conflicts == {}
    assert reading.all_of("actor_role") == ("admin",)


def test_of_conflicting_values_both_are_kept_and_named() -> None:
    reading = read_context({"environment": "staging", "target_environment": "production"})
    assert set(reading.all_of("environment")) == {"staging", "production"}
    assert reading.conflicts == {"environment": ("environment", "target_environment")}


def test_three_names_for_a_role_may_all_disagree() -> None:
    reading = read_context({"actor_role": "a", "user_role": "b", "requester_role": "c"})
    assert reading.all_of("actor_role") == ("a", "b", "c")
    assert reading.conflicts == {"actor_role": ("actor_role", "user_role", "requester_role")}


@pytest.mark.parametrize("order", [1, -1])
def test_of_conflicting_counters_the_larger_counts(order: int) -> None:
    context = {"current_iteration": 2, "loop_state": {"current_iteration": 7}}
    reading = read_context(dict(list(context.items())[::order]))
    assert reading.values["current_iteration"] == 7
    assert "loop_state.current_iteration" in reading.conflicts["current_iteration"]


def test_the_loop_state_holds_counters_and_tools() -> None:
    state = {
        "current_iteration": 2,
        "retry_count": 1,
        "elapsed_seconds": 3,
        "cumulative_cost_usd": 0.5,
        "current_tool": "search",
        "recent_tools": ["plan", "search"],
        "repeated_tools": ["search"],
    }
    lists = {"recent_tools": ("plan", "search"), "repeated_tools": ("search",)}
    assert read_context({"loop_state": state}).values == {**state, **lists}


def test_the_loop_state_holds_no_approval() -> None:
    reading = read_context({"loop_state": {"approved": True, "actor_role": "admin", "confirmed": True}})
    assert reading.values == {}


def test_a_null_in_the_loop_state_is_absent() -> None:
    assert read_context({"loop_state": {"retry_count": None}}).invalid == {}


def test_a_loop_state_that_is_no_object_leaves_no_counter_readable() -> None:
    reading = read_context({"loop_state": [5]})
    assert {"retry_count", "current_iteration", "elapsed_seconds"} <= reading.invalid.keys()
    assert set(reading.invalid.values()) == {"loop_state"}


def test_an_unreadable_value_in_the_loop_state_is_named_by_its_path() -> None:
    assert read_context({"loop_state": {"retry_count": "5"}}).invalid == {"retry_count": "loop_state.retry_count"}


def test_what_is_a_reference_is_the_same_whatever_letter_stands_in_it() -> None:
    """The quick look at the first letter and at the number of letters never decides otherwise than the words do."""
    for letter in nonempty([chr(code) for code in range(sys.maxunicode + 1)]):
        for text in (letter, f"{letter}bd", f"t{letter}d", f"tb{letter}", f"undefin{letter}d", letter * 10):
            plain = "".join(filter(str.isalnum, text.casefold()))
            assert is_reference(text) == (plain not in _PLACEHOLDERS), ascii(text)

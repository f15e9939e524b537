"""An answer repeats short lists and texts whole, of longer ones the beginning, and says how much more there is."""

from __future__ import annotations

from typing import Any, Final

import pytest

from stage0.core.pack import Pack
from stage0.core.repeating import Room, beginning, repeat
from stage0.core.verdict import Decision, Issue
from stage0.reading.limits import most
from tests.deciding import decided, request, sending
from tests.layering import pack_with

ITEMS: Final = most("repeated_items")


def issue(decision: Decision, code: str) -> Issue:
    return next(each for each in decision.issues if each.code == code)


def targets(count: int) -> dict[str, Any]:
    return sending(resource_scope=["s"], target_resources=[f"t{number}" for number in range(count)])


def test_a_list_of_twenty_is_repeated_whole(default_pack: Pack) -> None:
    found = issue(decided(targets(ITEMS), default_pack), "RESOURCE_SCOPE_VIOLATION")
    names = [f"t{number}" for number in range(ITEMS)]
    assert found.details == {"outside": names, "scope": ["s"]}
    assert found.message == f"Target {', '.join(f'`{name}`' for name in names)} is outside the scope `s`."


def test_of_a_longer_list_the_beginning_is_repeated_and_the_others_are_counted(default_pack: Pack) -> None:
    decision = decided(targets(1_000), default_pack)
    found = issue(decision, "RESOURCE_SCOPE_VIOLATION")
    names = [f"t{number}" for number in range(ITEMS)]
    assert found.details == {"outside": names, "scope": ["s"], "more": {"outside": 980}}
    assert found.message.endswith("`t18`, `t19` and 980 more is outside the scope `s`.")
    assert decision.reason == f"RESOURCE_SCOPE_VIOLATION: {found.message}"


def test_a_text_that_is_too_long_is_counted_and_never_cut(default_pack: Pack) -> None:
    tenant = "a" * (most("repeated_text") + 1)
    fields = request(
        constraints=["tenant_isolation"], context={"tenant_id": tenant, "target_tenants": ["b"], "note": tenant}
    )
    found = issue(decided(fields, default_pack), "TENANT_ISOLATION_VIOLATION")
    assert found.details == {"outside": ["b"], "tenant": "(2,001 characters)"}
    assert found.message == "Tenant `b` is not the caller's own `(2,001 characters)`."


def test_what_a_pack_s_own_rule_repeats_is_bounded_as_well() -> None:
    pack = pack_with(
        """\
rules:
  NOTED:
    severity: low
    when: size(context) > 0
    message: "The context is {context}, the call {arguments}."
    why: To see what is repeated.
"""
    )
    short = issue(decided(sending(a=1), pack), "NOTED")
    assert short.details["context"] == {"a": 1}
    long = issue(decided(sending(a="x" * 5_000), pack), "NOTED")
    assert long.details["context"] == "(5,008 characters)"
    assert long.message == "The context is (5,008 characters), the call {}."


def test_the_constraints_that_are_repeated_end_in_how_many_more_there_are(default_pack: Pack) -> None:
    texts = [f"max_iterations:{number}{' ' * 1_900}" for number in range(1, 11)]
    decision = decided(request(constraints=texts), default_pack)
    assert decision.constraints_applied == (*texts[:3], "and 7 more")
    assert decision.guardrail_checks["loop"]["controls"] == (*texts[:3], "and 7 more")


def test_every_constraint_is_repeated_where_they_are_short(default_pack: Pack) -> None:
    texts = tuple(f"allowed_tools:tickets.list,t{number}" for number in range(100))
    assert decided(request(constraints=list(texts)), default_pack).constraints_applied == texts


@pytest.mark.parametrize(
    ("value", "left", "text", "plain", "more"),
    [
        (("a", "b"), 18, "`a`, `b`", ["a", "b"], 0),
        (("a", "b"), 17, "`a` and 1 more", ["a"], 1),
        (("a", "b"), 8, "2 in all", [], 2),
        (("a" * 3_000, "b"), 9, "`(3,000 characters)`, `b`", ["(3,000 characters)", "b"], 0),
        ((), 0, "", [], 0),
        ("a", 3, "a", "a", 0),
        ("a", 2, "(1 characters)", "(1 characters)", 0),
        (1.5, 0, "1.5", 1.5, 0),
        (7, 0, "7", 7, 0),
        (frozenset({"b", "a"}), 100, "`a`, `b`", ["a", "b"], 0),
        ({"a": 1}, 7, "{'a': 1}", {"a": 1}, 0),
        ({"a": 1}, 6, "(7 characters)", "(7 characters)", 0),
    ],
)
def test_a_value_is_repeated_as_far_as_there_is_room(value: Any, left: int, text: str, plain: Any, more: int) -> None:
    repeated = repeat(value, 1, Room(left))
    assert (repeated.text, repeated.plain, repeated.more) == (text, plain, more)


def test_what_is_repeated_twice_takes_twice_the_room() -> None:
    room = Room(100)
    repeat("a" * 8, 3, room)
    assert room.left == 70


def test_room_that_is_used_up_by_one_is_not_there_for_the_next() -> None:
    room = Room(10)
    assert beginning(("abc", "de"), room) == ("abc", "and 1 more")
    assert beginning(("f",), room) == ("f",)
    assert beginning(("g",), room) == ("and 1 more",)

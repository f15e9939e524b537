"""The tool registry: which entry of a pack speaks for a tool, and what all of them add."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, Final

import pytest
from hypothesis import given
from hypothesis import strategies as st

from stage0.core.pack import Pack
from stage0.knowledge.load import shipped_knowledge
from stage0.reading.registry import EMPTY, Entry, Registry, glob, matches, server_of
from tests.asserting import if_any, nonempty
from tests.deciding import decided
from tests.layering import pack_with


def folded(name: str) -> tuple[str, ...]:
    """The one spelling by which names are evened out here."""
    return (name.casefold(),)


def registry(entries: Mapping[str, Mapping[str, Any]]) -> Registry:
    """A registry of the entries by pattern."""
    made = [
        Entry(
            pattern,
            None if entry.get("effects") is None else frozenset(entry["effects"]),
            frozenset(entry.get("adds", ())),
            entry.get("owner", ""),
            entry.get("risk", 0),
        )
        for pattern, entry in entries.items()
    ]
    return Registry(made, folded)


def effects(of: Registry, tool: str) -> list[str] | None:
    """What a registry says that a tool does; None where it leaves that to the name."""
    found = of.find(tool)
    return None if found is None or found.entry.effects is None else sorted(found.entry.effects)


#: Each pattern says something else, so that it shows which one speaks.
SPEAKING: Final = registry(
    {
        "*": {"effects": ["unknown"]},
        "*_report": {"effects": ["compute"]},
        "db.*": {"effects": ["overwrite"]},
        "db.users.*": {"effects": ["access_change"]},
        "db.users.delete": {"effects": ["delete"]},
        "db.*.read": {"effects": ["read"]},
        "db.*.delete*": {"effects": ["bulk"]},
        "Mail": {"effects": ["external_message"]},
    }
)


@pytest.mark.parametrize(
    ("tool", "expected"),
    [
        ("db.users.delete", ["delete"]),
        ("db.users.create", ["access_change"]),
        ("db.users.", ["access_change"]),
        ("db.users.read", ["access_change"]),
        ("db.users.deleted", ["access_change"]),
        ("db.orders.write", ["overwrite"]),
        ("db.orders.read", ["read"]),
        ("db.orders.delete_all", ["bulk"]),
        ("db.orders.delete.read", ["bulk"]),
        ("db.", ["overwrite"]),
        ("db", ["unknown"]),
        ("weekly_report", ["compute"]),
        ("_report", ["compute"]),
        ("db.weekly_report", ["overwrite"]),
        ("Mail", ["external_message"]),
        ("mail", ["unknown"]),
        ("DB.users.delete", ["unknown"]),
        ("", ["unknown"]),
    ],
)
def test_the_whole_name_speaks_first_then_the_longest_beginning_then_the_longest_pattern(
    tool: str, expected: list[str]
) -> None:
    assert effects(SPEAKING, tool) == expected


def test_the_order_of_entries_does_not_matter() -> None:
    turned = Registry(tuple(reversed(SPEAKING.entries)), folded)
    for tool in ("db.users.delete", "db.users.create", "db.orders.delete.read", "db.weekly_report", "x_report", "y"):
        assert turned.find(tool) == SPEAKING.find(tool)


def test_two_patterns_that_are_equally_long_have_an_order() -> None:
    one = registry({"a*b": {"owner": "b"}, "a*c*": {"owner": "c"}, "ax*": {"owner": "x"}})
    found = [one.find(tool) for tool in ("acb", "axcb")]
    assert [each.entry.owner for each in found if each is not None] == ["c", "x"]


ADDING: Final = registry(
    {
        "*": {"adds": ["loop"]},
        "crm_*": {"adds": ["personal_data"], "owner": "crm", "risk": 5},
        "crm_export": {"adds": ["export"], "risk": 20},
        "crm_ex*": {"effects": ["read"], "owner": "data"},
    }
)


@pytest.mark.parametrize(
    ("tool", "adds"),
    [
        ("crm_export", ("export", "loop", "personal_data")),
        ("crm_extract", ("loop", "personal_data")),
        ("crm_list", ("loop", "personal_data")),
        ("erp_list", ("loop",)),
    ],
)
def test_every_entry_that_matches_adds(tool: str, adds: tuple[str, ...]) -> None:
    found = ADDING.find(tool)
    assert found is not None
    assert found.adds == adds


def test_what_an_entry_leaves_unsaid_is_said_by_the_next_one() -> None:
    found = ADDING.find("crm_export")
    assert found is not None
    assert found.entry.pattern == "crm_export"
    assert found.entry.effects == frozenset({"read"})
    assert found.entry.owner == "data"
    assert found.entry.risk == 20


def test_risk_is_the_most_that_any_entry_gives() -> None:
    points = registry({"pay_*": {"risk": 30}, "pay_small": {"risk": 5}})
    found = points.find("pay_small")
    assert found is not None
    assert found.entry.risk == 30


def test_an_entry_that_says_nothing_of_effects_takes_none_of_a_wider_one_away() -> None:
    wide = registry({"ops_*": {"effects": ["service_impact"]}})
    more = registry({"ops_*": {"effects": ["service_impact"]}, "ops_ping": {"owner": "sre"}})
    assert effects(more, "ops_ping") == effects(wide, "ops_ping") == ["service_impact"]


FOLDED: Final = registry(
    {
        "Send_Mail": {"effects": ["read"], "adds": ["external_message"]},
        "Drop_*": {"effects": ["read"], "adds": ["delete"]},
        "quiet": {"effects": ["read"]},
    }
)


@pytest.mark.parametrize(
    ("tool", "said", "adds"),
    [
        ("Send_Mail", ["read"], ("external_message",)),
        ("send_mail", None, ("external_message",)),
        ("SEND_MAIL", None, ("external_message",)),
        ("Drop_table", ["read"], ("delete",)),
        ("drop_TABLE", None, ("delete",)),
        ("drop_", None, ("delete",)),
        ("drop", None, ()),
        ("quiet", ["read"], ()),
        ("QUIET", None, ()),
        ("send_mails", None, ()),
    ],
)
def test_a_name_that_is_written_otherwise_only_adds(tool: str, said: list[str] | None, adds: tuple[str, ...]) -> None:
    found = FOLDED.find(tool)
    assert effects(FOLDED, tool) == said
    assert (() if found is None else found.adds) == adds
    assert FOLDED.knows(tool) is (said is not None)


def test_a_registry_of_nothing_knows_nothing() -> None:
    assert EMPTY.find("anything") is None
    assert not EMPTY.knows("anything")
    assert not registry({}).knows("")


def test_a_registry_that_only_adds_knows_the_tools_that_it_names() -> None:
    adding = registry({"x": {"adds": ["loop"]}, "y*": {}})
    assert [adding.knows(tool) for tool in ("x", "y", "yes", "X", "z")] == [True, True, True, False, False]


GLOBS: Final[dict[str, tuple[str, list[str], list[str]]]] = {
    "no star": ("abc", ["abc"], ["ab", "abcd", "xabc", ""]),
    "a star": ("*", ["", "a", "a*b", "x\ny"], []),
    "two stars": ("**", ["", "a", "abc"], []),
    "at the end": ("ab*", ["ab", "abc", "ab*"], ["a", "xab", "Ab"]),
    "at the beginning": ("*ab", ["ab", "xab", "abab"], ["abx", "b"]),
    "in the middle": ("a*b", ["ab", "axb", "abb", "aab"], ["a", "b", "ba", "abx"]),
    "two in the middle": ("a*b*c", ["abc", "axbxc", "abbc", "abcbc"], ["ac", "acb", "abcx", "acbx", "bac"]),
    "stars in a row": ("a**c", ["ac", "abc"], ["a", "c", "acb"]),
    "ends that overlap": ("aba*ba", ["ababa", "abaxba"], ["aba", "abaa", "abab"]),
    "ends that are the same": ("a*a", ["aa", "aba"], ["a"]),
    "a middle that overlaps the end": ("a*bc*c", ["abcc", "abcxc"], ["abc"]),
    "a middle that overlaps the beginning": ("ab*ba*", ["abba", "abxbay"], ["aba", "abab"]),
    "a middle that comes twice": ("*a*a*", ["aa", "xaya"], ["a", "xay"]),
    "signs of other patterns": ("a.?[b]*", ["a.?[b]", "a.?[b]c"], ["axyb", "a.bb"]),
    "nothing": ("", [""], ["a"]),
}


@pytest.mark.parametrize(("pattern", "matching", "other"), GLOBS.values(), ids=GLOBS)
def test_a_star_stands_for_any_text_and_all_else_for_itself(
    pattern: str, matching: list[str], other: list[str]
) -> None:
    assert [name for name in nonempty(matching) if not matches(name, glob(pattern))] == []
    assert [name for name in if_any(other) if matches(name, glob(pattern))] == []


_parts: Final = st.text("ab", max_size=3)


@given(st.lists(_parts, min_size=1, max_size=5), st.data())
def test_a_name_made_from_a_pattern_matches_it(parts: list[str], data: st.DataObject) -> None:
    between = [data.draw(_parts) for _ in parts[1:]]
    name = parts[0] + "".join(text + part for text, part in zip(between, parts[1:], strict=True))
    assert matches(name, glob("*".join(parts)))


def _slowly(name: str, pattern: str) -> bool:
    """Matching letter by letter, as the definition says it."""
    if not pattern:
        return not name
    if pattern[0] == "*":
        return any(_slowly(name[at:], pattern[1:]) for at in range(len(name) + 1))
    return bool(name) and name[0] == pattern[0] and _slowly(name[1:], pattern[1:])


@given(st.text("ab", max_size=8), st.text("ab*", max_size=7))
def test_matching_does_what_the_definition_says(name: str, pattern: str) -> None:
    assert matches(name, glob(pattern)) is _slowly(name, pattern)


@given(st.text("ab*", max_size=6), st.text("ab*", max_size=6), st.text("ab", max_size=6))
def test_a_pattern_that_matches_another_one_as_it_is_written_matches_no_less(one: str, other: str, name: str) -> None:
    if matches(one, glob(other)) and matches(name, glob(one)):
        assert matches(name, glob(other))


@pytest.mark.parametrize(
    ("tool", "server"),
    [
        ("mcp__github__create_issue", "github"),
        ("mcp__github__repo__create", "github"),
        ("mcp__git-hub.v2__x", "git-hub.v2"),
        ("mcp__github__", "github"),
        ("mcp__github", "mcp__github"),
        ("mcp__", "mcp__"),
        ("mcp____create", "mcp____create"),
        ("mcp_github_create", "mcp_github_create"),
        ("MCP__github__create", "MCP__github__create"),
        ("mcpherson_create", ""),
        ("github__create__issue", ""),
        ("xmcp__github__create", ""),
        ("create_issue", ""),
        ("", ""),
    ],
)
def test_a_tools_name_may_say_its_mcp_server(tool: str, server: str) -> None:
    assert server_of(tool) == server


# -- in a pack

TOOLS: Final = """\
tools:
  purge_cache: {effects: [read], owner: platform}
  "crm_*": {adds: [personal_data], owner: sales, risk: 7}
  DeleteUser: {effects: [read], adds: [access_change]}
"""


@pytest.fixture(scope="module")
def registered() -> Pack:
    """The default pack with a registry."""
    return pack_with(TOOLS)


@pytest.mark.parametrize(
    ("tool", "effects"),
    [
        ("purge_cache", {"read"}),
        ("PurgeCache", {"delete"}),
        ("purge-cache", {"delete"}),
        ("crm_list", {"read", "personal_data"}),
        ("CRM_list", {"read", "personal_data"}),
        ("DeleteUser", {"read", "access_change"}),
        ("deleteUser", {"delete", "access_change"}),
        ("DELETEUSER", {"delete", "access_change"}),
        ("ＤｅｌｅｔｅＵｓｅｒ", {"delete", "access_change"}),
    ],
)
def test_only_the_exact_name_is_believed_to_do_less(tool: str, effects: set[str], registered: Pack) -> None:
    decision = decided({"goal": "Work on the ticket", "tools": [tool]}, registered)
    assert set(decision.effects) - {"unknown"} == effects


def test_what_is_registered_hides_nothing_that_arguments_declarations_or_the_goal_say(registered: Pack) -> None:
    calls: list[dict[str, Any]] = [
        {"goal": "Delete all users", "tools": ["purge_cache"]},
        {"goal": "Work on the ticket", "tools": ["purge_cache"], "side_effects": ["delete"]},
        {
            "goal": "Work on the ticket",
            "tools": ["purge_cache"],
            "context": {"tool_arguments": {"sql": "DELETE FROM users"}},
        },
        {"goal": "Work on the ticket", "tools": ["purge_cache", "delete_users"]},
    ]
    assert ["delete" in decided(call, registered).effects for call in calls] == [True] * len(calls)


def test_what_is_added_explains_nothing_away(registered: Pack) -> None:
    decision = decided({"goal": "Work on the ticket", "tools": ["crm_frobnicate"]}, registered)
    assert set(decision.effects) == {"personal_data", "unknown"}


def test_a_goal_that_says_to_call_a_tool_is_read_with_the_registry_of_its_own_pack() -> None:
    goal = "Call sync_ledger for the new entries"
    registered = shipped_knowledge().with_registry(registry({"sync_ledger": {"effects": ["money_movement"]}}))
    seen = [
        [sighting.effect for sighting in known.read_goal(goal).sightings]
        for known in (shipped_knowledge(), registered, shipped_knowledge(), registered)
    ]
    assert seen == [["overwrite"], ["money_movement"]] * 2

"""Layers that only tighten, and requests on which one of them once had a better verdict than its parent."""

from __future__ import annotations

from typing import Any, Final

import pytest

from stage0.core.pack import Pack
from tests.deciding import codes, decided
from tests.layering import layer, pack_with

RANK: Final = {"ALLOW": 0, "DEFER": 1, "DENY": 2}
YES: Final[dict[str, Any]] = {"approval_status": "approved", "approved_at": "2026-03-10T09:30:00Z"}

#: The parent, its child, and a request.
TIGHTENED: Final[dict[str, tuple[str, str, dict[str, Any]]]] = {
    "a further requirement is no reason to overlook a guardrail in words only": (
        "severities: {GUARDRAIL_NOT_EVIDENCED: high}\n",
        "requirements: {deletes: {effects: [delete], controls: [approval required]}}\n",
        {
            "goal": "Delete inactive users",
            "tools": ["db.users.delete"],
            "constraints": ["dry-run"],
            "context": {"environment": "staging"},
        },
    ),
    "an approval that has to be verified is still an old one": (
        "severities: {APPROVAL_EXPIRED: high}\n",
        "lanes: {approval: verified}\n",
        {
            "goal": "Pay the invoice",
            "tools": ["payments.create"],
            "constraints": ["approval required"],
            "context": {**YES, "approved_by": "kim"},
        },
    ),
    "an approval that has to be verified still names nobody": (
        "severities: {APPROVER_UNNAMED: high}\n",
        "lanes: {approval: verified}\n",
        {
            "goal": "Deploy to production",
            "tools": ["deploy"],
            "constraints": ["approval required"],
            "context": {"approval_status": "approved", "environment": "production"},
        },
    ),
    "what a registry adds proves nothing of a goal that nobody understands": (
        "open: [tools]\n",
        "tools: {frobnicate: {adds: [read]}}\n",
        {
            "goal": "Lösche alle inaktiven Benutzer aus der Datenbank",
            "tools": ["frobnicate"],
            "side_effects": ["read"],
        },
    ),
}


@pytest.mark.parametrize(("parent", "child", "request_"), TIGHTENED.values(), ids=TIGHTENED)
def test_a_tightening_child_has_no_better_verdict(parent: str, child: str, request_: dict[str, Any]) -> None:
    above = layer(parent, name="company")
    below = layer(child, above, name="team")
    before, after = decided(request_, above.pack), decided(request_, below.pack)
    assert RANK[after.verdict] >= RANK[before.verdict], (before.reason, after.reason)


ADDS: Final = "tools: {delete_user: {adds: [personal_data, export]}}\n"
SCOPED: Final = "requirements: {users: {tools: [delete_user], controls: [require_ticket]}}\n"
SPELLINGS: Final = ("delete_user", "delete-user", "deleteUser", "Delete.User", "DELETE_USER")


def using(tool: str, **more: Any) -> dict[str, Any]:
    return {"goal": "Count the users", "tools": [tool], "success_criteria": ["done"], **more}


@pytest.mark.parametrize("tool", SPELLINGS)
def test_another_spelling_of_a_tool_gets_it_out_of_nothing(tool: str) -> None:
    assert "export" in decided(using(tool), pack_with(ADDS)).effects
    assert "TICKET_REQUIRED" in codes(decided(using(tool), pack_with(SCOPED)))


@pytest.mark.parametrize("tool", ["delete_users", "undelete_user", "delete_user_log"])
def test_another_tool_is_another_tool(tool: str) -> None:
    assert "TICKET_REQUIRED" not in codes(decided(using(tool), pack_with(SCOPED)))


@pytest.mark.parametrize("entry", ["{adds: [export]}", "{effects: [export]}"])
def test_a_registered_tool_counts_where_only_the_context_names_it(entry: str) -> None:
    request = using("tickets.count", context={"current_tool": "mystery"})
    assert "export" not in decided(request, pack_with("observe: true\n")).effects
    assert "export" in decided(request, pack_with(f"tools: {{mystery: {entry}}}\n")).effects


@pytest.fixture
def few_servers() -> Pack:
    """A pack with an allowlist of servers."""
    return pack_with("mcp_servers: [github]\n")


def test_servers_that_cannot_be_read_stop_where_only_some_are_allowed(few_servers: Pack) -> None:
    asked = decided(using("tickets.count", context={"active_mcp_servers": 7}), few_servers)
    assert (asked.verdict, codes(asked)) == ("DEFER", {"CONTEXT_VALUE_INVALID"})


def test_where_no_server_is_allowed_the_message_says_so() -> None:
    request = using("tickets.count", context={"active_mcp_servers": ["github"]})
    denied = decided(request, pack_with("mcp_servers: []\n"))
    assert (denied.verdict, denied.issues[0].message) == ("DENY", "MCP server `github` is not among `none`.")

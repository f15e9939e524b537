"""Who and what a pack lets through: approvers, roles, MCP servers and registered tools."""

from __future__ import annotations

from typing import Any, Final

import pytest

from stage0.core.pack import Pack
from tests.deciding import CALLER, READ, codes, decided, request, sending, stops
from tests.layering import layer, pack_with

# -- approvals: how many, how old, by whom

RULES: Final = """\
requirements: {exports: {effects: [export], controls: [approval required]}}
approvals:
  exports: {effects: [export], approvers: 2, max_age: 2h}
  finance: {effects: [money_movement], by: ["*@finance.example.com", dana]}
  both: {tools: ["wire_*"], approvers: 2, by: ["*@example.com", "*@finance.example.com", dana]}
"""
EXPORT: Final[dict[str, Any]] = request(goal="Export the open tickets", side_effects=["export"])
PAY: Final[dict[str, Any]] = {**READ, "goal": "Pay the invoice", "tools": ["pay_invoice"]}
WIRE: Final[dict[str, Any]] = {**READ, "goal": "Pay the invoice", "tools": ["wire_transfer"]}


def approved(by: str | None, at: str = "2026-03-16T09:30:00Z", **more: Any) -> dict[str, Any]:
    """An approval as context asserts it."""
    named = {} if by is None else {"approved_by": by}
    return {"approval_status": "approved", "approved_at": at, **named, **more}


#: A request, the approval it brings, and what stops it.
APPROVALS: Final[dict[str, tuple[dict[str, Any], dict[str, Any], set[str]]]] = {
    "two of two": (EXPORT, approved("ann, bob"), set()),
    "one of two": (EXPORT, approved("ann"), {"APPROVERS_INSUFFICIENT"}),
    "one who is named twice": (EXPORT, approved("ann, Ann"), {"APPROVERS_INSUFFICIENT"}),
    "nobody of two": (EXPORT, approved(None), {"APPROVERS_INSUFFICIENT"}),
    "as old as it may be": (EXPORT, approved("ann, bob", "2026-03-16T08:00:00Z"), set()),
    "a second too old": (EXPORT, approved("ann, bob", "2026-03-16T07:59:59Z"), {"APPROVAL_EXPIRED"}),
    "of an unknown age": (EXPORT, {"approved": True, "approved_by": "ann, bob"}, {"APPROVAL_TIMESTAMP_MISSING"}),
    "none at all": (EXPORT, {}, {"APPROVAL_REQUIRED", "APPROVAL_TIMESTAMP_MISSING"}),
    "by somebody who may": (PAY, approved("eve@finance.example.com"), set()),
    "by somebody who may, by name": (PAY, approved("dana"), set()),
    "by somebody who may not": (
        PAY,
        approved("eve@example.com"),
        {"APPROVER_NOT_ENTITLED", "SIDE_EFFECTS_NEED_GUARDRAILS"},
    ),
    "by a name in capitals": (PAY, approved("DANA"), {"APPROVER_NOT_ENTITLED", "SIDE_EFFECTS_NEED_GUARDRAILS"}),
    "by a name that only looks the same": (
        PAY,
        approved("d\u0430na"),
        {"APPROVER_NOT_ENTITLED", "SIDE_EFFECTS_NEED_GUARDRAILS"},
    ),
    "by one who may and one who may not": (PAY, approved("eve@example.com, dana"), set()),
    "by nobody who is named": (PAY, approved(None), {"APPROVERS_INSUFFICIENT", "SIDE_EFFECTS_NEED_GUARDRAILS"}),
    "by an agent who may": (
        PAY,
        approved("dana", agent_name="dana"),
        {"APPROVAL_SELF_GIVEN", "APPROVAL_TIMESTAMP_MISSING", "APPROVAL_REQUIRED", "SIDE_EFFECTS_NEED_GUARDRAILS"},
    ),
    "two who may by one rule, and one by the other": (
        WIRE,
        approved("ann@example.com, dana"),
        {"APPROVER_NOT_ENTITLED", "SIDE_EFFECTS_NEED_GUARDRAILS"},
    ),
    "two who may by both rules": (WIRE, approved("eve@finance.example.com, dana"), set()),
    "one who may by both rules": (WIRE, approved("dana"), {"APPROVERS_INSUFFICIENT", "SIDE_EFFECTS_NEED_GUARDRAILS"}),
}


@pytest.mark.parametrize(("sent", "context", "found"), APPROVALS.values(), ids=APPROVALS)
def test_an_approval_is_what_the_pack_says_that_it_must_be(
    sent: dict[str, Any], context: dict[str, Any], found: set[str]
) -> None:
    decision = decided({**sent, "context": context}, pack_with(RULES))
    assert stops(decision) == found
    assert decision.verdict == ("DENY" if "SIDE_EFFECTS_NEED_GUARDRAILS" in found else "DEFER" if found else "ALLOW")


def test_who_may_not_approve_is_named() -> None:
    decision = decided({**PAY, "context": approved("eve, dan, dana@example.com")}, pack_with(RULES))
    issue = next(issue for issue in decision.issues if issue.code == "APPROVER_NOT_ENTITLED")
    assert issue.details["outside"] == ["eve", "dan", "dana@example.com"]
    assert issue.message == "By the policy `eve`, `dan`, `dana@example.com` may not approve this action."


def test_an_approval_that_nothing_needs_may_be_anybodys() -> None:
    decision = decided(sending(**approved("eve")), pack_with("approvals: {all: {by: [ann], approvers: 1}}\n"))
    assert decision.verdict == "ALLOW"


def test_what_a_constraint_and_the_pack_say_of_an_approval_both_hold() -> None:
    pack = pack_with(RULES)
    for constraint, context, code in (
        ("approvers: 3", approved("ann, bob"), "APPROVERS_INSUFFICIENT"),
        ("approvers: 1", approved("ann"), "APPROVERS_INSUFFICIENT"),
        ("approval_timeout: 10m", approved("ann, bob"), "APPROVAL_EXPIRED"),
        ("approval_timeout: 3h", approved("ann, bob", "2026-03-16T07:30:00Z"), "APPROVAL_EXPIRED"),
    ):
        assert code in codes(decided({**EXPORT, "constraints": [constraint], "context": context}, pack))


def test_an_approval_that_does_not_hold_guards_nothing() -> None:
    pack = pack_with("approvals: {deletes: {effects: [delete], approvers: 2}}\n")
    bare = {"goal": "Delete inactive users", "context": {"environment": "staging", **approved("ann")}}
    assert "SIDE_EFFECTS_NEED_GUARDRAILS" in codes(decided(bare, pack))
    assert decided({**bare, "context": {"environment": "staging", **approved("ann, bob")}}, pack).verdict == "ALLOW"


# -- roles that include others

ROLES: Final = "roles: {admin: [lead, auditor], lead: [dev], dev: [], boss: [admin]}\n"


@pytest.mark.parametrize(
    ("role", "required", "enough"),
    [
        ("dev", "dev", True),
        ("lead", "dev", True),
        ("admin", "dev", True),
        ("boss", "dev", True),
        ("boss", "auditor", True),
        ("lead", "auditor", False),
        ("dev", "lead", False),
        ("auditor", "dev", False),
        ("Admin", "dev", False),
        ("ａｄｍｉｎ", "dev", False),
        ("guest", "dev", False),
        ("admin", "guest", False),
        ("lead", "guest, dev", True),
    ],
)
def test_a_role_stands_for_those_that_it_includes(role: str, required: str, enough: bool) -> None:
    sent = request(constraints=[f"required_role: {required}"], context={"actor_role": role})
    assert ("ROLE_NOT_AUTHORIZED" not in codes(decided(sent, pack_with(ROLES)))) is enough


def test_two_required_roles_may_be_filled_by_one_that_includes_both() -> None:
    sent = request(constraints=["required_role: dev", "required_role: auditor"], context={"actor_role": "admin"})
    assert decided(sent, pack_with(ROLES)).verdict == "ALLOW"


def test_a_role_that_a_pack_requires_is_filled_the_same_way() -> None:
    pack = pack_with(f"{ROLES}requirements: {{it: {{controls: ['required_role: dev']}}}}\n")
    assert decided(sending(actor_role="lead"), pack).verdict == "ALLOW"
    assert codes(decided(sending(actor_role="guest"), pack)) == {"ROLE_NOT_AUTHORIZED"}
    assert codes(decided(READ, pack)) == {"ROLE_CONTEXT_MISSING"}


# -- MCP servers

SERVERS: Final = "mcp_servers: [github, git-files]\n"


@pytest.mark.parametrize(
    ("sent", "denied"),
    [
        (READ, False),
        (sending(active_mcp_servers=["github"]), False),
        (sending(active_mcp_servers=["github", "git-files"]), False),
        (sending(active_mcp_servers=["github", "shell"]), True),
        (sending(active_mcp_servers="shell"), True),
        (sending(active_mcp_servers=["GitHub"]), True),
        (sending(active_mcp_servers=["github "]), False),
        (request(tools=["mcp__github__list_issues"]), False),
        (request(tools=["mcp__git-files__list"]), False),
        (request(tools=["mcp__shell__list"]), True),
        (request(tools=["mcp__github__list", "mcp__shell__list"]), True),
        (request(tools=["mcp__Github__list"]), True),
        (request(tools=["mcp_shell_list"]), True),
        (request(context={"current_tool": "mcp__shell__list"}), True),
        (request(tools=["mcp__github__list"], constraints=["allowed_mcp_servers: git-files"]), True),
    ],
)
def test_only_the_servers_of_the_pack_may_be_connected(sent: dict[str, Any], denied: bool) -> None:
    assert ("MCP_SERVER_NOT_ALLOWED" in codes(decided(sent, pack_with(SERVERS)))) is denied


def test_a_constraint_does_not_widen_the_packs_servers() -> None:
    sent = request(constraints=["allowed_mcp_servers: shell, github"], context={"active_mcp_servers": ["shell"]})
    assert decided(sent, pack_with(SERVERS)).verdict == "DENY"


def test_a_pack_may_allow_no_server_at_all() -> None:
    pack = pack_with("mcp_servers: []\n")
    assert decided(READ, pack).verdict == "ALLOW"
    assert decided(sending(active_mcp_servers=["github"]), pack).verdict == "DENY"
    assert decided(request(tools=["mcp__github__list"]), pack).verdict == "DENY"


def test_without_a_list_any_server_may_be_connected(default_pack: Pack) -> None:
    sent = request(tools=["mcp__shell__list_issues"], context={"active_mcp_servers": ["shell"]})
    assert decided(sent, default_pack).verdict == "ALLOW"


# -- tools that are not registered

TOOLS: Final = "tools: {tickets.list: {owner: support}, 'crm_*': {adds: [personal_data]}}\n"


@pytest.mark.parametrize(
    ("setting", "verdict"), [("", "ALLOW"), ("allow", "ALLOW"), ("defer", "DEFER"), ("deny", "DENY")]
)
def test_a_pack_says_what_is_done_about_a_tool_that_is_not_registered(setting: str, verdict: str) -> None:
    pack = pack_with(f"{TOOLS}unknown_tools: {setting}\n" if setting else TOOLS)
    assert decided(READ, pack).verdict == "ALLOW"
    assert decided(request(tools=["tickets.find"]), pack).verdict == verdict
    assert decided(request(tools=["tickets.list", "tickets.find"]), pack).verdict == verdict
    assert decided(request(context={"current_tool": "tickets.find"}), pack).verdict == verdict
    assert decided(request(tools=[]), pack).verdict == "ALLOW"


@pytest.mark.parametrize(
    ("tool", "known"),
    [
        ("tickets.list", True),
        ("crm_list", True),
        ("crm_", True),
        ("Tickets.List", False),
        ("CRM_list", False),
        ("tickets.list ", False),
        ("tickets", False),
    ],
)
def test_a_tool_is_known_by_its_exact_name(tool: str, known: bool) -> None:
    pack = pack_with(f"{TOOLS}unknown_tools: deny\n")
    assert ("TOOL_NOT_REGISTERED" not in codes(decided(request(tools=[tool]), pack))) is known


def test_without_a_registry_every_tool_is_unknown() -> None:
    pack = pack_with("unknown_tools: deny\n")
    assert codes(decided(READ, pack)) == {"TOOL_NOT_REGISTERED"}
    assert decided(request(tools=[]), pack).verdict == "ALLOW"


# -- points and owners

REGISTRY: Final = """\
tools:
  tickets.list: {owner: support, risk: 7}
  "tickets.*": {owner: platform, risk: 3}
  erp.list: {risk: 20}
"""


@pytest.mark.parametrize(
    ("tools", "points", "owners"),
    [
        (["tickets.list"], 7, {"tickets.list": "support"}),
        (["tickets.find"], 3, {"tickets.find": "platform"}),
        (["tickets.find", "tickets.list"], 7, {"tickets.find": "platform", "tickets.list": "support"}),
        (["tickets.list", "erp.list"], 20, {"tickets.list": "support"}),
        (["search_docs"], 0, None),
        (["Tickets.List"], 0, None),
    ],
)
def test_a_tool_brings_its_points_and_its_owner(
    tools: list[str], points: int, owners: dict[str, str] | None, default_pack: Pack
) -> None:
    sent = request(tools=tools)
    decision = decided(sent, pack_with(REGISTRY))
    assert decision.risk_score == decided(sent, default_pack).risk_score + points
    assert decision.guardrail_checks.get("scope", {}).get("owners") == owners


def test_points_of_a_tool_never_make_an_allow_a_hundred() -> None:
    pack = pack_with("tools: {'*': {risk: 100}}\n")
    decision = decided(READ, pack)
    assert (decision.verdict, decision.risk_score) == ("ALLOW", 99)


def test_a_child_that_names_a_tool_leaves_its_parents_effects_and_points(default_pack: Pack) -> None:
    parent = layer("tools: {'ops_*': {effects: [service_impact], risk: 30}}\n", name="parent")
    child = layer("tools: {ops_list: {owner: sre}}\n", parent).pack
    sent = request(tools=["ops_list"])
    assert decided(sent, child).effects == decided(sent, parent.pack).effects
    assert decided(sent, child).risk_score == decided(sent, parent.pack).risk_score
    assert decided(sent, child, caller=CALLER).verdict == "DENY"
    assert decided(sent, default_pack).verdict == "ALLOW"

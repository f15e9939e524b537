"""What a pack imposes: controls, approvals and who gives them, roles, MCP servers, and a registry of tools."""

from __future__ import annotations

from typing import Any, Final

import pytest

from stage0.core.pack import Pack
from stage0.core.verdict import Decision
from tests.deciding import CALLER, NOW, codes, decided
from tests.layering import layer, pack_with

#: A request that nothing stops.
READ: Final[dict[str, Any]] = {
    "goal": "List the open tickets",
    "tools": ["tickets.list"],
    "success_criteria": ["The list is complete"],
}


def request(**fields: Any) -> dict[str, Any]:
    """The request with other fields."""
    return {**READ, **fields}


def sending(**context: Any) -> dict[str, Any]:
    """The request with further context."""
    return request(context=context)


def stops(decision: Decision) -> set[str]:
    """The codes that stop an action."""
    return {issue.code for issue in decision.issues if issue.severity != "LOW"}


# -- where a requirement holds

TICKET: Final = "controls: [require_ticket]"

#: A scope, and requests with whether it holds for them.
SCOPES: Final[dict[str, tuple[str, list[tuple[dict[str, Any], bool]]]]] = {
    "everything": ("", [(READ, True), (request(tools=[]), True)]),
    "an effect": (
        "effects: [export, publish], ",
        [
            (READ, False),
            (request(side_effects=["export"]), True),
            (request(side_effects=["publish"]), True),
            (request(goal="Export the list of customers"), True),
            (request(tools=["export_customers"]), True),
            (request(side_effects=["write"]), False),
        ],
    ),
    "an environment": (
        "environments: [production, eu-west], ",
        [
            (READ, False),
            (sending(environment="production"), True),
            (sending(environment="PRD"), True),
            (sending(environment="本番"), True),
            (sending(target_environment=" EU-West "), True),
            (sending(environment="staging", target_environment="eu-west"), True),
            (sending(environment="staging"), False),
            (request(goal="List the open tickets of production"), True),
            (request(tools=["prod_db_list"]), True),
        ],
    ),
    "an environment that is not production": (
        "environments: [staging], ",
        [(sending(environment="staging"), True), (sending(environment="production"), False), (READ, False)],
    ),
    "a tool": (
        "tools: [tickets.list, 'crm_*'], ",
        [
            (READ, True),
            (request(tools=["crm_list"]), True),
            (request(tools=["CRM_List"]), True),
            (request(tools=["ｃｒｍ_list"]), True),
            (request(tools=["Tickets.List"]), True),
            (request(tools=["tickets.lists"]), False),
            (request(tools=["a", "crm_"]), True),
            (request(tools=[], context={"current_tool": "crm_list"}), True),
            (request(tools=[]), False),
        ],
    ),
    "all three": (
        "effects: [export], environments: [production], tools: ['crm_*'], ",
        [
            (request(tools=["crm_x"], side_effects=["export"], context={"environment": "prod"}), True),
            (request(tools=["erp_x"], side_effects=["export"], context={"environment": "prod"}), False),
            (request(tools=["crm_x"], side_effects=["write"], context={"environment": "prod"}), False),
            (request(tools=["crm_x"], side_effects=["export"], context={"environment": "dev"}), False),
        ],
    ),
}


@pytest.mark.parametrize(("scope", "cases"), SCOPES.values(), ids=SCOPES)
def test_a_requirement_holds_for_the_actions_that_it_is_about(
    scope: str, cases: list[tuple[dict[str, Any], bool]]
) -> None:
    pack = pack_with(f"requirements: {{it: {{{scope}{TICKET}}}}}\n")
    found = [(each, "TICKET_REQUIRED" in codes(decided(each, pack))) for each, _ in cases]
    assert found == cases


#: A control, what is found without its evidence, and the evidence.
CONTROLS: Final[dict[str, tuple[str, str, dict[str, Any]]]] = {
    "a ticket": ("require_ticket", "TICKET_REQUIRED", {"ticket_id": "OPS-1"}),
    "a runbook": ("runbook_required", "RUNBOOK_REQUIRED", {"runbook": "wiki/x"}),
    "a rollback plan": ("rollback_plan_required", "ROLLBACK_PLAN_REQUIRED", {"rollback_plan": True}),
    "MFA": ("require_mfa", "MFA_VERIFICATION_REQUIRED", {"mfa_verified": True}),
    "a confirmation": ("require_confirmation", "ACTION_CONFIRMATION_REQUIRED", {"confirmed": True}),
    "a dry run": ("dry_run_first", "DRY_RUN_REQUIRED", {"dry_run_completed": True}),
    "a limit on records": ("max_records: 10", "RECORDS_ESTIMATE_MISSING", {"estimated_records": 10}),
    "a limit on iterations": ("max_iterations: 5", "RUNTIME_CONTEXT_MISSING", {"current_iteration": 2}),
    "a role": ("required_role: ops", "ROLE_CONTEXT_MISSING", {"actor_role": "ops"}),
    "an environment": ("allowed_environment: dev, test", "ENVIRONMENT_CONTEXT_MISSING", {"environment": "dev"}),
    "a scope": ("resource_scope: repo", "SCOPE_CONTEXT_MISSING", {"target_resources": ["repo/a"]}),
    "MCP servers": ("allowed_mcp_servers: git", "SCOPE_CONTEXT_MISSING", {"active_mcp_servers": ["git"]}),
    "an approval": (
        "approval required",
        "APPROVAL_REQUIRED",
        {"approval_status": "approved", "approved_by": "ann", "approved_at": "2026-03-16T09:00:00Z"},
    ),
    "an approval of some effects": (
        "require approval for read",
        "APPROVAL_REQUIRED_PENDING",
        {"approval_status": "approved", "approved_by": "ann"},
    ),
}


@pytest.mark.parametrize(("control", "code", "evidence"), CONTROLS.values(), ids=CONTROLS)
def test_a_control_that_a_pack_requires_asks_for_its_evidence(
    control: str, code: str, evidence: dict[str, Any], default_pack: Pack
) -> None:
    pack = pack_with(f'requirements: {{it: {{controls: ["{control}"]}}}}\n')
    assert decided(READ, default_pack).verdict == "ALLOW"
    asked = decided(READ, pack)
    assert (asked.verdict, stops(asked)) == ("DEFER", {code})
    assert decided(sending(**evidence), pack).verdict == "ALLOW"


#: A control, a request that goes against it, and what is found.
VIOLATED: Final[dict[str, tuple[str, dict[str, Any], str]]] = {
    "too many records": ("max_records: 10", sending(estimated_records=11), "RECORDS_LIMIT_EXCEEDED"),
    "another role": ("required_role: ops", sending(actor_role="dev"), "ROLE_NOT_AUTHORIZED"),
    "another environment": ("allowed_environment: dev", sending(environment="test"), "ENVIRONMENT_NOT_ALLOWED"),
    "another tool": ("allowed_tools: search", READ, "TOOL_NOT_ALLOWED"),
    "another channel": ("allowed_channels: chat", sending(request_channel="sms"), "CHANNEL_NOT_ALLOWED"),
    "more than reading": ("read-only", request(side_effects=["write"]), "READ_ONLY_VIOLATED"),
    "what leaves": ("no external side effects", request(side_effects=["export"]), "EXTERNAL_EFFECTS_VIOLATED"),
    "too many iterations": ("max_iterations: 3", sending(current_iteration=4), "MAX_ITERATIONS_EXCEEDED"),
}


@pytest.mark.parametrize(("control", "against", "code"), VIOLATED.values(), ids=VIOLATED)
def test_a_control_that_a_pack_requires_denies_what_goes_against_it(
    control: str, against: dict[str, Any], code: str
) -> None:
    decision = decided(against, pack_with(f'requirements: {{it: {{controls: ["{control}"]}}}}\n'))
    assert decision.verdict == "DENY"
    assert code in codes(decision)


def test_a_window_that_a_pack_requires_is_one_of_its_calendars() -> None:
    pack = pack_with(
        'calendars: {nights: {weekly: [{days: mon-sun, hours: "22:00-06:00"}]}}\n'
        'requirements: {it: {controls: ["allowed_change_window: nights"]}}\n'
    )
    assert stops(decided(READ, pack)) == {"CHANGE_WINDOW_CLOSED"}
    assert decided(READ, pack, now=NOW - 5 * 3_600).verdict == "ALLOW"


def test_of_what_is_asked_for_and_what_is_imposed_the_stricter_counts() -> None:
    pack = pack_with("requirements: {it: {controls: ['max_records: 10']}}\n")
    for asked, estimate, verdict in (
        ("max_records: 100", 11, "DENY"),
        ("max_records: 5", 6, "DENY"),
        ("max_records: 5", 5, "ALLOW"),
    ):
        sent = request(constraints=[asked], context={"estimated_records": estimate})
        assert decided(sent, pack).verdict == verdict


def test_a_caller_cannot_switch_off_what_a_pack_requires() -> None:
    pack = pack_with("requirements: {it: {controls: [require_ticket, approval required]}}\n")
    sent = request(constraints=["require_ticket: no", "approval not required", "ticket_required: false"])
    assert {"TICKET_REQUIRED", "APPROVAL_REQUIRED"} <= codes(decided(sent, pack))


def test_several_requirements_ask_for_all_that_they_list() -> None:
    pack = pack_with(
        "requirements:\n"
        "  reads: {effects: [read], controls: [require_ticket]}\n"
        "  tickets: {tools: ['tickets.*'], controls: [require_mfa, runbook_required]}\n"
        "  exports: {effects: [export], controls: [rollback_plan_required]}\n"
    )
    found = stops(decided(READ, pack))
    assert found == {"TICKET_REQUIRED", "MFA_VERIFICATION_REQUIRED", "RUNBOOK_REQUIRED"}


def test_the_code_of_an_approval_is_the_one_that_the_requirement_says() -> None:
    pack = pack_with(
        "requirements: {it: {effects: [export], controls: [approval required],"
        " code: DESTRUCTIVE_ACTION_REQUIRES_APPROVAL}}\n"
    )
    found = codes(decided(request(side_effects=["export"]), pack))
    assert "DESTRUCTIVE_ACTION_REQUIRES_APPROVAL" in found
    assert "APPROVAL_REQUIRED" not in found


# -- what is imposed guards nothing

#: Controls that guard where the caller asks for them.
GUARDING: Final = (
    "require_confirmation",
    "dry_run_first",
    "approval required for payments",
    "approvers: 2",
    "approval_timeout: 2h",
    "required_role: ops",
    "read-only",
    "dry-run",
    "sandbox",
    "staging-only",
    "allowed_environment: staging",
    "human review required",
    "read-only preview before execution",
)


@pytest.mark.parametrize("control", GUARDING)
def test_an_action_without_a_guardrail_stays_denied_whatever_is_imposed(control: str, default_pack: Pack) -> None:
    bare = {"goal": "Delete inactive users", "context": {"environment": "staging", "actor_role": "ops"}}
    imposed = decided(bare, pack_with(f'requirements: {{it: {{controls: ["{control}"]}}}}\n'))
    for decision in (decided(bare, default_pack), imposed):
        assert decision.verdict == "DENY"
        assert "SIDE_EFFECTS_NEED_GUARDRAILS" in codes(decision)


def test_an_approval_that_is_required_guards_nothing_until_it_is_given() -> None:
    pack = pack_with("requirements: {it: {controls: [approval required]}}\n")
    bare = {"goal": "Delete inactive users", "context": {"environment": "staging"}}
    assert "SIDE_EFFECTS_NEED_GUARDRAILS" in codes(decided(bare, pack))
    approved = {**bare, "context": {"environment": "staging", "approved": True, "approved_by": "ann"}}
    assert decided(approved, pack).verdict == "ALLOW"


def test_an_environment_stays_to_be_named_where_staging_is_imposed() -> None:
    pack = pack_with("requirements: {it: {controls: [staging-only]}}\n")
    asked = {"goal": "Delete inactive users", "constraints": ["staging-only"]}
    assert "ENVIRONMENT_CONTEXT_MISSING" in codes(decided({"goal": "Delete inactive users"}, pack))
    assert "ENVIRONMENT_CONTEXT_MISSING" not in codes(decided(asked, pack))


def test_a_shell_without_a_constraint_is_noted_though_one_is_imposed() -> None:
    pack = pack_with("requirements: {it: {controls: [require_ticket]}}\n")
    assert "SENSITIVE_TOOLS_NEED_CONSTRAINTS" in codes(decided(request(tools=["shell"]), pack))


# -- what is imposed is shown


def test_what_is_imposed_is_listed_with_what_is_asked_for() -> None:
    pack = pack_with("requirements: {it: {controls: [require_ticket, read-only, 'max_records: 10']}}\n")
    sent = request(
        constraints=["require_mfa"], context={"mfa_verified": True, "ticket_id": "A-1", "estimated_records": 1}
    )
    decision = decided(sent, pack)
    assert decision.verdict == "ALLOW"
    assert decision.constraints_applied == ("require_mfa", "max_records: 10", "read-only", "require_ticket")
    assert decision.guardrails == ("read_only",)
    assert decision.guardrail_checks["change_control"]["controls"] == ("require_mfa", "require_ticket")
    assert decision.guardrail_checks["rehearsal"] == {
        "status": "passed",
        "controls": ("max_records: 10",),
        "issues": [],
    }


def test_what_is_asked_for_twice_is_listed_once() -> None:
    pack = pack_with("requirements: {a: {controls: [require_ticket]}, b: {controls: [require_ticket]}}\n")
    assert decided(request(constraints=["require_ticket"]), pack).constraints_applied == ("require_ticket",)


def test_what_is_imposed_on_other_actions_is_not_listed() -> None:
    pack = pack_with("requirements: {it: {effects: [export], controls: [require_ticket]}}\n")
    assert decided(READ, pack).constraints_applied == ()
    assert decided(request(side_effects=["export"]), pack).constraints_applied == ("require_ticket",)


def test_what_is_imposed_makes_no_other_action(default_pack: Pack) -> None:
    pack = pack_with("requirements: {it: {controls: [require_ticket, read-only]}}\n")
    assert decided(READ, pack).task_hash == decided(READ, default_pack).task_hash


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
        (request(tools=["mcp_shell_list"]), False),
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

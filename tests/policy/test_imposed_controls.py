"""Controls that a pack imposes: where they hold, that they guard nothing, and that they are shown."""

from __future__ import annotations

from typing import Any, Final

import pytest

from stage0.core.pack import Pack
from tests.deciding import NOW, READ, codes, decided, request, sending, stops
from tests.layering import pack_with

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
            (request(goal="Export the list of customers", tools=[]), True),
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

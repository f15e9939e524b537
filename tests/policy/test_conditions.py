"""A pack's own rules: when they fire, what is done where that cannot be worked out, and what they say."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, Final

import pytest

from stage0.core.pack import Pack
from stage0.core.verdict import Decision, Issue
from stage0.core.view import FACT_TYPES
from stage0.policy.conditions import (
    CompiledConditions,
    ConditionError,
    calendars_of,
    check_condition,
    holds_when_closed,
    unguarded,
)
from stage0.reading.request import Caller, RunState
from tests.deciding import CALLER, NOW, codes, decided
from tests.layering import pack_with

#: A request that nothing but a pack's own rule stops.
READ: Final[dict[str, Any]] = {
    "goal": "List the open tickets",
    "tools": ["tickets.list"],
    "success_criteria": ["The list is complete"],
}


def own(when: str, severity: str = "high", more: str = "") -> Pack:
    """The default pack with one rule of its own."""
    quoted = when.replace("'", "''")
    return pack_with(f"rules:\n  OWN: {{when: '{quoted}', severity: {severity}, message: No.}}\n{more}")


def sending(**context: Any) -> dict[str, Any]:
    """The request with further context."""
    return {**READ, "context": context}


def calling(**arguments: Any) -> dict[str, Any]:
    """The request with arguments of the call."""
    return sending(tool_arguments=arguments)


def issue(decision: Decision, code: str = "OWN") -> Issue:
    """The issue of a rule."""
    return next(each for each in decision.issues if each.code == code)


# -- facts

PAYING: Final = {"tool_arguments": {"amount": 250.5, "to": "acct_7", "currency": "EUR"}}
APPROVED: Final = {"approval_status": "approved", "approved_by": "ann, bob", "approved_at": "2026-03-16T09:00:00+00:00"}

#: A condition on each fact, a request on which it holds, and one on which it does not.
FACTS: Final[dict[str, tuple[str, dict[str, Any], dict[str, Any]]]] = {
    "goal": ("goal.contains('payroll')", {"goal": "List the payroll tickets"}, READ),
    "tools": ("'tickets.purge' in tools", sending(current_tool="tickets.purge"), READ),
    "effects": ("'delete' in effects", {**READ, "side_effects": ["delete"]}, READ),
    "high_risk": ("high_risk", {**READ, "side_effects": ["deployment"]}, {**READ, "side_effects": ["write"]}),
    "arguments": ("has(arguments.limit) && arguments.limit > 100", calling(limit=101), calling(limit=100)),
    "amount": (
        "amount > 250.0",
        {"goal": "Pay the invoice", "context": PAYING},
        {"goal": "Pay the invoice", "context": {"tool_arguments": {"amount": 250, "to": "acct_7"}}},
    ),
    "records": ("records >= 10", sending(estimated_records=10), sending(estimated_records=9)),
    "controls": ("!('require_ticket' in controls)", READ, {**READ, "constraints": ["require_ticket"]}),
    "environment": ("environment == 'eu-west'", sending(environment=" EU-West "), sending(environment="eu")),
    "environments": (
        "size(environments) > 1",
        sending(environment="a", target_environment="b"),
        sending(environment="a"),
    ),
    "production": ("production", sending(target_environment="prod"), sending(environment="staging")),
    "roles": ("roles.exists(role, role.startsWith('ext-'))", sending(actor_role="ext-7"), sending(actor_role="ops")),
    "approved": ("!approved", READ, sending(**APPROVED)),
    "approvers": ("size(approvers) < 2", sending(**{**APPROVED, "approved_by": "ann"}), sending(**APPROVED)),
    "approval_age": (
        "approval_age >= 3600.0",
        sending(**APPROVED),
        sending(approved_at="2026-03-16T09:00:01Z", approved=True),
    ),
    "confirmed": ("!confirmed", sending(confirmed="true"), sending(confirmed=True)),
    "rehearsed": ("!rehearsed", READ, sending(dry_run_completed=True)),
    "mfa_verified": ("!mfa_verified", sending(mfa_verified=False), sending(mfa_verified=True)),
    "rollback_plan": ("!rollback_plan", sending(rollback_plan="TBD"), sending(rollback_plan="wiki/back")),
    "ticket": ("!ticket.matches('^OPS-[0-9]+$')", sending(ticket_id="X-1"), sending(ticket_id="OPS-17")),
    "runbook": ("runbook == ''", READ, sending(runbook="wiki/run")),
    "output_policy": ("output_policy != 'strict'", sending(output_policy="lax"), sending(output_policy="strict")),
    "iteration": ("iteration > 3", sending(current_iteration=4), sending(current_iteration=3)),
    "retries": ("retries > 1", sending(retry_count=2), sending(retry_count=1)),
    "elapsed_seconds": ("elapsed_seconds > 60.0", sending(elapsed_seconds=61), sending(elapsed_seconds=60)),
    "cost_usd": ("cost_usd > 1.5", sending(cumulative_cost_usd=1.6), sending(cumulative_cost_usd=1.5)),
    "targets": (
        "targets.exists(t, t.startsWith('hr/'))",
        sending(target_resources=["hr/a"]),
        sending(target_resources="a"),
    ),
    "tenant": ("tenant != 'acme'", sending(tenant_id="globex"), sending(tenant_id="acme")),
    "target_tenants": ("size(target_tenants) > 1", sending(target_tenants=["a", "b"]), sending(target_tenants=["a"])),
    "channel": ("channel in ['sms', 'fax']", sending(request_channel="fax"), sending(request_channel="mail")),
    "mcp_servers": (
        "'shell' in mcp_servers",
        sending(active_mcp_servers=["shell"]),
        sending(active_mcp_servers=["files"]),
    ),
    "agent": ("agent == 'bot-7'", sending(agent_name="bot-7"), sending(agent_name="bot-8")),
    "on_behalf_of": ("on_behalf_of == ''", READ, sending(on_behalf_of="lee")),
    "success_criteria": ("size(success_criteria) == 0", {**READ, "success_criteria": []}, READ),
    "context": ("has(context.ward) && context.ward == 'icu'", sending(ward="icu"), sending(ward="lab")),
    "pro": ("pro", {**READ, "pro": True}, READ),
}


@pytest.mark.parametrize(("when", "holds", "fails"), FACTS.values(), ids=FACTS)
def test_a_rule_of_a_packs_own_fires_where_its_condition_holds_and_stays_quiet_elsewhere(
    when: str, holds: dict[str, Any], fails: dict[str, Any]
) -> None:
    pack = own(when)
    fired = decided(holds, pack)
    assert issue(fired).severity == "HIGH"
    assert "evaluated" not in issue(fired).details
    assert fired.verdict == "DENY"
    assert "OWN" not in codes(decided(fails, pack))


#: What is not told by the request: the condition, and who asks when in which run, where it holds and where it does not.
State = tuple[Caller, RunState | None, float]
HERE: Final[State] = (CALLER, None, NOW)
STATES: Final[dict[str, tuple[str, State, State]]] = {
    "role_verified": ("role_verified", (Caller("a", roles=("ops",)), None, NOW), HERE),
    "weekday": ("weekday > 5", (CALLER, None, NOW + 5 * 86_400), HERE),
    "hour": ("hour < 10", (CALLER, None, NOW - 1), HERE),
    "calendars": ("!calendars.business_hours", (CALLER, None, NOW - 2 * 3_600), HERE),
    "roles": ("'ops' in roles", (Caller("a", roles=("ops",)), None, NOW), HERE),
    "environment": ("environment == 'dev'", (Caller("a", environments=("dev",)), None, NOW), HERE),
    "agent": ("agent == 'bot'", (Caller("a", agent="bot"), None, NOW), HERE),
    "iteration": ("iteration == 8", (CALLER, RunState(allows=7), NOW), HERE),
    "cost_usd": ("cost_usd > 3.0", (CALLER, RunState(cost_usd=3.5), NOW), (CALLER, RunState(cost_usd=3.0), NOW)),
}


@pytest.mark.parametrize(("when", "holds", "fails"), STATES.values(), ids=STATES)
def test_a_rule_of_a_packs_own_sees_what_the_server_knows(when: str, holds: State, fails: State) -> None:
    pack = own(when)
    found = ["OWN" in codes(decided(READ, pack, caller=c, run=run, now=now)) for c, run, now in (holds, fails)]
    assert found == [True, False]


def test_every_fact_is_shown() -> None:
    assert FACTS.keys() | STATES.keys() == FACT_TYPES.keys() | {"calendars"}


def test_what_a_pack_imposes_is_not_asked_for() -> None:
    imposing = "requirements: {all: {controls: [require_ticket]}}\n"
    decision = decided(READ, own("!('require_ticket' in controls)", more=imposing))
    assert {"OWN", "TICKET_REQUIRED"} <= codes(decision)


def test_a_caller_who_asserts_nothing_is_not_taken_for_one_who_did() -> None:
    assert "OWN" in codes(decided(READ, own("approval_age < 0.0")))
    assert "OWN" in codes(decided(READ, own("amount == 0.0 && records == 0 && iteration == 0")))


# -- what cannot be worked out

#: Conditions that fail on a request without arguments.
FAILING: Final = ("arguments.limit > 100", "context.a.b == 'x'", "tools[7] == 'x'", "1 / retries > 2")


@pytest.mark.parametrize("when", FAILING)
@pytest.mark.parametrize(
    ("severity", "verdict", "found"), [("high", "DENY", True), ("medium", "DEFER", True), ("low", "ALLOW", False)]
)
def test_a_condition_that_cannot_be_worked_out_stops_where_it_would_and_is_no_mere_note(
    when: str, severity: str, verdict: str, found: bool
) -> None:
    decision = decided(READ, own(when, severity))
    assert decision.verdict == verdict
    assert ("OWN" in codes(decision)) is found
    if found:
        assert issue(decision).details["evaluated"] is False
    assert "INTERNAL_ERROR" not in codes(decision)


@pytest.mark.parametrize(("raised", "verdict"), [("medium", "DEFER"), ("high", "DENY")])
def test_a_note_that_a_pack_raised_stops_where_it_cannot_be_worked_out(raised: str, verdict: str) -> None:
    pack = pack_with(
        f"severities: {{OWN: {raised}}}\nrules: {{OWN: {{when: arguments.limit > 1, severity: low, message: No.}}}}\n"
    )
    assert decided(READ, pack).verdict == verdict


def test_a_condition_that_fails_takes_nothing_from_those_beside_it() -> None:
    pack = pack_with(
        "rules:\n"
        "  A_HOLDS: {when: size(tools) == 1, severity: low, message: No.}\n"
        "  B_FAILS: {when: arguments.limit > 1, severity: medium, message: No.}\n"
        "  C_NOTES: {when: arguments.limit > 2, severity: low, message: No.}\n"
        "  D_QUIET: {when: size(tools) == 2, severity: high, message: No.}\n"
        "  E_HOLDS: {when: goal != '', severity: low, message: No.}\n"
    )
    assert codes(decided(READ, pack)) == {"A_HOLDS", "B_FAILS", "E_HOLDS"}
    assert codes(decided(calling(limit=5), pack)) == {"A_HOLDS", "B_FAILS", "C_NOTES", "E_HOLDS"}


#: Arguments that hold more than CEL does, and whether `arguments.n > 100` holds on them.
HUGE: Final[dict[str, tuple[dict[str, Any], bool]]] = {
    "the largest of 64 bits": ({"n": 2**63 - 1}, True),
    "one more": ({"n": 2**63}, True),
    "many more": ({"n": 10**30}, True),
    "more than a fraction holds": ({"n": 10**400}, True),
    "the smallest of 64 bits": ({"n": -(2**63)}, False),
    "one less": ({"n": -(2**63) - 1}, False),
    "less than a fraction holds": ({"n": -(10**400)}, False),
    "beside it": ({"n": 101, "serial": 2**64}, True),
    "beside it, further down": ({"n": 1, "rows": [{"serial": [2**70]}]}, False),
}


@pytest.mark.parametrize(("arguments", "holds"), HUGE.values(), ids=HUGE)
def test_whole_numbers_of_any_size_are_compared(arguments: dict[str, Any], holds: bool) -> None:
    decision = decided(calling(**arguments), own("arguments.n > 100"))
    assert ("OWN" in codes(decision)) is holds
    if holds:
        assert "evaluated" not in issue(decision).details


@pytest.mark.parametrize("records", [2**63 - 1, 2**63, 10**400], ids=["the largest", "one more", "many more"])
def test_a_fact_of_any_size_is_compared(records: int) -> None:
    compiled = CompiledConditions(["records > 100", "records < -100", "pro"])
    assert compiled.held({"records": records, "pro": True}) == [True, False, True]
    assert compiled.held({"records": -records, "pro": False}) == [False, True, False]


@pytest.mark.parametrize(
    ("value", "when"),
    [
        (5, "arguments.x == 5"),
        (5.0, "arguments.x == 5"),
        (5, "arguments.x > 4.5"),
        ("5", "arguments.x == '5'"),
        (True, "arguments.x == true"),
        (None, "arguments.x == null"),
        ([1, "a", {"b": None}], "arguments.x[2].b == null && size(arguments.x) == 3"),
        ({"a": {"b": [7]}}, "arguments.x.a.b[0] == 7"),
        ("客戶", "arguments.x.contains('客')"),
        ("", "arguments.x == '' && has(arguments.x)"),
    ],
)
def test_arguments_have_the_types_of_json(value: object, when: str) -> None:
    fired = issue(decided(calling(x=value), own(when)))
    assert "evaluated" not in fired.details


def test_arguments_under_several_names_are_seen_together() -> None:
    call = sending(tool_arguments={"a": 1}, tool_args={"b": 2}, arguments={"a": 3})
    assert "OWN" in codes(decided(call, own("has(arguments.a) && has(arguments.b)")))


# -- many at once


def _numbered(count: int) -> Pack:
    rules = [f"  N_{n:03}: {{when: arguments.n == {n}, severity: medium, message: No.}}\n" for n in range(count)]
    return pack_with(f"rules:\n{''.join(rules)}")


def test_more_conditions_than_are_worked_out_at_once_keep_their_order() -> None:
    pack = _numbered(120)
    for n in (0, 49, 50, 51, 99, 100, 119):
        assert codes(decided(calling(n=n), pack)) == {f"N_{n:03}"}
    assert codes(decided(calling(n=120), pack)) == set()
    assert len(codes(decided(READ, pack))) == 120


def test_long_conditions_are_worked_out_apart() -> None:
    goals = " && ".join(f"goal != 'the goal of {n}'" for n in range(60))
    rules = [f"  LONG_{n}: {{when: size(tools) == {n} && {goals}, severity: low, message: No.}}\n" for n in range(30)]
    assert codes(decided(READ, pack_with(f"rules:\n{''.join(rules)}"))) == {"LONG_1"}


def test_one_condition_does_not_reach_into_another() -> None:
    texts = ["pro // a comment) ]", "high_risk", "true ? pro : (\n  !pro\n)"]
    compiled = CompiledConditions(texts)
    assert compiled.held({"pro": True, "high_risk": False}) == [True, False, True]
    assert compiled.held({"pro": False, "high_risk": True}) == [False, True, False]


def test_a_comment_is_no_part_of_a_condition() -> None:
    assert "OWN" in codes(decided(READ, own("size(tools) == 1 // never 'ever'")))


def test_only_the_facts_that_are_named_are_worked_out() -> None:
    compiled = CompiledConditions(["amount > 1.0 && goal != 'effects'", "!calendars.always"], ["records"])
    assert compiled.names == ("amount", "goal", "records")
    assert compiled.calendars == ("always",)


# -- calendars

CALENDARS: Final = """\
calendars:
  release: {zone: Asia/Tokyo, weekly: [{days: tue, hours: "10:00-12:00"}]}
  freeze: {openings: [{from: 2026-12-20T00:00:00Z, to: 2027-01-03T00:00:00Z}]}
"""
DAY: Final = 86_400


@pytest.mark.parametrize(
    ("when", "now", "fires"),
    [
        ("!calendars.release", NOW, True),
        ("!calendars.release", NOW + DAY - 8 * 3_600, False),
        ("!calendars['release']", NOW + DAY - 8 * 3_600, False),
        ('!calendars["release"]', NOW, True),
        ("calendars.freeze && production", NOW, False),
        ("!calendars.weekdays || !calendars.business_hours", NOW + 5 * DAY, True),
        ("!calendars.weekdays || !calendars.business_hours", NOW, False),
    ],
)
def test_a_condition_may_ask_a_calendar(when: str, now: float, fires: bool) -> None:
    assert ("OWN" in codes(decided(READ, own(when, more=CALENDARS), now=now))) is fires


def test_a_time_that_the_caller_asserts_closes_a_calendar_and_never_opens_it() -> None:
    pack = own("!calendars.business_hours")
    at_night, at_day = "2026-03-16T03:00:00+00:00", "2026-03-16T10:00:00+00:00"
    assert "OWN" in codes(decided(sending(current_time=at_night), pack))
    assert "OWN" in codes(decided(sending(current_time=at_day), pack, now=NOW - 7 * 3_600))


# -- what they say

SAYING: Final = """\
rules:
  REFUND_TOO_LARGE:
    when: amount > 100.0
    severity: medium
    message: "{amount} for {goal} by {tools} is {{too}} much ({environment})."
    question: Who agreed to {amount}?
    remedy: Ask {agent}.
"""


def test_the_texts_of_a_rule_name_facts() -> None:
    request = {"goal": "Pay the invoice", "tools": ["pay", "log"], "context": {**PAYING, "agent_name": "bot-7"}}
    found = issue(decided(request, pack_with(SAYING)), "REFUND_TOO_LARGE")
    assert found.message == "250.5 for Pay the invoice by `pay`, `log` is {too} much ()."
    assert found.question == "Who agreed to 250.5?"
    assert found.remedy == "Ask bot-7."
    assert found.details == {
        "amount": 250.5,
        "goal": "Pay the invoice",
        "tools": ["pay", "log"],
        "environment": "",
        "agent": "bot-7",
    }


def test_a_fact_with_braces_stays_as_it_is() -> None:
    pack = pack_with("rules: {OWN: {when: goal != '', severity: low, message: 'No {goal}.'}}\n")
    assert issue(decided({"goal": "List {amount} {0} {tickets"}, pack)).message == "No List {amount} {0} {tickets."


def test_a_text_without_facts_stays_as_it_is() -> None:
    pack = pack_with("rules: {OWN: {when: goal != '', severity: low, message: 'No {{amount}}.'}}\n")
    assert issue(decided(READ, pack)).message == "No {amount}."


def test_what_cannot_be_worked_out_says_the_same_as_what_holds() -> None:
    pack = pack_with("rules: {OWN: {when: arguments.limit > 1, severity: high, message: 'No {goal}.'}}\n")
    found = issue(decided(READ, pack))
    assert found.message == "No List the open tickets."
    assert found.details == {"goal": "List the open tickets", "evaluated": False}


def test_an_own_rule_asks_its_question_and_stands_among_the_checks() -> None:
    request = {"goal": "Pay the invoice", "success_criteria": ["It is paid"], "context": {**PAYING, **APPROVED}}
    decision = decided(request, pack_with(SAYING))
    assert (decision.verdict, codes(decision)) == ("DEFER", {"REFUND_TOO_LARGE"})
    assert decision.defer_questions == ("Who agreed to 250.5?",)
    assert decision.guardrail_checks["policy"] == {"status": "missing", "controls": (), "issues": ["REFUND_TOO_LARGE"]}


# -- severities

SEVERE: Final[dict[str, tuple[str, bool, str | None]]] = {
    "as the rule says": ("", False, "MEDIUM"),
    "raised by the pack": ("severities: {OWN: high}", False, "HIGH"),
    "raised under pro": ("pro_severities: {OWN: high}", True, "HIGH"),
    "raised under pro alone": ("pro_severities: {OWN: high}", False, "MEDIUM"),
    "not lowered under pro": ("pro_severities: {OWN: low}", True, "MEDIUM"),
}


@pytest.mark.parametrize(("more", "pro", "severity"), SEVERE.values(), ids=SEVERE)
def test_a_pack_sets_the_severity_of_its_own_rules(more: str, pro: bool, severity: str | None) -> None:
    decision = decided({**READ, "pro": pro}, own("goal != ''", "medium", f"{more}\n"))
    assert issue(decision).severity == severity


# -- reading a condition


@pytest.mark.parametrize(
    ("text", "names"),
    [
        ("calendars.a && !calendars.b_2", {"a", "b_2"}),
        ("calendars['a'] || calendars[\"b\"]", {"a", "b"}),
        ("goal == 'calendars.a'", set()),
        ("goal == \"calendars['a']\" && calendars.b", {"b"}),
        ("goal == 'it\\'s calendars.a' && calendars.b", {"b"}),
        ("context.calendars.a == 'x'", set()),
        ("mycalendars.a", set()),
        ("", set()),
    ],
)
def test_the_calendars_of_a_condition_are_those_that_it_asks(text: str, names: set[str]) -> None:
    assert calendars_of(text) == names


@pytest.mark.parametrize(
    "text", ["calendars[environment]", "'a' in calendars", "calendars.exists(c, calendars[c])", "size(calendars) > 0"]
)
def test_calendars_are_asked_by_name_alone(text: str) -> None:
    with pytest.raises(ConditionError):
        check_condition(text, ["a", "exists"])


@pytest.mark.parametrize(
    ("text", "surely"),
    [
        ("!calendars.a", True),
        ("! calendars.a", True),
        ("high_risk && !calendars.a", True),
        ("(pro || !calendars.a) && records > 5", True),
        ("!pro && !calendars.a && environment != 'dev'", True),
        ("!calendars.a || tools.exists(t, t == 'x')", True),
        ("goal != 'calendars.a' && !calendars.a", True),
        ("!calendars.ab", True),
        ("!calendars.a && calendars.ab", True),
        ("calendars.a", False),
        ("!calendars.a && (pro || calendars.a)", False),
        ("!!calendars.a", False),
        ("!(pro && !calendars.a)", False),
        ("!calendars.a == false", False),
        ("false == !calendars.a", False),
        ("(pro && !calendars.a) == false", False),
        ("pro != (high_risk || !calendars.a)", False),
        ("pro ? !calendars.a : high_risk", False),
        ("!tools.exists(t, t == 'x' || !calendars.a)", False),
        ("size([!calendars.a]) > 0", False),
        ("string(!calendars.a) == 'true'", False),
        ("!calendars['a']", False),
        ("!calendars.a // && !calendars.a", False),
    ],
)
def test_a_condition_that_holds_where_a_calendar_is_closed_is_told(text: str, surely: bool) -> None:
    assert holds_when_closed(text, "a") is surely


@pytest.mark.parametrize(
    ("text", "chain"),
    [
        ("arguments.limit > 5", "arguments.limit"),
        ("has(arguments.limit) && arguments.limit > 5", ""),
        ("has( arguments.a.b ) && arguments.a.b > 5", ""),
        ("has(arguments.a) && arguments.b > 5", "arguments.b"),
        ("context.ward == 'icu'", "context.ward"),
        ("has(context.ward)", ""),
        ("goal.contains('x')", ""),
        ("size(arguments) > 3", ""),
    ],
)
def test_a_key_that_may_be_missing_is_found(text: str, chain: str) -> None:
    assert unguarded(text) == chain


@pytest.mark.parametrize("name", FACT_TYPES)
def test_every_fact_says_what_it_is(name: str) -> None:
    fact = FACT_TYPES[name]
    assert fact.about
    kinds: Mapping[str, type] = {"string": str, "bool": bool, "int": int, "double": float}
    pack = pack_with(f"rules: {{OWN: {{when: goal != '', severity: low, message: '{{{name}}}'}}}}\n")
    value = issue(decided(READ, pack)).details[name]
    expected = list if fact.type.startswith("list") else dict if fact.type.startswith("map") else kinds[fact.type]
    assert type(value) is expected

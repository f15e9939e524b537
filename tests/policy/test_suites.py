"""Suites beside a pack: what they show, what keeps a pack from being activated, and what looks like a mistake."""

from __future__ import annotations

from typing import Final

import pytest

from stage0.core.pack import Pack
from stage0.knowledge.source import source_of
from stage0.policy.lint import warnings_of
from stage0.policy.load import Loaded, loaded, resolver_of
from stage0.policy.suite import SuiteResult, read_suite, run_suite, try_suite
from tests.layering import FILE, layer, pack_with

#: 28 November 2026, 12:00 UTC.
NOW: Final = 1_795_867_200.0
#: One case for each verdict.
ALL: Final = """\
- name: reading is allowed
  request: {goal: List the open tickets, tools: [tickets.list], success_criteria: [listed]}
  expect: {verdict: ALLOW, absent_codes: [APPROVAL_REQUIRED]}
- name: a payment waits for its approval
  request: {goal: Pay the invoice, constraints: [approval required]}
  expect: {verdict: DEFER, issue_codes: [APPROVAL_REQUIRED]}
- name: an unguarded payment is stopped
  request: {goal: Pay the invoice}
  expect: {verdict: DENY}
"""


def run(text: str, pack: Pack, *rules: str) -> SuiteResult:
    """What a suite shows of a pack."""
    return run_suite(read_suite(text), pack, rules)


def test_a_suite_with_every_verdict_lets_a_pack_be_activated(default_pack: Pack) -> None:
    result = run(ALL, default_pack)
    assert [each.problems for each in result.ran] == [(), (), ()]
    assert (result.failed, result.missing_verdicts, result.activatable) == ((), (), "")


@pytest.mark.parametrize(
    ("without", "problem"),
    [
        (0, "its suite has no case for ALLOW"),
        (1, "its suite has no case for DEFER"),
        (2, "its suite has no case for DENY"),
    ],
)
def test_a_suite_without_a_verdict_does_not(without: int, problem: str, default_pack: Pack) -> None:
    cases = [case for index, case in enumerate(read_suite(ALL)) if index != without]
    assert run_suite(cases, default_pack, ()).activatable == problem


def test_a_suite_of_nothing_shows_nothing(default_pack: Pack) -> None:
    for text in ("", "[]\n", "# Later.\n"):
        assert run(text, default_pack).activatable == "its suite has no case for ALLOW and DEFER and DENY"


#: An expectation, and what is said of the request `List the open tickets`.
EXPECTED: Final[dict[str, tuple[str, tuple[str, ...]]]] = {
    "as it is": ("{verdict: ALLOW, issue_codes: [MISSING_SUCCESS_CRITERIA], absent_codes: [TICKET_REQUIRED]}", ()),
    "another verdict": ("{verdict: DENY}", ("verdict ALLOW, expected DENY",)),
    "a code that is missing": ("{verdict: ALLOW, issue_codes: [TICKET_REQUIRED]}", ("missing TICKET_REQUIRED",)),
    "a code too many": (
        "{verdict: ALLOW, absent_codes: [MISSING_SUCCESS_CRITERIA]}",
        ("unexpected MISSING_SUCCESS_CRITERIA",),
    ),
    "all of it": (
        "{verdict: DEFER, issue_codes: [A_B, C_D], absent_codes: [MISSING_SUCCESS_CRITERIA]}",
        ("verdict ALLOW, expected DEFER", "missing A_B, C_D", "unexpected MISSING_SUCCESS_CRITERIA"),
    ),
}


@pytest.mark.parametrize(("expected", "problems"), EXPECTED.values(), ids=EXPECTED)
def test_what_is_not_as_expected_is_said_in_words(expected: str, problems: tuple[str, ...], default_pack: Pack) -> None:
    result = run(f"- {{name: it, request: {{goal: List the open tickets}}, expect: {expected}}}\n", default_pack)
    assert result.ran[0].problems == problems
    if problems:
        assert result.activatable == "1 of 1 cases of its suite fail, the first is `it`"


#: A case with its state and clock, and the verdict and code that follow.
STATES: Final[dict[str, tuple[str, str]]] = {
    "the clock of a suite is a Monday morning": ("", "ALLOW"),
    "a clock of its own": ("clock: 2026-03-15T10:00:00Z", "DEFER"),
    "a zone of the account": ("state: {timezone: Asia/Tokyo}", "DEFER"),
    "a run": ("state: {run: {retries: 5}}", "DEFER"),
    "what is stopped": ("state: {stopped: account}", "DENY"),
    "an environment of the key": ("state: {environments: [production]}", "DEFER"),
    "the agent of the key": ("state: {agent: bot-7}", "DENY"),
    "roles of the key": ("state: {roles: [intern]}", "DENY"),
}


@pytest.mark.parametrize(("more", "verdict"), STATES.values(), ids=STATES)
def test_a_case_has_its_own_state_and_clock(more: str, verdict: str) -> None:
    pack = pack_with(
        "requirements: {prod: {environments: [production], controls: [require_ticket]}}\n"
        "rules:\n"
        "  BOT: {when: \"agent == 'bot-7'\", severity: high, message: No.}\n"
        "  INTERN: {when: \"'intern' in roles && role_verified\", severity: high, message: No.}\n"
    )
    text = (
        "- name: it\n"
        "  request: {goal: List the open tickets, success_criteria: [x], constraints: [business-hours only]}\n"
        f"  expect: {{verdict: {verdict}}}\n" + (f"  {more}\n" if more else "")
    )
    assert run(text, pack, "BOT").ran[0].problems == ()


RULES: Final = """\
rules:
  FIRES: {when: size(tools) > 5, severity: low, message: Many., remedy: Use fewer.}
  ALWAYS: {when: goal != '', severity: low, message: A goal., remedy: None.}
  BOTH: {when: "size(tools) == 1", severity: low, message: One., remedy: Use more.}
"""


def test_a_suite_shows_each_rule_firing_and_quiet() -> None:
    result = run(ALL, pack_with(RULES), "FIRES", "ALWAYS", "BOTH")
    assert (result.never_fired, result.never_quiet) == (("FIRES",), ("ALWAYS",))
    assert run(ALL, pack_with(RULES), "BOTH").never_fired == ()
    assert run("", pack_with(RULES), "FIRES", "ALWAYS").never_quiet == ()


# -- what looks like a mistake


def with_suite(text: str, suite: str, parent: Loaded | None = None) -> Loaded:
    """A pack with a suite."""
    extends = "stage0-default" if parent is None else parent.file.name
    head = f'name: own\nversion: "1"\nextends: {extends}\n'
    files = {FILE: head + text, "suite.yaml": suite}
    return loaded(source_of(files, "own"), resolver_of(lambda _: None if parent is None else parent.file))


def test_what_looks_like_a_mistake_is_said_with_its_place() -> None:
    text = (
        "rules:\n"
        "  LIMIT:\n"
        "    when: arguments.limit > 5\n"
        "    severity: high\n"
        "    message: Too much.\n"
        "  GUARDED: {when: 'has(arguments.limit) && arguments.limit > 5', severity: low, message: No., remedy: Ask.}\n"
        "tools:\n"
        "  crm: {adds: [export]}\n"
        "  erp: {owner: finance}\n"
    )
    found = with_suite(text, ALL)
    assert list(warnings_of(found, try_suite(found), at=NOW)) == [
        "pack.yaml:6: rules.LIMIT.when: reads `arguments.limit` where it may be missing, and fires then:"
        " ask `has(arguments.limit)` first",
        "pack.yaml:5: rules.LIMIT: has no `remedy`: whoever is stopped wants to know what to do",
        "pack.yaml:11: tools.crm: has no `owner`: nobody answers for it",
        "suite.yaml: no case makes GUARDED fire",
        "suite.yaml: no case leaves LIMIT quiet",
    ]


def test_what_a_parent_has_is_no_mistake_of_its_child() -> None:
    parent = layer(f"{RULES}tools: {{crm: {{adds: [export]}}}}\n", name="parent")
    found = with_suite("", ALL, parent)
    assert list(warnings_of(found, try_suite(found), at=NOW)) == []


@pytest.mark.parametrize(
    ("condition", "danger"),
    [
        ("!production && amount > 5.0", "production"),
        ("!(high_risk) && records > 5", "high_risk"),
        ("!('delete' in effects) && records > 5", "'delete' in effects"),
        ("production == false && records > 5", "production"),
        ("production && !confirmed", ""),
        ("!approved && 'delete' in effects", ""),
    ],
)
def test_lint_warns_of_a_condition_that_more_danger_turns_off(condition: str, danger: str) -> None:
    text = f'rules:\n  QUIET: {{when: "{condition}", severity: high, message: No., remedy: Ask.}}\n'
    found = with_suite(text, ALL)
    silenced = [warning for warning in warnings_of(found, try_suite(found), at=NOW) if "is turned off" in warning]
    assert [f"`{danger}`" in warning for warning in silenced] == ([True] if danger else [])


@pytest.mark.parametrize(
    ("calendar", "over"),
    [
        ("{openings: [{from: '2026-11-28T10:00:00Z', to: '2026-11-28T11:00:00Z'}]}", True),
        ("{openings: [{from: 2026-11-20, to: 2026-11-27}]}", True),
        ("{openings: [{from: 2026-11-20, to: 2026-11-28}]}", False),
        ("{openings: [{from: 2026-11-20, to: 2026-11-21}, {from: 2027-01-01, to: 2027-01-02}]}", False),
        ("{weekly: [{days: mon-fri, hours: '09:00-17:00'}], openings: [{from: 2026-11-20, to: 2026-11-21}]}", False),
    ],
)
def test_lint_warns_of_a_calendar_that_does_not_open_any_more(calendar: str, over: bool) -> None:
    found = with_suite(f"calendars:\n  move: {calendar}\n", ALL)
    said = [warning for warning in warnings_of(found, try_suite(found), at=NOW) if "does not open any more" in warning]
    assert [warning.startswith("pack.yaml:5: calendars.move: ") for warning in said] == ([True] if over else [])

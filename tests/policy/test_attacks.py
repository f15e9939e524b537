"""What adversaries tried against packs: a caller with its facts, a team with its file, a tenant with its rules."""

from __future__ import annotations

from typing import Any, Final

import pytest

from stage0.policy import PolicyError, shipped_packs
from stage0.policy.upload import wanted_parent
from stage0.reading.call.money import stated_amount
from tests.deciding import codes, decided
from tests.layering import layer, pack_with

# -- a child that looks as wide as its parent

CLOSED: Final = "requirements:\n  deletes: {effects: [delete], environments: [production], controls: [mfa_required]}\n"


@pytest.mark.parametrize("scope", ['environments: ["*"]', 'environments: [production], tools: ["*"]'])
def test_a_star_is_no_wider_than_what_it_matches(scope: str) -> None:
    parent = layer(CLOSED, name="company")
    with pytest.raises(PolicyError, match=r"requirements\.deletes"):
        layer(
            f"requirements:\n  deletes: {{effects: [delete], {scope}, controls: [mfa_required]}}\n", parent, name="team"
        )


def test_an_environment_is_a_name_and_no_pattern() -> None:
    with pytest.raises(PolicyError, match=r"`\*` is a name here, not a pattern"):
        layer('requirements: {a: {effects: [delete], environments: ["*"], controls: [mfa_required]}}\n')


def test_a_glance_at_what_a_pack_extends_takes_no_longer_than_its_text() -> None:
    assert wanted_parent({"pack.yaml": "\n" * 900_000}) == ""
    assert wanted_parent({"pack.yaml": " " * 900_000}) == ""
    for text in ("extends: acme@2", '"extends" : acme@2', "name: x\nextends: 'acme@2'", "{extends: acme@2}"):
        assert wanted_parent({"pack.yaml": text}) == "acme@2", text


# -- amounts


@pytest.mark.parametrize(
    "value",
    [
        *(50_000, "50000", "5e4", "50_000", "50 000", "50\u00a0000 USD", "+50000", "-50000", "５００００", "٥٠٠٠٠"),
        *(["50000"], {"amount": "5e4", "value": 1}, {"currency": "USD", "minor": "50000"}, "50'000", "50.000,00 €"),
    ],
    ids=repr,
)
def test_an_amount_is_read_however_it_is_written(value: Any) -> None:
    assert stated_amount(value) == 50_000.0


@pytest.mark.parametrize("value", ["9" * 40, "fifty 5", "0x5000", "50000 or so", "all of it", [["x9"]]], ids=repr)
def test_an_amount_that_cannot_be_read_is_taken_for_the_largest(value: Any) -> None:
    assert stated_amount(value) >= 1e15


@pytest.mark.parametrize("value", [None, "", "  ", False, [], {}, {"currency": "USD"}, 0], ids=repr)
def test_no_amount_is_none(value: Any) -> None:
    assert stated_amount(value) == 0.0


@pytest.mark.parametrize(
    "arguments",
    [
        {"amount": "5e4", "fee_amount": 1},
        {"amount": "9999999999999999999", "tax_amount": 1},
        {"amount": "50_000", "total_amount": "1"},
        {"amount": {"amount": "5e4", "value": 1}},
        {"amount": ["50000"], "fee_amount": 1},
        {"amount": "50 000 USD", "fee_amount": 1},
    ],
    ids=repr,
)
def test_no_spelling_and_no_decoy_hides_an_amount(arguments: dict[str, Any]) -> None:
    rule = "rules: {TOO_MUCH: {when: amount > 10000.0, severity: high, message: No.}}\n"
    request = {"goal": "Refund the order", "tools": ["refunds.create"], "context": {"tool_arguments": arguments}}
    assert "TOO_MUCH" in codes(decided(request, pack_with(rule)))


# -- conditions

MANY: Final = "".join(
    f"  LOOK_{n}: {{when: \"tools.exists(t, t == 'x{n}')\", severity: high, message: No.}}\n" for n in range(48)
)
EVIL: Final = (
    f"rules:\n{MANY}"
    "  BIG: {when: amount > 100.0, severity: high, message: Too much.}\n"
    "  EVIL: {when: \"has(arguments.to) && arguments.to.exists(t, t.endsWith('@evil'))\", "
    "severity: high, message: No.}\n"
)


@pytest.mark.parametrize("count", [0, 10_001])
def test_a_condition_that_has_too_much_to_look_at_has_fired_and_hides_no_other(count: int) -> None:
    arguments = {"amount": 500, "to": ["b"] * count + ["a@evil"]}
    request = {"goal": "Send the report", "tools": ["mailer"], "context": {"tool_arguments": arguments}}
    decision = decided(request, pack_with(EVIL))
    assert decision.verdict == "DENY"
    assert {"BIG", "EVIL"} <= codes(decision)
    assert "INTERNAL_ERROR" not in codes(decision)


@pytest.mark.parametrize(
    ("condition", "problem"),
    [
        ("tools.map(a, goal).map(b, b + b).size() > 0", "`map`"),
        (".production && tools.size() > 0", "begins with a dot"),
        ("goal == '''it's''' && !production", "three quotation marks"),
        ("goal == r'x' && production", "raw"),
    ],
)
def test_a_condition_that_grows_or_hides_its_facts_is_refused(condition: str, problem: str) -> None:
    with pytest.raises(PolicyError, match=problem):
        layer(f"rules:\n  BAD:\n    when: >-\n      {condition}\n    severity: high\n    message: No.\n")


# -- servers

SPELLED: Final = (
    "mcp__evil__read",
    "MCP__evil__read",
    "mcp__Evil__read",
    "mcp_evil_read",
    "mcp-evil-read",
    "mcp:evil/x",
)


@pytest.mark.parametrize("tool", SPELLED)
def test_a_server_that_is_not_allowed_is_found_in_every_spelling_of_its_tool(tool: str) -> None:
    request = {"goal": "List the files", "tools": [tool], "success_criteria": ["done"]}
    assert "MCP_SERVER_NOT_ALLOWED" in codes(decided(request, pack_with("mcp_servers: [github]\n")))


@pytest.mark.parametrize("tool", ["mcp__github__list_issues", "mcpherson_list", "files.list"])
def test_a_server_that_is_allowed_and_a_tool_of_none_pass(tool: str) -> None:
    request = {"goal": "List the files", "tools": [tool], "success_criteria": ["done"]}
    assert "MCP_SERVER_NOT_ALLOWED" not in codes(decided(request, pack_with("mcp_servers: [github]\n")))


# -- tenants


@pytest.mark.parametrize("name", ["tenant_id", "tenantId", "tenant"])
def test_a_foreign_tenant_in_the_calls_own_arguments_is_stopped(name: str) -> None:
    request = {
        "goal": "Search the articles",
        "tools": ["kb.search"],
        "success_criteria": ["found"],
        "context": {"tenant_id": "a", "target_tenants": ["a"], "tool_arguments": {name: "b"}},
    }
    assert "FOREIGN_TENANT_IN_ARGUMENTS" in codes(decided(request, shipped_packs()["ai-saas"]))
    request["context"]["tool_arguments"][name] = "a"  # type: ignore[index]
    assert "FOREIGN_TENANT_IN_ARGUMENTS" not in codes(decided(request, shipped_packs()["ai-saas"]))


# -- what the loader fills in is not written


def test_days_of_holidays_are_not_written_by_hand() -> None:
    calendar = "calendars:\n  x: {weekly: [{days: mon, hours: '09:00-10:00'}], holidays: {country: US, days: []%s}}\n"
    with pytest.raises(PolicyError, match="filled in"):
        layer(calendar % ", years: [2026, 2030]")


def test_a_number_without_an_end_is_an_error_with_its_place() -> None:
    with pytest.raises(PolicyError, match=r"pack\.yaml"):
        layer(f"thresholds: {{retries: {'9' * 5000}}}\n")

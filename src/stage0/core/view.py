"""What a pack's own rules may see: typed facts of one action, by name. They can only add findings."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from datetime import UTC, datetime
from typing import Any, Final, NamedTuple

from stage0.core.facts import Facts
from stage0.core.pack import Conditions


class FactType(NamedTuple):
    """A fact that a condition may name: its CEL type, what it is, how it is worked out, and the context facts that it
    is worked out from: where one of them cannot be read, that is more than a note."""

    type: str
    about: str
    of: Callable[[Facts], Any]
    reads: tuple[str, ...] = ()


def _texts(name: str) -> FactType:
    return FactType("list(string)", f"`{name}`", lambda facts: list(facts.values.get(name, ())), (name,))


def _text(name: str, about: str = "") -> FactType:
    return FactType("string", about or f"`{name}`", lambda facts: facts.values.get(name, ""), (name,))


def _arguments(facts: Facts) -> dict[str, Any]:
    merged: dict[str, Any] = {}
    for arguments in reversed(facts.reading.context.all_of("tool_arguments")):
        merged.update(arguments)
    return merged


def _estimate(facts: Facts) -> int:
    """The largest number of rows or records that anything names."""
    found: int = max(facts.reading.records, *(facts.values.get(name, 0) for name in _ESTIMATES))
    return found


_ESTIMATES: Final = ("estimated_rows_affected", "estimated_records")


def _approval_age(facts: Facts) -> float:
    at = facts.approval.at
    return -1.0 if at is None or not facts.approval.given else facts.now - at


def _agent(facts: Facts) -> str:
    named: str = facts.values.get("agent_name", "") or facts.values.get("agent_id", "")
    return facts.caller.agent or named


#: Every fact that a condition may name, besides `calendars`. Counters that nobody counted are 0.
FACT_TYPES: Final[Mapping[str, FactType]] = {
    "goal": FactType("string", "the goal, as it was sent", lambda facts: facts.request.goal),
    "tools": FactType("list(string)", "the tools, `current_tool` included", lambda facts: list(facts.tools)),
    "effects": FactType("list(string)", "what the action would do", lambda facts: list(facts.effects)),
    "high_risk": FactType("bool", "whether one of its effects is a high-risk one", lambda facts: bool(facts.high_risk)),
    "arguments": FactType("map(string, dyn)", "the call's arguments", _arguments),
    "amount": FactType(
        "double", "the largest amount of money that the arguments name", lambda facts: facts.reading.amount
    ),
    "records": FactType(
        "int",
        "how many rows or records it would touch, by arguments and estimates",
        _estimate,
        ("estimated_rows_affected", "estimated_records"),
    ),
    "controls": FactType(
        "list(string)", "the kinds of control that are asked for", lambda facts: sorted(facts.reading.constraints.kinds)
    ),
    "environment": FactType(
        "string",
        "the environment, empty where none is stated",
        lambda facts: next(iter(facts.stated_environments), ""),
        ("environment",),
    ),
    "environments": FactType(
        "list(string)", "every one that is stated", lambda facts: list(facts.stated_environments), ("environment",)
    ),
    "production": FactType(
        "bool", "whether production is named anywhere", lambda facts: facts.production, ("environment",)
    ),
    "roles": FactType("list(string)", "the roles that count", lambda facts: list(facts.roles[0]), ("actor_role",)),
    "role_verified": FactType(
        "bool", "whether the API key, not the caller, says the role", lambda facts: facts.roles[1] == "verified"
    ),
    "approved": FactType(
        "bool",
        "whether an approval holds",
        lambda facts: facts.approval_holds,
        ("approval_status", "approved", "approved_by", "approved_at"),
    ),
    "approvers": FactType(
        "list(string)", "who approved", lambda facts: list(facts.approval.approvers), ("approved_by",)
    ),
    "approval_age": FactType(
        "double", "seconds since the approval; -1 where there is none", _approval_age, ("approved_at",)
    ),
    "confirmed": FactType("bool", "whether a confirmation was given", lambda facts: facts.confirmed, ("confirmed",)),
    "rehearsed": FactType(
        "bool", "whether a dry run was completed", lambda facts: facts.rehearsed, ("dry_run_completed",)
    ),
    "mfa_verified": FactType(
        "bool",
        "whether multi-factor authentication was",
        lambda facts: facts.values.get("mfa_verified") is True,
        ("mfa_verified",),
    ),
    "rollback_plan": FactType(
        "bool",
        "whether there is a rollback plan",
        lambda facts: facts.values.get("rollback_plan") is True,
        ("rollback_plan",),
    ),
    "ticket": _text("ticket_id", "the ticket, empty where there is none"),
    "runbook": _text("runbook", "the runbook, empty where there is none"),
    "output_policy": _text("output_policy"),
    "iteration": FactType(
        "int", "which ALLOW of its run this would be", lambda facts: facts.iteration or 0, ("current_iteration",)
    ),
    "retries": FactType(
        "int", "how often it was stopped or failed before", lambda facts: facts.retries or 0, ("retry_count",)
    ),
    "elapsed_seconds": FactType(
        "double", "seconds since the run began", lambda facts: float(facts.elapsed or 0), ("elapsed_seconds",)
    ),
    "cost_usd": FactType(
        "double", "US dollars that the run has cost", lambda facts: float(facts.cost or 0), ("cumulative_cost_usd",)
    ),
    "targets": _texts("target_resources"),
    "tenant": _text("tenant_id"),
    "target_tenants": _texts("target_tenants"),
    "channel": _text("request_channel"),
    "mcp_servers": _texts("active_mcp_servers"),
    "agent": FactType(
        "string", "the agent: the one that the key is bound to, else as it says", _agent, ("agent_name", "agent_id")
    ),
    "on_behalf_of": _text("on_behalf_of"),
    "success_criteria": FactType(
        "list(string)", "the success criteria", lambda facts: list(facts.request.success_criteria)
    ),
    "context": FactType("map(string, dyn)", "the whole context, as it was sent", lambda facts: facts.request.context),
    "pro": FactType("bool", "`pro`", lambda facts: facts.request.pro),
    "weekday": FactType("int", "1 is Monday, in UTC", lambda facts: _utc(facts).isoweekday()),
    "hour": FactType("int", "0 to 23, in UTC", lambda facts: _utc(facts).hour),
}


def _utc(facts: Facts) -> datetime:
    return datetime.fromtimestamp(facts.now, UTC)


def views(facts: Facts, conditions: Conditions) -> list[dict[str, Any]]:
    """The facts that the conditions name. Arguments that were sent under several names are seen together, and each by
    itself: neither hides what the other shows."""
    seen = {name: FACT_TYPES[name].of(facts) for name in conditions.names}
    if conditions.calendars:
        known = facts.pack.calendars
        seen["calendars"] = {name: facts.window_open(known[name]) for name in conditions.calendars}
    given = facts.reading.context.all_of("tool_arguments") if "arguments" in seen else ()
    return [seen] if len(given) < 2 else [seen, *[{**seen, "arguments": arguments} for arguments in given]]

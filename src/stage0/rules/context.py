"""Context values that cannot be read or contradict each other. They never count as favourable."""

from __future__ import annotations

from typing import Final

from stage0.core.facts import Facts
from stage0.core.rule import Fired, rule

#: Which facts the controls of each family read.
_READ_BY: Final = {
    "role": {"actor_role"},
    "environment": {"environment"},
    "change_control": {"current_time", "timezone", "mfa_verified", "rollback_plan", "ticket_id", "runbook"},
    "rehearsal": {
        "confirmed",
        "dry_run_completed",
        "estimated_rows_affected",
        "estimated_records",
        "estimated_query_cost",
    },
    "loop": {
        "run_id",
        "current_iteration",
        "retry_count",
        "elapsed_seconds",
        "current_tool",
        "recent_tools",
        "repeated_tools",
        "cumulative_cost_usd",
    },
    "scope": {
        "resource_scope",
        "target_resources",
        "active_mcp_servers",
        "tenant_id",
        "target_tenants",
        "request_channel",
        "current_tool",
    },
}
_APPROVAL: Final = {
    "approval_status",
    "approved",
    "approved_by",
    "approved_at",
    "requested_by",
    "agent_name",
    "agent_id",
}
#: Read on every action.
_ALWAYS: Final = {"tool_arguments", "retry_count", "recent_tools", "target_resources", "resource_scope"}


def _relevant(facts: Facts) -> set[str]:
    read = set(_ALWAYS)
    if facts.pack.conditions is not None:
        read |= facts.pack.conditions.reads
    if facts.pack.mcp_servers is not None:
        read |= {"active_mcp_servers", "current_tool"}
    for control in facts.constraints.controls:
        read |= _READ_BY.get(control.family, set())
    if facts.approval_needed or facts.high_risk:
        read |= _APPROVAL
    if facts.high_risk or "overwrite" in facts.effects:
        read |= {"confirmed", "dry_run_completed", "environment"}
    return read


@rule(
    "CONTEXT_VALUE_INVALID",
    family="context",
    severity="MEDIUM",
    message="The value of {fields} cannot be read and does not count.",
    question="What is the right value of {fields}?",
    remedy="Send a value of the type that the field takes.",
)
def context_value_invalid(facts: Facts) -> Fired | None:
    """A context value has an unexpected type.

    Why: `"false"` is not `false`, and a guess in a caller's favour is how gates are passed. Where no rule reads
    the field, it is only noted.

    Fix: send booleans as booleans, counters as whole numbers from 0, times as RFC 3339 with an offset.
    """
    invalid = facts.reading.context.invalid
    if not invalid:
        return None
    relevant = invalid.keys() & _relevant(facts)
    fields = tuple(sorted(f"context.{key}" for key in invalid.values()))
    return Fired({"fields": fields}, severity=None if relevant else "LOW")


@rule(
    "CONTEXT_CONFLICT",
    family="context",
    severity="LOW",
    message="{fields} contradict each other; the narrower value counts.",
    question="Which of {fields} is right?",
    remedy="Send each fact once.",
)
def context_conflict(facts: Facts) -> Fired | None:
    """One fact was given under two names with different values.

    Why: of two stories the less favourable one is believed.

    Fix: send each fact once.
    """
    fields = {f"context.{key}" for keys in facts.reading.context.conflicts.values() for key in keys}
    approved, status = facts.values.get("approved"), facts.values.get("approval_status")
    if approved is not None and status is not None and approved is not (status == "approved"):
        fields |= {"context.approved", "context.approval_status"}
    return Fired({"fields": tuple(sorted(fields))}) if fields else None

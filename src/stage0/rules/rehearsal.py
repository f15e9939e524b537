"""Confirmation, dry runs and estimates: knowing what an action will do before it does it."""

from __future__ import annotations

from stage0.core.facts import Facts
from stage0.core.rule import Fired, rule
from stage0.reading.effects import HARMLESS


@rule(
    "ACTION_CONFIRMATION_REQUIRED",
    family="rehearsal",
    severity="MEDIUM",
    when=("require_confirmation",),
    message="The action must be confirmed first.",
    question="Does the requester confirm exactly this action?",
    remedy="Ask the requester, then send `confirmed: true`.",
)
def action_confirmation_required(facts: Facts) -> Fired | None:
    """A constraint requires a confirmation that was not given.

    Why: a confirmation shows that a person read what is about to happen.

    Fix: ask the requester, then send `confirmed: true`.
    """
    return Fired() if facts.control("require_confirmation") is not None and not facts.confirmed else None


@rule(
    "DRY_RUN_REQUIRED",
    family="rehearsal",
    severity="MEDIUM",
    when=("dry_run_first",),
    message="A dry run must be completed first.",
    question="What did the dry run show?",
    remedy="Run it dry, then send `dry_run_completed: true`.",
)
def dry_run_required(facts: Facts) -> Fired | None:
    """A constraint requires a dry run that was not completed.

    Why: the first look at what an action touches should not be its damage.

    Fix: complete a dry run, then send `dry_run_completed: true`.
    """
    return Fired() if facts.control("dry_run_first") is not None and not facts.rehearsed else None


#: Limits on how many records an action touches.
_COUNTED = frozenset({"max_rows_affected", "max_records"})


def _missing(facts: Facts, kind: str, fact: str) -> Fired | None:
    control = facts.control(kind)
    if control is None or fact in facts.values:
        return None
    return Fired({"limit": control.value})


def _exceeded(facts: Facts, kind: str, fact: str) -> Fired | None:
    control = facts.control(kind)
    # What the arguments name themselves counts as well: a list of 500 ids is 500 records, whatever the estimate says.
    named = facts.reading.records if kind in _COUNTED and not facts.reading.changes <= HARMLESS else 0
    estimate = max(facts.values.get(fact, 0), named)
    if control is None or estimate <= control.value:
        return None
    return Fired({"estimate": estimate, "limit": control.value})


@rule(
    "ROWS_AFFECTED_ESTIMATE_MISSING",
    family="rehearsal",
    severity="MEDIUM",
    when=("max_rows_affected",),
    message="At most {limit} rows may be affected, and nothing says how many would be.",
    question="How many rows would be affected?",
    remedy="Count them first and send `estimated_rows_affected`.",
)
def rows_affected_estimate_missing(facts: Facts) -> Fired | None:
    """A limit on rows is set and there is no estimate.

    Why: a limit that is compared with nothing limits nothing.

    Fix: count first, then send `estimated_rows_affected`.
    """
    return _missing(facts, "max_rows_affected", "estimated_rows_affected")


@rule(
    "ROWS_AFFECTED_LIMIT_EXCEEDED",
    family="rehearsal",
    severity="HIGH",
    when=("max_rows_affected",),
    message="{estimate} rows would be affected; the limit is {limit}.",
    remedy="Narrow the action until it stays within the limit.",
)
def rows_affected_limit_exceeded(facts: Facts) -> Fired | None:
    """More rows would be affected than a constraint allows.

    Why: the limit is the size of mistake that somebody was willing to accept.

    Fix: narrow the action.
    """
    return _exceeded(facts, "max_rows_affected", "estimated_rows_affected")


@rule(
    "RECORDS_ESTIMATE_MISSING",
    family="rehearsal",
    severity="MEDIUM",
    when=("max_records",),
    message="At most {limit} records may be touched, and nothing says how many would be.",
    question="How many records would be touched?",
    remedy="Count them first and send `estimated_records`.",
)
def records_estimate_missing(facts: Facts) -> Fired | None:
    """A limit on records is set and there is no estimate.

    Why: a limit that is compared with nothing limits nothing.

    Fix: count first, then send `estimated_records`.
    """
    return _missing(facts, "max_records", "estimated_records")


@rule(
    "RECORDS_LIMIT_EXCEEDED",
    family="rehearsal",
    severity="HIGH",
    when=("max_records",),
    message="{estimate} records would be touched; the limit is {limit}.",
    remedy="Narrow the action until it stays within the limit.",
)
def records_limit_exceeded(facts: Facts) -> Fired | None:
    """More records would be touched than a constraint allows.

    Why: the limit is the size of mistake that somebody was willing to accept.

    Fix: narrow the action.
    """
    return _exceeded(facts, "max_records", "estimated_records")


@rule(
    "QUERY_COST_ESTIMATE_MISSING",
    family="rehearsal",
    severity="MEDIUM",
    when=("query_cost_limit",),
    message="The query may cost at most {limit}, and nothing says what it would cost.",
    question="What would the query cost?",
    remedy="Estimate it first and send `estimated_query_cost`.",
)
def query_cost_estimate_missing(facts: Facts) -> Fired | None:
    """A limit on query cost is set and there is no estimate.

    Why: a limit that is compared with nothing limits nothing.

    Fix: ask the database for an estimate, then send `estimated_query_cost`.
    """
    return _missing(facts, "query_cost_limit", "estimated_query_cost")


@rule(
    "QUERY_COST_LIMIT_EXCEEDED",
    family="rehearsal",
    severity="HIGH",
    when=("query_cost_limit",),
    message="The query would cost {estimate}; the limit is {limit}.",
    remedy="Narrow the query until it stays within the limit.",
)
def query_cost_limit_exceeded(facts: Facts) -> Fired | None:
    """The query would cost more than a constraint allows.

    Why: one careless query can cost more than the task is worth.

    Fix: narrow the query.
    """
    return _exceeded(facts, "query_cost_limit", "estimated_query_cost")

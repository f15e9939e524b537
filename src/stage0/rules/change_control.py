"""Change control: windows, rollback, tickets, runbooks, multi-factor authentication."""

from __future__ import annotations

from stage0.core.facts import Facts
from stage0.core.rule import Fired, rule


@rule(
    "CHANGE_WINDOW_CLOSED",
    family="change_control",
    severity="MEDIUM",
    when=("change_window",),
    message="The change window `{window}` is closed now ({zone}).",
    question="Can this wait until the change window opens?",
    remedy="Try again when the window is open.",
)
def change_window_closed(facts: Facts) -> Fired | None:
    """A change window that a constraint names is closed.

    Why: changes belong to hours when people are there to notice. The server's clock decides; a time that the
    caller asserts may close a window and never opens one.

    Fix: try again when the window is open.
    """
    for control in facts.controls.get("change_window", ()):
        window = facts.pack.calendars.get(control.value)
        if window is not None and not facts.window_open(window):
            return Fired({"window": control.value, "zone": facts.caller.timezone})
    return None


@rule(
    "CHANGE_WINDOW_UNKNOWN",
    family="change_control",
    severity="MEDIUM",
    when=("change_window",),
    message="The policy pack has no change window `{window}`.",
    question="Which change window is meant?",
    remedy="Name one of {known}.",
)
def change_window_unknown(facts: Facts) -> Fired | None:
    """A constraint names a change window that the pack does not define.

    Why: a window that nobody defined is never open.

    Fix: use a window of the pack, or define this one in it.
    """
    for control in facts.controls.get("change_window", ()):
        if control.value not in facts.pack.calendars:
            return Fired({"window": control.value, "known": tuple(sorted(facts.pack.calendars))})
    return None


@rule(
    "MFA_VERIFICATION_REQUIRED",
    family="change_control",
    severity="MEDIUM",
    when=("mfa_required",),
    message="Multi-factor authentication is required and not verified.",
    question="Has the requester passed multi-factor authentication?",
    remedy="Verify the requester and send `mfa_verified: true`.",
)
def mfa_verification_required(facts: Facts) -> Fired | None:
    """A constraint requires multi-factor authentication.

    Why: a stolen session must not be enough for a dangerous action.

    Fix: verify the requester, then send `mfa_verified: true`.
    """
    if facts.control("mfa_required") is None or facts.values.get("mfa_verified") is True:
        return None
    return Fired()


@rule(
    "ROLLBACK_PLAN_REQUIRED",
    family="change_control",
    severity="MEDIUM",
    when=("rollback_plan_required",),
    message="A rollback plan is required and there is none.",
    question="How would this change be rolled back?",
    remedy="Send `rollback_plan: true` or a reference to the plan.",
)
def rollback_plan_required(facts: Facts) -> Fired | None:
    """A constraint requires a rollback plan.

    Why: a change that cannot be taken back must be known as such before it is made.

    Fix: send `rollback_plan` as `true` or a reference. `TBD` or `none` is no plan.
    """
    if facts.control("rollback_plan_required") is None or facts.values.get("rollback_plan") is True:
        return None
    return Fired()


@rule(
    "TICKET_REQUIRED",
    family="change_control",
    severity="MEDIUM",
    when=("require_ticket",),
    message="A ticket is required and none was given.",
    question="Which ticket covers this change?",
    remedy="Send `ticket_id`.",
)
def ticket_required(facts: Facts) -> Fired | None:
    """A constraint requires a ticket.

    Why: the ticket is where people later look for the reason of a change.

    Fix: send `ticket_id`.
    """
    return Fired() if facts.control("require_ticket") is not None and "ticket_id" not in facts.values else None


@rule(
    "RUNBOOK_REQUIRED",
    family="change_control",
    severity="MEDIUM",
    when=("runbook_required",),
    message="A runbook is required and none was given.",
    question="Which runbook is followed?",
    remedy="Send `runbook`.",
)
def runbook_required(facts: Facts) -> Fired | None:
    """A constraint requires a runbook.

    Why: production is no place to improvise.

    Fix: send `runbook` with a reference.
    """
    return Fired() if facts.control("runbook_required") is not None and "runbook" not in facts.values else None

"""Approval: asked for by a constraint, or required by the pack; given by somebody else; in time."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Final

from stage0.core.facts import Facts
from stage0.core.rule import Fired, rule
from stage0.reading.effects import CUSTOMER_VISIBLE, Effect

_NAMES: Final[Mapping[Effect, str]] = {
    "money_movement": "payout",
    "deployment": "deployment",
    "delete": "deletion",
    "schema_change": "schema change",
    "access_change": "access change",
    "config_change": "configuration change",
    "external_message": "message",
    "publish": "publication",
}


def _subject(effects: frozenset[Effect]) -> str:
    return next((name for effect, name in _NAMES.items() if effect in effects), "action")


@rule(
    "APPROVAL_REQUIRED_PENDING",
    family="approval",
    severity="MEDIUM",
    message="Approval is asked for by `{constraint}` and has not been given (status: {status}).",
    question="Who can approve this {subject}?",
    remedy="Have a person approve exactly this action and send `approval_status: approved` with `approved_by`.",
)
def approval_required_pending(facts: Facts) -> Fired | None:
    """A constraint asks for approval and none has been given yet.

    Why: an action that somebody wanted a person to see must not run before that person has seen it.

    Fix: obtain the approval, then send `approval_status: approved` (or `approved: true`) with `approved_by`.
    """
    control = facts.approval_control
    if control is None or facts.approval.given or facts.approval.rejected:
        return None
    return Fired(
        {
            "constraint": control.text,
            "status": facts.approval.status or "missing",
            "subject": _subject(frozenset(facts.effects)),
        }
    )


def _required(facts: Facts, code: str) -> Fired | None:
    effects = facts.approval_required.get(code)
    if not effects or facts.approval.given or facts.approval.rejected:
        return None
    return Fired({"effects": tuple(sorted(effects)), "subject": _subject(effects)})


@rule(
    "APPROVAL_REQUIRED",
    family="approval",
    severity="MEDIUM",
    message="The policy requires approval for {effects}.",
    question="Who approved this {subject}?",
    remedy="Have a person approve exactly this action and send `approval_status: approved` with `approved_by`.",
)
def approval_required(facts: Facts) -> Fired | None:
    """The policy pack, or a declared effect, requires an approval that has not been given.

    Why: money that moves and production that changes need a person's yes, whatever the caller lists.

    Fix: obtain the approval, then send `approval_status: approved` with `approved_by` and `approved_at`.
    """
    return _required(facts, "APPROVAL_REQUIRED")


@rule(
    "DESTRUCTIVE_ACTION_REQUIRES_APPROVAL",
    family="approval",
    severity="MEDIUM",
    message="Destroying data in production requires approval.",
    question="Who approved this {subject}?",
    remedy="Have a person approve exactly this deletion, or run it outside production.",
)
def destructive_action_requires_approval(facts: Facts) -> Fired | None:
    """A delete in production has no approval.

    Why: what is deleted in production cannot be asked back from the agent that deleted it.

    Fix: obtain the approval, then send `approval_status: approved` with `approved_by`.
    """
    return _required(facts, "DESTRUCTIVE_ACTION_REQUIRES_APPROVAL")


@rule(
    "CUSTOMER_VISIBLE_APPROVAL_REQUIRED",
    family="approval",
    severity="LOW",
    message="People outside would see this ({effects}), and nobody has approved it.",
    question="Who approved what people outside will see?",
    remedy="Have a person approve the message or publication.",
)
def customer_visible_approval_required(facts: Facts) -> Fired | None:
    """A message or publication that people outside would see has no approval.

    Why: what has been sent cannot be unsent.

    Fix: obtain an approval, or prepare a draft and let a person send it.
    """
    effects = CUSTOMER_VISIBLE & facts.effects.keys()
    if not effects or facts.approval.given:
        return None
    return Fired({"effects": tuple(sorted(effects))})


@rule(
    "APPROVAL_TIMESTAMP_MISSING",
    family="approval",
    severity="MEDIUM",
    message="The approval must be recent (at most {hours} hours), and nothing says when it was given.",
    question="Is approval still valid?",
    remedy="Send `approved_at` as an RFC 3339 time with an offset.",
)
def approval_timestamp_missing(facts: Facts) -> Fired | None:
    """An approval that must be time-bound does not say when it was given.

    Why: an old yes to a payment is no yes to this one.

    Fix: send `approved_at` (RFC 3339 with an offset) beside the approval.
    """
    limit = facts.approval_max_age
    if limit is None or not facts.approval_needed or facts.approval.rejected:
        return None
    if facts.approval.given and facts.approval.at is not None:
        return None
    return Fired({"hours": limit / 3600})


@rule(
    "APPROVAL_EXPIRED",
    family="approval",
    severity="MEDIUM",
    message="The approval has run out: it holds for {hours} hours.",
    question="Does the approver still agree?",
    remedy="Obtain a new approval of this action.",
)
def approval_expired(facts: Facts) -> Fired | None:
    """The approval is older than it may be.

    Why: the world moves on after a person has said yes.

    Fix: obtain a new approval.
    """
    limit = facts.approval_max_age
    if limit is None or not facts.approval_needed or not facts.approval.stands or not facts.approval_expired:
        return None
    return Fired({"hours": limit / 3600})


@rule(
    "APPROVAL_REJECTED",
    family="approval",
    severity="HIGH",
    message="The approval was rejected.",
    remedy="Do not run the action; propose another one.",
)
def approval_rejected(facts: Facts) -> Fired | None:
    """A person was asked and said no.

    Why: no other evidence outweighs a person's no.

    Fix: propose a different action.
    """
    return Fired() if facts.approval.rejected and facts.approval_needed else None


@rule(
    "APPROVAL_SELF_GIVEN",
    family="approval",
    severity="MEDIUM",
    message="{approvers} cannot approve their own request.",
    question="Who else can approve this action?",
    remedy="Have somebody other than the requester and the agent approve.",
)
def approval_self_given(facts: Facts) -> Fired | None:
    """The approver is the requester or the agent itself.

    Why: an approval is a second pair of eyes.

    Fix: have somebody else approve.
    """
    if not (facts.approval.claimed and facts.approval.self_given and _matters(facts)):
        return None
    return Fired({"approvers": facts.approval.approvers})


@rule(
    "APPROVAL_TIMESTAMP_IN_FUTURE",
    family="approval",
    severity="MEDIUM",
    message="`approved_at` lies in the future.",
    question="When was the approval given?",
    remedy="Send the time at which the approval was given.",
)
def approval_timestamp_in_future(facts: Facts) -> Fired | None:
    """The approval says that it will be given later.

    Why: a yes that has not happened yet is none, and a future date would outlive every expiry.

    Fix: send the real time of the approval.
    """
    return Fired() if facts.approval.claimed and facts.approval.in_future and _matters(facts) else None


@rule(
    "APPROVAL_NOT_VERIFIED",
    family="approval",
    severity="MEDIUM",
    message="The policy accepts only approvals that this server can verify; this one is the caller's word.",
    question="Who can approve this action here?",
    remedy="Have a person approve the action on this server.",
)
def approval_not_verified(facts: Facts) -> Fired | None:
    """The pack wants a verified approval and the caller only asserts one.

    Why: an injected agent writes its own request, approval fields included.

    Fix: approve on this server, or use a pack that accepts asserted approvals.
    """
    if facts.pack.lanes.approval == "asserted":
        return None
    return Fired() if facts.approval.claimed and facts.approval_needed else None


@rule(
    "APPROVER_UNNAMED",
    family="approval",
    severity="LOW",
    message="The approval does not say who gave it.",
    question="Who approved?",
    remedy="Send `approved_by`.",
)
def approver_unnamed(facts: Facts) -> Fired | None:
    """An approval is accepted although nobody is named.

    Why: what nobody signed, nobody can be asked about later.

    Fix: send `approved_by`.
    """
    approval = facts.approval
    if approval.approvers or not approval.stands:
        return None
    return Fired() if facts.approval_needed or (approval.given and facts.high_risk) else None


@rule(
    "APPROVERS_INSUFFICIENT",
    family="approval",
    severity="MEDIUM",
    message="{wanted} people must approve; {given} did.",
    question="Who else approves?",
    remedy="Name every approver in `approved_by`, separated by commas.",
)
def approvers_insufficient(facts: Facts) -> Fired | None:
    """Fewer people approved than a constraint or the policy asks for.

    Why: a second approver catches what the first one missed.

    Fix: obtain the missing approvals.
    """
    wanted, given = facts.approvers_wanted, len(facts.approval.approvers)
    if given >= wanted or not facts.approval.stands or not facts.approval_needed:
        return None
    return Fired({"wanted": wanted, "given": given})


@rule(
    "APPROVER_NOT_ENTITLED",
    family="approval",
    severity="MEDIUM",
    message="By the policy {outside} may not approve this action.",
    question="Who of those who may approve this action does so?",
    remedy="Have somebody approve whom the policy names for such actions.",
)
def approver_not_entitled(facts: Facts) -> Fired | None:
    """Somebody approved who may not approve such an action by the policy pack.

    Why: a yes from the wrong desk is no yes.

    Fix: have somebody approve who may; the pack's `approvals` say who.
    """
    entitled, approval = facts.entitled, facts.approval
    if not approval.stands or not facts.approval_needed or len(entitled) >= facts.approvers_wanted:
        return None
    inside = frozenset(entitled)
    outside = tuple(name for name in approval.approvers if name not in inside)
    return Fired({"outside": outside}) if outside else None


def _matters(facts: Facts) -> bool:
    return facts.approval_needed or bool(facts.high_risk)

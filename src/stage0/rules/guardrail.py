"""Guardrails: every dangerous effect needs one that covers it."""

from __future__ import annotations

from stage0.core.facts import Facts
from stage0.core.rule import Fired, rule


@rule(
    "SIDE_EFFECTS_NEED_GUARDRAILS",
    family="guardrail",
    severity="HIGH",
    message="High-risk effects without any guardrail: {effects}.",
    question="Which approval, confirmation or dry run guards this action?",
    remedy="Add approval and dry-run constraints, and send their evidence.",
)
def side_effects_need_guardrails(facts: Facts) -> Fired | None:
    """A high-risk effect is covered by no guardrail at all.

    Why: deletes, payments, deployments and messages cannot be taken back. A change window, a rollback plan or a
    loop limit alone guards nothing.

    Fix: ask for approval, confirmation or a dry run in the constraints, and send the evidence.
    """
    bare = tuple(sorted(effect for effect in facts.high_risk if facts.coverage(effect) == "none"))
    return Fired({"effects": bare}) if bare else None


@rule(
    "STATE_CHANGE_NEEDS_GUARDRAILS",
    family="guardrail",
    severity="MEDIUM",
    message="The action would change or replace what exists, and no guardrail shows that this is wanted.",
    question="Who confirms this change?",
    remedy="Send a confirmation, an approval or a completed dry run.",
)
def state_change_needs_guardrails(facts: Facts) -> Fired | None:
    """An overwrite has no evidenced guardrail.

    Why: what is overwritten is gone, though less visibly than what is deleted.

    Fix: send `confirmed: true`, an approval, or a completed dry run.
    """
    if "overwrite" not in facts.effects or facts.evidenced:
        return None
    return Fired({"effects": ("overwrite",)})


_OWN_WORDS = frozenset({"approval", "role", "environment", "rehearsal", "mode", "guardrail"})


@rule(
    "GUARDRAIL_NOT_EVIDENCED",
    family="guardrail",
    severity="MEDIUM",
    message="The guardrails for {effects} are only declared.",
    question="What shows that the guardrail was honoured?",
    remedy="Send an approval, a confirmation or a completed dry run.",
    closing=True,
)
def guardrail_not_evidenced(facts: Facts, stopped: frozenset[str]) -> Fired | None:
    """A high-risk effect has a guardrail in words only, and no other rule says what is missing.

    Why: an agent can write "sandbox" as easily as anything else.

    Fix: send the evidence: an approval, a confirmation, a completed dry run, or a named non-production environment.
    """
    if stopped & _OWN_WORDS:
        return None
    declared = tuple(sorted(effect for effect in facts.high_risk if facts.coverage(effect) == "declared"))
    return Fired({"effects": declared}) if declared else None


@rule(
    "SENSITIVE_TOOLS_NEED_CONSTRAINTS",
    family="guardrail",
    severity="LOW",
    message="A shell, database, admin or code-running tool is used without any constraint.",
    question="Which constraints hold for this tool?",
    remedy="Add at least one constraint, such as `read-only`.",
)
def sensitive_tools_need_constraints(facts: Facts) -> Fired | None:
    """A tool that can do anything is used without a constraint.

    Why: a constraint is what its runtime can be held to.

    Fix: add one, such as `read-only` or `allowed_tools:`.
    """
    if not (facts.reading.sensitive_tools or "code_execution" in facts.effects):
        return None
    understood = any(control.kind not in ("unknown", "invalid") for control in facts.reading.controls)
    return None if understood else Fired()

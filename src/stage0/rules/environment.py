"""Environments: where the action would take place."""

from __future__ import annotations

from stage0.core.facts import PRODUCTION, STAGING, Facts
from stage0.core.rule import Fired, rule


@rule(
    "ENVIRONMENT_NOT_ALLOWED",
    family="environment",
    severity="HIGH",
    when=(
        "allowed_environment",
        "staging_only",
    ),
    message="Environment {environments} is not among {allowed}.",
    remedy="Run the action in an allowed environment.",
)
def environment_not_allowed(facts: Facts) -> Fired | None:
    """The action names an environment that a constraint does not allow.

    Why: the right change in the wrong place is an outage. Production counts wherever it is named.

    Fix: run it in an allowed environment.
    """
    named = set(facts.stated_environments)
    if PRODUCTION in facts.reading.environments:
        named.add(PRODUCTION)
    for allowed in facts.allowed_environments:
        outside = named - allowed
        if outside:
            return Fired({"environments": tuple(sorted(outside)), "allowed": tuple(sorted(allowed))})
    if "staging_only" in facts.controls:
        outside = (named | facts.reading.environments) - STAGING
        if facts.production:
            outside.add(PRODUCTION)
        if outside:
            return Fired({"environments": tuple(sorted(outside)), "allowed": ("staging",)})
    return None


@rule(
    "ENVIRONMENT_CONTEXT_MISSING",
    family="environment",
    severity="MEDIUM",
    message="Nothing says which environment this would happen in.",
    question="Which environment is the target?",
    remedy="Send `environment` in the context.",
)
def environment_context_missing(facts: Facts) -> Fired | None:
    """A constraint or the policy needs the target environment, and it was not given.

    Why: a deletion in a sandbox and one in production are different actions.

    Fix: send `environment` (or `target_environment`).
    """
    if facts.environment_named:
        return None
    if facts.allowed_environments:
        return Fired()
    if not facts.pack.environments.needed_for & facts.effects.keys():
        return None
    if facts.approval_holds or (facts.confirmed and facts.rehearsed) or facts.asked_for("staging_only"):
        return None
    return Fired()

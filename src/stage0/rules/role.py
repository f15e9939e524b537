"""Roles: who may do this."""

from __future__ import annotations

from stage0.core.facts import Facts
from stage0.core.rule import Fired, rule


def _required(facts: Facts) -> list[tuple[str, ...]]:
    return facts.named("role")


@rule(
    "ROLE_NOT_AUTHORIZED",
    family="role",
    severity="HIGH",
    when=("role",),
    message="Role {roles} is not one of {required}.",
    remedy="Have somebody with the required role request the action.",
)
def role_not_authorized(facts: Facts) -> Fired | None:
    """The caller's role is not one that a constraint requires.

    Why: an action beyond one's role crosses a boundary, whoever approves it.

    Fix: have somebody with the role request it. Roles are compared exactly; a pack may say that one includes others.
    """
    roles, _ = facts.roles
    for required in _required(facts):
        if roles and not all(facts.fills(role, required) for role in roles):
            return Fired({"roles": roles, "required": required})
    return None


@rule(
    "ROLE_CONTEXT_MISSING",
    family="role",
    severity="MEDIUM",
    when=("role",),
    message="Role {required} is required, and no role that counts was given.",
    question="Which role does the requester hold?",
    remedy="Send `actor_role`, or bind the role to the API key.",
)
def role_context_missing(facts: Facts) -> Fired | None:
    """A role is required and nothing tells the caller's.

    Why: an absent role is no role. Under the strict pack only a role bound to the API key counts.

    Fix: send `actor_role`; under the strict pack, bind the role to the key.
    """
    required = _required(facts)
    if not required:
        return None
    roles, lane = facts.roles
    if roles and not facts.role_outside and (lane == "verified" or facts.pack.lanes.role == "asserted"):
        return None
    return Fired({"required": tuple(dict.fromkeys(name for names in required for name in names))})

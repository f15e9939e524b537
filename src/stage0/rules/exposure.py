"""Exposure: personal data that leaves, secrets that are read or shown."""

from __future__ import annotations

from stage0.core.facts import Facts
from stage0.core.rule import Fired, rule


@rule(
    "SENSITIVE_DATA_EXPOSURE_RISK",
    family="exposure",
    severity="HIGH",
    message="Personal data would be shown or leave its system.",
    remedy="Work on counts, masked values or the schema instead.",
)
def sensitive_data_exposure_risk(facts: Facts) -> Fired | None:
    """Personal data would be exported, sent or shown.

    Why: personal data that has left cannot be called back.

    Fix: count, aggregate or mask. Counting and schema work on such tables is no exposure.
    """
    if not {"personal_data", "export"} <= facts.effects.keys():
        return None
    return Fired({"effects": ("personal_data", "export")})


@rule(
    "SECRET_EXPOSURE_RISK",
    family="exposure",
    severity="HIGH",
    message="Secrets would be read or shown.",
    remedy="Let the runtime inject secrets; an agent needs only their names.",
)
def secret_exposure_risk(facts: Facts) -> Fired | None:
    """Secrets would be read or shown.

    Why: what an agent has read can be talked out of it.

    Fix: pass references to secrets, never their values.
    """
    return Fired({"effects": ("secret_access",)}) if "secret_access" in facts.effects else None

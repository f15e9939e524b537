"""What an action can do, in the field's terms: the effect categories and how they group."""

from __future__ import annotations

from typing import Final, Literal, get_args

import msgspec

Effect = Literal[
    "read",
    "compute",
    "network_read",
    "loop",
    "write",
    "overwrite",
    "code_execution",
    "delete",
    "irreversible",
    "bulk",
    "money_movement",
    "deployment",
    "schema_change",
    "config_change",
    "service_impact",
    "access_change",
    "external_message",
    "publish",
    "export",
    "secret_access",
    "personal_data",
    "requires_approval",
    "unknown",
]

EFFECTS: Final[tuple[Effect, ...]] = get_args(Effect)

HARMLESS: Final[frozenset[Effect]] = frozenset({"read", "compute", "network_read", "loop"})

HIGH_RISK: Final[frozenset[Effect]] = frozenset(
    {
        "delete",
        "irreversible",
        "bulk",
        "money_movement",
        "deployment",
        "schema_change",
        "config_change",
        "service_impact",
        "access_change",
        "external_message",
        "publish",
    }
)

#: Leaves the caller's own systems: what `no external side effects` rules out.
EXTERNAL: Final[frozenset[Effect]] = frozenset({"external_message", "publish", "export", "money_movement"})

#: Seen by people outside unless proven internal.
CUSTOMER_VISIBLE: Final[frozenset[Effect]] = frozenset({"external_message", "publish"})

#: Not changes by themselves: they mark what an action touches or asks for, and have rules of their own.
MARKS: Final[frozenset[Effect]] = frozenset({"personal_data", "secret_access", "requires_approval", "unknown"})

Source = Literal["arguments", "tool", "description", "declared", "goal", "registry"]


class Span(msgspec.Struct, frozen=True, gc=False):
    """A piece of the request's text: a JSON path, offsets in Unicode code points, and the text there."""

    path: str
    start: int
    end: int
    text: str


class Sighting(msgspec.Struct, frozen=True, gc=False):
    """One place that says the action has an effect."""

    effect: Effect
    source: Source
    span: Span

"""What may stand in a pack. Every collection is a mapping by name, so that a layer can name what it changes.

These types are the editor's schema as well: `stage0 policy schema` prints them as JSON Schema."""

from __future__ import annotations

from typing import Annotated, Any, Final, Literal

import msgspec

from stage0.core.pack import Costs, Lanes, Points, RiskWeights, SeveritySetting, Thresholds, UnknownTools
from stage0.reading.effects import Effect

Name = Annotated[str, msgspec.Meta(pattern="^[a-z0-9][a-z0-9._-]{0,62}$")]
Version = Annotated[str, msgspec.Meta(pattern="^[A-Za-z0-9][A-Za-z0-9._+-]{0,62}$")]
Text = Annotated[str, msgspec.Meta(min_length=1, max_length=2_000)]
Count = Annotated[int, msgspec.Meta(ge=1, le=100)]


class ScopeEntry(msgspec.Struct, frozen=True, forbid_unknown_fields=True, omit_defaults=True):
    """Which actions an entry is about: with one of these effects, in one of these environments, by one of these tools
    (patterns, `*` stands for any text). What is left out is any."""

    effects: frozenset[Effect] = frozenset()
    environments: frozenset[str] = frozenset()
    tools: frozenset[str] = frozenset()
    why: str = ""


class RequirementEntry(ScopeEntry, frozen=True, forbid_unknown_fields=True, omit_defaults=True, kw_only=True):
    """Controls that such actions need, whatever the caller lists: constraints as a request has them. `code` is the
    issue of an approval that is missing, instead of APPROVAL_REQUIRED."""

    controls: frozenset[Text]
    code: str = ""


class ApprovalEntry(ScopeEntry, frozen=True, forbid_unknown_fields=True, omit_defaults=True, kw_only=True):
    """What an approval of such actions must be: by how many people, how old at most (`24h`), by whom (patterns of
    names)."""

    approvers: Count = 1
    max_age: str = ""
    by: frozenset[Text] = frozenset()


class HoursEntry(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """Weekly hours: days such as `mon-fri` or `sat, sun`, hours such as `09:00-17:00`; past midnight they go on into
    the next day."""

    days: str
    hours: str


class PeriodEntry(msgspec.Struct, frozen=True, forbid_unknown_fields=True, omit_defaults=True):
    """From and to: dates, both included, in the calendar's zone, or RFC 3339 times with an offset."""

    start: str = msgspec.field(name="from")
    end: str = msgspec.field(name="to")
    why: str = ""


class HolidaysEntry(msgspec.Struct, frozen=True, forbid_unknown_fields=True, omit_defaults=True):
    """Public holidays of a country (ISO 3166 code), and of a part of it. `days` and `years` are filled in when the pack
    is made, so that it goes on deciding as it did."""

    country: str
    subdivision: str = ""
    days: tuple[str, ...] = ()
    years: tuple[int, int] | None = None


class CalendarEntry(msgspec.Struct, frozen=True, forbid_unknown_fields=True, omit_defaults=True):
    """A change window that constraints can name. Without a zone the account's counts. A freeze closes it whatever else
    is said; openings are open whatever the hour, holidays included."""

    zone: str = ""
    weekly: tuple[HoursEntry, ...] = ()
    holidays: HolidaysEntry | None = None
    freezes: tuple[PeriodEntry, ...] = ()
    openings: tuple[PeriodEntry, ...] = ()
    why: str = ""


class ToolEntry(msgspec.Struct, frozen=True, forbid_unknown_fields=True, omit_defaults=True):
    """A registered tool, or all tools of a pattern. `effects` are exactly what it does, whatever its name says; without
    them a wider pattern says it, or else the name. `adds` come on top. `risk` are points of the risk score."""

    effects: frozenset[Effect] | None = None
    adds: frozenset[Effect] = frozenset()
    owner: str = ""
    risk: Points = 0
    why: str = ""


class RuleEntry(msgspec.Struct, frozen=True, forbid_unknown_fields=True, omit_defaults=True):
    """A rule of the pack's own: a condition (CEL) over the facts; where it holds, or cannot be worked out, it fires.
    Texts may name facts in braces: `{amount}`."""

    when: Text
    severity: Literal["low", "medium", "high"]
    message: Text
    question: str = ""
    remedy: str = ""
    why: str = ""


class EnvironmentsEntry(msgspec.Struct, frozen=True, forbid_unknown_fields=True, omit_defaults=True):
    """Names of environments: those that count as production, those that certainly do not, the effects for which one has
    to be named, and what a missing one counts as."""

    production: frozenset[str] | None = None
    non_production: frozenset[str] | None = None
    needed_for: frozenset[Effect] | None = None
    absent: Literal["", "production"] | None = None


#: The shape of an issue code.
CODE: Final = "^[A-Z][A-Z0-9_]{2,62}$"


class PackFile(msgspec.Struct, frozen=True, forbid_unknown_fields=True, omit_defaults=True):
    """A policy pack. With `extends` it says what it adds to its parent or makes stricter; `open` lists what packs that
    extend this one may make looser."""

    name: Name
    version: Version
    extends: str = ""
    description: str = ""
    open: tuple[str, ...] = ()
    observe: bool | None = None
    severities: dict[str, SeveritySetting] = {}
    pro_severities: dict[str, SeveritySetting] = {}
    requirements: dict[str, RequirementEntry | None] = {}
    approvals: dict[str, ApprovalEntry | None] = {}
    lanes: Lanes | None = None
    roles: dict[str, frozenset[str]] = {}
    environments: EnvironmentsEntry | None = None
    calendars: dict[str, CalendarEntry | None] = {}
    thresholds: Thresholds | None = None
    tools: dict[str, ToolEntry | None] = {}
    mcp_servers: frozenset[str] | None = None
    unknown_tools: UnknownTools | None = None
    valid_for: str | None = None
    workspace: bool | None = None
    rules: dict[str, RuleEntry | None] = {}
    risk: RiskWeights | None = None
    costs: Costs | None = None


#: Collections, whose entries are checked one by one, and what each entry is.
COLLECTIONS: Final[dict[str, Any]] = {
    "severities": SeveritySetting,
    "pro_severities": SeveritySetting,
    "requirements": RequirementEntry,
    "approvals": ApprovalEntry,
    "roles": frozenset[str],
    "calendars": CalendarEntry,
    "tools": ToolEntry,
    "rules": RuleEntry,
}
#: Records, whose fields a layer may give in part.
RECORDS: Final[dict[str, Any]] = {
    "lanes": Lanes,
    "environments": EnvironmentsEntry,
    "thresholds": Thresholds,
    "risk": RiskWeights,
    "costs": Costs,
}


def json_schema() -> dict[str, Any]:
    """JSON Schema of a pack's file, for editors."""
    (_, components) = msgspec.json.schema_components((PackFile,), ref_template="#/$defs/{name}")
    definitions = dict(components)
    main = definitions.pop("PackFile")
    for record in ("RiskWeights", "Costs", "Lanes", "Thresholds"):
        definitions[record].pop("required", None)  # a layer gives what it changes
    return {
        "$schema": "https://json-schema.org/draft/2020-12/schema",
        "title": "Stage0 policy pack",
        **main,
        "$defs": definitions,
    }

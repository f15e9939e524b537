"""A policy pack: everything about a decision that is policy and not logic. Data, checked on load."""

from __future__ import annotations

from collections.abc import Collection, Mapping, Sequence
from typing import Annotated, Any, Final, Literal, Protocol

import msgspec

from stage0.core.calendar import Calendar
from stage0.core.rule import Rule, Severity
from stage0.reading.constraints import Control
from stage0.reading.context import Lane
from stage0.reading.effects import Effect
from stage0.reading.interpret import Knowledge
from stage0.reading.registry import Glob
from stage0.reading.workspace import Table

SeveritySetting = Literal["off", "low", "medium", "high"]
#: What is done about a tool that is not registered.
UnknownTools = Literal["allow", "defer", "deny"]
#: Patterns of names by their text; `*` stands for any text.
Patterns = Mapping[str, Glob]


class Scope(msgspec.Struct, frozen=True):
    """Which actions an entry of a pack is about: those with one of `effects`, in one of `environments`, by a tool of
    one of the patterns `tools`; empty is any of them."""

    name: str
    effects: frozenset[Effect] = frozenset()
    environments: frozenset[str] = frozenset()
    tools: Patterns = {}


class Requirement(Scope, frozen=True):
    """Controls that the pack asks for, whatever the caller lists. `approval` is whether an approval is among them;
    `code` is the issue where that is missing. The others are `controls`, as if the caller had listed them, but that
    they guard nothing."""

    approval: bool = False
    code: str = "APPROVAL_REQUIRED"
    controls: tuple[Control, ...] = ()


class ApprovalRule(Scope, frozen=True):
    """What an approval of such an action must be: by how many people at least, how old at most (seconds), and by whom
    (patterns of names; empty: anybody)."""

    approvers: int = 1
    max_age: float | None = None
    by: Patterns = {}


class Lanes(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """The lane that a control accepts: what the caller asserts, or only what this server knows."""

    approval: Lane = "asserted"
    role: Lane = "asserted"
    counters: Lane = "asserted"


#: How many of a run's last ALLOWs are remembered.
REMEMBERED: Final = 8


class Thresholds(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """Where looping begins: retries; how many of the last tools are the same, by the caller's word; and, as this server
    counted them, how many of a run's last ALLOWs were this very action, how often two actions took turns, and how many
    runs of one key within an hour began with one action."""

    retries: int = 5
    same_tool: Annotated[int, msgspec.Meta(ge=1)] = 3
    same_action: Annotated[int, msgspec.Meta(ge=1, le=REMEMBERED)] = 5
    turns: Annotated[int, msgspec.Meta(ge=2, le=REMEMBERED // 2)] = 4
    starts: int = 10


class Environments(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """Names of environments. Production aliases only ever add danger; `absent` is what a missing one counts as."""

    production: frozenset[str]
    non_production: frozenset[str]
    needed_for: frozenset[Effect]
    absent: str = ""


Points = Annotated[int, msgspec.Meta(ge=0, le=100)]


class RiskWeights(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """Points of the risk score (0 to 100): a base, each effect, production, and the worst open finding."""

    base: Points
    effects: Mapping[Effect, Points]
    production: Points
    finding: OpenFinding


class OpenFinding(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """Points of the worst open finding, by severity."""

    MEDIUM: Points
    HIGH: Points


class Price(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """US dollars that one step may cost, from and to."""

    min: float
    max: float


class Costs(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """The cost table: one evaluation, and each effect that is carried out downstream."""

    evaluation: Price
    effects: Mapping[Effect, Price]

    def __hash__(self) -> int:
        return id(self)


class Conditions(Protocol):
    """The conditions of a pack's own rules, compiled. Pure."""

    #: The facts that they name, the calendars, and the context fields that those facts are read from.
    names: Collection[str]
    calendars: Collection[str]
    reads: frozenset[str]

    def held(self, facts: Mapping[str, Any]) -> Sequence[bool | None]:
        """Which of them hold, in order; None for one that cannot be worked out on these facts."""


#: Seconds after it for which an ALLOW may be acted upon, where a pack does not say.
VALID_FOR: Final = 600.0


class Pack(msgspec.Struct, frozen=True):
    """A loaded policy pack. `digest` is SHA-256 over its canonical content; `rules` arrive as data; `observe` says
    whether keys under it may be observe-only.

    `own` are the rules that the pack itself has, each with its condition in `conditions`, in the same order. `roles`
    maps a role to every role that it includes; `mcp_servers` are those that may be connected, None is any; `imposes` is
    whether a requirement ever asks for another control than an approval; `valid_for` is how many seconds after it an
    ALLOW may be acted upon; `workspace` is what is known of checked-out trees, for keys that work in one."""

    name: str
    version: str
    digest: str
    severities: Mapping[str, SeveritySetting]
    pro_severities: Mapping[str, SeveritySetting]
    requirements: tuple[Requirement, ...]
    approvals: tuple[ApprovalRule, ...]
    lanes: Lanes
    calendars: Mapping[str, Calendar]
    thresholds: Thresholds
    observe: bool
    environments: Environments
    risk: RiskWeights
    costs: Costs
    rules: tuple[Rule, ...]
    by_code: Mapping[str, Rule]
    knowledge: Knowledge
    own: tuple[Rule, ...] = ()
    conditions: Conditions | None = None
    roles: Mapping[str, frozenset[str]] = {}
    mcp_servers: frozenset[str] | None = None
    unknown_tools: UnknownTools = "allow"
    imposes: bool = False
    valid_for: float = VALID_FOR
    workspace: Table | None = None

    @property
    def id(self) -> str:
        """`name@version`."""
        return f"{self.name}@{self.version}"

    def rule(self, code: str) -> Rule:
        """The rule with this code. Raises KeyError where there is none."""
        return self.by_code[code]

    def severity_of(self, code: str, default: Severity, pro: bool) -> Severity | None:
        """How bad a code is under this pack; None where it is off."""
        setting = self.severities.get(code)
        severity = default if setting is None else _SEVERITIES[setting]
        raised = _SEVERITIES[self.pro_severities[code]] if pro and code in self.pro_severities else None
        if raised is None or setting == "off":
            return severity
        return max(severity or raised, raised, key=_ORDER.index)


_ORDER = ("LOW", "MEDIUM", "HIGH")
_SEVERITIES: Mapping[SeveritySetting, Severity | None] = {
    "off": None,
    "low": "LOW",
    "medium": "MEDIUM",
    "high": "HIGH",
}

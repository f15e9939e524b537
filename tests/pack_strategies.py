"""Packs for property tests: parents, and what a pack over them may say, tighter or whatever."""

from __future__ import annotations

import json
from collections.abc import Callable, Mapping, Sequence
from functools import cache
from typing import Any, Final

import msgspec
from hypothesis import strategies as st

from stage0.policy.format import PackFile
from stage0.policy.layers import DEFAULTS
from stage0.policy.load import PACKS, Loaded, load
from stage0.reading.effects import EFFECTS, HARMLESS
from stage0.rules.kill_switch import kill_switch
from tests.layering import layer
from tests.strategies import some

Fields = dict[str, Any]
Draw = Callable[[st.SearchStrategy[Any]], Any]

#: A pack of one's own that has everything and opens nothing.
OWN: Final[Fields] = {
    "severities": {"CONTEXT_CONFLICT": "medium", "MISSING_SUCCESS_CRITERIA": "medium"},
    "pro_severities": {"UNCLEAR_VALUE_SIGNAL": "high"},
    "requirements": {
        "exports": {"effects": ["export", "publish"], "controls": ["approval required", "require_ticket"]},
        "staging": {"environments": ["staging"], "controls": ["allowed_change_window: business_hours"]},
        "shells": {"tools": ["shell", "run_*"], "controls": ["max_iterations: 8", "dry_run_first"]},
    },
    "approvals": {
        "deletes": {"effects": ["delete"], "max_age": "48h", "by": ["mei.chen", "d*"]},
        "exports": {"effects": ["export"], "approvers": 2},
    },
    "roles": {"admin": ["sre", "finance_manager"], "sre": ["viewer"]},
    "tools": {
        "db.*": {"adds": ["bulk"], "owner": "data"},
        "get_report": {"effects": ["compute"], "owner": "data"},
        "*_customer": {"effects": ["delete"], "adds": ["personal_data"]},
    },
    "mcp_servers": ["git", "files", "evil"],
    "environments": {"non_production": ["staging", "dev", "test", "qa"]},
    "thresholds": {"retries": 4, "same_tool": 3},
    "rules": {
        "TOO_MANY": {"when": "records > 100", "severity": "medium", "message": "{records} are too many."},
        "AT_NIGHT": {"when": "!calendars.business_hours && high_risk", "severity": "high", "message": "Not now."},
        "UNNAMED": {"when": "arguments.amount > 1000", "severity": "low", "message": "Too much."},
    },
}


def as_yaml(fields: Mapping[str, Any]) -> str:
    """The fields of a pack as a file has them: JSON is YAML, too."""
    return "".join(f"{field}: {json.dumps(value)}\n" for field, value in fields.items())


@cache
def parents() -> dict[str, Loaded]:
    """The packs that are tightened, by name."""
    shipped = {name: load(PACKS / name) for name in ("stage0-default", "stage0-strict")}
    return {
        **shipped,
        "closed": layer("", name="closed"),
        "closed-strict": layer("", "stage0-strict", name="closed-strict"),
        "own": layer(as_yaml(OWN), name="own-parent"),
    }


def child_of(parent: Loaded, fields: Mapping[str, Any]) -> Loaded:
    """A pack that extends another one. Raises PolicyError."""
    return layer(as_yaml(fields), parent, name="child")


# -- what tightens

SETTINGS: Final = ("off", "low", "medium", "high")
CODES: Final = tuple(sorted(DEFAULTS.keys() - {kill_switch.code}))
CONTROLS: Final = (
    *("approval required", "human review required", "approvers: 2", "approval_timeout: 1h", "require_confirmation"),
    *(
        "require_ticket",
        "require_mfa",
        "runbook_required",
        "rollback_plan_required",
        "dry_run_first",
        "tenant_isolation",
    ),
    *("required_role: sre", "required_role: admin, viewer", "allowed_environment: staging, dev", "max_records: 10"),
    *("max_iterations: 5", "timeout: 300s", "max_cost_usd: 1.5", "max_retries: 1", "query_cost_limit: 5"),
    *("allowed_change_window: business_hours", "allowed_tools: list_tickets, shell", "resource_scope: repo"),
    *("allowed_mcp_servers: git", "allowed_channels: internal", "read-only", "dry-run", "sandbox", "staging-only"),
    *("no external side effects", "no_pii", "require approval for destructive actions", "max_output_length: 500"),
)
ENVIRONMENTS: Final = ("production", "prod", "staging", "dev", "qa")
PATTERNS: Final = ("*", "db.*", "*delete*", "shell", "list_tickets", "deleteUsers", "get_*", "*_customer", "メール送信")
PEOPLE: Final = ("*", "mei.chen", "d*", "*n*", "nobody")
CONDITIONS: Final = (
    "high_risk",
    "production && !approved",
    "records > 5",
    "amount > 100.0",
    "arguments.amount > 100",
    "'delete' in effects || 'export' in effects",
    "environment == 'staging'",
    "size(tools) > 1 && !rehearsed",
    "iteration > 3 || retries > 1",
    "!calendars.weekdays",
    "context.weather == 'fine'",
    "roles.exists(role, role == 'intern')",
)

_effects: Final = st.lists(st.sampled_from(EFFECTS), max_size=3, unique=True)


@st.composite
def scopes(draw: st.DrawFn) -> Fields:
    """Which actions an entry is about."""
    drawn: Fields = {}
    for field, choices in (("effects", EFFECTS), ("environments", ENVIRONMENTS), ("tools", PATTERNS)):
        if draw(st.integers(0, 2)) == 0:
            drawn[field] = draw(some(choices, least=1, most=3))
    return drawn


@st.composite
def requirements(draw: st.DrawFn) -> Fields:
    """A requirement."""
    return {**draw(scopes()), "controls": draw(some(CONTROLS, least=1, most=3))}


@st.composite
def approval_rules(draw: st.DrawFn) -> Fields:
    """What an approval must be."""
    age = draw(st.sampled_from(("", "30m", "2h", "48h")))
    by = draw(some(PEOPLE, most=2))
    return {**draw(scopes()), "approvers": draw(st.integers(1 if age or by else 2, 3)), "max_age": age, "by": by}


@st.composite
def own_rules(draw: st.DrawFn) -> Fields:
    """Rules of a pack's own, each with another condition."""
    drawn = draw(st.lists(st.sampled_from(CONDITIONS), min_size=1, max_size=3, unique=True))
    severity = st.sampled_from(("low", "medium", "high"))
    return {
        f"OWN_{CONDITIONS.index(when)}": {"when": when, "severity": draw(severity), "message": "No {goal}."}
        for when in drawn
    }


def _severity_of(parent: PackFile, code: str) -> str:
    rule = parent.rules.get(code)
    own = DEFAULTS[code] if rule is None else rule.severity
    return parent.severities.get(code, own)


def _no_lower(setting: str) -> st.SearchStrategy[str]:
    return st.sampled_from(SETTINGS[SETTINGS.index(setting) :])


def _plain(value: object) -> Fields:
    plain: Fields = msgspec.to_builtins(value)
    return plain


def _any_of(choices: Sequence[str], *, most: int, least: int = 0) -> st.SearchStrategy[list[str]]:
    return some(choices, most=most, least=least) if choices else st.just([])


def tightened(draw: Draw, parent: PackFile, field: str) -> Any:
    """A field of a pack that is no looser than its parent's."""
    if field in _TIGHTENED:
        return _TIGHTENED[field](draw, parent)
    if field == "lanes":
        return dict.fromkeys(draw(some(("approval", "role", "counters"), least=1, most=3)), "verified")
    if field == "approvals":
        return {f"more_{n}": draw(approval_rules()) for n in range(draw(st.integers(1, 2)))}
    if field == "rules":
        return draw(own_rules())
    if field == "unknown_tools":
        return draw(st.sampled_from(("defer", "deny")))
    if field == "valid_for":
        return draw(st.sampled_from(("1s", "5m", "10m")))
    assert field == "observe"
    return False


def _severities(draw: Draw, parent: PackFile) -> Fields:
    drawn = draw(some((*CODES, *parent.rules), least=1, most=4))
    return {code: draw(_no_lower(_severity_of(parent, code))) for code in drawn}


def _pro_severities(draw: Draw, parent: PackFile) -> Fields:
    drawn = draw(some(CODES, least=1, most=3))
    return {code: draw(_no_lower(parent.pro_severities.get(code, "off"))) for code in drawn}


def _requirements(draw: Draw, parent: PackFile) -> Fields:
    more = {f"more_{n}": draw(requirements()) for n in range(draw(st.integers(0, 2)))}
    for name in draw(_any_of(sorted(parent.requirements), most=1)):
        entry = _plain(parent.requirements[name])
        more[name] = {**entry, "controls": [*entry["controls"], draw(st.sampled_from(CONTROLS))]}
    return more


def _thresholds(draw: Draw, parent: PackFile) -> Fields:
    least = {"retries": 0, "same_tool": 1, "same_action": 1, "turns": 2, "starts": 0}
    lowered = draw(some(sorted(least), least=1, most=3))
    return {name: draw(st.integers(least[name], getattr(parent.thresholds, name))) for name in lowered}


def _environments(draw: Draw, parent: PackFile) -> Fields:
    environments = parent.environments
    assert environments is not None
    changes: Fields = {
        "production": [*sorted(environments.production or ()), *draw(some(ENVIRONMENTS, least=1, most=1))],
        "non_production": draw(_any_of(sorted(environments.non_production or ()), most=4)),
        "needed_for": [*sorted(environments.needed_for or ()), *draw(_effects)],
        "absent": "production",
    }
    return {name: changes[name] for name in draw(some(sorted(changes), least=1, most=3))}


def _calendars(draw: Draw, parent: PackFile) -> Fields:
    entry = _plain(parent.calendars["business_hours"])
    freeze = {"from": "2026-03-16", "to": draw(st.sampled_from(("2026-03-16", "2026-03-21")))}
    return {"business_hours": {**entry, "freezes": [*entry.get("freezes", ()), freeze]}}


def _roles(draw: Draw, parent: PackFile) -> Fields:
    return {role: draw(_any_of(sorted(parent.roles[role]), most=1)) for role in sorted(parent.roles)}


def _tools(draw: Draw, parent: PackFile) -> Fields:
    known = sorted(parent.tools) if parent.unknown_tools in ("defer", "deny") else PATTERNS
    return {pattern: _tool(draw, parent, pattern) for pattern in draw(_any_of(known, least=1, most=3))}


def _tool(draw: Draw, parent: PackFile, pattern: str) -> Fields:
    old = parent.tools.get(pattern)
    entry = {} if old is None else _plain(old)
    adds = [*entry.get("adds", ()), *draw(_effects)]
    if adds and HARMLESS.issuperset(adds):
        adds = [*adds, "write"]
    return {**entry, "adds": adds, "risk": draw(st.integers(0, 30)), "owner": draw(st.sampled_from(("", "me")))}


def _mcp_servers(draw: Draw, parent: PackFile) -> list[str]:
    known = ["git", "files", "shell"] if parent.mcp_servers is None else sorted(parent.mcp_servers)
    servers: list[str] = draw(_any_of(known, most=2))
    return servers


_TIGHTENED: Final[Mapping[str, Callable[[Draw, PackFile], Any]]] = {
    "severities": _severities,
    "pro_severities": _pro_severities,
    "requirements": _requirements,
    "thresholds": _thresholds,
    "environments": _environments,
    "calendars": _calendars,
    "roles": _roles,
    "tools": _tools,
    "mcp_servers": _mcp_servers,
}
FIELDS: Final = (
    *("severities", "pro_severities", "requirements", "approvals", "lanes", "thresholds", "environments", "calendars"),
    *("roles", "rules", "tools", "mcp_servers", "unknown_tools", "valid_for", "observe"),
)


def tightening(draw: Draw, parent: Loaded) -> Fields:
    """Fields of a pack that tighten another one."""
    names = draw(st.lists(st.sampled_from(FIELDS), min_size=1, max_size=3, unique=True))
    return {name: tightened(draw, parent.file, name) for name in names}


# -- what may tighten or loosen

HOURS: Final = (("mon-fri", "09:00-18:00"), ("mon-sun", "00:00-24:00"), ("sat", "10:00-12:00"))
NAMES: Final = ("sre", "admin", "viewer", "intern", "finance_manager")


@st.composite
def calendars(draw: st.DrawFn) -> Fields:
    """A calendar, open at one time or another."""
    days, hours = draw(st.sampled_from(HOURS))
    periods = st.lists(st.sampled_from(({"from": "2026-03-16", "to": "2026-03-21"},)), max_size=1)
    return {"weekly": [{"days": days, "hours": hours}], "freezes": draw(periods), "openings": draw(periods)}


@st.composite
def tools(draw: st.DrawFn) -> Fields:
    """What is registered of a tool."""
    effects = {"effects": [draw(st.sampled_from(("read", "compute", *EFFECTS)))]} if draw(st.booleans()) else {}
    return {**effects, "adds": draw(_effects), "owner": draw(st.sampled_from(("", "me")))}


_settings: Final = st.sampled_from(SETTINGS)
_numbers: Final = st.integers(1, 9)

#: Any entry of a collection, and more names than the parents have.
ENTRIES: Final[Mapping[str, tuple[st.SearchStrategy[Any], Sequence[str]]]] = {
    "severities": (_settings, CODES),
    "pro_severities": (_settings, CODES),
    "requirements": (requirements(), ("more",)),
    "approvals": (approval_rules(), ("more",)),
    "roles": (some(NAMES, most=3), NAMES),
    "calendars": (calendars(), ("more", "weekdays")),
    "tools": (tools(), (*PATTERNS, "update_customer", "get_report", "db.users.delete", "db.users.count")),
}


def anything(draw: Draw, parent: PackFile, field: str) -> Any:
    """Whatever a pack may say of a field."""
    if field in ENTRIES:
        entry, more = ENTRIES[field]
        known = sorted(getattr(parent, field))
        names = draw(some((*known, *more), least=1, most=2))
        absent = st.none() if field not in ("severities", "pro_severities", "roles") else entry
        return {name: draw(entry | absent if name in known else entry) for name in names}
    if field == "environments":
        environments = parent.environments
        assert environments is not None
        names = {"production": ENVIRONMENTS, "non_production": ENVIRONMENTS, "needed_for": EFFECTS}
        changed = draw(some(sorted(names), most=2))
        lists = {name: [*getattr(environments, name), *draw(some(names[name], most=2))] for name in changed}
        return {**lists, "absent": draw(st.sampled_from(("", "production")))}
    if field == "rules":
        rules = {code: _plain(rule) for code, rule in parent.rules.items()}
        changed = {code: {**rule, "severity": draw(_settings)} for code, rule in rules.items() if draw(st.booleans())}
        return {**draw(own_rules()), **changed}
    return draw(_ANYTHING[field])


_ANYTHING: Final[Mapping[str, st.SearchStrategy[Any]]] = {
    "lanes": st.dictionaries(
        st.sampled_from(("approval", "role", "counters")), st.sampled_from(("asserted", "verified")), min_size=1
    ),
    "thresholds": st.fixed_dictionaries(
        {}, optional={"retries": _numbers, "same_tool": _numbers, "same_action": st.integers(1, 8), "starts": _numbers}
    ),
    "mcp_servers": some(("git", "files", "shell", "evil"), most=4),
    "unknown_tools": st.sampled_from(("allow", "defer", "deny")),
    "valid_for": st.sampled_from(("1s", "10m", "24h")),
    "observe": st.booleans(),
}

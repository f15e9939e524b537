"""What is made of each entry of a pack: calendars, requirements, approval rules, the registry, roles, rules. Every
mistake in one is said with its place."""

from __future__ import annotations

import re
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from datetime import UTC, datetime
from string import Formatter
from typing import Final, TypeVar

import msgspec

from stage0.core.calendar import Calendar
from stage0.core.facts import PRODUCTION
from stage0.core.pack import VALID_FOR, ApprovalRule, Costs, Patterns, Price, Requirement
from stage0.core.rule import Rule, Severity, unchecked
from stage0.core.view import FACT_TYPES
from stage0.knowledge.source import Path_, PolicyError, nearest
from stage0.policy.calendars import CalendarError, calendar_of, with_holidays
from stage0.policy.conditions import CompiledConditions, ConditionError, check_condition
from stage0.policy.format import PackFile, RequirementEntry, RuleEntry
from stage0.reading.constraints import Control, duration_of
from stage0.reading.interpret import Knowledge
from stage0.reading.registry import EMPTY, Entry, Registry, glob

T = TypeVar("T")
#: How something wrong at a path is said.
Error = Callable[[Path_, str], PolicyError]

#: Issues of an approval that is missing: those whose rules ask the pack.
_APPROVAL_CODES: Final = ("APPROVAL_REQUIRED", "DESTRUCTIVE_ACTION_REQUIRES_APPROVAL")
_SEVERITIES: Final[Mapping[str, Severity]] = {"low": "LOW", "medium": "MEDIUM", "high": "HIGH"}
_PATTERN_LIMIT: Final = 256


def at_once() -> None:
    """Nothing is done between two pieces of work."""


#: Registered tools and rules that are seen to in one piece.
_ENTRIES: Final = 100
_RULES: Final = 20


def _in_pieces(items: Sequence[T], size: int, between: Callable[[], None]) -> Iterator[T]:
    """The items, with a call after so many of them."""
    for index, item in enumerate(items, 1):
        yield item
        if index % size == 0:
            between()


def conditions_of(file: PackFile, own: Sequence[Rule], between: Callable[[], None]) -> CompiledConditions:
    """The conditions of the pack's own rules, in their order. `between`: see `load.pack_of_content`."""
    placeholders = {name for rule in own for name in rule.names}
    return CompiledConditions([_entry(file, rule.code).when for rule in own], placeholders, between=between)


def _entry(file: PackFile, code: str) -> RuleEntry:
    entry = file.rules[code]
    assert entry is not None  # noqa: S101 -- layers have taken those away
    return entry


def check_prices(costs: Costs, error: Error) -> None:
    """Raises PolicyError for a price that is none."""
    prices: dict[Path_, Price] = {("evaluation",): costs.evaluation}
    prices.update({("effects", name): price for name, price in costs.effects.items()})
    for path, price in prices.items():
        if not 0 <= price.min <= price.max < float("inf"):
            raise error(("costs", *path), f"`{price.min}` to `{price.max}` is no price: 0 or more, from least to most")


def production_names(names: Iterable[str], known: Knowledge) -> frozenset[str]:
    """Names of production as they are compared, also folded: another way to write one is no way out."""
    plain = environment_names(names)
    return plain | {known.lexicon.fold(name).text.strip() for name in plain}


def holidays_filled_in(file: PackFile, error: Error) -> PackFile:
    """The pack with the days of its holidays, as they are known this year. Raises PolicyError."""
    year = datetime.now(UTC).year
    calendars = {}
    for name, entry in file.calendars.items():
        try:
            calendars[name] = entry if entry is None else with_holidays(entry, year)
        except CalendarError as problem:
            raise error(("calendars", name, *problem.path), str(problem)) from None
    return msgspec.structs.replace(file, calendars=calendars)


def calendars_of_pack(file: PackFile, error: Error) -> dict[str, Calendar]:
    """The calendars by name. Raises PolicyError."""
    found = {}
    for name, entry in file.calendars.items():
        if not re.fullmatch(r"[a-z][a-z0-9_]{0,62}", name):
            raise error(("calendars", name), "is no name of a calendar: use small letters, digits and underscores")
        if entry is None:
            continue
        try:
            found[name] = calendar_of(entry)
        except CalendarError as problem:
            raise error(("calendars", name, *problem.path), str(problem)) from None
    return found


def requirements_of(
    file: PackFile, calendars: Mapping[str, Calendar], known: Knowledge, production: frozenset[str], error: Error
) -> Iterable[Requirement]:
    """What the pack requires, in its order. Raises PolicyError."""
    for name, entry in file.requirements.items():
        if entry is None:
            continue
        path: Path_ = ("requirements", name)
        if not entry.controls:
            raise error((*path, "controls"), "asks for nothing: list a constraint, such as `approval required`")
        controls = [_control(text, calendars, known, error, (*path, "controls")) for text in sorted(entry.controls)]
        approval = any(_asks(control) for control in controls)
        _check_code(entry, approval, error, path)
        yield Requirement(
            name=name,
            effects=frozenset(entry.effects),
            environments=_places(entry.environments, production, error, (*path, "environments")),
            tools=_tool_patterns(entry.tools, known, error, (*path, "tools")),
            approval=approval,
            code=entry.code or _APPROVAL_CODES[0],
            controls=tuple(control for control in controls if not _asks(control)),
        )


def _asks(control: Control) -> bool:
    """Whether a control asks for an approval, whatever the action."""
    return control.kind == "approval" and control.effects is None


def _check_code(entry: RequirementEntry, approval: bool, error: Error, path: Path_) -> None:
    if not entry.code:
        return
    if entry.code not in _APPROVAL_CODES:
        raise error((*path, "code"), f"`{entry.code}` is none of {', '.join(_APPROVAL_CODES)}")
    if not approval:
        raise error((*path, "code"), "is the issue of an approval that is missing, and no approval is asked for here")


def _control(text: str, calendars: Mapping[str, Calendar], known: Knowledge, error: Error, path: Path_) -> Control:
    """A constraint that the pack itself asks for: it guards nothing."""
    controls = known.grammar.parse((text,)).controls
    if not controls:
        raise error(path, f"`{text}` switches the control off: leave it out")
    control = controls[0]
    if control.kind == "unknown":
        key = re.split(r"[:=]", text)[0].strip()
        raise error(path, f"`{text}` is no constraint of the grammar{nearest(key, known.grammar.keys)}")
    if control.kind == "invalid":
        raise error(path, f"`{text}`: the value cannot be read")
    if control.kind == "change_window" and control.value not in calendars:
        raise error(path, f"`{text}`: there is no calendar `{control.value}`{nearest(control.value, calendars)}")
    return msgspec.structs.replace(control, guard="")


#: The longest for which a pack may let an ALLOW hold, in seconds.
_VALID_AT_MOST: Final = 24 * 3600


def valid_for_of(file: PackFile, error: Error) -> float:
    """For how many seconds an ALLOW may be acted upon."""
    if file.valid_for is None:
        return VALID_FOR
    seconds = duration_of(file.valid_for.strip())
    if seconds is None or not 1 <= seconds <= _VALID_AT_MOST:
        raise error(("valid_for",), f"`{file.valid_for}` is not a duration from 1s to 24h; write `10m`, for example")
    return seconds


def approvals_of(file: PackFile, known: Knowledge, production: frozenset[str], error: Error) -> Iterable[ApprovalRule]:
    """The approval rules, in their order. Raises PolicyError."""
    for name, entry in file.approvals.items():
        if entry is None:
            continue
        path: Path_ = ("approvals", name)
        age = duration_of(entry.max_age.strip()) if entry.max_age else None
        if entry.max_age and not age:
            raise error((*path, "max_age"), f"`{entry.max_age}` is no duration; write `24h` or `90m`")
        if entry.approvers == 1 and age is None and not entry.by:
            raise error(path, "says nothing of an approval: give it `approvers`, `max_age` or `by`")
        yield ApprovalRule(
            name=name,
            effects=frozenset(entry.effects),
            environments=_places(entry.environments, production, error, (*path, "environments")),
            tools=_tool_patterns(entry.tools, known, error, (*path, "tools")),
            approvers=entry.approvers,
            max_age=age,
            by=_patterns(entry.by, error, (*path, "by")),
        )


def environment_names(environments: Iterable[str]) -> frozenset[str]:
    """Names of environments as they are compared: trimmed, in small letters."""
    return frozenset(name.strip().lower() for name in environments)


def _places(environments: Iterable[str], production: frozenset[str], error: Error, path: Path_) -> frozenset[str]:
    """The environments of a scope: who names production by one of its names means it by all of them."""
    for name in sorted(environments):
        if "*" in name:
            raise error(path, f"`{name}` is a name here, not a pattern: for any environment, leave `environments` out")
    names = environment_names(environments)
    return names if names.isdisjoint(production) else names | {PRODUCTION}


def _patterns(texts: Iterable[str], error: Error, path: Path_) -> Patterns:
    """Patterns by their text."""
    found = {}
    for text in sorted(texts):
        _check_pattern(text, error, path)
        found[text] = glob(text)
    return found


def _tool_patterns(texts: Iterable[str], known: Knowledge, error: Error, path: Path_) -> Patterns:
    """Patterns of tools, as they are written and folded: another way to write a letter is no way out of a scope."""
    written = _patterns(texts, error, path)
    folded = [spelling for text in written for spelling in known.spellings(text)]
    return {**{text: glob(text) for text in folded}, **written}


def _check_pattern(text: str, error: Error, path: Path_) -> None:
    if not text.strip() or text != text.strip() or len(text) > _PATTERN_LIMIT:
        raise error(
            path, f"`{text[:80]}` is no pattern: it has 1 to {_PATTERN_LIMIT} characters, and no space at its ends"
        )


def registry_of(file: PackFile, known: Knowledge, error: Error, between: Callable[[], None]) -> Registry:
    """The registered tools. Raises PolicyError."""
    entries = []
    for pattern, entry in file.tools.items():
        path: Path_ = ("tools", pattern)
        _check_pattern(pattern, error, path)
        if entry is None:
            continue
        if entry.effects is not None and not entry.effects:
            raise error((*path, "effects"), "no tool does nothing: say `read` or `compute`, or leave it out")
        effects = None if entry.effects is None else frozenset(entry.effects)
        entries.append(Entry(pattern, effects, frozenset(entry.adds), entry.owner, entry.risk))
    return Registry(_in_pieces(entries, _ENTRIES, between), known.spellings) if entries else EMPTY


def roles_of(file: PackFile, error: Error) -> dict[str, frozenset[str]]:
    """Each role with everything it includes, directly or by others."""
    found = {}
    for role in file.roles:
        included: set[str] = set()
        waiting = list(file.roles[role])
        while waiting:
            each = waiting.pop()
            if each == role:
                raise error(("roles", role), "includes itself, directly or by another role")
            if each not in included:
                included.add(each)
                waiting += file.roles.get(each, ())
        found[role] = frozenset(included)
    return found


def own_rules_of(
    file: PackFile, calendars: Mapping[str, Calendar], error: Error, between: Callable[[], None]
) -> tuple[Rule, ...]:
    """The pack\'s own rules, by code. Raises PolicyError."""
    found: list[Rule] = []
    seen: dict[str, str] = {}
    for code, entry in _in_pieces(sorted(file.rules.items()), _RULES, between):
        if entry is None:
            continue
        path: Path_ = ("rules", code)
        condition = " ".join(entry.when.split())
        try:
            check_condition(entry.when, calendars)
        except ConditionError as problem:
            raise error((*path, "when"), str(problem)) from None
        if condition in seen:
            raise error((*path, "when"), f"`{seen[condition]}` has the same condition: one of the two says nothing")
        seen[condition] = code
        names = [
            name for field in ("message", "question", "remedy") for name in _placeholders(entry, field, error, path)
        ]
        found.append(
            Rule(
                code=code,
                family="policy",
                severity=_SEVERITIES[entry.severity],
                message=entry.message,
                question=entry.question,
                remedy=entry.remedy,
                why=entry.why or entry.message,
                check=unchecked,
                names=tuple(dict.fromkeys(names)),
            )
        )
    return tuple(found)


def _placeholders(entry: RuleEntry, field: str, error: Error, path: Path_) -> list[str]:
    """The facts that a text names in braces."""
    try:
        parts = list(Formatter().parse(getattr(entry, field)))
    except ValueError as problem:
        raise error((*path, field), f"{problem}; a brace that is meant is written twice") from None
    names = []
    for _, name, form, conversion in parts:
        if name is None:
            continue
        if name not in FACT_TYPES:
            raise error((*path, field), f"there is no fact `{name}` to put in{nearest(name, FACT_TYPES)}")
        if form or conversion:
            raise error((*path, field), f"a fact is put in as it is: write `{{{name}}}` alone")
        names.append(name)
    return names

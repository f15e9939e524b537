"""Layers: a pack over its parent. A child tightens freely, and loosens only what its parent marks as open."""

from __future__ import annotations

import re
from collections.abc import Callable, Iterable, Iterator, Mapping
from typing import Any, Final, Literal, get_args, get_origin

import msgspec

from stage0.core.pack import VALID_FOR
from stage0.knowledge.source import Path_, Source, nearest
from stage0.policy.conditions import calendars_of, holds_when_closed
from stage0.policy.format import (
    CODE,
    COLLECTIONS,
    RECORDS,
    ApprovalEntry,
    CalendarEntry,
    EnvironmentsEntry,
    PackFile,
    RequirementEntry,
    RuleEntry,
    ScopeEntry,
    ToolEntry,
)
from stage0.reading.constraints import duration_of
from stage0.reading.effects import HARMLESS
from stage0.reading.registry import glob, matches
from stage0.rules import RULES
from stage0.rules.kill_switch import kill_switch

_SEVERITY: Final = ("off", "low", "medium", "high")
_UNKNOWN_TOOLS: Final = ("allow", "defer", "deny")
_LANES: Final = ("asserted", "verified")
DEFAULTS: Final[Mapping[str, str]] = {rule.code: rule.severity.lower() for rule in RULES}
_SCALARS: Final = ("observe", "mcp_servers", "unknown_tools", "valid_for", "workspace")
#: What `open` may name: whole fields, or one entry of them.
OPENABLE: Final = frozenset((*COLLECTIONS, *RECORDS, *_SCALARS)) - {"risk", "costs"}
_UNKNOWN_FIELD: Final = re.compile(r"Object contains unknown field `([^`]+)`")
_NO_CHOICE: Final = re.compile(r"Invalid enum value '?(.*?)'?\Z")
_AT: Final = re.compile(r" - at `\$?([^`]*)`\Z")
_NO_NAME: Final = re.compile(r" - at `key` in `\$?([^`]*)`\Z")
#: Where the type of a field is told in a word.
_ENTRIES: Final[Mapping[str, Any]] = {
    field: kind for field, kind in COLLECTIONS.items() if isinstance(kind, type) and issubclass(kind, msgspec.Struct)
}


def put_in_layers(source: Source, parent: PackFile | None) -> PackFile:
    """A pack with all that it has from its parent. Raises PolicyError where something is wrong, or loosens what the
    parent keeps closed."""
    given = _read(source, parent)
    for code, rule in given.rules.items():
        if rule is not None and given.severities.get(code) == "off":
            raise source.error(("rules", code), "can never fire: `severities` of the same pack has it off")
    _check_open(source, given, parent)
    _check_taken(source, given, parent)
    if parent is None:
        _check_complete(source, given)
        return given
    given = _with_days(given, parent)
    for path, problem in _loosened(given, parent):
        if not is_open(parent, path):
            raise source.error(
                path, f"{problem}; `{parent.name}@{parent.version}` does not list `{_opening(path)}` under `open`"
            )
    return _merged(given, parent)


def is_open(parent: PackFile, path: Path_) -> bool:
    """Whether a pack may make a thing looser that its parent has."""
    return str(path[0]) in parent.open or _opening(path) in parent.open


def _opening(path: Path_) -> str:
    return ".".join(map(str, path[:2]))


# -- reading


def _read(source: Source, parent: PackFile | None) -> PackFile:
    plain = source.plain
    fields = {field.encode_name for field in msgspec.structs.fields(PackFile)}
    for key in plain:
        if key not in fields:
            raise source.error((key,), f"there is no field `{key}`{nearest(key, fields)}")
    for key in ("name", "version"):
        if key not in plain:
            raise source.error((), f"a pack needs a `{key}`")
        if key == "version" and isinstance(plain[key], (int, float)):
            raise source.error((key,), f'`{plain[key]}` is a number here: put it in quotes, as in `"{plain[key]}"`')
    values: dict[str, Any] = {}
    for key, value in plain.items():
        if key in COLLECTIONS:
            values[key] = dict(_entries(source, key, value))
        elif key in RECORDS:
            values[key] = _record(source, key, value, parent)
        else:
            values[key] = value
    typed = {key: values.pop(key) for key in (*COLLECTIONS, *RECORDS) if key in values}
    file: PackFile = convert_at(source, (), values, PackFile)
    return msgspec.structs.replace(file, **typed)


def _entries(source: Source, field: str, value: Any) -> Iterator[tuple[str, Any]]:
    if not isinstance(value, dict):
        raise source.error((field,), f"is a mapping of names to what they mean, this is a `{_kind(value)}`")
    for name, entry in value.items():
        if not isinstance(name, str) or not name.strip():
            raise source.error((field,), f"`{name}` is no name: put it in quotes")
        path = (field, name)
        if field == "rules" and not re.fullmatch(CODE, name):
            raise source.error(path, "is no issue code: write it like BIG_REFUND, in capitals, digits and underscores")
        if entry is None and field in _ENTRIES:
            yield name, None
            continue
        if field == "calendars":
            _check_filled_in(source, path, entry)
        yield name, convert_at(source, path, entry, COLLECTIONS[field])


def _check_filled_in(source: Source, path: Path_, entry: Any) -> None:
    """Raises where a calendar brings the days of its holidays: a wrong list would look like a country's."""
    holidays = entry.get("holidays") if isinstance(entry, dict) else None
    for field in ("days", "years"):
        if isinstance(holidays, dict) and field in holidays:
            raise source.error((*path, "holidays", field), "is filled in when the pack is made: leave it out")


def _record(source: Source, field: str, value: Any, parent: PackFile | None) -> Any:
    """A record that gives some of its fields, over the parent's."""
    if not isinstance(value, dict):
        raise source.error((field,), f"is a mapping, this is a `{_kind(value)}`")
    inherited = None if parent is None else getattr(parent, field)
    base = {} if inherited is None else plain_of(inherited)
    merged = dict(base)
    for key, item in value.items():
        _check_values(source, (field, key), item, RECORDS[field])
        old = base.get(key)
        merged[key] = {**old, **item} if isinstance(old, dict) and isinstance(item, dict) else item
    return convert_at(source, (field,), merged, RECORDS[field])


def _check_values(source: Source, path: Path_, item: Any, record: Any) -> None:
    """Check each name and value of a mapping by itself, so that an error names it."""
    kind = next((each.type for each in msgspec.structs.fields(record) if each.encode_name == path[-1]), None)
    if isinstance(item, dict) and get_origin(kind) is Mapping:
        names, values = get_args(kind)
        for name, each in item.items():
            convert_at(source, (*path, str(name)), str(name), names)
            convert_at(source, (*path, str(name)), each, values)


def convert_at(source: Source, path: Path_, value: Any, kind: Any) -> Any:
    """A plain value as a type. Raises PolicyError with the place and what was given."""
    try:
        return msgspec.convert(value, kind, strict=True)
    except msgspec.ValidationError as error:
        text = str(error)
        at = _NO_NAME.search(text) or _AT.search(text)
        below = _parts(at[1]) if at else ()
        told = _told(text, value, below, _type_at(kind, below))
        unknown = _UNKNOWN_FIELD.search(text)
        where = (*path, *below, unknown[1]) if unknown else (*path, *below)
        raise source.error(where, told) from None


_WORDS: Final = (("Expected", "expected"), ("Object missing required field", "needs the field"))


def _told(text: str, value: Any, below: Path_, kind: Any) -> str:
    """What the codec says in words, with what was given and what is known there."""
    if _NO_NAME.search(text):
        return "a name in it is no text: put it in quotes"
    text = _AT.sub("", text)
    unknown, choice = _UNKNOWN_FIELD.search(text), _NO_CHOICE.search(text)
    if unknown:
        is_struct = isinstance(kind, type) and issubclass(kind, msgspec.Struct)
        known = [field.encode_name for field in msgspec.structs.fields(kind)] if is_struct else []
        return f"there is no field `{unknown[1]}`{nearest(unknown[1], known)}"
    if choice:
        known = [each for each in kind.__args__ if each] if get_origin(kind) is Literal else []
        return f"there is no `{choice[1]}`{nearest(choice[1], known)}"
    for part in below:
        try:
            value = value[part]
        except (KeyError, IndexError, TypeError):
            break
    given = str(value)
    shown = "" if isinstance(value, (dict, list)) else f"`{given[:80]}{'…' if len(given) > 80 else ''}`: "
    for old, new in _WORDS:
        text = text.replace(old, new)
    return f"{shown}{text}"


def _parts(path: str) -> Path_:
    """`.weekly[0].days` as a path."""
    return tuple(int(index) if index else name for name, index in re.findall(r"\.([^.\[\]]+)|\[(\d+)\]", path))


def _type_at(kind: Any, path: Path_) -> Any:
    """The type at a path below a type: of a container, what it holds."""
    for part in path:
        kind = _inmost(kind)
        if isinstance(part, str) and isinstance(kind, type) and issubclass(kind, msgspec.Struct):
            kind = next((each.type for each in msgspec.structs.fields(kind) if each.encode_name == part), kind)
    return _inmost(kind)


def _inmost(kind: Any) -> Any:
    """What a container or an optional type is about."""
    while get_origin(kind) is not Literal:
        inner = [each for each in getattr(kind, "__args__", ()) if each not in (type(None), Ellipsis, str)]
        if not inner:
            return kind
        kind = inner[0]
    return kind


def _kind(value: Any) -> str:
    return {"dict": "mapping", "str": "text", "NoneType": "nothing", "int": "number", "float": "number"}.get(
        type(value).__name__, type(value).__name__
    )


def plain_of(value: Any) -> Any:
    """A typed value as plain ones, the same for equal values."""
    return msgspec.to_builtins(value, order="deterministic")


# -- open, complete


def _check_open(source: Source, given: PackFile, parent: PackFile | None) -> None:
    for index, opened in enumerate(given.open):
        path: Path_ = ("open", index)
        field, _, entry = opened.partition(".")
        if field not in OPENABLE:
            raise source.error(path, f"`{opened}` cannot be opened{nearest(field, OPENABLE)}")
        known = _openable(field, given, parent)
        if entry and known is not None and entry not in known:
            raise source.error(path, f"there is no `{opened}` to open{nearest(entry, known)}")
        if parent is None or field in parent.open or opened in parent.open or _is_new(field, entry, given, parent):
            continue
        raise source.error(path, f"`{opened}` is closed by `{parent.name}@{parent.version}`, and stays closed below it")


def _is_new(field: str, entry: str, given: PackFile, parent: PackFile) -> bool:
    """Whether an entry is the pack's own, which it may leave open as it likes."""
    if field in ("severities", "pro_severities"):
        field = "rules"
    return field in _ENTRIES and entry in getattr(given, field) and entry not in getattr(parent, field)


def _openable(field: str, given: PackFile, parent: PackFile | None) -> frozenset[str] | None:
    """What of a field can be opened by itself; None for any name, since a pack below may bring one."""
    if field in RECORDS:
        return frozenset(each.encode_name for each in msgspec.structs.fields(RECORDS[field]))
    if field in _SCALARS:
        return frozenset()
    if field in ("severities", "pro_severities"):
        return frozenset((*DEFAULTS, *given.rules, *(parent.rules if parent is not None else ())))
    return None


def _check_taken(source: Source, given: PackFile, parent: PackFile | None) -> None:
    """Raises where an entry of nothing has nothing to take away."""
    for field in _ENTRIES:
        known = {} if parent is None else getattr(parent, field)
        for name, entry in getattr(given, field).items():
            if entry is None and name not in known:
                raise source.error((field, name), f"there is no `{name}` to take away{nearest(name, known)}")


def _check_complete(source: Source, given: PackFile) -> None:
    environments = given.environments
    missing = [name for name in ("environments", "risk", "costs") if getattr(given, name) is None]
    if environments is not None:
        missing += [
            f"environments.{name}"
            for name in ("production", "non_production", "needed_for")
            if getattr(environments, name) is None
        ]
    if missing:
        raise source.error((), f"a pack without `extends` needs {', '.join(f'`{name}`' for name in missing)}")


# -- merging


def _with_days(given: PackFile, parent: PackFile) -> PackFile:
    """The child with its parent's days of holidays, where it may not have newer ones."""
    calendars = dict(given.calendars)
    for name, entry in given.calendars.items():
        old = parent.calendars.get(name)
        if entry is None or old is None or entry.holidays is None or old.holidays is None:
            continue
        asked, known = entry.holidays, old.holidays
        same = (asked.country, asked.subdivision) == (known.country, known.subdivision)
        if same and asked.years is None and not is_open(parent, ("calendars", name)):
            calendars[name] = msgspec.structs.replace(entry, holidays=known)
    return msgspec.structs.replace(given, calendars=calendars)


def _merged(given: PackFile, parent: PackFile) -> PackFile:
    """The child over its parent: entry by entry, where an entry of nothing takes the parent's away."""
    changes: dict[str, Any] = {}
    for field in COLLECTIONS:
        merged = {**getattr(parent, field), **getattr(given, field)}
        changes[field] = {name: entry for name, entry in merged.items() if entry is not None}
    for field in (*RECORDS, *_SCALARS):
        if getattr(given, field) is None:
            changes[field] = getattr(parent, field)
    return msgspec.structs.replace(given, **changes)


# -- what loosens


Loosened = Iterator[tuple[Path_, str]]


def _loosened(given: PackFile, parent: PackFile) -> Loosened:
    """Every place where a child is looser than its parent, and in which way."""
    yield from _severities(given, parent)
    for field, judge in _JUDGES.items():
        known = getattr(parent, field)
        for name, entry in getattr(given, field).items():
            old = known.get(name)
            if entry is None:
                yield (field, name), "takes away what the parent has"
            elif entry != old:
                problem = judge(entry, old, parent)
                if problem:
                    yield (field, name), problem
    yield from _asked(given, parent)
    yield from _records(given, parent)
    yield from _scalars(given, parent)


def _severities(given: PackFile, parent: PackFile) -> Loosened:
    defaults = {**DEFAULTS, **{code: rule.severity for code, rule in parent.rules.items() if rule is not None}}
    for code, setting in given.severities.items():
        before = parent.severities.get(code, defaults.get(code))
        if before is not None and _SEVERITY.index(setting) < _SEVERITY.index(before):
            yield ("severities", code), f"`{setting}` is looser than `{before}`"
    for code, setting in given.pro_severities.items():
        raised = parent.pro_severities.get(code)
        if raised is not None and _SEVERITY.index(setting) < _SEVERITY.index(raised):
            yield ("pro_severities", code), f"`{setting}` is looser than `{raised}`"


def _narrower_scope(entry: ScopeEntry, old: ScopeEntry) -> str:
    for field in ("effects", "environments", "tools"):
        now, before = getattr(entry, field), getattr(old, field)
        lost = before - now
        if now and (not before or lost):
            return f"covers less than the parent's: {field} without {', '.join(sorted(lost)) or 'any'}"
    return ""


def _requirement(entry: RequirementEntry, old: RequirementEntry | None, parent: PackFile) -> str:
    if old is None:
        return ""
    lost = old.controls - entry.controls
    if lost:
        return f"asks for less than the parent's: without `{'`, `'.join(sorted(lost))}`"
    if entry.code != old.code:
        return "has another code than the parent's"
    return _narrower_scope(entry, old)


def _approval(entry: ApprovalEntry, old: ApprovalEntry | None, parent: PackFile) -> str:
    if old is None:
        return ""
    if entry.approvers < old.approvers:
        return f"asks for fewer approvers than the parent's {old.approvers}"
    if old.max_age and entry.max_age != old.max_age and not _younger(entry.max_age, old.max_age):
        return f"lets an approval grow older than the parent's {old.max_age}"
    if old.by and (not entry.by or _further(entry.by, old.by)):
        return "lets others approve than the parent does"
    return _narrower_scope(entry, old)


def _further(people: Iterable[str], known: Iterable[str]) -> bool:
    """Whether patterns may match somebody whom the known ones do not. A pattern that, read as a name, matches a known
    one matches nobody else than that one."""
    globs = [glob(each) for each in known]
    return any(not any(matches(pattern, each) for each in globs) for pattern in people)


def _younger(now: str, before: str) -> bool:
    one, other = duration_of(now.strip()), duration_of(before.strip())
    return one is not None and other is not None and one <= other


def _calendar(entry: CalendarEntry, old: CalendarEntry | None, parent: PackFile) -> str:
    if old is None:
        return "is a further window, which may be open"
    same = (entry.zone, entry.weekly, entry.holidays) == (old.zone, old.weekly, old.holidays)
    if same and set(old.freezes) <= set(entry.freezes) and set(entry.openings) <= set(old.openings):
        return ""
    return "is another calendar than the parent's: only freezes may be added and openings taken away"


def _asked(given: PackFile, parent: PackFile) -> Loosened:
    """Calendars that conditions of the parent ask: closing one more often could keep such a rule quiet."""
    for code, rule in parent.rules.items():
        for name in sorted(calendars_of(rule.when)) if rule is not None else ():
            changed = name in given.calendars and given.calendars[name] != parent.calendars.get(name)
            if changed and rule is not None and not holds_when_closed(rule.when, name):
                yield ("calendars", name), f"is asked by the condition of the parent's `{code}`"


def _tool(entry: ToolEntry, old: ToolEntry | None, parent: PackFile) -> str:
    before = old or ToolEntry()
    if entry.effects != before.effects:
        return "says what the tool does instead of its name (`adds` says what it does besides)"
    if before.adds - entry.adds:
        return f"takes away {', '.join(sorted(before.adds - entry.adds))}"
    more = entry.adds - before.adds
    if more and entry.adds <= HARMLESS:
        return f"adds only {', '.join(sorted(more))}, which may prove an action harmless that cannot be read otherwise"
    if old is None and parent.unknown_tools in ("defer", "deny"):
        return "registers a tool, and the parent stops those that it does not know"
    return ""


def _roles(entry: frozenset[str], old: frozenset[str] | None, parent: PackFile) -> str:
    more = entry - (old or frozenset())
    return f"includes {', '.join(f'`{role}`' for role in sorted(more))} as well" if more else ""


def _rule(entry: RuleEntry, old: RuleEntry | None, parent: PackFile) -> str:
    if old is None:
        return ""
    if entry.when != old.when:
        return "has another condition than the parent's: add a rule of your own instead"
    if _SEVERITY.index(entry.severity) < _SEVERITY.index(old.severity):
        return f"`{entry.severity}` is looser than `{old.severity}`"
    return ""


_JUDGES: Final[dict[str, Callable[[Any, Any, PackFile], str]]] = {
    "requirements": _requirement,
    "approvals": _approval,
    "calendars": _calendar,
    "tools": _tool,
    "roles": _roles,
    "rules": _rule,
}


def _records(given: PackFile, parent: PackFile) -> Loosened:
    if given.lanes is not None and parent.lanes is not None:
        for name in ("approval", "role", "counters"):
            now, before = getattr(given.lanes, name), getattr(parent.lanes, name)
            if _LANES.index(now) < _LANES.index(before):
                yield ("lanes", name), f"`{now}` is looser than `{before}`"
    if given.thresholds is not None and parent.thresholds is not None:
        for field in msgspec.structs.fields(type(given.thresholds)):
            now, before = getattr(given.thresholds, field.name), getattr(parent.thresholds, field.name)
            if now > before:
                yield ("thresholds", field.name), f"{now} is looser than {before}"
    if given.environments is not None and parent.environments is not None:
        yield from _environments(given.environments, parent.environments)


def _environments(given: EnvironmentsEntry, parent: EnvironmentsEntry) -> Loosened:
    none: frozenset[str] = frozenset()
    for name in ("production", "needed_for"):
        lost = (getattr(parent, name) or none) - (getattr(given, name) or none)
        if lost:
            yield ("environments", name), f"leaves out {', '.join(f'`{each}`' for each in sorted(lost))}"
    more = (given.non_production or none) - (parent.non_production or none)
    if more:
        yield ("environments", "non_production"), f"adds {', '.join(f'`{each}`' for each in sorted(more))}"
    if parent.absent and given.absent != parent.absent:
        yield ("environments", "absent"), "no longer takes an environment that is left out for production"


def _scalars(given: PackFile, parent: PackFile) -> Loosened:
    if given.observe and parent.observe is False:
        yield ("observe",), "lets keys only watch"
    if given.mcp_servers is not None and parent.mcp_servers is not None:
        more = given.mcp_servers - parent.mcp_servers
        if more:
            yield ("mcp_servers",), f"allows {', '.join(f'`{each}`' for each in sorted(more))}"
    before = parent.unknown_tools or "allow"
    if given.unknown_tools is not None and _UNKNOWN_TOOLS.index(given.unknown_tools) < _UNKNOWN_TOOLS.index(before):
        yield ("unknown_tools",), f"`{given.unknown_tools}` is looser than `{before}`"
    if given.workspace and not parent.workspace:
        yield ("workspace",), "takes changes inside of a work tree for ones that can be taken back"
    longest = duration_of((parent.valid_for or "").strip()) or VALID_FOR
    if given.valid_for is not None and (duration_of(given.valid_for.strip()) or 0) > longest:
        yield ("valid_for",), f"lets an ALLOW hold for longer than the parent's {parent.valid_for or '10m'}"


def check_codes(file: PackFile, error: Callable[[Path_, str], Exception]) -> None:
    """Raises where a severity names a code that there is not, or one that no pack changes."""
    known = {*DEFAULTS, *file.rules}
    for field in ("severities", "pro_severities"):
        for code in getattr(file, field):
            if code not in known:
                raise error((field, code), f"there is no rule `{code}`{nearest(code, known)}")
            if code == kill_switch.code:
                raise error((field, code), "always stops; a pack cannot change it: leave it out")
    for code in file.rules:
        if code in DEFAULTS:
            raise error(("rules", code), "is a built-in rule: choose another code, or set its severity")

"""Loading policy packs: YAML in, a checked `Pack` out. What is wrong is said with the file, the line and the field."""

from __future__ import annotations

import hashlib
import re
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from datetime import UTC, datetime
from functools import lru_cache
from pathlib import Path
from string import Formatter
from typing import Final, NamedTuple, TypeVar

import msgspec

from stage0.core.arguments.shell import Command, Commands, effects_named
from stage0.core.calendar import Calendar
from stage0.core.canonical import canonical
from stage0.core.canonical import digest as digest_of
from stage0.core.constraints import Control, ControlKind, Grammar, duration_of
from stage0.core.effects import EFFECTS
from stage0.core.facts import PRODUCTION
from stage0.core.interpret import Knowledge
from stage0.core.lexicon import Lexicon
from stage0.core.pack import ApprovalRule, Costs, Environments, Lanes, Pack, Patterns, Price, Requirement, Thresholds
from stage0.core.registry import EMPTY, Entry, Registry, glob
from stage0.core.rule import Rule, Severity
from stage0.core.toolname import ToolWords
from stage0.core.view import FACT_TYPES
from stage0.policy.calendars import CalendarError, calendar_of, with_holidays
from stage0.policy.conditions import CompiledConditions, ConditionError, check_condition
from stage0.policy.format import PackFile, RequirementEntry, RuleEntry
from stage0.policy.layers import check_codes, layered, plain_of
from stage0.policy.source import Path_, PolicyError, Source, dotted, nearest, read_source
from stage0.policy.words import load_lexicon
from stage0.policy.yaml import HERE, convert, read
from stage0.rules import RULES

T = TypeVar("T")

#: Gives a pack that another one extends, by `name` or `name@version`. Raises PolicyError.
Resolver = Callable[[str], "PackFile"]
#: How something wrong at a path is said.
Error = Callable[[Path_, str], PolicyError]

PACKS: Final = HERE / "packs"
#: Issues of an approval that is missing: those whose rules ask the pack.
_APPROVAL_CODES: Final = ("APPROVAL_REQUIRED", "DESTRUCTIVE_ACTION_REQUIRES_APPROVAL")
_SEVERITIES: Final[Mapping[str, Severity]] = {"low": "LOW", "medium": "MEDIUM", "high": "HIGH"}
_PATTERN_LIMIT: Final = 256
#: A pack's name, or its name and version.
_PARENT: Final = re.compile(r"[a-z0-9][a-z0-9._-]{0,62}(?:@[A-Za-z0-9][A-Za-z0-9._+-]{0,62})?")


def _at_once() -> None:
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


class Loaded(NamedTuple):
    """A pack with what it was made from: everything it has, its parents' things included."""

    file: PackFile
    pack: Pack
    source: Source


class ConstraintFile(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """`constraints.yaml`: kinds of controls, and words of conditions."""

    kinds: tuple[ControlKind, ...]
    conditions: dict[str, frozenset[str]]


def load_pack(path: Path) -> Pack:
    """The pack of a file or folder. Raises PolicyError with the file, the line, the field and what to do."""
    return load(path).pack


def load(path: Path, resolve: Resolver | None = None) -> Loaded:
    """Load a pack of a file or folder. A parent is one that ships, or stands beside it. Raises PolicyError."""
    return loaded(read_source(path), resolve or _beside(path))


def loaded(source: Source, resolve: Resolver) -> Loaded:
    """A pack as it is written, over its parents, and checked. Raises PolicyError."""
    parent = _parent(source, resolve)
    file = _with_holidays(layered(source, parent), source.error)
    if parent is not None:
        file = msgspec.structs.replace(file, extends=f"{parent.name}@{parent.version}")
    pack = _pack_of(file, source.error)
    return Loaded(file, msgspec.structs.replace(pack, digest=_digest(content_of(file))), source)


def _parent(source: Source, resolve: Resolver) -> PackFile | None:
    """The pack that another one extends; None where it extends none. Raises PolicyError."""
    wanted = source.plain.get("extends")
    if not wanted:
        return None
    if not isinstance(wanted, str) or not _PARENT.fullmatch(wanted):
        raise source.error(("extends",), f"`{wanted}` is no name of a pack, such as `stage0-default`")
    name = source.plain.get("name")
    if wanted.partition("@")[0] == name:
        raise source.error(("extends",), f"`{wanted}` is this pack itself: extend another one")
    try:
        return resolve(wanted)
    except PolicyError as error:
        raise source.error(("extends",), str(error)) from None


def _beside(path: Path, seen: tuple[Path, ...] = ()) -> Resolver:
    """Finds parents among the packs that ship, and beside a pack."""

    def resolve(wanted: str) -> PackFile:
        name, _, version = wanted.partition("@")
        here = (*seen, path.resolve())
        if name in shipped_names():
            found = shipped_file(name)
        else:
            candidates = [path.parent / name, path.parent / f"{name}.yaml", path.parent / f"{name}.yml"]
            at = next((each for each in candidates if each.exists()), None)
            if at is None:
                raise PolicyError(
                    f"there is no pack `{name}` beside this one, and none that ships{nearest(name, shipped_names())}"
                )
            if at.resolve() in here:
                raise PolicyError(f"`{name}` leads back to this pack: extend another one")
            found = loaded(read_source(at), _beside(at, here)).file
        if version and version != found.version:
            raise PolicyError(f"`{name}` is at version `{found.version}` here, not `{version}`")
        return found

    return resolve


def resolver_of(find: Callable[[str], PackFile | None]) -> Resolver:
    """Finds parents among the packs that ship, and by `find`, which gives None for one that is not there."""

    def resolve(wanted: str) -> PackFile:
        name, _, version = wanted.partition("@")
        if name in shipped_names():
            found: PackFile | None = shipped_file(name)
            if version and found is not None and found.version != version:
                raise PolicyError(f"`{name}` is at version `{found.version}` here, not `{version}`")
        else:
            found = find(wanted)
        if found is None:
            raise PolicyError(
                f"there is no pack `{wanted}` in this account: push it first{nearest(name, shipped_names())}"
            )
        return found

    return resolve


# -- stored packs


def content_of(file: PackFile) -> bytes:
    """A pack with everything it has, as it is stored: it decides the same for ever, whatever becomes of its parents."""
    return canonical(plain_of(file))


def pack_of_content(content: bytes, *, between: Callable[[], None] = _at_once) -> Pack:
    """A stored pack. Raises PolicyError where this version cannot use it any more.

    `between` is called between pieces of work that nothing else in the process can interrupt."""
    file = file_of_content(content)
    between()

    def error(path: Path_, message: str) -> PolicyError:
        return PolicyError(f"{file.name}@{file.version}: {dotted(path)}: {message}")

    return msgspec.structs.replace(_pack_of(file, error, between), digest=_digest(content))


def _digest(content: bytes) -> str:
    return hashlib.sha256(content).hexdigest()


def file_of_content(content: bytes) -> PackFile:
    """A stored pack as it was written, its parents' things included. Raises PolicyError."""
    try:
        return msgspec.json.decode(content, type=PackFile)
    except (msgspec.DecodeError, UnicodeDecodeError) as error:
        raise PolicyError(f"a stored pack cannot be read any more: {error}") from error


# -- checking


def _pack_of(file: PackFile, error: Error, between: Callable[[], None] = _at_once) -> Pack:
    """The pack that a file with all its fields describes, but for its digest. Raises PolicyError."""
    known = shipped_knowledge()
    check_codes(file, error)
    calendars = _calendars(file, error)
    environments, risk, costs = file.environments, file.risk, file.costs
    if environments is None or risk is None or costs is None:
        raise error((), "lacks environments, risk or costs")
    for field, effects in (("risk", risk.effects), ("costs", costs.effects)):
        for effect in effects:
            if effect not in EFFECTS:
                raise error((field, "effects", effect), f"there is no effect `{effect}`{nearest(effect, EFFECTS)}")
    _check_prices(costs, error)
    production = _production(environments.production or (), known)
    own = _own_rules(file, calendars, error, between)
    requirements = tuple(_requirements(file, calendars, known, production, error))
    return Pack(
        name=file.name,
        version=file.version,
        digest="",
        severities=file.severities,
        pro_severities=file.pro_severities,
        requirements=requirements,
        approvals=tuple(_approvals(file, known, production, error)),
        lanes=file.lanes or Lanes(),
        calendars=calendars,
        thresholds=file.thresholds or Thresholds(),
        observe=file.observe is not False,
        environments=Environments(
            production=production,
            non_production=_names(environments.non_production or ()),
            needed_for=frozenset(environments.needed_for or ()),
            absent=environments.absent or "",
        ),
        risk=risk,
        costs=costs,
        rules=RULES,
        by_code={rule.code: rule for rule in (*RULES, *own)},
        knowledge=known.with_registry(_registry(file, known, error, between)) if file.tools else known,
        own=own,
        conditions=_conditions(file, own, between) if own else None,
        roles=_roles(file, error),
        mcp_servers=file.mcp_servers,
        unknown_tools=file.unknown_tools or "allow",
        imposes=any(requirement.controls for requirement in requirements),
    )


def _conditions(file: PackFile, own: Sequence[Rule], between: Callable[[], None]) -> CompiledConditions:
    placeholders = {name for rule in own for name in rule.names}
    return CompiledConditions([_entry(file, rule.code).when for rule in own], placeholders, between=between)


def _entry(file: PackFile, code: str) -> RuleEntry:
    entry = file.rules[code]
    assert entry is not None  # noqa: S101 -- layers have taken those away
    return entry


def _check_prices(costs: Costs, error: Error) -> None:
    prices: dict[Path_, Price] = {("evaluation",): costs.evaluation}
    prices.update({("effects", name): price for name, price in costs.effects.items()})
    for path, price in prices.items():
        if not 0 <= price.min <= price.max < float("inf"):
            raise error(("costs", *path), f"`{price.min}` to `{price.max}` is no price: 0 or more, from least to most")


def _production(names: Iterable[str], known: Knowledge) -> frozenset[str]:
    """Names of production as they are compared, also folded: another way to write one is no way out."""
    plain = _names(names)
    return plain | {known.lexicon.fold(name).text.strip() for name in plain}


def _with_holidays(file: PackFile, error: Error) -> PackFile:
    year = datetime.now(UTC).year
    calendars = {}
    for name, entry in file.calendars.items():
        try:
            calendars[name] = entry if entry is None else with_holidays(entry, year)
        except CalendarError as problem:
            raise error(("calendars", name, *problem.path), str(problem)) from None
    return msgspec.structs.replace(file, calendars=calendars)


def _calendars(file: PackFile, error: Error) -> dict[str, Calendar]:
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


def _requirements(
    file: PackFile, calendars: Mapping[str, Calendar], known: Knowledge, production: frozenset[str], error: Error
) -> Iterable[Requirement]:
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
            environments=_places(entry.environments, production),
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


def _approvals(file: PackFile, known: Knowledge, production: frozenset[str], error: Error) -> Iterable[ApprovalRule]:
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
            environments=_places(entry.environments, production),
            tools=_tool_patterns(entry.tools, known, error, (*path, "tools")),
            approvers=entry.approvers,
            max_age=age,
            by=_patterns(entry.by, error, (*path, "by")),
        )


def _names(environments: Iterable[str]) -> frozenset[str]:
    return frozenset(name.strip().lower() for name in environments)


def _places(environments: Iterable[str], production: frozenset[str]) -> frozenset[str]:
    """The environments of a scope: who names production by one of its names means it by all of them."""
    names = _names(environments)
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


def _registry(file: PackFile, known: Knowledge, error: Error, between: Callable[[], None]) -> Registry:
    entries = []
    for pattern, entry in file.tools.items():
        path: Path_ = ("tools", pattern)
        _check_pattern(pattern, error, path)
        if entry is None:
            continue
        if entry.effects is not None and not entry.effects:
            raise error((*path, "effects"), "no tool does nothing: say `read` or `compute`, or leave it out")
        effects = None if entry.effects is None else frozenset[str](entry.effects)
        entries.append(Entry(pattern, effects, frozenset(entry.adds), entry.owner, entry.risk))
    return Registry(_in_pieces(entries, _ENTRIES, between), known.spellings) if entries else EMPTY


def _roles(file: PackFile, error: Error) -> dict[str, frozenset[str]]:
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


def _own_rules(
    file: PackFile, calendars: Mapping[str, Calendar], error: Error, between: Callable[[], None]
) -> tuple[Rule, ...]:
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
                check=None,
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


# -- what ships


@lru_cache(maxsize=1)
def shipped_knowledge() -> Knowledge:
    """Lexicon, constraint grammar, tool words and commands, as shipped."""
    lexicon = load_lexicon()
    wording = convert(read(HERE / "constraints.yaml"), ConstraintFile, "constraints.yaml")
    try:
        grammar = Grammar(wording.kinds, wording.conditions, lexicon)
    except ValueError as error:
        raise PolicyError(f"constraints.yaml: {error}") from error
    commands = load_commands(HERE / "commands.yaml", lexicon)
    declared = convert(read(HERE / "declared.yaml"), dict[str, tuple[str, ...]], "declared.yaml")
    folded = {lexicon.fold(text).text: effects for text, effects in declared.items()}
    words = convert(read(HERE / "tools.yaml"), ToolWords, "tools.yaml")
    return Knowledge(lexicon, grammar, commands, words, folded, _version())


def load_commands(path: Path, lexicon: Lexicon) -> Commands:
    """Load a table of commands. Raises PolicyError with the command and what is wrong with it."""
    table = convert(read(path), dict[str, Command], path.name)
    for name, effect in effects_named(table):
        if effect not in EFFECTS:
            raise PolicyError(f"{path.name}: {name}: unknown effect `{effect}`; known are {', '.join(EFFECTS)}")
    try:
        return Commands(table, lexicon)
    except ValueError as error:
        raise PolicyError(f"{path.name}: {error}") from error


def _version() -> str:
    """A digest of every file that interpretation rests on."""
    files = [HERE / name for name in ("constraints.yaml", "commands.yaml", "declared.yaml", "tools.yaml")]
    texts = [path.read_text(encoding="utf-8") for path in (*files, *sorted((HERE / "lexicon").glob("*.yaml")))]
    return digest_of(texts)[:16]


@lru_cache(maxsize=1)
def shipped_names() -> tuple[str, ...]:
    """The names of the packs that ship: each is a folder with a pack and its suite."""
    return tuple(sorted(path.parent.name for path in PACKS.glob("*/pack.yaml")))


@lru_cache(maxsize=64)
def shipped_file(name: str) -> PackFile:
    """A pack that ships, its parents' things included."""
    return load(PACKS / name).file


@lru_cache(maxsize=1)
def shipped_packs() -> Mapping[str, Pack]:
    """The packs that ship, by name."""
    return {name: load_pack(PACKS / name) for name in shipped_names()}

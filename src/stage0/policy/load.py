"""Loading policy packs: YAML in, a checked `Pack` out. What is wrong is said with the file, the line and the field."""

from __future__ import annotations

import hashlib
import re
from collections.abc import Callable, Mapping
from functools import lru_cache
from pathlib import Path
from typing import Final, NamedTuple

import msgspec

from stage0.core.canonical import canonical
from stage0.core.pack import Environments, Lanes, Pack, Thresholds
from stage0.knowledge.load import shipped_knowledge, shipped_workspace
from stage0.knowledge.source import Path_, PolicyError, Source, join_path, nearest, read_source
from stage0.policy.entries import (
    Error,
    approvals_of,
    at_once,
    calendars_of_pack,
    check_prices,
    conditions_of,
    environment_names,
    holidays_filled_in,
    own_rules_of,
    production_names,
    registry_of,
    requirements_of,
    roles_of,
    valid_for_of,
)
from stage0.policy.format import PackFile
from stage0.policy.layers import check_codes, plain_of, put_in_layers
from stage0.rules import RULES

#: Gives a pack that another one extends, by `name` or `name@version`. Raises PolicyError.
Resolver = Callable[[str], "PackFile"]

PACKS: Final = Path(__file__).parent / "packs"

#: A pack's name, or its name and version.
_PARENT: Final = re.compile(r"[a-z0-9][a-z0-9._-]{0,62}(?:@[A-Za-z0-9][A-Za-z0-9._+-]{0,62})?")


class Loaded(NamedTuple):
    """A pack with what it was made from: everything it has, its parents' things included."""

    file: PackFile
    pack: Pack
    source: Source


def load_pack(path: Path) -> Pack:
    """The pack of a file or folder. Raises PolicyError with the file, the line, the field and what to do."""
    return load(path).pack


def load(path: Path, resolve: Resolver | None = None) -> Loaded:
    """Load a pack of a file or folder. A parent is one that ships, or stands beside it. Raises PolicyError."""
    return loaded(read_source(path), resolve or _beside(path))


def loaded(source: Source, resolve: Resolver) -> Loaded:
    """A pack as it is written, over its parents, and checked. Raises PolicyError."""
    parent = _parent(source, resolve)
    file = holidays_filled_in(put_in_layers(source, parent), source.error)
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


def pack_of_content(content: bytes, *, between: Callable[[], None] = at_once) -> Pack:
    """A stored pack. Raises PolicyError where this version cannot use it any more.

    `between` is called between pieces of work that nothing else in the process can interrupt."""
    file = file_of_content(content)
    between()

    def error(path: Path_, message: str) -> PolicyError:
        return PolicyError(f"{file.name}@{file.version}: {join_path(path)}: {message}")

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


def _pack_of(file: PackFile, error: Error, between: Callable[[], None] = at_once) -> Pack:
    """The pack that a file with all its fields describes, but for its digest. Raises PolicyError."""
    known = shipped_knowledge()
    check_codes(file, error)
    calendars = calendars_of_pack(file, error)
    environments, risk, costs = file.environments, file.risk, file.costs
    if environments is None or risk is None or costs is None:
        raise error((), "lacks environments, risk or costs")
    check_prices(costs, error)
    production = production_names(environments.production or (), known)
    own = own_rules_of(file, calendars, error, between)
    requirements = tuple(requirements_of(file, calendars, known, production, error))
    return Pack(
        name=file.name,
        version=file.version,
        digest="",
        severities=file.severities,
        pro_severities=file.pro_severities,
        requirements=requirements,
        approvals=tuple(approvals_of(file, known, production, error)),
        lanes=file.lanes or Lanes(),
        calendars=calendars,
        thresholds=file.thresholds or Thresholds(),
        observe=file.observe is not False,
        environments=Environments(
            production=production,
            non_production=environment_names(environments.non_production or ()),
            needed_for=frozenset(environments.needed_for or ()),
            absent=environments.absent or "",
        ),
        risk=risk,
        costs=costs,
        rules=RULES,
        by_code={rule.code: rule for rule in (*RULES, *own)},
        knowledge=known.with_registry(registry_of(file, known, error, between)) if file.tools else known,
        own=own,
        conditions=conditions_of(file, own, between) if own else None,
        roles=roles_of(file, error),
        mcp_servers=file.mcp_servers,
        unknown_tools=file.unknown_tools or "allow",
        valid_for=valid_for_of(file, error),
        workspace=shipped_workspace() if file.workspace else None,
        imposes=any(requirement.controls for requirement in requirements),
    )


# -- what ships


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

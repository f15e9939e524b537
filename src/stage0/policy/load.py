"""Loading policy packs: YAML in, a checked `Pack` out. What is wrong is said with the file and the field."""

from __future__ import annotations

from collections.abc import Mapping
from functools import lru_cache
from pathlib import Path
from typing import Any

import msgspec

from stage0.core.arguments.shell import Command, Commands, effects_named
from stage0.core.canonical import digest
from stage0.core.constraints import ControlKind, Grammar
from stage0.core.effects import EFFECTS
from stage0.core.interpret import Knowledge
from stage0.core.lexicon import Lexicon
from stage0.core.pack import (
    Costs,
    Environments,
    Lanes,
    Pack,
    Requirement,
    RiskWeights,
    SeveritySetting,
    Thresholds,
    Window,
)
from stage0.core.rule import Rule
from stage0.core.toolname import ToolWords
from stage0.policy.words import load_lexicon
from stage0.policy.yaml import HERE, PolicyError, convert, read
from stage0.rules import RULES
from stage0.rules.kill_switch import kill_switch


class PackFile(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """One file of `packs/`, after its `extends` has been filled in."""

    name: str
    version: str
    requirements: tuple[Requirement, ...]
    approval_max_age: dict[str, float]
    windows: dict[str, Window]
    environments: Environments
    risk: RiskWeights
    costs: Costs
    severities: dict[str, SeveritySetting] = {}
    pro_severities: dict[str, SeveritySetting] = {}
    lanes: Lanes = Lanes()
    thresholds: Thresholds = Thresholds()
    observe: bool = True
    extends: str = ""


class ConstraintFile(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """`constraints.yaml`: kinds of controls, and words of conditions."""

    kinds: tuple[ControlKind, ...]
    conditions: dict[str, frozenset[str]]


def load_pack(path: Path) -> Pack:
    """Load a pack file. Raises PolicyError with the file, the field and what to do."""
    content = _extended(read(path), path)
    file = convert(content, PackFile, path.name)
    by_code = {rule.code: rule for rule in RULES}
    _check(file, by_code, path.name)
    known = shipped_knowledge()
    return Pack(
        name=file.name,
        version=file.version,
        digest=digest(content),
        severities=file.severities,
        pro_severities=file.pro_severities,
        requirements=file.requirements,
        approval_max_age=file.approval_max_age,
        lanes=file.lanes,
        windows=file.windows,
        thresholds=file.thresholds,
        observe=file.observe,
        environments=file.environments,
        risk=file.risk,
        costs=file.costs,
        rules=RULES,
        by_code=by_code,
        knowledge=known,
    )


def _extended(content: Any, path: Path, seen: tuple[Path, ...] = ()) -> dict[str, Any]:
    """A child's fields over its parent's: mappings are merged one level deep, everything else is replaced."""
    if not isinstance(content, dict):
        raise PolicyError(f"{path.name}: a pack is a mapping, this is a `{type(content).__name__}`")
    parent_name = content.get("extends")
    if not parent_name:
        return content
    parent_path = path.with_name(f"{str(parent_name).removeprefix('stage0-')}.yaml")
    if parent_path in (path, *seen):
        raise PolicyError(f"{path.name}: extends: `{parent_name}` leads back to this pack; extend another one")
    parent = _extended(read(parent_path), parent_path, (path, *seen))
    merged = dict(parent)
    for key, value in content.items():
        inherited = parent.get(key)
        merged[key] = {**inherited, **value} if isinstance(inherited, dict) and isinstance(value, dict) else value
    return merged


def _check(file: PackFile, by_code: Mapping[str, Rule], name: str) -> None:
    for field in ("severities", "pro_severities"):
        for code in getattr(file, field):
            if code not in by_code:
                raise PolicyError(f"{name}: {field}: unknown rule `{code}`; `stage0 catalog` lists them")
            if code == kill_switch.code:
                raise PolicyError(f"{name}: {field}: `{code}` always stops; a pack cannot change it: leave it out")
    for requirement in file.requirements:
        if requirement.code not in by_code:
            raise PolicyError(f"{name}: requirements: unknown rule `{requirement.code}`")
    effects = set(file.risk.effects) | set(file.costs.effects) | set(file.approval_max_age)
    effects |= set(file.environments.needed_for) | {e for r in file.requirements for e in r.effects}
    for effect in sorted(effects - set(EFFECTS)):
        raise PolicyError(f"{name}: unknown effect `{effect}`; known are {', '.join(EFFECTS)}")
    for window_name, window in file.windows.items():
        if not window.days or not set(window.days) <= set(range(1, 8)) or not 0 <= window.opens < window.closes <= 24:
            raise PolicyError(f"{name}: windows.{window_name} never opens: days are 1 to 7, hours 0 to 24")


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
    return digest(texts)[:16]


@lru_cache(maxsize=1)
def shipped_packs() -> Mapping[str, Pack]:
    """The packs that ship, by name."""
    packs = [load_pack(path) for path in sorted((HERE / "packs").glob("*.yaml"))]
    return {pack.name: pack for pack in packs}

"""What interpretation rests on, as it ships: lexicon, constraint grammar, tables of commands and tool words."""

from __future__ import annotations

import hashlib
from collections import Counter
from collections.abc import Mapping
from functools import lru_cache
from pathlib import Path
from typing import Any, Final

import msgspec

from stage0.knowledge.source import PolicyError
from stage0.knowledge.words import load_lexicon
from stage0.knowledge.yaml import HERE, convert, read
from stage0.reading.constraints import ControlKind, Grammar
from stage0.reading.effects import Effect
from stage0.reading.interpret import Knowledge
from stage0.reading.names import NameReader, ToolWords
from stage0.reading.shell.lines import Commands
from stage0.reading.shell.table import Command, parse_command
from stage0.reading.workspace import Table


@lru_cache(maxsize=1)
def shipped_workspace() -> Table:
    """What is known of checked-out trees."""
    return convert(read(HERE / "workspace.yaml"), Table, "workspace.yaml")


class ConstraintFile(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """`constraints.yaml`: kinds of controls, and words of conditions."""

    kinds: tuple[ControlKind, ...]
    conditions: dict[str, frozenset[Effect]]


@lru_cache(maxsize=1)
def shipped_knowledge() -> Knowledge:
    """Lexicon, constraint grammar, tool words and commands, as shipped."""
    return load_knowledge(HERE)


def load_knowledge(folder: Path) -> Knowledge:
    """Load every table of a folder. Raises PolicyError with the file and what is wrong with it, such as an effect that
    there is not."""
    lexicon = load_lexicon(folder / "lexicon")
    wording = convert(read(folder / "constraints.yaml"), ConstraintFile, "constraints.yaml")
    try:
        grammar = Grammar(wording.kinds, wording.conditions, lexicon)
    except ValueError as error:
        raise PolicyError(f"constraints.yaml: {error}") from error
    declared = convert(read(folder / "declared.yaml"), dict[str, tuple[Effect, ...]], "declared.yaml")
    folded = {lexicon.fold(text).text: effects for text, effects in declared.items()}
    words = convert(read(folder / "tools.yaml"), ToolWords, "tools.yaml")
    names = NameReader(lexicon, words)
    commands = load_commands(folder / "commands.yaml", names)
    return Knowledge(lexicon, grammar, commands, names, folded, _version(folder))


def load_commands(path: Path, names: NameReader) -> Commands:
    """Load a table of commands. Raises PolicyError with the command and what is wrong with it."""
    written = convert(read(path), dict[str, dict[str, Any]], path.name)
    counted = Counter(name for together in written for name in together.split("|"))
    twice = sorted(name for name, times in counted.items() if times > 1)
    if twice:
        raise PolicyError(f"{path.name}: {', '.join(twice)} stands there twice")
    table = {
        name: _parse_command(command, f"{path.name}: {together}")
        for together, command in written.items()
        for name in together.split("|")
    }
    try:
        return Commands(table, names)
    except ValueError as error:
        raise PolicyError(f"{path.name}: {error}") from error


def _parse_command(written: Mapping[str, Any], name: str) -> Command:
    try:
        return parse_command(written)
    except msgspec.ValidationError as error:
        raise PolicyError(f"{name}: {error}") from error


def _version(folder: Path) -> str:
    """A digest of what every file says that interpretation rests on; comments are left out."""
    files = [
        folder / name for name in ("constraints.yaml", "commands.yaml", "declared.yaml", "tools.yaml", "workspace.yaml")
    ]
    said = [read(path) for path in (*files, *sorted((folder / "lexicon").glob("*.yaml")))]
    return hashlib.sha256(msgspec.json.encode(said)).hexdigest()[:16]


#: Versions that say the same in other words: comments, names of fields. A record that was read with one of them is read
#: alike by the version that it stands under. Where what is said changes, so does the version, and nothing stands here.
SAME: Final[Mapping[str, frozenset[str]]] = {}


def reads_alike(recorded: str, present: str) -> bool:
    """Whether what was read with one version of the knowledge is read the same by another one."""
    return recorded == present or recorded in SAME.get(present, ())

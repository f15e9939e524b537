"""What interpretation rests on, as it ships: lexicon, constraint grammar, tables of commands and tool words."""

from __future__ import annotations

from functools import lru_cache
from pathlib import Path
from typing import Any

import msgspec

from stage0.core.canonical import digest
from stage0.knowledge.source import PolicyError
from stage0.knowledge.words import load_lexicon
from stage0.knowledge.yaml import HERE, convert, read
from stage0.reading.constraints import ControlKind, Grammar
from stage0.reading.effects import Effect
from stage0.reading.interpret import Knowledge
from stage0.reading.prose.lexicon import Lexicon
from stage0.reading.shell.lines import Command, Commands
from stage0.reading.toolname import ToolWords


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
    commands = load_commands(folder / "commands.yaml", lexicon)
    declared = convert(read(folder / "declared.yaml"), dict[str, tuple[Effect, ...]], "declared.yaml")
    folded = {lexicon.fold(text).text: effects for text, effects in declared.items()}
    words = convert(read(folder / "tools.yaml"), ToolWords, "tools.yaml")
    return Knowledge(lexicon, grammar, commands, words, folded, _version(folder))


def load_commands(path: Path, lexicon: Lexicon) -> Commands:
    """Load a table of commands. Raises PolicyError with the command and what is wrong with it."""
    written = convert(read(path), dict[str, dict[str, Any]], path.name)
    table = {name: convert(command, Command, f"{path.name}: {name}") for name, command in written.items()}
    try:
        return Commands(table, lexicon)
    except ValueError as error:
        raise PolicyError(f"{path.name}: {error}") from error


def _version(folder: Path) -> str:
    """A digest of every file that interpretation rests on."""
    files = [folder / name for name in ("constraints.yaml", "commands.yaml", "declared.yaml", "tools.yaml")]
    texts = [path.read_text(encoding="utf-8") for path in (*files, *sorted((folder / "lexicon").glob("*.yaml")))]
    return digest(texts)[:16]

"""All of a call's arguments: which parser reads which, by the argument's name and shape."""

from __future__ import annotations

import re
import shlex
from collections.abc import Iterator
from typing import Any, Final

import msgspec

from stage0.core.arguments.http import read_method
from stage0.core.arguments.path import read_path
from stage0.core.arguments.reading import TEXT_LIMIT, UNREAD, ArgumentReading
from stage0.core.arguments.shell import Commands, read_shell
from stage0.core.arguments.sql import read_sql
from stage0.core.effects import Sighting, Span
from stage0.core.lexicon import Lexicon, split_words

#: By the last word of an argument's name. Always SQL; under `query` stands any language, so there the text itself
#: must look like it.
_SQL_NAMES: Final = frozenset({"sql", "statement", "statements", "ddl", "dml"})
_QUERY_NAMES: Final = frozenset({"query", "queries", "q"})
_SHELL_NAMES: Final = frozenset({"command", "commands", "cmd", "script", "bash", "shell", "argv"})
_METHOD_NAMES: Final = frozenset({"method", "verb"})
_PATH_NAMES: Final = frozenset({"path", "paths", "file", "files", "filename", "filepath", "source", "uri", "target"})
_CODE_NAMES: Final = frozenset({"code", "python", "javascript"})
_SQL_WORDS: Final = frozenset(
    [
        "select",
        "insert",
        "update",
        "delete",
        "drop",
        "create",
        "alter",
        "truncate",
        "grant",
        "revoke",
        "with",
        "merge",
        "copy",
        "replace",
        "call",
        "exec",
        "execute",
        "begin",
        "explain",
        "show",
        "describe",
        "set",
        "vacuum",
        "attach",
        "pragma",
        "use",
        "declare",
        "do",
        "lock",
        "rename",
        "load",
        "handler",
        "optimize",
        "flush",
        "kill",
        "reset",
        "values",
        "analyze",
        "prepare",
        "if",
        "commit",
        "rollback",
        "comment",
        "import",
        "export",
        "unload",
        "refresh",
    ]
)
_FIRST_WORD: Final = re.compile(r"[a-zA-Z]+")
#: Characters of all arguments together that are read; more is said to be unread rather than cut.
_BUDGET: Final = 65_536
#: How many places are named where many are wrong.
_NAMED: Final = 20


class ArgumentsReading(msgspec.Struct, frozen=True):
    """What all arguments say together. `spoke` where a parser read at least one; `unread` where one could not."""

    sightings: tuple[Sighting, ...] = ()
    spoke: bool = False
    unread: tuple[str, ...] = ()
    environments: frozenset[str] = frozenset()
    given: bool = False


def read_arguments(arguments: dict[str, Any], commands: Commands, lexicon: Lexicon, path: str) -> ArgumentsReading:
    """Read every string of a call's arguments with the parser that its name and shape ask for."""
    sightings: dict[Sighting, None] = {}
    unread: dict[str, None] = {}
    spoke = False
    environments: set[str] = set()
    budget = _BUDGET
    for where, name, text in _strings(arguments, path, ""):
        if len(text) > TEXT_LIMIT:
            unread[where] = None
            continue
        budget -= len(text)
        if budget < 0:
            return ArgumentsReading(tuple(sightings), spoke, (path,), frozenset(environments))
        environments |= lexicon.environments(text)
        reading = _read_one(name, text, commands)
        if reading is None:
            continue
        if not reading.read:
            if len(unread) < _NAMED:
                unread[where] = None
            continue
        spoke = spoke or bool(reading.seen)
        for seen in reading.seen:
            span = Span(where, seen.start, seen.end, text[seen.start : seen.end][:200])
            sightings[Sighting(seen.effect, "arguments", span)] = None
    return ArgumentsReading(tuple(sightings), spoke, tuple(unread), frozenset(environments))


def _strings(value: object, path: str, name: str) -> Iterator[tuple[str, str, str]]:
    """Every string, with its path and the last word of its name. A list of words of a command is one line."""
    if isinstance(value, str):
        yield path, name, value
    elif isinstance(value, dict):
        for key, item in value.items():
            words = split_words(key)
            yield from _strings(item, f"{path}.{key}", words[-1] if words else "")
    elif isinstance(value, list):
        if value and name in _SHELL_NAMES and all(isinstance(item, str) for item in value):
            yield path, name, shlex.join(value)
            return
        for index, item in enumerate(value):
            yield from _strings(item, f"{path}[{index}]", name)


def _read_one(name: str, text: str, commands: Commands) -> ArgumentReading | None:
    """None where no parser is meant for this argument."""
    if name in _SHELL_NAMES:
        return read_shell(text, commands)
    if name in _SQL_NAMES or (name in _QUERY_NAMES and _looks_like_sql(text)):
        return read_sql(text)
    if name in _METHOD_NAMES:
        return read_method(text)
    if name in _PATH_NAMES:
        return read_path(text)
    if name in _CODE_NAMES:
        return UNREAD
    return None


def _looks_like_sql(text: str) -> bool:
    """Whether the first word, past comments and brackets, begins a statement."""
    at = 0
    while at < len(text):
        if text.startswith("--", at) or text[at] == "#":
            at = text.find("\n", at) + 1 or len(text)
        elif text.startswith("/*", at):
            at = text.find("*/", at + 2) + 2
            if at == 1:
                return True
        elif text[at].isspace() or text[at] in ";(":
            at += 1
        else:
            break
    word = _FIRST_WORD.match(text, at)
    return word is not None and word[0].lower() in _SQL_WORDS

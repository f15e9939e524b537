"""All of a call's arguments: which parser reads which, by the argument's name and shape."""

from __future__ import annotations

import re
from collections.abc import Iterator
from typing import Any, Final

import msgspec

from stage0.core.arguments.http import read_method
from stage0.core.arguments.path import read_path
from stage0.core.arguments.reading import TEXT_LIMIT, UNREAD, ArgumentReading
from stage0.core.arguments.shell import Commands, read_shell
from stage0.core.arguments.sql import read_sql
from stage0.core.effects import Sighting, Span
from stage0.core.lexicon import Lexicon

#: Always SQL; under `query` stands any language, so there the text itself must look like it.
_SQL_NAMES: Final = frozenset({"sql", "statement", "sql_query", "statements", "sql_statement", "ddl", "dml"})
_QUERY_NAMES: Final = frozenset({"query", "q", "queries"})
_SHELL_NAMES: Final = frozenset({"command", "cmd", "shell_command", "script", "bash", "commands"})
_METHOD_NAMES: Final = frozenset({"method", "http_method", "verb"})
_PATH_NAMES: Final = frozenset({"path", "file", "filename", "file_path", "filepath", "source", "paths", "files"})
_CODE_NAMES: Final = frozenset({"code", "source_code", "python", "javascript"})
_SQL_START: Final = re.compile(
    r"(?:[\s;(]|--[^\n]*\n|/\*[\s\S]*?\*/)*(?:select|insert|update|delete|drop|create|alter|truncate|grant|revoke|with|merge|copy"
    r"|replace|call|exec|execute|begin|explain|show|describe|set|vacuum|attach|pragma|use|declare|do|lock|rename|load|handler|optimize|flush|kill|reset)\b",
    re.IGNORECASE,
)


class ArgumentsReading(msgspec.Struct, frozen=True):
    """What all arguments say together. `spoke` where a parser read at least one; `unread` where one could not."""

    sightings: tuple[Sighting, ...] = ()
    spoke: bool = False
    unread: tuple[str, ...] = ()
    environments: frozenset[str] = frozenset()


def read_arguments(arguments: dict[str, Any], commands: Commands, lexicon: Lexicon, path: str) -> ArgumentsReading:
    """Read every string of a call's arguments with the parser that its name and shape ask for."""
    sightings: list[Sighting] = []
    unread: list[str] = []
    spoke = False
    environments: set[str] = set()
    for where, name, text in _strings(arguments, path, ""):
        environments |= lexicon.environments(text)
        reading = _read_one(name, text, commands)
        if reading is None:
            continue
        if not reading.read:
            unread.append(where)
            continue
        spoke = spoke or bool(reading.seen)
        sightings.extend(
            Sighting(seen.effect, "arguments", Span(where, seen.start, seen.end, text[seen.start : seen.end][:200]))
            for seen in reading.seen
        )
    return ArgumentsReading(tuple(dict.fromkeys(sightings)), spoke, tuple(unread), frozenset(environments))


def _strings(value: object, path: str, name: str) -> Iterator[tuple[str, str, str]]:
    if isinstance(value, str):
        yield path, name, value
    elif isinstance(value, dict):
        for key, item in value.items():
            yield from _strings(item, f"{path}.{key}", str(key).lower())
    elif isinstance(value, list):
        if value and all(isinstance(item, str) for item in value) and name in _SHELL_NAMES:
            yield path, name, " ".join(value)
            return
        for index, item in enumerate(value):
            yield from _strings(item, f"{path}[{index}]", name)


def _read_one(name: str, text: str, commands: Commands) -> ArgumentReading | None:
    """None where no parser is meant for this argument."""
    if name in _SHELL_NAMES:
        return read_shell(text, commands)
    if name in _SQL_NAMES or (name in _QUERY_NAMES and _SQL_START.match(text)):
        return read_sql(text)
    if name in _METHOD_NAMES and text.isalpha():
        return read_method(text)
    if name in _PATH_NAMES:
        return read_path(text)
    if name in _CODE_NAMES:
        return ArgumentReading((), read=False)
    return UNREAD if len(text) > TEXT_LIMIT else None

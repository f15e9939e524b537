"""Packs as they are written: a YAML file, or a folder of them, with the line of everything in it."""

from __future__ import annotations

import difflib
from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import Any, Final

import msgspec
from ruamel.yaml import YAML
from ruamel.yaml.comments import CommentedMap, CommentedSeq
from ruamel.yaml.constructor import RoundTripConstructor
from ruamel.yaml.error import MarkedYAMLError, YAMLError
from ruamel.yaml.nodes import ScalarNode
from ruamel.yaml.scalarbool import ScalarBoolean

#: The file of a folder that holds its cases, and the one that an empty folder is asked for.
SUITE: Final = "suite.yaml"
MAIN: Final = "pack.yaml"
#: Bytes of all files of a pack together.
SIZE_LIMIT: Final = 4_000_000
#: How deep values may lie in each other, and how many there may be, those that an alias repeats included.
_DEEPEST: Final = 64
_MOST: Final = 500_000
Path_ = tuple[str | int, ...]


class PolicyError(ValueError):
    """Policy data that cannot be used: which file and line, what is wrong, and what to do. In one line."""

    def __init__(self, message: str) -> None:
        super().__init__(" ".join(message.split()))


class Place(msgspec.Struct, frozen=True):
    """Where something is written: a file and a line, counted from 1."""

    file: str
    line: int

    def __str__(self) -> str:
        return f"{self.file}:{self.line}" if self.line else self.file


class Source(msgspec.Struct, frozen=True):
    """A pack as it is written: plain values, the place of every field, and the text of every file."""

    name: str
    plain: dict[str, Any]
    places: Mapping[Path_, Place]
    files: Mapping[str, str]

    def error(self, path: Path_, message: str) -> PolicyError:
        """What is wrong at a path, with the place of what is nearest to it."""
        known = path
        while known and known not in self.places:
            known = known[:-1]
        place = self.places.get(known, Place(self.name, 0))
        return PolicyError(f"{place}: {join_path(path)}: {message}" if path else f"{place}: {message}")


def join_path(path: Path_) -> str:
    """A path as people write it: `rules.BIG_REFUND.when`, `weekly[0]`."""
    text = ""
    for part in path:
        text += f"[{part}]" if isinstance(part, int) else f".{part}" if text else part
    return text


def nearest(name: str, known: Iterable[str]) -> str:
    """The known name that is most like one that is not known, or what is known, as the end of a sentence."""
    names = sorted(known)
    shown = ", ".join(names[:40])
    return alike(name, names) or f"; known are {shown or 'none'}{', …' if len(names) > 40 else ''}"


def alike(name: str, known: Iterable[str]) -> str:
    """The known name that is most like one that is not known, as the end of a sentence; empty where none is."""
    names = sorted(known)
    found = difflib.get_close_matches(name, names, n=1, cutoff=0.6)
    if not found:
        folded = {each.casefold(): each for each in names}
        found = [folded[each] for each in difflib.get_close_matches(name.casefold(), list(folded), n=1, cutoff=0.6)]
    return f"; did you mean `{found[0]}`?" if found else ""


def rules_of(source: Source) -> tuple[str, ...]:
    """The codes of the rules that a pack itself writes."""
    written = source.plain.get("rules")
    return tuple(map(str, written)) if isinstance(written, dict) else ()


def read_source(path: Path) -> Source:
    """A pack's file or folder. Raises PolicyError."""
    return source_of(read_files(path), str(path.name))


def read_files(path: Path) -> dict[str, str]:
    """The texts of a pack's files, by name: of a folder every `*.yaml`. Raises PolicyError."""
    if path.is_dir():
        files = sorted(each for each in path.iterdir() if each.suffix in (".yaml", ".yml") and each.is_file())
        if not any(each.name != SUITE for each in files):
            raise PolicyError(f"{path.name}: holds no pack: a folder has a `{MAIN}`")
    else:
        files = [path]
    texts = {}
    for each in files:
        try:
            texts[each.name] = each.read_text(encoding="utf-8")
        except (OSError, UnicodeDecodeError) as error:
            raise PolicyError(f"{each.name}: cannot be read: {error}") from error
    return texts


def source_of(files: Mapping[str, str], name: str) -> Source:
    """A pack from the texts of its files. A field may be spread over several files, an entry stands in one."""
    if sum(map(len, files.values())) > SIZE_LIMIT:
        raise PolicyError(f"{name}: a pack has at most {SIZE_LIMIT:,} characters")
    plain: dict[str, Any] = {}
    places: dict[Path_, Place] = {}
    for file in sorted(files, key=lambda each: (each != MAIN, each)):
        if file == SUITE:
            continue
        content = parse(files[file], file)
        if not isinstance(content, dict):
            raise PolicyError(f"{file}: a pack is a mapping, this is a `{type(content).__name__}`")
        here = places_of(content, file, {key: len(value) for key, value in plain.items() if isinstance(value, list)})
        for key, value in plain_yaml(content).items():
            if not isinstance(key, str):
                raise PolicyError(f"{here[str(key),]}: `{key}` is no name of a field")
            plain[key] = _merged(plain[key], value, key, here) if key in plain else value
        places = {**here, **places}
    return Source(name, plain, places, dict(files))


class _Constructor(RoundTripConstructor):
    """Dates and times stay as they are written."""


def _as_written(constructor: RoundTripConstructor, node: ScalarNode) -> str:
    return str(node.value)


_Constructor.add_constructor("tag:yaml.org,2002:timestamp", _as_written)


def parse(text: str, file: str) -> Any:
    """The value of a YAML 1.2 text. Duplicate keys are refused. Raises PolicyError with the line."""
    loader = YAML(typ="rt", pure=True)
    loader.allow_duplicate_keys = False
    loader.preserve_quotes = True
    loader.Constructor = _Constructor
    try:
        value = loader.load(text)
    except MarkedYAMLError as error:
        mark = error.problem_mark or error.context_mark
        place = Place(file, mark.line + 1 if mark is not None else 0)
        problem = " ".join(str(error.problem or error).split())
        raise PolicyError(f"{place}: {problem}") from error
    except YAMLError as error:
        raise PolicyError(f"{file}: {error}") from error
    except ValueError as error:
        raise PolicyError(f"{file}: holds a value that is none: {str(error)[:200]}") from error
    except RecursionError:
        raise PolicyError(f"{file}: holds values more than {_DEEPEST} levels deep in each other") from None
    _check_size(value, file)
    return value


def _check_size(value: Any, file: str) -> None:
    """Raises PolicyError where a value lies too deep, or aliases make a short text a huge one."""
    # Not the walk of `reading.walk`: numbers and empty objects count as well, each before it is entered, and YAML's
    # parser gives its own kinds of object and list.
    waiting, seen = [(value, 0)], 0
    while waiting:
        item, depth = waiting.pop()
        seen += 1
        if depth > _DEEPEST:
            raise PolicyError(f"{file}: holds values more than {_DEEPEST} levels deep in each other")
        inner = item.values() if isinstance(item, dict) else item if isinstance(item, list) else ()
        waiting += [(each, depth + 1) for each in inner]
        if seen + len(waiting) > _MOST:
            raise PolicyError(f"{file}: holds more than {_MOST:,} values, those that its aliases repeat included")


def writer(*, listed: bool) -> YAML:
    """What writes a parsed text again, in one layout, with its comments; `listed` for one that is a list itself."""
    found = YAML(typ="rt", pure=True)
    found.width = 120
    found.indent(mapping=2, sequence=2 if listed else 4, offset=0 if listed else 2)
    return found


def _merged(one: Any, other: Any, key: str, here: Mapping[Path_, Place]) -> Any:
    if isinstance(one, dict) and isinstance(other, dict):
        twice = [name for name in other if name in one]
        if twice:
            place = here[key, str(twice[0])]
            raise PolicyError(f"{place}: {key}.{twice[0]}: another file of this pack has it, too")
        return {**one, **other}
    if isinstance(one, list) and isinstance(other, list):
        return [*one, *other]
    raise PolicyError(f"{here[key,]}: {key}: another file of this pack has it, too")


def places_of(content: Any, file: str, shifts: Mapping[str, int] | None = None) -> dict[Path_, Place]:
    """The place of everything in a parsed text. `shifts` are how many items of a list stand in other files."""
    places: dict[Path_, Place] = {(): Place(file, 1)}
    _place(content, (), file, places, shifts or {})
    return places


def _place(value: Any, path: Path_, file: str, places: dict[Path_, Place], shifts: Mapping[str, int]) -> None:
    """Note where each item stands; one that a merge key brings in stands where it is brought in."""
    if isinstance(value, CommentedMap):
        items = [((*path, str(key)), key, item) for key, item in value.items()]
    elif isinstance(value, CommentedSeq):
        first = shifts.get(str(path[0]), 0) if len(path) == 1 else 0
        items = [((*path, first + index), index, item) for index, item in enumerate(value)]
    else:
        return
    lines = value.lc.data or {}
    for here, key, item in items:
        places[here] = Place(file, lines[key][0] + 1) if key in lines else places[path]
        _place(item, here, file, places, shifts)


def plain_yaml(value: Any) -> Any:
    """Plain values of what the loader wraps to keep its form."""
    if isinstance(value, dict):
        return {plain_yaml(key): plain_yaml(item) for key, item in value.items()}
    if isinstance(value, list):
        return [plain_yaml(item) for item in value]
    if value is None or isinstance(value, bool):
        return value
    if isinstance(value, ScalarBoolean):
        return bool(value)
    for kind in (int, float, str):
        if isinstance(value, kind):
            return kind(value)
    return value

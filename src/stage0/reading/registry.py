"""The tool registry of a pack: what the tools that its owners know would do, and who answers for them."""

from __future__ import annotations

import re
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from typing import Final

import msgspec

from stage0.reading.effects import Effect
from stage0.reading.text.keeping import remember

#: What stands between the stars of a pattern.
Glob = tuple[str, ...]
#: A longer name than this hardly repeats (in characters).
_TOOL_NAME_LENGTH_MAX: Final = 256


class Entry(msgspec.Struct, frozen=True):
    """A registered tool, or all tools of a pattern (`*` stands for any text).

    `effects` are exactly what it does, whatever its name says; None leaves that to a less telling entry, or else to its
    name. `adds` come on top and take nothing away. `risk` are points of the risk score."""

    pattern: str
    effects: frozenset[Effect] | None = None
    adds: frozenset[Effect] = frozenset()
    owner: str = ""
    risk: int = 0


class Registered(msgspec.Struct, frozen=True):
    """What a registry says of one tool: the most telling entry, in which the next ones fill in what it leaves unsaid,
    and what all entries that match it add."""

    entry: Entry
    adds: tuple[Effect, ...]


class Registry:
    """Entries by pattern, found without trying them all: by the whole name, and by what stands before the first `*`."""

    def __init__(self, entries: Iterable[Entry], spellings: Callable[[str], Iterable[str]]) -> None:
        """`spellings` even out how a name is written: by one of them an entry may add an effect, only by the name as it
        is written does it take one away."""
        self._spellings = spellings
        self._exact: dict[str, Entry] = {}
        self._folded: dict[str, list[Entry]] = {}
        self._stems: dict[str, list[tuple[Glob, Entry]]] = {}
        self._folded_stems: dict[str, list[tuple[Glob, Entry]]] = {}
        added = []
        for entry in entries:
            self._add(entry)
            added.append(entry)
        self.entries = tuple(added)
        self._lengths = sorted({len(stem) for stem in self._stems}, reverse=True)
        self._folded_lengths = sorted({len(stem) for stem in self._folded_stems}, reverse=True)
        self.find = remember(longest=_TOOL_NAME_LENGTH_MAX)(self._find) if self.entries else _nothing

    def _add(self, entry: Entry) -> None:
        pattern = entry.pattern
        if "*" in pattern:
            self._stems.setdefault(pattern.partition("*")[0], []).append((glob(pattern), entry))
        else:
            self._exact[pattern] = entry
        for spelling in self._spellings(pattern) if entry.adds else ():
            if "*" in pattern:
                self._folded_stems.setdefault(spelling.partition("*")[0], []).append((glob(spelling), entry))
            else:
                self._folded.setdefault(spelling, []).append(entry)

    def _find(self, name: str) -> Registered | None:
        """What is registered for a tool; None where nothing matches its name as it is written."""
        matching = self._matching(name)
        adds = {effect for entry in matching for effect in entry.adds}
        for spelling in self._spellings(name):
            for entry in self._adding(spelling):
                adds |= entry.adds
        if not matching:
            return Registered(_UNREGISTERED, tuple(sorted(adds))) if adds else None
        return Registered(_together(matching), tuple(sorted(adds)))

    def _adding(self, spelling: str) -> Iterator[Entry]:
        yield from self._folded.get(spelling, ())
        for length in self._folded_lengths:
            for pattern, entry in self._folded_stems.get(spelling[:length], ()) if length <= len(spelling) else ():
                if matches(spelling, pattern):
                    yield entry

    def _matching(self, name: str) -> list[Entry]:
        """The entries that match, the most telling first: the whole name, then the longest beginning and pattern."""
        found = [self._exact[name]] if name in self._exact else []
        for length in self._lengths:
            if length <= len(name):
                here = [entry for pattern, entry in self._stems.get(name[:length], ()) if matches(name, pattern)]
                found += sorted(here, key=lambda entry: (-len(entry.pattern), entry.pattern))
        return found

    def knows(self, name: str) -> bool:
        """Whether a tool is registered under the name as it is written."""
        found = self.find(name)
        return found is not None and found.entry is not _UNREGISTERED


_UNREGISTERED: Final = Entry("")


def _together(matching: Sequence[Entry]) -> Entry:
    """The first entry, with the effects and the owner of the first that names them, and the most points of risk."""
    effects = next((entry.effects for entry in matching if entry.effects is not None), None)
    owner = next((entry.owner for entry in matching if entry.owner), "")
    risk = max(entry.risk for entry in matching)
    return msgspec.structs.replace(matching[0], effects=effects, owner=owner, risk=risk)


def _nothing(name: str) -> Registered | None:
    return None


def glob(pattern: str) -> Glob:
    """A pattern in which `*` stands for any text, and everything else for itself."""
    return tuple(pattern.split("*"))


_MCP: Final = re.compile(r"mcp[\s_./:-]", re.IGNORECASE)
_CAPITAL: Final = re.compile(r"(?<=[a-z0-9])(?=[A-Z])")
_PARTED: Final = re.compile(r"[\s_./:-]+")


def spellings(name: str, fold: Callable[[str], str]) -> tuple[str, ...]:
    """A name or pattern folded, and folded with one sign wherever its words are parted: `deleteUser`, `delete-user`."""
    return fold(name), _PARTED.sub("_", fold(_CAPITAL.sub("_", name)))


def matches(name: str, pattern: Glob) -> bool:
    """Whether a name matches a pattern as a whole. Takes time in proportion to their lengths."""
    if len(pattern) == 1:
        return name == pattern[0]
    first, last = pattern[0], pattern[-1]
    if not name.startswith(first) or not name.endswith(last) or len(name) < len(first) + len(last):
        return False
    at, end = len(first), len(name) - len(last)
    for part in pattern[1:-1]:
        found = name.find(part, at, end)
        if found < 0:
            return False
        at = found + len(part)
    return True


#: A registry in which nothing is registered.
EMPTY: Final = Registry((), lambda name: (name,))


def server_of(tool: str) -> str:
    """The MCP server that a tool's name gives (`mcp__github__create_issue`); empty where it gives none. Where a name
    says that there is one, and not in the way that tells which, it is the whole name."""
    if not _MCP.match(tool):
        return ""
    parts = tool.split("__")
    told = parts[1] if len(parts) >= 3 and parts[0] == "mcp" else ""
    return told or tool


def matches_any(names: Iterable[str], patterns: Mapping[str, Glob]) -> bool:
    """Whether one of the names matches one of the patterns."""
    return any([matches(name, pattern) for name in names for pattern in patterns.values()])

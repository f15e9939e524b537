"""Programs that no table knows: what the grammar of subcommands says of a line.

Whoever writes a program that has subcommands names them after what they do (`tool droplet list`, `tool delete-key`),
and gives help and version under the same few names. Where the first words say nothing, the line is unknown.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterable, Sequence
from typing import Final

from stage0.reading.effects import HARMLESS, Effect
from stage0.reading.prose.lexicon import split_words
from stage0.reading.result import word_set

#: Reads the name of an operation: its effects, none where it says nothing.
ReadName = Callable[[str], Sequence[Effect]]

_PROGRAM: Final = re.compile(r"[a-z][\w.+-]{0,63}\Z")
#: A subcommand: a word or several, joined; not a path, a number, an assignment or an address.
_SUBCOMMAND: Final = re.compile(r"[A-Za-z][A-Za-z0-9]*(?:[-_:.][A-Za-z0-9]+)*\Z")
_TELLING: Final = frozenset({"help", "--help", "-help", "-?", "version", "--version", "-version", "-V"})
#: Words that only look where they stand as a subcommand; most verbs are in the lexicon.
_LOOKING: Final = word_set(
    "list ls ll get show view describe desc info information status stat stats statistics search find query lookup"
    " inspect cat print display dump-config log logs history diff compare check validate verify lint test doctor top"
    " tree which where whoami who ping trace tail head count watch monitor report explain plan preview summary ps"
    " outdated why docs man cheat examples completion env-list config-show dry-run detect probe scan audit measure"
    " bench benchmark profile health healthcheck usage events metrics graph read lsmod fetch-info identify"
    " snapshots versions releases regions zones locations sizes plugins providers outputs contexts profiles members"
    " dependency dependencies deps rdeps rdepends repoquery requires provides frequency headers sample slice"
)
#: Words that say that something is made from what is there already, in the tree.
_BUILDING: Final = word_set("build compile test tests check lint typecheck bench coverage")
#: Words that say only that something is run, whatever it is.
_SAYING_NOTHING: Final = word_set(
    "run exec execute eval start invoke call apply do process trigger submit perform shell"
)
_LOOKING_OPTIONS: Final = word_set(
    "--list --show --status --info --print --dry-run --check --query --search --stats --diff"
)
#: How the names of programs end that look at something.
_LOOKING_NAME: Final = re.compile(
    r"(?:[-_](?:list|show|status|stats?|info|diff|grep|top|view|tree|check|lint|query|search)|(?:info|lint|grep|stat))\Z"
)
_READ_WORDS: Final = 4


def read_by_grammar(words: Sequence[str], read_name: ReadName, *, fed: bool) -> list[Effect]:
    """The effects of a line of a program that no table knows, given as its words. `fed` where something is piped in."""
    if not _PROGRAM.match(words[0]) or _acts(read_name(words[0])):
        return ["unknown"]  # a sentence, or a program whose name says that it acts
    rest = words[1:]
    if rest and rest[0] in _TELLING and len(rest) <= 2:
        return ["compute"]
    found = list(dict.fromkeys(_acting_options(rest, read_name)))
    first = _first_effects(rest, read_name)
    if first == ("unknown",) and _LOOKING_NAME.search(words[0]):
        first = ("read",)  # `fc-list`, `mediainfo`
    if fed and HARMLESS.issuperset(first):
        first = ("unknown",)
    return [*first, *[effect for effect in found if effect not in first]]


def _first_effects(words: Sequence[str], read_name: ReadName) -> tuple[Effect, ...]:
    """What the first words that say something say: groups of subcommands are nouns, and stand before the verb."""
    groups: list[str] = []
    seen = 0
    for index, word in enumerate(words):
        if word.startswith("-"):
            if word.partition("=")[0] in _LOOKING_OPTIONS:
                return ("read",)
            continue
        if not _SUBCOMMAND.match(word) and index and words[index - 1].startswith("-"):
            continue  # the value of an option
        seen += 1
        if seen > _READ_WORDS or not _SUBCOMMAND.match(word):
            break
        effects = _effects_of(word, groups, read_name)
        last = not any([_SUBCOMMAND.match(following) for following in words[index + 1 :]])
        if effects and (last or _acts(effects) or _is_looking(word)):
            return effects
        groups.append(word)
    return ("unknown",)


def _effects_of(word: str, groups: Sequence[str], read_name: ReadName) -> tuple[Effect, ...]:
    parts = split_words(word)
    if not parts:
        return ()
    if parts[0] in _SAYING_NOTHING:
        return ("unknown",)
    if word in _BUILDING:
        return ("code_execution",)
    if _is_looking(word):
        return ("read",)
    if len(parts) > 1 and parts[-1] in _LOOKING and not _acts(read_name(word)):
        return ("read",)
    if ":" in word:  # what stands behind the last colon is done to what stands before it
        pieces = word.split(":")
        parts = [*split_words(pieces[-1]), *split_words("_".join(pieces[:-1]))]
    effects = tuple(read_name("_".join([*parts, *reversed(groups)])))
    # What is kept only to be quick is made again.
    return ("write",) if "cache" in parts and set(effects) <= _CACHED else effects


_CACHED: Final[frozenset[Effect]] = frozenset({"delete", "bulk", "overwrite"})


def _is_looking(word: str) -> bool:
    return word in _LOOKING or split_words(word)[0] in _LOOKING


def _acts(effects: Iterable[Effect]) -> bool:
    return not HARMLESS.issuperset(effects)


def _acting_options(words: Iterable[str], read_name: ReadName) -> Iterable[Effect]:
    """`--delete`, `--remove-all`, `--install`: options that act, whatever the words before them do."""
    for word in words:
        name = word.partition("=")[0]
        if name.startswith("--") and len(name) > 4 and not name.startswith("--no-"):
            parts = split_words(name)
            if parts and parts[0] in _ACTING_OPTIONS:
                yield from read_name("_".join(parts)) or ("unknown",)


_ACTING_OPTIONS: Final = word_set(
    "delete remove purge destroy drop erase wipe clean install uninstall apply write overwrite fix force push publish"
    " deploy send kill stop restart reset upgrade update exec execute eval run shutdown format revoke grant"
)

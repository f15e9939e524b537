"""Reading a tool's name: split into words, find the verb and what it is done to."""

from __future__ import annotations

from functools import lru_cache
from typing import Final

import msgspec

from stage0.core.effects import HARMLESS, Sighting, Span
from stage0.core.goal import effects_of
from stage0.core.lexicon import ACTIONS, MODIFIERS, OBJECTS, Lexicon, Term, split_words

_JOINERS: Final = frozenset({"and", "or", "then"})
_HARMLESS: Final = frozenset(concept for concept, effect in ACTIONS.items() if effect in HARMLESS)
#: After a read verb these still act (`check_purge_all`), unless they name a thing (`list_delete_requests`).
_DANGEROUS: Final = frozenset({"delete", "pay", "deploy", "migrate", "grant", "disrupt", "execute"})
_THINGS: Final = frozenset(
    [
        "request",
        "requests",
        "log",
        "logs",
        "event",
        "events",
        "job",
        "jobs",
        "operation",
        "operations",
        "rule",
        "rules",
        "marker",
        "markers",
        "flag",
        "flags",
        "time",
        "date",
        "candidates",
        "queue",
        "lock",
        "protection",
        "action",
        "actions",
    ]
)
_DENYING: Final = frozenset({"no", "without", "skip", "off", "disable", "disabled", "ignore", "not"})
#: A longer name than this is not understood (in characters).
_NAME_LIMIT: Final = 256
_KEPT: Final = 4096


class ToolReading(msgspec.Struct, frozen=True):
    """What a tool's name says. A `passthrough` says nothing: whatever it is given, it does."""

    sightings: tuple[Sighting, ...]
    environments: frozenset[str]
    passthrough: bool
    sensitive: bool


class ToolWords(msgspec.Struct, frozen=True):
    """Words that stand for a kind of tool, from the pack: a shell, a database, an admin console."""

    passthrough: frozenset[str]
    sensitive: frozenset[str]
    short_forms: dict[str, str]


class ToolReader:
    """Reads tool names against a lexicon; names repeat, so readings are kept (the verdict never is)."""

    def __init__(self, lexicon: Lexicon, words: ToolWords) -> None:
        self._lexicon = lexicon
        self._words = words
        self._read_kept = lru_cache(maxsize=_KEPT)(self._read)

    def read(self, name: str, path: str) -> ToolReading:
        """What a name says. One that is too long to be a name says nothing that could be understood."""
        if len(name) > _NAME_LIMIT:
            span = Span(path, 0, len(name), name[:_NAME_LIMIT])
            return ToolReading((Sighting("unknown", "tool", span),), frozenset(), passthrough=False, sensitive=False)
        return self._read_kept(name, path)

    def _read(self, name: str, path: str) -> ToolReading:
        skeleton = self._lexicon.skeleton(name)
        words = self._words_of(skeleton)
        terms = self._phrases(words)
        owner, dot, operation = skeleton.rpartition(".")
        if dot:
            # `mail.message.get`: what stands before the last dot owns the operation, and is what is read.
            last = self._phrases(self._words_of(operation))
            if last and any(t.concept in _HARMLESS and t.role != "noun" for t in last[0]):
                objects = [
                    tuple(t for t in at if t.concept not in ACTIONS) for at in self._phrases(self._words_of(owner))
                ]
                terms = [*objects, *last]
        span = Span(path, 0, len(name), name)
        named = set(words)
        passthrough = not named.isdisjoint(self._words.passthrough)
        effects = self._effects(words, terms, passthrough=passthrough)
        return ToolReading(
            sightings=tuple(Sighting(effect, "tool", span) for effect in effects),
            environments=self._lexicon.environments(name),
            passthrough=passthrough and not effects,
            sensitive=bool(named & self._words.sensitive),
        )

    def _words_of(self, text: str) -> list[str]:
        return [self._words.short_forms.get(part, part) for word in split_words(text) for part in self._unglued(word)]

    def _unglued(self, word: str) -> list[str]:
        """`deleteusers` is two words, an action and its object; any other word is itself."""
        if not word.isascii():
            return [hit.term.text for hit in self._lexicon.hits(word)] or [word]
        if len(word) < 7 or self._lexicon.word(word) or word in self._words.passthrough:
            return [word]
        for at in range(3, len(word) - 2):
            verbs, objects = self._lexicon.word(word[:at]), self._lexicon.word(word[at:])
            if any(t.concept in ACTIONS for t in verbs) and any(t.concept in OBJECTS for t in objects):
                return [word[:at], word[at:]]
        return [word]

    def _phrases(self, words: list[str]) -> list[tuple[Term, ...]]:
        """The terms at each word; words that make one term together (`api key`) count as that term."""
        out: list[tuple[Term, ...]] = []
        index = 0
        while index < len(words):
            length = next((n for n in (3, 2) if self._phrase(words[index : index + n], n)), 1)
            found = self._phrase(words[index : index + length], length)
            out.append(found or self._joiner(words[index]))
            index += length
        return out

    def _phrase(self, words: list[str], length: int) -> tuple[Term, ...]:
        """The terms of some words. A word that makes a tool a passthrough says nothing of what the tool is given."""
        if len(words) < length or not self._words.passthrough.isdisjoint(words):
            return ()
        return self._lexicon.word(" ".join(words))

    def _joiner(self, word: str) -> tuple[Term, ...]:
        if word in _THINGS:
            return (Term(word, "topic", "word", "en"),)
        return (Term(word, "break", "word", "en"),) if word in _JOINERS else ()

    def _effects(self, words: list[str], terms: list[tuple[Term, ...]], *, passthrough: bool) -> list[str]:
        objects = frozenset(t.concept for at in terms for t in at if t.concept in OBJECTS)
        rehearsed = _rehearsed(words, terms)
        effects: dict[str, None] = {}
        for action in _actions(terms, objects, guess=not passthrough):
            if rehearsed and action not in _HARMLESS:
                effects["compute"] = None
                continue
            near = objects - {"personal_data", "secret"} if rehearsed or "schema" in objects else objects
            effects.update(dict.fromkeys(effects_of(action, near)))
        if rehearsed and not effects:
            effects["compute"] = None
        if not HARMLESS.issuperset(effects):
            for at in terms:
                for term in at:
                    if term.concept in MODIFIERS:
                        effects[MODIFIERS[term.concept]] = None
        return list(effects)


def _rehearsed(words: list[str], terms: list[tuple[Term, ...]]) -> bool:
    """Whether the whole name is a count or a rehearsal: `count_deleted_users`, `delete_users_dry_run`."""
    concepts = [{t.concept for t in at} for at in terms]
    if not concepts or not _DENYING.isdisjoint(words) or any("break" in at or "soft" in at for at in concepts):
        return False
    return "count" in concepts[0] or "rehearsal" in concepts[0] or "rehearsal" in concepts[-1]


def _actions(terms: list[tuple[Term, ...]], objects: frozenset[str], *, guess: bool) -> list[str]:
    """The action words that count. After a leading read verb the rest names what is read
    (`list_delete_requests`), unless a joiner starts anew (`get_or_create`) or nothing follows (`read_write`)."""
    actions: list[str] = []
    reading = False
    for index, at in enumerate(terms):
        if any(t.concept in ("break", "soft") for t in at):
            reading = False
            continue
        found = [t for t in at if t.concept in ACTIONS and _counts(t, objects)]
        if reading:
            found = [t for t in found if _still_acts(t, at, terms[index + 1 :])]
        if not found:
            continue
        verbs = [t for t in found if t.role != "noun"] or found
        actions.extend(t.concept for t in verbs)
        reading = reading or (not actions[:-1] and all(t.concept in _HARMLESS for t in verbs))
    # In a name nothing is a figure of speech: `drop_foo` drops, whatever a foo is.
    if guess and not actions:
        return [t.concept for at in terms for t in at if t.role == "weak"][:1]
    return actions


def _still_acts(term: Term, at: tuple[Term, ...], after: list[tuple[Term, ...]]) -> bool:
    if term.concept in _HARMLESS or (term.concept != "delete" and any(t.role == "noun" for t in at)):
        return False
    if not after:
        return True
    return term.concept in _DANGEROUS and not any(t.concept == "topic" for t in after[0])


def _counts(term: Term, objects: frozenset[str]) -> bool:
    return term.role != "weak" or bool(term.needs & objects)

"""Reading a tool's name: split into words, find the verb and what it is done to."""

from __future__ import annotations

import re
from functools import lru_cache
from typing import Final, Literal

import msgspec

from stage0.core.effects import Sighting, Span
from stage0.core.goal import effects_of
from stage0.core.lexicon import ACTIONS, ENVIRONMENTS, MODIFIERS, OBJECTS, Lexicon, Term

_SPLIT: Final = re.compile(r"[A-Z]+(?![a-z])|[A-Z]?[a-z]+|\d+|[^\W\d_a-zA-Z]+")
_JOINERS: Final = frozenset({"and", "or", "then"})
_HARMLESS: Final = frozenset({"read", "show", "compute", "fetch"})

ToolClass = Literal["passthrough", "sensitive", "channel"]


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


def split_words(name: str) -> list[str]:
    """The words of a dotted, snake, kebab, camelCase or `service:Action` name, lower case, in order."""
    return [word.lower() for word in _SPLIT.findall(name)]


class ToolReader:
    """Reads tool names against a lexicon; names repeat, so readings are kept (the verdict never is)."""

    def __init__(self, lexicon: Lexicon, words: ToolWords) -> None:
        self._lexicon = lexicon
        self._words = words
        self.read = lru_cache(maxsize=8192)(self._read)

    def _read(self, name: str, path: str) -> ToolReading:
        folded = self._lexicon.fold(name)
        words = split_words(name) if name.isascii() else split_words(folded.text)
        words = [self._words.short_forms.get(word, word) for word in words]
        if folded.text.isascii():
            terms = self._phrases(words)
        else:
            terms = [(hit.term,) for hit in self._lexicon.hits(folded.text)]
        span = Span(path, 0, len(name), name)
        named = set(words)
        passthrough = not named.isdisjoint(self._words.passthrough)
        return ToolReading(
            sightings=tuple(Sighting(effect, "tool", span) for effect in self._effects(terms, passthrough=passthrough)),
            environments=frozenset(ENVIRONMENTS[t.concept] for at in terms for t in at if t.concept in ENVIRONMENTS),
            passthrough=passthrough,
            sensitive=bool(named & self._words.sensitive),
        )

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
        return (Term(word, "break", "word", "en"),) if word in _JOINERS else ()

    def _effects(self, terms: list[tuple[Term, ...]], *, passthrough: bool) -> list[str]:
        objects = frozenset(t.concept for at in terms for t in at if t.concept in OBJECTS)
        counting = any(t.concept in ("count", "rehearsal") for at in terms for t in at)
        effects: dict[str, None] = {}
        for action in _actions(terms, objects, guess=not passthrough):
            if counting and action not in _HARMLESS:
                effects["compute"] = None
                continue
            near = objects - {"personal_data", "secret"} if counting or "schema" in objects else objects
            effects.update(dict.fromkeys(effects_of(action, near)))
        if counting and not effects:
            effects["compute"] = None
        if any(effect not in ("read", "compute", "network_read") for effect in effects):
            for at in terms:
                for term in at:
                    if term.concept in MODIFIERS:
                        effects[MODIFIERS[term.concept]] = None
        return list(effects)


def _actions(terms: list[tuple[Term, ...]], objects: frozenset[str], *, guess: bool) -> list[str]:
    """The action words that count. After a leading read verb the rest names what is read
    (`list_delete_requests`), unless a joiner starts anew (`get_or_create`)."""
    actions: list[str] = []
    reading = False
    triggered = False
    for at in terms:
        if any(t.concept in ("break", "soft") for t in at):
            reading = False
            continue
        triggered = triggered or any(t.concept == "trigger" for t in at)
        found = [t for t in at if t.concept in ACTIONS and _counts(t, objects)]
        if not found or reading:
            continue
        verbs = [t for t in found if t.role != "noun"] or found
        actions.extend(t.concept for t in verbs)
        reading = not actions[:-1] and all(t.concept in _HARMLESS for t in verbs)
    # In a name nothing is a figure of speech: `drop_foo` drops, whatever a foo is.
    if guess and not actions:
        return [t.concept for at in terms for t in at if t.role == "weak"][:1]
    return actions


def _counts(term: Term, objects: frozenset[str]) -> bool:
    return term.role != "weak" or bool(term.needs & objects)

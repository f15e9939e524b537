"""The compiled lexicon: which words stand for which concepts, in every language at once.

The words are data (`knowledge/lexicon/`); this is their shape. A concept id is the same in every language.
"""

from __future__ import annotations

import re
import string
from bisect import bisect_left
from collections.abc import Iterable, Iterator, Mapping, Sequence
from operator import itemgetter
from typing import Final, Literal

import msgspec

from stage0.reading.effects import HARMLESS, Effect
from stage0.reading.prose.syntax import Spaced, Unspaced
from stage0.reading.text.disguise import Words, find_disguises, reveal
from stage0.reading.text.folding import Folded, FoldTable, fold, with_capitals
from stage0.reading.text.keeping import remember
from stage0.reading.text.scanning import Scanner

#: Concepts that are actions, and the effect of each. `query` and `run` say that something is asked or run, not what.
ACTIONS: Final[Mapping[str, Effect]] = {
    "read": "read",
    "show": "read",
    "query": "read",
    "compute": "compute",
    "fetch": "network_read",
    "write": "write",
    "overwrite": "overwrite",
    "execute": "code_execution",
    "run": "code_execution",
    "delete": "delete",
    "pay": "money_movement",
    "deploy": "deployment",
    "migrate": "schema_change",
    "configure": "config_change",
    "rotate": "config_change",
    "disrupt": "service_impact",
    "grant": "access_change",
    "message": "external_message",
    "publish": "publish",
    "export": "export",
}

#: Concepts that make an action worse wherever they stand beside one.
MODIFIERS: Final[Mapping[str, Effect]] = {"bulk": "bulk", "irreversible": "irreversible"}

#: What an action is done to.
OBJECTS: Final = frozenset(
    {
        "resource",
        "trace",
        "money",
        "letter",
        "access",
        "secret",
        "personal_data",
        "contact",
        "person",
        "schema",
        "setting",
        "software",
        "prose",
        "code",
    }
)

#: Words that tell how an action word is meant.
CONTEXT_WORDS: Final = frozenset(
    {
        "negation",
        "negation_after",
        "affirmed",
        "lead",
        "topic",
        "trigger",
        "carry_out",
        "count",
        "question",
        "vague",
        "compound",
        "rehearsal",
        "break",
        "soft",
        "again",
    }
)

#: Named environments. Every other word for one is an alias.
ENVIRONMENTS: Final[Mapping[str, str]] = {
    "env_production": "production",
    "env_staging": "staging",
    "env_development": "development",
    "env_test": "test",
    "env_sandbox": "sandbox",
}

CONCEPTS: Final = frozenset(ACTIONS) | frozenset(MODIFIERS) | OBJECTS | CONTEXT_WORDS | frozenset(ENVIRONMENTS)

#: `verb` counts as it stands, `noun` where something triggers it, `weak` together with one of `needs`.
Role = Literal["verb", "noun", "weak", "word"]


class Term(msgspec.Struct, frozen=True, gc=False):
    """One word or phrase, folded. `needs` are the object concepts that a weak verb wants beside it,
    `environment` the one that its words name (`push to production`)."""

    text: str
    concept: str
    role: Role
    language: str
    needs: frozenset[str] = frozenset()
    environment: str = ""


class Hit(msgspec.Struct, frozen=True, gc=False):
    """A term found in a folded text, at folded offsets. `concept` is the term's."""

    concept: str
    term: Term
    start: int
    end: int


class Language(msgspec.Struct, frozen=True, gc=False):
    """How a language is laid out: whether the verb follows its object, and its grammar."""

    id: str
    verb_last: bool
    syntax: Spaced | Unspaced

    @property
    def spaced(self) -> bool:
        """Whether its words are parted."""
        return isinstance(self.syntax, Spaced)


class Lexicon:
    """All languages' terms in one automaton. Immutable once built."""

    def __init__(
        self,
        terms: Sequence[Term],
        languages: Mapping[str, Language],
        *,
        scripts: Mapping[str, str],
        function_words: Mapping[str, frozenset[str]],
        participles: Mapping[str, Term],
    ) -> None:
        self.table = FoldTable(scripts)
        self.languages = languages
        self.function_words = function_words
        #: What a verb becomes where something is done to its object: `get it deleted`.
        self.participles = participles
        self._by_text: dict[str, tuple[Term, ...]] = {}
        named = {term.text: ENVIRONMENTS[term.concept] for term in terms if term.concept in ENVIRONMENTS}
        for plain in (*terms, *_BORDERS):
            term = _naming(plain, named)
            self._by_text[term.text] = (*self._by_text.get(term.text, ()), term)
        patterns = sorted(self._by_text)
        self._automaton = Scanner(patterns)
        self._hidden = Words(_worth_hiding(terms), self.table)
        self._environments = remember(longest=64)(self._environments_of)
        #: By pattern: its terms, and whether it begins and ends with a Latin letter, which asks for a word border.
        self._found = [
            (tuple((term.concept, term) for term in self._by_text[text]), text[0] in _LATIN, text[-1] in _LATIN)
            for text in patterns
        ]

    def fold(self, text: str) -> Folded:
        """Fold a text for matching against this lexicon, with disguised words as what they stand for."""
        return self.uncover(text)[0]

    def uncover(self, text: str) -> tuple[Folded, bool]:
        """The same, and whether the text holds more disguises than are read, so that it cannot be trusted."""
        folded = fold(text, self.table)
        found = find_disguises(folded, self._hidden)
        if not found:
            return folded, True
        return reveal(folded, found), all(each.kind != "too many" for each in found)

    def word(self, text: str) -> tuple[Term, ...]:
        """The terms that a single folded word stands for, without looking at what is around it."""
        return self._by_text.get(text, ())

    def environments(self, text: str) -> frozenset[str]:
        """The environments that a text as sent names, also as a part of a name (`eu-prod1`, `ProductionUsers`)."""
        if text.isascii() and not _ENVIRONMENT_HINTS.finds(text.lower()):
            return _NONE
        return self._environments(text)

    def environments_in(self, texts: Sequence[str]) -> frozenset[str]:
        """The environments that any of several texts names: one look over all of them, then at those that have one."""
        found = _NONE
        joined = "\n".join(texts)
        if not joined.isascii():
            return found.union(*map(self.environments, texts))
        looked_at = -1
        for _, start, end in _ENVIRONMENT_HINTS.find(joined.lower()):
            if start > looked_at:
                looked_at = joined.find("\n", end)
                looked_at = len(joined) if looked_at < 0 else looked_at
                found |= self.environments(joined[joined.rfind("\n", 0, start) + 1 : looked_at])
        return found

    def _environments_of(self, text: str) -> frozenset[str]:
        found = {hit.term.environment for hit in self.hits(self.fold(text).text)}
        for word in split_words(self.skeleton(text[:_NAME_LIMIT])):
            found.update(term.environment for term in self.word(word))
        return frozenset(found - {""})

    def skeleton(self, text: str) -> str:
        """Folded like everything, but with its capitals kept, so that a name can be split into words."""
        return text if text.isascii() else with_capitals(self.fold(text))

    def hits(self, text: str) -> list[Hit]:
        """Every term of a folded text, longest first at each place, none inside another; in order."""
        size = len(text)
        whole: list[_Placed] = []
        for index, start, end in self._automaton.find(text):
            terms, latin_start, latin_end = self._found[index]
            # A Latin term must not be a piece of a longer Latin word; other scripts have no such borders.
            if latin_start and start and text[start - 1] in _LATIN:
                continue
            if latin_end and end < size and text[end] in _LATIN:
                continue
            whole.append((start, -end, terms))
        hits = []
        reached = 0
        for start, negative_end, terms in _in_order(whole, self._automaton.longest):
            if start >= reached:
                reached = -negative_end
                for concept, term in terms:
                    hits.append(Hit(concept, term, start, reached))
        return hits


def _in_order(places: list[_Placed], longest: int) -> Iterable[_Placed]:
    """Places that come in the order of their ends, by where they begin and then the longer first."""
    return sorted(places, key=_place) if len(places) <= _SORTED_AT_ONCE else _in_pieces(places, longest)


def _in_pieces(places: list[_Placed], longest: int) -> Iterator[_Placed]:
    """Many are sorted piece by piece: none that comes later begins before the last end less the longest word."""
    waiting: list[_Placed] = []
    for begins in range(0, len(places), _SORTED_AT_ONCE):
        more = places[begins : begins + _SORTED_AT_ONCE]
        waiting = sorted([*waiting, *more], key=_place)
        last_end = -more[-1][1]
        settled = bisect_left(waiting, last_end - longest, key=itemgetter(0))
        yield from waiting[:settled]
        waiting = waiting[settled:]
    yield from waiting


def _worth_hiding(terms: Sequence[Term]) -> set[str]:
    """The words that somebody could want to disguise: actions that do more than look, and environments."""
    acting = {term.text for term in terms if ACTIONS.get(term.concept, "read") not in HARMLESS}
    return acting | {term.text for term in terms if term.concept in ENVIRONMENTS}


_NONE: Final[frozenset[str]] = frozenset()
#: Characters of a text that are looked at as a name.
_NAME_LIMIT: Final = 256
#: A quick look: no Latin text without one of these names an environment.
_ENVIRONMENT_HINTS: Final = Scanner(["prod", "prd", "stag", "stg", "dev", "test", "sandbox", "qa", "uat"])
_SPLIT: Final = re.compile(r"[A-Z]+(?![a-z])|[A-Z]?[a-z]+|\d+|[^\W\d_a-zA-Z]+")


def split_words(name: str) -> list[str]:
    """The words of a dotted, snake, kebab, camelCase or `service:Action` name, lower case, in order."""
    return [word.lower() for word in _SPLIT.findall(name)]


_LATIN: Final = frozenset(string.ascii_letters + string.digits)
#: Where a match begins, where it ends (negative), and the terms of its text.
_Placed = tuple[int, int, tuple[tuple[str, Term], ...]]
_place: Final = itemgetter(0, 1)
#: Matches that are sorted in one call, which nothing interrupts.
_SORTED_AT_ONCE: Final = 16_384


def _naming(term: Term, named: Mapping[str, str]) -> Term:
    """A term with the environment that it names, itself or in one of its words; a compound names none."""
    if term.concept == "compound":
        return term
    found = named.get(term.text) or next((named[word] for word in term.text.split() if word in named), "")
    return msgspec.structs.replace(term, environment=found) if found else term


def _border(concept: str, *texts: str) -> tuple[Term, ...]:
    return tuple(Term(text, concept, "word", "") for text in texts)


#: Where a clause ends, in any language; `soft` ones may also stand in a list of objects. Inside a longer term
#: ("terms and conditions") there is none.
_BORDERS: Final = (
    *_border("break", ";", "!", "?", "\n", "。", "；", "！", "？", ". ", ": ", ".\n", ":\n"),
    *_border("break", "and then", "then", "but", "after that", "afterwards", "so", "然后", "接着", "并且"),
    *_border("break", "そして", "それから"),
    *_border("soft", ",", "，", "、", "and"),
    *_border("again", "再"),
)


_WORD = re.compile(r"(?<![0-9a-z'])[a-z']++(?![0-9])")


def latin_words(folded: str) -> list[str]:
    """The Latin-script words of a folded text; letters inside of a number or an id are none."""
    return _WORD.findall(folded)

"""Reading a goal: which actions its sentences ask for, in English, Chinese and Japanese.

A verb counts together with its object, its negation, its place in the sentence and what the sentence is about. The
reading is fail-safe: a verb counts unless something near it says that it is not meant.
"""

from __future__ import annotations

import re
import unicodedata
from collections import Counter
from collections.abc import Callable, Iterator, Sequence
from functools import lru_cache
from typing import Final

import msgspec

from stage0.reading.effects import HARMLESS, Effect, Sighting, Span
from stage0.reading.prose.lexicon import ACTIONS, MODIFIERS, OBJECTS, Hit, Lexicon, latin_words, split_words
from stage0.reading.prose.meaning import NATIVE, Meaning, Sense, Word
from stage0.reading.prose.syntax import REACH, Spaced
from stage0.reading.text.folding import Folded

_KANA: Final = re.compile("[\u3041-\u30fa]")


class GoalReading(msgspec.Struct, frozen=True):
    """What a goal says: sightings of effects, environments named, and how well it was understood. `actions` are the
    concepts of the action words that count, `objects` the words for things. `told` says that it talks about an action
    without asking for it; `readable` is false where it holds more disguised words than are read; `asks` is whether a
    sentence begins with a verb that wants more than an answer ("optimize the query", "get the build green"), `makes`
    whether it wants something made ("draft a reply"), which may be written down."""

    sightings: tuple[Sighting, ...]
    environments: frozenset[str]
    vague: bool
    covered: bool
    actions: frozenset[str]
    objects: frozenset[str]
    told: bool = False
    readable: bool = True
    asks: bool = False
    makes: bool = False


Clause = list[Hit]
#: Reads a name that the goal says to call: the effects of a tool of that name.
ReadName = Callable[[str], Sequence[Effect]]


def read_goal(
    goal: str,
    lexicon: Lexicon,
    path: str = "goal",
    read_name: ReadName | None = None,
    verbs: frozenset[str] = frozenset(),
    making: frozenset[str] = frozenset(),
) -> GoalReading:
    """Read a goal as sent. Linear in its length. `verbs` want something, though they do not tell what; of those that
    work something out, `making` ones leave something behind."""
    folded, readable = lexicon.uncover(goal)
    text = folded.text
    hits = lexicon.hits(text)
    again = False
    if not text.isascii():
        kana = bool(_KANA.search(text))
        # Japanese has 再 inside words (再起動); only elsewhere does it begin a clause.
        again = not kana
        hits = _one_language(hits, "zh" if kana else "ja")
    names, hits = _names(folded, hits, lexicon)
    reader = _GoalReader(folded, hits, lexicon, path)
    for clause in _clauses(hits, again=again):
        reader.read(clause)
    if read_name is not None:
        reader.called(names, read_name)
    reader.caused(hits)
    reader.listed()
    return GoalReading(
        sightings=tuple(reader.sightings),
        environments=frozenset([hit.term.environment for hit in hits if hit.term.environment]),
        vague=_is_vague(text, hits, lexicon, acts=bool(reader.sightings)),
        covered=_is_covered(goal, text, lexicon),
        actions=frozenset(reader.actions),
        objects=frozenset([hit.term.text for hit in hits if hit.concept in OBJECTS]),
        told=reader.sense.told,
        readable=readable,
        asks=_asks_more(text, lexicon, verbs),
        makes=any([seen.effect in _WORKING and _makes(seen.span.text, making) for seen in reader.sightings]),
    )


def _makes(text: str, making: frozenset[str]) -> bool:
    """Whether a word or phrase that works something out leaves something behind."""
    words = split_words(text.lower())
    if not text.isascii():
        return any([word in text for word in making if not word.isascii()])
    return bool(words) and (
        words[0] in making or words[0].removesuffix("s") in making or _BASE.sub("", words[0]) in making
    )


_WORKING: Final = frozenset({"compute", "network_read"})
_BASE: Final = re.compile(r"ing\Z")
#: Where the verb of a clause stands that asks for something.
_HEAD: Final = re.compile(r"(?:^|[.!?;:,\n]|\b(?:and|then|please|also|now|kindly|just)\b)[ \t\"'-]*+([a-z]+)")
_BROUGHT: Final = re.compile(
    r"\b(?:get|make|bring|keep|turn)\b[^.!?\n]{1,60}?\b(?:green|work|works|working|pass|passes|passing|faster|fixed|compile"
    r"|compiles|run|runs|running|up to date|ready|clean|smaller|shorter|better|consistent|done|right|again|happy)\b"
)


def _asks_more(text: str, lexicon: Lexicon, verbs: frozenset[str]) -> bool:
    """Whether a clause begins with a verb that wants more than an answer."""
    for match in _HEAD.finditer(text):
        word = match[1]
        if word in verbs and not lexicon.word(word):
            return True
        terms = [term for term in lexicon.word(word) if term.concept in ACTIONS and term.role != "noun"]
        if any([ACTIONS[term.concept] not in HARMLESS for term in terms]):
            return True
    return _BROUGHT.search(text) is not None


def _one_language(hits: list[Hit], other: str) -> list[Hit]:
    """Where Chinese and Japanese share a word, the reading of the text's own language, not of the `other`."""
    kept = {(h.start, h.end, h.concept, h.term.role == "noun") for h in hits if h.term.language != other}
    return [
        h for h in hits if h.term.language != other or (h.start, h.end, h.concept, h.term.role == "noun") not in kept
    ]


#: Names of programs in prose: `delete_users`, `deleteAllUsers`.
_NAME: Final = re.compile(
    r"(?<![A-Za-z0-9_])[A-Za-z][A-Za-z0-9]*(?:_[A-Za-z0-9]+)+|(?<![A-Za-z0-9_])[a-z][a-z0-9]*(?:[A-Z][a-z0-9]+)+"
)
_HUMP: Final = re.compile(r"[a-z][A-Z]|_")


def _names(folded: Folded, hits: list[Hit], lexicon: Lexicon) -> tuple[list[tuple[int, int]], list[Hit]]:
    """Names that stand in the text, and the hits outside of them: a name is a thing unless it is called."""
    if folded.offsets is not None or not _HUMP.search(folded.original) or len(folded.original) != len(folded.text):
        return [], hits
    names = [found.span() for found in _NAME.finditer(folded.original)]
    if not names:
        return names, hits
    outside: list[Hit] = []
    waiting = iter(names)
    start, end = next(waiting)
    for hit in hits:
        while end <= hit.start:
            outside += _thing_named(folded, start, end, lexicon)
            start, end = next(waiting, (len(folded.text), len(folded.text) + 1))
        if hit.end <= start:
            outside.append(hit)
    outside += _thing_named(folded, start, min(end, len(folded.text)), lexicon)
    for left in waiting:
        outside += _thing_named(folded, *left, lexicon)
    return names, outside


def _thing_named(folded: Folded, start: int, end: int, lexicon: Lexicon) -> list[Hit]:
    """What a name is the name of, by its last words: `AWS_SECRET_ACCESS_KEY` is a secret."""
    words = split_words(folded.original[start:end])
    for count in (3, 2, 1):
        things = [term for term in lexicon.word(" ".join(words[-count:])) if term.concept in OBJECTS]
        if things:
            return [Hit(term.concept, term, start, end) for term in things]
    return []


def _clauses(hits: Sequence[Hit], *, again: bool) -> Iterator[Clause]:
    """Hits by clause. What follows a comma or an `and` without an action of its own belongs to what is before."""
    clause: Clause = []
    piece: Clause = []
    soft = False
    for hit in hits:
        concept = hit.concept
        if concept in _BORDERS or (again and concept == "again"):
            if soft and clause and _goes_on(piece):
                clause += piece
            else:
                if clause:
                    yield clause
                clause = piece
            piece = []
            soft = concept == "soft"
        else:
            piece.append(hit)
    if soft and clause and _goes_on(piece):
        yield clause + piece
        return
    if clause:
        yield clause
    if piece:
        yield piece


def _goes_on(piece: Clause) -> bool:
    return not any([hit.concept in _STARTS for hit in piece])


_BORDERS: Final = frozenset({"soft", "break"})
#: What begins a clause of its own after a comma.
_STARTS: Final = frozenset(ACTIONS) | {"trigger", "question", "count", "negation", "affirmed"}

#: Action words of one text whose meaning is weighed; no text that somebody means has as many. Those after them count as
#: they stand, whatever is near them.
_WEIGHED: Final = 400
_CODE: Final = frozenset({"code"})
_ASKS: Final = frozenset({"question", "count", "lead"})
_NOTHING: Final[frozenset[str]] = frozenset()


_LISTED: Final = re.compile(r"(?:一覧|一览|列表|清单)(?=\s*[。.!！]?\s*\Z)")
_HAVING_DONE: Final = re.compile(r"\b(?:be|gets?|ha[sv]e?|wants?|needs?|like|see)\b")


class _GoalReader:
    """One goal while it is read, clause by clause."""

    def __init__(self, folded: Folded, hits: Sequence[Hit], lexicon: Lexicon, path: str) -> None:
        self.folded = folded
        self.text = folded.text
        self.lexicon = lexicon
        self.path = path
        self.sightings: list[Sighting] = []
        self.actions: set[str] = set()
        self.sense = Sense(folded.text, hits, lexicon)
        self.weighed = 0
        self._counted: set[tuple[str, frozenset[str]]] = set()

    def read(self, clause: Clause) -> None:
        """Note what a clause asks for."""
        clause = _without_attributes(clause)
        concepts = {hit.concept for hit in clause}
        things = self._things(clause, concepts)
        changing = acted = False
        looked = -1
        for index, hit in enumerate(clause):
            effect = ACTIONS.get(hit.concept)
            if effect is None:
                continue
            meaning = self._meaning(hit, index, clause, concepts, looked)
            if meaning == "talk":
                continue
            acted = True
            self.actions.add(hit.concept)
            if meaning == "compose":
                self._see("compute", hit)
                continue
            if effect in HARMLESS:
                looked = looked if looked >= 0 else hit.end
            else:
                changing = True
            self._act(hit, things[index])
        if changing and not concepts.isdisjoint(MODIFIERS):
            for hit in clause:
                if hit.concept in MODIFIERS:
                    self._see(MODIFIERS[hit.concept], hit)
        if not acted:
            self._read_trigger(clause, concepts)
        if looked >= 0 and not changing:
            self.sense.looked = looked

    def _meaning(self, hit: Hit, index: int, clause: Clause, concepts: set[str], looked: int) -> Meaning:
        """How an action word is meant. Past so many of them, each counts as it stands."""
        self.weighed += 1
        return "act" if self.weighed > _WEIGHED else self.sense.of(Word(hit, index, clause), concepts, looked)

    def _act(self, hit: Hit, things: frozenset[str]) -> None:
        """Note what an action word does to such objects; where meanings are no longer weighed, once."""
        if self.weighed > _WEIGHED:
            if (hit.concept, things) in self._counted:
                return
            self._counted.add((hit.concept, things))
        for each in effects_of(hit.concept, things):
            self._see(each, hit)

    def called(self, names: Sequence[tuple[int, int]], read_name: ReadName) -> None:
        """Note what the names would do that the goal says to call."""
        syntax = self.lexicon.languages["en"].syntax
        for start, end in names:
            if isinstance(syntax, Spaced) and syntax.called(self.text, start):
                self.actions.add("call")
                for effect in read_name(self.folded.original[start:end]):
                    span = Span(self.path, start, end, self.folded.original[start:end])
                    self.sightings.append(Sighting(effect, "goal", span))

    def caused(self, hits: Sequence[Hit]) -> None:
        """Note what is to be done by somebody: `get user 55 deleted`, `the old records should be removed`."""
        syntax = self.lexicon.languages["en"].syntax
        if not isinstance(syntax, Spaced) or not _HAVING_DONE.search(self.text):
            return
        objects = frozenset([hit.concept for hit in hits if hit.concept in OBJECTS])
        for start, end in syntax.caused(self.text):
            term = self.lexicon.participles.get(self.text[start:end])
            if term is None or (term.role == "weak" and not term.needs & objects):
                continue
            hit = Hit(term.concept, term, start, end)
            if start >= self.sense.telling(self.sense.sentence(hit)[0], syntax)[0]:
                self.actions.add(term.concept)
                for effect in effects_of(term.concept, _NOTHING):
                    self._see(effect, hit)

    def listed(self) -> None:
        """A sentence that is nothing but the name of a list asks for it: `削除履歴一覧`."""
        match = None if self.sightings else _LISTED.search(self.text)
        if match is not None:
            self.actions.add("read")
            start, end = self.folded.original_span(*match.span())
            self.sightings.append(
                Sighting("read", "goal", Span(self.path, start, end, self.folded.original[start:end]))
            )

    def _see(self, effect: Effect, hit: Hit) -> None:
        self.sightings.append(sighting(effect, hit, self.folded, self.path))

    def _read_trigger(self, clause: Clause, concepts: set[str]) -> None:
        """A clause without an action word: code that is started, or a question."""
        if {"trigger", "code"} <= concepts and concepts.isdisjoint(("negation", "lead", "question")):
            found = next((hit for hit in clause if hit.concept == "code"), None)
            if found is not None:
                self.actions.add("run")
                self._see("code_execution", found)
            return
        asks = next((hit for hit in clause if hit.concept in _ASKS and self._asks(hit)), None) or self._asked(clause)
        if asks is not None:
            self.actions.add("read")
            shown = frozenset(concepts) & _SHOWN_SECRETS if asks.term.text in _WHAT else _NOTHING
            for effect in effects_of("show" if shown else "read", shown):
                self._see(effect, asks)

    def _asked(self, clause: Clause) -> Hit | None:
        """The first word of a clause in a sentence that only asks: `Will it drop below zero?`."""
        hit = clause[0]
        language = self.lexicon.languages.get(hit.term.language)
        syntax = language.syntax if language is not None else None
        if not isinstance(syntax, Spaced) or hit.start >= self.sense.telling(self.sense.sentence(hit)[0], syntax)[0]:
            return None
        return hit

    def _spaced(self, hit: Hit) -> bool:
        return isinstance(self.lexicon.languages[hit.term.language].syntax, Spaced)

    def _asks(self, hit: Hit) -> bool:
        """Whether a question word asks: it stands at the head of its sentence, or a question mark at the end."""
        if not self._spaced(hit):
            return True
        start, end = self.sense.sentence(hit)
        syntax = self.lexicon.languages[hit.term.language].syntax
        heads = isinstance(syntax, Spaced) and syntax.heads(self.text[max(start, hit.start - REACH) : hit.start])
        return heads or self.text[end - 1 : end] == "?"

    def _things(self, clause: Clause, concepts: set[str]) -> list[frozenset[str]]:
        """For each word of a clause the objects that an action there would have: what follows it, or in an unspaced
        language everything in the clause."""
        if concepts.isdisjoint(OBJECTS):
            return [_NOTHING] * len(clause)
        uncounted = _UNCOUNTED if "count" in concepts else _NOTHING
        everything = _whole_objects(frozenset(concepts) & OBJECTS, uncounted)
        things: list[frozenset[str]] = []
        following = here = _NOTHING
        start = -1
        for hit in reversed(clause):
            if hit.start != start:
                start, following, here = hit.start, following | here, _NOTHING
            concept = hit.concept
            if concept in OBJECTS:
                here |= {concept}
                things.append(_NOTHING)
            elif concept not in ACTIONS:
                things.append(_NOTHING)
            elif self.lexicon.languages[hit.term.language].spaced:
                things.append(_whole_objects(following, uncounted))
            else:
                things.append(everything)
        return things[::-1]


@lru_cache(maxsize=4096)
def _whole_objects(found: frozenset[str], uncounted: frozenset[str]) -> frozenset[str]:
    """The objects of an action: a name with a person is personal data, what is only counted or described is none."""
    if "schema" in found:
        uncounted = _UNCOUNTED
    found -= uncounted
    return found | {"personal_data"} if {"contact", "person"} <= found else found


_UNCOUNTED: Final = frozenset({"personal_data", "contact", "secret"})


def _without_attributes(clause: Clause) -> Clause:
    """A clause without secrets that only name a topic: `password policy`."""
    if not any([hit.concept == "secret" for hit in clause]):
        return clause
    topics = {hit.start for hit in clause if hit.concept == "topic"}
    return [hit for hit in clause if hit.concept != "secret" or topics.isdisjoint((hit.end, hit.end + 1))]


_WHAT: Final = frozenset({"what", "what's"})
_SHOWN_SECRETS: Final = frozenset({"secret"})


def sighting(effect: Effect, hit: Hit, folded: Folded, path: str) -> Sighting:
    """An effect seen at a hit, pointing into the original text."""
    start, end = folded.original_span(hit.start, hit.end)
    return Sighting(effect, "goal", Span(path, start, end, folded.original[start:end]))


#: What an action word and its object make together: (actions, object, further effects).
_TOGETHER: Final[tuple[tuple[frozenset[str], str, tuple[Effect, ...]], ...]] = (
    (frozenset({"read", "show", "fetch", "export", "message", "publish"}), "secret", ("secret_access",)),
    (frozenset({"show", "export", "message", "publish"}), "personal_data", ("personal_data", "export")),
    (frozenset({"read", "fetch"}), "personal_data", ("personal_data",)),
    (frozenset({"write", "overwrite", "delete", "configure"}), "access", ("access_change",)),
    (frozenset({"overwrite", "rotate", "delete"}), "setting", ("config_change",)),
    (frozenset({"overwrite", "delete"}), "schema", ("schema_change",)),
    (frozenset({"overwrite", "delete", "write"}), "secret", ("config_change",)),
    (frozenset({"write"}), "money", ("money_movement",)),
)


def effects_of(action: str, objects: frozenset[str]) -> tuple[Effect, ...]:
    """The effects of an action word on such objects, its own first."""
    effects = [ACTIONS[action]]
    for actions, obj, further in _TOGETHER:
        if action in actions and obj in objects:
            effects.extend(further)
    return tuple(effects)


def _is_vague(text: str, hits: Sequence[Hit], lexicon: Lexicon, *, acts: bool) -> bool:
    """A goal that names no outcome: vague words and nothing else, or too short to say anything."""
    vague = [hit for hit in hits if hit.concept in ("vague", "carry_out")]
    if not vague:
        shortest = 4 if text.isascii() else 2
        return not acts and len(text.strip()) <= shortest and not any([hit.concept == "topic" for hit in hits])
    if acts and any(hit.concept in OBJECTS for hit in hits):
        return False
    pieces, reached = [], 0
    for hit in vague:
        pieces.append(text[reached : hit.start])
        reached = max(reached, hit.end)
    rest = " ".join([*pieces, text[reached:]])
    words = [word for word in latin_words(rest) if word not in lexicon.function_words["covered"]]
    others = [char for char in rest if char.isalpha() and not char.isascii()]
    return len(words) == 0 and len(others) <= 3


_COVERED_SCRIPTS: Final = ("LATIN", "CJK", "HIRAGANA", "KATAKANA", "FULLWIDTH", "HALFWIDTH", "KATAKANA-HIRAGANA")


def _is_covered(sent: str, text: str, lexicon: Lexicon) -> bool:
    """Whether most letters, as sent, belong to a language that the lexicon knows."""
    if not sent.isascii():
        letters = {char: count for char, count in Counter(sent).items() if char.isalpha()}
        foreign = sum(count for char, count in letters.items() if not char.isascii() and not _script_known(char))
        if foreign * 2 > sum(letters.values()):
            return False
    if not text.isascii() and 2 * len(NATIVE.findall(text)) > len(text):
        return True
    words = latin_words(text)
    known = sum(1 for word in words if word in lexicon.function_words["covered"])
    other = sum(1 for word in words if word in lexicon.function_words["other"])
    return other == 0 or other * 2 <= known


def _script_known(char: str) -> bool:
    return unicodedata.name(char, "").startswith(_COVERED_SCRIPTS)

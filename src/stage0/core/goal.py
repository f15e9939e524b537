"""Reading a goal: which actions its sentences ask for, in English, Chinese and Japanese.

A verb counts together with its object, its negation, its place in the sentence and what the sentence is about. The
reading is fail-safe: a verb counts unless something near it says that it is not meant.
"""

from __future__ import annotations

import re
import unicodedata
from bisect import bisect_right
from collections.abc import Callable, Iterator, Sequence
from functools import lru_cache
from typing import Final, Literal

import msgspec

from stage0.core.effects import HARMLESS, Sighting, Span
from stage0.core.folding import Folded
from stage0.core.lexicon import ACTIONS, MODIFIERS, OBJECTS, Hit, Language, Lexicon, latin_words
from stage0.core.syntax import REACH, Spaced, Unspaced, quoted_spans, sentence_borders

_KANA: Final = re.compile("[\u3041-\u30fa]")


class GoalReading(msgspec.Struct, frozen=True):
    """What a goal says: sightings of effects, environments named, and how well it was understood. `actions` are the
    concepts of the action words that count, `objects` the words for things. `readable` is false where it holds more
    disguised words than are read."""

    sightings: tuple[Sighting, ...]
    environments: frozenset[str]
    vague: bool
    covered: bool
    actions: frozenset[str]
    objects: frozenset[str]
    readable: bool = True


Clause = list[Hit]
#: Reads a name that the goal says to call: the effects of a tool of that name.
ReadName = Callable[[str], Sequence[str]]


def read_goal(goal: str, lexicon: Lexicon, path: str = "goal", read_name: ReadName | None = None) -> GoalReading:
    """Read a goal as sent. Linear in its length."""
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
    reader = _Reader(folded, hits, lexicon, path)
    for clause in _clauses(hits, again=again):
        reader.read(clause)
    if read_name is not None:
        reader.called(names, read_name)
    return GoalReading(
        sightings=tuple(reader.sightings),
        environments=frozenset([hit.term.environment for hit in hits if hit.term.environment]),
        vague=_is_vague(text, hits, lexicon, acts=bool(reader.sightings)),
        covered=_is_covered(goal, text, lexicon),
        actions=frozenset(reader.actions),
        objects=frozenset([hit.term.text for hit in hits if hit.concept in OBJECTS]),
        readable=readable,
    )


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
_NATIVE: Final = re.compile("[\u3041-\u30fa\u3400-\u4dbf\u4e00-\u9fff]")
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
            start, end = next(waiting, (len(folded.text), len(folded.text) + 1))
        if hit.end <= start:
            outside.append(hit)
    return names, outside


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

#: How an action word is meant: done, done to one's own draft or as a rehearsal, or only talked about.
Meaning = Literal["act", "compose", "talk"]
#: Actions that on one's own prose are only writing.
_EDITS: Final = frozenset({"write", "overwrite", "delete"})
_NEGATIONS: Final = frozenset({"negation", "negation_after"})
#: Chinese and Japanese: before an action these make it a state (未付款, 已刪除, 待審核).
_PARTICIPLES: Final = frozenset({"未", "已", "待"})
_CODE: Final = frozenset({"code"})
_ASKS: Final = frozenset({"question", "count", "lead"})
_ORDERS: Final = frozenset({"trigger", "execute", "run"})
_NOTHING: Final[frozenset[str]] = frozenset()


class _Reader:
    """One goal while it is read, clause by clause."""

    def __init__(self, folded: Folded, hits: Sequence[Hit], lexicon: Lexicon, path: str) -> None:
        self.folded = folded
        self.text = folded.text
        self.lexicon = lexicon
        self.path = path
        self.sightings: list[Sighting] = []
        self.actions: set[str] = set()
        #: Up to here everything that is only talked about is to be carried out after all ("... and run it").
        self.carried = self._carried(hits)
        self.quoted = quoted_spans(self.text) if self.carried < 0 else ()
        outside = [hit for hit in hits if self._quote_of(hit) < 0] if self.quoted else []
        #: Whether something says to do what stands in quotation marks, or an action looks at it.
        self.quotes_ordered = any([hit.concept in _ORDERS for hit in outside])
        self.quotes_looked_at = any(
            [ACTIONS.get(hit.concept) in HARMLESS and hit.term.role == "verb" for hit in outside]
        )
        self.borders = sentence_borders(self.text)
        self._tellings: dict[int, tuple[int, int, bool]] = {}
        self.commas: list[int] | None = None
        self.oneself = "sel" in self.text
        #: The grammar of the language around English words, in a Chinese or Japanese text.
        self.native = self._native()
        #: Where the last clause that only looks at something did so.
        self.looked = -1

    def _native(self) -> Unspaced | None:
        if self.text.isascii() or not _NATIVE.search(self.text):
            return None
        syntax = self.lexicon.languages["ja" if _KANA.search(self.text) else "zh"].syntax
        return syntax if isinstance(syntax, Unspaced) else None

    def _carried(self, hits: Sequence[Hit]) -> int:
        """Where the text last says to carry out what it talks about; -1 where it does not, or says not to."""
        carried, negated = -1, -_REACH_CHARACTERS
        for hit in hits:
            if hit.concept == "negation":
                negated = hit.end
            elif hit.concept == "carry_out" and hit.start - negated >= _REACH_CHARACTERS:
                carried = hit.start
        return carried

    def _quote_of(self, hit: Hit) -> int:
        """Which quotation a word stands in; -1 for none."""
        at = bisect_right(self.quoted, (hit.start, -1)) - 1
        return at if at >= 0 and hit.end < self.quoted[at][1] else -1

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
            meaning = self._meaning(_Word(hit, index, clause), concepts, looked)
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
            for each in effects_of(hit.concept, things[index]):
                self._see(each, hit)
        if changing and not concepts.isdisjoint(MODIFIERS):
            for hit in clause:
                if hit.concept in MODIFIERS:
                    self._see(MODIFIERS[hit.concept], hit)
        if not acted:
            self._read_trigger(clause, concepts)
        if looked >= 0 and not changing:
            self.looked = looked

    def called(self, names: Sequence[tuple[int, int]], read_name: ReadName) -> None:
        """Note what the names would do that the goal says to call."""
        syntax = self.lexicon.languages["en"].syntax
        for start, end in names:
            if isinstance(syntax, Spaced) and syntax.called(self.text, start):
                self.actions.add("call")
                for effect in read_name(self.folded.original[start:end]):
                    span = Span(self.path, start, end, self.folded.original[start:end])
                    self.sightings.append(Sighting(effect, "goal", span))

    def _see(self, effect: str, hit: Hit) -> None:
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
        if not isinstance(syntax, Spaced) or hit.start >= self._told(self._sentence(hit)[0], syntax)[0]:
            return None
        return hit

    def _spaced(self, hit: Hit) -> bool:
        return isinstance(self.lexicon.languages[hit.term.language].syntax, Spaced)

    def _asks(self, hit: Hit) -> bool:
        """Whether a question word asks: it stands at the head of its sentence, or a question mark at the end."""
        if not self._spaced(hit):
            return True
        start, end = self._sentence(hit)
        syntax = self.lexicon.languages[hit.term.language].syntax
        heads = isinstance(syntax, Spaced) and syntax.heads(self.text[max(start, hit.start - REACH) : hit.start])
        return heads or self.text[end - 1 : end] == "?"

    def _meaning(self, word: _Word, concepts: set[str], looked: int) -> Meaning:
        hit, before, after, text = word.hit, word.before, word.after, self.text
        language = self.lexicon.languages[hit.term.language]
        syntax = language.syntax
        spaced = isinstance(syntax, Spaced)
        objects = after if spaced and text.isascii() else before + after
        if not concepts.isdisjoint(_NEGATIONS) and _negated(before, after, hit, text):
            return "talk"
        if not spaced and text[hit.start - 1 : hit.start] in _PARTICIPLES:
            return "talk"
        weak = hit.term.role == "weak" and not any([other.concept in hit.term.needs for other in objects])
        if weak and not (hit.concept in _GRAVE and isinstance(syntax, Spaced) and syntax.takes_pronoun(text, hit.end)):
            return "talk"
        if ACTIONS[hit.concept] in HARMLESS:
            return "talk" if isinstance(syntax, Spaced) and self._only_a_word(word, looked, syntax) else "act"
        if hit.start > self.carried and self._talked_about(word, concepts, looked, language):
            return "talk"
        if "rehearsal" in concepts and _is_rehearsal(hit, before, after, text):
            return "compose"
        if self._is_noun(word, language) and not self._triggered(word, concepts, language):
            return "talk"
        if hit.concept in _EDITS and "prose" in concepts and _only_prose(objects):
            return "compose"
        return "act"

    def _only_a_word(self, word: _Word, looked: int, syntax: Spaced) -> bool:
        """Whether a word that could look at something is a noun, or only says more about one: `off the waiting list`,
        `so that they can download it`. What is really asked for is then another word, known or not."""
        hit = word.hit
        if word.also_noun and syntax.is_noun(self.text, hit.start, hit.end):
            return not self._heads(hit)
        return looked < 0 and syntax.subordinate(self.text, hit.start)

    def _heads(self, hit: Hit) -> bool:
        """Whether a noun is what the whole text is about: `A short list of the tickets`."""
        return (
            hit.start <= _HEAD_REACH
            and _TITLE.match(self.text[: hit.start]) is not None
            and bool(_HEADS.match(self.text, hit.end))
        )

    def _talked_about(self, word: _Word, concepts: set[str], looked: int, language: Language) -> bool:
        """Whether an action is a topic, a quotation, a question, a condition, or only what something is for."""
        hit, text, syntax = word.hit, self.text, language.syntax
        if "lead" in concepts and _led(word.before, hit, text):
            return True
        since = self._since_looked(hit)
        if since and syntax.precondition(since):
            return True
        if self.quoted and self._only_quoted(hit):
            return True
        if "topic" in concepts and self._names_a_topic(word, language):
            return True
        if isinstance(syntax, Spaced):
            native = self.native
            return self._only_told(word, looked, syntax) or (native is not None and self._asked_about(hit, native))
        if self._asked_about(hit, syntax):
            return True
        if language.verb_last:
            return syntax.is_attribute(text, hit.end) or self._looked_at_later(word, syntax)
        return self._describes(word, looked, syntax)

    def _asked_about(self, hit: Hit, syntax: Unspaced) -> bool:
        """Chinese and Japanese: whether a word stands in a question, a passive, or the text of something new."""
        text = self.text
        start, end = self._between_commas(hit)
        if syntax.passive(text, hit.start):
            return True
        if syntax.asks(text[start:end], hit.end, text) and not syntax.ends_as_verb(text, hit.end, end):
            return True
        if hit.term.language == "zh" and text[hit.end - 1] == "了" and not syntax.disposes(text[start : hit.start]):
            return True  # 服務停了 is a fact, 把服務停了 an order
        return syntax.content(text[max(self._sentence(hit)[0], hit.start - REACH) : hit.start])

    def _between_commas(self, hit: Hit) -> tuple[int, int]:
        """The stretch between two commas or sentence ends around a word, as far as it matters."""
        if self.commas is None:
            self.commas = [found.start() for found in _COMMA.finditer(self.text)]
        at = bisect_right(self.commas, hit.start)
        start = self.commas[at - 1] + 1 if at else 0
        end = self.commas[at] if at < len(self.commas) else len(self.text)
        return max(start, hit.start - REACH), min(end, hit.end + REACH)

    def _looked_at_later(self, word: _Word, syntax: Unspaced) -> bool:
        """Japanese: whether the verb that ends the clause only looks at what this word is about."""
        last = next(
            (other for other in reversed(word.after) if other.concept in ACTIONS and other.term.role != "noun"), None
        )
        if last is None or ACTIONS[last.concept] not in HARMLESS or word.hit.end >= last.start:
            return False
        if self.text[word.hit.end - 1] in "てで":
            return False
        return not syntax.goes_on(self.text[word.hit.end : last.start])

    def _only_told(self, word: _Word, looked: int, syntax: Spaced) -> bool:
        """English: whether the sentence asks about an action, tells of it, or looks at something that has to do with
        it, rather than asking for it."""
        hit, text = word.hit, self.text
        start, _ = self._sentence(hit)
        asked_until, content_from, supposes = self._told(start, syntax)
        if hit.start < asked_until or hit.start >= content_from:
            return True
        if supposes and syntax.only_supposed(text, max(0, word.clause_start - _LEAD_IN), hit.start):
            return True
        if self.oneself and syntax.oneself(text, hit.start, hit.end):
            return True
        if looked >= 0 and (syntax.purpose(text, hit.start) or syntax.participle(text, hit.start, hit.end)):
            return True
        looked = max(looked, self.looked)
        near = start <= looked < hit.start <= looked + REACH
        return near and syntax.embedded(text[looked : hit.start], text[hit.end : hit.end + 4].strip())

    def _told(self, start: int, syntax: Spaced) -> tuple[int, int, bool]:
        """Of the sentence that begins at `start`: up to where it only asks, from where on it is the text of something,
        and whether anything in it supposes."""
        known = self._tellings.get(start)
        if known is None:
            at = bisect_right(self.borders, start)
            end = self.borders[at] if at < len(self.borders) else len(self.text)
            head = self.text[start : min(end, start + _SENTENCE)]
            content = syntax.content_from(head)
            content_from = start + content if content < len(head) else end
            known = (start + syntax.asked_until(head), content_from, syntax.supposes(self.text[start:end]))
            self._tellings[start] = known
        return known

    def _sentence(self, hit: Hit) -> tuple[int, int]:
        """Where the sentence of a word begins and ends."""
        at = bisect_right(self.borders, hit.start)
        start = self.borders[at - 1] if at else 0
        return start, self.borders[at] if at < len(self.borders) else len(self.text)

    def _only_quoted(self, hit: Hit) -> bool:
        """Whether a word stands in a quotation that is looked at or told of, not ordered."""
        at = self._quote_of(hit)
        if at < 0 or self.quotes_ordered:
            return False
        start = self.quoted[at][0]
        end = self.quoted[at][1]
        before, after = self.text[max(0, start - _BESIDE) : start], self.text[end : end + _BESIDE]
        syntax = self.lexicon.languages[hit.term.language].syntax
        said = syntax.said(before) if isinstance(syntax, Spaced) else syntax.said(before, after)
        return self.quotes_looked_at or said

    def _since_looked(self, hit: Hit) -> str:
        """What stands between an earlier sentence that only looks and this word, as far as it matters."""
        if self.looked < 0:
            return ""
        return self.text[max(self.looked, hit.start - REACH) : hit.start]

    def _describes(self, word: _Word, looked: int, syntax: Unspaced) -> bool:
        """Chinese: whether an action word only describes a thing: 變更的欄位, 查詢變更日誌, 是否開啟."""
        hit, text = word.hit, self.text
        if syntax.is_attribute(text, hit.end) or syntax.asks_whether(text, hit.start):
            return True
        since = self._since_looked(hit)
        start, _ = self._between_commas(hit)
        if looked >= 0 and hit.start - looked <= REACH and not syntax.marks_object(text[start : hit.start]):
            between = text[looked : hit.start]
            noun = word.also_noun and not text.endswith(_CONFIRMS, 0, looked)
            if not syntax.joined(between) and (noun or self._ends_in_a_thing(word)):
                return True
            if not syntax.joined(between, nouns=False) and _thing_after(hit, word.after, text):
                return True
        examples = syntax.includes(text[max(0, hit.start - _BESIDE) : hit.start])
        if (examples or syntax.includes(since)) and (
            _thing_after(hit, word.after, text) or "等" in text[hit.end : hit.end + _LIST]
        ):
            return True
        if self._read_at_the_end(word, syntax):
            return True
        if since and syntax.permits(text, hit.start):
            return True
        return self._is_title(word)

    def _ends_in_a_thing(self, word: _Word) -> bool:
        """Whether the clause ends in what is kept of an action, so that all before it describes it."""
        if _thing_after(word.hit, word.after, self.text):
            return True
        _, end = self._between_commas(word.hit)
        inside = [other for other in word.after if other.end <= end]
        return bool(inside) and inside[-1].concept in _ENDS and end - inside[-1].end <= _LEFT_OVER

    def _read_at_the_end(self, word: _Word, syntax: Unspaced) -> bool:
        """Whether a title ends in the verb that looks: 作廢發票查詢, 刪除日誌查詢."""
        start, end = self._between_commas(word.hit)
        inside = [other for other in word.after if other.end <= end and other.concept in ACTIONS]
        if not inside or inside[-1].concept not in _LOOKS or end - inside[-1].end > _LEFT_OVER:
            return False
        text = self.text
        return not syntax.joined(text[word.hit.end : inside[-1].start]) and not syntax.disposes(
            text[start : word.hit.start]
        )

    def _is_title(self, word: _Word) -> bool:
        """`員工變更：`, `勳章授予名單-`: a noun with something before it, above what is really asked for."""
        text, hit = self.text, word.hit
        if not _IDEOGRAPH.match(text[hit.start - 1 : hit.start]):
            return False
        end = _thing_after(hit, word.after, text) or hit.end
        if text[end : end + 1] not in _TITLE_ENDS:
            return False
        return any([other.concept in ACTIONS for other in self.lexicon.hits(text[end + 1 : end + REACH])])

    def _names_a_topic(self, word: _Word, language: Language) -> bool:
        """`refund policy`, `デプロイ手順`: the word names a topic. Where the verb stands first, only a word
        that is a noun as well: `purge logs` purges, and at the head of a clause `export report` exports."""
        if not _topic_follows(word.hit, word.after, self.text):
            return False
        if language.verb_last or word.hit.term.role == "noun":
            return True
        return word.also_noun and (word.hit.concept in EVENTS or self._is_noun(word, language))

    def _is_noun(self, word: _Word, language: Language) -> bool:
        """Whether an action word is the name of a thing or an event here."""
        hit, syntax = word.hit, language.syntax
        if hit.term.role == "noun":
            return True
        if isinstance(syntax, Spaced):
            return word.also_noun and syntax.is_noun(self.text, hit.start, hit.end)
        return language.verb_last and syntax.names_a_thing(self.text, hit.start, hit.end)

    def _triggered(self, word: _Word, concepts: set[str], language: Language) -> bool:
        """Whether something says that the event which a noun names is to happen: `process the refund`."""
        hit = word.hit
        syntax = language.syntax
        heads = isinstance(syntax, Spaced) and hit.start <= _HEAD_REACH and not self.text[: hit.start].strip()
        if heads and _HEADS.match(self.text, hit.end):
            return True  # `Deletion of the inactive users`
        if "trigger" not in concepts or not concepts.isdisjoint(("question", "count")):
            return False
        if not isinstance(syntax, Spaced):
            said = word.after if language.verb_last else word.before
            return any([other.concept == "trigger" and other.term.language == language.id for other in said])
        trigger = next((other for other in reversed(word.before) if other.concept == "trigger"), None)
        if trigger is None or syntax.sets_apart(self.text[trigger.end : hit.start]):
            return False
        things = [other for other in word.after[:2] if other.concept in OBJECTS and other.start - hit.end <= 1]
        return not (hit.concept in _EDITS and things)

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
#: Actions that policies, histories and plans are written about.
EVENTS: Final = frozenset({"pay", "deploy", "migrate", "disrupt", "rotate", "execute"})
#: Words on each side of an action word that can change what it means.
_WINDOW: Final = 32


def _without_attributes(clause: Clause) -> Clause:
    """A clause without secrets that only name a topic: `password policy`."""
    if not any([hit.concept == "secret" for hit in clause]):
        return clause
    topics = {hit.start for hit in clause if hit.concept == "topic"}
    return [hit for hit in clause if hit.concept != "secret" or topics.isdisjoint((hit.end, hit.end + 1))]


class _Word:
    """An action word of a clause, with the known words on each side."""

    __slots__ = ("_beside", "after", "before", "clause_start", "hit")

    def __init__(self, hit: Hit, index: int, clause: Clause) -> None:
        self.hit = hit
        self.before = clause[max(0, index - _WINDOW) : index]
        self.after = clause[index + 1 : index + 1 + _WINDOW]
        self.clause_start = clause[0].start
        self._beside = clause[max(0, index - 2) : index + 3]

    @property
    def also_noun(self) -> bool:
        """Whether the same word is a noun as well."""
        return any([other.term.role == "noun" and other.start == self.hit.start for other in self._beside])


_COMMA: Final = re.compile("[,，、。;!?\\n；！？]")
#: Characters after the last known word of a clause that may be left over: a particle, a bracket.
_LEFT_OVER: Final = 2
#: What a title ends in that looks something up.
_LOOKS: Final = frozenset({"read", "show", "query"})
#: To confirm an event is to let it happen: 確認退款.
_CONFIRMS: Final = ("确认", "确定", "核对")
#: Characters of a list of examples before its `等`.
_LIST: Final = 16
#: Characters beside a quotation that tell whose words it holds.
_BESIDE: Final = 32
#: Characters before a clause's first known word that may hold `if we`.
_LEAD_IN: Final = 48
_TITLE_ENDS: Final = frozenset({":", "-", "："})
#: The part of a sentence that is looked at to see whether it is a question, in characters.
_SENTENCE: Final = 600
#: Actions that are meant whatever they are done to: `kill them`.
_GRAVE: Final = frozenset({"delete", "disrupt", "pay"})
#: Blanks before a goal's first word.
_HEAD_REACH: Final = 32
_TITLE: Final = re.compile(
    r"\s*(?:(?:a|an|the|my|our|this|one|two|three|daily|weekly|monthly)\s+)?(?:[a-z-]+\s+){0,2}\Z"
)
_IDEOGRAPH: Final = re.compile("[\u3400-\u4dbf\u4e00-\u9fff]")
_WHAT: Final = frozenset({"what", "what's"})
_SHOWN_SECRETS: Final = frozenset({"secret"})
_HEADS: Final = re.compile(r"\s+(?:of|for|to)\b")


def sighting(effect: str, hit: Hit, folded: Folded, path: str) -> Sighting:
    """An effect seen at a hit, pointing into the original text."""
    start, end = folded.original_span(hit.start, hit.end)
    return Sighting(effect, "goal", Span(path, start, end, folded.original[start:end]))


def _thing_after(hit: Hit, after: Sequence[Hit], text: str) -> int:
    """Where a chain of nouns ends that follows an action word and names what is kept of it: 變更日誌, 授予名單.
    0 where there is none."""
    end, last = hit.end, ""
    for other in after:
        if other.start < end:
            continue
        if text[end : other.start] not in _LINKS or other.concept not in _CHAINED:
            break
        end, last = other.end, other.concept
    return end if last in _KEPT_OF_ACTIONS else 0


_LINKS: Final = frozenset({"", "的", " ", "总", "和", "及", "与", "或"})
_KEPT_OF_ACTIONS: Final = frozenset({"topic", "trace", "count"})
_ENDS: Final = _KEPT_OF_ACTIONS | {"code"}
_CHAINED: Final = (
    OBJECTS | _KEPT_OF_ACTIONS | frozenset(action for action, effect in ACTIONS.items() if effect in HARMLESS)
)


def _only_prose(objects: Sequence[Hit]) -> bool:
    """Whether what is changed is one's own text and nothing else: `the second paragraph of my letter`."""
    concepts = {other.concept for other in objects if other.concept in OBJECTS}
    return "prose" in concepts and concepts <= {"prose", "letter"}


#: How far a negation reaches.
_REACH_WORDS: Final = 3
_REACH_CHARACTERS: Final = 8
_EITHER: Final = re.compile(r"\b(?:or|nor)\b|或|または|もしくは")


def _negated(before: Sequence[Hit], after: Sequence[Hit], hit: Hit, text: str) -> bool:
    """A negation reaches the next verb, and further ones only over an `or`; `do not forget to` is none."""
    nearest = next((h for h in reversed(before) if h.concept in ("negation", "affirmed")), None)
    if nearest is not None and nearest.concept == "negation":
        between = any(h.concept in ACTIONS and nearest.end <= h.start and h.end <= hit.start for h in before)
        if _EITHER.search(text, nearest.end, hit.start):
            return True
        if not between and _reaches(text[nearest.end : hit.start], _REACH_WORDS, _REACH_CHARACTERS):
            return True
    return any(h.concept == "negation_after" and h.start - hit.end <= 6 for h in after[:2])


def _reaches(gap: str, words: int, characters: int) -> bool:
    """Whether a gap is short: in words where words are spaced, else in characters."""
    return len(gap.split()) <= words if gap.isascii() else len(gap) <= characters


def _led(before: Sequence[Hit], hit: Hit, text: str) -> bool:
    """`how to delete`: only the next action word is talked about, within reach."""
    lead = next((other for other in reversed(before) if other.concept == "lead"), None)
    if lead is None or any(h.concept in ACTIONS and lead.end <= h.start < hit.start for h in before):
        return False
    return _reaches(text[lead.end : hit.start], _LEAD_WORDS, _LEAD_CHARACTERS)


#: How far a lead reaches.
_LEAD_WORDS: Final = 4
_LEAD_CHARACTERS: Final = 12
_AFTER: Final = re.compile(r"\b(?:after|no|without|skip|skipping|instead of|not)\b[^,;]*$")


def _is_rehearsal(hit: Hit, before: Sequence[Hit], after: Sequence[Hit], text: str) -> bool:
    near = [h for h in before[-2:] if hit.start - h.end <= 4] + [h for h in after[:1] if h.start - hit.end <= 1]
    return any(h.concept == "rehearsal" and not _AFTER.search(text[max(0, h.start - 20) : h.start]) for h in near)


def _topic_follows(hit: Hit, after: Sequence[Hit], text: str) -> bool:
    """`refund policy`, `デプロイ手順`: the word is only the name of a topic."""
    return any(h.concept == "topic" and not text[hit.end : h.start].strip() for h in after[:2])


#: What an action word and its object make together: (actions, object, further effects).
_TOGETHER: Final = (
    (frozenset({"read", "show", "fetch", "export", "message", "publish"}), "secret", ("secret_access",)),
    (frozenset({"show", "export", "message", "publish"}), "personal_data", ("personal_data", "export")),
    (frozenset({"read", "fetch"}), "personal_data", ("personal_data",)),
    (frozenset({"write", "overwrite", "delete", "configure"}), "access", ("access_change",)),
    (frozenset({"overwrite", "rotate", "delete"}), "setting", ("config_change",)),
    (frozenset({"overwrite", "delete"}), "schema", ("schema_change",)),
    (frozenset({"overwrite", "delete", "write"}), "secret", ("config_change",)),
    (frozenset({"write"}), "money", ("money_movement",)),
)


def effects_of(action: str, objects: frozenset[str]) -> tuple[str, ...]:
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
        letters = [char for char in sent if char.isalpha()]
        foreign = sum(1 for char in letters if not char.isascii() and not _script_known(char))
        if foreign * 2 > len(letters):
            return False
    if not text.isascii() and 2 * len(_NATIVE.findall(text)) > len(text):
        return True
    words = latin_words(text)
    known = sum(1 for word in words if word in lexicon.function_words["covered"])
    other = sum(1 for word in words if word in lexicon.function_words["other"])
    return other == 0 or other * 2 <= known


def _script_known(char: str) -> bool:
    return unicodedata.name(char, "").startswith(_COVERED_SCRIPTS)

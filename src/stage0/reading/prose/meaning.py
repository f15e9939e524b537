"""How an action word of a goal is meant: asked for, or only talked about.

The reading is fail-safe: a word counts unless something near it says that it is not meant. The rules of grammar stand
in `syntax.py`; here they are asked in order.
"""

from __future__ import annotations

import re
from bisect import bisect_right
from collections.abc import Sequence
from typing import Final, Literal

from stage0.reading.effects import HARMLESS
from stage0.reading.prose.lexicon import ACTIONS, OBJECTS, Hit, Language, Lexicon
from stage0.reading.prose.syntax import REACH, Spaced, Unspaced, quoted_spans, sentence_borders

#: How an action word is meant: done, done to one's own draft or as a rehearsal, or only talked about.
Meaning = Literal["act", "compose", "talk"]
_KANA: Final = re.compile("[\u3041-\u30fa]")
NATIVE: Final = re.compile("[\u3041-\u30fa\u3400-\u4dbf\u4e00-\u9fff]")
#: Actions that policies, histories and plans are written about.
EVENTS: Final = frozenset({"pay", "deploy", "migrate", "disrupt", "rotate", "execute"})
#: Actions that on one's own prose are only writing.
_EDITS: Final = frozenset({"write", "overwrite", "delete"})
#: Actions that are meant whatever they are done to: `kill them`.
_SEVERE: Final = frozenset({"delete", "disrupt", "pay"})
_MILD: Final = HARMLESS | {"write"}
_NEGATIONS: Final = frozenset({"negation", "negation_after"})
#: Chinese and Japanese: before an action these make it a state (未付款, 已刪除, 待審核).
_PARTICIPLES: Final = frozenset({"未", "已", "待"})
_ORDERS: Final = frozenset({"trigger", "execute", "run"})


class Word:
    """An action word of a clause, with the known words on each side."""

    __slots__ = ("_beside", "after", "before", "clause_start", "hit")

    def __init__(self, hit: Hit, index: int, clause: list[Hit]) -> None:
        self.hit = hit
        self.before = clause[max(0, index - _WINDOW) : index]
        self.after = clause[index + 1 : index + 1 + _WINDOW]
        self.clause_start = clause[0].start
        self._beside = clause[max(0, index - 2) : index + 3]

    @property
    def also_noun(self) -> bool:
        """Whether the same word is a noun as well."""
        return any([other.term.role == "noun" and other.start == self.hit.start for other in self._beside])


class Sense:
    """One goal's text, and how the action words in it are meant. `looked` is where the last clause that only looks at
    something did so; the reader moves it on."""

    def __init__(self, text: str, hits: Sequence[Hit], lexicon: Lexicon) -> None:
        self.text = text
        self.lexicon = lexicon
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
        #: Whether an action that does more than look is only talked about here, or one that nobody knows is asked for.
        self.told = self.carried >= 0 or _UNKNOWN_ORDER.search(text) is not None
        #: Where the last clause that only looks at something did so.
        self.looked = -1

    def _native(self) -> Unspaced | None:
        if self.text.isascii() or not NATIVE.search(self.text):
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

    def of(self, word: Word, concepts: set[str], looked: int) -> Meaning:
        hit, before, after, text = word.hit, word.before, word.after, self.text
        language = self.lexicon.languages[hit.term.language]
        syntax = language.syntax
        spaced = isinstance(syntax, Spaced)
        objects = after if spaced and text.isascii() else before + after
        if not concepts.isdisjoint(_NEGATIONS) and _is_negated(before, after, hit, text):
            return "talk"
        if not spaced and text[hit.start - 1 : hit.start] in _PARTICIPLES:
            return "talk"
        if hit.term.role == "weak" and not any([other.concept in hit.term.needs for other in objects]):
            said_before = isinstance(syntax, Spaced) and syntax.takes_pronoun(text, hit.end)
            if not said_before or hit.concept not in _SEVERE:
                unclear = said_before or (not spaced and hit.end - hit.start > 1)
                self.told = self.told or (unclear and ACTIONS[hit.concept] not in _MILD)
                return "talk"
        if ACTIONS[hit.concept] in HARMLESS:
            return "talk" if isinstance(syntax, Spaced) and self._only_a_word(word, looked, syntax) else "act"
        if hit.start > self.carried:
            if "topic" in concepts and self._names_a_topic(word, language):
                return "talk"
            if self._talked_about(word, concepts, looked, language):
                self.told = True
                return "talk"
        if "rehearsal" in concepts and _is_rehearsal(hit, before, after, text):
            return "compose"
        if self._is_noun(word, language) and not self._triggered(word, concepts, language):
            return "talk"
        if hit.concept in _EDITS and "prose" in concepts and _only_prose(objects):
            return "compose"
        return "act"

    def _only_a_word(self, word: Word, looked: int, syntax: Spaced) -> bool:
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

    def _talked_about(self, word: Word, concepts: set[str], looked: int, language: Language) -> bool:
        """Whether an action is a topic, a quotation, a question, a condition, or only what something is for."""
        hit, text, syntax = word.hit, self.text, language.syntax
        if "lead" in concepts and _is_led(word.before, hit, text):
            return True
        since = self._since_looked(hit)
        if since and syntax.precondition(since):
            return True
        if self.quoted and self._only_quoted(hit):
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
        return syntax.content(text[max(self.sentence(hit)[0], hit.start - REACH) : hit.start])

    def _between_commas(self, hit: Hit) -> tuple[int, int]:
        """The stretch between two commas or sentence ends around a word, as far as it matters."""
        if self.commas is None:
            self.commas = [found.start() for found in _COMMA.finditer(self.text)]
        at = bisect_right(self.commas, hit.start)
        start = self.commas[at - 1] + 1 if at else 0
        end = self.commas[at] if at < len(self.commas) else len(self.text)
        return max(start, hit.start - REACH), min(end, hit.end + REACH)

    def _looked_at_later(self, word: Word, syntax: Unspaced) -> bool:
        """Japanese: whether the verb that ends the clause, or the noun, only looks at what this word is about."""
        last = next((other for other in reversed(word.after) if _ends_a_clause(other)), None)
        if last is None or word.hit.end >= last.start or self.text[word.hit.end - 1] in "てで":
            return False
        between = self.text[word.hit.end : last.start]
        if syntax.goes_on(between):
            return False
        if last.concept in ACTIONS:
            return ACTIONS[last.concept] in HARMLESS
        return syntax.describes(between)

    def _only_told(self, word: Word, looked: int, syntax: Spaced) -> bool:
        """English: whether the sentence asks about an action, tells of it, or looks at something that has to do with
        it, rather than asking for it."""
        hit, text = word.hit, self.text
        start, _ = self.sentence(hit)
        asked_until, content_from, supposes = self.telling(start, syntax)
        if hit.start < asked_until:
            return not syntax.orders_in_a_question(text, hit.start, hit.end, text[start : hit.start])
        if hit.start >= content_from:
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

    def telling(self, start: int, syntax: Spaced) -> tuple[int, int, bool]:
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

    def sentence(self, hit: Hit) -> tuple[int, int]:
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

    def _describes(self, word: Word, looked: int, syntax: Unspaced) -> bool:
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

    def _ends_in_a_thing(self, word: Word) -> bool:
        """Whether the clause ends in what is kept of an action, so that all before it describes it."""
        if _thing_after(word.hit, word.after, self.text):
            return True
        _, end = self._between_commas(word.hit)
        inside = [other for other in word.after if other.end <= end]
        return bool(inside) and inside[-1].concept in _ENDS and end - inside[-1].end <= _LEFT_OVER

    def _read_at_the_end(self, word: Word, syntax: Unspaced) -> bool:
        """Whether a title ends in the verb that looks: 作廢發票查詢, 訂單取消查詢."""
        start, end = self._between_commas(word.hit)
        inside = [other for other in word.after if other.end <= end and other.concept in ACTIONS]
        text = self.text
        if not inside or inside[-1].end != end:
            return False
        if inside[-1].start == word.hit.end and word.hit.start == start:
            return False  # 刪除查詢
        if not syntax.titled(text, inside[-1].start, inside[-1].end):
            return False
        return not syntax.joined(text[word.hit.end : inside[-1].start]) and not syntax.disposes(
            text[start : word.hit.start]
        )

    def _is_title(self, word: Word) -> bool:
        """`員工變更：`, `勳章授予名單-`: a noun with something before it, above what is really asked for."""
        text, hit = self.text, word.hit
        if not _IDEOGRAPH.match(text[hit.start - 1 : hit.start]):
            return False
        end = _thing_after(hit, word.after, text) or hit.end
        if text[end : end + 1] not in _TITLE_ENDS:
            return False
        return any([other.concept in ACTIONS for other in self.lexicon.hits(text[end + 1 : end + REACH])])

    def _names_a_topic(self, word: Word, language: Language) -> bool:
        """`refund policy`, `デプロイ手順`: the word names a topic. Where the verb stands first, only a word
        that is a noun as well: `purge logs` purges, and at the head of a clause `export report` exports."""
        if not _topic_follows(word.hit, word.after, self.text):
            return False
        if word.hit.term.role == "noun":
            return True
        if language.verb_last:
            return self.text[word.hit.end - 1] not in "てでし"
        return word.also_noun and (word.hit.concept in EVENTS or self._is_noun(word, language))

    def _is_noun(self, word: Word, language: Language) -> bool:
        """Whether an action word is the name of a thing or an event here."""
        hit, syntax = word.hit, language.syntax
        if hit.term.role == "noun":
            return True
        if isinstance(syntax, Spaced):
            return word.also_noun and syntax.is_noun(self.text, hit.start, hit.end)
        return language.verb_last and syntax.names_a_thing(self.text, hit.start, hit.end)

    def _triggered(self, word: Word, concepts: set[str], language: Language) -> bool:
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


#: Words on each side of an action word that can change what it means.
_WINDOW: Final = 32
_COMMA: Final = re.compile("[,，、。;!?\\n；！？]")
#: Characters after the last known word of a clause that may be left over: a particle, a bracket.
_LEFT_OVER: Final = 2
#: To confirm an event is to let it happen: 確認退款.
_CONFIRMS: Final = ("确认", "确定", "核对")
#: Characters of a list of examples before its `等`.
_LIST: Final = 16
#: Characters beside a quotation that tell whose words it holds.
_BESIDE: Final = 32
#: `find the cheapest laptop and order it`: whatever is done to it, it is not looking.
_UNKNOWN_ORDER: Final = re.compile(
    r"\b(?:and|then)\s+(?!(?:show|read|describe|explain|summarize|summarise|list|print|display|tell|give|return|send|check|view|get"
    r"|compare|translate|analyze|count|find|open|see|is|are|was|has|have|let|of|for|all|what|why|how|if|make|do|did|does|will)\b)"
    r"[a-z]{3,}\s+(?:it|them|him|her)\b"
)
#: Characters before a clause's first known word that may hold `if we`.
_LEAD_IN: Final = 48
_TITLE_ENDS: Final = frozenset({":", "-", "："})
#: The part of a sentence that is looked at to see whether it is a question, in characters.
_SENTENCE: Final = 600
#: Blanks before a goal's first word.
_HEAD_REACH: Final = 32
_TITLE: Final = re.compile(
    r"\s*(?:(?:a|an|the|my|our|this|one|two|three|daily|weekly|monthly)\s+)?(?:[a-z-]+\s+){0,2}\Z"
)
_IDEOGRAPH: Final = re.compile("[\u3400-\u4dbf\u4e00-\u9fff]")
_HEADS: Final = re.compile(r"\s+(?:of|for|to)\b")


def _ends_a_clause(hit: Hit) -> bool:
    """Whether a Japanese clause can end in this: a verb, or what is kept of an action."""
    return (hit.concept in ACTIONS and hit.term.role != "noun") or hit.concept in _KEPT_OF_ACTIONS


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
_NEAR_BEHIND: Final = 6
_APART: Final = re.compile("[,、，;]")
_EITHER: Final = re.compile(r"\b(?:or|nor)\b|或|または|もしくは")


def _is_negated(before: Sequence[Hit], after: Sequence[Hit], hit: Hit, text: str) -> bool:
    """A negation reaches the next verb, and further ones only over an `or`; `do not forget to` is none."""
    nearest = next((h for h in reversed(before) if h.concept in ("negation", "affirmed")), None)
    if nearest is not None and nearest.concept == "negation":
        between = any(h.concept in ACTIONS and nearest.end <= h.start and h.end <= hit.start for h in before)
        if _EITHER.search(text, nearest.end, hit.start):
            return True
        # 禁止登入的帳號: what stands before 的 describes, and its negation ends there.
        between = between or "的" in text[nearest.end : hit.start]
        if not between and _reaches(text[nearest.end : hit.start], _REACH_WORDS, _REACH_CHARACTERS):
            return True
    return any(
        h.concept == "negation_after"
        and h.start - hit.end <= _NEAR_BEHIND
        and not _APART.search(text, hit.end, h.start)
        for h in after[:2]
    )


def _reaches(gap: str, words: int, characters: int) -> bool:
    """Whether a gap is short: in words where words are spaced, else in characters."""
    return len(gap.split()) <= words if gap.isascii() else len(gap) <= characters


def _is_led(before: Sequence[Hit], hit: Hit, text: str) -> bool:
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

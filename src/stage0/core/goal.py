"""Reading a goal: which actions its sentences ask for, in English, Chinese and Japanese.

A verb counts together with its object, its negation and what the sentence is about. The reading is
fail-safe: a verb counts unless something in its own clause says that it is not meant.
"""

from __future__ import annotations

import re
import unicodedata
from collections.abc import Iterator, Sequence
from typing import Final, Literal

import msgspec

from stage0.core.effects import Sighting, Span
from stage0.core.folding import Folded
from stage0.core.lexicon import ACTIONS, ENVIRONMENTS, MODIFIERS, OBJECTS, Hit, Lexicon, latin_words

_CLAUSE_END: Final = re.compile(
    r"[;!?\n。；！？，、,]|[.:](?=\s|$)|\b(?:and then|and|then|but|after that|afterwards|so)\b"
    r"|然后|接着|并且|そして|それから"
)
#: As a border only where no kana stand: Japanese has it inside words (再起動).
_AGAIN: Final = re.compile("再")
_KANA: Final = re.compile("[\u3041-\u30fa]")


class GoalReading(msgspec.Struct, frozen=True):
    """What a goal says: sightings of effects, environments named, and how well it was understood."""

    sightings: tuple[Sighting, ...]
    environments: frozenset[str]
    objects: frozenset[str]
    vague: bool
    covered: bool
    approval_words: bool


class Clause(msgspec.Struct):
    """One clause's hits, in order."""

    hits: list[Hit]
    end: int


def read_goal(goal: str, lexicon: Lexicon, path: str = "goal") -> GoalReading:
    """Read a goal as sent. Linear in its length."""
    folded = lexicon.fold(goal)
    hits = _one_language(lexicon.hits(folded.text), folded.text)
    sightings: list[Sighting] = []
    for clause in _clauses(folded.text, hits):
        sightings.extend(_read_clause(clause, folded, lexicon, path))
    concepts = {hit.concept for hit in hits}
    acts = bool(sightings)
    return GoalReading(
        sightings=tuple(sightings),
        environments=frozenset(ENVIRONMENTS[c] for c in concepts if c in ENVIRONMENTS),
        objects=frozenset(concepts & OBJECTS),
        vague=_is_vague(folded.text, hits, lexicon, acts=acts),
        covered=_is_covered(goal, folded.text, lexicon),
        approval_words="approval_word" in concepts,
    )


def _one_language(hits: list[Hit], text: str) -> list[Hit]:
    """Where Chinese and Japanese share a word, the reading of the text's own language; kana tell which it is."""
    if text.isascii():
        return hits
    other = "zh" if _KANA.search(text) else "ja"
    kept = {(h.start, h.end, h.concept, h.term.role == "noun") for h in hits if h.term.language != other}
    return [
        h for h in hits if h.term.language != other or (h.start, h.end, h.concept, h.term.role == "noun") not in kept
    ]


def _clauses(text: str, hits: Sequence[Hit]) -> Iterator[Clause]:
    """Hits by clause. A border inside a term ("terms and conditions") is none."""
    borders = [(m.start(), m[0] in _SOFT) for m in _CLAUSE_END.finditer(text)]
    if not text.isascii() and not _KANA.search(text):
        borders = sorted(borders + [(m.start(), False) for m in _AGAIN.finditer(text)])
    position = 0
    soft = False
    clause: Clause | None = None
    for end, is_soft in [*borders, (len(text), False)]:
        inside: list[Hit] = []
        while position < len(hits) and hits[position].start < end:
            inside.append(hits[position])
            position += 1
        if clause is not None and soft and not any(hit.concept in _STARTS for hit in inside):
            clause.hits.extend(inside)
        elif inside:
            if clause is not None:
                yield clause
            clause = Clause(inside, end)
        soft = is_soft
    if clause is not None:
        yield clause


#: Borders that may stand in a list: what follows without an action of its own still belongs to the one before.
_SOFT: Final = frozenset({",", "，", "、", "and"})
_STARTS: Final = frozenset(ACTIONS) | {"trigger", "question", "count", "negation", "affirmed"}


def _read_clause(clause: Clause, folded: Folded, lexicon: Lexicon, path: str) -> Iterator[Sighting]:
    changing = acted = False
    for hit in clause.hits:
        if hit.concept not in ACTIONS:
            continue
        meaning = _meaning(hit, clause, folded.text, lexicon)
        if meaning == "talk":
            continue
        acted = True
        if meaning == "compose":
            yield sighting("compute", hit, folded, path)
            continue
        changing = changing or ACTIONS[hit.concept] not in _HARMLESS
        for effect in effects_of(hit.concept, _objects_near(hit, clause, lexicon)):
            yield sighting(effect, hit, folded, path)
    if changing:
        for hit in clause.hits:
            if hit.concept in MODIFIERS:
                yield sighting(MODIFIERS[hit.concept], hit, folded, path)
    if not acted:
        yield from _read_trigger(clause, folded, path)


_HARMLESS: Final = frozenset({"read", "compute", "network_read"})


def _read_trigger(clause: Clause, folded: Folded, path: str) -> Iterator[Sighting]:
    """A clause without an action word: code that is started, or a question."""
    concepts = {hit.concept: hit for hit in clause.hits}
    if "trigger" in concepts and "code" in concepts and not concepts.keys() & {"negation", "lead", "question"}:
        yield sighting("code_execution", concepts["code"], folded, path)
        return
    yield from _read_question(clause, folded, path)


def _read_question(clause: Clause, folded: Folded, path: str) -> Iterator[Sighting]:
    for hit in clause.hits:
        if hit.concept in ("question", "count", "lead"):
            yield sighting("read", hit, folded, path)
            return


def sighting(effect: str, hit: Hit, folded: Folded, path: str) -> Sighting:
    """An effect seen at a hit, pointing into the original text."""
    start, end = folded.original_span(hit.start, hit.end)
    return Sighting(effect, "goal", Span(path, start, end, folded.original[start:end]))


#: How an action word is meant: done, done to one's own draft or as a rehearsal, or only talked about.
Meaning = Literal["act", "compose", "talk"]
#: Actions that on one's own prose are only writing.
_EDITS: Final = frozenset({"write", "overwrite", "delete"})


def _meaning(hit: Hit, clause: Clause, text: str, lexicon: Lexicon) -> Meaning:
    language = lexicon.languages[hit.term.language]
    before = [other for other in clause.hits if other.end <= hit.start]
    after = [other for other in clause.hits if other.start >= hit.end]
    objects = _object_side(before, after, hit, spaced=language.spaced)
    if _negated(before, after, hit, text):
        return "talk"
    if not language.spaced and text[hit.start - 1 : hit.start] in _PARTICIPLES:
        return "talk"
    if hit.term.role == "weak" and not any(other.concept in hit.term.needs for other in objects):
        return "talk"
    if ACTIONS[hit.concept] in _HARMLESS:
        return "act"
    if any(other.concept == "lead" for other in before):
        return "talk"
    if _is_rehearsal(hit, before, after):
        return "compose"
    if _names_a_topic(hit, clause, after, text, verb_last=language.verb_last):
        return "talk"
    if hit.term.role == "noun" and not _triggered(clause, before, after, verb_last=language.verb_last):
        return "talk"
    if hit.concept in _EDITS and _only_prose(objects):
        return "compose"
    return "act"


#: Chinese and Japanese: before an action these make it a state (未付款, 已刪除, 待審核).
_PARTICIPLES: Final = frozenset({"未", "已", "待"})


def _object_side(before: Sequence[Hit], after: Sequence[Hit], hit: Hit, *, spaced: bool) -> Sequence[Hit]:
    """Where an action word's object stands: after it in English, on either side in Chinese and Japanese."""
    return after if spaced else [*before, *after]


def _only_prose(objects: Sequence[Hit]) -> bool:
    """Whether what is changed is one's own text and nothing else: `the second paragraph of my letter`."""
    concepts = {other.concept for other in objects if other.concept in OBJECTS}
    return "prose" in concepts and concepts <= {"prose", "letter"}


def _triggered(clause: Clause, before: Sequence[Hit], after: Sequence[Hit], *, verb_last: bool) -> bool:
    if any(other.concept in ("question", "count") for other in clause.hits):
        return False
    return any(other.concept == "trigger" for other in (after if verb_last else before))


def _names_a_topic(hit: Hit, clause: Clause, after: Sequence[Hit], text: str, *, verb_last: bool) -> bool:
    """`refund policy`, `デプロイ手順`: the word is only the name of a topic. In languages whose verb stands
    first, only words that are nouns as well; `purge logs` is a purge."""
    also_noun = hit.term.role == "noun" or any(
        other.term.role == "noun" and other.start == hit.start for other in clause.hits
    )
    return (verb_last or also_noun) and _topic_follows(hit, after, text)


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
        gap = text[nearest.end : hit.start]
        if not between and (len(gap.split()) <= _REACH_WORDS if gap.isascii() else len(gap) <= _REACH_CHARACTERS):
            return True
    return any(h.concept == "negation_after" and h.start - hit.end <= 6 for h in after[:2])


def _is_rehearsal(hit: Hit, before: Sequence[Hit], after: Sequence[Hit]) -> bool:
    near = [h for h in before[-2:] if hit.start - h.end <= 4] + [h for h in after[:1] if h.start - hit.end <= 1]
    return any(h.concept == "rehearsal" for h in near)


def _topic_follows(hit: Hit, after: Sequence[Hit], text: str) -> bool:
    """`refund policy`, `デプロイ手順`: the word is only the name of a topic."""
    return any(h.concept == "topic" and not text[hit.end : h.start].strip() for h in after[:2])


def _objects_near(hit: Hit, clause: Clause, lexicon: Lexicon) -> frozenset[str]:
    spaced = lexicon.languages[hit.term.language].spaced
    side = [h for h in clause.hits if (h.start >= hit.end if spaced else h.start >= hit.end or h.end <= hit.start)]
    found = {h.concept for h in side if h.concept in OBJECTS}
    if any(h.concept == "count" for h in clause.hits) or "schema" in found:
        found -= {"personal_data", "contact", "secret"}
    if {"contact", "person"} <= found:
        found.add("personal_data")
    return frozenset(found)


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
    vague = [hit for hit in hits if hit.concept == "vague"]
    if not vague:
        return not acts and len(text.strip()) <= 4
    if acts and any(hit.concept in OBJECTS for hit in hits):
        return False
    rest = text
    for hit in reversed(vague):
        rest = rest[: hit.start] + " " + rest[hit.end :]
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
    words = latin_words(text)
    known = sum(1 for word in words if word in lexicon.function_words["covered"])
    other = sum(1 for word in words if word in lexicon.function_words["other"])
    return other <= known


def _script_known(char: str) -> bool:
    return unicodedata.name(char, "").startswith(_COVERED_SCRIPTS)

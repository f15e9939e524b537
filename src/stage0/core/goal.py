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

from stage0.core.effects import HARMLESS, Sighting, Span
from stage0.core.folding import Folded
from stage0.core.lexicon import ACTIONS, MODIFIERS, OBJECTS, Hit, Lexicon, latin_words

_KANA: Final = re.compile("[\u3041-\u30fa]")


class GoalReading(msgspec.Struct, frozen=True):
    """What a goal says: sightings of effects, environments named, and how well it was understood."""

    sightings: tuple[Sighting, ...]
    environments: frozenset[str]
    vague: bool
    covered: bool


Clause = list[Hit]


def read_goal(goal: str, lexicon: Lexicon, path: str = "goal") -> GoalReading:
    """Read a goal as sent. Linear in its length."""
    folded = lexicon.fold(goal)
    text = folded.text
    hits = lexicon.hits(text)
    again = False
    if not text.isascii():
        kana = bool(_KANA.search(text))
        # Japanese has 再 inside words (再起動); only elsewhere does it begin a clause.
        again = not kana
        hits = _one_language(hits, "zh" if kana else "ja")
    sightings: list[Sighting] = []
    for clause in _clauses(hits, again=again):
        _read_clause(clause, folded, lexicon, path, sightings)
    return GoalReading(
        sightings=tuple(sightings),
        environments=frozenset([hit.term.environment for hit in hits if hit.term.environment]),
        vague=_is_vague(text, hits, lexicon, acts=bool(sightings)),
        covered=_is_covered(goal, text, lexicon),
    )


def _one_language(hits: list[Hit], other: str) -> list[Hit]:
    """Where Chinese and Japanese share a word, the reading of the text's own language, not of the `other`."""
    kept = {(h.start, h.end, h.concept, h.term.role == "noun") for h in hits if h.term.language != other}
    return [
        h for h in hits if h.term.language != other or (h.start, h.end, h.concept, h.term.role == "noun") not in kept
    ]


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


def _read_clause(clause: Clause, folded: Folded, lexicon: Lexicon, path: str, into: list[Sighting]) -> None:
    concepts = {hit.concept for hit in clause}
    changing = acted = False
    for index, hit in enumerate(clause):
        effect = ACTIONS.get(hit.concept)
        if effect is None:
            continue
        meaning = _meaning(index, hit, clause, concepts, folded.text, lexicon)
        if meaning == "talk":
            continue
        acted = True
        if meaning == "compose":
            into.append(sighting("compute", hit, folded, path))
            continue
        changing = changing or effect not in HARMLESS
        for each in effects_of(hit.concept, _objects_near(hit, clause, concepts, lexicon)):
            into.append(sighting(each, hit, folded, path))
    if changing and not concepts.isdisjoint(MODIFIERS):
        into.extend([sighting(MODIFIERS[h.concept], h, folded, path) for h in clause if h.concept in MODIFIERS])
    if not acted:
        _read_trigger(clause, concepts, folded, path, into)


def _read_trigger(clause: Clause, concepts: set[str], folded: Folded, path: str, into: list[Sighting]) -> None:
    """A clause without an action word: code that is started, or a question."""
    if {"trigger", "code"} <= concepts and concepts.isdisjoint(("negation", "lead", "question")):
        effect, asks = "code_execution", _CODE
    else:
        effect, asks = "read", _ASKS
    found = next((hit for hit in clause if hit.concept in asks), None)
    if found is not None:
        into.append(sighting(effect, found, folded, path))


_CODE: Final = frozenset({"code"})
_ASKS: Final = frozenset({"question", "count", "lead"})


def sighting(effect: str, hit: Hit, folded: Folded, path: str) -> Sighting:
    """An effect seen at a hit, pointing into the original text."""
    start, end = folded.original_span(hit.start, hit.end)
    return Sighting(effect, "goal", Span(path, start, end, folded.original[start:end]))


#: How an action word is meant: done, done to one's own draft or as a rehearsal, or only talked about.
Meaning = Literal["act", "compose", "talk"]
#: Actions that on one's own prose are only writing.
_EDITS: Final = frozenset({"write", "overwrite", "delete"})


def _meaning(index: int, hit: Hit, clause: Clause, concepts: set[str], text: str, lexicon: Lexicon) -> Meaning:
    language = lexicon.languages[hit.term.language]
    before = clause[:index]
    after = clause[index + 1 :]
    objects = after if language.spaced else before + after
    if not concepts.isdisjoint(_NEGATIONS) and _negated(before, after, hit, text):
        return "talk"
    if not language.spaced and text[hit.start - 1 : hit.start] in _PARTICIPLES:
        return "talk"
    if hit.term.role == "weak" and not any([other.concept in hit.term.needs for other in objects]):
        return "talk"
    if ACTIONS[hit.concept] in HARMLESS:
        return "act"
    if "lead" in concepts and _led(before, hit, text):
        return "talk"
    if "rehearsal" in concepts and _is_rehearsal(hit, before, after, text):
        return "compose"
    if "topic" in concepts and _names_a_topic(hit, clause, after, text, verb_last=language.verb_last):
        return "talk"
    if hit.term.role == "noun" and not _triggered(concepts, before, after, verb_last=language.verb_last):
        return "talk"
    if hit.concept in _EDITS and "prose" in concepts and _only_prose(objects):
        return "compose"
    return "act"


_NEGATIONS: Final = frozenset({"negation", "negation_after"})
#: Chinese and Japanese: before an action these make it a state (未付款, 已刪除, 待審核).
_PARTICIPLES: Final = frozenset({"未", "已", "待"})


def _only_prose(objects: Sequence[Hit]) -> bool:
    """Whether what is changed is one's own text and nothing else: `the second paragraph of my letter`."""
    concepts = {other.concept for other in objects if other.concept in OBJECTS}
    return "prose" in concepts and concepts <= {"prose", "letter"}


def _triggered(concepts: set[str], before: Sequence[Hit], after: Sequence[Hit], *, verb_last: bool) -> bool:
    if "trigger" not in concepts or not concepts.isdisjoint(("question", "count")):
        return False
    return any([other.concept == "trigger" for other in (after if verb_last else before)])


def _names_a_topic(hit: Hit, clause: Clause, after: Sequence[Hit], text: str, *, verb_last: bool) -> bool:
    """`refund policy`, `デプロイ手順`: the word is only the name of a topic. In languages whose verb stands
    first, only words that are nouns as well; `purge logs` is a purge."""
    also_noun = hit.term.role == "noun" or any(
        other.term.role == "noun" and other.start == hit.start for other in clause
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


def _objects_near(hit: Hit, clause: Clause, concepts: set[str], lexicon: Lexicon) -> frozenset[str]:
    if concepts.isdisjoint(OBJECTS):
        return _NOTHING
    if lexicon.languages[hit.term.language].spaced:
        found = OBJECTS.intersection([h.concept for h in clause if h.start >= hit.end])
    else:
        found = OBJECTS.intersection(concepts)
    if "count" in concepts or "schema" in found:
        found -= {"personal_data", "contact", "secret"}
    if {"contact", "person"} <= found:
        found |= {"personal_data"}
    return found


_NOTHING: Final[frozenset[str]] = frozenset()


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
    return other == 0 or other * 2 <= known


def _script_known(char: str) -> bool:
    return unicodedata.name(char, "").startswith(_COVERED_SCRIPTS)

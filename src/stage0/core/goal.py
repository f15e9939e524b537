"""Reading a goal: which actions its sentences ask for, in English, Chinese and Japanese.

A verb counts together with its object, its negation and what the sentence is about. The reading is
fail-safe: a verb counts unless something in its own clause says that it is not meant.
"""

from __future__ import annotations

import re
import unicodedata
from collections.abc import Iterator, Sequence
from typing import Final

import msgspec

from stage0.core.effects import Sighting, Span
from stage0.core.folding import Folded
from stage0.core.lexicon import ACTIONS, ENVIRONMENTS, MODIFIERS, OBJECTS, Hit, Lexicon, latin_words

_CLAUSE_END: Final = re.compile(
    r"[;!?\n。；！？，、,]|[.:](?=\s|$)|\b(?:and then|and|then|but|after that|afterwards)\b"
    r"|然后|接着|并且|再|そして|それから"
)


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
    hits = lexicon.hits(folded.text)
    sightings: list[Sighting] = []
    for clause in _clauses(folded.text, hits):
        sightings.extend(_read_clause(clause, folded, lexicon, path))
    concepts = {hit.concept for hit in hits}
    acts = bool(sightings)
    return GoalReading(
        sightings=tuple(sightings),
        environments=frozenset(ENVIRONMENTS[c] for c in concepts if c in ENVIRONMENTS),
        objects=frozenset(concepts & OBJECTS),
        vague=_is_vague(folded.text, hits, acts),
        covered=acts or _is_covered(folded.text, lexicon),
        approval_words="approval_word" in concepts,
    )


def _clauses(text: str, hits: Sequence[Hit]) -> Iterator[Clause]:
    """Hits by clause. A border inside a term ("terms and conditions") is none."""
    ends = [m.start() for m in _CLAUSE_END.finditer(text)]
    position = 0
    for end in [*ends, len(text)]:
        inside: list[Hit] = []
        while position < len(hits) and hits[position].start < end:
            inside.append(hits[position])
            position += 1
        if inside:
            yield Clause(inside, end)


def _read_clause(clause: Clause, folded: Folded, lexicon: Lexicon, path: str) -> Iterator[Sighting]:
    actions = [hit for hit in clause.hits if hit.concept in ACTIONS and _is_meant(hit, clause, folded.text, lexicon)]
    for hit in actions:
        for effect in effects_of(hit.concept, _objects_near(hit, clause, lexicon)):
            yield sighting(effect, hit, folded, path)
    changing = [hit for hit in actions if ACTIONS[hit.concept] not in ("read", "compute", "network_read")]
    if changing:
        for hit in clause.hits:
            if hit.concept in MODIFIERS:
                yield sighting(MODIFIERS[hit.concept], hit, folded, path)
    if not actions:
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


def _is_meant(hit: Hit, clause: Clause, text: str, lexicon: Lexicon) -> bool:
    verb_last = lexicon.languages[hit.term.language].verb_last
    before = [other for other in clause.hits if other.end <= hit.start]
    after = [other for other in clause.hits if other.start >= hit.end]
    if _negated(before, after, hit, text):
        return False
    if ACTIONS[hit.concept] in ("read", "compute"):
        return hit.term.role != "weak" or _has_needed(hit, before, after, verb_last=verb_last)
    if any(other.concept == "lead" for other in before):
        return False
    if _is_rehearsal(hit, before, after):
        return False
    if (verb_last or hit.term.role == "noun") and _topic_follows(hit, after, text):
        return False
    if hit.term.role == "weak":
        return _has_needed(hit, before, after, verb_last=verb_last)
    if hit.term.role == "noun":
        return any(other.concept == "trigger" for other in (after if verb_last else before))
    return _object_is_at_stake(hit, before, after, verb_last=verb_last)


_EITHER: Final = re.compile(r"\b(?:or|nor)\b|或|または|もしくは")


def _negated(before: Sequence[Hit], after: Sequence[Hit], hit: Hit, text: str) -> bool:
    """A negation reaches the next verb, and further ones only over an `or`; `do not forget to` is none."""
    nearest = next((h for h in reversed(before) if h.concept in ("negation", "affirmed")), None)
    if nearest is not None and nearest.concept == "negation":
        between = any(h.concept in ACTIONS and nearest.end <= h.start and h.end <= hit.start for h in before)
        if not between or _EITHER.search(text, nearest.end, hit.start):
            return True
    return any(h.concept == "negation_after" and h.start - hit.end <= 6 for h in after[:2])


def _is_rehearsal(hit: Hit, before: Sequence[Hit], after: Sequence[Hit]) -> bool:
    near = [h for h in before[-2:] if hit.start - h.end <= 4] + [h for h in after[:1] if h.start - hit.end <= 1]
    return any(h.concept == "rehearsal" for h in near)


def _topic_follows(hit: Hit, after: Sequence[Hit], text: str) -> bool:
    """`refund policy`, `デプロイ手順`: the word is only the name of a topic."""
    return any(h.concept == "topic" and not text[hit.end : h.start].strip() for h in after[:2])


def _has_needed(hit: Hit, before: Sequence[Hit], after: Sequence[Hit], *, verb_last: bool) -> bool:
    return any(other.concept in hit.term.needs for other in (before if verb_last else after))


def _object_is_at_stake(hit: Hit, before: Sequence[Hit], after: Sequence[Hit], *, verb_last: bool) -> bool:
    """Changing one's own prose is no change of a system: `delete the second paragraph of my letter`."""
    objects = [other for other in (reversed(before) if verb_last else after) if other.concept in OBJECTS]
    return not objects or objects[0].concept != "prose"


def _objects_near(hit: Hit, clause: Clause, lexicon: Lexicon) -> frozenset[str]:
    verb_last = lexicon.languages[hit.term.language].verb_last
    side = [h for h in clause.hits if (h.end <= hit.start if verb_last else h.start >= hit.end)]
    found = {h.concept for h in side if h.concept in OBJECTS}
    if any(h.concept == "count" for h in clause.hits) or any(h.concept == "schema" for h in side):
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
    (frozenset({"write"}), "money", ("money_movement",)),
)


def effects_of(action: str, objects: frozenset[str]) -> tuple[str, ...]:
    """The effects of an action word on such objects, its own first."""
    effects = [ACTIONS[action]]
    for actions, obj, further in _TOGETHER:
        if action in actions and obj in objects:
            effects.extend(further)
    return tuple(effects)


def _is_vague(text: str, hits: Sequence[Hit], acts: bool) -> bool:
    """A goal that names no outcome: nothing but vague words, or too short to say anything."""
    if any(hit.concept == "vague" for hit in hits):
        rest = [h for h in hits if h.concept in OBJECTS or (h.concept in ACTIONS and h.term.role != "weak")]
        return not rest
    return not acts and len(text.strip()) <= 4


_COVERED_SCRIPTS: Final = ("LATIN", "CJK", "HIRAGANA", "KATAKANA", "FULLWIDTH", "HALFWIDTH", "KATAKANA-HIRAGANA")


def _is_covered(text: str, lexicon: Lexicon) -> bool:
    """Whether most letters belong to a language that the lexicon knows."""
    letters = [char for char in text if char.isalpha()]
    foreign = sum(1 for char in letters if not char.isascii() and not _script_known(char))
    if foreign * 2 > len(letters):
        return False
    words = latin_words(text)
    known = sum(1 for word in words if word in lexicon.function_words["covered"])
    other = sum(1 for word in words if word in lexicon.function_words["other"])
    return other <= known


def _script_known(char: str) -> bool:
    return unicodedata.name(char, "").startswith(_COVERED_SCRIPTS)

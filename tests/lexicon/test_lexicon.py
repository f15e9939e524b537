"""The words of each concept in each language: what they are found in, what they are not, and what they change."""

from __future__ import annotations

import re
import shutil
from collections.abc import Callable, Iterator
from functools import lru_cache
from pathlib import Path
from typing import Final

import msgspec
import pytest

from stage0.knowledge.words import Entry, LanguageFile, load_lexicon
from stage0.knowledge.yaml import HERE, convert, read
from stage0.policy import PolicyError, shipped_packs
from stage0.reading.effects import HARMLESS
from stage0.reading.prose.goal import GoalReading, read_goal
from stage0.reading.prose.lexicon import ACTIONS, CONCEPTS, ENVIRONMENTS, OBJECTS, Hit, Lexicon
from tests.asserting import nonempty

KNOWLEDGE: Final = shipped_packs()["stage0-default"].knowledge
LEXICON: Final = KNOWLEDGE.lexicon
WORDS: Final = HERE / "lexicon"
LANGUAGES: Final = tuple(sorted(path.stem for path in WORDS.glob("??.yaml")))
FILES: Final = {language: convert(read(WORDS / f"{language}.yaml"), LanguageFile, language) for language in LANGUAGES}

#: Where clauses end is the same in every language, and stands in the code.
BORDERS: Final = frozenset({"break", "soft", "again"})

#: Where a language has no word for a concept, and why. It has near misses all the same, if there is one.
NO_WORDS: Final = {
    ("again", "en"): "a Chinese word",
    ("again", "ja"): "a Chinese word; Japanese has the character inside words",
}


class Cases(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """Sentences that a word of a concept stands in, and sentences that only look like it."""

    hit: tuple[str, ...] = ()
    near_miss: tuple[str, ...] = ()


CASES: Final = {
    language: convert(read(Path(__file__).with_name(f"{language}.yaml")), dict[str, Cases], f"{language}.yaml")
    for language in LANGUAGES
}


def reading_of(sentence: str, lexicon: Lexicon = LEXICON) -> GoalReading:
    """What a sentence says."""
    return read_goal(sentence, lexicon, read_name=KNOWLEDGE.effects_of_name)


def effects(reading: GoalReading) -> set[str]:
    """The effects that a reading found."""
    return {sighting.effect for sighting in reading.sightings}


# -- What the word of a concept changes

Consequence = Callable[[GoalReading], bool]


def asks_for(effect: str) -> Consequence:
    """An effect is asked for."""
    return lambda reading: effect in effects(reading)


def does_not_ask_for(effect: str) -> Consequence:
    """An effect is not asked for."""
    return lambda reading: effect not in effects(reading)


def names(environment: str) -> Consequence:
    """An environment is named."""
    return lambda reading: environment in reading.environments


def changes_something(reading: GoalReading) -> bool:
    """The action that the sentence holds counts."""
    return not effects(reading) <= HARMLESS


def changes_nothing(reading: GoalReading) -> bool:
    """The action that the sentence holds does not count."""
    return effects(reading) <= HARMLESS


def is_vague(reading: GoalReading) -> bool:
    """The sentence names no outcome."""
    return reading.vague


#: What is so because of a concept's word: it holds for the hit, not without the word, and not for the near miss.
CONSEQUENCES: Final[dict[str, Consequence]] = {
    "bulk": asks_for("bulk"),
    "irreversible": asks_for("irreversible"),
    # What it is done to decides whether a weak verb counts, and what else an action does.
    "resource": asks_for("write"),
    "trace": asks_for("delete"),
    "money": asks_for("money_movement"),
    "letter": asks_for("external_message"),
    "access": asks_for("access_change"),
    "secret": asks_for("secret_access"),
    "personal_data": asks_for("personal_data"),
    "contact": asks_for("personal_data"),
    "person": asks_for("external_message"),
    "schema": asks_for("schema_change"),
    "setting": asks_for("config_change"),
    "software": asks_for("service_impact"),
    "prose": changes_nothing,
    "code": asks_for("code_execution"),
    # How an action is meant.
    "negation": changes_nothing,
    "negation_after": changes_nothing,
    "affirmed": changes_something,
    "lead": changes_nothing,
    "topic": changes_nothing,
    "trigger": changes_something,
    "carry_out": changes_something,
    "count": asks_for("read"),
    "question": asks_for("read"),
    "vague": is_vague,
    "compound": changes_nothing,
    "rehearsal": changes_nothing,
    # A clause ends, so that `all` does not reach what is done in the next.
    "break": does_not_ask_for("bulk"),
    "soft": does_not_ask_for("bulk"),
    "again": does_not_ask_for("bulk"),
    **{concept: names(environment) for concept, environment in ENVIRONMENTS.items()},
}


class _Without(Lexicon):
    """The lexicon as it would be without one concept."""

    def __init__(self, concept: str) -> None:
        self._left_out = concept
        terms = [term for each in LEXICON._by_text.values() for term in each if term.language]
        super().__init__(
            [term for term in terms if term.concept != concept],
            LEXICON.languages,
            scripts={},
            participles=LEXICON.participles,
            function_words=LEXICON.function_words,
        )
        self.table = LEXICON.table

    def hits(self, text: str) -> list[Hit]:
        return [hit for hit in super().hits(text) if hit.concept != self._left_out]


lexicon_without: Final = lru_cache(_Without)


# -- The three languages


def has_words(language: str, concept: str) -> bool:
    """Whether a language can say a concept."""
    if concept in BORDERS:
        return (concept, language) not in NO_WORDS
    return FILES[language].concepts.get(concept, Entry()) != Entry()


@pytest.mark.parametrize("language", LANGUAGES)
def test_each_language_has_every_concept_and_no_other(language: str) -> None:
    assert set(FILES[language].concepts) == CONCEPTS - BORDERS
    assert FILES[language].language == language


def test_every_concept_has_words_in_every_language_but_where_it_is_said_why_not() -> None:
    without = {
        (concept, language) for concept in CONCEPTS for language in LANGUAGES if not has_words(language, concept)
    }
    assert without == set(NO_WORDS)


@pytest.mark.parametrize("language", LANGUAGES)
def test_every_concept_has_hits_and_near_misses(language: str) -> None:
    cases = CASES[language]
    assert set(cases) - CONCEPTS == set()
    lacking = []
    for concept in sorted(CONCEPTS):
        wanted = 2 if concept in ACTIONS else 1
        case = cases.get(concept, Cases())
        if has_words(language, concept):
            lacking += [concept] * (len(set(case.hit)) < wanted or len(set(case.near_miss)) < wanted)
        else:
            lacking += [concept] * bool(case.hit)
    assert lacking == []


def test_every_concept_is_an_action_or_has_a_consequence() -> None:
    assert set(CONSEQUENCES) == CONCEPTS - set(ACTIONS)


# -- Hits and near misses


def cases_of(kind: str, concepts: frozenset[str]) -> list[tuple[str, str]]:
    """Each concept with each of its sentences of a kind."""
    return [
        (concept, sentence)
        for cases in CASES.values()
        for concept, case in cases.items()
        if concept in concepts
        for sentence in getattr(case, kind)
    ]


ACTING: Final = frozenset(ACTIONS)


@pytest.mark.parametrize(("concept", "sentence"), cases_of("hit", ACTING))
def test_an_action_is_read_where_it_is_asked_for(concept: str, sentence: str) -> None:
    reading = reading_of(sentence)
    assert concept in reading.actions
    assert ACTIONS[concept] in effects(reading)


@pytest.mark.parametrize(("concept", "sentence"), cases_of("near_miss", ACTING))
def test_an_action_is_not_read_where_its_word_means_something_else(concept: str, sentence: str) -> None:
    assert concept not in reading_of(sentence).actions


@pytest.mark.parametrize(("concept", "sentence"), cases_of("hit", CONCEPTS - ACTING))
def test_a_word_changes_what_its_concept_is_there_for(concept: str, sentence: str) -> None:
    found = [hit for hit in LEXICON.hits(LEXICON.fold(sentence).text) if hit.concept == concept]
    assert found
    reading = reading_of(sentence)
    assert CONSEQUENCES[concept](reading)
    assert not CONSEQUENCES[concept](reading_of(sentence, lexicon_without(concept)))
    if concept in OBJECTS:
        assert {hit.term.text for hit in nonempty(found)} <= reading.objects


@pytest.mark.parametrize(("concept", "sentence"), cases_of("near_miss", CONCEPTS - ACTING))
def test_a_word_that_only_looks_like_it_changes_nothing(concept: str, sentence: str) -> None:
    assert not CONSEQUENCES[concept](reading_of(sentence))


def terms_of(language: str) -> Iterator[tuple[str, str]]:
    """Every concept with every word that its file gives it, folded."""
    for concept, entry in FILES[language].concepts.items():
        weak = [term for each in entry.weak for term in each.terms]
        for term in (*entry.verbs, *entry.nouns, *weak, *entry.words):
            yield concept, " ".join(LEXICON.fold(term).text.split())


@pytest.mark.parametrize(("language", "kind"), [(a, b) for a in LANGUAGES for b in ("hit", "near_miss")])
def test_a_near_miss_is_near_and_no_sentence_stands_twice(language: str, kind: str) -> None:
    """It shares the beginning of a word (English) or a character (Chinese, Japanese) with a word of its concept."""
    far = []
    for concept, case in CASES[language].items():
        pieces = {piece for other, term in terms_of(language) if other == concept for piece in _pieces(term)}
        for sentence in getattr(case, kind):
            text = LEXICON.fold(sentence).text
            if has_words(language, concept) and concept not in BORDERS and not any(piece in text for piece in pieces):
                far.append((concept, sentence))
    assert far == []
    sentences = [sentence for case in CASES[language].values() for sentence in (*case.hit, *case.near_miss)]
    assert sorted(sentences) == sorted(set(sentences))


def _pieces(term: str) -> Iterator[str]:
    """What makes a sentence look like it holds a term: its words' beginnings, its ideographs, two of its kana."""
    yield from (word[:4] for word in re.findall(r"[a-z.$/']+", term))
    yield from re.findall("[\u3400-\u9fff]", term)
    yield from (
        term[at : at + 2] for at in range(len(term) - 1) if re.fullmatch("[\u3041-\u30ff]{2}", term[at : at + 2])
    )


# -- The words themselves

#: A sentence in each language that says nothing itself.
FRAMES: Final = {"en": 'We saw "{}" there.', "ja": "これは「{}」です。", "zh": "这是「{}」。"}


@pytest.mark.parametrize("language", LANGUAGES)
def test_no_word_is_dead(language: str) -> None:
    """Each is found as a whole, for its concept, where it stands by itself."""
    before, _, after = FRAMES[language].partition("{}")
    assert LEXICON.hits(LEXICON.fold(before).text) == []
    dead = []
    for concept, term in terms_of(language):
        text = LEXICON.fold(before).text + term + LEXICON.fold(after).text
        place = (concept, len(before), len(before) + len(term))
        if place not in [(hit.concept, hit.start, hit.end) for hit in LEXICON.hits(text)]:
            dead.append(f"{language}.yaml: `{term}` of `{concept}`")
    assert dead == []


@pytest.fixture
def words(tmp_path: Path) -> Path:
    """A copy of the lexicon's files."""
    return Path(shutil.copytree(WORDS, tmp_path / "lexicon"))


def add(folder: Path, language: str, concept: str, word: str) -> None:
    """Add a word to a concept's first list in a language's file."""
    _replace(folder, language, rf"(\n  {concept}:\n    \w+: \[)", rf"\g<1>{word}, ")


def _replace(folder: Path, language: str, pattern: str, new: str) -> None:
    path = folder / f"{language}.yaml"
    text, found = re.subn(pattern, new, path.read_text("utf-8"), count=1)
    assert found == 1
    path.write_text(text, encoding="utf-8")


def error_of(folder: Path) -> str:
    """What loading a folder of words says is wrong."""
    with pytest.raises(PolicyError) as raised:
        load_lexicon(folder)
    return str(raised.value)


@pytest.mark.parametrize(
    ("language", "concept", "word", "term", "other"),
    [
        ("en", "read", "delete", "delete", "delete"),
        ("zh", "read", "刪除", "删除", "delete"),
        ("ja", "read", "削除", "削除", "delete"),
        ("en", "person", "dollar", "dollar", "money"),
        ("zh", "person", "權限", "权限", "access"),
        ("ja", "person", "段落", "段落", "prose"),
        # the same word in another script, in another width, in capitals
        ("zh", "overwrite", "删除", "删除", "delete"),
        ("en", "overwrite", "ＤＥＬＥＴＥ", "delete", "delete"),
        # across languages
        ("zh", "message", "delete", "delete", "delete"),
        ("ja", "message", "付款", "付款", "pay"),
        ("en", "message", "ツイート", "ツイート", "publish"),
    ],
)
def test_a_word_of_two_concepts_is_an_error_that_names_both(
    language: str, concept: str, word: str, term: str, other: str, words: Path
) -> None:
    add(words, language, concept, word)
    error = error_of(words)
    assert [name for name in (".yaml", f"`{term}`", f"`{concept}`", f"`{other}`") if name not in error] == []


@pytest.mark.parametrize("form", ["deletes", "deleting"])
def test_what_a_file_says_beats_a_form_that_is_derived(form: str, words: Path) -> None:
    add(words, "en", "topic", form)
    assert {term.concept for term in load_lexicon(words).word(form)} == {"topic"}
    assert {term.concept for term in LEXICON.word(form)} == {"delete"}


@pytest.mark.parametrize("language", LANGUAGES)
def test_an_unknown_concept_is_an_error_that_names_the_file(language: str, words: Path) -> None:
    _replace(words, language, r"\n  delete:\n", "\n  deleet:\n")
    error = error_of(words)
    assert f"{language}.yaml" in error
    assert "deleet" in error


@pytest.mark.parametrize(("language", "missing"), [("en", "condition"), ("zh", "whether"), ("ja", "completes")])
def test_a_missing_class_of_the_grammar_is_an_error_that_names_the_file(
    language: str, missing: str, words: Path
) -> None:
    _replace(words, language, rf"\n  {missing}: \[[^]]*\]", "")
    error = error_of(words)
    assert f"{language}.yaml" in error
    assert "syntax" in error
    assert missing in error


@pytest.mark.parametrize("language", LANGUAGES)
def test_an_unknown_class_of_the_grammar_is_an_error_that_names_the_file(language: str, words: Path) -> None:
    _replace(words, language, r"\nsyntax:\n", "\nsyntax:\n  adverb: []\n")
    error = error_of(words)
    assert f"{language}.yaml" in error
    assert "adverb" in error

"""The glossary: each word leads to a page and a heading that are there, and retired words stand there alone."""

from __future__ import annotations

import re
from collections.abc import Iterator
from pathlib import Path
from typing import Final

import pytest

from tests.asserting import nonempty
from tests.docs.markdown import DOCS, PAGES, ROOT, heading, links, name_of, read, rows, section_at

GLOSSARY: Final = DOCS / "glossary.md"
TERMS, OWN, RETIRED = "Terms of the field", "Words of our own", "Retired words"


def _table(title: str) -> list[list[str]]:
    found = rows(heading(read(GLOSSARY), title))
    assert len(found) > 10
    return found


def _linked() -> Iterator[tuple[str, str]]:
    """Each term, or word of our own, with where its row leads."""
    for title in (TERMS, OWN):
        for row in _table(title):
            yield row[0], row[-1]


LINKED: Final = list(_linked())


def _pieces(term: str) -> list[str]:
    """A term without what stands in brackets, or the several words that share a row."""
    return [re.sub(r"\s*\(.*?\)", "", word).strip() for word in term.split(",")]


@pytest.mark.parametrize(("term", "where"), LINKED, ids=[term for term, _ in LINKED])
def test_a_term_leads_to_a_part_of_the_documentation(term: str, where: str) -> None:
    found = links(where)
    assert len(found) == 1, f"`{term}` has {len(found)} links"
    path, _, anchor = found[0].partition("#")
    page = (GLOSSARY.parent / path).resolve()
    assert page.is_file(), f"`{term}` leads to `{path}`, which is not there"
    assert page != GLOSSARY
    assert section_at(read(page), anchor), f"`{term}`: {name_of(page)} has no heading for `#{anchor}`"


@pytest.mark.parametrize("title", [TERMS, OWN, RETIRED])
def test_words_are_in_order_and_stand_once(title: str) -> None:
    words = [row[0].casefold() for row in _table(title)]
    assert words == sorted(set(words))


def test_a_word_of_our_own_has_a_standard_term_beside_it() -> None:
    table = _table(OWN)
    assert all(row[1] and row[1].casefold() != row[0].casefold() for row in nonempty(table))


def test_no_word_is_both_in_use_and_retired() -> None:
    used = {piece.casefold() for term, _ in LINKED for piece in _pieces(term)}
    retired = {piece.casefold() for row in _table(RETIRED) for piece in _pieces(row[0])}
    assert not used & retired


def test_the_readme_leads_to_the_glossary() -> None:
    assert "docs/glossary.md" in links(heading(read(ROOT / "README.md"), "Documentation"))


#: Retired words that are no words of English, or none that these pages need.
_RETIRED_NAMES: Final = re.compile(r"\b(?:Shelf|Tally|Turnstile|hushed|told_apart|_Meant|_Fed|graver?)\b", re.I)
#: Those that no source has any more. Case counts: what is a name in capitals may be a plain word otherwise.
_RETIRED_IN_SOURCES: Final = re.compile(
    r"\b(?:Around|let_in|told_apart|_CHANGING|_LONGEST|_Fed|_FED|_Meant|_Reader|_?(?:[Gg]raver?|GRAVE)(?:_\w+)?"
    r"|_?[Hh]ush(?:ed)?|\w*[Ss]helf|[Tt]ally|[Tt]allies|_?[Tt]urnstile|doors|the door)\b"
)
_SOURCES: Final = tuple(
    path
    for folder in ("src", "tests", "bench")
    for path in sorted((ROOT / folder).rglob("*.py"))
    if path != Path(__file__)
)


@pytest.mark.parametrize("page", [page for page in PAGES if page != GLOSSARY], ids=name_of)
def test_a_retired_word_stands_in_the_glossary_alone(page: Path) -> None:
    assert not _RETIRED_NAMES.findall(read(page))


def test_no_source_has_a_retired_word() -> None:
    assert len(_SOURCES) > 300
    found = {name_of(path): _RETIRED_IN_SOURCES.findall(path.read_text("utf-8")) for path in _SOURCES}
    assert {name: words for name, words in nonempty(found.items()) if words} == {}


def test_a_retired_word_would_be_found_in_a_source() -> None:
    names = ("class _Reader:", "indirect.Around(tools)", "_GRAVE_WORDS", "grave_script(name)", "_hush(words)", "_Fed")
    assert all(_RETIRED_IN_SOURCES.search(name) for name in nonempty([*names, "SlowShelf", "doors"]))
    assert not _RETIRED_IN_SOURCES.search("what stands around a text that is fed in; gravel, engraved, _LONGEST_WORD")


def test_a_retired_word_would_be_found() -> None:
    assert len(_RETIRED_NAMES.findall(read(GLOSSARY))) >= 7
    assert _RETIRED_NAMES.search("the `Shelf` of packs")
    assert not _RETIRED_NAMES.search("what is meant stands around it")

"""Loading the lexicon: one file per language, the same concepts in each, no term under two of them."""

from __future__ import annotations

from collections.abc import Iterator
from functools import lru_cache
from pathlib import Path
from typing import Any

import msgspec
import opencc

from stage0.knowledge.source import PolicyError
from stage0.knowledge.yaml import HERE, convert, read
from stage0.reading.effects import HARMLESS
from stage0.reading.prose.lexicon import ACTIONS, CONCEPTS, Language, Lexicon, Term
from stage0.reading.prose.syntax import Spaced, Unspaced
from stage0.reading.text.folding import FoldTable, fold


class Weak(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """Ambiguous verbs and the objects that they need beside them."""

    terms: tuple[str, ...]
    needs: frozenset[str]


class Entry(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """One concept's words in one language."""

    verbs: tuple[str, ...] = ()
    nouns: tuple[str, ...] = ()
    weak: tuple[Weak, ...] = ()
    words: tuple[str, ...] = ()


class LanguageFile(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """One file of `lexicon/`."""

    language: str
    spaced: bool
    verb_last: bool
    function_words: frozenset[str]
    syntax: dict[str, frozenset[str]]
    concepts: dict[str, Entry]


def load_lexicon(folder: Path = HERE / "lexicon") -> Lexicon:
    """Load every language. Raises PolicyError on an unknown concept or a term under two."""
    scripts = script_twins()
    files = [convert(read(path), LanguageFile, path.name) for path in sorted(folder.glob("??.yaml"))]
    table = FoldTable(scripts)
    terms = _unambiguous([term for file in files for term in _terms(file, table)])
    other_words = read(folder / "uncovered.yaml")["function_words"]
    return Lexicon(
        terms,
        {file.language: _language(file, table) for file in files},
        scripts=scripts,
        function_words={
            "covered": frozenset().union(*(file.function_words for file in files)),
            "other": frozenset(str(word) for word in other_words),
        },
        participles={form: term for term in terms for form in _participles(term)},
    )


def _language(file: LanguageFile, table: FoldTable) -> Language:
    classes = {name: frozenset(fold(word, table).text for word in words) for name, words in file.syntax.items()}
    try:
        syntax = Spaced(classes) if file.spaced else Unspaced(classes)
    except ValueError as error:
        raise PolicyError(f"{file.language}.yaml: {error}") from error
    return Language(file.language, file.verb_last, syntax)


def _unambiguous(terms: list[tuple[Term, bool]]) -> list[Term]:
    """The terms, each once per language; what a file says beats a form that was derived. Raises PolicyError naming
    every term that stands for two concepts.

    An action may share its word with a noun of its own (`refund`); weak verbs whose objects differ tell apart."""
    kept: dict[tuple[str, str, str, bool], Term] = {}
    by_text: dict[str, list[Term]] = {}
    clashes = set()
    for term, derived in sorted(terms, key=lambda each: each[1]):
        others = [other for other in by_text.setdefault(term.text, []) if _clash(term, other)]
        if others and derived:
            continue
        clashes |= {f"{term.language}.yaml: `{term.text}` is `{o.concept}` and `{term.concept}`" for o in others}
        by_text[term.text].append(term)
        kept.setdefault((term.text, term.concept, term.language, term.role == "noun"), term)
    if clashes:
        raise PolicyError("; ".join(sorted(clashes)))
    return list(kept.values())


def _clash(term: Term, other: Term) -> bool:
    disambiguated = other.needs and term.needs and not other.needs & term.needs
    return other.concept != term.concept and not disambiguated


def _terms(file: LanguageFile, table: FoldTable) -> Iterator[tuple[Term, bool]]:
    unknown = file.concepts.keys() - CONCEPTS
    if unknown:
        raise PolicyError(f"{file.language}.yaml: unknown concepts {sorted(unknown)}")

    def folded(text: str) -> str:
        return " ".join(fold(text, table).text.split())

    for concept, entry in file.concepts.items():
        if concept not in ACTIONS and (entry.verbs or entry.nouns or entry.weak):
            raise PolicyError(f"{file.language}.yaml: `{concept}` is no action: put its terms under `words`")
        acting = {*entry.verbs, *(verb for weak in entry.weak for verb in weak.terms)}
        for verb in entry.verbs:
            for form in _verb_forms(folded(verb)) if file.spaced else [folded(verb)]:
                yield Term(form, concept, "verb", file.language), form != folded(verb)
        for weak in entry.weak:
            for verb in weak.terms:
                for form in _verb_forms(folded(verb)) if file.spaced else [folded(verb)]:
                    yield Term(form, concept, "weak", file.language, _with_traces(weak.needs)), form != folded(verb)
        for noun in (*entry.nouns, *entry.words):
            role: Any = "noun" if noun in entry.nouns else "word"
            for form in _noun_forms(folded(noun)) if file.spaced else [folded(noun)]:
                yield Term(form, concept, role, file.language), form != folded(noun)
            if file.spaced and role == "noun" and noun in acting:
                yield Term(_gerund(folded(noun)), concept, role, file.language), True


def _with_traces(needs: frozenset[str]) -> frozenset[str]:
    """What is kept of actions (logs, records) is a resource like others; only its place in a sentence tells more."""
    return needs | {"trace"} if "resource" in needs else needs


def _verb_forms(verb: str) -> list[str]:
    """`delete`, `deletes`, `deleting`; of a phrase, its first word changes. Participles are adjectives."""
    first, _, rest = verb.partition(" ")
    if not first.isascii() or not first.isalpha():
        return [verb]
    tail = f" {rest}" if rest else ""
    return [first + tail, _third_person(first) + tail, _gerund(first) + tail]


def _third_person(verb: str) -> str:
    if verb.endswith(("s", "x", "z", "ch", "sh", "o")):
        return verb + "es"
    if verb.endswith("y") and verb[-2:-1] not in "aeiou":
        return verb[:-1] + "ies"
    return verb + "s"


def _gerund(verb: str) -> str:
    if verb.endswith("e") and not verb.endswith(("ee", "oe", "ye")):
        return verb[:-1] + "ing"
    if _doubles(verb):
        return verb + verb[-1] + "ing"
    return verb + "ing"


#: Participles that are not made by a rule.
_IRREGULAR = {
    "buy": "bought",
    "cut": "cut",
    "forget": "forgotten",
    "give": "given",
    "lend": "lent",
    "let go": "let go",
    "overwrite": "overwritten",
    "pay": "paid",
    "put": "put",
    "rebuild": "rebuilt",
    "reset": "reset",
    "sell": "sold",
    "send": "sent",
    "set": "set",
    "shut down": "shut down",
    "spend": "spent",
    "strip": "stripped",
    "take down": "taken down",
    "tear down": "torn down",
    "throw away": "thrown away",
    "undo": "undone",
    "wind down": "wound down",
    "withdraw": "withdrawn",
    "write": "written",
}


def _participles(term: Term) -> list[str]:
    """`deleted`, `dropped`, `shut down`: of an English verb that does more than look."""
    acts = term.role in ("verb", "weak") and ACTIONS[term.concept] not in HARMLESS
    if term.language != "en" or not acts or term.text.endswith("ing"):
        return []
    if term.text in _IRREGULAR:
        return [_IRREGULAR[term.text]]
    first, _, rest = term.text.partition(" ")
    if not first.isalpha() or rest not in ("", "down", "up", "off", "out"):
        return []
    if first.endswith("e"):
        past = first + "d"
    elif first.endswith("y") and first[-2:-1] not in "aeiou":
        past = first[:-1] + "ied"
    else:
        past = first + (first[-1] if _doubles(first) else "") + "ed"
    return [f"{past} {rest}".strip()]


def _doubles(verb: str) -> bool:
    """A short word that ends in one consonant after one vowel doubles it: `dropping`, `submitting` by list."""
    if verb in ("submit", "commit", "refer", "transfer", "format"):
        return verb != "format"
    vowels = "aeiou"
    return len(verb) in (3, 4) and verb[-1] not in "aeiouwxy" and verb[-2] in vowels and verb[-3] not in vowels


def _noun_forms(noun: str) -> list[str]:
    """Singular and plural of the last word."""
    if not noun.isascii() or not noun[-1].isalpha() or noun.endswith("s"):
        return [noun]
    return [noun, _third_person(noun)]


@lru_cache(maxsize=1)
def script_twins() -> dict[str, str]:
    """Each traditional Chinese character that has a simplified twin, one for one."""
    characters = [chr(code) for block in ((0x3400, 0x4DC0), (0x4E00, 0xA000)) for code in range(*block)]
    converted = str(opencc.OpenCC("t2s").convert("\n".join(characters))).split("\n")
    return {a: b for a, b in zip(characters, converted, strict=True) if a != b and len(b) == 1}

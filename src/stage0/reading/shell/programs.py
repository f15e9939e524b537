"""Programs in small languages that commands are given: SQL, awk, sed, mongo, and the one-liners of interpreters."""

from __future__ import annotations

import re
from typing import Final

from stage0.reading.effects import Effect
from stage0.reading.programs.mongo import read_mongo
from stage0.reading.prose.lexicon import Lexicon
from stage0.reading.shell.table import CLOSE, OPEN, Language
from stage0.reading.sql.statements import read_sql


def read_program(language: Language, text: str, lexicon: Lexicon) -> list[Effect]:
    """The effects of a program. `unknown` among them where it does what nobody here can tell."""
    if language == "awk":
        return _awk(_MARKED.sub("x", text))
    if language == "sed":
        return _sed(_MARKED.sub("x", text))
    if language in {"sql", "sqlite"}:
        return _sql(text, "sqlite" if language == "sqlite" else None, lexicon)
    if language == "mongo":
        reading = read_mongo(text, lexicon)
        return [*(seen.effect for seen in reading.seen), *(() if reading.read else ("unknown",))]
    if language == "prints" and _PRINTS.match(text):
        return ["compute"]
    return ["code_execution", "unknown"]


_MARKED: Final = re.compile(rf"{OPEN}[^{CLOSE}]*{CLOSE}")

# -- Interpreters ------------------------------------------------------------------------------------------------

# Possessive throughout: no text makes these go back.
_LITERAL: Final = (
    r"""(?:"(?>(?:[^"\\#$@`]|\\[nt"'\\])*)"|'(?>(?:[^'\\]|\\[nt"'\\])*)'"""
    r"""|\d[\d.]*+(?>(?:\s*+[+*/%-]\s*+\d[\d.]*+)*))"""
)
_PRINTS: Final = re.compile(
    rf"\s*+{_LITERAL}\s*+\Z|"
    r"(?>(?:\s*+(?:console\.(?:log|info|error)|print|puts|p|echo|say|print_r|process\.stdout\.write)\s*+\(?"
    rf"\s*+{_LITERAL}(?>(?:\s*+,\s*+{_LITERAL})*)\s*+\)?\s*+;?\s*+)+)\Z"
)

# -- SQL ---------------------------------------------------------------------------------------------------------

#: Commands of the clients themselves: psql's begin with a backslash, sqlite's with a dot.
_META: Final = re.compile(r"^[ \t]*([\\.]\S*)[^\n]*$", re.MULTILINE)
_META_READS: Final = re.compile(
    r"(?:\\(?:d[a-zA-Z]*\+?|l\+?|z|conninfo|timing|x|pset|encoding|q|echo|set|errverbose|a|t|sf\+?|sv\+?|h|\?)"
    r"|\.(?:tables?|schema|headers?|mode|databases|indexes|indices|width|quit|exit|timer|help|show|bail|nullvalue|separator"
    r"|fullschema|dbinfo|stats|eqp|version))\Z"
)


def _sql(text: str, dialect: str | None, lexicon: Lexicon) -> list[Effect]:
    effects: list[Effect] = []
    for match in _META.finditer(text):
        known = _META_READS.match(match[1]) and "`" not in match[0] and "|" not in match[0]
        effects.append("read" if known else "unknown")
    rest = _META.sub("", text)
    if rest.strip().strip(";"):
        reading = read_sql(rest, dialect, lexicon)
        effects.extend([seen.effect for seen in reading.seen] if reading.read and reading.seen else ["unknown"])
    return effects or ["compute"]


# -- awk ---------------------------------------------------------------------------------------------------------

_AWK_LITERAL: Final = re.compile(r'"(?:[^"\\\n]|\\.)*"|(?<![\w)\]$])\s*/(?:[^/\\\n]|\\.)+/|#[^\n]*')
_AWK_RUNS: Final = re.compile(r"\bsystem\s*\(|(?<!\|)\|(?!\|)|@\s*(?:load|include)|\bgetline\s*<\s*\(")
_AWK_STATEMENT: Final = re.compile(r"[;{}\n]")
_AWK_PRINT: Final = re.compile(r"\bprintf?\b")
_AWK_INTO: Final = re.compile(r"(>>?)\s*(\S*)")


def _awk(text: str) -> list[Effect]:
    """`awk` reads. It also runs commands, and prints into files."""
    strings: list[str] = []

    def kept(match: re.Match[str]) -> str:
        strings.append(match[0])
        return f" S{len(strings) - 1}S "

    bare = _AWK_LITERAL.sub(kept, text)
    effects: list[Effect] = ["compute"]
    if _AWK_RUNS.search(bare):
        effects.extend(["code_execution", "unknown"])
    for statement in _AWK_STATEMENT.split(bare):
        printing = _AWK_PRINT.search(statement)
        match = _AWK_INTO.search(statement, printing.end()) if printing else None
        if match is None:
            continue
        number = re.match(r"S(\d+)S", match[2])
        target = strings[int(number[1])] if number else match[2]
        if target not in {'"/dev/stderr"', '"/dev/stdout"', '"/dev/null"'}:
            effects.append("write" if match[1] == ">>" else "overwrite")
    return effects


# -- sed ---------------------------------------------------------------------------------------------------------

_SED_ADDRESS: Final = re.compile(
    r"[\s;]*(?:(?:\d+|\$|/(?:[^/\\\n]|\\.)*/|\\(.)(?:(?!\1)[^\\\n]|\\.)*\1)[IM]*(?:[,~+]\s*|\s*))*[+~\d]*\s*!*\s*"
)
_SED_LABEL: Final = re.compile(r"[^;\n}]*")
_SED_LINE: Final = re.compile(r"(?:[^\n\\]|\\.|\\\n)*", re.DOTALL)
_SED_FLAGS: Final = re.compile(r"[gpiImM0-9]*([ew]?)[^;\n}]*")


def _sed(text: str) -> list[Effect]:
    """`sed` reads. `e` runs a command, `w` writes a file, and both are flags of `s`, too."""
    effects: list[Effect] = ["compute"]
    at = 0
    while at < len(text):
        address = _SED_ADDRESS.match(text, at)
        at = address.end() if address else at
        if at >= len(text):
            break
        command, at = text[at], at + 1
        if command in "sy":
            at = _sed_sections(text, at)
            if at < 0:
                return [*effects, "unknown"]
            flags = _SED_FLAGS.match(text, at)
            if flags is not None:
                at = flags.end()
                if flags[1]:
                    effects.append("unknown" if flags[1] == "e" else "overwrite")
        elif command in "wW":
            line = _SED_LINE.match(text, at)
            at = line.end() if line else at
            effects.append("overwrite")
        elif command in "aicrR":
            line = _SED_LINE.match(text, at)
            at = line.end() if line else at
        elif command in "btT:lLqQ=dDgGhHnNpPxzF":
            line = _SED_LABEL.match(text, at)
            at = line.end() if line else at
        elif command == "#":
            at = text.find("\n", at) + 1 or len(text)
        elif command not in "{}":
            return [*effects, "unknown"]
    return effects


def _sed_sections(text: str, at: int) -> int:
    """Where the two sections of `s/a/b/` end; negative where they do not."""
    if at >= len(text):
        return -1
    delimiter, at, count = text[at], at + 1, 0
    inside = False
    while at < len(text):
        char = text[at]
        if char == "\\":
            at += 1
        elif inside:
            inside = char != "]"
        elif char == delimiter:
            count += 1
            if count == 2:
                return at + 1
        at += 1
    return -1

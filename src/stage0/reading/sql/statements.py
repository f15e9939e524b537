"""SQL: what every statement of a text would do, from its first words and its syntax tree.

A text is split into statements by the tokenizer of its dialect. The first words tell what a statement is
(`sqlheads.py`); queries and changes of rows are parsed, and what stands in them counts too (`sqltree.py`). Where
databases read the same text differently (`\\'`, `#`, nested comments, `/*! */`), each of those readings counts.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Sequence
from functools import lru_cache
from typing import Final

import ahocorasick_rs
import msgspec
from sqlglot import parser as sqlglot_parser
from sqlglot.dialects.dialect import Dialect
from sqlglot.errors import SqlglotError
from sqlglot.parser import Parser
from sqlglot.tokenizer_core import Token, TokenType
from sqlglot.tokens import Tokenizer

from stage0.reading.effects import Effect
from stage0.reading.paths import holds_secrets, of_the_system
from stage0.reading.prose.lexicon import Lexicon
from stage0.reading.result import TEXT_LIMIT, UNREAD, ArgumentReading, Seen, word_set
from stage0.reading.sql.heads import head_of, pragma, procedure, setting
from stage0.reading.sql.tree import PERSONS, Found, effects_in

# It writes the beginning of a statement that it does not know to the log; there may be secrets in it.
sqlglot_parser.logger.disabled = True

#: Brackets and CASE inside one another; the parser recurses once or more for each.
_NESTING: Final = 60
#: Operators in a row that stand before their operand (`NOT NOT ...`): the parser recurses for each.
_PREFIXES: Final = 60
#: A JOIN without a condition makes the parser try the rest of the statement twice; tokens read again that way.
_TRIES: Final = 20_000
#: Subscripts and calls of what was subscripted or called (`a[1][1]`, `a.f().f()`): the parser looks at all of the chain
#: again for each.
_CHAIN: Final = 8
#: Types inside types (`ARRAY<ARRAY<`).
_TYPES: Final = 40
#: Levels of statements in statements (`EXPLAIN ANALYZE PREPARE ... EXECUTE IMMEDIATE '...'`).
_LEVELS: Final = 4

_NAMES: Final = {
    "postgresql": "postgres",
    "pg": "postgres",
    "psql": "postgres",
    "pgsql": "postgres",
    "cockroachdb": "postgres",
    "timescaledb": "postgres",
    "supabase": "postgres",
    "neon": "postgres",
    "mariadb": "mysql",
    "tidb": "mysql",
    "mssql": "tsql",
    "sqlserver": "tsql",
    "azuresql": "tsql",
    "sqlite3": "sqlite",
    "plsql": "oracle",
    "awsathena": "trino",
    "athena": "trino",
    "prestodb": "presto",
    "sparksql": "spark",
    "bq": "bigquery",
}
_DIALECTS: Final = word_set(
    "postgres mysql sqlite tsql oracle snowflake bigquery redshift duckdb clickhouse spark databricks hive trino presto"
)


def find_dialect(name: str) -> str | None:
    """The dialect that a database's name stands for (`PostgreSQL 15`, `sql-server`), or None."""
    word = re.sub(r"[^a-z0-9]", "", name.lower()[:40]).rstrip("0123456789")
    word = _NAMES.get(word) or _NAMES.get(word + "3") or word
    return word if word in _DIALECTS else None


def read_sql(text: str, dialect: str | None = None, lexicon: Lexicon | None = None) -> ArgumentReading:
    """The effects of every statement in a text. Unread where one does not parse, is too long or too deep. With a
    `lexicon`, a function that is not known acts as its name says."""
    if len(text) > TEXT_LIMIT:
        return UNREAD
    seen: dict[Seen, None] = {}
    read = True
    for reading in _readings(text, dialect, lexicon):
        seen.update(dict.fromkeys(reading.seen))
        read = read and reading.read
    return ArgumentReading(tuple(seen), read=read and bool(seen))


#: What tells one dialect from another, or is read differently by some: one look for all of it before any pattern.
_SIGNS: Final = (
    *("`", "duplicate", "ignore", "replace", "::", "$", "ilike", "conflict", "returning", "@", "top", "nolock", "["),
    *("pragma", "attach", "autoincrement", "insert or", "\\", "/*", "#", "--", "q'"),
)
_LOOK: Final = ahocorasick_rs.AhoCorasick(_SIGNS)
_GUESSES: Final = (
    (
        "mysql",
        frozenset({"`", "duplicate", "ignore", "replace"}),
        re.compile(r"`|\bon\s+duplicate\s+key\b|\binsert\s+ignore\b|^\s*replace\s+into\b", re.IGNORECASE),
    ),
    (
        "postgres",
        frozenset({"::", "$", "ilike", "conflict", "returning"}),
        re.compile(r"::\s*[a-z]|\$\$|\$\d|\bilike\b|\bon\s+conflict\b|\breturning\b", re.IGNORECASE),
    ),
    (
        "tsql",
        frozenset({"@", "top", "nolock", "["}),
        re.compile(r"(?<![\w@])@\w|\btop\s*\(?\s*\d|\bnolock\b|\[\s*[a-z_]\w*\s*\]", re.IGNORECASE),
    ),
    (
        "sqlite",
        frozenset({"pragma", "attach", "autoincrement", "insert or"}),
        re.compile(r"^\s*(?:pragma|attach)\b|\bautoincrement\b|\binsert\s+or\s", re.IGNORECASE),
    ),
)
#: Where a guess is wrong, these may be right; the first that parses is taken. Long texts are tried once.
_OTHERS: Final = ("", "postgres", "mysql", "tsql")
_TRIED_AGAIN: Final = 16_384


def _readings(text: str, dialect: str | None, lexicon: Lexicon | None) -> Iterator[ArgumentReading]:
    signs = {_SIGNS[index] for index, _, _ in _LOOK.find_matches_as_indexes(text.lower())}
    if dialect is None:
        dialect = next(
            (name for name, needed, pattern in _GUESSES if not needed.isdisjoint(signs) and pattern.search(text)), ""
        )
    best = _read_in(text, dialect, lexicon)
    if not best.read and len(text) <= _TRIED_AGAIN:
        for other in _OTHERS:
            if other != dialect:
                again = _read_in(text, other, lexicon)
                if again.read:
                    # What the first reading saw by the first words of statements still counts.
                    best = ArgumentReading((*best.seen, *again.seen))
                    break
    empty = best.read and not best.seen
    yield best
    for other, changed in _other_readings(text, dialect, signs):
        reading = _read_in(changed, other, lexicon)
        # A database of that kind would refuse what does not parse; what was seen before that point counts.
        yield ArgumentReading(reading.seen, read=reading.read or not empty)


_BACKSLASHED: Final = re.compile(r"\\['\"`]")
_RUNNING_COMMENT: Final = re.compile(r"/\*M?!\d{0,6}")
_TIGHT_DASHES: Final = re.compile(r"--[^\s-]")
_BRACKETED_QUOTE: Final = re.compile(r"\[[^\[\]]*['\"`]")
_DOLLARS: Final = re.compile(r"\$\w*\$")
_ORACLE_QUOTE: Final = re.compile(r"\b[nN]?[qQ]'")


def _other_readings(text: str, dialect: str, signs: set[str]) -> Iterator[tuple[str, str]]:
    """How databases of other kinds would read the text, where they draw strings and comments otherwise."""
    mysql = postgres = "#" in signs
    if (
        ("\\" in signs and _BACKSLASHED.search(text))
        or ("/*" in signs and text.count("/*") > 1)
        or ("$" in signs and _DOLLARS.search(text))
    ):
        mysql = postgres = True
    if "--" in signs and _TIGHT_DASHES.search(text):
        mysql = True
    if "/*" in signs and _RUNNING_COMMENT.search(text):
        yield "mysql", _open_comments(text)
    if mysql and dialect != "mysql":
        yield "mysql", text
    if postgres and dialect != "postgres":
        yield "postgres", text
    if "[" in signs and dialect != "tsql" and _BRACKETED_QUOTE.search(text):
        yield "tsql", text
    if "q'" in signs and dialect != "oracle" and _ORACLE_QUOTE.search(text):
        yield "oracle", text


def _open_comments(text: str) -> str:
    """The text as MySQL runs it: what stands in `/*!50000 ... */` is no comment. Offsets stay the same."""
    parts: list[str] = []
    at = 0
    for start in _RUNNING_COMMENT.finditer(text):
        if start.start() < at:
            continue
        end = text.find("*/", start.end())
        end = len(text) if end < 0 else end
        parts += (text[at : start.start()], " " * len(start[0]), text[start.end() : end], "  ")
        at = end + 2
    parts.append(text[at:])
    return "".join(parts)


class _Tools(msgspec.Struct, frozen=True):
    """What reads a dialect. Only this is kept: a tokenizer and a parser hold the text that they are at, so each text
    has its own, and several threads can read at once."""

    dialect: Dialect
    tokenizer: type[Tokenizer]


@lru_cache(maxsize=32)
def _tools(dialect: str) -> _Tools:
    """The tools of a dialect. The tokenizer is one that does not swallow a statement whole after a word such as
    EXPLAIN."""
    known = Dialect.get_or_raise(dialect or None)
    return _Tools(known, type("StatementTokenizer", (known.tokenizer_class,), {"COMMANDS": set()}))


def _read_in(text: str, dialect: str, lexicon: Lexicon | None, level: int = 0) -> ArgumentReading:
    tools = _tools(dialect)
    try:
        tokens = tools.tokenizer(dialect=tools.dialect).tokenize(text)
    except SqlglotError:
        return UNREAD
    reader = _StatementReader(text, dialect, tools.dialect.parser(), level, lexicon)
    seen: dict[Seen, None] = {}
    read = True
    for statement in _statements(tokens):
        effects, understood = reader.statement(statement)
        start, end = statement[0].start, statement[-1].end + 1
        seen.update((Seen(effect, start, end), None) for effect in effects if effect != "unknown")
        read = read and understood
    return ArgumentReading(tuple(seen), read)


def _statements(tokens: list[Token]) -> Iterator[list[Token]]:
    start = 0
    semicolon = TokenType.SEMICOLON
    for index, token in enumerate(tokens):
        if token.token_type == semicolon:
            if index > start:
                yield tokens[start:index]
            start = index + 1
    if start < len(tokens):
        yield tokens[start:]


class _Shape(msgspec.Struct):
    """What one look over a statement's tokens tells: whether it may be parsed, and which words could act."""

    parsable: bool
    acting: list[int]


_OPENING: Final = frozenset({TokenType.L_PAREN, TokenType.L_BRACKET, TokenType.L_BRACE, TokenType.CASE})
_CLOSING: Final = frozenset({TokenType.R_PAREN, TokenType.R_BRACKET, TokenType.R_BRACE, TokenType.END})
_CHAINING: Final = frozenset({TokenType.L_PAREN, TokenType.L_BRACKET})
_PREFIX: Final = frozenset(
    {
        TokenType.NOT,
        TokenType.DASH,
        TokenType.PLUS,
        TokenType.TILDE,
        TokenType.INTERVAL,
        TokenType.PARAMETER,
        TokenType.ARROW,
        TokenType.FARROW,
    }
)
_GENERIC: Final = frozenset({TokenType.ARRAY, TokenType.STRUCT, TokenType.MAP, TokenType.NESTED, TokenType.LIST})
_ACTING: Final = frozenset(
    {
        TokenType.DELETE,
        TokenType.UPDATE,
        TokenType.INSERT,
        TokenType.DROP,
        TokenType.TRUNCATE,
        TokenType.ALTER,
        TokenType.CREATE,
        TokenType.MERGE,
        TokenType.EXECUTE,
        TokenType.GRANT,
        TokenType.REVOKE,
        TokenType.KILL,
    }
)
_CONDITIONS: Final = frozenset({TokenType.ON, TokenType.USING})
_JOINS: Final = frozenset({TokenType.JOIN, TokenType.STRAIGHT_JOIN})
_FREE_JOINS: Final = frozenset({"CROSS", "NATURAL"})
_BETWEEN: Final = frozenset(
    {
        TokenType.COMMA,
        TokenType.AND,
        TokenType.OR,
        TokenType.EQ,
        TokenType.NEQ,
        TokenType.LT,
        TokenType.GT,
        TokenType.PLUS,
        TokenType.DASH,
        TokenType.FROM,
        TokenType.WHERE,
        TokenType.SELECT,
    }
)
_OPEN, _CLOSE, _BEFORE, _JOIN, _CONDITION, _ACT, _DOT, _LESS = range(8)
_KIND: Final[dict[TokenType, int]] = {
    **dict.fromkeys(_OPENING, _OPEN),
    **dict.fromkeys(_CLOSING, _CLOSE),
    **dict.fromkeys(_PREFIX, _BEFORE),
    **dict.fromkeys(_JOINS, _JOIN),
    **dict.fromkeys(_CONDITIONS, _CONDITION),
    **dict.fromkeys(_ACTING, _ACT),
    TokenType.DOT: _DOT,
    TokenType.LT: _LESS,
}


def _shape(tokens: Sequence[Token]) -> _Shape:
    """One look over the tokens, before the parser's: it takes very long over some shapes, and falls over others."""
    depth = deepest = run = longest = bare = chained = types = 0
    waiting = False
    acting: list[int] = []
    kinds = _KIND.get
    before: int | None = None
    for index, token in enumerate(tokens):
        kind = kinds(token.token_type)
        if kind is None:
            run = 0
        elif kind == _OPEN:
            depth += 1
            deepest = max(deepest, depth)
            chained += before == _CLOSE
        elif kind == _CLOSE:
            depth -= 1
        elif kind == _DOT:
            chained += before == _CLOSE
        elif kind == _BEFORE:
            run += 1
            longest = max(longest, run)
        elif kind == _JOIN:
            bare += waiting
            waiting = not (index and tokens[index - 1].text.upper() in _FREE_JOINS)
        elif kind == _CONDITION:
            waiting = False
        elif kind == _LESS:
            types += index > 0 and tokens[index - 1].token_type in _GENERIC
        else:
            acting.append(index)
        before = kind
    bare += waiting
    parsable = (
        deepest <= _NESTING
        and longest <= _PREFIXES
        and types <= _TYPES
        and (chained <= _CHAIN or _longest_chain(tokens) <= _CHAIN)
        and len(tokens) << min(bare, 32) <= max(_TRIES, len(tokens))
    )
    return _Shape(parsable, acting)


def _longest_chain(tokens: Sequence[Token]) -> int:
    """How many subscripts and calls hang on one another at most; an operator begins anew, at its own depth."""
    longest = 0
    chains = [0]
    before: TokenType | None = None
    for token in tokens:
        kind = token.token_type
        if before in _CLOSING and (kind == TokenType.DOT or kind in _CHAINING):
            chains[-1] += 1
            longest = max(longest, chains[-1])
        if kind in _OPENING:
            chains.append(0)
        elif kind in _CLOSING and len(chains) > 1:
            chains.pop()
        elif kind in _BETWEEN:
            chains[-1] = 0
        before = kind
    return longest


#: Before an acting word that is a part of another statement: `FOR UPDATE`, `ON DELETE CASCADE`, `THEN UPDATE`.
_PART_OF: Final = frozenset({"FOR", "ON", "DO", "KEY", "THEN", "NO", ".", "OF", "OR", ",", "BEFORE", "AFTER", "IF"})
#: Statements that list privileges or events, or hold a body that does not run now.
_LISTING: Final = frozenset({"GRANT", "REVOKE", "DENY", "AUDIT", "NOAUDIT"})
_BODIED: Final = frozenset({"FUNCTION", "PROCEDURE", "PROC", "TRIGGER", "EVENT", "PACKAGE", "RULE", "POLICY", "TASK"})
_QUOTED: Final = frozenset(
    {TokenType.STRING, TokenType.IDENTIFIER, TokenType.NATIONAL_STRING, TokenType.RAW_STRING, TokenType.HEREDOC_STRING}
)
_LITERALS: Final = _QUOTED - {TokenType.IDENTIFIER} | {TokenType.BYTE_STRING, TokenType.UNICODE_STRING}
_HEAD_WORDS: Final = 8


class _StatementReader:
    """Reads the statements of one text in one dialect."""

    def __init__(self, text: str, dialect: str, parser: Parser, level: int, lexicon: Lexicon | None) -> None:
        self._text = text
        self._dialect = dialect
        self._parser = parser
        self._level = level
        self._lexicon = lexicon
        self._prepared: set[str] = set()

    def statement(self, tokens: list[Token], level: int = 0) -> tuple[list[Effect], bool]:
        """The effects of one statement, and whether all of it was understood."""
        words = _words(tokens)
        first = words[0] if words else ""
        if level + self._level > _LEVELS:
            return ["unknown"], False
        special = _SPECIAL.get(first)
        if special is not None:
            found = special(self, tokens, words, level)
            if found is not None:
                return found
        head = head_of(words)
        if head is None:
            return self._salvaged(tokens, _shape(tokens), {}), False
        effects: dict[Effect, None] = dict.fromkeys(effect for effect in head.effects if effect != "unknown")
        understood = "unknown" not in head.effects
        if head.tree:
            return self._parsed(tokens, effects)
        _by_words(words, tokens, effects)
        if first in _LISTING or (first == "CREATE" and not _BODIED.isdisjoint(words)):
            return list(effects), understood
        query = _query(tokens) if first == "CREATE" else None
        if query:
            inner, read = self.statement(query, level + 1)
            effects.update(dict.fromkeys(inner))
            understood = understood and read
        if first not in ("CREATE", "ALTER"):
            return self._salvaged(tokens, _shape(tokens), effects, skip=1), understood
        return list(effects), understood

    def _parsed(self, tokens: list[Token], effects: dict[Effect, None]) -> tuple[list[Effect], bool]:
        """What a syntax tree says; where there is none, what the words that act say."""
        shape = _shape(tokens)
        if not shape.parsable:
            return self._salvaged(tokens, shape, effects), False
        tokens, exported = _without_outfile(tokens)
        if tokens[0].token_type == TokenType.REPLACE:
            # `REPLACE INTO` has the form of an INSERT.
            tokens = [Token(TokenType.INSERT, "INSERT", start=tokens[0].start, end=tokens[0].end), *tokens[1:]]
        try:
            trees = self._parser.parse(tokens, self._text)
        except (SqlglotError, RecursionError):
            trees = []
        if len(trees) != 1 or trees[0] is None or trees[0].key in ("command", "alias", "column"):
            return self._salvaged(tokens, shape, effects), False
        found = effects_in(trees[0], self._lexicon)
        self._stated(found)
        if exported:
            found.add("export", "overwrite")
        _leaving(found)
        understood = "unknown" not in found.effects
        found.effects.pop("unknown", None)
        out = {**effects, **found.effects} if effects.keys() != {"read"} else found.effects or effects
        if shape.acting:
            return self._salvaged(tokens, shape, out, keep=found.classes), understood
        return list(out), understood

    def _stated(self, found: Found) -> None:
        """The statements that stand in strings and run (`dblink_exec`, `cron.schedule`)."""
        for text in found.texts:
            reading = _read_in(text, self._dialect, self._lexicon, self._level + 1)
            found.add(*(seen.effect for seen in reading.seen))
            if not (reading.read and reading.seen):
                found.add("unknown")

    def _salvaged(
        self,
        tokens: Sequence[Token],
        shape: _Shape,
        effects: dict[Effect, None],
        *,
        keep: set[type] | None = None,
        skip: int = 0,
    ) -> list[Effect]:
        """Effects of the words that act and that no syntax tree stands for: in T-SQL a statement ends without any
        sign (`SELECT 1 DELETE FROM users`)."""
        if not shape.acting:
            return list(effects)
        seen = {kind.__name__.lower() for kind in keep or ()}
        last_where = max((i for i, token in enumerate(tokens) if token.token_type == TokenType.WHERE), default=-1)
        for index in shape.acting:
            if index >= len(tokens) or index < skip:
                continue
            token = tokens[index]
            word = token.text.upper()
            following = tokens[index + 1] if index + 1 < len(tokens) else None
            before = tokens[index - 1].text.upper() if index else ""
            if word.lower() in seen or (word == "TRUNCATE" and "truncatetable" in seen):
                continue
            if keep is not None and (before in _PART_OF or before == "AS" or following is None):
                continue
            if index and (before in _PART_OF or (following is not None and following.token_type == TokenType.L_PAREN)):
                continue
            head = head_of(_words(tokens[index : index + _HEAD_WORDS]))
            if head is not None:
                effects.update(dict.fromkeys(effect for effect in head.effects if effect != "unknown"))
                if word in ("DELETE", "UPDATE") and last_where < index:
                    effects["bulk"] = None
        return list(effects)

    # -- statements with others inside, or that only their words tell apart

    def explained(self, tokens: list[Token], words: list[str], level: int) -> tuple[list[Effect], bool] | None:
        """EXPLAIN runs nothing, EXPLAIN ANALYZE runs what it explains; MariaDB's ANALYZE does so alone."""
        at, runs = _explanation(tokens, words)
        if words[0] in ("DESC", "DESCRIBE", "ANALYZE") and at >= len(tokens):
            return None
        inner = tokens[at:]
        known = bool(inner) and head_of(_words(inner)) is not None
        if words[0] in ("DESC", "DESCRIBE", "ANALYZE") and not (known and _words(inner)[0] not in ("TABLE", "(")):
            return None
        if not runs:
            return ["read"], True
        effects, understood = self.statement(inner, level + 1) if inner else ([], False)
        return ["read", *effects], understood

    def prepared(self, tokens: list[Token], words: list[str], level: int) -> tuple[list[Effect], bool] | None:
        """PREPARE counts as what it prepares; EXECUTE of the same name then adds nothing."""
        if words[1:2] == ["TRANSACTION"]:
            return None
        name = tokens[1].text.lower() if len(tokens) > 1 else ""
        depth = 0
        for index, token in enumerate(tokens[2:], 2):
            depth += (token.token_type == TokenType.L_PAREN) - (token.token_type == TokenType.R_PAREN)
            word = token.text.upper()
            if depth == 0 and word in ("AS", "FROM"):
                self._prepared.add(name)
                rest = tokens[index + 1 :]
                if word == "FROM":
                    return self._text_of(rest, level)
                return self.statement(rest, level + 1) if rest else (["unknown"], False)
        return ["unknown"], False

    def executed(self, tokens: list[Token], words: list[str], level: int) -> tuple[list[Effect], bool] | None:
        """EXECUTE name, EXECUTE IMMEDIATE 'text', EXEC procedure, EXEC('text')."""
        rest = tokens[1:]
        if words[1:2] == ["IMMEDIATE"]:
            return self._text_of(rest[1:], level)
        if words[1:2] == ["TASK"]:
            return None
        if not rest:
            return ["unknown"], False
        if rest[0].token_type == TokenType.L_PAREN:
            return self._text_of(rest[1:], level)
        if rest[0].text.lower() in self._prepared:
            return ["compute"], True
        name = _last_name(rest)
        if name in ("sp_executesql", "sp_sqlexec"):
            return self._text_of([token for token in rest if token.token_type in _LITERALS][:1], level)
        effects = procedure(name)
        known: list[Effect] = [effect for effect in effects if effect != "unknown"]
        return known, "unknown" not in effects

    def _text_of(self, tokens: Sequence[Token], level: int) -> tuple[list[Effect], bool]:
        """The effects of SQL that stands in a string."""
        if not tokens or tokens[0].token_type not in _LITERALS:
            return ["unknown"], False
        if len(tokens) > 1 and tokens[1].text.upper() not in (")", "USING", "INTO", ","):
            return ["unknown"], False  # put together from pieces
        reading = _read_in(tokens[0].text, self._dialect, self._lexicon, self._level + level + 1)
        return list(dict.fromkeys(seen.effect for seen in reading.seen)), reading.read

    def copied(self, tokens: list[Token], words: list[str], level: int) -> tuple[list[Effect], bool] | None:
        """COPY ... TO leaves the database, COPY ... FROM fills it, PROGRAM runs a program (PostgreSQL, Snowflake)."""
        outer, group = _outside_brackets(tokens)
        effects: dict[Effect, None] = {}
        understood = True
        if group and head_of(_words(group)) is not None:
            inner, understood = self.statement(group, level + 1)
            effects.update(dict.fromkeys(inner))
        elif _PERSONAL_COLUMNS.intersection(token.text.lower() for token in group):
            effects["personal_data"] = None
        for index, token in enumerate(outer):
            word = "" if token.token_type in _QUOTED else token.text.upper()
            if word == "PROGRAM":
                effects["code_execution"] = None
                understood = False
            elif word == "TO" or (word == "INTO" and _outside(outer[index + 1 :])):
                effects["export"] = None
                # To the screen it replaces nothing; a file or a place outside is written anew.
                if [token.text.upper() for token in outer[index + 1 : index + 2]] not in (["STDOUT"], ["PROGRAM"]):
                    effects["overwrite"] = None
            elif word == "FROM" and "export" not in effects:
                effects["write"] = None
            elif token.token_type in _LITERALS and holds_secrets(token.text):
                effects["secret_access"] = None
        if "export" in effects and _last_name(tokens[1:]).rsplit("_", maxsplit=1)[-1] in PERSONS:
            effects["personal_data"] = None
        elif "export" not in effects:
            effects.pop("personal_data", None)
        return list(effects), understood and not {"export", "write"}.isdisjoint(effects)

    def shown(self, tokens: list[Token], words: list[str], level: int) -> tuple[list[Effect], bool] | None:
        """SHOW only shows, whatever it shows: `SHOW CREATE TABLE`."""
        return ["read"], True

    def loaded(self, tokens: list[Token], words: list[str], level: int) -> tuple[list[Effect], bool] | None:
        """LOAD DATA INFILE fills a table from a file of the server or the client."""
        if words[1:2] not in (["DATA"], ["XML"]):
            return None
        effects: list[Effect] = ["overwrite" if "REPLACE" in words else "write"]
        named = [token.text for token in tokens if token.token_type in _LITERALS]
        if any(holds_secrets(path) or of_the_system(path) for path in named[:1]):
            effects.append("secret_access")
        return effects, True

    def set_(self, tokens: list[Token], words: list[str], level: int) -> tuple[list[Effect], bool] | None:
        """A session's own setting is harmless; a query in its value is read as one."""
        effects: dict[Effect, None] = dict.fromkeys(setting([word.lstrip("@") or "@" for word in words]))
        if any(token.token_type == TokenType.SELECT for token in tokens):
            at = next(i for i, token in enumerate(tokens) if token.token_type == TokenType.SELECT)
            inner, understood = self.statement(_to_closing(tokens[at:]), level + 1)
            effects.update(dict.fromkeys(inner))
            return list(effects), understood
        calls = any(
            token.token_type == TokenType.L_PAREN and tokens[i - 1].token_type == TokenType.VAR
            for i, token in enumerate(tokens)
        )
        return self._salvaged(tokens, _shape(tokens), effects, skip=1), not calls

    def pragma(self, tokens: list[Token], words: list[str], level: int) -> tuple[list[Effect], bool] | None:
        """SQLite's settings."""
        names = [token for token in tokens[1:6] if token.token_type not in (TokenType.EQ, TokenType.L_PAREN)]
        name = names[2].text if len(names) > 2 and names[1].token_type == TokenType.DOT else (names or tokens)[0].text
        given = any(token.token_type in (TokenType.EQ, TokenType.L_PAREN) for token in tokens)
        return list(pragma(name, given=given)), bool(names)

    def done(self, tokens: list[Token], words: list[str], level: int) -> tuple[list[Effect], bool] | None:
        """DO of PostgreSQL runs a block of code; its statements are looked at by their first words."""
        effects: dict[Effect, None] = {"code_execution": None}
        for token in tokens[1:]:
            if token.token_type in _LITERALS and self._level + level < _LEVELS:
                body = _BLOCK_WORDS.sub(";", token.text)
                effects.update(
                    (seen.effect, None) for seen in _read_in(body, self._dialect, self._lexicon, _LEVELS).seen
                )
        effects.pop("read", None)
        effects.pop("compute", None)
        return list(effects), False

    def begun(self, tokens: list[Token], words: list[str], level: int) -> tuple[list[Effect], bool] | None:
        """BEGIN of a transaction stands alone; BEGIN of a block stands before a statement, as DECLARE and IF may."""
        for index, token in enumerate(tokens[1:], 1):
            head = _TREE_STARTS.get(token.token_type)
            if head is not None and (index < 2 or tokens[index - 1].text.upper() not in _PART_OF):
                inner, understood = self.statement(tokens[index:], level + 1)
                return ["compute", *inner], understood
        return (["compute"], True) if len(tokens) < 60 else (["unknown"], False)


_TREE_STARTS: Final = dict.fromkeys(
    (
        TokenType.SELECT,
        TokenType.INSERT,
        TokenType.UPDATE,
        TokenType.DELETE,
        TokenType.MERGE,
        TokenType.DROP,
        TokenType.TRUNCATE,
        TokenType.ALTER,
        TokenType.CREATE,
        TokenType.EXECUTE,
        TokenType.GRANT,
    ),
    True,
)
_BLOCK_WORDS: Final = re.compile(r"\b(?:begin|then|else|loop|declare)\b", re.IGNORECASE)
_PERSONAL_COLUMNS: Final = frozenset({"email", "ssn", "phone"})
_SPECIAL: Final = {
    "EXPLAIN": _StatementReader.explained,
    "DESC": _StatementReader.explained,
    "DESCRIBE": _StatementReader.explained,
    "ANALYZE": _StatementReader.explained,
    "PREPARE": _StatementReader.prepared,
    "EXECUTE": _StatementReader.executed,
    "EXEC": _StatementReader.executed,
    "COPY": _StatementReader.copied,
    "SHOW": _StatementReader.shown,
    "LOAD": _StatementReader.loaded,
    "SET": _StatementReader.set_,
    "PRAGMA": _StatementReader.pragma,
    "DO": _StatementReader.done,
    "BEGIN": _StatementReader.begun,
    "DECLARE": _StatementReader.begun,
    "IF": _StatementReader.begun,
}


def _words(tokens: Sequence[Token]) -> list[str]:
    """The first words, upper case; what is quoted is no word."""
    words: list[str] = []
    for token in tokens[:_HEAD_WORDS]:
        words.extend([""] if token.token_type in _QUOTED else token.text.upper().split() or [""])
    return words


def _outside_brackets(tokens: list[Token]) -> tuple[list[Token], list[Token]]:
    """The tokens outside of any bracket, and what stands in the first bracket."""
    outer: list[Token] = []
    group: list[Token] = []
    depth = groups = 0
    for token in tokens[1:]:
        if token.token_type == TokenType.L_PAREN:
            depth += 1
            groups += depth == 1
            if depth == 1:
                continue
        elif token.token_type == TokenType.R_PAREN:
            depth -= 1
        if depth == 0 and token.token_type != TokenType.R_PAREN:
            outer.append(token)
        elif depth and groups == 1:
            group.append(token)
    return outer, group


def _last_name(tokens: Sequence[Token]) -> str:
    """The last part of the dotted name at the start (`master..xp_cmdshell`), lower case."""
    name = ""
    dotted = True
    for token in tokens[:8]:
        if token.token_type == TokenType.DOT:
            dotted = True
        elif dotted and token.token_type not in (TokenType.EQ, TokenType.L_PAREN):
            name, dotted = token.text.lower(), False
        elif token.token_type == TokenType.EQ:
            dotted = True  # `EXEC @result = procedure`
        else:
            break
    return name


def _explanation(tokens: Sequence[Token], words: Sequence[str]) -> tuple[int, bool]:
    """Where the explained statement begins, and whether it runs."""
    runs = words[0] == "ANALYZE"
    index = 1
    if index < len(tokens) and tokens[index].token_type == TokenType.L_PAREN and _options(tokens):
        end = next((i for i, token in enumerate(tokens) if token.token_type == TokenType.R_PAREN), len(tokens))
        inside = [token.text.upper() for token in tokens[2:end]]
        if "ANALYZE" in inside:
            following = inside[inside.index("ANALYZE") + 1 :][:1]
            runs = following not in (["FALSE"], ["OFF"], ["0"])
        return end + 1, runs
    while index < len(tokens):
        word = tokens[index].text.upper()
        if word == "ANALYZE":
            runs = True
        elif tokens[index].token_type in _STATEMENT_STARTS or word in _STATEMENT_WORDS:
            break
        index += 1
    return index, runs


def _options(tokens: Sequence[Token]) -> bool:
    return len(tokens) > 2 and tokens[2].token_type not in (TokenType.SELECT, TokenType.L_PAREN, TokenType.WITH)


_STATEMENT_STARTS: Final = frozenset(
    {
        TokenType.SELECT,
        TokenType.WITH,
        TokenType.VALUES,
        TokenType.L_PAREN,
        TokenType.INSERT,
        TokenType.UPDATE,
        TokenType.DELETE,
        TokenType.MERGE,
        TokenType.CREATE,
        TokenType.EXECUTE,
        TokenType.TRUNCATE,
        TokenType.DROP,
        TokenType.ALTER,
        TokenType.COPY,
    }
)
_STATEMENT_WORDS: Final = frozenset({"TABLE", "REPLACE", "CALL", "REFRESH", "DECLARE", "EXEC"})


def _outside(tokens: Sequence[Token]) -> bool:
    """Whether COPY INTO (Snowflake) names a place outside: a stage or an address, not a table."""
    return bool(tokens) and (tokens[0].token_type in _LITERALS or tokens[0].text.startswith("@"))


#: SQLite copies the database INTO a file; Delta Lake takes its history away where it does not RETAIN it.
_VACUUMED: Final[dict[str, tuple[Effect, ...]]] = {
    "INTO": ("export",),
    "FULL": ("service_impact",),
    "RETAIN": ("delete", "irreversible"),
}


def _by_words(words: Sequence[str], tokens: Sequence[Token], effects: dict[Effect, None]) -> None:
    """What words further on in a statement add to what its first words say."""
    first = words[0]
    if first == "ALTER":
        texts = [token.text.upper() for token in tokens[2:] if token.token_type not in _QUOTED]
        if "DROP" in texts and "TABLE" in words:
            effects["delete"] = None
            if "PARTITION" in texts:
                effects["bulk"] = None
        if "TRUNCATE" in texts:
            effects.update({"delete": None, "bulk": None})
        if "OWNER" in texts or "SECURITY" in texts:
            effects["access_change"] = None
    elif first == "DROP":
        if any(token.text.upper() == "CASCADE" for token in tokens[2:]):
            effects["bulk"] = None
    elif first == "CREATE":
        _note_creation(words, effects)
    elif first == "VACUUM":
        for token in tokens[1:]:
            effects.update(dict.fromkeys(_VACUUMED.get(token.text.upper(), ())))
    elif first == "LOAD" and any(t.token_type in _LITERALS and holds_secrets(t.text) for t in tokens):
        effects["secret_access"] = None


def _note_creation(words: Sequence[str], effects: dict[Effect, None]) -> None:
    kind = next((word for word in words if word in ("TABLE", "VIEW")), "")
    if kind and ("TEMP" in words or "TEMPORARY" in words):
        # Seen by this session alone, and gone with it.
        effects.pop("schema_change", None)
        effects["write"] = None
    elif kind == "TABLE" and words[1:3] == ["OR", "REPLACE"]:
        effects.update({"overwrite": None, "bulk": None})


def _query(tokens: list[Token]) -> list[Token] | None:
    """The query that CREATE TABLE or VIEW is filled from."""
    for index, token in enumerate(tokens):
        if token.token_type in (TokenType.SELECT, TokenType.WITH) and index > 2:
            before = tokens[index - 1]
            if before.text.upper() == "AS" or token.token_type == TokenType.SELECT:
                return _to_closing(tokens[index:])
    return None


def _to_closing(tokens: list[Token]) -> list[Token]:
    """Up to the bracket that closes what the first token stands in."""
    depth = 0
    for index, token in enumerate(tokens):
        if token.token_type == TokenType.L_PAREN:
            depth += 1
        elif token.token_type == TokenType.R_PAREN:
            depth -= 1
            if depth < 0:
                return tokens[:index]
    return tokens


_OUTFILE_OPTIONS: Final = word_set(
    "FIELDS COLUMNS LINES TERMINATED ENCLOSED ESCAPED OPTIONALLY BY STARTING CHARACTER SET CHARSET FORMAT"
)


def _without_outfile(tokens: list[Token]) -> tuple[list[Token], bool]:
    """The statement without MySQL's `INTO OUTFILE 'path' ...`, which the parser does not know, and whether it was
    there."""
    for index, token in enumerate(tokens):
        if token.token_type == TokenType.INTO and index + 2 < len(tokens):
            if tokens[index + 1].text.upper() not in ("OUTFILE", "DUMPFILE"):
                continue
            end = index + 3
            while end < len(tokens) and (
                tokens[end].text.upper() in _OUTFILE_OPTIONS or tokens[end].token_type in _LITERALS
            ):
                end += 1
            return tokens[:index] + tokens[end:], True
    return tokens, False


def _leaving(found: Found) -> None:
    """Whole rows about people that leave are personal data, whatever the columns are called."""
    if "export" in found.effects and found.star and found.persons:
        found.add("personal_data")

"""All of a call's arguments: which parser reads which, by the argument's name, its shape and what stands beside it.

The value is walked once, without recursion. Each string goes to the parser that its name asks for; each object is then
looked at as a whole, since a method means something beside an address, and an amount beside an account.
"""

from __future__ import annotations

import re
import shlex
from collections.abc import Callable, Collection, Mapping, Sequence
from typing import Any, Final

import msgspec

from stage0.reading.call import counts, indirect, mail, money
from stage0.reading.call.stray import is_command_line, runs_code
from stage0.reading.effects import HARMLESS, Effect, Sighting, Span
from stage0.reading.http.address import METHODS, READING, read_method, read_url
from stage0.reading.http.graphql import looks_like_graphql, read_graphql
from stage0.reading.http.request import asked_for, only_asks, tells_people
from stage0.reading.paths import effects_of_writing, read_path, spreads
from stage0.reading.programs.mongo import looks_like_mongo, operator_effects, read_mongo
from stage0.reading.programs.python import read_python
from stage0.reading.prose.lexicon import Lexicon, split_words
from stage0.reading.result import TEXT_LIMIT, UNREAD, ArgumentReading, Ran, Seen, whole, word_set
from stage0.reading.shell.lines import Commands, read_shell
from stage0.reading.sql.heads import head_of
from stage0.reading.sql.statements import find_dialect, read_sql
from stage0.reading.sql.text import is_sql, starts_sql
from stage0.reading.text.datakinds import exposes, holds_secret
from stage0.reading.text.keeping import remember
from stage0.reading.verbs import (
    DELETING,
    flag_effects,
    key_effects,
    mode_effects,
    operation_effects,
    verb_effects,
)
from stage0.reading.walk import KEY, Place, walk

#: Characters of all arguments together that are read; more is said to be unread rather than cut.
_BUDGET: Final = 65_536
#: Objects and lists inside one another; deeper ones are said to be unread.
_DEPTH: Final = 64
#: How many places are named where many are wrong.
_NAMED: Final = 20


class ArgumentsReading(msgspec.Struct, frozen=True):
    """What all arguments say together. `spoke` where a parser read at least one; `unread` where one could not.
    `settled` is false where what they do rests on something that nobody has read, `told` where they name an operation
    that is not known. `whole` where nothing spoke but statements, lines and programs that were read whole.
    `sets` is how many objects of arguments there are, `ran` are the commands of command lines, each
    with its argument's path, `files` are those that they run and nobody has read here.

    `wide` are places that name more than a few records (a long list, no limit, an empty filter): they make a change a
    bulk one, wherever the change is said. `records` is the largest number of records that the arguments themselves
    name, `amount` the largest amount of money. `parsed` are the commands and statements that a parser read whole."""

    sightings: tuple[Sighting, ...] = ()
    spoke: bool = False
    unread: tuple[str, ...] = ()
    environments: frozenset[str] = frozenset()
    given: bool = False
    wide: tuple[Sighting, ...] = ()
    records: int = 0
    amount: float = 0.0
    parsed: tuple[str, ...] = ()
    settled: bool = True
    told: bool = False
    sets: int = 0
    whole: bool = False
    ran: tuple[tuple[str, Ran], ...] = ()
    files: tuple[str, ...] = ()


def read_arguments(
    arguments: dict[str, Any],
    commands: Commands,
    lexicon: Lexicon,
    path: str,
    tools: Sequence[str] = (),
    covered: Collection[str] = frozenset(),
) -> ArgumentsReading:
    """Read a call's arguments with the parsers that their names and shapes ask for. The names of the `tools` tell a
    database's dialect and whether a message is only drafted. `covered` are texts whose environments are known."""
    return _ArgumentsReader(commands, lexicon, tools, covered).read(arguments, path)


# -- what an argument's name says

_SQL: Final = frozenset({"sql", "ddl", "dml", "tsql", "plsql"})
_STATEMENT: Final = frozenset({"statement", "statements"})
_QUERY: Final = frozenset({"query", "queries", "q", "gql", "graphql", "mutation", "document", "aql", "cypher"})
_SHELL: Final = frozenset({"command", "commands", "cmd", "script", "bash", "shell", "argv", "cmdline", "commandline"})
_PYTHON: Final = frozenset({"code", "python"})
#: A code in the other sense: of an error, a country, a voucher.
_CODE_OF_SOMETHING: Final = re.compile(r"[A-Za-z0-9]+(?:[._-][A-Za-z0-9]+){0,6}|\d+")
#: Names under which a text is read whole by a parser of its language.
_PARSED: Final = _SQL | _STATEMENT | _QUERY | _SHELL | _PYTHON
_CODE: Final = frozenset({"javascript", "js", "typescript", "powershell", "ruby", "perl", "php", "lua"})
_METHOD: Final = frozenset({"method", "verb"})
_METHOD_BEFORE: Final = frozenset({"http", "request", "rest", "api", "x", "override"})
_PATH: Final = word_set(
    "path paths file files filename filepath source uri target directory directories dir folder destination dest src"
    " attachment attachments pathname"
)
_URL: Final = frozenset({"url", "urls", "uri", "endpoint", "href", "link", "route", "webhook"})
_BODY: Final = frozenset({"body", "data", "json", "payload", "form", "content"})
_OPERATION: Final = frozenset(
    {"action", "operation", "op", "opcode", "operationtype", "操作", "動作", "动作", "アクション"}
)
_CODED: Final = frozenset({"cells", "cell", "function", "expression", "expr", "func", "pagefunction", "fn"})
_STAGES: Final = frozenset({"pipeline", "stages", "aggregation"})
_DIALECT: Final = frozenset({"dialect", "engine", "driver", "flavor", "flavour", "dbtype"})
_RECIPIENT: Final = word_set(
    "to cc bcc recipient recipients receiver receivers channel channels phone phones addressee addressees 收件人"
)
_RECIPIENT_PAIRS: Final = frozenset(
    {
        ("to", "email"),
        ("email", "to"),
        ("to", "emails"),
        ("to", "address"),
        ("to", "addresses"),
        ("to", "number"),
        ("to", "phone"),
        ("send", "to"),
        ("phone", "number"),
        ("phone", "numbers"),
        ("channel", "id"),
        ("channel", "name"),
        ("recipient", "email"),
        ("recipient", "emails"),
        ("recipient", "phone"),
        ("recipient", "id"),
        ("to", "recipients"),
        ("email", "recipients"),
        ("webhook", "url"),
    }
)
_MESSAGE: Final = frozenset(
    {"message", "messages", "body", "text", "html", "content", "msg", "sms", "blocks", "内容", "本文"}
)
_AMOUNT: Final = frozenset({"amount", "amt", "sum", "cents", "金額", "金额"})
#: Names of sums that say how much, and not that anything is paid.
_TOTALS: Final = frozenset({"total", "price", "payment", "payout", "refund", "合計", "合计", "總額", "总额"})
_AMOUNT_PAIRS: Final = frozenset(
    {("amount", "usd"), ("amount", "cents"), ("amount", "minor"), ("amount", "eur"), ("amount", "value")}
)
_AMOUNT_BOUNDS: Final = word_set("min max minimum maximum from to limit threshold filter budget range gte lte loan")
_PAYEE: Final = frozenset({"payee", "recipient", "beneficiary", "receiver", "收款人"})
_ACCOUNT: Final = word_set(
    "to destination account accounts iban card wallet source charge intent dest address payout 帳號 账号 帳戶 账户"
)
_ACCOUNT_PAIRS: Final = frozenset(
    {
        ("account", "number"),
        ("account", "id"),
        ("to", "account"),
        ("routing", "number"),
        ("card", "number"),
        ("card", "id"),
        ("wallet", "address"),
        ("wallet", "id"),
        ("charge", "id"),
        ("payment", "intent"),
        ("payment", "method"),
        ("payment", "id"),
        ("transaction", "id"),
        ("recipient", "account"),
        ("destination", "account"),
        ("recipient", "id"),
        ("payee", "id"),
        ("payee", "name"),
        ("recipient", "name"),
        ("beneficiary", "name"),
        ("bank", "account"),
        ("to", "id"),
        ("to", "user"),
        ("to", "wallet"),
        ("to", "address"),
    }
)
_FILTER: Final = frozenset(
    {"where", "filter", "filters", "query", "selector", "condition", "conditions", "criteria", "match"}
)
_LIMIT: Final = frozenset({"limit", "top", "max"})
_COUNT: Final = frozenset({"count", "rows", "records"})
_TARGET: Final = word_set(
    "id ids name names pattern index indices table tables path key keys resource resources target targets scope users"
    " user items objects recipients hosts branch branches namespace selector label labels topic"
)
#: Names under which prose stands that nobody runs: SQL in it is an example.
_PROSE: Final = word_set(
    "content contents body message messages description title comment comments note notes summary prompt subject answer"
    " reply caption str string diff patch instructions documentation question goal reason name label html markdown"
    " explanation thought"
)


#: Names under which stands what is looked for.
_SOUGHT: Final = word_set(
    "pattern patterns regex regexp glob globs search term terms keyword keywords needle find match include exclude"
    " filter"
)


class _Name(msgspec.Struct, frozen=True, gc=False):
    """What an argument's name says: its words, its last word, and the roles it can have in a call."""

    words: tuple[str, ...]
    last: str
    roles: frozenset[str]


_ROLE_WORDS: Final = (
    ("url", _URL),
    ("body", _BODY),
    ("operation", _OPERATION),
    ("dialect", _DIALECT),
    ("recipient", _RECIPIENT),
    ("message", _MESSAGE),
    ("payee", _PAYEE),
    ("account", _ACCOUNT),
    ("filter", _FILTER),
    ("limit", _LIMIT),
    ("path", _PATH),
    ("shell", _SHELL),
    ("target", _TARGET),
    ("count", _COUNT),
    ("mode", frozenset({"mode"})),
    ("currency", frozenset({"currency", "ccy", "幣別", "币种"})),
    ("customer", frozenset({"customer"})),
    ("args", frozenset({"args", "arguments", "argv", "flags", "subcommand", "options", "opts", "arg", "switches"})),
    ("value", frozenset({"value"})),
    ("stdin", frozenset({"stdin"})),
    ("env", frozenset({"env", "environ", "environment"})),
    ("all", frozenset({"all", "everything"})),
    ("jsonrpc", frozenset({"jsonrpc"})),
    ("type", frozenset({"type", "action", "operation", "op"})),
)
#: The same, by the word.
_ROLES_OF: Final = {
    word: frozenset(role for role, words in _ROLE_WORDS if word in words) for _, names in _ROLE_WORDS for word in names
}


#: Characters of a key that are looked at as a name.
_KEY_LENGTH: Final = 128


@remember(longest=_KEY_LENGTH)
def _name(key: str) -> _Name:
    words = tuple(split_words(key[:_KEY_LENGTH])) or ("",)
    last = words[-1]
    pair = words[-2:]
    roles = set(_ROLES_OF.get(last, ()))
    if last in _METHOD and all(word in _METHOD_BEFORE for word in words[:-1]):
        roles.add("method")
    if pair in _RECIPIENT_PAIRS:
        roles.add("recipient")
    if (last in _AMOUNT or pair in _AMOUNT_PAIRS) and _AMOUNT_BOUNDS.isdisjoint(words):
        roles.add("amount")
    if last in _TOTALS:
        roles.add("total")
    if pair in _ACCOUNT_PAIRS:
        roles.add("account")
    if (last == "type" and not _OPERATION.isdisjoint(words)) or words[-2:] == ("command", "type"):
        roles.add("operation")
    if words in (("db", "type"), ("database", "type"), ("db", "engine")):
        roles.add("dialect")
    if "override" in words and "method" in words:
        roles.add("override")
    return _Name(words, last, frozenset(roles))


_NO_NAME: Final = _Name(("",), "", frozenset())


def names_language(key: str) -> bool:
    """Whether a name says in which language its text is written: `command`, `sql`."""
    return _name(key).last in _PARSED


class _Field(msgspec.Struct, frozen=True, gc=False):
    """One entry of an object that has a role."""

    key: str
    name: _Name
    value: Any
    place: Place


Fields = dict[str, list[_Field]]


class _Refused(Exception):
    """There is more than is read."""


class _ArgumentsReader:
    """Reads one call's arguments."""

    def __init__(self, commands: Commands, lexicon: Lexicon, tools: Sequence[str], covered: Collection[str]) -> None:
        self._commands = commands
        self._lexicon = lexicon
        self._tool_context = indirect.ToolContext(tools)
        words = self._tool_context.words
        self._drafted = not _DRAFTS.isdisjoint(words)
        self._operated = any(commands.names.is_operated(tool) for tool in tools)
        self._dialect = next((found for word in words if (found := find_dialect(word))), None)
        self._sightings: dict[Sighting, None] = {}
        self._places: dict[Effect, int] = {}
        self._wide: dict[Sighting, None] = {}
        self._unread: dict[str, None] = {}
        self._covered = covered
        self._environments: set[str] = set()
        self._spoke = False
        self._spoken = 0
        self._settled = True
        self._told = False
        self._ran: list[tuple[str, Ran]] = []
        self._files: list[str] = []
        self._budget = _BUDGET
        self._parsed: list[str] = []
        self._records = 0
        self._amount = 0.0
        #: Places that an object as a whole has spoken for.
        self._taken: set[Place] = set()
        #: Whether the arguments say which thing they are about.
        self._identified = False

    def read(self, arguments: dict[str, Any], path: str) -> ArgumentsReading:
        try:
            self._walk(arguments, Place(None, path, 0))
        except _Refused:
            self._unread = {path: None}
        if any(seen.effect in _BULK_CHANGES for seen in self._sightings):
            self._sightings.update(self._wide)
        return ArgumentsReading(
            sightings=tuple(self._sightings),
            spoke=self._spoke,
            whole=bool(self._parsed) and self._spoken == len(self._parsed),
            unread=tuple(self._unread),
            environments=frozenset(self._environments),
            wide=tuple(self._wide),
            records=self._records,
            amount=self._amount,
            parsed=tuple(self._parsed),
            settled=self._settled,
            told=self._told,
            ran=tuple(self._ran) if len(self._ran) <= _COMMANDS_MAX else _ANY_RAN,
            files=tuple(self._files) if len(self._files) <= _COMMANDS_MAX else ("*",),
        )

    def _walk(self, arguments: dict[str, Any], root: Place) -> None:
        """Every value once, in order, objects before what stands in them."""
        stack: list[tuple[Any, _Name, Place, str | None]] = [(arguments, _NO_NAME, root, self._dialect)]
        while stack:
            value, name, place, dialect = stack.pop()
            kind = type(value)
            if kind is str:
                inner = _decode(value, name) if place.depth <= _DEPTH else None
                if inner is not None:
                    self._budget -= len(value)
                    stack.append((inner, name, Place(place, "(json)", place.depth + 1), dialect))
                else:
                    self._text(value, name, place, dialect)
            elif kind is dict:
                if place.depth > _DEPTH:
                    raise _Refused
                stack.extend(reversed(self._object(value, name, place, dialect)))
            elif kind is list:
                if place.depth > _DEPTH:
                    raise _Refused
                self._counted(value, name, place)
                if name.last in _SHELL and _is_one_line(value):
                    self._text(shlex.join(value), name, place, dialect)
                    continue
                depth = place.depth + 1
                stack.extend(
                    (value[index], name, Place(place, index, depth), dialect)
                    for index in range(len(value) - 1, -1, -1)
                    if type(value[index]) in _HOLDING
                )

    # -- objects

    def _object(
        self, value: dict[str, Any], name: _Name, place: Place, dialect: str | None
    ) -> list[tuple[Any, _Name, Place, str | None]]:
        fields: Fields = {}
        inner: list[tuple[Any, _Name, Place, str | None]] = []
        depth = place.depth + 1
        for key, item in value.items():
            named = _name(key)
            at = Place(place, key, depth)
            for role in named.roles:
                fields.setdefault(role, []).append(_Field(key, named, item, at))
            self._keyed(key, named, item, at)
            if type(item) in _HOLDING:
                inner.append((item, named, at, dialect))
        self._states(value, name, place)
        if fields:
            dialect = self._together(fields, value, dialect)
            inner = [(item, named, at, dialect) for item, named, at, _ in inner if at not in self._taken]
        return inner

    def _keyed(self, key: str, name: _Name, item: object, place: Place) -> None:
        """What a key does by itself: operators, commands, flags."""
        if item is True:
            self._note(place, key, flag_effects(name.words, self._lexicon))
            if name.last in ("all", "everything") or name.words in _ALL_FLAGS:
                self._widen(place, key)
        if not item:
            return
        if key.startswith("$"):
            self._take(place, key, whole(key, *operator_effects(key[:_KEY_LENGTH], self._lexicon)))
        elif item is not True and (key.startswith("_") or len(name.words) > 1 or name.last in DELETING):
            self._note(place, key, key_effects(name.words, self._lexicon))

    def _together(self, fields: Fields, value: Mapping[str, object], dialect: str | None) -> str | None:
        if "dialect" in fields:
            for field in fields["dialect"]:
                if isinstance(field.value, str):
                    dialect = find_dialect(field.value) or dialect
        if "args" in fields:
            self._command_line(fields)
        elif "shell" in fields and ("stdin" in fields or "env" in fields):
            self._furnished(fields)
        if "method" in fields or "url" in fields or "override" in fields:
            self._http(fields)
        if "operation" in fields or "mode" in fields:
            self._operation(fields, value)
        if "recipient" in fields and "message" in fields:
            self._message(fields)
        for field in (*fields.get("amount", ()), *fields.get("total", ())):
            self._amount = max(self._amount, money.stated_amount(field.value))
        if "amount" in fields:
            self._paid(fields, value)
        if "amount" in fields or ("value" in fields and "account" in fields):
            self._payment(fields)
        if not _WIDENING.isdisjoint(fields):
            self._reach(fields)
        return dialect

    def _command_line(self, fields: Fields) -> None:
        """`{"command": "rm", "args": ["-rf", "/"]}` is one line; so is `{"args": "reset --hard"}` of a tool `git`."""
        given = sorted(fields["args"], key=lambda field: field.name.last != "subcommand")
        commands = [field for field in fields.get("shell", ()) if field not in given]
        if (not commands and not self._tool_context.program) or (commands and not isinstance(commands[0].value, str)):
            return
        parts = [part for field in given if (part := _argument_line(field.value)) is not None]
        if len(parts) < len(given) or not parts:
            return
        if commands:
            parts.insert(0, commands[0].value)
        first = (commands or given)[0]
        self._taken |= {field.place for field in (*commands[:1], *given)}
        self._text(" ".join(parts), _COMMAND_NAME, first.place, None)

    def _furnished(self, fields: Fields) -> None:
        """A command with what it is given to read and the variables that it is run with, as one line."""
        command = next((field for field in fields["shell"] if isinstance(field.value, str)), None)
        if command is None or not command.value.strip():
            return
        line = command.value
        for field in fields.get("env", ()):
            if isinstance(field.value, dict):
                given = [(name, value) for name, value in field.value.items() if _VARIABLE.fullmatch(name)]
                prefix = " ".join([f"{name}={shlex.quote(str(value))}" for name, value in given])
                line = f"{prefix} {line}" if prefix else line
        for field in fields.get("stdin", ()):
            if isinstance(field.value, str) and field.value.strip() and _HEREDOC not in field.value:
                line = f"{line} <<'{_HEREDOC}'\n{field.value}\n{_HEREDOC}\n"
                self._taken.add(field.place)
        if line is not command.value:
            self._taken.add(command.place)
            self._text(line, _COMMAND_NAME, command.place, None)

    def _http(self, fields: Fields) -> None:
        urls = [field for field in fields.get("url", ()) if isinstance(field.value, str)]
        methods = [field for field in fields.get("method", ()) if isinstance(field.value, str)]
        method = ""
        if urls and not methods:
            methods = [field for field in fields.get("type", ()) if _is_method(field.value)]
        for field in methods:
            found, method = self._method(field, has_url=bool(urls or fields.get("path")), rpc="jsonrpc" in fields)
            if found is not None and not (method == "post" and self._asks(fields, urls)):
                self._take(field.place, field.value, found)
            elif found is not None:
                self._take(field.place, field.value, whole(field.value, "network_read"))
        for field in fields.get("override", ()):
            if isinstance(field.value, str) and field.value.lower() in METHODS:
                self._take(field.place, field.value, read_method(field.value))
        for field in urls if urls else fields.get("path", ()) if method else ():
            if isinstance(field.value, str) and (field.name.last != "uri" or "//" in field.value):
                reading = read_url(field.value, method, self._lexicon)
                if reading.seen or not reading.read:
                    self._take(field.place, field.value, reading)
                if holds_secret(field.value):
                    self._note(field.place, field.value, ("secret_access",))
        if urls and method and method not in READING:
            self._posted(fields, urls)

    def _posted(self, fields: Fields, urls: Sequence[_Field]) -> None:
        """What leaves with a request, what its body asks for, and whether its address passes it on to people."""
        for field in fields.get("body", ()):
            self._sent(field, exported=True)
            effects = asked_for(_body_of(field.value), self._lexicon)
            self._note(field.place, _text_of(field.value), [each for each in effects if each not in HARMLESS])
        if any(tells_people(field.value) for field in urls):
            self._note(urls[0].place, urls[0].value, ("external_message",))

    def _method(self, field: _Field, *, has_url: bool, rpc: bool) -> tuple[ArgumentReading | None, str]:
        """What a method says, and the method in lower case where HTTP knows it."""
        value = field.value.strip()
        if value.lower() in METHODS:
            return read_method(value), value.lower()
        if rpc or re.fullmatch(r"\w+(?:[./:_-]\w+)+", value):
            effects = verb_effects(value, self._lexicon)
            return (whole(field.value, *effects) if effects else UNREAD if rpc and not _is_mcp(value) else None), ""
        if has_url or (value.isupper() and value.isalpha() and field.name.last in _METHOD):
            return UNREAD, value.lower()
        return None, ""

    def _asks(self, fields: Fields, urls: Sequence[_Field]) -> bool:
        """Whether the body of a POST proves that it only asks: a GraphQL query, a documented search."""
        bodies = tuple([_body_of(field.value) for field in (*fields.get("body", ()), *fields.get("filter", ()))])
        places = [field.value for field in (*urls, *fields.get("path", ())) if isinstance(field.value, str)]
        return any(only_asks(address, (), self._lexicon) for address in places) or only_asks("", bodies, self._lexicon)

    def _operation(self, fields: Fields, value: Mapping[str, object]) -> None:
        others = [item for key, item in value.items() if "operation" not in _name(key).roles]
        numbers = bool(others) and all(
            isinstance(item, (int, float))
            or (isinstance(item, list) and bool(item) and isinstance(item[0], (int, float)))
            for item in others
        )
        effects: dict[Effect, None] = {}
        for field in fields.get("operation", ()):
            if isinstance(field.value, str):
                found = operation_effects(field.value, self._lexicon, numbers=numbers)
                if found:
                    self._take(field.place, field.value, whole(field.value, *found))
                    effects.update(dict.fromkeys(found))
                elif field.value.strip():
                    self._told = True
        for field in fields.get("mode", ()):
            if isinstance(field.value, str) and ("path" in fields or len(field.value) > 3):
                found = mode_effects(field.value)
                if found:
                    self._take(field.place, field.value, whole(field.value, *found))
                    effects.update(dict.fromkeys(found))
        if not _REMOVING.isdisjoint(effects):
            self._removed(fields, value, effects)

    def _removed(self, fields: Fields, value: Mapping[str, object], effects: dict[Effect, None]) -> None:
        """What the paths and flags beside a removal or an overwriting say of it."""
        for field in fields.get("path", ()):
            for path in field.value[:_PARTS] if isinstance(field.value, list) else (field.value,):
                if isinstance(path, str):
                    if spreads(path):
                        self._note(field.place, path, ("bulk", "irreversible"))
                    self._note(field.place, path, effects_of_writing(path))
        if "delete" in effects:
            for key, effect in _HARD_FLAGS.items():
                if value.get(key) is True:
                    self._note(fields[next(iter(fields))][0].place, key, (effect,))

    def _message(self, fields: Fields) -> None:
        """Somebody by address, and something to say to them."""
        said = [field for field in fields["message"] if mail.says_something(field.value)]
        if not said or self._drafted:
            return
        total = 0
        for field in fields["recipient"]:
            count, others = mail.recipients(field.value, channel="channel" in field.name.words)
            total += count
            if others:
                self._note(field.place, _text_of(field.value), ("external_message",), spoke=True)
        if not total:
            return
        if total > counts.MANY:
            self._widen(fields["recipient"][0].place, _text_of(fields["recipient"][0].value))
        self._records = max(self._records, total)
        for field in said:
            self._sent(field, exported=True)

    def _sent(self, field: _Field, *, exported: bool) -> None:
        """What leaves with a message or a request: secrets, and data that says too much about people."""
        for text, _, step in reversed(list(walk(field.value))):
            if step is KEY or len(text) > TEXT_LIMIT:
                continue
            if holds_secret(text):
                self._note(field.place, text, ("secret_access",))
            if exposes(text):
                self._note(field.place, text, ("personal_data", "export") if exported else ("personal_data",))

    def _payment(self, fields: Fields) -> None:
        """An amount and where it goes, together."""
        amounts = list(fields.get("amount", ()))
        accounts = [field for field in fields.get("account", ()) if money.is_account(field.value)]
        if not amounts and ("currency" in fields or any(_is_wallet(field.value) for field in accounts)):
            amounts = fields.get("value", [])
        amount = max((money.amount_of(field.value) for field in amounts), default=0.0)
        payees = [field for field in fields.get("payee", ()) if money.is_name(field.value)]
        if "currency" in fields:
            payees += [field for field in fields.get("customer", ()) if money.is_name(field.value)]
        self._amount = max(self._amount, amount)
        if not amount or not (accounts or payees):
            return
        for field in amounts:
            if money.amount_of(field.value):
                self._note(field.place, _text_of(field.value), ("money_movement",), spoke=True)

    def _paid(self, fields: Fields, value: Mapping[str, object]) -> None:
        """An amount and somebody by name, with nothing that says what they are for."""
        field = fields["amount"][0]
        if not money.amount_of(field.value):
            return
        pays = indirect.pays_somebody(value, self._tool_context)
        if pays:
            self._note(field.place, _text_of(field.value), ("money_movement",), spoke=True)
        elif pays is None:
            self._is_unread(field.place)

    def _states(self, value: Mapping[str, object], name: _Name, place: Place) -> None:
        """States that are set beside what they are set of, and trades."""
        if self._tool_context.looking or (place.depth and name.last not in indirect.CHANGED):
            return
        keys = [_name(key).words for key in value]
        if not place.depth:
            self._identified = indirect.names_one(keys)
        identified = self._identified or indirect.names_one(keys)
        placed = indirect.names_place(keys)
        for (key, item), words in zip(value.items(), keys, strict=True):
            effects = indirect.state_effects(words, item, identified=identified, placed=placed)
            if effects:
                self._note(Place(place, key, place.depth + 1), _text_of(item), effects, spoke=True)
        if indirect.is_trade(value):
            self._note(place, "side", ("money_movement",), spoke=True)

    def _reach(self, fields: Fields) -> None:
        """No limit, an empty filter, a wildcard: they name everything."""
        for role, is_wide in _WIDE_VALUES:
            for field in fields.get(role, ()):
                if is_wide(field.value) and (role != "limit" or field.name.words[0] in ("limit", "max", "top", "row")):
                    self._widen(field.place, _text_of(field.value))
        for role in ("limit", "count"):
            for field in fields.get(role, ()):
                if type(field.value) is int and field.value > 0 and field.name.words[0] not in ("max", "min"):
                    self._records = max(self._records, min(field.value, 1 << 53)) if role == "count" else self._records

    def _counted(self, value: Sequence[object], name: _Name, place: Place) -> None:
        length = counts.length(value)
        if length and "message" not in name.roles:
            self._records = max(self._records, length)
            if length > counts.MANY:
                self._widen(place, f"{length} items")

    # -- texts

    def _text(self, text: str, name: _Name, place: Place, dialect: str | None) -> None:
        if len(text) > TEXT_LIMIT:
            self._is_unread(place)
            return
        self._budget -= len(text)
        if self._budget < 0:
            raise _Refused
        # Whoever looked at a text with others saw each line of it by itself.
        if text not in self._covered or "\n" in text:
            self._environments |= self._lexicon.environments(text)
        reading = self._read_one(text, name, dialect)
        if reading is not None:
            self._take(place, text, reading)
            if reading.read and reading.seen and name.last in _PARSED:
                self._parsed.append(text)

    def _read_one(self, text: str, name: _Name, dialect: str | None) -> ArgumentReading | None:
        """None where no parser is meant for this argument."""
        last = name.last
        indirect_reading = self._indirect(text, name)
        if indirect_reading is not None:
            return indirect_reading
        if last in _SHELL:
            return self._command(text)
        if last in _SQL:
            return self._mongo(text) or read_sql(text, dialect, self._lexicon)
        if last in _QUERY or last in _STATEMENT:
            return self._query(text, dialect, last in _STATEMENT)
        if last in _STAGES and text.lstrip()[:1] in ("[", "{"):
            return read_mongo(text, self._lexicon)
        if last in _PATH:
            reading = read_path(text)
            return reading if reading.seen or "//" not in text else _dangers(read_url(text, "", self._lexicon))
        if last in _URL:
            return _dangers(read_url(text, "", self._lexicon))
        if last in _PYTHON:
            if _CODE_OF_SOMETHING.fullmatch(text):
                return None
            return read_python(text, lambda line: read_shell(line, self._commands), self._lexicon)
        if last in _CODE:
            return UNREAD
        return None if last in _PROSE else self._stray(text, name, dialect)

    def _command(self, text: str) -> ArgumentReading:
        """A command line; of some tools the name of an operation."""
        if self._operated and _OPERATION_NAMED.fullmatch(text):
            effects = operation_effects(text, self._lexicon, numbers=False)
            return whole(text, *effects) if effects else UNREAD
        reading = read_shell(self._program_line(text), self._commands)
        if holds_secret(text):
            return msgspec.structs.replace(reading, seen=(*reading.seen, Seen("secret_access", 0, len(text))))
        return reading

    def _stray(self, text: str, name: _Name, dialect: str | None) -> ArgumentReading | None:
        """A statement, a command or a program under a name that asks for none."""
        if starts_sql(text):
            reading = read_sql(text, dialect, self._lexicon)
            return reading if reading.read else None
        if name.last in _SOUGHT:
            return None
        if not self._tool_context.looking and is_command_line(text, self._commands):
            return read_shell(text, self._commands)
        return UNREAD if runs_code(text) else None

    def _indirect(self, text: str, name: _Name) -> ArgumentReading | None:
        """The name of what is called, what a runner is told, a label that is clicked, a request in one line, code."""
        last, context = name.last, self._tool_context
        line = indirect.request_line(text) if last in indirect.REQUESTED else None
        if line is not None:
            return _both(read_method(line[0]), read_url(line[1], line[0].lower(), self._lexicon), text)
        effects: tuple[Effect, ...] = ()
        if context.clicking and last in indirect.LABELLED:
            effects = indirect.label_effects(text, self._lexicon)
        elif context.called(name.words):
            effects = indirect.named_effects(text, self._lexicon)
        if (
            not effects
            and context.running
            and last in indirect.TOLD
            and (" " in text.strip() or not text.isascii())
            and last not in _SHELL
        ):
            effects = indirect.told_effects(text, self._lexicon)
        if effects:
            return whole(text, *effects)
        return self._coded(text) if last in _CODED else None

    def _coded(self, text: str) -> ArgumentReading | None:
        """Code under a name that also stands for formulas: Python, or nothing that is read here."""
        if not indirect.is_code(text):
            return None
        return read_python(text, lambda line: read_shell(line, self._commands), self._lexicon)

    def _program_line(self, text: str) -> str:
        """`reset --hard` of a tool `git` is `git reset --hard`."""
        program = self._tool_context.program
        if not program or text.split(maxsplit=1)[:1] == [program] or _PROGRAM_NAMED.search(text):
            return text
        return f"{program} {text}"

    def _query(self, text: str, dialect: str | None, stated: bool) -> ArgumentReading | None:
        """Under `query` stands any language: SQL, GraphQL, MongoDB's shell, or words to search for; under `statement`
        SQL, or a sentence."""
        if looks_like_graphql(text):
            return read_graphql(text, self._lexicon)
        states = is_sql(text, dialect) or (stated and head_of(text.upper().split(maxsplit=3)[:3]) is not None)
        found = self._mongo(text) or (read_sql(text, dialect, self._lexicon) if states else None)
        if found is None and starts_sql(text):
            reading = read_sql(text, dialect, self._lexicon)
            found = reading if reading.read else None
        return found or self._statement_of(text)

    def _statement_of(self, text: str) -> ArgumentReading | None:
        """A statement of some database's own language (`DROP MEASUREMENT cpu`, `.drop table Orders`): by its verb,
        where the tool asks a database."""
        match = _STATED.match(text)
        words = self._tool_context.words
        if match is None or "search" in words or _ASKING.isdisjoint(words):
            return None
        effects = verb_effects(match[1], self._lexicon)
        return None if HARMLESS.issuperset(effects) else whole(text, *effects)

    def _mongo(self, text: str) -> ArgumentReading | None:
        return read_mongo(text, self._lexicon) if looks_like_mongo(text) else None

    # -- noting

    def _take(self, place: Place, text: str, reading: ArgumentReading) -> None:
        if not reading.read:
            self._is_unread(place)
        self._settled = self._settled and reading.settled
        self._files += reading.files
        if reading.ran:
            path = place.path()
            self._ran += [(path, each) for each in reading.ran]
        if not reading.seen:
            return
        self._spoke = True
        self._spoken += 1
        path = place.path()
        for seen in reading.seen[:_SEEN]:
            if seen.effect == "unknown":
                self._is_unread(place)
                continue
            self._see(seen.effect, Span(path, seen.start, seen.end, text[seen.start : seen.end][:200]))
        if len(reading.seen) > _SEEN:
            kept = {seen.effect for seen in reading.seen[:_SEEN]}
            for seen in reading.seen[_SEEN:]:
                if seen.effect not in kept:
                    kept.add(seen.effect)
                    self._take(place, text, ArgumentReading((seen,)))

    def _note(self, place: Place, text: str, effects: Sequence[Effect], *, spoke: bool = False) -> None:
        if effects:
            span = Span(place.path(), 0, len(text), text[:200])
            for effect in effects:
                self._see(effect, span)
            speaks = spoke or not HARMLESS.issuperset(effects)
            self._spoke = self._spoke or speaks
            self._spoken += speaks

    def _see(self, effect: Effect, span: Span) -> None:
        """Note an effect at a place. Of many places the first ones are kept: whoever answers has to handle them all."""
        sighting = Sighting(effect, "arguments", span)
        places = self._places.get(effect, 0)
        if places < _PLACES_MAX and sighting not in self._sightings:
            self._places[effect] = places + 1
            self._sightings[sighting] = None

    def _widen(self, place: Place, text: str) -> None:
        if len(self._wide) < _NAMED:
            self._wide[Sighting("bulk", "arguments", Span(place.path(), 0, len(text), text[:200]))] = None

    def _is_unread(self, place: Place) -> None:
        if len(self._unread) < _NAMED:
            self._unread[place.path()] = None


#: Commands that are kept of a call. Of one with more nothing counts as inside of a work tree, and each file that is
#: run later could be one that it has written.
_COMMANDS_MAX: Final = 200
_ANY_RAN: Final = (("", Ran(("tee", "*"), 0, 0)),)
#: Places of a call that are kept of one effect.
_PLACES_MAX: Final = 200
#: Effects of one argument that are shown each with its own span.
_SEEN: Final = 100
_HOLDING: Final = frozenset({str, dict, list})
_DRAFTS: Final = frozenset({"draft", "drafts", "preview", "template", "compose", "render"})
#: What a long list or an empty filter makes a bulk change.
_BULK_CHANGES: Final[frozenset[Effect]] = frozenset(
    {
        "overwrite",
        "delete",
        "irreversible",
        "money_movement",
        "external_message",
        "publish",
        "access_change",
        "service_impact",
    }
)
_REMOVING: Final[frozenset[Effect]] = frozenset({"overwrite", "delete"})
_HARD_FLAGS: Final[Mapping[str, Effect]] = {
    "recursive": "bulk",
    "force": "irreversible",
    "permanent": "irreversible",
    "permanently": "irreversible",
    "hard": "irreversible",
    "hard_delete": "irreversible",
    "skip_trash": "irreversible",
    "cascade": "bulk",
}
_ALL_FLAGS: Final = frozenset({("select", "all"), ("apply", "to", "all"), ("all", "users"), ("all", "records")})
_WIDE_VALUES: Final[tuple[tuple[str, Callable[[object], bool]], ...]] = (
    ("limit", counts.is_unlimited),
    ("filter", counts.is_empty_filter),
    ("target", counts.is_everything),
    ("recipient", counts.is_everything),
)
_WIDENING: Final = frozenset({"limit", "filter", "target", "count", "recipient"})


def _body_of(value: object) -> str:
    """A body as it is sent."""
    if isinstance(value, str):
        return value
    try:
        return msgspec.json.encode(value).decode("utf-8", "surrogatepass")
    except (TypeError, ValueError, UnicodeError, RecursionError):
        return ""


#: Names under which JSON stands as a text.
_JSON: Final = word_set(
    "body data json payload params parameters arguments args input variables request filter query pipeline"
    " stages aggregation"
)


def _decode(text: str, name: _Name) -> dict[str, Any] | list[Any] | None:
    """The object or list that a text holds as JSON; None where it holds none."""
    if name.last not in _JSON or len(text) > TEXT_LIMIT or text[:40].lstrip()[:1] not in ("{", "["):
        return None
    try:
        value = msgspec.json.decode(text.encode("utf-8", "surrogatepass"))
    except (msgspec.DecodeError, RecursionError, UnicodeDecodeError):
        return None
    return value if isinstance(value, (dict, list)) else None


#: A line that names its programs itself.
_PROGRAM_NAMED: Final = re.compile(
    r"^\s*(?:sudo|cd|export|env|/\S+|\w+=\S*)\s|[;&|]\s*(?:git|kubectl|docker|helm|terraform|npm|aws|gcloud|az)\s"
)
#: How a statement begins that changes something, in whatever language.
_STATED: Final = re.compile(
    r"\s*\.?(drop|delete|truncate|alter|purge|create|insert|upsert|update|grant|revoke|kill|remove|clear|rename)"
    r"[ \t-]+\S",
    re.IGNORECASE,
)
#: Words of tools that ask a database.
_ASKING: Final = word_set(
    "query sql kql kusto influx influxql flux cql cypher aql promql n1ql nosql execute statement db database"
)
_VARIABLE: Final = re.compile(r"[A-Za-z_][A-Za-z0-9_]{0,63}")
#: Ends what a command is given to read.
_HEREDOC: Final = "END_OF_WHAT_IS_READ"
#: The name of an operation, and no command line.
_OPERATION_NAMED: Final = re.compile(r"[a-z]+(?:_[a-z]+){0,3}")
_COMMAND_NAME: Final = _Name(("command",), "command", frozenset())


def _argument_line(value: object) -> str | None:
    """The words of a command's arguments as they would be typed; None where they are no words."""
    if isinstance(value, str):
        return None if value.lstrip()[:1] in ("{", "[") else value
    if isinstance(value, list) and all(isinstance(item, (str, int, float)) for item in value):
        return shlex.join(str(item) for item in value)
    return None


def _is_one_line(value: list[Any]) -> bool:
    """Whether a list under a command's name holds the words of one line; several lines are read one by one."""
    return bool(value) and all(isinstance(item, str) for item in value) and " " not in value[0].strip()


def _is_wallet(value: object) -> bool:
    return isinstance(value, str) and bool(re.fullmatch(r"0x[0-9a-fA-F]{40}|bc1[a-z0-9]{20,80}", value.strip()))


def _is_method(value: object) -> bool:
    """A method under `type`; in small letters, `post` and `get` may be something else."""
    return isinstance(value, str) and value in (
        "GET",
        "HEAD",
        "POST",
        "PUT",
        "PATCH",
        "DELETE",
        "put",
        "patch",
        "delete",
    )


_MCP: Final = re.compile(
    r"(?:tools|resources|prompts|notifications|completion|logging|sampling|initialize|ping)(?:/|\Z)"
)


def _is_mcp(method: str) -> bool:
    return _MCP.match(method) is not None


def _text_of(value: object) -> str:
    return value if isinstance(value, str) else str(value)[:200] if not isinstance(value, (dict, list)) else ""


def _both(one: ArgumentReading, other: ArgumentReading, text: str) -> ArgumentReading:
    effects = dict.fromkeys(seen.effect for seen in (*one.seen, *other.seen))
    return ArgumentReading(tuple(Seen(effect, 0, len(text)) for effect in effects), one.read and other.read)


def _dangers(reading: ArgumentReading) -> ArgumentReading:
    """Of an address under a path's name only what is dangerous counts."""
    seen = tuple(each for each in reading.seen if each.effect not in HARMLESS)
    return ArgumentReading(seen, reading.read)


#: Paths of a list that are looked at one by one; a longer list is a bulk one anyway.
_PARTS: Final = 200

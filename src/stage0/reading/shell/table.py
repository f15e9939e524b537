"""The table of commands: what is written in `commands.yaml`, and what is made of it once, at load.

A condition of `when` and `adds` is words separated by blanks:

    push                   a subcommand (several lead further down; `a|b` are alternatives, `*` and `get-*` patterns)
    -f|--force             one of these options is present
    -X|--request=PUT|POST  one of these options has one of these values (`*` and `?` are patterns, case aside)
    -c~^alias\\.            one of these options has a value in which this regular expression is found
    args>1 args<1          how many words stand after the subcommand, options aside
    rest>0                 how many of them stand after `--`
    args:+*|:*             a word matches one of these patterns
    args~^ext::            in a word this regular expression is found
"""

from __future__ import annotations

import fnmatch
import re
from bisect import bisect_left
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from typing import Any, Final, Literal, TypeVar

import msgspec

from stage0.reading.effects import Effect
from stage0.reading.names import NameReader

#: Begins and ends what only the shell knows when it runs: `$x`, `$(...)`. The source text stands in between.
OPEN: Final = "\0"
CLOSE: Final = "\1"

Language = Literal["shell", "python", "sql", "sqlite", "prints", "awk", "sed", "mongo", "powershell", "file"]
Group = TypeVar("Group", bound=msgspec.Struct)
Runs = Literal["", "words", "shell", "env", "xargs", "parallel", "package"]


class Behaviour(msgspec.Struct, frozen=True):
    """What it does. `effects`: where no condition of `when` matches; of those that match, the ones that ask for more
    win over those that ask for less, and the rest add up. `adds`: effects that are added whatever else is found.
    `rehearsal`: conditions under which nothing is done."""

    effects: tuple[Effect, ...] = ()
    when: Mapping[str, tuple[Effect, ...]] = {}
    adds: Mapping[str, tuple[Effect, ...]] = {}
    rehearsal: tuple[str, ...] = ()


class Syntax(msgspec.Struct, frozen=True):
    """How its words are options, values of options, subcommands or arguments.

    `takes`: options with a value, attached or in the next word; only attached where it ends with `?`, or in the next
    word as well where that is one of those named (`--track?=direct|inherit`).
    `own`: its options stand before a subcommand only, and mean something else behind it (`git -c`).
    `dash`: options are words after one dash (`find -name`). `first`: the first word may be options without a dash
    (`tar xf`). `fold`: subcommands in any case. `stops`: options end at the first word."""

    takes: tuple[str, ...] = ()
    own: bool = False
    dash: bool = False
    first: bool = False
    fold: bool = False
    stops: bool = False


class Delegation(msgspec.Struct, frozen=True):
    """Which of its words are another command that it runs.

    `runs`: what follows is one, as words or as shell text, after `skips` words; `mixed`: further options may stand
    between; `package`: of a package, which may be anybody's. `inner`: options that begin a command, up to `;` or `+`.
    `module`: options whose value and rest are a command."""

    runs: Runs = ""
    skips: int = 0
    mixed: bool = False
    inner: tuple[str, ...] = ()
    module: tuple[str, ...] = ()


class Programs(msgspec.Struct, frozen=True):
    """Which values and words are programs, in which language.

    `code`: options whose value is a program; `flagged`: options that make the first word one (`sh -xc`); `program`: the
    word at an index is one, unless such an option is there; `stdin`: what is piped in is one where there is no other
    and no word at all; `fed`: whatever words there are. `besides`: words are programs even where an option has one."""

    code: Mapping[str, Language] = {}
    flagged: Mapping[str, Language] = {}
    program: Mapping[int, Language] = {}
    stdin: Language | None = None
    besides: bool = False
    fed: bool = False


class Scripts(msgspec.Struct, frozen=True):
    """Scripts of a project. `script`: it is one itself. `scripts`: its first word, or all, name some."""

    script: bool = False
    scripts: Literal["", "first", "all"] = ""


class Files(msgspec.Struct, frozen=True):
    """Which words name files, and what becomes of them.

    `names`: words are names or text, so naming a file of secrets shows none. `uses`: options whose file is used, not
    shown. `last`: the last word is written to, not read; `all`: every word is. `texts`: so many words come before those
    that name files. `writes`: options that name a file or folder to write."""

    names: bool = False
    uses: tuple[str, ...] = ()
    last: bool = False
    all: bool = False
    texts: int = 0
    writes: tuple[str, ...] = ()


class Disclosure(msgspec.Struct, frozen=True):
    """What it shows or gives away. `prints`: words are printed. `searches`: it shows the lines that it finds; `walks`:
    it searches what stands below. `sends`: options whose value goes to another host, which the words name; `piped`:
    what is piped in goes there as well."""

    prints: bool = False
    searches: bool = False
    walks: bool = False
    sends: tuple[str, ...] = ()
    piped: bool = False


class Http(msgspec.Struct, frozen=True):
    """Which of its words make an HTTP request. `http`: how they are laid out (`curl`: an address and options; `httpie`:
    a method, an address and items). `method`, `body`, `address`: options whose value is one; `asks`: options with which
    a body is a query."""

    http: Literal["", "curl", "httpie"] = ""
    method: tuple[str, ...] = ()
    body: tuple[str, ...] = ()
    address: tuple[str, ...] = ()
    asks: tuple[str, ...] = ()


class Command(msgspec.Struct, frozen=True):
    """What the table says of a command or subcommand, by what it is about. Options, values and flags hold for what is
    below it, too. `sub`: subcommands with options of their own."""

    behaviour: Behaviour = Behaviour()
    syntax: Syntax = Syntax()
    delegation: Delegation = Delegation()
    programs: Programs = Programs()
    scripts: Scripts = Scripts()
    files: Files = Files()
    disclosure: Disclosure = Disclosure()
    http: Http = Http()
    sub: Mapping[str, Command] = {}


_GROUPS: Final = (Behaviour, Syntax, Delegation, Programs, Scripts, Files, Disclosure, Http)
#: What may be written of a command: the fields of every group, side by side, so that one line says it all.
_FIELDS: Final = frozenset({"sub"}.union(*[group.__struct_fields__ for group in _GROUPS]))


def parse_command(written: Mapping[str, Any]) -> Command:
    """A command as `commands.yaml` has it. Raises msgspec.ValidationError for an unknown field or a wrong type."""
    unknown = sorted(written.keys() - _FIELDS)
    if unknown:
        raise msgspec.ValidationError(f"Object contains unknown field `{unknown[0]}`")
    below = msgspec.convert(written.get("sub", {}), dict[str, dict[str, Any]])
    return Command(
        _group(written, Behaviour),
        _group(written, Syntax),
        _group(written, Delegation),
        _group(written, Programs),
        _group(written, Scripts),
        _group(written, Files),
        _group(written, Disclosure),
        _group(written, Http),
        {words: _subcommand(words, command) for words, command in below.items()},
    )


def _subcommand(words: str, written: Mapping[str, Any]) -> Command:
    try:
        return parse_command(written)
    except msgspec.ValidationError as error:
        raise msgspec.ValidationError(f"{words}: {error}") from error


def _group(written: Mapping[str, Any], group: type[Group]) -> Group:
    return msgspec.convert({name: written[name] for name in group.__struct_fields__ if name in written}, group)


class Line:
    """The words of one command, parsed: options with their values, other words, what follows `--`."""

    __slots__ = ("args", "inner", "node", "options", "rest", "skips", "tail")

    def __init__(self, node: Node) -> None:
        self.node = node
        self.options: dict[str, list[str]] = {}
        self.args: list[str] = []
        self.rest = 0
        #: How many words still stand before the command that this one runs.
        self.skips = 0
        #: The command that this one runs, where it runs one.
        self.tail: list[str] = []
        #: The commands after options such as `-exec`.
        self.inner: list[list[str]] = []


Test = Callable[[Line], bool]


class _Rule:
    """A condition, compiled. `beats`: the rules of the same list that ask for less than this one."""

    __slots__ = ("beats", "effects", "parts", "tests")

    def __init__(self, parts: tuple[str, ...], effects: tuple[Effect, ...]) -> None:
        self.parts = parts
        self.effects = effects
        self.tests: tuple[Test, ...] = tuple(map(_test, parts))
        self.beats: frozenset[int] = frozenset()

    def matches(self, line: Line) -> bool:
        return all([test(line) for test in self.tests])


class _Rules:
    """The conditions of one field. Those that need an option are only looked at where it is there."""

    __slots__ = ("_by_option", "_free", "all")

    def __init__(self, rules: Iterable[_Rule] = ()) -> None:
        self.all = tuple(rules)
        by_option: dict[str, list[int]] = {}
        free: list[int] = []
        for index, rule in enumerate(self.all):
            needed = next((_options(part)[0] for part in rule.parts if part[0] == "-"), None)
            if needed is None:
                free.append(index)
            for option in needed or ():
                by_option.setdefault(option, []).append(index)
        self._free = tuple(free)
        self._by_option = {option: tuple(indexes) for option, indexes in by_option.items()}

    def with_beats(self) -> _Rules:
        """The same, with what each rule beats worked out."""
        for index, rule in enumerate(self.all):
            rule.beats = frozenset(i for i, other in enumerate(self.all) if i != index and _asks_less(other, rule))
        return self

    def hits(self, line: Line) -> list[int]:
        """The numbers of the rules that match, in their order."""
        rules = self.all
        found = [index for index in self._free if rules[index].matches(line)]
        if line.options and self._by_option:
            by_option = self._by_option
            wanted = {index for option in line.options if option in by_option for index in by_option[option]}
            if wanted:
                found = sorted([*found, *[index for index in wanted if rules[index].matches(line)]])
        return found


_NO_RULES: Final = _Rules()


class Node:
    """A command or subcommand, compiled."""

    __slots__ = (
        "acts",
        "adds",
        "attached",
        "base",
        "code",
        "delegation",
        "disclosure",
        "fallback",
        "files",
        "http",
        "inner",
        "known",
        "longs",
        "module",
        "path",
        "patterns",
        "plain",
        "program",
        "programs",
        "rehearsal",
        "rules",
        "scripts",
        "stdin",
        "sub",
        "syntax",
        "takes",
        "traces",
        "uses",
        "values",
        "wild",
    )

    def __init__(self, path: str, command: Command) -> None:
        self.path = path
        self.syntax = command.syntax
        self.delegation = command.delegation
        self.programs = command.programs
        self.scripts = command.scripts
        self.files = command.files
        self.disclosure = command.disclosure
        self.http = command.http
        self.base: tuple[Effect, ...] = ()
        self.rules = _NO_RULES
        self.adds = _NO_RULES
        self.rehearsal = _NO_RULES
        self.sub: dict[str, Node] = {}
        self.patterns: tuple[tuple[str, Node], ...] = ()
        self.takes: frozenset[str] = frozenset()
        self.attached: frozenset[str] = frozenset()
        #: The values in the next word that some of those take.
        self.values: dict[str, frozenset[str]] = {}
        self.known: frozenset[str] = frozenset()
        self.longs: tuple[str, ...] = ()
        self.code: dict[str, Language] = {}
        self.program: dict[int, Language] = {}
        self.stdin: Language | None = None
        self.inner: frozenset[str] = frozenset()
        self.module: frozenset[str] = frozenset()
        self.uses: frozenset[str] = frozenset()
        #: Whether a pattern stands for this word, so that nobody has said that such a subcommand exists.
        self.wild = False
        #: The node of a pattern that holds for this word, too: asked where this one knows no more.
        self.fallback: Node | None = None
        #: Whether it may run something: a program or a command that it is given.
        self.acts = False
        #: Whether its words say where data goes, or which script runs.
        self.traces = False
        #: Whether the effects hold whatever stands behind the name, so that its words need no parsing.
        self.plain = False

    def below(self, word: str) -> Node | None:
        """The subcommand that a word names."""
        if self.syntax.fold:
            word = word.lower()
        found = self.sub.get(word)
        if found is None:
            for prefix, node in self.patterns:
                if word.startswith(prefix):
                    return node
            if self.fallback is not None:
                return self.fallback.below(word)
        return found


class Commands:
    """All commands, compiled; the `lexicon` for what programs in other languages call, and the reader of names for the
    subcommands of programs that the table does not know. `find` gives None for one of those."""

    __slots__ = ("_nodes", "_patterns", "lexicon", "names")

    def __init__(self, table: Mapping[str, Command], names: NameReader) -> None:
        """Raises ValueError where a condition or a field cannot be understood."""
        nodes = {name: _compile(name, command) for name, command in table.items()}
        self._patterns = tuple((name[:-1], node) for name, node in nodes.items() if name.endswith("*"))
        self._nodes = nodes
        self.lexicon = names.lexicon
        self.names = names

    def find(self, name: str) -> Node | None:
        """The command of this name: letters in lower case, without folder."""
        node = self._nodes.get(name)
        if node is None:
            for prefix, pattern in self._patterns:
                if name.startswith(prefix):
                    return pattern
        return node


# -- Compiling ---------------------------------------------------------------------------------------------------


def _compile(name: str, command: Command) -> Node:
    node = Node(name, command)
    try:
        _fill(node, command)
    except (re.error, IndexError, ValueError) as error:
        raise ValueError(f"{name}: a condition that cannot be read: {error}") from error
    _finish(node, None)
    return node


def _fill(node: Node, command: Command) -> None:
    """Take over what the table says of this very command, and make nodes of what it says of those below."""
    behaviour, syntax, delegation, programs = command.behaviour, command.syntax, command.delegation, command.programs
    node.syntax, node.delegation, node.programs = syntax, delegation, programs
    node.scripts, node.files, node.disclosure = command.scripts, command.files, command.disclosure
    node.http = command.http
    node.base = behaviour.effects or node.base
    node.code, node.program, node.stdin = dict(programs.code), dict(programs.program), programs.stdin
    node.inner, node.module = frozenset(delegation.inner), frozenset(delegation.module)
    node.uses = frozenset(command.files.uses)
    node.takes = frozenset(option for option in syntax.takes if "?" not in option) | frozenset(programs.code)
    node.takes |= node.module
    optional = [option.partition("?") for option in syntax.takes if "?" in option]
    node.attached = frozenset(option for option, _, _ in optional)
    node.values = {option: frozenset(values[1:].split("|")) for option, _, values in optional if values}
    for words, below in command.sub.items():
        for target in _targets(node, words.split()):
            _fill(target, below)
    for condition, effects in behaviour.when.items():
        path, parts = _split(condition)
        for target in _targets(node, path):
            if parts:
                target.rules = _Rules((*target.rules.all, _Rule(parts, effects)))
            else:
                target.base = effects
    for condition, effects in behaviour.adds.items():
        path, parts = _split(condition)
        for target in _targets(node, path):
            target.adds = _Rules((*target.adds.all, _Rule(parts, effects)))
    for condition in behaviour.rehearsal:
        path, parts = _split(condition)
        for target in _targets(node, path):
            target.rehearsal = _Rules((*target.rehearsal.all, _Rule(parts, ())))


def _split(condition: str) -> tuple[list[str], tuple[str, ...]]:
    """A condition's subcommand path and its further parts."""
    parts = condition.split()
    count = next((i for i, part in enumerate(parts) if part[0] == "-" or _COUNT.match(part)), len(parts))
    return parts[:count], tuple(parts[count:])


_COUNT: Final = re.compile(r"(?:args|rest)[<>:~]")


def _targets(node: Node, path: Sequence[str]) -> list[Node]:
    """The nodes of a path, made where they are not there yet."""
    reached = [node]
    for alternatives in path:
        reached = [_child(parent, word) for parent in reached for word in alternatives.split("|")]
    return reached


_NOTHING: Final = Command()


def _child(node: Node, word: str) -> Node:
    found = dict(node.patterns).get(word[:-1]) if word.endswith("*") else node.sub.get(word)
    if found is not None:
        return found
    made = Node(f"{node.path} {word}", _NOTHING)
    if word.endswith("*"):
        made.wild = True
        node.patterns = tuple(sorted((*node.patterns, (word[:-1], made)), key=lambda each: -len(each[0])))
    else:
        node.sub[word] = made
    return made


def _finish(node: Node, parent: Node | None) -> None:
    """Hand down what holds for subcommands, and work out what reading a line needs to know."""
    if parent is not None:
        if not parent.syntax.own:
            node.takes |= parent.takes
            node.attached |= parent.attached
            node.values = {**parent.values, **node.values}
        node.uses |= parent.uses
        node.adds = _Rules((*parent.adds.all, *node.adds.all)) if parent.adds.all else node.adds
        node.rehearsal = (
            _Rules((*parent.rehearsal.all, *node.rehearsal.all)) if parent.rehearsal.all else node.rehearsal
        )
        node.syntax = msgspec.structs.replace(
            node.syntax, dash=node.syntax.dash or parent.syntax.dash, fold=node.syntax.fold or parent.syntax.fold
        )
        node.files = msgspec.structs.replace(
            node.files, names=node.files.names or parent.files.names, writes=node.files.writes or parent.files.writes
        )
        node.http = node.http if node.http.http else parent.http
        node.disclosure = msgspec.structs.replace(
            node.disclosure,
            sends=node.disclosure.sends or parent.disclosure.sends,
            piped=node.disclosure.piped or parent.disclosure.piped,
        )
    node.known = node.takes | node.attached | node.inner | set(node.programs.flagged) | set(_options_named(node))
    node.longs = tuple(sorted(option for option in node.known if option.startswith("--")))
    node.rules.with_beats()
    told = node.disclosure
    if told.sends or told.piped or told.searches or node.files.writes or node.scripts.scripts or node.http.http:
        node.traces = True
    given = node.code or node.program or node.stdin or node.programs.flagged
    node.acts = bool(given or node.inner or node.module or node.delegation.runs)
    judged = node.rules.all or node.adds.all or node.rehearsal.all or node.traces
    node.plain = bool(node.base) and not (judged or node.acts or node.sub or node.patterns or node.fallback)
    for word, child in node.sub.items():
        pattern = next((each for prefix, each in node.patterns if word.startswith(prefix)), None)
        child.fallback = pattern or (node.fallback.below(word) if node.fallback else None)
        if child.fallback is not None:
            child.base = child.base or child.fallback.base
    for child in (*node.sub.values(), *(child for _, child in node.patterns)):
        _finish(child, node)


def _options_named(node: Node) -> Iterator[str]:
    """The options that conditions name."""
    for rule in (*node.rules.all, *node.adds.all, *node.rehearsal.all):
        for part in rule.parts:
            if part[0] == "-":
                yield from _options(part)[0]


def _asks_less(one: _Rule, other: _Rule) -> bool:
    """Whether one rule asks for strictly less: each of its parts is implied by one of the other's."""
    if not all(any(_implies(part, given) for given in other.parts) for part in one.parts):
        return False
    return not all(any(_implies(given, part) for part in one.parts) for given in other.parts)


def _implies(part: str, given: str) -> bool:
    if part == given:
        return True
    if part[0] != "-" or given[0] != "-":
        return False
    options = _options(given)[0]
    wanted, wanted_values, wanted_pattern = _options(part)
    return wanted_values is None and wanted_pattern is None and set(options) <= set(wanted)


def _options(part: str) -> tuple[list[str], list[str] | None, str | None]:
    """The options of a part, with the values or the regular expression that it asks for."""
    sign = re.search(r"[=~]", part)
    if sign is None:
        return part.split("|"), None, None
    options, value = part[: sign.start()].split("|"), part[sign.end() :]
    return (options, value.split("|"), None) if sign[0] == "=" else (options, None, value)


def _test(part: str) -> Test:
    if part[0] == "-":
        return _option_test(part)
    kind, sign, value = part[:4], part[4], part[5:]
    if sign in "<>":
        return _count_test(kind, sign, int(value))
    found = _finder(value.split("|")) if sign == ":" else re.compile(value, re.IGNORECASE).search
    return lambda line: any([found(word) is not None for word in line.args])


def _option_test(part: str) -> Test:
    options, values, pattern = _options(part)
    if values is None and pattern is None:
        if len(options) == 1:
            only = options[0]
            return lambda line: only in line.options
        any_of = frozenset(options)
        return lambda line: not any_of.isdisjoint(line.options)
    found = _finder(values) if values is not None else re.compile(pattern or "", re.IGNORECASE).search
    return lambda line: any([found(value) is not None for option in options for value in line.options.get(option, ())])


def _count_test(kind: str, sign: str, limit: int) -> Test:
    if kind == "rest":
        return (lambda line: line.rest > limit) if sign == ">" else (lambda line: line.rest < limit)
    return (lambda line: len(line.args) > limit) if sign == ">" else (lambda line: len(line.args) < limit)


def _finder(patterns: Iterable[str]) -> Callable[[str], re.Match[str] | None]:
    return re.compile("|".join(map(fnmatch.translate, patterns)), re.IGNORECASE).match


# -- Reading a line ----------------------------------------------------------------------------------------------


def parse_argv(node: Node, words: Sequence[str]) -> Line:
    """A command's words by what they are to it; the first word is its name."""
    line = Line(node)
    line.skips = node.delegation.skips
    at, count = 1, len(words)
    if node.syntax.first and count > 1 and words[1][:1].isalpha() and words[1] not in node.sub:
        at = _cluster(line, "-" + words[1], words, 2)
    while at < count:
        word = words[at]
        at = _word(line, word, words, at + 1) if word[:1] != "-" or word == "-" else _option(line, word, words, at + 1)
    return line


def _word(line: Line, word: str, words: Sequence[str], at: int) -> int:
    """A word that is no option: a subcommand, an argument, or the begin of a command that this one runs."""
    node = line.node
    if not line.args and (node.sub or node.patterns or node.fallback):
        below = node.below(word)
        if below is not None and not (below.wild and node.base and not below.base):
            line.node = below
            line.skips = below.delegation.skips
            return at
    if node.delegation.runs and not line.skips:
        line.tail = list(words[at - 1 :])
        return len(words)
    line.args.append(word)
    if line.skips:
        line.skips -= 1
        if not line.skips and not node.delegation.mixed:
            line.tail = list(words[at:])
            return len(words)
    if node.syntax.stops:
        line.args.extend(words[at:])
        return len(words)
    return at


def _option(line: Line, word: str, words: Sequence[str], at: int) -> int:
    node = line.node
    if word == "--":
        return _after_dashes(line, words, at)
    if word in node.inner:
        return _inner(line, word, words, at)
    if node.syntax.dash:
        at = _dashed(line, word, words, at)
    elif word[1] == "-":
        at = _long(line, word, words, at)
    else:
        at = _cluster(line, word, words, at)
    if node.module:
        for option in node.module:
            if option in line.options:
                line.tail = [*line.options[option], *words[at:]]
                return len(words)
    return at


def _after_dashes(line: Line, words: Sequence[str], at: int) -> int:
    following, skips = words[at:], line.skips
    line.options["--"] = [""]
    if line.node.delegation.runs:
        line.args.extend(following[:skips])
        line.tail = list(following[skips:])
    else:
        line.rest = len(following)
        line.args.extend(following)
    return len(words)


def _inner(line: Line, word: str, words: Sequence[str], at: int) -> int:
    """The command after `-exec`, up to `;` or `+`."""
    end = at
    while end < len(words) and words[end] not in {";", "+"}:
        end += 1
    line.options.setdefault(word, []).append("")
    line.inner.append(list(words[at:end]))
    return end + 1


def _dashed(line: Line, word: str, words: Sequence[str], at: int) -> int:
    name, equals, value = word.partition("=")
    if name[1] == "-" and name not in line.node.known:
        name = name[1:]
    if not equals and name in line.node.takes and at < len(words):
        value, at = words[at], at + 1
    line.options.setdefault(name, []).append(value)
    return at


def _long(line: Line, word: str, words: Sequence[str], at: int) -> int:
    """A long option: as it is known, or every one that it may be short for."""
    node = line.node
    name, equals, value = word.partition("=")
    names = (name,) if name in node.known else _short_for(name, node.longs)
    if not equals and at < len(words) and any([_takes(node, each, words[at]) for each in names]):
        value, at = words[at], at + 1
    for each in names:
        line.options.setdefault(each, []).append(value)
    return at


def _takes(node: Node, option: str, word: str) -> bool:
    return option in node.takes or word in node.values.get(option, ())


def _short_for(name: str, longs: tuple[str, ...]) -> tuple[str, ...]:
    """The known options that begin like this one; itself where none does."""
    start = end = bisect_left(longs, name)
    while end < len(longs) and longs[end].startswith(name):
        end += 1
    return longs[start:end] or (name,)


def _cluster(line: Line, word: str, words: Sequence[str], at: int) -> int:
    """Letters after one dash: the first that takes a value ends them."""
    node = line.node
    if word in node.known and len(word) > 2:  # a long option after one dash, as in `-version`
        return _dashed(line, word, words, at)
    for index in range(1, len(word)):
        option = "-" + word[index]
        if option in node.attached:
            line.options.setdefault(option, []).append(word[index + 1 :])
            return at
        if option in node.takes:
            value = word[index + 1 :]
            if not value and at < len(words):
                value, at = words[at], at + 1
            line.options.setdefault(option, []).append(value)
            return at
        line.options.setdefault(option, []).append("")
    return at


def is_rehearsal(line: Line) -> bool:
    """Whether a line only shows what it would do."""
    rehearsal = line.node.rehearsal
    return rehearsal is not _NO_RULES and bool(rehearsal.hits(line))


def match_conditions(line: Line) -> tuple[Effect, ...] | list[Effect]:
    """The effects of a line by its conditions: the node's own `base` where none matches."""
    rules = line.node.rules
    if rules is _NO_RULES:
        return line.node.base
    hits = rules.hits(line)
    if not hits:
        return line.node.base
    if len(hits) == 1:
        return list(rules.all[hits[0]].effects)
    beaten = frozenset[int]().union(*[rules.all[index].beats for index in hits])
    return [effect for index in hits if index not in beaten for effect in rules.all[index].effects]


def option_effects(line: Line) -> list[Effect]:
    """The effects that the options of a line add."""
    adds = line.node.adds
    return [] if adds is _NO_RULES else [effect for index in adds.hits(line) for effect in adds.all[index].effects]

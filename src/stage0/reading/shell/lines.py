"""Shell commands: what a line would do, from its syntax tree and a table of commands."""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator, Sequence
from typing import Final, Literal

import msgspec
import tree_sitter

from stage0.reading.effects import HARMLESS, Effect
from stage0.reading.http.request import only_asks, read_request
from stage0.reading.paths import effects_of_writing, holds_secrets
from stage0.reading.programs.python import read_python
from stage0.reading.prose.lexicon import split_words
from stage0.reading.result import TEXT_LIMIT, UNREAD, ArgumentReading, Ran, Seen, word_set
from stage0.reading.shell.data import (
    destination_effects,
    is_severe_script,
    request_of,
    reveals,
    searches_secrets,
    secret_variable,
    sending_effects,
)
from stage0.reading.shell.grammar import read_by_grammar
from stage0.reading.shell.programs import read_program
from stage0.reading.shell.table import (
    CLOSE,
    OPEN,
    Commands,
    Language,
    Line,
    Node,
    is_rehearsal,
    match_conditions,
    option_effects,
    parse_argv,
)
from stage0.reading.shell.words import (
    RAW,
    WORD,
    Unread,
    dynamic,
    heredoc_text,
    kind,
    parse,
    plain_commands,
    printf_text,
    simple_words,
    word_of,
    words_of,
)
from stage0.reading.text.keeping import keeping_nothing, remember, tells_secret

__all__ = ["Commands", "read_shell"]


#: Shells within shells, and commands that run commands, that are followed.
_NESTING: Final = 8
_RUNS: Final = 12
#: Levels of syntax (substitutions, groups) that are followed.
_LEVELS: Final = 120

_COMMAND: Final = kind("command")
_NAME: Final = kind("command_name")
_PIPELINE: Final = kind("pipeline")
_LIST: Final = kind("list")
_REDIRECTED: Final = kind("redirected_statement")
_FILE: Final = kind("file_redirect")
_HEREDOC: Final = kind("heredoc_redirect")
_HERESTRING: Final = kind("herestring_redirect")
_ASSIGNMENT: Final = kind("variable_assignment")
_DECLARATION: Final = kind("declaration_command")
_FUNCTION: Final = kind("function_definition")
_COMPUTING: Final = frozenset(map(kind, ("test_command", "unset_command", "subscript", "c_style_for_statement")))
#: Parts of a redirection that are no words of the command.
_NO_WORDS: Final = frozenset(
    map(
        kind, ("file_descriptor", "heredoc_start", "heredoc_body", "heredoc_end", "heredoc_content", "pipeline", "list")
    )
) | {_COMMAND, _REDIRECTED, _FILE, _HERESTRING, _HEREDOC}


_SEVERAL: Final = frozenset({_LIST, _PIPELINE})
_WHOLE: Final = frozenset({WORD, RAW, _NAME})
_BESIDE: Final = frozenset({_ASSIGNMENT, _FILE, _HERESTRING})


class _Input(msgspec.Struct, frozen=True):
    """What a command is given to read. `node` says it, where it may be a literal: the command before the pipe, a
    heredoc, a here-string. `text` is it already. `name`: the command before the pipe, where it is plain."""

    kind: Literal["pipe", "heredoc", "string", "text", "other"]
    node: tree_sitter.Node | None = None
    text: str | None = None
    name: str = ""


_OTHER_INPUT: Final = _Input("other")


def read_shell(text: str, commands: Commands) -> ArgumentReading:
    """The effects of every command of a line, substitutions, nested shells and programs included.

    A command that is not known has the effect `unknown`. Unread where the text does not parse or is too long."""
    if len(text) > TEXT_LIMIT or OPEN in text or CLOSE in text or not text.strip():
        return UNREAD
    if "\\" in text and (len(text) > _SHORT or tells_secret(text)):
        # The shell takes the backslashes away: its words tell no more what they are a part of.
        with keeping_nothing():
            return _read(text, commands)
    return _read(text, commands)


#: Characters of a text in which secrets are looked for; a longer one hardly repeats.
_SHORT: Final = 2_000


def _read(text: str, commands: Commands) -> ArgumentReading:
    context = _Context(commands)
    plain = plain_commands(text)
    if plain is not None:
        seen = tuple(_plain(plain, context))
        ran = tuple([Ran(tuple(words), start, end) for words, start, end, _ in plain if words])
        return ArgumentReading(seen, settled=context.settled, ran=ran, files=tuple(context.files))
    encoded = text.encode("utf-8", "surrogatepass")
    root = parse(encoded)
    if root is None:
        return UNREAD
    source = text if len(encoded) == len(text) else encoded.decode("latin-1")
    try:
        found = _Script(context, source, 0).walk(root)
    except Unread:
        return UNREAD
    if not found:
        found = [("compute", 0, len(encoded))]
    commands_ran = context.ran
    if source is not text:
        at = _characters_at(text)
        found = [(effect, at[start], at[end]) for effect, start, end in found]
        commands_ran = [Ran(tuple(map(_utf8, each.words)), at[each.start], at[each.end]) for each in commands_ran]
    seen = tuple([Seen(effect, start, end) for effect, start, end in found])
    return ArgumentReading(seen, settled=context.settled, ran=tuple(commands_ran), files=tuple(context.files))


def _plain(plain: list[tuple[list[str], int, int, bool]], context: _Context) -> list[Seen]:
    """The effects of plain commands: the same as by the tree, without it."""
    script = _Script(context, "", 0)
    seen: list[Seen] = []
    before: list[str] = []
    for index, (words, start, end, piped) in enumerate(plain):
        fed = _Input("text", text=_printed_text(before), name=before[0]) if piped else None
        effects = dict.fromkeys(script.effects(words, fed, 0))
        if "secret_access" in effects and index + 1 < len(plain) and plain[index + 1][3]:
            _suppress(words, plain[index + 1][0], effects)
        seen.extend([Seen(effect, start, end) for effect in effects])
        before = words
    return seen


def _suppress(words: list[str], following: Sequence[str], effects: dict[Effect, None]) -> None:
    """What is printed into a login, or is only counted, is shown to nobody."""
    if words[0] in _PRINTING and (following[0] in _COUNTING or not _LOGIN.isdisjoint(following)):
        del effects["secret_access"]


_PRINTING: Final = frozenset({"echo", "printf"})
_COUNTING: Final = frozenset({"wc", "sha256sum", "sha1sum", "md5sum", "shasum"})
_LOGIN: Final = frozenset({"--password-stdin", "--with-token", "--passphrase-fd"})

_Found = tuple[Effect, int, int]


def _characters_at(text: str) -> list[int]:
    """Where each byte stands in characters: the parser counts bytes, everybody else counts characters."""
    character_at = [0]
    for index, char in enumerate(text):
        character_at.extend([index + 1] * len(char.encode("utf-8", "surrogatepass")))
    return character_at


class _Context:
    """What one reading keeps: the table, and the functions that the text itself defines."""

    __slots__ = ("commands", "downloaded", "files", "functions", "ran", "remotes", "settled", "telling")

    def __init__(self, commands: Commands) -> None:
        self.commands = commands
        self.functions: set[str] = set()
        #: Variables that are given the output of a command that says something of this machine.
        self.telling: set[str] = set()
        #: Whether nothing is run that is not read here.
        self.settled = True
        #: The commands of the text itself, those within substitutions included.
        self.ran: list[Ran] = []
        #: Names of files that the text itself downloads, and of remotes that it adds.
        self.downloaded: set[str] = set()
        #: The files that are run and not looked into.
        self.files: list[str] = []
        self.remotes: set[str] = set()

    def runs_file(self, name: str) -> list[Effect]:
        """Note that a file is run that is not looked into, and give what is known of it: nothing can be of one that has
        just been downloaded. The name of a check or a build says what it does."""
        self.files.append(name)
        if name.rpartition("/")[2] in self.downloaded:
            self.settled = False
            return ["unknown"]
        if _CHECKING.isdisjoint(split_words(name.rpartition("/")[2])):
            self.settled = False
        return []

    def note(self, words: Sequence[str]) -> list[Effect]:
        """Keep what a later command of the text may rest on; gives what this one does by what is kept."""
        name = words[0]
        if name in ("curl", "wget"):
            self.downloaded.update(_downloaded(words))
        elif name == "git" and list(words[1:3]) == ["remote", "add"]:
            self.remotes.update(words[3:4])
        elif name == "git" and "push" in words[1:4] and not self.remotes.isdisjoint(words):
            return ["publish"]
        return []


def _downloaded(words: Sequence[str]) -> list[str]:
    """The names of the files that a download may leave."""
    named = [words[i + 1] for i, word in enumerate(words[:-1]) if word in ("-o", "-O", "--output", "--output-document")]
    addresses = [word for word in words[1:] if "/" in word and not word.startswith("-")]
    return [each.rpartition("/")[2].partition("?")[0] for each in (*named, *addresses)]


#: Words of a file's own name that say what it is run for.
_CHECKING: Final = word_set("test tests testing build builds lint linter check checks checker")


class _Script:
    """One text of shell commands: the argument itself, or one that a command in it runs."""

    __slots__ = ("context", "depth", "found", "source", "suppressed", "todo")

    def __init__(self, context: _Context, source: str, depth: int) -> None:
        self.context = context
        #: One character per byte of what was parsed.
        self.source = source
        self.depth = depth
        self.found: list[_Found] = []
        #: Where commands begin whose output is not shown.
        self.suppressed: set[int] = set()
        #: Nodes still to be read: with what they are fed, words that a redirection took from them, and their level.
        self.todo: list[tuple[tree_sitter.Node, _Input | None, tuple[str, ...], int]] = []

    # -- The tree ----------------------------------------------------------------------------------------------

    def walk(self, root: tree_sitter.Node) -> list[_Found]:
        """Read every command below a node. Raises Unread where the syntax is nested too deeply."""
        todo = self.todo
        todo.append((root, None, (), 0))
        while todo:
            node, fed, more, level = todo.pop()
            if level > _LEVELS:
                raise Unread
            which = node.kind_id
            if which == _COMMAND:
                self._command(node, fed, more, level)
            elif which == _PIPELINE:
                self._pipeline(node, fed, level)
            elif which == _REDIRECTED:
                self._redirected(node, fed, level)
            elif which == _LIST:
                first, *_, last = node.named_children
                todo.append((last, fed, (), level + 1))
                todo.append((first, fed, (), level))  # `a && b && c` nests to the left, however long it is
            else:
                self._other(node, which, fed, level)
        return self.found

    def _other(self, node: tree_sitter.Node, which: int, fed: _Input | None, level: int) -> None:
        if which == _FILE:
            self._say(node, self._redirect(node))
        elif which == _ASSIGNMENT:
            self._say(node, ["compute", *self._assigned(node)])
        elif which == _DECLARATION:
            self._say(node, self._declared(node))
        elif which == _FUNCTION:
            self._say(node, self._defined(node))
            fed = _OTHER_INPUT  # whoever calls it may pipe something in
        elif which in _COMPUTING:
            self._say(node, ["compute"])
        children = node.named_children
        if children:
            children.reverse()
            self.todo.extend([(child, fed, (), level + 1) for child in children])

    def _say(self, node: tree_sitter.Node, effects: Iterable[Effect]) -> None:
        start, end = node.start_byte, node.end_byte
        for effect in dict.fromkeys(effects):
            self.found.append((effect, start, end))

    def _text(self, node: tree_sitter.Node) -> str:
        return self.source[node.start_byte : node.end_byte]

    def _pipeline(self, node: tree_sitter.Node, fed: _Input | None, level: int) -> None:
        children = node.named_children
        for index in range(len(children) - 1, 0, -1):
            following = self._text(children[index]).split()
            if following and (following[0] in _COUNTING or not _LOGIN.isdisjoint(following)):
                self.suppressed.add(children[index - 1].start_byte)
            self.todo.append((children[index], _Input("pipe", children[index - 1]), (), level + 1))
        self.todo.append((children[0], fed, (), level + 1))

    def _redirected(self, node: tree_sitter.Node, fed: _Input | None, level: int) -> None:
        body: tree_sitter.Node | None = None
        heredoc: tree_sitter.Node | None = None
        own: _Input | None = None
        more: list[str] = []
        for child in node.named_children:
            which = child.kind_id
            if which == _HEREDOC:
                own, heredoc = _Input("heredoc", child), child
                more.extend(self._beyond(child))
            elif which == _HERESTRING:
                own = _Input("string", child)
                self.todo.append((child, None, (), level + 1))
            elif which == _FILE:
                more.extend(self._beyond(child))
                own = _OTHER_INPUT if self._reads(child) else own
                if body is not None and _INTO_FILE.match(self._text(child)):
                    self.suppressed.add(body.start_byte)
                self.todo.append((child, None, (), level + 1))
            else:
                body = child
        if heredoc is not None:
            self._heredoc(heredoc, body, level)
        if body is not None:
            self._but_last(body, fed, own, tuple(more), level)
        elif more:
            self._say(node, self.effects(more, own or fed, 0))

    def _but_last(
        self, body: tree_sitter.Node, fed: _Input | None, own: _Input | None, more: tuple[str, ...], level: int
    ) -> None:
        """A redirected statement. The tree has what belongs to the last command around all that stand before it."""
        while body.kind_id in _SEVERAL:
            *before, last = body.named_children
            piped = body.kind_id == _PIPELINE
            for index, each in enumerate(before):
                given = _Input("pipe", before[index - 1]) if piped and index else fed
                self.todo.append((each, given, (), level + 1))
            if piped:
                own = own or _Input("pipe", before[-1])
            body = last
        self.todo.append((body, own or fed, more, level + 1))

    def _heredoc(self, node: tree_sitter.Node, body: tree_sitter.Node | None, level: int) -> None:
        """What stands behind `<<EOF` on its line, and what is substituted in the text."""
        for child in node.named_children:
            if child.kind_id == _PIPELINE:
                shown = body is not None and self._text(body) == "cat"
                given = _Input("heredoc", node) if shown else _OTHER_INPUT
                for part in child.named_children:
                    self.todo.append((part, given, (), level + 1))
                    given = _Input("pipe", part)
            elif child.child_count:
                self.todo.append((child, None, (), level + 1))

    def _reads(self, redirect: tree_sitter.Node) -> bool:
        """Whether a redirection feeds the command."""
        return "<" in self._text(redirect).partition(">")[0]

    def _beyond(self, node: tree_sitter.Node) -> Iterator[str]:
        """Words that belong to the command, although the tree has them in a redirection (`git push >log --force`)."""
        words = [child for child in node.named_children if child.kind_id not in _NO_WORDS]
        for child in words[node.kind_id == _FILE :]:
            yield from words_of(child, self.source)

    # -- Redirections, assignments, functions ------------------------------------------------------------------

    def _redirect(self, node: tree_sitter.Node) -> Iterator[Effect]:
        children = node.children
        at = next((i for i, child in enumerate(children) if not child.is_named), None)
        if at is None or at + 1 >= len(children):
            return
        operator, target = self._text(children[at]), word_of(children[at + 1], self.source)
        if ">" not in operator:
            if holds_secrets(target):
                yield "secret_access"
            if target.startswith(_SOCKETS):
                yield from ("network_read", "unknown")
            return
        if target in _NOWHERE or (operator in {">&", "<&"} and (target.isdigit() or target == "-")):
            return
        if target.startswith(_SOCKETS):
            yield from ("export", "unknown")
        self._note_ran((">", target), node)
        yield "write" if operator in {">>", "&>>"} else "overwrite"
        yield from effects_of_writing(target)

    def _assigned(self, node: tree_sitter.Node) -> Iterator[Effect]:
        name, _, value = self._text(node).partition("=")
        if ("$(" in value or "`" in value) and reveals(OPEN + value.strip('"') + CLOSE):
            self.context.telling.add(name.rstrip("+"))
        yield from _assignment(name.rstrip("+"), value)

    def _declared(self, node: tree_sitter.Node) -> Iterator[Effect]:
        yield "compute"
        if node.named_child_count == 0 or self._text(node).split(None, 1)[1:] == ["-p"]:
            yield from ("read", "secret_access")  # lists every variable

    def _defined(self, node: tree_sitter.Node) -> Iterator[Effect]:
        yield "compute"
        name = self._text(node.named_children[0])
        self.context.functions.add(name)
        if re.search(rf"{re.escape(name)}\s*\|\s*{re.escape(name)}\s*&", self._text(node)):
            yield "service_impact"  # a fork bomb

    # -- One command -------------------------------------------------------------------------------------------

    def _command(self, node: tree_sitter.Node, fed: _Input | None, more: tuple[str, ...], level: int) -> None:
        source, todo = self.source, self.todo
        start, end = node.start_byte, node.end_byte
        simple = simple_words(source[start:end])
        if simple is not None:
            if more:
                simple.extend(more)
            effects = dict.fromkeys(self.effects(simple, fed, 0))
            self._note_ran(simple, node)
            self._suppress(simple, node, effects)
            for effect in effects:
                self.found.append((effect, start, end))
            return
        words: list[str] = []
        before: list[Effect] = []
        for child in node.children:
            which = child.kind_id
            if which in _WHOLE:
                words.append(word_of(child, source))
                if which == _NAME and child.named_child_count and child.named_children[0].child_count:
                    todo.append((child, fed, (), level + 1))
            elif which in _BESIDE:
                fed = self._beside(child, fed, words, before, level)
            else:
                words.extend(words_of(child, source))
                todo.append((child, fed, (), level + 1))
        words.extend(more)
        effects = dict.fromkeys(self.effects(words, fed, 0) if words else ())
        self._note_ran(words, node)
        self._suppress(words, node, effects)
        self._say(node, [*before, *effects])

    def _note_ran(self, words: Sequence[str], node: tree_sitter.Node) -> None:
        if words and not self.depth:
            self.context.ran.append(Ran(tuple(words), node.start_byte, node.end_byte))

    def _suppress(self, words: list[str], node: tree_sitter.Node, effects: dict[Effect, None]) -> None:
        """What is printed into a file, or into a login, is shown to nobody."""
        if node.start_byte in self.suppressed and "secret_access" in effects and words[0] in _PRINTING:
            del effects["secret_access"]

    def _beside(
        self, child: tree_sitter.Node, fed: _Input | None, words: list[str], before: list[Effect], level: int
    ) -> _Input | None:
        """What stands in a command and is no word of it: adds effects to `before`. Gives what the command is fed."""
        if child.kind_id == _ASSIGNMENT:
            before.extend(self._assigned(child))
            self.todo.extend((value, fed, (), level + 1) for value in child.named_children[1:] if value.child_count)
            return fed
        self.todo.append((child, None, (), level + 1))
        if child.kind_id == _HERESTRING:
            return _Input("string", child)
        words.extend(self._beyond(child))
        return _OTHER_INPUT if self._reads(child) else fed

    def effects(self, words: Sequence[str], fed: _Input | None, runs: int) -> list[Effect]:
        """What a command does, given as its words."""
        if not words or runs > _RUNS:
            return ["unknown"]
        node, doubt = self.find(words[0])
        doubt += self.context.note(words)
        if node is None:
            if doubt != ["unknown"]:
                return [*doubt, *self.said_to(words[1:])] if "code_execution" in doubt else doubt
            return read_by_grammar(words, self.context.commands.names.effects, fed=fed is not None)
        if node.plain:
            effects = [*doubt, *node.base]
            tells = secret_variable if node.disclosure.prints else None if node.files.names else _shows
            if tells is not None and any([tells(word) for word in words[1:]]):
                effects.append("secret_access")
            return effects
        return [*doubt, *_CommandInterpretation(self, parse_argv(node, words), fed, runs).effects()]

    def said_to(self, words: Sequence[str]) -> list[Effect]:
        """What the words say that a script of the project is given: `bin/console doctrine:schema:drop`."""
        told = read_by_grammar(["script", *words], self.context.commands.names.effects, fed=False)
        return [effect for effect in told if effect not in _UNTOLD]

    def find(self, name: str) -> tuple[Node | None, list[Effect]]:
        """The table's entry of a command, and what its name says beside it."""
        base = name.rpartition(CLOSE)[2].rpartition("/")[2] if "/" in name or CLOSE in name else name
        if CLOSE in name and "/" not in name.rpartition(CLOSE)[2]:
            return None, ["unknown"]
        lowered = base.lower()
        if lowered.endswith((".exe", ".cmd", ".bat")):
            lowered = lowered[:-4]
        node = self.context.commands.find(lowered)
        if node is None:
            if name in self.context.functions:
                return None, ["compute"]
            if not _SCRIPT.match(name) or _SEVERE.search(name):
                return None, ["unknown"]
            return None, ["code_execution", *self.context.runs_file(name)]
        local = node.scripts.script or ("code_execution" in node.base and not node.acts)
        return node, [] if base is name or local or _BIN.search(name) else ["unknown"]

    def code(self, language: Language, text: str, fed: _Input | None) -> list[Effect]:
        """What a program does that a command is given."""
        if language == "file":
            return ["code_execution", "unknown"]
        if _ONE_EXPANSION.fullmatch(text):
            return ["unknown"]
        plain = text.replace(OPEN, "").replace(CLOSE, "")
        if not plain.strip():
            return ["unknown"] if fed is not None else ["code_execution"]
        if self.depth >= _NESTING:
            return ["unknown"]
        effects = self._shell(plain) if language == "shell" else self._program(language, text, plain)
        if language not in {"awk", "sed"} and _only_known_when_run(text):
            return [*effects, "unknown"]
        return effects

    def _shell(self, text: str) -> list[Effect]:
        encoded = text.encode("latin-1" if text.isascii() else "utf-8", "surrogatepass")
        root = parse(encoded)
        if root is None:
            return ["unknown"]
        try:
            found = _Script(self.context, encoded.decode("latin-1"), self.depth + 1).walk(root)
        except Unread:
            return ["unknown"]
        return list(dict.fromkeys([effect for effect, _, _ in found])) or ["compute"]

    def _program(self, language: Language, text: str, plain: str) -> list[Effect]:
        if language == "python":
            reading = read_python(_utf8(plain), self._run_by_python, self.context.commands.lexicon)
            return [seen.effect for seen in reading.seen] if reading.read else ["unknown"]
        source = _utf8(text if language in {"awk", "sed"} else plain)
        return read_program(language, source, self.context.commands.lexicon)

    def _run_by_python(self, text: str) -> ArgumentReading:
        """What a shell command does that stands in a Python program."""
        return ArgumentReading(tuple([Seen(effect, 0, 0) for effect in self.code("shell", text, None)]))

    def feeder(self, fed: _Input | None) -> str:
        """The name of the command that feeds another; nothing where it is fed nothing."""
        if fed is None:
            return ""
        if fed.name or fed.node is None or fed.kind != "pipe":
            return fed.name or "?"
        return (self._text(fed.node).split(None, 1) or ["?"])[0]

    def given(self, fed: _Input) -> str | None:
        """The text that a command is fed, where it stands in the line. None where only the run can tell."""
        node = fed.node
        if node is None:
            return fed.text
        if fed.kind == "heredoc":
            return heredoc_text(node, self.source)
        if fed.kind == "string":
            return word_of(node.named_children[-1], self.source)
        if node.kind_id == _REDIRECTED:
            body, *others = node.named_children
            if body.kind_id == _COMMAND and self._text(body) == "cat" and [o.kind_id for o in others] == [_HEREDOC]:
                return heredoc_text(others[0], self.source)
            return None
        if node.kind_id != _COMMAND or any([c.kind_id in (_FILE, _HERESTRING, _ASSIGNMENT) for c in node.children]):
            return None
        return _printed_text([word for child in node.named_children for word in words_of(child, self.source)])


_INTO_FILE: Final = re.compile(r"(?:1|&)?>>?\s*+(?!&|/dev/(?:stdout|stderr|tty|tcp|udp))")


def _utf8(text: str) -> str:
    """Characters instead of bytes, for those who read more than the names of commands."""
    if text.isascii():
        return text
    try:
        return text.encode("latin-1").decode("utf-8", "replace")
    except UnicodeEncodeError:
        return text


class _CommandInterpretation:
    """One command of the table with its words parsed: what it does."""

    __slots__ = ("fed", "line", "node", "runs", "script")

    def __init__(self, script: _Script, line: Line, fed: _Input | None, runs: int) -> None:
        self.script = script
        self.line = line
        self.node = line.node
        self.fed = fed
        self.runs = runs

    def effects(self) -> list[Effect]:
        node, line = self.node, self.line
        if self._only_tells():
            return ["compute"]
        effects = option_effects(line)
        if is_rehearsal(line):
            return [*effects, "compute"]
        for file in line.options.get("-jar", ()):
            effects.extend(self.script.context.runs_file(file))
        ran = self._ran() if node.acts else None
        own = match_conditions(line)
        if ran is not None:
            effects.extend(ran)
            if own is not node.base or not (node.delegation.runs or "code_execution" in own):
                effects.extend(own)
        elif own:
            effects.extend(own)
        elif node.delegation.runs:
            effects.append("compute")
        else:
            # The table knows the program, and nothing of this subcommand.
            words = [*node.path.split(), *line.args, *line.options]
            effects.extend(read_by_grammar(words, self.script.context.commands.names.effects, fed=self.fed is not None))
        self._files(effects)
        if node.traces:
            self._traces(effects)
        return effects

    def _only_tells(self) -> bool:
        """Whether it prints its help or version: asked for, or for want of anything to do."""
        node, line = self.node, self.line
        if "--help" in line.options and "code_execution" not in node.base:
            return True
        bare = not node.base and not node.wild and not line.args and not line.tail
        return bare and line.options.keys() <= _TELLING and not (self.fed and node.stdin) and not node.delegation.runs

    def _ran(self) -> list[Effect] | None:
        """The effects of the programs and commands that it is given to run. None where it is given none."""
        node, line, script = self.node, self.line, self.script
        effects: list[Effect] = []
        ran = False
        if node.programs.besides:
            return script.code("python", "\n".join([*line.options.get("-s", ()), *line.args]), None)
        for option, language in node.code.items():
            for value in line.options.get(option, ()):
                ran = True
                effects.extend(script.code(language, value, self.fed))
        for option, language in node.programs.flagged.items():
            if option in line.options:
                ran = True
                effects.extend(script.code(language, line.args[0] if line.args else "", self.fed))
                break
        if not ran:
            for index, language in node.program.items():
                if index < len(line.args):
                    ran = True
                    effects.extend(script.code(language, line.args[index], None))
        here = self._here() if line.inner else _HERE
        for words in line.inner:
            ran = True
            effects.extend(script.effects([here if word == "{}" else word for word in words], None, self.runs + 1))
        if line.tail or (node.delegation.runs == "env" and "-S" in line.options):
            ran = True
            effects.extend(self._tail())
        if not ran and node.stdin is not None:
            if self._reads_program():
                return self._fed_program(node.stdin)
            return self._known_script()
        return effects if ran else None

    def _here(self) -> str:
        """What stands for the files that `find` gives to a command: one that holds secrets, where it looks for such."""
        options = self.line.options
        return next((value for option in _NAMING for value in options.get(option, ()) if _shows(value)), _HERE)

    def _reads_program(self) -> bool:
        """Whether what is fed in is run: not where an interpreter is given a file."""
        args = self.line.args
        if self.node.delegation.runs or self.node.stdin in _QUERIES or (self.node.programs.fed and self.fed):
            return True
        return not args or args[0] in {"-", "/dev/stdin"} or "-s" in self.line.options

    def _known_script(self) -> list[Effect] | None:
        """What a script does that the table knows (`python manage.py migrate`)."""
        args = self.line.args
        known, _ = self.script.find(args[0])
        if known and known.scripts.script:
            return self.script.effects(args, None, self.runs + 1)
        # A script is not looked into; one that is named after something severe is not run on its name alone.
        more = [*self.script.context.runs_file(args[0]), *self.script.said_to([*args[1:], *self.line.options])]
        if _SEVERE.search(args[0]):
            more.append("unknown")
        return ["code_execution", *more] if more else None

    def _fed_program(self, language: Language) -> list[Effect] | None:
        if self.fed is None:
            return None
        text = self.script.given(self.fed)
        return ["unknown"] if text is None else self.script.code(language, text, None)

    def _tail(self) -> list[Effect]:
        """What the command does that this one runs."""
        node, line, script = self.node, self.line, self.script
        effects: list[Effect] = []
        tail = line.tail
        while tail and (match := _ASSIGNING.match(tail[0])) and not node.module:
            effects.extend(_assignment(match[1], tail[0][match.end() :]))
            tail = tail[1:]
        if node.module and not node.module.isdisjoint(line.options):
            found, _ = script.find(tail[0])
            if found is None:
                more = [*script.context.runs_file(tail[0]), *script.said_to(tail[1:])]
                severe = is_severe_script(tail[0].rpartition(".")[2])
                return ["code_execution", *more, "unknown"] if severe else ["code_execution", *more]
            return script.effects(tail, self.fed, self.runs + 1)
        if node.delegation.runs == "package":
            return [*effects, *self._package(tail)]
        if node.delegation.runs == "shell":
            return [*effects, *script.code("shell", " ".join(tail), self.fed)]
        if node.delegation.runs == "parallel":
            return [*effects, *self._parallel(tail)]
        if node.delegation.runs == "xargs":
            return [*effects, *self._xargs(tail)]
        for text in line.options.get("-S", ()) if node.delegation.runs == "env" else ():
            return [*effects, *script.code("shell", " ".join([text, *tail]), self.fed)]
        if not tail:
            return [*effects, *(node.base or ("compute",))]
        if tail[0].startswith("-"):
            return [*effects, *node.base]  # options of what runs by itself, such as an image's own program
        return [*effects, *script.effects(tail, self.fed, self.runs + 1)]

    def _package(self, tail: list[str]) -> list[Effect]:
        """What a package does: anything; but where the table knows it, what its words say."""
        if not tail:
            return list(self.node.base)
        name, *rest = tail
        name = _VERSION.sub("", name)
        commands = self.script.context.commands
        node = None if name in _ALSO_SCRIPTS else commands.find(name.lower())
        if node is None:
            more = [*self.script.context.runs_file(name), *self.script.said_to(rest)]
            severe = is_severe_script(name) or (bool(rest) and rest[0] in _SEVERE_WORDS) or dynamic(name)
            return [*self.node.base, *more, "unknown"] if severe else [*self.node.base, *more]
        effects = (
            self.script.effects([name.lower(), *rest], self.fed, self.runs + 1)
            if "/" not in name
            else [
                *_CommandInterpretation(self.script, parse_argv(node, [name, *rest]), self.fed, self.runs + 1).effects()
            ]
        )
        # A formatter that is run as a package changes what running code may.
        return [*self.node.base, *[effect for effect in effects if effect != "overwrite"]]

    def _traces(self, effects: list[Effect]) -> None:
        """Add what its words say of where data goes, and of scripts of a project."""
        node, line, fed = self.node, self.line, self.fed
        if node.scripts.scripts:
            names = line.args[:1] if node.scripts.scripts == "first" else [arg for arg in line.args if "=" not in arg]
            if any([dynamic(name) or is_severe_script(name) for name in names]):
                effects.append("unknown")
            effects.extend(self._given_script())
        if node.disclosure.searches and searches_secrets(line, self.script.feeder(fed)):
            effects.append("secret_access")
        if node.disclosure.sends or node.disclosure.piped:
            effects.extend(
                sending_effects(
                    line, self.script.context.telling, fed=fed is not None and self.script.given(fed) is None
                )
            )
        if node.files.writes:
            effects.extend(destination_effects(line))
        if node.http.http:
            self._request(effects)

    def _given_script(self) -> list[Effect]:
        """What a script of the project does that is called like a program, or that says so in what it is given:
        `npm run prisma migrate reset`."""
        args, options = self.line.args, self.line.options
        if len(args) < 2:
            return []
        given = [*args[1:], *[word for option, values in options.items() for word in (option, *values)]]
        known = self.script.context.commands.find(args[0].lower())
        if known is None or args[0] in _ALSO_SCRIPTS:
            return self.script.said_to(given)
        effects = self.script.effects([args[0].lower(), *given], self.fed, self.runs + 1)
        return [effect for effect in effects if effect not in _UNTOLD]

    def _request(self, effects: list[Effect]) -> None:
        """Add what the request does that it sends."""
        made = request_of(self.line)
        lexicon = self.script.context.commands.lexicon
        more = read_request(made.method, made.address, made.bodies, lexicon)
        if made.method == "post" and only_asks(made.address, made.bodies, lexicon):
            effects[:] = [effect for effect in effects if effect != "write"]
        effects.extend([effect for effect in more if effect not in effects])

    def _xargs(self, tail: list[str]) -> list[Effect]:
        """The command of `xargs`: what is read comes last, several at once, or where a placeholder stands."""
        options = self.line.options
        places = [value or "{}" for option in ("-I", "-i", "-J", "--replace") for value in options.get(option, ())]
        words = [word.replace(places[-1], _HERE) for word in tail] if places else [*tail, _HERE, _HERE]
        return self.script.effects(words, None, self.runs + 1)

    def _parallel(self, tail: list[str]) -> list[Effect]:
        """The command of `parallel`, once for each input; without a command, each input is one."""
        mark = next((i for i, word in enumerate(tail) if word.startswith(":::")), len(tail))
        command, inputs = tail[:mark], [word for word in tail[mark + 1 :] if not word.startswith(":::")]
        script = self.script
        if not command and mark < len(tail) and not inputs:
            return ["compute"]  # nothing to run
        if not command or command == ["{}"]:
            return [effect for text in inputs for effect in script.code("shell", text, None)] or ["unknown"]
        if not inputs or len(inputs) > _INPUTS or tail[mark] == "::::":
            inputs = [_HERE]
        effects: list[Effect] = []
        for each in inputs:
            words = [_PLACE.sub(lambda _, each=each: each, word) for word in command]  # type: ignore[misc]
            if words == command:
                words.append(each)
            if len(words) == 1 or " " in words[0]:
                effects.extend(script.code("shell", " ".join(words), None))
            else:
                effects.extend(script.effects(words, None, self.runs + 1))
        return effects

    def _files(self, effects: list[Effect]) -> None:
        """Add what its words say of files: secrets that it shows, places that it may not just write to."""
        files, line = self.node.files, self.line
        args = line.args
        changes = "overwrite" in effects or "write" in effects
        if files.last and args and changes:
            effects.extend(effects_of_writing(args[-1]))
        if files.all and changes:
            effects.extend([effect for word in args for effect in effects_of_writing(word)])
        if files.names:
            return
        if files.last and changes and len(args) > 1:
            args = args[:-1]
        unseen = self.node.uses.union(files.writes) if files.writes else self.node.uses
        shown = any([_shows(word) for word in args[files.texts :]]) or any(
            [_shows(v) for option, values in line.options.items() if option not in unseen for v in values]
        )
        if shown:
            effects.append("secret_access")


#: What says nothing of a script that is run anyway.
_UNTOLD: Final = HARMLESS | {"unknown", "code_execution", "write"}
#: Options by which `find` picks files.
_NAMING: Final = ("-name", "-iname", "-path", "-ipath", "-wholename")
_VERSION: Final = re.compile(r"(?<=.)@[^/@]*\Z")
#: Scripts are called so as well as commands that they have nothing to do with.
_ALSO_SCRIPTS: Final = word_set(
    "format open sync watch write time type test host file code reset kill link env local size info help look top"
    " ps w x d c clear stat which where paste export set install view split sum strip bind trap wait"
)
_SEVERE_WORDS: Final = word_set(
    "deploy destroy publish release drop reset rollback db:drop db:reset db:migrate migrate down delete remove purge"
    " --prod --production"
)
#: A program of the project's own: `./gradlew`, `scripts/build.sh`.
_SCRIPT: Final = re.compile(r"(?:\.{1,2}/)?(?:[\w.-]+/)+[\w.-]+\Z|[\w-]+\.(?:sh|bash|py|rb|pl|js|ts)\Z")
_SEVERE: Final = re.compile(
    r"deploy|delet|destroy|drop|purge|wipe|nuke|reset|migrat|roll_?-?back|release|publish|uninstall|tear_?-?down|clean"
    r"|restore|fail_?-?over|payout|refund|payment|send|mail|prune|remove|kill|shutdown|reboot|seed|grant|revoke",
    re.IGNORECASE,
)
#: Stands for a word that only the run can tell.
_HERE: Final = f"{OPEN}{{}}{CLOSE}"
_PLACE: Final = re.compile(r"\{(?:/|//|/\.|\.|#|%|\d+)?\}")
_INPUTS: Final = 8
_TELLING: Final = frozenset({"--help", "-h", "--version", "-v", "-V", "--"})
_QUERIES: Final = frozenset({"sql", "sqlite", "mongo"})
_BIN: Final = re.compile(r"(?:^|[/\x01])(?:s?bin|\.bin|Scripts)/[^/]+\Z")


def _printed_text(words: list[str]) -> str | None:
    """What `echo` or `printf` prints, where that can be told."""
    name, *rest = words or [""]
    if name == "printf" and rest:
        form, values = rest[0], iter(rest[1:])
        if "%" in form.replace("%s", "").replace("%%", ""):
            return None
        text = _FORMAT.sub(lambda match: "%" if match[0] == "%%" else next(values, ""), form)
        return printf_text(text) if next(values, None) is None else None
    if name != "echo":
        return None
    escapes = False
    while rest and _ECHO_OPTION.match(rest[0]):
        escapes = escapes or "e" in rest[0]
        rest = rest[1:]
    text = " ".join(rest)
    return printf_text(text) if escapes else text


_FORMAT: Final = re.compile(r"%[s%]")
_ECHO_OPTION: Final = re.compile(r"-[neE]+\Z")


#: Variables that say little and that a command cannot be hidden in.
_PLAIN_VARIABLE: Final = re.compile(
    rf"{OPEN}\$(?:\{{?(?:HOME|PWD|OLDPWD|USER|LOGNAME|HOSTNAME|UID|RANDOM|SECONDS|TMPDIR|LINENO|PPID)\}}?|[$?#!]){CLOSE}"
)


_ONE_EXPANSION: Final = re.compile(rf"{OPEN}[^{OPEN}{CLOSE}]*{CLOSE}")


def _only_known_when_run(text: str) -> bool:
    return dynamic(text) and dynamic(_PLAIN_VARIABLE.sub("", text))


# -- Files and variables -------------------------------------------------------------------------------------------

_NOWHERE: Final = frozenset({"/dev/null", "/dev/stdout", "/dev/stderr", "/dev/tty", "&1", "&2", "NUL", "nul"})
_SOCKETS: Final = ("/dev/tcp/", "/dev/udp/")
_LAST_PART: Final = re.compile(r"[=:@<]")


def _shows(word: str) -> bool:
    """Whether a word names a file of secrets, by itself or behind `@`, `=` or `:`."""
    # What stands in another script is in bytes here: nobody could see a secret in it, and it is not kept.
    return _names_secrets_kept(word) if word.isascii() else _names_secrets(word)


def _names_secrets(word: str) -> bool:
    if "://" in word:
        return False
    if "=" in word or ":" in word or "@" in word:
        word = _LAST_PART.split(word)[-1]
    return holds_secrets(word)


_names_secrets_kept: Final = remember(longest=200)(_names_secrets)


_ASSIGNING: Final = re.compile(r"([A-Za-z_]\w*)\+?=")
#: Variables that make another program run, and values with which they do not.
_RUNNING: Final = re.compile(
    r"(?:PATH|ENV|BASH_ENV|EDITOR|VISUAL|BROWSER|PROMPT_COMMAND|PS[014]|SHELL|BASH_FUNC\w*|LD_\w+|DYLD_\w+|\w*PAGER"
    r"|GIT_(?:SSH|SSH_COMMAND|EDITOR|SEQUENCE_EDITOR|PAGER|EXTERNAL_DIFF|ASKPASS|PROXY_COMMAND|EXEC_PATH|TEMPLATE_DIR)"
    r"|GIT_CONFIG\w*|LESSOPEN|LESSCLOSE|PYTHONSTARTUP|PYTHONHOME|PYTHONBREAKPOINT|NODE_OPTIONS|PERL5OPT|PERL5LIB|PERL5DB"
    r"|RUBYOPT|RUBYLIB|JAVA_TOOL_OPTIONS|_JAVA_OPTIONS|JDK_JAVA_OPTIONS|MAVEN_OPTS|\w+_ASKPASS|\w+_COMMAND|npm_config_\w+)\Z"
)
_TAME: Final = re.compile(
    r"[\"']?(?:|cat|true|false|:|less|more|-|vi|vim|nano|emacs|head|delta|bat|code|echo|less -\w+|/bin/(?:ba|z|da)?sh"
    r"|/dev/null|/usr/bin/(?:less|cat|vim?|nano)|--(?:max|no|trace|enable|unhandled|stack)[\w=-]*|-X(?:mx|ms|ss)\w+)[\"']?\Z"
)
_SEARCH_PATH: Final = re.compile(
    r"[\"']?(?:(?:\$\w+|\$\{\w+\}|~|/(?!tmp\b|var/tmp\b|dev\b))[\w./$@{}+-]*(?::|[\"']?\Z))+"
)


def _assignment(name: str, value: str) -> tuple[Effect, ...]:
    """What an assignment does: most do nothing by themselves."""
    if not _RUNNING.match(name) or _TAME.match(value):
        return ()
    if name == "PATH" and _SEARCH_PATH.fullmatch(value):
        return ()
    if name.startswith("PS") and "$(" not in value and "`" not in value:
        return ()
    return ("unknown",)

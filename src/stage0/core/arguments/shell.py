"""Shell commands: what a line would do, from its syntax tree and a table of commands."""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator, Mapping
from typing import Final

import msgspec
import tree_sitter
import tree_sitter_bash

from stage0.core.arguments.path import holds_secrets
from stage0.core.arguments.reading import TEXT_LIMIT, UNREAD, ArgumentReading, Seen

_LANGUAGE: Final = tree_sitter.Language(tree_sitter_bash.language())
_NESTING: Final = 8
#: Levels of syntax (substitutions, groups) that are followed.
_LEVELS: Final = 120
_NOWHERE: Final = frozenset({"/dev/null", "/dev/stdout", "/dev/stderr", "&1", "&2"})


class Command(msgspec.Struct, frozen=True):
    """What the pack knows of a command: its effects, and those of subcommands or options that differ.

    `runs`: the rest of the line is a command of its own (`sudo`, `xargs`). `inline`: options whose
    value is code (`bash -c`, `python -c`). `nested`: that code, or that rest, is a shell line again.
    `takes`: options of a command that `runs` whose value is the next word; `skips`: how many words
    stand before the command (the host of `ssh`)."""

    effects: tuple[str, ...] = ()
    when: Mapping[str, tuple[str, ...]] = {}
    runs: bool = False
    inline: tuple[str, ...] = ()
    nested: bool = False
    takes: tuple[str, ...] = ()
    skips: int = 0


Commands = Mapping[str, Command]


class _Unread(Exception):
    """Something in the line cannot be read."""


def read_shell(text: str, commands: Commands) -> ArgumentReading:
    """The effects of every command of a line, substitutions and nested shells included."""
    if len(text) > TEXT_LIMIT:
        return UNREAD
    source = text.encode("utf-8", "surrogatepass")
    tree = tree_sitter.Parser(_LANGUAGE).parse(source)
    if tree.root_node.has_error:
        return UNREAD
    try:
        seen = tuple(_line(tree.root_node, commands, 0))
    except _Unread:
        return UNREAD
    if len(source) != len(text):
        seen = tuple(_in_characters(seen, text))
    return ArgumentReading(seen, read=bool(seen))


def _in_characters(seen: Iterable[Seen], text: str) -> Iterator[Seen]:
    """The parser counts bytes; everybody else counts characters."""
    character_at = [0]
    for index, char in enumerate(text):
        character_at.extend([index + 1] * len(char.encode("utf-8", "surrogatepass")))
    for each in seen:
        yield Seen(each.effect, character_at[each.start], character_at[each.end])


def _line(root: tree_sitter.Node, commands: Commands, depth: int) -> Iterator[Seen]:
    if depth > _NESTING:
        raise _Unread
    stack = [(root, 0)]
    while stack:
        node, level = stack.pop()
        if level > _LEVELS:
            raise _Unread
        stack.extend((child, level + 1) for child in reversed(node.children))
        if node.type == "command":
            found = [*_assignments(node), *_command(_words(node), commands, depth)]
        elif node.type == "file_redirect":
            found = list(_redirect(node))
        elif node.type == "variable_assignment":
            found = ["compute"]
        else:
            continue
        for effect in found:
            yield Seen(effect, node.start_byte, node.end_byte)


#: Variables that make another program run: an assignment of one is not understood.
_RUNNING: Final = re.compile(
    r"(?:PATH|ENV|IFS|SHELL|EDITOR|VISUAL|BROWSER|PROMPT_COMMAND|BASH_\w+|LD_\w+|DYLD_\w+|GIT_\w+|\w*PAGER|PYTHON\w+"
    r"|NODE_OPTIONS|PERL5\w+|RUBY\w+|LESS\w+|\w+_COMMAND|\w+_OPTS)\Z"
)


def _assignments(node: tree_sitter.Node) -> Iterator[str]:
    for child in node.children:
        if child.type == "variable_assignment":
            name = (child.text or b"").partition(b"=")[0].decode("utf-8", "replace").rstrip("+")
            if _RUNNING.match(name):
                yield "unknown"


def _words(node: tree_sitter.Node) -> list[str]:
    return [_plain(child) for child in node.children if child.type not in ("variable_assignment", "file_redirect")]


def _plain(node: tree_sitter.Node) -> str:
    text = (node.text or b"").decode("utf-8", "replace")
    if node.type == "raw_string":
        return text[1:-1]
    if node.type == "string":
        return text[1:-1].replace('\\"', '"')
    if node.type in ("concatenation", "command_name") and len(node.children) > 1:
        return "".join(map(_plain, node.children))
    if node.type == "command_name" and node.children:
        return _plain(node.children[0])
    return text.replace("\\", "") if node.type in ("word", "command_name") else text


def _redirect(node: tree_sitter.Node) -> Iterator[str]:
    operator = next((child.type for child in node.children if ">" in child.type or "<" in child.type), "")
    target = _plain(node.children[-1])
    if holds_secrets(target):
        yield "secret_access"
    if ">" not in operator or target in _NOWHERE or (operator == ">&" and (target.isdigit() or target == "-")):
        return
    yield "write" if operator == ">>" else "overwrite"


#: Options that make a program run another one, or write where it only seems to read.
_SIDE_DOORS: Final = (
    "ProxyCommand",
    "LocalCommand",
    "core.pager",
    "core.sshCommand",
    "core.editor",
    "core.hooksPath",
    "alias.",
    "--upload-pack",
    "--receive-pack",
    "--compress-program",
    "--use-compress-program",
    "--to-command",
    "--checkpoint-action",
    "--rsh",
    "--pager",
    "system(",
    "| getline",
)


def _side_door(words: list[str]) -> bool:
    return any(door in word for word in words for door in _SIDE_DOORS)


def _command(words: list[str], commands: Commands, depth: int) -> Iterator[str]:
    if not words:
        return
    if depth > _NESTING:
        raise _Unread
    name = words[0].strip("'\"").rsplit("/", 1)[-1].lower()
    command = commands.get(name)
    if command is None:
        raise _Unread
    rest = words[1:]
    code = _inline(command, rest)
    if code is not None:
        yield from _nested(code, command, commands, depth)
    elif command.runs:
        yield from _wrapped(command, rest, commands, depth)
    else:
        yield from _effects(command, rest)
    if _side_door(rest):
        yield "unknown"
    if any(word.startswith("--output=") for word in rest):
        yield "overwrite"
    if any(holds_secrets(word.lstrip("@")) for word in rest):
        yield "secret_access"


def _inline(command: Command, rest: list[str]) -> str | None:
    for index, word in enumerate(rest):
        if word in command.inline:
            return " ".join(rest[index + 1 : index + 2])
    return None


def _nested(code: str, command: Command, commands: Commands, depth: int) -> Iterator[str]:
    if not command.nested:
        yield "code_execution"
        return
    tree = tree_sitter.Parser(_LANGUAGE).parse(code.encode("utf-8", "surrogatepass"))
    if tree.root_node.has_error:
        raise _Unread
    yield from (seen.effect for seen in _line(tree.root_node, commands, depth + 1))


_AMOUNT: Final = re.compile(r"[+-]?\d+(?:\.\d+)?[smhd]?\Z")


def _wrapped(command: Command, rest: list[str], commands: Commands, depth: int) -> Iterator[str]:
    """The command that another one runs: what follows its options, their values, amounts and assignments."""
    index, skips = 0, command.skips
    while index < len(rest):
        word = rest[index]
        if word in command.takes:
            index += 2
        elif word.startswith("-") or "=" in word or _AMOUNT.match(word):
            index += 1
        elif skips:
            index, skips = index + 1, skips - 1
        else:
            break
    wrapped = rest[index:]
    if len(wrapped) == 1 and " " in wrapped[0]:
        yield from _nested(wrapped[0], msgspec.structs.replace(command, nested=True), commands, depth)
    elif wrapped:
        yield from _command(wrapped, commands, depth + 1)
    elif command.effects:
        yield from command.effects
    else:
        raise _Unread


def _effects(command: Command, rest: list[str]) -> Iterator[str]:
    """Those of the longest matching `when` entries, every one that matches; else the command's own.

    An option's value may stand before the subcommand (`git -C path push`): where nothing matches from the first
    bare word on, the next two are tried."""
    present = set(rest) | {option for word in rest for option in _letters(word)}
    bare = [word for word in rest if not word.startswith("-")]
    matched: dict[str, None] = {}
    for skipped in range(3):
        heads = {" ".join(bare[skipped : skipped + count]) for count in (1, 2, 3)}
        matched = _matching(command, heads if skipped == 0 else heads - {""}, present)
        if matched or skipped + 1 >= len(bare):
            break
    if not matched and not command.effects:
        raise _Unread
    yield from matched or command.effects


def _matching(command: Command, heads: set[str], present: set[str]) -> dict[str, None]:
    matched: dict[str, None] = {}
    longest = 0
    for condition, effects in command.when.items():
        parts = condition.split(" ")
        head = " ".join(part for part in parts if not part.startswith("-"))
        options = {part for part in parts if part.startswith("-")}
        if (head and head not in heads) or not options <= present:
            continue
        if len(parts) > longest:
            longest, matched = len(parts), {}
        if len(parts) == longest:
            matched.update(dict.fromkeys(effects))
    return matched


def _letters(word: str) -> Iterator[str]:
    """`-rf` also as `-r` and `-f`; `--force=x` also as `--force`."""
    if word.startswith("--"):
        yield word.split("=", 1)[0]
    elif word.startswith("-"):
        yield from (f"-{letter}" for letter in word[1:])

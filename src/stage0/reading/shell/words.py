"""The words of shell commands, from the syntax tree: quotes taken away, what only the shell knows marked as such."""

from __future__ import annotations

import re
from typing import Final

import tree_sitter
import tree_sitter_bash

from stage0.reading.shell.table import CLOSE, OPEN

LANGUAGE: Final = tree_sitter.Language(tree_sitter_bash.language())


def kind(name: str) -> int:
    """The number of a named kind of node: comparing numbers is much faster than comparing names."""
    return LANGUAGE.id_for_node_kind(name, True) or 0


WORD: Final = kind("word")
STRING: Final = kind("string")
RAW: Final = kind("raw_string")
ANSI: Final = kind("ansi_c_string")
TRANSLATED: Final = kind("translated_string")
CONCATENATION: Final = kind("concatenation")
COMMAND_NAME: Final = kind("command_name")
HEREDOC_BODY: Final = kind("heredoc_body")

#: The parser takes the text in pieces of this many bytes; text that makes it come back for more than so many pieces
#: per piece is said to be unread: it looks ahead, or repairs, over and over, which is quadratic.
_PIECE: Final = 512
_AGAIN: Final = 8
_AT_LEAST: Final = 64
#: Backquotes, pipes, and closing brackets without an opening one, that are tried: the parser is slow with many.
_BACKQUOTES: Final = 256
_PIPES: Final = 1_024
_CLOSING: Final = 128


#: What pieces are handed over in, empty. The parser (tree-sitter 0.26.1) never lets go of what it was handed, so that
#: each text would stay in memory; so it is always handed one of these. To take one out and to put it back is atomic.
_BUFFERS: Final[list[bytearray]] = []


def parse(encoded: bytes) -> tree_sitter.Node | None:
    """The root of a text's tree. None where it does not parse, or not in a time that is linear in its length."""
    many = encoded.count(b"`") > _BACKQUOTES or encoded.count(b"|") > _PIPES
    if many or encoded.count(b")") - encoded.count(b"(") > _CLOSING:
        return None
    left = len(encoded) // _PIECE * _AGAIN + _AT_LEAST
    try:
        buffer = _BUFFERS.pop()
    except IndexError:  # as many texts are read at once as never before
        buffer = bytearray()

    def piece(at: int, _point: object) -> bytearray:
        nonlocal left
        left -= 1
        buffer[:] = encoded[at : at + _PIECE] if left > 0 else b""
        return buffer

    try:
        root = tree_sitter.Parser(LANGUAGE).parse(piece, progress_callback=lambda _at, _error: left <= 0).root_node
    except ValueError:  # given up
        return None
    finally:
        buffer.clear()
        _BUFFERS.append(buffer)
    return None if left <= 0 or root.has_error else root


#: What only the shell knows when it runs the line.
_OPENED: Final = frozenset(
    map(kind, ("simple_expansion", "expansion", "command_substitution", "arithmetic_expansion", "process_substitution"))
)
_LEVELS: Final = 100


class Unread(Exception):
    """Something in the line cannot be read."""


def dynamic(word: str) -> bool:
    """Whether a part of a word is only known when the shell runs it."""
    return OPEN in word


def word_of(node: tree_sitter.Node, source: str, level: int = 0) -> str:
    """A node as the word that the shell makes of it. `source` has one character per byte of the parsed text.

    Raises Unread where it is nested too deeply."""
    which = node.kind_id
    text = source[node.start_byte : node.end_byte]
    if which == WORD:
        return _unescape(text) if "\\" in text else text
    if which == RAW:
        return text[1:-1]
    if which in _OPENED:
        return f"{OPEN}{text.strip()}{CLOSE}"
    if which == COMMAND_NAME and "'" not in text and '"' not in text and "$" not in text and "`" not in text:
        return _unescape(text) if "\\" in text else text
    if which == ANSI:
        return _ansi(text[2:-1])
    if level > _LEVELS:
        raise Unread
    if which == STRING:
        return _quoted_text(node, source, node.start_byte + 1, node.end_byte - 1)
    if which == TRANSLATED:
        return _quoted_text(node.children[-1], source, node.start_byte + 2, node.end_byte - 1)
    if which in (CONCATENATION, COMMAND_NAME):
        return "".join([word_of(child, source, level + 1) for child in node.children])
    return _unescape(text)


#: Commands in which nothing has to be looked up in the tree: plain words, or such as are quoted without expansions.
_PLAIN: Final = re.compile(r"[\w./-]+(?>(?:[ \t]+[\w./:@%+,=^~*?\[\]-]+)*)", re.ASCII)
_VARIABLE: Final = r"\$[A-Za-z_]\w*+"
_SIMPLE_WORD: Final = (
    rf"""(?>(?:[\w./:@%+,=^~*?\[\]-]++|'[^'\0]*+'|"(?>(?:[^"$`\\\0]++|{_VARIABLE})*)"|{_VARIABLE}|\{{\}}|\\;)+)"""
)
_SIMPLE: Final = re.compile(rf"[\w./-]++(?>(?:[ \t]++{_SIMPLE_WORD})*)", re.ASCII)
_EACH: Final = re.compile(_SIMPLE_WORD, re.ASCII)
_QUOTES: Final = re.compile(rf"""'([^']*)'|"([^"]*)"|\\(;)|({_VARIABLE})""", re.ASCII)
_VARIABLES: Final = re.compile(_VARIABLE, re.ASCII)


def simple_words(text: str) -> list[str] | None:
    """The words of a command's text where it needs no tree to tell them; None where it does."""
    if _PLAIN.fullmatch(text):
        return text.split()
    if not text.isascii() or not _SIMPLE.fullmatch(text):
        return None
    return _unquote(text)


_RESERVED: Final = (
    "if|then|else|elif|fi|for|while|until|do|done|case|esac|select|function|time|coproc|in|export|declare|typeset|local"
    "|readonly|unset|unsetenv|let"
)
_PLAIN_COMMAND: Final = re.compile(
    rf"(?!(?:{_RESERVED})(?![\w./-]))([\w./-]++(?>(?:[ \t]++(?!\d>){_SIMPLE_WORD})*))"
    r"(?>(?:[ \t]++(?:[12]?>[ \t]*+/dev/null(?![\w./-])|2>&1(?![\w./-])))*)[ \t]*+(\|\||&&|[|;\n]|\Z)[ \t\n]*+",
    re.ASCII,
)


def plain_commands(text: str) -> list[tuple[list[str], int, int, bool]] | None:
    """The commands of a text that is nothing but plain commands joined by `|`, `&&`, `||`, `;` and line ends: the words
    of each, where it stands, and whether another is piped into it. None for any other text, which needs the tree.

    Most of what agents run is like this, and the tree costs more than all the rest."""
    if not text.isascii():
        return None
    found: list[tuple[list[str], int, int, bool]] = []
    at, end = len(text) - len(text.lstrip(" \t\n")), len(text)
    piped = False
    while at < end:
        match = _PLAIN_COMMAND.match(text, at)
        if match is None:
            return None
        command, joined = match.groups()
        quoted = "'" in command or '"' in command or "\\" in command or "$" in command
        words = _unquote(command) if quoted else command.split()
        found.append((words, at, match.end(1), piped))
        piped = joined == "|"
        at = match.end()
        if at == end and joined in {"|", "||", "&&"}:
            return None
    return found


def _unquote(text: str) -> list[str]:
    """The words of a simple command's text, quotes taken away and variables marked."""
    return [_QUOTES.sub(_take_out, word) if not _BARE.isdisjoint(word) else word for word in _EACH.findall(text)]


_BARE: Final = frozenset("'\"\\$")


def _take_out(match: re.Match[str]) -> str:
    single, double, escaped, variable = match.groups()
    if variable is not None:
        return f"{OPEN}{variable}{CLOSE}"
    if double is not None:
        return _VARIABLES.sub(_take_variable_out, double) if "$" in double else double
    return single if single is not None else escaped


def _take_variable_out(match: re.Match[str]) -> str:
    return f"{OPEN}{match[0]}{CLOSE}"


def words_of(node: tree_sitter.Node, source: str) -> list[str]:
    """A node as one word or, where it holds braces that the shell spreads, several."""
    if node.kind_id == CONCATENATION:
        text = source[node.start_byte : node.end_byte]
        if "{" in text and not _NO_BRACES.search(text):
            return _spread(text)
    return [word_of(node, source)]


_NO_BRACES: Final = re.compile(r"[\"'\\$`]")
_BRACES: Final = re.compile(r"(?s)([^{}]*)\{([^{}]*,[^{}]*)\}(.*)\Z")
_SPREAD: Final = 64


def _spread(text: str) -> list[str]:
    """`a{b,c}d` as `abd acd`. What would spread too far, or within itself, is left as it is."""
    done, todo = list[str](), [text]
    while todo:
        each = todo.pop(0)
        match = _BRACES.match(each)
        if match is None:
            done.append(each)
            continue
        before, inside, after = match.groups()
        todo.extend(f"{before}{part}{after}" for part in inside.split(","))
        if len(todo) + len(done) > _SPREAD:
            return [f"{OPEN}{text}{CLOSE}"]
    return done


_ESCAPE: Final = re.compile(r"\\(\n|.)", re.DOTALL)


def _unescape(text: str) -> str:
    return _ESCAPE.sub(lambda match: "" if match[1] == "\n" else match[1], text)


_QUOTED_ESCAPE: Final = re.compile(r'\\([\n"\\$`])')


def _quoted_text(
    node: tree_sitter.Node, source: str, start: int, end: int, escape: re.Pattern[str] = _QUOTED_ESCAPE
) -> str:
    """Text in double quotes, or in a heredoc: expansions are marked, and few characters can be escaped."""
    text = source[start:end]
    if "\\" not in text and "$" not in text and "`" not in text:
        return text
    parts: list[str] = []
    at = start
    for child in node.children:
        if child.kind_id in _OPENED:
            parts.append(escape.sub(_plain, source[at : child.start_byte]))
            parts.append(f"{OPEN}{source[child.start_byte : child.end_byte]}{CLOSE}")
            at = child.end_byte
    parts.append(escape.sub(_plain, source[at:end]))
    return "".join(parts)


def _plain(match: re.Match[str]) -> str:
    return "" if match[1] == "\n" else match[1]


_HEREDOC_ESCAPE: Final = re.compile(r"\\([\n\\$`])")


def heredoc_text(node: tree_sitter.Node, source: str) -> str:
    """What a heredoc feeds in: as it stands where its delimiter is quoted, else with expansions marked."""
    quoted = False
    for child in node.children:
        if child.type == "heredoc_start":
            start = source[child.start_byte : child.end_byte]
            quoted = "'" in start or '"' in start or "\\" in start
        elif child.kind_id == HEREDOC_BODY:
            if quoted:
                return source[child.start_byte : child.end_byte]
            return _quoted_text(child, source, child.start_byte, child.end_byte, _HEREDOC_ESCAPE)
    return ""


_ANSI_ESCAPE: Final = re.compile(
    r"\\(?:x([0-9a-fA-F]{1,2})|u([0-9a-fA-F]{1,4})|U([0-9a-fA-F]{1,8})|([0-7]{1,3})|c(.)|(.))", re.DOTALL
)
_ANSI_NAMED: Final = {"n": "\n", "t": "\t", "r": "\r", "a": "\a", "b": "\b", "e": "\x1b", "f": "\f", "v": "\v"}


def _ansi(text: str) -> str:
    """What stands in `$'...'`."""
    return _ANSI_ESCAPE.sub(_ansi_char, text)


def _ansi_char(match: re.Match[str]) -> str:
    for digits in (match[1], match[2], match[3]):
        if digits:
            code = int(digits, 16)
            return chr(code) if code < 0x110000 else "\ufffd"
    if match[4]:
        return chr(int(match[4], 8) & 0xFF)
    if match[5]:
        return chr(ord(match[5]) & 0x1F)
    return _ANSI_NAMED.get(match[6], match[6])


def printf_text(text: str) -> str:
    """Text with the escapes that `printf` and `echo -e` know."""
    return _ansi(text)

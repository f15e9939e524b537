"""Requests of many shapes and any length: plain ones, and those that slow parsers dread.

A shape makes a request's body of about so many bytes. `salt` makes each one different, so that nothing that is kept
from one to the next is measured.
"""

from __future__ import annotations

import json
from collections.abc import Callable, Mapping
from typing import Any, Final

from stage0.reading.request import LIST_LIMIT

Shape = Callable[[int, str], bytes]


def _filled(text: str, size: int, salt: str) -> str:
    """A text over and over, of so many bytes in UTF-8, that begins with the salt."""
    head = f"{salt} " if salt else ""
    count = max(1, (size - len(head)) // len(text.encode()))
    return head + text * count


def _body(**fields: Any) -> bytes:
    return json.dumps({"goal": "Go on", "success_criteria": ["done"], **fields}, ensure_ascii=False).encode()


def _goal(text: str) -> Shape:
    return lambda size, salt: _body(goal=_filled(text, size, salt), tools=["search"])


def _argument(name: str, text: str, tool: str) -> Shape:
    """One argument. The salt stands behind it: what a text begins with decides how it is read."""

    def make(size: int, salt: str) -> bytes:
        value = _filled(text, size, "")
        return _body(tools=[tool], context={"tool_arguments": {name: value, "salt": salt}})

    return make


def _context(text: str) -> Shape:
    return lambda size, salt: _body(tools=["search"], context={"note": _filled(text, size, salt)})


def _description(text: str) -> Shape:
    return lambda size, salt: _body(tools=["x"], context={"tool_description": _filled(text, size, salt)})


def _items(field: str, text: str) -> Shape:
    """As many items as there may be, each as long as it takes; beyond their limits the server refuses."""

    def make(size: int, salt: str) -> bytes:
        count = min(LIST_LIMIT, max(1, size // len(text)))
        each = max(size // count - 8, 1)
        items = [_filled(text, each, f"{number}{salt}") for number in range(count)]
        return _body(**{field: items})

    return make


def _short_items(field: str, text: str) -> Shape:
    """More and more items of one length: past the limit of a list the server refuses."""

    def make(size: int, salt: str) -> bytes:
        return _body(**{field: [f"{text}{number}{salt}" for number in range(max(1, size // (len(text) + 12)))]})

    return make


def _nested(size: int, salt: str) -> bytes:
    """Objects in objects, twenty deep, as many as fit."""
    one: Any = {"name": f"value {salt}"}
    for level in range(20):
        one = {f"level_{level}": one, "note": "some text"}
    count = max(1, size // len(json.dumps(one)))
    return _body(tools=["api_call"], context={"tool_arguments": {f"item_{n}": one for n in range(count)}})


def _wide(size: int, salt: str) -> bytes:
    """One object of many short strings."""
    fields = {f"field_{number}": f"value {number} {salt}" for number in range(max(1, size // 40))}
    return _body(tools=["api_call"], context={"tool_arguments": fields})


_ZERO_WIDTH: Final = "\u200b"
_BASE64: Final = "QWxhZGRpbjpvcGVuIHNlc2FtZQ"
_SQL: Final = "SELECT u.id, u.name FROM users u JOIN orders o ON o.user_id = u.id WHERE o.total > 10;\n"
_SHELL: Final = "grep -rn 'needle' src | sort -u | head -20 > /dev/null && echo done;\n"

#: Lengths that the server is asked for in ordinary work.
PROSE: Final[Mapping[str, Shape]] = {
    "goal, English": _goal("Summarize the weekly figures, then update the report and tell the team about it. "),
    "goal, Chinese": _goal("汇总每周的数据，然后更新报告，并且通知团队成员查看结果。"),
    "goal, Japanese": _goal("毎週の数値をまとめて、レポートを更新し、チームに結果を知らせる。"),
    "shell": _argument("command", _SHELL, "run_shell"),
    "shell, one pipeline": _argument("command", "cat a | ", "run_shell"),
    "SQL": _argument("sql", _SQL, "run_query"),
    "SQL, one statement": _argument("sql", "SELECT a, b, c FROM t WHERE x = 1 UNION ALL ", "run_query"),
    "arguments, nested": _nested,
    "arguments, wide": _wide,
    "arguments, one text": _argument("body", "The quick brown fox jumps over the lazy dog. ", "api_call"),
    "context, one text": _context("The quick brown fox jumps over the lazy dog. "),
    "tool names, long": _items("tools", "get_user_by_name_and_"),
    "tool names, many": _short_items("tools", "get_user_by_name_"),
    "constraints, long": _items("constraints", "approval required for things "),
    "constraints, many": _short_items("constraints", "max_iterations:"),
    "declared effects, long": _items("side_effects", "update the record "),
    "tool description": _description("returns the list of users with their names and so on, "),
}

#: What a slow parser, a backtracking pattern or a search in a search would stumble over.
ADVERSARIAL: Final[Mapping[str, Shape]] = {
    "(((( in a goal": _goal("("),
    "(((( in shell": _argument("command", "(", "run_shell"),
    "(((( in SQL": _argument("sql", "(", "run_query"),
    "SELECT (((( in SQL": _argument("sql", "SELECT (", "run_query"),
    "$( $( in shell": _argument("command", "$( ", "run_shell"),
    "$( ls ) in shell": _argument("command", "echo $( ls ) ", "run_shell"),
    "<<A in shell": _argument("command", "cat <<A\n", "run_shell"),
    "; in shell": _argument("command", ";", "run_shell"),
    "{{{{ in shell": _argument("command", "{ ", "run_shell"),
    "bash -c in shell": _argument("command", "bash -c ", "run_shell"),
    "sudo in shell": _argument("command", "sudo ", "run_shell"),
    "open quotes in shell": _argument("command", "echo \"a 'b ", "run_shell"),
    "open quotes in SQL": _argument("sql", "SELECT 'a\" ", "run_query"),
    "CASE WHEN in SQL": _argument("sql", "SELECT CASE WHEN a THEN ", "run_query"),
    "comments in SQL": _argument("query", "/* a */ -- b\n", "run_query"),
    "quotes in a list of words": lambda size, salt: _body(
        tools=["run_shell"], context={"tool_arguments": {"argv": ["echo", "'" * size], "salt": salt}}
    ),
    "one long word in a goal": _goal("delete"),
    "one long word in a tool's name": _items("tools", "deleteusers"),
    "one long word in an argument": _argument("body", "delete", "api_call"),
    "many verbs": _goal("delete send pay deploy "),
    "many verbs and objects": _goal("delete users and pay invoices, "),
    "many negations": _goal("do not never without not "),
    "many negated verbs": _goal("do not delete users, "),
    "many verbs, Chinese": _goal("删除发送支付部署"),
    "many verbs, Japanese": _goal("削除送信支払公開"),
    "many nouns": _goal("user account order invoice "),
    "many conditions": _goal("if we delete users how to "),
    "many questions": _goal("why did it delete? "),
    "open quotes in a goal": _goal("\"delete 'users “all「"),
    "brackets in a goal": _goal("(delete [users {all "),
    "underscores in a goal": _goal("a_"),
    "humps in a goal": _goal("aB"),
    "hyphens in a goal": _goal("a-"),
    "dots in a goal": _goal("a."),
    "line ends in a goal": _goal("\n"),
    "blanks in a goal": _goal("     \t"),
    "spaced letters in a goal": _goal("d e l e t e "),
    "letters as digits in a goal": _goal("d3l3t3 "),
    "percent signs in a goal": _goal("%64%65"),
    "styled letters in a goal": _goal("𝐝𝐞𝐥"),
    "many zero-width characters in a goal": _goal(f"d{_ZERO_WIDTH}"),
    "many zero-width characters in a context": _context(f"d{_ZERO_WIDTH}"),
    "many combining marks in a goal": _goal("e\u0301"),
    "one letter with many marks": _goal("\u0301"),
    "many ligatures that fold longer": _goal("\ufdfa"),
    "emoji joiners in a context": _context("👩\u200d🚀"),
    "base64 in a goal": _goal(_BASE64),
    "base64 in shell": _argument("command", _BASE64, "run_shell"),
    "base64 in an argument": _argument("body", _BASE64, "api_call"),
    "eyJ. in an argument": _argument("body", "eyJhbGciOi.", "api_call"),
    "eyJ in an argument": _argument("body", "eyJ", "api_call"),
    "-----BEGIN in an argument": _argument("body", "-----BEGIN PRIVATE KEY-----", "api_call"),
    "://a:a in an argument": _argument("body", "://a:a", "api_call"),
    "password= in an argument": _argument("body", "password=", "api_call"),
    "prod. in an argument": _argument("body", "prod.", "api_call"),
    "prod, in a context": _context("prod, "),
    "prod in a context's lines": _context("prod\n"),
    "dots in a path": _argument("path", "../", "read_file"),
    "commas in a name": lambda size, salt: _body(tools=["search"], context={"approved_by": _filled("a, ", size, salt)}),
    "colons in a constraint": _items("constraints", "a:b=c "),
    "digits in a constraint": _items("constraints", "max_iterations:1 "),
}

SHAPES: Final[Mapping[str, Shape]] = {**PROSE, **ADVERSARIAL}

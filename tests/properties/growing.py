"""Requests whose lists and texts grow: every field, every name of it, and arguments of each kind."""

from __future__ import annotations

import json
from collections.abc import Callable, Sequence
from functools import partial
from typing import Any, Final

from stage0.reading.context import FACTS
from stage0.reading.limits import most

Fields = dict[str, Any]
Part = Callable[[Fields, int], None]


def _items(field: str, text: str, fields: Fields, count: int) -> None:
    """A list of the request, its items of one length."""
    fields[field] = [f"{text} {number:04}" for number in range(count)]


def _names(key: str, text: str, place: str, fields: Fields, count: int) -> None:
    """A list of the context."""
    holder = fields.setdefault("context", {})
    if place:
        holder = holder.setdefault(place, {})
    holder[key] = [f"{text}{number:04}" for number in range(count)]


def _text(key: str, text: str, place: str, fields: Fields, count: int) -> None:
    """A text of the context."""
    holder = fields.setdefault("context", {})
    if place:
        holder = holder.setdefault(place, {})
    holder[key] = text * count


def _goal(text: str, fields: Fields, count: int) -> None:
    fields["goal"] = text * count


def _constraint(kind: str, text: str, fields: Fields, count: int) -> None:
    """Constraints of one kind, each with a list of its own that holds all that is compared with it."""
    fields["constraints"] = [
        *fields.get("constraints", ()),
        *(f"{kind}:{text},{text}{number:04}" for number in range(count // 4)),
    ]


def _listed(kind: str, text: str, fields: Fields, count: int) -> None:
    """One constraint with a list that grows."""
    listed = ",".join(f"{text}{number:04}" for number in range(count))
    fields["constraints"] = [*fields.get("constraints", ()), f"{kind}:{listed}"]


def _argument(name: str, tool: str, text: str, fields: Fields, count: int) -> None:
    fields.setdefault("tools", []).append(tool)
    fields.setdefault("context", {}).setdefault("tool_arguments", {})[name] = text * count


def _value(name: str, tool: str, make: Callable[[int], Any], fields: Fields, count: int) -> None:
    fields.setdefault("tools", []).append(tool)
    fields.setdefault("context", {}).setdefault("tool_arguments", {})[name] = make(count)


def _other(make: Callable[[int], Any], fields: Fields, count: int) -> None:
    """A field of the context that nothing knows."""
    fields.setdefault("context", {})["note"] = make(count)


def _deep(inside: Any, key: str, levels: int = 24) -> Any:
    for _ in range(levels):
        inside = {key: inside}
    return inside


_GITHUB: Final = "ghp_A1b2C3d4E5f6G7h8I9j0K1l2M3n4O5p6Q7r8"
_LISTS: Final = [fact for fact in FACTS if fact.size == "list" or fact.name == "evidence"]
_TEXTS: Final = [fact for fact in FACTS if fact.size == "text" or fact.name == "tool_description"]

PARTS: Final[dict[str, Part]] = {
    **{
        f"{field}: {text}": partial(_items, field, text)
        for field in ("tools", "side_effects", "constraints", "success_criteria")
        for text in ("delete_users", "read", "删除用户", "glorbify it", "max_iterations:3", _GITHUB)
    },
    **{
        f"{place}.{key}: {text}": partial(_names, key, text, place)
        for fact in _LISTS
        for key in fact.names
        for place in {"", fact.nested}
        for text in ("r/a", "../é")
    },
    **{
        f"{place}.{key}: {text}": partial(_text, key, text, place)
        for fact in _TEXTS
        for key in fact.names
        for place in {"", fact.nested}
        for text in ("ann, ", "删除", "\u200b?")
    },
    **{f"context.{key}, a text for a list": partial(_text, key, "a/", "") for fact in _LISTS for key in fact.names},
    **{
        f"goal: {text}": partial(_goal, text)
        for text in (
            *("delete the users, ", "Do not pay. ", "\"run\" 'it' ", "d e l ", "d3l3t3 ", "call delete_users "),
            *("删除用户，", "删", "支付发送部署", "ユーザーを削除する。", "削除送信", "送る"),
            *("\u200bd", "e\u0301", "(((", f"{_GITHUB} ", "DROP TABLE users; ", "rm -rf / && "),
        )
    },
    **{
        f"{kind}: {text}, {how.__name__}": partial(how, kind, text)
        for kind in (
            "resource_scope",
            "allowed_mcp_servers",
            "allowed_tools",
            "allowed_channels",
            "role",
            "allowed_environment",
        )
        for text in ("r", "r/a")
        for how in (_constraint, _listed)
    },
    "resource_scope: r/*, all": partial(_items, "constraints", "resource_scope:r/*,"),
    **{
        f"argument {name}: {text}": partial(_argument, name, tool, text)
        for name, tool, texts in (
            (
                "sql",
                "run_query",
                ("SELECT a FROM t;\n", "(", "'a', ", "DELETE FROM t WHERE a = 1;\n", "/* a */ ", "UNION ALL SELECT 1 "),
            ),
            (
                "command",
                "run_shell",
                ("rm -rf a; ", "cat a | ", "echo $( ls ) ", "'a' ", "a=b ", "bash -c ", "> a ", "cat <<A\n"),
            ),
            ("code", "run_python", ("f(x)\n", "a = 1; ", "'a' + ", "[")),
            ("query", "graphql", ("mutation { deleteUser(id: 1) { id } } ", "{ a ", "...f ")),
            ("url", "http_request", ("https://example.com/", "a/", "%2e", "a=b&")),
            ("filter", "mongo_find", ('{"$or": ', '{"a": 1}, ')),
            (
                "body",
                "send_email",
                ("Delete it. ", "ann@example.com, ", "100 USD ", "QWxhZGRpbjpvcGVuIHNlc2FtZQ== ", "删除"),
            ),
            ("path", "read_file", ("../", "a/", "~")),
        )
        for text in texts
    },
    **{
        f"argument {name}: {index}": partial(_value, name, tool, make)
        for index, (name, tool, make) in enumerate(
            (
                ("argv", "run_shell", lambda count: ["echo", *["a"] * count]),
                ("commands", "run_shell", lambda count: ["rm -rf /"] * count),
                ("queries", "run_query", lambda count: ["DELETE FROM t"] * count),
                ("ids", "delete_users", lambda count: list(range(count))),
                ("to", "send_email", lambda count: [f"a{n}@example.com" for n in range(count)]),
                ("amounts", "pay", lambda count: [f"{n} USD" for n in range(count)]),
                ("urls", "http_request", lambda count: ["https://example.com/delete"] * count),
                ("filter", "mongo_find", lambda count: {"$or": [{"a": 1}] * count}),
                ("pipeline", "mongo_aggregate", lambda count: [{"$match": {"a": 1}}] * count),
                ("steps", "batch", lambda count: [{"tool": "delete", "arguments": {"a": 1}}] * count),
                ("data", "api_call", lambda count: {f"field_{n}": f"value {n}" for n in range(count)}),
                ("data", "api_call", lambda count: json.dumps([{"a": "delete"}] * count)),
                ("data", "api_call", lambda count: _deep(["é"] * count, "k" * 20)),
                ("data", "api_call", lambda count: _deep({f"k{n}": "é" for n in range(count)}, "k")),
                ("data", "api_call", lambda count: _deep("é" * count, "k" * count)),
            )
        )
    },
    "deep texts": partial(_other, lambda count: _deep(["é\u200b"] * count, "k" * 20)),
    "deep keys": partial(_other, lambda count: _deep({f"é{n}": "" for n in range(count)}, "k" * 20)),
    "many lists": partial(_other, lambda count: [[]] * count),
    "many secrets": partial(_other, lambda count: [f"{_GITHUB} password=hunter2hunter2"] * count),
    "a text of secrets": partial(_other, lambda count: f"{_GITHUB} " * count),
    "environments": partial(_other, lambda count: "prod staging " * count),
    "numbers": partial(_other, lambda count: [1e15, 2**70] * count),
}


def body_of(parts: Sequence[str], count: int, length: int) -> bytes:
    """A request in which these parts have so many items, or so many times their text; `length` makes texts longer."""
    fields: Fields = {"goal": "Go on", "success_criteria": ["done"]}
    for name in parts:
        PARTS[name](fields, count * length if _is_text(name) else count)
    for field in ("tools", "constraints"):
        fields[field] = fields.get(field, [])[: most("list")]
    return json.dumps(fields).encode()


def _is_text(name: str) -> bool:
    return isinstance(PARTS[name], partial) and PARTS[name].func in (_text, _goal, _argument)  # type: ignore[attr-defined]

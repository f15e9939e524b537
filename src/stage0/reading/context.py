"""Reading the runtime context: aliases, types and conflicts, strictly.

A value of an unexpected type never counts as favourable; it is kept by name in `invalid`. A `null` is absent.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping
from datetime import datetime
from typing import Any, Final, Literal

import msgspec

from stage0.reading.limits import most

Lane = Literal["asserted", "verified"]

_PLACEHOLDERS: Final = frozenset(
    {"", "tbd", "tba", "todo", "none", "na", "null", "nil", "unknown", "nobody", "noone", "pending", "undefined"}
)


#: What a placeholder begins with.
_FIRST: Final = frozenset([letter for word in _PLACEHOLDERS for letter in (word[:1], word[:1].upper())])
#: As many letters and digits as no placeholder has, whatever stands between them.
_LONGER: Final = re.compile(rf"(?:[\W_]*[^\W_]){{{max(map(len, _PLACEHOLDERS)) + 1}}}")


def is_reference(text: str) -> bool:
    """Whether a text names something: `TBD`, `none`, `n/a` and `-` do not, whatever stands around them."""
    first = text[:1]
    if (first.isascii() and first.isalnum() and first not in _FIRST) or _LONGER.match(text):
        return True
    plain = text.casefold()
    return (plain if plain.isalnum() else "".join(filter(str.isalnum, plain))) not in _PLACEHOLDERS


class Unreadable(Exception):
    """The value is not of the type that its name asks for."""


def _text(value: object) -> str:
    if isinstance(value, str):
        return value.strip()
    raise Unreadable


def _reference(value: object) -> str:
    text = _text(value)
    return text if is_reference(text) else ""


def _truth(value: object) -> bool:
    if isinstance(value, bool):
        return value
    raise Unreadable


def _number(value: object) -> float:
    if isinstance(value, bool) or not isinstance(value, (int, float)) or not 0 <= value < 1e15:
        raise Unreadable
    return float(value)


def _count(value: object) -> int:
    if isinstance(value, bool) or not isinstance(value, int) or not 0 <= value < 1 << 53:
        raise Unreadable
    return value


def _texts(value: object) -> tuple[str, ...]:
    if isinstance(value, str):
        return (value.strip(),)
    if isinstance(value, list) and all(isinstance(item, str) for item in value):
        return tuple(item.strip() for item in value)
    raise Unreadable


def _truth_or_reference(value: object) -> bool:
    return value if isinstance(value, bool) else bool(_reference(value))


def _moment(value: object) -> float:
    """RFC 3339 with an offset, as Unix seconds."""
    text = _text(value)
    try:
        moment = datetime.fromisoformat(text)
    except ValueError:
        raise Unreadable from None
    if moment.tzinfo is None or "T" not in text.upper():
        raise Unreadable
    return moment.timestamp()


_APPROVAL_STATES: Final = ("approved", "pending", "rejected", "missing", "none")


def _approval_status(value: object) -> str:
    if not isinstance(value, str) or value not in _APPROVAL_STATES:
        raise Unreadable
    return value


def _object(value: object) -> dict[str, object]:
    if isinstance(value, dict):
        return value
    raise Unreadable


def object_of(value: object) -> dict[str, object] | None:
    """An object, or the one that a text holds as JSON; None where it is neither."""
    for _ in range(2):  # some encode twice
        if isinstance(value, str) and value.lstrip()[:1] in ("{", '"'):
            try:
                value = msgspec.json.decode(value.encode("utf-8", "surrogatepass"))
            except (msgspec.DecodeError, RecursionError, UnicodeDecodeError):
                return None
    return value if isinstance(value, dict) else None


def _arguments(value: object) -> dict[str, object]:
    found = object_of(value)
    if found is None:
        raise Unreadable
    return found


Size = Literal["list", "text", ""]


class Fact(msgspec.Struct, frozen=True):
    """One fact that context can carry: its accepted names and how it is read.

    `narrower` picks one of two conflicting values; where it is None, both are kept and the reader of the fact
    takes the worse. `nested` is the object that may hold it too; `size` says which limits hold for it. `loose` are
    names that mean it only where the value is one: else it is somebody's own field."""

    name: str
    names: tuple[str, ...]
    read: Callable[[object], object]
    narrower: Callable[[Any, Any], Any] | None = None
    nested: str = ""
    size: Size = ""
    loose: frozenset[str] = frozenset()


def _fact(
    name: str,
    read: Callable[[object], object],
    *aliases: str,
    narrower: Callable[[Any, Any], Any] | None = None,
    nested: str = "",
    unbounded: bool = False,
    loose: tuple[str, ...] = (),
) -> Fact:
    size = "" if unbounded else _SIZES.get(read, "")
    return Fact(name, (name, *aliases, *loose), read, narrower, nested, size, frozenset(loose))


_SIZES: Final[Mapping[Callable[[object], object], Size]] = {
    _texts: "list",
    **dict.fromkeys((_text, _reference, _truth_or_reference, _moment, _approval_status), "text"),
}


#: Every context field that is understood. Others are kept and recorded, and never widen a verdict.
FACTS: Final = (
    _fact("actor_role", _reference, "user_role", "requester_role"),
    _fact("approval_status", _approval_status),
    _fact("approved", _truth),
    _fact("approved_by", _reference),
    _fact("approved_at", _moment),
    _fact("approval_reason", _text),
    _fact("approval_id", _reference),
    _fact("requested_by", _reference),
    _fact("environment", _reference, "target_environment"),
    _fact("run_id", _reference),
    _fact("current_iteration", _count, narrower=max, nested="loop_state"),
    _fact("retry_count", _count, narrower=max, nested="loop_state"),
    _fact("elapsed_seconds", _number, narrower=max, nested="loop_state"),
    _fact("current_tool", _text, nested="loop_state"),
    _fact("recent_tools", _texts, nested="loop_state"),
    _fact("repeated_tools", _texts, nested="loop_state"),
    _fact("cumulative_cost_usd", _number, narrower=max, nested="loop_state"),
    _fact("confirmed", _truth),
    _fact("dry_run_completed", _truth),
    _fact("estimated_rows_affected", _count, narrower=max),
    _fact("estimated_records", _count, narrower=max),
    _fact("estimated_query_cost", _number, narrower=max),
    _fact("mfa_verified", _truth),
    _fact("rollback_plan", _truth_or_reference),
    _fact("runbook", _reference),
    _fact("ticket_id", _reference),
    _fact("current_time", _moment),
    _fact("timezone", _text),
    _fact("resource_scope", _texts),
    _fact("target_resources", _texts),
    _fact("working_directory", _text),
    _fact("active_mcp_servers", _texts),
    _fact("tenant_id", _reference),
    _fact("target_tenants", _texts),
    _fact("request_channel", _reference),
    _fact("output_policy", _text),
    _fact(
        "tool_arguments",
        _arguments,
        *("tool_args", "tool_input", "toolArguments", "toolArgs", "toolInput"),
        loose=("arguments", "input", "args", "params", "parameters", "kwargs"),
    ),
    _fact("tool_description", _text, unbounded=True),
    _fact("tool_annotations", _object),
    _fact("agent_name", _reference),
    _fact("agent_id", _reference),
    _fact("on_behalf_of", _reference),
    _fact("evidence", _texts, unbounded=True),  # no rule reads it
)

_BY_KEY: Final = {name: fact for fact in FACTS for name in fact.names}
_NESTED: Final = {name: fact for fact in FACTS if fact.nested for name in fact.names}
_BOUNDED: Final = {name: fact.size for name, fact in _BY_KEY.items() if fact.size}
_BOUNDED_NESTED: Final = {name: fact.size for name, fact in _NESTED.items() if fact.size}


CONTEXT_LIST_LIMIT: Final = most("context_list")
CONTEXT_ITEM_LIMIT: Final = most("context_item")
CONTEXT_TEXT_LIMIT: Final = most("context_text")
_SHORT: Final = min(CONTEXT_ITEM_LIMIT, CONTEXT_TEXT_LIMIT)


def excess(context: Mapping[str, object]) -> tuple[str, str] | None:
    """The path of the first fact that is over its limit, and what is wrong with it; None where none is."""
    found = _excess_in("context", _BOUNDED, context)
    nested = context.get("loop_state")
    if found is None and isinstance(nested, dict):
        found = _excess_in("context.loop_state", _BOUNDED_NESTED, nested)
    return found


def _excess_in(path: str, sizes: Mapping[str, Size], held: Mapping[str, object]) -> tuple[str, str] | None:
    for key, value in held.items():
        size = sizes.get(key)
        if size is None or (type(value) is str and len(value) <= _SHORT):
            continue
        found = _excess(size, value)
        if found is not None:
            return f"{path}.{key}{found[0]}", found[1]
    return None


def _excess(size: Size, value: object) -> tuple[str, str] | None:
    if isinstance(value, str):
        limit = CONTEXT_ITEM_LIMIT if size == "list" else CONTEXT_TEXT_LIMIT
        return ("", _too_many(len(value), "characters", limit)) if len(value) > limit else None
    if size != "list" or not isinstance(value, list):
        return None
    if len(value) > CONTEXT_LIST_LIMIT:
        return "", _too_many(len(value), "items", CONTEXT_LIST_LIMIT)
    for index, item in enumerate(value):
        if isinstance(item, str) and len(item) > CONTEXT_ITEM_LIMIT:
            return f"[{index}]", _too_many(len(item), "characters", CONTEXT_ITEM_LIMIT)
    return None


def _too_many(count: int, unit: str, limit: int) -> str:
    return f"has {count} {unit}; at most {limit} are allowed"


class ContextReading(msgspec.Struct, frozen=True):
    """Context as understood. `values` by fact name; `others` holds the further values of a fact that was given
    under several names with different ones; `invalid` the key of a value that could not be read. `called` are the tools
    that whole calls name."""

    values: Mapping[str, Any]
    others: Mapping[str, tuple[Any, ...]]
    invalid: Mapping[str, str]
    conflicts: Mapping[str, tuple[str, ...]]
    called: tuple[str, ...] = ()

    def all_of(self, name: str) -> tuple[Any, ...]:
        """Every value given for a fact; more than one only where they conflict."""
        if name not in self.values:
            return ()
        return (self.values[name], *self.others.get(name, ()))


#: Facts where a readable value still counts beside an unreadable one, since it can only narrow.
_NARROWING: Final = frozenset({fact.name for fact in FACTS if fact.narrower} | {"environment", "tool_arguments"})


def read_context(context: Mapping[str, object]) -> ContextReading:
    """Read a context object. Unknown keys are left alone."""
    reader = _ContextReader()
    for key, value in context.items():
        fact = _BY_KEY.get(key)
        if fact is not None and value is not None:
            reader.take(fact, key, value)
        elif type(value) in _COMPOUND and key not in _KEPT_ALONE:
            reader.take_call(key, value)
    loop_state = context.get("loop_state")
    if isinstance(loop_state, dict):
        for key, value in loop_state.items():
            fact = _NESTED.get(key)
            if fact is not None and value is not None:
                reader.take(fact, f"loop_state.{key}", value)
    elif loop_state is not None:
        for fact in _NESTED.values():
            reader.invalid.setdefault(fact.name, "loop_state")
    return reader.result()


class _ContextReader:
    def __init__(self) -> None:
        self.values: dict[str, Any] = {}
        self.others: dict[str, tuple[Any, ...]] = {}
        self.invalid: dict[str, str] = {}
        self._keys: dict[str, str] = {}
        self.conflicts: dict[str, tuple[str, ...]] = {}
        self.called: list[str] = []

    def take_call(self, key: str, value: Any) -> None:
        """A whole call, or a list of them, under whatever name."""
        for each in value if type(value) is list else (value,):
            call = whole_call(each) if type(each) is dict else None
            if call is not None:
                self.called.append(call[0])
                self.take(_BY_KEY["tool_arguments"], key, call[1])

    def take(self, fact: Fact, key: str, value: object) -> None:
        try:
            read = fact.read(value)
        except Unreadable:
            if key not in fact.loose:
                self.invalid[fact.name] = key
            return
        if read == "" and fact.read is _reference:
            return
        name = fact.name
        if name not in self.values:
            self.values[name] = read
            self._keys[name] = key
            return
        first = self.values[name]
        if first == read:
            return
        self.conflicts[name] = (*self.conflicts.get(name, (self._keys[name],)), key)
        if fact.narrower:
            self.values[name] = fact.narrower(first, read)
        else:
            self.others[name] = (*self.others.get(name, ()), read)

    def result(self) -> ContextReading:
        for name in self.invalid.keys() - _NARROWING:
            self.values.pop(name, None)
            self.others.pop(name, None)
        return ContextReading(self.values, self.others, self.invalid, self.conflicts, tuple(self.called))


_COMPOUND: Final = frozenset({dict, list})
#: Fields of the past, and those that are read elsewhere: what stands in them is not proposed.
PAST: Final = frozenset(
    {
        "history",
        "previous",
        "previous_calls",
        "past_calls",
        "result",
        "results",
        "output",
        "outputs",
        "messages",
        "trace",
    }
    | {
        "traces",
        "log",
        "logs",
        "transcript",
        "conversation",
        "events",
        "memory",
        "observations",
        "steps_done",
        "examples",
    }
)
_KEPT_ALONE: Final = PAST | {"loop_state", "tool_definition", "tool_definitions", "tools", "available_tools"}
#: Names under which the arguments of a whole call stand, beside the tool's name.
_CALL_ARGUMENTS: Final = ("arguments", "input", "args", "parameters")


def whole_call(value: Mapping[str, Any]) -> tuple[str, dict[str, object]] | None:
    """The tool and the arguments of a whole call in the shapes of OpenAI (`{"function": {"name", "arguments"}}`),
    Anthropic (`{"type": "tool_use", "name", "input"}`), LangChain (`{"name", "args"}`) and MCP (`{"method":
    "tools/call", "params": {"name", "arguments"}}`); None where it is none."""
    inner = value.get("function") or (value.get("params") if value.get("method") == "tools/call" else None)
    if isinstance(inner, dict):
        value = inner
    name = value.get("name")
    if not isinstance(name, str) or not name.strip():
        return None
    for key in _CALL_ARGUMENTS:
        arguments = object_of(value.get(key))
        if arguments is not None:
            return name, arguments
    return None


def unknown_fields(context: Mapping[str, object]) -> dict[str, object]:
    """The fields that nobody knows, without those of the past."""
    return {key: value for key, value in context.items() if key not in _BY_KEY and key not in _KEPT_ALONE}

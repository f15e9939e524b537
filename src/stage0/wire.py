"""JSON to core types and back: strict on the way in, in one place for server and client."""

from __future__ import annotations

import json
import re
from collections.abc import Iterable, Mapping
from typing import Annotated, Any, Final, Literal, NoReturn, TypeVar

import msgspec

from stage0.core.verdict import CostEstimate, Decision, DecisionWord, Issue, Verdict
from stage0.reading.context import CONTEXT_ITEM_LIMIT, CONTEXT_LIST_LIMIT, CONTEXT_TEXT_LIMIT, excess
from stage0.reading.limits import most
from stage0.reading.request import GOAL_LIMIT, ActionRequest

T = TypeVar("T")
Enforcement = Literal["enforce", "observe"]

#: Bytes of a request body.
BODY_LIMIT: Final = most("body")
NESTING_LIMIT: Final = most("nesting")
VALUES_LIMIT: Final = most("values")
#: Characters of a number.
NUMBER_LIMIT: Final = most("number")
#: Characters of a key.
KEY_LIMIT: Final = most("key")
#: Characters of the header `Idempotency-Key`.
IDEMPOTENCY_KEY_LIMIT: Final = most("idempotency_key")


class Invalid(ValueError):
    """Input that is refused. `path` names the field (`goal`, `tools[3]`), empty for the body as a whole."""

    def __init__(self, path: str, message: str) -> None:
        super().__init__(f"`{path}`: {message}" if path else message)
        self.path = path
        self.message = message

    def __reduce__(self) -> tuple[type[Invalid], tuple[str, str]]:
        """It is made anew in the process that asked."""
        return Invalid, (self.path, self.message)


class Outcome(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """What the runtime did after a decision."""

    status: Literal["executed", "failed", "rolled_back", "stopped"]
    detail: Annotated[str, msgspec.Meta(max_length=most("outcome_detail"))] = ""
    cost_usd: Annotated[float, msgspec.Meta(ge=0, le=1e9)] | None = None


class Meta(msgspec.Struct, frozen=True):
    """How an answer came about: `evidence` is the lane of each fact used. `enforcement` is `observe` for a key that
    only watches: its runtime goes on whatever the verdict, and records what would have been stopped. `valid_until`
    stands on an ALLOW: Unix seconds until which the action may be started."""

    source: str
    test_mode: bool
    evidence: Mapping[str, str]
    enforcement: Enforcement
    valid_until: int | msgspec.UnsetType = msgspec.UNSET


class Answer(msgspec.Struct, frozen=True):
    """The answer to a check, all fields. A plan may leave some out."""

    decision: DecisionWord
    verdict: Verdict
    reason: str
    issues: tuple[Issue, ...]
    risk_score: int
    high_risk: bool
    clarifying_questions: tuple[str, ...]
    defer_questions: tuple[str, ...]
    constraints_applied: tuple[str, ...]
    request_id: str
    policy_version: str
    policy_pack_version: str
    timestamp: int
    evaluated_at: int
    decision_trace_summary: str
    task_hash: str
    cached: bool
    meta: Meta
    guardrail_checks: Mapping[str, Any]
    guardrails: tuple[str, ...] | msgspec.UnsetType = msgspec.UNSET
    value_risk: int | msgspec.UnsetType = msgspec.UNSET
    waste_risk: int | msgspec.UnsetType = msgspec.UNSET
    value_findings: tuple[str, ...] | msgspec.UnsetType = msgspec.UNSET
    cost_estimate: CostEstimate | msgspec.UnsetType = msgspec.UNSET


def answer(
    decision: Decision, request_id: str, *, test_mode: bool, enforcement: Enforcement = "enforce", ends: bool = True
) -> Answer:
    """A decision as its answer, with all fields. Those of earlier versions did not say when an ALLOW `ends`."""
    until = msgspec.UNSET if decision.valid_until is None or not ends else decision.valid_until
    return Answer(
        decision=decision.decision,
        verdict=decision.verdict,
        reason=decision.reason,
        issues=decision.issues,
        risk_score=decision.risk_score,
        high_risk=decision.high_risk,
        clarifying_questions=decision.clarifying_questions,
        defer_questions=decision.defer_questions,
        constraints_applied=decision.constraints_applied,
        request_id=request_id,
        policy_version=decision.policy_version,
        policy_pack_version=decision.policy_version,
        timestamp=decision.evaluated_at,
        evaluated_at=decision.evaluated_at,
        decision_trace_summary=decision.decision_trace_summary,
        task_hash=decision.task_hash,
        cached=False,
        meta=Meta("live", test_mode, decision.evidence, enforcement, until),
        guardrail_checks=decision.guardrail_checks,
        guardrails=decision.guardrails,
        value_risk=decision.value_risk,
        waste_risk=decision.waste_risk,
        value_findings=decision.value_findings,
        cost_estimate=decision.cost_estimate,
    )


def without(whole: Answer, fields: frozenset[str]) -> Answer:
    """An answer without the fields that the caller's plan leaves out."""
    return msgspec.structs.replace(whole, **dict.fromkeys(fields, msgspec.UNSET)) if fields else whole


_encoder: Final = msgspec.json.Encoder()
#: Any plain value or struct as JSON bytes.
encode = _encoder.encode


def parse(body: bytes) -> Any:
    """Strict JSON: no duplicate keys, NaN, infinities, lone surrogates, U+0000, nesting deeper than 32, more than
    50,000 values, or a number of more than 200 characters.

    Raises Invalid."""
    _refuse_many_values(body)
    if not body.strip():
        raise Invalid("", "the body is empty; send a JSON object")
    try:
        text = body.decode("utf-8")
    except UnicodeDecodeError as error:
        raise Invalid("", f"the body is not UTF-8 (byte {error.start})") from None
    try:
        value = _decoder.decode(text)
    except json.JSONDecodeError as error:
        raise Invalid("", f"not JSON: {error.msg} at line {error.lineno}, column {error.colno}") from None
    except RecursionError:
        raise Invalid("", f"nested deeper than {NESTING_LIMIT}") from None
    deep = body.count(b"[") + body.count(b"{") > NESTING_LIMIT and _too_deep(value)
    if deep or _PERHAPS_NO_TEXT.search(body):
        try:
            _inspect(value, 1)
        except _Flaw as flaw:
            raise Invalid("".join(reversed(flaw.parts)).removeprefix("."), flaw.message) from None
    return value


_STRING: Final = re.compile(rb'"[^"\\]*(?:\\.[^"\\]*)*"', re.DOTALL)


def _refuse_many_values(body: bytes) -> None:
    """Refuse more values than are read, before any is made: to make them, and to let go of them, are calls of the
    interpreter that nothing interrupts."""
    if len(body) <= VALUES_LIMIT or _begun(body) <= VALUES_LIMIT:
        return
    count = at = 0
    for string in _STRING.finditer(body):  # what stands in a string begins none
        count += _begun(body[at : string.start()])
        at = string.end()
        if count > VALUES_LIMIT:
            break
    else:
        count += _begun(body[at:])
    if count > VALUES_LIMIT:
        raise Invalid("", f"holds more than {VALUES_LIMIT:,} values")


def _begun(part: bytes) -> int:
    return part.count(b",") + part.count(b"[") + part.count(b"{")


def _no_duplicates(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    found = dict(pairs)
    for key in found:
        if len(key) > KEY_LIMIT:
            raise Invalid(f"{key[:40]}…", f"the key has {len(key)} characters; at most {KEY_LIMIT} are allowed")
    if len(found) != len(pairs):
        seen: set[str] = set()
        for key, _ in pairs:
            if key in seen:
                raise Invalid(key, "the key is given twice")
            seen.add(key)
    return found


def _refuse_long(number: str) -> None:
    """To read and to write a number of many digits takes time that grows with their square, in one call."""
    if len(number) > NUMBER_LIMIT:
        shown = f"{number[:40]}…"
        raise Invalid("", f"the number `{shown}` has {len(number)} characters; at most {NUMBER_LIMIT} are allowed")


def _no_constant(name: str) -> NoReturn:
    raise Invalid("", f"`{name}` is not a JSON number")


def _whole(text: str) -> int:
    _refuse_long(text)
    return int(text)


def _finite(text: str) -> float:
    _refuse_long(text)
    number = float(text)
    if number in (float("inf"), float("-inf")):
        raise Invalid("", f"the number `{text[:40]}` is too large")
    return number


_decoder: Final = json.JSONDecoder(
    object_pairs_hook=_no_duplicates,
    parse_constant=_no_constant,
    parse_float=_finite,
    parse_int=_whole,
    strict=True,
)


def _too_deep(value: Any) -> bool:
    """Whether objects and lists stand too deep in one another, one level after the other."""
    level = [value]
    for _ in range(NESTING_LIMIT):
        level = [
            item
            for holder in level
            for item in (holder.values() if type(holder) is dict else holder)
            if type(item) is list or type(item) is dict
        ]
        if not level:
            return False
    return True


#: Escapes that could spell U+0000 or half of a surrogate pair: no other way leads to them.
_PERHAPS_NO_TEXT: Final = re.compile(rb"\\u(?:0000|[dD][89a-fA-F])")


class _Flaw(Exception):
    """What is wrong somewhere in a value. Each level on the way out adds its part of the path, the innermost first, so
    that nothing is spent on the paths of what is right."""

    def __init__(self, message: str) -> None:
        super().__init__(message)
        self.message = message
        self.parts: list[str] = []


def _inspect(value: Any, depth: int) -> None:
    """Depth and characters, for bodies that could be wrong in them. Raises _Flaw."""
    if isinstance(value, (dict, list)) and depth > NESTING_LIMIT:
        raise _Flaw(f"nested deeper than {NESTING_LIMIT}")
    if isinstance(value, str):
        _inspect_text(value)
    elif isinstance(value, dict):
        for key in value:
            _inspect_text(key)
        _inspect_items(value.items(), ".{}", depth)
    elif isinstance(value, list):
        _inspect_items(enumerate(value), "[{}]", depth)


def _inspect_items(items: Iterable[tuple[object, Any]], part: str, depth: int) -> None:
    name: object = ""
    try:
        for name, item in items:  # noqa: B007 -- where it stops, `name` is a part of the path
            kind = type(item)
            if kind is str:
                if not item.isascii() or "\0" in item:
                    _inspect_text(item)
            elif kind is dict or kind is list:
                _inspect(item, depth + 1)
    except _Flaw as flaw:
        flaw.parts.append(part.format(name))
        raise


def _inspect_text(text: str) -> None:
    if "\0" in text:
        raise _Flaw("holds U+0000")
    if not text.isascii():
        try:
            text.encode("utf-8")
        except UnicodeEncodeError:
            raise _Flaw("holds a lone surrogate") from None


_FIELDS: Final = ActionRequest.__struct_fields__
#: Bytes of a body that holds no text over its limit, and no list, whose items have at least two bytes each.
_NEVER_OVER: Final = min(CONTEXT_ITEM_LIMIT, CONTEXT_TEXT_LIMIT, 2 * CONTEXT_LIST_LIMIT)


def read_check(body: bytes) -> ActionRequest:
    """The body of `POST /check`. Raises Invalid naming the field."""
    value = parse(body)
    if isinstance(value, dict):
        # Other fields are left alone; there may be many of them.
        value = {name: value[name] for name in _FIELDS if name in value}
    request = convert(value, ActionRequest)
    goal = request.goal.strip()
    if not goal:
        raise Invalid("goal", "must not be empty")
    if len(goal) > GOAL_LIMIT:
        raise Invalid("goal", f"has {len(goal)} characters; at most {GOAL_LIMIT} are allowed")
    over = excess(request.context) if len(body) > _NEVER_OVER else None
    if over is not None:
        raise Invalid(*over)
    return request if goal == request.goal else msgspec.structs.replace(request, goal=goal)


def read_outcome(body: bytes) -> Outcome:
    """The body of `POST /checks/{request_id}/outcome`. Raises Invalid naming the field."""
    return convert(parse(body), Outcome)


def convert(value: Any, kind: type[T]) -> T:
    """A plain JSON value as a type. Raises Invalid naming the field."""
    if not isinstance(value, dict):
        raise Invalid("", f"the body must be a JSON object, not {_JSON_NAMES.get(type(value), 'this')}")
    try:
        return msgspec.convert(value, kind, strict=True)
    except msgspec.ValidationError as error:
        message, _, path = str(error).partition(" - at `$")
        raise Invalid(path.strip("`").removeprefix(".") or _field_of(message), message) from None


def _field_of(message: str) -> str:
    """msgspec names a missing or unknown field in the message and not in the path."""
    parts = message.split("`")
    return parts[1] if "field" in message and len(parts) > 1 else ""


_JSON_NAMES: Final = {
    list: "a list",
    str: "a string",
    bool: "a boolean",
    int: "a number",
    float: "a number",
    type(None): "null",
}

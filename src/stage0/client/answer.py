"""What came back: only a whole and consistent answer is a decision. Everything else raises Stage0Error."""

from __future__ import annotations

import json
import math
from typing import Any, Final

import msgspec

from stage0.client.errors import Stage0Error
from stage0.client.transport import Reply

_PAIRS: Final = {"GO": "ALLOW", "NO_GO": "DENY", "DEFER": "DEFER", "ERROR": "DEFER"}
#: Seconds by which whole seconds may be wrong: both times of an answer are cut to them.
_ROUNDING_S: Final = 1


def read_answer(reply: Reply) -> dict[str, Any]:
    """The JSON object of a 200."""
    body = _read_object(reply)
    if reply.status != 200:
        raise Stage0Error(
            f"HTTP {reply.status} {body.get('error', '')}: {body.get('message', '')}",
            status=reply.status,
            code=str(body.get("error", "")),
            request_id=str(body.get("request_id", "")),
        )
    return body


def read_decision(reply: Reply) -> dict[str, Any]:
    """The answer to a check."""
    body = read_answer(reply)
    decision, verdict, request_id = body.get("decision"), body.get("verdict"), body.get("request_id")
    known = isinstance(decision, str) and _PAIRS.get(decision) == verdict
    if not known or not isinstance(request_id, str) or not request_id:
        raise _refused(f"holds no decision that is known (decision `{decision}`, verdict `{verdict}`)", reply)
    if verdict == "ALLOW":
        _require_clean(body, reply)
    if verdict == "ALLOW" or is_observed(body):
        _require_live(body, reply)
    return body


def is_observed(answer: dict[str, Any]) -> bool:
    """Whether the server itself says that its verdict stops nothing."""
    meta = answer.get("meta")
    return isinstance(meta, dict) and meta.get("enforcement") == "observe"


def seconds_valid(answer: dict[str, Any]) -> float:
    """How long an ALLOW may be acted on after it was given, by the server's clock alone; without a limit, infinity.

    The difference of two times of one clock: how far this machine's clock is from the server's does not matter."""
    meta = answer.get("meta")
    until = meta.get("valid_until") if isinstance(meta, dict) else None
    if until is None:
        return math.inf
    given = answer.get("evaluated_at")
    if not _is_number(until) or not _is_number(given):
        return 0.0
    return float(until - given - _ROUNDING_S)


def _is_number(value: Any) -> bool:
    return isinstance(value, (int, float)) and not isinstance(value, bool)


def _require_clean(body: dict[str, Any], reply: Reply) -> None:
    """An ALLOW carries notes alone: one beside anything more severe is not an answer of a Stage0 server."""
    issues = body.get("issues")
    if not isinstance(issues, list):
        raise _refused("is an ALLOW without its list of issues", reply)
    for issue in issues:
        severity = issue.get("severity") if isinstance(issue, dict) else None
        if severity != "LOW":
            raise _refused(f"is an ALLOW beside an issue of severity `{severity}`", reply)


def _require_live(body: dict[str, Any], reply: Reply) -> None:
    meta = body.get("meta")
    source = meta.get("source") if isinstance(meta, dict) else None
    if source != "live":
        raise _refused(f"has the source `{source}`, where only `live` is a decision", reply)


def _read_object(reply: Reply) -> dict[str, Any]:
    kind = reply.header(b"content-type").partition(";")[0].strip().lower()
    body = _read_json(reply) if kind == "application/json" else None
    if not isinstance(body, dict):
        of = "" if kind == "application/json" else f" (content type `{kind}`)"
        raise Stage0Error(f"HTTP {reply.status} without a JSON object{of}", status=reply.status)
    return body


def _read_json(reply: Reply) -> Any:
    """Strict JSON: of two values under one key, nobody knows which one another reader has seen."""
    try:
        msgspec.json.decode(reply.body)  # refuses NaN, numbers without end, lone surrogates, other encodings
        return json.loads(reply.body, object_pairs_hook=_unique)
    except (ValueError, RecursionError) as error:
        raise Stage0Error(f"HTTP {reply.status} without strict JSON: {error}", status=reply.status) from error


def _unique(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    found = dict(pairs)
    if len(found) != len(pairs):
        raise ValueError("an object holds one key twice")
    return found


def _refused(what: str, reply: Reply) -> Stage0Error:
    return Stage0Error(f"the answer {what}", status=reply.status)

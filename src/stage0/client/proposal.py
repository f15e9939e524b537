"""What is sent: a proposed action as JSON bytes, checked before it leaves the process."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from typing import Any, Final

from stage0.client.errors import Stage0Error

#: The fields of a check that are lists of strings.
LISTS: Final = ("tools", "side_effects", "constraints", "success_criteria")
_NO_LISTS: Final = (str, bytes, bytearray, memoryview)


def encode(value: Any) -> bytes:
    """Strict JSON. What has no JSON form, `NaN` included, raises ValueError or TypeError before anything is sent."""
    return json.dumps(value, ensure_ascii=False, allow_nan=False, separators=(",", ":")).encode()


def encode_proposal(
    goal: str,
    *,
    tools: Sequence[str] = (),
    side_effects: Sequence[str] = (),
    constraints: Sequence[str] = (),
    success_criteria: Sequence[str] = (),
    context: Mapping[str, Any] | None = None,
    pro: bool = False,
) -> bytes:
    """The body of a check. Raises Stage0Error for a list or a context that is none."""
    given = (tools, side_effects, constraints, success_criteria)
    lists = {name: read_list(name, value) for name, value in zip(LISTS, given, strict=True)}
    return encode({"goal": goal, **lists, "context": _read_context(context), "pro": pro})


def read_list(name: str, value: Any) -> list[str]:
    """A list of strings. Raises Stage0Error for anything else.

    A string is a sequence of strings to Python, one a letter: sent as that, it would say nothing of the action."""
    # A thing that can be read only once would be empty at the second call.
    if isinstance(value, _NO_LISTS) or not isinstance(value, Sequence):
        raise _invalid(f"`{name}` must be a list of strings, not `{type(value).__name__}`: give `{name}=[...]`")
    items = list(value)
    for item in items:
        if not isinstance(item, str):
            raise _invalid(f"`{name}` must hold strings alone, not `{type(item).__name__}`: give the text of each")
    return items


def _read_context(value: Any) -> dict[str, Any]:
    if value is None:
        return {}
    if not isinstance(value, Mapping):
        raise _invalid(f"`context` must be a dict, not `{type(value).__name__}`: give `context={{...}}`")
    return dict(value)


def _invalid(message: str) -> Stage0Error:
    return Stage0Error(message, code="argument_invalid")

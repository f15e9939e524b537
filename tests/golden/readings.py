"""What the reader makes of a text, as one line: `python -m tests.golden.readings` prints all of them.

surface <tab> text <tab> effects with who says so and where; environments; controls; what was not understood
"""

from __future__ import annotations

import hashlib
import json
from collections.abc import Iterator, Mapping
from functools import cache
from typing import Any, Final

import msgspec

from stage0.policy import shipped_packs

# The only names of the product that the golden file rests on.
from stage0.reading.effects import EFFECTS
from stage0.reading.interpret import Interpretation, interpret
from stage0.reading.request import ActionRequest
from tests.golden.texts import texts

KNOWLEDGE: Final = shipped_packs()["stage0-default"].knowledge
#: Of a longer text the line shows the beginning and a digest of the whole (in characters).
SHOWN: Final = 200
#: Databases as which SQL is read besides: a line for each that makes a difference.
_DATABASES: Final = ("mysql", "sqlserver")
_ARGUMENTS: Final = "context.tool_arguments"


@cache
def lines() -> list[str]:
    """One line for each text and surface, sorted."""
    return sorted(
        line for surface, text in texts(EFFECTS, ActionRequest.__struct_fields__) for line in _lines_of(surface, text)
    )


def _lines_of(surface: str, text: str) -> Iterator[str]:
    plain = json.loads(text)
    reading = _reading_of(_request_with(surface, plain))
    if reading is None:
        return
    shown = _shown(text)
    yield f"{surface}\t{shown}\t{reading}"
    for database in _DATABASES if surface == "sql" else ():
        other = _reading_of({"context": {"tool_arguments": {"engine": database, "sql": plain}}})
        if other is not None and other != reading:
            yield f"{surface} of {database}\t{shown}\t{other}"


def _shown(text: str) -> str:
    """A text on a line of its own, with what nobody would see in it as escapes."""
    visible = "".join(char if char.isprintable() else json.dumps(char)[1:-1] for char in text)
    if len(visible) <= SHOWN:
        return visible
    return f"{visible[:SHOWN]}… {hashlib.sha256(visible.encode()).hexdigest()[:12]}"


def _request_with(surface: str, plain: Any) -> Mapping[str, Any]:
    """A request that says nothing but this."""
    match surface:
        case "request":
            return plain  # type: ignore[no-any-return]
        case "goal":
            return {"goal": plain}
        case "tool":
            return {"tools": [plain]}
        case "declared":
            return {"side_effects": [plain]}
        case "constraint":
            return {"constraints": [plain]}
        case "description":
            return {"context": {"tool_description": plain}}
        case _:
            return {"context": {"tool_arguments": {surface: plain}}}


def _reading_of(fields: Mapping[str, Any]) -> str | None:
    """How a request is read; None where it is refused, so that nothing reads it."""
    try:
        request = msgspec.convert({"goal": "", **fields}, ActionRequest)
    except msgspec.ValidationError:
        return None
    return "; ".join(_said(request, interpret(request, KNOWLEDGE))) or "nothing"


def _said(request: ActionRequest, reading: Interpretation) -> Iterator[str]:
    for effect in sorted(reading.effects):
        places: dict[str, None] = {}
        for seen in reading.effects[effect]:
            path = seen.span.path.replace(_ARGUMENTS, "$")
            places[f"{seen.source} {path} {seen.span.start}-{seen.span.end}"] = None
        yield f"{effect} ({', '.join(places)})"
    if reading.environments:
        yield f"environments {' '.join(sorted(reading.environments))}"
    for control in reading.controls:
        effects = "" if control.effects is None else f" for {' '.join(sorted(control.effects))}"
        value = "" if control.value is None else f" {json.dumps(control.value, ensure_ascii=False)}"
        yield f"control {control.kind}{value}{effects}{' (guard)' if control.guard or control.mode else ''}"
    if reading.unread:
        yield f"unread {' '.join(path.replace(_ARGUMENTS, '$') for path in reading.unread)}"
    goal, asked = reading.goal, bool(request.goal)
    flags = {
        "goal vague": asked and goal.vague,
        "goal in another language": asked and not goal.covered,
        "goal not readable": not goal.readable,
        "goal only tells": goal.told,
        "sensitive tool": reading.sensitive_tools,
    }
    yield from (name for name, holds in flags.items() if holds)
    if reading.context.invalid:
        yield f"invalid {' '.join(sorted(reading.context.invalid))}"
    for name, number in (("records", reading.records), ("amount", reading.amount), ("hidden", len(reading.hidden))):
        if number:
            yield f"{name} {number:g}"


if __name__ == "__main__":
    print(*lines(), sep="\n")

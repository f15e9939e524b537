"""What an action is judged by: a call by what it does, a plan by what it says; what is not understood stops both."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Final

import msgspec

from stage0.reading.call.arguments import ArgumentsReading
from stage0.reading.effects import HARMLESS, HIGH_RISK, MARKS, Effect, Sighting
from stage0.reading.names import ToolReading

#: What a declaration has to name in a call to speak for a tool that says nothing: an act that needs a guardrail.
_GUARDED: Final = HIGH_RISK | {"overwrite"}
#: The same in a plan: something that is done or composed, and not merely looked at.
_DONE: Final = _GUARDED | {"write", "compute", "code_execution", "export", "requires_approval"}
#: What goal and description add to a plan of which every tool proves a read.
_SEVERE: Final[frozenset[Effect]] = frozenset({"delete", "money_movement"})
_WORSENING: Final[frozenset[Effect]] = frozenset({"bulk", "irreversible"})
#: What a tool's description has to say to speak for it: more than that something is run.
_RUNS: Final[frozenset[Effect]] = frozenset({"code_execution", "unknown"})


_ANNOTATIONS: Final = "context.tool_annotations"


class Basis(msgspec.Struct, frozen=True):
    """What the sources of an action prove. `call`: one tool and its arguments; `conclusive`: a call of which all was
    read, and of which name or arguments tell what is done; `told` the same, also where it runs a file that nobody has
    read. `looks`: a plan of which every tool proves a read."""

    call: bool
    conclusive: bool
    looks: bool
    told: bool = False


def basis_of(tools: Sequence[ToolReading], called: ArgumentsReading, declared: frozenset[Effect]) -> Basis:
    """What is proven by `tools`, their arguments, and what the caller declares."""
    call = len(tools) == 1 and called.sets > 0 and (called.given or tools[0].silent not in ("noun", "word", "unknown"))
    if call:
        says = called.spoke or (not tools[0].silent and _says(tools[0].sightings))
        told = says and not called.unread and "unknown" not in declared
        return Basis(call=True, conclusive=told and called.settled, looks=False, told=told)
    looks = bool(tools) and all(not tool.silent and _only_looks(tool.sightings) for tool in tools)
    return Basis(call=False, conclusive=False, looks=looks and HARMLESS.issuperset(declared))


def _says(sightings: Sequence[Sighting]) -> bool:
    return bool(sightings) and all(seen.effect != "unknown" for seen in sightings)


def _only_looks(sightings: Sequence[Sighting]) -> bool:
    return HARMLESS.issuperset(seen.effect for seen in sightings)


def added_by_prose(
    basis: Basis,
    sightings: Sequence[Sighting],
    tools: Sequence[ToolReading],
    called: ArgumentsReading,
    present: frozenset[Effect],
) -> list[Sighting]:
    """What a goal adds to the effects that the other sources show (`present`). Of a shell or an interpreter whose
    program was read whole it adds nothing; else it may tell that secrets or personal data are touched."""
    if not basis.conclusive and not basis.looks:
        return list(sightings)
    kept = MARKS - {"unknown", "requires_approval"}
    if basis.looks:
        said = {seen.effect for seen in sightings}
        kept |= _SEVERE | (_WORSENING if not _SEVERE.isdisjoint(said) else frozenset())
    elif called.whole and all(tool.silent for tool in tools) and "personal_data" not in present:
        return []
    marks = {seen.effect for seen in sightings} & kept
    if "personal_data" in marks:
        kept |= {"export"}
    return [seen for seen in sightings if seen.effect in kept]


def added_by_description(basis: Basis, sightings: Sequence[Sighting], present: frozenset[Effect]) -> list[Sighting]:
    """What a tool's description adds: it makes an act worse, and never turns a read into one."""
    if basis.conclusive and HARMLESS.issuperset(present - MARKS):
        kept = HARMLESS
    elif basis.looks:
        said = {seen.effect for seen in sightings}
        kept = HARMLESS | MARKS | _SEVERE | (_WORSENING if not _SEVERE.isdisjoint(said) else frozenset())
    else:
        return list(sightings)
    # An annotation is no prose.
    return [seen for seen in sightings if seen.effect in kept or seen.span.path.startswith(_ANNOTATIONS)]


def is_silent(
    tool: ToolReading, basis: Basis, called: ArgumentsReading, described: frozenset[Effect], declared: frozenset[Effect]
) -> bool:
    """Whether nothing says what a tool would do, so that it is unknown whatever the goal says."""
    if not tool.silent or (basis.call and called.spoke) or not described <= _RUNS:
        return False
    if not declared.isdisjoint(_GUARDED if basis.call else _DONE):
        return False
    if tool.silent == "noun":
        return basis.call and called.told
    if tool.silent == "word":
        return basis.call
    if tool.silent == "executor":
        return basis.call or not declared
    return True

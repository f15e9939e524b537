"""What would this action do? The union of what arguments, tools, declarations and goal say.

Nothing that is declared hides an effect found elsewhere. No state is needed, so this runs before the
transaction of a check.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from functools import lru_cache
from typing import Any

import msgspec

from stage0.core.arguments.read import ArgumentsReading, read_arguments
from stage0.core.arguments.shell import Commands
from stage0.core.constraints import Control, Grammar
from stage0.core.context import ContextReading, read_context
from stage0.core.effects import HIGH_RISK, MARKS, Sighting, Span
from stage0.core.folding import hidden_spans
from stage0.core.goal import GoalReading, effects_of, read_goal
from stage0.core.lexicon import ACTIONS, ENVIRONMENTS, MODIFIERS, OBJECTS, Lexicon
from stage0.core.request import ActionRequest
from stage0.core.toolname import ToolReader, ToolReading, ToolWords


class Knowledge:
    """What interpretation rests on: lexicon, constraint grammar, tables of commands and tool words.

    Tool names, declarations and constraints repeat, so their readings are kept; a verdict never is."""

    def __init__(
        self,
        lexicon: Lexicon,
        grammar: Grammar,
        commands: Commands,
        words: ToolWords,
        declared: Mapping[str, tuple[str, ...]],
    ) -> None:
        self.lexicon = lexicon
        self.grammar = grammar
        self.commands = commands
        self.read_tool = ToolReader(lexicon, words).read
        self._declared = declared
        self.read_declaration = lru_cache(maxsize=8192)(self._read_declaration)

    def _read_declaration(self, text: str) -> Declaration:
        """A declared side effect: every action word and noun in it counts; one that says nothing is unknown."""
        folded = self.lexicon.fold(text).text.replace("_", " ").replace("-", " ").strip()
        hits = self.lexicon.hits(folded)
        environments = frozenset(ENVIRONMENTS[hit.concept] for hit in hits if hit.concept in ENVIRONMENTS)
        fixed = self._declared.get(folded)
        if fixed is not None:
            return Declaration(fixed, environments)
        if any(hit.concept == "rehearsal" for hit in hits):
            return Declaration(("compute",), environments)
        objects = frozenset(hit.concept for hit in hits if hit.concept in OBJECTS)
        effects: dict[str, None] = {}
        for hit in hits:
            if hit.concept in ACTIONS and (hit.term.role != "weak" or hit.term.needs & objects):
                effects.update(dict.fromkeys(effects_of(hit.concept, objects)))
            elif hit.concept in MODIFIERS:
                effects[MODIFIERS[hit.concept]] = None
        if not effects and any(hit.concept == "compound" for hit in hits):
            return Declaration(("compute",), environments)
        return Declaration(tuple(effects) or ("unknown",), environments)


class Declaration(msgspec.Struct, frozen=True):
    """What one declared side effect says."""

    effects: tuple[str, ...]
    environments: frozenset[str]


class Interpretation(msgspec.Struct, frozen=True):
    """An action as understood. `effects` maps each effect to the places that say so."""

    effects: Mapping[str, tuple[Sighting, ...]]
    environments: frozenset[str]
    controls: tuple[Control, ...]
    context: ContextReading
    goal: GoalReading
    unread: tuple[str, ...]
    hidden: tuple[Span, ...]
    sensitive_tools: bool

    @property
    def high_risk(self) -> frozenset[str]:
        """The high-risk effects that are present."""
        return HIGH_RISK & self.effects.keys()

    @property
    def changes(self) -> frozenset[str]:
        """Every effect that is not merely a mark."""
        return frozenset(self.effects) - MARKS


def interpret(request: ActionRequest, known: Knowledge) -> Interpretation:
    """Read a request. Deterministic; touches nothing outside its arguments."""
    context = read_context(request.context)
    called = _read_calls(context, known.commands)
    tools = [known.read_tool(name, f"tools[{i}]") for i, name in enumerate(request.tools)]
    declared = [known.read_declaration(text) for text in request.side_effects]
    goal = read_goal(request.goal, known.lexicon)

    effects: dict[str, list[Sighting]] = {}
    for sighting in _sightings(request, called, tools, declared, goal, context):
        effects.setdefault(sighting.effect, []).append(sighting)
    unclear = _unclear(request, tools, called, effects)
    if unclear:
        effects.setdefault("unknown", []).extend(unclear)
    environments = goal.environments.union(
        *(tool.environments for tool in tools), *(declaration.environments for declaration in declared)
    )
    return Interpretation(
        effects={effect: tuple(seen) for effect, seen in effects.items()},
        environments=environments,
        controls=known.grammar.parse(request.constraints),
        context=context,
        goal=goal,
        unread=called.unread,
        hidden=_hidden(request),
        sensitive_tools=any(tool.sensitive for tool in tools),
    )


def _sightings(
    request: ActionRequest,
    called: ArgumentsReading,
    tools: Sequence[ToolReading],
    declared: Sequence[Declaration],
    goal: GoalReading,
    context: ContextReading,
) -> Iterator[Sighting]:
    yield from called.sightings
    for tool in tools:
        yield from tool.sightings
    for i, declaration in enumerate(declared):
        span = Span(f"side_effects[{i}]", 0, len(request.side_effects[i]), request.side_effects[i])
        for effect in declaration.effects:
            yield Sighting(effect, "declared", span)
    yield from goal.sightings
    for hints in context.all_of("tool_annotations"):
        yield from _hints(hints)


def _read_calls(context: ContextReading, commands: Commands) -> ArgumentsReading:
    """All arguments that were given, under whichever name; one that is no object is said to be unread."""
    sightings: list[Sighting] = []
    unread = [f"context.{context.invalid['tool_arguments']}"] if "tool_arguments" in context.invalid else []
    spoke = False
    for arguments in context.all_of("tool_arguments"):
        reading = read_arguments(arguments, commands, "context.tool_arguments")
        sightings.extend(reading.sightings)
        unread.extend(reading.unread)
        spoke = spoke or reading.spoke
    return ArgumentsReading(tuple(sightings), spoke, tuple(unread))


def _unclear(
    request: ActionRequest, tools: Sequence[ToolReading], called: ArgumentsReading, effects: Mapping[str, object]
) -> list[Sighting]:
    """What could not be understood: an argument that no parser could read, or tools where all is silent."""
    unread = [Sighting("unknown", "arguments", Span(path, 0, 0, "")) for path in called.unread]
    if unread or effects or not tools:
        return unread
    return [
        Sighting("unknown", "tool", Span(f"tools[{i}]", 0, len(name), name)) for i, name in enumerate(request.tools)
    ]


def _hints(annotations: Mapping[str, Any]) -> list[Sighting]:
    """MCP tool annotations may add an effect, never remove one."""
    if annotations.get("destructiveHint") is True and annotations.get("readOnlyHint") is not True:
        return [Sighting("delete", "description", Span("context.tool_annotations.destructiveHint", 0, 0, "true"))]
    return []


def _hidden(request: ActionRequest) -> tuple[Span, ...]:
    texts = [("goal", request.goal)]
    for name, items in (
        ("success_criteria", request.success_criteria),
        ("constraints", request.constraints),
        ("tools", request.tools),
        ("side_effects", request.side_effects),
    ):
        texts.extend((f"{name}[{i}]", item) for i, item in enumerate(items) if not item.isascii())
    return tuple(
        Span(path, start, end, f"U+{ord(text[start]):04X}")
        for path, text in texts
        if not text.isascii()
        for start, end in hidden_spans(text)
    )

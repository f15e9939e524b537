"""What would this action do? The union of what arguments, tools, declarations and goal say.

Nothing that is declared hides an effect found elsewhere. No state is needed, so this runs before the
transaction of a check.
"""

from __future__ import annotations

import copy
import re
from collections.abc import Callable, Mapping, Sequence
from typing import Final

import msgspec

from stage0.reading.basis import Basis, added_by_description, added_by_prose, basis_of, is_silent
from stage0.reading.call.arguments import ArgumentsReading, names_language, read_arguments
from stage0.reading.constraints import ConstraintSet, Control, Grammar
from stage0.reading.context import ContextReading, object_of, read_context, unknown_fields
from stage0.reading.effects import HARMLESS, HIGH_RISK, MARKS, Effect, Sighting, Span
from stage0.reading.names import NameReader, ToolReading
from stage0.reading.people import People, read_people
from stage0.reading.programs.python import read_python
from stage0.reading.prose.goal import GoalReading, effects_of, read_goal
from stage0.reading.prose.lexicon import ACTIONS, MODIFIERS, OBJECTS, Hit, Lexicon, split_words
from stage0.reading.registry import EMPTY, Registry, spellings
from stage0.reading.request import GOAL_LIMIT, ActionRequest
from stage0.reading.result import Ran
from stage0.reading.shell.lines import Commands, read_shell
from stage0.reading.text.folding import fold, hidden_spans
from stage0.reading.text.keeping import keeping_nothing, remember, tells_secret
from stage0.reading.walk import path_of, texts_of, walk
from stage0.reading.workspace import Written, edited_files, written

#: Characters of goals and descriptions whose readings are kept, and how many: each has up to some kilobytes.
_PROSE: Final = 400
_READINGS: Final = 2048


class Knowledge:
    """What interpretation rests on: lexicon, constraint grammar, tables of commands and tool words; `version` changes
    with any of them. Tool names and descriptions, declarations, constraints and the goal of a run repeat, so their
    readings are kept; a verdict never."""

    def __init__(
        self,
        lexicon: Lexicon,
        grammar: Grammar,
        commands: Commands,
        names: NameReader,
        declared: Mapping[str, tuple[Effect, ...]],
        version: str,
    ) -> None:
        self.lexicon = lexicon
        self.registry = EMPTY
        self.grammar = grammar
        self.commands = commands
        self.version = version
        self.engines = names.engines
        self.names = names
        self._read_name = names.read
        self.read_tool: Callable[[str, str], ToolReading] = self._read_name
        self._declared = declared
        self.read_declaration = remember(longest=200)(self._read_declaration)
        self.read_goal = remember(longest=_PROSE, count=_READINGS)(self._read_goal)
        self.read_description = remember(longest=_PROSE, count=_READINGS)(self._read_description)

    def with_registry(self, registry: Registry) -> Knowledge:
        """The same, with the tools that a pack registers: a goal may say to call one."""
        other = copy.copy(self)
        other.registry = registry
        other.read_tool = other._read_registered
        other.read_goal = remember(longest=_PROSE, count=_READINGS)(other._read_goal)
        return other

    def _read_registered(self, name: str, path: str) -> ToolReading:
        """What the registry says of a tool; else what its name does. An environment in a name always counts."""
        read, found = self._read_name(name, path), self.registry.find(name)
        if found is None or found.entry.effects is None:
            return read
        span = Span(path, 0, len(name), name)
        sightings = tuple(Sighting(effect, "tool", span) for effect in sorted(found.entry.effects))
        return msgspec.structs.replace(read, sightings=sightings, passthrough=False)

    def spellings(self, name: str) -> tuple[str, ...]:
        """A tool's name as it is compared where another way to write it must not help."""
        return spellings(name, lambda text: fold(text, self.lexicon.table).text)

    def added(self, tools: Sequence[str], current: Sequence[str]) -> list[Sighting]:
        """The effects that the registry adds to what tools and everything else say. A tool that only the context names
        (`current`) brings what it would do as well: its name was not read."""
        if not self.registry.entries:
            return []
        found = []
        for path, name in [*((f"tools[{i}]", name) for i, name in enumerate(tools)), *(("", name) for name in current)]:
            known = self.registry.find(name)
            if known is None:
                continue
            effects = known.adds if path else sorted({*known.adds, *(known.entry.effects or ())})
            span = Span(path or "context.current_tool", 0, len(name), name)
            found += [Sighting(effect, "registry", span) for effect in effects]
        return found

    def files_written(self, reading: Interpretation) -> list[Written]:
        """The files that an action writes in a work tree, with the effects of running each."""
        arguments = reading.context.all_of("tool_arguments")
        return written(reading.edited, arguments, reading.ran, self._read_program)

    def _read_program(self, path: str, text: str) -> tuple[Effect, ...]:
        """What running a file does, by its content: a script of the shell, or a program in Python."""
        first, name = text[:80].partition("\n")[0], path.lower()
        if name.endswith((".sh", ".bash", ".zsh")) or (first.startswith("#!") and first.endswith("sh")):
            reading = read_shell(text, self.commands)
        elif name.endswith(".py") or (first.startswith("#!") and "python" in first):
            reading = read_python(text, lambda line: read_shell(line, self.commands), self.lexicon)
        else:
            return ("unknown",)
        effects = dict.fromkeys(seen.effect for seen in reading.seen)
        return tuple(effects) if reading.read else (*effects, "unknown")

    def _read_goal(self, text: str) -> GoalReading:
        """What a goal says."""
        names = self.names
        return read_goal(text, self.lexicon, read_name=self.effects_of_name, verbs=names.wanting, making=names.making)

    def _read_description(self, text: str) -> GoalReading:
        """What a tool's description says that the tool does."""
        return read_goal(_SENTENCE_END.split(text, maxsplit=1)[0], self.lexicon, _DESCRIPTION)

    def effects_of_name(self, name: str) -> tuple[Effect, ...]:
        """What a tool of that name would do, for names that a goal says to call."""
        return tuple(seen.effect for seen in self.read_tool(name, "goal").sightings)

    def _read_declaration(self, text: str, path: str) -> Declaration:
        """A declared side effect: every action word and noun in it counts; one that says nothing is unknown."""
        folded = self.lexicon.fold(text).text.replace("_", " ").replace("-", " ").strip()
        hits = self.lexicon.hits(folded)
        span = Span(path, 0, len(text), text)
        return Declaration(
            tuple(Sighting(effect, "declared", span) for effect in self._declared_effects(folded, hits)),
            frozenset(hit.term.environment for hit in hits if hit.term.environment),
        )

    def _declared_effects(self, folded: str, hits: Sequence[Hit]) -> tuple[Effect, ...]:
        fixed = self._declared.get(folded)
        if fixed is not None:
            return fixed
        concepts = {hit.concept for hit in hits}
        # `deploy preview`; in a sentence the word may stand for anything ("no dry run").
        name = len(folded) <= _NAME_LENGTH and "negation" not in concepts and not _DENYING.search(folded)
        if name and "rehearsal" in concepts:
            return ("compute",)
        objects = frozenset(hit.concept for hit in hits if hit.concept in OBJECTS)
        effects: dict[Effect, None] = {}
        for hit in hits:
            if hit.concept in ACTIONS and (hit.term.role != "weak" or hit.term.needs & objects):
                effects.update(dict.fromkeys(effects_of(hit.concept, objects)))
            elif hit.concept in MODIFIERS:
                effects[MODIFIERS[hit.concept]] = None
        if not effects and name and "compound" in concepts:
            return ("compute",)
        return tuple(effects) or ("unknown",)


#: A declared effect that is no longer than this is a name, not a sentence.
_NAME_LENGTH: Final = 30
_DENYING: Final = re.compile(r"\b(?:no|not|without|skip|off|except|after)\b|無|无|不|なし|ない")


class Declaration(msgspec.Struct, frozen=True):
    """What one declared side effect says."""

    sightings: tuple[Sighting, ...]
    environments: frozenset[str]


class Interpretation(msgspec.Struct, frozen=True):
    """An action as understood. `effects` maps each effect to the places that say so; `records` and `amount` are the
    largest number of records and the largest amount of money that the call's arguments name themselves. `basis` is
    what the sources prove; `settled` is false where it runs something that nobody has read. `ran` are the commands of
    command lines by their arguments' paths, `files` are those that they run, `edited` those that an editing tool
    names (None: it is none)."""

    effects: Mapping[Effect, Sequence[Sighting]]
    environments: frozenset[str]
    constraints: ConstraintSet
    context: ContextReading
    people: People
    goal: GoalReading
    unread: tuple[str, ...]
    records: int
    amount: float
    hidden: tuple[Span, ...]
    sensitive_tools: bool
    basis: Basis
    settled: bool
    ran: tuple[tuple[str, Ran], ...]
    files: tuple[str, ...]
    edited: tuple[str, ...] | None

    @property
    def conclusive(self) -> bool:
        """Whether the action is a call whose name and arguments tell all, so that the goal adds no effect."""
        return self.basis.conclusive

    @property
    def controls(self) -> tuple[Control, ...]:
        """The constraints as controls."""
        return self.constraints.controls

    @property
    def high_risk(self) -> frozenset[Effect]:
        """The high-risk effects that are present."""
        return HIGH_RISK & self.effects.keys()

    @property
    def changes(self) -> frozenset[Effect]:
        """Every effect that is not merely a mark."""
        return frozenset(self.effects) - MARKS


def interpret(request: ActionRequest, known: Knowledge) -> Interpretation:
    """Read a request. Deterministic; touches nothing outside its arguments."""
    context = read_context(request.context)
    texts = texts_of(request.context)
    named = [(name, f"tools[{i}]") for i, name in enumerate(request.tools)]
    named += [(name, "context") for name in context.called if name not in request.tools]
    names = [name for name, _ in named]
    called = _read_calls(context, known, names, texts)
    if not called.sets:
        called = _read_stray(request.context, called, known, names, texts)
    tools = [known.read_tool(name, path) for name, path in named]
    declared = [known.read_declaration(text, f"side_effects[{i}]") for i, text in enumerate(request.side_effects)]
    goal = _goal_of(request.goal, called, known)

    # The most telling source first: what a finding points at is the first that says so.
    effects: dict[Effect, list[Sighting]] = {}
    environments = goal.environments | known.lexicon.environments_in(texts) | called.environments
    _note(effects, called.sightings)
    for tool in tools:
        _note(effects, tool.sightings)
        environments |= tool.environments
    for declaration in declared:
        _note(effects, declaration.sightings)
        environments |= declaration.environments
    basis = basis_of(tools, called, frozenset([seen.effect for each in declared for seen in each.sightings]))
    present = frozenset(effects)
    described = _description_sightings(context, known)
    _note(effects, added_by_prose(basis, goal.sightings, tools, called, present))
    _note(effects, added_by_description(basis, described, present))
    if called.wide and not _WIDENED.isdisjoint(effects):
        _note(effects, called.wide)
    unclear = _unclear(request, named, tools, called, effects, goal, declared, described, basis, known.engines)
    if unclear:
        effects.setdefault("unknown", []).extend(unclear)
    # After what is unclear: what a registry adds explains nothing away.
    current = [name for name in context.all_of("current_tool") if name and name not in request.tools]
    _note(effects, known.added(request.tools, current))
    edited = None
    if basis.call:
        files = edited_files(split_words(names[0]), context.all_of("tool_arguments"))
        edited = None if files is None else tuple(files)
    return Interpretation(
        effects=effects,
        environments=environments,
        constraints=known.grammar.parse(request.constraints),
        context=context,
        people=read_people(context, known.lexicon),
        goal=goal,
        unread=called.unread,
        records=called.records,
        amount=float(called.amount),
        hidden=_hidden(request, texts),
        sensitive_tools=any(tool.sensitive for tool in tools),
        basis=basis,
        settled=called.settled,
        ran=called.ran,
        files=called.files,
        edited=edited,
    )


#: Changes that are bulk ones where the arguments name many records.
_WIDENED: Final[frozenset[Effect]] = frozenset(
    {
        "access_change",
        "delete",
        "external_message",
        "irreversible",
        "money_movement",
        "overwrite",
        "publish",
        "service_impact",
    }
)
#: A shorter argument than this is too little to be recognized in a goal (in characters).
_QUOTABLE: Final = 4


def _goal_of(sent: str, called: ArgumentsReading, known: Knowledge) -> GoalReading:
    """What a goal says beside the arguments that it repeats. What is left of one that tells a secret may not look like
    it any more, and would be kept."""
    goal = _without_quotes(sent, called)
    if goal != sent and tells_secret(sent):
        with keeping_nothing():
            return known.read_goal(goal)
    return known.read_goal(goal)


def _without_quotes(goal: str, called: ArgumentsReading) -> str:
    """A goal without the arguments that it repeats word for word, since a parser has read those. Offsets stay."""
    for text in called.parsed:
        if len(text) >= _QUOTABLE and text in goal:
            goal = goal.replace(text, " " * len(text))
    return goal


def _note(effects: dict[Effect, list[Sighting]], sightings: Sequence[Sighting]) -> None:
    for sighting in sightings:
        effects.setdefault(sighting.effect, []).append(sighting)


_DESCRIPTION: Final = "context.tool_description"
#: The first sentence of a tool's description says what the tool does; the rest says how it is used.
_SENTENCE_END: Final = re.compile(r"[.!?](?=\s|$)|[。！？\n]")


def _description_sightings(context: ContextReading, known: Knowledge) -> list[Sighting]:
    """A tool's description and its MCP annotations: they may add an effect, never remove one."""
    found: list[Sighting] = []
    for description in context.all_of("tool_description"):
        if len(description) > GOAL_LIMIT:
            found.append(Sighting("unknown", "description", Span(_DESCRIPTION, 0, 0, "")))
            continue
        reading = known.read_description(description)
        found.extend(Sighting(seen.effect, "description", seen.span) for seen in reading.sightings)
    for hints in context.all_of("tool_annotations"):
        if hints.get("destructiveHint") is True:
            span = Span("context.tool_annotations.destructiveHint", 0, 0, "true")
            found.append(Sighting("delete", "description", span))
    return found


_SILENT: Final = ArgumentsReading()


def _read_calls(
    context: ContextReading, known: Knowledge, tools: Sequence[str], texts: Sequence[str]
) -> ArgumentsReading:
    """All arguments that were given, under whichever name; one that is no object is said to be unread. `texts` are
    those of the whole context, whose environments are looked for at once."""
    if "tool_arguments" not in context.values and "tool_arguments" not in context.invalid:
        return _SILENT
    unread = (f"context.{context.invalid['tool_arguments']}",) if "tool_arguments" in context.invalid else ()
    together = ArgumentsReading(unread=unread)
    covered = frozenset(texts)
    for arguments in context.all_of("tool_arguments"):
        reading = read_arguments(arguments, known.commands, known.lexicon, "context.tool_arguments", tools, covered)
        together = ArgumentsReading(
            sightings=together.sightings + reading.sightings,
            spoke=together.spoke or reading.spoke,
            unread=together.unread + reading.unread,
            environments=together.environments | reading.environments,
            given=together.given or bool(arguments),
            wide=together.wide + reading.wide,
            records=max(together.records, reading.records),
            amount=max(together.amount, reading.amount),
            parsed=together.parsed + reading.parsed,
            settled=together.settled and reading.settled,
            told=together.told or reading.told,
            sets=together.sets + 1,
            whole=reading.whole and (together.whole or not together.sets),
            ran=together.ran + reading.ran,
            files=together.files + reading.files,
        )
    return together


def _read_stray(
    context: Mapping[str, object],
    called: ArgumentsReading,
    known: Knowledge,
    tools: Sequence[str],
    texts: Sequence[str],
) -> ArgumentsReading:
    """What stands in fields that nobody knows, where no arguments came under a known name: it may add effects, and
    proves nothing."""
    covered = frozenset(texts)
    found: list[Sighting] = []
    for key, value in unknown_fields(context).items():
        inner = object_of(value)
        if inner is None and not (isinstance(value, (str, list)) and names_language(key)):
            continue
        given = {key: value} if inner is None else inner
        path = "context" if inner is None else f"context.{key}"
        found += read_arguments(given, known.commands, known.lexicon, path, tools, covered).sightings
    kept = tuple([seen for seen in found if seen.effect != "unknown" and seen.effect not in HARMLESS])
    return msgspec.structs.replace(called, sightings=called.sightings + kept) if kept else called


def _says_nothing(goal: GoalReading, declared: Sequence[Declaration], engines: frozenset[str]) -> bool:
    """Whether goal and declarations only say that something is queried or run: `Query the database`."""
    if declared or not goal.actions:
        return False
    if goal.actions == _QUERIES:
        return goal.objects <= engines
    return goal.actions <= _ASKS_ANYTHING


_QUERIES: Final = frozenset({"query"})
_ASKS_ANYTHING: Final = frozenset({"query", "run"})


def _unclear(
    request: ActionRequest,
    named: Sequence[tuple[str, str]],
    tools: Sequence[ToolReading],
    called: ArgumentsReading,
    effects: Mapping[Effect, object],
    goal: GoalReading,
    declared: Sequence[Declaration],
    described: Sequence[Sighting],
    basis: Basis,
    engines: frozenset[str],
) -> list[Sighting]:
    """What could not be understood: an argument that no parser could read, a tool of which nothing says what it would
    do, or a passthrough of which the goal says no more than that something is asked."""
    unclear = [Sighting("unknown", "arguments", Span(path, 0, 0, "")) for path in called.unread]
    if basis.conclusive:
        return unclear
    if not goal.readable:
        unclear.append(Sighting("unknown", "goal", Span("goal", 0, len(request.goal), "")))
    said = frozenset([seen.effect for seen in described])
    stated = frozenset([seen.effect for each in declared for seen in each.sightings])
    silent = [is_silent(tool, basis, called, said, stated) for tool in tools]
    asks = _says_nothing(goal, declared, engines) or (goal.told and not described and not declared)
    for index, tool in enumerate(tools):
        unheard = asks and not called.spoke and (tool.passthrough or tool.silent in ("noun", "word"))
        untold = tool.passthrough and called.given and not called.spoke
        if silent[index] or unheard or untold:
            unclear.append(_unknown_tool(*named[index]))
    if unclear or effects:
        return unclear
    return [_unknown_tool(*each) for each in named]


def _unknown_tool(name: str, path: str) -> Sighting:
    return Sighting("unknown", "tool", Span(path, 0, len(name), name))


def _hidden(request: ActionRequest, context: Sequence[str]) -> tuple[Span, ...]:
    """Invisible characters in any text of the request. They stand as their code points. `context`: its texts."""
    goal, criteria, constraints = request.goal, request.success_criteria, request.constraints
    if all(map(str.isascii, (goal, *criteria, *constraints, *request.tools, *request.side_effects, *context))):
        return ()
    found: list[Span] = []
    for name in ("goal", "success_criteria", "constraints", "tools", "side_effects", "context"):
        for each in walk(getattr(request, name), name):
            text = each[0]
            if text.isascii():
                continue
            for start, end in hidden_spans(text)[:_SHOWN]:
                found.append(Span(path_of(each), start, end, f"U+{ord(text[start]):04X}"))
            if len(found) > _SHOWN:
                return tuple(found)
    return tuple(found)


#: How many places are shown where many are wrong.
_SHOWN: Final = 20

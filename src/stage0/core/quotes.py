"""Which text of a request says what: every effect's spans, put back on the text that they were read from."""

from __future__ import annotations

import shlex
from collections.abc import Iterator
from typing import Final

import msgspec

from stage0.reading.context import FACTS
from stage0.reading.effects import Effect, Sighting, Source
from stage0.reading.interpret import Interpretation, Knowledge
from stage0.reading.request import ActionRequest
from stage0.reading.walk import KEY, path_of, walk

#: Sources, the most telling first.
SOURCES: Final[tuple[Source, ...]] = ("arguments", "tool", "description", "declared", "goal", "registry")

_CALL: Final = "context.tool_arguments"
_DESCRIPTION: Final = "context.tool_description"
_NAMES: Final = {fact.name: fact.names for fact in FACTS}
_UNREAD: Final = "could not be read"


class Says(msgspec.Struct, frozen=True):
    """A piece of a text and the effects that it says. Offsets are Unicode code points; of nothing where the text as a
    whole could not be read."""

    effects: tuple[Effect, ...]
    start: int
    end: int


class Quote(msgspec.Struct, frozen=True):
    """A text of the request, by its JSON path, and what was read in it. `note` says what marks cannot."""

    source: Source
    path: str
    text: str
    says: tuple[Says, ...] = ()
    note: str = ""


class _Text(msgspec.Struct, frozen=True):
    """A text, where it stands, and how far what was read of it is behind its beginning."""

    path: str
    text: str
    shift: int = 0


def quotes(request: ActionRequest, reading: Interpretation, known: Knowledge) -> tuple[Quote, ...]:
    """Every text that says an effect, and the goal and tools that say none, by source."""
    texts: dict[str, list[_Text]] = {}
    for name, text in _texts(request):
        texts.setdefault(name, []).append(text)
    found: dict[tuple[Source, str, str], dict[tuple[int, int], list[Effect]]] = {}
    for seen in _sightings(reading):
        text = _of(seen, texts)
        marks = found.setdefault((seen.source, text.path, text.text), {})
        start, end = _range(seen, text)
        marks.setdefault((start, end), []).append(seen.effect)
    made = [_quote(*key, marks) for key, marks in found.items()]
    speaking = {quote.path for quote in made}
    made += [quote for quote in _silent(request, reading, known) if quote.path not in speaking]
    order = {name: at for at, name in enumerate(item.path for items in texts.values() for item in items)}
    return tuple(sorted(made, key=lambda quote: (SOURCES.index(quote.source), order.get(quote.path, len(order)))))


def _sightings(reading: Interpretation) -> Iterator[Sighting]:
    for sightings in reading.effects.values():
        yield from sightings


def _of(seen: Sighting, texts: dict[str, list[_Text]]) -> _Text:
    """The text that a sighting was read from: the one at its path that has the span's text there."""
    span = seen.span
    for text in texts.get(span.path, ()):
        if text.text[text.shift + span.start : text.shift + span.end].startswith(span.text):
            return text
    return _Text(span.path, span.text)


def _range(seen: Sighting, text: _Text) -> tuple[int, int]:
    span = seen.span
    start, end = text.shift + span.start, text.shift + span.end
    whole = span.text and not text.text[start:end].startswith(span.text)
    return (0, len(text.text)) if whole or (span.text and start == end) else (start, end)


def _quote(source: Source, path: str, text: str, marks: dict[tuple[int, int], list[Effect]]) -> Quote:
    says = tuple(Says(tuple(dict.fromkeys(effects)), *place) for place, effects in sorted(marks.items()))
    unread = any(each.start == each.end for each in says)
    return Quote(source, path, text, says, _UNREAD if unread else "")


def _silent(request: ActionRequest, reading: Interpretation, known: Knowledge) -> Iterator[Quote]:
    """The goal and the tools, for where they say nothing."""
    for index, name in enumerate(request.tools):
        passthrough = known.read_tool(name, f"tools[{index}]").passthrough
        note = "says nothing by itself: what it is given decides" if passthrough else "says nothing"
        yield Quote("tool", f"tools[{index}]", name, note=note)
    yield Quote("goal", "goal", request.goal, note=_goal_note(reading))


def _goal_note(reading: Interpretation) -> str:
    if not reading.goal.covered:
        return "in a language that is not understood"
    return "does not say what would be done" if reading.goal.vague else "names no action that is known"


# -- the texts of a request, by the path that a reading gives them


def _texts(request: ActionRequest) -> Iterator[tuple[str, _Text]]:
    for alias in _NAMES["tool_arguments"]:
        for rest, text in _strings(request.context.get(alias)):
            yield _CALL + rest, _Text(f"context.{alias}{rest}", text)
    for index, name in enumerate(request.tools):
        yield f"tools[{index}]", _Text(f"tools[{index}]", name)
    description = request.context.get("tool_description")
    if isinstance(description, str):
        yield _DESCRIPTION, _Text(_DESCRIPTION, description, len(description) - len(description.lstrip()))
    for index, item in enumerate(request.side_effects):
        yield f"side_effects[{index}]", _Text(f"side_effects[{index}]", item)
    yield "goal", _Text("goal", request.goal)


def _strings(value: object) -> Iterator[tuple[str, str]]:
    """Every string below a value; a list of strings before them also as the one line that a command's words make."""
    for each in walk(value):
        text, place, step = each
        if step is KEY:
            continue
        if place is not None and step == 0 and type(place.value) is list:
            words = [word for word in place.value if isinstance(word, str)]
            if len(words) == len(place.value):
                yield place.path(), shlex.join(words)
        yield path_of(each), text

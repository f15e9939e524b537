"""One walk over a JSON value: every text in it, once, in the order of the document, with where it stands.

It keeps its own stack, so that no value is too deep for it. What only looks at texts uses it; what makes another value
(masking, canonical JSON) or hands something down from object to object (the reader of arguments) goes its own way.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any, Final

#: The step of a text that is itself a key of the object at its place.
KEY: Final = None

Step = str | int | None


class Place:
    """Where a value stands, as a chain: a path is made only where somebody asks for it. `value` is the object or list
    there, where a walk is inside of it."""

    __slots__ = ("above", "depth", "step", "value")

    def __init__(self, above: Place | None, step: str | int, depth: int, value: object = None) -> None:
        self.above = above
        self.step = step
        self.depth = depth
        self.value = value

    def path(self) -> str:
        """`context.tool_arguments.steps[0].sql`."""
        steps: list[str] = []
        place: Place | None = self
        while place is not None:
            step = place.step
            steps.append(f"[{step}]" if isinstance(step, int) else step if place.above is None else f".{step}")
            place = place.above
        return "".join(reversed(steps))


#: A text, what stands around it, and its step from there. A text that stands by itself has nothing around it.
Text = tuple[str, Place | None, Step]


def walk(value: object, root: str = "") -> Iterator[Text]:
    """Every text below a value, keys included; each key comes before what stands under it. `root` begins the paths."""
    kind = type(value)
    if kind is str:
        yield value, None, root  # type: ignore[misc]
    if kind is not dict and kind is not list and kind is not tuple:
        return
    place = Place(None, root, 0, value)
    items = _items(value)
    above: list[tuple[Iterator[tuple[str | int, object]], Place]] = []
    while True:
        named = type(place.value) is dict
        for step, item in items:
            if named:
                yield step, place, KEY  # type: ignore[misc]
            kind = type(item)
            if kind is str:
                yield item, place, step  # type: ignore[misc]
            elif kind is dict or kind is list or kind is tuple:
                above.append((items, place))
                items, place = _items(item), Place(place, step, place.depth + 1, item)
                break
        else:
            if not above:
                return
            items, place = above.pop()


def _items(value: object) -> Iterator[tuple[str | int, object]]:
    return iter(value.items() if type(value) is dict else enumerate(value))  # type: ignore[arg-type]


def path_of(text: Text) -> str:
    """The path of a text; a key has that of its object."""
    _, place, step = text
    if place is None:
        return str(step)
    return f"{place.path()} (key)" if step is KEY else Place(place, step, 0).path()


def texts_of(value: object) -> list[str]:
    """The texts of a walk, in no order and without their places: every check asks for those of its context."""
    texts: list[str] = []
    waiting: list[Any] = [value]
    while waiting:
        item = waiting.pop()
        kind = type(item)
        if kind is str:
            texts.append(item)
        elif kind is dict:
            texts += item
            waiting += item.values()
        elif kind is list or kind is tuple:
            waiting += item
    return texts

"""Who approved an action, and who asks for it: the people that a context names."""

from __future__ import annotations

import re
from typing import Final

import msgspec

from stage0.reading.context import ContextReading, is_reference
from stage0.reading.prose.lexicon import Lexicon
from stage0.reading.text.keeping import remember

#: What parts several people, and the facts that name who asks.
_SEVERAL: Final = re.compile(r"[,;&|]|\band\b|、|，|；")
_OWN_NAMES: Final = ("requested_by", "agent_name", "agent_id")


class People(msgspec.Struct, frozen=True):
    """The approvers by name, and whether one of them is who asks."""

    approvers: tuple[str, ...]
    asks_itself: bool


def read_people(context: ContextReading, lexicon: Lexicon) -> People:
    """The people of a context. Two are told apart by the folded form of their names: a hidden character or another
    width does not make a second person."""
    named: dict[str, str] = {}
    for text in context.all_of("approved_by"):
        for folded, name in people_in(text, lexicon):
            named.setdefault(folded, name)
    if not named:
        return _NOBODY
    asking = [context.values[fact] for fact in _OWN_NAMES if fact in context.values]
    itself = any([folded in named for text in asking for folded, _ in people_in(text, lexicon)])
    return People(tuple(named.values()), itself)


_NOBODY: Final = People((), asks_itself=False)


@remember(longest=64)
def people_in(text: str, lexicon: Lexicon) -> tuple[tuple[str, str], ...]:
    """The people that a text names, each with the folded form of the name."""
    names = [" ".join(name.split()) for name in _SEVERAL.split(text)]
    return tuple((lexicon.fold(name).text.strip(), name) for name in names if is_reference(name))

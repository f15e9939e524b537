"""Verbs in arguments: `action: delete`, `mode: w`, `method: user.remove`, `deleteMany: {...}`, `overwrite: true`."""

from __future__ import annotations

import re
from collections.abc import Mapping
from typing import Final

from stage0.reading.effects import HARMLESS, Effect
from stage0.reading.prose.lexicon import ACTIONS, MODIFIERS, Lexicon, split_words
from stage0.reading.text.keeping import remember

#: A longer value is a sentence, not the name of an operation (in characters).
_OPERATION_LENGTH_MAX: Final = 80
_SHORT_FORMS: Final = {
    **{"rm": "delete", "del": "delete", "upd": "update", "ins": "insert", "exec": "execute"},
    # Too common in sentences to be verbs of the lexicon; the name of an operation begins with what it does.
    **{"set": "update", "put": "update", "patch": "update", "edit": "update"},
}
#: Of a calculator or a list; beside numbers these change nothing.
_SUMS: Final = frozenset({"add", "append", "remove", "replace", "set", "reset", "round", "move", "transform", "update"})


def verb_effects(name: str, lexicon: Lexicon) -> tuple[Effect, ...]:
    """The effects of the first action word in an operation's name (`bulk_delete`, `user.remove`, `刪除`)."""
    if len(name) > _OPERATION_LENGTH_MAX:
        return ()
    return _first_verb(name, lexicon) if _FIGURE.search(name) else _first_verb_kept(name, lexicon)


#: A name with figures in it hardly repeats, and may be a part of something that would not be kept.
_FIGURE: Final = re.compile(r"\d")


def _first_verb(name: str, lexicon: Lexicon) -> tuple[Effect, ...]:
    words = [_SHORT_FORMS.get(word, word) for word in split_words(lexicon.skeleton(name))]
    if not words and name:
        return ()
    modifiers = [MODIFIERS[t.concept] for word in words for t in lexicon.word(word) if t.concept in MODIFIERS]
    for index, word in enumerate(words):
        pair = " ".join(words[index : index + 2])
        for text in (pair, word):
            found = [t for t in lexicon.word(text) if t.concept in ACTIONS and t.role != "noun"]
            if found:
                effects = dict.fromkeys(ACTIONS[t.concept] for t in found)
                if not HARMLESS.issuperset(effects):
                    effects.update(dict.fromkeys(modifiers))
                return tuple(effects)
    return ()


_first_verb_kept: Final = remember(longest=_OPERATION_LENGTH_MAX)(_first_verb)


def operation_effects(value: str, lexicon: Lexicon, *, numbers: bool) -> tuple[Effect, ...]:
    """What `action: value` does. Beside nothing but `numbers`, `add` is a sum."""
    if numbers and value.strip().lower() in _SUMS:
        return ("compute",)
    return verb_effects(value, lexicon)


_MODES: Final[Mapping[str, tuple[Effect, ...]]] = {
    "r": ("read",),
    "rb": ("read",),
    "rt": ("read",),
    "read": ("read",),
    "a": ("write",),
    "ab": ("write",),
    "at": ("write",),
    "a+": ("write",),
    "append": ("write",),
    "x": ("write",),
    "xb": ("write",),
    "w": ("overwrite",),
    "wb": ("overwrite",),
    "wt": ("overwrite",),
    "w+": ("overwrite",),
    "wb+": ("overwrite",),
    "r+": ("overwrite",),
    "rb+": ("overwrite",),
    "write": ("overwrite",),
    "overwrite": ("overwrite",),
    "replace": ("overwrite",),
    "truncate": ("delete",),
    "delete": ("delete",),
    "destroy": ("delete",),
}


def mode_effects(value: str) -> tuple[Effect, ...]:
    """What a file's or a job's mode does; any other mode ("dark", "driving") says nothing."""
    return _MODES.get(value.strip().lower(), ())


_ALWAYS_VERBS: Final = frozenset({"delete", "destroy", "purge", "wipe", "erase", "truncate", "overwrite"})
_ALONE_VERBS: Final = frozenset({"remove", "drop", "replace", "clear", "reset", "publish", "deploy"})
_WHOLE_OBJECTS: Final = frozenset({"all", "existing", "source", "original", "everything", "target"})


def flag_effects(words: tuple[str, ...], lexicon: Lexicon) -> tuple[Effect, ...]:
    """What `delete: true` or `overwrite_existing: true` does. `remove_background: true` names what is left out."""
    if words[0] in _ALWAYS_VERBS or (
        words[0] in _ALONE_VERBS and (len(words) == 1 or not _WHOLE_OBJECTS.isdisjoint(words))
    ):
        if "protection" in words or "no" in words:
            return ()
        return verb_effects("_".join(words), lexicon)
    return ()


_COMMAND_TAILS: Final = frozenset(
    {"one", "many", "database", "indexes", "index", "collection", "request", "user", "role"}
)


#: A key of this name lists what is to go (`{"delete": ["a", "b"]}`, MongoDB's `{"delete": "users", "deletes": [...]}`).
DELETING: Final = frozenset({"delete", "deletes", "deletions", "destroy", "purge"})


def key_effects(words: tuple[str, ...], lexicon: Lexicon) -> tuple[Effect, ...]:
    """What a key does that is a command of its own: `deleteMany`, `_delete_by_query`."""
    if words[-1] in DELETING and len(words) == 1:
        return ("delete",)
    if len(words) < 2:
        return ()
    if words[-1] in _COMMAND_TAILS or words[-2:] == ("by", "query") or words[:2] == ("find", "and"):
        acting = words[2:] if words[:2] == ("find", "and") else words[1:] if words[0] == "find" else words
        if not acting:
            return ()
        effects = verb_effects("_".join(acting), lexicon)
        if "read" in effects:
            return ()
        return (*effects, "bulk") if effects and words[-2:] == ("by", "query") else effects
    return ()

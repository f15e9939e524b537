"""Two packs compared in words: what one has that the other has not, and what differs."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any, Final

from stage0.policy.format import COLLECTIONS, PackFile
from stage0.policy.layers import DEFAULTS, plain_of

_NOUNS: Final = {
    "requirements": "requirement",
    "approvals": "approval rule",
    "roles": "role",
    "calendars": "calendar",
    "tools": "tool",
    "rules": "rule",
    "severities": "severity of",
    "pro_severities": "severity under `pro` of",
}
#: Of no weight for what is decided.
_LEFT_OUT: Final = ("name", "version", "extends", "description")


def compare_packs(one: PackFile, other: PackFile) -> list[str]:
    """What changes from one pack to the other, a sentence each; nothing where they decide alike."""
    return list(_changes(_said(one), _said(other)))


def _said(file: PackFile) -> dict[str, Any]:
    """A pack as people write it: holidays by their country, not by their days."""
    plain: dict[str, Any] = plain_of(file)
    for calendar in plain.get("calendars", {}).values():
        for filled_in in ("days", "years"):
            (calendar.get("holidays") or {}).pop(filled_in, None)
    return plain


def _changes(before: Mapping[str, Any], after: Mapping[str, Any]) -> Iterator[str]:
    for field in sorted({*before, *after}):
        if field in _LEFT_OUT:
            continue
        old, new = before.get(field), after.get(field)
        if old == new:
            continue
        if field in COLLECTIONS:
            yield from _entries(field, old or {}, new or {})
        elif isinstance(old, dict) and isinstance(new, dict):
            for key in sorted({*old, *new}):
                yield from _value(f"{field}.{key}", old.get(key), new.get(key))
        else:
            yield from _value(field, old, new)


def _entries(field: str, old: Mapping[str, Any], new: Mapping[str, Any]) -> Iterator[str]:
    noun = _NOUNS[field]
    for name in sorted({*old, *new}):
        one, other = old.get(name), new.get(name)
        if one == other:
            continue
        if field in ("severities", "pro_severities"):
            standard = DEFAULTS.get(name, "the rule's own")
            yield f"~ {noun} {name}: {one or standard} -> {other or standard}"
        elif one is None:
            yield f"+ {noun} {name}: {_shown(other)}"
        elif other is None:
            yield f"- {noun} {name}: {_shown(one)}"
        elif isinstance(one, dict) and isinstance(other, dict):
            for key in sorted({*one, *other}):
                yield from _value(f"{noun} {name}, {key}", one.get(key), other.get(key))
        else:
            yield from _value(f"{noun} {name}", one, other)


def _value(what: str, old: Any, new: Any) -> Iterator[str]:
    if old == new:
        return
    if isinstance(old, (list, tuple)) and isinstance(new, (list, tuple)):
        gone = [_shown(item) for item in old if item not in new]
        come = [_shown(item) for item in new if item not in old]
        parts = [f"without {', '.join(gone)}"] if gone else []
        parts += [f"with {', '.join(come)}"] if come else []
        yield f"~ {what}: now {' and '.join(parts)}"
    elif isinstance(old, dict) and isinstance(new, dict):
        for key in sorted({*old, *new}):
            yield from _value(f"{what}.{key}", old.get(key), new.get(key))
    elif old is None:
        yield f"+ {what}: {_shown(new)}"
    elif new is None:
        yield f"- {what}: {_shown(old)}"
    else:
        yield f"~ {what}: {_shown(old)} -> {_shown(new)}"


def _shown(value: Any) -> str:
    if isinstance(value, dict):
        return "; ".join(f"{key} {_shown(item)}" for key, item in sorted(value.items())) or "nothing"
    if isinstance(value, (list, tuple)):
        return ", ".join(map(_shown, value)) or "nothing"
    return f"`{str(value).lower() if isinstance(value, bool) else value}`"

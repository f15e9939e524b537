"""HTTP calls: what a method says about the request it names."""

from __future__ import annotations

from typing import Final

from stage0.core.arguments.reading import UNREAD, ArgumentReading, whole

_METHODS: Final = {
    "get": "network_read",
    "head": "network_read",
    "options": "network_read",
    "post": "write",
    "put": "overwrite",
    "patch": "overwrite",
    "delete": "delete",
}


def read_method(method: str) -> ArgumentReading:
    """The effect of an HTTP method; unread where it is not one."""
    effect = _METHODS.get(method.strip().lower())
    return whole(method, effect) if effect else UNREAD

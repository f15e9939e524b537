"""Secrets in a request are replaced before it is stored, by placeholders that tell their kind and nothing else.

A placeholder is `[[S0:gh:1f3a9c2e]]`: the kind, and a fingerprint that is equal for equal secrets. Only what has
the shape of a token is replaced, so that no word or operator can hide in it.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import msgspec

from stage0.reading.request import ActionRequest
from stage0.reading.text.datakinds import find_secrets, may_hold_secrets

__all__ = ["Fingerprint", "mask", "mask_request", "mask_text", "may_hold_secrets"]

Fingerprint = Callable[[str], str]


def mask_text(text: str, fingerprint: Fingerprint) -> str:
    """A text with every secret of a known format replaced. `fingerprint` gives eight hex digits for a secret."""
    if not may_hold_secrets(text):
        return text
    parts: list[str] = []
    at = 0
    for secret in find_secrets(text):
        parts += (text[at : secret.start], f"[[S0:{secret.code}:{fingerprint(text[secret.start : secret.end])}]]")
        at = secret.end
    return "".join((*parts, text[at:]))


def mask(value: Any, fingerprint: Fingerprint) -> Any:
    """A JSON value with the secrets in its strings replaced, keys included."""
    # Not the walk of `reading.walk`: another value is made, from the inside out. No request is nested deeper than the
    # limit that its body is held to before.
    if isinstance(value, str):
        return mask_text(value, fingerprint)
    if isinstance(value, dict):
        return {mask_text(key, fingerprint): mask(item, fingerprint) for key, item in value.items()}
    if isinstance(value, (list, tuple)):
        return type(value)([mask(item, fingerprint) for item in value])
    return value


def mask_request(request: ActionRequest, fingerprint: Fingerprint) -> ActionRequest:
    """A request without its secrets: what is decided on and what is stored."""
    return msgspec.structs.replace(
        request,
        goal=mask_text(request.goal, fingerprint),
        success_criteria=mask(request.success_criteria, fingerprint),
        constraints=mask(request.constraints, fingerprint),
        tools=mask(request.tools, fingerprint),
        side_effects=mask(request.side_effects, fingerprint),
        context=mask(request.context, fingerprint),
    )

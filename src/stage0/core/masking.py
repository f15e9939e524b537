"""Secrets in a request are replaced before it is stored, by placeholders that tell their kind and nothing else.

A placeholder is `[[S0:gh:1f3a9c2e]]`: the kind, and a fingerprint that is equal for equal secrets. Only what has
the shape of a token is replaced, so that no word or operator can hide in it.
"""

from __future__ import annotations

import re
from collections.abc import Callable
from typing import Any, Final

import ahocorasick_rs
import msgspec

from stage0.core.request import ActionRequest

#: Short, stable code of each kind of secret, and its published format.
_KINDS: Final = (
    ("pk", r"-----BEGIN [A-Z ]{0,20}PRIVATE KEY-----[A-Za-z0-9+/=\s]{40,20000}-----END [A-Z ]{0,20}PRIVATE KEY-----"),
    ("aw", r"\b(?:AKIA|ASIA)[0-9A-Z]{16}\b"),
    ("gh", r"\b(?:gh[pousr]_[A-Za-z0-9]{36,}|github_pat_[A-Za-z0-9_]{40,})"),
    ("gl", r"\bglpat-[A-Za-z0-9_-]{20,}"),
    ("sl", r"\bxox[abprs]-[A-Za-z0-9-]{10,}"),
    ("st", r"\b[sr]k_(?:live|test)_[A-Za-z0-9]{16,}"),
    ("ai", r"\bsk-[A-Za-z0-9_-]{20,}"),
    ("go", r"\bAIza[0-9A-Za-z_-]{35}"),
    ("np", r"\bnpm_[A-Za-z0-9]{36}"),
    ("py", r"\bpypi-[A-Za-z0-9_-]{50,}"),
    ("s0", r"\bs0_(?:live|test)_[A-Za-z0-9]{20,}"),
    ("jw", r"(?<![A-Za-z0-9_-])eyJ[A-Za-z0-9_-]{8,4000}\.eyJ[A-Za-z0-9_-]{8,8000}\.[A-Za-z0-9_-]{8,4000}"),
    ("ur", r"(?<=://)[A-Za-z0-9_.%+-]{1,100}:[A-Za-z0-9_.~%+!-]{3,200}(?=@)"),
    (
        "pw",
        r"(?i:(?<=password=)|(?<=passwd=)|(?<=secret=)|(?<=token=)|(?<=api_key=)|(?<=apikey=))[A-Za-z0-9_+/.~=-]{6,200}",
    ),
)
_PATTERN: Final = re.compile("|".join(f"(?P<{code}>{pattern})" for code, pattern in _KINDS))
#: One of these stands in every text that holds a secret: a quick look before the patterns.
_HINTS: Final = ahocorasick_rs.AhoCorasick(
    [
        "-----BEGIN",
        "AKIA",
        "ASIA",
        "ghp_",
        "gho_",
        "ghu_",
        "ghs_",
        "ghr_",
        "github_pat_",
        "glpat-",
        "xox",
        "k_live_",
        "k_test_",
        "sk-",
        "AIza",
        "npm_",
        "pypi-",
        "s0_live_",
        "s0_test_",
        "eyJ",
        "://",
        "=",
    ]
)

Fingerprint = Callable[[str], str]


def may_hold_secrets(text: str) -> bool:
    """A quick look over a whole text: false means that there is nothing to replace."""
    return bool(_HINTS.find_matches_as_indexes(text))


def mask_text(text: str, fingerprint: Fingerprint) -> str:
    """A text with every secret of a known format replaced. `fingerprint` gives eight hex digits for a secret."""
    if not may_hold_secrets(text):
        return text
    return _PATTERN.sub(lambda match: f"[[S0:{match.lastgroup}:{fingerprint(match[0])}]]", text)


def mask(value: Any, fingerprint: Fingerprint) -> Any:
    """A JSON value with the secrets in its strings replaced, keys included."""
    if isinstance(value, str):
        return mask_text(value, fingerprint)
    if isinstance(value, dict):
        return {mask_text(key, fingerprint): mask(item, fingerprint) for key, item in value.items()}
    if isinstance(value, (list, tuple)):
        return type(value)(mask(item, fingerprint) for item in value)
    return value


def masked(request: ActionRequest, fingerprint: Fingerprint) -> ActionRequest:
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

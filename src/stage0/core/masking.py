"""Secrets in a request are replaced before anything reads it, so that none is stored and a replay reads the same.

A placeholder tells the kind of the secret and a fingerprint: `[[S0:gh:1f3a9c2e]]`. Equal secrets have equal
placeholders; what was decided was decided on the placeholder.
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
    ("pk", r"-----BEGIN [A-Z ]*PRIVATE KEY-----[\s\S]*?(?:-----END [A-Z ]*PRIVATE KEY-----|\Z)"),
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
    ("jw", r"\beyJ[A-Za-z0-9_-]{8,}\.eyJ[A-Za-z0-9_-]{8,}\.[A-Za-z0-9_-]{8,}"),
    ("ur", r"(?<=://)[^\s/:@\"']{1,100}:[^\s/@\"']{3,200}(?=@)"),
    (
        "pw",
        r"(?i:(?<=password=)|(?<=passwd=)|(?<=secret=)|(?<=token=)|(?<=api_key=)|(?<=apikey=))[^\s&\"',;\[\]]{6,200}",
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


def mask_text(text: str, fingerprint: Fingerprint) -> str:
    """A text with every secret of a known format replaced. `fingerprint` gives eight hex digits for a secret."""
    if not _HINTS.find_matches_as_indexes(text):
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

"""The built-in rules, one file per family. A rule is one function; its cases stand in `tests/rules/cases/`."""

from __future__ import annotations

from importlib import import_module
from typing import Final

from stage0.core.rule import Rule, rules_of

FAMILIES: Final = (
    "approval",
    "change_control",
    "clarity",
    "constraint",
    "context",
    "environment",
    "exposure",
    "guardrail",
    "intent",
    "kill_switch",
    "loop",
    "mode",
    "rehearsal",
    "role",
    "scope",
)

RULES: Final[tuple[Rule, ...]] = rules_of(import_module(f"stage0.rules.{family}") for family in FAMILIES)

__all__ = ["FAMILIES", "RULES"]

"""The built-in rules, one file per family. A rule is one function; its cases stand in `tests/rules/cases/`."""

from __future__ import annotations

from stage0.core.rule import Rule, rules_of
from stage0.rules import (
    approval,
    change_control,
    clarity,
    constraint,
    context,
    environment,
    exposure,
    guardrail,
    loop,
    mode,
    rehearsal,
    role,
    scope,
)

RULES: tuple[Rule, ...] = rules_of(
    (
        approval,
        change_control,
        clarity,
        constraint,
        context,
        environment,
        exposure,
        guardrail,
        loop,
        mode,
        rehearsal,
        role,
        scope,
    )
)

__all__ = ["RULES"]

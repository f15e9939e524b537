"""A rule is one unit: its code, severity, message, question, remedy, documentation and logic together."""

from __future__ import annotations

import inspect
from collections.abc import Callable, Iterable, Iterator, Mapping
from types import ModuleType
from typing import Any, Final, Literal

import msgspec

from stage0.core.facts import Facts

Severity = Literal["LOW", "MEDIUM", "HIGH"]
RANK: Final[Mapping[str, int]] = {"LOW": 1, "MEDIUM": 2, "HIGH": 3}
INTERNAL_ERROR: Final = "INTERNAL_ERROR"

#: What a rule says when it fires: the message's parameters. `severity` among them lowers this one finding.
Params = Mapping[str, Any]
Check = Callable[[Facts], Params | None]
ClosingCheck = Callable[[Facts, frozenset[str]], Params | None]


class Finding(msgspec.Struct, frozen=True):
    """A rule that fired: its code, how bad it is here, and the parameters of its message."""

    code: str
    severity: Severity
    params: Params = {}


class Rule(msgspec.Struct, frozen=True, eq=False):
    """One issue code. `message`, `question` and `remedy` are templates over the finding's parameters.

    `when` are the kinds of control that it enforces: it is asked only where one of them is present (empty: always).
    A `closing` rule runs after the others and is told the families in which one of them stopped the action."""

    code: str
    family: str
    severity: Severity
    message: str
    question: str
    remedy: str
    why: str
    check: Any
    when: frozenset[str] = frozenset()
    closing: bool = False


def rule(
    code: str,
    *,
    family: str,
    severity: Severity,
    message: str,
    question: str = "",
    remedy: str = "",
    when: tuple[str, ...] = (),
    closing: bool = False,
) -> Callable[[Any], Rule]:
    """Make a rule of a function of the facts. It returns the message's parameters to fire, None to stay quiet."""

    def make(check: Any) -> Rule:
        why = inspect.cleandoc(check.__doc__ or "")
        return Rule(code, family, severity, message, question, remedy, why, check, frozenset(when), closing)

    return make


def rules_of(modules: Iterable[ModuleType]) -> tuple[Rule, ...]:
    """Every rule that the modules define, by code. Raises ValueError where two share a code."""
    found: dict[str, Rule] = {}
    for module in modules:
        for value in vars(module).values():
            if isinstance(value, Rule) and found.setdefault(value.code, value) is not value:
                raise ValueError(f"two rules have the code `{value.code}`")
    return tuple(found[code] for code in sorted(found))


def collect(rules: Iterable[Rule], facts: Facts) -> list[Finding]:
    """Run every rule. One that raises yields INTERNAL_ERROR and takes nothing away from the others."""
    findings: list[Finding] = []
    closing: list[Rule] = []
    present = facts.controls.keys()
    for each in rules:
        if each.closing:
            closing.append(each)
            continue
        if each.when and each.when.isdisjoint(present):
            continue
        try:
            params = each.check(facts)
        except Exception as error:  # a defect in one rule must stop the action, not the server
            findings.append(_internal(each, error))
            continue
        if params is not None:
            findings.extend(_finding(each, params, facts))
    by_code = facts.pack.by_code
    stopped = frozenset(
        by_code[found.code].family for found in findings if found.severity != "LOW" and found.code in by_code
    )
    for each in closing:
        try:
            params = each.check(facts, stopped)
        except Exception as error:
            findings.append(_internal(each, error))
            continue
        if params is not None:
            findings.extend(_finding(each, params, facts))
    return findings


def _finding(fired: Rule, params: Params, facts: Facts) -> Iterator[Finding]:
    """The finding of a rule that fired, none where the pack has it off."""
    severity = facts.pack.severity_of(fired.code, fired.severity, facts.request.pro)
    if severity is None:
        return
    lowered = params.get("severity")
    if lowered is not None and RANK[lowered] < RANK[severity]:
        severity = lowered
    yield Finding(fired.code, severity, params)


def _internal(failed: Rule, error: Exception) -> Finding:
    return Finding(INTERNAL_ERROR, "MEDIUM", {"rule": failed.code, "error": type(error).__name__})

"""Running the rules: every one that the pack holds, over the facts of one action."""

from __future__ import annotations

from collections.abc import Iterable, Iterator

from stage0.core.facts import Facts
from stage0.core.rule import INTERNAL_ERROR, RANK, Finding, Params, Rule


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

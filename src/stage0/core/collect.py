"""Running the rules: every one that the pack holds, over the facts of one action."""

from __future__ import annotations

from collections.abc import Iterator
from functools import lru_cache

from stage0.core.facts import Facts
from stage0.core.pack import Conditions
from stage0.core.rule import INTERNAL_ERROR, RANK, Check, Finding, Fired, Rule
from stage0.core.view import views


def collect(rules: tuple[Rule, ...], facts: Facts) -> list[Finding]:
    """Run every rule. One that raises yields INTERNAL_ERROR and takes nothing away from the others."""
    asked, closing = _asked(rules, facts.constraints.kinds)
    findings: list[Finding] = []
    for each, check in asked:
        try:
            fired = check(facts)
            if fired is not None:
                findings.extend(_finding(each, fired, facts))
        except Exception as error:  # a defect in one rule must stop the action, not the server
            findings.append(_internal(each, error))
    if facts.pack.conditions is not None:
        findings.extend(_own(facts, facts.pack.conditions))
    for each, check in closing:
        try:
            fired = check(facts, _stopped(each, facts, findings))
            if fired is not None:
                findings.extend(_finding(each, fired, facts))
        except Exception as error:
            findings.append(_internal(each, error))
    return findings


def _stopped(closing: Rule, facts: Facts, findings: list[Finding]) -> frozenset[str]:
    """The families that have stopped the action already, at least as hard as a closing rule would."""
    pack = facts.pack
    severity = pack.severity_of(closing.code, closing.severity, facts.request.pro) or "LOW"
    least = max(RANK[severity], RANK["MEDIUM"])
    severe = [each.code for each in findings if RANK[each.severity] >= least]
    return frozenset([pack.by_code[code].family for code in severe if code in pack.by_code])


Checks = tuple[tuple[Rule, Check], ...]


@lru_cache(maxsize=1024)
def _asked(rules: tuple[Rule, ...], kinds: frozenset[str]) -> tuple[Checks, Checks]:
    """The rules to ask where these kinds of control are present, and those that close. No request is in it."""
    wanted = [each for each in rules if each.asked_with(kinds)]
    asked = tuple((each, each.check) for each in wanted if not each.closing)
    return asked, tuple((each, each.check) for each in wanted if each.closing)


def _own(facts: Facts, conditions: Conditions) -> Iterator[Finding]:
    """The pack's own rules whose condition holds on any of the views. One that cannot be worked out stops where it
    would if it held."""
    pack = facts.pack
    try:
        seen = views(facts, conditions)
        held = [conditions.held(each) for each in seen]
    except Exception as error:  # what cannot be evaluated must stop the action, not the server
        yield _internal(pack.own[0], error)
        for each in pack.own:
            severity = pack.severity_of(each.code, each.severity, facts.request.pro)
            if severity is not None and severity != "LOW":
                yield Finding(each.code, severity, {**dict.fromkeys(each.names, ""), "evaluated": False})
        return
    outcomes = held[0] if len(held) == 1 else [_worst(each) for each in zip(*held, strict=True)]
    if True not in outcomes and None not in outcomes:
        return
    for index in [index for index, outcome in enumerate(outcomes) if outcome is not False]:
        each, holds = pack.own[index], outcomes[index]
        severity = pack.severity_of(each.code, each.severity, facts.request.pro)
        if severity is None or (not holds and severity == "LOW"):
            continue
        params = {name: seen[0].get(name, "") for name in each.names}
        yield Finding(each.code, severity, params if holds else {**params, "evaluated": False})


def _worst(outcomes: tuple[bool | None, ...]) -> bool | None:
    """What several views of one action say together: it holds on one, or cannot be worked out on one."""
    return True if True in outcomes else None if None in outcomes else False


def _finding(rule: Rule, fired: Fired, facts: Facts) -> Iterator[Finding]:
    """The finding of a rule that fired, none where the pack has it off."""
    severity = facts.pack.severity_of(rule.code, rule.severity, facts.request.pro)
    if severity is None:
        return
    if fired.severity is not None and RANK[fired.severity] < RANK[severity]:
        severity = fired.severity
    yield Finding(rule.code, severity, fired.params)


def _internal(failed: Rule, error: Exception) -> Finding:
    return Finding(INTERNAL_ERROR, "MEDIUM", {"rule": failed.code, "error": type(error).__name__})

"""Findings become a verdict (the worst severity, nothing else), a risk score, questions and a trace."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from functools import lru_cache
from typing import Any, Final, Literal

import msgspec

from stage0.core.facts import Facts
from stage0.core.pack import Costs, Pack
from stage0.core.repeating import Room, beginning, repeat, size_of
from stage0.core.rule import INTERNAL_ERROR, RANK, Finding, Rule, Severity, unchecked
from stage0.reading.effects import HARMLESS, Effect, Sighting
from stage0.reading.limits import most

Verdict = Literal["ALLOW", "DENY", "DEFER"]
DecisionWord = Literal["GO", "NO_GO", "DEFER", "ERROR"]


class Issue(msgspec.Struct, frozen=True, omit_defaults=True):
    """One issue of an answer. `details` holds the message's parameters and where in the request it was seen."""

    code: str
    severity: Severity
    message: str
    details: Mapping[str, Any]
    question: str = ""
    remedy: str = ""


class CostEstimate(msgspec.Struct, frozen=True):
    """What an evaluation and its downstream effects may cost, in US dollars."""

    currency: str
    min: float
    max: float
    assumptions: tuple[str, ...]


class Decision(msgspec.Struct, frozen=True):
    """The whole of a decision but for ids: what every answer and record is made from. Times are Unix seconds;
    `valid_until` is set for an ALLOW."""

    decision: DecisionWord
    verdict: Verdict
    reason: str
    issues: tuple[Issue, ...]
    risk_score: int
    high_risk: bool
    clarifying_questions: tuple[str, ...]
    defer_questions: tuple[str, ...]
    constraints_applied: tuple[str, ...]
    guardrails: tuple[str, ...]
    guardrail_checks: Mapping[str, Any]
    value_risk: int
    waste_risk: int
    value_findings: tuple[str, ...]
    cost_estimate: CostEstimate
    policy_version: str
    evaluated_at: int
    decision_trace_summary: str
    task_hash: str
    evidence: Mapping[str, str]
    effects: tuple[Effect, ...]
    valid_until: int | None


INTERNAL: Final = Rule(
    INTERNAL_ERROR,
    "runtime",
    "MEDIUM",
    "Request could not be evaluated: rule `{rule}` failed with {error}.",
    "",
    "Report this with the request_id; the action must not run.",
    "A rule failed.\n\nWhy: what cannot be evaluated must not run.\n\nFix: report it with the `request_id`.",
    unchecked,
)

#: Families whose questions make the request itself clearer.
_CLARITY: Final = frozenset({"clarity", "context", "constraint"})


def conclude(facts: Facts, findings: Sequence[Finding]) -> Decision:
    """Everything that follows from the findings."""
    pack = facts.pack
    issues = _issues(findings, facts)
    worst = RANK[issues[0].severity] if issues else 0
    verdict: Verdict = "DENY" if worst == RANK["HIGH"] else "DEFER" if worst == RANK["MEDIUM"] else "ALLOW"
    codes = frozenset([issue.code for issue in issues])
    word = _word(verdict, broken=INTERNAL_ERROR in codes)
    risk = _risk(facts, worst)
    return Decision(
        decision=word,
        verdict=verdict,
        reason=_reason(issues, verdict, facts),
        issues=issues,
        risk_score=risk,
        high_risk=bool(facts.high_risk),
        clarifying_questions=_questions([i for i in issues if _clarifies(i, verdict, pack)]),
        defer_questions=_questions([i for i in issues if i.severity == "MEDIUM"]) if verdict == "DEFER" else (),
        constraints_applied=_applied(facts),
        guardrails=facts.constraints.guardrails,
        guardrail_checks=_checks(facts, issues),
        value_risk=_value_risk(codes),
        waste_risk=_waste_risk(codes, issues),
        value_findings=_value_findings(codes, risk),
        cost_estimate=_cost(facts),
        policy_version=pack.id,
        evaluated_at=int(facts.now),
        decision_trace_summary=_summary(word, verdict, risk, issues),
        task_hash=facts.action,
        evidence=_evidence(facts),
        effects=tuple(sorted(facts.effects)),
        valid_until=_valid_until(facts) if verdict == "ALLOW" else None,
    )


def _valid_until(facts: Facts) -> int:
    """When an ALLOW ends, in whole Unix seconds of the server's clock: with the time that the pack gives it, with the
    approval that it rests on, or when a window that it was decided by next opens or closes, by the server's clock or by
    one that was asserted."""
    left = facts.pack.valid_for
    limit, approval = facts.approval_max_age, facts.approval
    if limit is not None and approval.given and approval.at is not None and not facts.approval_expired:
        left = min(left, approval.at + limit - facts.now)
    for window in facts.windows_read:
        for at, zone in facts.clocks:
            changes = window.next_change(at, zone, at + left)
            left = left if changes is None else changes - at
    if facts.reads_hours:
        left = min(left, 3600 - facts.now % 3600)
    return int(facts.clock + left)


def waits_for_approval(decision: Decision, pack: Pack) -> bool:
    """Whether the action was deferred until somebody has approved it."""
    return decision.verdict == "DEFER" and any(
        [issue.severity == "MEDIUM" and _rule(issue.code, pack).family == "approval" for issue in decision.issues]
    )


def _worst_first(finding: Finding) -> tuple[int, str]:
    return -RANK[finding.severity], finding.code


def _word(verdict: Verdict, *, broken: bool) -> DecisionWord:
    if verdict == "ALLOW":
        return "GO"
    if verdict == "DENY":
        return "NO_GO"
    return "ERROR" if broken else "DEFER"


def _rule(code: str, pack: Pack) -> Rule:
    return INTERNAL if code == INTERNAL_ERROR else pack.rule(code)


def _issues(findings: Sequence[Finding], facts: Facts) -> tuple[Issue, ...]:
    """The findings as issues, the worst first: it is repeated in the reason, and has room before the others."""
    room = Room(_IN_ISSUES)
    ordered = sorted(findings, key=_worst_first)
    return tuple([_issue(finding, facts, room, first=at == 0) for at, finding in enumerate(ordered)])


def _issue(finding: Finding, facts: Facts, room: Room, *, first: bool) -> Issue:
    source = _rule(finding.code, facts.pack)
    params = finding.params
    if not params:
        return _plain_issue(source, finding.severity)
    details: dict[str, Any] = {}
    shown: dict[str, str] = {}
    more: dict[str, int] = {}
    for name, value in params.items():
        # Effects are words of our own, and few: they take no room from what was sent.
        repeated = repeat(value, _times(source, name, first=first), Room(_IN_ISSUES) if name == "effects" else room)
        shown[name] = repeated.text
        details[name] = repeated.plain
        if repeated.more:
            more[name] = repeated.more
    effects = params.get("effects")
    if effects:
        seen = [_where(facts.effects[effect][0]) for effect in effects if effect in facts.effects]
        details["seen"] = [each for each in seen if room.take(size_of(each))]
        if len(details["seen"]) < len(seen):
            more["seen"] = len(seen) - len(details["seen"])
    if more:
        details["more"] = more
    return Issue(
        finding.code,
        finding.severity,
        source.message.format_map(shown),
        details,
        source.question.format_map(shown),
        source.remedy.format_map(shown),
    )


_IN_ISSUES: Final = most("repeated_in_issues")
_CONTROLS: Final = most("repeated_controls")


@lru_cache(maxsize=4096)
def _times(source: Rule, name: str, *, first: bool) -> int:
    """How often an answer repeats a parameter: in details, message and remedy, in the reason where it is the first, in
    the question and both lists of questions."""
    sign = "{" + name
    said = source.message.count(sign) * (2 if first else 1)
    return 1 + said + source.remedy.count(sign) + 3 * source.question.count(sign)


@lru_cache(maxsize=1024)
def _plain_issue(source: Rule, severity: Severity) -> Issue:
    """The issue of a finding without parameters: it says the same every time."""
    nothing: dict[str, str] = {}
    return Issue(
        source.code,
        severity,
        source.message.format_map(nothing),
        nothing,
        source.question.format_map(nothing),
        source.remedy.format_map(nothing),
    )


def _where(seen: Sighting) -> dict[str, Any]:
    span = seen.span
    return {
        "effect": seen.effect,
        "source": seen.source,
        "path": span.path,
        "start": span.start,
        "end": span.end,
        "text": span.text,
    }


def _reason(issues: Sequence[Issue], verdict: Verdict, facts: Facts) -> str:
    if verdict != "ALLOW":
        return f"{issues[0].code}: {issues[0].message}"
    if not facts.high_risk and facts.reading.changes <= HARMLESS:
        return "The action only reads or composes, and nothing in it crosses the policy."
    if facts.approval_holds:
        return "The action is approved and every control that it needs is met."
    return "Every control that the action needs is met."


def _clarifies(issue: Issue, verdict: Verdict, pack: Pack) -> bool:
    """Whether the answer to an issue's question makes the request clearer. What was denied is asked about as a whole:
    one round trip tells all that is missing."""
    return _rule(issue.code, pack).family in _CLARITY or (verdict == "DENY" and issue.severity != "LOW")


def _questions(issues: Sequence[Issue]) -> tuple[str, ...]:
    return tuple(dict.fromkeys([issue.question for issue in issues if issue.question]))


def _summary(word: str, verdict: str, risk: int, issues: Sequence[Issue]) -> str:
    text = f"Decision: {word} (verdict: {verdict}). Risk score: {risk}."
    if verdict == "ALLOW":
        return text
    return f"{text} Issues: {', '.join(issue.code for issue in issues)}."


def _risk(facts: Facts, worst: int) -> int:
    """The pack's table of weights: a base, the weightiest harmless effect, every other one, production, and the
    worst open finding.

    Only weights that are not negative, and a worst severity that is monotone: adding an effect never lowers it,
    favourable evidence never raises it."""
    weights = facts.pack.risk
    harmless = others = 0
    for effect in facts.effects:
        weight = weights.effects.get(effect, 0)
        if effect in HARMLESS:
            harmless = max(harmless, weight)
        else:
            others += weight
    score = weights.base + harmless + others
    registry = facts.pack.knowledge.registry
    if registry.entries:
        score += max([found.entry.risk for tool in facts.tools if (found := registry.find(tool))], default=0)
    if facts.production and facts.high_risk:
        score += weights.production
    if worst > RANK["LOW"]:
        score += weights.finding.HIGH if worst == RANK["HIGH"] else weights.finding.MEDIUM
        return min(score, 100)
    return min(score, 99)


def _applied(facts: Facts) -> tuple[str, ...]:
    """The constraints that were understood, as many as there is room for."""
    constraints = facts.constraints
    if constraints.json_bytes_max <= _CONTROLS:
        return constraints.applied
    return beginning(constraints.applied, Room(_CONTROLS))


def _checks(facts: Facts, issues: Sequence[Issue]) -> dict[str, Any]:
    """What was checked, by family of rules: with which controls, and how it came out."""
    room = Room(_CONTROLS)
    families = facts.constraints.families
    if facts.constraints.json_bytes_max > _CONTROLS or facts.pack.knowledge.registry.entries:
        families = {family: beginning(texts, room) for family, texts in families.items()}
    checks: dict[str, dict[str, Any]] = {
        family: {"status": "passed", "controls": texts, "issues": []} for family, texts in families.items()
    }
    for issue in issues:
        family = _rule(issue.code, facts.pack).family
        entry = checks.setdefault(family, {"status": "passed", "controls": (), "issues": []})
        entry["issues"].append(issue.code)
        if issue.severity == "HIGH":
            entry["status"] = "failed"
        elif issue.severity == "MEDIUM" and entry["status"] != "failed":
            entry["status"] = "missing"
    if facts.approval_needed and facts.approval_holds:
        entry = checks.setdefault("approval", {"status": "passed", "controls": (), "issues": []})
        entry["evidence"] = facts.approval.lane
    registry = facts.pack.knowledge.registry
    if registry.entries:
        owners = {
            tool: found.entry.owner for tool in facts.tools if (found := registry.find(tool)) and found.entry.owner
        }
        owners = {tool: owner for tool, owner in owners.items() if room.take(size_of((tool, owner)))}
        if owners:
            checks.setdefault("scope", {"status": "passed", "controls": (), "issues": []})["owners"] = owners
    return checks


def _evidence(facts: Facts) -> dict[str, str]:
    """The lane of each fact that was given and understood."""
    lanes = dict.fromkeys([name for name in facts.values if name not in _NOT_EVIDENCE], "asserted")
    caller = facts.caller
    if caller.roles and facts.roles[0]:
        lanes["actor_role"] = "verified"
    if len(caller.environments) == 1:
        lanes["environment"] = "verified"
    if facts.run is not None:
        lanes["run"] = "verified"
    lanes["clock"] = "asserted" if caller.test_mode and "current_time" in facts.values else "verified"
    return lanes


_NOT_EVIDENCE: Final = frozenset({"tool_arguments", "tool_description", "tool_annotations", "approval_reason"})


_VALUE_WEIGHTS: Final = {"UNCLEAR_VALUE_SIGNAL": 60, "INSUFFICIENT_CONTEXT": 20, "MISSING_SUCCESS_CRITERIA": 15}
_LOOPS: Final = frozenset(
    {"LOOP_THRESHOLD_EXCEEDED", "MAX_ITERATIONS_EXCEEDED", "TIMEOUT_EXCEEDED", "COST_LIMIT_EXCEEDED"}
)


def _value_risk(codes: frozenset[str]) -> int:
    """How likely the task is not worth running: unclear goals and missing criteria."""
    return min(100, 12 + sum(_VALUE_WEIGHTS[code] for code in codes & _VALUE_WEIGHTS.keys()))


def _waste_risk(codes: frozenset[str], issues: Sequence[Issue]) -> int:
    """How likely running it burns money for nothing: loops, and work that will be stopped anyway."""
    stopped = sum([issue.severity != "LOW" for issue in issues])
    return min(100, 8 + (50 if codes & _LOOPS else 0) + 8 * stopped)


def _value_findings(codes: frozenset[str], risk: int) -> tuple[str, ...]:
    out = []
    if "UNCLEAR_VALUE_SIGNAL" in codes:
        out.append("The goal does not say what would come out of it")
    if "MISSING_SUCCESS_CRITERIA" in codes:
        out.append("No success criteria: nobody can tell when the task is done")
    if codes & _LOOPS:
        out.append("The run repeats itself or has used up its limits")
    if not out:
        out.append("Low risk, clear success criteria" if risk <= 35 else "Clear success criteria")
    return tuple(out)


def _cost(facts: Facts) -> CostEstimate:
    return _cost_of(facts.pack.costs, frozenset(facts.effects))


@lru_cache(maxsize=1024)
def _cost_of(costs: Costs, effects: frozenset[Effect]) -> CostEstimate:
    """What a set of effects may cost: it depends on nothing else, so it is kept."""
    priced = [effect for effect in sorted(effects) if effect in costs.effects]
    prices = [costs.evaluation, *(costs.effects[effect] for effect in priced)]
    return CostEstimate(
        "USD",
        round(sum(price.min for price in prices), 6),
        round(sum(price.max for price in prices), 6),
        ("one evaluation", *(f"one {effect}" for effect in priced)),
    )

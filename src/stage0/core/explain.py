"""How an action was read and why it was answered as it was: the decision with everything that it rests on."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any, Final, Literal

import msgspec

from stage0.core.decide import Prepared, decide
from stage0.core.facts import Facts
from stage0.core.masking import Fingerprint, mask, mask_text
from stage0.core.pack import Pack
from stage0.core.quotes import Quote, quotes
from stage0.core.rule import Rule, Severity
from stage0.core.verdict import INTERNAL, Decision, DecisionWord, Issue, Verdict
from stage0.reading.constraints import Control
from stage0.reading.context import FACTS, Fact, Lane
from stage0.reading.effects import EFFECTS, HIGH_RISK, Effect
from stage0.reading.request import State
from stage0.reading.walk import path_of, walk

#: The lane of a fact, or that there is none.
FactLane = Literal["asserted", "verified", "absent", "invalid"]
#: What became of a constraint.
Standing = Literal["applies", "outdone", "untouched", "switched off", "value unreadable", "not understood"]

#: What each kind of control looks for: of each group one fact. A mode needs none, and a window needs the clock.
EVIDENCE: Final[Mapping[str, tuple[tuple[str, ...], ...]]] = {
    "approval": (("approval_status", "approved"),),
    "human_review": (("approval_status", "approved"),),
    "approval_timeout": (("approval_status", "approved"), ("approved_at",)),
    "approvers": (("approval_status", "approved"), ("approved_by",)),
    "role": (("actor_role",),),
    "allowed_environment": (("environment",),),
    "staging_only": (("environment",),),
    "rollback_plan_required": (("rollback_plan",),),
    "require_ticket": (("ticket_id",),),
    "runbook_required": (("runbook",),),
    "mfa_required": (("mfa_verified",),),
    "require_confirmation": (("confirmed",),),
    "dry_run_first": (("dry_run_completed",),),
    "max_rows_affected": (("estimated_rows_affected",),),
    "max_records": (("estimated_records",),),
    "query_cost_limit": (("estimated_query_cost",),),
    "max_iterations": (("current_iteration",),),
    "timeout": (("elapsed_seconds",),),
    "max_cost_usd": (("cumulative_cost_usd",),),
    "max_retries": (("retry_count",),),
    "resource_scope": (("target_resources",),),
    "allowed_mcp_servers": (("active_mcp_servers",),),
    "allowed_tools": (("current_tool", "tools"),),
    "allowed_channels": (("request_channel",),),
    "tenant_isolation": (("tenant_id",), ("target_tenants",)),
}
_LANE_OF: Final = {"approval": "approval", "role": "role", "loop": "counters"}
_KNOWN_KEYS: Final = frozenset({name for fact in FACTS for name in fact.names} | {"loop_state"})


class EffectView(msgspec.Struct, frozen=True):
    """An effect and the JSON paths of the texts that say it."""

    effect: Effect
    high_risk: bool
    paths: tuple[str, ...]


class EnvironmentView(msgspec.Struct, frozen=True):
    """An environment and the JSON paths that name it; none where the API key alone does."""

    environment: str
    paths: tuple[str, ...]


class Hidden(msgspec.Struct, frozen=True):
    """An invisible character: where it stands and which it is."""

    path: str
    at: int
    character: str


class Need(msgspec.Struct, frozen=True):
    """Evidence that a constraint looks for: one of these facts, the lane of what is there, and the lane that counts."""

    one_of: tuple[str, ...]
    lane: FactLane
    accepts: Lane


class ConstraintView(msgspec.Struct, frozen=True):
    """A constraint as understood. `value` is its limit or names, `effects` what its condition limits it to."""

    path: str
    text: str
    standing: Standing
    kind: str = ""
    family: str = ""
    value: Any = None
    effects: tuple[Effect, ...] = ()
    guardrail: bool = False
    needs: tuple[Need, ...] = ()


class FactView(msgspec.Struct, frozen=True):
    """A fact with its lane. `given` holds what the caller sent, by key; `known` what this server knows by itself."""

    name: str
    lane: FactLane
    given: Mapping[str, Any] = {}
    known: tuple[str, ...] = ()
    conflict: bool = False


class FiredRule(msgspec.Struct, frozen=True):
    """A rule that fired, with what it said."""

    code: str
    family: str
    severity: Severity
    looks_at: str
    message: str
    question: str
    remedy: str
    details: Mapping[str, Any]


class QuietRule(msgspec.Struct, frozen=True):
    """A rule that said nothing. `wants` are the kinds of control without which it is not asked."""

    code: str
    family: str
    looks_at: str
    wants: tuple[str, ...] = ()


class Explanation(msgspec.Struct, frozen=True):
    """A decision and everything that it rests on. Times are Unix seconds."""

    verdict: Verdict
    decision: DecisionWord
    risk_score: int
    high_risk: bool
    reason: str
    questions: tuple[str, ...]
    policy_version: str
    pro: bool
    decided_at: int
    clock: Lane
    fired: tuple[FiredRule, ...]
    effects: tuple[EffectView, ...]
    environments: tuple[EnvironmentView, ...]
    production: bool
    quotes: tuple[Quote, ...]
    hidden: tuple[Hidden, ...]
    constraints: tuple[ConstraintView, ...]
    facts: tuple[FactView, ...]
    ignored: tuple[str, ...]
    quiet: tuple[QuietRule, ...]
    not_asked: tuple[QuietRule, ...]
    off: tuple[QuietRule, ...]
    exact: bool
    judged: str


def explain(prepared: Prepared, *, pack: Pack, state: State, now: float, fingerprint: Fingerprint) -> Explanation:
    """Decide on a prepared request and say what the decision rests on.

    Where a request had to be decided on with its secrets in it, what is shown of it has none: `fingerprint`
    makes their placeholders."""
    request, reading = prepared.request, prepared.reading
    decision = decide(request, pack=pack, state=state, now=now, reading=reading)
    facts = Facts(request, reading, pack, state, now, decision.task_hash)
    quoted = quotes(request, reading, pack.knowledge)
    views = tuple(_facts(facts, prepared.stored.context, decision.evidence))
    unfired = _unfired(facts, decision)
    explanation = Explanation(
        verdict=decision.verdict,
        decision=decision.decision,
        risk_score=decision.risk_score,
        high_risk=decision.high_risk,
        reason=decision.reason,
        questions=tuple(dict.fromkeys((*decision.defer_questions, *decision.clarifying_questions))),
        policy_version=decision.policy_version,
        pro=request.pro,
        decided_at=decision.evaluated_at,
        clock="asserted" if decision.evidence["clock"] == "asserted" else "verified",
        fired=tuple(_fired(issue, pack) for issue in decision.issues),
        effects=_effects(facts, quoted),
        environments=_environments(facts),
        production=facts.production,
        quotes=quoted,
        hidden=tuple(Hidden(span.path, span.start, span.text) for span in reading.hidden),
        constraints=tuple(_constraints(facts, views)),
        facts=views,
        ignored=tuple(sorted(prepared.stored.context.keys() - _KNOWN_KEYS)),
        quiet=unfired["quiet"],
        not_asked=unfired["not_asked"],
        off=unfired["off"],
        exact=prepared.exact,
        judged=_judged(facts),
    )
    return explanation if prepared.exact else _masked(explanation, fingerprint)


def _masked(explanation: Explanation, fingerprint: Fingerprint) -> Explanation:
    """The same without secrets: quotes keep what was read in them, everything else gets placeholders."""
    quoted = tuple(_without_secrets(quote, fingerprint) for quote in explanation.quotes)
    plain = mask(msgspec.to_builtins(explanation), fingerprint)
    return msgspec.structs.replace(msgspec.convert(plain, Explanation), quotes=quoted)


# -- what it was judged by


def _judged(facts: Facts) -> str:
    """Whether it was judged as a call or as a plan, and what the goal was used for."""
    reading, basis = facts.reading, facts.reading.basis
    added = {seen.effect for sightings in facts.effects.values() for seen in sightings if seen.source == "goal"}
    goal = f"the goal added {', '.join(sorted(added))}" if added else "the goal added nothing"
    if basis.conclusive:
        return f"by what the call does: its name or arguments tell it; {goal}"
    if basis.told and not reading.settled:
        return f"by what the call does and by what is said, since it runs a file that nobody has read; {goal}"
    if basis.call:
        return f"by all that is said: name and arguments do not tell what the call does; {goal}"
    if basis.looks:
        return f"as a plan of tools that look: of goal and description only deletions and payments count; {goal}"
    return f"as a plan, by all that is said: it is no single tool with its arguments; {goal}"


# -- effects and quotes


def _effects(facts: Facts, quoted: tuple[Quote, ...]) -> tuple[EffectView, ...]:
    """The worst first, in the order of the table of effects."""
    paths: dict[str, dict[str, None]] = {}
    for quote in quoted:
        for effect in (effect for says in quote.says for effect in says.effects):
            paths.setdefault(effect, {})[quote.path] = None
    order = [effect for effect in EFFECTS if effect in facts.effects]
    order.sort(key=lambda effect: effect not in HIGH_RISK)
    return tuple(EffectView(effect, effect in HIGH_RISK, tuple(paths.get(effect, ()))) for effect in order)


def _environments(facts: Facts) -> tuple[EnvironmentView, ...]:
    """Every environment that counts, and which texts name it."""
    request, lexicon = facts.request, facts.pack.knowledge.lexicon
    paths: dict[str, dict[str, None]] = {
        name: {} for name in sorted({*facts.reading.environments, *facts.stated_environments})
    }
    if not paths:
        return ()
    for field in ("goal", "tools", "side_effects", "context"):
        for each in walk(getattr(request, field), field):
            for name in lexicon.environments(each[0]) | {each[0].strip().lower()}:
                if name in paths:
                    paths[name][path_of(each)] = None
    return tuple(EnvironmentView(name, tuple(where)) for name, where in paths.items())


def _without_secrets(quote: Quote, fingerprint: Fingerprint) -> Quote:
    """The marked pieces alone: where a placeholder would have hidden what was read, its surroundings are not shown."""
    pieces = [mask_text(quote.text[each.start : each.end], fingerprint) for each in quote.says]
    says = []
    at = 0
    for each, piece in zip(quote.says, pieces, strict=True):
        says.append(msgspec.structs.replace(each, start=at, end=at + len(piece)))
        at += len(piece) + 1
    return msgspec.structs.replace(quote, text=" ".join(pieces), says=tuple(says))


# -- constraints


def _constraints(facts: Facts, views: tuple[FactView, ...]) -> Iterator[ConstraintView]:
    lanes = {view.name: view.lane for view in views}
    if facts.request.tools:
        lanes["tools"] = "asserted"
    grammar = facts.pack.knowledge.grammar
    for index, text in enumerate(facts.request.constraints):
        path = f"constraints[{index}]"
        controls = grammar.parse((text,)).controls
        if not controls:
            yield ConstraintView(path, text, "switched off")
        for control in controls:
            yield _constraint(path, control, facts, lanes)
    for control in facts.constraints.controls[len(facts.reading.controls) :]:
        yield _constraint("policy", control, facts, lanes)


def _constraint(path: str, control: Control, facts: Facts, lanes: Mapping[str, FactLane]) -> ConstraintView:
    if control.kind == "unknown":
        return ConstraintView(path, control.text, "not understood")
    if control.kind == "invalid":
        return ConstraintView(path, control.text, "value unreadable", kind=str(control.value), family=control.family)
    accepts: Lane = getattr(facts.pack.lanes, _LANE_OF.get(control.family, ""), "asserted")
    return ConstraintView(
        path,
        control.text,
        _standing(control, facts),
        kind=control.kind,
        family=control.family,
        value=control.value,
        effects=tuple(sorted(control.effects or ())),
        guardrail=bool(control.guard),
        needs=tuple(_need(group, lanes, accepts) for group in EVIDENCE.get(control.kind, ())),
    )


def _standing(control: Control, facts: Facts) -> Standing:
    if control.effects is not None and control.effects.isdisjoint(facts.effects):
        return "untouched"
    kept = facts.control(control.kind)
    limit = isinstance(control.value, (int, float))
    return "outdone" if limit and kept is not None and kept.value != control.value else "applies"


#: The lane of several facts of which one is enough: the best.
_BEST: Final[tuple[FactLane, ...]] = ("verified", "asserted", "invalid", "absent")


def _need(group: tuple[str, ...], lanes: Mapping[str, FactLane], accepts: Lane) -> Need:
    return Need(group, min((lanes.get(name, "absent") for name in group), key=_BEST.index), accepts)


# -- facts


def _facts(facts: Facts, context: Mapping[str, Any], evidence: Mapping[str, str]) -> Iterator[FactView]:
    """Every fact that there is, those that were given first."""
    views = [_fact(fact, facts, context, evidence) for fact in FACTS]
    yield from sorted(views, key=lambda view: view.lane == "absent" and not view.given)


def _fact(fact: Fact, facts: Facts, context: Mapping[str, Any], evidence: Mapping[str, str]) -> FactView:
    read = facts.reading.context
    lane: FactLane = "absent"
    if fact.name in read.invalid:
        lane = "invalid"
    elif fact.name in evidence or fact.name in read.values:
        lane = "verified" if evidence.get(fact.name) == "verified" else "asserted"
    return FactView(
        fact.name,
        lane,
        dict(_given(fact, context)),
        _known(fact.name, facts) if lane == "verified" else (),
        fact.name in read.conflicts,
    )


def _given(fact: Fact, context: Mapping[str, Any]) -> Iterator[tuple[str, Any]]:
    for name in fact.names:
        if context.get(name) is not None:
            yield name, context[name]
    nested = context.get(fact.nested) if fact.nested else None
    if isinstance(nested, dict):
        for name in fact.names:
            if nested.get(name) is not None:
                yield f"{fact.nested}.{name}", nested[name]
    elif nested is not None:
        yield fact.nested, nested


def _known(name: str, facts: Facts) -> tuple[str, ...]:
    return facts.caller.roles if name == "actor_role" else facts.caller.environments if name == "environment" else ()


# -- rules


def _fired(issue: Issue, pack: Pack) -> FiredRule:
    rule = INTERNAL if issue.code == INTERNAL.code else pack.rule(issue.code)
    return FiredRule(
        issue.code,
        rule.family,
        issue.severity,
        rule.summary,
        issue.message,
        issue.question,
        issue.remedy,
        issue.details,
    )


def _unfired(facts: Facts, decision: Decision) -> Mapping[str, tuple[QuietRule, ...]]:
    """The rules that said nothing, by why: they looked, they were not asked, or the pack has them off."""
    fired = {issue.code for issue in decision.issues}
    kinds = facts.constraints.kinds
    found: dict[str, list[QuietRule]] = {"quiet": [], "not_asked": [], "off": []}
    for rule in sorted((*facts.pack.rules, *facts.pack.own), key=lambda rule: (rule.family, rule.code)):
        if rule.code in fired:
            continue
        if facts.pack.severity_of(rule.code, rule.severity, facts.request.pro) is None:
            found["off"].append(_quiet(rule))
        else:
            found["quiet" if rule.asked_with(kinds) else "not_asked"].append(_quiet(rule))
    return {name: tuple(rules) for name, rules in found.items()}


def _quiet(rule: Rule) -> QuietRule:
    return QuietRule(rule.code, rule.family, rule.summary, tuple(sorted(rule.when)))

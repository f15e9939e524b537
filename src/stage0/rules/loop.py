"""Loops and cost: runs that go round in circles or past their limits."""

from __future__ import annotations

from typing import Any

from stage0.core.facts import Facts
from stage0.core.fingerprint import short
from stage0.core.rule import Fired, rule


def _over(facts: Facts, kind: str, used: Any) -> Fired | None:
    control = facts.control(kind)
    if control is None or used is None or used <= control.value:
        return None
    return Fired({"used": used, "limit": control.value})


@rule(
    "MAX_ITERATIONS_EXCEEDED",
    family="loop",
    severity="HIGH",
    when=("max_iterations",),
    message="This would be iteration {used} of a run that may have {limit}.",
    remedy="End the run, or have a person start a new one.",
)
def max_iterations_exceeded(facts: Facts) -> Fired | None:
    """The run has had as many iterations as it may.

    Why: an agent that does not stop must be stopped. Iterations are ALLOWs, so asking again uses up nothing.

    Fix: end the run.
    """
    return _over(facts, "max_iterations", facts.iteration)


@rule(
    "TIMEOUT_EXCEEDED",
    family="loop",
    severity="HIGH",
    when=("timeout",),
    message="The run has taken {used} seconds; it may take {limit}.",
    remedy="End the run, or have a person start a new one.",
)
def timeout_exceeded(facts: Facts) -> Fired | None:
    """The run has taken longer than it may.

    Why: a run that is late is usually a run that is lost.

    Fix: end the run.
    """
    return _over(facts, "timeout", facts.elapsed)


@rule(
    "COST_LIMIT_EXCEEDED",
    family="loop",
    severity="HIGH",
    when=("max_cost_usd",),
    message="The run has cost {used} US dollars; it may cost {limit}.",
    remedy="End the run, or have a person raise the limit.",
)
def cost_limit_exceeded(facts: Facts) -> Fired | None:
    """The run has cost more than it may.

    Why: a loop spends money with every turn.

    Fix: end the run.
    """
    return _over(facts, "max_cost_usd", facts.cost)


_COUNTERS = (
    ("max_iterations", "current_iteration"),
    ("timeout", "elapsed_seconds"),
    ("max_cost_usd", "cumulative_cost_usd"),
)


@rule(
    "RUNTIME_CONTEXT_MISSING",
    family="loop",
    severity="MEDIUM",
    when=(
        "max_iterations",
        "timeout",
        "max_cost_usd",
    ),
    message="A limit is set by {limits}, and nothing that counts tells how far the run is.",
    question="How many iterations, seconds and dollars has this run used?",
    remedy="Send {counters}, or a `run_id` that this server has counted.",
)
def runtime_context_missing(facts: Facts) -> Fired | None:
    """A loop or cost limit is set, and neither run state nor a counter tells.

    Why: a limit that is compared with nothing limits nothing. The strict pack counts only what the server counted.

    Fix: send the counter, or keep one `run_id` over the run.
    """
    missing = [
        (control.text, counter)
        for kind, counter in _COUNTERS
        if (control := facts.control(kind)) is not None and not facts.counter_known(counter)
    ]
    if not missing:
        return None
    return Fired({"limits": tuple(text for text, _ in missing), "counters": tuple(counter for _, counter in missing)})


@rule(
    "LOOP_THRESHOLD_EXCEEDED",
    family="loop",
    severity="MEDIUM",
    message="The run repeats itself: {sign}.",
    question="Why is the same step tried again?",
    remedy="Change the approach, or have a person look at the run.",
)
def loop_threshold_exceeded(facts: Facts) -> Fired | None:
    """Retries have reached their threshold, or the run goes round in circles.

    Counted here, for a `run_id`: the same action with the same arguments again and again, two actions that take turns,
    an action that is tried again after it was stopped or failed, and many new runs that begin with one action. Told by
    the caller: `retry_count`, `recent_tools` that are all the same, `repeated_tools`.

    Why: doing the same thing again and expecting another result is how agents burn money.

    Fix: change the approach, or let a person look.
    """
    thresholds = facts.pack.thresholds
    limit = facts.control("max_retries")
    retries = facts.retries or 0
    if limit is not None and retries > limit.value:
        return Fired({"sign": f"{retries} retries, at most {limit.value}"})
    if retries >= thresholds.retries:
        return Fired({"sign": f"{retries} retries"})
    sign = _circle(facts)
    if sign:
        return Fired({"sign": sign})
    for recent in facts.reading.context.all_of("recent_tools"):
        last = recent[-thresholds.same_tool :]
        if len(last) == thresholds.same_tool and len(set(last)) == 1:
            return Fired({"sign": f"`{last[0]}` {len(last)} times in a row"})
    repeated = [tool for tools in facts.reading.context.all_of("repeated_tools") for tool in tools]
    if repeated:
        return Fired({"sign": f"`{repeated[0]}` is repeated"})
    return None


def _circle(facts: Facts) -> str:
    """How the run repeats itself by this server's own count; empty where it does not."""
    run, thresholds = facts.run, facts.pack.thresholds
    if run is None:
        return ""
    if run.starts > thresholds.starts:
        return f"{run.starts} runs within an hour began with this action"
    action, recent = short(facts.action), run.recent_actions
    last = recent[-thresholds.same_action :]
    if len(last) == thresholds.same_action and set(last) == {action}:
        return f"the same action {len(last)} times in a row"
    last = (*recent, action)[-2 * thresholds.turns :]
    if len(last) == 2 * thresholds.turns and len(set(last)) == 2 and len({*last[::2]}) == len({*last[1::2]}) == 1:
        return f"two actions have taken turns {thresholds.turns} times"
    return ""

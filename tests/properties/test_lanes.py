"""Facts under two names, and the lanes of evidence."""

from __future__ import annotations

from typing import Any, Final

import msgspec
import pytest
from hypothesis import assume, given
from hypothesis import strategies as st

from stage0.reading.request import RunState
from tests.deciding import NOW, codes
from tests.properties.promises import APPROVAL, CALLS, CURABLE, ORDER, not_raised, seen, told
from tests.strategies import (
    ALIASES,
    CALLERS,
    CONTROLS,
    HOUR,
    TIMES,
    Situation,
    at,
    situations,
    some,
)

_PAIRS: Final[tuple[tuple[str, str, tuple[Any, ...]], ...]] = (
    ("actor_role", "user_role", ("sre", "finance_manager", "intern", "admin")),
    ("user_role", "requester_role", ("sre", "finance_manager", "intern", "admin")),
    ("environment", "target_environment", ("staging", "dev", "production", "qa")),
    ("current_iteration", "loop_state", (0, 2, 6, 99)),
    ("elapsed_seconds", "loop_state", (1, 299.5, 301, 1e6)),
    ("cumulative_cost_usd", "loop_state", (0, 1.5, 1.6, 50)),
    ("recent_tools", "loop_state", (["a", "b"], ["a", "a", "a"])),
    ("current_tool", "loop_state", ("shell", "list_tickets", "rm")),
    ("tool_arguments", "arguments", CALLS),
)


@pytest.mark.parametrize(("first", "second", "values"), _PAIRS, ids=[f"{one}-{two}" for one, two, _ in _PAIRS])
@given(case=situations(), data=st.data())
def test_of_two_values_of_one_fact_the_narrower_counts(
    first: str, second: str, values: tuple[Any, ...], case: Situation, data: st.DataObject
) -> None:
    one, other = data.draw(st.sampled_from(values)), data.draw(st.sampled_from(values))
    fact = next(name for name, names in ALIASES.items() if first in names)
    concerned = [control.text for control in CONTROLS if fact in control.good] or [""]
    constraints = data.draw(some(concerned, most=1))
    case = case.leaving_out(fact).adding("constraints", *constraints)
    nested = case.context.get("loop_state", {})
    assume(isinstance(nested, dict))
    named = {"loop_state": {**nested, first: other}} if second == "loop_state" else {second: other}
    both, alone = case.saying({first: one, **named}).decide(), case.saying({first: one}).decide()
    not_raised(alone, both, cured=CURABLE if fact == "tool_arguments" else ())
    not_raised(case.saying(named).decide(), both, cured=CURABLE if fact == "tool_arguments" else ())
    if one != other:
        assert "CONTEXT_CONFLICT" in codes(both)


_COUNTERS: Final = ("current_iteration", "elapsed_seconds", "cumulative_cost_usd", "retry_count")
_LIMITS: Final = ("max_iterations:5", "timeout:300s", "max_cost_usd:1.5", "max_retries:2")
_runs: Final = st.builds(
    RunState,
    allows=st.integers(0, 8),
    elapsed_seconds=st.sampled_from((0.0, 299.0, 300.0, 301.0, 900.0)),
    cost_usd=st.sampled_from((0.0, 1.5, 1.75, 40.0)),
    retries=st.integers(0, 6),
)
_counts: Final = st.fixed_dictionaries(
    {},
    optional={
        "current_iteration": st.integers(0, 9),
        "elapsed_seconds": st.sampled_from((0, 299, 301)),
        "cumulative_cost_usd": st.sampled_from((0, 1.5, 1.75)),
        "retry_count": st.integers(0, 6),
    },
)


@given(situations(), _runs, _counts, some(_LIMITS, most=3))
def test_counters_are_the_larger_of_both(
    case: Situation, run: RunState, counts: dict[str, Any], limits: list[str]
) -> None:
    case = case.leaving_out(*_COUNTERS).adding("constraints", *limits)
    larger = RunState(
        allows=max(run.allows, counts.get("current_iteration", 0) - 1),
        elapsed_seconds=max(run.elapsed_seconds, counts.get("elapsed_seconds", 0)),
        cost_usd=max(run.cost_usd, counts.get("cumulative_cost_usd", 0)),
        retries=max(run.retries, counts.get("retry_count", 0)),
        recent_tools=run.recent_tools,
    )
    assert seen(case.saying(counts).where(run=run).decide()) == seen(case.where(run=larger).decide())


@given(situations(), _runs, _counts, some(_LIMITS, most=3))
def test_asserted_counters_never_widen_what_the_server_counted(
    case: Situation, run: RunState, counts: dict[str, Any], limits: list[str]
) -> None:
    case = case.leaving_out(*_COUNTERS).adding("constraints", *limits).where(run=run)
    not_raised(case.decide(), case.saying(counts).decide())


@given(situations(packs=["stage0-strict"], runs=[None]), _counts, st.sampled_from(_LIMITS[:3]))
def test_the_strict_pack_counts_only_what_the_server_counted(
    case: Situation, counts: dict[str, Any], limit: str
) -> None:
    decision = case.leaving_out(*_COUNTERS).saying(counts).adding("constraints", limit).decide()
    assert "RUNTIME_CONTEXT_MISSING" in codes(decision)
    assert decision.verdict != "ALLOW"


_WINDOWS: Final = ("business-hours only", "allowed_change_window:weekdays", "allowed_change_window:always")
_moments: Final = st.sampled_from([at(hours * HOUR) for hours in (-48, -7, 0, 3, 9, 120)])
_zones: Final = st.sampled_from(("UTC", "Asia/Tokyo", "America/Los_Angeles", "Nowhere/None", ""))
_clocks: Final = st.fixed_dictionaries({}, optional={"current_time": _moments, "timezone": _zones})


@given(situations(), _clocks, st.sampled_from(_WINDOWS), st.sampled_from(TIMES))
def test_an_asserted_time_or_zone_closes_a_window_and_never_opens_one(
    case: Situation, clock: dict[str, str], window: str, now: float
) -> None:
    caller = msgspec.structs.replace(case.caller, test_mode=False)
    case = case.leaving_out("current_time", "timezone").adding("constraints", window).where(caller=caller, now=now)
    before, after = case.decide(), case.saying(clock).decide()
    not_raised(before, after)
    assert "CHANGE_WINDOW_CLOSED" in codes(after) or "CHANGE_WINDOW_CLOSED" not in codes(before)


@given(situations(), _moments)
def test_an_asserted_time_never_affects_expiry(case: Situation, moment: str) -> None:
    caller = msgspec.structs.replace(case.caller, test_mode=False)
    case = case.where(caller=caller).saying({"approval_status": "approved", "approved_at": at(-23 * HOUR)})
    case = case.leaving_out("current_time").adding("constraints", "approval_timeout:1d")
    aged = {"APPROVAL_EXPIRED", "APPROVAL_TIMESTAMP_IN_FUTURE", "APPROVAL_TIMESTAMP_MISSING"}
    told_ = case.saying({"current_time": moment}).decide()
    assert codes(told_) & aged == codes(case.decide()) & aged
    assert told_.evaluated_at == int(case.now)


@given(situations(), st.sampled_from(TIMES), st.sampled_from(TIMES))
def test_a_test_mode_key_may_set_the_clock(case: Situation, now: float, told_now: float) -> None:
    caller = msgspec.structs.replace(case.caller, test_mode=True)
    case = case.leaving_out("current_time").where(caller=caller)
    asserted = case.saying({"current_time": at(told_now - NOW)}).where(now=now).decide()
    assert seen(asserted) == seen(case.where(now=told_now).decide())
    assert asserted.evaluated_at == int(told_now)


_ROLES: Final = ("admin", "sre", "intern", "finance_manager", "Admin", "ＡＤＭＩＮ")


@given(situations(), some(("admin", "sre", "viewer"), least=1, most=2), st.sampled_from(_ROLES))
def test_a_role_outside_those_bound_to_the_key_counts_as_absent(case: Situation, bound: list[str], role: str) -> None:
    assume(role not in bound)
    caller = msgspec.structs.replace(case.caller, roles=tuple(dict.fromkeys(bound)))
    case = case.leaving_out("actor_role").saying({"actor_role": role}).where(caller=caller)
    case = case.adding("constraints", f"required_role:{role}")
    decision, without = case.decide(), case.leaving_out("actor_role").decide()
    assert "ROLE_CONTEXT_MISSING" in codes(decision)
    assert decision.verdict != "ALLOW"
    not_raised(without, decision)


@given(situations(), st.sampled_from(_ROLES), st.sampled_from(_ROLES), st.sampled_from(_ROLES))
def test_an_asserted_role_never_widens_the_one_bound_to_the_key(
    case: Situation, bound: str, role: str, wanted: str
) -> None:
    caller = msgspec.structs.replace(case.caller, roles=(bound,))
    case = case.leaving_out("actor_role").where(caller=caller).adding("constraints", f"required_role:{wanted}")
    not_raised(case.decide(), case.saying({"user_role": role}).decide())


@given(situations(), st.sampled_from(("staging", "production")), st.sampled_from(("dev", "staging", "production")))
def test_an_asserted_environment_never_widens_the_one_bound_to_the_key(case: Situation, bound: str, said: str) -> None:
    caller = msgspec.structs.replace(case.caller, environments=(bound,))
    case = case.leaving_out("environment").where(caller=caller)
    not_raised(case.decide(), case.saying({"environment": said}).decide())


@given(situations(), st.sampled_from(("dev", "test", "production", "qa")))
def test_an_environment_outside_those_bound_to_the_key_never_widens(case: Situation, said: str) -> None:
    caller = msgspec.structs.replace(case.caller, environments=("staging", "uat"))
    case = case.leaving_out("environment").where(caller=caller)
    not_raised(case.decide(), case.saying({"environment": said}).decide())


@given(situations(packs=["stage0-strict"]))
def test_the_strict_pack_never_allows_on_an_asserted_approval(case: Situation) -> None:
    approved = {"approval_status": "approved", "approved": True, "approved_by": "mei.chen", "approved_at": at(-HOUR)}
    case = case.leaving_out(*APPROVAL)
    claimed, unclaimed = case.saying(approved).decide(), case.decide()
    not_raised(unclaimed, claimed)
    asked = case.saying(approved).adding("constraints", "approval required").decide()
    assert asked.verdict != "ALLOW"
    assert "APPROVAL_NOT_VERIFIED" in codes(asked)


@given(situations(packs=["stage0-strict"], callers=[c for c in CALLERS if not c.roles]))
def test_the_strict_pack_never_allows_on_an_asserted_role(case: Situation) -> None:
    decision = case.leaving_out("actor_role").saying({"actor_role": "sre"}).adding("constraints", "role:sre").decide()
    assert "ROLE_CONTEXT_MISSING" in codes(decision)
    assert decision.verdict != "ALLOW"


@given(situations())
def test_the_strict_pack_never_allows_what_the_default_pack_does_not(case: Situation) -> None:
    default, strict = case.where(pack="stage0-default").decide(), case.where(pack="stage0-strict").decide()
    assert ORDER[strict.verdict] <= ORDER[default.verdict], f"{told(default)}, strictly {told(strict)}"


@given(situations())
def test_pro_never_raises_the_verdict(case: Situation) -> None:
    not_raised(case.sending(pro=False).decide(), case.sending(pro=True).decide())

"""An ALLOW says until when it may be acted upon: the pack's time, the approval's expiry, or the end of a window."""

from __future__ import annotations

from datetime import UTC, datetime
from typing import Any, Final

import pytest
from hypothesis import given
from hypothesis import strategies as st

from stage0.core.calendar import Calendar
from stage0.core.decide import decide
from stage0.core.pack import Pack
from stage0.core.verdict import Decision
from stage0.reading.request import Caller, State
from tests.core.test_calendar import calendar
from tests.deciding import request_of
from tests.layering import pack_with

GOAL: Final = "List the open tickets"


def at(text: str) -> float:
    return datetime.fromisoformat(text).timestamp()


def decided(pack: Pack, now: float, *, test_mode: bool = False, zone: str = "UTC", **fields: Any) -> Decision:
    caller = Caller("acc_1", test_mode=test_mode, timezone=zone)
    return decide(request_of(**fields), pack=pack, state=State(caller), now=now)


def ends(decision: Decision) -> str:
    assert decision.verdict == "ALLOW", decision.issues
    assert decision.valid_until is not None
    return datetime.fromtimestamp(decision.valid_until, UTC).isoformat()


def test_it_holds_for_ten_minutes_where_nothing_ends_it_sooner(default_pack: Pack) -> None:
    assert ends(decided(default_pack, at("2026-03-16T10:00:00.9+00:00"), goal=GOAL)) == "2026-03-16T10:10:00+00:00"


@pytest.mark.parametrize(("said", "until"), [("1s", "10:00:01"), ("30s", "10:00:30"), ("5m", "10:05:00")])
def test_a_pack_says_for_how_long(said: str, until: str) -> None:
    decision = decided(pack_with(f"valid_for: {said}\n"), at("2026-03-16T10:00:00+00:00"), goal=GOAL)
    assert ends(decision) == f"2026-03-16T{until}+00:00"


def test_only_an_allow_has_an_end(default_pack: Pack) -> None:
    now = at("2026-03-16T10:00:00+00:00")
    for fields in ({"goal": "Delete all users", "tools": ["delete_users"]}, {"goal": "help me"}):
        decision = decided(default_pack, now, **fields)
        assert decision.verdict != "ALLOW"
        assert decision.valid_until is None


PAYMENT: Final[dict[str, Any]] = {
    "goal": "Pay invoice 17",
    "tools": ["payments.create"],
    "constraints": ["approval required"],
    "success_criteria": ["The invoice is paid"],
}


def test_it_ends_with_the_approval_that_it_rests_on(default_pack: Pack) -> None:
    context = {"approval_status": "approved", "approved_by": "dana", "approved_at": "2026-03-15T10:05:00+00:00"}
    paid = decided(default_pack, at("2026-03-16T10:00:00+00:00"), **PAYMENT, context=context)
    assert ends(paid) == "2026-03-16T10:05:00+00:00"


WINDOWED: Final[dict[str, Any]] = {
    "goal": GOAL,
    "constraints": ["allowed_change_window: business_hours"],
    "success_criteria": ["They are listed"],
}


@pytest.mark.parametrize(
    ("now", "zone", "until"),
    [
        ("2026-03-16T17:55:00+00:00", "UTC", "2026-03-16T18:00:00+00:00"),
        ("2026-03-16T17:45:00+00:00", "UTC", "2026-03-16T17:55:00+00:00"),
        ("2026-03-16T16:58:00+00:00", "Europe/Berlin", "2026-03-16T17:00:00+00:00"),
    ],
)
def test_it_ends_when_the_window_closes(now: str, zone: str, until: str, default_pack: Pack) -> None:
    assert ends(decided(default_pack, at(now), zone=zone, **WINDOWED)) == until


def test_it_ends_when_a_window_of_the_packs_own_rules_opens_or_closes() -> None:
    pack = pack_with(
        'calendars: {nights: {weekly: [{days: mon-sun, hours: "22:00-23:00"}]}}\n'
        "rules: {NOT_AT_NIGHT: {when: calendars.nights && iteration >= 0, severity: high, message: No.}}\n"
    )
    decision = decided(pack, at("2026-03-16T21:57:00+00:00"), goal=GOAL, success_criteria=["They are listed"])
    assert ends(decision) == "2026-03-16T22:00:00+00:00"


def test_it_ends_when_the_window_closes_by_a_clock_or_zone_that_was_asserted(default_pack: Pack) -> None:
    now = at("2026-03-16T16:55:00+00:00")
    ended = decided(default_pack, now, **WINDOWED, context={"timezone": "Europe/Berlin"})
    assert ends(ended) == "2026-03-16T17:00:00+00:00"
    ahead = decided(default_pack, now, **WINDOWED, context={"current_time": "2026-03-16T17:58:00+00:00"})
    assert ends(ahead) == "2026-03-16T16:57:00+00:00"


def test_an_approval_that_nothing_asks_for_and_that_has_expired_ends_nothing() -> None:
    pack = pack_with("approvals: {all: {max_age: 1h}}\n")
    context = {"approval_status": "approved", "approved_by": "dana", "approved_at": "2026-03-13T10:00:00+00:00"}
    decision = decided(pack, at("2026-03-16T10:00:00+00:00"), goal=GOAL, context=context)
    assert ends(decision) == "2026-03-16T10:10:00+00:00"


def test_it_ends_with_the_hour_where_a_rule_of_the_pack_asks_for_it() -> None:
    pack = pack_with("rules: {NOT_SO_LATE: {when: hour >= 22 && iteration >= 0, severity: high, message: No.}}\n")
    decision = decided(pack, at("2026-03-16T21:57:00+00:00"), goal=GOAL, success_criteria=["They are listed"])
    assert ends(decision) == "2026-03-16T22:00:00+00:00"


def test_a_key_in_test_mode_sets_the_clock_of_windows_and_not_of_the_end(default_pack: Pack) -> None:
    now = at("2026-06-01T03:00:00+00:00")
    context = {"current_time": "2026-03-16T17:58:00+00:00", "timezone": "UTC"}
    decision = decided(default_pack, now, test_mode=True, **WINDOWED, context=context)
    assert ends(decision) == "2026-06-01T03:02:00+00:00"


ZONES: Final = ("UTC", "Europe/Berlin", "America/New_York", "Asia/Kathmandu", "Australia/Lord_Howe")
#: Clocks are put on and back there: two nights of Berlin and of Lord Howe Island, and any other time.
STARTS: Final = st.sampled_from((1_774_652_400, 1_792_800_000, 1_775_300_000)) | st.integers(
    1_767_225_600, 1_798_761_599
)
SPANS: Final = ("09:00-17:00", "22:00-06:00", "02:15-02:45", "00:00-24:00", "01:59-03:01", "23:30-00:30")


@st.composite
def calendars(draw: st.DrawFn) -> Calendar:
    """Weekly hours, with a freeze and an opening now and then."""
    hours = st.sampled_from([{"days": days, "hours": span} for days in ("mon-sun", "mon-fri", "sun") for span in SPANS])
    periods = st.lists(
        st.sampled_from(
            (
                {"from": "2026-03-28", "to": "2026-03-28"},
                {"from": "2026-10-24T23:30:00Z", "to": "2026-10-25T01:30:00Z"},
                {"from": "2026-04-04T12:00:00Z", "to": "2026-04-05T12:00:00Z"},
            )
        ),
        max_size=2,
    )
    return calendar(weekly=draw(st.lists(hours, min_size=1, max_size=2)), freezes=draw(periods), openings=draw(periods))


@given(made=calendars(), start=STARTS, zone=st.sampled_from(ZONES))
def test_the_next_change_is_the_first_moment_that_differs(made: Calendar, start: int, zone: str) -> None:
    """Compared with looking at every minute of a day."""
    until = start + 86_400
    now = made.is_open(start, zone)
    minutes = range(start - start % 60 + 60, until, 60)
    differs = [float(moment) for moment in minutes if made.is_open(moment, zone) is not now]
    assert made.next_change(start, zone, until) == (differs[0] if differs else None)

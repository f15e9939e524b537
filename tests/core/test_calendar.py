"""Calendars: weekly hours, zones and their clock changes, holidays, freezes and openings."""

from __future__ import annotations

from datetime import datetime, timedelta
from typing import Any, Final

import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st

from stage0.core.calendar import Calendar, is_zone
from stage0.policy.calendars import CalendarError, calendar_of, with_holidays
from stage0.policy.format import CalendarEntry

#: The year in which the calendars of these tests are made.
MADE: Final = 2026


def calendar(**fields: Any) -> Calendar:
    """A calendar as a pack writes it."""
    return calendar_of(with_holidays(msgspec.convert(fields, CalendarEntry), MADE))


def hours(days: str, span: str) -> dict[str, str]:
    """Weekly hours as a pack writes them."""
    return {"days": days, "hours": span}


def period(start: str, end: str) -> dict[str, str]:
    """A freeze or an opening as a pack writes it."""
    return {"from": start, "to": end}


def at(moment: str) -> float:
    """A moment in Unix seconds."""
    return datetime.fromisoformat(moment).timestamp()


OFFICE: Final = {"weekly": [hours("mon-fri", "09:00-17:00")]}
NIGHT: Final = {"weekly": [hours("fri", "22:00-06:00")]}
NIGHTS: Final = {"weekly": [hours("sun-thu", "22:00-02:00")]}
TWICE: Final = {"weekly": [hours("mon", "09:00-12:00"), hours("mon, wed", "13:00-24:00")]}
ALWAYS: Final = {"weekly": [hours("mon-sun", "00:00-24:00")]}

#: A calendar, a moment in UTC, and whether it is open then. 2026-03-16 is a Monday.
WEEKLY: Final[dict[str, tuple[dict[str, Any], str, bool]]] = {
    "on a Monday morning": (OFFICE, "2026-03-16T10:00:00Z", True),
    "when it opens": (OFFICE, "2026-03-16T09:00:00Z", True),
    "a second before it opens": (OFFICE, "2026-03-16T08:59:59Z", False),
    "a second before it closes": (OFFICE, "2026-03-16T16:59:59Z", True),
    "when it closes": (OFFICE, "2026-03-16T17:00:00Z", False),
    "on a Friday": (OFFICE, "2026-03-20T10:00:00Z", True),
    "on a Saturday": (OFFICE, "2026-03-21T10:00:00Z", False),
    "on a Sunday": (OFFICE, "2026-03-22T10:00:00Z", False),
    "before midnight": (NIGHT, "2026-03-20T23:59:59Z", True),
    "past midnight it belongs to the day before": (NIGHT, "2026-03-21T05:59:59Z", True),
    "past midnight it closes, too": (NIGHT, "2026-03-21T06:00:00Z", False),
    "the night before is not open": (NIGHT, "2026-03-20T05:00:00Z", False),
    "the next evening is not open": (NIGHT, "2026-03-21T23:00:00Z", False),
    "past midnight into the next week": (NIGHTS, "2026-03-16T01:00:00Z", True),
    "past midnight after the last day": (NIGHTS, "2026-03-20T01:59:00Z", True),
    "past midnight after a day that is none": (NIGHTS, "2026-03-21T01:00:00Z", False),
    "the first of two spans": (TWICE, "2026-03-16T11:59:00Z", True),
    "between two spans": (TWICE, "2026-03-16T12:30:00Z", False),
    "the second of two spans": (TWICE, "2026-03-16T13:00:00Z", True),
    "on a day that only one span has": (TWICE, "2026-03-18T10:00:00Z", False),
    "until the very end of a day": (TWICE, "2026-03-18T23:59:59Z", True),
    "the day after has not begun open": (TWICE, "2026-03-19T00:00:00Z", False),
    "always, at midnight": (ALWAYS, "2026-03-21T00:00:00Z", True),
    "always, long ago": (ALWAYS, "1970-01-01T00:00:00Z", True),
}


@pytest.mark.parametrize(("fields", "moment", "is_open"), WEEKLY.values(), ids=WEEKLY)
def test_a_calendar_is_open_in_its_weekly_hours(fields: dict[str, Any], moment: str, is_open: bool) -> None:
    assert calendar(**fields).is_open(at(moment), "UTC") is is_open


@pytest.mark.parametrize(
    ("days", "open_on"),
    [
        ("mon-fri", {1, 2, 3, 4, 5}),
        ("fri-mon", {5, 6, 7, 1}),
        ("sat, sun", {6, 7}),
        ("Mon,WED", {1, 3}),
        ("monday-wednesday, sun", {1, 2, 3, 7}),
        ("tues, thurs", {2, 4}),
        ("sun-sun", {7}),
        ("tue-mon", {1, 2, 3, 4, 5, 6, 7}),
    ],
)
def test_days_are_named_one_by_one_or_from_and_to(days: str, open_on: set[int]) -> None:
    window = calendar(weekly=[hours(days, "00:00-24:00")])
    noon = datetime.fromisoformat("2026-03-16T12:00:00Z")
    found = {
        day.isoweekday()
        for day in (noon + timedelta(days=n) for n in range(7))
        if window.is_open(day.timestamp(), "UTC")
    }
    assert found == open_on


BERLIN: Final = {**OFFICE, "zone": "Europe/Berlin"}
NEW_YORK_NIGHT: Final = {"zone": "America/New_York", "weekly": [hours("sun", "01:00-04:00")]}

#: A calendar, the account's zone, a moment, and whether it is open then. Berlin changes its clock on 2026-03-29 and
#: 2026-10-25 at 01:00 UTC; New York on 2026-03-08 at 07:00 UTC and on 2026-11-01 at 06:00 UTC.
ZONES: Final[dict[str, tuple[dict[str, Any], str, str, bool]]] = {
    "hours are those of the account's zone": (OFFICE, "Asia/Tokyo", "2026-03-16T01:00:00Z", True),
    "and not those of UTC": (OFFICE, "Asia/Tokyo", "2026-03-16T10:00:00Z", False),
    "a zone of its own beats the account's": (BERLIN, "Asia/Tokyo", "2026-03-16T08:00:00Z", True),
    "a zone of its own alone counts": (BERLIN, "Asia/Tokyo", "2026-03-16T01:00:00Z", False),
    "it is Monday there already": (OFFICE, "Pacific/Auckland", "2026-03-15T21:00:00Z", True),
    "it is Sunday there still": (OFFICE, "America/Los_Angeles", "2026-03-16T06:00:00Z", False),
    "in winter it opens at eight UTC": (BERLIN, "UTC", "2026-03-27T08:00:00Z", True),
    "in winter it is closed at seven UTC": (BERLIN, "UTC", "2026-03-27T07:00:00Z", False),
    "in summer it opens at seven UTC": (BERLIN, "UTC", "2026-03-30T07:00:00Z", True),
    "in summer it closes at three in the afternoon UTC": (BERLIN, "UTC", "2026-03-30T15:00:00Z", False),
    "back in winter it opens at eight again": (BERLIN, "UTC", "2026-10-26T07:00:00Z", False),
    "before the hour that is left out": (NEW_YORK_NIGHT, "UTC", "2026-03-08T06:59:59Z", True),
    "after the hour that is left out": (NEW_YORK_NIGHT, "UTC", "2026-03-08T07:00:00Z", True),
    "a shorter night ends an hour sooner": (NEW_YORK_NIGHT, "UTC", "2026-03-08T08:00:00Z", False),
    "the hour that comes twice, the first time": (NEW_YORK_NIGHT, "UTC", "2026-11-01T05:30:00Z", True),
    "the hour that comes twice, the second time": (NEW_YORK_NIGHT, "UTC", "2026-11-01T06:30:00Z", True),
    "a longer night ends an hour later": (NEW_YORK_NIGHT, "UTC", "2026-11-01T08:59:59Z", True),
    "and then it ends": (NEW_YORK_NIGHT, "UTC", "2026-11-01T09:00:00Z", False),
    "a zone of half hours": (OFFICE, "Asia/Kolkata", "2026-03-16T03:30:00Z", True),
    "a minute before, in a zone of half hours": (OFFICE, "Asia/Kolkata", "2026-03-16T03:29:00Z", False),
    "in a zone that is not known nothing is open": (ALWAYS, "Mars/Olympus", "2026-03-16T10:00:00Z", False),
    "nor in one that climbs out of the database": (ALWAYS, "../UTC", "2026-03-16T10:00:00Z", False),
    "nor in one without a name": (ALWAYS, "", "2026-03-16T10:00:00Z", False),
}


@pytest.mark.parametrize(("fields", "zone", "moment", "is_open"), ZONES.values(), ids=ZONES)
def test_hours_are_those_of_a_zone_and_follow_its_clock(
    fields: dict[str, Any], zone: str, moment: str, is_open: bool
) -> None:
    assert calendar(**fields).is_open(at(moment), zone) is is_open


GERMAN: Final = {**OFFICE, "holidays": {"country": "DE"}}
BAVARIAN: Final = {**OFFICE, "holidays": {"country": "DE", "subdivision": "BY"}}
HOLIDAY_NIGHT: Final = {"weekly": [hours("thu", "22:00-06:00")], "holidays": {"country": "DE"}}
#: Known for two years, with one day off.
KEPT: Final = {**OFFICE, "holidays": {"country": "DE", "days": ["2026-03-17"], "years": [2026, 2027]}}

#: A calendar, a moment in UTC, and whether it is open then. 2026-12-25 is a Friday, 2026-01-06 a Tuesday.
HOLIDAYS: Final[dict[str, tuple[dict[str, Any], str, bool]]] = {
    "an ordinary day": (GERMAN, "2026-12-23T10:00:00Z", True),
    "Christmas": (GERMAN, "2026-12-25T10:00:00Z", False),
    "a holiday of one part is none of the country": (GERMAN, "2026-01-06T10:00:00Z", True),
    "a holiday of that part": (BAVARIAN, "2026-01-06T10:00:00Z", False),
    "a holiday of the country in that part": (BAVARIAN, "2026-12-25T10:00:00Z", False),
    "the first year that is known": (GERMAN, "2020-01-02T10:00:00Z", True),
    "the year before": (GERMAN, "2019-12-30T10:00:00Z", False),
    "the last year that is known": (GERMAN, f"{MADE + 10}-12-30T10:00:00Z", True),
    "the year after": (GERMAN, f"{MADE + 11}-01-03T10:00:00Z", False),
    "a night that runs into a holiday ends at midnight": (HOLIDAY_NIGHT, "2026-12-25T01:00:00Z", False),
    "a night that a holiday does not follow": (HOLIDAY_NIGHT, "2026-12-18T01:00:00Z", True),
    "days that were filled in before": (KEPT, "2026-03-17T10:00:00Z", False),
    "days that were filled in before are all that there are": (KEPT, "2026-12-25T10:00:00Z", True),
    "years that were filled in before": (KEPT, "2028-03-15T10:00:00Z", False),
}


@pytest.mark.parametrize(("fields", "moment", "is_open"), HOLIDAYS.values(), ids=HOLIDAYS)
def test_a_calendar_is_closed_on_holidays_and_where_they_are_not_known(
    fields: dict[str, Any], moment: str, is_open: bool
) -> None:
    assert calendar(**fields).is_open(at(moment), "UTC") is is_open


def test_a_holiday_is_one_of_the_calendars_zone() -> None:
    tokyo = calendar(zone="Asia/Tokyo", weekly=ALWAYS["weekly"], holidays={"country": "JP"})
    assert not tokyo.is_open(at("2025-12-31T15:00:00Z"), "UTC")
    assert not tokyo.is_open(at("2026-01-01T14:59:59Z"), "UTC")
    assert tokyo.is_open(at("2025-12-31T14:59:59Z"), "UTC")
    assert tokyo.is_open(at("2026-01-01T15:00:00Z"), "UTC")


def test_the_days_of_holidays_are_kept_as_they_were_when_the_pack_was_made() -> None:
    entry = msgspec.convert(GERMAN, CalendarEntry)
    made = with_holidays(entry, MADE)
    assert made.holidays is not None
    assert made.holidays.years == (2020, MADE + 10)
    assert "2026-12-25" in made.holidays.days
    assert list(made.holidays.days) == sorted(made.holidays.days)
    assert with_holidays(made, MADE + 5) == made


def test_a_calendar_without_holidays_knows_every_year() -> None:
    assert calendar(**OFFICE).is_open(at("2199-03-18T10:00:00Z"), "UTC")


FROZEN: Final = {**OFFICE, "freezes": [period("2026-03-17", "2026-03-18")]}
PAUSED: Final = {**OFFICE, "freezes": [period("2026-03-16T10:00:00Z", "2026-03-16T12:00:00Z")]}
OPENED: Final = {**OFFICE, "openings": [period("2026-03-21", "2026-03-21")]}
LATE: Final = {**OFFICE, "openings": [period("2026-03-16T20:00:00+01:00", "2026-03-16T22:00:00+01:00")]}
BOTH: Final = {**FROZEN, "openings": [period("2026-03-18", "2026-03-19")]}
ON_CHRISTMAS: Final = {**GERMAN, "openings": [period("2026-12-25", "2026-12-25")]}
UNKNOWN_YEAR: Final = {**GERMAN, "openings": [period("2050-05-01", "2050-05-01")]}
ONLY_OPENED: Final = {"openings": [period("2026-03-21T08:00:00Z", "2026-03-21T09:00:00Z")]}

#: A calendar, the account's zone, a moment, and whether it is open then.
PERIODS: Final[dict[str, tuple[dict[str, Any], str, str, bool]]] = {
    "the day before a freeze": (FROZEN, "UTC", "2026-03-16T10:00:00Z", True),
    "the first day of a freeze": (FROZEN, "UTC", "2026-03-17T10:00:00Z", False),
    "the last day of a freeze": (FROZEN, "UTC", "2026-03-18T16:59:00Z", False),
    "the day after a freeze": (FROZEN, "UTC", "2026-03-19T09:00:00Z", True),
    "a freeze lasts as long as its days in the zone": (FROZEN, "Pacific/Honolulu", "2026-03-19T01:00:00Z", False),
    "the day after it in that zone": (FROZEN, "Pacific/Honolulu", "2026-03-20T01:00:00Z", True),
    "before a freeze of hours": (PAUSED, "UTC", "2026-03-16T09:59:59Z", True),
    "when a freeze of hours begins": (PAUSED, "UTC", "2026-03-16T10:00:00Z", False),
    "when a freeze of hours ends": (PAUSED, "UTC", "2026-03-16T12:00:00Z", True),
    "an opening holds all day": (OPENED, "UTC", "2026-03-21T23:59:59Z", True),
    "an opening begins at midnight of the zone": (OPENED, "Asia/Tokyo", "2026-03-20T15:00:00Z", True),
    "not before": (OPENED, "Asia/Tokyo", "2026-03-20T14:59:59Z", False),
    "an opening takes no hours away": (OPENED, "UTC", "2026-03-20T10:00:00Z", True),
    "the day after an opening": (OPENED, "UTC", "2026-03-22T00:00:00Z", False),
    "an opening of hours, by its own offset": (LATE, "UTC", "2026-03-16T19:00:00Z", True),
    "its end is not in it": (LATE, "UTC", "2026-03-16T21:00:00Z", False),
    "a freeze beats an opening": (BOTH, "UTC", "2026-03-18T10:00:00Z", False),
    "an opening beyond the freeze": (BOTH, "UTC", "2026-03-19T23:00:00Z", True),
    "an opening on a holiday": (ON_CHRISTMAS, "UTC", "2026-12-25T03:00:00Z", True),
    "the holiday after it": (ON_CHRISTMAS, "UTC", "2026-12-26T10:00:00Z", False),
    "an opening in a year whose holidays are not known": (UNKNOWN_YEAR, "UTC", "2050-05-01T10:00:00Z", True),
    "openings alone": (ONLY_OPENED, "UTC", "2026-03-21T08:30:00Z", True),
    "openings alone, and otherwise closed": (ONLY_OPENED, "UTC", "2026-03-16T10:00:00Z", False),
}


@pytest.mark.parametrize(("fields", "zone", "moment", "is_open"), PERIODS.values(), ids=PERIODS)
def test_freezes_close_openings_open_and_freezes_win(
    fields: dict[str, Any], zone: str, moment: str, is_open: bool
) -> None:
    assert calendar(**fields).is_open(at(moment), zone) is is_open


@pytest.mark.parametrize("moment", [float("nan"), float("inf"), float("-inf"), 1e300, -1e18])
def test_a_time_that_is_in_no_calendar_is_in_no_window(moment: float) -> None:
    assert calendar(**ALWAYS).is_open(moment, "UTC") is False


#: A calendar that cannot be used, where, and what is said of it.
REFUSED: Final[dict[str, tuple[dict[str, Any], str, str]]] = {
    "nothing at all": ({}, "", "never opens"),
    "no hours, and only a freeze": ({"freezes": [period("2026-03-17", "2026-03-18")]}, "", "never opens"),
    "a span of no length": ({"weekly": [hours("mon", "09:00-09:00")]}, "weekly.0.hours", "never opens"),
    "a span at midnight": ({"weekly": [hours("mon", "24:00-00:00")]}, "weekly.0.hours", "begin before"),
    "an opening within a freeze": (
        {"openings": [period("2026-03-18", "2026-03-18")], "freezes": [period("2026-03-17", "2026-03-19")]},
        "freezes",
        "never opens",
    ),
    "known years that end before they begin": (
        {**OFFICE, "holidays": {"country": "DE", "years": [2027, 2026]}},
        "holidays.years",
        "never opens",
    ),
    "a date of a holiday that is none": (
        {**OFFICE, "holidays": {"country": "DE", "days": ["Easter"], "years": [2026, 2027]}},
        "holidays.days.0",
        "`Easter`",
    ),
    "a span that is none": ({"weekly": [hours("mon", "9 to 5")]}, "weekly.0.hours", "`9 to 5`"),
    "a twenty-fifth hour": ({"weekly": [hours("mon", "09:00-25:00")]}, "weekly.0.hours", "`09:00-25:00`"),
    "a minute beyond the day": ({"weekly": [hours("mon", "09:00-24:01")]}, "weekly.0.hours", "`09:00-24:01`"),
    "a sixtieth minute": ({"weekly": [hours("mon", "08:60-09:00")]}, "weekly.0.hours", "`08:60-09:00`"),
    "days that only begin like days": ({"weekly": [hours("monkey", "09:00-10:00")]}, "weekly.0.days", "`monkey`"),
    "days that are too short to tell": ({"weekly": [hours("t", "09:00-10:00")]}, "weekly.0.days", "`t`"),
    "days with an open end": ({"weekly": [hours("mon-", "09:00-10:00")]}, "weekly.0.days", "`mon-`"),
    "a zone that is none": ({**OFFICE, "zone": "Europe/Berln"}, "zone", "did you mean `Europe/Berlin`"),
    "a zone that is only a continent": ({**OFFICE, "zone": "Europe"}, "zone", "`Europe`"),
    "a country in small letters": ({**OFFICE, "holidays": {"country": "de"}}, "holidays.country", "did you mean `DE`"),
    "a country that is none": ({**OFFICE, "holidays": {"country": "XX"}}, "holidays.country", "`XX`"),
    "a part that a country has not": (
        {**OFFICE, "holidays": {"country": "DE", "subdivision": "BYE"}},
        "holidays.subdivision",
        "did you mean `BY`",
    ),
    "a freeze that ends before it begins": (
        {**OFFICE, "freezes": [period("2026-03-18", "2026-03-17")]},
        "freezes.0.to",
        "`2026-03-17` lies before `2026-03-18`",
    ),
    "hours of a freeze that end when they begin": (
        {**OFFICE, "freezes": [period("2026-03-18T10:00:00Z", "2026-03-18T11:00:00+01:00")]},
        "freezes.0.to",
        "does not lie after",
    ),
    "a date and a time": (
        {**OFFICE, "freezes": [period("2026-03-18", "2026-03-19T10:00:00Z")]},
        "freezes.0",
        "one kind",
    ),
    "a time without an offset": (
        {**OFFICE, "openings": [period("2026-03-18T10:00:00", "2026-03-19T10:00:00Z")]},
        "openings.0.from",
        "no offset",
    ),
    "a day that there is not": (
        {**OFFICE, "openings": [period("2026-02-29", "2026-03-01")]},
        "openings.0.from",
        "2026-02-29",
    ),
    "no date at all": ({**OFFICE, "openings": [period("soon", "2026-03-01")]}, "openings.0.from", "`soon`"),
}


@pytest.mark.parametrize(("fields", "where", "said"), REFUSED.values(), ids=REFUSED)
def test_a_calendar_that_cannot_be_used_is_refused_with_the_field(
    fields: dict[str, Any], where: str, said: str
) -> None:
    with pytest.raises(CalendarError) as raised:
        calendar(**fields)
    assert ".".join(map(str, raised.value.path)) == where
    assert said in str(raised.value)


def test_a_time_at_the_very_beginning_of_all_calendars_is_read() -> None:
    edge = calendar(**OFFICE, freezes=[period("0001-01-01T00:00:00+14:00", "9999-12-31T23:59:59-12:00")])
    assert not edge.is_open(at("2026-03-16T10:00:00Z"), "UTC")


@given(st.integers(0, 7 * 24 * 60 - 1), st.integers(0, 24 * 60 - 1), st.integers(1, 24 * 60))
def test_weekly_hours_hold_from_their_first_minute_to_their_last_on_every_day(
    minute: int, opens: int, closes: int
) -> None:
    if opens == closes:
        return
    span = f"{opens // 60:02}:{opens % 60:02}-{closes // 60:02}:{closes % 60:02}"
    window = calendar(weekly=[hours("mon-sun", span)])
    time = minute % (24 * 60)
    within = opens <= time < closes if opens < closes else time >= opens or time < closes
    assert window.is_open(at("2026-03-16T00:00:00Z") + minute * 60, "UTC") is within


@pytest.mark.parametrize("name", ["UTC", "Europe/Berlin", "America/New_York"])
def test_a_zone_is_one_of_the_database(name: str) -> None:
    assert is_zone(name)


@pytest.mark.parametrize("name", ["", "Berlin", "Europe", "../../etc/passwd", "/etc/localtime", "UTC\0"])
def test_nothing_else_is_a_zone(name: str) -> None:
    assert not is_zone(name)

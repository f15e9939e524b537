"""Calendars as they are written into calendars as they are asked: days, hours, periods, holidays."""

from __future__ import annotations

import re
from collections.abc import Iterator
from datetime import date, datetime
from typing import Final
from zoneinfo import available_timezones

import msgspec

from stage0.core.calendar import DAY, Calendar, Hours, Period, is_zone
from stage0.knowledge.source import alike, nearest
from stage0.policy.format import CalendarEntry, HolidaysEntry, HoursEntry, PeriodEntry

_DAYS: Final = ("monday", "tuesday", "wednesday", "thursday", "friday", "saturday", "sunday")
_SPAN: Final = re.compile(r"(\d{1,2}):(\d{2})\s*-\s*(\d{1,2}):(\d{2})\Z")
#: Holidays are known from this year on, and for so many years after that in which a pack is made.
_FIRST_YEAR: Final = 2020
_YEARS: Final = 10


class CalendarError(ValueError):
    """A calendar that cannot be used: which field, what is wrong, and what to do."""

    def __init__(self, path: tuple[str | int, ...], message: str) -> None:
        super().__init__(message)
        self.path = path


def calendar_of(entry: CalendarEntry) -> Calendar:
    """A calendar that can be asked. Raises CalendarError, also for one that never opens."""
    if entry.zone and not is_zone(entry.zone):
        known = alike(entry.zone, available_timezones()) or "; one is called `Europe/Berlin`, for example"
        raise CalendarError(("zone",), f"there is no time zone `{entry.zone}`{known}")
    weekly = tuple(hours for index, each in enumerate(entry.weekly) for hours in _hours(each, ("weekly", index)))
    freezes = tuple(_period(each, ("freezes", index)) for index, each in enumerate(entry.freezes))
    openings = tuple(_period(each, ("openings", index)) for index, each in enumerate(entry.openings))
    if not weekly and not openings:
        raise CalendarError((), "never opens: give it `weekly` hours or `openings`")
    days, years = _days_off(entry.holidays)
    if not weekly and all(any(_within(opening, freeze) for freeze in freezes) for opening in openings):
        raise CalendarError(("freezes",), "never opens: every opening lies in a freeze")
    return Calendar(
        zone=entry.zone,
        weekly=weekly,
        holidays=days,
        known_years=years,
        freezes=freezes,
        openings=openings,
    )


def _days_off(entry: HolidaysEntry | None) -> tuple[frozenset[date], tuple[int, int] | None]:
    """The days of holidays, and the years in which they are known."""
    if entry is None or entry.years is None:
        return frozenset(), None
    days = set()
    for index, day in enumerate(entry.days):
        try:
            days.add(date.fromisoformat(day))
        except ValueError:
            raise CalendarError(("holidays", "days", index), f"`{day}` is no date; write 2026-12-24") from None
    if entry.years[0] > entry.years[1]:
        raise CalendarError(("holidays", "years"), "never opens: its last year lies before the first")
    return frozenset(days), entry.years


def with_holidays(entry: CalendarEntry, year: int) -> CalendarEntry:
    """The calendar with the days of its holidays, as they are known in a year. Raises CalendarError."""
    wanted = entry.holidays
    if wanted is None or wanted.years is not None:
        return entry
    import holidays

    known = holidays.list_supported_countries()
    country, part = wanted.country, wanted.subdivision
    if country not in known:
        hint = alike(country, known) or "; use an ISO code such as `DE`"
        raise CalendarError(("holidays", "country"), f"the holidays of `{country}` are not known{hint}")
    if part and part not in known[country]:
        raise CalendarError(
            ("holidays", "subdivision"), f"`{country}` has no part `{part}`{nearest(part, known[country])}"
        )
    years = (_FIRST_YEAR, year + _YEARS)
    found = holidays.country_holidays(country, subdiv=part or None, years=range(years[0], years[1] + 1))
    days = tuple(day.isoformat() for day in sorted(found))
    return msgspec.structs.replace(entry, holidays=HolidaysEntry(country, part, days, years))


def _hours(entry: HoursEntry, path: tuple[str | int, ...]) -> Iterator[Hours]:
    days = frozenset(_days(entry.days, (*path, "days")))
    found = _SPAN.match(entry.hours.strip())
    if found is None:
        raise CalendarError((*path, "hours"), f"`{entry.hours}` is no span of hours; write `09:00-17:00`")
    opens, closes = int(found[1]) * 60 + int(found[2]), int(found[3]) * 60 + int(found[4])
    if opens >= DAY or closes > DAY or int(found[2]) > 59 or int(found[4]) > 59:
        raise CalendarError((*path, "hours"), f"`{entry.hours}`: hours are 00:00 to 24:00, and begin before that")
    if opens == closes:
        raise CalendarError((*path, "hours"), f"`{entry.hours}` never opens: it ends when it begins")
    if opens < closes:
        yield Hours(days, opens, closes)
    else:
        yield Hours(days, opens, DAY)
        if closes:
            yield Hours(frozenset(day % 7 + 1 for day in days), 0, closes)


def _days(text: str, path: tuple[str | int, ...]) -> Iterator[int]:
    for part in text.lower().split(","):
        first, dash, last = part.partition("-")
        begin, end = _day(first), _day(last if dash else first)
        if begin is None or end is None:
            raise CalendarError(path, f"`{text}` names no days; write `mon-fri` or `sat, sun`")
        yield from ((begin + step) % 7 + 1 for step in range((end - begin) % 7 + 1))


def _day(text: str) -> int | None:
    """The day that a name of three letters or more begins, counted from Monday."""
    name = text.strip()
    return next((index for index, day in enumerate(_DAYS) if len(name) >= 3 and day.startswith(name)), None)


def _period(entry: PeriodEntry, path: tuple[str | int, ...]) -> Period:
    start, end = _moment(entry.start, (*path, "from")), _moment(entry.end, (*path, "to"))
    if isinstance(start, date) and isinstance(end, date):
        if end < start:
            raise CalendarError((*path, "to"), f"`{entry.end}` lies before `{entry.start}`")
        return Period(first_day=start, last_day=end, why=entry.why)
    if isinstance(start, float) and isinstance(end, float):
        if end <= start:
            raise CalendarError((*path, "to"), f"`{entry.end}` does not lie after `{entry.start}`")
        return Period(start=start, end=end, why=entry.why)
    raise CalendarError(path, "one end is a date and the other a time: give two of one kind")


def _moment(text: str, path: tuple[str | int, ...]) -> date | float:
    try:
        if len(text) == len("2026-12-24"):
            return date.fromisoformat(text)
        moment = datetime.fromisoformat(text)
    except ValueError:
        raise CalendarError(
            path, f"`{text}` is neither a date (2026-12-24) nor a time (2026-12-24T18:00:00+01:00)"
        ) from None
    if moment.tzinfo is None:
        raise CalendarError(path, f"`{text}` has no offset from UTC; write `{text}Z`, for example")
    return moment.timestamp()


def _within(opening: Period, freeze: Period) -> bool:
    """Whether a period surely lies in another one of the same kind."""
    if opening.first_day and opening.last_day and freeze.first_day and freeze.last_day:
        return freeze.first_day <= opening.first_day and opening.last_day <= freeze.last_day
    if opening.start is None or opening.end is None or freeze.start is None or freeze.end is None:
        return False
    return freeze.start <= opening.start and opening.end <= freeze.end

"""Change calendars: when a named window is open. Weekly hours, holidays, freezes and one-off openings."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import UTC, date, datetime, time, timedelta, tzinfo
from typing import Final
from zoneinfo import ZoneInfo, ZoneInfoNotFoundError

import msgspec

from stage0.reading.text.keeping import remember

#: Characters of a zone's name.
_NAME: Final = 64
#: Minutes of a day.
DAY: Final = 24 * 60


class Hours(msgspec.Struct, frozen=True):
    """Weekly hours: ISO weekdays (1 is Monday) and minutes of the day, from `opens` on and before `closes`."""

    days: frozenset[int]
    opens: int
    closes: int


class Period(msgspec.Struct, frozen=True):
    """A span of time: whole days of the calendar's zone, both included, or moments in Unix seconds, the last one not
    included. `why` is for people."""

    first_day: date | None = None
    last_day: date | None = None
    start: float | None = None
    end: float | None = None
    why: str = ""

    def holds(self, at: float, day: date) -> bool:
        """Whether a moment lies in it, whose day in the calendar's zone is `day`."""
        if self.first_day is not None and self.last_day is not None:
            return self.first_day <= day <= self.last_day
        return self.start is not None and self.end is not None and self.start <= at < self.end

    def over(self, at: float, day: date) -> bool:
        """Whether all of it lies before a moment, whose day in the calendar's zone is `day`."""
        return self.last_day < day if self.last_day is not None else self.end is not None and self.end <= at


class Calendar(msgspec.Struct, frozen=True):
    """A named window. `zone` is empty for the account's. It is open in its weekly hours, but on no holiday, and in each
    of `openings` whatever the hour; a freeze closes it in spite of both.

    `known_years` are the first and the last year whose `holidays` are known: in any other it stays closed. Both are
    empty for a calendar without holidays."""

    zone: str = ""
    weekly: tuple[Hours, ...] = ()
    holidays: frozenset[date] = frozenset()
    known_years: tuple[int, int] | None = None
    freezes: tuple[Period, ...] = ()
    openings: tuple[Period, ...] = ()

    def is_open(self, at: float, zone: str) -> bool:
        """Whether it is open at a time in Unix seconds. `zone` is where hours and days are taken, unless the calendar
        has a zone of its own; in one that is not known nothing is ever open."""
        local = _local(self.zone or zone, at)
        if local is None:
            return False
        day = local.date()
        if any([freeze.holds(at, day) for freeze in self.freezes]):
            return False
        if any([opening.holds(at, day) for opening in self.openings]):
            return True
        if self.known_years is not None:
            first, last = self.known_years
            if not first <= day.year <= last or day in self.holidays:
                return False
        minute = local.hour * 60 + local.minute
        weekday = local.isoweekday()
        return any([weekday in hours.days and hours.opens <= minute < hours.closes for hours in self.weekly])

    def next_change(self, at: float, zone: str, until: float) -> float | None:
        """When it next opens or closes after a time and before another one, in Unix seconds; None where it does not."""
        first, last = _local(self.zone or zone, at), _local(self.zone or zone, until)
        if first is None or last is None:
            return None
        moments = {edge for each in (*self.freezes, *self.openings) for edge in (each.start, each.end) if edge}
        moments |= _clock_changes(first, last)
        minutes = {0, *[edge for hours in self.weekly for edge in (hours.opens, hours.closes) if edge < DAY]}
        day = first.date()
        while day <= last.date():
            moments |= {moment for minute in minutes for moment in _moments(day, minute, first.tzinfo)}
            day += timedelta(days=1)
        now = self.is_open(at, zone)
        later = sorted(moment for moment in moments if at < moment < until)
        return next((moment for moment in later if self.is_open(moment, zone) is not now), None)

    def over(self, at: float, zone: str) -> bool:
        """Whether it never opens again from a time on: its openings have passed, and so have the years whose holidays
        are known. Freezes are not looked at."""
        local = _local(self.zone or zone, at)
        if local is None:
            return True
        day = local.date()
        weekly = bool(self.weekly) and (self.known_years is None or day.year <= self.known_years[1])
        return not weekly and all([opening.over(at, day) for opening in self.openings])


def _moments(day: date, minute: int, zone: tzinfo | None) -> Iterator[float]:
    """A minute of a day in a zone, in Unix seconds: two moments where the clock is put back over it."""
    local = datetime.combine(day, time(*divmod(minute, 60)), zone)
    for fold in (0, 1):
        yield local.replace(fold=fold).timestamp()


def _clock_changes(first: datetime, last: datetime) -> set[float]:
    """When the clock of a zone is put on or back between two times, in Unix seconds. It is so once at most."""
    if first.utcoffset() == last.utcoffset():
        return set()
    before, after = int(first.timestamp()), int(last.timestamp()) + 1
    while after - before > 1:
        middle = (before + after) // 2
        if datetime.fromtimestamp(middle, first.tzinfo).utcoffset() == first.utcoffset():
            before = middle
        else:
            after = middle
    return {float(after)}


@remember(longest=_NAME, count=64)
def _local(zone: str, at: float) -> datetime | None:
    """The time in a zone: all calendars of a check ask for the same one. None where there is none."""
    found = _zone(zone)
    if found is None:
        return None
    try:
        return datetime.fromtimestamp(at, UTC).astimezone(found)
    except (ValueError, OSError, OverflowError):
        return None


@remember(longest=_NAME, count=256)
def _zone(name: str) -> ZoneInfo | None:
    try:
        return ZoneInfo(name)
    except (ZoneInfoNotFoundError, ValueError, OSError):
        return None


def is_zone(name: str) -> bool:
    """Whether there is a time zone of that name."""
    return _zone(name) is not None

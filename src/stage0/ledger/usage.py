"""Quotas and rates: how many checks a key, or the usage group it shares, may have a month, a day and a minute.

Windows are UTC and fixed: the month, the day, the minute that is running. A holder is a key or a usage group; a check
counts for its key and for the key's group, and is refused where either is spent. A refused request counts for neither.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from datetime import UTC, datetime
from typing import Any, Final, Literal, NamedTuple

import msgspec
import sqlalchemy as sa

from stage0.ledger.errors import LimitReached, NotFound
from stage0.ledger.events import raise_epoch, record_event
from stage0.ledger.plans import UNLIMITED
from stage0.ledger.schema import usage

Window = Literal["month", "day", "minute"]
WINDOWS: Final[tuple[Window, ...]] = ("month", "day", "minute")
#: Percent of a monthly or daily quota at which an event says so.
WARN_AT: Final = (80, 100)


class Limits(msgspec.Struct, frozen=True):
    """Checks a month, a day and a minute. `UNLIMITED` or more is no limit."""

    month: int = UNLIMITED
    day: int = UNLIMITED
    minute: int = UNLIMITED


class Now(NamedTuple):
    """The windows that are running: months, days and minutes since 1970, UTC."""

    month: int
    day: int
    minute: int


def windows_at(now: float) -> Now:
    """The windows at a time in Unix seconds."""
    minute = int(now // 60)
    date = datetime.fromtimestamp(now, UTC)
    return Now((date.year - 1970) * 12 + date.month - 1, minute // 1440, minute)


def ends(window: Window, number: int) -> float:
    """When a window is over, in Unix seconds."""
    if window == "minute":
        return (number + 1) * 60.0
    if window == "day":
        return (number + 1) * 86400.0
    year, month = divmod(number + 1, 12)
    return datetime(1970 + year, month + 1, 1, tzinfo=UTC).timestamp()


class UsageCounter:
    """What one holder has used, within one batch. Counts of a window that is over are gone. `limits` are the largest
    under which a check was counted."""

    __slots__ = (
        "account",
        "added",
        "day",
        "day_used",
        "day_warned",
        "holder",
        "limits",
        "minute",
        "minute_used",
        "month",
        "month_used",
        "month_warned",
    )

    def __init__(self, account: str, holder: str, now: Now, row: Any = None) -> None:
        """`row` is the holder's row of the table, where there is one. Windows only ever move forward: where another
        server's clock is ahead, its window counts."""
        self.account = account
        self.holder = holder
        self.limits = Limits(0, 0, 0)
        self.added = 0
        self.month, self.day, self.minute = now
        self.month_used = self.day_used = self.minute_used = 0
        self.month_warned = self.day_warned = 0
        if row is None:
            return
        if row.month >= now.month:
            self.month, self.month_used, self.month_warned = row.month, row.month_used, row.month_warned
        if row.day >= now.day:
            self.day, self.day_used, self.day_warned = row.day, row.day_used, row.day_warned
        if row.minute >= now.minute:
            self.minute, self.minute_used = row.minute, row.minute_used

    def spent(self, limits: Limits) -> Window | None:
        """The longest window in which these limits leave nothing; None where a check may pass."""
        if self.month_used >= limits.month and limits.month < UNLIMITED:
            return "month"
        if self.day_used >= limits.day and limits.day < UNLIMITED:
            return "day"
        if self.minute_used >= limits.minute and limits.minute < UNLIMITED:
            return "minute"
        return None

    def add(self, limits: Limits) -> None:
        """Count one check under these limits."""
        mine = self.limits
        if limits != mine:
            self.limits = Limits(
                max(mine.month, limits.month), max(mine.day, limits.day), max(mine.minute, limits.minute)
            )
        self.added += 1
        self.month_used += 1
        self.day_used += 1
        self.minute_used += 1

    def take_back(self) -> None:
        """Count one check less: it came to nothing."""
        self.added -= 1
        self.month_used -= 1
        self.day_used -= 1
        self.minute_used -= 1

    def to_warn(self) -> bool:
        """Whether a threshold has been reached of which no event tells yet."""
        return (
            _reached(self.month_used, self.limits.month) > self.month_warned
            or _reached(self.day_used, self.limits.day) > self.day_warned
        )

    def window(self, window: Window) -> int:
        """The number of a window."""
        number: int = getattr(self, window)
        return number


#: A count, and the limits that hold for whoever draws on it.
Share = tuple[UsageCounter, Limits]


def admit(shares: Sequence[Share], now: float) -> None:
    """Count one check for each holder. Raises LimitReached, and counts for none, where one of them is spent."""
    for counter, limits in shares:
        window = counter.spent(limits)
        if window is not None:
            limit = getattr(limits, window)
            raise LimitReached(counter.holder, window, limit, max(0.0, ends(window, counter.window(window)) - now))
    for counter, limits in shares:
        counter.add(limits)


def _reached(used: int, limit: int) -> int:
    """The highest threshold, in percent, that a count has reached; 0 for none."""
    if limit >= UNLIMITED:
        return 0
    return max([percent for percent in WARN_AT if used * 100 >= limit * percent], default=0)


def warn(connection: sa.Connection, account: str, holder: str, limits: Limits, now: float) -> None:
    """Write an event for each threshold that a holder has reached, once for each window."""
    row = connection.execute(_row(account, holder)).first()
    if row is None:
        return
    for window, limit in (("month", limits.month), ("day", limits.day)):
        number, used, warned = (getattr(row, name) for name in (window, f"{window}_used", f"{window}_warned"))
        percent = _reached(used, limit)
        if percent <= warned:
            continue
        column = usage.c[f"{window}_warned"]
        flipped = connection.execute(
            usage.update()
            .where(usage.c.account_id == account, usage.c.holder == holder)
            .where(usage.c[window] == number, column == warned)
            .values({column.name: percent})
        )
        if flipped.rowcount:
            for crossed in [each for each in WARN_AT if warned < each <= percent]:
                record_event(
                    connection,
                    account=account,
                    actor="system",
                    action="usage.threshold",
                    target=holder,
                    now=now,
                    window=window,
                    percent=crossed,
                    used=used,
                    limit=limit,
                )


def reset_usage(
    connection: sa.Connection, account: str, holder: str, *, everything: bool, actor: str, now: float
) -> None:
    """Begin the windows of a holder anew: those that lie in the future, since a clock had jumped ahead, or
    `everything`. Raises NotFound where nothing was used yet."""
    row = connection.execute(_row(account, holder)).first()
    if row is None:
        raise NotFound(f"nothing has been used by `{holder}` yet")
    values: dict[str, int] = {}
    for window, current in zip(WINDOWS, windows_at(now), strict=True):
        if everything or getattr(row, window) > current:
            values |= {window: current, f"{window}_used": 0}
            if window != "minute":
                values[f"{window}_warned"] = 0
    if values:
        connection.execute(
            usage.update().where(usage.c.account_id == account, usage.c.holder == holder).values(**values)
        )
    used = {window: getattr(row, f"{window}_used") for window in WINDOWS}
    record_event(
        connection,
        account=account,
        actor=actor,
        action="usage.reset",
        target=holder,
        now=now,
        **used,
        everything=everything,
    )
    raise_epoch(connection)


def _row(account: str, holder: str) -> sa.Select[Any]:
    return sa.select(usage).where(usage.c.account_id == account, usage.c.holder == holder)


def read_counters(
    connection: sa.Connection, account: str, holders: Iterable[tuple[str, Limits]], now: float
) -> list[Share]:
    """What each holder has used in the windows that are running, with its limits."""
    windows = windows_at(now)
    return [
        (UsageCounter(account, holder, windows, connection.execute(_row(account, holder)).first()), limits)
        for holder, limits in holders
    ]


def month_key(number: int) -> str:
    """A month as clients read it: `2026-11`."""
    return f"{1970 + number // 12:04}-{number % 12 + 1:02}"


def day_key(number: int) -> str:
    """A day as clients read it: `2026-11-20`."""
    return datetime.fromtimestamp(number * 86400, UTC).strftime("%Y-%m-%d")

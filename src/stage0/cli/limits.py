"""Limits on the command line: the three options, and how they are shown."""

from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING, Any, Final, TypedDict, TypeVar

import click

if TYPE_CHECKING:
    from stage0.ledger.usage import Limits

F = TypeVar("F", bound=Callable[..., Any])

#: The largest limit that can be set: one more is how `no limit` is written.
_MOST: Final = 2_147_483_646


class Given(TypedDict):
    """The limits of one command line; None where one is not given."""

    per_month: int | None
    per_day: int | None
    per_minute: int | None


def limit_options(command: F) -> F:
    """`--per-month`, `--per-day` and `--per-minute`, which a command takes as `**given: Unpack[Given]`."""
    for window in ("minute", "day", "month"):
        option = click.option(
            f"--per-{window}",
            type=click.IntRange(0, _MOST),
            default=None,
            metavar="N",
            help=f"Checks a {window}.",
        )
        command = option(command)
    return command


def any_given(given: Given) -> bool:
    """Whether the command line names a limit."""
    return any(limit is not None for limit in (given["per_month"], given["per_day"], given["per_minute"]))


def over(present: Limits, given: Given) -> Limits:
    """The present limits with those that are given in their place."""
    from stage0.ledger.usage import Limits

    return Limits(
        present.month if given["per_month"] is None else given["per_month"],
        present.day if given["per_day"] is None else given["per_day"],
        present.minute if given["per_minute"] is None else given["per_minute"],
    )


def of_row(row: Any) -> Limits:
    """The limits of a row or struct with `per_month`, `per_day` and `per_minute`; None is no limit."""
    from stage0.ledger.usage import Limits

    return over(Limits(), {"per_month": row.per_month, "per_day": row.per_day, "per_minute": row.per_minute})


def shown(limits: Limits) -> str:
    """Limits as `1000/month,20/minute`; empty where there are none."""
    each = ((limits.month, "month"), (limits.day, "day"), (limits.minute, "minute"))
    return ",".join(f"{limit}/{window}" for limit, window in each if limit <= _MOST)

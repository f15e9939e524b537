"""Quotas and rates as clients see them: headers, errors, `GET /usage`, and slow answers for whoever keeps asking."""

from __future__ import annotations

import asyncio
import math
from collections.abc import Mapping, Sequence
from typing import Any, Final

from stage0.engine import Engine
from stage0.ledger import LimitReached
from stage0.ledger.keys import GROUP, Key
from stage0.ledger.plans import UNLIMITED
from stage0.ledger.usage import Share, day_key, month_key
from stage0.server.errors import ApiError, Headers

#: Refusals of one key within a window after which it is answered slowly, and by how many seconds.
_QUICK_REFUSALS: Final = 20
_PAUSE: Final = 0.5

_QUOTAS: Final = {"month": "Monthly", "day": "Daily"}


class Throttle:
    """Refuses keys that are known to have nothing left, before anything of their request is read.

    A client that keeps asking all the same is answered slowly, so that it cannot keep the server busy."""

    def __init__(self) -> None:
        self._refusals: dict[str, int] = {}

    async def enter(self, engine: Engine, key: Key, *, retried: bool) -> None:
        """Raises LimitReached where nothing is left for the key. A check that may have been answered before (`retried`)
        goes on, since its answer is given again whatever is left; but it takes its time, too."""
        try:
            engine.refuse_exhausted(key)
        except LimitReached:
            count = self._refusals[key.id] = self._refusals.get(key.id, 0) + 1
            if count > _QUICK_REFUSALS:
                await asyncio.sleep(_PAUSE)
            if not retried:
                raise
        else:
            self._refusals.pop(key.id, None)


def rate_headers(limit: int, remaining: int, reset: int) -> Headers:
    """What is left of the minute: checks, and seconds until it is over."""
    return [
        (b"ratelimit-limit", b"%d" % limit),
        (b"ratelimit-remaining", b"%d" % remaining),
        (b"ratelimit-reset", b"%d" % reset),
    ]


def limit_error(reached: LimitReached) -> ApiError:
    """402 for a quota, whose message holds that word, 429 for a rate, whose message must not."""
    wait = max(1, math.ceil(reached.wait))
    group = f" of the usage group `{reached.holder.removeprefix(GROUP)}`" if reached.holder.startswith(GROUP) else ""
    if reached.window == "minute":
        # Without the group's name, which might hold that word.
        message = f"Rate limit{' of the usage group' * bool(group)} of {reached.limit:,} checks a minute reached."
        return ApiError(429, "rate_limited", message, retry_after=wait, headers=rate_headers(reached.limit, 0, wait))
    message = (
        f"{_QUOTAS[reached.window]} quota{group} of {reached.limit:,} checks is spent; "
        f"the next {reached.window} (UTC) begins in {wait:,} seconds."
    )
    return ApiError(402, "quota_exceeded", message, retry_after=wait)


_COUNTS: Final = (
    *("monthly_used", "monthly_quota", "monthly_remaining", "daily_used", "daily_quota", "daily_remaining"),
    *("per_minute_limit", "minute_used", "minute_remaining"),
)
_COUNT_SCHEMAS: Final = {name: {"type": "integer", "minimum": 0} for name in _COUNTS}
_USAGE_TEXTS: Final = ("request_id", "api_key_id", "plan", "month_key", "day_key", "environment", "source")
#: JSON Schema of what `usage_of` gives.
USAGE_SCHEMA: Final[Mapping[str, Any]] = {
    "type": "object",
    "required": [*_USAGE_TEXTS, *_COUNTS, "unlimited", "evaluated_at"],
    "properties": {
        **{name: {"type": "string"} for name in _USAGE_TEXTS},
        **_COUNT_SCHEMAS,
        "unlimited": {"type": "boolean"},
        "evaluated_at": {"type": "integer"},
        "usage_group": {"type": "string"},
        "key": {"type": "object", "required": [*_COUNTS], "properties": _COUNT_SCHEMAS},
    },
}


def usage_of(key: Key, shares: Sequence[Share], request_id: str, now: float) -> dict[str, Any]:
    """The answer of `GET /usage`: the envelope that the key draws from (its group's, where it has one), and, inside of
    a group, the key's own part of it."""
    own, (envelope, _) = shares[0], shares[-1]
    counts = _counts(shares[-1])
    body = {
        "request_id": request_id,
        "api_key_id": key.id,
        "plan": key.plan_name,
        "month_key": month_key(envelope.month),
        "day_key": day_key(envelope.day),
        **counts,
        "unlimited": all(counts[name] == UNLIMITED for name in ("monthly_quota", "daily_quota", "per_minute_limit")),
        "environment": ",".join(key.caller.environments) or key.mode,
        "source": "live",
        "evaluated_at": int(now),
    }
    if key.group:
        body["usage_group"] = key.group
        body["key"] = _counts(own)
    return body


def _counts(share: Share) -> dict[str, int]:
    counter, limits = share
    counts = {}
    for name, used, limit, quota in (
        ("monthly", counter.month_used, limits.month, "monthly_quota"),
        ("daily", counter.day_used, limits.day, "daily_quota"),
        ("minute", counter.minute_used, limits.minute, "per_minute_limit"),
    ):
        unlimited = limit >= UNLIMITED
        counts[f"{name}_used"] = used
        counts[quota] = UNLIMITED if unlimited else limit
        counts[f"{name}_remaining"] = UNLIMITED if unlimited else max(0, limit - used)
    return counts

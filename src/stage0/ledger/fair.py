"""The queue of checks: bounded, and taken from in turns by account: a flood of one does not slow the others."""

from __future__ import annotations

import time
from collections import OrderedDict, deque
from collections.abc import Callable
from typing import Final, Generic, Protocol, TypeVar

#: Seconds for which an account counts as active after its last check.
_ACTIVE: Final = 1.0


class Queued(Protocol):
    """What can be queued: it belongs to an account."""

    @property
    def account(self) -> str:
        """The account's id."""


J = TypeVar("J", bound=Queued)


class FairQueue(Generic[J]):
    """Jobs by account, first in first out within each."""

    def __init__(self, capacity: int, clock: Callable[[], float] = time.monotonic) -> None:
        self._capacity = capacity
        self._clock = clock
        self._size = 0
        self._accounts: OrderedDict[str, deque[J]] = OrderedDict()
        self._seen: OrderedDict[str, float] = OrderedDict()

    def __len__(self) -> int:
        return self._size

    def put(self, job: J) -> J | None:
        """Queue a job. Gives the job that there is no room for, if any: the newest of whoever has most waiting."""
        account = job.account
        if account:  # the server's own work is nobody's
            self._seen[account] = self._clock()
            self._seen.move_to_end(account)
        waiting = self._accounts.get(account)
        if self._size >= self._capacity:
            owner, longest = max(self._accounts.items(), key=lambda each: len(each[1]))
            if waiting is not None and len(waiting) >= len(longest):
                return job
            displaced = longest.pop()
            if not longest:
                del self._accounts[owner]
            self._add(account, job)
            return displaced
        self._size += 1
        self._add(account, job)
        return None

    def _add(self, account: str, job: J) -> None:
        waiting = self._accounts.get(account)
        if waiting is None:
            self._accounts[account] = waiting = deque()
        waiting.append(job)

    def take(self, limit: int) -> list[J]:
        """The next batch: in turns by account. Where several accounts are active, none gets more of it than all of the
        others together, or than one check: what comes next waits for no more than that."""
        now = self._clock()
        while self._seen and next(iter(self._seen.values())) < now - _ACTIVE:
            self._seen.popitem(last=False)
        most = limit
        if len(self._seen) > 1 and self._accounts:
            lengths = [len(waiting) for waiting in self._accounts.values()]
            most = max(1, self._size - max(lengths))
        taken: list[J] = []
        turn = 0
        while len(taken) < limit and turn < most and self._accounts:
            turn += 1
            for account in list(self._accounts):
                if len(taken) >= limit:
                    break
                waiting = self._accounts[account]
                taken.append(waiting.popleft())
                if not waiting:
                    del self._accounts[account]
                else:
                    self._accounts.move_to_end(account)
        self._size -= len(taken)
        return taken

    def drain(self) -> list[J]:
        """Everything that waits."""
        jobs = [job for waiting in self._accounts.values() for job in waiting]
        self._accounts.clear()
        self._size = 0
        return jobs

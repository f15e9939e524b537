"""Whose turn it is: by account, and by the time that each has taken. A flood of one does not slow the others."""

from __future__ import annotations

import time
from collections import OrderedDict, deque
from collections.abc import Callable
from typing import Final, Generic, Protocol, TypeVar

#: Seconds for which an account counts as active after it was last seen.
_ACTIVE: Final = 1.0
#: Seconds that an account may have taken beyond another one that waits, before that one goes first.
_QUANTUM: Final = 0.01
#: The most that is held against an account, in seconds: more than the dearest body takes. Whoever was idle for long may
#: not keep it waiting for longer.
_HELD: Final = 1.0


class Queued(Protocol):
    """What can be queued: it belongs to an account."""

    @property
    def account(self) -> str:
        """The account's id; empty for the server's own work."""


J = TypeVar("J", bound=Queued)


class Turns:
    """The time that each active account has taken of the server, in seconds, beside the others."""

    def __init__(self, clock: Callable[[], float] = time.monotonic) -> None:
        self._clock = clock
        self._seen: OrderedDict[str, float] = OrderedDict()
        self._taken: dict[str, float] = {}
        #: What is held against whoever has taken least, when that was last looked at.
        self._least = 0.0

    def see(self, account: str) -> None:
        """Note that an account is active. One that was not begins where the one that has taken least stands."""
        if account:
            now = self._clock()
            if self._seen.get(account, float("-inf")) < now - _ACTIVE:
                self._taken[account] = self._least
            self._seen[account] = now
            self._seen.move_to_end(account)

    def charge(self, account: str, seconds: float) -> None:
        """Hold time that was taken against an account, also where its request was refused."""
        if not account:
            return
        if seconds >= _QUANTUM or account not in self._taken:
            self.see(account)  # what took long must not be forgotten for that
        self._taken[account] = min(self._taken[account] + seconds, self._least + _HELD)

    def taken(self, account: str) -> float:
        """What is held against an account."""
        return self._taken.get(account, 0.0)

    def is_behind(self, account: str) -> bool:
        """Whether others, who are active and have taken less, come before it."""
        if self.taken(account) <= self._least + _QUANTUM:
            return False
        return self.active() > 1 and self.taken(account) > self._least + _QUANTUM

    def active(self) -> int:
        """How many accounts are active."""
        until = self._clock() - _ACTIVE
        while self._seen and next(iter(self._seen.values())) < until:
            account, _ = self._seen.popitem(last=False)
            del self._taken[account]
        self._least = min(self._taken.values(), default=0.0)
        return len(self._seen)


class FairQueue(Generic[J]):
    """Jobs by account, first in first out within each. Bounded."""

    def __init__(self, capacity: int, turns: Turns) -> None:
        self._capacity = capacity
        self._turns = turns
        self._size = 0
        self._accounts: OrderedDict[str, deque[J]] = OrderedDict()

    def __len__(self) -> int:
        return self._size

    def put(self, job: J) -> J | None:
        """Queue a job. Gives the job that there is no room for, if any: the newest of whoever has most waiting."""
        account = job.account
        self._turns.see(account)
        waiting = self._accounts.get(account)
        if self._size >= self._capacity:
            # Of equals the one whose turn comes last, and never for whoever would then have as many.
            owner, longest = max(reversed(self._accounts.items()), key=lambda each: len(each[1]))
            if len(longest) <= len(waiting or ()) + 1:
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
        others together, or than one check; and of those that wait, none that has taken more time than another."""
        for account in self._accounts:
            self._turns.see(account)  # whoever waits is active
        most = limit
        if self._turns.active() > 1 and self._accounts:
            lengths = [len(waiting) for waiting in self._accounts.values()]
            most = max(1, self._size - max(lengths))
        first = self._first()
        taken: list[J] = []
        turn = 0
        while len(taken) < limit and turn < most:
            turn += 1
            now = [account for account in first if account in self._accounts]
            if not now:
                break
            for account in now[: limit - len(taken)]:
                waiting = self._accounts[account]
                taken.append(waiting.popleft())
                if not waiting:
                    del self._accounts[account]
                else:
                    self._accounts.move_to_end(account)
        self._size -= len(taken)
        return taken

    def _first(self) -> list[str]:
        """The accounts whose turn it is, in the order in which they wait."""
        if len(self._accounts) < 2:
            return list(self._accounts)
        held = {account: self._turns.taken(account) for account in self._accounts}
        least = min((taken for account, taken in held.items() if account), default=0.0)
        return [account for account, taken in held.items() if not account or taken <= least + _QUANTUM]

    def drain(self) -> list[J]:
        """Everything that waits."""
        jobs = [job for waiting in self._accounts.values() for job in waiting]
        self._accounts.clear()
        self._size = 0
        return jobs

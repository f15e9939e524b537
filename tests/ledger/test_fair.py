"""The queue is bounded, and a flood of one account keeps nobody else waiting."""

from __future__ import annotations

from typing import NamedTuple

import pytest

from stage0.ledger.fair import FairQueue


class Job(NamedTuple):
    account: str
    number: int


class Clock:
    now = 0.0

    def __call__(self) -> float:
        return self.now


def _queue(capacity: int, **waiting: int) -> FairQueue[Job]:
    queue: FairQueue[Job] = FairQueue(capacity, Clock())
    for account, count in waiting.items():
        for number in range(count):
            queue.put(Job(account, number))
    return queue


def _shares(jobs: list[Job]) -> dict[str, int]:
    return {account: sum(job.account == account for job in jobs) for account in sorted({job.account for job in jobs})}


def test_one_account_alone_has_all_of_the_batch_in_its_order() -> None:
    queue = _queue(1000, a=300)
    assert queue.take(256) == [Job("a", number) for number in range(256)]
    assert len(queue) == 44
    assert queue.take(256) == [Job("a", number) for number in range(256, 300)]
    assert queue.take(256) == []


@pytest.mark.parametrize(
    ("waiting", "taken"),
    [
        ({"flood": 500, "b": 1}, {"flood": 1, "b": 1}),
        ({"flood": 500, "b": 20}, {"flood": 20, "b": 20}),
        ({"flood": 500, "b": 20, "c": 30}, {"flood": 50, "b": 20, "c": 30}),
        ({"a": 3, "b": 3, "c": 3}, {"a": 3, "b": 3, "c": 3}),
        ({"a": 200, "b": 200}, {"a": 128, "b": 128}),
    ],
)
def test_none_gets_more_of_a_batch_than_the_others_together_or_than_one_check(
    waiting: dict[str, int], taken: dict[str, int]
) -> None:
    assert _shares(_queue(10_000, **waiting).take(256)) == taken


def test_a_flood_gets_one_check_of_a_batch_as_long_as_others_were_there_a_moment_ago() -> None:
    clock = Clock()
    queue: FairQueue[Job] = FairQueue(1000, clock)
    queue.put(Job("b", 0))
    queue.take(256)
    for number in range(100):
        queue.put(Job("flood", number))
    assert len(queue.take(256)) == 1
    clock.now = 0.9
    queue.put(Job("flood", 100))
    assert len(queue.take(256)) == 1
    clock.now = 1.1
    queue.put(Job("flood", 101))
    assert len(queue.take(256)) == 100


def test_the_servers_own_work_does_not_make_an_account_share() -> None:
    queue = _queue(1000, flood=300)
    queue.put(Job("", 0))
    assert _shares(queue.take(256)) == {"": 1, "flood": 255}


def test_a_full_queue_turns_away_whoever_has_most_waiting() -> None:
    queue = _queue(10, flood=10)
    assert queue.put(Job("flood", 10)) == Job("flood", 10)
    assert queue.put(Job("b", 0)) == Job("flood", 9)
    assert queue.put(Job("b", 1)) == Job("flood", 8)
    assert len(queue) == 10
    assert _shares(queue.drain()) == {"b": 2, "flood": 8}


def test_accounts_with_one_job_each_fill_a_queue_and_the_last_one_is_turned_away() -> None:
    queue = _queue(3, a=1, b=1, c=1)
    displaced = queue.put(Job("d", 0))
    assert displaced is not None
    assert len(queue) == 3
    assert queue.put(Job("d", 1)) == Job("d", 1)


def test_draining_gives_everything() -> None:
    queue = _queue(100, a=3, b=4)
    assert len(queue.drain()) == 7
    assert len(queue) == 0
    assert queue.take(10) == []

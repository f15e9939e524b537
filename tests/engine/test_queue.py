"""The queue is bounded, and a flood of one account keeps nobody else waiting."""

from __future__ import annotations

from typing import NamedTuple

import pytest

from stage0.engine.queue import FairQueue, Turns


class Job(NamedTuple):
    account: str
    number: int


class Clock:
    now = 0.0

    def __call__(self) -> float:
        return self.now


def _queue(capacity: int, **waiting: int) -> FairQueue[Job]:
    queue: FairQueue[Job] = FairQueue(capacity, Turns(Clock()))
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
    queue: FairQueue[Job] = FairQueue(1000, Turns(clock))
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


def _turn(queue: FairQueue[Job], turns: Turns, seconds: float, limit: int = 32) -> list[str]:
    """Whose jobs the next batch takes, each of which then takes so many seconds."""
    taken = [job.account for job in queue.take(limit)]
    for account in taken:
        turns.charge(account, seconds)
    return taken


def test_turns_count_time_whoever_took_more_waits_until_the_others_have_had_as_much() -> None:
    turns = Turns(Clock())
    queue: FairQueue[Job] = FairQueue(1000, turns)
    for number in range(100):
        queue.put(Job("heavy", number))
        queue.put(Job("light", number))
    turns.charge("heavy", 0.1)
    alone = 0
    while set(_turn(queue, turns, 0.01, limit=1)) == {"light"}:
        alone += 1
    assert 8 <= alone <= 10


def test_time_that_a_refused_request_took_counts_as_well() -> None:
    turns = Turns(Clock())
    turns.see("heavy")
    turns.see("light")
    assert not turns.is_behind("heavy")
    turns.charge("heavy", 0.05)
    assert turns.is_behind("heavy")
    assert not turns.is_behind("light")


def test_who_is_alone_is_never_behind() -> None:
    turns = Turns(Clock())
    turns.see("heavy")
    turns.charge("heavy", 5.0)
    assert not turns.is_behind("heavy")


def test_nothing_is_held_against_an_account_for_longer_than_a_second() -> None:
    turns = Turns(Clock())
    queue: FairQueue[Job] = FairQueue(10_000, turns)
    turns.see("heavy")
    turns.see("light")
    for _ in range(1_000):
        turns.charge("heavy", 1.0)
    for number in range(200):
        queue.put(Job("heavy", number))
        queue.put(Job("light", number))
    alone = 0
    while set(_turn(queue, turns, 0.01, limit=1)) == {"light"}:
        alone += 1
    assert 98 <= alone <= 102


def test_an_account_that_comes_later_begins_where_the_others_stand() -> None:
    clock = Clock()
    turns = Turns(clock)
    turns.see("early")
    for _ in range(100):
        turns.charge("early", 1.0)
        turns.active()
    turns.see("late")
    turns.charge("late", 0.02)
    assert turns.is_behind("late")


def test_what_was_taken_is_forgotten_when_an_account_has_not_been_seen_for_a_second() -> None:
    clock = Clock()
    turns = Turns(clock)
    turns.see("heavy")
    turns.charge("heavy", 0.2)
    clock.now = 2.0
    turns.see("light")
    turns.see("heavy")
    assert turns.active() == 2
    assert not turns.is_behind("heavy")


def test_whoever_waits_for_long_is_not_forgotten_and_comes_in_its_turn() -> None:
    clock = Clock()
    turns = Turns(clock)
    queue: FairQueue[Job] = FairQueue(1000, turns)
    for number in range(16):
        queue.put(Job("attacker", number))
    queue.put(Job("victim", 0))
    order = []
    for _ in range(5):
        [job] = queue.take(1)
        order.append(job.account)
        clock.now += 1.5  # it takes longer than an account counts as active
        turns.charge(job.account, 1.5)
    assert order.index("victim") <= 1


def test_a_newcomer_never_takes_the_place_of_whoever_has_as_little_waiting() -> None:
    queue = _queue(16, **{f"a{number}": 1 for number in range(16)})
    late = Job("late", 0)
    assert queue.put(late) is late
    assert [job.account for job in queue.take(16)] == [f"a{number}" for number in range(16)]

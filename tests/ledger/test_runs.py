"""The state of a run: iterations, time, cost, retries and loops, as this server counts them."""

from __future__ import annotations

import asyncio
import json
import time
from typing import Any, Final

import msgspec
import pytest

from stage0.ledger import NotFound
from stage0.ledger.errors import Conflict
from stage0.ledger.keyring import Keyring
from stage0.ledger.keys import Key, create_key
from stage0.ledger.records import add_outcome
from stage0.ledger.rows import Start
from stage0.ledger.runs import get_run
from stage0.ledger.store import Found, Needs, Rows, Store, Transaction
from stage0.wire import Outcome
from tests.catalogue import CATALOGUE
from tests.ledger.opening import ROOT, Clock, Running, add_key, check, opened

READ: Final[dict[str, Any]] = {"goal": "List the open tickets", "tools": ["search_tickets"]}
DENIED: Final[dict[str, Any]] = {"goal": "Delete all users", "tools": ["delete_users"]}


def _step(number: int, run: str = "r1", **more: Any) -> dict[str, Any]:
    """A harmless check of a run, another one for each number."""
    return {**READ, "goal": f"List the tickets of user {number}", "context": {"run_id": run}, **more}


def _codes(answer: dict[str, Any]) -> set[str]:
    return {issue["code"] for issue in answer["issues"]}


def _signs(answer: dict[str, Any]) -> list[str]:
    return [issue["details"]["sign"] for issue in answer["issues"] if issue["code"] == "LOOP_THRESHOLD_EXCEEDED"]


def _run(running: Running, key: Key, run: str = "r1") -> dict[str, Any]:
    with running.engine.store.reader.connect() as connection:
        return get_run(connection, key.account, run, now=running.clock())


def test_iterations_are_allows_so_that_asking_again_uses_up_nothing(store: Store, key: Key) -> None:
    limited: dict[str, Any] = {"constraints": ["max_iterations:3"]}
    with Running(store, Clock()) as running:
        verdicts = []
        for number in range(3):
            verdicts.append(running.check(key, **_step(number, **limited))["verdict"])
            verdicts.append(running.check(key, **{**DENIED, "context": {"run_id": "r1"}})["verdict"])
        assert verdicts == ["ALLOW", "DENY"] * 3
        over = running.check(key, **_step(9, **limited))
        assert (over["verdict"], "MAX_ITERATIONS_EXCEEDED" in _codes(over)) == ("DENY", True)
        assert _run(running, key)["verdicts"] == {"ALLOW": 3, "DENY": 4, "DEFER": 0}


def test_checks_of_one_run_that_arrive_at_once_are_counted_one_after_the_other(store: Store, key: Key) -> None:
    checks = [(key, _step(number, constraints=["max_iterations:5"])) for number in range(40)]
    with Running(store, Clock()) as running:
        answers = running.at_once(*checks)
        verdicts = [each["verdict"] for each in answers if isinstance(each, dict)]
        assert (verdicts.count("ALLOW"), verdicts.count("DENY")) == (5, 35)


def test_the_larger_of_the_servers_count_and_the_callers_holds(store: Store, key: Key) -> None:
    with Running(store, Clock()) as running:
        for number in range(2):
            running.check(key, **_step(number))
        for said, verdict in ((1, "ALLOW"), (3, "ALLOW"), (9, "DENY")):
            context = {"run_id": "r1", "current_iteration": said}
            answer = running.check(key, **_step(said + 10, constraints=["max_iterations:4"], context=context))
            assert answer["verdict"] == verdict, said
            assert answer["meta"]["evidence"]["run"] == "verified"


def test_a_run_takes_as_long_as_since_it_was_first_seen(store: Store, key: Key) -> None:
    clock = Clock()
    limited: dict[str, Any] = {"constraints": ["timeout:300s"]}
    with Running(store, clock) as running:
        assert running.check(key, **_step(1, **limited))["verdict"] == "ALLOW"
        clock.move(300)
        assert running.check(key, **_step(2, **limited))["verdict"] == "ALLOW"
        clock.move(1)
        assert "TIMEOUT_EXCEEDED" in _codes(running.check(key, **_step(3, **limited)))
        assert running.check(key, **_step(3, run="r2", **limited))["verdict"] == "ALLOW"


WAITING: Final[dict[str, Any]] = {
    "goal": "Deploy the payments service to production",
    "tools": ["argo_cd"],
    "side_effects": ["deployment"],
    "constraints": ["approval required", "timeout:300s"],
    "success_criteria": ["healthy"],
}


def _deploy(**context: Any) -> dict[str, Any]:
    return {**WAITING, "context": {"run_id": "r1", "environment": "production", **context}}


def _approved(clock: Clock) -> dict[str, Any]:
    at = time.strftime("%Y-%m-%dT%H:%M:%SZ", time.gmtime(clock.now))
    return _deploy(approval_status="approved", approved_by="lee@example.com", approved_at=at)


def test_the_clock_of_a_run_stands_still_while_its_action_waits_for_an_approval(store: Store, key: Key) -> None:
    clock = Clock()
    with Running(store, clock) as running:
        running.check(key, **_step(1))
        clock.move(100)
        assert "APPROVAL_REQUIRED_PENDING" in _codes(running.check(key, **_deploy(approval_status="pending")))
        for _ in range(3):
            clock.move(1200)
            assert _run(running, key)["waiting_for_approval"] is True
            assert "TIMEOUT_EXCEEDED" not in _codes(running.check(key, **_deploy(approval_status="pending")))
        clock.move(1200)
        assert running.check(key, **_approved(clock))["verdict"] == "ALLOW"
        assert _run(running, key)["elapsed_seconds"] == 100
        clock.move(201)
        assert "TIMEOUT_EXCEEDED" in _codes(running.check(key, **_step(2, constraints=["timeout:300s"])))


def test_a_run_that_goes_on_while_something_waits_is_running(store: Store, key: Key) -> None:
    clock = Clock()
    with Running(store, clock) as running:
        running.check(key, **_deploy(approval_status="pending"))
        clock.move(200)
        running.check(key, **_step(1))
        clock.move(200)
        assert "TIMEOUT_EXCEEDED" in _codes(running.check(key, **_deploy(approval_status="pending")))


def test_reported_outcomes_add_their_real_cost(store: Store, key: Key) -> None:
    limited: dict[str, Any] = {"constraints": ["max_cost_usd:1"]}
    with Running(store, Clock()) as running:
        for number, cost in enumerate((0.4, 0.6)):
            answer = running.check(key, **_step(number, **limited))
            assert answer["verdict"] == "ALLOW"
            running.report(key, answer["request_id"], cost_usd=cost)
        assert _run(running, key)["cost_usd"] == 1.0
        last = running.check(key, **_step(3, **limited))
        assert last["verdict"] == "ALLOW"
        running.report(key, last["request_id"], cost_usd=0.01)
        assert "COST_LIMIT_EXCEEDED" in _codes(running.check(key, **_step(4, **limited)))


def test_the_same_action_over_and_over_is_a_loop_and_another_one_ends_it(store: Store, key: Key) -> None:
    with Running(store, Clock()) as running:
        for _ in range(5):
            assert running.check(key, **_step(1))["verdict"] == "ALLOW"
        looping = running.check(key, **_step(1))
        assert (looping["verdict"], _signs(looping)) == ("DEFER", ["the same action 5 times in a row"])
        assert running.check(key, **_step(2))["verdict"] == "ALLOW"
        assert running.check(key, **_step(1))["verdict"] == "ALLOW"


def test_one_tool_with_other_arguments_each_time_is_no_loop(store: Store, key: Key) -> None:
    with Running(store, Clock()) as running:
        for number in range(20):
            assert running.check(key, **_step(number))["verdict"] == "ALLOW"


def test_two_actions_that_take_turns_are_a_loop(store: Store, key: Key) -> None:
    with Running(store, Clock()) as running:
        verdicts = [running.check(key, **_step(turn % 2))["verdict"] for turn in range(8)]
        assert verdicts == ["ALLOW"] * 7 + ["DEFER"]


@pytest.mark.parametrize("status", ["failed", "rolled_back"])
def test_an_action_that_fails_again_and_again_is_a_retry_storm(status: str, store: Store, key: Key) -> None:
    with Running(store, Clock()) as running:
        for turn in range(4):
            answer = running.check(key, **_step(1))
            assert answer["verdict"] == "ALLOW", turn
            running.report(key, answer["request_id"], status)
        last = running.check(key, **_step(1))
        running.report(key, last["request_id"], status)
        assert _run(running, key)["retries"] == 5
        assert _signs(running.check(key, **_step(1))) == ["5 retries"]


def test_a_success_ends_retrying_and_another_action_does(store: Store, key: Key) -> None:
    with Running(store, Clock()) as running:
        for end in ("success", "another"):
            for _ in range(3):
                running.report(key, running.check(key, **_step(1))["request_id"], "failed")
            assert _run(running, key)["retries"] == 3
            if end == "success":
                running.report(key, running.check(key, **_step(1))["request_id"], "executed")
            else:
                running.check(key, **_step(2))
            assert _run(running, key)["retries"] == 0
            running.check(key, **_step(3))


def test_waiting_for_an_approval_is_no_retry(store: Store, key: Key) -> None:
    clock = Clock()
    with Running(store, clock) as running:
        for _ in range(12):
            assert _signs(running.check(key, **_deploy(approval_status="pending"))) == []
            clock.move(10)
        assert running.check(key, **_approved(clock))["verdict"] == "ALLOW"


def test_more_than_ten_new_runs_an_hour_for_one_action_and_key_are_a_loop(store: Store, key: Key) -> None:
    clock = Clock()
    other, _ = add_key(store)
    with Running(store, clock) as running:

        def verdict(run: str, which: Key = key, number: int = 1) -> str:
            found: str = running.check(which, **_step(number, run=run))["verdict"]
            return found

        assert [verdict(f"a{number}") for number in range(10)] == ["ALLOW"] * 10
        assert verdict("a10") == "DEFER"
        assert verdict("a10") == "DEFER", "asking again in the new run does not get around it"
        assert verdict("a3") == "ALLOW", "a run that has got further is none of them"
        assert verdict("b1", number=2) == "ALLOW", "another action"
        assert verdict("c1", which=other) == "ALLOW", "another key"
        clock.move(3601)
        assert verdict("a11") == "ALLOW"


def test_a_key_in_test_mode_begins_as_many_runs_as_its_cases_need(store: Store) -> None:
    key, _ = add_key(store, mode="test")
    with Running(store, Clock()) as running:
        assert {running.check(key, **_step(1, run=f"n{number}"))["verdict"] for number in range(25)} == {"ALLOW"}


def test_new_runs_that_arrive_at_once_are_counted_too(store: Store, key: Key) -> None:
    with Running(store, Clock()) as running:
        answers = running.at_once(*[(key, _step(1, run=f"n{number}")) for number in range(25)])
        verdicts = [each["verdict"] for each in answers if isinstance(each, dict)]
        assert verdicts.count("DEFER") == 15


def test_a_run_belongs_to_its_account(store: Store, key: Key) -> None:
    stranger, _ = add_key(store)
    with Running(store, Clock()) as running:
        running.check(key, **_step(1))
        with pytest.raises(NotFound):
            _run(running, stranger)
        assert running.check(stranger, **_step(2, constraints=["max_iterations:1"]))["verdict"] == "ALLOW"
        assert _run(running, key)["iterations"] == _run(running, stranger)["iterations"] == 1


def test_a_key_sees_only_runs_in_which_it_took_part(store: Store, key: Key) -> None:
    with store.writer.begin() as connection:
        other, _ = create_key(connection, CATALOGUE, Keyring([ROOT]), account=key.account, actor="t", now=time.time())
    with Running(store, Clock()) as running:
        running.check(key, **_step(1))
        with running.engine.store.reader.connect() as connection:
            assert get_run(connection, key.account, "r1", now=0, key_id=key.id)["checks"] == 1
            with pytest.raises(NotFound):
                get_run(connection, key.account, "r1", now=0, key_id=other.id)


def test_a_run_id_of_any_length_and_script_is_kept_apart_from_every_other(store: Store, key: Key) -> None:
    names = ["x" * 5000, "x" * 5001, "実行-1", "実行-2", "a b/c?d", "sha256:1"]
    with Running(store, Clock()) as running:
        for number, name in enumerate(names):
            running.check(key, **_step(number, run=name))
        assert [_run(running, key, name)["checks"] for name in names] == [1] * len(names)


@pytest.mark.parametrize("end", [{"approval_status": "rejected"}, {"approval_status": "missing"}])
def test_a_wait_that_nobody_approved_does_not_stop_the_clock_of_a_run(
    end: dict[str, Any], store: Store, key: Key
) -> None:
    clock = Clock()
    with Running(store, clock) as running:
        running.check(key, **_step(1))
        for _ in range(3):
            running.check(key, **_deploy(approval_status="pending"))
            clock.move(150)
            assert running.check(key, **_deploy(**end))["verdict"] != "ALLOW"
        assert "TIMEOUT_EXCEEDED" in _codes(running.check(key, **_step(2, constraints=["timeout:300s"])))


def test_reporting_what_was_denied_as_done_does_not_end_retrying(store: Store, key: Key) -> None:
    with Running(store, Clock()) as running:
        for _ in range(3):
            answer = running.check(key, **{**DENIED, "context": {"run_id": "r1"}})
            running.report(key, answer["request_id"], "executed")
        assert _run(running, key)["retries"] == 3


def test_an_outcome_and_a_check_of_its_run_that_arrive_together_both_count(store: Store, key: Key) -> None:
    with Running(store, Clock()) as running:
        first = running.check(key, **_step(1))
        outcome = msgspec.convert({"status": "failed", "cost_usd": 0.5}, Outcome)

        async def together() -> None:
            await asyncio.gather(
                check(running.engine, key, **_step(1)),
                running.engine.write(
                    lambda connection: add_outcome(
                        connection, key, first["request_id"], outcome, now=running.clock(), own=True
                    )
                ),
            )

        running.run(together())
        found = _run(running, key)
        assert (found["retries"], found["iterations"], found["cost_usd"]) == (1, 2, 0.5)


@pytest.mark.parametrize("store", ["postgresql"], indirect=True)
def test_new_runs_of_two_servers_are_counted_exactly(store: Store, key: Key) -> None:
    async def run() -> list[str]:
        clock = Clock()
        async with opened(store, clock=clock) as one, opened(store, clock=clock) as other:
            answers = await asyncio.gather(
                *[
                    check(engine, key, **_step(1, run=f"n{number}-{id(engine)}"))
                    for number in range(20)
                    for engine in (one, other)
                ]
            )
            return [json.loads(answer.body)["verdict"] for answer in answers]

    verdicts = asyncio.run(run())
    assert (verdicts.count("ALLOW"), verdicts.count("DEFER")) == (10, 30)


@pytest.mark.parametrize("store", ["postgresql"], indirect=True)
@pytest.mark.parametrize("there", [False, True], ids=["new", "counted before"])
def test_of_two_batches_that_read_the_same_count_the_second_clashes_and_changes_nothing(
    there: bool, store: Store, key: Key
) -> None:
    action = (key.account, key.id, "action")
    needs = Needs((), (), [action], ())

    async def save(transaction: Transaction, found: Found, begun: int) -> None:
        row = found.starts.get(action)
        read = (None, None) if row is None else (row.since, row.begun)
        await transaction.save(Rows([], [], [], [Start(*action, 7, begun, *read)], [], []))

    async def run() -> int:
        if there:
            first = await store.begin(0.0)
            await save(first, await first.read(needs, lock=False), 1)
        one, other = await store.begin(0.0), await store.begin(0.0)
        both = [await each.read(needs, lock=False) for each in (one, other)]
        await save(one, both[0], 2)
        with pytest.raises(Conflict):
            await save(other, both[1], 3)
        await other.rollback()
        last = await store.begin(0.0)
        found = await last.read(needs, lock=True)
        await last.rollback()
        await store.close_lanes()
        return found.starts[action].begun

    assert asyncio.run(run()) == 2

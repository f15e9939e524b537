"""Each try takes its own answer and no other: across forks, event loops, threads, and proxies that mix them up."""

from __future__ import annotations

import asyncio
import multiprocessing
import os
import re
import socket
import threading
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from typing import Any, Final

import pytest

from stage0 import AsyncClient, Client, Stage0Error
from tests.asserting import nonempty
from tests.client.asking import Ask, each_client
from tests.client.flaky import network
from tests.client.peer import ALLOW, Seen, answer, peer
from tests.running import KEY, Server
from tests.server.issuing import new_key

LIST: Final = "List the open tickets"
DELETE: Final = "Delete all users"

# From Python 3.12 on a fork beside other threads is warned of. That it happens all the same is what is tested.
pytestmark = pytest.mark.filterwarnings("ignore:This process .* is multi-threaded:DeprecationWarning")


def in_child(work: Callable[[], object]) -> bool:
    """Run something in a fork. Whether it ended without an exception."""
    child = os.fork()
    if child == 0:
        try:
            work()
        except BaseException:
            os._exit(1)
        os._exit(0)
    return os.waitstatus_to_exitcode(os.waitpid(child, 0)[1]) == 0


# -- forks


def test_a_child_never_uses_a_connection_of_its_parent() -> None:
    with peer() as other, Client(other.url, api_key=KEY) as client:
        client.check("of the parent")
        assert in_child(lambda: client.check("of the child"))
        client.check("of the parent again")
        assert in_child(lambda: [client.check("of another child"), in_child(lambda: client.check("of its child"))])
    parents = {seen.connection for seen in other.seen if "of the parent" in seen.goal}
    children = [seen.connection for seen in other.seen if "child" in seen.goal]
    assert parents == {0}
    assert len(children) == len(set(children)) == 3
    assert not parents & set(children)


def test_a_process_of_multiprocessing_has_connections_of_its_own() -> None:
    with peer() as other, Client(other.url, api_key=KEY) as client:
        client.check("of the parent")
        child = multiprocessing.get_context("fork").Process(target=client.check, args=("of the child",))
        child.start()
        child.join()
        assert child.exitcode == 0
    assert other.used == [0, 1]


def test_a_child_closes_its_copies_of_the_parents_connections() -> None:
    """Else a connection that the parent closes would stay open to the server for as long as the child lives."""
    go_on, write = os.pipe()
    with peer() as other:
        with Client(other.url, api_key=KEY) as client:
            client.check("of the parent")
            child = os.fork()
            if child == 0:
                os.close(write)
                os.read(go_on, 1)
                os._exit(0)
        assert other.closed.acquire(timeout=30)
        os.close(write)
        os.waitpid(child, 0)
    os.close(go_on)


def test_a_fork_during_a_request_of_another_thread_leaves_each_its_own_answer() -> None:
    """The child begins with a copy of a pool in use, whatever state it and its lock are in."""
    arrived, forked = threading.Event(), threading.Event()

    def talk(seen: Seen, connection: socket.socket) -> None:
        if seen.goal == "slow":
            arrived.set()
            forked.wait(30)
        connection.sendall(answer(seen))

    with peer(talk) as other, Client(other.url, api_key=KEY) as client, ThreadPoolExecutor(1) as threads:
        client.check("first")
        slow = threads.submit(client.check, "slow")
        assert arrived.wait(30)
        assert in_child(lambda: [client.check("of the child") for _ in range(3)])
        forked.set()
        assert slow.result()["verdict"] == "ALLOW"
        client.check("last")
    by_goal: dict[str, set[int]] = {}
    for seen in other.seen:
        by_goal.setdefault(seen.goal, set()).add(seen.connection)
    assert by_goal == {"first": {0}, "slow": {0}, "of the child": {1}, "last": {0}}


def test_a_client_that_a_child_closes_stays_open_in_its_parent() -> None:
    with peer() as other, Client(other.url, api_key=KEY) as client:
        client.check("first")
        assert in_child(client.close)
        client.check("second")
    assert other.used == [0, 0]


def test_a_child_never_uses_an_async_connection_of_its_parent() -> None:
    with peer() as other:
        client = AsyncClient(other.url, api_key=KEY)
        loop = asyncio.new_event_loop()
        loop.run_until_complete(client.check("of the parent"))
        assert in_child(lambda: asyncio.run(client.check("of a child")))
        assert in_child(lambda: loop.run_until_complete(client.check("of a child in the same loop")))
        loop.run_until_complete(client.check("of the parent again"))
        loop.run_until_complete(client.close())
        loop.close()
    assert other.used[0] == other.used[3] == 0
    assert len(set(other.used)) == 3


def test_processes_that_share_a_client_get_the_verdict_of_their_own_action(server: Server) -> None:
    """What was seen: `delete_users` ran on the ALLOW of `search_tickets`."""
    key = new_key(server, plan="enterprise")
    with Client(server.url, api_key=key.text) as client:

        def check(goal: str, tool: str, verdict: str) -> None:
            for _ in range(50):
                assert client.check(goal, tools=[tool])["verdict"] == verdict

        check(LIST, "search_tickets", "ALLOW")
        children = []
        for number in range(4):
            child = os.fork()
            if child == 0:
                try:
                    check(*((LIST, "search_tickets", "ALLOW") if number % 2 else (DELETE, "delete_users", "DENY")))
                except BaseException:
                    os._exit(1)
                os._exit(0)
            children.append(child)
        assert [os.waitpid(child, 0)[1] for child in children] == [0] * 4


# -- answers to other requests


@each_client
def test_a_proxy_that_answers_twice_is_found_out(ask: Ask) -> None:
    """The second answer to a request is not taken for the answer to the next one."""

    def talk(seen: Seen, connection: socket.socket) -> None:
        connection.sendall(answer(seen) * (2 if seen.goal == LIST else 1))

    with peer(talk) as other:
        first, second, third = ask(other.url, KEY, LIST, DELETE, "Show the report")
    assert first["verdict"] == "ALLOW"
    assert isinstance(second, Stage0Error)
    assert "belongs to another request" in str(second)
    assert third["verdict"] == "ALLOW"
    by = {seen.goal: seen.connection for seen in other.seen}
    assert (by[LIST], by["Show the report"]) == (0, 1)  # the connection is not used again


@each_client
@pytest.mark.parametrize("found", ["", "another", "OWN, OWN", "OWN2"])
def test_an_answer_without_the_id_of_its_own_try_is_not_one(found: str, ask: Ask) -> None:
    def talk(seen: Seen, connection: socket.socket) -> None:
        connection.sendall(answer(seen, x_request_id=found.replace("OWN", seen.request_id)))

    with peer(talk) as other:
        [refused] = ask(other.url, KEY, LIST)
    assert isinstance(refused, Stage0Error)
    assert "X-Request-Id" in str(refused)
    assert len(other.seen) == 1


@each_client
def test_an_id_that_comes_back_in_two_headers_is_not_the_tries_own(ask: Ask) -> None:
    def talk(seen: Seen, connection: socket.socket) -> None:
        connection.sendall(answer(seen, X_Request_ID="another"))

    with peer(talk) as other:
        [refused] = ask(other.url, KEY, LIST)
    assert isinstance(refused, Stage0Error)


@each_client
def test_each_try_has_a_random_id_of_its_own(ask: Ask, server: Server) -> None:
    with network(server, "unanswered", "lost") as between:
        [found] = ask(between.url, KEY, LIST)
    assert found["verdict"] == "ALLOW"
    sent = [request.headers["x-request-id"] for request in between.requests]
    assert len(set(sent)) == 3
    assert all(re.fullmatch("[0-9a-f]{32}", text) for text in nonempty(sent))


@each_client
def test_an_error_is_read_whoever_sends_it_and_its_connection_is_not_used_again(ask: Ask) -> None:
    """A load balancer knows nothing of the header."""

    def talk(seen: Seen, connection: socket.socket) -> None:
        body = b'{"error": "maintenance", "message": "Later."}'
        connection.sendall(answer(seen, body, status=502, x_request_id=""))

    with peer(talk) as other:
        errors = ask(other.url, KEY, LIST, LIST)
    assert [(error.status, error.code) for error in errors] == [(502, "maintenance")] * 2
    assert other.used == [0, 1]


def test_reports_and_reads_are_bound_to_their_own_answers_too() -> None:
    def talk(seen: Seen, connection: socket.socket) -> None:
        connection.sendall(answer(seen, b'{"status": "executed"}', x_request_id="another"))

    with peer(talk) as other, Client(other.url, api_key=KEY) as client:
        calls: list[Callable[[], Any]] = [
            lambda: client.report("req_x", "executed"),
            client.usage,
            lambda: client.run("r"),
            lambda: client.call("GET", "/policies"),
        ]
        for call in calls:
            with pytest.raises(Stage0Error, match="belongs to another request"):
                call()


# -- the caller's own request id


def test_a_request_id_of_the_caller_stands_before_the_trys_own_in_the_record(server: Server) -> None:
    async def run() -> dict[str, Any]:
        async with AsyncClient(server.url, api_key=KEY) as client:
            return await client.check(LIST, request_id="order-7")

    with Client(server.url, api_key=KEY) as client:
        answers = [client.check(LIST, request_id="order-7"), asyncio.run(run())]
    for found in nonempty(answers):
        assert found["request_id"].startswith("req_")
        record = server.get(f"/checks/{found['request_id']}", key=KEY).body
        assert re.fullmatch(r"order-7\.[0-9a-f]{32}", record["sent_request_id"])


@pytest.mark.parametrize("odd", ["two words", "a\r\nx-api-key: b", "é", "x" * 161])
def test_a_request_id_that_no_header_can_carry_is_an_error(odd: str) -> None:
    with peer() as other, Client(other.url, api_key=KEY) as client:
        with pytest.raises(Stage0Error, match="`request_id` must be"):
            client.check(LIST, request_id=odd)
        assert client.check(LIST, request_id="x" * 160)["verdict"] == "ALLOW"
    assert len(other.seen) == 1


# -- threads and event loops


def test_threads_that_share_a_client_get_their_own_answers() -> None:
    def talk(seen: Seen, connection: socket.socket) -> None:
        connection.sendall(answer(seen, {**ALLOW, "request_id": seen.goal}))

    with peer(talk) as other, Client(other.url, api_key=KEY) as client, ThreadPoolExecutor(8) as threads:
        goals = [f"goal {number}" for number in range(200)]
        assert [found["request_id"] for found in threads.map(client.check, goals)] == goals


def test_an_async_client_is_used_in_one_event_loop_after_another() -> None:
    with peer() as other:
        client = AsyncClient(other.url, api_key=KEY)
        for _ in range(3):
            assert asyncio.run(client.check(LIST))["verdict"] == "ALLOW"
            # A loop that ends closes its connections, though nobody has closed the client.
            assert other.closed.acquire(timeout=30)
    assert other.used == [0, 1, 2]


def test_an_async_client_is_used_in_several_event_loops_at_once() -> None:
    both = threading.Barrier(2, timeout=30)

    def talk(seen: Seen, connection: socket.socket) -> None:
        both.wait()
        connection.sendall(answer(seen))

    with peer(talk) as other, ThreadPoolExecutor(2) as threads:
        client = AsyncClient(other.url, api_key=KEY)

        async def run() -> list[str]:
            return [(await client.check(LIST))["verdict"] for _ in range(5)]

        found = [threads.submit(asyncio.run, run()) for _ in range(2)]
        assert [each.result() for each in found] == [["ALLOW"] * 5] * 2
    assert sorted(other.used) == [0] * 5 + [1] * 5


def test_a_closed_client_asks_nobody() -> None:
    async def run() -> None:
        later = AsyncClient(other.url, api_key=KEY)
        await later.close()
        with pytest.raises(Stage0Error, match="closed"):
            await later.check(LIST)

    with peer() as other:
        client = Client(other.url, api_key=KEY)
        client.close()
        with pytest.raises(Stage0Error, match="closed"):
            client.check(LIST)
        asyncio.run(run())
    assert other.seen == []

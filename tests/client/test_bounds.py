"""A call has one deadline and its answer one size: whoever is at the other end, the caller goes on."""

from __future__ import annotations

import asyncio
import gzip
import socket
import threading
import time
from contextlib import suppress
from typing import Any, Final

import pytest

from stage0 import AsyncClient, AsyncGuard, Client, Guard, Stage0Error
from tests.client.asking import Ask, each_client
from tests.client.flaky import network
from tests.client.peer import ALLOW, Seen, answer, peer
from tests.running import KEY, Server, free_port

LIST: Final = "List the open tickets"
LIMIT: Final = 32_000_000


# -- one deadline


def _drip(whole: bytes, connection: socket.socket) -> None:
    """Send slowly enough that all of it takes ten times the timeout, and each piece a fraction of it."""
    size = -(-len(whole) // 50)
    for start in range(0, len(whole), size):
        connection.sendall(whole[start : start + size])
        time.sleep(0.1)


@each_client
@pytest.mark.parametrize("part", ["head", "body", "both"])
def test_an_answer_that_drips_past_the_deadline_is_none(part: str, ask: Ask) -> None:
    arrived = threading.Event()

    def talk(seen: Seen, connection: socket.socket) -> None:
        whole = answer(seen, {**ALLOW, "reason": "x" * 200})
        head = whole.index(b"\r\n\r\n") + 4
        for name, piece in (("head", whole[:head]), ("body", whole[head:])):
            if part in (name, "both"):
                _drip(piece, connection)
            else:
                connection.sendall(piece)
        arrived.set()

    with peer(talk) as other:
        [refused] = ask(other.url, KEY, LIST, timeout=0.5, retries=0)
        assert not arrived.is_set()
    assert isinstance(refused, Stage0Error)
    assert refused.status == 0


@each_client
def test_informational_answers_do_not_renew_the_deadline(ask: Ask) -> None:
    def talk(seen: Seen, connection: socket.socket) -> None:
        for _ in range(50):
            connection.sendall(b"HTTP/1.1 102 Processing\r\n\r\n")
            time.sleep(0.1)
        connection.sendall(answer(seen))

    with peer(talk) as other:
        [refused] = ask(other.url, KEY, LIST, timeout=0.5, retries=0)
    assert isinstance(refused, Stage0Error)


@each_client
def test_all_tries_share_the_deadline(ask: Ask) -> None:
    """Each try alone would be in time."""

    def talk(seen: Seen, connection: socket.socket) -> None:
        time.sleep(0.4)
        if len(other.seen) < 3:
            connection.close()
        else:
            connection.sendall(answer(seen))

    with peer(talk) as other:
        [refused] = ask(other.url, KEY, LIST, timeout=1.0)
        assert isinstance(refused, Stage0Error)


@each_client
def test_a_peer_that_does_not_take_what_is_sent_ends_with_the_deadline(ask: Ask) -> None:
    with socket.create_server(("127.0.0.1", 0)) as silent:
        silent.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 4096)
        url = f"http://127.0.0.1:{silent.getsockname()[1]}"
        [refused] = ask(url, KEY, "x" * 20_000_000, timeout=0.5, retries=0)
    assert isinstance(refused, Stage0Error)


def test_a_name_that_the_system_looks_up_for_too_long_ends_with_the_deadline(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    go_on, late = threading.Event(), threading.Event()

    def look_up(*_: Any, **__: Any) -> Any:
        if not go_on.wait(10):
            late.set()
        raise OSError("no such host")

    monkeypatch.setattr(socket, "getaddrinfo", look_up)
    with (
        Client("http://localhost:1", api_key=KEY, timeout=0.5, retries=0) as client,
        pytest.raises(Stage0Error, match="in time"),
    ):
        client.check(LIST)
    assert not late.is_set()
    go_on.set()


def test_a_name_is_looked_up_and_each_of_its_addresses_tried(server: Server) -> None:
    with Client(f"http://localhost:{server.port}", api_key=KEY) as client:
        assert client.check(LIST)["verdict"] == "ALLOW"
    for url, said in (("http://nowhere.invalid", "no address of"), (f"http://localhost:{free_port()}", "refused")):
        with Client(url, api_key=KEY, retries=0) as client, pytest.raises(Stage0Error, match=said):
            client.check(LIST)


# -- one size


def _endless(connection: socket.socket, sent: list[int], part: bytes) -> None:
    chunk = b"%x\r\n%b\r\n" % (len(part), part)
    with suppress(OSError):
        while sum(sent) < 20 * LIMIT:
            connection.sendall(chunk)
            sent.append(len(part))


@each_client
def test_an_answer_without_end_is_read_no_further_than_the_limit(ask: Ask) -> None:
    sent: list[int] = []

    def talk(seen: Seen, connection: socket.socket) -> None:
        connection.sendall(answer(seen, b"", content_length="", transfer_encoding="chunked"))
        _endless(connection, sent, b" " * 1_000_000)

    with peer(talk) as other:
        [refused] = ask(other.url, KEY, LIST, timeout=60, retries=0)
    assert isinstance(refused, Stage0Error)
    assert "longer than 32000000 bytes" in str(refused)
    assert LIMIT - 1_000_000 < sum(sent) < 2 * LIMIT  # what more was sent lay in the buffers of the connection


@each_client
def test_a_compressed_answer_without_end_is_not_read(ask: Ask) -> None:
    sent: list[int] = []
    part = gzip.compress(b" " * 10_000_000)

    def talk(seen: Seen, connection: socket.socket) -> None:
        connection.sendall(answer(seen, b"", content_length="", transfer_encoding="chunked", content_encoding="gzip"))
        _endless(connection, sent, part * 100)

    with peer(talk) as other:
        [refused] = ask(other.url, KEY, LIST, timeout=60, retries=0)
    assert isinstance(refused, Stage0Error)
    assert sum(sent) < LIMIT


@each_client
def test_an_answer_that_says_it_is_too_long_is_not_waited_for(ask: Ask) -> None:
    def talk(seen: Seen, connection: socket.socket) -> None:
        connection.sendall(answer(seen, content_length=str(LIMIT + 1)))

    with peer(talk) as other:
        [refused] = ask(other.url, KEY, LIST, timeout=60, retries=0)
    assert isinstance(refused, Stage0Error)
    assert "longer than" in str(refused)


@each_client
def test_an_answer_at_the_limit_is_read(ask: Ask) -> None:
    def talk(seen: Seen, connection: socket.socket) -> None:
        short = answer(seen, {**ALLOW, "reason": ""}).partition(b"\r\n\r\n")[2]
        connection.sendall(answer(seen, {**ALLOW, "reason": "x" * (LIMIT - len(short))}))

    with peer(talk) as other:
        [found] = ask(other.url, KEY, LIST, timeout=60)
    assert found["verdict"] == "ALLOW"


@each_client
def test_answers_are_asked_for_without_compression(ask: Ask, server: Server) -> None:
    with network(server) as between:
        ask(between.url, KEY, LIST)
    assert between.requests[0].headers["accept-encoding"] == "identity"


# -- an ALLOW that is over


def _run(guarded: str, url: str) -> list[str]:
    """Call a tool behind a guard. Says once for each time that it ran."""
    ran: list[str] = []

    def search_tickets() -> None:
        ran.append("ran")

    async def later() -> None:
        async def search_tickets() -> None:
            ran.append("ran")

        async with AsyncClient(url, api_key=KEY) as client:
            await AsyncGuard(client).tool(LIST)(search_tickets)()

    if guarded == "sync":
        with Client(url, api_key=KEY) as client, suppress(Stage0Error):
            Guard(client).tool(LIST)(search_tickets)()
    else:
        with suppress(Stage0Error):
            asyncio.run(later())
    return ran


each_guard = pytest.mark.parametrize("guarded", ["sync", "async"])


@each_guard
@pytest.mark.parametrize(
    ("given", "until", "runs"),
    [
        (1_000, 1_600, True),  # a clock of 1970 on the server changes nothing
        (9_000_000_000, 9_000_000_600, True),
        (1_000, None, True),
        (1_000, 1_000, False),
        (1_000, 400, False),
        (1_000, "1600", False),
        (1_000, True, False),
        (None, 9_000_000_600, False),
        ("now", 9_000_000_600, False),
    ],
)
def test_a_tool_starts_only_while_its_allow_is_valid_by_the_servers_own_clock(
    given: Any, until: Any, runs: bool, guarded: str
) -> None:
    found = {**ALLOW, "evaluated_at": given, "meta": {"source": "live", "valid_until": until}}

    def talk(seen: Seen, connection: socket.socket) -> None:
        connection.sendall(answer(seen, found))

    with peer(talk) as other:
        assert _run(guarded, other.url) == (["ran"] if runs else [])


@each_guard
def test_a_tool_does_not_start_on_an_allow_that_came_too_late(guarded: str) -> None:
    found = {**ALLOW, "evaluated_at": 1_000, "meta": {"source": "live", "valid_until": 1_002}}

    def talk(seen: Seen, connection: socket.socket) -> None:
        time.sleep(2.1)
        connection.sendall(answer(seen, found))

    with peer(talk) as other:
        assert _run(guarded, other.url) == []


@each_client
def test_an_allow_that_is_over_when_it_arrives_is_an_error_by_hand_too(ask: Ask) -> None:
    found = {**ALLOW, "evaluated_at": 1_000, "meta": {"source": "live", "valid_until": 1_000}}

    def talk(seen: Seen, connection: socket.socket) -> None:
        connection.sendall(answer(seen, found))

    with peer(talk) as other:
        [refused] = ask(other.url, KEY, LIST)
    assert isinstance(refused, Stage0Error)
    assert refused.code == "expired"

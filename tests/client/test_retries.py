"""A check that gets lost on the way is tried again and counts once; nothing else is tried again."""

from __future__ import annotations

import asyncio
import time
import uuid
from collections.abc import Callable
from typing import Any

import pytest

from stage0 import AsyncClient, Client, Stage0Error
from tests.client.flaky import network
from tests.running import KEY, Server, free_port
from tests.server.issuing import Issued, new_key

Ask = Callable[..., dict[str, Any]]


def _sync(url: str, key: str, idempotency_key: str | None = None, **options: Any) -> dict[str, Any]:
    with Client(url, api_key=key, **options) as client:
        return client.check("List the open tickets", tools=["search_tickets"], idempotency_key=idempotency_key)


def _async(url: str, key: str, idempotency_key: str | None = None, **options: Any) -> dict[str, Any]:
    async def run() -> dict[str, Any]:
        async with AsyncClient(url, api_key=key, **options) as client:
            return await client.check(
                "List the open tickets", tools=["search_tickets"], idempotency_key=idempotency_key
            )

    return asyncio.run(run())


each_client = pytest.mark.parametrize("ask", [_sync, _async], ids=["sync", "async"])


@pytest.fixture
def key(server: Server) -> Issued:
    """A key whose usage is this test's alone."""
    return new_key(server, plan="pro")


def _used(server: Server, key: Issued) -> int:
    with Client(server.url, api_key=key.text) as client:
        used: int = client.usage()["monthly_used"]
        return used


@each_client
@pytest.mark.parametrize("fault", ["lost", "unanswered", "503"])
@pytest.mark.parametrize("times", [1, 2])
def test_a_check_that_is_lost_is_tried_again_and_counts_once(
    times: int, fault: str, ask: Ask, server: Server, key: Issued
) -> None:
    with network(server, *[fault] * times) as between:
        answer = ask(between.url, key.text)
    assert answer["verdict"] == "ALLOW"
    assert answer["cached"] is (fault == "unanswered")
    assert len(between.requests) == times + 1
    assert len({request.headers["idempotency-key"] for request in between.requests}) == 1
    assert len({request.body for request in between.requests}) == 1
    assert _used(server, key) == 1


@each_client
@pytest.mark.parametrize("fault", ["lost", "unanswered", "503"])
def test_after_the_last_try_there_is_no_decision(fault: str, ask: Ask, server: Server, key: Issued) -> None:
    with network(server, *[fault] * 10) as between, pytest.raises(Stage0Error) as failed:
        ask(between.url, key.text)
    assert failed.value.status == (503 if fault == "503" else 0)
    assert len(between.requests) == 3
    assert _used(server, key) == (1 if fault == "unanswered" else 0)


@each_client
def test_the_number_of_retries_can_be_chosen(ask: Ask, server: Server, key: Issued) -> None:
    with network(server, *["lost"] * 4) as between:
        assert ask(between.url, key.text, retries=4)["verdict"] == "ALLOW"
    with network(server, "lost") as between, pytest.raises(Stage0Error):
        ask(between.url, key.text, retries=0)
    assert len(between.requests) == 1


@each_client
def test_every_check_has_an_idempotency_key_of_its_own_unless_one_is_given(
    ask: Ask, server: Server, key: Issued
) -> None:
    with network(server) as between:
        first, second = ask(between.url, key.text), ask(between.url, key.text)
        assert first["request_id"] != second["request_id"]
        given = [ask(between.url, key.text, "order-1042") for _ in range(2)]
    assert [answer["cached"] for answer in given] == [False, True]
    sent = [request.headers["idempotency-key"] for request in between.requests]
    assert sent[2:] == ["order-1042"] * 2
    assert len({uuid.UUID(text) for text in sent[:2]}) == 2


@each_client
def test_retry_after_is_honoured(ask: Ask, server: Server, key: Issued) -> None:
    with network(server, "503 1") as between:
        begun = time.monotonic()
        assert ask(between.url, key.text)["verdict"] == "ALLOW"
        assert time.monotonic() - begun >= 1


@each_client
@pytest.mark.parametrize("wait", ["30", "9" * 400])
def test_where_waiting_would_take_too_long_there_is_no_other_try(
    wait: str, ask: Ask, server: Server, key: Issued
) -> None:
    with network(server, f"503 {wait}") as between:
        begun = time.monotonic()
        with pytest.raises(Stage0Error) as failed:
            ask(between.url, key.text, timeout=2)
    assert (failed.value.status, len(between.requests)) == (503, 1)
    assert time.monotonic() - begun < 2


@each_client
@pytest.mark.parametrize("odd", ["-1", "soon", "Wed, 21 Oct 2026 07:28:00 GMT", "1.5", "²"])
def test_a_retry_after_that_is_no_number_of_seconds_is_ignored(odd: str, ask: Ask, server: Server, key: Issued) -> None:
    with network(server, f"503 {odd}") as between:
        assert ask(between.url, key.text)["verdict"] == "ALLOW"
    assert len(between.requests) == 2


@each_client
def test_no_try_begins_after_the_timeout(ask: Ask) -> None:
    begun = time.monotonic()
    with pytest.raises(Stage0Error):
        ask(f"http://127.0.0.1:{free_port()}", KEY, timeout=0.5, retries=1000)
    assert time.monotonic() - begun < 2


@each_client
def test_a_refusal_is_not_tried_again(ask: Ask, server: Server, key: Issued) -> None:
    with network(server) as between:
        with pytest.raises(Stage0Error, match="api_key_invalid"):
            ask(between.url, "nobody-has-this-key-0001")
        with pytest.raises(Stage0Error, match="validation_failed"):
            ask(between.url, key.text, "x" * 256)
    assert len(between.requests) == 2


@pytest.mark.parametrize("fault", ["lost", "unanswered", "503"])
def test_a_report_is_never_sent_twice(fault: str, server: Server, key: Issued) -> None:
    with network(server, "ok", fault) as between, Client(between.url, api_key=key.text) as client:
        request_id = client.check("List the open tickets", tools=["search_tickets"])["request_id"]
        with pytest.raises(Stage0Error):
            client.report(request_id, "executed")
    assert len(between.requests) == 2
    assert "idempotency-key" not in between.requests[1].headers
    outcomes = server.get(f"/checks/{request_id}", key=key.text).body["outcomes"]
    assert len(outcomes) == (1 if fault == "unanswered" else 0)

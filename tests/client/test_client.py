"""The client gives whole decisions and raises on everything else: nothing that goes wrong is ever an ALLOW."""

from __future__ import annotations

import asyncio
import gzip
import json
import threading
import zlib
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, HTTPServer
from typing import Any, Final

import pytest

from stage0 import AsyncClient, Client, Stage0Error
from tests.running import KEY, Server, free_port
from tests.server.issuing import new_key

GOOD: Final[dict[str, Any]] = {
    "decision": "GO",
    "verdict": "ALLOW",
    "request_id": "req_x",
    "policy_version": "p@1",
    "issues": [],
    "meta": {"source": "live"},
}

#: Asks for a decision about reading tickets at an address, with a key.
Ask = Callable[..., dict[str, Any]]


def _sync(url: str, key: str = KEY, **more: Any) -> dict[str, Any]:
    with Client(url, api_key=key) as client:
        return client.check("List the open tickets", tools=["search_tickets"], **more)


def _async(url: str, key: str = KEY, **more: Any) -> dict[str, Any]:
    async def run() -> dict[str, Any]:
        async with AsyncClient(url, api_key=key) as client:
            return await client.check("List the open tickets", tools=["search_tickets"], **more)

    return asyncio.run(run())


each_client = pytest.mark.parametrize("ask", [_sync, _async], ids=["sync", "async"])


@contextmanager
def answering(status: int, body: bytes, headers: dict[str, str] | None = None) -> Iterator[str]:
    """A real HTTP server that gives everybody the same answer. Gives its address."""

    class Handler(BaseHTTPRequestHandler):
        def do_POST(self) -> None:
            self.rfile.read(int(self.headers.get("content-length", 0)))
            self.send_response(status)
            sent = {"content-type": "application/json", "x-request-id": self.headers["x-request-id"], **(headers or {})}
            for name, value in sent.items():
                self.send_header(name, value)
            self.send_header("content-length", str(len(body)))
            self.end_headers()
            self.wfile.write(body)

        def log_message(self, format: str, *args: object) -> None:
            pass

    with HTTPServer(("127.0.0.1", 0), Handler) as served:
        thread = threading.Thread(target=served.serve_forever, args=(0.01,))
        thread.start()
        try:
            yield f"http://127.0.0.1:{served.server_port}"
        finally:
            served.shutdown()
            thread.join()


def _json(**changes: Any) -> bytes:
    return json.dumps({name: value for name, value in {**GOOD, **changes}.items() if value != "absent"}).encode()


# -- against the server


@each_client
def test_a_check_gives_the_whole_answer(ask: Ask, server: Server) -> None:
    answer = ask(server.url, success_criteria=["a list"], constraints=["read-only"], context={"environment": "staging"})
    assert (answer["decision"], answer["verdict"]) == ("GO", "ALLOW")
    record = server.get(f"/checks/{answer['request_id']}", key=KEY).body
    assert record["answer"] == answer
    request = record["request"]
    assert (request["goal"], request["tools"]) == ("List the open tickets", ["search_tickets"])
    assert (request["success_criteria"], request["constraints"]) == (["a list"], ["read-only"])
    assert request["context"] == {"environment": "staging"}


@each_client
def test_a_denied_action_is_an_answer_and_not_an_error(ask: Ask, server: Server) -> None:
    assert ask(server.url, side_effects=["data deletion"])["verdict"] == "DENY"


@each_client
def test_a_refusal_says_status_code_and_request_id(ask: Ask, server: Server) -> None:
    with pytest.raises(Stage0Error, match="HTTP 401 api_key_invalid") as refused:
        ask(server.url, "nobody-has-this-key-0001")
    assert (refused.value.status, refused.value.code) == (401, "api_key_invalid")
    assert refused.value.request_id.startswith("req_")


@each_client
def test_an_input_that_the_server_refuses_raises(ask: Ask, server: Server) -> None:
    with pytest.raises(Stage0Error, match="constraints") as refused:
        ask(server.url, constraints=["x" * 2001])
    assert (refused.value.status, refused.value.code) == (422, "validation_failed")


def test_what_was_done_is_reported(server: Server) -> None:
    with Client(server.url, api_key=KEY) as client:
        answer = client.check("List the open tickets", tools=["search_tickets"])
        done = client.report(answer["request_id"], "executed", detail="3 found", cost_usd=0.5)
        assert (done["status"], done["contradicts_verdict"]) == ("executed", False)
    [outcome] = server.get(f"/checks/{answer['request_id']}", key=KEY).body["outcomes"]
    assert (outcome["detail"], outcome["cost_usd"]) == ("3 found", 0.5)


def test_what_was_done_is_reported_by_the_async_client_and_a_wrong_report_raises(server: Server) -> None:
    async def run() -> None:
        async with AsyncClient(server.url, api_key=KEY) as client:
            answer = await client.check("List the open tickets", tools=["search_tickets"])
            assert (await client.report(answer["request_id"], "rolled_back"))["status"] == "rolled_back"
            with pytest.raises(Stage0Error, match="status"):
                await client.report(answer["request_id"], "done")
            with pytest.raises(Stage0Error, match="not_found"):
                await client.report("req_none", "executed")

    asyncio.run(run())


def test_one_async_client_serves_many_checks_at_once(server: Server) -> None:
    async def run() -> set[str]:
        async with AsyncClient(server.url, api_key=KEY) as client:
            answers = await asyncio.gather(*[client.check(f"List ticket {number}") for number in range(20)])
            return {answer["request_id"] for answer in answers}

    assert len(asyncio.run(run())) == 20


def test_json_that_is_ready_is_sent_as_it_is(server: Server) -> None:
    with Client(server.url, api_key=KEY) as client:
        answer = client.send(b'{"goal": "List the open tickets", "tools": ["search_tickets"], "more": 1}')
        assert answer["verdict"] == "ALLOW"
        with pytest.raises(Stage0Error, match="validation_failed"):
            client.send(b'{"goal": "x", "goal": "y"}')


@pytest.mark.parametrize("run_id", ["run 7", "team/7?x=1#y", "走る"])
def test_usage_and_runs_are_read(run_id: str, server: Server) -> None:
    key = new_key(server, "check", "read", plan="pro")

    async def read() -> tuple[dict[str, Any], dict[str, Any]]:
        async with AsyncClient(server.url, api_key=key.text) as client:
            return await client.usage(), await client.run(run_id)

    with Client(server.url, api_key=key.text) as client:
        answer = client.check("List the open tickets", tools=["search_tickets"], context={"run_id": run_id})
        usage, run = client.usage(), client.run(run_id)
        with pytest.raises(Stage0Error, match="There is no run") as missing:
            client.run("another")
    assert (missing.value.status, missing.value.code) == (404, "not_found")
    assert (usage["api_key_id"], usage["monthly_used"]) == (key.id, 1)
    assert (run["run_id"], run["checks"]) == (run_id, 1)
    assert [record["request_id"] for record in run["decisions"]] == [answer["request_id"]]
    usage_again, run_again = asyncio.run(read())
    assert usage_again["monthly_used"] == 1
    assert run_again["decisions"] == run["decisions"]


# -- failing closed


@each_client
def test_a_server_that_is_not_there_raises(ask: Ask) -> None:
    with pytest.raises(Stage0Error, match="no answer from") as failed:
        ask(f"http://127.0.0.1:{free_port()}")
    assert failed.value.status == 0


NO_DECISION: Final[dict[str, bytes]] = {
    "no verdict": _json(verdict="absent"),
    "no decision": _json(decision="absent"),
    "no request id": _json(request_id="absent"),
    "an empty request id": _json(request_id=""),
    "GO with DENY": _json(verdict="DENY"),
    "GO with DEFER": _json(verdict="DEFER"),
    "NO_GO with ALLOW": _json(decision="NO_GO"),
    "DEFER with ALLOW": _json(decision="DEFER"),
    "ERROR with ALLOW": _json(decision="ERROR"),
    "an unknown verdict": _json(verdict="MAYBE"),
    "an unknown decision": _json(decision="PERHAPS"),
    "a verdict in small letters": _json(verdict="allow"),
    "a verdict that is true": _json(verdict=True),
    "a verdict that is a list": _json(verdict=["ALLOW"]),
    "a decision that is null": _json(decision=None),
    "a decision that is an object": _json(decision={"GO": 1}),
    "an empty object": b"{}",
    "an empty body": b"",
    "a list": b'["GO", "ALLOW"]',
    "a string": b'"ALLOW"',
    "null": b"null",
    "HTML": b"<html><body>ALLOW</body></html>",
    "half of an answer": _json()[:-5],
    "a HIGH issue": _json(issues=[{"code": "X", "severity": "HIGH"}]),
    "a MEDIUM issue behind a note": _json(
        issues=[{"code": "X", "severity": "LOW"}, {"code": "Y", "severity": "MEDIUM"}]
    ),
    "an issue of an unknown severity": _json(issues=[{"code": "X", "severity": "high"}]),
    "an issue without a severity": _json(issues=[{"code": "X"}]),
    "an issue that is a string": _json(issues=["HIGH"]),
    "issues that are an object": _json(issues={}),
    "issues that are null": _json(issues=None),
    "no issues": _json(issues="absent"),
    "another source": _json(meta={"source": "simulated"}),
    "a source that is a list": _json(meta={"source": ["live"]}),
    "no source": _json(meta={}),
    "no meta": _json(meta="absent"),
    "meta that is a string": _json(meta="live"),
    "two verdicts": _json()[:-1] + b', "verdict": "ALLOW"}',
    "two verdicts, one of them escaped": b'{"verd\\u0069ct": "DENY", ' + _json()[1:],
    "a key twice in an issue": _json(issues="absent")[:-1] + b', "issues": [{"severity": "HIGH", "severity": "LOW"}]}',
    "NaN": _json(risk_score=float("nan")),
    "Infinity": _json(risk_score=float("inf")),
    "a number beyond all": _json()[:-1] + b', "risk_score": 1e999}',
    "a lone surrogate": _json(reason="\ud800"),
    "two objects": _json() * 2,
    "UTF-16": _json().decode().encode("utf-16"),
    "a byte order mark": b"\xef\xbb\xbf" + _json(),
    "not UTF-8": b'{"decision": "GO", "verdict": "ALLOW", "request_id": "\xff"}',
    "nested without end": b"[" * 100_000,
}


@each_client
@pytest.mark.parametrize("body", NO_DECISION.values(), ids=NO_DECISION.keys())
def test_a_200_without_a_whole_decision_raises(body: bytes, ask: Ask) -> None:
    with answering(200, body) as url, pytest.raises(Stage0Error):
        ask(url)


@each_client
@pytest.mark.parametrize("status", [201, 204, 302, 400, 401, 404, 429, 500, 502, 503])
def test_any_other_status_raises_even_with_an_allow_in_its_body(status: int, ask: Ask) -> None:
    headers = {"location": "/elsewhere"} if status == 302 else {}
    body = b"" if status == 204 else _json()
    with answering(status, body, headers) as url, pytest.raises(Stage0Error) as failed:
        ask(url)
    assert failed.value.status == status


@each_client
def test_the_500_body_of_the_contract_raises(ask: Ask) -> None:
    body = json.dumps({"error": "internal_error", "message": "m", "decision": "ERROR", "verdict": "DEFER"}).encode()
    with answering(500, body) as url, pytest.raises(Stage0Error) as failed:
        ask(url)
    assert (failed.value.status, failed.value.code) == (500, "internal_error")


@each_client
@pytest.mark.parametrize("kind", ["text/html", "text/plain", "application/json-seq", "application/problem+json", ""])
def test_a_200_of_another_content_type_raises(kind: str, ask: Ask) -> None:
    with answering(200, _json(), {"content-type": kind}) as url, pytest.raises(Stage0Error, match="content type"):
        ask(url)


@each_client
def test_notes_and_parameters_of_the_content_type_change_nothing(ask: Ask) -> None:
    body = _json(issues=[{"code": "X", "severity": "LOW"}])
    with answering(200, body, {"content-type": "Application/JSON; charset=utf-8"}) as url:
        assert ask(url)["verdict"] == "ALLOW"


@each_client
@pytest.mark.parametrize("coding", ["gzip", "deflate", "x-gzip", "identity, gzip"])
def test_a_compressed_answer_raises_though_it_could_be_read(coding: str, ask: Ask) -> None:
    """It was not asked for, and its size says nothing of what it becomes."""
    body = zlib.compress(_json()) if coding == "deflate" else gzip.compress(_json())
    with answering(200, body, {"content-encoding": coding}) as url, pytest.raises(Stage0Error, match="compressed"):
        ask(url)


@each_client
def test_a_broken_compression_raises(ask: Ask) -> None:
    with answering(200, _json(), {"content-encoding": "gzip"}) as url, pytest.raises(Stage0Error):
        ask(url)


@each_client
@pytest.mark.parametrize("word", ["NO_GO DENY", "DEFER DEFER", "ERROR DEFER", "GO ALLOW"])
def test_every_pair_that_belongs_together_is_an_answer(word: str, ask: Ask) -> None:
    decision, verdict = word.split()
    with answering(200, _json(decision=decision, verdict=verdict)) as url:
        assert ask(url)["verdict"] == verdict


def test_an_answer_that_does_not_come_in_time_raises() -> None:
    import socket

    with socket.create_server(("127.0.0.1", 0)) as silent:
        url = f"http://127.0.0.1:{silent.getsockname()[1]}"
        with Client(url, api_key=KEY, timeout=0.1) as client, pytest.raises(Stage0Error) as failed:
            client.check("List the open tickets")
    assert failed.value.status == 0


@each_client
@pytest.mark.parametrize(
    "url",
    [
        "nonsense",
        "ftp://127.0.0.1",
        "http://",
        "http://[::1",
        "http://127.0.0.1:99999",
        "http://127.0.0.1/?to=x",
        "http://user:word@127.0.0.1",
        "http://127.0.0.1\n.example",
        "http://stra\u00dfe.example",
    ],
)
def test_an_address_that_is_none_raises(url: str, ask: Ask) -> None:
    with pytest.raises(Stage0Error):
        ask(url)


@each_client
@pytest.mark.parametrize(
    "value",
    [float("nan"), float("inf"), "\ud800", 10**30, object()],
    ids=["nan", "inf", "surrogate", "large", "object"],
)
def test_a_context_that_json_cannot_carry_raises_and_is_never_sent_as_something_else(
    value: object, ask: Ask, server: Server
) -> None:
    """A NaN that became null would be a fact that is absent. A large whole number may be carried, exactly."""
    try:
        answer = ask(server.url, context={"cumulative_cost_usd": value})
    except (Stage0Error, ValueError, TypeError, OverflowError):
        return
    stored = server.get(f"/checks/{answer['request_id']}", key=KEY).body["request"]["context"]
    assert stored == {"cumulative_cost_usd": value}


# -- where server and key come from


def test_without_a_key_there_is_no_client() -> None:
    for make in (Client, AsyncClient):
        with pytest.raises(Stage0Error, match="STAGE0_API_KEY") as refused:
            make("http://127.0.0.1:1")
        assert refused.value.code == "api_key_missing"


@each_client
def test_server_and_key_come_from_the_environment(ask: Ask, server: Server, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("STAGE0_BASE_URL", server.url)
    monkeypatch.setenv("STAGE0_API_KEY", KEY)
    assert ask(None, None)["verdict"] == "ALLOW"


@each_client
def test_what_is_given_goes_before_the_environment(ask: Ask, server: Server, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("STAGE0_BASE_URL", f"http://127.0.0.1:{free_port()}")
    monkeypatch.setenv("STAGE0_API_KEY", "nobody-has-this-key-0001")
    assert ask(server.url, KEY)["verdict"] == "ALLOW"


@pytest.mark.parametrize("odd", ["secret-0001\n", "secret 0001", "s\u00e9cret-0001", "secret-0001\r\nx: y"])
def test_a_key_that_no_header_can_carry_is_refused_and_not_shown(odd: str) -> None:
    for make in (Client, AsyncClient):
        with pytest.raises(Stage0Error, match="API key") as refused:
            make("http://127.0.0.1:1", api_key=odd)
        assert "0001" not in f"{refused.value!r} {refused.value.__cause__!r}"


def test_neither_the_error_nor_the_client_shows_the_key(server: Server) -> None:
    secret = "nobody-has-this-key-0001"
    with Client(server.url, api_key=secret) as client:
        with pytest.raises(Stage0Error) as refused:
            client.check("List the open tickets")
        assert secret not in f"{refused.value} {refused.value!r} {client!r}"

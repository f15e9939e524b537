"""What somebody without a key can send: headers, trailers, requests behind one another, connections. All of it has
bounds, every refusal has the one error shape, and nothing that is ambiguous is guessed at."""

from __future__ import annotations

import itertools
import json
import socket
from collections.abc import Callable, Iterable, Iterator
from pathlib import Path
from typing import Final

import pytest

from stage0.server.connection import HEADERS_COUNT, HEADERS_LIMIT, PIPELINE_LIMIT
from stage0.server.http import DRAIN_LIMIT
from tests.asserting import nonempty
from tests.packs import pack_files
from tests.raw import Answer, Connection, ask, chunk, get, peak_memory, post
from tests.running import KEY, Server
from tests.server.issuing import new_key

GOOD: Final = json.dumps({"goal": "List the open tickets", "tools": ["search_tickets"]}).encode()
JSON: Final = "content-type: application/json"
OURS: Final = f"x-api-key: {KEY}"
CHUNKED: Final = "transfer-encoding: chunked"
MEGABYTE: Final = 1_000_000


@pytest.fixture(scope="module")
def strict(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Server]:
    """A server with a short deadline for headers, and few connections."""
    environment = {"STAGE0_HEADER_TIMEOUT": "0.3", "STAGE0_CONNECTIONS": "20"}
    with Server(tmp_path_factory.mktemp("strict"), environment=environment) as running:
        yield running


def refused(answers: list[Answer], status: int, code: str) -> Answer:
    """The last answer: an error in the one shape, after which the server closes the connection."""
    assert answers, "no answer"
    answer = answers[-1]
    assert (answer.status, answer.body["error"]) == (status, code)
    assert answer.body["message"]
    assert answer.body["detail"]["detail"] == answer.body["message"]
    assert answer.body["detail"]["request_id"] == answer.body["request_id"]
    assert answer.headers["content-type"] == "application/json"
    return answer


# -- how much


def _header(size: int) -> bytes:
    return get("/health", f"x-filler: {'x' * size}")


def _trailers(*lines: bytes) -> bytes:
    return b"0\r\n" + b"".join(line + b"\r\n" for line in lines) + b"\r\n"


TOO_LARGE: Final[dict[str, bytes]] = {
    "one long value": _header(HEADERS_LIMIT),
    "one long name": get("/health", f"{'x' * HEADERS_LIMIT}: x"),
    "many headers": get("/health", *["a: b"] * HEADERS_COUNT),
    "several long values": get("/health", *[f"x-{n}: {'x' * 2_000}" for n in range(40)]),
    "a long path": get("/" + "x" * HEADERS_LIMIT),
    "a long query": get("/checks?code=" + "x" * HEADERS_LIMIT, OURS),
    "headers without an end": b"GET /health HTTP/1.1\r\n" + b"a: " + b"x" * 2 * HEADERS_LIMIT,
    "nothing but empty lines": b"\r\n" * HEADERS_LIMIT,
    "a long trailer": post("/check", chunk(GOOD), OURS, JSON, CHUNKED) + _trailers(b"x: " + b"x" * HEADERS_LIMIT),
    "many trailers": post("/check", chunk(GOOD), OURS, JSON, CHUNKED) + _trailers(*[b"x: y"] * (HEADERS_COUNT + 1)),
    "a long chunk extension": post("/check", chunk(GOOD, b";x=" + b"x" * 2 * HEADERS_LIMIT), OURS, JSON, CHUNKED),
}


@pytest.mark.parametrize("sent", TOO_LARGE.values(), ids=TOO_LARGE.keys())
def test_headers_over_the_limit_are_431_and_the_connection_is_closed(sent: bytes, server: Server) -> None:
    [answer] = ask(server, sent)
    refused([answer], 431, "headers_too_large")
    assert answer.headers["connection"] == "close"
    assert str(HEADERS_LIMIT) in answer.body["message"]


def test_long_chunk_extensions_are_431_though_each_has_a_byte_of_the_body(server: Server) -> None:
    body = b"".join(chunk(b" ", b";x=" + b"x" * 1_000) for _ in range(200))
    refused(ask(server, post("/check", body, OURS, JSON, CHUNKED)), 431, "headers_too_large")


INSIDE: Final[dict[str, bytes]] = {
    "one long value": _header(HEADERS_LIMIT - 100),
    "many headers": get("/health", *["a: b"] * (HEADERS_COUNT - 1)),
    "a long query": get("/health?" + "x" * (HEADERS_LIMIT - 100)),
    "some empty lines": b"\r\n\r\n" + get("/health"),
}


@pytest.mark.parametrize("sent", INSIDE.values(), ids=INSIDE.keys())
def test_headers_just_inside_of_the_limit_are_served_and_the_connection_goes_on(sent: bytes, server: Server) -> None:
    with Connection(server) as connection:
        for _ in range(2):
            connection.send(sent)
            assert connection.answer().status == 200


def test_the_headers_of_one_request_are_counted_alone(server: Server) -> None:
    sent = _header(HEADERS_LIMIT // 2)
    large = b'{"goal": "List the tickets", "context": {"x": "' + b"x" * 300_000 + b'"}}'
    with Connection(server) as connection:
        for data in (sent + sent, post("/check", large, OURS, JSON) + sent, sent):
            connection.send(data)
        assert [connection.answer().status for _ in range(5)] == [200] * 5


def test_a_body_in_the_smallest_chunks_is_read(server: Server) -> None:
    body = b"".join(chunk(bytes([byte])) for byte in GOOD)
    with Connection(server) as connection:
        connection.send(post("/check", body, OURS, JSON, CHUNKED, end=b"0\r\n\r\n"))
        assert connection.answer().status == 200


FLOODS: Final[dict[str, Callable[[], Iterable[bytes]]]] = {
    "one header": lambda: [b"GET /health HTTP/1.1\r\nx: ", *itertools.repeat(b"x" * MEGABYTE, 60)],
    "many headers": lambda: [b"GET /health HTTP/1.1\r\n", *itertools.repeat(b"a: b\r\n" * (MEGABYTE // 6), 60)],
    "a path": lambda: [b"GET /", *itertools.repeat(b"x" * MEGABYTE, 60)],
    "a trailer": lambda: [
        post("/nowhere", b"", CHUNKED, end=b"0\r\nx: "),
        *itertools.repeat(b"x" * MEGABYTE, 60),
    ],
    "requests behind one another": lambda: itertools.repeat(get("/nowhere") * (MEGABYTE // 40), 60),
    "a body without a key": lambda: [
        f"POST /check HTTP/1.1\r\n{JSON}\r\ncontent-length: 60000000\r\n\r\n".encode(),
        *itertools.repeat(b"x" * MEGABYTE, 60),
    ],
}


@pytest.mark.parametrize("flood", FLOODS.values(), ids=FLOODS.keys())
def test_sixty_megabytes_of_a_stranger_are_not_held(flood: Callable[[], Iterable[bytes]], server: Server) -> None:
    before = peak_memory(server)
    ask(server, flood())
    assert server.get("/health").status == 200
    assert peak_memory(server) - before < 20 * MEGABYTE


# -- for how long


def _drip(server: Server, first: bytes, part: bytes) -> list[Answer]:
    """Send a part again and again, until the server has closed the connection or a thousand were sent."""
    with Connection(server) as connection:
        connection.socket.settimeout(0.02)
        connection.send(first)
        for _ in range(1_000):
            connection.send(part)
            try:
                if not connection.socket.recv(1, socket.MSG_PEEK):
                    return []
            except TimeoutError:
                continue
            connection.socket.settimeout(60)
            return list(connection.answers())
    raise AssertionError("the connection was kept open")


@pytest.mark.parametrize(
    ("first", "part"),
    [
        (b"GET /health HTTP/1.1\r\nx: ", b"x"),
        (b"GET /health HTTP/1.1\r\n", b"a: b\r\n"),
        (b"", b"\r\n"),
        (b"GET /", b"x"),
    ],
    ids=["a value", "headers", "empty lines", "a path"],
)
def test_headers_that_drip_in_are_408(first: bytes, part: bytes, strict: Server) -> None:
    refused(_drip(strict, first, part), 408, "request_timeout")


def test_headers_that_are_begun_and_never_finished_are_408(strict: Server) -> None:
    answer = refused(ask(strict, b"POST /check HTTP/1.1\r\nhost: x\r\n"), 408, "request_timeout")
    assert answer.headers["connection"] == "close"
    assert "0.3 seconds" in answer.body["message"]


def test_the_headers_of_a_later_request_have_the_same_deadline(strict: Server) -> None:
    with Connection(strict) as connection:
        connection.send(get("/health"))
        assert connection.answer().status == 200
        connection.send(get("/health")[:-2])
        refused(list(connection.answers()), 408, "request_timeout")


def test_headers_that_are_begun_before_an_earlier_answer_are_refused_after_it(strict: Server) -> None:
    answers = ask(strict, get("/health") + b"GET /health HTTP/1.1\r\n")
    assert [answer.status for answer in answers] == [200, 408]


def test_a_connection_on_which_nothing_is_sent_is_closed(strict: Server) -> None:
    with Connection(strict) as connection:
        assert connection.closed()


def test_a_connection_is_closed_when_nothing_follows_an_answer(strict: Server) -> None:
    with Connection(strict) as connection:
        connection.send(get("/health"))
        assert connection.answer().status == 200
        assert connection.closed()


# -- who is calling


def test_a_trailer_does_not_say_who_calls(server: Server) -> None:
    trailers = _trailers(f"x-api-key: {KEY}".encode(), b"x-request-id: from-a-trailer")
    with Connection(server) as connection:
        connection.send(post("/check", chunk(GOOD), JSON, CHUNKED) + trailers)
        answer = connection.answer()
        assert (answer.status, answer.body["error"]) == (401, "api_key_missing")
        connection.send(post("/check", chunk(GOOD), JSON, CHUNKED, OURS) + trailers)
        answer = connection.answer()
        assert (answer.status, answer.headers["x-request-id"]) == (200, answer.body["request_id"])


@pytest.mark.parametrize("path", ["/check", "/policies/lint", "/checks/req_x/outcome"])
@pytest.mark.parametrize("keys", [(KEY, "x" * 30), ("x" * 30, KEY), (KEY, KEY)], ids=["first", "last", "twice"])
def test_a_repeated_key_is_401(keys: tuple[str, str], path: str, server: Server) -> None:
    one, other = (f"{name}: {key}" for name, key in zip(("x-api-key", "X-API-Key"), keys, strict=True))
    with Connection(server) as connection:
        connection.send(post(path, GOOD, one, other, JSON))
        answer = connection.answer()
    refused([answer], 401, "api_key_invalid")
    assert "more than once" in answer.body["message"]


def test_a_repeated_idempotency_key_is_422_and_names_it(server: Server) -> None:
    with Connection(server) as connection:
        connection.send(post("/check", GOOD, OURS, JSON, "Idempotency-Key: one", "idempotency-key: two"))
        answer = connection.answer()
    assert (answer.status, answer.body["error"]) == (422, "validation_failed")
    assert answer.body["fields"] == [{"path": "Idempotency-Key", "message": "was sent more than once: send it once"}]


def test_a_repeated_request_id_is_not_taken_for_one(server: Server) -> None:
    with Connection(server) as connection:
        connection.send(post("/check", GOOD, OURS, JSON, "x-request-id: one", "x-request-id: two"))
        answer = connection.answer()
    assert (answer.status, answer.headers["x-request-id"]) == (200, answer.body["request_id"])


def test_repeated_headers_that_nobody_reads_are_fine(server: Server) -> None:
    with Connection(server) as connection:
        connection.send(post("/check", GOOD, OURS, JSON, "via: one", "via: two"))
        assert connection.answer().status == 200


# -- what the body is


@pytest.mark.parametrize(
    ("headers", "named"),
    [
        ([JSON, "content-type: text/plain"], "content-type"),
        ([JSON, "content-encoding: gzip"], "gzip"),
        ([JSON, "content-encoding: br, identity"], "br, identity"),
        ([JSON, "content-encoding: identity", "content-encoding: identity"], "content-encoding"),
        ([JSON, "transfer-encoding: gzip, chunked"], "gzip, chunked"),
    ],
)
def test_a_body_that_is_coded_or_said_to_be_two_things_is_415(headers: list[str], named: str, server: Server) -> None:
    with Connection(server) as connection:
        coded = any(line.startswith("transfer-encoding") for line in headers)
        connection.send(post("/check", chunk(GOOD) if coded else GOOD, OURS, *headers))
        answer = connection.answer()
    refused([answer], 415, "unsupported_media_type")
    assert f"`{named}`" in answer.body["message"]


def test_the_encoding_identity_is_none(server: Server) -> None:
    with Connection(server) as connection:
        connection.send(post("/check", GOOD, OURS, JSON, "content-encoding: Identity"))
        assert connection.answer().status == 200


MALFORMED: Final[dict[str, bytes]] = {
    "not HTTP": b"\x16\x03\x01\x02\x00\x01\x00\x01\xfc\x03\x03" + b"x" * 100,
    "a method that does not exist": b"CHECK /check HTTP/1.1\r\n\r\n",
    "HTTP/2": b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n",
    "an address without a slash": b"GET health HTTP/1.1\r\n\r\n",
    "an address without a host": b"GET http:///health HTTP/1.1\r\n\r\n",
    "a header without a colon": get("/health", "x-api-key"),
    "a space before the colon": get("/health", "x-api-key : x"),
    "a header over two lines": get("/health", "x: y\r\n z"),
    "a NUL in a header": get("/health", "x: \0"),
    "lines that end in LF alone": b"GET /health HTTP/1.1\nhost: x\n\n",
    "two lengths": post("/check", GOOD, OURS, JSON, f"content-length: {len(GOOD)}"),
    "two different lengths": post("/check", GOOD, OURS, JSON, "content-length: 1"),
    "a length and chunks": post("/check", chunk(GOOD), OURS, JSON, "content-length: 5", CHUNKED, end=b"0\r\n\r\n"),
    "a length that is no number": get("/health", "content-length: +5"),
    "chunked, and then something else": post("/check", GOOD, OURS, JSON, "transfer-encoding: chunked, identity"),
    "a chunk without a length": post("/check", b"xyz\r\n", OURS, JSON, CHUNKED),
    "a chunk that is longer than it says": post("/check", b"1\r\nxyz\r\n0\r\n\r\n", OURS, JSON, CHUNKED),
    "a body in another protocol": post("/check", GOOD, OURS, JSON, "connection: upgrade", "upgrade: h2c"),
    "a tunnel": b"CONNECT db.internal:5432 HTTP/1.1\r\n\r\n",
}


@pytest.mark.parametrize("sent", MALFORMED.values(), ids=MALFORMED.keys())
def test_what_is_not_http_is_400_in_the_one_shape_and_the_connection_is_closed(sent: bytes, server: Server) -> None:
    before = server.get("/checks?limit=1", key=KEY).body["checks"]
    [answer] = ask(server, sent)
    refused([answer], 400, "bad_request")
    assert answer.headers["connection"] == "close"
    assert server.get("/checks?limit=1", key=KEY).body["checks"] == before


def test_what_comes_before_something_malformed_is_answered_first(server: Server) -> None:
    answers = ask(server, get("/health") + post("/check", GOOD, OURS, JSON) + b"nonsense\r\n\r\n")
    assert [answer.status for answer in answers] == [200, 200, 400]


def test_an_upgrade_is_not_made_and_what_follows_it_is_not_read(server: Server) -> None:
    upgrade = get("/health", "connection: upgrade", "upgrade: websocket", "sec-websocket-key: x")
    [answer] = ask(server, upgrade + post("/check", GOOD, OURS, JSON))
    assert (answer.status, answer.headers["connection"]) == (200, "close")


# -- one behind another


def test_a_few_requests_behind_one_another_are_answered_in_turn(server: Server) -> None:
    paths = ["/health", "/nowhere", "/stage0/design", "/checks", "/health"]
    with Connection(server) as connection:
        connection.send(b"".join(get(path) for path in paths))
        assert [connection.answer().status for _ in paths] == [200, 404, 200, 401, 200]
        connection.send(get("/health"))
        assert connection.answer().status == 200


def test_of_many_requests_behind_one_another_the_first_are_answered_and_the_connection_is_closed(
    server: Server,
) -> None:
    answers = ask(server, get("/nowhere") * 300)
    assert [answer.status for answer in answers] == [404] * (PIPELINE_LIMIT + 1)
    assert answers[-1].headers["connection"] == "close"
    assert "connection" not in answers[0].headers


# -- bodies that nobody reads


def test_after_a_refusal_the_rest_of_a_body_is_taken_and_the_connection_goes_on(server: Server) -> None:
    body = b"x" * MEGABYTE
    with Connection(server) as connection:
        connection.send(post("/check", body, JSON))
        assert connection.answer().status == 401
        connection.send(get("/health"))
        assert connection.answer().status == 200


def test_a_body_without_an_end_is_not_taken_for_ever(server: Server) -> None:
    sent = 0

    def body() -> Iterator[bytes]:
        nonlocal sent
        yield post("/check", b"", JSON, "content-length: 99999999999")[: -len("content-length: 0\r\n\r\n")] + b"\r\n"
        while sent < 100 * DRAIN_LIMIT:
            yield b"x" * MEGABYTE
            sent += MEGABYTE

    with Connection(server) as connection:
        connection.send(body())
        assert sent < 2 * DRAIN_LIMIT
        assert connection.answer().status == 401


def test_a_request_whose_body_ends_early_changes_nothing(server: Server) -> None:
    """Several endpoints take no body for an empty object: half of one must not be taken for none."""
    agent = new_key(server, plan="enterprise")
    admin = new_key(server, "policy:write", account=agent.account).text
    assert server.post("/policies", {"files": pack_files()}, key=admin).status == 200
    assert server.post("/policies/acme@1/activate", {}, key=admin).status == 200
    with Connection(server) as connection:
        connection.send(post("/policies/rollback", b"  ", f"x-api-key: {admin}", JSON)[:-2])
        connection.socket.shutdown(socket.SHUT_WR)
        assert connection.closed()
    assert server.post("/policies/shadow/end", {}, key=admin).status == 200, "writes are made in turn"
    assert server.get("/policies", key=admin).body["active"][0]["pack"] == "acme@1"


# -- how many


def test_whoever_comes_is_served_though_strangers_hold_every_connection(strict: Server) -> None:
    held = [Connection(strict) for _ in range(60)]
    try:
        assert strict.get("/health").status == 200
        assert held[0].closed(), "the one that has waited longest"
    finally:
        for connection in held:
            connection.__exit__()


def test_where_every_connection_has_a_request_under_way_another_one_is_503(strict: Server) -> None:
    begun = post("/check", GOOD, OURS, JSON)
    held = [Connection(strict) for _ in range(20)]
    try:
        for connection in held:
            connection.send(begun[:-1])
        answer = refused(ask(strict, get("/health")), 503, "overloaded")
        assert answer.headers["retry-after"] == "1"
        for connection in nonempty(held):
            connection.send(begun[-1:])
            assert connection.answer().status == 200
    finally:
        for connection in held:
            connection.__exit__()


def test_a_process_that_may_open_few_files_keeps_some_for_its_database(tmp_path: Path) -> None:
    with Server(tmp_path, files=250) as server:
        held = [Connection(server) for _ in range(400)]
        try:
            assert server.get("/health").status == 200
            assert server.check(goal="List the open tickets", tools=["search_tickets"]).status == 200
            assert '"connections": 50' in server.log()
        finally:
            for connection in held:
                connection.__exit__()


def test_the_refusals_of_strangers_leave_nothing_in_the_log(own_server: Server) -> None:
    before = own_server.log()
    for sent in (*MALFORMED.values(), *TOO_LARGE.values()):
        ask(own_server, sent)
    assert own_server.log() == before


def test_clients_that_leave_before_their_answers_leave_nothing_in_the_log(own_server: Server) -> None:
    before = own_server.log()
    for _ in range(20):
        with Connection(own_server) as connection:
            connection.send(get("/nowhere") + get("/checks", OURS) * 5)
            assert connection.answer().status == 404
            connection.socket.shutdown(socket.SHUT_WR)
    assert own_server.get("/health").status == 200
    assert own_server.log() == before

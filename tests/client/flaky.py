"""A network between client and server: it forwards to a real server, and loses what it is told to lose."""

from __future__ import annotations

import http.client
import json
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import NamedTuple

from tests.running import Server


class Request(NamedTuple):
    """What arrived. Names of `headers` are in lower case."""

    method: str
    path: str
    headers: dict[str, str]
    body: bytes


class Network:
    """`faults` happen to one request each, in this order, and then no more: `lost` (the request does not arrive),
    `unanswered` (it arrives, and its answer does not), `503` or `503 N` (an overloaded server, with `Retry-After: N`)
    or `ok`. `meanwhile` is called after the server's answer, and before it is passed on."""

    def __init__(self, url: str, faults: list[str]) -> None:
        self.url = url
        self.meanwhile: Callable[[], object] = lambda: None
        self.faults = faults
        self.requests: list[Request] = []


@contextmanager
def network(server: Server, *faults: str) -> Iterator[Network]:
    """A network in front of a server."""

    class Handler(BaseHTTPRequestHandler):
        def do_POST(self) -> None:
            body = self.rfile.read(int(self.headers.get("content-length", 0)))
            headers = {name.lower(): value for name, value in self.headers.items()}
            made.requests.append(Request(self.command, self.path, headers, body))
            fault = made.faults.pop(0) if made.faults else "ok"
            self.close_connection = True
            if fault == "lost":
                return
            if fault.startswith("503"):
                self._answer(503, _OVERLOADED, fault.partition(" ")[2])
                return
            connection = http.client.HTTPConnection("127.0.0.1", server.port, timeout=30)
            connection.request(self.command, self.path, body, headers)
            answer = connection.getresponse()
            whole = answer.read()
            connection.close()
            made.meanwhile()
            if fault == "ok":
                self._answer(answer.status, whole, "", answer.headers["x-request-id"])

        do_GET = do_POST

        def _answer(self, status: int, body: bytes, retry_after: str, request_id: str = "") -> None:
            self.send_response(status)
            self.send_header("content-length", str(len(body)))
            self.send_header("content-type", "application/json")
            if request_id:
                self.send_header("x-request-id", request_id)
            if retry_after:
                self.send_header("retry-after", retry_after)
            self.end_headers()
            self.wfile.write(body)

        def log_message(self, format: str, *args: object) -> None:
            pass

    with ThreadingHTTPServer(("127.0.0.1", 0), Handler) as served:
        made = Network(f"http://127.0.0.1:{served.server_port}", list(faults))
        thread = threading.Thread(target=served.serve_forever, args=(0.01,))
        thread.start()
        try:
            yield made
        finally:
            served.shutdown()
            thread.join()


_OVERLOADED = json.dumps({"error": "overloaded", "message": "Too many.", "request_id": "req_x"}).encode()

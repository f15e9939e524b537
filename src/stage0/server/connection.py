"""One connection of a client: uvicorn's HTTP/1.1, with bounds on what a stranger can make it hold.

Whoever connects has not shown a key yet. So headers, trailers and chunk lines are counted as they arrive, a request's
headers have a deadline, only so many requests wait behind one another, and only so many connections are open. What is
over a bound is answered in the one error shape, after the answers that are under way; then the connection is closed.
"""

from __future__ import annotations

import asyncio
import contextlib
import resource
import time
from functools import partial
from typing import Any, Final

import httptools
import structlog
from uvicorn.config import Config
from uvicorn.protocols.http.httptools_impl import HttpToolsProtocol, RequestResponseCycle
from uvicorn.server import ServerState

from stage0.server.errors import ApiError
from stage0.server.http import DRAIN_LIMIT, DRAIN_SECONDS, Receive, Scope, Send, send_error

log: Final = structlog.get_logger("stage0.server")

#: Bytes of the headers of one request (address, names, values and trailers, all together), and how many there may be.
HEADERS_LIMIT: Final = 65_536
HEADERS_COUNT: Final = 100
#: Requests that may wait on one connection for the answer to an earlier one.
PIPELINE_LIMIT: Final = 8
#: Bytes that are parsed at once: no more than this is held beyond the limit.
_PIECE: Final = 16_384
#: What a header takes on the wire beside its name and value: a colon, a space, the end of the line.
_SEPARATORS: Final = 4
#: Bytes of a chunked body's framing for each byte in it. A chunk of one byte has five.
_FRAMING: Final = 8
#: For how long, and for how many bytes, a client that was refused may go on sending before the connection is closed:
#: one that is reset while it sends does not see the answer.
_LINGER_SECONDS: Final = 2
_LINGER_BYTES: Final = 1_000_000
#: Seconds in which a client must take some of an answer.
_WRITE_SECONDS: Final = 30
#: Files of a process that are not connections: databases, their logs, what is imported.
_OTHER_FILES: Final = 200

#: Where the lifespan's state holds this process's connections.
STATE: Final = "connections"


class Connections:
    """The connections of one process: how many may be open, and which wait for a request, the longest first."""

    def __init__(self, limit: int, header_seconds: float) -> None:
        self.limit = limit
        self.header_seconds = header_seconds
        self.waiting: dict[Connection, None] = {}

    def drop_one(self) -> bool:
        """Close the one that has waited longest, so that whoever comes, such as a health check, is served. False where
        every one has a request under way."""
        longest = next(iter(self.waiting), None)
        if longest is None:
            return False
        longest.drop()
        return True


def connections_that_fit(wanted: int) -> int:
    """How many connections this process may have: as many as wanted, or as there are files for. Allows it as many files
    as it needs."""
    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    if soft == resource.RLIM_INFINITY:
        return wanted
    needed = wanted + _OTHER_FILES
    if soft < needed:
        soft = needed if hard == resource.RLIM_INFINITY else min(needed, hard)
        resource.setrlimit(resource.RLIMIT_NOFILE, (soft, hard))
    fit = max(1, min(wanted, soft - _OTHER_FILES))
    if fit < wanted:
        log.warning("few_files", open_files=soft, connections=fit, wanted=wanted)
    return fit


#: What the parser is in: between requests, in the headers of one, in its body.
_BETWEEN: Final = 0
_HEADERS: Final = 1
_BODY: Final = 2


class Connection(HttpToolsProtocol):
    """uvicorn's protocol, bounded."""

    def __init__(
        self,
        config: Config,
        server_state: ServerState,
        app_state: dict[str, Any],
        _loop: asyncio.AbstractEventLoop | None = None,
    ) -> None:
        super().__init__(config, server_state, app_state, _loop)
        self._all: Connections = app_state[STATE]
        self._phase = _BETWEEN
        #: Of the request that is being parsed: bytes of its body, and of all that came since its headers were complete.
        self._body = self._around = 0
        #: Steps that the parser has told of (a request begins, its headers are complete, a part of its body, its end),
        #: and bytes that came since the last one: of headers, trailers, a chunk's line, empty lines.
        self._steps = self._silent = 0
        #: Nothing more is parsed; and then bytes that may still come.
        self._stopped = False
        self._left = _LINGER_BYTES
        self._over = asyncio.Event()
        self._error: ApiError | None = None
        #: The request that is being handled; `cycle` is the latest, which may wait behind it.
        self._handled: RequestResponseCycle | None = None
        self._deadline: asyncio.TimerHandle | None = None
        self._writing: asyncio.TimerHandle | None = None

    # -- the connection

    def connection_made(self, transport: asyncio.Transport) -> None:  # type: ignore[override]
        """Serve it, or say that there are too many."""
        super().connection_made(transport)
        if len(self.connections) > self._all.limit and not self._all.drop_one():
            self._left = 0
            self._refuse(ApiError(503, "overloaded", "Too many connections are open.", retry_after=1))
            return
        self._all.waiting[self] = None
        self._close_after(self._all.header_seconds)

    def connection_lost(self, exc: Exception | None) -> None:
        """Forget it."""
        super().connection_lost(exc)
        if self._handled is not None:
            self._handled.disconnected = True
            self._handled.message_event.set()
        self._all.waiting.pop(self, None)
        self._over.set()
        for timer in (self.timeout_keep_alive_task, self._deadline, self._writing):
            if timer is not None:
                timer.cancel()

    def drop(self) -> None:
        """Close it in favour of another one."""
        self._all.waiting.pop(self, None)
        if self.transport.get_write_buffer_size():
            self.transport.abort()  # whoever does not take an answer must not hold its place
        else:
            self.transport.close()

    def pause_writing(self) -> None:
        """The client takes the answer slowly: see that it takes it at all."""
        super().pause_writing()
        self._watch(self.transport.get_write_buffer_size())

    def resume_writing(self) -> None:
        """The client has taken it."""
        super().resume_writing()
        if self._writing is not None:
            self._writing.cancel()
            self._writing = None

    def _watch(self, unsent: int) -> None:
        self._writing = self.loop.call_later(_WRITE_SECONDS, self._look, unsent)

    def _look(self, before: int) -> None:
        unsent = self.transport.get_write_buffer_size()
        if unsent >= before:
            self.transport.abort()
        else:
            self._watch(unsent)

    # -- what arrives

    def data_received(self, data: bytes) -> None:
        """Parse it, piece by piece."""
        self._unset_keepalive_if_required()
        if self._stopped:
            self._forget(len(data))
            return
        try:
            if len(data) <= _PIECE:
                self._parse(data)
            else:
                view = memoryview(data)
                for start in range(0, len(data), _PIECE):
                    self._parse(view[start : start + _PIECE])
        except httptools.HttpParserUpgrade:
            # Answered like any other request. What follows it would be in a protocol that is not spoken here.
            self._stopped = True
            self.cycle.keep_alive = False
        except httptools.HttpParserError:
            if not self._stopped or self._error is not None:
                self._refuse(self._error or _malformed())
        else:
            if self._phase != _BODY:
                self._set_deadline()

    def _parse(self, piece: bytes | memoryview) -> None:
        """Parse up to 16 KB. Raises what httptools raises, also where a bound is passed."""
        steps, phase = self._steps, self._phase
        self.parser.feed_data(piece)
        if self._steps == steps:
            self._silent += len(piece)
            if self._silent > HEADERS_LIMIT or len(self.headers or ()) > HEADERS_COUNT:
                self._stop(_too_large())
        else:
            self._silent = 0
        if phase == _BODY == self._phase:
            self._count_body(len(piece))

    def _count_body(self, size: int) -> None:
        """Count a piece that lies within a body. What is around its bytes is bounded, and so is a body that nobody
        reads any more."""
        self._around += size
        if self._around - (1 + _FRAMING) * self._body > HEADERS_LIMIT:
            self._stop(_too_large())
        if self.cycle.response_complete and self._around > DRAIN_LIMIT:
            self.transport.close()

    def _stop(self, error: ApiError | None = None) -> None:
        self._error = error
        self._stopped = True
        raise httptools.HttpParserError

    def _forget(self, size: int) -> None:
        self._left -= size
        if self._left <= 0:
            self._over.set()

    # -- what the parser tells

    def on_message_begin(self) -> None:
        """A request begins. After an answer that closes the connection none does."""
        latest = self._latest()
        if latest is not None and not latest.keep_alive:
            self._stop()
        self._steps += 1
        self._phase = _HEADERS
        super().on_message_begin()

    def on_headers_complete(self) -> None:
        """The request can be handled."""
        headers = self.headers
        if len(headers) > HEADERS_COUNT or (self._silent and _size(self.url, headers) > HEADERS_LIMIT):
            self._stop(_too_large())
        if self.parser.should_upgrade() and _has_body(headers):
            # The parser would take its body for another protocol.
            self._stop(_malformed("a request with `Upgrade` has no body here: send it without"))
        super().on_headers_complete()
        # What comes after the body, a trailer, is counted and dropped: it must not change who calls.
        self.headers = []
        self._steps += 1
        self._phase = _BODY
        self._body = self._around = 0
        self._all.waiting.pop(self, None)
        if self._deadline is not None:
            self._cancel_deadline()
        if len(self.pipeline) >= PIPELINE_LIMIT:
            self.cycle.keep_alive = False

    def on_body(self, body: bytes) -> None:
        """A part of the body."""
        self._steps += 1
        self._body += len(body)
        super().on_body(body)

    def on_message_complete(self) -> None:
        """The request has arrived whole."""
        if len(self.headers) > HEADERS_COUNT or (self._silent and _size(b"", self.headers) > HEADERS_LIMIT):
            self._stop(_too_large())
        self._steps += 1
        self._phase = _BETWEEN
        if self._deadline is not None:
            self._cancel_deadline()
        super().on_message_complete()

    def on_response_complete(self) -> None:
        """An answer was sent. What the request still sends is taken for a while and forgotten."""
        super().on_response_complete()
        if self.transport.is_closing() or not self.cycle.response_complete:
            return
        self._all.waiting[self] = None
        if self._phase == _BODY:
            self._cancel_deadline()
            self._deadline = self.loop.call_later(DRAIN_SECONDS, self._late)
        elif self._phase == _HEADERS:
            self._unset_keepalive_if_required()  # they have their own deadline

    def _start_asgi_task(self, cycle: RequestResponseCycle, app: Any) -> None:
        self._handled = cycle
        super()._start_asgi_task(cycle, app)

    # -- deadlines

    def _set_deadline(self) -> None:
        """After what has arrived: headers that have begun have a deadline, and so has a connection that waits."""
        if self._phase == _HEADERS or self._silent:
            if self._deadline is None:
                self._deadline = self.loop.call_later(self._all.header_seconds, self._late)
        elif self.cycle.response_complete and not self.transport.is_closing():
            self._close_after(self.timeout_keep_alive)

    def _close_after(self, seconds: float) -> None:
        """Close it unless something arrives until then."""
        self._unset_keepalive_if_required()
        self.timeout_keep_alive_task = self.loop.call_later(seconds, self.timeout_keep_alive_handler)

    def _cancel_deadline(self) -> None:
        if self._deadline is not None:
            self._deadline.cancel()
            self._deadline = None

    def _late(self) -> None:
        self._deadline = None
        if self._stopped or self.transport.is_closing():
            return
        if self._phase == _BODY:
            self.transport.close()
        elif self.flow.read_paused:  # the client waits for us
            self._set_deadline()
        else:
            seconds = self._all.header_seconds
            self._refuse(ApiError(408, "request_timeout", f"The headers did not arrive within {seconds:g} seconds."))

    # -- refusing

    def _latest(self) -> RequestResponseCycle | None:
        """The request that was last begun to be handled, or waits to be; None where there was none."""
        return self.cycle

    def _refuse(self, error: ApiError) -> None:
        """Answer with an error, after the answers that are under way, and close. Nothing more is parsed."""
        self._stopped = True
        self._cancel_deadline()
        latest = self._latest()
        under_way = latest is not None and not latest.response_complete
        if self._phase == _BODY:
            # It is the request whose body this is that is refused, unless it was answered already.
            if self.cycle.response_started:
                self.transport.close()
                return
            self.cycle.disconnected = True
            self.cycle.message_event.set()
            under_way = bool(self.pipeline)
            if under_way:
                self.pipeline.popleft()
        self.cycle = RequestResponseCycle(
            scope={"type": "http", "method": "GET", "path": "", "headers": []},  # type: ignore[typeddict-item]
            transport=self.transport,
            flow=self.flow,
            logger=self.logger,
            access_logger=self.access_logger,
            access_log=False,
            default_headers=self.server_state.default_headers,
            message_event=asyncio.Event(),
            expect_100_continue=False,
            keep_alive=False,
            on_response=self.on_response_complete,
        )
        answer: Any = partial(self._answer, error)
        if under_way:
            self.pipeline.appendleft((self.cycle, answer))
        else:
            self._start_asgi_task(self.cycle, answer)

    async def _answer(self, error: ApiError, scope: Scope, receive: Receive, send: Send) -> None:
        """An ASGI application that answers with an error, and closes when the client has stopped sending."""

        async def unfinished(message: Any) -> None:
            more = {"more_body": True} if message["type"] == "http.response.body" else {}
            await send({**message, **more})

        await send_error(unfinished, error, scope, time.time())
        if self._left > 0 and not self.transport.is_closing():
            self.transport.write_eof()
            with contextlib.suppress(TimeoutError):
                async with asyncio.timeout(_LINGER_SECONDS):
                    await self._over.wait()
        self.cycle.response_complete = True
        self.transport.close()


def _malformed(why: str = "it is not HTTP/1.1") -> ApiError:
    return ApiError(400, "bad_request", f"The request cannot be read: {why}.")


def _too_large() -> ApiError:
    what = f"The headers are larger than {HEADERS_LIMIT} bytes, or more than {HEADERS_COUNT}."
    return ApiError(431, "headers_too_large", what)


def _size(url: bytes, headers: list[tuple[bytes, bytes]]) -> int:
    return len(url) + sum(len(name) + len(value) + _SEPARATORS for name, value in headers)


def _has_body(headers: list[tuple[bytes, bytes]]) -> bool:
    return any(name == b"transfer-encoding" or (name == b"content-length" and value != b"0") for name, value in headers)

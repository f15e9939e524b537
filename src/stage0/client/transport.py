"""A request and its own answer over HTTP/1.1: bounded in time and in size, on connections of one process and one event
loop.

Nothing here comes from the environment: no proxy, no `.netrc`, no file of certificates. There are no redirects, no
cookies, and no compression."""

from __future__ import annotations

import asyncio
import ipaddress
import os
import queue
import secrets
import socket
import ssl
import sys
import threading
import time
import weakref
from collections.abc import AsyncGenerator, Iterable, Iterator
from contextlib import contextmanager
from contextvars import ContextVar
from pathlib import Path
from typing import Any, Final, NamedTuple
from urllib.parse import quote, unquote, urlsplit

import httpcore2

#: An answer that is longer is refused, and never held in memory beyond it.
ANSWER_BYTES_MAX: Final = 32_000_000
#: How much is sent before the deadline is looked at again.
_SLICE_BYTES: Final = 16_384
_PER_POOL: Final = {"max_connections": 100, "max_keepalive_connections": 20, "keepalive_expiry": 5.0}

#: What may have been lost on the way: a try that ended in it may be made again with the same `Idempotency-Key`.
LOST: Final = (httpcore2.NetworkError, httpcore2.TimeoutException, httpcore2.RemoteProtocolError)


class AnswerRefused(Exception):
    """What came is not an answer to what was sent."""


class Request(NamedTuple):
    """What is sent, the same in each try. `request_id` stands before each try's own random one."""

    method: str
    path: str
    body: bytes
    headers: dict[str, str]
    request_id: str = ""


class Reply(NamedTuple):
    """An answer whose body has arrived whole. Header names are in lower case."""

    status: int
    headers: list[tuple[bytes, bytes]]
    body: bytes

    def header(self, name: bytes) -> str:
        """A header's values, joined; empty where it was not sent."""
        return _header(self.headers, name)


class Address(NamedTuple):
    """Where a server, or a proxy, is reached. `path` is what stands before the path of each request."""

    scheme: str
    host: str
    port: int | None
    path: str
    user: tuple[str, str] | None

    @property
    def netloc(self) -> str:
        """Host and port, as the header `Host` has them."""
        host = f"[{self.host}]" if ":" in self.host else self.host
        return host if self.port is None else f"{host}:{self.port}"

    def url(self, path: str = "") -> httpcore2.URL:
        """The address of a request."""
        target = self.path + (quote(path, safe="/?&=%:@!$'()*+,;~") if path else "/")
        return httpcore2.URL(scheme=self.scheme, host=self.host, port=self.port, target=target)


def read_address(text: str, *, schemes: Iterable[str] = ("http", "https")) -> Address:
    """An `http://` or `https://` address. Raises ValueError for anything else."""
    if not text.isascii() or not text.isprintable() or " " in text:
        raise ValueError("it must be printable ASCII (write a name in other letters as `xn--...`)")
    parts = urlsplit(text)
    if parts.scheme not in schemes:
        raise ValueError(f"it must begin with {' or '.join(f'`{scheme}://`' for scheme in schemes)}")
    if not parts.hostname:
        raise ValueError("it names no host")
    if parts.query or parts.fragment:
        raise ValueError("it must end before any `?` or `#`")
    user = None if parts.username is None else (unquote(parts.username), unquote(parts.password or ""))
    return Address(parts.scheme, parts.hostname, parts.port, parts.path.rstrip("/"), user)


class Settings(NamedTuple):
    """What connections are made with."""

    address: Address
    headers: dict[str, str]
    proxy: Address | None
    ssl_context: ssl.SSLContext | None

    def pool(self) -> dict[str, Any]:
        """The arguments that both kinds of pool share."""
        proxy = None if self.proxy is None else httpcore2.Proxy(self.proxy.url(), auth=self.proxy.user)
        return {"ssl_context": self.ssl_context, "proxy": proxy, **_PER_POOL}

    def call(self, request: Request, request_id: str, left: float) -> dict[str, Any]:
        """The arguments of one try."""
        own = {"host": self.address.netloc, "accept-encoding": "identity", "x-request-id": request_id}
        headers = {**self.headers, **request.headers, **own}
        return {
            "method": request.method,
            "url": self.address.url(request.path),
            "headers": [(name.encode("ascii"), value.encode("ascii")) for name, value in headers.items()],
            "content": request.body,
            "extensions": {"timeout": dict.fromkeys(("connect", "read", "write", "pool"), left)},
        }


def system_ssl_context() -> ssl.SSLContext:
    """Trusts what the system trusts. `SSL_CERT_FILE`, `SSL_CERT_DIR` and `SSLKEYLOGFILE` do not count, as they do in
    `ssl.create_default_context`: whoever sets a variable must not choose whom the agent believes."""
    if sys.platform in ("darwin", "win32"):
        import truststore

        return truststore.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
    paths = ssl.get_default_verify_paths()
    cafile = next((path for path in (paths.openssl_cafile, *_CA_FILES) if Path(path).is_file()), None)
    capath = paths.openssl_capath if Path(paths.openssl_capath).is_dir() else None
    if cafile or capath:
        context.load_verify_locations(cafile, capath)
    return context


#: Where distributions keep what they trust.
_CA_FILES: Final = (
    "/etc/ssl/certs/ca-certificates.crt",
    "/etc/pki/ca-trust/extracted/pem/tls-ca-bundle.pem",
    "/etc/pki/tls/cert.pem",
    "/etc/ssl/ca-bundle.pem",
    "/etc/ssl/cert.pem",
)


# -- binding an answer to its request


def _new_request_id(prefix: str) -> str:
    return f"{prefix}.{secrets.token_hex(16)}" if prefix else secrets.token_hex(16)


def _header(headers: list[tuple[bytes, bytes]], name: bytes) -> str:
    return ", ".join(value.decode("latin-1") for key, value in headers if key.lower() == name)


def _is_own(response: httpcore2.Response, request_id: str) -> bool:
    """Whether a response is the answer to this very try. Raises AnswerRefused where it says 200 and is not.

    An error is an error whoever sends it (a load balancer does not know our header), so it is read in any case."""
    found = _header(response.headers, b"x-request-id")
    if found == request_id:
        return True
    if response.status != 200:
        return False
    shown = f"the request id `{found[:250]}`" if found else "no request id"
    raise AnswerRefused(
        f"the answer carries {shown} where `{request_id}` was sent: it belongs to another request, "
        "or something between here and the server changes `X-Request-Id`, which must pass as it is"
    )


class _Body:
    """A body as it arrives. Raises AnswerRefused as soon as it is too long."""

    def __init__(self, response: httpcore2.Response) -> None:
        coding = _header(response.headers, b"content-encoding").lower()
        if coding not in ("", "identity"):
            raise AnswerRefused(f"the answer is compressed (`{coding}`), which was not asked for")
        length = _header(response.headers, b"content-length")
        self._check(int(length) if length.isascii() and length.isdigit() and len(length) < 20 else 0)
        self._parts: list[bytes] = []
        self._size = 0

    def add(self, part: bytes) -> None:
        """Take another part."""
        self._size += len(part)
        self._check(self._size)
        self._parts.append(part)

    def whole(self) -> bytes:
        """All of it."""
        return b"".join(self._parts)

    @staticmethod
    def _check(size: int) -> None:
        if size > ANSWER_BYTES_MAX:
            raise AnswerRefused(f"the answer is longer than {ANSWER_BYTES_MAX} bytes")


# -- one process, one event loop

_forks = 0
_streams: Final[weakref.WeakSet[_Stream]] = weakref.WeakSet()


def _leave_parent() -> None:
    """In a child: count it, and close its copies of the parent's sockets. The parent's own stay open."""
    global _forks  # noqa: PLW0603 -- one for the process, and changed before any thread of it runs
    _forks += 1
    for stream in list(_streams):
        stream.close()
    _streams.clear()


if hasattr(os, "register_at_fork"):
    os.register_at_fork(after_in_child=_leave_parent)


def _process() -> tuple[int, int]:
    """This process. The number of forks, since the id of a process is given again; the id, for a fork that Python was
    not told of."""
    return _forks, os.getpid()


class Connections:
    """The connections of a sync client. Safe to use from several threads, and after a fork."""

    def __init__(self, settings: Settings) -> None:
        self._settings = settings
        # A parent's pool is kept and never touched again: another thread may have held its lock when it was copied.
        self._pools: dict[tuple[int, int], httpcore2.ConnectionPool] = {}
        self._closed = False

    def exchange(self, request: Request, ends: float) -> Reply:
        """Send a request and give its answer, before `ends` (of the monotonic clock).

        Raises AnswerRefused, or an exception of httpcore2."""
        request_id = _new_request_id(request.request_id)
        with _deadline(ends):
            call = self._settings.call(request, request_id, _left(httpcore2.PoolTimeout))
            with self._pool().stream(**call) as response:
                own = _is_own(response, request_id)
                try:
                    body = _Body(response)
                    for part in response.iter_stream():
                        body.add(part)
                finally:
                    if not own:  # what else is under way on this connection, nobody knows
                        response.extensions["network_stream"].close()
                return Reply(response.status, response.headers, body.whole())

    def close(self) -> None:
        """Close the connections of this process."""
        self._closed = True
        pool = self._pools.pop(_process(), None)
        if pool is not None:
            pool.close()

    def _pool(self) -> httpcore2.ConnectionPool:
        if self._closed:
            raise AnswerRefused("the client is closed")
        process = _process()
        pool = self._pools.get(process)
        if pool is None:  # of two threads one wins, and the other's pool has no connection yet
            new = httpcore2.ConnectionPool(**self._settings.pool(), network_backend=_Backend())
            pool = self._pools.setdefault(process, new)
        return pool


class AsyncConnections:
    """The connections of an async client. Each event loop has its own, and closes them when it is shut down."""

    def __init__(self, settings: Settings) -> None:
        self._settings = settings
        self._pools: dict[tuple[int, int, int], _LoopPool] = {}
        self._closed = False

    async def exchange(self, request: Request, ends: float) -> Reply:
        """Like that of `Connections`."""
        request_id = _new_request_id(request.request_id)
        left = ends - time.monotonic()
        call = self._settings.call(request, request_id, max(left, 0.001))
        try:
            async with asyncio.timeout(left):
                pool = await self._pool()
                async with pool.stream(**call) as response:
                    own = _is_own(response, request_id)
                    try:
                        body = _Body(response)
                        async for part in response.aiter_stream():
                            body.add(part)
                    finally:
                        if not own:
                            await response.extensions["network_stream"].aclose()
                    return Reply(response.status, response.headers, body.whole())
        except TimeoutError as error:
            raise httpcore2.ReadTimeout("the deadline of the call has passed") from error

    async def close(self) -> None:
        """Close the connections of this loop. No loop can make others after it."""
        self._closed = True
        found = self._pools.pop(self._key(), None)
        if found is not None:
            await found.lease.aclose()

    async def _pool(self) -> httpcore2.AsyncConnectionPool:
        if self._closed:
            raise AnswerRefused("the client is closed")
        key = self._key()
        found = self._pools.get(key)
        if found is None or found.loop() is not asyncio.get_running_loop():  # the id of a loop is given again
            self._drop_closed()
            new = httpcore2.AsyncConnectionPool(**self._settings.pool(), network_backend=httpcore2.AnyIOBackend())
            lease = self._lease(key, new)
            found = self._pools[key] = _LoopPool(weakref.ref(asyncio.get_running_loop()), new, lease)
            await anext(lease)
        return found.pool

    async def _lease(
        self, key: tuple[int, int, int], pool: httpcore2.AsyncConnectionPool
    ) -> AsyncGenerator[None, None]:
        """Ends when the loop closes its asynchronous generators, as `asyncio.run` does before it closes the loop."""
        try:
            yield
        finally:
            found = self._pools.get(key)
            if found is not None and found.pool is pool:
                del self._pools[key]
            await pool.aclose()

    def _drop_closed(self) -> None:
        for key, found in list(self._pools.items()):
            loop = found.loop()
            if loop is None or loop.is_closed():
                self._pools.pop(key, None)

    @staticmethod
    def _key() -> tuple[int, int, int]:
        return (*_process(), id(asyncio.get_running_loop()))


class _LoopPool(NamedTuple):
    loop: weakref.ref[asyncio.AbstractEventLoop]
    pool: httpcore2.AsyncConnectionPool
    lease: AsyncGenerator[None, None]


# -- one deadline for all that a sync call waits for

_ends: Final[ContextVar[float]] = ContextVar("ends")


@contextmanager
def _deadline(ends: float) -> Iterator[None]:
    token = _ends.set(ends)
    try:
        yield
    finally:
        _ends.reset(token)


def _left(late: type[httpcore2.TimeoutException]) -> float:
    """Seconds that are left of the call; raises `late` where none are."""
    left = _ends.get() - time.monotonic()
    if left <= 0:
        raise late("the deadline of the call has passed")
    return left


class _Stream(httpcore2.NetworkStream):
    """A connection on which each wait ends with the call: one limit for each read would let an answer drip for ever."""

    def __init__(self, inner: httpcore2.NetworkStream) -> None:
        self._inner = inner
        _streams.add(self)

    def read(self, max_bytes: int, timeout: float | None = None) -> bytes:
        return self._inner.read(max_bytes, _left(httpcore2.ReadTimeout))

    def write(self, buffer: bytes, timeout: float | None = None) -> None:
        for start in range(0, len(buffer), _SLICE_BYTES):
            self._inner.write(buffer[start : start + _SLICE_BYTES], _left(httpcore2.WriteTimeout))

    def close(self) -> None:
        self._inner.close()

    def start_tls(
        self, ssl_context: ssl.SSLContext, server_hostname: str | None = None, timeout: float | None = None
    ) -> httpcore2.NetworkStream:
        return _Stream(self._inner.start_tls(ssl_context, server_hostname, _left(httpcore2.ConnectTimeout)))

    def get_extra_info(self, info: str) -> Any:
        return self._inner.get_extra_info(info)


class _Backend(httpcore2.NetworkBackend):
    """Makes such connections. The addresses of a name share what time is left."""

    def connect_tcp(
        self,
        host: str,
        port: int,
        timeout: float | None = None,
        local_address: str | None = None,
        socket_options: Iterable[httpcore2.SOCKET_OPTION] | None = None,
    ) -> httpcore2.NetworkStream:
        addresses = _look_up(host, port)
        failure: Exception = httpcore2.ConnectError(f"`{host}` has no address")
        for number, address in enumerate(addresses):
            share = _left(httpcore2.ConnectTimeout) / (len(addresses) - number)
            try:
                return _Stream(httpcore2.SyncBackend().connect_tcp(address, port, share))
            except (httpcore2.ConnectError, httpcore2.ConnectTimeout) as error:
                failure = error
        raise failure


def _look_up(host: str, port: int) -> list[str]:
    """The addresses of a host. The system's resolver knows no deadline, so a thread waits for it that nobody needs."""
    try:
        ipaddress.ip_address(host)
    except ValueError:
        pass
    else:
        return [host]
    found: queue.SimpleQueue[list[str] | OSError] = queue.SimpleQueue()

    def look_up() -> None:
        try:
            rows = socket.getaddrinfo(host, port, type=socket.SOCK_STREAM)
            found.put(list(dict.fromkeys(str(row[4][0]) for row in rows)))
        except OSError as error:
            found.put(error)

    threading.Thread(target=look_up, name="stage0-look-up", daemon=True).start()
    try:
        result = found.get(timeout=_left(httpcore2.ConnectTimeout))
    except queue.Empty:
        raise httpcore2.ConnectTimeout(f"no address of `{host}` was found in time") from None
    if isinstance(result, OSError):
        raise httpcore2.ConnectError(f"no address of `{host}`: {result}") from result
    return result

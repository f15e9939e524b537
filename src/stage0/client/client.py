"""Sync and async client. Whatever is not a whole answer raises: no error is ever an ALLOW."""

from __future__ import annotations

import asyncio
import os
import random
import ssl
import time
import uuid
from collections.abc import Mapping, Sequence
from types import TracebackType
from typing import Any, Final
from urllib.parse import quote

import msgspec

from stage0.client.answer import read_answer, read_decision, seconds_valid
from stage0.client.errors import Stage0Error
from stage0.client.proposal import encode, encode_proposal
from stage0.client.transport import (
    LOST,
    AsyncConnections,
    Connections,
    Reply,
    Request,
    Settings,
    read_address,
    system_ssl_context,
)

DEFAULT_URL: Final = "http://127.0.0.1:8000"
#: What a caller's own request id may be long: the server takes 200 characters, and each try adds 33.
REQUEST_ID_LENGTH_MAX: Final = 160


def _check_request(body: bytes, idempotency_key: str | None, request_id: str) -> Request:
    """A check. Its `Idempotency-Key` makes it count once, however often it is tried."""
    if len(request_id) > REQUEST_ID_LENGTH_MAX or not _is_visible(request_id):
        raise Stage0Error(
            f"`request_id` must be at most {REQUEST_ID_LENGTH_MAX} visible ASCII characters without a space: "
            f"`{request_id[:REQUEST_ID_LENGTH_MAX]}`",
            code="argument_invalid",
        )
    key = str(uuid.uuid4()) if idempotency_key is None else idempotency_key
    return Request("POST", "/check", body, {"idempotency-key": key}, request_id)


def _outcome_request(request_id: str, status: str, detail: str, cost_usd: float | None) -> Request:
    body = encode({"status": status, "detail": detail, "cost_usd": cost_usd})
    return Request("POST", f"/checks/{quote(request_id, safe='')}/outcome", body, {})


def _run_request(run_id: str) -> Request:
    return Request("GET", f"/runs/{quote(run_id, safe='')}", b"", {})


def _any_request(method: str, path: str, body: Mapping[str, Any] | None) -> Request:
    return Request(method, path, b"" if body is None else msgspec.json.encode(body), {})


_USAGE: Final = Request("GET", "/usage", b"", {})


def _is_visible(text: str) -> bool:
    return text.isascii() and text.isprintable() and " " not in text


#: Seconds before the second try, with half of it more or less; twice as long before each one after that.
_FIRST_WAIT: Final = 0.1


class _Tries:
    """The tries of one call: up to `retries` after the first, all of them within `timeout` seconds."""

    def __init__(self, retries: int, timeout: float) -> None:
        self._made = 0
        self._retries = retries
        self.begun = time.monotonic()
        self.ends = self.begun + timeout

    def wait(self, reply: Reply | None, error: Exception | None) -> float | None:
        """Seconds to wait before the next try; None where a try's answer, or its failure, is the last word."""
        if self._made >= self._retries:
            return None
        if not isinstance(error, LOST) and (reply is None or reply.status != 503):
            return None
        asked = "" if reply is None else reply.header(b"retry-after")
        wait = _FIRST_WAIT * 2**self._made * random.uniform(0.5, 1.5)  # noqa: S311 -- no secret
        wait += float(asked[:9]) if asked.isascii() and asked.isdigit() else 0.0
        self._made += 1
        return wait if wait < self.ends - time.monotonic() else None


def _decide(reply: Reply, begun: float, idempotency_key: str | None) -> dict[str, Any]:
    """The answer to a check that was begun at a time of the monotonic clock. It was decided after that, unless it was
    stored for a key that the caller has used before: then the server has looked at its time."""
    answer = read_decision(reply)
    is_older = idempotency_key is not None and answer.get("cached") is True
    if not is_older and time.monotonic() >= begun + seconds_valid(answer):
        raise Stage0Error("the ALLOW was no longer valid when it arrived", code="expired", status=reply.status)
    return answer


def _read_settings(
    url: str | None, api_key: str | None, proxy: str | None, ssl_context: ssl.SSLContext | None
) -> Settings:
    """What is not given comes from STAGE0_BASE_URL and STAGE0_API_KEY, and nothing else from the environment."""
    key = api_key or os.environ.get("STAGE0_API_KEY")
    if not key:
        raise Stage0Error("no API key: pass `api_key`, or set STAGE0_API_KEY", code="api_key_missing")
    if not _is_visible(key):
        raise Stage0Error("the API key holds a space, a line break or a character that no key has")
    base = url or os.environ.get("STAGE0_BASE_URL") or DEFAULT_URL
    try:
        address = read_address(base)
        if address.user is not None:
            raise ValueError("it must not hold a user or a password")
    except ValueError as error:
        raise Stage0Error(f"`{base}` is not an address: {error}") from error
    try:
        between = None if proxy is None else read_address(proxy, schemes=("http",))
    except ValueError as error:  # its text may hold a password
        raise Stage0Error(f"`proxy` is not an address: {error}") from None
    if address.scheme == "https" and ssl_context is None:
        ssl_context = system_ssl_context()
    headers = {
        "x-api-key": key,
        "content-type": "application/json",
        "accept": "application/json",
        "user-agent": "stage0-python",
    }
    return Settings(address, headers, between, ssl_context)


def _no_answer(settings: Settings, failure: Exception | None) -> Stage0Error:
    where = f"{settings.address.scheme}://{settings.address.netloc}{settings.address.path}"
    return Stage0Error(f"no answer from {where}: {failure}")


class Client:
    """A sync client. `url` and `api_key` default to STAGE0_BASE_URL and STAGE0_API_KEY; `timeout` is seconds for a
    whole call, with all that it waits for and all its tries.

    A check that gets lost on the way, or 503, is tried again up to `retries` times, until `timeout` seconds are over;
    its `Idempotency-Key` makes it count once.

    `proxy` is the `http://` address of a proxy, and `ssl_context` says whom to trust; no variable sets either."""

    def __init__(
        self,
        url: str | None = None,
        *,
        api_key: str | None = None,
        timeout: float = 10.0,
        retries: int = 2,
        proxy: str | None = None,
        ssl_context: ssl.SSLContext | None = None,
    ) -> None:
        self._timeout, self._retries = timeout, retries
        self._settings = _read_settings(url, api_key, proxy, ssl_context)
        self._connections = Connections(self._settings)

    def __enter__(self) -> Client:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.close()

    def close(self) -> None:
        """Close connections."""
        self._connections.close()

    def check(
        self,
        goal: str,
        *,
        tools: Sequence[str] = (),
        side_effects: Sequence[str] = (),
        constraints: Sequence[str] = (),
        success_criteria: Sequence[str] = (),
        context: Mapping[str, Any] | None = None,
        pro: bool = False,
        idempotency_key: str | None = None,
        request_id: str = "",
    ) -> dict[str, Any]:
        """Propose an action. Gives the answer; raises Stage0Error where there is none. Only `ALLOW` may run.

        A check has an `Idempotency-Key` of its own unless one is given. `request_id` is the caller's own name for it,
        and stands in the record as the first part of `sent_request_id`."""
        body = encode_proposal(
            goal,
            tools=tools,
            side_effects=side_effects,
            constraints=constraints,
            success_criteria=success_criteria,
            context=context,
            pro=pro,
        )
        return self.send(body, idempotency_key=idempotency_key, request_id=request_id)

    def send(self, body: bytes, *, idempotency_key: str | None = None, request_id: str = "") -> dict[str, Any]:
        """Propose an action that is JSON already."""
        tries = _Tries(self._retries, self._timeout)
        reply = self._exchange(_check_request(body, idempotency_key, request_id), tries)
        return _decide(reply, tries.begun, idempotency_key)

    def report(
        self, request_id: str, status: str, *, detail: str = "", cost_usd: float | None = None
    ) -> dict[str, Any]:
        """Say what was done: `executed`, `failed`, `rolled_back` or `stopped`."""
        return read_answer(self._exchange(_outcome_request(request_id, status, detail, cost_usd)))

    def usage(self) -> dict[str, Any]:
        """What the key has used of its quotas and its rate, and what is left."""
        return read_answer(self._exchange(_USAGE))

    def run(self, run_id: str) -> dict[str, Any]:
        """What the server has counted for a run, and its last 50 decisions, newest first."""
        return read_answer(self._exchange(_run_request(run_id)))

    def call(self, method: str, path: str, body: Mapping[str, Any] | None = None) -> dict[str, Any]:
        """Any other endpoint: `client.call("GET", "/policies")`. Gives its JSON; raises Stage0Error for an error."""
        return read_answer(self._exchange(_any_request(method, path, body)))

    def _exchange(self, request: Request, tries: _Tries | None = None) -> Reply:
        tries = tries or _Tries(0, self._timeout)
        while True:
            reply, failure = None, None
            try:
                reply = self._connections.exchange(request, tries.ends)
            except Exception as error:  # whatever went wrong, there is no decision
                failure = error
            wait = tries.wait(reply, failure)
            if wait is not None:
                time.sleep(wait)
            elif reply is not None:
                return reply
            else:
                raise _no_answer(self._settings, failure) from failure


class AsyncClient:
    """An async client, like `Client`. It may be used in one event loop after another, and in several at once."""

    def __init__(
        self,
        url: str | None = None,
        *,
        api_key: str | None = None,
        timeout: float = 10.0,
        retries: int = 2,
        proxy: str | None = None,
        ssl_context: ssl.SSLContext | None = None,
    ) -> None:
        self._timeout, self._retries = timeout, retries
        self._settings = _read_settings(url, api_key, proxy, ssl_context)
        self._connections = AsyncConnections(self._settings)

    async def __aenter__(self) -> AsyncClient:
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        await self.close()

    async def close(self) -> None:
        """Close connections."""
        await self._connections.close()

    async def check(
        self,
        goal: str,
        *,
        tools: Sequence[str] = (),
        side_effects: Sequence[str] = (),
        constraints: Sequence[str] = (),
        success_criteria: Sequence[str] = (),
        context: Mapping[str, Any] | None = None,
        pro: bool = False,
        idempotency_key: str | None = None,
        request_id: str = "",
    ) -> dict[str, Any]:
        """Propose an action. Gives the answer; raises Stage0Error where there is none. Only `ALLOW` may run.

        A check has an `Idempotency-Key` of its own unless one is given. `request_id` is the caller's own name for it,
        and stands in the record as the first part of `sent_request_id`."""
        body = encode_proposal(
            goal,
            tools=tools,
            side_effects=side_effects,
            constraints=constraints,
            success_criteria=success_criteria,
            context=context,
            pro=pro,
        )
        return await self.send(body, idempotency_key=idempotency_key, request_id=request_id)

    async def send(self, body: bytes, *, idempotency_key: str | None = None, request_id: str = "") -> dict[str, Any]:
        """Propose an action that is JSON already."""
        tries = _Tries(self._retries, self._timeout)
        reply = await self._exchange(_check_request(body, idempotency_key, request_id), tries)
        return _decide(reply, tries.begun, idempotency_key)

    async def report(
        self, request_id: str, status: str, *, detail: str = "", cost_usd: float | None = None
    ) -> dict[str, Any]:
        """Say what was done: `executed`, `failed`, `rolled_back` or `stopped`."""
        return read_answer(await self._exchange(_outcome_request(request_id, status, detail, cost_usd)))

    async def usage(self) -> dict[str, Any]:
        """What the key has used of its quotas and its rate, and what is left."""
        return read_answer(await self._exchange(_USAGE))

    async def run(self, run_id: str) -> dict[str, Any]:
        """What the server has counted for a run, and its last 50 decisions, newest first."""
        return read_answer(await self._exchange(_run_request(run_id)))

    async def call(self, method: str, path: str, body: Mapping[str, Any] | None = None) -> dict[str, Any]:
        """Any other endpoint: `client.call("GET", "/policies")`. Gives its JSON; raises Stage0Error for an error."""
        return read_answer(await self._exchange(_any_request(method, path, body)))

    async def _exchange(self, request: Request, tries: _Tries | None = None) -> Reply:
        tries = tries or _Tries(0, self._timeout)
        while True:
            reply, failure = None, None
            try:
                reply = await self._connections.exchange(request, tries.ends)
            except Exception as error:  # whatever went wrong, there is no decision
                failure = error
            wait = tries.wait(reply, failure)
            if wait is not None:
                await asyncio.sleep(wait)
            elif reply is not None:
                return reply
            else:
                raise _no_answer(self._settings, failure) from failure

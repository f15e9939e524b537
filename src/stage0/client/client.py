"""Sync and async client. Whatever is not a whole answer raises: no error is ever an ALLOW."""

from __future__ import annotations

import json
import os
import random
import time
import uuid
from collections.abc import Mapping, Sequence
from types import TracebackType
from typing import Any, Final
from urllib.parse import quote

import httpx2
import msgspec

_PAIRS: Final = {"GO": "ALLOW", "NO_GO": "DENY", "DEFER": "DEFER", "ERROR": "DEFER"}


class Stage0Error(Exception):
    """There is no decision to run the action, so it must not run.

    `status` is the HTTP status (0 where the server could not be reached), `code` the error's code."""

    def __init__(self, message: str, *, status: int = 0, code: str = "", request_id: str = "") -> None:
        super().__init__(message)
        self.status = status
        self.code = code
        self.request_id = request_id


def _encode(value: Any) -> bytes:
    """Strict JSON. What has no JSON form, `NaN` included, raises ValueError or TypeError before anything is sent."""
    return json.dumps(value, ensure_ascii=False, allow_nan=False, separators=(",", ":")).encode()


def _outcome(request_id: str, status: str, detail: str, cost_usd: float | None) -> tuple[str, bytes]:
    """Path and body of a report."""
    body = _encode({"status": status, "detail": detail, "cost_usd": cost_usd})
    return f"/checks/{quote(request_id, safe='')}/outcome", body


def _payload(
    goal: str,
    tools: Sequence[str],
    side_effects: Sequence[str],
    constraints: Sequence[str],
    success_criteria: Sequence[str],
    context: Mapping[str, Any] | None,
    pro: bool,
) -> bytes:
    return _encode(
        {
            "goal": goal,
            "tools": list(tools),
            "side_effects": list(side_effects),
            "constraints": list(constraints),
            "success_criteria": list(success_criteria),
            "context": dict(context or {}),
            "pro": pro,
        }
    )


def _answer(response: httpx2.Response) -> dict[str, Any]:
    """The answer of a response that holds a whole decision. Raises Stage0Error for everything else."""
    try:
        body = msgspec.json.decode(response.content)
    except (msgspec.DecodeError, UnicodeDecodeError, RecursionError):
        body = None
    if not isinstance(body, dict):
        raise Stage0Error(f"HTTP {response.status_code} without a JSON object", status=response.status_code)
    if response.status_code != 200:
        raise Stage0Error(
            f"HTTP {response.status_code} {body.get('error', '')}: {body.get('message', '')}",
            status=response.status_code,
            code=str(body.get("error", "")),
            request_id=str(body.get("request_id", "")),
        )
    return body


def _decision(response: httpx2.Response) -> dict[str, Any]:
    body = _answer(response)
    verdict = _PAIRS.get(str(body.get("decision")))
    if verdict is None or body.get("verdict") != verdict or not body.get("request_id"):
        raise Stage0Error(
            f"the answer holds no decision that is known (decision `{body.get('decision')}`, "
            f"verdict `{body.get('verdict')}`)",
            status=response.status_code,
        )
    return body


#: What may have been lost on the way: a try that ended in it may be made again with the same `Idempotency-Key`.
_LOST: Final = (httpx2.NetworkError, httpx2.TimeoutException, httpx2.RemoteProtocolError)
#: Seconds before the second try, with half of it more or less; twice as long before each one after that.
_FIRST_WAIT: Final = 0.1


class _Tries:
    """The tries of one check: up to `retries` after the first, and none that begins after `timeout` seconds."""

    def __init__(self, retries: int, timeout: float) -> None:
        self._made = 0
        self._retries = retries
        self._ends = time.monotonic() + timeout

    def left(self) -> float:
        """Seconds that a try may still take."""
        return max(0.001, self._ends - time.monotonic())

    def wait(self, response: httpx2.Response | None, error: Exception | None) -> float | None:
        """Seconds to wait before the next try; None where a try's answer, or its failure, is the last word."""
        if self._made >= self._retries:
            return None
        if not isinstance(error, _LOST) and (response is None or response.status_code != 503):
            return None
        asked = "" if response is None else response.headers.get("retry-after", "")
        wait = _FIRST_WAIT * 2**self._made * random.uniform(0.5, 1.5)  # noqa: S311 -- no secret
        wait += float(asked[:9]) if asked.isascii() and asked.isdigit() else 0.0
        self._made += 1
        return wait if wait < self._ends - time.monotonic() else None


def _once(idempotency_key: str | None) -> dict[str, str]:
    """The header under which a check counts once, however often it is tried."""
    return {"idempotency-key": str(uuid.uuid4()) if idempotency_key is None else idempotency_key}


DEFAULT_URL: Final = "http://127.0.0.1:8000"


def _connection(url: str | None, api_key: str | None, timeout: float) -> dict[str, Any]:
    """What an HTTP client is made with; what is not given comes from STAGE0_BASE_URL and STAGE0_API_KEY."""
    key = api_key or os.environ.get("STAGE0_API_KEY")
    if not key:
        raise Stage0Error("no API key: pass `api_key`, or set STAGE0_API_KEY", code="api_key_missing")
    return {
        "base_url": url or os.environ.get("STAGE0_BASE_URL") or DEFAULT_URL,
        "headers": {"x-api-key": key, "content-type": "application/json"},
        "timeout": timeout,
    }


class Client:
    """A sync client. `url` and `api_key` default to STAGE0_BASE_URL and STAGE0_API_KEY; `timeout` is seconds for each
    of connecting, sending and waiting for the answer.

    A check that gets lost on the way, or 503, is tried again up to `retries` times, until `timeout` seconds are over;
    its `Idempotency-Key` makes it count once."""

    def __init__(
        self, url: str | None = None, *, api_key: str | None = None, timeout: float = 10.0, retries: int = 2
    ) -> None:
        self._timeout, self._retries = timeout, retries
        try:
            self._http = httpx2.Client(**_connection(url, api_key, timeout))
        except (httpx2.InvalidURL, ValueError, OverflowError) as error:
            raise Stage0Error(f"`{url}` is no address: {error}") from error

    def __enter__(self) -> Client:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.close()

    def close(self) -> None:
        """Close connections."""
        self._http.close()

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
    ) -> dict[str, Any]:
        """Propose an action. Gives the answer; raises Stage0Error where there is none. Only `ALLOW` may run.

        A check has an `Idempotency-Key` of its own unless one is given."""
        body = _payload(goal, tools, side_effects, constraints, success_criteria, context, pro)
        return self.send(body, idempotency_key=idempotency_key)

    def send(self, body: bytes, *, idempotency_key: str | None = None) -> dict[str, Any]:
        """Propose an action that is JSON already."""
        return _decision(self._request("POST", "/check", body, _once(idempotency_key), retries=self._retries))

    def report(
        self, request_id: str, status: str, *, detail: str = "", cost_usd: float | None = None
    ) -> dict[str, Any]:
        """Say what was done: `executed`, `failed`, `rolled_back` or `stopped`."""
        path, body = _outcome(request_id, status, detail, cost_usd)
        return _answer(self._request("POST", path, body))

    def usage(self) -> dict[str, Any]:
        """What the key has used of its quotas and its rate, and what is left."""
        return _answer(self._request("GET", "/usage"))

    def run(self, run_id: str) -> dict[str, Any]:
        """What the server has counted for a run, and its last 50 decisions, newest first."""
        return _answer(self._request("GET", f"/runs/{quote(run_id, safe='')}"))

    def call(self, method: str, path: str, body: Mapping[str, Any] | None = None) -> dict[str, Any]:
        """Any other endpoint: `client.call("GET", "/policies")`. Gives its JSON; raises Stage0Error for an error."""
        return _answer(self._request(method, path, b"" if body is None else msgspec.json.encode(body)))

    def _request(
        self, method: str, path: str, body: bytes = b"", headers: dict[str, str] | None = None, *, retries: int = 0
    ) -> httpx2.Response:
        tries = _Tries(retries, self._timeout)
        while True:
            response, failure = None, None
            try:
                response = self._http.request(method, path, content=body, headers=headers, timeout=tries.left())
            except Exception as error:  # whatever went wrong, there is no decision
                failure = error
            wait = tries.wait(response, failure)
            if wait is not None:
                time.sleep(wait)
            elif response is not None:
                return response
            else:
                raise Stage0Error(f"no answer from {self._http.base_url}: {failure}") from failure


class AsyncClient:
    """An async client, like `Client`."""

    def __init__(
        self, url: str | None = None, *, api_key: str | None = None, timeout: float = 10.0, retries: int = 2
    ) -> None:
        self._timeout, self._retries = timeout, retries
        try:
            self._http = httpx2.AsyncClient(**_connection(url, api_key, timeout))
        except (httpx2.InvalidURL, ValueError, OverflowError) as error:
            raise Stage0Error(f"`{url}` is no address: {error}") from error

    async def __aenter__(self) -> AsyncClient:
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        await self.close()

    async def close(self) -> None:
        """Close connections."""
        await self._http.aclose()

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
    ) -> dict[str, Any]:
        """Propose an action. Gives the answer; raises Stage0Error where there is none. Only `ALLOW` may run.

        A check has an `Idempotency-Key` of its own unless one is given."""
        body = _payload(goal, tools, side_effects, constraints, success_criteria, context, pro)
        return await self.send(body, idempotency_key=idempotency_key)

    async def send(self, body: bytes, *, idempotency_key: str | None = None) -> dict[str, Any]:
        """Propose an action that is JSON already."""
        return _decision(await self._request("POST", "/check", body, _once(idempotency_key), retries=self._retries))

    async def report(
        self, request_id: str, status: str, *, detail: str = "", cost_usd: float | None = None
    ) -> dict[str, Any]:
        """Say what was done: `executed`, `failed`, `rolled_back` or `stopped`."""
        path, body = _outcome(request_id, status, detail, cost_usd)
        return _answer(await self._request("POST", path, body))

    async def usage(self) -> dict[str, Any]:
        """What the key has used of its quotas and its rate, and what is left."""
        return _answer(await self._request("GET", "/usage"))

    async def run(self, run_id: str) -> dict[str, Any]:
        """What the server has counted for a run, and its last 50 decisions, newest first."""
        return _answer(await self._request("GET", f"/runs/{quote(run_id, safe='')}"))

    async def call(self, method: str, path: str, body: Mapping[str, Any] | None = None) -> dict[str, Any]:
        """Any other endpoint: `client.call("GET", "/policies")`. Gives its JSON; raises Stage0Error for an error."""
        return _answer(await self._request(method, path, b"" if body is None else msgspec.json.encode(body)))

    async def _request(
        self, method: str, path: str, body: bytes = b"", headers: dict[str, str] | None = None, *, retries: int = 0
    ) -> httpx2.Response:
        import asyncio

        tries = _Tries(retries, self._timeout)
        while True:
            response, failure = None, None
            try:
                response = await self._http.request(method, path, content=body, headers=headers, timeout=tries.left())
            except Exception as error:  # whatever went wrong, there is no decision
                failure = error
            wait = tries.wait(response, failure)
            if wait is not None:
                await asyncio.sleep(wait)
            elif response is not None:
                return response
            else:
                raise Stage0Error(f"no answer from {self._http.base_url}: {failure}") from failure

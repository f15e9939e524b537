"""Plain HTTP on ASGI: reading a bounded body and sending JSON, with as little as possible in between."""

from __future__ import annotations

import asyncio
import contextlib
import enum
from collections import Counter
from collections.abc import Awaitable, Callable, Mapping, MutableMapping, Sequence
from typing import Any, Final

import structlog

from stage0.ledger import (
    IdempotencyConflict,
    IdempotencySpent,
    KeyRefused,
    LimitReached,
    NotFound,
    Overloaded,
    PlanRefused,
    PolicyMismatch,
    PolicyUnusable,
    Refused,
    StoreUnavailable,
)
from stage0.ledger.ids import new_id
from stage0.server.auth import refuse_inactive
from stage0.server.errors import ApiError, Headers, error_body, internal, invalid
from stage0.server.limits import limit_error
from stage0.wire import BODY_LIMIT, Invalid

log: Final = structlog.get_logger("stage0.server")

Scope = MutableMapping[str, Any]
Receive = Callable[[], Awaitable[MutableMapping[str, Any]]]
Send = Callable[[MutableMapping[str, Any]], Awaitable[None]]

#: Seconds in which a body has to arrive.
BODY_SECONDS: Final = 20
#: Bytes and seconds for which the rest of a body that is too large is taken before it is refused.
DRAIN_LIMIT: Final = 32_000_000
DRAIN_SECONDS: Final = 5
_JSON: Final = (b"content-type", b"application/json")


class Repeated(enum.Enum):
    """Stands for the value of a header that was sent more than once."""

    VALUE = enum.auto()


#: By name in small letters.
SentHeaders = Mapping[bytes, bytes | Repeated]


def header(scope: Scope, name: bytes) -> str | None:
    """A request header's value; None where it was not sent. Raises where it was sent more than once: which one counts
    would be a guess, and a proxy in front may guess otherwise."""
    return _value(_headers(scope), name)


def _value(headers: SentHeaders, name: bytes) -> str | None:
    value = headers.get(name)
    if value is None:
        return None
    if value is Repeated.VALUE:
        raise _repeated(name)
    return value.decode("latin-1")


def _headers(scope: Scope) -> SentHeaders:
    found: dict[bytes, bytes | Repeated] | None = scope.get("stage0.headers")
    if found is None:
        sent: Sequence[tuple[bytes, bytes]] = scope["headers"]
        found = scope["stage0.headers"] = dict(sent)
        if len(found) != len(sent):
            times = Counter(name for name, _ in sent)
            found.update((name, Repeated.VALUE) for name, count in times.items() if count > 1)
    return found


def _repeated(name: bytes) -> Exception:
    shown = name.decode("latin-1")
    if name == b"x-api-key":
        return ApiError(401, "api_key_invalid", "The header `x-api-key` was sent more than once: send one key.")
    if name.startswith(b"content-"):
        return ApiError(415, "unsupported_media_type", f"The header `{shown}` was sent more than once: send it once.")
    return Invalid(shown.title(), "was sent more than once: send it once")


def sent_request_id(scope: Scope) -> str:
    """The caller's own `X-Request-Id`, where it is one (up to 200 visible ASCII characters)."""
    value = _headers(scope).get(b"x-request-id")
    if value is None:
        return ""
    text = value.decode("latin-1").strip() if isinstance(value, bytes) else ""
    return text if len(text) <= 200 and text.isascii() and text.isprintable() and " " not in text else ""


async def read_body(scope: Scope, receive: Receive) -> bytes:
    """The whole body. Raises ApiError 413 as soon as it is known to be too large, 415 where it is not JSON as it is,
    422 where the client went away before it was whole."""
    headers = _headers(scope)
    kind = _value(headers, b"content-type") or ""
    announced = _value(headers, b"content-length")
    if kind != "application/json":
        kind = kind.partition(";")[0].strip().lower()
    if not kind and announced in (None, "0") and _value(headers, b"transfer-encoding") is None:
        return b""  # nothing was sent, and that is what the answer should say
    if kind != "application/json":
        given = f"`{kind[:100]}`" if kind else "none"
        raise ApiError(415, "unsupported_media_type", f"The content type must be `application/json`, not {given}.")
    if b"content-encoding" in headers:
        _refuse_coding(headers, b"content-encoding", "identity")
    if b"transfer-encoding" in headers:
        _refuse_coding(headers, b"transfer-encoding", "chunked")
    if announced is not None and announced.isascii() and announced.isdigit() and int(announced) > BODY_LIMIT:
        await _drain(receive)
        raise _too_large()
    try:
        async with asyncio.timeout(BODY_SECONDS):
            return await _read(receive)
    except TimeoutError:
        raise ApiError(408, "request_timeout", f"The body did not arrive within {BODY_SECONDS} seconds.") from None


def _refuse_coding(headers: SentHeaders, name: bytes, known: str) -> None:
    """Raises ApiError 415 where the body is coded in another way than the one that is known."""
    given = (_value(headers, name) or "").strip().lower()
    if given not in ("", known):
        message = f"The body must be sent as it is, without the `{name.decode()}` `{given[:100]}`."
        raise ApiError(415, "unsupported_media_type", message)


async def _read(receive: Receive) -> bytes:
    parts: list[bytes] = []
    size, more = 0, True
    while more:
        message = await receive()
        if message["type"] == "http.disconnect":
            raise Invalid("", "ended early")
        part: bytes = message.get("body", b"")
        more = message.get("more_body", False)
        size += len(part)
        if size > BODY_LIMIT:
            if more:
                await _drain(receive)
            raise _too_large()
        parts.append(part)
    return parts[0] if len(parts) == 1 else b"".join(parts)


async def _drain(receive: Receive) -> None:
    """Take and forget what is still being sent, within bounds: a client that cannot finish sending sees a broken
    connection instead of the answer."""
    size = 0
    with contextlib.suppress(TimeoutError):
        async with asyncio.timeout(DRAIN_SECONDS):
            while size < DRAIN_LIMIT:
                message = await receive()
                size += len(message.get("body", b""))
                if message["type"] == "http.disconnect" or not message.get("more_body", False):
                    return


def _too_large() -> ApiError:
    return ApiError(413, "body_too_large", f"The body is larger than {BODY_LIMIT} bytes.")


async def send_json(send: Send, status: int, body: bytes, request_id: str, headers: Headers | None = None) -> None:
    """Send a JSON answer, with its `X-Request-Id` where it has one."""
    sent: Headers = [_JSON, (b"content-length", str(len(body)).encode()), (b"cache-control", b"no-store")]
    if request_id:
        sent.append((b"x-request-id", request_id.encode("ascii", "replace")))
    if headers:
        sent.extend(headers)
    await send({"type": "http.response.start", "status": status, "headers": sent})
    await send({"type": "http.response.body", "body": body})


async def send_error(send: Send, error: BaseException, scope: Scope, now: float) -> None:
    """Send any failure as the one error shape. What was not foreseen is logged and says nothing of itself."""
    request_id = new_id("req", now)
    known = as_api_error(error)
    if known is None:
        log.error("internal_error", request_id=request_id, path=scope.get("path"), exc_info=error)
        known = internal()
    headers: Headers = [*known.headers]
    if known.retry_after is not None:
        headers.append((b"retry-after", str(known.retry_after).encode()))
    if known.allow:
        headers.append((b"allow", known.allow.encode()))
    if known.status in (408, 413):
        headers.append((b"connection", b"close"))
    shown = sent_request_id(scope) or request_id
    await send_json(send, known.status, error_body(known, request_id), shown, headers)


def as_api_error(error: BaseException) -> ApiError | None:
    """What a failure looks like from outside; None where it was not foreseen."""
    if isinstance(error, ApiError):
        return error
    if isinstance(error, Invalid):
        return invalid(error)
    if isinstance(error, NotFound):
        return ApiError(404, "not_found", f"{_sentence(error)}.")
    if isinstance(error, PlanRefused):
        return ApiError(402, "pro_plan_required", f"{error}.")
    if isinstance(error, PolicyMismatch):
        return ApiError(409, "policy_version_mismatch", f"{_sentence(error)}.", active=error.active)
    if isinstance(error, LimitReached):
        return limit_error(error)
    if isinstance(error, IdempotencyConflict):
        return ApiError(409, "idempotency_conflict", f"{_sentence(error)}.")
    if isinstance(error, IdempotencySpent):
        return ApiError(409, "idempotency_spent", f"{_sentence(error)}.")
    if isinstance(error, KeyRefused):
        try:
            refuse_inactive(error.status)
        except ApiError as refused:
            return refused
    if isinstance(error, Overloaded):
        return ApiError(
            503,
            "overloaded",
            f"{_sentence(error)}: there is no verdict, and the action must not run.",
            retry_after=1,
        )
    if isinstance(error, (StoreUnavailable, PolicyUnusable, Refused)):
        return ApiError(
            503, "service_unavailable", "The decision cannot be recorded now; the action must not run.", retry_after=1
        )
    return None


def _sentence(error: Exception) -> str:
    text = str(error)
    return text[:1].upper() + text[1:]

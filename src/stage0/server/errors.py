"""One shape for every error of every endpoint, so that published clients find what they look for."""

from __future__ import annotations

from typing import Any

from stage0.wire import Invalid, encode

Headers = list[tuple[bytes, bytes]]


class ApiError(Exception):
    """An error answer: HTTP status, its code, a sentence, and further fields of the body."""

    def __init__(
        self,
        status: int,
        code: str,
        message: str,
        *,
        retry_after: int | None = None,
        allow: str = "",
        headers: Headers | None = None,
        **more: Any,
    ) -> None:
        super().__init__(message)
        self.status = status
        self.code = code
        self.message = message
        self.retry_after = retry_after
        self.allow = allow
        self.headers = headers or []
        self.more = more


def error_body(error: ApiError, request_id: str) -> bytes:
    """The JSON body of an error."""
    detail: dict[str, Any] = {"detail": error.message, "request_id": request_id}
    body: dict[str, Any] = {"error": error.code, "message": error.message, "detail": detail, "request_id": request_id}
    if error.retry_after is not None:
        detail["retry_after_seconds"] = body["retry_after_seconds"] = error.retry_after
    body.update(error.more)
    return encode(body)


def method_not_allowed(allowed: str) -> ApiError:
    """405, naming the method that the endpoint takes."""
    return ApiError(405, "method_not_allowed", f"Use {allowed}.", allow=allowed)


def invalid(error: Invalid) -> ApiError:
    """422 for input that was refused, naming the field."""
    path = error.path or "body"
    return ApiError(
        422, "validation_failed", f"`{path}`: {error.message}.", fields=[{"path": path, "message": error.message}]
    )


def internal() -> ApiError:
    """500: the request could not be evaluated, and must not run."""
    issue = {
        "code": "INTERNAL_ERROR",
        "severity": "MEDIUM",
        "message": "Request could not be evaluated.",
        "details": {},
    }
    return ApiError(
        500,
        "internal_error",
        "Request could not be evaluated; the action must not run.",
        decision="ERROR",
        verdict="DEFER",
        reason="INTERNAL_ERROR: Request could not be evaluated.",
        issues=[issue],
    )

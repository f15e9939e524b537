"""`GET /openapi.json`: OpenAPI 3.1, generated from the types that read and write the wire."""

from __future__ import annotations

from typing import Any, Final

import msgspec

from stage0.reading.request import GOAL_LIMIT, ActionRequest
from stage0.server.policies import Activate, Files, Replay, Where
from stage0.wire import IDEMPOTENCY_KEY_LIMIT, Answer, Outcome

_ERRORS: Final = {
    401: "No key, an unknown key or a revoked key.",
    402: "`pro: true` below Pro, or the quota is spent.",
    403: "A disabled key, or a key used outside its scope.",
    404: "Not found; also for everything that belongs to another account.",
    408: "The headers or the body did not arrive in time.",
    409: "Another policy version is active, or the `Idempotency-Key` was used with another body or its ALLOW was used; "
    "of `/policies`: refused for what the message says.",
    413: "The body is larger than 1 MB.",
    415: "The content type is not `application/json`, or the body is compressed.",
    422: "The request is not valid; `fields` names what is wrong.",
    429: "Rate limit reached; `Retry-After` says when to try again.",
    500: "The request could not be evaluated; the action must not run.",
    503: "The decision cannot be recorded now; the action must not run.",
}

_KEY: Final[list[dict[str, list[str]]]] = [{"apiKey": []}]


def openapi(version: str) -> dict[str, Any]:
    """The whole document."""
    _, components = msgspec.json.schema_components(
        (ActionRequest, Answer, Outcome, Files, Activate, Where, Replay), ref_template="#/components/schemas/{name}"
    )
    schemas: dict[str, Any] = dict(components)
    schemas["ActionRequest"]["properties"]["goal"].update({"minLength": 1, "maxLength": GOAL_LIMIT})
    schemas["Error"] = _error_schema()
    return {
        "openapi": "3.1.0",
        "info": {
            "title": "Stage0",
            "version": version,
            "summary": "Runtime authorization for AI agents.",
            "license": {"name": "Apache-2.0", "identifier": "Apache-2.0"},
        },
        "paths": {
            "/check": {"post": _check()},
            "/checks": {"get": _list()},
            "/checks/{request_id}": {"get": _show()},
            "/checks/{request_id}/outcome": {"post": _outcome()},
            "/usage": {"get": _usage()},
            "/runs/{run_id}": {"get": _run()},
            **_policies(),
            "/health": {"get": _open("health", "Whether decisions can be made and recorded now", 503)},
            "/stage0/design": {"get": _open("design", "The design contract, generated from the code")},
            "/openapi.json": {"get": _open("openapi", "This document")},
        },
        "components": {
            "schemas": schemas,
            "securitySchemes": {"apiKey": {"type": "apiKey", "in": "header", "name": "x-api-key"}},
        },
    }


def _json(schema: dict[str, Any]) -> dict[str, Any]:
    return {"application/json": {"schema": schema}}


def _ref(name: str) -> dict[str, str]:
    return {"$ref": f"#/components/schemas/{name}"}


def _answers(schema: dict[str, Any], *statuses: int) -> dict[str, Any]:
    answers: dict[str, Any] = {"200": {"description": "Processed.", "content": _json(schema)}}
    for status in statuses:
        answers[str(status)] = {"description": _ERRORS[status], "content": _json(_ref("Error"))}
    return answers


def _check() -> dict[str, Any]:
    return {
        "operationId": "check",
        "summary": "Propose an action and get a decision",
        "description": "`200` says that the request was processed; the control signal is `verdict`.",
        "security": _KEY,
        "parameters": [
            {
                "name": "X-Request-Id",
                "in": "header",
                "required": False,
                "schema": {"type": "string", "maxLength": 200},
            },
            {
                "name": "Idempotency-Key",
                "in": "header",
                "required": False,
                "schema": {"type": "string", "minLength": 1, "maxLength": IDEMPOTENCY_KEY_LIMIT},
            },
        ],
        "requestBody": {"required": True, "content": _json(_ref("ActionRequest"))},
        "responses": _answers(_ref("Answer"), 401, 402, 403, 408, 409, 413, 415, 422, 429, 500, 503),
    }


def _list() -> dict[str, Any]:
    names = ("verdict", "code", "run_id", "task_hash", "since", "until", "cursor", "key_id", "limit")
    return {
        "operationId": "listChecks",
        "summary": "The account's decision records, newest first",
        "security": _KEY,
        "parameters": [
            {"name": name, "in": "query", "required": False, "schema": {"type": "string"}} for name in names
        ],
        "responses": _answers({"type": "object"}, 401, 403, 422, 503),
    }


def _request_id() -> list[dict[str, Any]]:
    return [{"name": "request_id", "in": "path", "required": True, "schema": {"type": "string"}}]


def _show() -> dict[str, Any]:
    return {
        "operationId": "showCheck",
        "summary": "One decision record with its whole trace chain",
        "security": _KEY,
        "parameters": _request_id(),
        "responses": _answers({"type": "object"}, 401, 403, 404, 503),
    }


def _outcome() -> dict[str, Any]:
    return {
        "operationId": "reportOutcome",
        "summary": "Report what the runtime did",
        "security": _KEY,
        "parameters": _request_id(),
        "requestBody": {"required": True, "content": _json(_ref("Outcome"))},
        "responses": _answers({"type": "object"}, 401, 403, 404, 408, 413, 415, 422, 503),
    }


_COUNTS: Final = (
    *("monthly_used", "monthly_quota", "monthly_remaining", "daily_used", "daily_quota", "daily_remaining"),
    *("per_minute_limit", "minute_used", "minute_remaining"),
)
_USAGE_TEXTS: Final = ("request_id", "api_key_id", "plan", "month_key", "day_key", "environment", "source")


def _usage() -> dict[str, Any]:
    counts = {name: {"type": "integer", "minimum": 0} for name in _COUNTS}
    schema = {
        "type": "object",
        "required": [*_USAGE_TEXTS, *_COUNTS, "unlimited", "evaluated_at"],
        "properties": {
            **{name: {"type": "string"} for name in _USAGE_TEXTS},
            **counts,
            "unlimited": {"type": "boolean"},
            "evaluated_at": {"type": "integer"},
            "usage_group": {"type": "string"},
            "key": {"type": "object", "required": [*_COUNTS], "properties": counts},
        },
    }
    return {
        "operationId": "getUsage",
        "summary": "What the key has used, and what is left",
        "security": _KEY,
        "responses": _answers(schema, 401, 403, 503),
    }


def _run() -> dict[str, Any]:
    named = {"name": "run_id", "in": "path", "required": True, "schema": {"type": "string"}}
    return {
        "operationId": "showRun",
        "summary": "The state and the decisions of one run",
        "security": _KEY,
        "parameters": [
            named,
            *[
                {"name": name, "in": "query", "required": False, "schema": {"type": "string"}}
                for name in ("cursor", "limit")
            ],
        ],
        "responses": _answers({"type": "object"}, 401, 403, 404, 422, 503),
    }


def _policies() -> dict[str, Any]:
    """The endpoints of packs."""
    version: list[dict[str, Any]] = [{"name": "id", "in": "path", "required": True, "schema": {"type": "string"}}]
    ends: list[dict[str, Any]] = [
        {"name": name, "in": "query", "required": True, "schema": {"type": "string"}} for name in ("from", "to")
    ]
    return {
        "/policies": {
            "get": _policy("listPolicies", "What is active where, what was pushed and activated, what ships"),
            "post": _policy("pushPolicy", "Store a version of a pack", "Files"),
        },
        "/policies/lint": {"post": _policy("lintPolicy", "Check and try a pack, and store nothing", "Files")},
        "/policies/schema.json": {"get": _open("policySchema", "JSON Schema of a pack, for editors")},
        "/policies/rollback": {
            "post": _policy("rollBackPolicy", "Let what decided before the last activation decide again", "Where")
        },
        "/policies/shadow/end": {"post": _policy("endShadow", "End a candidate's deciding beside", "Where")},
        "/policies/compare": {"get": _policy("comparePolicies", "What changes between two versions", parameters=ends)},
        "/policies/replay": {
            "post": _policy("replayPolicy", "What a version would have decided on stored records", "Replay")
        },
        "/policies/{id}": {"get": _policy("showPolicy", "One version, with its files", parameters=version)},
        "/policies/{id}/activate": {
            "post": _policy("activatePolicy", "Let a version decide from the next check on", "Activate", version)
        },
        "/policies/{id}/shadow": {
            "post": _policy("shadowPolicy", "Let a candidate decide beside, without effect", "Where", version)
        },
    }


def _policy(name: str, summary: str, body: str = "", parameters: list[dict[str, Any]] | None = None) -> dict[str, Any]:
    found: dict[str, Any] = {"operationId": name, "summary": summary, "security": _KEY}
    if parameters:
        found["parameters"] = parameters
    if not body:
        return {**found, "responses": _answers({"type": "object"}, 401, 403, 404, 422, 503)}
    content = {"required": body in ("Files", "Replay"), "content": _json(_ref(body))}
    answers = _answers({"type": "object"}, 401, 403, 404, 408, 409, 413, 415, 422, 503)
    return {**found, "requestBody": content, "responses": answers}


def _open(name: str, summary: str, *statuses: int) -> dict[str, Any]:
    answers = _answers({"type": "object"})
    for status in statuses:
        answers[str(status)] = {"description": _ERRORS[status], "content": _json({"type": "object"})}
    return {"operationId": name, "summary": summary, "responses": answers}


def _error_schema() -> dict[str, Any]:
    text = {"type": "string"}
    return {
        "type": "object",
        "required": ["error", "message", "detail", "request_id"],
        "properties": {
            "error": text,
            "message": text,
            "detail": {"type": "object", "properties": {"detail": text, "request_id": text}},
            "request_id": text,
            "retry_after_seconds": {"type": "integer"},
            "fields": {
                "type": "array",
                "items": {"type": "object", "properties": {"path": text, "message": text}},
            },
        },
    }

"""`GET /openapi.json`: OpenAPI 3.1, generated from the table of routes and the types that read and write the wire."""

from __future__ import annotations

import itertools
import re
from typing import Any, Final

import msgspec

from stage0.reading.request import GOAL_LIMIT, ActionRequest
from stage0.server.policies import Activate, Files
from stage0.server.routes import ROUTES, Operation, Parameter, Schema
from stage0.wire import Answer, Outcome

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

#: Statuses that everything which needs a key may have, and everything that takes a body.
_OF_KEYS: Final = (401, 403, 503)
_OF_BODIES: Final = (408, 413, 415, 422)
#: The first schemas of the document; those of further types follow in the order of the table.
_FIRST: Final = (ActionRequest, Answer, Outcome, Files, Activate)
_PATH_NAME: Final = re.compile(r"\{(\w+)")
#: How the router is told what a name in a path stands for, as in `{run_id:path}`.
_PATH_TYPE: Final = re.compile(r":\w+\}")

_KEY: Final[list[dict[str, list[str]]]] = [{"apiKey": []}]


def openapi(version: str) -> dict[str, Any]:
    """The whole document."""
    paths: dict[str, dict[str, Any]] = {}
    for operation in itertools.chain.from_iterable(ROUTES.values()):
        paths.setdefault(_PATH_TYPE.sub("}", operation.path), {})[operation.method.lower()] = _operation(operation)
    return {
        "openapi": "3.1.0",
        "info": {
            "title": "Stage0",
            "version": version,
            "summary": "Runtime authorization for AI agents.",
            "license": {"name": "Apache-2.0", "identifier": "Apache-2.0"},
        },
        "paths": paths,
        "components": {
            "schemas": _schemas(),
            "securitySchemes": {"apiKey": {"type": "apiKey", "in": "header", "name": "x-api-key"}},
        },
    }


def _schemas() -> dict[str, Any]:
    """Every type of the table, and what errors look like."""
    used = [kind for operations in ROUTES.values() for each in operations for kind in (each.body, each.answer)]
    types = dict.fromkeys([*_FIRST, *[kind for kind in used if isinstance(kind, type)]])
    _, components = msgspec.json.schema_components(types, ref_template="#/components/schemas/{name}")
    schemas: dict[str, Any] = dict(components)
    schemas["ActionRequest"]["properties"]["goal"].update({"minLength": 1, "maxLength": GOAL_LIMIT})
    schemas["Error"] = _error_schema()
    return schemas


def _operation(operation: Operation) -> dict[str, Any]:
    found: dict[str, Any] = {"operationId": operation.id, "summary": operation.summary}
    if operation.description:
        found["description"] = operation.description
    if operation.scopes:
        found["security"] = _KEY
    parameters = _parameters(operation)
    if parameters:
        found["parameters"] = parameters
    if operation.body is not None:
        required = any(field.required for field in msgspec.structs.fields(operation.body))
        found["requestBody"] = {"required": required, "content": _json(_schema(operation.body))}
    found["responses"] = _answers(operation)
    return found


def _parameters(operation: Operation) -> list[dict[str, Any]]:
    """Those of the path, then the others."""
    named = [Parameter(name, "path", required=True) for name in _PATH_NAME.findall(operation.path)]
    return [
        {"name": each.name, "in": each.place, "required": each.required, "schema": each.schema}
        for each in (*named, *operation.parameters)
    ]


def _answers(operation: Operation) -> dict[str, Any]:
    statuses = {*operation.errors, *(_OF_KEYS if operation.scopes else ()), *(_OF_BODIES if operation.body else ())}
    error = _ref("Error") if operation.error is None else operation.error
    return {
        "200": {"description": "Processed.", "content": _json(_schema(operation.answer))},
        **{str(status): {"description": _ERRORS[status], "content": _json(error)} for status in sorted(statuses)},
    }


def _schema(kind: type | Schema | None) -> Schema:
    if kind is None:
        return {"type": "object"}
    return _ref(kind.__name__) if isinstance(kind, type) else kind


def _json(schema: Schema) -> dict[str, Any]:
    return {"application/json": {"schema": schema}}


def _ref(name: str) -> dict[str, str]:
    return {"$ref": f"#/components/schemas/{name}"}


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

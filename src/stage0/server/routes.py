"""The one table of routes: what is served, by which handler, to which keys, and what is said of it. The application
(`app.py`) and `GET /openapi.json` are made of it."""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Mapping, Sequence
from typing import Any, Final, NamedTuple

import msgspec

from stage0.reading.request import ActionRequest
from stage0.server.about import About
from stage0.server.checks import CHECK_SCOPE, LIST_PARAMETERS, RUN_PARAMETERS, Checks
from stage0.server.limits import USAGE_SCHEMA
from stage0.server.policies import COMPARE_PARAMETERS, Activate, Files, Policies, Replay, Where
from stage0.wire import IDEMPOTENCY_KEY_LIMIT, Answer, Outcome

Schema = Mapping[str, Any]

_TEXT: Final[Schema] = {"type": "string"}


class Parameter(NamedTuple):
    """A parameter of an operation beside those in its path. `place` is `query` or `header`."""

    name: str
    place: str = "query"
    required: bool = False
    schema: Schema = _TEXT


class Operation(msgspec.Struct, frozen=True, kw_only=True):
    """One method on one path.

    `handler` is a method of the resource. It takes scope, receive and send; where there are `scopes`, of which a key
    needs one, it takes the key before them. Without scopes it needs no key.

    The rest is for OpenAPI: `body` is the type of the request's, `answer` of what comes with 200 (else any object).
    `errors` are the statuses beside those that every key and every body may cause; their schema is `error`, else the
    one of all errors."""

    method: str
    path: str
    handler: Callable[..., Awaitable[None]]
    id: str
    summary: str
    scopes: Sequence[str] = ()
    description: str = ""
    parameters: Sequence[Parameter] = ()
    body: type[msgspec.Struct] | None = None
    answer: type[msgspec.Struct] | Schema | None = None
    errors: Sequence[int] = ()
    error: Schema | None = None


#: What is taken out of the way before routing: its handler looks at the key by itself.
CHECK_PATH: Final = "/check"

_READERS: Final = ("read", "check")
_POLICY_READERS: Final = ("read", "policy:write")
_POLICY_WRITERS: Final = ("policy:write",)

_CHECKS: Final = (
    Operation(
        method="POST",
        path=CHECK_PATH,
        handler=Checks.check,
        scopes=(CHECK_SCOPE,),
        id="check",
        summary="Propose an action and get a decision",
        description="`200` says that the request was processed; the control signal is `verdict`.",
        parameters=(
            Parameter("X-Request-Id", "header", schema={"type": "string", "maxLength": 200}),
            Parameter(
                "Idempotency-Key",
                "header",
                schema={"type": "string", "minLength": 1, "maxLength": IDEMPOTENCY_KEY_LIMIT},
            ),
        ),
        body=ActionRequest,
        answer=Answer,
        errors=(402, 409, 429, 500),
    ),
    Operation(
        method="GET",
        path="/checks",
        handler=Checks.list,
        scopes=_READERS,
        id="listChecks",
        summary="The account's decision records, newest first",
        parameters=[Parameter(name) for name in LIST_PARAMETERS],
        errors=(422,),
    ),
    Operation(
        method="GET",
        path="/checks/{request_id}",
        handler=Checks.show,
        scopes=_READERS,
        id="showCheck",
        summary="One decision record with its whole trace chain",
        errors=(404,),
    ),
    Operation(
        method="POST",
        path="/checks/{request_id}/outcome",
        handler=Checks.outcome,
        scopes=(CHECK_SCOPE,),
        id="reportOutcome",
        summary="Report what the runtime did",
        body=Outcome,
        errors=(404,),
    ),
    Operation(
        method="GET",
        path="/usage",
        handler=Checks.usage,
        scopes=_READERS,
        id="getUsage",
        summary="What the key has used, and what is left",
        answer=USAGE_SCHEMA,
    ),
    Operation(
        method="GET",
        path="/runs/{run_id:path}",
        handler=Checks.run,
        scopes=_READERS,
        id="showRun",
        summary="The state and the decisions of one run",
        parameters=[Parameter(name) for name in RUN_PARAMETERS],
        errors=(404, 422),
    ),
)

_POLICIES: Final = (
    Operation(
        method="GET",
        path="/policies",
        handler=Policies.list,
        scopes=_POLICY_READERS,
        id="listPolicies",
        summary="What is active where, what was pushed and activated, what ships",
        errors=(404, 422),
    ),
    Operation(
        method="POST",
        path="/policies",
        handler=Policies.push,
        scopes=_POLICY_WRITERS,
        id="pushPolicy",
        summary="Store a version of a pack",
        body=Files,
        errors=(404, 409),
    ),
    Operation(
        method="POST",
        path="/policies/lint",
        handler=Policies.lint,
        scopes=_POLICY_READERS,
        id="lintPolicy",
        summary="Check and try a pack, and store nothing",
        body=Files,
        errors=(404, 409),
    ),
    Operation(
        method="GET",
        path="/policies/schema.json",
        handler=Policies.schema,
        id="policySchema",
        summary="JSON Schema of a pack, for editors",
    ),
    Operation(
        method="POST",
        path="/policies/rollback",
        handler=Policies.rollback,
        scopes=_POLICY_WRITERS,
        id="rollBackPolicy",
        summary="Let what decided before the last activation decide again",
        body=Where,
        errors=(404, 409),
    ),
    Operation(
        method="POST",
        path="/policies/shadow/end",
        handler=Policies.shadow,
        scopes=_POLICY_WRITERS,
        id="endShadow",
        summary="End a candidate's deciding beside",
        body=Where,
        errors=(404, 409),
    ),
    Operation(
        method="GET",
        path="/policies/compare",
        handler=Policies.compare,
        scopes=_POLICY_READERS,
        id="comparePolicies",
        summary="What changes between two versions",
        parameters=[Parameter(name, required=True) for name in COMPARE_PARAMETERS],
        errors=(404, 422),
    ),
    Operation(
        method="POST",
        path="/policies/replay",
        handler=Policies.replay,
        scopes=_POLICY_WRITERS,
        id="replayPolicy",
        summary="What a version would have decided on stored records",
        body=Replay,
        errors=(404, 409),
    ),
    Operation(
        method="GET",
        path="/policies/{id}",
        handler=Policies.show,
        scopes=_POLICY_READERS,
        id="showPolicy",
        summary="One version, with its files",
        errors=(404, 422),
    ),
    Operation(
        method="POST",
        path="/policies/{id}/activate",
        handler=Policies.activate,
        scopes=_POLICY_WRITERS,
        id="activatePolicy",
        summary="Let a version decide from the next check on",
        body=Activate,
        errors=(404, 409),
    ),
    Operation(
        method="POST",
        path="/policies/{id}/shadow",
        handler=Policies.shadow,
        scopes=_POLICY_WRITERS,
        id="shadowPolicy",
        summary="Let a candidate decide beside, without effect",
        body=Where,
        errors=(404, 409),
    ),
)

_ABOUT: Final = (
    Operation(
        method="GET",
        path="/health",
        handler=About.health,
        id="health",
        summary="Whether decisions can be made and recorded now",
        errors=(503,),
        error={"type": "object"},
    ),
    Operation(
        method="GET",
        path="/stage0/design",
        handler=About.design,
        id="design",
        summary="The design contract, generated from the code",
    ),
    Operation(
        method="GET",
        path="/openapi.json",
        handler=About.openapi,
        id="openapi",
        summary="This document",
    ),
)

#: By the resource whose methods the handlers are. Of two paths that both fit a request the first one counts.
ROUTES: Final[Mapping[type, Sequence[Operation]]] = {Checks: _CHECKS, Policies: _POLICIES, About: _ABOUT}

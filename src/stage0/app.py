"""The one place where server and ledger are wired together."""

from __future__ import annotations

import contextlib
import gc
import os
import sys
import time
from collections.abc import AsyncIterator, Callable, Mapping
from importlib.metadata import version
from typing import Any

from starlette.applications import Starlette
from starlette.routing import Route

from stage0.engine import Engine
from stage0.engine.steady import SteadyClock
from stage0.ledger import open_store
from stage0.ledger.keyring import Keyring
from stage0.policy import shipped_packs
from stage0.server.checks import Checks
from stage0.server.connection import STATE, Connections, connections_that_fit
from stage0.server.design import design
from stage0.server.errors import ApiError, method_not_allowed
from stage0.server.http import Receive, Scope, Send, send_error, send_json, sent_request_id
from stage0.server.logs import configure_logs
from stage0.server.openapi import openapi
from stage0.server.policies import Policies
from stage0.server.settings import Settings, read_settings
from stage0.wire import encode

Handler = Callable[[Scope, Receive, Send], Any]


class Application:
    """The ASGI application. `/check` is taken out of the way first: it is nearly all of the traffic."""

    def __init__(self, settings: Settings, *, clock: Callable[[], float] = time.time) -> None:
        self.ledger = Engine(
            open_store(settings.database_url),
            Keyring(settings.secret_key),
            shipped_packs(),
            clock=clock,
            steady=SteadyClock(clock),
            engine_version=version("stage0"),
            capacity=settings.queue,
            deadline=settings.deadline,
        )
        self._clock = clock
        self._connections = Connections(connections_that_fit(settings.connections), settings.header_timeout)
        self._checks = Checks(self.ledger)
        self._policies = Policies(self.ledger)
        default = self.ledger.packs["stage0-default"]
        self._policy = default.id
        self._design = encode(design(default, version("stage0")))
        self._openapi = encode(openapi(version("stage0")))
        self._rest = Starlette(routes=self._routes(), lifespan=self._lifespan)
        # No route has a path that does not begin with a slash, as in `OPTIONS *`.
        self._rest.router.default = self._endpoint("", _nowhere)

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] == "http" and scope["path"] == "/check":
            await self._checks.check(scope, receive, send)
        else:
            await self._rest(scope, receive, send)

    def _routes(self) -> list[Route]:
        return [
            Route("/checks", self._endpoint("GET", self._checks.list)),
            Route("/checks/{request_id}", self._endpoint("GET", self._checks.show)),
            Route("/checks/{request_id}/outcome", self._endpoint("POST", self._checks.outcome)),
            Route("/usage", self._endpoint("GET", self._checks.usage)),
            Route("/runs/{run_id:path}", self._endpoint("GET", self._checks.run)),
            Route("/policies", self._methods(GET=self._policies.list, POST=self._policies.push)),
            Route("/policies/lint", self._endpoint("POST", self._policies.lint)),
            Route("/policies/schema.json", self._endpoint("GET", self._policies.schema)),
            Route("/policies/rollback", self._endpoint("POST", self._policies.rollback)),
            Route("/policies/shadow/end", self._endpoint("POST", self._policies.shadow)),
            Route("/policies/compare", self._endpoint("GET", self._policies.compare)),
            Route("/policies/replay", self._endpoint("POST", self._policies.replay)),
            Route("/policies/{id}", self._endpoint("GET", self._policies.show)),
            Route("/policies/{id}/activate", self._endpoint("POST", self._policies.activate)),
            Route("/policies/{id}/shadow", self._endpoint("POST", self._policies.shadow)),
            Route("/health", self._endpoint("GET", self._health)),
            Route("/stage0/design", self._endpoint("GET", self._fixed(self._design))),
            Route("/openapi.json", self._endpoint("GET", self._fixed(self._openapi))),
            Route("/{path:path}", self._endpoint("", _nowhere)),
        ]

    def _endpoint(self, method: str, handler: Handler) -> Any:
        return Endpoint({method: handler}, self._clock)

    def _methods(self, **handlers: Handler) -> Any:
        return Endpoint(handlers, self._clock)

    def _fixed(self, body: bytes) -> Handler:
        async def handle(scope: Scope, receive: Receive, send: Send) -> None:
            await send_json(send, 200, body, sent_request_id(scope))

        return handle

    async def _health(self, scope: Scope, receive: Receive, send: Send) -> None:
        """200 where a check could be decided and recorded now."""
        if await self.ledger.healthy():
            store = self.ledger.store.name
            body = {"ok": True, "policy_pack_version": self._policy, "version": version("stage0"), "store": store}
            await send_json(send, 200, encode(body), sent_request_id(scope))
        else:
            await send_json(send, 503, encode({"ok": False, "error": "runtime_unhealthy"}), sent_request_id(scope))

    @contextlib.asynccontextmanager
    async def _lifespan(self, app: Starlette) -> AsyncIterator[Mapping[str, Any]]:
        await self.ledger.open()
        try:
            yield {STATE: self._connections}
        finally:
            await self.ledger.close()


class Endpoint:
    """One endpoint as an ASGI application: a handler for each method (an empty one is any), and every failure in the
    one error shape."""

    def __init__(self, handlers: Mapping[str, Handler], clock: Callable[[], float]) -> None:
        self._handlers = handlers
        self._clock = clock

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        try:
            method = "GET" if scope["method"] == "HEAD" else scope["method"]
            handler = self._handlers.get(method, self._handlers.get(""))
            if handler is None:
                raise method_not_allowed(", ".join(self._handlers))
            await handler(scope, receive, send)
        except Exception as error:  # every failure has the one shape
            await send_error(send, error, scope, self._clock())


async def _nowhere(scope: Scope, receive: Receive, send: Send) -> None:
    raise ApiError(404, "not_found", f"There is nothing at `{scope['path'][:200]}`.")


def create(chosen: Settings | None = None) -> Application:
    """The application of this process; without settings, those of the environment, as for one of several workers."""
    worker = chosen is None
    if chosen is None:
        chosen = read_settings(os.environ)
    configure_logs(chosen.log_level)
    application = Application(chosen)
    if worker:
        prepare_process()
    return application


def prepare_process() -> None:
    """Settings of the interpreter that suit a server. After everything that lives as long as the process was made."""
    # The thread that waits for the disk must not wait long to say that a commit is done.
    sys.setswitchinterval(0.001)
    # The lexicon and the rules stay: the collector need not look at them over and over.
    gc.collect()
    gc.freeze()
    gc.set_threshold(20_000, 20, 20)

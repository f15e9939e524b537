"""The one place where server and ledger are wired together."""

from __future__ import annotations

import contextlib
import gc
import os
import sys
import time
from collections.abc import AsyncIterator, Awaitable, Callable, Mapping, Sequence
from functools import partial
from importlib.metadata import version
from typing import Any

from starlette.applications import Starlette
from starlette.routing import Route

from stage0.engine import Engine
from stage0.engine.steady import SteadyClock
from stage0.ledger import open_store
from stage0.ledger.catalogue import catalogue_with
from stage0.ledger.keyring import Keyring
from stage0.server.about import About
from stage0.server.auth import authenticate, require_scope
from stage0.server.checks import Checks
from stage0.server.connection import STATE, Connections, connections_that_fit
from stage0.server.design import design
from stage0.server.errors import ApiError, method_not_allowed
from stage0.server.http import Receive, Scope, Send, header, send_error
from stage0.server.logs import configure_logs
from stage0.server.openapi import openapi
from stage0.server.policies import Policies
from stage0.server.routes import CHECK_PATH, ROUTES
from stage0.server.settings import Settings, read_settings
from stage0.wire import encode

Handler = Callable[..., Awaitable[None]]


class Application:
    """The ASGI application. `/check` is taken out of the way first: it is nearly all of the traffic."""

    def __init__(self, settings: Settings, *, clock: Callable[[], float] = time.time) -> None:
        self.engine = Engine(
            open_store(settings.database_url),
            Keyring(settings.secret_key),
            catalogue_with(settings.plans),
            clock=clock,
            steady=SteadyClock(clock),
            engine_version=version("stage0"),
            capacity=settings.queue,
            deadline=settings.deadline,
        )
        self._clock = clock
        self._connections = Connections(connections_that_fit(settings.connections), settings.header_timeout)
        self._checks = Checks(self.engine)
        default = self.engine.catalogue.default
        about = About(
            self.engine,
            version=version("stage0"),
            policy=default.id,
            design=encode(design(default, version("stage0"))),
            openapi=encode(openapi(version("stage0"))),
        )
        resources = {Checks: self._checks, Policies: Policies(self.engine, settings.database_url), About: about}
        self._rest = Starlette(routes=self._routes(resources), lifespan=self._lifespan)
        # No route has a path that does not begin with a slash, as in `OPTIONS *`.
        self._rest.router.default = self._endpoint({"": _nowhere})

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] == "http" and scope["path"] == CHECK_PATH:
            await self._checks.check(scope, receive, send)
        else:
            await self._rest(scope, receive, send)

    def _routes(self, resources: Mapping[type, Any]) -> list[Route]:
        """The table, and for every other path that there is nothing."""
        paths: dict[str, dict[str, Handler]] = {}
        for resource, operations in ROUTES.items():
            for operation in operations:
                if operation.path != CHECK_PATH:
                    handler = partial(operation.handler, resources[resource])
                    paths.setdefault(operation.path, {})[operation.method] = self._admitting(operation.scopes, handler)
        paths["/{path:path}"] = {"": _nowhere}
        return [Route(path, self._endpoint(handlers)) for path, handlers in paths.items()]

    def _endpoint(self, handlers: Mapping[str, Handler]) -> Any:
        return Endpoint(handlers, self._clock)

    def _admitting(self, scopes: Sequence[str], handler: Handler) -> Handler:
        """A handler with the key that calls it, which needs one of the scopes; without scopes it needs no key."""

        async def handle(scope: Scope, receive: Receive, send: Send) -> None:
            key = await authenticate(self.engine, header(scope, b"x-api-key"))
            require_scope(key, *scopes)
            await handler(key, scope, receive, send)

        return handle if scopes else handler

    @contextlib.asynccontextmanager
    async def _lifespan(self, app: Starlette) -> AsyncIterator[Mapping[str, Any]]:
        await self.engine.open()
        try:
            yield {STATE: self._connections}
        finally:
            await self.engine.close()


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

"""`/health`, `/stage0/design`, `/openapi.json`: what a server says of itself. They need no key."""

from __future__ import annotations

from stage0.engine import Engine
from stage0.server.http import Receive, Scope, Send, send_json, sent_request_id
from stage0.wire import encode


class About:
    """The endpoints of one server. `policy` is the id of its default pack; `design` and `openapi` are JSON."""

    def __init__(self, engine: Engine, *, version: str, policy: str, design: bytes, openapi: bytes) -> None:
        self._engine = engine
        self._version = version
        self._policy = policy
        self._design = design
        self._openapi = openapi

    async def health(self, scope: Scope, receive: Receive, send: Send) -> None:
        """`GET /health`: 200 where a check could be decided and recorded now."""
        if await self._engine.healthy():
            store = self._engine.store.name
            body = {"ok": True, "policy_pack_version": self._policy, "version": self._version, "store": store}
            await send_json(send, 200, encode(body), sent_request_id(scope))
        else:
            await send_json(send, 503, encode({"ok": False, "error": "runtime_unhealthy"}), sent_request_id(scope))

    async def design(self, scope: Scope, receive: Receive, send: Send) -> None:
        """`GET /stage0/design`."""
        await send_json(send, 200, self._design, sent_request_id(scope))

    async def openapi(self, scope: Scope, receive: Receive, send: Send) -> None:
        """`GET /openapi.json`."""
        await send_json(send, 200, self._openapi, sent_request_id(scope))

"""What Stage0 is compared with: servers that read the same body and decide nothing.

`python -m bench.baselines raw|fastapi PORT FILE` answers every request with the file's bytes, under the very
uvicorn settings of `stage0 serve`.
"""

from __future__ import annotations

import sys
from collections.abc import Awaitable, Callable, MutableMapping
from pathlib import Path
from typing import Any, Final

import uvicorn

Message = MutableMapping[str, Any]
Application = Callable[[Message, Callable[[], Awaitable[Message]], Callable[[Message], Awaitable[None]]], Any]
_REQUEST_ID: Final = "req_00000000000000000000000000"


def raw(answer: bytes) -> Application:
    """The least that an ASGI application can do."""
    headers = [
        (b"content-type", b"application/json"),
        (b"content-length", str(len(answer)).encode()),
        (b"cache-control", b"no-store"),
        (b"x-request-id", _REQUEST_ID.encode()),
    ]

    async def application(
        scope: Message, receive: Callable[[], Awaitable[Message]], send: Callable[[Message], Awaitable[None]]
    ) -> None:
        if scope["type"] == "http":
            while (await receive()).get("more_body", False):
                pass
            await send({"type": "http.response.start", "status": 200, "headers": headers})
            await send({"type": "http.response.body", "body": answer})
        else:
            await receive()
            await send({"type": "lifespan.startup.complete"})
            await receive()
            await send({"type": "lifespan.shutdown.complete"})

    return application


def fastapi(answer: bytes) -> Application:
    """An endpoint that has its body validated and sends bytes: FastAPI at its fastest, nothing to serialize."""
    from fastapi import FastAPI, Response
    from pydantic import BaseModel

    class Check(BaseModel):
        goal: str
        success_criteria: list[str] = []
        constraints: list[str] = []
        tools: list[str] = []
        side_effects: list[str] = []
        context: dict[str, Any] = {}
        pro: bool = False
        policy_pack_version: str = ""
        debug_store_input: bool = False

    headers = {"cache-control": "no-store", "x-request-id": _REQUEST_ID}
    application = FastAPI()

    async def check(body: Check) -> Response:
        return Response(answer, media_type="application/json", headers=headers)

    check.__annotations__ = {"body": Check, "return": Response}  # the names are local, which strings cannot say
    application.post("/check")(check)
    return application


def main(kind: str, port: str, file: str) -> None:
    """Serve until told to stop."""
    make = {"raw": raw, "fastapi": fastapi}[kind]
    config = uvicorn.Config(
        make(Path(file).read_bytes()),
        host="127.0.0.1",
        port=int(port),
        loop="uvloop",
        http="httptools",
        ws="none",
        lifespan="on",
        access_log=False,
        log_level="warning",
        server_header=False,
        date_header=False,
        timeout_graceful_shutdown=30,
    )
    uvicorn.Server(config).run()


if __name__ == "__main__":
    main(*sys.argv[1:])

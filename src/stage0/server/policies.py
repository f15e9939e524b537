"""`/policies`: packs of an account. Reading needs `read`, changing needs `policy:write`; an agent's key has neither."""

from __future__ import annotations

import asyncio
import sys
from collections.abc import Callable, Mapping
from functools import partial
from typing import Annotated, Any, Final, TypeVar
from urllib.parse import parse_qsl

import msgspec

from stage0.engine import Engine
from stage0.engine.bulkhead import Bulkhead
from stage0.ledger import NotFound, PolicyUnusable, Refused
from stage0.ledger.catalogue import Catalogue
from stage0.ledger.keys import Key
from stage0.ledger.packs import (
    Active,
    activate,
    activations,
    before_last,
    describe_pack,
    environment_of,
    find_pack,
    list_packs,
    push_pack,
    read_actives,
    roll_back,
    set_shadow,
)
from stage0.ledger.replay_process import Replayed, ReplayJob, ReplayRefused
from stage0.policy.compare import compare_packs
from stage0.policy.format import PackFile, json_schema
from stage0.policy.load import file_of_content, shipped_file
from stage0.policy.upload import Compiled, Failed, Upload, wanted_parent
from stage0.server.errors import ApiError
from stage0.server.http import Receive, Scope, Send, read_body, send_json, sent_request_id
from stage0.wire import Invalid, convert, encode, parse

T = TypeVar("T")
#: A write of `ledger/packs.py`: of a connection, an account, who does it and when.
Change = Callable[..., Any]

#: Seconds that reading, checking and trying a pack may take.
_SECONDS: Final = 60
#: Processes that read and try packs at once, one of each account; how many of an account wait for their turn, and for
#: how many seconds. What runs beside the server must not take its processors.
_AT_ONCE: Final = 4
_WAITING: Final = 3
_PATIENCE: Final = 30
#: Of what a pack may have.
_FILES: Final = 50
#: What the query of a comparison names.
COMPARE_PARAMETERS: Final = ("from", "to")
Environment = Annotated[str, msgspec.Meta(max_length=100)]


class Files(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """A pack as it is written: the texts of its YAML files by name, `suite.yaml` among them."""

    files: dict[str, str]


class Activate(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """Where a version shall decide: for keys bound to an environment, or (empty) for all others. `force` does so though
    its suite does not pass."""

    environment: Environment = ""
    force: bool = False


class Where(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """An environment that keys are bound to; empty for all others."""

    environment: Environment = ""


class Replay(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """A version that was pushed or that ships, and on which records to try it: of the last so many seconds, no more
    than so many."""

    pack: Annotated[str, msgspec.Meta(pattern=r"^[a-z0-9][a-z0-9._-]*@[A-Za-z0-9][A-Za-z0-9._+-]*\Z")]
    since_seconds: Annotated[int, msgspec.Meta(ge=1, le=366 * 86_400)] = 7 * 86_400
    at_most: Annotated[int, msgspec.Meta(ge=1, le=100_000)] = 20_000


class Policies:
    """The endpoints over one engine, whose database is at an address."""

    def __init__(self, engine: Engine, database_url: str) -> None:
        self._engine = engine
        self._database_url = database_url
        self._compiling = Bulkhead("packs", running=_AT_ONCE, each=1, waiting=_WAITING, patience=_PATIENCE)
        self._replaying = Bulkhead("replays", running=_AT_ONCE, each=1, waiting=_WAITING, patience=_PATIENCE)

    async def list(self, key: Key, scope: Scope, receive: Receive, send: Send) -> None:
        """`GET /policies`: what is active where, what was pushed, what ships."""

        def read(connection: Any) -> dict[str, Any]:
            return {
                "active": [
                    {"environment": environment, "pack": active.pack or None, "shadow": active.shadow or None}
                    for (account, environment), active in sorted(read_actives(connection).items())
                    if account == key.account
                ],
                "packs": list_packs(connection, key.account),
                "shipped": [pack.id for pack in self._engine.catalogue.packs.values()],
                "activations": [
                    {
                        "pack": each.pack,
                        "environment": each.environment,
                        "at": each.at / 1e6,
                        "by": each.actor,
                        "rolled_back": bool(each.undone),
                    }
                    for each in activations(connection, key.account)
                ],
            }

        await self._answer(send, scope, await self._engine.read(read))

    async def show(self, key: Key, scope: Scope, receive: Receive, send: Send) -> None:
        """`GET /policies/{id}`: one version, with its files."""
        pack_id = scope["path_params"]["id"]
        row = await self._engine.read(lambda connection: find_pack(connection, key.account, pack_id))
        if row is None:
            raise NotFound(f"there is no pack `{pack_id}` in this account")
        content = msgspec.json.decode(row.content)
        await self._answer(
            send, scope, {**describe_pack(row), "files": msgspec.json.decode(row.source), "content": content}
        )

    async def lint(self, key: Key, scope: Scope, receive: Receive, send: Send) -> None:
        """`POST /policies/lint`: whether a pack could be pushed, what its suite shows, what looks like a mistake."""
        made = await self._made(key, await _body(scope, receive, Files))
        await self._answer(send, scope, _made(made))

    async def push(self, key: Key, scope: Scope, receive: Receive, send: Send) -> None:
        """`POST /policies`: store a version."""
        made = await self._made(key, await _body(scope, receive, Files))
        new = await self._write(key, partial(push_pack, made=made))
        await self._answer(send, scope, {**_made(made), "new": new})

    async def activate(self, key: Key, scope: Scope, receive: Receive, send: Send) -> None:
        """`POST /policies/{id}/activate`."""
        wanted, pack_id = await _body(scope, receive, Activate), scope["path_params"]["id"]
        change = partial(activate, pack_id=pack_id, force=wanted.force)
        await self._change(send, scope, key, change, wanted.environment, pack_id)

    async def rollback(self, key: Key, scope: Scope, receive: Receive, send: Send) -> None:
        """`POST /policies/rollback`."""
        wanted = await _body(scope, receive, Where)
        before = await self._engine.read(
            lambda connection: before_last(connection, self._engine.catalogue, key.account, wanted.environment)
        )
        await self._change(send, scope, key, roll_back, wanted.environment, before)

    async def shadow(self, key: Key, scope: Scope, receive: Receive, send: Send) -> None:
        """`POST /policies/{id}/shadow`, and `POST /policies/shadow/end`, which names none."""
        wanted, pack_id = await _body(scope, receive, Where), scope["path_params"].get("id", "")
        await self._change(send, scope, key, partial(set_shadow, pack_id=pack_id), wanted.environment, pack_id)

    async def _change(
        self, send: Send, scope: Scope, key: Key, change: Change, environment: str, pack_id: str = ""
    ) -> None:
        """Change what decides somewhere, and answer with it. The pack is loaded first, so that the batch which sees the
        change need not wait."""
        if pack_id:
            await self._engine.load_pack(key.account, pack_id)
        change = partial(change, environment=environment, pack_cache=self._engine.pack_cache)
        active: Active = await self._write(key, change)
        where = environment_of(environment, self._engine.catalogue)
        body = {"environment": where, "pack": active.pack or None, "shadow": active.shadow or None}
        await self._answer(send, scope, body)

    async def schema(self, scope: Scope, receive: Receive, send: Send) -> None:
        """`GET /policies/schema.json`: JSON Schema of a pack, for editors."""
        await self._answer(send, scope, json_schema())

    async def compare(self, key: Key, scope: Scope, receive: Receive, send: Send) -> None:
        """`GET /policies/compare?from=NAME@VERSION&to=NAME@VERSION`: what changes, in words."""
        query = dict(parse_qsl(scope.get("query_string", b"").decode("latin-1")))
        for name in COMPARE_PARAMETERS:
            if not query.get(name):
                raise Invalid(name, "names a version of a pack, such as `acme@1`")

        def read(connection: Any) -> Any:
            one, other = (
                _file(connection, self._engine.catalogue, key.account, query[name]) for name in COMPARE_PARAMETERS
            )
            return compare_packs(one, other)

        changes = await self._engine.read_bounded(key.account, read)
        await self._answer(send, scope, {"from": query["from"], "to": query["to"], "changes": changes})

    async def replay(self, key: Key, scope: Scope, receive: Receive, send: Send) -> None:
        """`POST /policies/replay`: what a version would have decided on the account's records, the oldest first."""
        wanted = await _body(scope, receive, Replay)
        await self._engine.read(lambda connection: _file(connection, self._engine.catalogue, key.account, wanted.pack))
        async with self._replaying.turn(key.account):
            since = float(int(max(0.0, self._engine.clock() - wanted.since_seconds)))
            found = await _replay(ReplayJob(self._database_url, key.account, wanted.pack, since, wanted.at_most))
        if not key.scopes & {"read", "admin"}:
            del found["examples"]  # what was proposed is for keys that read records
        await self._answer(send, scope, {"pack": wanted.pack, **found})

    # -- beside the event loop

    async def _made(self, key: Key, files: Files) -> Compiled:
        """Read, check and try a pack in a process of its own. Raises Invalid with what is wrong."""
        if not files.files or len(files.files) > _FILES:
            raise Invalid("files", f"a pack has 1 to {_FILES} files")
        parent = wanted_parent(files.files)
        parents: dict[str, str] = {}
        if parent:
            row = await self._engine.read(lambda connection: find_pack(connection, key.account, parent))
            if row is not None:
                parents[parent] = row.content.decode()
        async with self._compiling.turn(key.account):
            result = await _compile(Upload(files.files, parents))
        if isinstance(result, Failed):
            raise Invalid("files", result.error)
        return result

    async def _write(self, key: Key, work: Change) -> Any:
        """Run a write of `ledger/packs.py` for a key. Raises ApiError 409 with what it refuses."""
        now = self._engine.clock()
        try:
            return await self._engine.write(
                lambda connection: work(connection, self._engine.catalogue, key.account, actor=key.actor, now=now),
                account=key.account,
            )
        except (Refused, PolicyUnusable) as error:
            raise ApiError(409, "policy_refused", f"{str(error)[:1].upper()}{str(error)[1:]}.") from None

    async def _answer(self, send: Send, scope: Scope, body: Mapping[str, Any]) -> None:
        await send_json(send, 200, encode(body), sent_request_id(scope))


def _made(made: Compiled) -> dict[str, Any]:
    return {"id": made.id, "digest": made.digest, "suite": made.suite, "warnings": list(made.warnings)}


def _busy(message: str) -> ApiError:
    return ApiError(503, "overloaded", f"{message}; try again.", retry_after=5)


async def _compile(upload: Upload) -> Compiled | Failed:
    try:
        out, status = await _run("stage0.policy.upload", encode(upload))
    except TimeoutError:
        return Failed(f"reading it took longer than {_SECONDS} seconds")
    return msgspec.json.decode(out, type=Compiled | Failed) if status == 0 else Failed("it could not be read")


async def _replay(job: ReplayJob) -> dict[str, Any]:
    """What a replay has shown. Raises ApiError with what it says where it fails."""
    try:
        out, status = await _run("stage0.ledger.replay_process", encode(job))
    except TimeoutError:
        raise _busy(f"It took longer than {_SECONDS} seconds: ask for fewer records") from None
    if status:
        raise ApiError(409, "policy_refused", "The replay failed.")
    result = msgspec.json.decode(out, type=Replayed | ReplayRefused)
    if isinstance(result, ReplayRefused):
        raise ApiError(409, "policy_refused", result.error[:1_000])
    return result.preview


async def _run(module: str, given: bytes) -> tuple[bytes, int]:
    """Run a module of ours in a process of its own: what it puts out, and its status. Raises TimeoutError."""
    process = await asyncio.create_subprocess_exec(
        *(sys.executable, "-m", module),
        stdin=asyncio.subprocess.PIPE,
        stdout=asyncio.subprocess.PIPE,
        # Parsers say there what they do not understand: it may quote requests.
        stderr=asyncio.subprocess.DEVNULL,
    )
    try:
        out, _ = await asyncio.wait_for(process.communicate(given), _SECONDS)
    finally:
        if process.returncode is None:
            process.kill()
            await process.wait()
    return out, process.returncode or 0


def _file(connection: Any, catalogue: Catalogue, account: str, pack_id: str) -> PackFile:
    """A version that was pushed or that ships, as it is written. Raises NotFound."""
    for name, pack in catalogue.packs.items():
        if pack_id in (name, pack.id):
            return shipped_file(name)
    row = find_pack(connection, account, pack_id)
    if row is None:
        raise NotFound(f"there is no pack `{pack_id[:100]}` in this account")
    return file_of_content(row.content)


async def _body(scope: Scope, receive: Receive, kind: type[T]) -> T:
    """A body of a type; nothing sent is an empty object. Raises Invalid naming the field."""
    data = await read_body(scope, receive)
    return convert(parse(data) if data else {}, kind)

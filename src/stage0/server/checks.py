"""`/check` and `/checks`: proposing an action, reading its record, reporting what was done."""

from __future__ import annotations

import time
from collections.abc import Callable, Collection
from typing import Any, Final
from urllib.parse import parse_qsl

import msgspec

from stage0.core.masking import mask
from stage0.core.pack import Pack
from stage0.engine import Engine
from stage0.engine.job import Answered, Asked, CheckJob, Preparation, read_prepared, read_request
from stage0.ledger import NotFound, PlanRefused
from stage0.ledger.idempotency import token_of
from stage0.ledger.ids import new_id
from stage0.ledger.keys import Key
from stage0.ledger.records import PAGE_LIMIT, Filter, Page, add_outcome, get_record, list_records
from stage0.ledger.runs import get_run
from stage0.ledger.usage import read_counters
from stage0.server.auth import authenticate, require_scope
from stage0.server.bodies import Bodies
from stage0.server.errors import ApiError, method_not_allowed
from stage0.server.http import Receive, Scope, Send, header, read_body, send_error, send_json, sent_request_id
from stage0.server.limits import Throttle, rate_headers, usage_of
from stage0.wire import IDEMPOTENCY_KEY_LIMIT, Invalid, encode, read_outcome

#: Bytes of a body past which the check is also decided beside the event loop.
_DECIDED_BESIDE: Final = 16_384
#: The scope that a key needs to propose actions and to report what was done.
CHECK_SCOPE: Final = "check"
#: What the queries of lists may hold.
LIST_PARAMETERS: Final = ("verdict", "code", "run_id", "task_hash", "since", "until", "cursor", "key_id", "limit")
RUN_PARAMETERS: Final = ("cursor", "limit")


class Checks:
    """The endpoints over one engine."""

    def __init__(self, engine: Engine) -> None:
        self._engine = engine
        self._throttle = Throttle()
        self._bodies = Bodies(engine.turns, engine.worker, engine.deadline)

    async def check(self, scope: Scope, receive: Receive, send: Send) -> None:
        """`POST /check`."""
        try:
            done = await self._check(scope, receive)
        except Exception as error:  # every failure is an answer without a verdict of ALLOW
            await send_error(send, error, scope, self._engine.clock())
            return
        headers = rate_headers(done.limit, done.remaining, done.reset)
        await send_json(send, 200, done.body, sent_request_id(scope) or done.request_id, headers)

    async def _check(self, scope: Scope, receive: Receive) -> Answered:
        if scope["method"] != "POST":
            raise method_not_allowed("POST")
        engine = self._engine
        text = header(scope, b"x-api-key")
        key = await authenticate(engine, text, fresh=False)
        require_scope(key, CHECK_SCOPE)
        retried = _idempotency_key(scope)
        await self._throttle.enter(engine, key, retried=retried is not None)
        body = await read_body(scope, receive)
        asked, preparation = await self._read(key, body, retried, sent_request_id(scope))
        if asked.body.request.pro and not key.plan.pro:
            # What is kept of a key may be old: a refusal rests on what it is now.
            key = await authenticate(engine, text)
            asked = asked._replace(key=key)
            if not key.plan.pro:
                raise PlanRefused(key.plan_name)
        job = CheckJob(asked)
        if preparation is not None:
            job.keep(*preparation)
        return await engine.check(job)

    async def _read(
        self, key: Key, body: bytes, retried: str | None, sent_id: str
    ) -> tuple[Asked, tuple[Pack, Preparation] | None]:
        """What is asked. A large body is read whole beside the event loop, under the pack that is known to decide."""
        keyring = self._engine.keyring
        large = self._bodies.is_large(key.account, len(body))
        preparation = None
        if large:
            pack = self._engine.pack_of(key)
            given = body, key.account, pack.knowledge.registry.entries, keyring.fingerprint
            read, prepared = await self._bodies.read_beside(key.account, len(body), read_prepared, *given)
            preparation = pack, prepared
        else:
            read = self._bodies.read(key.account, read_request, body, keyring.fingerprint)
        token = None if retried is None else token_of(retried, body, keyring.body_hashes)
        asked = Asked(key, read, sent_id, token, beside=large, large=len(body) > _DECIDED_BESIDE)
        return asked, preparation

    async def usage(self, key: Key, scope: Scope, receive: Receive, send: Send) -> None:
        """`GET /usage`: what the key has used, and what is left of it."""
        engine = self._engine
        now = engine.clock()
        counted_at = engine.steady()
        counters = await engine.read(lambda connection: read_counters(connection, key.account, key.holders, counted_at))
        request_id = sent_request_id(scope) or new_id("req", now)
        await send_json(send, 200, encode(usage_of(key, counters, request_id, now)), request_id)

    async def run(self, key: Key, scope: Scope, receive: Receive, send: Send) -> None:
        """`GET /runs/{run_id}`: the state of a run, and its decisions, newest first."""
        engine = self._engine
        run_id = _named(scope, "run_id")
        own = "" if _reads_all(key) else key.id
        wanted = msgspec.structs.replace(_filter(scope, RUN_PARAMETERS), run_id=run_id, key_id=own)

        def read(connection: Any) -> tuple[dict[str, Any], Page]:
            state = get_run(connection, key.account, run_id, now=engine.clock(), key_id=own)
            return state, list_records(connection, key.account, wanted, _budget())

        state, page = await engine.read_bounded(key.account, read)
        body = {**state, "decisions": page.records, "next_cursor": page.next_cursor}
        await send_json(send, 200, _encode(body), sent_request_id(scope))

    async def list(self, key: Key, scope: Scope, receive: Receive, send: Send) -> None:
        """`GET /checks`."""
        wanted = _filter(scope, LIST_PARAMETERS)
        if not _reads_all(key):
            if wanted.key_id not in ("", key.id):
                raise ApiError(403, "scope_missing", "This key reads only its own records; others need `read`.")
            wanted = msgspec.structs.replace(wanted, key_id=key.id)
        page = await self._engine.read_bounded(
            key.account, lambda connection: list_records(connection, key.account, wanted, _budget())
        )
        body = {"checks": page.records, "next_cursor": page.next_cursor}
        await send_json(send, 200, _encode(body), sent_request_id(scope))

    async def show(self, key: Key, scope: Scope, receive: Receive, send: Send) -> None:
        """`GET /checks/{request_id}`."""
        request_id = _named(scope, "request_id")
        own = "" if _reads_all(key) else key.id
        found = await self._engine.read(lambda connection: get_record(connection, key.account, request_id, key_id=own))
        await send_json(send, 200, _encode(found), sent_request_id(scope) or request_id)

    async def outcome(self, key: Key, scope: Scope, receive: Receive, send: Send) -> None:
        """`POST /checks/{request_id}/outcome`."""
        engine = self._engine
        body = await read_body(scope, receive)
        if self._bodies.is_large(key.account, len(body)):
            outcome = await self._bodies.read_beside(key.account, len(body), read_outcome, body)
        else:
            outcome = self._bodies.read(key.account, read_outcome, body)
        outcome = msgspec.structs.replace(outcome, detail=mask(outcome.detail, engine.keyring.fingerprint))
        request_id = _named(scope, "request_id")
        own = not _reads_all(key)
        done = await engine.write(
            lambda connection: add_outcome(connection, key, request_id, outcome, now=engine.clock(), own=own),
            account=key.account,
        )
        await send_json(send, 200, encode(done), sent_request_id(scope) or request_id)


def _reads_all(key: Key) -> bool:
    """A key with `read` sees the whole account; one with `check` alone sees what it caused itself."""
    return bool(key.scopes & {"read", "admin"})


def _encode(value: Any) -> bytes:
    try:
        return encode(value)
    except OverflowError:
        import json

        return json.dumps(value, ensure_ascii=False).encode()


_VERDICTS: Final = ("ALLOW", "DENY", "DEFER")


def _named(scope: Scope, name: str) -> str:
    """A part of the path. Raises NotFound for one that nothing can be called."""
    text: str = scope["path_params"][name]
    if "\0" in text:
        raise NotFound("nothing has a name with U+0000 in it")
    return text


#: Seconds after which a list that finds little is answered with what it has found, and the cursor of where it is.
_LIST_SECONDS: Final = 0.25


def _budget() -> Callable[[], bool]:
    """Whether a list that begins now may go on looking."""
    over = time.monotonic() + _LIST_SECONDS
    return lambda: time.monotonic() < over


def _idempotency_key(scope: Scope) -> str | None:
    """The header `Idempotency-Key`. Raises Invalid where it is none."""
    text = header(scope, b"idempotency-key")
    if text is None:
        return None
    if not 1 <= len(text) <= IDEMPOTENCY_KEY_LIMIT or not text.isascii() or not text.isprintable():
        raise Invalid("Idempotency-Key", f"must be 1 to {IDEMPOTENCY_KEY_LIMIT} visible ASCII characters")
    return text


def _filter(scope: Scope, parameters: Collection[str]) -> Filter:
    """The query of an endpoint that lists records. Raises Invalid naming the parameter."""
    query = dict(parse_qsl(scope.get("query_string", b"").decode("latin-1")))
    for name, value in query.items():
        if "\0" in value:
            raise Invalid(name, "holds U+0000")
    unknown = query.keys() - set(parameters)
    if unknown:
        raise Invalid(sorted(unknown)[0], "is no parameter of this endpoint")
    verdict = query.get("verdict", "").upper()
    if verdict and verdict not in _VERDICTS:
        raise Invalid("verdict", f"must be one of {', '.join(_VERDICTS)}")
    return Filter(
        verdict=verdict,
        code=query.get("code", "").upper(),
        run_id=query.get("run_id", ""),
        task_hash=query.get("task_hash", ""),
        since=_moment(query, "since"),
        until=_moment(query, "until"),
        before=query.get("cursor", ""),
        key_id=query.get("key_id", ""),
        limit=_limit(query.get("limit", "50")),
    )


def _moment(query: dict[str, str], name: str) -> float | None:
    text = query.get(name)
    if text is None:
        return None
    try:
        number = float(text)
    except ValueError:
        number = -1.0
    if not 0 <= number < 1e11:
        raise Invalid(name, "must be Unix seconds")
    return number


def _limit(text: str) -> int:
    if not (text.isascii() and text.isdigit()) or not 1 <= int(text[:9]) <= PAGE_LIMIT:
        raise Invalid("limit", f"must be a whole number from 1 to {PAGE_LIMIT}")
    return int(text)

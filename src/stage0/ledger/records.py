"""Decision records and outcomes: what was proposed, what was decided, what was done."""

from __future__ import annotations

import json
from collections.abc import Callable, Sequence
from typing import Any, Final, NamedTuple

import msgspec
import sqlalchemy as sa

from stage0.ledger.errors import NotFound
from stage0.ledger.events import record_event
from stage0.ledger.ids import first_id, new_id
from stage0.ledger.keys import Key
from stage0.ledger.runs import note_outcome, run_key
from stage0.ledger.schema import decisions, outcomes
from stage0.reading.context import read_context
from stage0.reading.request import ActionRequest, State
from stage0.wire import Outcome

#: 2: the answer says until when an ALLOW may be acted upon.
RECORD_VERSION: Final = 2
PAGE_LIMIT: Final = 200
#: Bytes of records after which a page ends.
PAGE_BYTES: Final = 8_000_000
#: Records that are looked at in one step of a list: in the first one, and at most.
_STEP: Final = 256
_STEP_MOST: Final = 4_096


class Shadow(msgspec.Struct, frozen=True, omit_defaults=True):
    """What a candidate would have said beside the pack that decided: its id and digest, the verdict, the risk score and
    the codes; `error` names what went wrong in it, where something did."""

    pack: str
    digest: str
    verdict: str = ""
    risk_score: int = 0
    codes: tuple[str, ...] = ()
    error: str = ""


class Record(msgspec.Struct, frozen=True, omit_defaults=True):
    """All that is needed to decide again. `request` has its secrets replaced; `now` is Unix seconds; `answer` is the
    whole answer as JSON; `input` is the body as sent (secrets replaced), where that was asked for; `exact` is false
    where the secrets could not be replaced without changing what the request says."""

    v: int
    request: ActionRequest
    state: State
    now: float
    pack: str
    digest: str
    engine: str
    lexicon: str
    answer: msgspec.Raw
    sent_request_id: str = ""
    input: Any = None
    exact: bool = True
    shadow: Shadow | None = None


_encoder: Final = msgspec.json.Encoder()
_NOTHING: Final = msgspec.Raw(b"null")


def encode_record(record: Record) -> bytes:
    """A record as JSON. Whole numbers beyond 64 bits, which the fast encoder refuses, are kept exact."""
    try:
        return _encoder.encode(record)
    except OverflowError:
        plain = msgspec.to_builtins(msgspec.structs.replace(record, answer=_NOTHING))
        plain["answer"] = json.loads(bytes(record.answer))
        return json.dumps(plain, ensure_ascii=False, separators=(",", ":")).encode()


def decode_record(data: bytes) -> Record:
    """A stored record. Numbers are read as they were written."""
    plain = json.loads(data)
    answer = msgspec.Raw(json.dumps(plain.pop("answer"), ensure_ascii=False, separators=(",", ":")).encode())
    return msgspec.convert({**plain, "answer": answer}, Record)


class _Proposal(msgspec.Struct, frozen=True):
    """What a summary shows of a request."""

    goal: str
    tools: list[str] = []
    side_effects: list[str] = []


class _Short(msgspec.Struct, frozen=True):
    """A record as far as a summary needs it: reading all of it takes many times as long."""

    request: _Proposal


_short: Final = msgspec.json.Decoder(_Short)


class Filter(msgspec.Struct, frozen=True):
    """Which records to list. Times are Unix seconds; `before` is the id to go on from; `key_id` limits to one key."""

    verdict: str = ""
    code: str = ""
    run_id: str = ""
    task_hash: str = ""
    since: float | None = None
    until: float | None = None
    before: str = ""
    key_id: str = ""
    limit: int = 50


class Page(NamedTuple):
    """Records in short, newest first, and the cursor of what comes after them; None where nothing does."""

    records: list[dict[str, Any]]
    next_cursor: str | None


def list_records(connection: sa.Connection, account: str, wanted: Filter, goes_on: Callable[[], bool]) -> Page:
    """An account's records, newest first.

    What no index finds is looked for step by step, as long as it `goes_on`: a page may end before it is full, with the
    cursor of where that was."""
    found, cursor = _find(connection, account, wanted, goes_on)
    size, ids = 0, []
    for identifier, length in found[: wanted.limit]:
        ids.append(identifier)
        size += length
        if size >= PAGE_BYTES:
            break
    if len(ids) < len(found):
        cursor = ids[-1]
    table = decisions
    rows = connection.execute(
        sa.select(table).where(table.c.account_id == account, table.c.id.in_(ids)).order_by(table.c.id.desc())
    )
    return Page([summary(row) for row in rows], cursor)


def _find(
    connection: sa.Connection, account: str, wanted: Filter, goes_on: Callable[[], bool]
) -> tuple[list[Any], str | None]:
    """Ids of records and their lengths, one more than `limit` where there are more, and where it stopped early."""
    key, length, filters = decisions.c.id, sa.func.length(decisions.c.record), _filters(wanted)
    within, before, step = _within(account, wanted), wanted.before, _STEP
    found: list[Any] = []
    while True:
        part = [*within, key < before] if before else within
        edge = None
        if filters:  # the id of the last record of this step, which the key alone tells
            last = sa.select(key).where(*part).order_by(key.desc()).limit(1).offset(step - 1)
            edge = connection.execute(last).scalar()
        narrowed = [*part, key >= edge] if edge is not None else part
        query = sa.select(key, length).where(*narrowed, *_exactly(wanted), *filters).order_by(key.desc())
        found += connection.execute(query.limit(wanted.limit + 1 - len(found))).all()
        if edge is None or len(found) > wanted.limit:
            return found, None
        if not goes_on():
            return found, edge
        before, step = edge, min(2 * step, _STEP_MOST)


def _within(account: str, wanted: Filter) -> list[sa.ColumnElement[bool]]:
    """What an index tells. Ids begin with their time, in milliseconds: a range of time is one of ids."""
    key = decisions.c.id
    conditions = [decisions.c.account_id == account]
    if wanted.run_id:
        conditions.append(decisions.c.run_id == run_key(wanted.run_id))
    if wanted.since is not None:
        conditions.append(key >= first_id("req", max(0.0, wanted.since - 0.001)))
    if wanted.until is not None:
        conditions.append(key < first_id("req", wanted.until + 0.002))
    return conditions


def _exactly(wanted: Filter) -> list[sa.ColumnElement[bool]]:
    """The range of time to the microsecond: it leaves out no more than what was made within three milliseconds."""
    at, conditions = decisions.c.created_at, []
    if wanted.since is not None:
        conditions.append(at >= int(wanted.since * 1e6))
    if wanted.until is not None:
        conditions.append(at < int(wanted.until * 1e6))
    return conditions


def _filters(wanted: Filter) -> list[sa.ColumnElement[bool]]:
    """What each record has to be looked at for."""
    table = decisions.c
    equal = ((table.verdict, wanted.verdict), (table.task_hash, wanted.task_hash), (table.key_id, wanted.key_id))
    conditions = [column == value for column, value in equal if value]
    if wanted.code:
        conditions.append(table.codes.contains(f" {wanted.code} ", autoescape=True))
    return conditions


def summary(row: Any) -> dict[str, Any]:
    """A record in short, from its row."""
    request = _short.decode(row.record).request
    return {
        "request_id": row.id,
        "created_at": row.created_at / 1e6,
        "api_key_id": row.key_id,
        "run_id": row.run_id,
        "verdict": row.verdict,
        "risk_score": row.risk_score,
        "issue_codes": row.codes.split(),
        "policy_version": row.policy,
        "task_hash": row.task_hash,
        "goal": request.goal,
        "tools": request.tools,
        "side_effects": request.side_effects,
    }


def get_record(connection: sa.Connection, account: str, request_id: str, *, key_id: str = "") -> dict[str, Any]:
    """One record with its whole trace chain. Raises NotFound, also for another account's (or key's)."""
    query = sa.select(decisions).where(decisions.c.account_id == account, decisions.c.id == request_id)
    if key_id:
        query = query.where(decisions.c.key_id == key_id)
    row = connection.execute(query).first()
    if row is None:
        raise NotFound(f"there is no check `{request_id}`")
    done = connection.execute(
        sa.select(outcomes)
        .where(outcomes.c.account_id == account, outcomes.c.request_id == request_id)
        .order_by(outcomes.c.at, outcomes.c.id)
    ).all()
    return whole_record(row, done)


def whole_record(row: Any, done: Sequence[Any]) -> dict[str, Any]:
    """A record with its whole trace chain, from its row and those of its outcomes, oldest first."""
    plain = json.loads(row.record)
    answer = plain["answer"]
    record = msgspec.convert({**plain, "answer": _NOTHING}, Record)
    facts = read_context(record.request.context).values
    return {
        **summary(row),
        "request": msgspec.to_builtins(record.request),
        "answer": answer,
        "replay": {
            "state": msgspec.to_builtins(record.state),
            "now": record.now,
            "policy_version": record.pack,
            "policy_digest": record.digest,
            "engine": record.engine,
            "lexicon": record.lexicon,
            "exact": record.exact,
        },
        "sent_request_id": record.sent_request_id,
        "input": record.input,
        "shadow": None if record.shadow is None else msgspec.to_builtins(record.shadow),
        "trace": {
            "request_id": row.id,
            "policy_version": row.policy,
            "environment": facts.get("environment"),
            "actor_role": facts.get("actor_role"),
            "approved_by": facts.get("approved_by"),
            "approved_at": record.request.context.get("approved_at"),
            "iteration": facts.get("current_iteration"),
            "elapsed_seconds": facts.get("elapsed_seconds"),
            "final_runtime_action": _final_action(row.verdict, done),
        },
        "outcomes": [_outcome(each) for each in done],
    }


def _outcome(row: Any) -> dict[str, Any]:
    return {
        "status": row.status,
        "detail": row.detail,
        "cost_usd": row.cost_usd,
        "at": row.at / 1e6,
        "api_key_id": row.key_id,
    }


def _final_action(verdict: str, done: Any) -> str:
    """What became of the action, as far as anybody has said."""
    if done:
        status: str = done[-1].status
        return "execution_stopped" if status == "stopped" else status
    return "not_reported" if verdict == "ALLOW" else "execution_stopped"


def add_outcome(
    connection: sa.Connection, key: Key, request_id: str, outcome: Outcome, *, now: float, own: bool
) -> dict[str, Any]:
    """Record what the runtime did. Raises NotFound. `own` limits to records that this key caused.

    An execution that was not allowed is recorded all the same, and said so in an event."""
    query = sa.select(decisions.c.verdict, decisions.c.run_id, decisions.c.task_hash).where(
        decisions.c.account_id == key.account, decisions.c.id == request_id
    )
    if own:
        query = query.where(decisions.c.key_id == key.id)
    row = connection.execute(query).first()
    if row is None:
        raise NotFound(f"there is no check `{request_id}`")
    verdict = row.verdict
    connection.execute(
        outcomes.insert().values(
            account_id=key.account,
            request_id=request_id,
            id=new_id("out", now),
            at=int(now * 1e6),
            key_id=key.id,
            status=outcome.status,
            detail=outcome.detail,
            cost_usd=outcome.cost_usd,
        )
    )
    if row.run_id is not None:
        note_outcome(connection, key.account, row.run_id, row.task_hash, verdict, outcome.status, outcome.cost_usd)
    contradicts = verdict != "ALLOW" and outcome.status != "stopped"
    if contradicts:
        record_event(
            connection,
            account=key.account,
            actor=key.actor,
            action="outcome.contradicts_verdict",
            target=request_id,
            now=now,
            verdict=verdict,
            status=outcome.status,
        )
    return {"request_id": request_id, "status": outcome.status, "verdict": verdict, "contradicts_verdict": contradicts}

"""One batch: the checks of one transaction, admitted and decided one after the other over what was read."""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping, Sequence
from typing import Any, Final, NamedTuple

import msgspec

from stage0.core.decide import Prepared, decide
from stage0.core.fingerprint import short
from stage0.core.masking import Fingerprint, mask, mask_text
from stage0.core.pack import Pack
from stage0.core.verdict import Decision, waits_for_approval
from stage0.engine.choice import pin_pack
from stage0.engine.job import Answered, CheckJob, Job
from stage0.knowledge.load import shipped_knowledge
from stage0.ledger.errors import (
    IdempotencyConflict,
    KeyRefused,
    LimitReached,
    PlanRefused,
    PolicyMismatch,
    PolicyUnusable,
    StoreUnavailable,
)
from stage0.ledger.idempotency import LIFETIME, Basis, Stored, Token, again, is_current
from stage0.ledger.ids import new_id
from stage0.ledger.keys import Key
from stage0.ledger.packs import Active, Loaded
from stage0.ledger.plans import UNLIMITED
from stage0.ledger.records import RECORD_VERSION, Record, Shadow, decode_record, encode_record
from stage0.ledger.rows import NewDecision, NewToken, Start, TokenRow
from stage0.ledger.runs import START_WINDOW, Run, tool_of
from stage0.ledger.stops import Stopped
from stage0.ledger.store import Found, Rows, Triple
from stage0.ledger.usage import Now, Share, UsageCounter, admit, windows_at
from stage0.reading.request import RunState, State
from stage0.reading.workspace import Written
from stage0.wire import Enforcement, answer, encode, without

Result = tuple[Job, Any, BaseException | None]


class Known(NamedTuple):
    """What a batch knows: keys, stops, active packs and their content as its transaction sees them, and how records are
    made."""

    keys: Mapping[str, Key]
    actives: Mapping[str, Active]
    stopped: Mapping[str, Stopped]
    packs: Loaded
    clock: Callable[[], float]
    steady: Callable[[], float]
    fingerprint: Fingerprint
    engine_version: str


class Batch:
    """The checks of one transaction, decided one after the other over what was read, and the rows that they make."""

    def __init__(self, known: Known, found: Found) -> None:
        self._known = known
        self._found = found
        self._counted_at = known.steady()
        self._windows: Now = windows_at(self._counted_at)
        self.counters: dict[tuple[str, str], UsageCounter] = {}
        self.exhausted: dict[str, tuple[float, LimitReached]] = {}
        self._runs: dict[tuple[str, str], Run] = {}
        self._starts: dict[Triple, Start] = {}
        self._answers: dict[Triple, Stored] = {}
        self._tokens: dict[Triple, NewToken] = {}
        self._outdated: dict[Triple, tuple[str, str, str, str]] = {}
        self._decisions: list[NewDecision] = []

    def rows(self) -> Rows:
        """Everything to write."""
        return Rows(
            self._decisions,
            [counter for counter in self.counters.values() if counter.added],
            [run for run in self._runs.values() if run.last_action],
            [self._starts[key] for key in sorted(self._starts)],
            [self._tokens[at] for at in sorted(self._tokens)],
            [self._outdated[at] for at in sorted(self._outdated)],
        )

    def check(self, job: CheckJob) -> Answered:
        """Decide one check. The key comes first, then the kill switch, then an answer that was given before, then the
        limits, then the rules."""
        now = self._known.clock()
        moment = int(now * 1e6)
        key = self._key(job, now)
        pack, shadow = self._packs(job, key)
        prepared = job.prepare(pack, self._known.fingerprint).prepared
        stopped = self._stopped(key, prepared)
        token = None if stopped else job.asked.token
        if token is not None:
            before = self._before(key, token, moment)
            if before is not None and is_current(before, self._basis(pack, key), now):
                body = again(before, key.plan.omits, self._enforcement(pack, key, stopped))
                return self._answered(before.request_id, body, self._shares(key))
        shares = self._admit(key)
        try:
            request_id, body = self._decide(job, prepared, pack, shadow, key, token, stopped, now)
        except BaseException:
            for counter, _ in shares:
                counter.take_back()
            raise
        return self._answered(request_id, body, shares)

    def _packs(self, job: CheckJob, key: Key) -> tuple[Pack, Pack | None]:
        """The pack that decides, and the candidate beside it. Raises PolicyMismatch or PolicyUnusable."""
        known = self._known
        active = known.actives[key.id]
        wanted = pin_pack(job.asked.body.request.policy_pack_version, key, active)
        pack = known.packs.get(key.account, wanted)
        if pack is None:
            if wanted != active.pack:
                raise PolicyMismatch(active.pack, wanted)
            raise StoreUnavailable(f"the policy `{wanted}` is not there")
        try:
            shadow = known.packs.get(key.account, active.shadow) if active.shadow else None
        except PolicyUnusable:  # a candidate never stands in the way
            shadow = None
        return pack, shadow

    def _decide(
        self,
        job: CheckJob,
        prepared: Prepared,
        pack: Pack,
        shadow: Pack | None,
        key: Key,
        token: Token | None,
        stopped: str,
        now: float,
    ) -> tuple[str, bytes]:
        """Decide, and make the rows. Gives the answer's id and JSON."""
        moment = int(now * 1e6)
        run, run_state = self._run(job, key, moment)
        state = State(key.caller, run_state, stopped)
        decision = decide(
            prepared.request, pack=pack, state=state, now=now, reading=prepared.reading, action=job.action
        )
        request_id = new_id("req", now)
        full = answer(
            decision,
            request_id,
            test_mode=key.caller.test_mode,
            enforcement=self._enforcement(pack, key, stopped),
        )
        whole = encode(full)
        body = encode(without(full, key.plan.omits)) if key.plan.omits else whole
        if not prepared.exact:
            # It was decided as it was sent: its findings may quote a secret, which the record must not.
            whole = encode(mask(msgspec.json.decode(whole), self._known.fingerprint))
        row = NewDecision(
            account_id=key.account,
            id=request_id,
            created_at=moment,
            key_id=key.id,
            run_id=job.run or None,
            verdict=decision.verdict,
            risk_score=decision.risk_score,
            codes=f" {' '.join([issue.code for issue in decision.issues])} ",
            policy=pack.id,
            task_hash=decision.task_hash,
            record=self._record(job, prepared, pack, shadow, state, now, whole),
        )
        if run is not None:
            self._note(job, prepared, pack, key, run, decision, moment)
        if token is not None and decision.decision != "ERROR":
            stored = Stored(
                body=token.bodies[0],
                request_id=request_id,
                verdict=decision.verdict,
                answer=whole,
                basis=self._basis(pack, key),
                valid_until=decision.valid_until or 0,
                reported=False,
            )
            self._bind(key, token, stored, moment)
        self._decisions.append(row)
        return request_id, body

    def _enforcement(self, pack: Pack, key: Key, stopped: str) -> Enforcement:
        """Whether the runtime may go on all the same. A pack that never only watches may be pinned for one request."""
        return "enforce" if stopped or not pack.observe else key.enforcement

    def _record(
        self, job: CheckJob, prepared: Prepared, pack: Pack, shadow: Pack | None, state: State, now: float, whole: bytes
    ) -> bytes:
        known = self._known
        return encode_record(
            Record(
                RECORD_VERSION,
                prepared.stored,
                state,
                now,
                pack.id,
                pack.digest,
                known.engine_version,
                pack.knowledge.version,
                msgspec.Raw(whole),
                mask_text(job.asked.sent_request_id, known.fingerprint),
                job.asked.body.raw,
                prepared.exact,
                None if shadow is None else self._would_be(job, shadow, state, now),
            )
        )

    def _would_be(self, job: CheckJob, shadow: Pack, state: State, now: float) -> Shadow:
        """What a candidate would have said. It decides nothing: whatever goes wrong in it stays in the record."""
        try:
            prepared, action, _ = job.read(shadow, self._known.fingerprint)
            decision = decide(
                prepared.request, pack=shadow, state=state, now=now, reading=prepared.reading, action=action
            )
        except Exception as error:
            return Shadow(shadow.id, shadow.digest, error=type(error).__name__)
        codes = tuple(issue.code for issue in decision.issues)
        return Shadow(shadow.id, shadow.digest, decision.verdict, decision.risk_score, codes)

    def _key(self, job: CheckJob, now: float) -> Key:
        """The key as it is now. Raises KeyRefused or PlanRefused."""
        key = self._known.keys.get(job.asked.key.id)
        status = "revoked" if key is None else key.status_at(now)
        if key is None or status != "active":
            raise KeyRefused(status)
        if job.asked.body.request.pro and not key.plan.pro:
            raise PlanRefused(key.plan_name)
        return key

    def _stopped(self, key: Key, prepared: Prepared) -> str:
        stopped = self._known.stopped.get(key.account)
        if stopped is None:
            return ""
        context = prepared.reading.context
        names = [*context.all_of("agent_name"), *context.all_of("agent_id")]
        return stopped.what(key, names, shipped_knowledge().lexicon)

    # -- limits

    def _shares(self, key: Key) -> list[Share]:
        """Who a check of this key counts for. A key and the one that it replaces share a count, not their limits."""
        found = []
        for holder, limits in key.holders:
            at = key.account, holder
            counter = self.counters.get(at)
            if counter is None:
                counter = self.counters[at] = UsageCounter(
                    key.account, holder, self._windows, self._found.usage.get(at)
                )
            found.append((counter, limits))
        return found

    def _admit(self, key: Key) -> list[Share]:
        shares = self._shares(key)
        try:
            admit(shares, self._counted_at)
        except LimitReached as reached:
            self.exhausted[key.id] = (self._counted_at + reached.wait, reached)
            raise
        return shares

    def _answered(self, request_id: str, body: bytes, shares: list[Share]) -> Answered:
        """An answer with what is left of the minute: of the holder that has least."""
        counter, limits = min(shares, key=lambda share: share[1].minute - share[0].minute_used)
        limit = min(limits.minute, UNLIMITED)
        remaining = limit if limit == UNLIMITED else max(0, limit - counter.minute_used)
        return Answered(request_id, body, limit, remaining, math.ceil((counter.minute + 1) * 60 - self._counted_at))

    # -- runs

    def _run(self, job: CheckJob, key: Key, moment: int) -> tuple[Run | None, RunState | None]:
        """The run that a check belongs to, and what was counted of it; None where it names none."""
        if not job.run:
            return None, None
        at = key.account, job.run
        run = self._runs.get(at)
        if run is None:
            row = self._found.runs.get(at)
            run = self._runs[at] = Run(key.account, job.run, moment) if row is None else Run.of(row)
        # Cases are run over and over with a key in test mode, each time as a new run.
        counted = not run.allows and not key.caller.test_mode
        begun = self._begun(job, key, run, moment).begun if counted else 0
        return run, run.state(moment, begun)

    def _begun(self, job: CheckJob, key: Key, run: Run, moment: int) -> Start:
        """The runs that the key has begun with this action within the hour, this one included. A run that has been
        allowed nothing yet is asked about with every check: it is still at its beginning."""
        action: Triple = key.account, key.id, short(job.action)
        start = self._starts.get(action)
        if start is None:
            row = self._found.starts.get(action)
            start = Start(*action, moment, 0, None, None) if row is None else Start(*row, row.since, row.begun)
        if not moment - START_WINDOW < start.since <= moment:  # over, or of a clock that had jumped ahead
            start = start._replace(since=moment, begun=0)
        return start if run.last_action else start._replace(begun=start.begun + 1)

    def _note(
        self, job: CheckJob, prepared: Prepared, pack: Pack, key: Key, run: Run, decision: Decision, moment: int
    ) -> None:
        if not run.last_action:
            row = self._begun(job, key, run, moment)
            self._starts[row[:3]] = row
        current = prepared.reading.context.values.get("current_tool") if prepared.exact else None
        tool = tool_of(current, prepared.stored.tools)
        new: Sequence[Written] = ()
        if pack.workspace is not None and decision.verdict == "ALLOW":
            new = pack.knowledge.files_written(prepared.reading)
        run.note(job.action, tool, decision.verdict, moment, waits=waits_for_approval(decision, pack), new=new)

    # -- answers given before

    def _basis(self, pack: Pack, key: Key) -> Basis:
        return Basis(pack.id, pack.digest, pack.knowledge.version, self._known.engine_version, key.caller)

    def _before(self, key: Key, token: Token, moment: int) -> Stored | None:
        at: Triple = key.account, key.id, token.token
        row = self._found.tokens.get(at)
        bound = self._answers.get(at) or row
        if bound is None or (bound is row and row.created_at <= moment - LIFETIME):
            return None
        if bound.body not in token.bodies:
            raise IdempotencyConflict(
                "this Idempotency-Key was used with another body; use a new one for another request"
            )
        if isinstance(bound, Stored):
            return bound
        return None if bound.record is None else _stored(bound)

    def _bind(self, key: Key, token: Token, stored: Stored, moment: int) -> None:
        """Bind a token to an answer, instead of the one that it was bound to."""
        at: Triple = key.account, key.id, token.token
        before = self._found.tokens.get(at)
        if before is not None:
            self._outdated[at] = (*at, before.request_id)
        self._answers[at] = stored
        self._tokens[at] = NewToken(*at, body=stored.body, request_id=stored.request_id, created_at=moment)


def _stored(row: TokenRow) -> Stored:
    assert row.record is not None  # noqa: S101 -- `Batch._before` has looked
    record = decode_record(row.record)
    answer = bytes(record.answer)
    # Earlier versions did not say when an ALLOW ends: it is not given again.
    ends = _stored_meta.decode(answer).meta.valid_until or 0
    basis = Basis(record.pack, record.digest, record.lexicon, record.engine, record.state.caller)
    return Stored(row.body, row.request_id, row.verdict or "", answer, basis, ends, row.reported > 0)


class _Meta(msgspec.Struct, frozen=True):
    valid_until: int | None = None


class _Answer(msgspec.Struct, frozen=True):
    meta: _Meta


_stored_meta: Final = msgspec.json.Decoder(_Answer)

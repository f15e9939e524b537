"""Whatever happens in whatever order: quotas, rates, runs and answers given again agree with a plain model of them.

Time is moved by the test: over minutes, midnight UTC, the leap day, the ends of months and years."""

from __future__ import annotations

import itertools
from datetime import UTC, datetime
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any, Final

import pytest
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, initialize, invariant, precondition, rule

from stage0.core.pack import VALID_FOR
from stage0.ledger import IdempotencyConflict, IdempotencySpent, LimitReached
from stage0.ledger.accounts import change_limits
from stage0.ledger.keyring import Keyring
from stage0.ledger.keys import Key, change_key, create_key, get_key, set_group
from stage0.ledger.runs import get_run
from stage0.ledger.usage import Limits
from tests.asserting import if_any
from tests.catalogue import CATALOGUE
from tests.ledger.opening import ROOT, Clock, Running, add_key, migrated, recorded
from tests.soaking import sequences

LIMITS: Final = Limits(month=25, day=12, minute=5)
GROUP: Final = Limits(month=30, day=15, minute=7)
STARTS: Final = (
    "2026-03-16T10:00:30+00:00",
    "2028-02-28T23:59:30+00:00",
    "2028-02-29T23:58:00+00:00",
    "2026-12-31T23:59:50+00:00",
    "2026-04-30T23:59:59.9+00:00",
)
STEPS: Final = (0.4, 1, 29, 60, 3_600, 43_200, 86_400, 10 * 86_400)
TOKENS: Final = ("", "", "t1", "t2", "t3")
RUNS: Final = ("", "r1", "r2")


class Ledgers(RuleBasedStateMachine):
    """Three keys: one of its own, two in a group. The model counts as the documents say."""

    @initialize(start=st.sampled_from(STARTS))
    def open(self, start: str) -> None:
        self.folder = TemporaryDirectory()
        self.store = migrated(Path(self.folder.name) / "stateful.db")
        self.clock = Clock(start)
        first, _ = add_key(self.store)
        with self.store.writer.begin() as connection:
            change_limits(connection, account=first.account, limits=LIMITS, actor="t", now=0)
            set_group(connection, account=first.account, name="g", limits=GROUP, actor="t", now=0)
            ids = [first.id]
            for _ in range(2):
                made, _ = create_key(
                    connection, CATALOGUE, Keyring([ROOT]), account=first.account, actor="t", now=0, group="g"
                )
                ids.append(made.id)
            change_key(connection, CATALOGUE, ids[1], limits=Limits(day=4), actor="t", now=0)
            self.keys: list[Key] = [get_key(connection, CATALOGUE, each) for each in ids]
        self.running = Running(self.store, self.clock)
        self.running.__enter__()
        self.counts: dict[tuple[str, str, str], int] = {}
        self.tokens: dict[tuple[str, str], tuple[dict[str, Any], str, float]] = {}
        self.reported: set[str] = set()
        self.verdicts: dict[str, str] = {}
        self.answered: dict[str, Key] = {}
        self.runs: dict[str, dict[str, int]] = {}
        self.numbers = itertools.count()

    def teardown(self) -> None:
        if hasattr(self, "running"):
            self.running.__exit__()
            self.store.close()
            self.folder.cleanup()

    # -- the model

    def _windows(self) -> tuple[tuple[str, str], ...]:
        at = datetime.fromtimestamp(self.clock.now, UTC)
        return (("month", f"{at:%Y-%m}"), ("day", f"{at:%Y-%m-%d}"), ("minute", f"{at:%Y-%m-%dT%H:%M}"))

    def _used(self, holder: str) -> list[int]:
        return [self.counts.get((holder, *window), 0) for window in self._windows()]

    def _holders(self, key: Key) -> list[tuple[str, Limits]]:
        if not key.group:
            return [(key.id, LIMITS)]
        own = Limits(day=4) if key.id == self.keys[1].id else Limits()
        return [(key.id, own), ("group", GROUP)]

    def _spent(self, key: Key) -> str:
        for holder, limits in self._holders(key):
            for name, used in zip(("month", "day", "minute"), self._used(holder), strict=True):
                if used >= getattr(limits, name):
                    return name
        return ""

    def _count(self, key: Key) -> None:
        for holder, _ in self._holders(key):
            for window in self._windows():
                at = (holder, *window)
                self.counts[at] = self.counts.get(at, 0) + 1

    # -- what happens

    @rule(which=st.integers(0, 2), token=st.sampled_from(TOKENS), run=st.sampled_from(RUNS), deny=st.booleans())
    def check(self, which: int, token: str, run: str, deny: bool) -> None:
        key = self.keys[which]
        body: dict[str, Any] = {"goal": "List the open tickets", "tools": ["search_tickets"]}
        if not token:
            body["goal"] = f"List the tickets of user {next(self.numbers)}"
        if deny:
            body = {"goal": "Delete all users", "tools": ["delete_users"]}
        if run:
            body["context"] = {"run_id": run}
        expected = self._expected(key, token, body)
        answer = self._try(key, token, body)
        if isinstance(answer, str):
            assert expected == answer
            return
        assert answer["cached"] is (expected == "cached")
        if answer["cached"]:
            assert answer["request_id"] == self.tokens[key.id, token][1]
            return
        assert expected == "passes"
        self._count(key)
        self.answered[answer["request_id"]] = key
        if token:
            self.tokens[key.id, token] = (body, answer["request_id"], self.clock.now)
        if run:
            verdicts = self.runs.setdefault(run, {"ALLOW": 0, "DENY": 0, "DEFER": 0})
            verdicts[answer["verdict"]] += 1
        self.verdicts[answer["request_id"]] = answer["verdict"]

    def _try(self, key: Key, token: str, body: dict[str, Any]) -> dict[str, Any] | str:
        """The answer, or why there is none."""
        try:
            return self.running.check(key, token=token, **body)
        except LimitReached as reached:
            return reached.window
        except (IdempotencyConflict, IdempotencySpent) as refused:
            return type(refused).__name__

    def _expected(self, key: Key, token: str, body: dict[str, Any]) -> str:
        known = self.tokens.get((key.id, token)) if token else None
        if known is not None and self.clock.now - known[2] < 86_400:
            if known[0] != body:
                return "IdempotencyConflict"
            allowed = self.verdicts[known[1]] == "ALLOW"
            if allowed and known[1] in self.reported:
                return "IdempotencySpent"
            if not allowed or self.clock.now < int(known[2]) + VALID_FOR:
                return "cached"
        return self._spent(key) or "passes"

    @rule(seconds=st.sampled_from(STEPS))
    def move(self, seconds: float) -> None:
        self.clock.move(seconds)

    @precondition(lambda self: bool(self.answered))
    @rule(data=st.data())
    def report(self, data: st.DataObject) -> None:
        request_id = data.draw(st.sampled_from(sorted(self.answered)))
        self.running.report(self.answered[request_id], request_id, "executed", cost_usd=0.25)
        self.reported.add(request_id)

    # -- what always holds

    @invariant()
    def used_is_what_was_answered(self) -> None:
        for key in if_any(self.keys):
            expected = [tuple(self._used(holder)) for holder, _ in self._holders(key)]
            assert self.running.used(key) == expected

    @invariant()
    def every_answer_has_its_record_and_there_is_no_other(self) -> None:
        assert recorded(self.store) == set(self.answered)

    @invariant()
    def runs_count_their_verdicts(self) -> None:
        with self.store.reader.connect() as connection:
            for run, verdicts in if_any(self.runs.items()):
                found = get_run(connection, self.keys[0].account, run, now=self.clock.now)
                assert found["verdicts"] == verdicts


TestLedgers = pytest.mark.stateful(Ledgers.TestCase)
TestLedgers.settings = sequences(40, stateful_step_count=40)

"""What is not ready to be decided is made ready outside of any transaction, and keeps nobody waiting."""

from __future__ import annotations

import asyncio
import json
import threading
import time
from collections.abc import Iterable
from typing import Any, Final

import pytest

from stage0.engine.job import Answered, Asked, Body, CheckJob, prepare_with
from stage0.ledger.keys import Key
from stage0.ledger.packs import PackCache, activate, push_pack, set_shadow
from stage0.ledger.records import get_record
from stage0.ledger.store import Store
from tests.catalogue import CATALOGUE
from tests.deciding import request_of
from tests.ledger.opening import Running, add_key, check, recorded
from tests.packs import pack

GOAL: Final = "List the closed tickets"
FIRST: Final = pack(version="1", more="tools: {crm_list: {effects: [read]}}\n")
SECOND: Final = pack(version="2", more="tools: {crm_find: {effects: [read]}}\n")


def _push(store: Store, key: Key) -> None:
    with store.writer.begin() as connection:
        for each in (FIRST, SECOND):
            push_pack(connection, CATALOGUE, key.account, each, actor="t", now=time.time())


class SlowPackCache:
    """Lets no pack be loaded until it is told to."""

    def __init__(self, monkeypatch: pytest.MonkeyPatch) -> None:
        self.asked = threading.Event()
        self.go = threading.Event()
        load = PackCache.load

        def slowly(pack_cache: PackCache, connection: Any, wanted: Iterable[Any]) -> None:
            self.asked.set()
            assert self.go.wait(30)
            load(pack_cache, connection, wanted)

        monkeypatch.setattr(PackCache, "load", slowly)


def test_a_pack_that_has_to_be_loaded_keeps_no_other_check_waiting(
    store: Store, key: Key, monkeypatch: pytest.MonkeyPatch
) -> None:
    pinning, _ = add_key(store, scopes=("check", "policy:pin"))
    _push(store, pinning)
    with Running(store) as running:
        pack_cache = SlowPackCache(monkeypatch)

        async def run() -> tuple[Answered, Answered, bool]:
            pinned = check(running.engine, pinning, goal=GOAL, policy_pack_version="acme@1")
            await asyncio.to_thread(pack_cache.asked.wait, 30)
            others = [await check(running.engine, key, goal=GOAL) for _ in range(5)]
            waited = pinned.done()
            pack_cache.go.set()
            return others[-1], await pinned, waited

        other, answered, waited = running.run(run())
        assert not waited
        assert json.loads(other.body)["verdict"] == "ALLOW"
        assert json.loads(answered.body)["policy_version"] == "acme@1"
        assert len(recorded(store)) == 6


def test_a_check_that_is_read_beside_is_read_with_the_words_of_every_pack_before_its_turn(
    store: Store, key: Key, monkeypatch: pytest.MonkeyPatch
) -> None:
    _push(store, key)
    with store.writer.begin() as connection:
        activate(connection, CATALOGUE, key.account, "acme@1", actor="t", now=time.time())
        set_shadow(connection, CATALOGUE, key.account, "acme@2", actor="t", now=time.time())
    read_here: list[Any] = []
    monkeypatch.setattr("stage0.engine.job.prepare_check", lambda *given: read_here.append(given))
    with Running(store) as running:

        async def run() -> Answered:
            engine = running.engine
            job = CheckJob(Asked(key, Body(request_of(goal=GOAL), secrets=False), beside=True, large=True))
            given = job.asked.body, key.account, (), engine.keyring.fingerprint
            first, _, _ = await engine.worker.run(prepare_with, *given)
            assert first is not None
            job.keep(engine.pack_of(key), first)
            return await engine.check(job)

        answered = json.loads(running.run(run()).body)
        assert answered["policy_version"] == "acme@1"
        assert read_here == []
        with store.reader.connect() as connection:
            assert get_record(connection, key.account, answered["request_id"])["shadow"]["pack"] == "acme@2"


def test_closing_answers_what_is_being_made_ready(store: Store, monkeypatch: pytest.MonkeyPatch) -> None:
    pinning, _ = add_key(store, scopes=("check", "policy:pin"))
    _push(store, pinning)
    with Running(store) as running:
        pack_cache = SlowPackCache(monkeypatch)

        async def run() -> Any:
            pinned = check(running.engine, pinning, goal=GOAL, policy_pack_version="acme@1")
            await asyncio.to_thread(pack_cache.asked.wait, 30)
            closing = asyncio.create_task(running.engine.close())
            await asyncio.sleep(0.05)
            pack_cache.go.set()
            await closing
            return await asyncio.wait_for(asyncio.gather(pinned, return_exceptions=True), 10)

        [told] = running.run(run())
        assert isinstance(told, (Answered, Exception))


LARGE_TOKENS: Final = 3


def test_a_token_that_comes_with_another_body_has_no_record_read_for_it(
    store: Store, key: Key, monkeypatch: pytest.MonkeyPatch
) -> None:
    with Running(store) as running:
        for number in range(LARGE_TOKENS):
            running.check(key, token=f"t{number}", goal=GOAL, context={"note": "x" * 100_000})
        seen: list[int] = []
        begin = running.engine.store.begin

        async def noting(now: float) -> Any:
            transaction = await begin(now)
            read = transaction.read

            async def measured(needs: Any, *, lock: bool) -> Any:
                found = await read(needs, lock=lock)
                seen.extend(len(row.record or b"") for row in found.tokens.values())
                return found

            monkeypatch.setattr(transaction, "read", measured)
            return transaction

        monkeypatch.setattr(running.engine.store, "begin", noting)
        for number in range(LARGE_TOKENS):
            with pytest.raises(Exception, match="another body"):
                running.check(key, token=f"t{number}", goal="List the open tickets")
        assert seen
        assert set(seen) == {0}

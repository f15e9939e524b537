"""Records decided again: under a candidate they show what would flip, under their own pack they prove themselves."""

from __future__ import annotations

import json
import subprocess
import sys
import time
from typing import Any

import msgspec
import pytest
from sqlalchemy import func, select

from stage0.ledger.efficacy import efficacy
from stage0.ledger.export import Wanted
from stage0.ledger.keys import Key
from stage0.ledger.replay import MASKED, Preview, Proof, preview, verify
from stage0.ledger.replay_process import Replayed, ReplayJob, ReplayRefused
from stage0.ledger.schema import decisions
from stage0.ledger.store import Store
from stage0.policy import shipped_packs
from stage0.policy.load import pack_of_content
from tests.catalogue import CATALOGUE
from tests.ledger.opening import Running, add_key
from tests.ledger.test_packs import push, turn_on
from tests.packs import pack, stops

READ: dict[str, Any] = {"goal": "List the open tickets", "tools": ["tickets.list"]}
#: The goal's secret is read as an action, so that its placeholder would decide otherwise.
SECRET: dict[str, Any] = {"goal": "Deploy with password=deleteAllUsersNow1", "tools": ["shell"]}


@pytest.fixture
def key(store: Store) -> Key:
    """A key of an account with a history."""
    made, _ = add_key(store)
    with Running(store) as running:
        for number in range(3):
            running.check(made, **READ, context={"run_id": f"r{number}", "tool_arguments": {"n": 2**70 + number}})
        running.check(made, goal="Pay the invoice", tools=["payments.create"], constraints=["approval required"])
        running.check(made, goal="Delete all users", tools=["db.users.delete"])
    return made


def everything(key: Key) -> Wanted:
    return Wanted(key.account, 0.0, time.time() + 60)


def previewed(store: Store, key: Key, candidate: Any, **more: Any) -> Preview:
    return preview(store.reader, everything(key), candidate, tick=lambda seen: None, **more)


def proven(store: Store, key: Key, engine: str = "test") -> Proof:
    return verify(store.reader, CATALOGUE, everything(key), engine, tick=lambda seen: None)


def test_a_candidate_shows_what_would_flip_by_code_and_tool(store: Store, key: Key) -> None:
    candidate = pack_of_content(pack(more=stops("NO_TICKETS", READ["goal"], "medium")).content.encode())
    found = previewed(store, key, candidate).plain()
    assert (found["records"], found["replayed"]) == (5, 5)
    assert found["flips"] == [{"before": "ALLOW", "after": "DEFER", "count": 3}]
    assert found["by_code"] == [{"before": "ALLOW", "after": "DEFER", "code": "NO_TICKETS", "count": 3}]
    assert found["by_tool"] == [{"before": "ALLOW", "after": "DEFER", "tool": "tickets.list", "count": 3}]


def test_the_pack_that_decided_flips_nothing(store: Store, key: Key) -> None:
    assert previewed(store, key, shipped_packs()["stage0-default"]).plain()["flips"] == []


def test_no_more_records_are_read_than_asked_for(store: Store, key: Key) -> None:
    assert previewed(store, key, shipped_packs()["stage0-default"], at_most=2).replayed == 2


def test_a_process_of_its_own_previews_as_this_one_and_says_why_it_does_not(store: Store, key: Key) -> None:
    url = store.where() if store.shared else f"sqlite:///{store.where()}"
    default = shipped_packs()["stage0-default"]
    job = ReplayJob(url, key.account, default.id, 0.0, 3)
    here = previewed(store, key, default, at_most=3).plain()
    assert here["records"] == 3
    assert _apart(job) == Replayed(json.loads(json.dumps(here)))
    refused = _apart(msgspec.structs.replace(job, pack="acme@1"))
    assert refused == ReplayRefused("there is no pack `acme@1` in this account")


def _apart(job: ReplayJob) -> Replayed | ReplayRefused:
    command = [sys.executable, "-m", "stage0.ledger.replay_process"]
    ran = subprocess.run(command, input=msgspec.json.encode(job), capture_output=True, check=True)
    return msgspec.json.decode(ran.stdout, type=Replayed | ReplayRefused)


def test_what_cannot_be_decided_again_is_counted_with_its_reason(store: Store, key: Key) -> None:
    with store.writer.begin() as connection:
        connection.execute(
            decisions.update()
            .where(decisions.c.verdict == "DENY")
            .values(record=_inexact(connection.execute(decisions.select().where(decisions.c.verdict == "DENY")).one()))
        )
    found = previewed(store, key, shipped_packs()["stage0-default"])
    assert (found.replayed, dict(found.skipped)) == (4, {MASKED: 1})


def _inexact(row: Any) -> bytes:
    record: bytes = row.record
    assert record.endswith(b"}")
    return record[:-1] + b',"exact":false}'


def test_every_record_proves_itself_byte_for_byte_also_under_a_pack_of_ones_own(store: Store, key: Key) -> None:
    push(store, key, pack(more=stops("NOT_NOW", "x")))
    turn_on(store, key, "acme@1")
    with Running(store) as running:
        running.check(key, **READ)
    proof = proven(store, key)
    assert (proof.records, proof.verified, proof.different, dict(proof.skipped)) == (6, 6, 0, {})


@pytest.mark.parametrize(
    "change",
    [
        {"verdict": "ALLOW"},
        {"risk_score": 1},
        {"codes": "  "},
        {"task_hash": "v1:0"},
    ],
)
def test_a_record_that_was_changed_afterwards_is_found(change: dict[str, Any], store: Store, key: Key) -> None:
    with store.writer.begin() as connection:
        connection.execute(decisions.update().where(decisions.c.verdict == "DENY").values(**change))
    assert proven(store, key).different == 1


def test_an_answer_that_was_changed_inside_of_its_record_is_found_with_its_field(store: Store, key: Key) -> None:
    with store.writer.begin() as connection:
        row = connection.execute(decisions.select().where(decisions.c.verdict == "DENY")).one()
        changed = row.record.replace(b'"decision":"NO_GO"', b'"decision":"GO"')
        assert changed != row.record
        connection.execute(decisions.update().where(decisions.c.id == row.id).values(record=changed))
    proof = proven(store, key)
    assert [(each.request_id, each.fields) for each in proof.differences] == [(row.id, ("decision",))]


def test_what_another_version_decided_is_counted_and_not_judged(store: Store, key: Key) -> None:
    proof = proven(store, key, engine="later")
    assert (proof.verified, proof.different) == (0, 0)
    assert dict(proof.skipped) == {"it was decided by version test": 5}


def test_efficacy_tells_which_rules_fired_were_overridden_or_never_did(store: Store, key: Key) -> None:
    pay: dict[str, Any] = {"goal": "Pay the bill", "tools": ["payments.create"], "constraints": ["approval required"]}
    yes = {"approval_status": "approved", "approved_by": "kim@example.com"}
    with Running(store) as running:
        assert running.check(key, **pay)["verdict"] == "DEFER"
        moment = time.strftime("%Y-%m-%dT%H:%M:%SZ", time.gmtime())
        allowed = running.check(key, **pay, context={**yes, "approved_at": moment})
        assert allowed["verdict"] == "ALLOW", allowed["issues"]
    own = pack_of_content(pack(more=stops("NEVER_SEEN", "x")).content.encode())
    found = efficacy(store.reader, everything(key), own, tick=lambda seen: None).plain()
    rules = {rule["code"]: rule for rule in found["rules"]}
    assert rules["APPROVAL_REQUIRED"]["fired"] == 2
    assert rules["APPROVAL_REQUIRED"]["overridden"] == 1
    assert rules["SIDE_EFFECTS_NEED_GUARDRAILS"]["overridden"] == 0
    assert "NEVER_SEEN" in found["never_fired"]
    assert {"tool": "tickets.list", "seen": 3} in found["unregistered_tools"]


def test_records_of_another_account_are_never_read(store: Store, key: Key) -> None:
    other, _ = add_key(store)
    with store.reader.connect() as connection:
        assert connection.execute(select(func.count()).select_from(decisions)).scalar_one() == 5
    assert previewed(store, other, shipped_packs()["stage0-default"]).records == 0

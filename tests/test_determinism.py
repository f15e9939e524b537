"""The same request, policy, state and clock give the same answer, byte for byte: anywhere, at any time, and again."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from pathlib import Path
from random import Random
from typing import Any, Final

import msgspec
import pytest

from stage0.core.decide import decide
from stage0.policy import load, shipped_packs
from stage0.reading.request import ActionRequest, State
from stage0.wire import answer, encode
from tests.answering import FURTHER, REQUESTS, answers
from tests.asserting import nonempty
from tests.running import STAGE0, Server

ROOT: Final = Path(__file__).parent.parent
ENVIRONMENTS: Final = (
    {"PYTHONHASHSEED": "0", "TZ": "UTC", "LC_ALL": "C"},
    {"PYTHONHASHSEED": "1", "TZ": "Asia/Tokyo", "LC_ALL": "C.UTF-8", "PYTHONOPTIMIZE": "1"},
    {"PYTHONHASHSEED": "4242", "TZ": "America/Los_Angeles", "LC_ALL": "ja_JP.UTF-8", "PYTHONUTF8": "0"},
)


def _environment(changed: dict[str, str]) -> dict[str, str]:
    return {**{name: value for name, value in os.environ.items() if not name.startswith("STAGE0_")}, **changed}


@pytest.mark.parametrize("changed", ENVIRONMENTS, ids=lambda changed: changed["TZ"])
def test_a_process_elsewhere_gives_the_same_bytes(changed: dict[str, str]) -> None:
    ran = subprocess.run(
        [sys.executable, "-m", "tests.answering"],
        cwd=ROOT,
        env=_environment(changed),
        capture_output=True,
        check=True,
    )
    there = dict(line.split(b"\t", 1) for line in ran.stdout.splitlines())
    here = {name.encode(): encoded for name, encoded in answers().items()}
    assert there.keys() == here.keys()
    assert [name for name in nonempty(here) if there[name] != here[name]] == []


def test_the_command_line_gives_the_same_answer_elsewhere_but_for_id_and_time() -> None:
    body = json.dumps(FURTHER[0]).encode()
    shown = []
    for changed in (ENVIRONMENTS[0], ENVIRONMENTS[2]):
        ran = subprocess.run(
            [STAGE0, "check", "-", "--local"], env=_environment(changed), input=body, capture_output=True, check=False
        )
        assert ran.returncode == 20, ran.stderr.decode()
        shown.append(json.loads(ran.stdout))
    for each in shown:
        for name in ("request_id", "timestamp", "evaluated_at"):
            del each[name]
    assert shown[0] == shown[1]


@pytest.mark.parametrize("seed", range(3))
def test_what_was_decided_before_does_not_matter(seed: int) -> None:
    first = answers()
    assert answers(Random(seed).sample([*REQUESTS, *REQUESTS], 2 * len(REQUESTS))) == first


def test_freshly_loaded_packs_give_the_same_bytes_as_used_ones(monkeypatch: pytest.MonkeyPatch) -> None:
    used = answers()
    fresh = load.shipped_packs.__wrapped__()
    assert {pack.digest for pack in fresh.values()} == {pack.digest for pack in shipped_packs().values()}
    monkeypatch.setattr("tests.answering.shipped_packs", lambda: fresh)
    assert answers(REQUESTS[::-1]) == used


# -- records

#: Depend on the id alone, or on the plan.
NOT_DECIDED: Final = frozenset({"request_id", "cached"})


def _decided_again(record: dict[str, Any]) -> dict[str, Any]:
    """The answer that a stored record gives when it is decided again."""
    replay = record["replay"]
    state = msgspec.convert(replay["state"], State)
    pack = next(pack for pack in shipped_packs().values() if pack.id == replay["policy_version"])
    assert pack.digest == replay["policy_digest"]
    assert pack.knowledge.version == replay["lexicon"]
    request = msgspec.convert(record["request"], ActionRequest)
    decision = decide(request, pack=pack, state=state, now=replay["now"])
    again: dict[str, Any] = json.loads(encode(answer(decision, "", test_mode=state.caller.test_mode)))
    return again


def _alike(record: dict[str, Any]) -> bool:
    """Whether a record decides the same again, in every field that its plan shows."""
    stored, again = record["answer"], _decided_again(record)
    assert set(nonempty(stored)) <= again.keys()
    return all(stored[name] == again[name] for name in stored.keys() - NOT_DECIDED)


def _sent(server: Server, key: str) -> list[str]:
    bodies = [body for _, body in REQUESTS]
    steps = [{"goal": "Create a new ticket", "context": {"run_id": f"replay-{key[-4:]}"}}] * 4
    sent = [server.post("/check", body, key=key) for body in [*bodies, *(json.dumps(step).encode() for step in steps)]]
    assert {each.status for each in sent} == {200}
    return [each.body["request_id"] for each in sent]


@pytest.mark.parametrize("options", [(), ("--test",), ("--pack", "stage0-strict", "--role", "sre")], ids=str)
def test_a_record_decides_the_same_again(server: Server, options: tuple[str, ...]) -> None:
    key = server.new_key(*options)
    for request_id in nonempty(_sent(server, key)):
        record = server.get(f"/checks/{request_id}", key=key).body
        assert record["replay"]["exact"], request_id
        assert record["answer"]["request_id"] == request_id
        assert _alike(record), request_id


def test_every_record_that_the_other_tests_left_decides_the_same_again(server: Server) -> None:
    key = server.new_key("--scope", "read")
    listed = server.get("/checks?limit=200", key=key).body["checks"]
    records = [server.get(f"/checks/{each['request_id']}", key=key).body for each in listed]
    exact = [record for record in records if record["replay"]["exact"]]
    assert [record["request_id"] for record in nonempty(exact) if not _alike(record)] == []


def test_every_record_of_the_server_proves_itself_byte_for_byte(server: Server) -> None:
    proof = server.cli("replay", "--verify", "--json")
    proofs = json.loads(proof.stdout)
    assert {name: found["differences"] for name, found in nonempty(proofs.items()) if found["different"]} == {}
    assert sum(found["verified"] for found in proofs.values()) > 0

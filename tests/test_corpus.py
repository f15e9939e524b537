"""One corpus of cases, many surfaces: the function, HTTP and the command line give the same answers."""

from __future__ import annotations

import json
from datetime import datetime
from pathlib import Path
from typing import Any, Final

import msgspec
import pytest

from stage0.cli.cases import prepared, read_cases, wrong
from stage0.core.pack import Pack
from stage0.core.verdict import Decision
from stage0.policy.suite import Case
from tests.deciding import NOW, decided
from tests.running import Server

CORPUS: Final = Path(__file__).parent / "corpus"
CASES: Final = [case for path in sorted(CORPUS.glob("*.json")) for case in read_cases(path)]
each_case = pytest.mark.parametrize("case", CASES, ids=[case.name for case in CASES])


def _plain(decision: Decision) -> dict[str, Any]:
    plain: dict[str, Any] = msgspec.to_builtins(decision)
    return plain


def test_the_corpus_holds_the_policy_case_library_and_the_samples() -> None:
    assert len(CASES) >= 45
    assert {case.expect.verdict for case in CASES} == {"ALLOW", "DENY", "DEFER"}


@each_case
def test_deciding_in_process_gives_the_known_answer(case: Case, default_pack: Pack) -> None:
    now = datetime.fromisoformat(case.clock).timestamp() if case.clock else NOW
    assert not wrong(case, _plain(decided(case.request, default_pack, now=now)))


@each_case
def test_the_server_gives_the_known_answer(case: Case, server: Server, test_key: str) -> None:
    answer = server.post("/check", prepared(case), key=test_key)
    assert answer.status == 200
    assert not wrong(case, answer.body)


@pytest.fixture(scope="session")
def test_key(server: Server) -> str:
    """A test-mode key, which may set the clock."""
    return server.new_key("--test")


def test_cases_run_over_a_server_finds_every_answer_as_expected(server: Server) -> None:
    files = [str(path) for path in sorted(CORPUS.glob("*.json"))]
    ran = server.cli("cases", "run", *files, "--url", server.url)
    assert ran.returncode == 0, ran.stdout.decode()
    assert f"{len(CASES)} of {len(CASES)} as expected" in ran.stdout.decode()


def test_cases_run_locally_finds_every_answer_as_expected(server: Server) -> None:
    files = [str(path) for path in sorted(CORPUS.glob("*.json"))]
    ran = server.cli("cases", "run", *files, "--local")
    assert ran.returncode == 0, ran.stdout.decode()


def test_cases_run_says_what_is_wrong_and_fails(server: Server, tmp_path: Path) -> None:
    wrong_case = {
        "name": "not_so",
        "request": {"goal": "Delete all users", "tools": ["delete_users"]},
        "expect": {"verdict": "ALLOW", "absent_codes": ["SIDE_EFFECTS_NEED_GUARDRAILS"]},
    }
    file = tmp_path / "wrong.json"
    file.write_text(json.dumps([wrong_case]))
    ran = server.cli("cases", "run", str(file), "--local")
    assert ran.returncode == 1
    assert "expected ALLOW" in " ".join(ran.stdout.decode().split())


EXITS: Final = {"ALLOW": 0, "DEFER": 10, "DENY": 20}


@pytest.mark.parametrize("name", ["safe_internal_analysis", "payout_summary_and_workflow", "langgraph_sample_delete"])
@pytest.mark.parametrize("where", ["local", "server"])
def test_stage0_check_prints_the_answer_and_exits_by_verdict(name: str, where: str, server: Server) -> None:
    case = next(case for case in CASES if case.name == name)
    options = ["--local"] if where == "local" else ["--url", server.url, "--key", "test-key-of-the-suite-0001"]
    ran = server.cli("check", "-", *options, stdin=json.dumps(case.request).encode())
    assert ran.returncode == EXITS[case.expect.verdict], ran.stderr.decode()
    assert not wrong(case, json.loads(ran.stdout))

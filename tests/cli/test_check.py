"""`stage0 check`, `stage0 cases run` and `stage0 catalog`: exit codes and output that scripts can rely on."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any, Final

import pytest

from stage0.policy import shipped_packs
from stage0.rules import RULES
from tests.asserting import nonempty
from tests.cli.inside import run
from tests.running import KEY, Server, free_port

READ: Final[dict[str, Any]] = {"goal": "List the open tickets", "tools": ["search_tickets"]}
DELETE: Final[dict[str, Any]] = {"goal": "Delete all users", "tools": ["delete_users"]}
VAGUE: Final[dict[str, Any]] = {"goal": "Help", "tools": ["search_tickets"]}


def _body(fields: object) -> bytes:
    return json.dumps(fields).encode()


# -- check


@pytest.mark.parametrize(("fields", "code"), [(READ, 0), (VAGUE, 10), (DELETE, 20)], ids=["allow", "defer", "deny"])
def test_the_exit_code_tells_the_verdict_and_the_answer_is_printed(
    fields: dict[str, Any], code: int, server: Server, tmp_path: Path
) -> None:
    file = tmp_path / "request.json"
    file.write_bytes(_body(fields))
    ran = server.cli("check", str(file), "--url", server.url, "--key", KEY)
    assert ran.returncode == code, ran.stderr.decode()
    answer = json.loads(ran.stdout)
    assert server.get(f"/checks/{answer['request_id']}", key=KEY).body["answer"] == answer


def test_server_and_key_of_a_check_come_from_the_environment(server: Server) -> None:
    there = Server(server.folder, environment={"STAGE0_BASE_URL": server.url, "STAGE0_API_KEY": KEY})
    assert run(there, "check", "-", stdin=_body(READ)).returncode == 0


NO_ANSWER: Final[dict[str, tuple[bytes, tuple[str, ...], str]]] = {
    "an unknown key": (_body(READ), ("--key", "nobody-has-this-key-0001"), "api_key_invalid"),
    "no key": (_body(READ), (), "STAGE0_API_KEY"),
    "a body that is refused": (b'{"tools": []}', ("--key", KEY), "goal"),
    "not JSON": (b"goal", ("--key", KEY), "not JSON"),
    "no server": (_body(READ), ("--key", KEY, "--url", f"http://127.0.0.1:{free_port()}"), "no answer from"),
    "no address": (_body(READ), ("--key", KEY, "--url", "http://[::1"), "address"),
    "locally, a body that is refused": (b'{"goal": "x", "goal": "y"}', ("--local",), "twice"),
    "locally, no such pack": (_body(READ), ("--local", "--pack", "mine"), "stage0-default"),
}


@pytest.mark.parametrize(("stdin", "options", "said"), NO_ANSWER.values(), ids=NO_ANSWER.keys())
def test_where_there_is_no_answer_the_exit_code_is_1_and_nothing_is_printed(
    stdin: bytes, options: tuple[str, ...], said: str, server: Server
) -> None:
    address = () if "--url" in options or "--local" in options else ("--url", server.url)
    ran = run(server, "check", "-", *options, *address, stdin=stdin)
    assert ran.returncode == 1
    assert ran.stdout == b""
    assert said in ran.stderr.decode()


def test_a_file_that_is_not_there_is_an_error_that_is_no_verdict(server: Server) -> None:
    ran = run(server, "check", "no-such-file.json", "--local")
    assert ran.returncode not in (0, 10, 20, 30)
    assert "no-such-file.json" in ran.stderr.decode()


def test_a_local_check_needs_neither_server_nor_key_nor_database(tmp_path: Path) -> None:
    absent = Server(tmp_path)
    ran = run(absent, "check", "-", "--local", "--pack", "stage0-strict", stdin=_body(READ))
    assert json.loads(ran.stdout)["policy_version"] == shipped_packs()["stage0-strict"].id
    assert list(tmp_path.iterdir()) == []


# -- cases


def _case(name: str, request: dict[str, Any], verdict: str, **expect: Any) -> dict[str, Any]:
    return {"name": name, "request": request, "expect": {"verdict": verdict, **expect}}


def test_a_run_shows_every_case_and_fails_where_one_is_not_as_expected(server: Server, tmp_path: Path) -> None:
    file = tmp_path / "cases.json"
    file.write_bytes(
        _body(
            [
                _case("as_expected", READ, "ALLOW"),
                _case("wrong_verdict", READ, "DENY"),
                _case("missing_code", DELETE, "DENY", issue_codes=["MFA_VERIFICATION_REQUIRED"]),
                _case("unexpected_code", DELETE, "DENY", absent_codes=["SIDE_EFFECTS_NEED_GUARDRAILS"]),
                _case("refused", {"goal": ""}, "ALLOW"),
            ]
        )
    )
    for options in (("--local",), ("--url", server.url, "--key", KEY)):
        ran = run(server, "cases", "run", str(file), *options)
        shown = " ".join(ran.stdout.decode().split())
        assert ran.returncode == 1
        assert "1 of 5 as expected" in shown
        assert "ok as_expected" in shown
        assert "verdict ALLOW, expected DENY" in shown
        assert "missing MFA_VERIFICATION_REQUIRED" in shown
        assert "unexpected SIDE_EFFECTS_NEED_GUARDRAILS" in shown
        assert "goal" in shown


def test_cases_are_read_from_yaml_and_their_clock_holds(server: Server, tmp_path: Path) -> None:
    file = tmp_path / "cases.yaml"
    deploy = (
        "{goal: Deploy version 2.3.0 to staging, tools: [shell], constraints: ['check_change_window: business_hours']}"
    )
    file.write_text(
        f"- name: on_sunday\n  request: {deploy}\n  clock: '2026-03-15T10:00:00Z'\n"
        "  expect: {verdict: DENY, issue_codes: [CHANGE_WINDOW_CLOSED]}\n"
        f"- name: on_monday\n  request: {deploy}\n  clock: '2026-03-16T10:00:00Z'\n"
        "  expect: {verdict: DENY, absent_codes: [CHANGE_WINDOW_CLOSED]}\n",
        encoding="utf-8",
    )
    test_key = run(server, "keys", "create", "--account", "dev", "--test").stdout.decode().strip()
    for options in (("--local",), ("--url", server.url, "--key", test_key)):
        shown = " ".join(run(server, "cases", "run", str(file), *options).stdout.decode().split())
        assert "missing CHANGE_WINDOW_CLOSED" not in shown, shown
        assert "unexpected CHANGE_WINDOW_CLOSED" not in shown, shown


def test_a_case_with_a_clock_and_a_live_key_says_what_is_needed(server: Server, tmp_path: Path) -> None:
    file = tmp_path / "cases.json"
    file.write_bytes(_body([{**_case("clocked", READ, "DENY"), "clock": "2026-03-15T10:00:00Z"}]))
    shown = run(server, "cases", "run", str(file), "--url", server.url, "--key", KEY).stdout.decode()
    assert "test-mode key" in " ".join(shown.split())


def test_the_key_that_a_run_makes_for_itself_is_revoked_afterwards(server: Server, tmp_path: Path) -> None:
    file = tmp_path / "cases.json"
    file.write_bytes(_body([_case("as_expected", READ, "ALLOW")]))
    assert run(server, "cases", "run", str(file), "--url", server.url).returncode == 0
    lines = run(server, "keys", "list").stdout.decode().splitlines()
    made = [line.split()[2] for line in lines if line.endswith("stage0 cases run")]
    assert made
    assert set(made) == {"revoked"}


@pytest.mark.parametrize("text", ["{", "{}", '[{"name": "x"}]', '[{"name": "x", "request": {}, "expect": {}}]'])
def test_a_file_that_holds_no_cases_is_a_clear_error(text: str, server: Server, tmp_path: Path) -> None:
    file = tmp_path / "cases.json"
    file.write_text(text, encoding="utf-8")
    ran = run(server, "cases", "run", str(file), "--local")
    assert ran.returncode == 1
    assert "cases.json" in ran.stderr.decode()


def test_a_yaml_file_that_does_not_parse_is_a_clear_error(server: Server, tmp_path: Path) -> None:
    file = tmp_path / "cases.yaml"
    file.write_text("- name: [x\n", encoding="utf-8")
    ran = server.cli("cases", "run", str(file), "--local")
    assert ran.returncode == 1
    assert "Traceback" not in ran.stderr.decode()
    assert "cases.yaml" in ran.stderr.decode()


# -- catalog


def test_the_catalog_lists_every_code_with_its_severity(server: Server) -> None:
    shown = run(server, "catalog").stdout.decode()
    listed = {line.split()[1]: line.split()[0] for line in shown.splitlines()}
    assert listed == {rule.code: rule.severity for rule in RULES}


def test_the_catalog_shows_one_code_whole_and_refuses_an_unknown_one(server: Server) -> None:
    shown = run(server, "catalog", "rollback_plan_required").stdout.decode()
    rule = next(rule for rule in RULES if rule.code == "ROLLBACK_PLAN_REQUIRED")
    for part in (rule.code, rule.message, rule.question, rule.remedy, "Why:", "Fix:"):
        assert part in shown
    unknown = run(server, "catalog", "NO_SUCH_CODE")
    assert unknown.returncode == 1
    assert "NO_SUCH_CODE" in unknown.stderr.decode()


def test_the_catalog_as_json_is_that_of_the_design(server: Server) -> None:
    shown = json.loads(run(server, "catalog", "--json").stdout)
    design = {entry["code"]: entry for entry in server.get("/stage0/design").body["issue_codes"]}
    assert all(design[entry["code"]].keys() == entry.keys() for entry in nonempty(shown))
    assert {entry["code"] for entry in nonempty(shown)} <= design.keys()

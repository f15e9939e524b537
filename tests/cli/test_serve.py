"""`stage0 dev`, `stage0 serve` and `stage0 migrate`: starting, and refusing to start."""

from __future__ import annotations

import json
import re
import subprocess
import sys
from pathlib import Path

import pytest

from stage0.server.settings import SETTINGS
from tests.asserting import nonempty
from tests.cli.inside import run
from tests.running import KEY, STAGE0, Server


def _line(server: Server, word: str) -> str:
    """The last line that begins with a word, without it."""
    return [line for line in server.log().splitlines() if line.startswith(word)][-1].removeprefix(word).strip()


def _run(line: str) -> dict[str, str]:
    """Run a printed command line in a shell."""
    done = subprocess.run(["bash", "-c", line], capture_output=True, check=True)
    answer: dict[str, str] = json.loads(done.stdout)
    return answer


# -- dev


def test_dev_prints_address_key_and_a_curl_line_that_works_and_keeps_account_and_key(tmp_path: Path) -> None:
    server = Server(tmp_path, environment={"STAGE0_DEV_KEY": ""})
    with server:
        assert _line(server, "Stage0 on").startswith(server.url)
        key = _line(server, "key")
        assert re.fullmatch(r"s0_live_[0-9A-Za-z]{38}", key)
        answer = _run(_line(server, "try"))
        assert answer["verdict"] == "DENY"
        record = server.get(f"/checks/{answer['request_id']}", key=key)
        assert record.status == 200
        assert "cost_estimate" in record.body["answer"]
        assert record.body["answer"]["meta"]["test_mode"] is False
    keys = run(server, "keys", "list").stdout
    accounts = run(server, "account", "list").stdout
    assert b"enterprise" in accounts
    with server:
        assert server.get(f"/checks/{answer['request_id']}", key=key).status == 200
        assert run(server, "keys", "list").stdout == keys
        assert run(server, "account", "list").stdout == accounts
        # The key is shown once: the second time the line takes it from the environment.
        assert server.log().count(key) == 2
        assert _run(f"export STAGE0_API_KEY={key}; {_line(server, 'try')}")["verdict"] == "DENY"


@pytest.mark.parametrize("key", ['it\'s a "chosen" key `x`', "$HOME-is-where-it-is-00"])
def test_the_curl_line_works_with_any_chosen_key(key: str, tmp_path: Path) -> None:
    with Server(tmp_path, environment={"STAGE0_DEV_KEY": key}) as server:
        assert server.check(goal="List the open tickets", tools=["search_tickets"], key=key).status == 200
        assert _run(_line(server, "try"))["verdict"] == "DENY"


@pytest.mark.parametrize("key", ["x" * 19, "ключ-длиной-в-двадцать-знаков"])
def test_a_chosen_key_that_cannot_be_one_is_a_clear_error(key: str, tmp_path: Path) -> None:
    ran = Server(tmp_path, environment={"STAGE0_DEV_KEY": key}).cli("dev", "--port", "0")
    assert ran.returncode == 1
    said = ran.stderr.decode()
    assert "STAGE0_DEV_KEY" in said
    assert "20" in said
    assert key not in said
    assert "Traceback" not in said


def test_a_chosen_key_that_was_revoked_is_a_clear_error_and_not_a_key_that_does_not_work(tmp_path: Path) -> None:
    server = Server(tmp_path)
    with server:
        key_id = run(server, "keys", "list").stdout.decode().split()[0]
        assert run(server, "keys", "revoke", key_id).returncode == 0
    try:
        with pytest.raises(AssertionError, match="did not start"):
            server.start()
    finally:
        server.stop()
    assert "revoked" in server.log()


def test_another_chosen_key_is_added_and_the_first_still_works(tmp_path: Path) -> None:
    with Server(tmp_path):
        pass
    with Server(tmp_path, environment={"STAGE0_DEV_KEY": "another-chosen-key-0002"}) as server:
        for key in (KEY, "another-chosen-key-0002"):
            assert server.check(goal="List the open tickets", tools=["search_tickets"], key=key).status == 200


# -- serve


def test_the_help_of_serve_lists_every_setting_with_its_default(tmp_path: Path) -> None:
    shown = run(Server(tmp_path), "serve", "--help").stdout.decode()
    flat = " ".join(shown.split())
    for setting in nonempty(SETTINGS.values()):
        assert setting.variable in flat
        assert setting.help.split(",")[0] in flat
        assert not setting.default or f"(default {setting.default})" in flat


def test_a_migrated_database_is_served_and_its_keys_work(tmp_path: Path) -> None:
    environment = {"STAGE0_SECRET_KEY": "root-key-of-the-serve-tests-00001"}
    database = f"sqlite:///{tmp_path / 'data' / 'stage0.db'}"
    server = Server(tmp_path, command="serve", environment={**environment, "STAGE0_DATABASE_URL": database})
    assert run(server, "migrate").returncode == 0
    assert run(server, "account", "create", "acme", "--plan", "pro").returncode == 0
    key = run(server, "keys", "create", "--account", "acme").stdout.decode().strip()
    with server:
        assert server.check(goal="List the open tickets", tools=["search_tickets"], key=key).status == 200
    rotated = "the-new-root-of-the-serve-tests-1," + environment["STAGE0_SECRET_KEY"]
    again = Server(
        tmp_path, command="serve", environment={"STAGE0_DATABASE_URL": database, "STAGE0_SECRET_KEY": rotated}
    )
    with again:
        assert again.check(goal="List the open tickets", tools=["search_tickets"], key=key).status == 200
        assert run(again, "keys", "list").returncode == 0


def test_without_a_root_key_serve_says_how_to_make_one(tmp_path: Path) -> None:
    ran = Server(tmp_path).cli("serve", "--port", "0")
    assert ran.returncode == 1
    assert "STAGE0_SECRET_KEY is empty" in ran.stderr.decode()
    assert list(tmp_path.iterdir()) == []


def test_a_port_that_is_taken_is_an_error_and_not_a_second_server(server: Server, tmp_path: Path) -> None:
    ran = subprocess.run(
        [STAGE0, "dev", "--port", str(server.port)],
        cwd=tmp_path,
        env=Server(tmp_path).environment,
        capture_output=True,
        check=False,
    )
    assert ran.returncode != 0
    assert b"in use" in ran.stderr


# -- the command itself


def test_the_commands_of_the_command_line_are_all_there(tmp_path: Path) -> None:
    shown = run(Server(tmp_path), "--help").stdout.decode()
    for command in (
        "dev",
        "serve",
        "migrate",
        "account",
        "groups",
        "keys",
        "stop",
        "resume",
        "stops",
        "check",
        "cases",
        "catalog",
    ):
        assert re.search(rf"^  {command} ", shown, re.MULTILINE), command


#: What the extra `server` brings and the base install does not.
SERVER_ONLY = ("click", "sqlalchemy", "alembic", "starlette", "uvicorn", "structlog", "rich", "ruamel", "sqlglot")
BASE_INSTALL = f"""
import importlib.abc, sys

class Hidden(importlib.abc.MetaPathFinder):
    def find_spec(self, name, path=None, target=None):
        if name.partition(".")[0] in {SERVER_ONLY}:
            raise ModuleNotFoundError("No module named " + repr(name), name=name)

sys.meta_path.insert(0, Hidden())
from stage0.cli import main
main()
"""


@pytest.mark.parametrize("arguments", [(), ("dev",), ("check", "-")], ids=repr)
def test_in_a_base_install_the_command_says_what_to_install(arguments: tuple[str, ...], tmp_path: Path) -> None:
    ran = subprocess.run(
        [sys.executable, "-c", BASE_INSTALL, *arguments], cwd=tmp_path, capture_output=True, check=False, text=True
    )
    assert ran.returncode == 1
    assert "stage0[server]" in ran.stderr
    assert "Traceback" not in ran.stderr
    assert ran.stdout == ""

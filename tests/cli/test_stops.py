"""`stage0 stop`, `stage0 resume` and `stage0 stops`: the kill switch, on a running server."""

from __future__ import annotations

import getpass
import re
from typing import Any, Final

import pytest

from tests.asserting import nonempty
from tests.cli.inside import run
from tests.running import Server
from tests.server.issuing import Issued, new_account, new_key, rotate

READ: Final[dict[str, Any]] = {
    "goal": "List the open tickets",
    "tools": ["search_tickets"],
    "success_criteria": ["a list"],
}


def _ok(server: Server, *arguments: str) -> str:
    done = run(server, *arguments)
    assert done.returncode == 0, done.stderr.decode()
    return done.stdout.decode()


def _refused(server: Server, *arguments: str) -> str:
    done = run(server, *arguments)
    assert done.returncode != 0, done.stdout.decode()
    return done.stderr.decode()


def _verdict(server: Server, key: Issued, **context: Any) -> tuple[str, list[str]]:
    answer = server.check(**READ, context=context, key=key.text)
    assert answer.status == 200, answer.body
    return answer.body["verdict"], [issue["code"] for issue in answer.body["issues"]]


STOPPED: Final = ("DENY", ["KILL_SWITCH"])
FREE: Final[tuple[str, list[str]]] = ("ALLOW", [])


@pytest.fixture
def account(server: Server) -> str:
    """An account of this test's own."""
    return new_account(server, "enterprise")


def test_a_stopped_account_is_denied_from_the_very_next_check_until_it_is_resumed(server: Server, account: str) -> None:
    one, other, elsewhere = new_key(server, account=account), new_key(server, account=account), new_key(server)
    assert _verdict(server, one) == FREE
    assert _ok(server, "stop", "account", account) == f"account {account} is stopped\n"
    assert [_verdict(server, key) for key in (one, other, elsewhere)] == [STOPPED, STOPPED, FREE]
    assert _ok(server, "resume", "account", account) == f"account {account} goes on\n"
    assert [_verdict(server, key) for key in (one, other)] == [FREE, FREE]


def test_a_stopped_key_is_denied_and_others_of_its_account_go_on(server: Server, account: str) -> None:
    one, other = new_key(server, account=account), new_key(server, account=account)
    assert _verdict(server, one) == FREE
    assert _ok(server, "stop", "key", one.id) == f"key {one.id} is stopped\n"
    assert [_verdict(server, key) for key in (one, other)] == [STOPPED, FREE]
    _ok(server, "resume", "key", one.id)
    assert _verdict(server, one) == FREE


@pytest.mark.parametrize("name", ["Night Cleaner", "night cleaner", " NIGHT  CLEANER ", "Ｎｉｇｈｔ Cleaner"])
@pytest.mark.parametrize("field", ["agent_name", "agent_id"])
def test_a_stopped_agent_is_denied_in_every_spelling_of_its_name(
    name: str, field: str, server: Server, account: str
) -> None:
    key = new_key(server, account=account)
    _ok(server, "stop", "agent", "Night Cleaner", "--account", account)
    assert _verdict(server, key, **{field: name}) == STOPPED
    assert _verdict(server, key, **{field: "Day Cleaner"}) == FREE
    assert _verdict(server, key) == FREE
    _ok(server, "resume", "agent", name, "--account", account)
    assert _verdict(server, key, **{field: name}) == FREE


def test_an_agent_that_gives_two_names_is_stopped_by_either(server: Server, account: str) -> None:
    key = new_key(server, account=account)
    _ok(server, "stop", "agent", "cleaner", "--account", account)
    assert _verdict(server, key, agent_name="helper", agent_id="cleaner") == STOPPED
    assert _verdict(server, key, agent_name="cleaner", agent_id="helper") == STOPPED


def test_a_key_that_is_bound_to_a_stopped_agent_is_denied_whatever_the_caller_says(
    server: Server, account: str
) -> None:
    done = run(server, "keys", "create", "--account", account, "--agent", "Cleaner")
    key = Issued(done.stderr.decode().split()[0], done.stdout.decode().strip(), account)
    _ok(server, "stop", "agent", "cleaner", "--account", account)
    assert _verdict(server, key) == STOPPED
    assert _verdict(server, key, agent_name="somebody else") == STOPPED
    assert _verdict(server, rotate(server, key)) == STOPPED
    _ok(server, "resume", "agent", "CLEANER", "--account", account)


def test_an_agent_is_stopped_in_its_own_account_alone(server: Server, account: str) -> None:
    _ok(server, "stop", "agent", "cleaner", "--account", account)
    assert _verdict(server, new_key(server, plan="pro"), agent_name="cleaner") == FREE


def test_an_observe_only_key_is_stopped_too_and_is_told_to_enforce(server: Server, account: str) -> None:
    key = new_key(server, account=account, enforcement="observe")

    def enforcement() -> str:
        said: str = server.check(**READ, key=key.text).body["meta"]["enforcement"]
        return said

    assert enforcement() == "observe"
    for what, target in (("account", account), ("key", key.id)):
        _ok(server, "stop", what, target)
        assert _verdict(server, key) == STOPPED
        assert enforcement() == "enforce"
        _ok(server, "resume", what, target)
        assert enforcement() == "observe"


def test_a_stopped_key_gets_no_stored_answer(server: Server, account: str) -> None:
    key = new_key(server, account=account)
    same = {"idempotency-key": "stopped-meanwhile"}
    assert server.post("/check", READ, key=key.text, headers=same).body["verdict"] == "ALLOW"
    _ok(server, "stop", "key", key.id)
    stopped = server.post("/check", READ, key=key.text, headers=same).body
    assert (stopped["verdict"], stopped["cached"]) == ("DENY", False)
    _ok(server, "resume", "key", key.id)
    assert server.post("/check", READ, key=key.text, headers=same).body["cached"] is True


def test_what_stops_is_the_worst_of_several_issues(server: Server, account: str) -> None:
    key = new_key(server, account=account)
    _ok(server, "stop", "key", key.id)
    body = server.check(goal="Delete all users", tools=["delete_users"], key=key.text).body
    codes = [issue["code"] for issue in body["issues"]]
    assert (body["verdict"], codes.count("KILL_SWITCH")) == ("DENY", 1)
    assert body["reason"].startswith(codes[0])


def test_what_is_stopped_is_listed_with_who_and_why_until_it_is_resumed(server: Server, account: str) -> None:
    key = new_key(server, account=account)
    assert _ok(server, "stops", "--account", account) == ""
    _ok(server, "stop", "agent", "Night Cleaner", "--account", account, "--reason", "deletes too much")
    _ok(server, "stop", "key", key.id)
    _ok(server, "stop", "account", account, "--reason", "incident 7")
    # The first reason stays: stopping again changes nothing.
    _ok(server, "stop", "account", account, "--reason", "another")
    when, user = r"20\d\d-\d\d-\d\dT\d\d:\d\d:\d\dZ", f"cli:{getpass.getuser()}"
    wanted = [
        f"{account}  account  {account}  {user}  incident 7",
        f"{account}  agent  night cleaner  {user}  deletes too much",
        f"{account}  key  {key.id}  {user}",
    ]
    shown = _ok(server, "stops", "--account", account).splitlines()
    assert [re.sub(f"^{when}  ", "", line) for line in shown] == wanted
    assert set(nonempty(shown)) <= set(_ok(server, "stops").splitlines())
    _ok(server, "resume", "account", account)
    assert _verdict(server, key) == STOPPED
    _ok(server, "resume", "key", key.id)
    _ok(server, "resume", "agent", "night cleaner", "--account", account)
    assert _ok(server, "stops", "--account", account) == ""
    assert _verdict(server, key) == FREE


@pytest.mark.parametrize(
    ("arguments", "said"),
    [
        (("stop", "account", "nobody"), "there is no account `nobody`"),
        (("stop", "key", "key_none"), "there is no key `key_none`"),
        (("stop", "agent", "cleaner"), "--account"),
        (("stop", "agent", "cleaner", "--account", "nobody"), "there is no account `nobody`"),
        (("stop", "agent", " ", "--account", "dev"), "an agent needs a name"),
        (("resume", "account", "dev"), "is not stopped; `stage0 stops` shows what is"),
        (("resume", "agent", "nobody-at-all", "--account", "dev"), "is not stopped"),
        (("resume", "key", "key_none"), "there is no key `key_none`"),
        (("stops", "--account", "nobody"), "there is no account `nobody`"),
    ],
)
def test_what_cannot_be_stopped_or_resumed_is_refused_with_a_sentence(
    arguments: tuple[str, ...], said: str, server: Server
) -> None:
    assert said in _refused(server, *arguments)

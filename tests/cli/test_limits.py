"""`stage0 groups`, and the limits of accounts and keys: what is set counts on the running server at once."""

from __future__ import annotations

import time
from typing import Any, Final

from tests.cli.inside import run
from tests.running import Answer, Server
from tests.server.issuing import Issued, new_account, new_key, rotate, within_a_minute

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


def _issued(server: Server, account: str, *options: str) -> Issued:
    """A key made by the command line."""
    done = run(server, "keys", "create", "--account", account, *options)
    assert done.returncode == 0, done.stderr.decode()
    return Issued(done.stderr.decode().split()[0], done.stdout.decode().strip(), account)


def _shown(server: Server, key: Issued) -> list[str]:
    """What `keys list` says of a key, after its scopes."""
    [line] = [
        line for line in _ok(server, "keys", "list", "--account", key.account).splitlines() if line.startswith(key.id)
    ]
    return line.split()[6:]


def _statuses(server: Server, key: Issued, count: int) -> list[int]:
    return [server.check(**READ, key=key.text).status for _ in range(count)]


def _until(server: Server, key: Issued, status: int, seconds: float = 5) -> Answer:
    """Ask until there is an answer of this status."""
    end = time.monotonic() + seconds
    while True:
        answer = server.check(**READ, key=key.text)
        if answer.status == status or time.monotonic() > end:
            return answer
        time.sleep(0.1)


# -- what is shown


def test_a_key_is_listed_with_group_limits_observe_and_agent_where_it_has_them(server: Server) -> None:
    account = new_account(server, "pro")
    _ok(server, "groups", "set", "bots", "--account", account)
    key = _issued(
        server,
        account,
        *("--group", "bots", "--per-month", "9", "--per-minute", "2", "--observe", "--agent", "Cleaner", "--name", "x"),
    )
    assert _shown(server, key) == ["group=bots", "limits=9/month,2/minute", "observe", "agent=Cleaner", "x"]
    assert _shown(server, _issued(server, account)) == []


def test_of_a_key_only_what_is_given_changes(server: Server) -> None:
    account = new_account(server, "pro")
    for name in ("bots", "people"):
        _ok(server, "groups", "set", name, "--account", account)
    key = _issued(server, account, "--group", "bots", "--per-month", "9", "--per-day", "5")
    _ok(server, "keys", "set", key.id, "--per-minute", "2")
    assert _shown(server, key) == ["group=bots", "limits=9/month,5/day,2/minute"]
    _ok(server, "keys", "set", key.id, "--per-month", "0", "--observe")
    assert _shown(server, key) == ["group=bots", "limits=0/month,5/day,2/minute", "observe"]
    _ok(server, "keys", "set", key.id, "--group", "people", "--no-limits", "--per-day", "7")
    assert _shown(server, key) == ["group=people", "limits=7/day", "observe"]
    _ok(server, "keys", "set", key.id, "--no-group", "--enforce")
    assert _shown(server, key) == ["limits=7/day"]
    changed = _ok(server, "keys", "set", key.id, "--no-limits")
    assert changed.startswith(key.id)
    assert _shown(server, key) == []


def test_a_strict_key_is_never_put_on_observe(server: Server) -> None:
    key = _issued(server, new_account(server, "pro"), "--pack", "stage0-strict")
    assert "always enforces" in _refused(server, "keys", "set", key.id, "--observe")
    assert _shown(server, key) == []
    assert _ok(server, "keys", "set", key.id, "--enforce").startswith(key.id)


def test_a_key_does_not_join_a_group_of_another_account(server: Server) -> None:
    _ok(server, "groups", "set", "theirs", "--account", new_account(server, "pro"))
    key = _issued(server, new_account(server, "pro"))
    assert "no usage group `theirs`" in _refused(server, "keys", "set", key.id, "--group", "theirs")


def test_of_a_group_only_what_is_given_changes(server: Server) -> None:
    account = new_account(server, "pro")
    assert _ok(server, "groups", "list", "--account", account) == ""
    assert _ok(server, "groups", "set", "bots", "--account", account) == "bots  the account's limits\n"
    _ok(server, "groups", "set", "bots", "--account", account, "--per-month", "9")
    _ok(server, "groups", "set", "bots", "--account", account, "--per-day", "3")
    _ok(server, "groups", "set", "Zoo keepers", "--account", account, "--per-minute", "1")
    assert _ok(server, "groups", "list", "--account", account) == "Zoo keepers  1/minute\nbots  9/month,3/day\n"
    assert "say which limit to change" in _refused(server, "groups", "set", "bots", "--account", account)
    _ok(server, "groups", "set", "bots", "--account", account, "--no-limits", "--per-day", "4")
    assert "bots  4/day\n" in _ok(server, "groups", "list", "--account", account)
    assert _ok(server, "groups", "set", "bots", "--account", account, "--no-limits") == "bots  the account's limits\n"


def test_an_account_is_listed_with_what_deviates_from_its_plan_and_its_retention(server: Server) -> None:
    account = new_account(server, "free")

    def line() -> list[str]:
        [found] = [line for line in _ok(server, "account", "list").splitlines() if account in line]
        return found.split()[2:]

    assert line() == ["free", "UTC", "180", "days"]
    assert _ok(server, "account", "retention", account, "30") == f"{account} keeps records for 30 days\n"
    assert _ok(server, "account", "limits", account, "--per-month", "5").startswith(f"{account} has 5/month, else")
    _ok(server, "account", "limits", account, "--per-minute", "4")
    assert line() == ["free", "UTC", "30", "days", "limits=5/month,4/minute"]
    _ok(server, "account", "limits", account, "--plan", "--per-day", "3")
    assert line() == ["free", "UTC", "30", "days", "limits=3/day"]
    assert _ok(server, "account", "limits", account, "--plan") == f"{account} has its plan's limits\n"
    assert line() == ["free", "UTC", "30", "days"]


# -- what counts


def test_a_groups_quota_is_shared_by_its_keys_and_its_message_names_the_group(server: Server) -> None:
    account = new_account(server, "pro")
    _ok(server, "groups", "set", "bots", "--account", account, "--per-day", "3")
    one, other = (_issued(server, account, "--group", "bots") for _ in range(2))
    alone = _issued(server, account)
    within_a_minute()
    assert _statuses(server, one, 2) == [200, 200]
    assert _statuses(server, other, 2) == [200, 402]
    refused = server.check(**READ, key=one.text)
    assert (refused.status, refused.body["error"]) == (402, "quota_exceeded")
    assert "quota of the usage group `bots` of 3 checks" in refused.body["message"]
    assert _statuses(server, alone, 1) == [200]
    for key in (one, other):
        used = server.get("/usage", key=key.text).body
        assert (used["usage_group"], used["daily_used"], used["daily_remaining"]) == ("bots", 3, 0)
    assert server.get("/usage", key=one.text).body["key"]["daily_used"] == 2
    assert server.get("/usage", key=other.text).body["key"]["daily_used"] == 1


def test_a_keys_own_limit_inside_of_a_group_stops_that_key_alone(server: Server) -> None:
    account = new_account(server, "pro")
    _ok(server, "groups", "set", "bots", "--account", account, "--per-day", "100")
    small = _issued(server, account, "--group", "bots", "--per-day", "2")
    other = _issued(server, account, "--group", "bots")
    within_a_minute()
    assert _statuses(server, small, 3) == [200, 200, 402]
    refused = server.check(**READ, key=small.text).body["message"]
    assert "Daily quota of 2 checks" in refused
    assert _statuses(server, other, 3) == [200] * 3
    own = server.get("/usage", key=small.text).body
    assert (own["daily_used"], own["daily_quota"], own["daily_remaining"]) == (5, 100, 95)
    assert (own["key"]["daily_used"], own["key"]["daily_quota"], own["key"]["daily_remaining"]) == (2, 2, 0)


def test_an_own_limit_never_widens_what_the_plan_gives(server: Server) -> None:
    key = _issued(server, new_account(server, "free"), "--per-minute", "500", "--per-month", "5")
    usage = server.get("/usage", key=key.text).body
    assert (usage["per_minute_limit"], usage["daily_quota"], usage["monthly_quota"]) == (20, 100, 5)


def test_the_message_of_402_holds_the_word_quota_and_that_of_429_does_not(server: Server) -> None:
    account = new_account(server, "pro")
    _ok(server, "groups", "set", "quota", "--account", account, "--per-minute", "1")
    spent, quick = _issued(server, account, "--per-month", "0"), _issued(server, account, "--per-minute", "1")
    grouped = _issued(server, account, "--group", "quota")
    within_a_minute()
    refused = server.check(**READ, key=spent.text)
    assert (refused.status, refused.body["error"]) == (402, "quota_exceeded")
    assert "quota" in refused.body["message"].lower()
    for key in (quick, grouped):
        refused = _until(server, key, 429)
        assert (refused.status, refused.body["error"]) == (429, "rate_limited")
        assert "quota" not in str(refused.body).lower()


def test_rotation_does_not_renew_what_a_key_has_used_and_leaves_its_limits_group_and_agent(server: Server) -> None:
    account = new_account(server, "pro")
    _ok(server, "groups", "set", "bots", "--account", account)
    old = _issued(server, account, "--per-day", "2", "--group", "bots", "--agent", "Cleaner", "--observe")
    within_a_minute()
    assert _statuses(server, old, 2) == [200, 200]
    new = rotate(server, old, grace=3600)
    assert _shown(server, new) == ["group=bots", "limits=2/day", "observe", "agent=Cleaner"]
    assert server.check(**READ, key=new.text).status == 402
    assert server.check(**READ, key=old.text).status == 402
    assert server.get("/usage", key=new.text).body["key"]["daily_used"] == 2


def test_an_accounts_limits_go_before_its_plans_at_once_also_for_a_key_that_was_refused(server: Server) -> None:
    key = new_key(server, plan="free")
    within_a_minute()
    assert _statuses(server, key, 1) == [200]
    _ok(server, "account", "limits", key.account, "--per-day", "1")
    assert _statuses(server, key, 2) == [402, 402]
    _ok(server, "account", "limits", key.account, "--per-day", "3")
    assert _until(server, key, 200).status == 200
    _ok(server, "account", "limits", key.account, "--plan")
    usage = server.get("/usage", key=key.text).body
    assert (usage["monthly_quota"], usage["daily_quota"], usage["per_minute_limit"]) == (1000, 100, 20)
    assert (usage["monthly_used"], usage["daily_used"]) == (2, 2)


def test_a_key_that_was_refused_works_again_once_it_has_left_the_group(server: Server) -> None:
    account = new_account(server, "pro")
    _ok(server, "groups", "set", "bots", "--account", account, "--per-month", "1")
    key = _issued(server, account, "--group", "bots")
    assert _statuses(server, key, 2) == [200, 402]
    _ok(server, "keys", "set", key.id, "--no-group")
    assert _until(server, key, 200).status == 200
    assert server.get("/usage", key=key.text).body["monthly_used"] == 2


def test_observe_is_said_in_the_answer_and_the_verdict_is_the_real_one(server: Server) -> None:
    key = _issued(server, new_account(server, "pro"), "--observe")

    def enforcement() -> tuple[str, str]:
        body = server.check(goal="Delete all users", tools=["delete_users"], key=key.text).body
        return body["verdict"], body["meta"]["enforcement"]

    assert enforcement() == ("DENY", "observe")
    _ok(server, "keys", "set", key.id, "--enforce")
    assert enforcement() == ("DENY", "enforce")

"""`stage0 account` and `stage0 keys`: what they print, what they refuse, and that a key is shown once."""

from __future__ import annotations

import re
from pathlib import Path

import pytest

from stage0.ledger.keys import well_formed
from stage0.policy import shipped_packs
from tests.asserting import nonempty
from tests.cli.inside import run
from tests.running import KEY, Server


def _ok(server: Server, *arguments: str) -> tuple[str, str]:
    done = run(server, *arguments)
    assert done.returncode == 0, done.stderr.decode()
    return done.stdout.decode(), done.stderr.decode()


def _refused(server: Server, *arguments: str) -> str:
    done = run(server, *arguments)
    said = done.stderr.decode()
    assert done.returncode not in (0, 10), done.stdout.decode()
    return said


def test_an_account_is_created_listed_and_put_on_another_plan(server: Server) -> None:
    made, _ = _ok(server, "account", "create", "cli-acme", "--plan", "starter", "--timezone", "Europe/Berlin")
    assert re.fullmatch(r"acc_[0-9a-z]{26}  cli-acme  starter  Europe/Berlin  180 days\n", made)
    assert made in _ok(server, "account", "list")[0].splitlines(keepends=True)
    assert _ok(server, "account", "plan", "cli-acme", "pro")[0] == "cli-acme is on pro\n"
    assert made.replace("starter", "pro") in _ok(server, "account", "list")[0]


@pytest.mark.parametrize(
    ("arguments", "said"),
    [
        (("account", "create", "dev"), "there is an account `dev` already"),
        (("account", "create", "cli-x", "--plan", "gold"), "there is no plan `gold`"),
        (("account", "create", "cli-x", "--timezone", "Mars/Base"), "there is no time zone `Mars/Base`"),
        (("account", "create", "  "), "needs a name"),
        (("account", "plan", "nobody", "pro"), "there is no account `nobody`"),
        (("account", "plan", "dev", "gold"), "there is no plan `gold`"),
        (("keys", "create", "--account", "nobody"), "there is no account `nobody`"),
        (("keys", "create", "--account", "dev", "--scope", "all"), "there is no scope `all`"),
        (("keys", "create", "--account", "dev", "--pack", "mine"), "there is no pack `mine`"),
        (("keys", "create"), "--account"),
        (("keys", "create", "--account", "dev", "--group", "nobody"), "there is no usage group `nobody`"),
        (("keys", "create", "--account", "dev", "--per-day", "-1"), "-1 is not in the range"),
        (("keys", "create", "--account", "dev", "--per-day", "2147483647"), "2147483647 is not in the range"),
        (("keys", "create", "--account", "dev", "--agent", " "), "--agent ` ` is no name"),
        (("keys", "create", "--account", "dev", "--workspace", "src"), "`src` is no absolute path"),
        (("keys", "create", "--account", "dev", "--workspace", "/srv/../home"), "is no absolute path"),
        (("keys", "create", "--account", "dev", "--workspace", "/"), "`/` is more than a work tree"),
        (("keys", "create", "--account", "dev", "--workspace", "/home/kim/"), "is more than a work tree"),
        (("keys", "create", "--account", "dev", "--workspace", "C:\\src"), "is no absolute path"),
        (("keys", "create", "--account", "dev", "--agent", "\u200b"), "is no name"),
        (("keys", "create", "--account=dev", "--pack=stage0-strict", "--observe"), "always enforces"),
        (("keys", "set", "key_none", "--observe"), "there is no key `key_none`"),
        (("keys", "set", "key_none"), "nothing to change"),
        (("keys", "set", "key_none", "--group", "a", "--no-group"), "--no-group stands alone"),
        (("keys", "set", "key_none", "--group", ""), "--group needs a name"),
        (("groups", "set", "a", "--account", "nobody"), "there is no account `nobody`"),
        (("groups", "set", " a", "--account", "dev"), "a usage group needs a name"),
        (("groups", "list", "--account", "nobody"), "there is no account `nobody`"),
        (("account", "limits", "dev"), "nothing to change"),
        (("account", "limits", "nobody", "--per-day", "1"), "there is no account `nobody`"),
        (("account", "retention", "nobody", "3"), "there is no account `nobody`"),
        (("account", "retention", "dev", "0"), "1 to 36500 days, not 0"),
        (("account", "retention", "dev", "36501"), "1 to 36500 days, not 36501"),
        (("keys", "list", "--account", "nobody"), "there is no account `nobody`"),
        (("keys", "revoke", "key_none"), "there is no key `key_none`"),
        (("keys", "rotate", "key_none"), "there is no key `key_none`"),
    ],
)
def test_what_cannot_be_done_is_refused_with_a_sentence(arguments: tuple[str, ...], said: str, server: Server) -> None:
    assert said in _refused(server, *arguments)


def test_a_key_is_printed_alone_on_standard_output_and_works_at_once(server: Server) -> None:
    made = server.cli("keys", "create", "--account", "dev", "--name", "printed")
    out, beside = made.stdout.decode(), made.stderr.decode()
    text = out.strip()
    assert out == f"{text}\n"
    assert well_formed(text)
    assert text not in beside
    assert re.match(r"key_[0-9a-z]{26} of dev", beside)
    assert server.check(goal="List the open tickets", tools=["search_tickets"], key=text).status == 200


def test_the_list_of_keys_never_shows_the_text_of_one(server: Server) -> None:
    text = _ok(server, "keys", "create", "--account=dev", "--name=listed", "--scope=check", "--scope=read", "--test")[0]
    text = text.strip()
    shown, beside = _ok(server, "keys", "list")
    assert text not in shown + beside
    assert KEY not in shown + beside
    assert not any(text[at : at + 9] in shown for at in nonempty(range(len(text) - 9)))
    [line] = [line for line in shown.splitlines() if line.endswith("listed")]
    assert line.split()[2:] == ["active", "test", "account", "check,read", "listed"]
    assert f"{text[:8]}…{text[-4:]}" in line


def test_a_key_is_disabled_enabled_rotated_and_revoked(server: Server) -> None:
    _, beside = _ok(server, "keys", "create", "--account", "dev", "--name", "changed")
    old = beside.split()[0]
    assert _ok(server, "keys", "disable", old)[0] == f"{old} is disabled\n"
    assert "only an active key" in _refused(server, "keys", "rotate", old)
    assert _ok(server, "keys", "enable", old)[0] == f"{old} is active\n"
    new, beside = _ok(server, "keys", "rotate", old)
    assert well_formed(new.strip())
    assert f"replaces {old}" in beside
    assert "for good" in _refused(server, "keys", "enable", old)
    shown, _ = _ok(server, "keys", "list", "--account", "dev")
    assert sorted(line.split()[2] for line in shown.splitlines() if line.endswith("changed")) == ["active", "revoked"]
    assert _ok(server, "keys", "revoke", beside.split()[0])[0].endswith("is revoked\n")


def test_where_there_is_no_database_a_command_says_so_and_makes_none(tmp_path: Path) -> None:
    absent = Server(tmp_path)
    assert "there is no database" in _refused(absent, "account", "list")
    assert list(tmp_path.iterdir()) == []


def test_with_another_root_key_no_command_shows_or_breaks_a_key(own_server: Server) -> None:
    own_server._environment["STAGE0_SECRET_KEY"] = "another-root-key-of-the-tests-001"
    shown, _ = _ok(own_server, "keys", "list")
    assert "active" in shown
    assert own_server.check(goal="List the open tickets", tools=["search_tickets"]).status == 200


@pytest.mark.parametrize(
    "arguments",
    [
        ("account", "list"),
        ("account", "plan", "dev", "enterprise"),
        ("keys", "list"),
        ("keys", "create", "--account", "dev"),
        ("keys", "disable", "key_none"),
        ("stop", "key", "key_none", "--reason", "test"),
        ("stops",),
    ],
)
def test_a_command_that_needs_no_pack_reads_none(arguments: tuple[str, ...], server: Server) -> None:
    """Reading those that ship takes long, and would be done inside of a transaction that keeps checks waiting."""
    before = shipped_packs.cache_info()
    run(server, *arguments)
    assert shipped_packs.cache_info() == before


def test_a_key_for_a_coding_agent_names_the_roots_of_its_tree(server: Server) -> None:
    roots = ("--workspace", "/srv/shop/", "--workspace", "/srv/docs")
    key, said = _ok(server, "keys", "create", "--account", "dev", "--pack", "coding-agent", *roots)
    identifier = said.split()[0]
    assert "workspace=/srv/shop,/srv/docs" in _line_of(server, identifier)
    successor = _ok(server, "keys", "rotate", identifier)[1].split()[0]
    assert "workspace=/srv/shop,/srv/docs" in _line_of(server, successor)
    assert well_formed(key.strip())


def _line_of(server: Server, identifier: str) -> str:
    return next(line for line in _ok(server, "keys", "list")[0].splitlines() if line.startswith(identifier))

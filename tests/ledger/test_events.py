"""Every change that a person or a key causes leaves an event with its actor, and raises the epoch."""

from __future__ import annotations

import getpass
import json
import time
from collections.abc import Callable, Iterator
from typing import Any

import pytest
import sqlalchemy as sa

from stage0.ledger import open_store
from stage0.ledger.accounts import change_plan, create_account, list_accounts
from stage0.ledger.events import record_event
from stage0.ledger.keyring import Keyring
from stage0.ledger.keys import create_key, list_keys, rotate_key, set_key_status
from stage0.ledger.schema import events
from stage0.ledger.store import Store
from tests.catalogue import CATALOGUE
from tests.running import Server

RING = Keyring(["root-key-of-the-event-tests-00001"])
NOW = time.time()


@pytest.fixture
def connection(store: Store) -> Iterator[sa.Connection]:
    """A transaction on a migrated database with an account and a key."""
    with store.writer.begin() as transaction:
        made = create_account(transaction, CATALOGUE, name="acme", plan="pro", actor="setup", now=NOW)
        create_key(transaction, CATALOGUE, RING, account=made.id, actor="setup", now=NOW)
        yield transaction


def _account(connection: sa.Connection) -> Any:
    return create_account(connection, CATALOGUE, name="other", plan="free", actor="cli:ada", now=NOW + 1)


def _plan(connection: sa.Connection) -> None:
    change_plan(connection, CATALOGUE, account="acme", plan="free", actor="cli:ada", now=NOW + 1)


def _key(connection: sa.Connection) -> Any:
    return create_key(
        connection, CATALOGUE, RING, account=list_accounts(connection)[0].id, actor="cli:ada", now=NOW + 1
    )


def _disable(connection: sa.Connection) -> Any:
    return set_key_status(
        connection, CATALOGUE, list_keys(connection, CATALOGUE)[0].id, "disabled", actor="cli:ada", now=NOW + 1
    )


def _revoke(connection: sa.Connection) -> Any:
    return set_key_status(
        connection, CATALOGUE, list_keys(connection, CATALOGUE)[0].id, "revoked", actor="cli:ada", now=NOW + 1
    )


def _rotate(connection: sa.Connection) -> Any:
    return rotate_key(connection, CATALOGUE, RING, list_keys(connection, CATALOGUE)[0].id, actor="cli:ada", now=NOW + 1)


CHANGES: dict[str, Callable[[sa.Connection], Any]] = {
    "account.created": _account,
    "account.plan": _plan,
    "key.created": _key,
    "key.disabled": _disable,
    "key.revoked": _revoke,
    "key.rotated": _rotate,
}


@pytest.mark.parametrize("action", CHANGES)
def test_every_change_names_its_actor_its_target_and_its_time(action: str, connection: sa.Connection) -> None:
    CHANGES[action](connection)
    rows = connection.execute(sa.select(events).where(events.c.actor != "setup").order_by(events.c.id)).all()
    [event] = [row for row in rows if row.action == action]
    assert event.actor == "cli:ada"
    assert event.at == int((NOW + 1) * 1e6)
    assert event.target.startswith("acc_" if action.startswith("account") else "key_")
    assert event.account_id.startswith("acc_")
    assert isinstance(json.loads(event.data), dict)


@pytest.mark.parametrize("action", CHANGES)
def test_every_change_begins_another_epoch(action: str, connection: sa.Connection) -> None:
    def epoch() -> Any:
        return connection.exec_driver_sql("SELECT epoch FROM config").scalar_one()

    before = epoch()
    CHANGES[action](connection)
    assert epoch() != before


def test_an_event_says_what_was_before_and_after(connection: sa.Connection) -> None:
    _plan(connection)
    _disable(connection)
    rows = connection.execute(sa.select(events.c.action, events.c.data)).all()
    found = {row.action: json.loads(row.data) for row in rows}
    assert found["account.plan"] == {"before": "pro", "after": "free"}
    assert found["key.disabled"] == {"before": "active"}


def test_no_event_holds_the_text_or_the_hash_of_a_key(connection: sa.Connection) -> None:
    _, text = _key(connection)
    _rotate(connection)
    stored = " ".join(str(value) for row in connection.execute(sa.select(events)) for value in row)
    assert text not in stored
    assert RING.hashes(text)[0] not in stored


def test_events_of_one_moment_are_all_kept(connection: sa.Connection) -> None:
    for number in range(500):
        record_event(connection, account="acc_x", actor="t", action="x", target=str(number), now=NOW)
    count = sa.select(sa.func.count()).select_from(events).where(events.c.account_id == "acc_x")
    assert connection.execute(count).scalar_one() == 500


def test_what_the_command_line_does_is_under_the_name_of_its_user(server: Server) -> None:
    made = server.cli("account", "create", "events-of-the-cli")
    assert made.returncode == 0
    identifier = made.stdout.decode().split()[0]
    store = open_store(f"sqlite:///{server.database}")
    try:
        with store.reader.connect() as connection:
            actors = connection.execute(sa.select(events.c.actor).where(events.c.target == identifier)).scalars().all()
    finally:
        store.close()
    assert actors == [f"cli:{getpass.getuser()}"]

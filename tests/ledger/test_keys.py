"""API keys: their format can be recognised and verified, they are stored as hashes, and rotation keeps their rights."""

from __future__ import annotations

import re
import time
import zlib
from collections.abc import Iterator
from typing import Any, get_args

import pytest
import sqlalchemy as sa

from stage0.ledger import NotFound, Refused
from stage0.ledger.accounts import create_account, list_accounts
from stage0.ledger.keyring import Keyring
from stage0.ledger.keys import (
    SCOPES,
    Mode,
    checksum,
    create_key,
    get_key,
    key_by_text,
    list_keys,
    new_key_text,
    rotate_key,
    set_key_status,
    well_formed,
)
from stage0.ledger.schema import api_keys
from stage0.ledger.store import Store
from tests.asserting import nonempty
from tests.catalogue import CATALOGUE

NOW = time.time()
RING = Keyring(["root-key-of-the-key-tests-0000001"])


@pytest.fixture
def connection(store: Store) -> Iterator[sa.Connection]:
    """A transaction on a migrated database with an account named `acme`."""
    with store.writer.begin() as transaction:
        create_account(transaction, CATALOGUE, name="acme", plan="pro", actor="t", now=NOW)
        yield transaction


def _account(connection: sa.Connection) -> str:
    return list_accounts(connection)[0].id


def _create(connection: sa.Connection, **more: Any) -> Any:
    return create_key(connection, CATALOGUE, RING, account=_account(connection), actor="t", now=NOW, **more)


# -- the text


@pytest.mark.parametrize("mode", get_args(Mode))
def test_a_key_has_a_prefix_32_random_characters_and_a_checksum(mode: Mode) -> None:
    text = new_key_text(mode)
    assert re.fullmatch(rf"s0_{mode}_[0-9A-Za-z]{{38}}", text)
    assert checksum(text[:-6]) == text[-6:]
    assert well_formed(text)


def test_the_checksum_is_the_crc32_in_six_base_62_digits_so_that_a_scanner_can_verify_it() -> None:
    alphabet = "0123456789abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ"
    text = new_key_text("live")
    number = 0
    for digit in text[-6:]:
        number = number * 62 + alphabet.index(digit)
    assert number == zlib.crc32(text[:-6].encode())


def test_keys_never_repeat_and_use_the_whole_alphabet() -> None:
    texts = [new_key_text("live") for _ in range(2000)]
    assert len(set(texts)) == 2000
    assert len(set("".join(text[8:40] for text in texts))) == 62


@pytest.mark.parametrize("position", [0, 3, 8, 20, 39, 40, 45])
def test_one_changed_character_makes_a_key_not_well_formed(position: int) -> None:
    text = new_key_text("live")
    changed = text[:position] + ("x" if text[position] != "x" else "y") + text[position + 1 :]
    still_of_ours = changed.startswith(("s0_live_", "s0_test_"))
    assert not (still_of_ours and well_formed(changed))


@pytest.mark.parametrize(
    ("text", "fits"),
    [
        ("a-key-that-somebody-chose", True),
        ("x" * 20, True),
        ("x" * 200, True),
        ("with spaces inside, and signs: {}!", True),
        ("x" * 19, False),
        ("x" * 201, False),
        ("", False),
        ("schlüssel-mit-umlaut-0123456789", False),
        ("tab\tin-the-middle-of-the-key", False),
        ("new\nline-in-the-middle-of-it", False),
        ("nul\0in-the-middle-of-the-key", False),
        ("s0_live_" + "a" * 38, False),
        ("s0_test_" + "a" * 38, False),
        ("s0_live_" + "a" * 30, True),
    ],
)
def test_what_can_be_a_key(text: str, fits: bool) -> None:
    assert well_formed(text) is fits


@pytest.mark.parametrize("text", [" leading-space-of-a-chosen-key", "trailing-space-of-a-chosen-key "])
def test_a_chosen_key_that_no_header_can_carry_is_refused(text: str, connection: sa.Connection) -> None:
    with pytest.raises(Refused):
        _create(connection, text=text)


# -- storing


def test_a_key_is_found_by_its_text_alone(connection: sa.Connection) -> None:
    key, text = _create(connection)
    assert key_by_text(connection, CATALOGUE, RING, text) == key
    assert key_by_text(connection, CATALOGUE, RING, text + "x") is None
    assert key_by_text(connection, CATALOGUE, RING, key.id) is None
    assert key_by_text(connection, CATALOGUE, Keyring(["another-root-key-of-the-tests-001"]), text) is None


def test_the_row_of_a_key_holds_neither_its_text_nor_much_of_it(connection: sa.Connection) -> None:
    for chosen in (None, "a-key-that-somebody-chose"):
        key, text = _create(connection, text=chosen)
        row = connection.execute(sa.select(api_keys).where(api_keys.c.id == key.id)).one()
        stored = " ".join(str(value) for value in row)
        assert text not in stored
        assert not any(text[at : at + 9] in stored for at in nonempty(range(len(text) - 9)))


def test_a_key_made_under_the_old_root_works_with_new_and_old_and_not_with_new_alone(
    connection: sa.Connection,
) -> None:
    key, text = _create(connection)
    old, new = "root-key-of-the-key-tests-0000001", "the-new-root-of-the-key-tests-001"
    assert key_by_text(connection, CATALOGUE, Keyring([new, old]), text) == key
    assert key_by_text(connection, CATALOGUE, Keyring([new]), text) is None
    made, made_text = create_key(
        connection, CATALOGUE, Keyring([new, old]), account=_account(connection), actor="t", now=NOW
    )
    assert key_by_text(connection, CATALOGUE, Keyring([new]), made_text) == made


def test_a_key_carries_what_it_was_given(connection: sa.Connection) -> None:
    key, _ = _create(
        connection,
        name="deployer",
        scopes=SCOPES,
        roles=("admin", "ops"),
        environments=("staging",),
        pack="stage0-strict",
        mode="test",
        expires_at=NOW + 60,
    )
    assert (key.name, key.scopes, key.pack, key.mode) == ("deployer", frozenset(SCOPES), "stage0-strict", "test")
    assert (key.caller.roles, key.caller.environments, key.caller.test_mode) == (("admin", "ops"), ("staging",), True)
    assert (key.plan_name, key.status, key.actor) == ("pro", "active", f"key:{key.id}")
    assert list_keys(connection, CATALOGUE, key.account) == [key] == list_keys(connection, CATALOGUE)
    assert list_keys(connection, CATALOGUE, "acc_other") == []


@pytest.mark.parametrize(
    ("more", "said"),
    [
        ({"scopes": ("check", "everything")}, "no scope `everything`"),
        ({"pack": "mine"}, "no pack `mine`"),
        ({"text": "short"}, "20 to 200"),
    ],
)
def test_a_key_with_wrong_parts_is_refused_and_not_made(
    more: dict[str, Any], said: str, connection: sa.Connection
) -> None:
    with pytest.raises(Refused, match=re.escape(said)):
        _create(connection, **more)
    assert list_keys(connection, CATALOGUE) == []


def test_the_same_chosen_text_cannot_be_two_keys(connection: sa.Connection) -> None:
    _create(connection, text="a-key-that-somebody-chose")
    with pytest.raises((Refused, sa.exc.IntegrityError)), connection.begin_nested():
        _create(connection, text="a-key-that-somebody-chose")
    assert len(list_keys(connection, CATALOGUE)) == 1


# -- status


def test_a_key_expires_at_its_moment(connection: sa.Connection) -> None:
    key, _ = _create(connection, expires_at=NOW + 60)
    assert key.status_at(NOW + 59.9) == "active"
    assert key.status_at(NOW + 60.1) == "expired"


def test_disabled_and_enabled_is_active_and_revoked_is_for_good(connection: sa.Connection) -> None:
    key, _ = _create(connection)
    assert set_key_status(connection, CATALOGUE, key.id, "disabled", actor="t", now=NOW).status == "disabled"
    assert set_key_status(connection, CATALOGUE, key.id, "active", actor="t", now=NOW).status == "active"
    set_key_status(connection, CATALOGUE, key.id, "revoked", actor="t", now=NOW)
    with pytest.raises(Refused, match="for good"):
        set_key_status(connection, CATALOGUE, key.id, "active", actor="t", now=NOW)
    with pytest.raises(NotFound, match="no key `key_none`"):
        get_key(connection, CATALOGUE, "key_none")


@pytest.mark.parametrize("grace", [0, 3600])
def test_rotation_gives_a_new_key_with_the_same_rights(grace: int, connection: sa.Connection) -> None:
    old, old_text = _create(
        connection, name="ci", scopes=("check", "policy:pin"), roles=("admin",), environments=("staging",), mode="test"
    )
    new, text = rotate_key(connection, CATALOGUE, RING, old.id, actor="t", now=NOW, grace_seconds=grace)
    assert text != old_text
    same = ("account", "name", "scopes", "pack", "mode", "plan", "caller")
    assert [getattr(new, name) for name in same] == [getattr(old, name) for name in same]
    after = get_key(connection, CATALOGUE, old.id)
    assert after.status_at(NOW) == ("active" if grace else "revoked")
    assert after.status_at(NOW + 3601) == ("expired" if grace else "revoked")


@pytest.mark.parametrize("status", ["disabled", "revoked"])
def test_a_key_that_is_not_active_cannot_be_rotated(status: Any, connection: sa.Connection) -> None:
    key, _ = _create(connection)
    set_key_status(connection, CATALOGUE, key.id, status, actor="t", now=NOW)
    with pytest.raises(Refused, match="only an active key"):
        rotate_key(connection, CATALOGUE, RING, key.id, actor="t", now=NOW)


def test_a_key_whose_time_is_up_cannot_be_rotated(connection: sa.Connection) -> None:
    key, _ = _create(connection, expires_at=NOW - 1)
    with pytest.raises(Refused, match="only an active key"):
        rotate_key(connection, CATALOGUE, RING, key.id, actor="t", now=NOW)


def test_grace_never_lengthens_the_life_of_a_key(connection: sa.Connection) -> None:
    key, _ = _create(connection, expires_at=NOW + 60)
    rotate_key(connection, CATALOGUE, RING, key.id, actor="t", now=NOW, grace_seconds=3600)
    assert get_key(connection, CATALOGUE, key.id).status_at(NOW + 61) == "expired"

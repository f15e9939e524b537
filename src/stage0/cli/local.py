"""The database that commands work on: the configured one, or the development data folder."""

from __future__ import annotations

import getpass
import os
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final

import click

if TYPE_CHECKING:
    from stage0.ledger.access import Connection
    from stage0.ledger.catalogue import Catalogue
    from stage0.ledger.keyring import Keyring
    from stage0.ledger.store import Store
    from stage0.server.settings import Settings

DATA: Final = Path(".stage0")


def data_folder() -> Path:
    """The development data folder: `STAGE0_DATA`, or `.stage0` here."""
    return Path(os.environ.get("STAGE0_DATA", "")) if os.environ.get("STAGE0_DATA") else DATA


def dev_environment() -> dict[str, str]:
    """The environment with the development folder's database and root key where none are set."""
    environment = dict(os.environ)
    folder = data_folder()
    environment.setdefault("STAGE0_DATABASE_URL", f"sqlite:///{folder / 'stage0.db'}")
    secret = folder / "secret"
    if "STAGE0_SECRET_KEY" not in environment and secret.exists():
        environment["STAGE0_SECRET_KEY"] = secret.read_text(encoding="utf-8").strip()
    return environment


def settings(**given: Any) -> Settings:
    """Settings of the configured database, or of the development folder. Ends the command where they are wrong."""
    from stage0.server.settings import SettingError, read_settings

    try:
        return read_settings(dev_environment(), **given)
    except SettingError as error:
        raise click.ClickException(str(error)) from None


@contextmanager
def ledger_errors() -> Iterator[None]:
    """Engine errors as messages of the command."""
    from stage0.ledger import LedgerError

    try:
        yield
    except LedgerError as error:
        raise click.ClickException(str(error)) from None


def has_database() -> bool:
    """Whether the configured database is here."""
    from stage0.ledger import open_store

    with ledger_errors():
        return open_store(settings().database_url).exists()


@contextmanager
def transaction() -> Iterator[tuple[Connection, Catalogue, Keyring, float]]:
    """One transaction on the configured database, with what is offered there, the keyring and the time."""
    from stage0.ledger import open_store
    from stage0.ledger.catalogue import catalogue_with
    from stage0.ledger.keyring import Keyring
    from stage0.ledger.migrate import assert_current

    chosen = settings()
    with ledger_errors():
        store = open_store(chosen.database_url)
        if not store.exists():
            raise click.ClickException(
                f"there is no database at `{store.where()}`; start `stage0 dev` here, or set STAGE0_DATABASE_URL"
            )
        try:
            assert_current(store.reader)
            with store.writer.begin() as connection:
                yield connection, catalogue_with(chosen.plans), Keyring(chosen.secret_key), time.time()
        finally:
            store.close()


@contextmanager
def reading() -> Iterator[Store]:
    """The configured store, with this version's tables, for reading."""
    from stage0.ledger import open_store
    from stage0.ledger.migrate import assert_current

    chosen = settings()
    with ledger_errors():
        store = open_store(chosen.database_url)
        if not store.exists():
            raise click.ClickException(
                f"there is no database at `{store.where()}`; run this where the server runs, or set STAGE0_DATABASE_URL"
            )
        try:
            assert_current(store.reader)
            yield store
        finally:
            store.close()


def actor() -> str:
    """How events name whoever runs this command."""
    try:
        return f"cli:{getpass.getuser()}"
    except (KeyError, OSError):
        return "cli:unknown"

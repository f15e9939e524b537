"""Bringing a database to this version's tables."""

from __future__ import annotations

from pathlib import Path
from typing import Final

import sqlalchemy as sa
from alembic import command
from alembic.config import Config
from alembic.runtime.migration import MigrationContext
from alembic.script import ScriptDirectory

from stage0.ledger.errors import Refused
from stage0.ledger.postgres import MIGRATION_LOCK

_HERE: Final = Path(__file__).parent / "migrations"


def _config() -> Config:
    config = Config()
    config.set_main_option("script_location", str(_HERE).replace("%", "%%"))
    return config


def newest() -> str:
    """The revision that this version needs."""
    head = ScriptDirectory.from_config(_config()).get_current_head()
    if head is None:
        raise RuntimeError("the package holds no migrations")
    return head


def current(engine: sa.Engine) -> str | None:
    """The revision of a database; None where it is empty."""
    with engine.connect() as connection:
        return MigrationContext.configure(connection).get_current_revision()


def migrate(engine: sa.Engine) -> tuple[str | None, str]:
    """Run what is missing, in one transaction. Gives the revision before and after."""
    before = current(engine)
    config = _config()
    with engine.begin() as connection:
        if engine.dialect.name == "postgresql":
            # Servers that are started together migrate one after the other.
            connection.exec_driver_sql(f"SELECT pg_advisory_xact_lock({MIGRATION_LOCK})")
        config.attributes["connection"] = connection
        command.upgrade(config, "head")
    return before, newest()


def assert_current(engine: sa.Engine) -> None:
    """Raises Refused where the database is older or newer than this version."""
    found, wanted = current(engine), newest()
    if found != wanted:
        raise Refused(
            f"the database is at revision `{found or 'none'}`, this version needs `{wanted}`: run `stage0 migrate`"
            + (" (after a backup)" if found else "")
        )

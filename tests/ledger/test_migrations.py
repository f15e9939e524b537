"""Migrations make exactly the tables that the code expects, and a server refuses a database that is not at them."""

from __future__ import annotations

import pytest
import sqlalchemy as sa
from alembic import command
from alembic.autogenerate import compare_metadata
from alembic.runtime.migration import MigrationContext
from alembic.script import ScriptDirectory

from stage0.ledger import Refused
from stage0.ledger.migrate import _config, assert_current, current, migrate, newest
from stage0.ledger.schema import metadata
from stage0.ledger.store import Store
from tests.asserting import nonempty


def _tables(store: Store) -> set[str]:
    return {name for name in sa.inspect(store.writer).get_table_names() if not name.startswith("decisions_")}


def _downgrade(store: Store, revision: str) -> None:
    config = _config()
    with store.writer.begin() as connection:
        config.attributes["connection"] = connection
        command.downgrade(config, revision)


def test_the_migrated_tables_are_those_of_the_schema(empty: Store) -> None:
    migrate(empty.writer)
    with empty.writer.connect() as connection:
        context = MigrationContext.configure(connection, opts={"compare_type": True, "compare_server_default": True})
        assert compare_metadata(context, metadata) == []


def test_primary_keys_are_migrated_as_the_schema_has_them(empty: Store) -> None:
    migrate(empty.writer)
    found = sa.inspect(empty.writer)
    for table in nonempty(metadata.sorted_tables):
        expected = [column.name for column in table.primary_key]
        assert found.get_pk_constraint(table.name)["constrained_columns"] == expected, table.name


def test_every_table_but_the_two_at_the_top_leads_with_the_account() -> None:
    for table in nonempty(metadata.sorted_tables):
        if table.name not in ("config", "accounts"):
            assert next(iter(table.primary_key)).name == "account_id", table.name


def test_an_empty_database_is_brought_up_and_a_second_time_changes_nothing(empty: Store) -> None:
    assert current(empty.writer) is None
    assert migrate(empty.writer) == (None, newest())
    assert_current(empty.reader)
    with empty.writer.begin() as connection:
        assert connection.exec_driver_sql("SELECT epoch FROM config").all() == [(1,)]
        connection.exec_driver_sql("UPDATE config SET epoch = 7")
    assert migrate(empty.writer) == (newest(), newest())
    with empty.reader.connect() as connection:
        assert connection.exec_driver_sql("SELECT epoch FROM config").all() == [(7,)]


def test_down_to_nothing_and_up_again_gives_the_same_tables(empty: Store) -> None:
    migrate(empty.writer)
    before = _tables(empty)
    _downgrade(empty, "base")
    assert _tables(empty) == {"alembic_version"}
    migrate(empty.writer)
    assert _tables(empty) == before == {*metadata.tables, "alembic_version"}


def test_there_is_one_line_of_migrations_from_the_first_to_the_newest() -> None:
    script = ScriptDirectory.from_config(_config())
    assert script.get_heads() == [newest()]
    assert script.get_bases() == ["0001"]


def test_an_empty_database_is_refused_and_the_message_names_the_command(empty: Store) -> None:
    with pytest.raises(Refused, match=r"revision `none`.*`stage0 migrate`$"):
        assert_current(empty.reader)


def test_an_older_or_newer_database_is_refused_with_both_revisions(empty: Store) -> None:
    migrate(empty.writer)
    with empty.writer.begin() as connection:
        connection.exec_driver_sql("UPDATE alembic_version SET version_num = '9999'")
    with pytest.raises(Refused, match=rf"`9999`.*`{newest()}`.*backup"):
        assert_current(empty.reader)


def test_a_migration_that_fails_leaves_nothing_behind(empty: Store) -> None:
    with empty.writer.begin() as connection:
        connection.exec_driver_sql("CREATE TABLE outcomes (id TEXT)")
    with pytest.raises(sa.exc.DBAPIError, match="outcomes"):
        migrate(empty.writer)
    assert _tables(empty) <= {"outcomes", "alembic_version"}
    assert current(empty.writer) is None

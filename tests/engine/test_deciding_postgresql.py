"""What decides, on PostgreSQL: two servers, and another process that writes beside them."""

from __future__ import annotations

import contextlib
from collections.abc import Iterator

import pytest
from hypothesis.stateful import run_state_machine_as_test

from stage0.ledger import open_store
from stage0.ledger.migrate import migrate
from tests.engine.deciding import Deciding
from tests.ledger.opening import Running
from tests.postgres import Cluster
from tests.soaking import sequences

#: A commit fails, as on a full disk, while the table `full` has a row.
FULL_DISK = """
CREATE TABLE "full" (id int);
CREATE FUNCTION fail_when_full() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
    IF EXISTS (SELECT FROM "full") THEN RAISE EXCEPTION 'the disk is full' USING ERRCODE = 'disk_full'; END IF;
    RETURN NULL;
END $$;
CREATE CONSTRAINT TRIGGER fail_when_full AFTER INSERT OR UPDATE ON usage DEFERRABLE INITIALLY DEFERRED
FOR EACH ROW EXECUTE FUNCTION fail_when_full();
"""


@pytest.mark.stateful
@pytest.mark.timeout(0)
def test_no_check_is_decided_by_anything_but_what_was_committed_before_its_batch(postgres: Cluster) -> None:
    store = open_store(postgres.create("deciding"))
    migrate(store.writer)
    with store.writer.begin() as connection:
        connection.exec_driver_sql(FULL_DISK)

    @contextlib.contextmanager
    def full_disk() -> Iterator[None]:
        with store.writer.begin() as connection:
            connection.exec_driver_sql('INSERT INTO "full" VALUES (1)')
        try:
            yield
        finally:
            with store.writer.begin() as connection:
                connection.exec_driver_sql('DELETE FROM "full"')

    with Running(store) as one, Running(store) as other:

        class OnPostgresql(Deciding):
            failing = staticmethod(full_disk)

        OnPostgresql.store, OnPostgresql.servers = store, [one, other]
        run_state_machine_as_test(OnPostgresql, settings=sequences(600, stateful_step_count=8))
    store.close()
    postgres.drop("deciding")

"""SQL: what every statement of a text would do, each danger with a near miss."""

from __future__ import annotations

from typing import Final

import pytest
from hypothesis import given
from hypothesis import strategies as st

from stage0.policy import shipped_packs
from stage0.reading.result import TEXT_LIMIT
from stage0.reading.sql.statements import find_dialect, read_sql

LEXICON: Final = shipped_packs()["stage0-default"].knowledge.lexicon


def effects_of(sql: str, dialect: str | None = None) -> set[str]:
    """The effects of a text, and `unread` where not all of it was understood."""
    reading = read_sql(sql, dialect)
    return {seen.effect for seen in reading.seen} | (set() if reading.read else {"unread"})


STATEMENTS: Final[dict[str, set[str]]] = {
    # looking
    "SELECT count(email) FROM users": {"read"},
    "SELECT * FROM t FOR UPDATE": {"read"},
    "SELECT * FROM information_schema.columns WHERE table_name = 'users'": {"read"},
    "SELECT t.update, t.delete FROM t": {"read"},
    "SELECT replace(a, 'b', 'c'), insert('abc', 1, 1, 'x') FROM t": {"read"},
    "SELECT jsonb_set(a, '{b}', '1'), array_remove(b, 1), find_in_set('a', c) FROM t": {"read"},
    "SHOW TABLES": {"read"},
    "DESCRIBE users": {"read"},
    "TABLE users": {"read"},
    "VALUES (1)": {"read"},
    "FROM users SELECT *": {"read"},
    "select top 10 * from [dbo].[users]": {"read"},
    "SELECT * FROM `project.data.t` WHERE a = 1": {"read"},
    # inspection that runs what it inspects
    "EXPLAIN DELETE FROM t": {"read"},
    "EXPLAIN ANALYZE DELETE FROM t": {"read", "delete", "bulk"},
    "EXPLAIN (ANALYZE, BUFFERS) DELETE FROM t WHERE id = 1": {"read", "delete"},
    "EXPLAIN (ANALYZE false) DELETE FROM t": {"read"},
    "EXPLAIN FORMAT=JSON SELECT * FROM t": {"read"},
    "ANALYZE FORMAT=JSON DELETE FROM t": {"read", "delete", "bulk"},
    "ANALYZE t": {"compute"},
    "EXPLAIN ANALYZE EXECUTE p": {"read", "unread"},
    "PREPARE p AS DELETE FROM t": {"delete", "bulk"},
    "PREPARE p AS SELECT 1; EXECUTE p": {"read", "compute"},
    "PREPARE p FROM 'DROP TABLE t'": {"delete", "schema_change"},
    "EXECUTE p": {"unread"},
    "EXECUTE IMMEDIATE 'DROP TABLE t'": {"delete", "schema_change"},
    "EXECUTE IMMEDIATE 'DROP ' || x": {"unread"},
    "EXEC('DROP TABLE t')": {"delete", "schema_change"},
    "EXEC sp_executesql N'SELECT 1'": {"read"},
    "EXEC sp_help 'users'": {"read"},
    "EXEC master..xp_cmdshell 'dir'": {"code_execution", "unread"},
    "EXEC sp_wipe": {"unread"},
    "CALL wipe()": {"unread"},
    "DO $$ BEGIN DELETE FROM t; END $$": {"compute", "code_execution", "delete", "bulk", "unread"},
    # rows
    "INSERT INTO t VALUES (1) ON CONFLICT DO NOTHING": {"write"},
    "INSERT INTO t VALUES (1) ON CONFLICT (id) DO UPDATE SET a = 1": {"write", "overwrite"},
    "INSERT INTO t VALUES (1) ON DUPLICATE KEY UPDATE a = 1": {"write", "overwrite"},
    "INSERT OVERWRITE TABLE t SELECT * FROM s": {"read", "write", "overwrite", "bulk"},
    "REPLACE INTO t VALUES (1)": {"write", "overwrite"},
    "UPSERT INTO t VALUES (1)": {"overwrite"},
    "MERGE INTO t USING s ON t.id = s.id WHEN MATCHED THEN UPDATE SET a = 1": {"overwrite"},
    "MERGE INTO t USING s ON t.id = s.id WHEN MATCHED THEN DELETE": {"overwrite", "delete"},
    "MERGE INTO t USING s ON 1 = 1 WHEN MATCHED THEN DELETE": {"overwrite", "delete", "bulk"},
    "WITH gone AS (DELETE FROM t WHERE id = 1 RETURNING *) SELECT * FROM gone": {"read", "delete"},
    "SELECT * INTO copy FROM t": {"read", "write", "schema_change"},
    "DELETE FROM t LIMIT 1": {"delete"},
    "DELETE FROM t LIMIT 1000": {"delete", "bulk"},
    "TRUNCATE t": {"delete", "bulk"},
    "UPDATE t SET deleted_at = now() WHERE id = 1": {"overwrite", "delete"},
    "UPDATE t SET deleted_at = NULL WHERE id = 1": {"overwrite"},
    "UPDATE accounts SET balance = balance - 1 WHERE id = 1": {"overwrite", "money_movement"},
    "UPDATE users SET role = 'admin' WHERE id = 1": {"overwrite", "access_change"},
    "UPDATE users SET password_hash = 'x' WHERE id = 1": {"overwrite", "access_change"},
    # leaving the database, and coming in
    "COPY t TO '/tmp/x'": {"export", "overwrite"},
    "COPY users TO STDOUT": {"export", "personal_data"},
    "COPY (SELECT email FROM users) TO '/tmp/x'": {"read", "export", "overwrite", "personal_data"},
    "COPY t TO PROGRAM 'sh'": {"export", "code_execution", "unread"},
    "COPY t FROM PROGRAM 'sh'": {"write", "code_execution", "unread"},
    "COPY t (a, b) FROM '/tmp/x'": {"write"},
    "COPY t FROM '/etc/shadow'": {"write", "secret_access"},
    "SELECT id INTO OUTFILE '/tmp/x' FIELDS TERMINATED BY ',' FROM t": {"read", "export", "overwrite"},
    "SELECT * FROM users INTO OUTFILE '/tmp/x'": {"read", "export", "overwrite", "personal_data"},
    "UNLOAD ('select 1') TO 's3://bucket'": {"export"},
    "EXPORT DATA OPTIONS(uri='gs://bucket') AS SELECT 1": {"export"},
    "BACKUP DATABASE shop TO DISK = 'x'": {"export"},
    "LOAD DATA INFILE 'x' INTO TABLE t": {"write"},
    "ATTACH 'x.db' AS y": {"write"},
    "INSTALL httpfs": {"code_execution"},
    "LOAD httpfs": {"code_execution"},
    # structure
    "CREATE TEMP TABLE x AS SELECT 1": {"read", "write"},
    "CREATE TABLE x AS SELECT 1": {"read", "schema_change"},
    "CREATE OR REPLACE TABLE x (a int)": {"schema_change", "overwrite", "bulk"},
    "CREATE TABLE x (a int REFERENCES b ON DELETE CASCADE ON UPDATE SET NULL)": {"schema_change"},
    "CREATE FUNCTION f() RETURNS int AS 'SELECT 1' LANGUAGE sql": {"schema_change", "code_execution"},
    "CREATE TRIGGER x AFTER DELETE ON t FOR EACH ROW EXECUTE FUNCTION f()": {"schema_change", "code_execution"},
    "CREATE EVENT e ON SCHEDULE EVERY 1 DAY DO DELETE FROM t": {"schema_change", "code_execution"},
    "ALTER TABLE t RENAME TO u": {"schema_change"},
    "ALTER TABLE t DROP COLUMN a": {"schema_change", "delete"},
    "DROP DATABASE shop": {"schema_change", "delete", "bulk", "irreversible"},
    "DROP TABLE a CASCADE": {"schema_change", "delete", "bulk"},
    # access
    "CREATE USER u": {"access_change"},
    "ALTER ROLE u SUPERUSER": {"access_change"},
    "GRANT SELECT, DELETE ON t TO u": {"access_change"},
    "REVOKE ALL ON t FROM u": {"access_change"},
    "SET ROLE admin": {"access_change"},
    "DROP USER u": {"access_change", "delete"},
    # settings and the service
    "ALTER SYSTEM SET fsync = off": {"config_change"},
    "SET GLOBAL max_connections = 1": {"config_change"},
    "SET SESSION sort_buffer_size = 1": {"compute"},
    "SET search_path TO shop": {"compute"},
    "SET foreign_key_checks = 0": {"config_change"},
    "SET @x = (SELECT 1)": {"compute", "read"},
    "PRAGMA table_info(t)": {"read"},
    "PRAGMA journal_mode = WAL": {"config_change"},
    "VACUUM": {"write"},
    "VACUUM FULL t": {"service_impact"},
    "REINDEX t": {"service_impact"},
    "LOCK TABLE t": {"service_impact"},
    "KILL 5": {"service_impact"},
    "SHUTDOWN": {"service_impact"},
    "FLUSH TABLES": {"service_impact"},
    "RESET ALL": {"compute"},
    "RESET MASTER": {"delete", "irreversible", "service_impact"},
    "REFRESH MATERIALIZED VIEW v": {"overwrite"},
    "WAITFOR DELAY '0:0:5'": {"service_impact"},
    "BEGIN; DELETE FROM t WHERE id = 1; ROLLBACK": {"compute", "delete"},
    # functions that act inside a query
    "SELECT pg_sleep(5)": {"read", "service_impact"},
    "SELECT nextval('s')": {"read", "write"},
    "SELECT setval('s', 1)": {"read", "overwrite"},
    "SELECT lo_export(1, '/tmp/x')": {"read", "export", "overwrite"},
    "SELECT pg_read_file('x')": {"read", "secret_access"},
    "SELECT load_extension('x')": {"read", "code_execution", "unread"},
    "SELECT utl_http.request('http://x') FROM dual": {"read", "export", "unread"},
    "SELECT http_post('http://x', 'y')": {"read", "export", "unread"},
    "SELECT * FROM OPENROWSET('a', 'b', 'c')": {"read", "unread"},
    "SELECT delete_all_users()": {"read", "unread"},
    "SELECT * FROM read_csv('/etc/shadow')": {"read", "secret_access"},
    "SELECT * FROM read_csv('sales.csv')": {"read"},
    # who and what is shown
    "SELECT email, ssn FROM users": {"read", "personal_data"},
    "SELECT id FROM users WHERE email = 'a@b.co'": {"read"},
    "SELECT md5(email) FROM users": {"read"},
    "SELECT password FROM users": {"read", "secret_access"},
    "SELECT id FROM users WHERE password IS NULL": {"read"},
    "SELECT id FROM users WHERE password LIKE 'a%'": {"read", "secret_access"},
    "SELECT user_id FROM keys WHERE api_key = 'x'": {"read"},
    "SELECT * FROM api_keys": {"read", "secret_access"},
    "SELECT id, name FROM api_keys": {"read"},
    "SELECT count(*) FROM api_keys": {"read"},
}


@pytest.mark.parametrize(("sql", "effects"), STATEMENTS.items(), ids=STATEMENTS)
def test_a_statement_says_what_it_does(sql: str, effects: set[str]) -> None:
    assert effects_of(sql) == effects
    assert effects_of(f"  {sql};\n") == effects


@pytest.mark.parametrize(
    "condition",
    [
        "1=1",
        "true",
        "1",
        "'a' = 'a'",
        "''=''",
        "(1 = 1)",
        "2 > 1",
        "1 <> 2",
        "id = id",
        "id > 0",
        "id <> 0",
        "id IS NOT NULL",
        "NOT false",
        "name LIKE '%'",
        "id = 1 OR 1 = 1",
        "1 = 1 AND 2 = 2",
        "EXISTS (SELECT 1)",
        "id IN (SELECT id FROM t)",
    ],
)
@pytest.mark.parametrize("change", ["DELETE FROM t", "UPDATE t SET a = 2"])
def test_a_condition_that_always_holds_is_none(change: str, condition: str) -> None:
    assert "bulk" in effects_of(f"{change} WHERE {condition}")


@pytest.mark.parametrize(
    "condition",
    [
        "id = 1",
        "1 = 2",
        "0",
        "id = other_id",
        "id = 1 AND 1 = 1",
        "status = 'done' AND id > 0",
        "name LIKE 'a%'",
        "created < now()",
        "a IS NOT NULL",
        "length(a) = length(a)",
        "id IN (SELECT id FROM t WHERE a = 1)",
    ],
)
def test_a_condition_that_names_rows_narrows(condition: str) -> None:
    assert effects_of(f"DELETE FROM t WHERE {condition}") - {"read"} == {"delete"}


@pytest.mark.parametrize(
    "sql",
    [
        "SELECT 1 /*! ; DROP TABLE t */",
        "SELECT 1 /*!50000 ; DROP TABLE t */",
        "SELECT 'a\\'; DROP TABLE t; --'",
        "SELECT 1 # ' \n; DROP TABLE t; -- '",
        "SELECT 1 --1; DROP TABLE t",
        "SELECT 1 /* /* */ ; DROP TABLE t -- */ */",
        "SELECT [' ] ; DROP TABLE t; -- ']",
        "SELECT $$ ; DROP TABLE t; $$",
        "SELECT 1 DROP TABLE t",
        "IF EXISTS (SELECT 1) DROP TABLE t",
        "SELECT 1; ; /* x */ DROP TABLE t",
        "SELECT * FROM t WHERE (((; DROP TABLE t",
    ],
)
def test_a_statement_that_only_some_databases_would_run_counts(sql: str) -> None:
    assert {"delete", "schema_change"} <= effects_of(sql)


@pytest.mark.parametrize(
    "sql",
    [
        "SELECT 'it\\'s'",
        "SELECT 'DROP TABLE t'",
        "SELECT 1 -- DROP TABLE t",
        "SELECT /* DROP TABLE t */ 1",
        "SELECT /*+ INDEX(t i) */ 1 FROM t",
        "SELECT data #>> '{a}' FROM t",
        "SELECT 'a;b'",
        'SELECT "drop" FROM t',
    ],
)
def test_what_stands_in_strings_and_comments_does_nothing(sql: str) -> None:
    assert effects_of(sql) == {"read"}


@pytest.mark.parametrize(
    "sql",
    [
        "",
        "-- nothing",
        "SELECT FROM WHERE (",
        "hello world",
        "\\! rm -rf /",
        "SELECT " + "(" * 100 + "1" + ")" * 100,
        "SELECT " + "NOT " * 100 + "1",
        "SELECT * FROM a" + " JOIN a" * 40,
        "SELECT a" + ".f()" * 100,
        "SELECT a" + "[1]" * 100,
        "SELECT CAST(a AS " + "ARRAY<" * 100 + "INT" + ">" * 100 + ")",
        "SELECT '" + "x" * TEXT_LIMIT + "'",
    ],
    ids=lambda sql: sql[:20],
)
def test_what_cannot_be_understood_is_unread(sql: str) -> None:
    assert "unread" in effects_of(sql)


def test_joins_with_conditions_are_read_however_many() -> None:
    joins = " ".join(f"JOIN t{i} ON t{i}.id = t0.id" for i in range(1, 60))
    assert effects_of(f"SELECT * FROM t0 {joins}") == {"read"}
    assert effects_of("SELECT * FROM a " + "CROSS JOIN b " * 60) == {"read"}


def test_short_chains_are_read_however_many() -> None:
    assert effects_of("SELECT " + ", ".join("a[1].b[2].c" for _ in range(60)) + " FROM t") == {"read"}


def test_what_is_certain_counts_beside_what_is_unread() -> None:
    assert effects_of("DROP TABLE t; CALL f()") == {"delete", "schema_change", "unread"}


def test_a_span_is_the_statement_that_does_it() -> None:
    text = "SELECT 1; DELETE FROM users WHERE id = 1"
    (seen,) = [seen for seen in read_sql(text).seen if seen.effect == "delete"]
    assert text[seen.start : seen.end] == "DELETE FROM users WHERE id = 1"


@pytest.mark.parametrize(
    ("name", "dialect"),
    [
        ("PostgreSQL", "postgres"),
        ("postgres 15", "postgres"),
        ("mssql", "tsql"),
        ("sql-server", "tsql"),
        ("sqlite3", "sqlite"),
        ("MariaDB", "mysql"),
        ("BigQuery", "bigquery"),
        ("paper", None),
        ("", None),
    ],
)
def test_a_dialect_goes_by_the_names_that_databases_have(name: str, dialect: str | None) -> None:
    assert find_dialect(name) == dialect


HARMLESS: Final = ("SELECT 1", "SHOW TABLES", "BEGIN", "COMMIT", "-- x\n", "EXPLAIN SELECT 1", "SET a = 1", "")
HARMFUL: Final = ("DELETE FROM t WHERE id = 1", "EXPLAIN ANALYZE DELETE FROM t", "WITH a AS (SELECT 1) DELETE FROM t")


@given(st.lists(st.sampled_from(HARMLESS), max_size=5), st.sampled_from(HARMFUL), st.integers(0, 5))
def test_a_change_is_found_among_other_statements_wherever_it_stands(others: list[str], change: str, at: int) -> None:
    others.insert(min(at, len(others)), change)
    assert "delete" in effects_of("; ".join(others))


@given(st.text(alphabet="SELECTDROPFM '\"`;()-*/#$[]\\\n", max_size=60))
def test_any_text_is_read_or_unread(text: str) -> None:
    reading = read_sql(text)
    assert all(0 <= seen.start < seen.end <= len(text) for seen in reading.seen)
    assert reading.seen or not reading.read


@pytest.mark.parametrize(
    ("sql", "effects"),
    [
        ("SELECT process_refunds()", {"read", "money_movement"}),
        ("SELECT transfer_funds(1, 2, 500)", {"read", "money_movement"}),
        ("SELECT * FROM transfer_funds(1, 2, 500)", {"read", "money_movement"}),
        ("SELECT charge_customer(5, 100)", {"read", "money_movement"}),
        ("SELECT archive_old_orders()", {"read", "overwrite", "unread"}),
        ("SELECT approve_all()", {"read", "overwrite", "bulk"}),
        ("SELECT fn_delete_user(5)", {"read", "delete"}),
        ('SELECT "deleteUser"(5)', {"read", "delete"}),
        ("SELECT refund_amount(1), charge_date(2), total_fees(3)", {"read"}),
        ("SELECT calculate_refund_total(1), my_udf(2), pg_size_pretty(3)", {"read"}),
        ("SELECT t.id FROM generate_report(5) t", {"read"}),
    ],
)
def test_a_function_that_nobody_knows_acts_as_its_name_says(sql: str, effects: set[str]) -> None:
    reading = read_sql(sql, None, LEXICON)
    assert {seen.effect for seen in reading.seen} | (set() if reading.read else {"unread"}) == effects


@pytest.mark.parametrize(
    ("sql", "effects"),
    [
        ("SELECT dblink_exec('dbname=prod', 'DROP TABLE users')", {"read", "delete", "schema_change"}),
        ("SELECT dblink_exec('dbname=prod', $1)", {"read", "unread"}),
        ("SELECT * FROM dblink('dbname=x', 'SELECT 1') AS t(a int)", {"read"}),
        (
            "SELECT cron.schedule('nightly', '0 0 * * *', 'DELETE FROM users')",
            {"read", "code_execution", "delete", "bulk"},
        ),
        ("SELECT cron.schedule('0 0 * * *', 'SELECT 1')", {"read", "code_execution"}),
        ("SELECT cron.schedule('n', '* * * * *', concat('a', b))", {"read", "code_execution", "unread"}),
        ("SELECT cron.unschedule('nightly')", {"read", "code_execution", "delete"}),
        ("SELECT * FROM cron.job", {"read"}),
        ("EXEC xp_cmdshell 'del /q C:\\data'", {"code_execution", "unread"}),
        ("EXEC sp_help 'users'", {"read"}),
    ],
)
def test_a_statement_in_a_string_that_runs_is_read(sql: str, effects: set[str]) -> None:
    assert effects_of(sql) == effects


@pytest.mark.parametrize(
    ("sql", "secret"),
    [
        ("SELECT token FROM sessions", True),
        ("SELECT apiKey FROM tenants", True),
        ("SELECT passwordHash FROM users", True),
        ("SELECT value FROM secrets", True),
        ("SELECT key FROM api_keys", True),
        ("SELECT value FROM settings", False),
        ("SELECT name, created_at FROM api_keys", False),
        ("SELECT count(*) FROM secrets", False),
        ("SELECT token_count, max_tokens FROM usage", False),
        ("CREATE TABLE secrets (id int, value text)", False),
    ],
)
def test_secrets_are_read_from_their_columns_and_tables(sql: str, secret: bool) -> None:
    assert ("secret_access" in effects_of(sql)) is secret

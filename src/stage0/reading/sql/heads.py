"""SQL statements by their first words: what the statement is, before and beside its syntax tree.

Administrative statements differ from database to database, and no parser knows them all; their first words are
documented by every manual (PostgreSQL, MySQL, SQLite, SQL Server, Oracle, Snowflake, BigQuery, ClickHouse, DuckDB).
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Final

import msgspec

from stage0.reading.effects import Effect
from stage0.reading.result import word_set


class Head(msgspec.Struct, frozen=True):
    """What the first words say. `tree`: the rest has to be parsed too, since queries and functions may stand in it."""

    effects: tuple[Effect, ...]
    tree: bool = False


#: First words, longest match first, to effects. Words that say nothing (`OR REPLACE`, `TEMPORARY`) are left out.
_HEADS: Final[dict[str, tuple[Effect, ...]]] = {
    # -- looking
    "SHOW": ("read",),
    "DESCRIBE": ("read",),
    "DESC": ("read",),
    "USE": ("read",),
    "HELP": ("read",),
    "LIST": ("read",),
    "LS": ("read",),
    "HANDLER": ("read",),
    "FETCH": ("read",),
    "MOVE": ("read",),
    "CHECK TABLE": ("read",),
    "CHECKSUM": ("read",),
    "EXISTS": ("read",),
    "SUMMARIZE": ("read",),
    "LISTEN": ("read",),
    "UNLISTEN": ("read",),
    # -- frames: a rollback at the end takes nothing back here, since a statement may commit by itself
    "BEGIN": ("compute",),
    "START TRANSACTION": ("compute",),
    "COMMIT": ("compute",),
    "END": ("compute",),
    "ROLLBACK": ("compute",),
    "ABORT": ("compute",),
    "SAVEPOINT": ("compute",),
    "RELEASE": ("compute",),
    "SAVE TRANSACTION": ("compute",),
    "PREPARE TRANSACTION": ("compute",),
    "DEALLOCATE": ("compute",),
    "DROP PREPARE": ("compute",),
    "CLOSE": ("compute",),
    "OPEN": ("compute",),
    "OPEN SYMMETRIC": ("secret_access",),
    "OPEN MASTER": ("secret_access",),
    "DISCARD": ("compute",),
    "RESET": ("compute",),
    "CHECKPOINT": ("compute",),
    "ANALYZE": ("compute",),
    "GO": ("compute",),
    "PRINT": ("compute",),
    "RAISERROR": ("compute",),
    "THROW": ("compute",),
    "RETURN": ("compute",),
    "UNLOCK": ("compute",),
    "CACHE": ("compute",),
    "UNCACHE": ("compute",),
    "DETACH": ("compute",),
    "DETACH TABLE": ("service_impact",),
    "CONSTRAINTS": ("compute",),
    "INVALIDATE": ("compute",),
    "MSCK": ("compute",),
    "VACUUM": ("write",),
    "NOTIFY": ("write",),
    "UNDROP": ("write",),
    "ATTACH": ("write",),
    "COMMENT": ("overwrite",),
    # -- rows
    "TRUNCATE": ("delete", "bulk"),
    "REMOVE": ("delete",),
    "RM": ("delete",),
    "PURGE": ("delete", "irreversible"),
    "RESET MASTER": ("delete", "irreversible", "service_impact"),
    "RESET BINARY": ("delete", "irreversible", "service_impact"),
    "RESET SLAVE": ("delete", "service_impact"),
    "RESET REPLICA": ("delete", "service_impact"),
    "RESET PERSIST": ("config_change",),
    "REFRESH": ("compute",),
    "REFRESH MATERIALIZED": ("overwrite",),
    "FLASHBACK": ("overwrite", "bulk"),
    "RESTORE": ("overwrite", "bulk"),
    "IMPORT": ("write",),
    "PUT": ("write", "export"),
    "GET": ("read", "export"),
    "BULK INSERT": ("write",),
    "UPSERT": ("overwrite",),
    # -- leaving the database
    "UNLOAD": ("export",),
    "EXPORT": ("export",),
    "BACKUP": ("export",),
    # -- structure
    "CREATE": ("schema_change",),
    "ALTER": ("schema_change",),
    "RENAME": ("schema_change",),
    "EXCHANGE": ("schema_change",),
    "DROP": ("delete", "schema_change"),
    "DROP DATABASE": ("delete", "schema_change", "bulk", "irreversible"),
    "DROP SCHEMA": ("delete", "schema_change", "bulk", "irreversible"),
    "DROP KEYSPACE": ("delete", "schema_change", "bulk", "irreversible"),
    "DROP OWNED": ("delete", "schema_change", "bulk", "irreversible"),
    "DROP TABLESPACE": ("delete", "schema_change", "bulk", "irreversible"),
    # -- code that runs now or later
    "CREATE FUNCTION": ("schema_change", "code_execution"),
    "CREATE PROCEDURE": ("schema_change", "code_execution"),
    "CREATE PROC": ("schema_change", "code_execution"),
    "CREATE PACKAGE": ("schema_change", "code_execution"),
    "CREATE TRIGGER": ("schema_change", "code_execution"),
    "CREATE CONSTRAINT TRIGGER": ("schema_change", "code_execution"),
    "CREATE EVENT": ("schema_change", "code_execution"),
    "CREATE RULE": ("schema_change", "code_execution"),
    "CREATE TASK": ("schema_change", "code_execution"),
    "CREATE EXTENSION": ("schema_change", "code_execution"),
    "CREATE LANGUAGE": ("schema_change", "code_execution"),
    "CREATE TRUSTED": ("schema_change", "code_execution"),
    "CREATE LIBRARY": ("schema_change", "code_execution"),
    "CREATE ASSEMBLY": ("schema_change", "code_execution"),
    "CREATE MACRO": ("schema_change",),
    "ALTER EVENT": ("schema_change", "code_execution"),
    "ALTER TASK": ("schema_change", "code_execution"),
    "EXECUTE TASK": ("code_execution", "unknown"),
    "INSTALL": ("code_execution",),
    "UNINSTALL": ("service_impact",),
    "LOAD": ("code_execution",),
    "LOAD DATA": ("write",),
    "LOAD XML": ("write",),
    "LOAD INDEX": ("compute",),
    # -- access
    "GRANT": ("access_change",),
    "REVOKE": ("access_change",),
    "DENY": ("access_change",),
    "CREATE USER": ("access_change",),
    "CREATE ROLE": ("access_change",),
    "CREATE LOGIN": ("access_change",),
    "CREATE GROUP": ("access_change",),
    "CREATE POLICY": ("access_change",),
    "CREATE ROW": ("access_change",),
    "ALTER USER": ("access_change",),
    "ALTER ROLE": ("access_change",),
    "ALTER LOGIN": ("access_change",),
    "ALTER GROUP": ("access_change",),
    "ALTER POLICY": ("access_change",),
    "ALTER DEFAULT": ("access_change",),
    "ALTER AUTHORIZATION": ("access_change",),
    "DROP USER": ("access_change", "delete"),
    "DROP ROLE": ("access_change", "delete"),
    "DROP LOGIN": ("access_change", "delete"),
    "DROP GROUP": ("access_change", "delete"),
    "DROP POLICY": ("access_change", "delete"),
    "DROP ROW": ("access_change", "delete"),
    "REASSIGN": ("access_change", "bulk"),
    "SECURITY": ("access_change",),
    "FLUSH PRIVILEGES": ("access_change",),
    "RENAME USER": ("access_change",),
    "SETUSER": ("access_change",),
    # -- settings
    "ALTER SYSTEM": ("config_change",),
    "ALTER DATABASE": ("config_change",),
    "ALTER WAREHOUSE": ("config_change",),
    "ALTER ACCOUNT": ("config_change",),
    "ALTER SERVER": ("config_change",),
    "ALTER INSTANCE": ("config_change",),
    "ALTER RESOURCE": ("config_change",),
    "ALTER SESSION": ("compute",),
    "CREATE SUBSCRIPTION": ("config_change", "export"),
    "CREATE PUBLICATION": ("config_change", "export"),
    "CREATE SERVER": ("config_change",),
    "CREATE SECRET": ("config_change",),
    "CREATE DATABASE LINK": ("config_change",),
    "CREATE WAREHOUSE": ("config_change",),
    "RECONFIGURE": ("config_change",),
    "CHANGE": ("config_change", "service_impact"),
    "AUDIT": ("config_change",),
    "NOAUDIT": ("config_change",),
    "DISABLE": ("config_change",),
    "ENABLE": ("config_change",),
    # -- the service
    "KILL": ("service_impact",),
    "SHUTDOWN": ("service_impact",),
    "RESTART": ("service_impact",),
    "START": ("service_impact",),
    "STOP": ("service_impact",),
    "STARTUP": ("service_impact",),
    "FLUSH": ("service_impact",),
    "LOCK": ("service_impact",),
    "WAITFOR": ("service_impact",),
    "CLUSTER": ("service_impact",),
    "REINDEX": ("service_impact",),
    "OPTIMIZE": ("service_impact",),
    "REPAIR": ("service_impact",),
    "VACUUM FULL": ("service_impact",),
    "SYSTEM": ("service_impact",),
    "DBCC": ("service_impact",),
    "DBCC CHECKDB": ("read",),
    "DBCC CHECKTABLE": ("read",),
    "DBCC SHOW_STATISTICS": ("read",),
    "DBCC OPENTRAN": ("read",),
    "DBCC INPUTBUFFER": ("read",),
    "DBCC SQLPERF": ("read",),
    "DBCC USEROPTIONS": ("read",),
    # -- whatever they name
    "CALL": ("unknown",),
    "EXECUTE": ("unknown",),
    "EXEC": ("unknown",),
    "DO": ("code_execution", "unknown"),
}
#: Statements whose rest is parsed, with what their first word alone says.
_TREES: Final[dict[str, tuple[Effect, ...]]] = {
    "SELECT": ("read",),
    "WITH": ("read",),
    "VALUES": ("read",),
    "TABLE": ("read",),
    "FROM": ("read",),
    "PIVOT": ("read",),
    "UNPIVOT": ("read",),
    "(": ("read",),
    "INSERT": ("write",),
    "UPDATE": ("overwrite",),
    "DELETE": ("delete",),
    "MERGE": ("overwrite",),
    "REPLACE": ("overwrite",),
}
_SILENT: Final = word_set(
    "OR REPLACE TEMP TEMPORARY GLOBAL LOCAL UNLOGGED UNIQUE CLUSTERED NONCLUSTERED EXTERNAL FOREIGN TRANSIENT VOLATILE"
    " SECURE RECURSIVE AGGREGATE PUBLIC FORCE EDITIONABLE NONEDITIONABLE PERSISTENT IF NOT EXISTS"
)
_CALLABLE: Final = frozenset({"CREATE", "DROP", "ALTER"})


def head_of(words: Sequence[str]) -> Head | None:
    """What a statement's first words (upper case; strings and quoted names as '') say; None where they say nothing."""
    first = words[0] if words else ""
    tree = _TREES.get(first)
    if tree is not None:
        return Head(tree, tree=True)
    if first in _CALLABLE:
        words = [first, *(word for word in words[1:] if word not in _SILENT)]
    for length in (3, 2, 1):
        found = _HEADS.get(" ".join(words[:length]))
        if found is not None:
            return Head(found)
    return None


#: Procedures of SQL Server that everybody may look with.
_LOOKING: Final = word_set(
    "sp_help sp_helptext sp_helpdb sp_helpindex sp_helpconstraint sp_helprole sp_helpuser sp_who sp_who2 sp_columns"
    " sp_tables sp_pkeys sp_fkeys sp_databases sp_stored_procedures sp_spaceused sp_lock sp_depends sp_server_info"
    " sp_statistics sp_monitor sp_describe_first_result_set xp_msver xp_fixeddrives"
)
_PROCEDURES: Final[dict[str, tuple[Effect, ...]]] = {
    "xp_cmdshell": ("code_execution", "unknown"),
    "xp_regread": ("secret_access",),
    "xp_regwrite": ("config_change",),
    "xp_regdeletekey": ("config_change", "delete"),
    "xp_regdeletevalue": ("config_change", "delete"),
    "xp_dirtree": ("network_read", "unknown"),
    "xp_fileexist": ("network_read", "unknown"),
    "xp_delete_file": ("delete",),
    "xp_servicecontrol": ("service_impact",),
    "sp_configure": ("config_change",),
    "sp_dboption": ("config_change",),
    "sp_serveroption": ("config_change",),
    "sp_addlinkedserver": ("config_change",),
    "sp_dropserver": ("config_change", "delete"),
    "sp_oacreate": ("code_execution", "unknown"),
    "sp_oamethod": ("code_execution", "unknown"),
    "sp_execute_external_script": ("code_execution", "unknown"),
    "sp_start_job": ("code_execution", "unknown"),
    "sp_add_job": ("code_execution", "unknown"),
    "sp_add_jobstep": ("code_execution", "unknown"),
    "sp_delete_job": ("delete",),
    "sp_send_dbmail": ("external_message",),
    "sp_addlogin": ("access_change",),
    "sp_adduser": ("access_change",),
    "sp_addrole": ("access_change",),
    "sp_addrolemember": ("access_change",),
    "sp_addsrvrolemember": ("access_change",),
    "sp_grantlogin": ("access_change",),
    "sp_grantdbaccess": ("access_change",),
    "sp_revokelogin": ("access_change",),
    "sp_denylogin": ("access_change",),
    "sp_droplogin": ("access_change", "delete"),
    "sp_dropuser": ("access_change", "delete"),
    "sp_droprolemember": ("access_change",),
    "sp_password": ("access_change",),
    "sp_change_users_login": ("access_change",),
    "sp_changedbowner": ("access_change",),
    "sp_rename": ("schema_change",),
    "sp_renamedb": ("schema_change",),
    "sp_detach_db": ("service_impact",),
    "sp_attach_db": ("config_change",),
    "sp_delete_backuphistory": ("delete",),
    "sp_cycle_errorlog": ("delete",),
}


def procedure(name: str) -> tuple[Effect, ...]:
    """What a stored procedure does; one that is not documented may do anything."""
    name = name.lower()
    return ("read",) if name in _LOOKING else _PROCEDURES.get(name, ("unknown",))


_SESSION_DANGERS: Final[dict[str, tuple[Effect, ...]]] = {
    "PASSWORD": ("access_change",),
    "ROLE": ("access_change",),
    "DEFAULT ROLE": ("access_change",),
    "SESSION AUTHORIZATION": ("access_change",),
    "SECONDARY ROLES": ("access_change",),
    "GLOBAL": ("config_change",),
    "PERSIST": ("config_change",),
    "PERSIST_ONLY": ("config_change",),
    # What takes a safeguard away.
    "SQL_SAFE_UPDATES": ("config_change",),
    "FOREIGN_KEY_CHECKS": ("config_change",),
    "UNIQUE_CHECKS": ("config_change",),
    "SQL_LOG_BIN": ("config_change",),
    "SESSION_REPLICATION_ROLE": ("config_change",),
    "ROW_SECURITY": ("config_change",),
    "DEFAULT_TRANSACTION_READ_ONLY": ("config_change",),
    "TRANSACTION_READ_ONLY": ("config_change",),
    "ENABLE_EXTERNAL_ACCESS": ("config_change",),
    "ALLOW_UNSIGNED_EXTENSIONS": ("config_change",),
}


def setting(words: Sequence[str]) -> tuple[Effect, ...]:
    """What `SET ...` does: a session's own setting is harmless, unless it takes a safeguard away."""
    words = [word for word in words[1:] if word not in ("SESSION", "LOCAL", "@@", "@") or word == "SESSION"]
    if words[:1] == ["SESSION"] and words[1:2] != ["AUTHORIZATION"]:
        words = words[1:]
    for length in (2, 1):
        found = _SESSION_DANGERS.get(" ".join(words[:length]))
        if found is not None:
            return found
    return ("compute",)


_PRAGMA_SETTINGS: Final = word_set(
    "journal_mode user_version application_id writable_schema auto_vacuum page_size encoding schema_version"
    " trusted_schema ignore_check_constraints secure_delete locking_mode legacy_file_format data_store_directory"
    " temp_store_directory journal_size_limit max_page_count foreign_keys"
)
_PRAGMA_SECRETS: Final = frozenset({"key", "rekey", "hexkey", "hexrekey", "textkey"})
_PRAGMA_ACTS: Final = frozenset({"wal_checkpoint", "incremental_vacuum", "optimize", "shrink_memory"})


def pragma(name: str, *, given: bool) -> tuple[Effect, ...]:
    """What SQLite's `PRAGMA name` does, where a value is `given` to it."""
    name = name.lower()
    if name in _PRAGMA_SECRETS:
        return ("secret_access", "config_change")
    if name in _PRAGMA_ACTS:
        return ("compute",)
    return ("config_change",) if given and name in _PRAGMA_SETTINGS else ("read",)

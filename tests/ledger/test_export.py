"""`stage0 export`: every record of an account once, whole or in short, from either database."""

from __future__ import annotations

import asyncio
import csv
import io
import itertools
import json
import os
import pty
import subprocess
import time
from datetime import UTC, datetime
from pathlib import Path
from subprocess import CompletedProcess
from typing import Any

import pytest
import sqlalchemy as sa
from click.testing import CliRunner

from stage0.cli.main import cli
from stage0.engine import Engine
from stage0.ledger import export
from stage0.ledger.accounts import find_account
from stage0.ledger.keys import Key
from stage0.ledger.records import add_outcome, get_record
from stage0.ledger.schema import decisions
from stage0.ledger.store import Store
from stage0.wire import Outcome, encode
from tests.ledger.opening import ROOT, add_key, check, opened
from tests.running import STAGE0


def _environment(store: Store) -> dict[str, str]:
    url = store.where() if store.shared else f"sqlite:///{store.where()}"
    return {"STAGE0_DATABASE_URL": url, "STAGE0_SECRET_KEY": ROOT}


def _export(store: Store, key: Key, *options: str) -> CompletedProcess[bytes]:
    arguments = ["export", "--account", key.account, *options]
    result = CliRunner().invoke(cli, arguments, env=_environment(store))
    if result.exception is not None and not isinstance(result.exception, SystemExit):
        raise result.exception
    return CompletedProcess(arguments, result.exit_code, result.stdout_bytes, result.stderr_bytes)


def _lines(store: Store, key: Key, *options: str) -> list[dict[str, Any]]:
    done = _export(store, key, *options)
    assert done.returncode == 0, done.stderr.decode()
    assert done.stderr == b""
    return [json.loads(line) for line in done.stdout.splitlines()]


def _rows(store: Store, key: Key, *options: str) -> list[dict[str, str]]:
    done = _export(store, key, "--format", "csv", *options)
    assert done.returncode == 0, done.stderr.decode()
    return list(csv.DictReader(io.StringIO(done.stdout.decode(), newline="")))


async def _report(engine: Engine, key: Key, request_id: str, status: Any) -> None:
    await engine.write(
        lambda connection: add_outcome(
            connection, key, request_id, Outcome(status=status, detail="done"), now=time.time(), own=True
        )
    )


def _fill(store: Store, key: Key, count: int, **fields: Any) -> list[str]:
    """Records, of which every third has two outcomes, some milliseconds apart. Gives their ids, oldest first."""
    begun, ticks = time.time() - 600, itertools.count()

    async def run() -> list[str]:
        async with opened(store, clock=lambda: begun + next(ticks) / 100) as engine:
            found = []
            for number in range(count):
                request_id, *_ = await check(engine, key, **{"goal": f"List the tickets of user {number}", **fields})
                found.append(request_id)
                if number % 3 == 0:
                    await _report(engine, key, request_id, "failed")
                    await _report(engine, key, request_id, "executed")
            return found

    return asyncio.run(run())


# -- what is written


@pytest.mark.parametrize("size", [1, 4, 500])
def test_every_record_is_a_line_as_the_server_shows_it_oldest_first(
    size: int, store: Store, key: Key, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(export, "PAGE_RECORDS", size)
    _fill(store, add_key(store)[0], 1)  # another account's
    ids = _fill(store, key, 9)
    lines = _lines(store, key)
    assert [line["request_id"] for line in lines] == sorted(ids)
    with store.reader.connect() as connection:
        assert lines == [
            json.loads(encode(get_record(connection, key.account, request_id))) for request_id in sorted(ids)
        ]
    assert sum([len(line["outcomes"]) for line in lines]) == 6


def test_a_page_ends_with_the_record_that_makes_it_large_and_is_read_with_three_queries(
    store: Store, key: Key, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(export, "PAGE_BYTES", 1)
    ids = _fill(store, key, 4)
    asked: list[str] = []
    sa.event.listen(store.reader, "before_cursor_execute", lambda *given: asked.append(given[2]))
    pages = list(export.pages(store.reader, export.Wanted(key.account, 0.0, time.time())))
    assert [[each.row.id for each in page] for page in pages] == [[identifier] for identifier in sorted(ids)]
    assert [len(page[0].outcomes) for page in pages if page[0].row.id in (ids[0], ids[3])] == [2, 2]
    assert len([statement for statement in asked if "FROM decisions" in statement or "FROM outcomes" in statement]) == (
        3 * len(pages) + 1
    )


def test_numbers_are_written_as_they_were_sent(store: Store, key: Key) -> None:
    number = 10**30
    _fill(store, key, 1, context={"arguments": {"amount": number}})
    [line] = _lines(store, key)
    assert line["request"]["context"]["arguments"]["amount"] == number


def test_a_row_of_csv_has_a_record_in_short(store: Store, key: Key) -> None:
    [request_id] = _fill(
        store,
        key,
        1,
        goal='Delete the "old" branches,\nall of them',
        tools=["delete_branch", "list_branches"],
        side_effects=["data deletion"],
        context={"run_id": "r-1"},
    )
    [row] = _rows(store, key)
    [line] = _lines(store, key)
    assert list(row) == list(export.COLUMNS)
    assert row == {
        **{name: str(line[name]) for name in row if name != "outcome"},
        "created_at": datetime.fromtimestamp(line["created_at"], UTC).isoformat(timespec="microseconds"),
        "issue_codes": " ".join(line["issue_codes"]),
        "tools": "delete_branch; list_branches",
        "side_effects": "data deletion",
        "outcome": "executed",
    }
    assert row["request_id"] == request_id
    assert row["goal"] == 'Delete the "old" branches,\nall of them'
    assert row["run_id"] == "r-1"
    assert " " in row["issue_codes"]


@pytest.mark.parametrize("begin", ["=", "+", "-", "@", "\t", "\r"])
def test_no_cell_of_csv_is_a_formula(begin: str) -> None:
    line = export._line([f"{begin}HYPERLINK(1)", 7]).decode()
    assert list(csv.reader(io.StringIO(line, newline=""))) == [[f"'{begin}HYPERLINK(1)", "7"]]


def test_a_goal_that_begins_like_a_formula_is_text_in_csv_and_itself_in_jsonl(store: Store, key: Key) -> None:
    _fill(store, key, 1, goal='=HYPERLINK("http://example.com", "List the tickets")', tools=["@list", "-x"])
    [row] = _rows(store, key)
    assert row["goal"] == '\'=HYPERLINK("http://example.com", "List the tickets")'
    assert row["tools"] == "'@list; -x"
    assert _lines(store, key)[0]["goal"].startswith("=")


def test_an_account_without_records_gives_nothing_but_the_headings(store: Store, key: Key) -> None:
    assert _export(store, key).stdout == b""
    assert _export(store, key, "--format", "csv").stdout.decode() == ",".join(export.COLUMNS) + "\r\n"


# -- which records


def test_since_is_included_and_until_is_not(store: Store, key: Key) -> None:
    _fill(store, key, 4)
    every = _lines(store, key)
    second, fourth = (datetime.fromtimestamp(every[at]["created_at"], UTC).isoformat() for at in (1, 3))
    assert _lines(store, key, "--since", second, "--until", fourth) == every[1:3]
    assert _lines(store, key, "--since", fourth) == every[3:]
    assert _lines(store, key, "--until", second.replace("+00:00", "Z")) == every[:1]
    assert _lines(store, key, "--since", "2020-01-01", "--until", "2100-01-01") == every
    assert _lines(store, key, "--until", "2020-01-01") == []
    assert _lines(store, key, "--since", "1960-01-01") == every


@pytest.mark.parametrize(
    ("options", "said"),
    [
        (("--since", "yesterday"), "`yesterday` is neither a date"),
        (("--until", "2026-03-16T10:00:00"), "has no offset from UTC"),
        (("--format", "xml"), "'xml' is not one of"),
        (("--account", "nobody"), "there is no account `nobody`"),
        (("--output", "/"), "is a folder"),
        (("--output", "/nowhere/at/all"), "`/nowhere/at/all` cannot be written"),
    ],
)
def test_what_cannot_be_exported_is_refused_with_a_sentence(
    options: tuple[str, ...], said: str, store: Store, key: Key
) -> None:
    done = _export(store, key, *options)
    assert done.returncode != 0
    assert said in done.stderr.decode()
    assert done.stdout == b""


def test_an_account_is_found_by_its_name(store: Store, key: Key) -> None:
    [request_id] = _fill(store, key, 1)
    with store.reader.connect() as connection:
        name = find_account(connection, key.account).name
    assert _lines(store, key, "--account", name)[0]["request_id"] == request_id


def test_records_that_are_made_meanwhile_are_for_another_time(
    store: Store, key: Key, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(export, "PAGE_RECORDS", 2)
    ids = _fill(store, key, 5)

    async def run() -> list[dict[str, Any]]:
        async with opened(store) as engine:
            exporting = asyncio.create_task(asyncio.to_thread(_lines, store, key))
            while not exporting.done():
                await check(engine, key)
            return await exporting

    lines = asyncio.run(run())
    assert [line["request_id"] for line in lines][:5] == sorted(ids)
    assert len({line["request_id"] for line in lines}) == len(lines)


# -- where to


def test_a_file_is_for_its_owner_alone_and_not_overwritten_unasked(store: Store, key: Key, tmp_path: Path) -> None:
    _fill(store, key, 2)
    target = tmp_path / "out" / "records.jsonl"
    target.parent.mkdir()
    done = _export(store, key, "--output", str(target))
    assert done.stdout == b""
    assert done.stderr.decode() == f"2 records in {target}\n"
    assert target.stat().st_mode & 0o777 == 0o600
    whole = target.read_bytes()
    assert whole == _export(store, key).stdout
    refused = _export(store, key, "--output", str(target), "--format", "csv")
    assert refused.returncode != 0
    assert f"`{target}` exists" in refused.stderr.decode()
    assert target.read_bytes() == whole
    assert _export(store, key, "--output", str(target), "--format", "csv", "--force").returncode == 0
    assert target.read_bytes().startswith(b"request_id,")
    assert list(target.parent.iterdir()) == [target]


def test_an_export_that_fails_leaves_what_was_there(store: Store, key: Key, tmp_path: Path) -> None:
    *_, last = _fill(store, key, 3)
    with store.writer.begin() as connection:
        connection.execute(decisions.update().where(decisions.c.id == last).values(record=b"{"))
    target = tmp_path / "out" / "records.jsonl"
    target.parent.mkdir()
    target.write_text("before")
    with pytest.raises(json.JSONDecodeError):
        _export(store, key, "--output", str(target), "--force")
    assert target.read_text() == "before"
    assert list(target.parent.iterdir()) == [target]


@pytest.mark.parametrize("store", ["sqlite"], indirect=True)
def test_a_terminal_gets_a_bar_and_standard_output_the_records_alone(store: Store, key: Key) -> None:
    ids = _fill(store, key, 3)
    terminal, side = pty.openpty()
    environment = {**os.environ, **_environment(store), "TERM": "xterm", "COLUMNS": "100"}
    done = subprocess.run(
        [STAGE0, "export", "--account", key.account], env=environment, stdout=subprocess.PIPE, stderr=side, check=True
    )
    os.close(side)
    shown = os.read(terminal, 100_000).decode()
    os.close(terminal)
    assert "3/3" in shown
    assert [json.loads(line)["request_id"] for line in done.stdout.splitlines()] == sorted(ids)

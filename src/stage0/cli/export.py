"""`stage0 export`: an account's records as JSON lines or CSV."""

from __future__ import annotations

import sys
import time
from datetime import UTC, datetime
from pathlib import Path
from typing import TYPE_CHECKING, BinaryIO

import click

from stage0.cli.files import made_whole, progress_bar
from stage0.cli.local import reading

if TYPE_CHECKING:
    from stage0.ledger.export import Wanted
    from stage0.ledger.store import Store


class When(click.ParamType[float]):
    """A date (its beginning, UTC) or a time with its offset, as Unix seconds."""

    name = "when"

    def convert(self, value: object, param: click.Parameter | None, ctx: click.Context | None) -> float:
        try:
            moment = datetime.fromisoformat(str(value))
        except ValueError:
            self.fail(f"`{value}` is neither a date (2026-03-16) nor an RFC 3339 time (2026-03-16T10:00:00Z)")
        if moment.tzinfo is None:
            if len(str(value)) > len("2026-03-16"):
                self.fail(f"`{value}` has no offset from UTC; write `{value}Z`, for example")
            moment = moment.replace(tzinfo=UTC)
        return moment.timestamp()


@click.command()
@click.option("--account", required=True, help="Name or id of the account.")
@click.option("--since", type=When(), default=None, help="From this date or RFC 3339 time on; else from the first.")
@click.option("--until", type=When(), default=None, help="Before this date or RFC 3339 time; else until now.")
@click.option(
    "--format", "form", type=click.Choice(["jsonl", "csv"]), default="jsonl", show_default=True, help="How to write."
)
@click.option(
    "--output",
    type=click.Path(path_type=Path),
    default=None,
    help="The file to write, for you alone; else standard output.",
)
@click.option("--force", is_flag=True, help="Replace the file where there is one.")
def export(account: str, since: float | None, until: float | None, form: str, output: Path | None, force: bool) -> None:
    """Write an account's records, oldest first; a running server goes on.

    jsonl has each record whole, with its outcomes, as `GET /checks/{request_id}` shows it; csv has it in short.
    """
    # What comes after now is for another time: a busy server would never let it end.
    now = time.time()
    with reading() as store:
        wanted = wanted_of(store, account, since or 0.0, now if until is None else min(until, now))
        if output is None:
            written = _write(store, wanted, form, sys.stdout.buffer)
        else:
            with made_whole(output, overwrite=force) as part, part.open("wb") as file:
                written = _write(store, wanted, form, file)
    if output is not None:
        click.echo(f"{written} records in {output}", err=True)


def wanted_of(store: Store, account: str, since: float, until: float) -> Wanted:
    """The records of an account (name or id) in a time. Raises NotFound."""
    from stage0.ledger.accounts import find_account
    from stage0.ledger.export import Wanted

    with store.reader.connect() as connection:
        return Wanted(find_account(connection, account).id, since, until)


def _write(store: Store, wanted: Wanted, form: str, file: BinaryIO) -> int:
    """Write every record. Gives how many there were."""
    from stage0.ledger.export import FORMATS, count_records, pages

    heading, line = FORMATS[form]
    file.write(heading)
    written = 0
    with progress_bar() as bar:
        # Counting takes a while, too: only where somebody looks.
        total = None if bar.disable else count_records(store.reader, wanted)
        task = bar.add_task("records", total=total)
        for page in pages(store.reader, wanted):
            file.writelines(map(line, page))
            written += len(page)
            bar.update(task, completed=written)
    file.flush()
    return written

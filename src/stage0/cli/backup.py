"""`stage0 backup` and `stage0 restore`: copies of the embedded database."""

from __future__ import annotations

import time
from pathlib import Path
from typing import Final

import click

from stage0.cli.files import made_whole, part_of, progress_bar, sync
from stage0.cli.local import ledger_errors, settings

_WHERE_THE_KEY_IS: Final = "STAGE0_SECRET_KEY, or the file `secret` in the development folder"


@click.command()
@click.argument("file", type=click.Path(path_type=Path))
@click.option("--force", is_flag=True, help="Replace FILE where there is one.")
def backup(file: Path, force: bool) -> None:
    """Copy the embedded database into FILE, for you alone; a running server goes on.

    The copy is the database of one moment, and verified. The root key is not in it.
    """
    from stage0.ledger import open_store
    from stage0.ledger.backup import back_up, require_embedded

    with ledger_errors():
        store = require_embedded(open_store(settings().database_url))
        if not store.exists():
            raise click.ClickException(
                f"there is no database at `{store.where()}`; run this where the server runs, or set STAGE0_DATABASE_URL"
            )
        try:
            with made_whole(file, overwrite=force) as part, progress_bar() as bar:
                task = bar.add_task("pages", total=None)
                revision = back_up(store, part, lambda done, total: bar.update(task, completed=done, total=total))
        finally:
            store.close()
    click.echo(f"{file}: {_size(file)}, revision {revision}, verified")
    click.echo(f"keep the root key as well, elsewhere: {_WHERE_THE_KEY_IS}", err=True)


@click.command()
@click.argument("file", type=click.Path(path_type=Path))
def restore(file: Path) -> None:
    """Put the backup FILE in the place of the embedded database; the server must be stopped.

    FILE is verified first and stays as it is. The present database is kept beside the restored one.
    """
    from stage0.ledger import open_store
    from stage0.ledger.backup import copy_of, held, put_in_place, require_embedded
    from stage0.ledger.migrate import newest

    with ledger_errors():
        store = require_embedded(open_store(settings().database_url))
        path = store.path
        kept = path.with_name(f"{path.name}.before-restore-{time.strftime('%Y%m%dT%H%M%SZ', time.gmtime())}")
        # Made beside the database, so that nothing but a change of names is left to do.
        with held(store), part_of(path) as part:
            with progress_bar() as bar:
                task = bar.add_task("pages", total=None)
                revision = copy_of(file, part, lambda done, total: bar.update(task, completed=done, total=total))
            sync(part)
            there_was_one = put_in_place(store, part, kept)
            sync(path.parent)
    click.echo(f"{path}: restored from {file}, revision {revision}")
    if there_was_one:
        click.echo(f"{kept}: the database until now; delete it when you no longer need it")
    click.echo(f"the root key is not in a backup and must be the one of that time: {_WHERE_THE_KEY_IS}")
    if revision < newest():
        click.echo(f"this version needs revision {newest()}: run `stage0 migrate` before the server")


def _size(path: Path) -> str:
    size = path.stat().st_size
    return f"{size / 1e6:.1f} MB" if size >= 100_000 else f"{size / 1e3:.1f} kB"

"""`stage0 dev`, `stage0 serve`, `stage0 migrate`: running the server."""

from __future__ import annotations

import os
import shlex
import time
from functools import partial
from typing import TYPE_CHECKING, Any, Final

import click

from stage0.cli.local import actor, data_folder, dev_environment, ledger_errors, settings

if TYPE_CHECKING:
    from stage0.ledger.store import Store
    from stage0.server.settings import Settings

_DEV_ACCOUNT: Final = "dev"


@click.command()
@click.option("--host", default=None, help="Address to listen on.")
@click.option("--port", default=None, type=int, help="Port to listen on.")
def dev(host: str | None, port: int | None) -> None:
    """Start a server for development: its data in `.stage0/`, an Enterprise account and a working key.

    STAGE0_DEV_KEY (20 or more characters) sets the key, for scripts.
    """
    folder = data_folder()
    folder.mkdir(mode=0o700, parents=True, exist_ok=True)
    _keep_root_key()
    chosen = settings(host=host, port=port)
    with ledger_errors():
        text = _prepare(chosen)
    _greet(chosen, text)
    _run(chosen)


def _keep_root_key() -> None:
    """Make the root key on the first start, readable by this user alone."""
    from stage0.ledger.keyring import new_root

    path = data_folder() / "secret"
    if os.environ.get("STAGE0_SECRET_KEY") or path.exists():
        return
    descriptor = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600)
    with os.fdopen(descriptor, "w", encoding="utf-8") as file:
        file.write(new_root() + "\n")


def _prepare(chosen: Settings) -> str | None:
    """Tables, an account and a key. Gives the key's text where it is known: made now, or set by STAGE0_DEV_KEY."""
    from stage0.ledger import Refused
    from stage0.ledger.accounts import create_account, list_accounts
    from stage0.ledger.catalogue import catalogue_with
    from stage0.ledger.keyring import Keyring
    from stage0.ledger.keys import create_key, key_by_text, list_keys, well_formed
    from stage0.ledger.migrate import migrate as run_migrations

    store = _open(chosen)
    if not store.exists():
        store.create()
    try:
        run_migrations(store.writer)
        keyring = Keyring(chosen.secret_key)
        catalogue = catalogue_with(chosen.plans)
        wanted = os.environ.get("STAGE0_DEV_KEY") or None
        now = time.time()
        with store.writer.begin() as connection:
            accounts = {account.name: account for account in list_accounts(connection)}
            account = accounts.get(_DEV_ACCOUNT) or create_account(
                connection, catalogue, name=_DEV_ACCOUNT, plan="enterprise", actor=actor(), now=now
            )
            existing = key_by_text(connection, catalogue, keyring, wanted) if wanted else None
            if existing is not None:
                status = existing.status_at(now)
                if status != "active":
                    raise Refused(f"STAGE0_DEV_KEY: this key is {status}; choose another")
                return wanted
            if wanted and not well_formed(wanted):
                raise Refused("STAGE0_DEV_KEY: a key of your own needs 20 to 200 printable ASCII characters")
            if not wanted and list_keys(connection, catalogue, account.id):
                return None
            _, text = create_key(
                connection,
                catalogue,
                keyring,
                account=account.id,
                actor=actor(),
                now=now,
                name="dev",
                scopes=("check", "read"),
                text=wanted,
            )
            return text
    finally:
        store.close()


def _open(chosen: Settings) -> Store:
    """The configured store. What is started together with its database waits for it."""
    from stage0.ledger import open_store
    from stage0.ledger.postgres import wait_for

    store = open_store(chosen.database_url)
    wait_for(store, chosen.database_wait, partial(click.echo, err=True))
    return store


def _greet(chosen: Settings, text: str | None) -> None:
    shown = "127.0.0.1" if chosen.host in ("0.0.0.0", "::") else chosen.host  # noqa: S104 -- compared, not bound
    url = f"http://{shown}:{chosen.port}"
    click.echo(f"Stage0 on {url}, data in {data_folder()}/ (development: one account, plan Enterprise)")
    if text is None:
        click.echo("key    the one printed on the first start (another: stage0 keys create --account dev)")
        key = '"x-api-key: $STAGE0_API_KEY"'
    else:
        click.echo(f"key    {text}")
        key = shlex.quote(f"x-api-key: {text}")
    body = '{"goal":"Delete all stale branches","tools":["delete_branch"],"side_effects":["data deletion"]}'
    click.echo(f"try    curl -s {url}/check -H {key} -H 'content-type: application/json' -d '{body}'")


def _settings_help() -> str:
    from stage0.server.settings import SETTINGS

    lines = ["Settings come from the environment:", "", "\b"]
    for setting in SETTINGS.values():
        default = f" (default {setting.default})" if setting.default else ""
        lines.append(f"{setting.variable:22} {setting.help}{default}")
    return "\n".join(lines)


class _Listed(click.Command):
    """A command whose help ends with the settings."""

    def format_epilog(self, ctx: click.Context, formatter: click.HelpFormatter) -> None:
        self.epilog = _settings_help()
        super().format_epilog(ctx, formatter)


@click.command(cls=_Listed, help="Start the server on the configured database.")
@click.option("--host", default=None, help="Address to listen on.")
@click.option("--port", default=None, type=int, help="Port to listen on.")
@click.option("--workers", default=None, type=int, help="Server processes; SQLite serves one.")
def serve(host: str | None, port: int | None, workers: int | None) -> None:
    """Start the server; refuses to start where a decision could be lost."""
    from stage0.ledger.keyring import Keyring
    from stage0.ledger.migrate import assert_current

    chosen = settings(host=host, port=port, workers=workers)
    with ledger_errors():
        Keyring(chosen.secret_key)
        store = _open(chosen)
        if chosen.workers > 1 and not store.shared:
            raise click.ClickException(f"STAGE0_WORKERS={chosen.workers}: SQLite serves one process; use 1 worker")
        if not store.exists():
            raise click.ClickException(f"there is no database at `{store.where()}`: run `stage0 migrate` to make it")
        try:
            assert_current(store.reader)
        finally:
            store.close()
    _run(chosen)


@click.command()
def migrate() -> None:
    """Bring the database to this version's tables; makes an embedded one where there is none."""
    from stage0.ledger.migrate import migrate as run_migrations

    chosen = settings()
    with ledger_errors():
        store = _open(chosen)
        if not store.exists():
            store.create()
        try:
            before, after = run_migrations(store.writer)
        finally:
            store.close()
    change = f"already at {after}" if before == after else f"{before or 'empty'} -> {after}"
    click.echo(f"{store.where()}: {change}")


def _run(chosen: Settings) -> None:
    import uvicorn
    from uvicorn.supervisors import Multiprocess

    from stage0.app import create, prepare_process
    from stage0.server.connection import Connection

    several = chosen.workers > 1
    with ledger_errors():
        application: Any = create(chosen)
        application.engine.store.claim()
    config = uvicorn.Config(
        # Each of several processes makes its own, from the same environment.
        "stage0.app:create" if several else application,
        factory=several,
        workers=chosen.workers,
        host=chosen.host,
        port=chosen.port,
        loop="uvloop",
        http=Connection,
        ws="none",
        lifespan="on",
        access_log=False,
        log_level=chosen.log_level,
        server_header=False,
        proxy_headers=False,
        date_header=False,
        timeout_graceful_shutdown=30,
    )
    if several:
        application.engine.store.close()
        os.environ.update(dev_environment())
        Multiprocess(config, sockets=[config.bind_socket()]).run()
        return
    prepare_process()
    server = uvicorn.Server(config)
    server.run()
    if not server.started:
        raise SystemExit(1)

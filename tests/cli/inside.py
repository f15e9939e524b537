"""The command line in this process: the real commands on the real files, without a new interpreter for each."""

from __future__ import annotations

from subprocess import CompletedProcess

from click.testing import CliRunner

from stage0.cli.main import cli
from tests.running import Server


def run(server: Server, *arguments: str, stdin: bytes = b"") -> CompletedProcess[bytes]:
    """Like `Server.cli`. What would be a traceback is raised."""
    result = CliRunner().invoke(cli, list(arguments), input=stdin, env=server.environment)
    if result.exception is not None and not isinstance(result.exception, SystemExit):
        raise result.exception
    return CompletedProcess(arguments, result.exit_code, result.stdout_bytes, result.stderr_bytes)

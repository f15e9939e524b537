"""The command line. One file per command group; each imports what it needs when it runs."""

from __future__ import annotations

import sys


def main() -> None:
    """The `stage0` command."""
    try:
        from stage0.cli.main import cli
    except ModuleNotFoundError as error:
        if (error.name or "").partition(".")[0] == "stage0":
            raise
        print(  # noqa: T201 -- click is what is missing
            f"stage0: `{error.name}` is not installed; the command line comes with `pip install 'stage0[server]'`",
            file=sys.stderr,
        )
        raise SystemExit(1) from None
    cli(prog_name="stage0")

"""Files that commands write, and the bar that shows how far they are."""

from __future__ import annotations

import contextlib
import os
import secrets
from collections.abc import Iterator
from pathlib import Path
from typing import TYPE_CHECKING

import click

if TYPE_CHECKING:
    from rich.progress import Progress


def check_free(path: Path, *, overwrite: bool) -> None:
    """Ends the command where there is something that must not be overwritten."""
    if path.is_dir():
        raise click.ClickException(f"`{path}` is a folder; name a file")
    if path.exists() and not overwrite:
        raise click.ClickException(f"`{path}` exists; give another name, or --force to replace it")


@contextlib.contextmanager
def part_of(path: Path) -> Iterator[Path]:
    """An empty file beside `path`, for this user alone, which is gone afterwards unless it was renamed. Ends the
    command where it cannot be written."""
    part = path.with_name(f".{path.name}.{secrets.token_hex(4)}.part")
    try:
        os.close(os.open(part, os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_CLOEXEC, 0o600))
        try:
            yield part
        finally:
            part.unlink(missing_ok=True)
    except OSError as error:
        raise click.ClickException(f"`{path}` cannot be written: {error}") from None


@contextlib.contextmanager
def made_whole(path: Path, *, overwrite: bool) -> Iterator[Path]:
    """A file to write that takes the name `path` when it is whole and on disk. Whoever is interrupted leaves `path` as
    it was."""
    check_free(path, overwrite=overwrite)
    with part_of(path) as part:
        yield part
        sync(part)
        check_free(path, overwrite=overwrite)
        part.replace(path)
        sync(path.parent)


def sync(path: Path) -> None:
    """Wait until a file or folder is on disk."""
    descriptor = os.open(path, os.O_RDONLY | os.O_CLOEXEC)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)


def progress_bar() -> Progress:
    """A bar on standard error, where that is a terminal; nothing elsewhere."""
    from rich.console import Console
    from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeRemainingColumn

    console = Console(stderr=True)
    return Progress(
        TextColumn("{task.description}"),
        BarColumn(),
        MofNCompleteColumn(),
        TimeRemainingColumn(),
        console=console,
        disable=not console.is_terminal,
    )

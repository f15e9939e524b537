"""Packs by name, for commands that decide in their own process."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

import click

if TYPE_CHECKING:
    from stage0.core.pack import Pack


def pack_named(name: str) -> Pack:
    """A pack that ships, or that of a file or folder. Ends the command where there is none."""
    from stage0.policy import PolicyError, load_pack, shipped_packs

    packs = shipped_packs()
    if name in packs:
        return packs[name]
    if not Path(name).exists():
        raise click.ClickException(
            f"there is no pack `{name}`; give a file or a folder, or one of {', '.join(sorted(packs))}"
        )
    try:
        return load_pack(Path(name))
    except PolicyError as error:
        raise click.ClickException(str(error)) from None

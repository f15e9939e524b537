"""Programs that no table knows, by the grammar of subcommands."""

from __future__ import annotations

from typing import Final

import pytest

from stage0.policy import shipped_packs
from stage0.reading.shell.lines import read_shell

COMMANDS: Final = shipped_packs()["stage0-default"].knowledge.commands

LINES: Final[dict[str, set[str]]] = {
    # help and version tell
    "frobctl --help": {"compute"},
    "frobctl help": {"compute"},
    "frobctl --version": {"compute"},
    # a verb or an option that looks, with nothing that acts before it
    "frobctl list": {"read"},
    "frobctl droplet list --region fra1": {"read"},
    "frobctl -n 10.5.0.2 health": {"read"},
    "frobctl get-widgets": {"read"},
    "frobctl describe delete-jobs": {"read"},
    "frobctl --list": {"read"},
    "frob-list :lang=ja": {"read"},
    "frobinfo raw.mov": {"read"},
    # what acts is its effect
    "frobctl delete widget-5": {"delete"},
    "frobctl widget delete 5": {"delete"},
    "frobctl remove-user ann": {"delete"},
    "frobctl widget create --name x": {"write"},
    "frobctl deploy api": {"deployment"},
    "frobctl list --delete-stale": {"read", "delete"},
    # what says nothing is unknown
    "frobctl": {"unknown"},
    "frobctl run nightly": {"unknown"},
    "frobctl apply -f x.yaml": {"unknown"},
    "frobctl frobnicate --hard": {"unknown"},
    "frobctl ./list": {"unknown"},
    # what is piped in may be what is done
    "cat plan | frobctl list": {"read", "unknown"},
    # a name that acts is no program that looks
    "delete list": {"unknown"},
}


@pytest.mark.parametrize(("line", "effects"), LINES.items(), ids=LINES)
def test_a_program_that_no_table_knows_is_read_by_its_subcommands(line: str, effects: set[str]) -> None:
    assert {seen.effect for seen in read_shell(line, COMMANDS).seen} == effects

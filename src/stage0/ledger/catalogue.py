"""What an installation offers: its plans, and the packs that ship. Whoever needs them is given them."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from functools import cache
from typing import Final, NamedTuple

from stage0.core.pack import Pack
from stage0.ledger.plans import Plans, shipped_plans
from stage0.policy import shipped_packs

#: The pack that decides where nobody has chosen one.
DEFAULT: Final = "stage0-default"


class Catalogue(NamedTuple):
    """Plans and shipped packs, by name."""

    plans: Plans
    packs: Mapping[str, Pack]

    @property
    def default(self) -> Pack:
        """The pack that decides where nobody has chosen one."""
        return self.packs[DEFAULT]


class _Shipped(Mapping[str, Pack]):
    """The packs that ship. Reading them takes long, and most commands need none: they are read where one is asked
    for, and not where a catalogue is made."""

    def __getitem__(self, name: str) -> Pack:
        return shipped_packs()[name]

    def __iter__(self) -> Iterator[str]:
        return iter(shipped_packs())

    def __len__(self) -> int:
        return len(shipped_packs())


def catalogue_with(plans: Plans) -> Catalogue:
    """The packs that ship, and an installation's plans: for whoever puts a process together."""
    return Catalogue(plans, _Shipped())


@cache
def shipped_catalogue() -> Catalogue:
    """All of it as it ships: for whoever puts a process together without settings, and for tests."""
    return catalogue_with(shipped_plans())

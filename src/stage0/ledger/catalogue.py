"""What an installation offers: its plans, and the packs that ship. Whoever needs them is given them."""

from __future__ import annotations

from collections.abc import Mapping
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


def catalogue_with(plans: Plans) -> Catalogue:
    """The packs that ship, and an installation's plans."""
    return Catalogue(plans, shipped_packs())


@cache
def shipped_catalogue() -> Catalogue:
    """All of it as it ships."""
    return catalogue_with(shipped_plans())

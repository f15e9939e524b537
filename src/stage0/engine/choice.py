"""Which pack decides a check: the one place that chooses it."""

from __future__ import annotations

from stage0.core.facts import PRODUCTION
from stage0.ledger.catalogue import Catalogue
from stage0.ledger.errors import PolicyMismatch
from stage0.ledger.keys import Key
from stage0.ledger.packs import Active, Actives, environment_of


def choose_pack(key: Key, actives: Actives, catalogue: Catalogue) -> Active:
    """Which pack decides for a key: its own, else its account's for the environment that it is bound to, else the
    account's, else the default; and in the same way which candidate, beside what is not the key's own. Of several
    environments production counts first: an agent cannot choose."""
    if key.pack:
        own = catalogue.packs.get(key.pack)
        return Active(own.id if own is not None else key.pack, "")
    bound = [environment_of(name, catalogue) for name in key.caller.environments]
    places = [*sorted(bound, key=lambda each: each != PRODUCTION), ""]
    found = [actives[key.account, place] for place in places if (key.account, place) in actives]
    pack = next((each.pack for each in found if each.pack), "") or catalogue.default.id
    return Active(pack, next((each.shadow for each in found if each.shadow), ""))


def pin_pack(wanted: str, key: Key, active: Active) -> str:
    """Which version a request wants: the active one unless its key may choose. Raises PolicyMismatch."""
    if not wanted or wanted == active.pack:
        return active.pack
    if "policy:pin" in key.scopes:
        return wanted
    raise PolicyMismatch(active.pack, wanted)


def candidates(wanted: str, key: Key, active: Active) -> list[str]:
    """The versions that a check of a key may need: what decides, the candidate beside it, and what it pins."""
    return [each for each in (active.pack, active.shadow, wanted if "policy:pin" in key.scopes else "") if each]

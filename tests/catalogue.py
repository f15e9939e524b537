"""What an installation offers, as it ships."""

from __future__ import annotations

from typing import Final

from stage0.ledger.catalogue import shipped_catalogue

CATALOGUE: Final = shipped_catalogue()

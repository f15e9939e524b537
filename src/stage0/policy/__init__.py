"""Policy packs: how they are written, what layers may loosen, what is made of them, and those that ship."""

from __future__ import annotations

from stage0.knowledge.source import PolicyError
from stage0.policy.load import load_pack, pack_of_content, shipped_packs

__all__ = ["PolicyError", "load_pack", "pack_of_content", "shipped_packs"]

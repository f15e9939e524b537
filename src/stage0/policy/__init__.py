"""Shipped policy data (packs, lexicon, constraint grammar, plans) and its only reader."""

from __future__ import annotations

from stage0.policy.load import load_pack, pack_of_content, shipped_packs
from stage0.policy.plans import PLANS, UNLIMITED, Plan, use_plans
from stage0.policy.source import PolicyError

__all__ = ["PLANS", "UNLIMITED", "Plan", "PolicyError", "load_pack", "pack_of_content", "shipped_packs", "use_plans"]

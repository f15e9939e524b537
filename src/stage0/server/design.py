"""`GET /stage0/design`: the design contract, generated from the code."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from stage0.core.pack import Pack
from stage0.core.rule import Rule
from stage0.core.verdict import INTERNAL
from stage0.reading.context import FACTS
from stage0.reading.effects import EFFECTS, HIGH_RISK


def describe_rule(rule: Rule) -> dict[str, Any]:
    """A rule as the catalogue shows it."""
    return {
        "code": rule.code,
        "family": rule.family,
        "severity": rule.severity,
        "message": rule.message,
        "question": rule.question,
        "remedy": rule.remedy,
        "why": rule.why,
    }


def design(pack: Pack, version: str) -> Mapping[str, Any]:
    """Decisions, verdicts, severities, issue codes, constraint grammar and context fields."""
    return {
        "version": f"v{version}",
        "positioning": "Runtime policy gate",
        "policy_pack_version": pack.id,
        "decisions": {"GO": "ALLOW", "NO_GO": "DENY", "DEFER": "DEFER", "ERROR": "DEFER"},
        "verdicts": ["ALLOW", "DENY", "DEFER"],
        "severities": {"HIGH": "DENY", "MEDIUM": "DEFER", "LOW": "ALLOW"},
        "effects": [{"effect": effect, "high_risk": effect in HIGH_RISK} for effect in EFFECTS],
        "issue_codes": [describe_rule(rule) for rule in (*pack.rules, INTERNAL)],
        "constraints": [
            {
                "name": kind.name,
                "family": kind.family,
                "keys": list(kind.keys),
                "value": kind.value,
                "guardrail": bool(kind.guard),
                "phrases": len(kind.phrases),
            }
            for kind in pack.knowledge.grammar.kinds.values()
        ],
        "context_fields": [{"fact": f.name, "names": list(f.names), "also_under": f.nested} for f in FACTS],
    }

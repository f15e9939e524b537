"""What the rules of a policy have done: how often each fired and when last, how often the action was allowed later,
which never did, and which tools nobody has registered."""

from __future__ import annotations

from collections import Counter, OrderedDict
from collections.abc import Callable
from typing import Any, Final

import sqlalchemy as sa

from stage0.core.pack import Pack
from stage0.ledger.export import Wanted, pages
from stage0.ledger.records import summary

#: Actions that are remembered while they wait for their ALLOW, and tools that are told apart.
_REMEMBERED: Final = 100_000
_TOOLS: Final = 10_000


class RuleRecord:
    """One rule: how often it fired, how often it stopped the action, how often the same action was allowed later with
    an approval, and when it fired last (Unix seconds)."""

    def __init__(self) -> None:
        self.fired = 0
        self.stopped = 0
        self.overridden = 0
        self.last = 0.0


class Efficacy:
    """What records show of a pack's rules."""

    def __init__(self, pack: Pack) -> None:
        self.pack = pack
        self.records = 0
        self.rules: dict[str, RuleRecord] = {}
        self.unregistered: Counter[str] = Counter()
        self._waiting: OrderedDict[str, tuple[str, ...]] = OrderedDict()

    def add(self, seen: dict[str, Any]) -> None:
        """Count one record, oldest first."""
        self.records += 1
        codes, action = tuple(seen["issue_codes"]), seen["task_hash"]
        for code in codes:
            rule = self.rules.setdefault(code, RuleRecord())
            rule.fired += 1
            rule.stopped += seen["verdict"] != "ALLOW"
            rule.last = seen["created_at"]
        if seen["verdict"] == "ALLOW":
            for code in self._waiting.pop(action, ()):
                if code not in codes:
                    self.rules[code].overridden += 1
        else:
            self._waiting[action] = codes
            self._waiting.move_to_end(action)
            if len(self._waiting) > _REMEMBERED:
                self._waiting.popitem(last=False)
        registry = self.pack.knowledge.registry
        for tool in seen["tools"]:
            if not registry.knows(tool) and (tool in self.unregistered or len(self.unregistered) < _TOOLS):
                self.unregistered[tool] += 1

    def plain(self) -> dict[str, Any]:
        """As JSON: rules by how often they fired, those that never did, tools by how often they were seen."""
        known = {*self.pack.by_code}
        return {
            "policy_version": self.pack.id,
            "records": self.records,
            "rules": [
                {
                    "code": code,
                    "fired": rule.fired,
                    "stopped": rule.stopped,
                    "overridden": rule.overridden,
                    "last_fired": rule.last,
                    "own": any(each.code == code for each in self.pack.own),
                }
                for code, rule in sorted(self.rules.items(), key=lambda item: (-item[1].fired, item[0]))
            ],
            "never_fired": sorted(known - self.rules.keys()),
            "unregistered_tools": [{"tool": tool, "seen": count} for tool, count in self.unregistered.most_common(100)],
        }


def efficacy(reader: sa.Engine, wanted: Wanted, pack: Pack, *, tick: Callable[[int], None]) -> Efficacy:
    """Go through an account's records, oldest first. `tick` is told how many were seen after each page."""
    found = Efficacy(pack)
    for page in pages(reader, wanted):
        for recorded in page:
            found.add(summary(recorded.row))
        tick(found.records)
    return found

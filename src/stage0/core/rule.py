"""A rule is one unit: its code, severity, message, question, remedy, documentation and logic together."""

from __future__ import annotations

import inspect
from collections.abc import Callable, Iterable, Mapping
from types import ModuleType
from typing import Any, Final, Literal

import msgspec

Severity = Literal["LOW", "MEDIUM", "HIGH"]
RANK: Final[Mapping[str, int]] = {"LOW": 1, "MEDIUM": 2, "HIGH": 3}
INTERNAL_ERROR: Final = "INTERNAL_ERROR"

#: The parameters of a finding's texts, by name.
Params = Mapping[str, Any]


class Fired(msgspec.Struct, frozen=True):
    """What a rule says when it fires: the parameters of its texts. `severity` lowers this one finding."""

    params: Params = {}
    severity: Severity | None = None


#: A rule's logic: a function of the facts; of a closing rule, also of the families that stopped the action.
Check = Callable[..., Fired | None]


def unchecked(*_: object) -> Fired | None:
    """The check of a rule that has none: one of a pack's own has a condition. Raises TypeError."""
    raise TypeError("this rule has no check")


class Finding(msgspec.Struct, frozen=True):
    """A rule that fired: its code, how bad it is here, and the parameters of its message."""

    code: str
    severity: Severity
    params: Params = {}


class Rule(msgspec.Struct, frozen=True, eq=False):
    """One issue code. `message`, `question` and `remedy` are templates over the finding's parameters.

    `when` are the kinds of control that it enforces: it is asked only where one of them is present (empty: always).
    A `closing` rule runs after the others and is told the families in which one of them stopped the action. `names` are
    the facts that the texts of a pack's own rule name; such a rule has a condition in its pack instead of a `check`."""

    code: str
    family: str
    severity: Severity
    message: str
    question: str
    remedy: str
    why: str
    check: Check
    when: frozenset[str] = frozenset()
    closing: bool = False
    names: tuple[str, ...] = ()

    def asked_with(self, kinds: frozenset[str]) -> bool:
        """Whether it is asked where these kinds of control are present."""
        return not self.when or not self.when.isdisjoint(kinds)

    @property
    def summary(self) -> str:
        """What it looks at, in one line."""
        return " ".join(self.why.partition("\n\n")[0].split())


def rule(
    code: str,
    *,
    family: str,
    severity: Severity,
    message: str,
    question: str = "",
    remedy: str = "",
    when: tuple[str, ...] = (),
    closing: bool = False,
) -> Callable[[Check], Rule]:
    """Make a rule of a function of the facts, which returns `Fired` to fire and None to stay quiet."""

    def make(check: Check) -> Rule:
        why = inspect.cleandoc(check.__doc__ or "")
        return Rule(code, family, severity, message, question, remedy, why, check, frozenset(when), closing)

    return make


def rules_of(modules: Iterable[ModuleType]) -> tuple[Rule, ...]:
    """Every rule that the modules define, by code. Raises ValueError where two share a code."""
    found: dict[str, Rule] = {}
    for module in modules:
        for value in vars(module).values():
            if isinstance(value, Rule) and found.setdefault(value.code, value) is not value:
                raise ValueError(f"two rules have the code `{value.code}`")
    return tuple(found[code] for code in sorted(found))

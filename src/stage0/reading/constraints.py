"""Constraints: text in, typed controls out. The wording is data (`knowledge/constraints.yaml`).

A constraint that is not understood is kept as such, never dropped.
"""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from typing import Any, Final, Literal

import msgspec

from stage0.reading.effects import HIGH_RISK, Effect
from stage0.reading.prose.goal import effects_of
from stage0.reading.prose.lexicon import ACTIONS, MODIFIERS, OBJECTS, Lexicon
from stage0.reading.text.keeping import remember, remember_together

ValueType = Literal["none", "names", "count", "amount", "duration", "window", "text"]
Guard = Literal["", "declared"]


class ControlKind(msgspec.Struct, frozen=True):
    """One kind of control: the keys and phrases that stand for it, and what its value is.

    `phrases` are patterns over folded text that must match whole; a group `when` is a condition.
    `implies` is the value of a phrase or bare key. `guard`: whether asking for it is a declared guardrail."""

    name: str
    family: str
    keys: tuple[str, ...] = ()
    phrases: tuple[str, ...] = ()
    value: ValueType = "none"
    implies: str = ""
    guard: Guard = ""
    mode: str = ""


class Control(msgspec.Struct, frozen=True):
    """A constraint as understood. `value` by the kind's type: names (tuple), count (int), amount or
    duration (float; US dollars or seconds), window and text (str). `effects` limits it to those effects;
    None is every effect. `kind` is `unknown` where the text was not understood, `invalid` where its value was not."""

    kind: str
    family: str
    text: str
    value: Any = None
    effects: frozenset[Effect] | None = None
    guard: Guard = ""
    mode: str = ""


class ConstraintSet(msgspec.Struct, frozen=True):
    """A request's constraints as understood.

    `applied` are the texts that became controls, `guardrails` the names of those that guard or set a mode, `families`
    each family's texts, `fingerprint` what of them makes an action, `kinds` the kinds of control present;
    `json_bytes_max` is how long the families' texts can be in JSON at the most."""

    controls: tuple[Control, ...]
    applied: tuple[str, ...]
    guardrails: tuple[str, ...]
    families: Mapping[str, tuple[str, ...]]
    fingerprint: tuple[str, ...]
    kinds: frozenset[str]
    json_bytes_max: int


def _set_of(controls: tuple[Control, ...]) -> ConstraintSet:
    understood = [control for control in controls if control.kind not in ("unknown", "invalid")]
    families: dict[str, tuple[str, ...]] = {}
    for control in understood:
        families[control.family] = (*families.get(control.family, ()), control.text)
    guards = [control.mode or control.kind for control in understood if control.mode or control.guard]
    return ConstraintSet(
        controls,
        tuple(dict.fromkeys(control.text for control in understood)),
        tuple(dict.fromkeys(guards)),
        families,
        tuple(sorted({_identity(control) for control in controls if control.kind != "unknown"})),
        frozenset(control.kind for control in controls),
        sum(6 * len(control.text) + 3 for control in understood),
    )


def _identity(control: Control) -> str:
    value = "" if control.value is None else control.value
    if isinstance(value, tuple):
        value = sorted(set(value))
    return f"{control.kind}={value}|{','.join(sorted(control.effects or ()))}"


class Grammar:
    """All control kinds, compiled. Constraint texts repeat, so what they mean is kept."""

    def __init__(
        self, kinds: Sequence[ControlKind], conditions: Mapping[str, frozenset[Effect]], lexicon: Lexicon
    ) -> None:
        """`conditions`: words to the effects that they name. Raises ValueError where a key stands for two kinds."""
        self.conditions = {lexicon.fold(word).text: effects for word, effects in conditions.items()}
        self.kinds = {kind.name: kind for kind in kinds}
        self.lexicon = lexicon
        self.keys: dict[str, ControlKind] = {}
        for kind in kinds:
            for key in kind.keys:
                if key in self.keys:
                    raise ValueError(
                        f"constraint key `{key}` stands for both `{self.keys[key].name}` and `{kind.name}`"
                    )
                self.keys[key] = kind
        self.phrases = tuple(
            (re.compile(phrase.translate(lexicon.table) if not phrase.isascii() else phrase), kind)
            for kind in kinds
            for phrase in kind.phrases
        )
        self._read = remember(longest=200)(self._parse)
        self.parse = remember_together(longest=_KEPT_SET, count=1024)(self._parse_all)
        self.extended = remember_together(longest=_KEPT_SET, count=1024)(self._extend)

    def _parse_all(self, texts: tuple[str, ...]) -> ConstraintSet:
        """Every constraint as a control, in order. A switched-off one (`require_mfa: false`) gives none."""
        return _set_of(tuple(control for control in map(self._read, texts) if control is not None))

    def _extend(self, texts: tuple[str, ...], imposed: tuple[Control, ...]) -> ConstraintSet:
        """The constraints of a request, and controls that were not asked for but are imposed."""
        return _set_of((*self.parse(texts).controls, *imposed))

    def _parse(self, text: str) -> Control | None:
        folded = " ".join(self.lexicon.fold(text).text.split())
        key, value = _key_and_value(text)
        if key:
            kind = self.keys.get(_key(self.lexicon.fold(key).text))
            if kind is not None:
                return _with_value(kind, text, value)
        kind = self.keys.get(_key(folded))
        if kind is not None:
            return _with_value(kind, text, kind.implies)
        for pattern, phrased in self.phrases if len(folded) <= _PHRASE_LIMIT else ():
            found = pattern.fullmatch(folded)
            if found:
                return self._from_phrase(phrased, text, found)
        return Control("unknown", "constraint", text)

    def _from_phrase(self, kind: ControlKind, text: str, found: re.Match[str]) -> Control:
        groups = found.groupdict()
        control = _with_value(kind, text, groups.get("value") or kind.implies)
        condition = groups.get("when")
        if control is None or not condition:
            return control or Control("unknown", "constraint", text)
        effects = self._condition(condition)
        # A condition that is not understood holds always, and guards nothing.
        return msgspec.structs.replace(control, effects=effects, guard=control.guard if effects else "")

    def _condition(self, folded: str) -> frozenset[Effect] | None:
        """The effects that a condition names (`destructive actions`, `customer-facing channels`)."""
        effects = {effect for word, named in self.conditions.items() if word in folded for effect in named}
        hits = self.lexicon.hits(folded)
        objects = frozenset(hit.concept for hit in hits if hit.concept in OBJECTS)
        for hit in hits:
            if hit.concept in ACTIONS:
                effects.update(effects_of(hit.concept, objects))
            elif hit.concept in MODIFIERS:
                effects.add(MODIFIERS[hit.concept])
        if "money" in objects:
            effects.add("money_movement")
        if "delete" in effects:
            effects.update(("irreversible", "bulk"))
        if "external_message" in effects:
            effects.add("publish")
        return frozenset(effects) or None


#: Longer texts than these do not repeat, and are not kept; longer phrases are no constraint (in characters).
_KEPT_SET: Final = 2_000
_PHRASE_LIMIT: Final = 300


def _key_and_value(text: str) -> tuple[str, str]:
    """`key: value` or `key=value`, by whichever sign stands first; an empty key where there is none."""
    ends = [at for at in (text.find(":"), text.find("=")) if at >= 0]
    if not ends:
        return "", ""
    return text[: min(ends)].strip(), text[min(ends) + 1 :].strip()


#: A list of names that is switched off in words reads like one that allows nothing: it is asked about.
_NOBODY: Final = frozenset({"none", "off", "disabled", "nobody", "nothing"})
_FALSE: Final = frozenset({"false", "no", "0", "off", "none", "disabled", "0.0"})
_TRUE: Final = frozenset({"true", "yes", "1", "on", "required", "enabled"})
_DURATION: Final = re.compile(r"(\d+(?:\.\d+)?)\s*(ms|s|sec|secs|seconds?|m|min|mins|minutes?|h|hours?|d|days?)?\Z")
_SECONDS: Final = {"ms": 0.001, "s": 1, "m": 60, "h": 3600, "d": 86400}
_NUMBER: Final = re.compile(r"(?:\$|us\$|usd)?\s*(\d{1,15}(?:\.\d+)?)\s*(?:usd|dollars?)?\Z")
_DECLINED: Final = re.compile(
    r"(?:not|never|no longer) (?:required|needed|necessary|mandatory|applicable|enforced)|un(?:required|necessary)"
    r"|optional|n|f|never|waived|skipped|不需要|不必|無需|无需|不要|不要です|任意|不用"
)


def _key(text: str) -> str:
    return text.strip().replace("-", "_").replace(" ", "_")


def _with_value(kind: ControlKind, text: str, raw: str) -> Control | None:
    value = raw.strip().casefold()
    if kind.value == "names" and value in _NOBODY:
        return Control("invalid", kind.family, text, kind.name)
    if value in _FALSE or (kind.value == "none" and _DECLINED.fullmatch(value)):
        return None
    effects = HIGH_RISK if kind.name == "human_review" else None
    control = Control(kind.name, kind.family, text, None, effects, kind.guard, kind.mode)
    if kind.value == "none":
        # `approval required: by two people` still asks for approval; only a false value switches it off.
        return control
    if value in _TRUE and kind.value in ("window", "text"):
        raw = kind.implies or raw
    if value in _TRUE and kind.value in ("names",):
        raw = ""
    parsed = _value(kind.value, raw)
    if parsed is None:
        return msgspec.structs.replace(control, kind="invalid", value=kind.name, guard="")
    # A limit of nothing is no limit, however it is written.
    return msgspec.structs.replace(control, value=parsed) if parsed != 0 else None


def _value(kind: ValueType, raw: str) -> str | float | tuple[str, ...] | None:
    if kind == "names":
        return tuple(name.strip() for name in raw.strip("[] ").split(",") if name.strip(" '\"")) or None
    if kind == "text":
        return raw.strip() or None
    if kind == "window":
        return _key(raw.casefold()) or None
    if kind == "duration":
        return duration_of(raw.strip().casefold())
    number = _NUMBER.match(raw.strip().casefold().replace(",", "").replace("_", ""))
    if number is None or (kind == "count" and "." in number[1]):
        return None
    return int(number[1]) if kind == "count" else float(number[1])


def duration_of(raw: str) -> float | None:
    """Seconds of a duration such as `90s` or `24h`; None where it is none."""
    match = _DURATION.match(raw)
    if match is None:
        return None
    unit = match[2] or "s"
    return float(match[1]) * (_SECONDS["ms"] if unit == "ms" else _SECONDS[unit[0]])

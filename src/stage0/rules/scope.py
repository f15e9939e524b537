"""Scope: which resources, tenants, channels, servers and tools an action may reach."""

from __future__ import annotations

import re
from bisect import bisect_left, bisect_right
from collections.abc import Iterable, Iterator

from stage0.core.facts import Facts
from stage0.core.rule import Fired, rule
from stage0.reading.registry import server_of


def _outside(given: Iterable[str], allowed: Iterable[str]) -> tuple[str, ...]:
    permitted = frozenset(allowed)
    return tuple(name for name in given if name not in permitted)


class _Targets:
    """Targets in order, in which all that lie below one name stand side by side: what a name holds is found without
    looking at each of them.

    `repo/a` is in `repo` and in `repo/*`, `repository` is not. Only `/` parts by itself: where `.` or `:` do, the scope
    says so (`db.*`), since they also stand in host names. A target that could be read in two ways (`%`, `..`) is only
    in the very same name."""

    def __init__(self, targets: Iterable[str]) -> None:
        self._all = tuple(targets)
        each = set(self._all)
        self._doubtful = frozenset(target for target in each if "%" in target or ".." in re.split(r"[/\\]", target))
        self._ordered = sorted(each - self._doubtful)

    def outside(self, scope: Iterable[str]) -> tuple[str, ...]:
        """Those that are in none of the names."""
        names = frozenset(scope)
        if "*" in names:
            return ()
        spans = _joined(span for name in names for span in self._spans(name))
        if self._doubtful <= names and sum(end - start for start, end in spans) == len(self._ordered):
            return ()
        inside = {*(self._doubtful & names), *(each for start, end in spans for each in self._ordered[start:end])}
        return tuple(target for target in self._all if target not in inside)

    def _spans(self, name: str) -> Iterator[tuple[int, int]]:
        """Where the targets stand that a name holds: from, and to."""
        stem = name.removesuffix("*")
        if not any(map(str.isalnum, stem)):
            yield self._same(name)
        elif name.endswith("*"):
            if stem[-1] in "/.:":
                yield self._beginning(stem)
        else:
            stem = stem.rstrip("/")
            yield self._same(stem)
            yield self._beginning(f"{stem}/")

    def _same(self, text: str) -> tuple[int, int]:
        return bisect_left(self._ordered, text), bisect_right(self._ordered, text)

    def _beginning(self, text: str) -> tuple[int, int]:
        behind = text[:-1] + chr(ord(text[-1]) + 1)
        return bisect_left(self._ordered, text), bisect_left(self._ordered, behind)


def _joined(spans: Iterable[tuple[int, int]]) -> list[tuple[int, int]]:
    """The same spans in order, none overlapping another, none empty."""
    joined: list[tuple[int, int]] = []
    end = 0
    for start, until in sorted(spans):
        if until > end and until > start:
            joined.append((max(start, end), until))
            end = until
    return joined


def _scopes(facts: Facts) -> list[tuple[str, ...]]:
    return [*facts.named("resource_scope"), *facts.reading.context.all_of("resource_scope")]


@rule(
    "RESOURCE_SCOPE_VIOLATION",
    family="scope",
    severity="HIGH",
    message="Target {outside} is outside the scope {scope}.",
    remedy="Keep to resources inside the scope.",
)
def resource_scope_violation(facts: Facts) -> Fired | None:
    """A target lies outside the resource scope.

    Why: the scope is what somebody agreed to put at risk.

    Fix: keep to targets inside it. Names are compared exactly; a scope holds what lies below it.
    """
    scopes = _scopes(facts)
    targets = _Targets(facts.values.get("target_resources", ()) if scopes else ())
    for scope in scopes:
        outside = targets.outside(scope)
        if outside:
            return Fired({"outside": outside, "scope": scope})
    return None


@rule(
    "TENANT_ISOLATION_VIOLATION",
    family="scope",
    severity="HIGH",
    when=("tenant_isolation",),
    message="Tenant {outside} is not the caller's own `{tenant}`.",
    remedy="Act for one tenant at a time.",
)
def tenant_isolation_violation(facts: Facts) -> Fired | None:
    """An action under tenant isolation reaches another tenant.

    Why: one customer's agent must never touch another customer's data.

    Fix: act for the caller's own tenant alone.
    """
    tenant = facts.values.get("tenant_id")
    if facts.control("tenant_isolation") is None or tenant is None:
        return None
    outside = _outside(facts.values.get("target_tenants", ()), (tenant,))
    return Fired({"outside": outside, "tenant": tenant}) if outside else None


@rule(
    "CHANNEL_NOT_ALLOWED",
    family="scope",
    severity="HIGH",
    when=("allowed_channels",),
    message="Channel `{channel}` is not among {allowed}.",
    remedy="Use an allowed channel.",
)
def channel_not_allowed(facts: Facts) -> Fired | None:
    """The request came through, or goes to, a channel that a constraint does not allow.

    Why: what is fine in one channel is a leak in another.

    Fix: use an allowed channel.
    """
    channel = facts.values.get("request_channel")
    for allowed in facts.named("allowed_channels"):
        if channel is not None and channel not in allowed:
            return Fired({"channel": channel, "allowed": allowed})
    return None


@rule(
    "MCP_SERVER_NOT_ALLOWED",
    family="scope",
    severity="HIGH",
    message="MCP server {outside} is not among {allowed}.",
    remedy="Disconnect the server, or have it allowed.",
)
def mcp_server_not_allowed(facts: Facts) -> Fired | None:
    """An MCP server is active that a constraint or the policy does not allow.

    A tool's name counts, too, where it says its server: `mcp__server__tool`.

    Why: every connected server can put words into the model's mouth.

    Fix: run with allowed servers alone.
    """
    lists = facts.named("allowed_mcp_servers")
    listed = facts.pack.mcp_servers
    if listed is not None:
        lists = [*lists, tuple(sorted(listed))]
    if not lists:
        return None
    servers = dict.fromkeys([*facts.values.get("active_mcp_servers", ()), *filter(None, map(server_of, facts.tools))])
    for allowed in lists:
        outside = _outside(servers, allowed)
        if outside:
            return Fired({"outside": outside, "allowed": allowed or ("none",)})
    return None


@rule(
    "TOOL_NOT_ALLOWED",
    family="scope",
    severity="HIGH",
    when=("allowed_tools",),
    message="Tool {outside} is not among {allowed}.",
    remedy="Use an allowed tool.",
)
def tool_not_allowed(facts: Facts) -> Fired | None:
    """A tool is used that a constraint does not allow.

    Why: a short list of tools is the simplest boundary there is.

    Fix: use an allowed tool. Names are compared exactly.
    """
    for allowed in facts.named("allowed_tools"):
        outside = _outside(facts.tools, allowed)
        if outside:
            return Fired({"outside": outside, "allowed": allowed})
    return None


@rule(
    "TOOL_NOT_REGISTERED",
    family="scope",
    severity="HIGH",
    message="Tool {tools} is not in the policy's registry.",
    question="Who owns {tools}, and what does it do?",
    remedy="Register the tool in the policy pack, under the name that it is called by.",
)
def tool_not_registered(facts: Facts) -> Fired | None:
    """A tool is used that the pack's registry does not hold, and the pack wants tools to be registered.

    Why: a tool that nobody has looked at is owned by nobody.

    Fix: register it in the pack under `tools`. `unknown_tools: defer` asks, `deny` stops, `allow` reads its name.
    """
    wanted = facts.pack.unknown_tools
    if wanted == "allow":
        return None
    registry = facts.pack.knowledge.registry
    unknown = tuple(tool for tool in facts.tools if not registry.knows(tool))
    if not unknown:
        return None
    return Fired({"tools": unknown}, severity="HIGH" if wanted == "deny" else "MEDIUM")


_NEEDS = (
    ("resource_scope", "target_resources"),
    ("allowed_mcp_servers", "active_mcp_servers"),
    ("allowed_channels", "request_channel"),
    ("tenant_isolation", "tenant_id"),
    ("tenant_isolation", "target_tenants"),
)


@rule(
    "SCOPE_CONTEXT_MISSING",
    family="scope",
    severity="MEDIUM",
    when=("resource_scope", "allowed_mcp_servers", "allowed_channels", "allowed_tools", "tenant_isolation"),
    message="A scope is set, and {missing} was not given.",
    question="What exactly would the action reach?",
    remedy="Send {missing} in the context.",
)
def scope_context_missing(facts: Facts) -> Fired | None:
    """A scope is set and nothing says what the action would reach.

    Why: a boundary that is compared with nothing bounds nothing.

    Fix: send the named context fields.
    """
    missing = tuple(fact for kind, fact in _NEEDS if facts.control(kind) is not None and not facts.values.get(fact))
    if facts.control("allowed_tools") is not None and not facts.request.tools and "current_tool" not in facts.values:
        missing = (*missing, "current_tool")
    return Fired({"missing": missing}) if missing else None

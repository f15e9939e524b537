"""The fingerprint of an action: what makes two proposals the same. Approvals and receipts bind to it."""

from __future__ import annotations

from typing import Final

from stage0.core.canonical import canonical, digest
from stage0.reading.interpret import Interpretation
from stage0.reading.request import ActionRequest

_SCOPE: Final = ("resource_scope", "target_resources", "target_tenants", "active_mcp_servers")


def task_hash(request: ActionRequest, reading: Interpretation, account: str) -> str:
    """`v1:` and SHA-256 in hex. Counters, times, approval fields and the wording of constraints are not in it."""
    context = reading.context
    calls = list(context.all_of("tool_arguments"))
    action: dict[str, object] = {
        "account": account,
        "tools": sorted(request.tools),
        "effects": sorted(request.side_effects),
        "environment": sorted(str(name).lower() for name in context.all_of("environment")),
        "call": sorted(calls, key=canonical) or request.goal,
        "controls": reading.constraints.fingerprint,
    }
    for name in _SCOPE:
        if name in context.values:
            action[name] = sorted(item for value in context.all_of(name) for item in value)
    for name in ("tenant_id", "request_channel"):
        if name in context.values:
            action[name] = sorted(context.all_of(name))
    return f"v1:{digest(action)}"


def short(action: str) -> str:
    """Enough of a `task_hash` to tell the actions of one run apart: 16 hex digits."""
    return action[3:19]

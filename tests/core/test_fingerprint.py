"""The fingerprint: what makes two proposals the same action, and what does not."""

from __future__ import annotations

import copy
import re
from typing import Any, Final

import msgspec
import pytest

from stage0.core.fingerprint import task_hash
from stage0.policy import shipped_packs
from stage0.reading.interpret import interpret
from tests.deciding import request_of

KNOWLEDGE: Final = shipped_packs()["stage0-default"].knowledge

ACTION: Final[dict[str, Any]] = {
    "goal": "Delete the stale branches",
    "success_criteria": ["Branches are gone"],
    "constraints": ["approval required", "max_iterations: 5", "resource_scope: repo/a, repo/b"],
    "tools": ["git", "search"],
    "side_effects": ["delete", "read"],
    "context": {
        "environment": "staging",
        "tool_arguments": {"command": "git branch -D old", "limit": 3},
        "target_resources": ["repo/a", "repo/b"],
        "target_tenants": ["t1", "t2"],
        "active_mcp_servers": ["github", "files"],
        "tenant_id": "t1",
        "request_channel": "slack",
        "resource_scope": ["repo/a", "repo/b"],
    },
}


def hash_of(fields: dict[str, Any], account: str = "acc_test") -> str:
    """The fingerprint of a request."""
    request = request_of(**fields)
    return task_hash(request, interpret(request, KNOWLEDGE), account)


def changed(context: dict[str, Any] | None = None, **fields: Any) -> dict[str, Any]:
    """The action with some fields replaced."""
    action = copy.deepcopy(ACTION)
    action.update(fields)
    action["context"].update(context or {})
    return action


BASE: Final = hash_of(ACTION)

SAME: Final[dict[str, dict[str, Any]]] = {
    "other words for the goal": changed(goal="Remove branches that nobody uses"),
    "other criteria": changed(success_criteria=[]),
    "tools in another order": changed(tools=["search", "git"]),
    "effects in another order": changed(side_effects=["read", "delete"]),
    "constraints in another order": changed(constraints=ACTION["constraints"][::-1]),
    "other words for a constraint": changed(
        constraints=["需要審批", "max steps = 5", "resource_scope: repo/a, repo/b"],
    ),
    "names in a constraint in another order": changed(
        constraints=["approval required", "max_iterations: 5", "resource_scope: repo/b,repo/a"]
    ),
    "a constraint said twice": changed(constraints=[*ACTION["constraints"], "human approval required"]),
    "targets in another order": changed({"target_resources": ["repo/b", "repo/a"]}),
    "tenants in another order": changed({"target_tenants": ["t2", "t1"]}),
    "servers in another order": changed({"active_mcp_servers": ["files", "github"]}),
    "arguments in another order": changed({"tool_arguments": {"limit": 3, "command": "git branch -D old"}}),
    "a whole number as a float": changed({"tool_arguments": {"command": "git branch -D old", "limit": 3.0}}),
    "the environment in capitals": changed({"environment": "STAGING"}),
    "an approval": changed(
        {"approval_status": "approved", "approved": True, "approved_by": "alice", "approved_at": "2026-03-16T09:00:00Z"}
    ),
    "a reason and an id of an approval": changed({"approval_reason": "ok", "approval_id": "apr_1"}),
    "counters": changed({"run_id": "r1", "current_iteration": 4, "retry_count": 2, "elapsed_seconds": 9}),
    "a loop state": changed({"loop_state": {"retry_count": 2, "recent_tools": ["git"]}}),
    "times": changed({"current_time": "2026-03-16T09:00:00Z", "timezone": "Asia/Tokyo"}),
    "a confirmation and a dry run that was made": changed({"confirmed": True, "dry_run_completed": True}),
    "fields that nobody knows": changed({"weather": "fine"}),
    "pro": changed(pro=True),
}


@pytest.mark.parametrize("fields", SAME.values(), ids=SAME)
def test_these_are_the_same_action(fields: dict[str, Any]) -> None:
    assert hash_of(fields) == BASE


OTHER: Final[dict[str, dict[str, Any]]] = {
    "other arguments": changed({"tool_arguments": {"command": "git branch -D new", "limit": 3}}),
    "another number among the arguments": changed({"tool_arguments": {"command": "git branch -D old", "limit": 4}}),
    "a number as a text": changed({"tool_arguments": {"command": "git branch -D old", "limit": "3"}}),
    "an argument more": changed({"tool_arguments": {"command": "git branch -D old", "limit": 3, "force": True}}),
    "a second set of arguments": changed({"tool_args": {"command": "rm -rf /"}}),
    "another tool": changed(tools=["git", "shell"]),
    "a tool more": changed(tools=["git", "search", "shell"]),
    "another effect": changed(side_effects=["read", "payment"]),
    "another environment": changed({"environment": "production"}),
    "a second environment": changed({"target_environment": "production"}),
    "another scope": changed(constraints=["approval required", "max_iterations: 5", "resource_scope: repo"]),
    "another scope in the context": changed({"resource_scope": ["repo"]}),
    "another target": changed({"target_resources": ["repo/c"]}),
    "another tenant": changed({"tenant_id": "t2"}),
    "other tenants reached": changed({"target_tenants": ["t1", "t3"]}),
    "another channel": changed({"request_channel": "email"}),
    "other servers": changed({"active_mcp_servers": ["github"]}),
    "another limit": changed(constraints=["approval required", "max_iterations: 50", "resource_scope: repo/a, repo/b"]),
    "a control less": changed(constraints=["max_iterations: 5", "resource_scope: repo/a, repo/b"]),
    "a rehearsal": changed(constraints=[*ACTION["constraints"], "dry-run"]),
    "read only": changed(constraints=[*ACTION["constraints"], "read-only"]),
    "a sandbox": changed(constraints=[*ACTION["constraints"], "sandbox"]),
}


@pytest.mark.parametrize("fields", OTHER.values(), ids=OTHER)
def test_these_are_other_actions(fields: dict[str, Any]) -> None:
    assert hash_of(fields) != BASE


def test_all_those_other_actions_differ_from_each_other() -> None:
    assert len({hash_of(fields) for fields in OTHER.values()}) == len(OTHER)


def test_another_account_does_another_action() -> None:
    assert hash_of(ACTION, "acc_other") != BASE


def test_without_arguments_the_goal_tells_actions_apart() -> None:
    bare = msgspec.structs.asdict(request_of(goal="Delete the stale branches"))
    assert hash_of(bare) != hash_of({**bare, "goal": "Delete the merged branches"})


def test_arguments_that_cannot_be_read_are_none() -> None:
    fields = {"goal": "Delete the stale branches", "context": {"tool_arguments": "git branch -D old"}}
    assert hash_of(fields) != hash_of({**fields, "goal": "Delete the merged branches"})


def test_big_integers_are_told_apart() -> None:
    one, other = (hash_of({"context": {"tool_arguments": {"account": 2**53 + i}}}) for i in (0, 1))
    assert one != other


def test_the_fingerprint_names_its_version() -> None:
    assert re.fullmatch(r"v1:[0-9a-f]{64}", BASE)


def test_the_fingerprint_of_an_action_stays_what_it_is() -> None:
    assert hash_of({"goal": "List the open tickets", "tools": ["db"]}) == hash_of(
        {"tools": ["db"], "goal": "List the open tickets", "context": {}}
    )

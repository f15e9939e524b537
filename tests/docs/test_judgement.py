"""`docs/judgement.md` says what is read and what cannot be told; each row of its table is decided here."""

from __future__ import annotations

import json
from typing import Any, Final

import pytest
from click.testing import CliRunner

from stage0.cli.main import cli
from tests.asserting import nonempty
from tests.docs.markdown import DOCS, heading, read, rows


def explained(request: dict[str, Any], *options: str) -> tuple[str, set[str]]:
    """Verdict and effects of a request, with success criteria so that no note is about these."""
    body = {"success_criteria": ["it is done"], **request}
    asked = CliRunner().invoke(cli, ["explain", "-", "--json", *options], input=json.dumps(body))
    assert asked.exit_code == 0, asked.output
    answer = json.loads(asked.stdout)
    return answer["verdict"], {each["effect"] for each in answer["effects"]}


def _sql(query: str, goal: str = "Look at it", tool: str = "run_sql") -> dict[str, Any]:
    return {"goal": goal, "tools": [tool], "context": {"tool_arguments": {"query": query}}}


def _shell(command: str, goal: str = "List the files") -> dict[str, Any]:
    return {"goal": goal, "tools": ["bash"], "context": {"tool_arguments": {"command": command}}}


def _told(goal: str, *tools: str, **arguments: Any) -> dict[str, Any]:
    return {"goal": goal, "tools": list(tools), "context": {"tool_arguments": arguments} if arguments else {}}


Case = tuple[dict[str, Any], str, set[str]]

#: What a row begins with, to requests of its kind: each with its verdict, and the effects that are among those read.
ROWS: Final[dict[str, list[Case]]] = {
    "tool `apply_change`": [(_told("Apply it", "apply_change", id="ch_42"), "DEFER", {"overwrite"})],
    "`bash nightly.sh`": [
        (_shell("bash nightly.sh"), "DEFER", {"code_execution"}),
        (_shell("python nightly.py"), "DEFER", {"code_execution"}),
        (_shell("python nightly.py", goal="Work on the task"), "ALLOW", {"code_execution"}),
    ],
    "`make nightly`": [(_shell("make nightly"), "ALLOW", {"code_execution"})],
    "`make release`": [(_shell("make release"), "DENY", {"code_execution", "deployment"})],
    "`CALL nightly()`": [(_sql("CALL nightly()"), "DEFER", {"unknown"})],
    "`SELECT nightly()`": [(_sql("SELECT nightly()"), "ALLOW", {"read"})],
    "`GET /unsubscribe": [
        (
            _told("Show the page", "http_request", method="GET", url="https://a.example/unsubscribe?user=17"),
            "ALLOW",
            {"network_read"},
        )
    ],
    '"explain how to delete': [(_told("explain how to delete a branch", "assistant"), "DEFER", {"unknown"})],
    "under the pack `coding-agent`": [(_shell("pytest -q", goal="Work on the task"), "ALLOW", {"code_execution"})],
    "a tool `zorble` in a plan": [
        (_told("Show the orders", "zorble"), "ALLOW", {"read"}),
        (_told("Show the orders", "zorble", id=5), "DEFER", {"unknown"}),
    ],
    "a tool `validate_sql`": [
        (_sql("DELETE FROM users WHERE id = 5", tool="validate_sql"), "DENY", {"delete"}),
        (_sql("EXPLAIN DELETE FROM users"), "ALLOW", {"read"}),
        (_sql("EXPLAIN ANALYZE DELETE FROM users"), "DENY", {"delete", "bulk"}),
    ],
    "tool `get_report` that deletes": [
        (_told("Get the report", "get_report"), "ALLOW", {"read"}),
        (_sql("DELETE FROM users", "Get the report", "get_report"), "DENY", {"delete"}),
    ],
    "`DELETE FROM users WHERE created_at": [
        (_sql("DELETE FROM users WHERE id = 5 OR 1 = 1"), "DENY", {"delete", "bulk"}),
        (_sql("DELETE FROM users WHERE id > 0"), "DENY", {"delete", "bulk"}),
        (_sql("DELETE FROM users WHERE name LIKE '%'"), "DENY", {"delete", "bulk"}),
    ],
    "JavaScript": [
        (_told("Look", "browser_evaluate", script="fetch('/x', {method: 'DELETE'})"), "DEFER", {"unknown"}),
        (_shell('echo "abc'), "DEFER", {"unknown"}),
    ],
    "`DO $$": [(_sql("DO $$ BEGIN DELETE FROM users; END $$"), "DENY", {"delete", "unknown"})],
    "`rm -rf": [(_shell('rm -rf "$DIR"/cache'), "DENY", {"delete"})],
    '"take care of the old accounts"': [
        (_told("take care of the old accounts"), "DEFER", set()),
        (_told("take care of the old accounts", "assistant"), "DEFER", {"unknown"}),
        (_told("take care of the old accounts", "get_accounts"), "ALLOW", {"read"}),
    ],
    "a refund of 40 dollars": [(_told("Refund 40 dollars", "refund", amount=40), "DENY", {"money_movement"})],
    '`approved_by: "pat"`': [
        (
            {
                "goal": "Delete the branch",
                "tools": ["delete_branch"],
                "constraints": ["approval required"],
                "context": {"approved": True, "approved_by": "pat", "environment": "production"},
            },
            "ALLOW",
            {"delete"},
        )
    ],
    "reading all orders": [
        (_told("Read all orders", "list_orders"), "ALLOW", {"read"}),
        (_told("Write a note", "create_note"), "ALLOW", {"write"}),
    ],
    "a message to": [(_told("Send it", "send_email", to="team@partner.example"), "DENY", {"external_message"})],
}


def _table() -> list[str]:
    found = [row[0] for row in rows(heading(read(DOCS / "judgement.md"), "What the engine cannot tell"))]
    assert found
    return found


def test_every_row_of_what_cannot_be_told_is_decided_here() -> None:
    unmatched = [cell for cell in _table() if sum(cell.startswith(begin) for begin in ROWS) != 1]
    assert not unmatched
    assert len(_table()) == len(ROWS)


@pytest.mark.parametrize("row", ROWS)
def test_a_row_says_what_is_read(row: str) -> None:
    for request, verdict, effects in nonempty(ROWS[row]):
        got, read_as = explained(request)
        assert (got, effects - read_as) == (verdict, set()), f"{request}: {got} with {sorted(read_as)}"


def test_a_condition_that_may_hold_for_all_rows_is_a_condition() -> None:
    _, effects = explained(_sql("DELETE FROM users WHERE created_at < now()"))
    assert "delete" in effects
    assert "bulk" not in effects


def test_a_script_is_denied_where_the_action_is_read_only_and_deferred_by_the_strict_pack() -> None:
    script = _shell("bash nightly.sh")
    assert explained({**script, "constraints": ["read-only"]})[0] == "DENY"
    assert explained(script, "--pack", "stage0-strict")[0] == "DEFER"


def test_a_tool_that_says_nothing_has_the_effects_of_the_others() -> None:
    assert explained(_told("Read orders", "list_orders", "frobnicate")) == ("ALLOW", {"read"})


@pytest.mark.parametrize(
    "pack", ["stage0-default", "stage0-strict", "platform-ops", "payments", "internal-tools", "ai-saas"]
)
def test_unknown_stops_under_every_pack_that_ships(pack: str) -> None:
    verdict, effects = explained(_shell("frobnicate --now"), "--pack", pack)
    assert "unknown" in effects
    assert verdict != "ALLOW"

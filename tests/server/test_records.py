"""Decision records: listed newest first and filtered, shown with their whole trace chain, and closed by outcomes."""

from __future__ import annotations

import json
import time
from typing import Any, Final

import pytest
import sqlalchemy as sa

from stage0.ledger.keys import get_key
from stage0.ledger.records import add_outcome, get_record
from stage0.ledger.schema import events
from stage0.policy import shipped_packs
from stage0.reading.request import ActionRequest
from stage0.wire import Outcome, convert
from tests.catalogue import CATALOGUE
from tests.running import KEY, Server
from tests.server.issuing import Issued, database, new_key

READ: Final[dict[str, Any]] = {"goal": "List the open tickets", "tools": ["search_tickets"]}
DELETE: Final[dict[str, Any]] = {"goal": "Delete all users", "tools": ["delete_users"]}
DEPLOY: Final[dict[str, Any]] = {
    "goal": "Deploy the payments service to production",
    "tools": ["argo_cd", "slack"],
    "side_effects": ["deployment", "external notification"],
    "constraints": ["approval required", "required_role:platform_admin", "max_cost_usd:5"],
    "context": {
        "run_id": "run_records_1",
        "actor_role": "platform_admin",
        "approval_status": "approved",
        "approved_by": "ops-manager",
        "approved_at": "2026-03-14T09:30:00Z",
        "environment": "production",
        "current_iteration": 2,
        "elapsed_seconds": 42,
        "cumulative_cost_usd": 0.18,
    },
}


@pytest.fixture(scope="module")
def reader(server: Server) -> Issued:
    """A key that reads a new account, in which nothing has happened yet."""
    return new_key(server, "check", "read", plan="pro")


@pytest.fixture(scope="module")
def history(server: Server, reader: Issued) -> list[dict[str, Any]]:
    """Twenty-three answers of that account, oldest first, each with its time."""
    answers = []
    for number in range(23):
        fields = (READ, DELETE, DEPLOY)[number % 3]
        context = {**fields.get("context", {}), "run_id": f"run_{number % 4}"}
        answer = server.check(**{**fields, "context": context}, key=reader.text)
        assert answer.status == 200
        answers.append({**answer.body, "run_id": f"run_{number % 4}"})
        time.sleep(0.002)  # ids sort by the millisecond
    return answers


def _list(server: Server, reader: Issued, query: str = "") -> list[dict[str, Any]]:
    answer = server.get(f"/checks?{query}", key=reader.text)
    assert answer.status == 200, answer.body
    found: list[dict[str, Any]] = answer.body["checks"]
    return found


def _ids(entries: list[dict[str, Any]]) -> list[str]:
    return [entry["request_id"] for entry in entries]


# -- listing


def test_records_are_listed_newest_first(server: Server, reader: Issued, history: list[dict[str, Any]]) -> None:
    listed = _list(server, reader)
    assert _ids(listed) == _ids(history)[::-1]
    times = [entry["created_at"] for entry in listed]
    assert times == sorted(times, reverse=True)


@pytest.mark.parametrize("limit", [1, 7, 22, 23, 24])
def test_paging_by_cursor_covers_every_record_exactly_once(
    limit: int, server: Server, reader: Issued, history: list[dict[str, Any]]
) -> None:
    seen: list[str] = []
    cursor = ""
    while True:
        page = server.get(f"/checks?limit={limit}&cursor={cursor}", key=reader.text).body
        assert len(page["checks"]) <= limit
        seen += _ids(page["checks"])
        if page["next_cursor"] is None:
            break
        assert len(page["checks"]) == limit
        cursor = page["next_cursor"]
    assert seen == _ids(history)[::-1]


def test_paging_is_not_disturbed_by_new_records(server: Server) -> None:
    key = new_key(server, "check", "read", plan="pro")
    old = [server.check(**READ, key=key.text).body["request_id"] for _ in range(4)]
    first = server.get("/checks?limit=2", key=key.text).body
    server.check(**READ, key=key.text)
    second = server.get(f"/checks?limit=2&cursor={first['next_cursor']}", key=key.text).body
    assert sorted(_ids(first["checks"]) + _ids(second["checks"])) == sorted(old)


@pytest.mark.parametrize("verdict", ["ALLOW", "DENY", "DEFER"])
def test_the_list_is_filtered_by_verdict(
    verdict: str, server: Server, reader: Issued, history: list[dict[str, Any]]
) -> None:
    wanted = [answer["request_id"] for answer in history if answer["verdict"] == verdict]
    assert wanted or verdict == "DEFER"
    assert _ids(_list(server, reader, f"verdict={verdict}")) == wanted[::-1]


def test_the_list_is_filtered_by_code_run_task_and_key(
    server: Server, reader: Issued, history: list[dict[str, Any]]
) -> None:
    code = "SIDE_EFFECTS_NEED_GUARDRAILS"
    with_code = [a["request_id"] for a in history if code in {issue["code"] for issue in a["issues"]}]
    assert with_code
    assert _ids(_list(server, reader, f"code={code}")) == with_code[::-1]
    assert _list(server, reader, "code=SIDE_EFFECTS") == []
    assert _list(server, reader, "code=%25") == []
    of_run = [a["request_id"] for a in history if a["run_id"] == "run_2"]
    assert _ids(_list(server, reader, "run_id=run_2")) == of_run[::-1]
    task = history[0]["task_hash"]
    of_task = [a["request_id"] for a in history if a["task_hash"] == task]
    assert _ids(_list(server, reader, f"task_hash={task}")) == of_task[::-1]
    assert len(_list(server, reader, f"key_id={reader.id}")) == len(history)
    assert _list(server, reader, "key_id=key_other") == []


def test_the_list_is_filtered_by_time_from_and_up_to(
    server: Server, reader: Issued, history: list[dict[str, Any]]
) -> None:
    listed = _list(server, reader)
    middle = listed[10]["created_at"]
    assert _ids(_list(server, reader, f"since={middle}")) == _ids(listed[:11])
    assert _ids(_list(server, reader, f"until={middle}")) == _ids(listed[11:])


def test_filters_are_combined(server: Server, reader: Issued, history: list[dict[str, Any]]) -> None:
    wanted = [a["request_id"] for a in history if a["verdict"] == "DENY" and a["run_id"] == "run_1"]
    assert wanted
    assert _ids(_list(server, reader, "verdict=deny&run_id=run_1")) == wanted[::-1]


def test_an_entry_of_the_list_says_what_was_proposed_and_decided(
    server: Server, reader: Issued, history: list[dict[str, Any]]
) -> None:
    [entry] = _list(server, reader, "verdict=DENY&limit=1")
    answer = [answer for answer in history if answer["verdict"] == "DENY"][-1]
    for name in ("request_id", "verdict", "risk_score", "policy_version", "task_hash", "run_id"):
        assert entry[name] == answer[name], name
    assert entry["issue_codes"] == [issue["code"] for issue in answer["issues"]]
    assert (entry["goal"], entry["tools"], entry["api_key_id"]) == (DELETE["goal"], DELETE["tools"], reader.id)


# -- one record


def test_a_record_shows_request_answer_and_what_is_needed_to_decide_again(server: Server) -> None:
    answer = server.check(**DEPLOY, pro=True)
    record = server.get(f"/checks/{answer.body['request_id']}", key=KEY).body
    assert record["answer"] == answer.body
    assert {name: record["request"][name] for name in DEPLOY} == DEPLOY
    assert record["request"].keys() == set(ActionRequest.__struct_fields__)
    pack = shipped_packs()["stage0-default"]
    replay = record["replay"]
    assert (replay["policy_version"], replay["policy_digest"]) == (pack.id, pack.digest)
    assert replay["engine"] == server.get("/health").body["version"]
    assert replay["lexicon"] == pack.knowledge.version
    assert replay["exact"] is True
    assert int(replay["now"]) == answer.body["evaluated_at"]
    assert replay["state"]["caller"]["test_mode"] is False


def test_a_record_keeps_the_fields_that_the_plan_left_out_of_the_answer(
    server: Server, plan_keys: dict[str, str]
) -> None:
    answer = server.check(**READ, key=plan_keys["free"])
    record = server.get(f"/checks/{answer.body['request_id']}", key=plan_keys["free"]).body
    assert record["answer"].items() >= answer.body.items()


def test_a_record_shows_its_whole_trace_chain(server: Server) -> None:
    answer = server.check(**DEPLOY)
    trace = server.get(f"/checks/{answer.body['request_id']}", key=KEY).body["trace"]
    approved_at = trace.pop("approved_at")
    assert str(approved_at).startswith(("2026-03-14T09:30:00", "17734806"))
    assert trace == {
        "request_id": answer.body["request_id"],
        "policy_version": answer.body["policy_version"],
        "environment": "production",
        "actor_role": "platform_admin",
        "approved_by": "ops-manager",
        "iteration": 2,
        "elapsed_seconds": 42,
        "final_runtime_action": "not_reported",
    }


def test_the_trace_reads_the_nested_and_the_other_names_of_a_fact(server: Server) -> None:
    context = {
        "user_role": "admin",
        "target_environment": "staging",
        "loop_state": {"current_iteration": 3, "elapsed_seconds": 7},
    }
    answer = server.check(**READ, context=context)
    trace = server.get(f"/checks/{answer.body['request_id']}", key=KEY).body["trace"]
    assert (trace["actor_role"], trace["environment"]) == ("admin", "staging")
    assert (trace["iteration"], trace["elapsed_seconds"]) == (3, 7)


def test_a_number_beyond_64_bits_is_stored_exactly(server: Server) -> None:
    number = 10**40 + 7
    answer = server.check(**READ, context={"anything": number})
    record = server.get(f"/checks/{answer.body['request_id']}", key=KEY).body
    assert record["request"]["context"]["anything"] == number


def test_debug_store_input_stores_the_body_as_sent_and_nothing_does_without_it(server: Server) -> None:
    body = {**READ, "goal": "  List the open tickets  ", "unknown": {"a": [1, 2.5, None]}, "debug_store_input": True}
    stored = server.post("/check", body).body["request_id"]
    assert server.get(f"/checks/{stored}", key=KEY).body["input"] == body
    plain = server.post("/check", {**body, "debug_store_input": False}).body["request_id"]
    assert server.get(f"/checks/{plain}", key=KEY).body["input"] is None


def test_debug_store_input_changes_nothing_of_the_decision(server: Server) -> None:
    one, other = server.check(**DEPLOY).body, server.check(**DEPLOY, debug_store_input=True).body
    own = ("request_id", "timestamp", "evaluated_at")
    assert {k: v for k, v in one.items() if k not in own} == {k: v for k, v in other.items() if k not in own}


# -- outcomes


def _report(server: Server, request_id: str, **outcome: Any) -> dict[str, Any]:
    answer = server.post(f"/checks/{request_id}/outcome", outcome)
    assert answer.status == 200, answer.body
    found: dict[str, Any] = answer.body
    return found


def test_executed_then_rolled_back_are_both_kept_in_order(server: Server) -> None:
    request_id = server.check(**READ).body["request_id"]
    record = server.get(f"/checks/{request_id}", key=KEY).body
    assert record["outcomes"] == []
    assert record["trace"]["final_runtime_action"] == "not_reported"
    done = _report(server, request_id, status="executed", cost_usd=0.25)
    assert done == {"request_id": request_id, "status": "executed", "verdict": "ALLOW", "contradicts_verdict": False}
    time.sleep(0.002)
    _report(server, request_id, status="rolled_back", detail="health check failed")
    record = server.get(f"/checks/{request_id}", key=KEY).body
    shown = [(outcome["status"], outcome["detail"], outcome["cost_usd"]) for outcome in record["outcomes"]]
    assert shown == [("executed", "", 0.25), ("rolled_back", "health check failed", None)]
    assert record["trace"]["final_runtime_action"] == "rolled_back"


def test_outcomes_stand_in_the_order_in_which_they_came_also_within_a_millisecond(server: Server) -> None:
    request_id = server.check(**READ).body["request_id"]
    key_id = server.get(f"/checks/{request_id}", key=KEY).body["api_key_id"]
    order = ["executed", "failed", "rolled_back", "stopped"] * 5
    with database(server) as (connection, _, now):
        key = get_key(connection, CATALOGUE, key_id)
        for number, status in enumerate(order):
            outcome = convert({"status": status}, Outcome)
            add_outcome(connection, key, request_id, outcome, now=int(now) + number / 100_000, own=False)
        shown = get_record(connection, key.account, request_id)
    assert [outcome["status"] for outcome in shown["outcomes"]] == order


def _events(server: Server, target: str) -> list[Any]:
    with database(server) as (connection, _, _now):
        return list(connection.execute(sa.select(events).where(events.c.target == target)))


@pytest.mark.parametrize("status", ["executed", "failed", "rolled_back"])
def test_an_execution_that_was_denied_is_recorded_and_an_event_says_so(status: str, server: Server) -> None:
    answer = server.check(**DELETE).body
    assert answer["verdict"] == "DENY"
    done = _report(server, answer["request_id"], status=status)
    assert done["contradicts_verdict"] is True
    record = server.get(f"/checks/{answer['request_id']}", key=KEY).body
    assert [outcome["status"] for outcome in record["outcomes"]] == [status]
    [event] = _events(server, answer["request_id"])
    assert (event.action, event.actor) == ("outcome.contradicts_verdict", f"key:{record['api_key_id']}")
    assert json.loads(event.data) == {"verdict": "DENY", "status": status}


def test_stopping_what_was_denied_contradicts_nothing(server: Server) -> None:
    answer = server.check(**DELETE).body
    assert _report(server, answer["request_id"], status="stopped")["contradicts_verdict"] is False
    assert _events(server, answer["request_id"]) == []
    record = server.get(f"/checks/{answer['request_id']}", key=KEY).body
    assert record["trace"]["final_runtime_action"] == "execution_stopped"

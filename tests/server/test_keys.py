"""API keys: what they may do, how their changes count from the very next check, and that their text is kept nowhere."""

from __future__ import annotations

from typing import Any, Final

import pytest

from stage0.ledger import Refused
from stage0.ledger.keys import Status
from stage0.policy import shipped_packs
from tests.asserting import nonempty
from tests.running import KEY, Server
from tests.server.issuing import database, move, new_key, put, rotate

READ: Final[dict[str, Any]] = {"goal": "List the open tickets", "tools": ["search_tickets"]}
CHANGES: Final[list[tuple[Status, int]]] = [("disabled", 403), ("revoked", 401)]


# -- status


def test_a_disabled_key_is_403_at_the_very_next_check_and_works_again_once_enabled(server: Server) -> None:
    key = new_key(server)
    assert server.check(**READ, key=key.text).status == 200
    put(server, key, "disabled")
    for _ in range(2):
        refused = server.check(**READ, key=key.text)
        assert (refused.status, refused.body["error"]) == (403, "api_key_disabled")
    put(server, key, "active")
    assert server.check(**READ, key=key.text).status == 200


def test_a_revoked_key_is_401_at_the_very_next_check_and_for_good(server: Server) -> None:
    key = new_key(server)
    assert server.check(**READ, key=key.text).status == 200
    put(server, key, "revoked")
    for _ in range(2):
        refused = server.check(**READ, key=key.text)
        assert (refused.status, refused.body["error"]) == (401, "api_key_invalid")
    with pytest.raises(Refused, match="for good"):
        put(server, key, "active")
    assert server.check(**READ, key=key.text).status == 401


def test_a_disabled_or_revoked_key_can_neither_read_nor_report(server: Server) -> None:
    key = new_key(server, "check", "read")
    request_id = server.check(**READ, key=key.text).body["request_id"]
    for change, status in nonempty(CHANGES):
        put(server, key, change)
        assert server.get("/checks", key=key.text).status == status
        assert server.get(f"/checks/{request_id}", key=key.text).status == status
        outcome = server.post(f"/checks/{request_id}/outcome", {"status": "executed"}, key=key.text)
        assert outcome.status == status


def test_rotating_at_once_ends_the_old_key_and_the_new_one_has_its_rights(server: Server) -> None:
    old = new_key(server, "check", "policy:pin", mode="test")
    assert server.check(**READ, key=old.text).status == 200
    new = rotate(server, old)
    assert server.check(**READ, key=old.text).status == 401
    answer = server.check(**READ, key=new.text)
    assert answer.status == 200
    assert answer.body["meta"]["test_mode"] is True
    assert server.check(**READ, policy_pack_version=shipped_packs()["stage0-strict"].id, key=new.text).status == 200


def test_rotating_with_grace_leaves_both_keys_working(server: Server) -> None:
    old = new_key(server)
    new = rotate(server, old, grace=3600)
    assert server.check(**READ, key=old.text).status == 200
    assert server.check(**READ, key=new.text).status == 200


def test_a_key_whose_time_is_up_is_401(server: Server) -> None:
    with database(server) as (_, _, now):
        pass
    expired, lasting = new_key(server, expires_at=now - 1), new_key(server, expires_at=now + 3600)
    refused = server.check(**READ, key=expired.text)
    assert (refused.status, refused.body["error"]) == (401, "api_key_invalid")
    assert server.check(**READ, key=lasting.text).status == 200


# -- plans


def test_a_better_plan_counts_from_the_next_check(server: Server) -> None:
    key = new_key(server, plan="free")
    assert "guardrails" not in server.check(**READ, key=key.text).body
    assert server.check(**READ, pro=True, key=key.text).status == 402
    move(server, key.account, "pro")
    answer = server.check(**READ, pro=True, key=key.text)
    assert answer.status == 200
    assert "value_risk" in answer.body


def test_a_lesser_plan_counts_from_the_next_check(server: Server) -> None:
    key = new_key(server, plan="pro")
    assert "value_risk" in server.check(**READ, key=key.text).body
    move(server, key.account, "free")
    assert "value_risk" not in server.check(**READ, key=key.text).body


def test_pro_is_refused_at_the_next_check_after_a_lesser_plan(server: Server) -> None:
    key = new_key(server, plan="pro")
    assert server.check(**READ, pro=True, key=key.text).status == 200
    move(server, key.account, "starter")
    assert server.check(**READ, pro=True, key=key.text).status == 402


# -- what a key is bound to


def test_a_role_outside_the_bound_ones_counts_as_absent(server: Server) -> None:
    fields = {**READ, "constraints": ["required_role:platform_admin"], "context": {"actor_role": "platform_admin"}}

    def decided(key: str) -> tuple[str, set[str]]:
        body = server.check(**fields, key=key).body
        return body["verdict"], {issue["code"] for issue in body["issues"] if issue["code"].startswith("ROLE_")}

    one, several = new_key(server, roles=("intern",)), new_key(server, roles=("intern", "support"))
    assert decided(one.text) == ("DENY", {"ROLE_NOT_AUTHORIZED", "ROLE_CONTEXT_MISSING"})
    assert decided(several.text) == ("DEFER", {"ROLE_CONTEXT_MISSING"})
    assert decided(KEY) == ("ALLOW", set())


def test_a_bound_role_that_is_not_the_required_one_is_denied_though_nothing_is_said(server: Server) -> None:
    key = new_key(server, roles=("intern",))
    body = server.check(**READ, constraints=["required_role:platform_admin"], key=key.text).body
    assert body["verdict"] == "DENY"
    assert "ROLE_NOT_AUTHORIZED" in {issue["code"] for issue in body["issues"]}


def test_a_bound_role_counts_unasked(server: Server) -> None:
    key = new_key(server, roles=("platform_admin",))
    body = server.check(**READ, constraints=["required_role:platform_admin"], key=key.text).body
    assert body["verdict"] == "ALLOW"
    assert body["meta"]["evidence"]["actor_role"] == "verified"


def test_a_bound_environment_counts_whatever_the_caller_says(server: Server) -> None:
    key = new_key(server, environments=("production",))
    fields = {**READ, "constraints": ["allowed_environment:staging"], "context": {"environment": "staging"}}
    bound = server.check(**fields, key=key.text).body
    assert bound["verdict"] == "DENY"
    assert bound["meta"]["evidence"]["environment"] == "verified"
    assert server.check(**fields).body["verdict"] == "ALLOW"


def test_only_a_test_mode_key_sets_the_clock(server: Server) -> None:
    key = new_key(server, mode="test")
    fields: dict[str, Any] = {
        "goal": "Deploy version 2.3.0 to staging",
        "tools": ["shell"],
        "side_effects": ["deploy"],
        "constraints": ["check_change_window: business_hours"],
    }

    def closed(key: str, **context: str) -> bool:
        body = server.check(**fields, context={"environment": "staging", **context}, key=key).body
        return "CHANGE_WINDOW_CLOSED" in {issue["code"] for issue in body["issues"]}

    monday, sunday = "2026-03-16T10:00:00+00:00", "2026-03-15T10:00:00+00:00"
    assert not closed(key.text, current_time=monday)
    assert closed(key.text, current_time=sunday)
    # What a live key says may close the window, never open it.
    assert closed(KEY, current_time=sunday)
    assert closed(KEY, current_time=monday) == closed(KEY)
    answer = server.check(**READ, context={"current_time": monday}, key=key.text).body
    assert (answer["meta"]["test_mode"], answer["meta"]["evidence"]["clock"]) == (True, "asserted")
    live = server.check(**READ, context={"current_time": monday}).body
    assert (live["meta"]["test_mode"], live["meta"]["evidence"]["clock"]) == (False, "verified")


# -- scopes and accounts


def test_a_check_only_key_sees_its_own_records_and_a_read_key_the_whole_account(server: Server) -> None:
    mine = new_key(server, plan="pro")
    other = new_key(server, account=mine.account)
    reader = new_key(server, "read", account=mine.account)
    own = server.check(**READ, key=mine.text).body["request_id"]
    foreign = server.check(**READ, key=other.text).body["request_id"]

    def listed(key: str) -> list[str]:
        return [entry["request_id"] for entry in server.get("/checks", key=key).body["checks"]]

    assert listed(mine.text) == [own]
    assert sorted(listed(reader.text)) == sorted([own, foreign])
    assert server.get(f"/checks/{own}", key=mine.text).status == 200
    assert server.get(f"/checks/{foreign}", key=mine.text).status == 404
    assert server.get(f"/checks/{foreign}", key=reader.text).status == 200


def test_a_check_only_key_that_asks_for_another_keys_records_is_refused(server: Server) -> None:
    mine = new_key(server, plan="pro")
    other = new_key(server, account=mine.account)
    server.check(**READ, key=mine.text)
    server.check(**READ, key=other.text)
    refused = server.get(f"/checks?key_id={other.id}", key=mine.text)
    assert (refused.status, refused.body["error"]) == (403, "scope_missing")


def test_a_check_only_key_reports_outcomes_only_of_its_own_records(server: Server) -> None:
    mine, reader = new_key(server), new_key(server, "check", "read")
    foreign = server.check(**READ).body["request_id"]
    refused = server.post(f"/checks/{foreign}/outcome", {"status": "executed"}, key=mine.text)
    assert (refused.status, refused.body["error"]) == (404, "not_found")
    assert server.get(f"/checks/{foreign}", key=KEY).body["outcomes"] == []
    assert server.post(f"/checks/{foreign}/outcome", {"status": "executed"}, key=reader.text).status == 200


@pytest.mark.parametrize("scope", ["read", "policy:write", "policy:pin"])
def test_a_key_without_the_scope_check_neither_checks_nor_reports(scope: str, server: Server) -> None:
    key = new_key(server, scope)
    request_id = server.check(**READ).body["request_id"]
    for answer in (
        server.check(**READ, key=key.text),
        server.post(f"/checks/{request_id}/outcome", {"status": "executed"}, key=key.text),
    ):
        assert (answer.status, answer.body["error"]) == (403, "scope_missing")
        assert "`check`" in answer.body["message"]


def test_a_key_without_check_and_read_cannot_read(server: Server) -> None:
    key = new_key(server, "policy:write")
    answer = server.get("/checks", key=key.text)
    assert (answer.status, answer.body["error"]) == (403, "scope_missing")


def test_an_admin_key_may_do_everything(server: Server) -> None:
    key = new_key(server, "admin")
    foreign = server.check(**READ).body["request_id"]
    assert server.check(**READ, key=key.text).status == 200
    assert server.get(f"/checks/{foreign}", key=key.text).status == 200


def test_another_accounts_record_is_404_for_reading_and_reporting(server: Server) -> None:
    foreign = server.check(**READ).body["request_id"]
    stranger = new_key(server, "check", "read", "admin", plan="enterprise")
    answers = [
        server.get(f"/checks/{foreign}", key=stranger.text),
        server.post(f"/checks/{foreign}/outcome", {"status": "executed"}, key=stranger.text),
    ]
    missing = server.get("/checks/req_00000000000000000000000000", key=stranger.text)
    for answer in nonempty(answers):
        assert (answer.status, answer.body["error"]) == (404, "not_found")
        assert answer.body["message"].replace(foreign, "X") == missing.body["message"].replace(
            "req_00000000000000000000000000", "X"
        )
    assert server.get("/checks", key=stranger.text).body["checks"] == []
    assert server.get(f"/checks/{foreign}", key=KEY).body["outcomes"] == []

"""Packs over HTTP: pushed, tried, activated and rolled back by keys that may; each answer is of exactly one version."""

from __future__ import annotations

import json
import threading
import time
from collections import Counter
from typing import Any, Final

import pytest

from stage0.policy import shipped_packs
from stage0.policy.format import json_schema
from tests.asserting import nonempty
from tests.packs import pack_files, stops
from tests.running import Answer, Server
from tests.server.issuing import new_key

DEFAULT: Final = shipped_packs()["stage0-default"].id
READ: Final[dict[str, Any]] = {
    "goal": "List the open tickets",
    "tools": ["tickets.list"],
    "success_criteria": ["listed"],
}


class Team:
    """An account of its own on a server: an agent's key, and one that may change the policy."""

    def __init__(self, server: Server) -> None:
        agent = new_key(server, plan="enterprise")
        self.server, self.account, self.agent = server, agent.account, agent.text
        self.admin = new_key(server, "policy:write", account=agent.account).text

    def post(self, path: str, body: Any, *, key: str = "") -> Answer:
        return self.server.post(path, body, key=key or self.admin)

    def push(self, **parts: str) -> Answer:
        return self.post("/policies", {"files": pack_files(**parts)})

    def check(self, **more: Any) -> Answer:
        return self.server.check(key=self.agent, **{**READ, **more})


@pytest.fixture
def team(server: Server) -> Team:
    """A team of its own."""
    return Team(server)


def test_a_version_is_pushed_activated_seen_in_a_check_and_rolled_back(team: Team) -> None:
    pushed = team.push(more=stops("NOT_NOW", "Close the shop"))
    assert pushed.status == 200, pushed.body
    assert (pushed.body["id"], pushed.body["new"], pushed.body["suite"]["problem"]) == ("acme@1", True, "")
    assert team.check().body["policy_version"] == DEFAULT
    active = team.post("/policies/acme@1/activate", {})
    assert (active.status, active.body["pack"]) == (200, "acme@1")
    assert team.check().body["policy_version"] == "acme@1"
    denied = team.check(goal="Close the shop").body
    assert (denied["verdict"], denied["issues"][0]["code"]) == ("DENY", "NOT_NOW")
    assert team.post("/policies/rollback", {}).body["pack"] is None
    assert team.check().body["policy_version"] == DEFAULT


def test_an_agents_key_changes_nothing_and_reads_nothing_of_policies(team: Team) -> None:
    team.push()
    for path, body in (
        ("/policies", {"files": pack_files(version="2")}),
        ("/policies/lint", {"files": pack_files()}),
        ("/policies/acme@1/activate", {}),
        ("/policies/acme@1/shadow", {}),
        ("/policies/shadow/end", {}),
        ("/policies/rollback", {}),
        ("/policies/replay", {"pack": "acme@1"}),
    ):
        refused = team.post(path, body, key=team.agent)
        assert (refused.status, refused.body["error"]) == (403, "scope_missing"), path
    for path in ("/policies", "/policies/acme@1", "/policies/compare?from=acme@1&to=acme@1"):
        assert team.server.get(path, key=team.agent).status == 403, path


def test_what_is_active_pushed_and_activated_is_listed_with_who_did_it(team: Team) -> None:
    team.push()
    team.post("/policies/acme@1/activate", {"environment": "Production"})
    listed = team.server.get("/policies", key=team.admin).body
    assert listed["active"] == [{"environment": "production", "pack": "acme@1", "shadow": None}]
    assert [each["id"] for each in listed["packs"]] == ["acme@1"]
    assert listed["activations"][0]["by"].startswith("key:key_")
    assert DEFAULT in listed["shipped"]
    shown = team.server.get("/policies/acme@1", key=team.admin).body
    assert shown["files"] == pack_files()


def test_a_broken_pack_is_refused_with_its_line_and_nothing_is_stored(team: Team) -> None:
    refused = team.push(more="severities:\n  NO_SUCH_RULE: high\n")
    assert refused.status == 422
    assert "pack.yaml:5: severities.NO_SUCH_RULE" in refused.body["message"]
    assert team.server.get("/policies", key=team.admin).body["packs"] == []


def test_another_content_under_a_version_is_refused(team: Team) -> None:
    assert team.push().body["new"] is True
    assert team.push().body["new"] is False
    refused = team.push(more=stops("OTHER", "x"))
    assert (refused.status, refused.body["error"]) == (409, "policy_refused")


def test_a_pack_without_a_case_for_each_verdict_is_activated_only_by_force(team: Team) -> None:
    made = team.push(suite="")
    assert "no case for" in made.body["suite"]["problem"]
    refused = team.post("/policies/acme@1/activate", {})
    assert (refused.status, refused.body["error"]) == (409, "policy_refused")
    assert team.check().body["policy_version"] == DEFAULT
    assert team.post("/policies/acme@1/activate", {"force": True}).status == 200
    assert team.check().body["policy_version"] == "acme@1"


def test_lint_stores_nothing_and_says_what_looks_like_a_mistake(team: Team) -> None:
    more = "rules:\n  BIG: {when: arguments.amount > 5, severity: high, message: Too big.}\n"
    found = team.post("/policies/lint", {"files": pack_files(more=more)}).body
    assert any("has(arguments.amount)" in warning for warning in found["warnings"])
    assert team.server.get("/policies", key=team.admin).body["packs"] == []


def test_packs_of_another_account_are_not_there(team: Team) -> None:
    team.push()
    other = Team(team.server)
    assert other.post("/policies/acme@1/activate", {}).status == 404
    assert other.server.get("/policies/acme@1", key=other.admin).status == 404
    extending = {"pack.yaml": pack_files(name="sub")["pack.yaml"].replace("stage0-default", "acme")}
    refused = other.post("/policies", {"files": extending})
    assert (refused.status, "push it first" in refused.body["message"]) == (422, True)


def test_a_pack_extends_the_newest_version_that_was_pushed(team: Team) -> None:
    team.push(more=stops("NOT_NOW", "Close the shop"))
    files = pack_files(name="sub")
    files["pack.yaml"] = files["pack.yaml"].replace("stage0-default", "acme")
    made = team.post("/policies", {"files": files})
    assert made.status == 200, made.body
    assert team.server.get("/policies/sub@1", key=team.admin).body["content"]["extends"] == "acme@1"


def test_two_versions_are_compared_in_words(team: Team) -> None:
    team.push()
    team.push(version="2", more=stops("NOT_NOW", "Close the shop"))
    changes = team.server.get("/policies/compare?from=acme@1&to=acme@2", key=team.admin).body["changes"]
    assert len(changes) == 1
    assert changes[0].startswith("+ rule NOT_NOW")
    assert team.server.get("/policies/compare?from=acme@1", key=team.admin).status == 422


def test_a_version_is_tried_on_what_was_decided(team: Team) -> None:
    for _ in range(3):
        assert team.check().body["verdict"] == "ALLOW"
    team.push(more=stops("NOT_NOW", READ["goal"]))
    found = team.post("/policies/replay", {"pack": "acme@1"}).body
    assert (found["records"], found["flips"]) == (3, [{"before": "ALLOW", "after": "DENY", "count": 3}])
    assert "examples" not in found
    reader = new_key(team.server, "policy:write", "read", account=team.account).text
    shown = team.post("/policies/replay", {"pack": "acme@1"}, key=reader).body["examples"]
    assert {flip["goal"] for flip in shown} == {READ["goal"]}
    assert team.post("/policies/replay", {"pack": "acme@7"}).status == 404
    assert team.post("/policies/replay", {"pack": "acme@1\n"}).status == 422


def test_a_candidate_is_recorded_beside_and_changes_nothing(team: Team) -> None:
    team.push(more=stops("NOT_NOW", READ["goal"]))
    assert team.post("/policies/acme@1/shadow", {}).body["shadow"] == "acme@1"
    allowed = team.check().body
    assert (allowed["verdict"], allowed["policy_version"]) == ("ALLOW", DEFAULT)
    record = team.server.get(f"/checks/{allowed['request_id']}", key=team.agent).body
    assert (record["shadow"]["pack"], record["shadow"]["verdict"]) == ("acme@1", "DENY")
    assert team.post("/policies/shadow/end", {}).body["shadow"] is None


def test_a_pack_that_is_long_to_read_keeps_no_check_waiting(team: Team) -> None:
    done: list[int] = []
    files = {"pack.yaml": "\n" * 200_000}
    lint = threading.Thread(target=lambda: done.append(team.post("/policies/lint", {"files": files}).status))
    lint.start()
    answered = 0
    while lint.is_alive():
        assert team.check().status == 200
        answered += 1
    assert done == [422]
    assert answered > 3


def test_one_accounts_packs_keep_no_other_accounts_waiting(server: Server) -> None:
    """Whoever sends many has them read one after the other, and those beyond a few refused."""
    many, one = Team(server), Team(server)
    statuses: list[int] = []
    ended: list[str] = []

    def lint(team: Team, name: str) -> None:
        answer = team.post("/policies/lint", {"files": pack_files()})
        statuses.append(answer.status)
        if answer.status == 200:
            ended.append(name)

    threads = [threading.Thread(target=lint, args=(many, "many")) for _ in range(6)]
    for thread in threads:
        thread.start()
    while statuses.count(503) < 2:
        assert any(thread.is_alive() for thread in threads), statuses
        time.sleep(0.001)
    lint(one, "one")
    for thread in threads:
        thread.join()
    assert sorted(statuses) == [200] * 5 + [503] * 2
    assert ended[-1] == "many"


def test_the_schema_for_editors_is_served_without_a_key(server: Server) -> None:
    assert server.get("/policies/schema.json").body == json.loads(json.dumps(json_schema()))


@pytest.mark.parametrize(
    ("body", "path"),
    [
        ({}, "files"),
        ({"files": {}}, "files"),
        ({"files": {"pack.yaml": 5}}, "files"),
        ({"files": {"pack.yaml": "a: 1"}, "more": 1}, "more"),
    ],
    ids=["nothing", "no file", "no text", "an unknown field"],
)
def test_a_body_that_is_no_pack_is_refused_with_its_field(body: Any, path: str, team: Team) -> None:
    refused = team.post("/policies", body)
    assert refused.status == 422
    assert path in refused.body["fields"][0]["path"]


def test_activation_under_load_leaves_every_answer_with_exactly_one_version(own_server: Server) -> None:
    """Two versions take turns every 50 ms. Each answer is that of the version which it names, and every record replays
    to the same bytes."""
    team = Team(own_server)
    goal, codes = "List the closed tickets", {"acme@1": "FIRST_RULE", "acme@2": "SECOND_RULE"}
    for pack_id, code in nonempty(codes.items()):
        version = pack_id.partition("@")[2]
        assert team.push(version=version, more=stops(code, goal, "medium")).status == 200
    assert team.post("/policies/acme@1/activate", {}).status == 200
    answers: list[dict[str, Any]] = []
    done = threading.Event()

    def ask() -> None:
        while not done.is_set():
            answers.append(team.check(goal=goal).body)

    threads = [threading.Thread(target=ask) for _ in range(4)]
    for thread in threads:
        thread.start()
    switches = 0
    deadline = time.monotonic() + 6
    try:
        while time.monotonic() < deadline:
            began = time.monotonic()
            assert team.post(f"/policies/acme@{switches % 2 + 1}/activate", {}).status == 200
            switches += 1
            time.sleep(max(0.0, 0.05 - (time.monotonic() - began)))
    finally:
        done.set()
        for thread in threads:
            thread.join()
    seen = Counter(answer["policy_version"] for answer in answers)
    assert set(seen) == set(codes), seen
    for answer in nonempty(answers):
        fired = {issue["code"] for issue in answer["issues"]} & set(codes.values())
        assert fired == {codes[answer["policy_version"]]}
    proof = own_server.cli("replay", "--verify", "--account", team.account, "--json")
    assert proof.returncode == 0, proof.stdout.decode() + proof.stderr.decode()
    (found,) = json.loads(proof.stdout).values()
    assert (found["verified"], found["different"], found["skipped"]) == (len(answers), 0, [])

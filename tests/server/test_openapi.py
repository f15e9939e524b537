"""`/openapi.json` and `/stage0/design` describe what is served, completely, and real answers are as described."""

from __future__ import annotations

import re
from collections.abc import Iterator
from typing import Any, Final

import jsonschema
import pytest
from openapi_spec_validator import OpenAPIV31SpecValidator

from stage0.core.verdict import Issue
from stage0.ledger.keys import SCOPES
from stage0.policy import shipped_packs
from stage0.reading.context import FACTS
from stage0.rules import RULES
from stage0.server.routes import ROUTES, Operation
from tests.asserting import nonempty
from tests.running import KEY, Answer, Server
from tests.server.issuing import new_key

READ: Final[dict[str, Any]] = {"goal": "List the open tickets", "tools": ["search_tickets"]}
METHODS: Final = ("GET", "POST", "PUT", "PATCH", "DELETE")


@pytest.fixture(scope="module")
def document(server: Server) -> dict[str, Any]:
    answer = server.get("/openapi.json")
    assert answer.status == 200
    found: dict[str, Any] = answer.body
    return found


def _nodes(value: Any) -> Iterator[dict[str, Any]]:
    if isinstance(value, dict):
        yield value
    for item in value.values() if isinstance(value, dict) else value if isinstance(value, list) else ():
        yield from _nodes(item)


def _at(document: dict[str, Any], pointer: str) -> Any:
    for step in pointer.removeprefix("#/").split("/"):
        document = document[step]
    return document


def _complaints(document: dict[str, Any], schema: dict[str, Any], value: Any) -> list[str]:
    whole = {**schema, "components": document["components"]}
    return [error.message for error in jsonschema.Draft202012Validator(whole).iter_errors(value)]


def test_the_document_is_openapi_3_1(document: dict[str, Any]) -> None:
    assert document["openapi"].startswith("3.1.")
    OpenAPIV31SpecValidator(document).validate()


def test_every_schema_is_json_schema_and_every_reference_resolves(document: dict[str, Any]) -> None:
    for schema in document["components"]["schemas"].values():
        jsonschema.Draft202012Validator.check_schema(schema)
    references = [node["$ref"] for node in _nodes(document) if "$ref" in node]
    assert references
    assert all(_at(document, reference) for reference in nonempty(references))


def test_every_operation_has_an_id_of_its_own_and_a_summary(document: dict[str, Any]) -> None:
    operations = [operation for path in document["paths"].values() for operation in path.values()]
    assert len({operation["operationId"] for operation in operations}) == len(operations)
    assert all(operation["summary"] for operation in nonempty(operations))


def test_every_documented_path_is_served_with_its_methods_and_no_other(
    document: dict[str, Any], server: Server
) -> None:
    for path, operations in nonempty(document["paths"].items()):
        real = re.sub(r"\{\w+\}", "req_00000000000000000000000000", path)
        for method in nonempty(METHODS):
            answer = server.request(method, real, b"{}", {"x-api-key": KEY, "content-type": "application/json"})
            refused = answer.status == 405
            assert refused == (method.lower() not in operations), (method, path)
            assert answer.status != 404 or answer.body["message"].startswith(
                ("There is no check", "There is no run", "There is no pack")
            ), (method, path)


def test_every_protected_operation_documents_the_key_and_refuses_without_one(
    document: dict[str, Any], server: Server
) -> None:
    for path, operations in nonempty(document["paths"].items()):
        real = re.sub(r"\{\w+\}", "req_00000000000000000000000000", path)
        for method, operation in nonempty(operations.items()):
            open_to_all = path in ("/health", "/stage0/design", "/policies/schema.json", "/openapi.json")
            assert ("security" not in operation) == open_to_all, path
            answer = server.request(method.upper(), real, b"{}", {"content-type": "application/json"})
            assert (answer.status == 401) == (not open_to_all), path
            assert open_to_all or "401" in operation["responses"]


_KEYED: Final = [each for operations in ROUTES.values() for each in operations if each.scopes]


@pytest.mark.parametrize("operation", _KEYED, ids=lambda each: each.id)
def test_every_operation_that_needs_a_key_takes_the_scopes_of_its_row_and_no_other(
    operation: Operation, server: Server
) -> None:
    real = re.sub(r"\{[\w:]+\}", "req_00000000000000000000000000", operation.path)
    for scope in nonempty(SCOPES):
        key = new_key(server, scope).text
        answer = server.request(operation.method, real, b"", {"x-api-key": key, "content-type": "application/json"})
        refused = answer.status == 403 and answer.body["error"] == "scope_missing"
        assert refused == (scope not in {*operation.scopes, "admin"}), scope


def test_the_request_of_a_check_has_the_limits_of_the_contract(document: dict[str, Any]) -> None:
    schema = document["components"]["schemas"]["ActionRequest"]
    properties = schema["properties"]
    assert schema["required"] == ["goal"]
    assert (properties["goal"]["minLength"], properties["goal"]["maxLength"]) == (1, 8_000)
    for name in ("success_criteria", "constraints", "tools", "side_effects"):
        assert (properties[name]["maxItems"], properties[name]["items"]["maxLength"]) == (200, 2_000)


def test_every_query_parameter_of_the_list_is_documented_and_every_documented_one_is_understood(
    document: dict[str, Any], server: Server
) -> None:
    values = {"verdict": "ALLOW", "since": "0", "until": "99999999999", "limit": "1"}
    for parameter in nonempty(document["paths"]["/checks"]["get"]["parameters"]):
        name = parameter["name"]
        assert server.get(f"/checks?{name}={values.get(name, 'x')}", key=KEY).status == 200, name


def _real_answers(server: Server) -> dict[tuple[str, str], list[Answer]]:
    checked = server.check(**READ)
    path = f"/checks/{checked.body['request_id']}"
    return {
        ("/check", "post"): [
            checked,
            server.check(goal="Delete all users", tools=["delete_users"], constraints=["max_rows_affected: 10"]),
            server.check(**READ, key="nobody-has-this-key-0001"),
            server.check(**READ, policy_pack_version="other"),
            server.post("/check", READ, headers={"content-type": "text/plain"}),
            server.check(goal=""),
        ],
        ("/checks", "get"): [server.get("/checks", key=KEY), server.get("/checks"), server.get("/checks?x=1", key=KEY)],
        ("/checks/{request_id}", "get"): [
            server.get(path, key=KEY),
            server.get(path),
            server.get("/checks/x", key=KEY),
        ],
        ("/checks/{request_id}/outcome", "post"): [
            server.post(f"{path}/outcome", {"status": "executed"}),
            server.post(f"{path}/outcome", {"status": "x"}),
            server.post("/checks/x/outcome", {"status": "executed"}),
        ],
        ("/health", "get"): [server.get("/health")],
        ("/stage0/design", "get"): [server.get("/stage0/design")],
    }


def test_real_answers_have_documented_statuses_and_are_valid_against_their_schemas(
    document: dict[str, Any], server: Server
) -> None:
    for (path, method), answers in nonempty(_real_answers(server).items()):
        documented = document["paths"][path][method]["responses"]
        for answer in nonempty(answers):
            assert str(answer.status) in documented, (path, answer.status)
            schema = documented[str(answer.status)]["content"]["application/json"]["schema"]
            assert not _complaints(document, schema, answer.body), (path, answer.status)


@pytest.mark.parametrize("plan", ["free", "starter", "pro", "enterprise"])
def test_the_answer_of_every_plan_is_valid_against_the_schema(
    plan: str, document: dict[str, Any], server: Server, plan_keys: dict[str, str]
) -> None:
    answer = server.check(**READ, key=plan_keys[plan])
    assert not _complaints(document, {"$ref": "#/components/schemas/Answer"}, answer.body)


def test_an_answer_that_lacks_a_field_or_has_an_unknown_verdict_is_not_valid(
    document: dict[str, Any], server: Server
) -> None:
    schema = {"$ref": "#/components/schemas/Answer"}
    body = server.check(**READ).body
    assert _complaints(document, schema, {**body, "verdict": "MAYBE"})
    for name in ("verdict", "decision", "request_id", "issues", "policy_version"):
        assert _complaints(document, schema, {key: value for key, value in body.items() if key != name}), name


# -- the design contract


@pytest.fixture(scope="module")
def contract(server: Server) -> dict[str, Any]:
    answer = server.get("/stage0/design")
    assert answer.status == 200
    found: dict[str, Any] = answer.body
    return found


def test_the_design_names_its_version_and_position(contract: dict[str, Any], server: Server) -> None:
    assert contract["positioning"] == "Runtime policy gate"
    assert contract["version"] == f"v{server.get('/health').body['version']}"
    assert contract["policy_pack_version"] == shipped_packs()["stage0-default"].id


def test_the_design_holds_decisions_verdicts_and_severities(contract: dict[str, Any]) -> None:
    assert contract["decisions"] == {"GO": "ALLOW", "NO_GO": "DENY", "DEFER": "DEFER", "ERROR": "DEFER"}
    assert contract["verdicts"] == ["ALLOW", "DENY", "DEFER"]
    assert contract["severities"] == {"HIGH": "DENY", "MEDIUM": "DEFER", "LOW": "ALLOW"}


def test_the_design_holds_every_issue_code_with_its_texts(contract: dict[str, Any]) -> None:
    shown = {entry["code"]: entry for entry in contract["issue_codes"]}
    assert shown.keys() >= {rule.code for rule in RULES}
    for entry in nonempty(shown.values()):
        assert entry["severity"] in contract["severities"]
        assert all(entry[name] for name in ("family", "message", "why")), entry["code"]


def test_the_design_holds_the_code_of_a_request_that_could_not_be_evaluated(contract: dict[str, Any]) -> None:
    assert "INTERNAL_ERROR" in {entry["code"] for entry in contract["issue_codes"]}


def test_every_code_of_an_answer_stands_in_the_design(contract: dict[str, Any], server: Server) -> None:
    body = server.check(goal="Delete all users", tools=["delete_users"], constraints=["xyz: 5"]).body
    assert {issue["code"] for issue in nonempty(body["issues"])} <= {entry["code"] for entry in contract["issue_codes"]}
    assert {*Issue.__struct_fields__} >= body["issues"][0].keys()


def test_the_design_holds_every_kind_of_constraint(contract: dict[str, Any]) -> None:
    grammar = shipped_packs()["stage0-default"].knowledge.grammar
    assert [entry["name"] for entry in contract["constraints"]] == [kind.name for kind in grammar.kinds.values()]
    assert {key for entry in contract["constraints"] for key in entry["keys"]} == {
        key for kind in grammar.kinds.values() for key in kind.keys
    }


def test_the_design_holds_every_context_field_under_every_name(contract: dict[str, Any]) -> None:
    names = {name for entry in contract["context_fields"] for name in entry["names"]}
    assert names == {name for fact in FACTS for name in fact.names}


#: Every name of the table "Context fields" of the published contract.
CONTEXT_FIELDS: Final = [
    "actor_role",
    "user_role",
    "requester_role",
    "approval_status",
    "approved",
    "approved_by",
    "approved_at",
    "approval_reason",
    "approval_id",
    "requested_by",
    "environment",
    "target_environment",
    "run_id",
    "current_iteration",
    "retry_count",
    "elapsed_seconds",
    "current_tool",
    "recent_tools",
    "cumulative_cost_usd",
    "repeated_tools",
    "confirmed",
    "dry_run_completed",
    "estimated_rows_affected",
    "estimated_records",
    "estimated_query_cost",
    "mfa_verified",
    "rollback_plan",
    "runbook",
    "ticket_id",
    "current_time",
    "timezone",
    "resource_scope",
    "target_resources",
    "active_mcp_servers",
    "tenant_id",
    "target_tenants",
    "request_channel",
    "output_policy",
    "tool_arguments",
    "tool_args",
    "arguments",
    "tool_description",
    "tool_annotations",
    "agent_name",
    "agent_id",
    "on_behalf_of",
    "evidence",
    "loop_state",
]


def test_every_published_context_field_is_understood(contract: dict[str, Any]) -> None:
    names = {name for entry in contract["context_fields"] for name in entry["names"]}
    under = {entry["also_under"] for entry in contract["context_fields"]}
    assert not set(CONTEXT_FIELDS) - names - under

"""A call's arguments are parsed, not searched: SQL, shell, HTTP, paths."""

from __future__ import annotations

import json
from collections.abc import Callable
from typing import Any, Final

import pytest
from hypothesis import given
from hypothesis import strategies as st

from stage0.core.pack import Pack
from stage0.policy import shipped_packs
from stage0.reading.call.arguments import ArgumentsReading, read_arguments
from stage0.reading.paths import holds_secrets
from stage0.reading.programs import mongo
from stage0.reading.result import TEXT_LIMIT
from tests.deciding import decided

KNOWN: Final = shipped_packs()["stage0-default"].knowledge


def reading_of(**arguments: Any) -> ArgumentsReading:
    """What a call's arguments say."""
    return read_arguments(arguments, KNOWN.commands, KNOWN.lexicon, "args")


def effects_in(reading: ArgumentsReading) -> set[str]:
    """The effects of a reading."""
    return {sighting.effect for sighting in reading.sightings}


def said_to(tool: str, /, **arguments: Any) -> set[str]:
    """The effects of a tool's arguments, and `unread` where not all of them was understood."""
    reading = read_arguments(arguments, KNOWN.commands, KNOWN.lexicon, "args", [tool])
    return effects_in(reading) - {"read", "compute", "network_read"} | ({"unread"} if reading.unread else set())


def test_of_what_many_places_say_the_first_ones_are_kept() -> None:
    """Else a body of many commands makes a reading that is long to hand on: it held the loop for 52 ms."""
    commands = {f"command{number}": "rm -rf /srv" for number in range(2_000)}
    reading = reading_of(**commands, last="rm -rf /srv && reboot")
    assert effects_in(reading) == {"delete", "irreversible", "bulk", "service_impact"}
    assert len(reading.sightings) < 1_000
    assert reading.sightings[0].span.path == "args.command0"


@pytest.mark.parametrize("name", ["sql", "statement", "query", "ddl", "rawSql"])
def test_sql_is_read_under_its_names(name: str) -> None:
    assert effects_in(reading_of(**{name: "DELETE FROM users WHERE id = 1"})) == {"delete"}
    assert reading_of(sql="SELECT FROM WHERE (").unread == ("args.sql",)


@pytest.mark.parametrize("name", ["text", "input", "value", "expression"])
def test_a_whole_statement_is_read_under_any_name(name: str) -> None:
    assert effects_in(reading_of(**{name: "DROP TABLE users"})) == {"delete", "schema_change"}
    assert reading_of(**{name: "Drop the table on users' side"}) == ArgumentsReading()


@pytest.mark.parametrize("name", ["content", "description", "title", "comment"])
def test_a_statement_in_prose_is_an_example(name: str) -> None:
    assert reading_of(**{name: "DROP TABLE users"}) == ArgumentsReading()


@pytest.mark.parametrize(
    "query",
    [
        "best restaurants in Taipei",
        "kill bill cast",
        "select best laptops 2024",
        "with or without you lyrics",
        "update on the war",
        "use of force",
        "set up a router",
        "describe the water cycle",
        "call of duty review",
        "drop shipping for beginners",
        "create table tennis tournament",
        "create user story",
        "alter user experience",
    ],
)
def test_a_query_that_is_no_sql_is_left_alone(query: str) -> None:
    assert reading_of(query=query) == ArgumentsReading()


def test_a_statement_that_is_a_sentence_is_left_alone() -> None:
    assert reading_of(statement="The earth is flat") == ArgumentsReading()
    assert effects_in(reading_of(statement="OPTIMIZE TABLE t")) == {"service_impact"}


def test_a_database_named_beside_a_query_makes_it_sql() -> None:
    assert effects_in(reading_of(query="REINDEX t", engine="postgres")) == {"service_impact"}
    assert reading_of(query="call me", engine="electric") == ArgumentsReading()


@pytest.mark.parametrize(
    ("method", "effect"),
    [("GET", "network_read"), ("head", "network_read"), ("POST", "write"), ("PUT", "overwrite"), ("DELETE", "delete")],
)
def test_an_http_method_says_what_the_call_does(method: str, effect: str) -> None:
    assert effects_in(reading_of(url="https://example.com", method=method)) == {effect}


def test_an_unknown_http_method_is_unread() -> None:
    assert reading_of(method="PURGE").unread == ("args.method",)


@pytest.mark.parametrize(
    ("path", "secret"),
    [
        (".env", True),
        ("/app/.env", True),
        ("/app/.env.production", True),
        ("C:\\app\\.env", True),
        ("~/.ssh/id_ed25519", True),
        ("~/.aws/credentials", True),
        ("/etc/shadow", True),
        ("certs/server.pem", True),
        ("certs/SERVER.KEY", True),
        ("~/.kube/config", True),
        ("/app/.env.example", False),
        ("~/.ssh/id_ed25519.pub", False),
        ("~/.ssh/known_hosts", False),
        ("~/.aws/config", False),
        ("%2e%2e/etc/shadow", True),
        ("%252e%252e/etc/shadow", True),
        ("/app/../etc/./shadow", True),
        ("'~/.ssh/id_rsa'", True),
        ("$HOME/.ssh/id_rsa", True),
        ("file:///root/.aws/credentials", True),
        ("C:\\Windows\\System32\\config\\SAM", True),
        ("/proc/self/environ", True),
        ("/proc/cpuinfo", False),
        ("~/.git-credentials", True),
        ("~/.bash_history", True),
        ("infra/terraform.tfstate", True),
        ("infra/main.tf", False),
        ("~/.config/gcloud/application_default_credentials.json", True),
        ("~/Library/Keychains/login.keychain-db", True),
        ("~/.config/google-chrome/Default/Login Data", True),
        ("/run/secrets/db", True),
        ("certs/cacert.pem", False),
        ("history.md", False),
        ("src/environment.py", False),
        ("docs/keys.md", False),
        ("monkey.txt", False),
    ],
)
def test_a_path_is_known_to_hold_secrets(path: str, secret: bool) -> None:
    assert holds_secrets(path) is secret
    assert ("secret_access" in effects_in(reading_of(path=path))) is secret


def test_arguments_are_read_however_deep_they_stand() -> None:
    reading = reading_of(steps=[{"call": {"sql": "DELETE FROM users WHERE id = 1"}}, {"command": ["rm", "x"]}])
    assert {(s.effect, s.span.path) for s in reading.sightings if s.effect == "delete"} == {
        ("delete", "args.steps[0].call.sql"),
        ("delete", "args.steps[1].command"),
    }


def test_code_is_read_where_it_is_python_and_unread_where_it_is_not() -> None:
    assert reading_of(code="print(1)").unread == ()
    assert reading_of(javascript="print(1)").unread == ("args.javascript",)


# -- operations


@pytest.mark.parametrize(
    ("arguments", "effects"),
    [
        ({"action": "delete", "id": "7"}, {"delete"}),
        ({"action": "刪除", "id": "7"}, {"delete"}),
        ({"action": "list"}, {"read"}),
        ({"operation": "remove", "path": "src/a.py"}, {"delete"}),
        ({"operation": "remove", "path": "/"}, {"delete", "bulk", "irreversible"}),
        ({"operation": "remove", "path": "C:\\"}, {"delete", "bulk", "irreversible"}),
        ({"operation": "remove", "path": "logs/*"}, {"delete", "bulk", "irreversible"}),
        ({"action": "delete", "path": "build", "recursive": True, "force": True}, {"delete", "bulk", "irreversible"}),
        ({"operation": "add", "a": 1, "b": 2}, {"compute"}),
        ({"mode": "w", "path": "notes.txt"}, {"overwrite"}),
        ({"mode": "w", "path": "/etc/passwd"}, {"overwrite", "access_change"}),
        ({"mode": "r", "path": "notes.txt"}, {"read"}),
        ({"mode": "driving", "to": "Paris"}, set()),
        ({"delete": True, "id": 1}, {"delete"}),
        ({"delete": False, "id": 1}, set()),
        ({"overwrite_existing": True}, {"overwrite"}),
        ({"remove_background": True}, set()),
        ({"update": {"$set": {"a": 1}}}, {"overwrite"}),
        ({"pipeline": [{"$group": {"_id": "$a"}}]}, set()),
        ({"pipeline": [{"$group": {"_id": "$a"}}, {"$out": "copy"}]}, {"overwrite", "bulk"}),
        ({"deleteMany": {"filter": {"a": 1}}}, {"delete"}),
        ({"delete": "users", "deletes": [{"q": {"a": 1}, "limit": 1}]}, {"delete"}),
        ({"query": "db.users.find({})"}, {"read"}),
        ({"query": "db.users.deleteMany({})"}, {"delete", "bulk"}),
        ({"query": "db.users.findOneAndDelete({a: 1})"}, {"delete"}),
        ({"params": '{"action": "delete"}'}, {"delete"}),
    ],
)
def test_an_operation_does_what_it_is_called(arguments: dict[str, Any], effects: set[str]) -> None:
    reading = reading_of(**arguments)
    assert effects_in(reading) == effects
    assert reading.unread == ()


def test_a_command_and_its_words_are_one_line() -> None:
    assert "irreversible" in effects_in(reading_of(command="rm", args=["-rf", "/"]))
    assert effects_in(reading_of(commands=["ls -la", "rm x"])) == {"read", "delete", "irreversible"}


# -- messages, money, counts


@pytest.mark.parametrize(
    ("arguments", "effects"),
    [
        ({"to": "bob@x.test", "subject": "Hi", "body": "See you"}, {"external_message"}),
        ({"to": [{"email": "bob@x.test"}], "html": "See you"}, {"external_message"}),
        ({"phone": "+886912345678", "message": "hi"}, {"external_message"}),
        ({"channel": "#general", "text": "hi"}, {"external_message"}),
        ({"channel": "C0123ABCD", "text": "hi"}, {"external_message"}),
        ({"to": "me", "body": "remember"}, set()),
        ({"to": "Paris", "from": "Rome"}, set()),
        ({"to": "fr", "text": "hello"}, set()),
        ({"message": "hi"}, set()),
        ({"to": "bob@x.test"}, set()),
        ({"to": "bob@x.test", "body": "4111 1111 1111 1111"}, {"external_message", "personal_data", "export"}),
        ({"to": "bob@x.test", "body": "mine is bob@x.test, +1 415 555 2671"}, {"external_message"}),
        ({"to": "bob@x.test", "body": "ghp_" + "a" * 36}, {"external_message", "secret_access"}),
        ({"to": [f"u{i}@x.test" for i in range(30)], "body": "hi"}, {"external_message", "bulk"}),
        ({"amount": 100, "currency": "usd", "customer": "cus_abc123"}, {"money_movement"}),
        ({"amount": "$1,200.50", "to_account": "12345678"}, {"money_movement"}),
        ({"amount": "NT$500", "recipient": "Bob"}, {"money_movement"}),
        ({"amount": "500 元", "iban": "GB82 WEST 1234 5698 7654 32"}, {"money_movement"}),
        ({"value": "1.5", "to": "0x" + "a" * 40}, {"money_movement"}),
        ({"items": [{"receiver": "bob@x.test", "amount": {"value": "10", "currency": "USD"}}]}, {"money_movement"}),
        ({"amount": 100, "state": "CA"}, set()),
        ({"amount": 5, "from": "USD", "to": "EUR"}, set()),
        ({"destination": "Paris", "budget": 1000}, set()),
        ({"account": "12345678", "amount_min": 10}, set()),
        ({"account": "Cash", "amount": 30, "category": "food"}, set()),
        ({"recipient": "Bob"}, set()),
    ],
)
def test_a_message_or_a_payment_needs_both_of_its_sides(arguments: dict[str, Any], effects: set[str]) -> None:
    reading = reading_of(**arguments)
    assert effects_in(reading) == effects
    assert reading.unread == ()


def test_a_draft_is_no_message() -> None:
    message = {"to": "bob@x.test", "body": "hi"}
    assert read_arguments(message, KNOWN.commands, KNOWN.lexicon, "args", ["create_draft"]).sightings == ()


@pytest.mark.parametrize(
    "arguments",
    [
        {"ids": list(range(21))},
        {"filter": {}},
        {"where": None, "limit": None},
        {"limit": -1},
        {"all": True},
        {"index": "*"},
        {"scope": "all"},
    ],
)
def test_what_names_many_makes_a_change_a_bulk_one(arguments: dict[str, Any]) -> None:
    reading = reading_of(**arguments)
    assert reading.wide
    assert reading.sightings == ()
    assert "bulk" in effects_in(reading_of(action="delete", **arguments))
    assert "bulk" not in effects_in(reading_of(action="list", **arguments))


@pytest.mark.parametrize(
    "arguments", [{"ids": [1, 2]}, {"filter": {"a": 1}}, {"limit": 5}, {"index": "logs"}, {"vector": [0.5] * 100}]
)
def test_what_names_few_does_not(arguments: dict[str, Any]) -> None:
    assert reading_of(**arguments).wide == ()


def test_the_largest_number_of_records_and_money_is_told() -> None:
    reading = reading_of(ids=[1, 2, 3], names=["a"] * 30, steps=[{"amount": 5, "to_account": "12345678"}])
    assert (reading.records, reading.amount) == (30, 5.0)


# -- shape


def test_nesting_that_is_too_deep_is_unread() -> None:
    deep: Any = {"sql": "DELETE FROM users WHERE id = 1"}
    for _ in range(50):
        deep = {"a": [deep]} if deep else deep
    assert reading_of(**deep).unread == ("args",)
    assert effects_in(reading_of(**{"a": [{"b": {"sql": "DELETE FROM users WHERE id = 1"}}]})) == {"delete"}


@given(st.lists(st.sampled_from(["notes", "name", "city", "sql", "page"]), unique=True), st.integers(0, 5))
def test_an_argument_is_read_at_any_place_among_others(names: list[str], at: int) -> None:
    plain: list[tuple[str, Any]] = [(name, "SELECT 1" if name == "sql" else "x") for name in names]
    plain.insert(min(at, len(plain)), ("statement", "DELETE FROM users WHERE id = 1"))
    assert "delete" in effects_in(reading_of(**dict(plain)))
    assert "delete" in effects_in(reading_of(items=[dict([field]) for field in plain]))


def test_a_text_that_is_too_long_is_unread_rather_than_cut() -> None:
    assert reading_of(note="x" * TEXT_LIMIT) == ArgumentsReading()
    assert reading_of(note="x" * (TEXT_LIMIT + 1)).unread == ("args.note",)


def test_a_sighting_shows_the_command_that_was_meant() -> None:
    line = "echo 日本 && rm file.txt"
    (sighting,) = [s for s in reading_of(command=line).sightings if s.effect == "delete"]
    assert sighting.span.text == "rm file.txt"
    assert line[sighting.span.start : sighting.span.end] == "rm file.txt"


# -- MongoDB's shell


@pytest.mark.parametrize(
    ("query", "effects"),
    [
        ("db.getSiblingDB('prod').dropDatabase()", {"delete", "bulk"}),
        ("db.getSiblingDB('prod').users.deleteMany({})", {"delete", "bulk"}),
        ("db.getSiblingDB('prod').getCollection('users').drop()", {"delete", "bulk"}),
        ("db.getMongo().getDB('prod').dropDatabase()", {"delete", "bulk"}),
        ("db.runCommand({ drop: 'users' })", {"delete"}),
        ("db.runCommand({ping: 1})", set()),
        ("db.runCommand({eval: 'x'})", {"code_execution", "unread"}),
        ("db.users.aggregate([{$match:{}},{$out:'users'}])", {"overwrite", "bulk"}),
        ("db.users.aggregate([{$merge:{into:'x'}}])", {"overwrite", "bulk"}),
        ("db.users.aggregate([{$match:{}},{$group:{_id:'$a',n:{$sum:1}}}])", set()),
        ("db.users.find().forEach(function(d){ archive.remove(d) })", {"delete"}),
        ("db.users.find().forEach(function(d){ print(d.name) })", set()),
        ("db.users.find().forEach(db.users.remove)", {"unread"}),
        ("db.users.getIndexes(); var c=db.users; c.drop()", {"delete", "bulk"}),
        ("db['users']['drop']()", {"unread"}),
        ("db['users'].find({a: 1}).sort({b: -1}).limit(5)", set()),
        ("db.users.find({n: /'/}); db.users.drop(); '", {"unread"}),
        ("db.users.find({n: /^a.b$/i})", set()),
        ("db.deleted_users.find({status: 'drop'})", set()),
        ("db.x.bulkWrite([{deleteMany: {filter: {}}}])", {"delete", "bulk", "write", "unread"}),
        ("rs.stepDown()", {"unread"}),
        ("db.users.$wipe()", {"delete", "bulk"}),
        ("db.users.aggregate([{['$out']: 'users'}])", {"overwrite", "bulk"}),
    ],
)
def test_every_call_of_mongodb_counts(query: str, effects: set[str]) -> None:
    assert said_to("mongodb_query", query=query) == effects


@pytest.mark.parametrize(
    ("pipeline", "effects"),
    [
        ('[{"$out": "users"}]', {"overwrite", "bulk"}),
        ("[{$out: 'users'}]", {"overwrite", "bulk"}),
        ('[{"$match": {}}, {"$count": "n"}]', set()),
        ("deploy.yml", set()),
    ],
)
def test_stages_given_as_a_text_are_read(pipeline: str, effects: set[str]) -> None:
    assert said_to("list_pipelines", pipeline=pipeline) == effects


#: MongoDB's operators that do more than look.
OPERATORS: Final[dict[str, set[str]]] = {
    name: effects
    for effects, names in (
        ({"overwrite"}, "$set $unset $setOnInsert $rename $currentDate $inc $mul $bit $push $pull $pullAll $addToSet"),
        ({"overwrite"}, "$pop"),
        ({"overwrite", "bulk"}, "$out $merge"),
        ({"code_execution", "unread"}, "$where $function $accumulator $eval"),
        ({"delete"}, "$delete $deleteAll"),
        (set(), "$match $group $project $sort $limit $lookup $in $regex $expr"),
    )
    for name in names.split()
}
#: An operator as an argument's key and in a text, in a filter and as a stage.
SURFACES: Final[dict[str, Callable[[str], dict[str, Any]]]] = {
    "a key of a filter": lambda name: {"filter": {name: "x"}},
    "a key of a stage": lambda name: {"pipeline": [{name: "x"}]},
    "a key in a JSON text": lambda name: {"query": json.dumps({name: "x"})},
    "a name in a call": lambda name: {"query": f"db.t.find({{{name}: 'x'}})"},
    "a quoted name in a call": lambda name: {"query": f'db.t.find({{"{name}": 1}})'},
    "a stage in a text": lambda name: {"pipeline": f"[{{{name}: 'x'}}]"},
    "deep in a call": lambda name: {"query": f"db.t.aggregate([{{$match: {{a: [{{{name}: 'x'}}]}}}}])"},
    "deep in an object": lambda name: {"pipeline": [{"$match": {"a": [{name: "x"}]}}]},
}


@pytest.mark.parametrize("surface", SURFACES)
@pytest.mark.parametrize(("name", "effects"), OPERATORS.items(), ids=OPERATORS)
def test_an_operator_of_mongodb_means_the_same_wherever_it_stands(name: str, effects: set[str], surface: str) -> None:
    assert said_to("mongodb_query", **SURFACES[surface](name)) == effects


def test_every_operator_of_the_table_is_tested() -> None:
    assert {name[1:].lower() for name, effects in OPERATORS.items() if effects - {"delete"}} == set(mongo.OPERATORS)


@pytest.mark.parametrize(
    "query",
    [
        "db.zips.aggregate([{$group: {_id: '$state', total: {$sum: '$pop'}}}])",
        "db.t.aggregate([{$project: {a: ['$set', '$push', '$deleteAll']}}])",
    ],
)
def test_the_name_of_a_field_is_no_operator(query: str) -> None:
    assert said_to("mongodb_query", query=query) == set()


def test_code_in_a_filter_is_asked_about_as_it_is_in_a_text(default_pack: Pack) -> None:
    for arguments in ({"filter": {"$where": "sleep(1)"}}, {"query": "db.t.find({$where: 'sleep(1)'})"}):
        fields = {
            "goal": "Find the open tickets",
            "tools": ["mongodb_find"],
            "success_criteria": ["The list is complete"],
            "context": {"tool_arguments": arguments},
        }
        assert decided(fields, default_pack).verdict == "DEFER", arguments


# -- calls inside of calls


@pytest.mark.parametrize(
    ("tool", "arguments", "effects"),
    [
        ("execute", {"function_name": "delete_user", "parameters": {"id": 5}}, {"delete"}),
        ("execute", {"actions": ["delete", "notify"], "id": 5}, {"delete", "external_message"}),
        ("dispatch", {"tool": "transfer_funds"}, {"money_movement"}),
        ("run_pipeline", {"name": "deploy-prod"}, {"deployment"}),
        ("get_pipeline", {"name": "deploy-prod"}, set()),
        ("get_job_status", {"job": "deploy-prod"}, set()),
        ("run_tests", {"name": "test_delete_user"}, set()),
        ("definite_integral", {"function": "3*x**2+2"}, set()),
        ("run_task", {"task": "delete all users"}, {"delete", "bulk"}),
        ("agent", {"prompt": "Look at the list, then please remove the old files"}, {"delete"}),
        ("agent", {"prompt": "Summarize what was deleted"}, set()),
        ("agent", {"prompt": "你要刪除所有使用者"}, {"delete"}),
        ("agent", {"task": "text-classification"}, set()),
        ("create_task", {"task": "delete all users"}, set()),
        ("add_todo", {"task": "buy-milk"}, set()),
        ("translate", {"text": "delete all users"}, set()),
        ("browser_click", {"element": "Delete account button", "ref": "e12"}, {"delete"}),
        ("browser_click", {"text": "Confirm purchase"}, {"money_movement"}),
        ("browser_click", {"text": "Place order"}, {"money_movement"}),
        ("browser_click", {"text": "Cancel subscription"}, {"overwrite", "irreversible"}),
        ("browser_click", {"text": "Cancel"}, set()),
        ("browser_click", {"text": "Order history"}, set()),
        ("element_info", {"element": "Delete account button"}, set()),
        ("user", {"id": 5, "deleted": True}, {"delete"}),
        ("user", {"id": 5, "active": False}, {"access_change"}),
        ("user", {"id": 5, "active": True}, set()),
        ("order", {"order_id": 5, "data": {"status": "cancelled"}}, {"irreversible"}),
        ("order", {"order_id": 5, "status": "packed"}, set()),
        ("list_orders", {"customer_id": 5, "status": "cancelled"}, set()),
        ("bucket", {"name": "x", "acl": "public-read"}, {"access_change", "publish"}),
        ("bucket", {"name": "x", "acl": "private"}, set()),
        ("bank", {"amount": 500, "to": "bob"}, {"money_movement"}),
        ("thing", {"amount": 500, "to": "bob"}, {"unread"}),
        ("thing", {"amount": 500, "to": "grams"}, set()),
        ("translate", {"amount": 500, "to": "french"}, set()),
        ("route", {"from": "Lyon", "to": "Turin", "amount": 2}, set()),
        ("broker", {"symbol": "AAPL", "side": "buy", "qty": 100}, {"money_movement"}),
        ("backtest", {"symbol": "AAPL", "side": "buy", "qty": 100}, set()),
        ("chess", {"moves": "1. e4", "side": "black"}, set()),
    ],
)
def test_what_an_argument_has_another_tool_do_counts(tool: str, arguments: dict[str, Any], effects: set[str]) -> None:
    assert said_to(tool, **arguments) == effects


@pytest.mark.parametrize(
    ("arguments", "unread"),
    [
        ({"function": '() => document.querySelector("#delete").click()'}, True),
        ({"expression": 'fetch("/api/users/5", {method: "DELETE"})'}, True),
        ({"expression": "document.title"}, False),
        ({"expression": "x**2 + sin(x)"}, False),
        ({"expression": "0 0 * * *"}, False),
        ({"cells": [["Total cost", "=SUM(A1:A3)"]]}, False),
    ],
)
def test_code_under_other_names_is_not_taken_for_a_formula(arguments: dict[str, Any], unread: bool) -> None:
    assert bool(reading_of(**arguments).unread) is unread


def test_python_under_other_names_is_read() -> None:
    assert "irreversible" in effects_in(reading_of(cells=["import shutil\nshutil.rmtree('/x')"]))


@pytest.mark.parametrize(
    ("tool", "arguments", "line"),
    [
        ("run_task", {"cmd": "git", "args": "push --force"}, "git push --force"),
        ("run_task", {"command": "git", "subcommand": "push", "flags": ["--force"]}, "git push --force"),
        ("git", {"command": "reset --hard"}, "git reset --hard"),
        ("git", {"args": ["reset", "--hard"]}, "git reset --hard"),
        ("git", {"command": "git status"}, "git status"),
        ("kubectl", {"command": "delete pod x"}, "kubectl delete pod x"),
        ("docker", {"command": "ps"}, "docker ps"),
    ],
)
def test_a_command_in_pieces_is_read_as_its_line(tool: str, arguments: dict[str, Any], line: str) -> None:
    assert said_to(tool, **arguments) == said_to("bash", command=line)


def test_a_function_of_a_schema_is_sql() -> None:
    assert said_to("run_query", query="SELECT app.transfer_funds(1, 2)") == {"money_movement"}
    assert said_to("run_query", query="select best.laptops under 500") == set()

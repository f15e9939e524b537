"""HTTP calls, GraphQL and JSON-RPC: what method, address and body say together."""

from __future__ import annotations

from typing import Any, Final

import pytest

from tests.reading.test_arguments import effects_in, reading_of

CALLS: Final[dict[str, tuple[dict[str, Any], set[str]]]] = {
    "a GET": ({"method": "GET", "url": "https://x.test/items"}, {"network_read"}),
    "a POST": ({"method": "POST", "url": "https://x.test/items"}, {"write"}),
    "a DELETE": ({"method": "DELETE", "path": "/items/1"}, {"delete"}),
    "a GET of an operation that deletes": (
        {"method": "GET", "url": "https://x.test/users/delete"},
        {"network_read", "delete"},
    ),
    "a GET of a page about deleting": (
        {"method": "GET", "url": "https://x.test/blog/how-to-delete-a-user"},
        {"network_read"},
    ),
    "a GET with an operation in the query": (
        {"method": "GET", "url": "https://x.test/a?action=delete&id=1"},
        {"network_read", "delete"},
    ),
    "a GET with a word in the query": ({"method": "GET", "url": "https://x.test/a?q=delete"}, {"network_read"}),
    "a POST of a refund": ({"method": "POST", "url": "https://x.test/v1/refunds"}, {"write", "money_movement"}),
    "a GET of refunds": ({"method": "GET", "url": "https://x.test/v1/refunds"}, {"network_read"}),
    "a method that is overridden": (
        {"method": "POST", "url": "https://x.test/a", "headers": {"X-HTTP-Method-Override": "DELETE"}},
        {"write", "delete"},
    ),
    "a documented search": (
        {"method": "POST", "url": "https://x.test/logs/_search", "body": {"size": 5}},
        {"network_read"},
    ),
    "a search by name alone": ({"method": "POST", "url": "https://x.test/search", "body": {"a": 1}}, {"write"}),
    "a deletion by query": (
        {"method": "POST", "url": "https://x.test/logs/_delete_by_query", "body": {"a": 1}},
        {"write", "delete", "bulk"},
    ),
    "a GraphQL query": (
        {"method": "POST", "url": "https://x.test/graphql", "body": {"query": "query { user { name } }"}},
        {"network_read", "read"},
    ),
    "a GraphQL query as JSON": (
        {"method": "POST", "url": "https://x.test/graphql", "body": '{"query": "{ user { name } }"}'},
        {"network_read", "read"},
    ),
    "a GraphQL mutation": (
        {"method": "POST", "url": "https://x.test/graphql", "body": {"query": "mutation { deleteUser(id: 1) { id } }"}},
        {"write", "delete"},
    ),
    "JSON-RPC": ({"jsonrpc": "2.0", "method": "user.delete", "params": {}}, {"delete"}),
    "a shape of another protocol": ({"jsonrpc": "2.0", "method": "tools/call", "params": {}}, set()),
    "a method of statistics": ({"method": "linear_regression"}, set()),
    "a method of payment": ({"payment_method": "card"}, set()),
    "metadata of a cloud": ({"url": "http://169.254.169.254/latest/meta-data/"}, {"secret_access"}),
    "metadata by number": ({"url": "http://2852039166/latest"}, {"secret_access"}),
    "metadata in octal": ({"url": "http://0251.0376.0251.0376/"}, {"secret_access"}),
    "metadata by name": ({"urls": ["http://metadata.google.internal/x"]}, {"secret_access"}),
    "another private host": ({"url": "http://10.0.0.1/health"}, set()),
    "a question mark behind the hash": ({"url": "https://x.test/a#b?action=delete"}, set()),
    "a file that holds secrets": ({"url": "file:///etc/shadow"}, {"secret_access"}),
    "credentials in an address": ({"url": "https://bob:secret@x.test/"}, {"secret_access"}),
    "a user in an address": ({"url": "https://bob@x.test/"}, set()),
    "a card in a body": (
        {"method": "POST", "url": "https://x.test/notes", "body": {"note": "4111 1111 1111 1111"}},
        {"write", "personal_data", "export"},
    ),
    "an address of one's own in a body": (
        {"method": "POST", "url": "https://x.test/users", "body": {"email": "bob@x.test"}},
        {"write"},
    ),
}


@pytest.mark.parametrize(("arguments", "effects"), CALLS.values(), ids=CALLS)
def test_a_call_says_what_it_does(arguments: dict[str, Any], effects: set[str]) -> None:
    reading = reading_of(**arguments)
    assert effects_in(reading) == effects
    assert reading.unread == ()


@pytest.mark.parametrize(
    "arguments",
    [
        {"method": "PURGE"},
        {"method": "FROB", "url": "https://x.test"},
        {"jsonrpc": "2.0", "method": "frobnicate"},
        {"url": "gopher://x.test:6379/_FLUSHALL"},
        {"query": "mutation { deleteUser(id: 1) {"},
    ],
)
def test_a_call_that_cannot_be_understood_is_unread(arguments: dict[str, Any]) -> None:
    assert reading_of(**arguments).unread


@pytest.mark.parametrize(
    ("document", "effects"),
    [
        ("{ users { email } }", {"read"}),
        ("query Q($delete: Boolean) { user(delete: $delete) { deletedAt } }", {"read"}),
        ("subscription { messages { text } }", {"read"}),
        ("mutation M { frobnicate(id: 1) { id } }", {"write"}),
        ("mutation M { harmless: removeUser(id: 1) { id } }", {"delete"}),
        ('mutation { setName(name: "} mutation { deleteAll }") { id } }', {"overwrite"}),
        ("# deleteUser\nquery { user { name } }", {"read"}),
        ("query A { a } mutation B { deleteUser { id } }", {"read", "delete"}),
    ],
)
def test_a_document_does_what_its_mutations_are_called(document: str, effects: set[str]) -> None:
    assert effects_in(reading_of(query=document)) == effects


@pytest.mark.parametrize(
    ("method", "path", "effects"),
    [
        ("POST", "users/batchDelete", {"write", "delete"}),
        ("POST", "bot/deleteMessage", {"write", "delete"}),
        ("POST", "transferFunds", {"write", "money_movement"}),
        ("POST", "deployService", {"write", "deployment"}),
        ("POST", "sendEmail", {"write", "external_message"}),
        ("POST", "grantRole", {"write", "access_change"}),
        ("POST", "v1/projects/p:setIamPolicy", {"write", "access_change"}),
        ("POST", "users/5/suspend", {"write", "access_change"}),
        ("POST", "users/suspend/5", {"write", "access_change"}),
        ("POST", "orders/5/cancel", {"write", "irreversible"}),
        ("POST", "users/5/deactivate", {"write", "access_change"}),
        ("POST", "db/reset", {"write", "irreversible"}),
        ("POST", "pulls/1/merge", {"write", "irreversible"}),
        ("GET", "admin/delete-user/5", {"network_read", "delete"}),
        ("GET", "docs/delete-user/5", {"network_read"}),
        ("GET", "orders/5/cancel", {"network_read"}),
        ("POST", "users/search", {"write"}),
        ("POST", "orders/list", {"write"}),
        ("POST", "messages/query", {"write"}),
        ("POST", "messages", {"write"}),
        ("PUT", "messages/5", {"overwrite"}),
        ("POST", "payments/estimate", {"write"}),
    ],
)
def test_the_end_of_a_path_is_the_name_of_an_operation(method: str, path: str, effects: set[str]) -> None:
    assert effects_in(reading_of(method=method, url=f"https://x.test/api/{path}")) == effects


@pytest.mark.parametrize(
    ("arguments", "effects"),
    [
        ({"request": "DELETE https://x.test/users/5"}, {"delete"}),
        ({"endpoint": "POST /api/sendEmail"}, {"write", "external_message"}),
        ({"request": "GET https://x.test/users/5"}, {"network_read"}),
        ({"request": "Delete the old ones"}, set()),
        ({"url": "https://x.test/users/5", "type": "DELETE"}, {"delete"}),
        ({"url": "https://x.test/users/5", "type": "post"}, set()),
    ],
)
def test_a_method_stands_before_the_address_or_under_another_name(arguments: dict[str, Any], effects: set[str]) -> None:
    assert effects_in(reading_of(**arguments)) == effects


@pytest.mark.parametrize(
    ("query", "secret"),
    [
        ("query { users { email passwordHash apiKey } }", True),
        ("{ tenant { secretKey } }", True),
        ("{ secrets { edges { node { name value } } } }", True),
        ("{ secrets { name } }", False),
        ("{ settings { value } }", False),
        ("{ token { symbol price } }", False),
        ("{ users { name pageInfo { nextToken } } }", False),
        ("query($token: String!) { me(token: $token) { id } }", False),
    ],
)
def test_a_field_of_graphql_can_hold_a_secret(query: str, secret: bool) -> None:
    assert ("secret_access" in effects_in(reading_of(query=query))) is secret

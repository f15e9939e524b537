"""Tool names: split into words in every spelling, then read as verb and object."""

from __future__ import annotations

from typing import Final

import pytest

from stage0.policy import shipped_packs
from stage0.reading.names import ToolReading
from stage0.reading.prose.lexicon import split_words

KNOWLEDGE: Final = shipped_packs()["stage0-default"].knowledge


def reading_of(name: str) -> ToolReading:
    """What a tool's name says."""
    return KNOWLEDGE.read_tool(name, "tools[0]")


def effects_of_tool(name: str) -> set[str]:
    """The effects that a tool's name says it has."""
    return {sighting.effect for sighting in reading_of(name).sightings}


@pytest.mark.parametrize(
    ("name", "words"),
    [
        ("db.users.delete", ["db", "users", "delete"]),
        ("delete_user_account", ["delete", "user", "account"]),
        ("removeUserAccounts", ["remove", "user", "accounts"]),
        ("send-email", ["send", "email"]),
        ("s3:PutBucketPolicy", ["s", "3", "put", "bucket", "policy"]),
        ("getHTTPResponse", ["get", "http", "response"]),
        ("DELETE_ALL", ["delete", "all"]),
        ("mcp__github__create_issue", ["mcp", "github", "create", "issue"]),
        ("刪除.users", ["刪除", "users"]),
        ("", []),
    ],
)
def test_a_name_is_split_into_its_words(name: str, words: list[str]) -> None:
    assert split_words(name) == words


DELETES: Final = {"delete"}
READS: Final = {"read"}

EFFECTS: Final[dict[str, set[str]]] = {
    # deleting, in every spelling
    "delete_user": DELETES,
    "deleteUser": DELETES,
    "DeleteUser": DELETES,
    "delete-user": DELETES,
    "db.users.delete": DELETES,
    "users/delete": DELETES,
    "removeUserAccounts": DELETES,
    "REMOVE_USER": DELETES,
    "rm_file": DELETES,
    "purge_queue": DELETES,
    "mcp__db__delete_record": DELETES,
    "ec2:DeleteVolume": DELETES,
    "刪除使用者": DELETES,
    "删除用户": DELETES,
    "ユーザー削除": DELETES,
    "ｄｅｌｅｔｅ_user": DELETES,
    "dеlete_user": DELETES,
    "delete_all_users": {"delete", "bulk"},
    "permanently_delete_account": {"delete", "irreversible"},
    "drop_table": DELETES,
    "bulk_delete_users": {"delete", "bulk"},
    # reading
    "list_tickets": READS,
    "listTickets": READS,
    "get_user": READS,
    "tickets.search": READS,
    "search-tickets": READS,
    "ec2:DescribeInstances": READS,
    "list_delete_requests": READS,
    "get_payment_status": READS,
    "list_deployments": READS,
    "查詢訂單": READS,
    "チケット検索": READS,
    # a verb that looks, behind what it looks at
    "storage_account_get": READS,
    "deploy_plan_get": READS,
    "file-shares_snapshot_get": READS,
    "payment_get_status": READS,
    "charges.list": READS,
    "item_text-search": READS,
    "query_orders": READS,
    "db_stats": READS,
    "deployment_status": READS,
    # no verb, and nothing that happens
    "musical_scale": set(),
    "routes.fastest_route": set(),
    "foundry_extensions": set(),
    # a verb behind what it acts on
    "user_delete": DELETES,
    "delete_user_get": DELETES | READS,
    "key_value_set": {"overwrite"},
    "write_file": {"overwrite"},
    "file_write": {"overwrite"},
    "app_deploy": {"deployment"},
    "customer_refund": {"money_movement"},
    # reading and then something else
    "get_or_create_user": {"read", "write"},
    "search_and_delete_files": {"read", "delete"},
    "find_then_delete": {"read", "delete"},
    # working something out
    "summarize_report": {"compute"},
    "count_delete_requests": {"compute"},
    "payment_preview": {"compute"},
    "simulate_payment": {"compute"},
    # everything else that matters
    "create_ticket": {"write"},
    "update_record": {"overwrite"},
    "refund_payment": {"money_movement"},
    "stripe.charges.create": {"money_movement"},
    "process_refund": {"money_movement"},
    "send_payment": {"money_movement"},
    "deploy_service": {"deployment"},
    "run_migration": {"schema_change"},
    "restart_service": {"service_impact"},
    "send_email": {"external_message"},
    "gmail.send": {"external_message"},
    "slack.post_message": {"external_message"},
    "notifyCustomers": {"external_message"},
    "publish_post": {"publish"},
    "grant_role": {"access_change"},
    "export_orders": {"export"},
    "web_search": {"network_read"},
    "mail.message.get": {"read"},
    "users.badgeGrant.list": {"read"},
    "http_get": {"network_read"},
    # a verb in front of a thing acts; an event has a status and a history, and no documents
    "drop_schema": DELETES,
    "sell_options": {"money_movement"},
    "deploy_logs": READS,
    "deployment_version": READS,
    "trade_history": READS,
    "refund_status": READS,
    # a word that looks, where it is a thing
    "drop_view": DELETES,
    "stop_scan": {"service_impact"},
    "apply_diff": {"overwrite"},
    "query_kill": {"service_impact"},
    "list_clear": DELETES,
    "list_views": READS,
    "list_trash": READS,
    "clear_sky_forecast": READS,
    "order_list": READS,
    "shipping_quote": READS,
    # a part behind a joiner speaks for itself
    "retrieve_and_refund": {"read", "money_movement"},
    "read_and_forward": {"read", "external_message"},
    "get_and_execute": {"read", "unknown"},
    # no word at all
    "..": set(),
    "_": set(),
    "\U0001f600": set(),
}


@pytest.mark.parametrize(("name", "effects"), EFFECTS.items(), ids=EFFECTS)
def test_a_name_says_what_the_tool_does(name: str, effects: set[str]) -> None:
    assert effects_of_tool(name) == effects


MORE: Final[dict[str, set[str]]] = {
    "iam:AttachRolePolicy": {"access_change"},
    "export_report": {"export"},
    "rotate_api_key": {"config_change"},
    "get_secret_value": {"secret_access"},
    "read_password": {"secret_access"},
    "export_customer_emails": {"export", "personal_data"},
    "transfer_funds": {"money_movement"},
    "send_bulk_email": {"external_message"},
    "truncate_table": {"delete"},
}


@pytest.mark.parametrize(("name", "effects"), MORE.items(), ids=MORE)
def test_a_name_says_at_least_what_is_dangerous_about_the_tool(name: str, effects: set[str]) -> None:
    assert effects <= effects_of_tool(name)


@pytest.mark.parametrize(
    "name",
    [
        "shell",
        "bash",
        "run_query",
        "db_query",
        "query_postgres",
        "execute_sql_query",
        "api_call",
        "db",
        "python",
        "frobnicate",
        # what would be done to these things cannot be told
        "deploy_docs",
        "buy_options",
        "execute_rules",
    ],
)
def test_a_passthrough_or_an_unknown_tool_says_nothing_by_itself(name: str) -> None:
    assert effects_of_tool(name) == set()


@pytest.mark.parametrize(
    ("name", "sensitive"),
    [
        ("shell", True),
        ("prod_db", True),
        ("admin_console", True),
        ("k8s.exec", True),
        ("web_search", False),
        ("seashells", False),
        ("calendar", False),
    ],
)
def test_shells_databases_and_admin_tools_are_sensitive(name: str, sensitive: bool) -> None:
    assert reading_of(name).sensitive is sensitive


@pytest.mark.parametrize(
    ("name", "environments"),
    [
        ("deploy_to_production", {"production"}),
        ("prod.deploy", {"production"}),
        ("deployProd", {"production"}),
        ("本番デプロイ", {"production"}),
        ("deploy_staging", {"staging"}),
        ("list_products", set()),
        ("reproduce_bug", set()),
    ],
)
def test_a_name_may_name_the_environment(name: str, environments: set[str]) -> None:
    assert reading_of(name).environments == environments


def test_a_bucket_policy_is_a_change_of_configuration_or_of_access() -> None:
    assert effects_of_tool("s3:PutBucketPolicy") & {"config_change", "access_change"}


def test_the_sighting_points_to_the_whole_name_as_sent() -> None:
    (sighting,) = reading_of("deleteUser").sightings
    assert (sighting.source, sighting.span.path, sighting.span.text) == ("tool", "tools[0]", "deleteUser")

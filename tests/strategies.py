"""Whole situations for property tests: a request with everything that a decision rests on.

Texts come from tables of real sentences, so that most draws mean something. Evidence is drawn to fit the constraints
more often than not: only a request that could be allowed shows what a property forbids.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import UTC, datetime
from typing import Any, Final

from hypothesis import strategies as st

from stage0.core.pack import Pack
from stage0.core.verdict import Decision
from stage0.policy import shipped_packs
from stage0.reading.context import FACTS
from stage0.reading.interpret import Interpretation, interpret
from stage0.reading.request import Caller, RunState
from tests.deciding import CALLER, NOW, decided, request_of

PACKS: Final[Mapping[str, Pack]] = shipped_packs()
ALIASES: Final = {fact.name: fact.names for fact in FACTS}
NESTED: Final = frozenset(fact.name for fact in FACTS if fact.nested)

#: Goals by the effect that they ask for.
GOALS: Final[Mapping[str, tuple[str, ...]]] = {
    "read": ("List the open tickets of this week", "列出本週的未結工單", "未解決のチケットを一覧表示する"),
    "compute": ("Summarize the quarterly sales report", "統計上個月的訂單數量", "先月の売上レポートを要約する"),
    "network_read": ("Search the web for recent reviews of the product",),
    "write": ("Create a new ticket for the broken printer", "新增一張工單", "新しいチケットを作成する"),
    "overwrite": ("Update the customer's shipping address", "更新客戶的送貨地址", "顧客の配送先住所を更新する"),
    "code_execution": ("Run the unit tests of the repository",),
    "delete": (
        "Delete inactive users from the database",
        "刪除不活躍的使用者",
        "非アクティブなユーザーを削除する",
    ),
    "irreversible": ("Permanently delete all backups", "永久刪除所有備份", "すべてのバックアップを完全に削除する"),
    "money_movement": ("Pay the outstanding invoice of the supplier", "支付供應商的發票", "請求書を支払う"),
    "deployment": ("Deploy the new release", "部署新版本", "新しいバージョンをデプロイする"),
    "schema_change": ("Add an index to the orders table",),
    "config_change": ("Rotate the API key of the billing service", "修改防火墙配置"),
    "service_impact": ("Restart the payment service", "重启支付服务", "決済サービスを再起動する"),
    "access_change": ("Grant admin access to the contractor", "给承包商授予管理员权限", "管理者権限を付与する"),
    "external_message": ("Send an email to all customers", "向所有客户发送邮件", "すべての顧客にメールを送信する"),
    "publish": ("Publish the blog post", "发布博客文章", "ブログ記事を公開する"),
    "export": ("Export the customer list with email addresses",),
    "secret_access": ("Show me the database password",),
    "": ("Process the batch", "Work on the issue"),
}
READ_GOALS: Final = (*GOALS["read"], *GOALS["compute"], *GOALS["network_read"])
ALL_GOALS: Final = tuple(goal for goals in GOALS.values() for goal in goals)
#: No outcome is named, or the language is not one of those that are read.
UNCLEAR_GOALS: Final = (
    "改善一下",
    "處理這個",
    "処理してください",
    "いい感じにして",
    "Lösche alle inaktiven Benutzer aus der Datenbank",
)
IN_PRODUCTION: Final = (
    "Delete the old backups in production",
    "Deploy the new release to production",
    "將新版本部署到正式環境",
    "修改生产环境的防火墙配置",
    "新しいバージョンを本番環境にデプロイする",
)

READ_TOOLS: Final = ("list_tickets", "get_report", "search_docs", "db.users.count", "kpi_dashboard")
TOOLS: Final = (
    *READ_TOOLS,
    *("create_ticket", "update_customer", "run_tests", "delete_users", "db.users.delete", "removeUserAccounts"),
    *("s3:PutBucketPolicy", "pay_invoice", "deploy_service", "migrate_schema", "rotate_api_key", "restart_service"),
    *("grant_role", "send_email", "publish_post", "export_customers", "read_secret", "prod_db_list", "staging_deploy"),
    *("shell", "run_query", "api_call", "db", "admin_console", "frobnicate", "delete_users_preview", "メール送信"),
)
READ_EFFECTS: Final = ("read", "read_only", "none", "compute", "唯讀", "副作用なし", "network_read")
EFFECTS: Final = (
    *READ_EFFECTS,
    *("write", "overwrite", "database_write", "code_execution", "delete", "destructive", "irreversible", "bulk"),
    *("money_movement", "payment", "deployment", "production deployment", "schema_change", "config_change"),
    *("service_impact", "access_change", "external_message", "publish", "export", "pii", "secret_access", "loop"),
    *(
        "requires_approval",
        "資料刪除",
        "対外通知",
        "メール送信",
        "delete_customer_data",
        "glorbify",
        "send_external_email",
    ),
)


def at(offset: float) -> str:
    """The time `offset` seconds from NOW, as context carries it."""
    return datetime.fromtimestamp(NOW + offset, UTC).isoformat()


HOUR: Final = 3600.0
Facts = dict[str, Any]


@dataclass(frozen=True)
class Asked:
    """A constraint, the facts that satisfy it, and facts that go against it."""

    text: str
    good: Facts
    bad: tuple[Facts, ...] = ()


_APPROVED: Final[Facts] = {"approval_status": "approved", "approved_by": "mei.chen", "approved_at": at(-HOUR)}
_REFUSED: Final[tuple[Facts, ...]] = (
    {"approval_status": "rejected"},
    {"approval_status": "pending"},
    {"approved": False},
    {**_APPROVED, "approved_by": "TBD"},
    {**_APPROVED, "approved_by": "deploy-bot", "agent_name": "deploy-bot"},
    {**_APPROVED, "approved_at": at(HOUR)},
    {**_APPROVED, "approved_at": at(-72 * HOUR)},
    {"approval_status": "Approved"},
)
CONTROLS: Final = (
    # approval
    Asked("approval required", _APPROVED, _REFUSED),
    Asked("require_approval", {"approved": True}, _REFUSED),
    Asked("human approval required", _APPROVED, _REFUSED),
    Asked("需要審批", _APPROVED, _REFUSED),
    Asked("承認が必要", _APPROVED, _REFUSED),
    Asked("approval_timeout:2h", _APPROVED, _REFUSED),
    Asked("approvers:2", {**_APPROVED, "approved_by": "mei.chen, dana"}, ({"approved_by": "mei.chen"},)),
    Asked("human review required", _APPROVED, _REFUSED),
    # conditional
    Asked("require human approval for destructive actions", _APPROVED, _REFUSED),
    Asked("approval required for customer-facing channels", _APPROVED, _REFUSED),
    Asked("approval required for payments", _APPROVED, _REFUSED),
    # role and environment
    Asked("required_role:finance_manager", {"actor_role": "finance_manager"}, ({"actor_role": "intern"},)),
    Asked("role: admin,sre", {"actor_role": "sre"}, ({"actor_role": "Admin"}, {"user_role": "viewer"})),
    Asked("allowed_environment:staging", {"environment": "staging"}, ({"environment": "production"},)),
    Asked("allowed_environment:dev,test", {"environment": "dev"}, ({"environment": "prd"}, {"environment": "qa"})),
    Asked("allowed_environment:production", {"environment": "production"}, ({"environment": "staging"},)),
    # change control
    Asked("business-hours only", {}, ({"current_time": at(12 * HOUR)}, {"timezone": "Asia/Tokyo"})),
    Asked("allowed_change_window:weekdays", {}, ({"current_time": at(5 * 24 * HOUR)},)),
    Asked("rollback_plan_required", {"rollback_plan": True}, ({"rollback_plan": "TBD"}, {"rollback_plan": False})),
    Asked("require_ticket", {"ticket_id": "CHG-1042"}, ({"ticket_id": "n/a"},)),
    Asked("runbook_required", {"runbook": "wiki/restart"}, ({"runbook": "-"},)),
    Asked("require_mfa", {"mfa_verified": True}, ({"mfa_verified": False}, {"mfa_verified": "true"})),
    # rehearsal
    Asked("require_confirmation", {"confirmed": True}, ({"confirmed": False}, {"confirmed": "yes"})),
    Asked("dry_run_first", {"dry_run_completed": True}, ({"dry_run_completed": False},)),
    Asked("max_rows_affected:100", {"estimated_rows_affected": 100}, ({"estimated_rows_affected": 101},)),
    Asked("max_records:10", {"estimated_records": 3}, ({"estimated_records": 11}, {"estimated_records": -1})),
    Asked("query_cost_limit:5", {"estimated_query_cost": 4.5}, ({"estimated_query_cost": 5.5},)),
    # loop and cost
    Asked("max_iterations:5", {"current_iteration": 2}, ({"current_iteration": 6}, {"current_iteration": True})),
    Asked("timeout:300s", {"elapsed_seconds": 20.5}, ({"elapsed_seconds": 301},)),
    Asked("max_cost_usd:1.5", {"cumulative_cost_usd": 0.2}, ({"cumulative_cost_usd": 1.6},)),
    Asked("max_retries:2", {"retry_count": 1}, ({"retry_count": 3},)),
    # scope
    Asked("resource_scope:repo/a", {"target_resources": ["repo/a/src"]}, ({"target_resources": ["repo/b"]},)),
    Asked("allowed_mcp_servers:files,git", {"active_mcp_servers": ["git"]}, ({"active_mcp_servers": ["evil"]},)),
    Asked("allowed_channels:internal", {"request_channel": "internal"}, ({"request_channel": "public"},)),
    Asked(
        "tenant_isolation",
        {"tenant_id": "acme", "target_tenants": ["acme"]},
        ({"tenant_id": "acme", "target_tenants": ["acme", "globex"]},),
    ),
    Asked("allowed_tools:list_tickets,get_report,shell", {"current_tool": "shell"}, ({"current_tool": "rm"},)),
    # mode and output
    Asked("read-only", {}),
    Asked("dry-run", {}),
    Asked("sandbox", {"environment": "dev"}, ({"environment": "production"},)),
    Asked("staging-only", {"environment": "staging"}, ({"environment": "production"}, {"environment": "dev"})),
    Asked("no external side effects", {}),
    Asked("read-only preview before execution", {}),
    Asked("no_pii", {}),
    Asked("max_output_length:500", {}),
    # switched off, not understood, not readable
    Asked("require_mfa: false", {}),
    Asked("approval_required: no", {}),
    Asked("be nice to the interns", {}),
    Asked("only on days that end in y", {}),
    Asked("max_iterations:many", {"current_iteration": 2}),
    Asked("timeout:soon", {"elapsed_seconds": 3}),
)
UNKNOWN: Final = ("be nice to the interns", "only on days that end in y", "不要太過分", "ほどほどに", "max_fun:11")
INVALID: Final = ("max_iterations:many", "timeout:soon", "max_cost_usd:-1", "approvers:two", "required_role:")

#: Facts that need no constraint to matter, or that matter to none.
FURTHER: Final[tuple[Facts, ...]] = (
    _APPROVED,
    {"approved": True, "approved_by": "dana", "requested_by": "lee"},
    {"confirmed": True},
    {"dry_run_completed": True},
    {"confirmed": True, "dry_run_completed": True},
    {"environment": "staging"},
    {"environment": "dev"},
    {"environment": "production"},
    {"target_environment": " PROD "},
    {"actor_role": "sre"},
    {"run_id": "run-7"},
    {"retry_count": 5},
    {"recent_tools": ["a", "b", "c"]},
    {"recent_tools": ["a", "a", "a"]},
    {"loop_state": {"repeated_tools": ["a"]}},
    {"loop_state": {"current_iteration": 3, "retry_count": 1, "elapsed_seconds": 4}},
    {"resource_scope": ["repo"], "target_resources": ["repo/a"]},
    {"resource_scope": "repo", "target_resources": "other"},
    {"tool_arguments": {"sql": "SELECT count(*) FROM orders"}},
    {"tool_args": {"command": "ls -la"}},
    {"arguments": {"method": "GET", "url": "https://example.com/a"}},
    {"tool_arguments": {"sql": "DELETE FROM users WHERE id = 7"}},
    {"tool_arguments": {"command": "rm -rf /srv/data", "environment": "production"}},
    {"tool_description": "Sends the message to the customer."},
    {"tool_annotations": {"destructiveHint": True}},
    {"agent_name": "deploy-bot", "agent_id": "a-1", "on_behalf_of": "lee"},
    {"current_time": at(0), "timezone": "UTC"},
    {"weather": "fine", "nested": {"a": [1, 2.5, None, "x"]}},
    {"approved_at": "yesterday"},
    {"confirmed": "true"},
    {"environment": 7},
    {"loop_state": "busy"},
    {"actor_role": None, "approved": None},
)

#: Values that no field of context takes.
UNREADABLE: Final[tuple[Any, ...]] = ({"a": {}}, [[1]], -1, 1e300, [None])

CALLERS: Final = (
    CALLER,
    CALLER,
    Caller("acc_test", test_mode=True),
    Caller("acc_test", roles=("sre",)),
    Caller("acc_test", roles=("finance_manager", "admin")),
    Caller("acc_test", environments=("staging",)),
    Caller("acc_test", environments=("staging", "production")),
    Caller("acc_test", roles=("admin",), environments=("dev",), timezone="Asia/Tokyo"),
)
RUNS: Final = (
    None,
    None,
    RunState(),
    RunState(allows=1, elapsed_seconds=10.0, cost_usd=0.1, retries=0, recent_tools=("a", "b")),
    RunState(allows=5, elapsed_seconds=299.0, cost_usd=1.5, retries=2),
    RunState(allows=9, elapsed_seconds=900.0, cost_usd=40.0, retries=6, recent_tools=("a", "a", "a")),
    RunState(allows=7, elapsed_seconds=400.0, recent_actions=("a", "b") * 4, last_action="b", waiting_seconds=200.0),
    RunState(elapsed_seconds=1.0, starts=11),
)
#: Monday 10:00, Monday 03:00 and Saturday 10:00, UTC.
TIMES: Final = (NOW, NOW, NOW - 7 * HOUR, NOW + 5 * 24 * HOUR)


@dataclass(frozen=True)
class Situation:
    """A request as plain fields, the pack by name, and what the server knows."""

    fields: dict[str, Any]
    pack: str = "stage0-default"
    caller: Caller = CALLER
    run: RunState | None = None
    now: float = NOW

    @property
    def context(self) -> Facts:
        """The request's context."""
        context: Facts = self.fields.get("context", {})
        return context

    def decide(self) -> Decision:
        """The decision."""
        return decided(self.fields, PACKS[self.pack], now=self.now, caller=self.caller, run=self.run)

    def reading(self) -> Interpretation:
        """What the request is understood as."""
        return interpret(request_of(**self.fields), PACKS[self.pack].knowledge)

    def where(self, **changed: Any) -> Situation:
        """The same with other circumstances: `pack`, `caller`, `run`, `now`."""
        return replace(self, **changed)

    def sending(self, **fields: Any) -> Situation:
        """The same with other fields of the request."""
        return replace(self, fields={**self.fields, **fields})

    def adding(self, field: str, *items: str) -> Situation:
        """The same with further items of a list."""
        return self.sending(**{field: [*self.fields.get(field, ()), *items]})

    def saying(self, facts: Mapping[str, Any]) -> Situation:
        """The same with further facts in context."""
        return self.sending(context={**self.context, **facts})

    def given(self, fact: str) -> list[Any]:
        """Every value of a fact, under whichever name."""
        nested = self.context.get("loop_state")
        places = [self.context, nested if fact in NESTED and isinstance(nested, dict) else {}]
        return [place[name] for place in places for name in ALIASES[fact] if place.get(name) is not None]

    def leaving_out(self, *facts: str) -> Situation:
        """The same without some facts, whichever names they are given under."""
        gone = {name for fact in facts for name in ALIASES[fact]}
        context = {name: value for name, value in self.context.items() if name not in gone}
        nested = context.get("loop_state")
        if isinstance(nested, dict):
            context["loop_state"] = {name: value for name, value in nested.items() if name not in gone}
        return self.sending(context=context)

    def known_facts(self) -> list[str]:
        """The facts that context gives."""
        return [fact for fact in ALIASES if self.given(fact)]


def some(choices: Sequence[Any], *, most: int, least: int = 0) -> st.SearchStrategy[list[Any]]:
    """A short list of choices."""
    return st.lists(st.sampled_from(choices), min_size=least, max_size=most)


@st.composite
def contexts(draw: st.DrawFn, asked: Sequence[Asked]) -> Facts:
    """Facts that mostly fit the constraints, under any of their names, sometimes twice or unreadable."""
    context: Facts = {}
    for control in asked:
        fits = draw(st.integers(0, 5))
        if fits:
            context |= control.good
        elif control.bad:
            context |= draw(st.sampled_from(control.bad))
    for facts in draw(some(FURTHER, most=2)):
        context |= facts
    return draw(_renamed(context)) if context and draw(st.integers(0, 2)) == 0 else context


@st.composite
def _renamed(draw: st.DrawFn, context: Facts) -> Facts:
    """The same facts under other names; one of them twice, unreadable, or in `loop_state`."""
    fact = draw(st.sampled_from(sorted(context)))
    value = context[fact]
    names = ALIASES.get(fact, (fact,))
    how = draw(st.sampled_from(("alias", "twice", "unreadable", "nested")))
    if how == "alias":
        return {names[-1] if name == fact else name: item for name, item in context.items()}
    if how == "twice":
        other = draw(st.sampled_from([value, "intern", "production", "staging", 4, 400, {}]))
        return {**context, names[-1]: other}
    if how == "unreadable":
        return {**context, fact: draw(st.sampled_from(UNREADABLE))}
    nested = context.get("loop_state")
    inside = nested if isinstance(nested, dict) else {}
    if fact not in NESTED:
        return context
    return {**{name: item for name, item in context.items() if name != fact}, "loop_state": {**inside, fact: value}}


@st.composite
def situations(
    draw: st.DrawFn,
    *,
    goals: Sequence[str] = (*ALL_GOALS, *IN_PRODUCTION),
    tools: Sequence[str] = TOOLS,
    effects: Sequence[str] = EFFECTS,
    packs: Sequence[str] = ("stage0-default", "stage0-default", "stage0-strict"),
    callers: Sequence[Caller] = CALLERS,
    runs: Sequence[RunState | None] = RUNS,
) -> Situation:
    """A whole situation."""
    asked = draw(some(CONTROLS, most=3))
    fields = {
        "goal": draw(st.sampled_from(goals)),
        "success_criteria": draw(st.sampled_from(([], ["The list is complete"], ["a", "報告が完成する"]))),
        "constraints": [control.text for control in asked],
        "tools": draw(some(tools, most=2)),
        "side_effects": draw(some(effects, most=2)),
        "context": draw(contexts(asked)),
        "pro": draw(st.sampled_from((False, False, True))),
    }
    return Situation(
        fields,
        draw(st.sampled_from(packs)),
        draw(st.sampled_from(callers)),
        draw(st.sampled_from(runs)),
        draw(st.sampled_from(TIMES)),
    )

"""Goals: a verb counts together with its object, its negation and what the sentence is about."""

from __future__ import annotations

from typing import Final

import pytest

from stage0.policy import shipped_packs
from stage0.reading.prose.goal import GoalReading, read_goal

KNOWLEDGE: Final = shipped_packs()["stage0-default"].knowledge

Table = dict[str, set[str]]


def reading_of(goal: str) -> GoalReading:
    """What a goal says."""
    return read_goal(goal, KNOWLEDGE.lexicon, read_name=KNOWLEDGE.effects_of_name)


def effects_of_goal(goal: str) -> set[str]:
    """The effects that a goal asks for."""
    return {sighting.effect for sighting in reading_of(goal).sightings}


ENGLISH: Final[Table] = {
    "List the open tickets": {"read"},
    "Summarize weekly KPI deltas": {"compute"},
    "Delete inactive users": {"delete"},
    "Delete all inactive users": {"delete", "bulk"},
    "Permanently delete the account": {"delete", "irreversible"},
    "Refund the order of customer 17": {"money_movement"},
    "Pay the supplier's invoice": {"money_movement"},
    "Transfer 500 dollars to Bob": {"money_movement"},
    "Deploy the new version": {"deployment"},
    "Restart the payment service": {"service_impact"},
    "Send an email to all customers": {"external_message", "bulk"},
    "Grant Bob admin access": {"access_change"},
    "Rotate the API key": {"config_change"},
    "Rename the file": {"overwrite"},
    "Download the prices": {"network_read"},
    "Create a ticket": {"write"},
    "Find the stale branches and delete them": {"read", "delete"},
    "Count customers by country": {"read"},
    "Which services are down?": {"read"},
}

CHINESE: Final[Table] = {
    "列出本週的工單": {"read"},
    "整理本週的銷售數字": {"compute"},
    "刪除不活躍的使用者": {"delete"},
    "删除不活跃的用户": {"delete"},
    "永久刪除所有帳號": {"delete", "irreversible", "bulk"},
    "轉帳五百元給供應商": {"money_movement"},
    "退款給客戶": {"money_movement"},
    "部署新版本": {"deployment"},
    "重启服务": {"service_impact"},
    "寄信給客戶": {"external_message"},
    "授予小王管理員權限": {"access_change"},
    "修改檔案": {"overwrite"},
    "下載價目表": {"network_read"},
    "有多少客戶": {"read"},
}

JAPANESE: Final[Table] = {
    "未対応のチケットを一覧表示する": {"read"},
    "週次の売上をまとめる": {"compute"},
    "休眠ユーザーを削除する": {"delete"},
    "すべてのユーザーを完全に削除してください": {"delete", "bulk", "irreversible"},
    "顧客に返金する": {"money_movement"},
    "取引先に五万円を振り込む": {"money_movement"},
    "新しいバージョンをデプロイする": {"deployment"},
    "サービスを再起動する": {"service_impact"},
    "顧客にメールを送信する": {"external_message"},
    "管理者権限を付与する": {"access_change"},
    "ファイルを編集する": {"overwrite"},
    "価格表をダウンロードする": {"network_read"},
    "顧客は何人いますか": {"read"},
}

TOGETHER: Final = ENGLISH | CHINESE | JAPANESE


@pytest.mark.parametrize(("goal", "effects"), TOGETHER.items(), ids=TOGETHER)
def test_a_goal_asks_for_what_it_says(goal: str, effects: set[str]) -> None:
    assert effects_of_goal(goal) == effects


#: What each goal must not be taken for.
NOT_MEANT: Final[dict[str, str]] = {
    # negated
    "Do not delete anything": "delete",
    "List stale users but don't delete them": "delete",
    "Summarize the logs without deleting any": "delete",
    "Never send emails to customers": "external_message",
    "Do not delete or overwrite files": "delete",
    "Don't archive or delete tickets": "delete",
    "請勿刪除任何資料": "delete",
    "列出帳號,不要刪除": "delete",
    "不要寄信給客戶": "external_message",
    "データは削除しないでください": "delete",
    "メールを送信せずに一覧を作る": "external_message",
    "ユーザーを削除しないこと": "delete",
    # a topic, not an action
    "Explain the refund policy": "money_movement",
    "Show the deployment history": "deployment",
    "How do I delete a branch": "delete",
    "說明退款政策": "money_movement",
    "整理部署流程": "deployment",
    "如何刪除分支": "delete",
    "返金ポリシーを説明する": "money_movement",
    "デプロイ手順をまとめる": "deployment",
    "なぜユーザーを削除するのか説明する": "delete",
    # a compound
    "Draw a burn-down chart": "delete",
    "Calculate the strike price": "service_impact",
    "Draft a wireframe": "money_movement",
    "List deleted users": "delete",
    "列出已刪除的使用者": "delete",
    "列出未付款的訂單": "money_movement",
    "列出待付款的帳單": "money_movement",
    "列出未結案的工單": "overwrite",
    "未送信のメールを一覧表示する": "external_message",
    "削除済みユーザーの一覧を表示する": "delete",
    # a noun by what stands beside it
    "Calculate the force between two charges": "money_movement",
    "Work out the interest on an initial deposit of 5000 dollars": "money_movement",
    "List all change events of the service": "overwrite",
    "Show changes that are staged": "overwrite",
    "Get details of a file share": "export",
    "List the tags of the repository": "overwrite",
    "Estimate the yearly trash per person": "delete",
    "My competitor charges $99, compare our plan": "money_movement",
    "Find a company that offers a cleaning service": "overwrite",
    # a condition, or a question about somebody
    "What will my portfolio be worth if I invest $5000 in bonds": "money_movement",
    "Find people who tweet about football": "publish",
    "Which agents send the most data?": "external_message",
    "How much tax do I have to pay on a laptop?": "money_movement",
    # what something made or found is for
    "Write a query to delete duplicates": "delete",
    "Get the rules for deploying to the cloud": "deployment",
    "List the jobs that delete old users": "delete",
    "Show the files we changed": "overwrite",
    # told, and asked about
    "Which books did Ursula K. Le Guin publish in the seventies?": "publish",
    "How do attackers usually wipe logs?": "delete",
    "Find the mail in which Anna asked us to delete her account": "delete",
    "Show what it would create, change or destroy": "delete",
    "We're sending a probe to Neptune, how many years is the trip?": "external_message",
    "Make a note: cancel the newspaper": "overwrite",
    "Draft the mail; I'll send it myself": "external_message",
    "哪些商品上個月下架了": "delete",
    "為什麼伺服器昨晚重啟了三次": "service_impact",
    "誰がサーバーを再起動したか調べて": "service_impact",
    "削除するファイルの一覧を見せて": "delete",
    "作廢發票查詢": "delete",
    "翻譯成日文:請刪除此郵件": "delete",
    "「削除してください」を英訳して": "delete",
    # a quotation
    'Search the logs for "delete all users"': "delete",
    "Translate 'send the money to Bob' into French": "external_message",
    "搜尋「刪除所有使用者」這句話": "delete",
    "「全ユーザーを削除」という文を検索する": "delete",
    # what must hold before
    "Returns the report. Before calling this, publish the report": "publish",
    "查詢報表明細。調用前需發布報表": "publish",
    # Chinese: what describes a thing, or stands above it
    "查詢資料變更日誌列表": "overwrite",
    "取得授予名單": "access_change",
    "查詢內容發生變更的成本中心": "overwrite",
    "查看是否開啟進階權限": "access_change",
    "員工變更:查詢員工清單": "overwrite",
    "查詢訊息的發送進度": "external_message",
    # Japanese: what begins a longer noun, or describes one
    "更新履歴を表示する": "overwrite",
    "勤務時間修正申請の一覧を取得する": "overwrite",
    "支払い期日を確認する": "money_movement",
    "登録されている取引先の一覧を返す": "write",
    # the name of a program
    "Explain what delete_users does": "delete",
    "Find where deleteAllUsers is defined": "delete",
    # one's own prose
    "Delete the second paragraph of my letter": "delete",
    "刪除我信件的第二段": "delete",
    "手紙の第二段落を削除する": "delete",
    # a rehearsal
    "Dry run the deployment": "deployment",
    "Simulate the payment": "money_movement",
    # counting and schema
    "Count customers by phone number": "personal_data",
    "Show the schema of the password table": "secret_access",
    # a passive that only tells, a noun of what has been done, a title that ends in a look-up
    "Get the number of tables dropped": "delete",
    "They delete 5 rows each day, how many is that in a year?": "delete",
    "Check that if one pod crashes the others restart": "service_impact",
    "Did the deploy finish, and did it restart the pods?": "service_impact",
    "How do I stop, remove and rebuild a container?": "delete",
    "Find the mail in which she asked us to delete the account": "delete",
    "訂單取消查詢": "overwrite",
    "哪些用戶被刪除了": "delete",
    "削除後の件数を確認": "delete",
    "誰が削除したか調べて": "delete",
}


@pytest.mark.parametrize(("goal", "effect"), NOT_MEANT.items(), ids=NOT_MEANT)
def test_a_word_that_is_not_meant_asks_for_nothing(goal: str, effect: str) -> None:
    assert effect not in effects_of_goal(goal)


#: Near misses of those above: here it is meant.
MEANT: Final[dict[str, str]] = {
    "Do not forget to delete the users": "delete",
    "Don't hesitate to send the email to customers": "external_message",
    "Do not ask, delete the users": "delete",
    "Never mind the warnings, delete the table": "delete",
    "Do not list them and then delete the users": "delete",
    "Not only list but delete the users": "delete",
    "不要忘記刪除使用者": "delete",
    "別忘了寄信給客戶": "external_message",
    "不要通知任何人就刪除資料庫": "delete",
    "忘れずにユーザーを削除する": "delete",
    "確認せずにユーザーを削除する": "delete",
    "ユーザーを削除しなければならない": "delete",
    "Issue the refund to the customer": "money_movement",
    "Process the refund": "money_movement",
    "Run the deployment": "deployment",
    "Explain the refund policy, then refund the customer": "money_movement",
    "執行部署": "deployment",
    "說明退款政策,然後退款給客戶": "money_movement",
    "デプロイを実行する": "deployment",
    "Delete paragraphs and users": "delete",
    "Deposit the cheque into my bank account": "money_movement",
    "Please charge the customer 20 dollars": "money_movement",
    "List the items, then change the price of each": "overwrite",
    "This tool updates the record": "overwrite",
    "The agent transfers money to Bob": "money_movement",
    "Deletion of the inactive users": "delete",
    "If the user is inactive, delete the user": "delete",
    "See if you can delete the users": "delete",
    "Write a query to delete duplicates and run it": "delete",
    "Find the script that deletes users, then execute it": "delete",
    'Execute "delete all users"': "delete",
    '"Delete all users"': "delete",
    "Call delete_users": "delete",
    "Run the deleteAllUsers function": "delete",
    "delete_users": "delete",
    "查詢過期帳號後刪除帳號": "delete",
    "查詢使用者並刪除": "delete",
    "刪除日誌": "delete",
    "使用者變更:修改使用者的電話": "overwrite",
    "全データ削除実行": "delete",
    "禁止登入的帳號全部刪除": "delete",
    "データを削除し、残さないでください": "delete",
    "くれぐれも古いユーザーを削除してください": "delete",
    "無論如何刪除帳號": "delete",
    "怎麼還不刪除": "delete",
    "把服務停了": "service_impact",
    "Why don't you just delete the file?": "delete",
    "Could you please delete the file?": "delete",
    "Find the old users and delete them": "delete",
    "ユーザー削除": "delete",
    "支払いを実行する": "money_movement",
    "Export report of customer phone numbers to CSV": "export",
    "Show customers and their phone numbers": "personal_data",
    "Export names and social security numbers of patients": "personal_data",
    "List users with name, email address and phone number": "personal_data",
    "Read the file and its password": "secret_access",
    "Show the password of the database": "secret_access",
    "顧客の電話番号を表示する": "personal_data",
    "列出客戶的電話號碼": "personal_data",
    "ＤＥＬＥＴＥ all users": "delete",
    "De\u200blete all users": "delete",
    "Délete all users": "delete",
    "Dеlеtе all users": "delete",
    # behind a question, or before one
    "Delete all inactive users, how many were there?": "delete",
    "which pods are stuck restart them": "service_impact",
    "Are any unused volumes left, and delete them if so?": "delete",
    # in the condition's consequence
    "Look at each table and if it is empty drop it": "delete",
    "檢查每個帳號，如果三個月沒登入就刪除": "delete",
    "哪些用戶三個月沒登入就刪除": "delete",
    # done by somebody
    "Get user 55 deleted": "delete",
    "Get the staging environment torn down.": "delete",
    "The old records should be removed": "delete",
    "I want the old backups wiped": "delete",
    # behind a thing that is looked at
    "Show me the api_key": "secret_access",
    "刪除所有用戶,查詢結果": "delete",
    # indefinite, not a question
    "什麼權限都給他": "access_change",
    "どのユーザーも削除すること": "delete",
    # a verb that goes on to another one
    "古いユーザーを消して結果を確認": "delete",
    "古いデータを削除後、確認": "delete",
    "サーバー再起動と状態確認": "service_impact",
    "本番デプロイ→動作確認": "deployment",
}


@pytest.mark.parametrize(("goal", "effect"), MEANT.items(), ids=MEANT)
def test_a_word_that_is_meant_counts(goal: str, effect: str) -> None:
    assert effect in effects_of_goal(goal)


@pytest.mark.parametrize(
    ("goal", "environments"),
    [
        ("Restart the service in production", {"production"}),
        ("Restart the service on staging", {"staging"}),
        ("重啟正式環境的服務", {"production"}),
        ("本番のサービスを再起動する", {"production"}),
        ("Copy data from production to staging", {"production", "staging"}),
        ("Plan the food production", set()),
        ("Improve the production line", set()),
    ],
)
def test_a_goal_may_name_its_environment(goal: str, environments: set[str]) -> None:
    assert reading_of(goal).environments == environments


@pytest.mark.parametrize(
    "goal", ["test", "Help", "Do something", "幫我想一下", "測試", "いい感じに", "テスト", "ok", "?"]
)
def test_a_goal_that_names_no_outcome_is_vague(goal: str) -> None:
    assert reading_of(goal).vague


@pytest.mark.parametrize(
    "goal", ["List tickets", "Help me list the open tickets", "幫我列出工單", "チケットを一覧表示して"]
)
def test_a_goal_that_names_an_outcome_is_not_vague(goal: str) -> None:
    assert not reading_of(goal).vague


@pytest.mark.parametrize(
    ("goal", "covered"),
    [
        ("The weekly numbers", True),
        ("本週的數字", True),
        ("今週の数字", True),
        ("Los números de la semana para el equipo", False),
        ("Die Zahlen der Woche für das Team", False),
        ("Les chiffres de la semaine pour nous", False),
        ("Данные за неделю для команды", False),
        ("Удали всех пользователей из базы данных", False),
        ("이번 주의 숫자", False),
        ("أرقام الأسبوع", False),
        ("ตัวเลขประจำสัปดาห์", False),
    ],
)
def test_a_language_is_covered_or_not(goal: str, covered: bool) -> None:
    assert reading_of(goal).covered is covered


@pytest.mark.parametrize(
    ("goal", "text"),
    [("Please de\u200blete users", "de\u200blete"), ("請刪除使用者", "刪除"), ("ｄｅｌｅｔｅ users", "ｄｅｌｅｔｅ")],
)
def test_a_sighting_shows_the_words_as_they_were_sent(goal: str, text: str) -> None:
    (sighting,) = reading_of(goal).sightings
    assert (sighting.source, sighting.span.path, sighting.span.text) == ("goal", "goal", text)
    assert goal[sighting.span.start : sighting.span.end] == text


MANY: Final = "Do not delete the users. "


def test_words_that_are_only_talked_about_are_told_apart_in_a_long_text() -> None:
    assert reading_of(MANY * 300).sightings == ()


@pytest.mark.parametrize("sentence", [MANY, "不要删除用户。", "ユーザーを削除しないでください。"])
def test_past_four_hundred_action_words_each_counts_as_it_stands(sentence: str) -> None:
    """Nobody means a text with so many; weighing each takes time."""
    (sighting,) = reading_of(sentence * 420).sightings
    assert sighting.effect == "delete"
    assert sighting.span.start >= 400 * len(sentence)


def test_past_four_hundred_action_words_no_other_one_is_lost() -> None:
    effects = {
        sighting.effect for sighting in reading_of("delete users, " * 450 + "pay the invoice and deploy it").sightings
    }
    assert {"delete", "money_movement", "deployment"} <= effects

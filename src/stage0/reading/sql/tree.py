"""SQL syntax trees: what stands in a statement that was parsed. One walk, one handler for each kind of node."""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator
from typing import Final

import msgspec
from sqlglot import exp

from stage0.reading.effects import HARMLESS, Effect
from stage0.reading.paths import holds_secrets, of_the_system
from stage0.reading.prose.lexicon import Lexicon, split_words
from stage0.reading.result import word_set
from stage0.reading.verbs import verb_effects

#: Functions that act although they stand in a query, by their whole name or the part before the first dot.
_FUNCTIONS: Final[dict[str, Effect]] = {
    # PostgreSQL
    "pg_terminate_backend": "service_impact",
    "pg_cancel_backend": "service_impact",
    "pg_drop_replication_slot": "service_impact",
    "pg_promote": "service_impact",
    "pg_switch_wal": "service_impact",
    "pg_wal_replay_pause": "service_impact",
    "pg_sleep": "service_impact",
    "pg_sleep_for": "service_impact",
    "pg_sleep_until": "service_impact",
    "pg_advisory_unlock_all": "compute",
    "pg_reload_conf": "config_change",
    "pg_rotate_logfile": "config_change",
    "set_config": "config_change",
    "pg_create_physical_replication_slot": "config_change",
    "pg_create_logical_replication_slot": "config_change",
    "pg_stat_reset": "overwrite",
    "pg_stat_statements_reset": "overwrite",
    "pg_read_file": "secret_access",
    "pg_read_binary_file": "secret_access",
    "pg_file_write": "overwrite",
    "pg_file_unlink": "delete",
    "pg_file_rename": "overwrite",
    "pg_ls_dir": "secret_access",
    "pg_ls_logdir": "secret_access",
    "pg_ls_waldir": "secret_access",
    "pg_stat_file": "secret_access",
    "qcmdexc": "code_execution",
    "pg_notify": "write",
    "nextval": "write",
    "setval": "overwrite",
    "lo_export": "export",
    "lo_import": "secret_access",
    "lo_unlink": "delete",
    "lo_put": "overwrite",
    "lo_from_bytea": "write",
    "lo_create": "write",
    "dblink_connect_u": "network_read",
    "dblink_connect": "network_read",
    "query_to_xml": "unknown",
    "ts_stat": "unknown",
    "aws_lambda": "code_execution",
    "aws_s3": "export",
    # extensions that speak HTTP
    "http_get": "network_read",
    "http_post": "export",
    "http_put": "export",
    "http_delete": "delete",
    "http_patch": "export",
    # MySQL and MariaDB
    "sleep": "service_impact",
    "benchmark": "service_impact",
    "load_file": "secret_access",
    "sys_exec": "code_execution",
    "sys_eval": "code_execution",
    # SQL Server
    "xp_cmdshell": "code_execution",
    "openrowset": "unknown",
    "opendatasource": "unknown",
    "openquery": "unknown",
    # Oracle
    "utl_http": "export",
    "utl_smtp": "external_message",
    "utl_mail": "external_message",
    "utl_tcp": "export",
    "utl_inaddr": "export",
    "utl_file": "overwrite",
    "httpuritype": "export",
    "dbms_scheduler": "code_execution",
    "dbms_job": "code_execution",
    "dbms_sql": "code_execution",
    "dbms_java": "code_execution",
    "dbms_lock": "service_impact",
    "dbms_session": "service_impact",
    "dbms_xmlgen": "unknown",
    "dbms_xmlquery": "unknown",
    "dbms_ldap": "export",
    # SQLite, DuckDB, ClickHouse, H2, BigQuery
    "load_extension": "code_execution",
    "readfile": "secret_access",
    "writefile": "overwrite",
    "fts3_tokenizer": "code_execution",
    "getenv": "secret_access",
    "duckdb_secrets": "secret_access",
    "executable": "code_execution",
    "file_write": "overwrite",
    "csvwrite": "export",
    "external_query": "unknown",
}
#: A function that nobody here knows and that is named like this may do anything.
_ACTING_WORDS: Final = word_set(
    "drop delete purge remove kill terminate exec execute eval run write create set update insert truncate reset cancel"
    " send copy grant revoke wipe erase destroy shutdown"
)
#: Functions of values, whatever their name says: `json_set`, `array_remove`, `find_in_set`.
_VALUE_PREFIXES: Final = word_set(
    "json jsonb array list map string str regexp date time st object struct variant hstore xml bit to find is try"
    " bytes row vec vector geo parse format"
)
_SECRET_COLUMN: Final = re.compile(
    r"(?:^|_)(?:passwords?|passwd|pwd|passphrase|secrets?|api_?keys?|private_?key|secret_?key|access_?token"
    r"|(?<![a-z_])token|refresh_?token|auth_?token|session_?token|bearer_?token|id_token|encryption_?key|signing_?key|rolpassword"
    r"|authentication_string|cvv2?|cvc2?|otp_seed|recovery_codes?)(?:_(?:hash|digest|salt|encrypted|enc))?$"
    r"|^(?:encrypted|hashed)_(?:password|token|key)$",
    re.IGNORECASE,
)
_PERSONAL_COLUMN: Final = re.compile(
    r"(?:^|_)(?:e_?mails?|email_?addr(?:ess)?(?:es)?|phones?|phone_?(?:number|no)s?|mobile(?:_?(?:number|phone|no))?"
    r"|telephone|ssn|social_security(?:_?(?:number|no))?|tax_id|national_id|passport(?:_?(?:number|no))?|id_card(?:_no)?"
    r"|drivers?_licen[cs]e(?:_number)?|date_of_birth|birth_?date|birthday|dob|(?:home|street|postal|mailing|residential"
    r"|billing|shipping)_?address|first_?name|last_?name|full_?name|sur_?name|given_?name|family_?name|maiden_?name"
    r"|card_?number|credit_?card(?:_?(?:number|no))?|iban|bank_?account(?:_?(?:number|no))?|account_number|diagnosis"
    r"|medical_record(?:_number)?|salary|ip_address)$"
    r"|信箱|邮箱|電子郵件|电子邮件|電話|电话|手機|手机|身分證|身份证|住址|地址|姓名|メール|住所|氏名|マイナンバー",
    re.IGNORECASE,
)
_SECRET_TABLES: Final = word_set(
    "pg_shadow pg_authid pg_user_mapping pg_user_mappings sql_logins syslogins secrets credentials passwords api_keys"
    " apikeys access_tokens refresh_tokens auth_tokens oauth_tokens private_keys user_passwords user_credentials"
    " decrypted_secrets tokens secret credential api_key user_secrets user_tokens"
)
#: What the secret is called in a table of secrets.
_VALUE_COLUMN: Final = re.compile(
    r"^(?:(?:secret|token|key|encrypted|decrypted|credential)_)?(?:value|values|data|content|payload|secret|key|token"
    r"|hash)$",
    re.IGNORECASE,
)
#: Tables that hold people, by the last word of their name.
PERSONS: Final = word_set(
    "user users customer customers client clients patient patients employee employees member members contact contacts"
    " person persons people subscriber subscribers student students account accounts lead leads citizen citizens"
    " profile profiles guest guests visitor visitors applicant applicants candidate candidates"
)
_ACCESS_COLUMN: Final = re.compile(
    r"^(?:(?:user_)?roles?|is_?(?:admin|superuser|staff|root|owner)|admin|superuser|permissions?|privileges?"
    r"|access_level|scopes?|can_\w+)$",
    re.IGNORECASE,
)
_BALANCE_COLUMN: Final = re.compile(r"^(?:(?:account|wallet|available|credit|cash|current)_)?balance$", re.IGNORECASE)
_GONE_COLUMN: Final = re.compile(r"^(?:is_?)?deleted(?:_?at)?$", re.IGNORECASE)
#: A change that names at most so many rows touches few (`DELETE ... LIMIT 1`).
_FEW: Final = 20

#: Where a column stands: what is shown, what is compared, what says nothing of the value, what is assigned.
_SHOWN, _COMPARED, _NEUTRAL = 0, 1, 2


class Found(msgspec.Struct):
    """What the walk has come upon."""

    effects: dict[Effect, None]
    classes: set[type[exp.Expr]]
    star: bool = False
    persons: bool = False
    secrets: bool = False
    valued: bool = False
    lexicon: Lexicon | None = None
    #: Statements that stand in strings and run now or later.
    texts: list[str] = msgspec.field(default_factory=list)

    def add(self, *effects: Effect) -> None:
        """Note effects, in the order in which they are found."""
        for effect in effects:
            self.effects[effect] = None


def names_secret(name: str) -> bool:
    """Whether a column or field is called as secrets are: `api_key`, `passwordHash`, `token`."""
    return bool(_SECRET_COLUMN.search(name) or _SECRET_COLUMN.search("_".join(split_words(name))))


def holds_secret_rows(table: str) -> bool:
    """Whether a table or collection is called as those of secrets are: `secrets`, `apiKeys`."""
    return table.lower() in _SECRET_TABLES or "_".join(split_words(table)) in _SECRET_TABLES


def names_value(name: str) -> bool:
    """Whether a column of a table of secrets holds the secret itself."""
    return _VALUE_COLUMN.match("_".join(split_words(name))) is not None


def effects_in(root: exp.Expr, lexicon: Lexicon | None = None) -> Found:
    """Everything that a syntax tree would do. Functions that nobody knows act as the `lexicon` says of their names."""
    found = Found({}, set(), lexicon=lexicon)
    stack: list[tuple[exp.Expr, int]] = [(root, _SHOWN)]
    pop, push, note = stack.pop, stack.append, found.classes.add
    handlers, base = _HANDLERS, exp.Expr
    while stack:
        node, place = pop()
        kind = node.__class__
        note(kind)
        handle = handlers.get(kind)
        if handle is not None:
            inner = handle(node, place, found)
            if inner is not None:
                stack.extend(inner)
                continue
        for value in node.args.values():
            if value.__class__ is list:
                for item in value:
                    if isinstance(item, base):
                        push((item, place))
            elif isinstance(value, base):
                push((value, place))
    if found.secrets and (found.star or found.valued):
        found.add("secret_access")
    return found


Handled = list[tuple[exp.Expr, int]] | None


def _children(node: exp.Expr, place: int) -> list[tuple[exp.Expr, int]]:
    return [(child, place) for child in node.iter_expressions()]


def _column(node: exp.Expr, place: int, found: Found) -> Handled:
    name = node.name
    if place == _SHOWN and names_value(name):
        found.valued = True
    if place != _NEUTRAL and names_secret(name):
        found.add("secret_access")
    elif place == _SHOWN and _PERSONAL_COLUMN.search(name):
        found.add("personal_data")
    return None if isinstance(node.this, exp.Star) else []


def _star(_node: exp.Expr, place: int, found: Found) -> Handled:
    if place == _SHOWN:
        found.star = True
    return None


def _table(node: exp.Expr, _place: int, found: Found) -> Handled:
    name = node.name.lower()
    if holds_secret_rows(node.name):
        found.secrets = True
    if not PERSONS.isdisjoint(split_words(name)[-1:]):
        found.persons = True
    if "/" in name and holds_secrets(name):
        found.add("secret_access")
    return None


def _neutral(node: exp.Expr, _place: int, _found: Found) -> Handled:
    return _children(node, _NEUTRAL)


def _equality(node: exp.Expr, place: int, _found: Found) -> Handled:
    """`api_key = 'x'` looks a row up by what is known already; it shows nothing."""
    return _children(node, _NEUTRAL) if place == _COMPARED else None


def _compare(node: exp.Expr, place: int, _found: Found) -> Handled:
    return _children(node, _COMPARED if place == _SHOWN else place)


def _select(node: exp.Expr, place: int, found: Found) -> Handled:
    found.add("read")
    into = node.args.get("into")
    if into is not None:
        _into(into, place, found)
    return _children(node, place) if place == _SHOWN else _children(node, _NEUTRAL)


def _insert(node: exp.Expr, _place: int, found: Found) -> Handled:
    found.add("write")
    conflict = node.args.get("conflict")
    if conflict is not None and "NOTHING" not in str(conflict.args.get("action") or "").upper():
        found.add("overwrite")
    if node.args.get("overwrite"):
        found.add("overwrite", "bulk")
    return _children(node, _SHOWN)


def _update(node: exp.Expr, _place: int, found: Found) -> Handled:
    found.add("overwrite")
    if not _is_narrowed(node):
        found.add("bulk")
    inner: list[tuple[exp.Expr, int]] = []
    for name, value in node.args.items():
        if name == "expressions":
            for assignment in value:
                inner.extend(_assignment(assignment, found))
        else:
            inner.extend((child, _SHOWN) for child in _expressions(value))
    return inner


def _assignment(node: exp.Expr, found: Found) -> Iterator[tuple[exp.Expr, int]]:
    if not isinstance(node, exp.EQ):
        yield node, _SHOWN
        return
    name = node.this.name
    if _SECRET_COLUMN.search(name) or _ACCESS_COLUMN.search(name):
        found.add("access_change")
    elif _BALANCE_COLUMN.search(name):
        found.add("money_movement")
    elif _GONE_COLUMN.search(name) and not _is_denied(node.expression):
        found.add("delete")
    yield node.expression, _SHOWN


def _is_denied(value: exp.Expr) -> bool:
    """Whether an assigned value takes a mark away (`deleted_at = NULL`)."""
    return isinstance(value, exp.Null) or value.name.lower() in ("false", "0")


def _expressions(value: object) -> Iterator[exp.Expr]:
    if isinstance(value, exp.Expr):
        yield value
    elif isinstance(value, list):
        yield from (item for item in value if isinstance(item, exp.Expr))


def _delete(node: exp.Expr, _place: int, found: Found) -> Handled:
    found.add("delete")
    if not _is_narrowed(node):
        found.add("bulk")
    return None


def _merge(node: exp.Expr, _place: int, found: Found) -> Handled:
    found.add("overwrite")
    condition = node.args.get("on")
    if condition is not None and _always(condition, 0):
        found.add("bulk")
    return None


def _when(node: exp.Expr, _place: int, found: Found) -> Handled:
    """A branch of MERGE: its UPDATE or DELETE touches the rows that matched, and needs no condition of its own."""
    then = node.args.get("then")
    if then is None:
        return None
    if isinstance(then, exp.Delete) or then.name.upper() == "DELETE":
        found.add("delete")
    inner = [child for child in node.iter_expressions() if child is not then]
    return [(child, _SHOWN) for child in (*inner, *then.iter_expressions())]


def _is_narrowed(node: exp.Expr) -> bool:
    """Whether an UPDATE or DELETE names the rows that it touches."""
    limit = node.args.get("limit")
    if limit is not None:
        count = limit.expression
        if isinstance(count, exp.Literal) and count.name.isdigit() and int(count.name[:9]) <= _FEW:
            return True
    where = node.args.get("where")
    return where is not None and not _always(where.this, 0)


#: Levels of a condition that are followed; a deeper one is taken to narrow nothing.
_LEVELS: Final = 40


def _always(node: exp.Expr, level: int) -> bool:
    """Whether a condition holds for every row, or for every row that exists: `1 = 1`, `id = id`, `name LIKE '%'`."""
    # A long chain (`a OR b OR c`) leans to the left: it is followed there without going deeper.
    while True:
        if level > _LEVELS:
            return True
        if isinstance(node, exp.Paren):
            node = node.this
        elif isinstance(node, exp.Or):
            if _always(node.expression, level + 1):
                return True
            node = node.this
        elif isinstance(node, exp.And):
            if not _always(node.expression, level + 1):
                return False
            node = node.this
        else:
            break
    check = _ALWAYS.get(node.__class__)
    return check is not None and check(node, level)


def _key(node: exp.Expr) -> bool:
    """A column that names rows, and so is never null, zero or empty."""
    return isinstance(node, exp.Column) and bool(re.search(r"(?:^|_)(?:id|uuid|guid|pk|rowid)$", node.name.lower()))


def _same(node: exp.Expr, _level: int) -> bool:
    """`1 = 1`, `'a' = 'a'`, `id = id`, `id = u.id` is none."""
    return bool(node.this == node.expression) and not node.this.find(exp.Func)


def _different(node: exp.Expr, _level: int) -> bool:
    """`1 <> 2`, `id <> 0`, `id > -1`."""
    one, other = node.this, node.expression
    if isinstance(one, exp.Literal) and isinstance(other, exp.Literal):
        return not isinstance(node, (exp.LT, exp.LTE, exp.GT, exp.GTE)) or _is_ordered(node, one.name, other.name)
    if not _key(one):
        return False
    if isinstance(other, exp.Neg):
        return isinstance(node, (exp.GT, exp.GTE, exp.NEQ))
    return isinstance(other, exp.Literal) and other.name in ("", "0") and not isinstance(node, (exp.LT, exp.LTE))


def _is_ordered(node: exp.Expr, one: str, other: str) -> bool:
    try:
        left, right = float(one), float(other)
    except ValueError:
        return True
    return left < right if isinstance(node, (exp.LT, exp.LTE)) else left > right


def _anything(node: exp.Expr, _level: int) -> bool:
    """`name LIKE '%'`: no letter is asked for."""
    pattern = node.expression
    return isinstance(pattern, exp.Literal) and not pattern.name.strip("%*")


def _not(node: exp.Expr, _level: int) -> bool:
    """`NOT false`, `id IS NOT NULL`, `NOT 1 = 2`."""
    inner = node.this.unnest()
    if isinstance(inner, exp.Is):
        return _key(inner.this) and isinstance(inner.expression, exp.Null)
    if isinstance(inner, exp.EQ):
        return _different(exp.NEQ(this=inner.this.copy(), expression=inner.expression.copy()), 0)
    return isinstance(inner, exp.Boolean) and not inner.this


def _in(node: exp.Expr, _level: int) -> bool:
    """`id IN (SELECT id FROM t)` without a condition there."""
    query = node.args.get("query")
    select = query.unnest() if query is not None else None
    return (
        isinstance(select, exp.Select)
        and _key(node.this)
        and not any(select.args.get(part) for part in ("where", "having", "limit", "joins", "group"))
    )


def _exists(node: exp.Expr, _level: int) -> bool:
    select = node.this
    return isinstance(select, exp.Select) and (select.args.get("from_") is None) and select.args.get("where") is None


def _literal(node: exp.Expr, _level: int) -> bool:
    return node.name not in ("", "0") if not node.args.get("is_string") else True


_ALWAYS: Final[dict[type[exp.Expr], Callable[[exp.Expr, int], bool]]] = {
    exp.Boolean: lambda node, _level: bool(node.this),
    exp.Literal: _literal,
    exp.EQ: _same,
    exp.NullSafeEQ: _same,
    exp.GTE: lambda node, level: _same(node, level) or _different(node, level),
    exp.LTE: lambda node, level: _same(node, level) or _different(node, level),
    exp.GT: _different,
    exp.LT: _different,
    exp.NEQ: _different,
    exp.Like: _anything,
    exp.ILike: _anything,
    exp.Glob: _anything,
    exp.Not: _not,
    exp.In: _in,
    exp.Exists: _exists,
}


def _function(node: exp.Expr, _place: int, found: Found) -> Handled:
    if node.name.lower() in _RUNS_TEXT:
        _runs_text(node, found)
    else:
        found.add(*_function_effects(node.name, found.lexicon))
    for argument in node.args.get("expressions") or ():
        if isinstance(argument, exp.Literal) and argument.is_string and holds_secrets(argument.name):
            found.add("secret_access")
    return None


def _file_read(node: exp.Expr, _place: int, found: Found) -> Handled:
    if any(holds_secrets(literal.name) or of_the_system(literal.name) for literal in node.find_all(exp.Literal)):
        found.add("secret_access")
    return None


#: Functions that run the statement in their last string.
_RUNS_TEXT: Final = frozenset({"dblink", "dblink_exec", "dblink_send_query", "dblink_open"})


def _runs_text(node: exp.Expr, found: Found) -> None:
    strings = [each for each in node.args.get("expressions") or () if isinstance(each, exp.Literal) and each.is_string]
    last = (node.args.get("expressions") or [None])[-1]
    if strings and (strings[-1] is last or isinstance(last, exp.Boolean)) and len(strings) > 1:
        found.texts.append(strings[-1].name)
    else:
        found.add("unknown")


#: What a function does besides: it calls out with what it is given, or writes a file of the server.
_BESIDE: Final[dict[str, tuple[Effect, ...]]] = {
    **dict.fromkeys(("http_post", "http_put", "http_patch", "utl_http", "utl_tcp", "httpuritype"), ("unknown",)),
    "lo_export": ("overwrite",),
    "csvwrite": ("overwrite",),
}


def _function_effects(name: str, lexicon: Lexicon | None) -> tuple[Effect, ...]:
    known = _FUNCTIONS.get(name.lower())
    if known is not None:
        return (known, *_BESIDE.get(name.lower(), ("unknown",) if known == "code_execution" else ()))
    words = split_words(name)
    if name.lower().startswith(("sp_", "xp_", "system$")):
        return ("unknown",)
    if not words or words[0] in _VALUE_PREFIXES or words[-1] == "set":
        return ()
    effects = _acts(words, lexicon) if lexicon is not None else ()
    if effects:
        # The name says that it acts, not all that it does.
        return (*effects, "unknown") if effects == ("overwrite",) else effects
    return () if _ACTING_WORDS.isdisjoint(words) else ("unknown",)


#: Before the verb of a function's name, and behind a noun that names a value: `refund_amount`, `charge_date`.
_LEADS: Final = word_set("usp fn fnc func proc procedure p f do perform process run execute issue make bulk batch mass")
_VALUES: Final = word_set(
    "amount total totals count counts rate rates date time status id ids fee fees name names price prices sum avg ratio"
    " type value values text string list number score stats percent percentage at key code label size length level"
    " year month day hour week quarter val value weight flag"
)


def _acts(words: list[str], lexicon: Lexicon) -> tuple[Effect, ...]:
    """What a function does that is called as an action: its first word is a verb, whatever it is done to."""
    at = 0
    while at < len(words) - 1 and words[at] in _LEADS:
        at += 1
    if words[-1] in _VALUES and len(words) > 1:
        return ()
    head = verb_effects(words[at], lexicon) or verb_effects("_".join(words[at : at + 2]), lexicon)
    if not head or HARMLESS.issuperset(head):
        return ()
    return tuple(dict.fromkeys(effect for effect in verb_effects("_".join(words), lexicon) if effect not in HARMLESS))


def _dot(node: exp.Expr, _place: int, found: Found) -> Handled:
    """`utl_http.request(...)`: what stands before the dot owns the function."""
    if isinstance(node.expression, exp.Anonymous):
        owner = node.this.name.lower()
        if owner == "cron":
            return _note_schedule(node.expression, found)
        if owner in _FUNCTIONS:
            found.add(*_function_effects(owner, None))
    return None


def _note_schedule(node: exp.Expr, found: Found) -> Handled:
    """pg_cron: the statement that is scheduled counts, and that it runs later."""
    found.add("code_execution")
    if node.name.lower() == "unschedule":
        found.add("delete")
        return []
    given = [each for each in node.args.get("expressions") or () if isinstance(each, exp.Literal) and each.is_string]
    if node.name.lower() in ("schedule", "schedule_in_database") and len(given) >= 2:
        found.texts.append(given[1].name if len(given) == 2 else given[2].name)
    else:
        found.add("unknown")
    return []


def _into(node: exp.Expr, _place: int, found: Found) -> Handled:
    """`SELECT ... INTO` makes a table, as CREATE TABLE AS does; one for the session is nobody else's."""
    found.add("write")
    if not node.args.get("temporary") and not node.name.startswith(("#", "@")):
        found.add("schema_change")
    return None


_HANDLERS: Final[dict[type[exp.Expr], Callable[[exp.Expr, int, Found], Handled]]] = {
    exp.Column: _column,
    exp.Star: _star,
    exp.Table: _table,
    exp.Select: _select,
    exp.Insert: _insert,
    exp.Update: _update,
    exp.Delete: _delete,
    exp.Merge: _merge,
    exp.When: _when,
    exp.Into: _into,
    exp.Anonymous: _function,
    exp.AnonymousAggFunc: _function,
    exp.ReadCSV: _file_read,
    exp.ReadParquet: _file_read,
    exp.Dot: _dot,
    exp.Where: _compare,
    exp.Having: _compare,
    exp.Join: _compare,
    exp.Order: _compare,
    exp.Group: _compare,
    exp.EQ: _equality,
    exp.NEQ: _equality,
    exp.In: _equality,
    exp.Is: _neutral,
    exp.Count: _neutral,
    exp.CountIf: _neutral,
    exp.ApproxDistinct: _neutral,
    exp.Length: _neutral,
    exp.MD5: _neutral,
    exp.SHA: _neutral,
    exp.SHA2: _neutral,
    exp.Exists: _neutral,
}

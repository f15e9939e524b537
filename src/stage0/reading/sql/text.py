"""Whether a text is SQL, where its name does not say so."""

from __future__ import annotations

import re
from typing import Final

#: Pieces between semicolons that are looked at one by one; a longer text is left to its first words.
_PARTS: Final = 200

_ID: Final = r"[\w.\"`\[\]]+"
#: Statements by their first words, as no sentence begins.
_STATEMENTS: Final = (
    r"select\s++(?:(?:distinct|all|top\s++\d+)\s++)?[\w.*\"`\[\]@$:'(),\s+/#>{}-]{1,1000}?\sfrom\s++[\w\"`\[(]",
    r"select\s++(?:[\d'@*(\"]|\w+(?:\s*\.\s*\w+){0,3}\s*\()",
    r"with\s++(?:recursive\s++)?[\w\"`]+\s*(?:\([^()]{0,500}\)\s*)?as\s*(?:(?:not\s++)?materialized\s*)?\(",
    r"insert\s++(?:into|or\s++\w+\s++into|ignore\s++into|overwrite)\b",
    r"(?:replace|merge|upsert)\s++into\b",
    rf"update\s++(?:only\s++)?{_ID}(?:\s++(?:as\s++)?\w+)?\s++set\b",
    rf"delete\s++(?:\w+\s++)?from\s++{_ID}\s*(?:;|\Z|--|/\*|(?:\w+\s*)?(?:;|\Z|(?:where|using|returning|limit|order|as|join)\b))",
    rf"truncate\s++(?:table\s++)?{_ID}\s*(?:;|\Z|,|(?:cascade|restart)\b)",
    r"drop\s++(?:temporary\s++)?(?:table|database|schema|index|view|materialized|user|role|login|function|procedure|trigger"
    r"|policy|extension|owned|sequence|type|keyspace|tablespace|warehouse|column)\s++(?:if\s++exists\s++)?"
    rf"{_ID}\s*(?:;|\Z|,|--|/\*|\(|(?:cascade|restrict|on|force|purge)\b)",
    r"alter\s++(?:system\s|session\s++set\b|default\s++privileges\b|"
    rf"(?:table|database|user|role|schema|view|index|login|policy|sequence|function|server)\s++(?:if\s++exists\s++)?{_ID}\s++"
    r"(?:add|drop|rename|alter|modify|set|owner|enable|disable|with|identified|password|to|grant|valid|superuser|nosuperuser"
    r"|login|nologin|account|cluster|reset|convert|engine|attach|detach|validate|force|change|truncate|exchange)\b)",
    r"create\s++(?:or\s++replace\s++)?(?:(?:temp|temporary|unique|materialized|external|transient|global|local|unlogged)\s++)*"
    r"(?:(?:table|view|index|database|schema|user|role|login|function|procedure|trigger|extension|policy|sequence|type|event"
    rf"|server|publication|subscription)\s++(?:if\s++not\s++exists\s++|concurrently\s++)?{_ID}\s*(?:[(;]|(?:as|like|clone"
    r"|using|partition|of|with|on|before|after|instead|for|identified|password|owner|default|authorization|character"
    r"|superuser|returns|engine|start|increment|from|connection|foreign)\b))",
    r"(?:grant|revoke)\s++[\w\s,()]{1,200}?\s(?:on|to|from)\s++[\w.\"`*]+",
    r"exec(?:ute)?(?:\s*\(|\s++(?:immediate\b|[\w.]*(?:sp|xp)_\w+))",
    r"call\s++[\w.\"`]+\s*\(",
    r"do\s++\$",
    r"copy\s++(?:[\w.\"]+\s*(?:\([^()]{0,500}\)\s*)?|\([^;]{1,1000}?\)\s*)(?:to|from)\s++(?:'|stdout|stdin|program)",
    r"copy\s++into\s|unload\s*\(|export\s++data\s++options|load\s++data\s++(?:local\s++)?(?:infile|inpath)",
    r"backup\s++(?:database|log)\s|restore\s++database\s",
    r"explain\s++(?:analyze|verbose|\(|query|plan|select|insert|update|delete|with|format)",
    r"(?:show\s++(?:full\s++)?(?:tables|databases|schemas|columns|index|indexes|create|grants|processlist|status|variables)"
    r"|vacuum\s++(?:full|analyze|freeze|verbose)|reindex\s++(?:table|index|database|schema|system)"
    r"|shutdown\s++(?:immediate|normal|transactional|abort)|(?:vacuum|reindex|shutdown)\s*;|reset\s++(?:master|slave|replica|all)|flush\s++(?:privileges|tables|logs|hosts))\b"
    r"[\w\s.\"`()%']{0,200}(?:;|\Z)",
    r"pragma\s++\w+|kill\s++(?:query\s++|connection\s++)?\d+\s*(?:;|\Z)",
    r"set\s++(?:@|(?:global|session|persist|role|password)\b)|set\s++\w+\s*(?:=|\bto\b)\s*['\"\w]+\s*(?:;|\Z)",
    r"lock\s++tables?\s++\w+\s|waitfor\s++delay|attach\s++(?:database\s++)?'|install\s++\w+\s*;|refresh\s++materialized\s",
    r"(?:begin|commit|rollback|start\s++transaction)\s*(?:transaction\s*)?(?:;|\Z)",
    r"prepare\s++\w+\s++(?:as|from|\()|declare\s++@|values\s*\(|table\s++\w+\s*(?:;|\Z)",
    rf"desc(?:ribe)?\s++(?:(?:formatted|extended|table|history|detail|schema)\s++)?{_ID}\s*(?:;|\Z)",
)
_WHOLE_SQL: Final = re.compile(
    r"(?>(?:[\s;(]|--[^\n]*\n|#[^\n]*\n|/\*(?>(?:[^*]|\*(?!/))*)\*/)*)(?:" + "|".join(_STATEMENTS) + ")",
    re.IGNORECASE,
)
_COMMENT_FIRST: Final = re.compile(r"\s*(?:--|/\*)")


def starts_sql(text: str) -> bool:
    """Whether a text begins with a statement of SQL, as no sentence does."""
    return _WHOLE_SQL.match(text) is not None


def is_sql(text: str, dialect: str | None) -> bool:
    """Whether a text under a name such as `query` is SQL rather than words to search for: a statement's first words,
    a comment, a database's name beside it, or a statement after a semicolon."""
    if starts_sql(text) or _COMMENT_FIRST.match(text) or dialect is not None:
        return True
    return ";" in text and any(starts_sql(part) for part in text.split(";")[:_PARTS])

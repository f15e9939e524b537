"""Money in arguments: an amount together with where it goes. An amount alone (a tax, a price) moves nothing."""

from __future__ import annotations

import math
import re
import unicodedata
from typing import Final

from stage0.reading.text.datakinds import is_iban

_SYMBOLS: Final = (
    r"(?:(?:US|NT|HK|A|C|S|R)?\$|[€£¥￥₩₹₽₿฿₫]|RMB|CNY|TWD|NTD|USD|EUR|GBP|JPY|HKD|SGD|KRW|INR|AUD|CAD|CHF"
    r"|BTC|ETH|USDT|USDC|SOL)"
)
_UNITS: Final = (
    r"(?:元|圓|円|塊|块|萬元?|万元?|億|亿|美元|美金|欧元|歐元|日元|日圓|人民币|新台幣|台幣"
    r"|dollars?|euros?|pounds?|yen|yuan|cents?|bucks)"
)
#: Groups of thousands parted by dots, and a comma before the fraction.
_GROUPED: Final = r"[1-9][0-9]{0,2}(?:\.[0-9]{3}){1,5}(?:,[0-9]{1,2})?|[0-9]{1,15},[0-9]{1,2}"
_DOTTED: Final = re.compile(_GROUPED)
_AMOUNT: Final = re.compile(
    rf"\s*{_SYMBOLS}?\s*([0-9]{{1,15}}(?:,[0-9]{{3}}){{0,5}}(?:\.[0-9]{{1,18}})?|{_GROUPED})\s*"
    rf"(?:{_SYMBOLS}|{_UNITS})?\s*\Z",
    re.IGNORECASE,
)
_BY_TEN_THOUSAND: Final = re.compile(r"[萬万]")


def amount_of(value: object) -> float:
    """An amount of money: `1200.5`, `"$1,200.50"`, `"NT$500"`, `"500 元"`, `{"value": "5", ...}`; else 0."""
    if isinstance(value, bool):
        return 0.0
    if isinstance(value, (int, float)):
        try:
            number = float(value)
        except OverflowError:
            return math.inf
        return abs(number) if math.isfinite(number) else math.inf
    if isinstance(value, str) and len(value) <= 60:
        match = _AMOUNT.match(value)
        if match is None:
            return 0.0
        return _number(match[1]) * (10_000 if _BY_TEN_THOUSAND.search(value) else 1)
    if isinstance(value, dict) and len(value) <= 8:
        return max((amount_of(value[key]) for key in ("value", "amount", "total") if key in value), default=0.0)
    return 0.0


def _number(text: str) -> float:
    """`1,234.50` or `1.234,50`; of two readings (`25.000`) the larger."""
    if _DOTTED.fullmatch(text):
        return float(text.replace(".", "").replace(",", "."))
    return float(text.replace(",", ""))


_WRITTEN: Final = re.compile(rf"{_SYMBOLS}|{_UNITS}|[\s_'’]", re.IGNORECASE)
_PLAIN: Final = re.compile(r"[+-]?(?:[0-9]+(?:\.[0-9]*)?|\.[0-9]+)(?:[eE][+-]?[0-9]{1,4})?")
#: Characters of an amount that are read.
_AMOUNT_LENGTH_MAX: Final = 200


def stated_amount(value: object) -> float:
    """How much a field that names an amount says, however it is written; infinite where that cannot be read, since what
    cannot be read must not be taken for little."""
    if value is None or isinstance(value, bool):
        return 0.0
    if isinstance(value, str):
        return _parse_stated(value)
    if isinstance(value, (list, tuple)):
        return max((stated_amount(each) for each in value), default=0.0)
    if isinstance(value, dict):
        # A currency, a unit: beside the sum itself, a text without a digit says nothing.
        said = [each for each in value.values() if not isinstance(each, str) or any(map(str.isdigit, each))]
        return max((stated_amount(each) for each in said), default=0.0)
    return amount_of(value)


def _parse_stated(text: str) -> float:
    folded = unicodedata.normalize("NFKC", text).strip()
    if not folded:
        return 0.0
    digits = "".join(
        str(unicodedata.decimal(each)) if each.isdecimal() else each for each in folded[:_AMOUNT_LENGTH_MAX]
    )
    bare = _WRITTEN.sub("", digits).lstrip("+-")
    if len(folded) > _AMOUNT_LENGTH_MAX or not bare:
        return math.inf
    if _DOTTED.fullmatch(bare):
        number = _number(bare)
    elif _PLAIN.fullmatch(bare.replace(",", "")) and not bare.endswith(","):
        number = float(bare.replace(",", ""))
    else:
        return math.inf
    return number * (10_000 if _BY_TEN_THOUSAND.search(text) else 1)


_ACCOUNT: Final = re.compile(
    r"0x[0-9a-fA-F]{40}|bc1[a-z0-9]{20,80}|[13][1-9A-HJ-NP-Za-km-z]{25,34}|T[1-9A-HJ-NP-Za-km-z]{33}"
    r"|(?:acct|ba|card|cus|tok|pm|src|btok|ch|pi|py|re|in|po)_[A-Za-z0-9]{6,}|[0-9][0-9 -]{4,30}[0-9]"
    r"|[*xX•-]{2,}[0-9 -]{2,8}"
    r"|[A-Z]{2,6}[-_ ]?[0-9]{3,20}|[^@\s]{1,64}@[^@\s]{3,100}|\+[0-9][0-9 -]{6,18}|@[\w.-]{2,40}|\$[A-Za-z]\w{1,30}"
)


def is_account(value: object) -> bool:
    """Whether a value looks like what money is sent to: an account, wallet, card, token of a payment service."""
    if isinstance(value, bool):
        return False
    if isinstance(value, int):
        return value >= 1000
    if not isinstance(value, str) or not value.strip() or len(value) > 120:
        return False
    return bool(_ACCOUNT.fullmatch(value.strip())) or is_iban(value)


def is_name(value: object) -> bool:
    """Whether a value names anybody: what a payee or beneficiary may be."""
    return (isinstance(value, str) and bool(value.strip())) or (isinstance(value, (int, dict)) and bool(value))

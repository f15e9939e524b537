"""Personal data and secrets by their published formats: one scanner for every text.

What a check digit can prove is proved; what only looks like a number counts beside a word that says what it is.
`SECRETS` is the one table of secret formats: `masking.py` replaces what it names.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator
from typing import Final

import msgspec

from stage0.reading.text.scanning import Scanner


class Format(msgspec.Struct, frozen=True, gc=False):
    """The published format of one kind of secret. One of `hints` stands in each of them, `offsets` from its start."""

    code: str
    pattern: re.Pattern[str]
    hints: tuple[str, ...]
    offsets: tuple[int, ...]


def _format(code: str, pattern: str, *hints: str, offsets: tuple[int, ...] = (0,)) -> Format:
    return Format(code, re.compile(pattern), hints, offsets)


#: Short, stable code of each kind of secret, and its published format. Only what has the shape of a token, so that no
#: word or operator can hide in it. Where two begin at one place, the first counts.
SECRETS: Final = (
    _format(
        "pk",
        r"-----BEGIN [A-Z ]{0,20}PRIVATE KEY-----[A-Za-z0-9+/=\s]{40,20000}-----END [A-Z ]{0,20}PRIVATE KEY-----",
        "-----BEGIN",
    ),
    _format("aw", r"\b(?:AKIA|ASIA)[0-9A-Z]{16}\b", "AKIA", "ASIA"),
    _format("gh", r"\bgh[pousr]_[A-Za-z0-9]{36,}", "ghp_", "gho_", "ghu_", "ghs_", "ghr_"),
    _format("gh", r"\bgithub_pat_[A-Za-z0-9_]{40,}", "github_pat_"),
    _format("gl", r"\bglpat-[A-Za-z0-9_-]{20,}", "glpat-"),
    _format("sl", r"\bxox[abeprs]-[A-Za-z0-9-]{10,}", "xox"),
    _format(
        "sw",
        r"(?<=hooks\.slack\.com/services/)T[A-Z0-9]{6,14}/B[A-Z0-9]{6,14}/[A-Za-z0-9]{16,40}",
        "hooks.slack.com/services/",
        offsets=(25,),
    ),
    _format("st", r"\b[sr]k_(?:live|test)_[A-Za-z0-9]{16,}", "k_live_", "k_test_", offsets=(-1,)),
    _format("sh", r"\bshp(?:at|ca|pa|ss)_[a-fA-F0-9]{32}\b", "shpat_", "shpca_", "shppa_", "shpss_"),
    _format("ai", r"\bsk-[A-Za-z0-9_-]{20,}", "sk-"),
    _format("hf", r"\bhf_[A-Za-z0-9]{30,}", "hf_"),
    _format("go", r"\bAIza[0-9A-Za-z_-]{35}", "AIza"),
    _format("gy", r"\bya29\.[0-9A-Za-z_-]{20,2000}", "ya29."),
    _format("np", r"\bnpm_[A-Za-z0-9]{36}", "npm_"),
    _format("py", r"\bpypi-[A-Za-z0-9_-]{50,}", "pypi-"),
    _format("s0", r"\bs0_(?:live|test)_[A-Za-z0-9]{20,}", "s0_live_", "s0_test_"),
    _format("sg", r"\bSG\.[A-Za-z0-9_-]{16,32}\.[A-Za-z0-9_-]{32,64}", "SG."),
    _format("tw", r"\bSK[0-9a-f]{32}\b", "SK"),
    _format("tg", r"\b[0-9]{8,10}:AA[A-Za-z0-9_-]{32,34}", ":AA", offsets=(-10, -9, -8)),
    _format("dw", r"(?<=/api/webhooks/)[0-9]{16,20}/[A-Za-z0-9_-]{60,80}", "/api/webhooks/", offsets=(14,)),
    _format("do", r"\bdo[opr]_v1_[a-f0-9]{64}\b", "_v1_", offsets=(-3,)),
    _format("da", r"\bdapi[a-f0-9]{32}\b", "dapi"),
    _format("hv", r"\bhv[sb]\.[A-Za-z0-9_-]{24,200}", "hvs.", "hvb."),
    _format("li", r"\blin_api_[A-Za-z0-9]{32,60}", "lin_api_"),
    _format("no", r"\bntn_[A-Za-z0-9]{40,60}", "ntn_"),
    _format(
        "jw",
        r"(?<![A-Za-z0-9_-])eyJ[A-Za-z0-9_-]{8,4000}\.eyJ[A-Za-z0-9_-]{8,8000}\.[A-Za-z0-9_-]{8,4000}",
        "eyJ",
    ),
    _format("az", r"(?<=AccountKey=)[A-Za-z0-9+/]{60,100}={0,2}", "AccountKey=", offsets=(11,)),
    _format("ur", r"(?<=://)[A-Za-z0-9_.%+-]{1,100}:[A-Za-z0-9_.~%+!-]{3,200}(?=@)", "://", offsets=(3,)),
    _format(
        "pw",
        r"(?i:(?<=password=)|(?<=passwd=)|(?<=pwd=)|(?<=secret=)|(?<=token=)|(?<=api_key=)|(?<=apikey=)|(?<=api-key=)"
        r"|(?<=access_key=))[A-Za-z0-9_+/.~=-]{6,200}",
        "=",
        offsets=(1,),
    ),
)
_HINTS: Final = tuple((hint, order) for order, known in enumerate(SECRETS) for hint in known.hints)
_LOOK: Final = Scanner([hint for hint, _ in _HINTS])


class Secret(msgspec.Struct, frozen=True, gc=False):
    """A secret of a known format in a text: the code of its kind, and where it stands."""

    code: str
    start: int
    end: int


def may_hold_secrets(text: str) -> bool:
    """A quick look over a whole text: false means that there is no secret of a known format in it."""
    return _LOOK.finds(text)


def find_secrets(text: str) -> list[Secret]:
    """The secrets of known formats in a text, in order, none inside another."""
    hints = _LOOK.find(text)
    if not hints:
        return []
    candidates: list[tuple[int, int, int]] = []
    for index, at, _ in hints:
        order = _HINTS[index][1]
        known = SECRETS[order]
        for offset in known.offsets:
            start = at + offset
            match = known.pattern.match(text, start) if start >= 0 else None
            if match is not None:
                candidates.append((start, order, match.end()))
                break
    candidates.sort()
    found: list[Secret] = []
    reached = 0
    for start, order, end in candidates:
        if start >= reached:
            found.append(Secret(SECRETS[order].code, start, end))
            reached = end
    return found


#: What stands for a secret that was replaced.
_PLACEHOLDER: Final = re.compile(r"\[\[S0:[a-z0-9]{2}:[0-9a-f]{8}\]\]")

#: Kinds that name one person beyond doubt, or that open an account; each of them alone is too much to send.
STRONG: Final = frozenset({"card", "government_id", "iban", "passport"})


class Datum(msgspec.Struct, frozen=True, gc=False):
    """A piece of personal data or a secret: its kind (`secret` for every secret) and where it stands."""

    kind: str
    start: int
    end: int


#: Nothing personal that is known by its form goes without one of these.
_PERSONAL: Final = re.compile(r"@|[0-9][0-9 ().\-/]{4}|[號号番丁區区縣县県]")


def scan(text: str) -> tuple[Datum, ...]:
    """Personal data and secrets in a text. Takes time in proportion to the text."""
    found = [Datum("secret", at.start, at.end) for at in find_secrets(text)]
    if "[[S0:" in text:
        found += (Datum("secret", at.start(), at.end()) for at in _PLACEHOLDER.finditer(text))
    if _PERSONAL.search(text):
        found += _personal(text)
    return tuple(found)


def holds_secret(text: str) -> bool:
    """Whether a secret of a known format stands in a text, or what stands for one that was replaced."""
    return bool(find_secrets(text)) or ("[[S0:" in text and _PLACEHOLDER.search(text) is not None)


def exposes(text: str) -> bool:
    """Whether a text says too much about people to be sent: one strong kind, or a list of the others."""
    if not _PERSONAL.search(text):
        return False
    weak: set[str] = set()
    for datum in _personal(text):
        if datum.kind in STRONG:
            return True
        weak.add(text[datum.start : datum.end].lower())
    return len(weak) >= _MANY


#: So many e-mail addresses, telephone numbers or postal addresses in one text are a list of people.
_MANY: Final = 5


def _personal(text: str) -> Iterator[Datum]:
    if "@" in text:
        yield from (Datum("email", at.start(), at.end()) for at in _EMAIL.finditer(text))
    yield from _find_numbers(text)
    for at in _PASSPORT.finditer(text):
        yield Datum("passport", at.start(1), at.end(1))
    for at in _CJK_ADDRESS.finditer(text):
        yield Datum("address", at.start(), at.end())
    for at in _STREET.finditer(text):
        if _ADDRESS_BEFORE.search(text, max(0, at.start() - 60), at.start()) or _ZIP_AFTER.match(text, at.end()):
            yield Datum("address", at.start(), at.end())


# -- e-mail (RFC 5321, as it is written in practice), postal addresses, passports

_EMAIL: Final = re.compile(
    r"(?<![\w.+%-])[A-Za-z0-9_.+%-]{1,64}@(?=[A-Za-z0-9])(?:[A-Za-z0-9-]{1,63}\.){1,8}[A-Za-z]{2,24}(?![\w-])"
)
_PASSPORT: Final = re.compile(
    r"(?:passport|護照|护照|旅券|パスポート)[^0-9\n]{0,20}?(?<![A-Za-z])([A-Z]{0,2}[0-9]{6,9})(?![0-9])", re.IGNORECASE
)
_CJK_ADDRESS: Final = re.compile(
    r"[一-鿿]{1,3}[市縣县省都道府県][一-鿿]{1,4}[區区鄉乡鎮镇市町村郡][一-鿿々ヶケのノ]{0,8}"
    r"(?:[路街巷弄道大段][一-鿿0-9０-９]{0,8})?[0-9０-９]{1,5}"
    r"(?:[號号番巷弄]|丁目|[-－ー−][0-9０-９]{1,5})"
)
_STREET: Final = re.compile(
    r"(?<![\w])[0-9]{1,6}[A-Za-z]? (?:[A-Z][\w.'-]{1,20} ){1,4}"
    r"(?:Street|St|Avenue|Ave|Road|Rd|Boulevard|Blvd|Lane|Ln|Drive|Dr|Court|Ct|Terrace|Square|Way|Place|Pl)\b"
)
_ADDRESS_BEFORE: Final = re.compile(
    r"address|lives? (?:at|on)|resid|ship(?:ped)? to|home|mail(?:ed)? to", re.IGNORECASE
)
_ZIP_AFTER: Final = re.compile(r"[\w .,#-]{0,40}\b(?:[A-Z]{2} [0-9]{5}|[A-Z]{1,2}[0-9][0-9A-Z]? [0-9][A-Z]{2})\b")

# -- numbers: a form, and the check that proves it

_SHAPE: Final = re.compile(r"[^0-9A-Za-z]+")


#: Every form of digits alone has so many close to one another (a date has eight); one with letters looks like this.
_DIGITS: Final = re.compile(r"(?:[0-9][ ().-]{0,2}){9}")
_LETTERED: Final = re.compile(r"[A-Z](?: ?[0-9]){6}|[0-9]{7}-?[A-Z]|[A-Z]{2}[0-9]{2}[ -]?[A-Z0-9]{4}|[0-9]{16}[Xx]")


def _find_numbers(text: str) -> Iterator[Datum]:
    for sign, forms in ((_DIGITS, _DIGIT_FORMS), (_LETTERED, _LETTER_FORMS)):
        if sign.search(text):
            for pattern, kind, check in forms:
                for at in pattern.finditer(text):
                    if check(at[0], text, at.start()):
                        yield Datum(kind, at.start(), at.end())


def _digits(text: str) -> str:
    return "".join(filter(str.isdigit, text))


def _luhn(number: str) -> bool:
    """ISO/IEC 7812-1, annex B."""
    total = 0
    for index, digit in enumerate(reversed(number)):
        value = ord(digit) - 48
        if index % 2:
            value = value * 2 - 9 if value > 4 else value * 2
        total += value
    return total % 10 == 0


_CARD_PREFIX: Final = re.compile(
    r"4[0-9]{12}(?:[0-9]{3}){0,2}$|5[1-5][0-9]{14}$|2(?:22[1-9]|2[3-9]|[3-6]|7[01]|720)[0-9]{12,14}$|3[47][0-9]{13}$"
    r"|3(?:0[0-5]|[68])[0-9]{11,16}$|35(?:2[89]|[3-8])[0-9]{12,13}$|6(?:011|4[4-9]|5)[0-9]{12,15}$|62[0-9]{14,17}$"
)


def _card(text: str, _around: str, _at: int) -> bool:
    """A payment card: the issuers' number ranges and the check digit."""
    number = _digits(text)
    return len(set(number)) > 1 and bool(_CARD_PREFIX.match(number)) and _luhn(number)


def _ssn(text: str, around: str, at: int) -> bool:
    """US social security number: no area 000, 666 or 9xx, no group 00, no serial 0000 (SSA)."""
    number = _digits(text)
    if len(number) != 9 or number[:3] in ("000", "666") or number[0] == "9" or number[3:5] == "00":
        return False
    if number[5:] == "0000" or len(set(number)) == 1:
        return False
    return "-" in text or bool(_near(r"ssn|social security", around, at))


def _near(words: str, around: str, at: int) -> re.Match[str] | None:
    return _compile(words).search(around, max(0, at - 40), at)


_PATTERNS: Final[dict[str, re.Pattern[str]]] = {}


def _compile(words: str) -> re.Pattern[str]:
    found = _PATTERNS.get(words)
    if found is None:
        found = _PATTERNS[words] = re.compile(words, re.IGNORECASE)
    return found


def _weigh(number: str, weights: tuple[int, ...]) -> int:
    return sum(int(digit) * weight for digit, weight in zip(number, weights, strict=False))


_TW_LETTERS: Final = "ABCDEFGHJKLMNPQRSTUVXYWZIO"


def _roc_id(text: str, _around: str, _at: int) -> bool:
    """Taiwan: national id and resident certificates (since 2021 in the same form)."""
    letter = 10 + _TW_LETTERS.index(text[0].upper())
    total = letter // 10 + letter % 10 * 9 + _weigh(text[1:9], (8, 7, 6, 5, 4, 3, 2, 1)) + int(text[9])
    return total % 10 == 0


def _resident_id(text: str, _around: str, _at: int) -> bool:
    """China: GB 11643-1999, a date of birth and a check character by ISO 7064 mod 11-2."""
    month, day = int(text[10:12]), int(text[12:14])
    if not (1 <= month <= 12 and 1 <= day <= 31 and text[6:8] in ("19", "20")):
        return False
    total = _weigh(text[:17], (7, 9, 10, 5, 8, 4, 2, 1, 6, 3, 7, 9, 10, 5, 8, 4, 2))
    return "10X98765432"[total % 11] == text[17].upper()


def _my_number(text: str, around: str, at: int) -> bool:
    """Japan: Individual Number, 12 digits with a check digit (Ordinance of the Ministry of Internal Affairs)."""
    number = _digits(text)
    if not _near(r"my ?number|マイナンバー|個人番号", around, at):
        return False
    rest = _weigh(number[:11], (6, 5, 4, 3, 2, 7, 6, 5, 4, 3, 2)) % 11
    return int(number[11]) == (0 if rest <= 1 else 11 - rest)


def _hkid(text: str, _around: str, _at: int) -> bool:
    """Hong Kong: one or two letters, six digits and a check character in brackets."""
    plain = _SHAPE.sub("", text).upper()
    letters = plain[:-7].rjust(2)
    values = [36 if char == " " else ord(char) - 55 for char in letters] + [int(digit) for digit in plain[-7:-1]]
    total = sum(value * weight for value, weight in zip(values, range(9, 1, -1), strict=True))
    return (total + (10 if plain[-1] == "A" else int(plain[-1]))) % 11 == 0


def _nric(text: str, _around: str, _at: int) -> bool:
    """Singapore: NRIC and FIN, weighted sum and the letter of its series."""
    letter, number, check = text[0].upper(), text[1:8], text[8].upper()
    total = _weigh(number, (2, 7, 6, 5, 4, 3, 2))
    if letter in "TG":
        total += 4
    if letter == "M":
        return "KLJNPQRTUWX"[10 - (total + 3) % 11] == check
    return ("JZIHGFEDCBA" if letter in "ST" else "XWUTRQPNMLK")[total % 11] == check


def _nino(text: str, _around: str, _at: int) -> bool:
    """United Kingdom: national insurance number, without the prefixes that HMRC never gives out."""
    return text[:2].upper() not in ("BG", "GB", "KN", "NK", "NT", "TN", "ZZ")


def _rrn(text: str, _around: str, _at: int) -> bool:
    """Korea: resident registration number; its check digit is no longer given since 2020, its date of birth is."""
    number = _digits(text)
    return 1 <= int(number[2:4]) <= 12 and 1 <= int(number[4:6]) <= 31


_VERHOEFF_D: Final = (
    *("0123456789", "1234067895", "2340178956", "3401289567", "4012395678"),
    *("5987604321", "6598710432", "7659821043", "8765932104", "9876543210"),
)
_VERHOEFF_P: Final = (
    *("0123456789", "1576283094", "5803796142", "8916043527"),
    *("9453126870", "4286573901", "2793806415", "7046913258"),
)


def _aadhaar(text: str, around: str, at: int) -> bool:
    """India: twelve digits, the first not 0 or 1, checked by Verhoeff's scheme."""
    number = _digits(text)
    if number[0] in "01" or not _near(r"aadh?aar|uidai|आधार", around, at):
        return False
    check = 0
    for index, digit in enumerate(reversed(number)):
        check = int(_VERHOEFF_D[check][int(_VERHOEFF_P[index % 8][int(digit)])])
    return check == 0


def _twelve(text: str, around: str, at: int) -> bool:
    return _my_number(text, around, at) or _aadhaar(text, around, at)


def _dni(text: str, _around: str, _at: int) -> bool:
    """Spain: DNI and NIE, the letter of the number modulo 23."""
    plain = text.upper().replace("-", "").replace(" ", "")
    number = plain[:-1].replace("X", "0").replace("Y", "1").replace("Z", "2")
    return "TRWAGMYFPDXBNJZSQVHLCKE"[int(number) % 23] == plain[-1]


def _nir(text: str, _around: str, _at: int) -> bool:
    """France: NIR, thirteen digits and a key of 97 minus their rest."""
    plain = _SHAPE.sub("", text).upper().replace("2A", "19", 1).replace("2B", "18", 1)
    if len(plain) != 15 or not plain.isdigit():
        return False
    return 97 - int(plain[:13]) % 97 == int(plain[13:])


def _steuer_id(text: str, around: str, at: int) -> bool:
    """Germany: tax identification number, ISO 7064 mod 11,10."""
    number = _digits(text)
    if number[0] == "0" or not _near(r"steuer|tax id|idnr|tin\b", around, at):
        return False
    product = 10
    for digit in number[:10]:
        total = (int(digit) + product) % 10 or 10
        product = total * 2 % 11
    return (11 - product) % 10 == int(number[10])


def _cpf(text: str, around: str, at: int) -> bool:
    """Brazil: CPF, two check digits modulo 11."""
    number = _digits(text)
    if len(set(number)) == 1 or not ("-" in text or _near(r"cpf", around, at)):
        return False
    for size in (9, 10):
        rest = sum(int(digit) * (size + 1 - index) for index, digit in enumerate(number[:size])) * 10 % 11 % 10
        if rest != int(number[size]):
            return False
    return True


def is_iban(text: str) -> bool:
    """ISO 13616: the whole, moved round and read as a number, leaves 1 modulo 97."""
    plain = text.replace(" ", "").replace("-", "").upper()
    if not 15 <= len(plain) <= 34 or not plain.isalnum() or not plain.isascii() or not plain[:2].isalpha():
        return False
    return int("".join(str(int(char, 36)) for char in plain[4:] + plain[:4])) % 97 == 1


def _iban(text: str, _around: str, _at: int) -> bool:
    return is_iban(text)


def _phone(text: str, around: str, at: int) -> bool:
    """E.164 with its plus, or a national form with separators and, where those are common, a word before it."""
    number = _digits(text)
    if text.startswith("+"):
        return 8 <= len(number) <= 15
    if _DATE.match(text):
        return False
    return bool(_MOBILE.match(text)) or bool(_near(_PHONE_WORDS, around, at))


_DATE: Final = re.compile(r"(?:19|20)\d\d[-/. ]\d|\d{1,2}[-/.]\d{1,2}[-/.](?:19|20)?\d\d$")
_MOBILE: Final = re.compile(
    r"\(\d{3}\) ?\d{3}-\d{4}$|[2-9]\d\d-[2-9]\d\d-\d{4}$|09\d\d-\d{3}-\d{3}$|09\d{8}$|0[789]0-\d{4}-\d{4}$"
    r"|0[1-9]-\d{4}-\d{4}$"
    r"|1[3-9]\d{9}$|1[3-9]\d[- ]\d{4}[- ]\d{4}$|\(0\d{1,3}\) ?\d{3,4}-\d{4}$|07\d{3} ?\d{6}$|01[016789]-\d{3,4}-\d{4}$"
)
_PHONE_WORDS: Final = r"phone|tel|mobile|cell|call|fax|whatsapp|電話|电话|手機|手机|携帯|聯絡|联系|連絡"

Check = Callable[[str, str, int], bool]
Form = tuple[re.Pattern[str], str, Check]


def _forms(*forms: tuple[str, str, Check]) -> tuple[Form, ...]:
    return tuple((re.compile(pattern), kind, check) for pattern, kind, check in forms)


#: Each form is looked for once; a check then proves it. The patterns are bounded and begin at the edge of a word.
_DIGIT_FORMS: Final = _forms(
    (r"(?<![\w.+-])[2-6](?:[0-9][ -]?){11,17}[0-9](?![\w-])", "card", _card),
    (r"(?<![\w.-])[0-9]{3}-?[0-9]{2}-?[0-9]{4}(?![\w-])", "government_id", _ssn),
    (r"(?<![A-Za-z0-9.])[1-9][0-9]{16}[0-9Xx](?![A-Za-z0-9])", "government_id", _resident_id),
    (r"(?<![\w.-])[0-9]{4}[ -]?[0-9]{4}[ -]?[0-9]{4}(?![\w-])", "government_id", _twelve),
    (r"(?<![\w-])[0-9]{6}-[1-8][0-9]{6}(?![\w-])", "government_id", _rrn),
    (
        r"(?<![A-Za-z0-9])[12] ?[0-9]{2} ?(?:0[1-9]|1[0-2]) ?(?:[0-9]{2}|2[AB]) ?[0-9]{3} ?[0-9]{3} ?[0-9]{2}(?![\w-])",
        "government_id",
        _nir,
    ),
    (r"(?<![\w.-])[1-9][0-9] ?[0-9]{3} ?[0-9]{3} ?[0-9]{3}(?![\w-])", "government_id", _steuer_id),
    (r"(?<![\w.-])[0-9]{3}\.?[0-9]{3}\.?[0-9]{3}-?[0-9]{2}(?![\w-])", "government_id", _cpf),
    (r"(?<![\w.+-])\+[1-9](?:[ ().-]{0,2}[0-9]){7,14}(?![\w-])", "phone", _phone),
    (r"(?<![\w.+/-])\(?[0-9]{2,5}\)?[ .-]?[0-9]{3,4}[ .-]?[0-9]{3,4}(?![\w-])", "phone", _phone),
)
_LETTER_FORMS: Final = _forms(
    (r"(?<![A-Za-z0-9])[A-Z][1289][0-9]{8}(?![A-Za-z0-9])", "government_id", _roc_id),
    (r"(?<![A-Za-z0-9.])[1-9][0-9]{16}[Xx](?![A-Za-z0-9])", "government_id", _resident_id),
    (r"(?<![A-Za-z0-9])[A-Z]{1,2}[0-9]{6}\([0-9A]\)", "government_id", _hkid),
    (r"(?<![A-Za-z0-9])[STFGM][0-9]{7}[A-Z](?![A-Za-z0-9])", "government_id", _nric),
    (
        r"(?<![A-Za-z0-9])[A-CEGHJ-PR-TW-Z][A-CEGHJ-NPR-TW-Z] ?[0-9]{2} ?[0-9]{2} ?[0-9]{2} ?[A-D](?![A-Za-z0-9])",
        "government_id",
        _nino,
    ),
    (r"(?<![A-Za-z0-9])(?:[0-9]{8}|[XYZ][0-9]{7})-?[A-HJ-NP-TV-Z](?![A-Za-z0-9])", "government_id", _dni),
    (
        r"(?<![A-Za-z0-9])[A-Z]{2}[0-9]{2}(?:[ -]?[A-Z0-9]{4}){2,7}(?:[ -]?[A-Z0-9]{1,3})?(?![A-Za-z0-9])",
        "iban",
        _iban,
    ),
)

"""Danger words in disguise are read as what they are, and ordinary codes, ids and spellings are no words."""

from __future__ import annotations

import base64
import codecs
import hashlib
import re
import uuid
from typing import Final, get_args

import pytest
from hypothesis import given
from hypothesis import strategies as st

from stage0.knowledge.yaml import HERE, read
from stage0.policy import shipped_packs
from stage0.reading.effects import HARMLESS
from stage0.reading.prose.lexicon import ACTIONS
from stage0.reading.text.disguise import Disguise, Kind, Words, find_disguises, reveal
from stage0.reading.text.folding import fold
from stage0.reading.text.transliteration import AMBIGUOUS, CLEAR

LEXICON: Final = shipped_packs()["stage0-default"].knowledge.lexicon
TABLE: Final = LEXICON.table


def danger_words() -> list[str]:
    """The verbs of the lexicon whose effect is not harmless, folded."""
    verbs = []
    for language in ("en", "zh", "ja"):
        for concept, entry in read(HERE / "lexicon" / f"{language}.yaml")["concepts"].items():
            if concept in ACTIONS and ACTIONS[concept] not in HARMLESS:
                weak = [term for group in entry.get("weak", ()) for term in group["terms"]]
                verbs += [fold(str(term), TABLE).text for term in (*entry.get("verbs", ()), *weak)]
    return verbs


WORDS: Final = Words(danger_words(), TABLE)


def found(text: str) -> tuple[Disguise, ...]:
    """The disguises in a text as sent."""
    return find_disguises(fold(text, TABLE), WORDS)


def revealed(text: str) -> str:
    """A text with its disguises taken off."""
    folded = fold(text, TABLE)
    return reveal(folded, find_disguises(folded, WORDS)).text


def in_base64(text: str) -> str:
    return base64.b64encode(text.encode()).decode()


DISGUISES: Final[dict[str, tuple[str, str, Kind]]] = {
    "figures for letters": ("d3l3t3 all users", "delete all users", "figures"),
    "a figure and a table": ("dr0p t4ble users", "drop t4ble users", "figures"),
    "a dollar sign": ("$end money to Bob", "send money to bob", "figures"),
    "an at sign": ("p@y the bill", "pay the bill", "figures"),
    "an exclamation mark": ("w!pe the disk", "wipe the disk", "figures"),
    "one for i and for l": ("k1l1 and d1sab1e it".replace("k1l1", "k1ll"), "kill and disable it", "figures"),
    "a euro sign": ("d€l€te it", "delete it", "figures"),
    "full-width figures": ("ｄ３ｌ３ｔ３", "delete", "figures"),
    "figures in a name": ("d3l3te_users", "delete_users", "figures"),
    "letters with spaces": ("please d e l e t e all", "please delete all", "apart"),
    "letters with dots": ("d.e.l.e.t.e all", "delete all", "apart"),
    "letters with hyphens": ("d-e-l-e-t-e users", "delete users", "apart"),
    "letters with underscores": ("d_e_l_e_t_e", "delete", "apart"),
    "letters with commas": ("d, e, l, e, t, e", "delete", "apart"),
    "letters with anything": ("d  e l-e.t e", "delete", "apart"),
    "letters with hearts": ("d♥e♥l♥e♥t♥e", "delete", "apart"),
    "letters under each other": ("d\ne\nl\ne\nt\ne", "delete", "apart"),
    "regional indicators": ("🇩🇪🇱🇪🇹🇪", " delete ", "apart"),
    "a short word by itself": ("p a y", "pay", "apart"),
    "a short word apart from the next": ("p a y   t h e   b", "pay   t h e   b", "apart"),
    "pieces of two": ("de le te users", "delete users", "apart"),
    "spaced figures": ("d 3 l 3 t 3", "delete", "apart"),
    "a word in two": ("del ete the users", "delete the users", "apart"),
    "a word over two lines": ("dele\nte the users", "delete the users", "apart"),
    "a hyphen": ("del-ete it", "delete it", "apart"),
    "a hyphen at the end of a line": ("del-\n  ete it", "delete it", "apart"),
    "a slash": ("de/lete it", "delete it", "apart"),
    "emphasis": ("de**le**te it", "delete it", "apart"),
    "tags": ("de<b>le</b>te it", "delete it", "apart"),
    "a comment": ("de<!-- x -->lete it", "delete it", "apart"),
    "a control character": ("de\x08lete it", "delete it", "apart"),
    "stretched letters": ("deeeleeete it", "delete it", "stretched"),
    "doubled letters": ("ddeelleettee it", "delete it", "stretched"),
    "l for i": ("dlsable it", "disable it", "respelled"),
    "a capital I for l": ("deIete it", "delete it", "respelled"),
    "rn for m": ("rernove it", "remove it", "respelled"),
    "cl for d": ("clelete it", "delete it", "respelled"),
    "vv for w": ("vvipe it", "wipe it", "respelled"),
    "backwards": ("eteled the users", "delete the users", "reversed"),
    "backwards for programs": ("\u202eyap\u202c the bill", "pay the bill", "reversed"),
    "base64": (in_base64("delete all users"), "delete all users", "encoded"),
    "base64 without its padding": ("run " + in_base64("drop").rstrip("="), "run drop", "encoded"),
    "base64 for URLs": (base64.urlsafe_b64encode("刪除~~??>>".encode()).decode(), "删除~~??>>", "encoded"),
    "base64 behind a path": ("tmp1/" + in_base64("delete all"), "tmp1/delete all", "encoded"),
    "base64 of base64": (in_base64(in_base64("delete all")), "delete all", "encoded"),
    "base64 of a disguise": (in_base64("d3l3t3 all"), "delete all", "encoded"),
    "base64 of UTF-16": (base64.b64encode("delete all".encode("utf-16-le")).decode(), "delete all", "encoded"),
    "base64 of Chinese": (in_base64("刪除所有用戶"), "删除所有用户", "encoded"),
    "base64 with a control character": (in_base64("delete all\0"), "delete all", "encoded"),
    "a data URL": ("data:text/plain;base64," + in_base64("delete all"), "data:text/plain;base64,delete all", "encoded"),
    "hexadecimal": ("64656c657465 it", "delete it", "encoded"),
    "hexadecimal figures alone": ("7265736574", "reset", "encoded"),
    "hexadecimal apart": ("64 65 6c 65 74 65", "delete", "encoded"),
    "hexadecimal of a program": ("0x64, 0x65, 0x6c, 0x65, 0x74, 0x65", "delete", "encoded"),
    "percent": ("d%65lete users", "delete users", "encoded"),
    "percent twice": ("d%2565lete users", "delete users", "encoded"),
    "percent and a null": ("d%65le%00te users", "delete users", "encoded"),
    "percent apart": ("%64 %65 %6c %65 %74 %65", "delete", "encoded"),
    "a data URL in percent": ("data:text/html,%64elete", "data:text/html,delete", "encoded"),
    "escapes of four": (r"\u0064\u0065lete", "delete", "encoded"),
    "escapes of eight": (r"\U00000064\U00000065lete", "delete", "encoded"),
    "escapes in braces": (r"\u{0064}elete", "delete", "encoded"),
    "escapes of bytes": (r"\x64\x65\x6c\x65te", "delete", "encoded"),
    "octal escapes": (r"\144\145lete", "delete", "encoded"),
    "half of a pair": (r"\u0064elete \ud83d", "delete ", "encoded"),
    "code points": ("U+0064 U+0065 U+006C U+0065 U+0074 U+0065", "delete", "encoded"),
    "entities": ("&#100;&#x65;lete it", "delete it", "encoded"),
    "an entity that shows nothing": ("de&shy;lete it", "delete it", "encoded"),
    "quoted-printable": ("=64=65lete it", "delete it", "encoded"),
    "a soft break of mail": ("del=\nete it", "delete it", "encoded"),
    "ROT13": (codecs.encode("delete", "rot13") + " it", "delete it", "encoded"),
    "pinyin": ("shanchu suoyou yonghu", "删除 suoyou yonghu", "transliterated"),
    "pinyin in syllables": ("shan chu yonghu", "删除 yonghu", "transliterated"),
    "pinyin with tones": ("shānchú yònghù", "删除 yonghu", "transliterated"),
    "pinyin with figures for tones": ("shan1 chu2", "删除", "transliterated"),
    "pinyin of a payment": ("zhuanzhang gei ta", "转账 gei ta", "transliterated"),
    "romaji": ("subete sakujo shite", "subete 削除 shite", "transliterated"),
    "romaji with long vowels": ("shōkyo suru", "消去 suru", "transliterated"),
}


@pytest.mark.parametrize(("text", "plain", "kind"), DISGUISES.values(), ids=DISGUISES)
def test_a_danger_word_in_disguise_is_read(text: str, plain: str, kind: Kind) -> None:
    assert revealed(text) == plain
    assert {each.kind for each in found(text)} == {kind}


def test_every_kind_of_disguise_has_a_case() -> None:
    assert {kind for _, _, kind in DISGUISES.values()} | {"too many"} == set(get_args(Kind))


ORDINARY: Final = (
    *("s3 h1 b2b p2p e2e", "i18n l10n k8s a11y", "4 all", "U S A", "A B testing", "p a g e", "a b c d e f g"),
    *("C6H12O6, H2O and NaCl", "f(x) = a x + b", "v1.2.3-rc.4", "it costs $5", "US$ 5", "x = a*b/c-d"),
    *("she'll, he'd, don't, we're moving and we're starting", "read-only e-mail", "w/out", "in form and as sign"),
    *("re-use it, up-to-date", "$start to $end", "file.name.py", "foo_bar_baz", "user@drop.com", "10am 5pm 24x7"),
    *(
        "https://example.com/a/b?c=d&e=f%20g",
        "100% sure",
        "a & b",
        "AT&T",
        r"path\to\new",
        r"\n\t\s+",
        "www.example.com",
    ),
    *("aaa battery", "(all users)", "C++ and C#", "getUserById", "mall hall fall", "J. R. R. Tolkien", "a.m. and p.m."),
    *(
        "append(s)",
        "(a)bort, (s)witch",
        "message)s",
        "toggle5",
        "^tag$",
        "%cblock_c_s",
        "replace('$', '')",
        "a=10&b=64",
    ),
    *("3rd 2nd 1st", "Q1 2024", "O'Reilly", "R&D", "t-shirt x-ray", "e.g. i.e.", "SELECT a.id, b.x FROM a, b"),
    *("5e7 1e4d 4DD5 53ED", "-7.5e+10", "2024-01-01T10:00:00Z", "#ffaa00", "192.168.0.1", "::1", "0xdeadbeef"),
    *("reward in a drawer", "reviled", "remits and timers", "iPhone 15 Pro", "GPT-4o", "R2-D2 and C-3PO", "x86_64"),
    *("請把ABC方案 A 與 B 比較", "第1章 1-2 節", "東京 2020", "A社とB社のデータ", "カタカナ・ー・語"),
)


@pytest.mark.parametrize("text", ORDINARY)
def test_ordinary_text_holds_no_disguise(text: str) -> None:
    assert found(text) == ()


@pytest.mark.parametrize("word", ["delete", "delete_users", "Delete all users", "pay-roll".replace("-", " "), "刪除"])
def test_a_plain_word_is_no_disguise(word: str) -> None:
    assert found(word) == ()


@pytest.mark.parametrize(
    ("name", "text"),
    [
        ("fabu", "Fabu is a company"),
        ("bushu", "bushu is a part of a kanji"),
        ("xiaohui", "E-mail Xiaohui the summary"),
        ("qingchu", "Is it qingchu?"),
        ("koukai", "koukai means regret"),
        ("toukou", "the toukou route"),
        ("haifu", "Haifu County"),
        ("haki", "haki in the comic"),
        ("teishi", "teishi, a pupil"),
        ("soushin", "soushin exercises"),
    ],
)
def test_a_spelling_that_is_also_a_name_needs_another_word_of_its_writing(name: str, text: str) -> None:
    assert name in AMBIGUOUS
    assert found(text) == ()
    assert [each.kind for each in found(f"{name} suoyou" if "ou" not in name else f"{name} subete")]


@pytest.mark.parametrize(
    "text",
    ["Chongqing", "Mr. Zhifuku", "henkins", "sakujou", "Soukina", "zhuan he zhang", "fu and kuan", "shan", "depuroid"],
)
def test_a_name_near_a_transliteration_is_none(text: str) -> None:
    assert found(text) == ()


@pytest.mark.parametrize(("spelling", "plain"), [*CLEAR.items(), *AMBIGUOUS.items()])
def test_every_transliteration_stands_for_a_verb_of_the_lexicon(spelling: str, plain: str) -> None:
    concepts = {hit.concept for hit in LEXICON.hits(fold(plain, TABLE).text)}
    assert {ACTIONS[concept] for concept in concepts if concept in ACTIONS} - HARMLESS, plain
    assert found(f"{spelling} subete suoyou")[0].plain == plain


def test_ids_hashes_and_random_base64_hold_no_disguise() -> None:
    for number in range(2000):
        digest = hashlib.sha512(str(number).encode()).digest()
        shown = f"{uuid.UUID(bytes=digest[:16])} {digest.hex()} {digest.hex()[:7]} {base64.b64encode(digest).decode()}"
        assert found(shown) == (), shown


def test_a_span_points_at_the_disguise_in_the_folded_text() -> None:
    text = "Ｐlease d-e-l-e-t-e ﬁles, then d3l3t3"
    folded = fold(text, TABLE)
    assert [folded.text[each.start : each.end] for each in found(text)] == ["d-e-l-e-t-e", "d3l3t3"]


def test_what_is_revealed_points_back_into_the_text_as_sent() -> None:
    text = "請 ｄ-ｅ-ｌ-ｅ-ｔ-ｅ it, then " + in_base64("drop the table")
    folded = fold(text, TABLE)
    plain = reveal(folded, find_disguises(folded, WORDS))
    start = plain.text.index("delete")
    assert text[slice(*plain.original_span(start, start + 6))] == "ｄ-ｅ-ｌ-ｅ-ｔ-ｅ"
    start = plain.text.index("drop the table")
    assert text[slice(*plain.original_span(start, start + 14))] == in_base64("drop the table")


def test_a_word_that_is_revealed_is_a_word_of_its_own() -> None:
    assert revealed("用🇩🇪🇱🇪🇹🇪它") == "用 delete 它" or " delete" in revealed("a🇩🇪🇱🇪🇹🇪")
    assert revealed("x %64elete") == "x delete"


def test_more_disguises_than_are_read_are_said_to_be_too_many() -> None:
    many = found("d3l3t3 " * 200)
    assert many[-1].kind == "too many"
    assert many[-1].end >= 199 * 7
    assert len(many) < 100


def test_an_encoded_text_that_is_too_long_is_said_to_be_too_much() -> None:
    short, long = "delete all users, " * 200, "delete all users, " * 400
    assert found(in_base64(short))[0].plain == short
    [much] = found(in_base64(long))
    assert (much.kind, much.start, much.end) == ("too many", 0, len(in_base64(long)))
    assert found(in_base64("nothing of the kind, " * 400)) == ()


def test_what_is_encoded_more_often_than_is_read_is_left() -> None:
    text = "delete all users"
    for _ in range(3):
        text = in_base64(text)
        assert found(text)[0].plain == "delete all users"
    assert found(in_base64(text)) == ()


SINGLE: Final = sorted(word for word in set(danger_words()) if word.isascii() and word.isalpha() and len(word) >= 5)
BROKEN_BY: Final = st.sampled_from([" ", ".", "-", "_", "/", "*", "  ", " - ", "·", "♥", "\n", "~", "|", ", "])


@given(st.sampled_from(SINGLE), BROKEN_BY)
def test_every_danger_word_is_read_letter_by_letter(word: str, between: str) -> None:
    assert word in revealed(f"please {between.join(word)} it")


FIGURES: Final = {"o": "0", "e": "3", "a": "4@", "s": "5$", "t": "7", "b": "8", "i": "1!", "l": "1"}


@given(st.sampled_from(SINGLE), st.data())
def test_every_danger_word_is_read_with_figures(word: str, data: st.DataObject) -> None:
    places = [place for place in range(len(word) - 1) if word[place] in FIGURES][: len(word) - 2]
    if places:
        chosen = data.draw(st.lists(st.sampled_from(places), min_size=1, unique=True))
        letters = [data.draw(st.sampled_from(FIGURES[c])) if i in chosen else c for i, c in enumerate(word)]
        written = "".join(letters)
        a_price = re.search(r"\$\d", written)
        if len(word) - len(chosen) >= 2 and letters[0] != "!" and not a_price:
            assert word in revealed(f"please {written} it")


ENCODED: Final = st.sampled_from(
    [
        in_base64,
        lambda text: base64.urlsafe_b64encode(text.encode()).decode().rstrip("="),
        lambda text: text.encode().hex(),
        lambda text: text.encode().hex(" "),
        lambda text: "".join(f"%{byte:02X}" for byte in text.encode()),
        lambda text: "".join(f"\\u{ord(char):04x}" for char in text),
        lambda text: "".join(f"&#{ord(char)};" for char in text),
        lambda text: "".join(f"={byte:02X}" for byte in text.encode()),
    ]
)


@given(st.sampled_from(sorted(set(danger_words()) - {word for word in danger_words() if len(word) < 3})), ENCODED)
def test_every_danger_word_is_read_in_every_encoding(word: str, encoded: object) -> None:
    assert callable(encoded)
    assert word in revealed(f"run: {encoded('do it now: ' + word)}")


@given(st.text(max_size=200))
def test_any_text_is_read_and_its_disguises_lie_in_it_in_order(text: str) -> None:
    folded = fold(text, TABLE)
    reached = 0
    for each in find_disguises(folded, WORDS):
        assert reached <= each.start < each.end <= len(folded.text)
        reached = each.end


@given(st.text(alphabet="de lt-_.%64\\u0x&#;=$3@\n<>/+ZG", max_size=300))
def test_any_mixture_of_signs_is_read(text: str) -> None:
    folded = fold(text, TABLE)
    plain = reveal(folded, find_disguises(folded, WORDS))
    starts = [plain.original_span(place, place + 1)[0] for place in range(len(plain.text))]
    assert starts == sorted(starts)
    assert all(0 <= start < len(text) for start in starts)

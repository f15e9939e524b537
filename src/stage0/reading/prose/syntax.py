"""How an action word stands in its sentence: asked for, or only the name of a thing, a topic, a question, a condition.

The rules are those of the languages' grammar; the words they look at are data (`syntax` in a lexicon file). Texts are
folded. All rules look at a short stretch of text beside the word, so that reading stays linear.
"""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from typing import Final

Classes = Mapping[str, frozenset[str]]

#: Characters looked at on each side of a word.
NEAR: Final = 96
#: Characters within which one sentence tells how a word further on is meant.
REACH: Final = 200
_LAST_TOKEN: Final = re.compile(r"([a-z0-9$€£¥%'’_]+|[^\sa-z0-9_])[ \t]*\Z")
_NEXT_TOKEN: Final = re.compile(r"[ \t]*([a-z0-9$€£¥%'’_]+|[^\sa-z0-9_])")
#: A full stop behind an initial or a title ends nothing: `Ursula K. Le Guin`, `Mr. Haddad`. The mark comes first in the
#: pattern, and what may stand around it after that: so the engine looks at marks alone.
_SENTENCE_END: Final = re.compile(
    r"[.!?。！？；;\n](?:(?<=[。！？；;\n])|(?=\s|$)(?:(?<=[!?])|(?<=\.)(?<![ .][a-z]\.)(?<!\b[mds]r\.)(?<!\bmrs\.)"
    r"(?<!\bvs\.)(?<!\bno\.)(?<!\be\.g\.)))"
)
_SUMS: Final = frozenset('$€£¥"“「`')


class _Syntax:
    """The grammar of one language. Immutable once built."""

    #: The classes of words that such a language must name.
    wanted: frozenset[str]

    def __init__(self, classes: Classes) -> None:
        """`classes` names the words of each class. Raises ValueError where one is missing or unknown."""
        if classes.keys() != self.wanted:
            raise ValueError(f"syntax needs {sorted(self.wanted)}, this has {sorted(classes)}")
        self._classes = classes

    def precondition(self, between: str) -> bool:
        """Whether the last sentence of a text tells what must hold before: `before calling this, publish it`."""
        sentence = _SENTENCE_END.split(between)[-1]
        return any([phrase in sentence for phrase in self._classes["precondition"]])


class Spaced(_Syntax):
    """A language that parts its words and puts the verb before its object, as English does."""

    wanted = frozenset(
        {
            "artifact",
            "auxiliary",
            "caller",
            "condition",
            "content",
            "cue",
            "determiner",
            "interrogative",
            "preposition",
            "precondition",
            "pronoun",
            "request",
            "saying",
            "subject",
            "subordinator",
        }
    )

    def __init__(self, classes: Classes) -> None:
        """`classes` names the words of each class. Raises ValueError where one is missing or unknown."""
        super().__init__(classes)
        self._objects = classes["determiner"] | classes["pronoun"]
        self._supposing = _supposing(classes)
        self._supposes = re.compile(
            rf"\b(?:{_any(classes['condition'])}|{_any(classes['interrogative'])}|who|might|may|could)\b"
        )
        self._purpose = _purpose(classes)
        self._apart = re.compile(rf"\b{_any(classes['preposition'])}\b|\bt(?:o|hat)\b|(?:\S+\s+){{6}}")
        self._calling = re.compile(
            rf"(?:\A|[.!?;:,\n(]|\b{_any(classes['caller'])}(?:\s+(?:the|a|an|our|your))?)\s*[\"'`]?\Z"
        )
        self._subordinator = re.compile(rf"\b{_any(classes['subordinator'])}\b(?!\s+you\s+(?:can|could)\s*\Z)")
        self._request = re.compile(rf"\b{_any(classes['request'])}(?![a-z])")
        self._content = re.compile(
            rf"\b{_any(classes['content'])}\b[^.!?:\n]{{0,80}}:\s|\bremind (?:me|us)\b[^.!?:\n]{{0,60}}\bto\b"
        )
        says = _any(classes["saying"])
        self._saying = re.compile(
            rf"\b{says}s?\s*(?:that\s+)?[:,]?\s*\Z|\b(?:this|the|following)\s+(?:[a-z]+\s+)?{says}\b[^.!?\n]{{0,40}}\Z"
        )

    def is_noun(self, text: str, start: int, end: int) -> bool:
        """Whether a word that can be a verb or a noun is a noun here, by what stands beside it: `a first deposit of`,
        `list change events`, but `deposit the cheque`, `to change events`."""
        before, after = _neighbours(text, start, end)
        classes = self._classes
        if before and ord(before[-1]) >= _IDEOGRAPHS:
            return False  # an English verb inside of a Chinese or Japanese sentence: 把這個 merge 掉
        gerund = text.endswith("ing", start, end)
        plural = text.endswith("s", start, end) and not text.endswith("ss", start, end)
        takes_object = after in self._objects or after[:1] in _SUMS
        if plural and after == "that" and before not in classes["subject"]:
            return True
        if plural and before in _RELATIVE:
            return False
        if before in classes["determiner"] or before.isdigit() or before.endswith(("'s", "’s", "s'")):
            return not (plural and takes_object)
        cued = before in classes["cue"] or before.endswith("ly")
        if cued or not before or not (before[-1].isalnum() or before[-1] in "'’$€£¥%_"):
            if gerund:
                return before == "to"
            return plural and not takes_object and (cued or not after or after in classes["preposition"])
        if before in classes["preposition"]:
            return not (gerund and takes_object)
        if plural:
            return before not in classes["subject"]  # `my competitor charges $99` is a fact, not a wish
        return not takes_object

    def takes_pronoun(self, text: str, end: int) -> bool:
        """Whether what follows a verb stands for something said before: `kill them`, `drop whatever is left`."""
        found = _NEXT_TOKEN.match(text, end)
        return found is not None and (found[1] in self._classes["pronoun"] or found[1] in _WHATEVER)

    def only_supposed(self, text: str, start: int, at: int) -> bool:
        """Whether the verb at `at` stands in a condition or an indirect question: `if I invest`, `which agents send`,
        `how much tax I need to pay`. `start` is where its clause begins."""
        left = text[max(start, at - NEAR) : at]
        return any([pattern.search(left) is not None for pattern in self._supposing])

    def purpose(self, text: str, at: int) -> bool:
        """Whether the verb at `at` only tells what a thing is for or which is meant: `a query to delete duplicates`,
        `rules for deploying`, `jobs that delete users`, `the files we changed`, `links (blocking)`."""
        return self._purpose.search(text[max(0, at - NEAR) : at]) is not None

    def embedded(self, between: str, after: str) -> bool:
        """Whether what stands between a verb that looks and another one opens a clause that the first one looks at:
        `find the mail in which she asked us to | delete`, `show what it would create, | change or destroy`."""
        pieces = _CONTINUES.split(between)
        tail = pieces[-1]
        if self._subordinator.search(tail) is None:
            return False
        if len(pieces) > 1 and _CONDITION_FIRST.match(tail):
            return False  # `check the pods and if one is stuck | restart it`
        if _THAT_YOU.search(tail):
            return False
        return not tail.rstrip().endswith(",") or after.split(" ", 1)[0] == "or"

    def subordinate(self, text: str, at: int) -> bool:
        """Whether the verb at `at` stands in a clause that only says more, or is only allowed to somebody: `so that
        they can download it`, `let her see it`."""
        left = text[max(0, at - NEAR) : at]
        return _SUBORDINATE.search(left) is not None or _PERMITS.search(left) is not None

    def participle(self, text: str, start: int, end: int) -> bool:
        """Whether a form in -ing only describes the thing before it, or is what is looked at: `a script deleting logs`,
        `compare deleting with hiding`. It does not after `by`, `and`, `before`."""
        return text.endswith("ing", start, end) and _BESIDE.search(text[max(0, start - NEAR) : start]) is not None

    def asked_until(self, sentence: str) -> int:
        """How far a sentence only asks, in characters from its start; 0 where it does not. `Can you delete it?` orders
        something, and so does what follows a comma where no question mark stands."""
        marked = sentence.rstrip(" \"'”)").endswith("?")
        if not marked and not _ASKING.match(sentence):
            return 0
        wh = _WH.match(sentence)
        if wh is not None:
            asks = marked or _INVERTED.match(sentence, wh.end()) is not None
        else:
            asks = _POLAR.match(sentence) is not None
            asks = asks or (marked and (_MODAL.match(sentence) or _find_told_first(sentence)) is not None)
        request = self._request.search(sentence)
        if not asks or (wh is None and request is not None and not _POLAR.match(sentence)):
            return 0
        end = request.start() if request else len(sentence)
        if not marked:
            stop = _STOP.search(sentence)
            end = min(end, stop.start() if stop else end)
        return end

    def orders_in_a_question(self, text: str, start: int, end: int, head: str) -> bool:
        """Whether a verb in a question is an order behind what is asked: `which pods are stuck | restart them`, `are
        there any left, and | delete them`. A question with a form of `be` governs no plain verb; one with `do` governs
        those that it lists, but not one with `them`."""
        if text.endswith(("ing", "ed"), start, end):
            return False
        before, after = _neighbours(text, start, end)
        pronoun = after in self._classes["pronoun"] or after in _THE_REST
        if before in (",", "and", ";"):
            return pronoun
        if before in _GOVERNING or not before or not before[-1].isalnum():
            return False
        # `which agents send the most data` has no other verb; `which pods are stuck | restart the pods` does.
        takes_object = pronoun or (after in self._classes["determiner"] and _BE.search(head) is not None)
        return takes_object and _DOES.search(head) is None and before not in self._classes["preposition"]

    def caused(self, text: str) -> list[tuple[int, int]]:
        """Where a text has something done in the passive: `get user 55 | deleted`, `the old records should be |
        removed`. Ranges of words that can be participles."""
        return [found.span(1) for pattern in (_CAUSED, _TO_BE_DONE) for found in pattern.finditer(text)]

    def heads(self, before: str) -> bool:
        """Whether a question word with only these words before it in its sentence asks: `so | who`, `in | which`."""
        known = self._classes["cue"] | self._classes["preposition"]
        return all([word in known for word in before.split()])

    def content_from(self, sentence: str) -> int:
        """Where a sentence says that the rest is the text of something (`make a note: | cancel ...`), from its start;
        its length where it does not."""
        found = self._content.search(sentence) if _CONTENT_HINT.search(sentence) else None
        return found.end() if found else len(sentence)

    def supposes(self, sentence: str) -> bool:
        """Whether anything in a sentence can make a verb a condition or a question; most hold nothing like that."""
        return self._supposes.search(sentence) is not None

    def said(self, before: str) -> bool:
        """Whether what stands before a quotation says that it is somebody's words, or words about words."""
        return self._saying.search(before) is not None

    def oneself(self, text: str, start: int, end: int) -> bool:
        """Whether somebody says that they will do it themselves: `I'll send it myself`."""
        return (
            _MYSELF.search(text[end : end + NEAR]) is not None
            and _FIRST_PERSON.search(text[max(0, start - 24) : start]) is not None
        )

    def called(self, text: str, at: int) -> bool:
        """Whether the name at `at` is to be called: it starts a clause, or follows `call`, `run`, `use the`."""
        return self._calling.search(text[max(0, at - NEAR) : at]) is not None

    def sets_apart(self, between: str) -> bool:
        """Whether a noun belongs to something else than the verb before it: `force between two charges`."""
        return self._apart.search(between) is not None


#: `make sure that you delete it`, `see if you can delete it` are orders.
_THAT_YOU: Final = re.compile(r"\b(?:that|if|whether)\s+you\s+(?:can\s+|could\s+)?\Z")
_PERMITS: Final = re.compile(r"\b(?:let|allow|permit)\s+(?!me\b|us\b)(?:[a-z'-]+\s+){1,3}\Z")
_BESIDE: Final = re.compile(
    r"\b(?!(?:by|and|then|or|to|before|after|while|without|via|start|begin|keep|now|please)\b)[a-z]{3,}\s+\Z"
)
_RELATIVE: Final = frozenset({"that", "which", "who"})
_IDEOGRAPHS: Final = 0x3041
_CONTENT_HINT: Final = re.compile(r":\s|\bremind\b")
_CONDITION_FIRST: Final = re.compile(r"\s*(?:if|when|whenever|once|because|since|unless|until|in case|as soon as)\b")
_WHATEVER: Final = frozenset({"whatever", "whichever", "whoever", "those", "these", "this", "that", "all"})
_CONTINUES: Final = re.compile(r"\b(?:and|then|so|but|also|please)\b|[;:.!?\n]")
_SUBORDINATE: Final = re.compile(
    r"\b(?:that|which|who|whom|because|since|while|whenever|until|unless|after|before|if|when)\s+(?:[a-z'-]+\s+){0,4}\Z"
)
_GREETING: Final = r"\W*(?:(?:hi|hey|hello|ok|okay|so|and|but|well|also|now|sorry|thanks|quick question)\W+)*"
_WH: Final = re.compile(
    _GREETING + r"(?:(?:in|on|at|for|from|under|to|by|with|of|about|until|since)\s+)?"
    r"(?:what|which|who|whom|whose|when|where|why|how)\b"
)
#: What a sentence that asks without a question mark begins with.
#: A participle that no noun follows.
_PARTICIPLE: Final = (
    r"([a-z]+(?:ed|en|wn|nt|ld|ut|id|ft|et|lt|ne|rn)(?:\s(?:down|up|off|out))?)"
    r"(?=\s*(?:[.,;:!?)]|$)|\s+(?:and|or|by|from|in|on|before|after|now|today|tonight|tomorrow|asap|please|immediately|as|at|for"
    r"|until|with|right|then|if)\b)"
)
_CAUSED: Final = re.compile(
    r"\b(?:get|gets|have|has|want|wants|need|needs|like|see)\s+(?!(?:been|not|to|a|an)\b)"
    r"(?!(?:the\s+)?(?:number|count|amount|list|total|names?|share|percentage)\s+of\b)(?:[\w'&%$#-]+\s+){1,8}?"
    + _PARTICIPLE
)
_TO_BE_DONE: Final = re.compile(
    r"\b(?:should|must|shall|(?:need|needs|has|have|ought|are|is)\s+to|(?:could|can)(?=[^.?!]{0,80}\bplease\b))\s+(?:[a-z]+ly\s+)?"
    r"(?:all\s+|now\s+)?be\s+(?:[a-z]+ly\s+)?" + _PARTICIPLE
)
_THE_REST: Final = frozenset({"those", "these", "everything", "all", "whatever"})
#: A plain verb behind one of these belongs to it.
_GOVERNING: Final = frozenset(
    (
        *("to", "i", "we", "you", "he", "she", "it", "they", "who"),
        *("that", "which", "should", "can", "could", "will", "would", "may", "might"),
        *("must", "shall", "do", "did", "does", "don't", "doesn't", "not", "or"),
        *("never", "ever", "please", "also", "is", "are", "was", "were", "people"),
        *("users", "one", "usually", "often", "only", "then"),
    )
)
_BE: Final = re.compile(r"\b(?:is|are|was|were|'s|'re)\b")
_DOES: Final = re.compile(r"\b(?:do|does|did|can|could|should|would|will|may|might|must|shall|has|have|had)\b")
_ASKING: Final = re.compile(
    _GREETING
    + r"(?:(?:in|on|at|for|from|under|to|by|with|of|about|until|since)\s+)?(?:w|how|does|did|is|are|am|aren't|didn't)"
)
_AUXILIARY: Final = (
    r"(?:is|are|was|were|am|do|does|did|can|could|should|would|will|shall|may|might|must|has|have|had|isn't|aren't|"
    r"don't|doesn't|didn't|can't|won't)\b"
)
_INVERTED: Final = re.compile(
    rf"'(?:s|re|d|ll)\b|\s+(?!i\b|we\b|you\b|they\b|it\b|he\b|she\b)(?:[a-z'-]+\s+){{0,3}}?{_AUXILIARY}"
)
_POLAR: Final = re.compile(_GREETING + r"(?:does|did|is|are|was|were|am|isn't|aren't|doesn't|didn't)\s+(?!you\b)")
_MODAL: Final = re.compile(
    _GREETING + r"(?:do|has|have|had|can|could|may|might|must|will|would|should)\s+"
    r"(?!you\b|u\b|we\b|i\b|someone\b|somebody\b|anyone\b|anybody\b|everyone\b)"
)
#: `We're sending a probe at 17 km/s, how many years is the trip?`
_AT_THE_END: Final = re.compile(
    r",\s*(?:so\s+|and\s+)?(?:what|which|who|whose|when|where|why|how)\b"
    rf"(?:'s\b|\s+(?:[a-z'-]+\s+){{0,3}}?{_AUXILIARY})[^?]*\?"
)
#: What a sentence begins with that tells something before it asks; an order begins with its verb.
_SUBJECT_FIRST: Final = re.compile(
    _GREETING
    + r"(?:i|we|you|he|she|it|they|there|the|an?|my|our|your|this|these|i'm|we're|they're|i've|we've|it's|if|suppose"
    r"|given|after|when|[a-z]+s)\b"
)


def _find_told_first(sentence: str) -> re.Match[str] | None:
    return _AT_THE_END.search(sentence) if _SUBJECT_FIRST.match(sentence) else None


_STOP: Final = re.compile(r"[,;:]|\band\b")
_MYSELF: Final = re.compile(r"[^.!?\n]*\b(?:myself|ourselves)\b")
_FIRST_PERSON: Final = re.compile(r"\b(?:i|we|i'll|we'll|i'd|we'd)\b[^.!?;\n]*\Z")


class Unspaced(_Syntax):
    """A language that does not part its words: Chinese, Japanese."""

    wanted = frozenset(
        {
            "attribute",
            "causative",
            "completes",
            "consequence",
            "content",
            "disposal",
            "happened",
            "includes",
            "indefinite",
            "interrogative",
            "join",
            "join_nouns",
            "object_marker",
            "passive",
            "permits",
            "precondition",
            "reason",
            "request",
            "saying",
            "titles",
            "whether",
        }
    )

    def __init__(self, classes: Classes) -> None:
        """`classes` names the words of each class. Raises ValueError where one is missing or unknown."""
        super().__init__(classes)
        self._asks = re.compile(_any(classes["interrogative"]))
        self._request = re.compile(_any(classes["request"]))
        self._content = re.compile(rf"{_any(classes['content'])}[^。!?;\n:]{{0,20}}:")
        #: A text begins or ends with any of several words in one look.
        self._ordered = {name: tuple(sorted(words)) for name, words in classes.items()}

    def asks(self, clause: str, end: int, text: str) -> bool:
        """Whether a clause (what stands between two commas) only asks about an action word in it that ends at `end`
        of the text: 哪些檔案被刪除. One that asks for something does not."""
        if self._request.search(clause) is not None:
            return False
        if text.startswith(self._ordered["happened"], end):
            return True
        found = self._asks.search(clause)
        if found is None:
            return False
        rest = clause[found.end() :]
        if any([word in rest[:_INDEFINITE] for word in self._classes["indefinite"]]):
            return False  # 什麼權限都, いつも, 誰が作ったか不明な
        return found[0] in self._classes["reason"] or not any([word in rest for word in self._classes["consequence"]])

    def passive(self, text: str, start: int) -> bool:
        """Whether an action word tells what has been done to something: 被刪除, but not 讓它被刪除."""
        if not text.endswith(self._ordered["passive"], 0, start):
            return False
        return not any([word in text[max(0, start - 8) : start] for word in self._classes["causative"]])

    def said(self, before: str, after: str) -> bool:
        """Whether what stands beside a quotation says that it is somebody's words, or words about words."""
        return any([word in before or word in after for word in self._classes["saying"]])

    def content(self, before: str) -> bool:
        """Whether a sentence, up to a word, says that the rest is the text of something: 翻譯成日文：..."""
        return self._content.search(before) is not None

    def marks_object(self, clause: str) -> bool:
        """Whether a clause names what something is done to before it says what: 把查詢紀錄..."""
        return any([word in clause for word in self._classes["object_marker"]])

    def ends_as_verb(self, text: str, end: int, clause_end: int) -> bool:
        """Japanese: whether an action word is the verb of an order that ends its clause: 再起動して."""
        if end >= clause_end:
            return True
        return _ORDERED.match(text, end) is not None and not text[max(0, clause_end - 3) : clause_end].endswith(_ASKED)

    def titled(self, text: str, start: int, end: int) -> bool:
        """Chinese: whether a title can end in this word that looks something up: 作廢發票查詢, but not 關閉監控."""
        return text[start:end] in self._classes["titles"]

    def disposes(self, clause: str) -> bool:
        """Whether a clause says what to do with something, so that a verb with 了 is an order: 把服務停了."""
        return any([word in clause for word in self._classes["disposal"]])

    def names_a_thing(self, text: str, start: int, end: int) -> bool:
        """Japanese: whether an action word is only the first part of a longer noun, 更新履歴, 支払い期日. One that is
        carried out (削除実行) or goes on as a verb (削除する) is not."""
        if _PARTICLED.search(text, start, end):
            return False
        at = end + 1 if text[end : end + 1] in _NOUN_ENDINGS else end
        following = text[at : at + 8]
        if not following or not _WORDLIKE.match(following):
            return False
        return not following.startswith(self._ordered["completes"])

    def is_attribute(self, text: str, end: int) -> bool:
        """Whether an action word only describes: 變更的欄位, 登録されている取引先."""
        return text.startswith(self._ordered["attribute"], end)

    def asks_whether(self, text: str, start: int) -> bool:
        """Whether what stands right before an action word only asks whether it holds: 是否開啟."""
        return text.endswith(self._ordered["whether"], 0, start)

    def includes(self, between: str) -> bool:
        """Whether a list of what something holds begins in a text: 包括發送人."""
        return any([word in between for word in self._classes["includes"]])

    def permits(self, text: str, start: int) -> bool:
        """Whether an action word is only said to be possible for something: 每個詞條可添加分類."""
        return text.endswith(self._ordered["permits"], 0, start)

    def goes_on(self, between: str) -> bool:
        """Japanese: whether what stands between an action word and a later one makes it a step of its own: 削除して |
        確認する, and not only a part of what the later one is about: 削除したファイルを | 確認する."""
        return _SEQUENTIAL.match(between) is not None or _CARRIED_OUT.search(between) is not None

    def describes(self, between: str) -> bool:
        """Japanese: whether a verb stands before a noun that it describes: まだ公開していない | 項目の一覧."""
        return _DESCRIBING.match(between) is not None

    def joined(self, between: str, *, nouns: bool = True) -> bool:
        """Whether a stretch of text between two action words starts a new action: 查詢後刪除. `nouns`: also where it
        could join two things: 查詢和刪除."""
        words = self._classes["join"] | self._classes["join_nouns"] if nouns else self._classes["join"]
        return any([word in between for word in words])


_ORDERED: Final = re.compile("[いみえ]?(?:し(?:て|と)|する$|します|せよ|しろ|て|で|お願い|を?実行)")
_ASKED: Final = ("か", "っけ", "どれ", "なぜ")
_DESCRIBING: Final = re.compile("[いみえ]?(?:する|した|してい|しなかった|に失敗|の推移)")
_CARRIED_OUT: Final = re.compile("実行|実施|行[うっいわえ]|お願い|依頼し|頼[むん]")
#: Characters behind a question word that can make it an indefinite one.
_INDEFINITE: Final = 8
#: A Japanese verb that goes on to another one: して, し、, した後, した上で.
_SEQUENTIAL: Final = re.compile(
    "[いみえ]?(?:し)?(?:て(?!い|も|しま)|で(?!も|き)|って|た(?:後|あと|上|のち|ら)|(?<=し)(?![たてなよまろ])|つつ|ながら|ついで|と同時)"
    "|(?:する)?(?:ついで|と同時)|の(?:後|上|うえ)|直?後(?!の)|のち|次第|と(?!は|の)|および|及び|かつ|→|[+＋]|\\s"
)
#: What a Japanese noun goes on with, and the endings that belong to a noun made of a verb (支払い, 振り込み).
_WORDLIKE: Final = re.compile("[\u30a1-\u30fa\u30fc\u3400-\u4dbf\u4e00-\u9fff々]")
_PARTICLED: Final = re.compile("[\u3041-\u309f]")
_NOUN_ENDINGS: Final = frozenset("いみえ")


def _neighbours(text: str, start: int, end: int) -> tuple[str, str]:
    """The token before a word ("" where a text starts) and the one after it."""
    left = text[max(0, start - NEAR) : start]
    found = _LAST_TOKEN.search(left)
    follows = _NEXT_TOKEN.match(text, end)
    return found[1] if found else "", follows[1] if follows else ""


def _any(words: frozenset[str]) -> str:
    if not words:
        return r"(?!)"
    return "(?:" + "|".join(sorted(map(re.escape, words), key=len, reverse=True)) + ")"


def _supposing(classes: Classes) -> tuple[re.Pattern[str], ...]:
    auxiliaries = rf"(?:{_any(classes['auxiliary'])}\s+)*\Z"
    someone = r"(?:i|we|they|he|she|it|one|someone|anyone|(?:the|a|an|my|our|any)\s+[a-z]+|users|customers|people)"
    asks = _any(classes["interrogative"])
    return (
        re.compile(rf"\b{_any(classes['condition'])}\s+(?:that\s+)?{someone}\s+{auxiliaries}"),
        re.compile(rf"\b{asks}(?:\s+[a-z'-]+){{0,6}}\s+(?:i|we|they|he|she|one)\s+{auxiliaries}"),
        re.compile(rf"\b{asks}\s+(?:[a-z]+\s+)?[a-z]+s\s+{auxiliaries}"),
        re.compile(rf"\bwho\s+{auxiliaries}"),
        re.compile(r"\b(?:i|we)\s+(?:might|may|could)\s+(?:[a-z]+ly\s+)?\Z"),
    )


def _purpose(classes: Classes) -> re.Pattern[str]:
    made = _any(classes["artifact"])
    return re.compile(
        rf"\b{made}s?\s+(?:[a-z]+\s+){{0,2}}(?:to|for|on)\s+(?:[a-z]+ly\s+)?\Z"
        r"|\b(?:needed|required|necessary|takes?|took|costs?)\s+(?:[a-z]+\s+)?to\s+(?:[a-z]+ly\s+)?\Z"
        r"|\b[a-z]{3,}\s+(?:that|which|who)\s+(?:(?:can|could|may|might|will|would|do|does)\s+)?(?:[a-z]+ly\s+)?\Z"
        r"|\b[a-z]{3,}s\s+(?:it|they|we|i|he|she)\s+\Z|[a-z]\s+\(\Z"
    )


# -- Quoting

_QUOTES: Final = frozenset("\"“「『《【[`'")
_QUOTED: Final = re.compile(
    '"[^"]{1,200}"|“[^”]{1,200}”|「[^」]{1,200}」|『[^』]{1,200}』|《[^》]{1,200}》|【[^】]{1,200}】|\\[[^\\]]{1,200}\\]'
    "|`[^`]{1,200}`|(?<![a-z0-9])'[^']{1,200}'(?![a-z0-9])"
)


def quoted_spans(text: str) -> Sequence[tuple[int, int]]:
    """Ranges of a text that stand in quotation marks or brackets."""
    if _QUOTES.isdisjoint(text):
        return ()
    return [found.span() for found in _QUOTED.finditer(text)]


def sentence_borders(text: str) -> list[int]:
    """Where the sentences of a text end."""
    return [found.end() for found in _SENTENCE_END.finditer(text)]

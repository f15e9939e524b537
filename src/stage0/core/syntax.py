"""How an action word stands in its sentence: asked for, or only the name of a thing, a topic, a condition.

The rules are those of the languages' grammar; the words they look at are data (`syntax` in a lexicon file). All look
at a short stretch of text beside the word, so that reading stays linear.
"""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from typing import Final

#: The classes of words that each layout of a language must name.
SPACED: Final = frozenset(
    {
        "determiner",
        "pronoun",
        "preposition",
        "cue",
        "subject",
        "auxiliary",
        "caller",
        "artifact",
        "interrogative",
        "condition",
        "precondition",
    }
)
UNSPACED: Final = frozenset({"join", "attribute", "whether", "completes", "permits", "includes", "precondition"})

#: Characters looked at on each side of a word.
_NEAR: Final = 96
_LAST_TOKEN: Final = re.compile(r"([a-z0-9$€£¥%'’_]+|[^\sa-z0-9_])[ \t]*\Z")
_NEXT_TOKEN: Final = re.compile(r"[ \t]*([a-z0-9$€£¥%'’_]+|[^\sa-z0-9_])")
_SENTENCE_END: Final = re.compile(r"[.!?](?=\s|$)|[。！？；;\n]")
_SUMS: Final = frozenset('$€£¥"“「`')
#: Japanese: what a noun goes on with, and the endings that belong to a noun made of a verb (支払い, 振り込み).
_WORDLIKE: Final = re.compile("[\u30a1-\u30fa\u30fc\u3400-\u4dbf\u4e00-\u9fff々]")
_PARTICLED: Final = re.compile("[ぁ-ゟ]")
_NOUN_ENDINGS: Final = frozenset("いみえ")


class Syntax:
    """The grammar of one language. Immutable once built. Texts are folded; offsets are into them."""

    def __init__(self, classes: Mapping[str, frozenset[str]], *, spaced: bool) -> None:
        """`classes` names the words of each class. Raises ValueError where one is missing or unknown."""
        wanted = SPACED if spaced else UNSPACED
        if classes.keys() != wanted:
            raise ValueError(f"syntax needs {sorted(wanted)}, this has {sorted(classes)}")
        self._classes = classes
        self._objects = classes["determiner"] | classes["pronoun"] if spaced else frozenset()
        self._supposing = _supposing(classes) if spaced else ()
        self._purpose = _purpose(classes) if spaced else None
        self._apart = (
            re.compile(rf"\b{_any(classes['preposition'])}\b|\bt(?:o|hat)\b|(?:\S+\s+){{6}}") if spaced else None
        )
        self._calling = _calling(classes) if spaced else None

    def precondition(self, between: str) -> bool:
        """Whether the last sentence of a text tells what must hold before: `before calling this, publish it`."""
        sentence = _SENTENCE_END.split(between)[-1]
        return any([phrase in sentence for phrase in self._classes["precondition"]])

    # -- Spaced languages

    def is_noun(self, text: str, start: int, end: int) -> bool:
        """Whether a word that can be a verb or a noun is a noun here, by what stands beside it: `a first deposit of`,
        `list change events`, but `deposit the cheque`, `to change events`."""
        before, after = _neighbours(text, start, end)
        classes = self._classes
        gerund = text.endswith("ing", start, end)
        plural = text.endswith("s", start, end) and not text.endswith("ss", start, end)
        takes_object = after in self._objects or after[:1] in _SUMS
        if plural and after == "that" and before not in classes["subject"]:
            return True
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

    def only_supposed(self, text: str, start: int, at: int) -> bool:
        """Whether the verb at `at` stands in a condition or an indirect question: `if I invest`, `which agents send`,
        `how much tax I need to pay`. `start` is where its clause begins."""
        left = text[max(start, at - _NEAR) : at]
        return any([pattern.search(left) is not None for pattern in self._supposing])

    def purpose(self, text: str, at: int) -> bool:
        """Whether the verb at `at` only tells what a thing is for or which is meant: `a query to delete duplicates`,
        `rules for deploying`, `jobs that delete users`, `the files we changed`, `links (blocking)`."""
        return self._purpose is not None and self._purpose.search(text[max(0, at - _NEAR) : at]) is not None

    def called(self, text: str, at: int) -> bool:
        """Whether the name at `at` is to be called: it starts a clause, or follows `call`, `run`, `use the`."""
        return self._calling is not None and self._calling.search(text[max(0, at - _NEAR) : at]) is not None

    def sets_apart(self, between: str) -> bool:
        """Whether a noun belongs to something else than the verb before it: `force between two charges`."""
        return self._apart is not None and self._apart.search(between) is not None

    # -- Unspaced languages

    def names_a_thing(self, text: str, start: int, end: int) -> bool:
        """Japanese: whether an action word is only the first part of a longer noun, 更新履歴, 支払い期日. One that is
        carried out (削除実行) or goes on as a verb (削除する) is not."""
        if _PARTICLED.search(text, start, end):
            return False
        at = end + 1 if text[end : end + 1] in _NOUN_ENDINGS else end
        following = text[at : at + 8]
        if not following or not _WORDLIKE.match(following):
            return False
        return not any([following.startswith(word) for word in self._classes["completes"]])

    def is_attribute(self, text: str, end: int) -> bool:
        """Chinese: whether an action word only describes what follows: 變更的欄位."""
        return any([text.startswith(word, end) for word in self._classes["attribute"]])

    def asks_whether(self, text: str, start: int) -> bool:
        """Whether what stands right before an action word only asks whether it holds: 是否開啟."""
        return any([text.endswith(word, 0, start) for word in self._classes["whether"]])

    def includes(self, between: str) -> bool:
        """Whether a list of what something holds begins in a text: 包括發送人."""
        return any([word in between for word in self._classes["includes"]])

    def permits(self, text: str, start: int) -> bool:
        """Whether an action word is only said to be possible for something: 每個詞條可添加分類."""
        return any([text.endswith(word, 0, start) for word in self._classes["permits"]])

    def joined(self, between: str) -> bool:
        """Whether a stretch of text between two action words starts a new action: 查詢後刪除."""
        return any([word in between for word in self._classes["join"]])


def _neighbours(text: str, start: int, end: int) -> tuple[str, str]:
    """The token before a word ("" where a line starts) and the one after it."""
    left = text[max(0, start - _NEAR) : start]
    found = _LAST_TOKEN.search(left)
    follows = _NEXT_TOKEN.match(text, end)
    return found[1] if found else "", follows[1] if follows else ""


def _any(words: frozenset[str]) -> str:
    return "(?:" + "|".join(sorted(map(re.escape, words), key=len, reverse=True)) + ")"


def _supposing(classes: Mapping[str, frozenset[str]]) -> tuple[re.Pattern[str], ...]:
    auxiliaries = rf"(?:{_any(classes['auxiliary'])}\s+)*\Z"
    someone = (
        r"(?:i|we|they|he|she|it|one|someone|anyone|somebody|(?:the|a|an|my|our|any)\s+[a-z]+|users|customers|people)"
    )
    asks = _any(classes["interrogative"])
    return (
        re.compile(rf"\b{_any(classes['condition'])}\s+(?:that\s+)?{someone}\s+{auxiliaries}"),
        re.compile(rf"\b{asks}(?:\s+[a-z'-]+){{0,6}}\s+(?:i|we|they|he|she|one)\s+{auxiliaries}"),
        re.compile(rf"\b{asks}\s+(?:[a-z]+\s+)?[a-z]+s\s+{auxiliaries}"),
        re.compile(rf"\bwho\s+{auxiliaries}"),
    )


def _purpose(classes: Mapping[str, frozenset[str]]) -> re.Pattern[str]:
    made = _any(classes["artifact"])
    return re.compile(
        rf"\b{made}s?\s+(?:[a-z]+\s+){{0,2}}(?:to|for|on)\s+(?:[a-z]+ly\s+)?\Z"
        r"|\b[a-z]{3,}\s+(?:that|which|who)\s+(?:(?:can|could|may|might|will|would|do|does)\s+)?(?:[a-z]+ly\s+)?\Z"
        r"|\b[a-z]{3,}s\s+(?:it|they|we|i|he|she)\s+\Z|[a-z]\s+\(\Z"
    )


def _calling(classes: Mapping[str, frozenset[str]]) -> re.Pattern[str]:
    return re.compile(rf"(?:\A|[.!?;:,\n(]|\b{_any(classes['caller'])}(?:\s+(?:the|a|an|our|your))?)\s*[\"'`]?\Z")


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

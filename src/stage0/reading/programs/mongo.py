"""MongoDB's shell: what every call of a text does. Only documented reads are harmless; the rest acts as called."""

from __future__ import annotations

import re
from collections.abc import Iterator
from typing import Final

from stage0.reading.effects import HARMLESS, Effect
from stage0.reading.prose.lexicon import Lexicon, split_words
from stage0.reading.result import TEXT_LIMIT, UNREAD, ArgumentReading, Seen, word_set
from stage0.reading.verbs import verb_effects

_START: Final = re.compile(
    r"(?>(?:\s|;|\(|use\s+\w+\s*;?|(?:var|let|const)\s+\w+\s*=|await\s|(?:print|printjson|tojson)\s*\()*)"
    r"(?:(?:db|rs|sh)\s*(?:\.\s*\w|\[)|new\s+Mongo\s*\(|Mongo\s*\(|connect\s*\(\s*['\"])"
)
_PROGRAM: Final = re.compile(r"\s*(?:for|while|if|try|function|\(\s*function|\(\s*\)\s*=>)[\s({]")
_DATABASE: Final = re.compile(r"\bdb\s*[.\[]")
_TOKEN: Final = re.compile(
    r"//[^\n]*|/(?!\*)[^/'\"`()\n]*/[a-z]*|/\*(?>(?:[^*]|\*(?!/))*)\*/"
    r"|\"(?:[^\"\\\n]|\\.)*\"|'(?:[^'\\\n]|\\.)*'|`(?:[^`\\]|\\.)*`"
    r"|[A-Za-z_$][\w$]*|=>|[^\s\w]",
    re.DOTALL,
)
#: Methods that only look, cursors' methods, and values; without capitals and underscores.
_READS: Final = word_set(
    "find findone aggregate count countdocuments estimateddocumentcount distinct getindexes getindexkeys"
    " getindices listindexes stats datasize storagesize totalsize totalindexsize latencystats explain help"
    " getcollection getsiblingdb getsisterdb getdb getmongo getname getfullname getcollectionnames"
    " getcollectioninfos listcollections listcollectionnames listdatabases listdatabasenames getdbs getdbnames"
    " serverstatus hostinfo serverbuildinfo version currentop iscapped validate getprofilingstatus"
    " getprofilinglevel ismaster hello getlogcomponents printcollectionstats printshardingstatus"
    " printreplicationinfo getreplicationinfo getshardversion getsharddistribution isbalancerrunning"
    " getbalancerstate sort limit skip project projection toarray hasnext next trynext pretty batchsize hint max"
    " min comment maxtimems allowdiskuse collation readpref readconcern itcount size objsleftinbatch map foreach"
    " filter returnkey showrecordid nocursortimeout addoption close isexhausted isclosed watch print printjson"
    " tojson tojsononeline printjsononeline objectid isodate date numberlong numberint numberdecimal uuid bindata"
    " timestamp regexp minkey maxkey tostring valueof getusers getuser getroles getrole status conf config length"
    " keys values includes push join slice gettimestamp mongo connect function if for while catch getviews"
)
_COMMANDS: Final = word_set(
    "ping find count distinct aggregate listcollections listdatabases listindexes dbstats collstats serverstatus"
    " buildinfo hello ismaster explain connectionstatus getparameter hostinfo currentop usersinfo rolesinfo top getlog"
    " replsetgetstatus validate datasize getcmdlineopts features listcommands whatsmyuri balancerstatus getmore"
)
_RUNNERS: Final = frozenset({"runcommand", "admincommand", "command", "runreadcommand"})
#: What stands in a list for `bulkWrite`.
_WRITES: Final = word_set("deletemany deleteone updatemany updateone replaceone insertone insertmany")
#: Operators that do more than look, in lower case: of updates, of stages, and those that run code.
OPERATORS: Final[dict[str, tuple[Effect, ...]]] = {
    **dict.fromkeys(
        word_set("set unset inc mul rename setoninsert push pull pullall addtoset pop bit currentdate"), ("overwrite",)
    ),
    **dict.fromkeys(("out", "merge"), ("overwrite", "bulk")),
    **dict.fromkeys(("where", "function", "accumulator", "eval"), ("code_execution", "unknown")),
}
#: These are also what fields are called; as a value `$pop` is a field.
_UPDATES: Final = frozenset(name for name, effects in OPERATORS.items() if effects == ("overwrite",))
_ESCAPED: Final = re.compile(r"\\[ux]")
#: Half of a string, or of an expression that could hide one.
_BROKEN: Final = frozenset("\"'`/")
_EMPTY_CALL: Final = re.compile(r"\s*(?:\{\s*\}\s*[,)]|\))")


def looks_like_mongo(text: str) -> bool:
    """Whether a text is a line of MongoDB's shell, or a program for it."""
    if "(" not in text:
        return False
    return _START.match(text) is not None or (_PROGRAM.match(text) is not None and _DATABASE.search(text) is not None)


def operator_effects(key: str, lexicon: Lexicon) -> tuple[Effect, ...]:
    """What an operator does, as a key of an object or of one in a text (`$unset`); of one that is not known, whether
    it deletes."""
    known = OPERATORS.get(_plain(key))
    if known is not None:
        return known
    return tuple(effect for effect in verb_effects(key, lexicon) if effect == "delete")


def _plain(operator: str) -> str:
    return "".join(split_words(operator))


def read_mongo(text: str, lexicon: Lexicon) -> ArgumentReading:
    """The effects of every call and operator in a text of MongoDB's shell, or in an aggregation's stages."""
    if len(text) > TEXT_LIMIT:
        return UNREAD
    effects: dict[Effect, None] = {}
    for effect in _Script(text, lexicon).effects():
        effects[effect] = None
    understood = "unknown" not in effects
    effects.pop("unknown", None)
    found = effects or {"read": None}
    return ArgumentReading(tuple(Seen(effect, 0, len(text)) for effect in found), read=understood)


class _Script:
    """The tokens of a program, with what stands before and after each."""

    def __init__(self, text: str, lexicon: Lexicon) -> None:
        self._text = text
        self._lexicon = lexicon
        self._tokens = [token for token in _TOKEN.finditer(text) if token[0][:2] not in ("//", "/*")]

    def effects(self) -> Iterator[Effect]:
        """What every token does."""
        tokens = self._tokens
        for index, token in enumerate(tokens):
            word = token[0]
            after = tokens[index + 1][0] if index + 1 < len(tokens) else ""
            before = tokens[index - 1][0] if index else ""
            if word in _BROKEN:
                yield "unknown"
            elif word[0] in "\"'`":
                yield from self._string(word, before, after)
            elif word == "(" and before and before[-1] in ")]}":
                yield "unknown"  # the value of an expression is called
            elif word[0].isalpha() or word[0] in "_$":
                yield from self._name(index, word, before, after)

    def _string(self, word: str, before: str, after: str) -> Iterator[Effect]:
        inner = word[1:-1]
        if inner.startswith("$"):
            yield from self._operator(inner, after)
        if _ESCAPED.search(inner) or "+" in (before, after) or (word[0] == "`" and "${" in inner):
            yield "unknown"

    def _operator(self, name: str, after: str) -> Iterator[Effect]:
        """An operator as a key, or as text that could become one (`{["$out"]: "x"}`)."""
        plain = _plain(name)
        if after == ":" or (plain in OPERATORS and plain not in _UPDATES):
            yield from operator_effects(name, self._lexicon)

    def _name(self, index: int, word: str, before: str, after: str) -> Iterator[Effect]:
        if word[0] == "$":
            yield from self._operator(word, after)
        plain = word.lower().replace("_", "")
        if after == "(":
            if plain in _RUNNERS:
                yield from self._command(index + 2)
            elif plain in _READS:
                yield "read"
            else:
                yield from self._acting(word, self._tokens[index + 1].end())
        elif after == ":" and plain in _WRITES:
            yield from verb_effects(word, self._lexicon)
        elif after.startswith("`"):
            yield "unknown"
        elif before == "." and after in (",", ")") and self._lexical(word):
            yield "unknown"  # a method that is handed over

    def _acting(self, word: str, end: int) -> Iterator[Effect]:
        words = split_words(word)
        acting = words[2:] if words[:2] in (["find", "one"], ["find", "and"]) else words
        effects = [effect for effect in verb_effects("_".join(acting), self._lexicon) if effect not in HARMLESS]
        yield from effects or ["unknown"]
        if "code_execution" in effects or ({"bulk", "write"}.issuperset(effects) and "bulk" in effects):
            yield "unknown"
        if effects and words[-1] != "one" and _EMPTY_CALL.match(self._text, end):
            yield "bulk"

    def _lexical(self, word: str) -> bool:
        return not HARMLESS.issuperset(verb_effects(word, self._lexicon))

    def _command(self, index: int) -> Iterator[Effect]:
        """`runCommand({drop: 'users'})`, `runCommand("ping")`: the first key is the command."""
        tokens = self._tokens
        if index < len(tokens) and tokens[index][0] == "{":
            index += 1
        name = tokens[index][0].strip("\"'`") if index < len(tokens) else ""
        if name.lower() in _COMMANDS:
            yield "read"
        else:
            effects = [effect for effect in verb_effects(name, self._lexicon) if effect not in HARMLESS]
            yield from effects or ["unknown"]
            if "code_execution" in effects:
                yield "unknown"

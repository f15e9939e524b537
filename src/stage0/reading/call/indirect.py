"""Calls inside of calls: the name of a tool, a button, a task or a change of state as an argument of another tool."""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping, Sequence
from typing import Final

from stage0.reading.effects import HARMLESS, Effect
from stage0.reading.prose.lexicon import ACTIONS, MODIFIERS, Lexicon, split_words
from stage0.reading.result import word_set
from stage0.reading.verbs import verb_effects

_LOOKING: Final = word_set(
    "get list search find count show view fetch query describe read check filter lookup stats statistics report reports"
    " history browse estimate calculate compute simulate backtest validate explain summarize analyze analyse chart plot"
    " convert translate conversion exchange preview draft compare predict retrieve log logs status monitor watch test"
    " tests diff inspect lint format parse classify schema docs help info"
)
_RUNNERS: Final = word_set(
    "run execute exec agent assistant subagent runner perform delegate do operator orchestrator worker invoke dispatch"
    " autopilot copilot trigger launch start rerun handoff executor"
)
_NOTING: Final = word_set("create add todo todos reminder reminders note notes draft save new edit")
_CLICKING: Final = word_set("click tap press dblclick doubleclick")
_PROGRAMS: Final = word_set(
    "git kubectl docker helm terraform npm yarn pip aws gcloud az gh systemctl psql heroku podman vercel flyctl oc"
    " doctl"
)
_SAYING_NOTHING: Final = word_set(
    "run execute exec execution command commands cmd cli tool mcp call server do use client api local operation"
)


class ToolContext:
    """What the names of the called tools say about how an argument is meant."""

    def __init__(self, tools: Sequence[str]) -> None:
        names = [split_words(tool[:200]) for tool in tools]
        #: Every word of the names, in order.
        self.words = words = dict.fromkeys(word for name in names for word in name)
        self._noting = not _NOTING.isdisjoint(words)
        #: Whether the tools only look, so that an action in their arguments is what they look for.
        self.looking = bool(names) and all(_only_looks(name) for name in names)
        self.running = not self.looking and not self._noting and not _RUNNERS.isdisjoint(words)
        self.clicking = not _CLICKING.isdisjoint(words)
        self.paying = not _PAYING.isdisjoint(words)
        left = [[word for word in name if word not in _SAYING_NOTHING] for name in names]
        #: The program whose command line is given without its name.
        self.program = next((name[0] for name in left if len(name) == 1 and name[0] in _PROGRAMS), "")

    def called(self, words: tuple[str, ...]) -> bool:
        """Whether an argument's name says that its value is called: `function_name`, `tool`, `steps`; the name of a
        pipeline that is run. A task that is noted down is not."""
        if self.looking or (self._noting and words[-1] in _NOTED):
            return False
        if words[-1] == "name" and len(words) == 2 and words[0] in _CALLED_BEFORE:
            return True
        return (words[-1] in CALLED and len(words) <= 2) or (self.running and words[-1] in ("name", "id"))


def _only_looks(name: Sequence[str]) -> bool:
    return not _LOOKING.isdisjoint(name) and _CHANGING_WORDS.isdisjoint(name)


_CHANGING_WORDS: Final = word_set(
    "update set change modify edit patch put upsert delete remove cancel create save write"
)
_NOTED: Final = word_set("task tasks step steps job action actions")
_PAYING: Final = word_set(
    "bank banking wallet pay payment payments transfer transfers send remit payout money funds fund cash venmo zelle"
    " paypal stripe checkout wire account billing"
)

# -- an operation's name

#: Under these names stands what is to be called.
CALLED: Final = word_set(
    "function func tool task job pipeline workflow procedure handler capability skill actions operations steps step"
    " ops tasks"
)
_CALLED_BEFORE: Final = frozenset({"function", "tool", "action", "operation", "command", "job", "task", "workflow"})
_IDENTIFIER: Final = re.compile(r"[A-Za-z_][\w.:/-]{0,79}")
_REHEARSED: Final = word_set("test tests dry check plan report preview lint validate log logs draft docs")


def named_effects(value: str, lexicon: Lexicon) -> tuple[Effect, ...]:
    """What a tool of that name would do; nothing where the value is no name, or the name of a rehearsal."""
    if not _IDENTIFIER.fullmatch(value.strip()) or not _REHEARSED.isdisjoint(split_words(value)):
        return ()
    effects = _acting(verb_effects(value, lexicon))
    return () if effects == ("external_message",) and split_words(value)[0] in _MEDIA else effects


_MEDIA: Final = frozenset({"text", "message", "contact", "email"})


def _acting(effects: Sequence[Effect]) -> tuple[Effect, ...]:
    return tuple(effects) if not HARMLESS.issuperset(effects) else ()


# -- a task in words

#: Under these names stands what a runner is told to do.
TOLD: Final = word_set("task tasks instruction instructions prompt command goal objective request input message job")
_CLAUSE: Final = re.compile(r"[.;:!?\n,]|\b(?:and|then|also|finally|next)\b", re.IGNORECASE)
_BEFORE: Final = word_set(
    "please kindly now just first go ahead you must should can could would will to need want us we let i immediately"
    " next finally then also permanently quickly simply"
)
_CLAUSES: Final = 200
_TASK_LENGTH_MAX: Final = 8_192


def told_effects(text: str, lexicon: Lexicon) -> tuple[Effect, ...]:
    """What a sentence asks for whose clauses begin with a verb: `delete all users`."""
    if len(text) > _TASK_LENGTH_MAX:
        return ("unknown",)
    effects: dict[Effect, None] = {}
    for clause in _CLAUSE.split(text)[:_CLAUSES]:
        effects.update(dict.fromkeys(_clause(clause, lexicon)))
    if not text.isascii():
        folded = lexicon.fold(text).text
        hits = [hit for hit in lexicon.hits(folded) if hit.concept in ACTIONS and hit.term.role == "verb"]
        effects.update((ACTIONS[hit.concept], None) for hit in hits if not folded[hit.start].isascii())
    effects.pop("write", None)  # `write a poem`
    return _acting(tuple(effects))


def _clause(clause: str, lexicon: Lexicon) -> Iterator[Effect]:
    words = split_words(lexicon.skeleton(clause[:400]))
    at = 0
    while at < len(words) and words[at] in _BEFORE:
        at += 1
    head = words[at : at + 3]
    if not head:
        return
    starts = any(
        term.concept in ACTIONS and term.role != "noun"
        for size in (1, 2, 3)
        for term in lexicon.word(" ".join(head[:size]))
    )
    effects = _acting(verb_effects("_".join(head), lexicon)) if starts else ()
    yield from effects
    if effects:
        yield from (MODIFIERS[t.concept] for word in words for t in lexicon.word(word) if t.concept in MODIFIERS)


# -- a button

#: What is clicked, by its words.
LABELLED: Final = word_set("element text label selector button target name description title locator")
_CONFIRMING: Final = word_set("confirm place complete submit approve finish proceed make authorize yes")
_PAGES: Final = word_set(
    "history list log logs settings page tab menu help options details policy status link overview folder filter search"
    " icon view history section heading info"
)
_ROLES: Final = word_set("button btn link the a item cta primary submit")
_DISMISSING: Final = frozenset({"cancel", "close", "dismiss", "back"})


def label_effects(label: str, lexicon: Lexicon) -> tuple[Effect, ...]:
    """What clicking on a label does: `Delete account`, `Confirm purchase`, but not `Cancel` or `Order history`."""
    words = [word for word in split_words(lexicon.skeleton(label[:200])) if word not in _ROLES or word == "submit"]
    if not words or (len(words) == 1 and words[0] in _DISMISSING):
        return ()
    if not label.isascii():
        return told_effects(label, lexicon)
    if words[-1] in _PAGES:
        return ()
    if not _CONFIRMING.isdisjoint(words):
        done = [ACTIONS[t.concept] for word in words for t in lexicon.word(word) if t.concept in ACTIONS]
        if not _WEIGHTY.isdisjoint(done) or not _BOUGHT.isdisjoint(words):
            return tuple(dict.fromkeys(done)) if not _WEIGHTY.isdisjoint(done) else ("money_movement",)
    effects = _acting(verb_effects(" ".join(words), lexicon))
    if effects and words[0] in _DISMISSING:
        return (*effects, "irreversible")  # `Cancel subscription`
    return effects


_WEIGHTY: Final[frozenset[Effect]] = frozenset(
    {"delete", "money_movement", "deployment", "publish", "access_change", "service_impact"}
)
_BOUGHT: Final = frozenset({"order", "checkout", "booking", "trade", "subscription"})

# -- a change of state

_GONE: Final = word_set("deleted removed destroyed purged")
_SHUT: Final = word_set("suspended banned blocked locked disabled deactivated frozen")
_OPEN: Final[dict[str, tuple[Effect, ...]]] = {"active": ("access_change",), "enabled": ("config_change",)}
_STATES: Final = frozenset({"status", "state"})
_STATE_EFFECTS: Final[dict[str, Effect]] = {
    **dict.fromkeys(word_set("cancelled canceled terminated void voided refunded"), "irreversible"),
    **dict.fromkeys(word_set("deleted removed purged destroyed"), "delete"),
    **dict.fromkeys(word_set("suspended banned blocked locked disabled deactivated inactive frozen"), "access_change"),
    **dict.fromkeys(word_set("published live"), "publish"),
}
_PUBLIC: Final = frozenset({"public", "public-read", "public-read-write", "publicread", "publicreadwrite", "anyone"})
_NAMING: Final = word_set("id ids uuid guid")
_PLACES: Final = word_set("name repo repository bucket key file project object container")
#: Objects that hold what is to be changed.
CHANGED: Final = word_set(
    "body data payload fields updates update changes change patch attributes params parameters properties input values"
    " set"
)


def names_one(keys: Sequence[tuple[str, ...]]) -> bool:
    """Whether one of an object's keys says which thing is meant."""
    return any(words[-1] in _NAMING for words in keys)


def state_effects(words: tuple[str, ...], value: object, *, identified: bool, placed: bool) -> tuple[Effect, ...]:
    """What a field does that sets a state: `deleted: true`, `active: false`, `status: "cancelled"`, `acl: "public"`."""
    last = words[-1]
    plain = words[1:] if words[0] == "is" else words
    if identified and isinstance(value, bool) and len(plain) == 1:
        if value:
            return ("delete",) if last in _GONE else ("access_change",) if last in _SHUT else ()
        return _OPEN.get(last, ())
    if not isinstance(value, str):
        return ()
    text = value.strip().lower().replace("_", "-")
    if identified and last in _STATES and len(words) <= 2:
        effect = _STATE_EFFECTS.get(text)
        return (effect,) if effect else ()
    if (identified or placed) and last in ("acl", "visibility") and text in _PUBLIC:
        return ("access_change", "publish")
    return ()


def names_place(keys: Sequence[tuple[str, ...]]) -> bool:
    """Whether one of an object's keys names a place that can be opened to everybody."""
    return any(words[-1] in _PLACES for words in keys)


# -- a trade, a payment to somebody by name

_SYMBOLS: Final = word_set("symbol ticker instrument pair asset stock coin market")
_QUANTITIES: Final = word_set("qty quantity shares amount notional size volume units lots contracts")


def is_trade(values: Mapping[str, object]) -> bool:
    """`symbol`, `side: buy` and a quantity, together."""
    keys = {key.lower(): value for key, value in values.items()}
    side = keys.get("side", keys.get("action", keys.get("direction")))
    if not isinstance(side, str) or side.strip().lower() not in ("buy", "sell", "short", "cover", "long"):
        return False
    words = {word for key in keys for word in split_words(key[:80])}
    return not _SYMBOLS.isdisjoint(words) and not _QUANTITIES.isdisjoint(words)


_UNSAID: Final = word_set(
    "amount amt sum cents to from currency ccy memo note description message reference id idempotency key reason date"
    " recipient payee comment confirm sender source"
)
_UNIT: Final = re.compile(r"[A-Z]{2,5}|[a-z]{1,2}|.*\d.*")
_UNITS: Final = word_set(
    "cup cups gram grams liter liters litre litres ounce ounces pound pounds kilo kilos meter meters metre metres mile"
    " miles foot feet inch inches yard yards acre acres hectare hectares hour hours minute minutes second seconds"
    " lbs tsp tbsp mol usd eur gbp jpy twd cny btc eth aud cad chf hkd sgd krw inr"
    " dollar dollars euro euros yen yuan bitcoin ethereum celsius fahrenheit kelvin spoon tablespoon teaspoon"
)


def pays_somebody(values: Mapping[str, object], context: ToolContext) -> bool | None:
    """Whether `amount` and `to: "bob"` pay bob; None where nothing says what they do."""
    if context.looking:
        return False
    words = {word for key in values for word in split_words(key[:80])}
    to = values.get("to")
    if not isinstance(to, str) or not _is_somebody(to) or not words <= _UNSAID:
        return False
    if context.paying or "currency" in words:
        return True
    return False if "from" in words else None


def _is_somebody(name: str) -> bool:
    name = name.strip()
    return 0 < len(name) <= 80 and not _UNIT.fullmatch(name) and name.lower() not in _UNITS


# -- code under other names

_CODE_SIGNS: Final = re.compile(
    r"=>|\bfunction\s{0,9}\w{0,80}\s{0,9}\(|\b(?:document|window|localStorage|sessionStorage|navigator|process|globalThis|chrome)\s*[.\[]"
    r"|\b(?:fetch|eval|require|import|exec|XMLHttpRequest|setTimeout|open|__import__|compile|getattr)\s*\(|\bimport\s+\w"
    r"|\b(?:await|return|new)\s+\w|__\w+__|[A-Za-z_\])]\.(?!(?:sqrt|sin|cos|tan|log|exp|abs|pow|min|max|sum|mean|floor"
    r"|ceil|round|length|size|sort|map|filter|diff|integrate|startsWith|endsWith|contains|includes|matches|exists|lower|upper"
    r"|toLowerCase|toUpperCase|trim|strip|split|substring|indexOf|has)\b)[A-Za-z_]\w*\s*\("
)
_PROPERTY: Final = re.compile(r"\s*(?:\(\s*\)\s*=>\s*)?(?:document|window|navigator)(?:\.\w+)+\s*;?\s*")
_FORMULA: Final = re.compile(r"\s*=(?!=)")


def is_code(text: str) -> bool:
    """Whether a text under a name such as `expression` does more than compute a number."""
    return _CODE_SIGNS.search(text) is not None and not _PROPERTY.fullmatch(text) and not _FORMULA.match(text)


# -- a request in one line

_REQUEST: Final = re.compile(
    r"\s*(GET|HEAD|OPTIONS|POST|PUT|PATCH|DELETE)\s+((?:https?://|/)\S*)", re.IGNORECASE | re.DOTALL
)
REQUESTED: Final = word_set("request req endpoint route url uri call http operation api input path")


def request_line(text: str) -> tuple[str, str] | None:
    """Method and address of `DELETE https://x.test/users/5`, or None."""
    match = _REQUEST.match(text[:8_192])
    return (match[1], match[2]) if match else None

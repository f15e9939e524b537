"""Reading a tool's name: split into words, find the verb and what it is done to."""

from __future__ import annotations

import re
from collections.abc import Sequence
from typing import Final, Literal

import msgspec

from stage0.reading.effects import HARMLESS, Effect, Sighting, Span
from stage0.reading.prose.goal import effects_of
from stage0.reading.prose.lexicon import ACTIONS, MODIFIERS, OBJECTS, Lexicon, Term, split_words
from stage0.reading.prose.meaning import EVENTS
from stage0.reading.text.keeping import remember

#: What parts the owner of an operation from it: `mail.message.get`.
_OWNER: Final = re.compile(r"[./:]")
#: What a path of owners may end in behind the operation: `virtualMachines/deallocate/action`.
_TAIL: Final = re.compile(r"[./:](?:actions?|invoke|call|v\d+)\Z", re.IGNORECASE)
_RUN: Final = re.compile(r"[A-Za-z]{4,}")
_JOINERS: Final = frozenset({"and", "or", "then"})
_PURPOSES: Final = frozenset({"to", "for", "pending", "of", "before"})
_HARMLESS: Final = frozenset(concept for concept, effect in ACTIONS.items() if effect in HARMLESS)
#: After a read verb these still act (`check_purge_all`), unless they name a thing (`list_delete_requests`).
_DANGEROUS: Final = frozenset({"delete", "pay", "deploy", "migrate", "grant", "disrupt", "execute"})
#: Named by a noun alone these are still done (`customer_refund`); milder ones need a verb (`extension_info`).
_MILD: Final = frozenset({"write", "overwrite"})
_QUIET: Final = _MILD | {"export", "message", "publish"}
_DENYING: Final = frozenset({"no", "without", "skip", "off", "disable", "disabled", "ignore", "not"})
#: A longer name than this is not understood (in characters).
_NAME_LIMIT: Final = 256
Terms = tuple[Term, ...]
#: How a name says nothing: as the plain noun of a system (`slack`, `payments_api`), as a shell or an interpreter, which
#: does whatever it is given, as one word that nobody knows, or with words that are not known to say anything. Empty
#: where it says something.
Silence = Literal["", "noun", "word", "executor", "unknown"]


class ToolReading(msgspec.Struct, frozen=True):
    """What a tool's name says. A `passthrough` says nothing: whatever it is given, it does. `silent` where the name
    does not say what is done."""

    sightings: tuple[Sighting, ...]
    environments: frozenset[str]
    passthrough: bool
    sensitive: bool
    silent: Silence = ""


class ToolWords(msgspec.Struct, frozen=True):
    """Words of tool names, from the pack.

    `passthrough`: such a tool does what it is given; so does one with nothing but `generic` words, or with one of them
    and one of `runners`. `performers`: what the name's nouns say is to happen. `engines`: what a query goes to that can
    change things as well. `verbs`: words that act in a name, whatever they are in prose, each with its concept.
    `looking`: a name that begins with one only looks. `things`: after an action word these make it a name
    (`delete_requests`). `attributes` and `records`: a name that ends in one and has no verb looks something up; even
    an event has an attribute. `sensitive`: a shell, a database, an admin console. `short_forms`: abbreviations and what
    they stand for. `executors`: shells and interpreters. `systems`: nouns of systems, for which a goal speaks;
    `products`: names of products that are no verb in a name. `silent_verbs`: verbs that do not tell what comes of them,
    and the `modest` ones of those, which want no more than an answer; `making`: of the verbs that work something out,
    those that leave something behind. `own_tools`: what the tools do that agents bring along; `handovers`: how names
    begin that hand over to another agent, and `payees` what is no agent there; `operated`: tools whose command is an
    operation's name."""

    passthrough: frozenset[str]
    generic: frozenset[str]
    runners: frozenset[str]
    performers: frozenset[str]
    engines: frozenset[str]
    verbs: dict[str, str]
    looking: frozenset[str]
    things: frozenset[str]
    attributes: frozenset[str]
    records: frozenset[str]
    sensitive: frozenset[str]
    short_forms: dict[str, str]
    executors: frozenset[str]
    systems: frozenset[str]
    products: frozenset[str]
    silent_verbs: frozenset[str]
    modest: frozenset[str]
    making: frozenset[str]
    own_tools: dict[str, tuple[Effect, ...]]
    handovers: tuple[str, ...]
    payees: frozenset[str]
    operated: frozenset[str]


class NameReader:
    """Reads tool names against a lexicon; names repeat, so readings are kept (the verdict never is)."""

    def __init__(self, lexicon: Lexicon, words: ToolWords) -> None:
        self.lexicon = lexicon
        self._words = words
        self.engines = words.engines
        self.wanting = words.silent_verbs - words.modest
        self.making = words.making
        self._read_kept = remember(longest=_NAME_LIMIT)(self._read)

    def effects(self, name: str) -> tuple[Effect, ...]:
        """The effects of an operation of that name; none where it says nothing."""
        return tuple([seen.effect for seen in self.read(name, "").sightings])

    def read(self, name: str, path: str) -> ToolReading:
        """What a name says. One that is too long to be a name says nothing that could be understood."""
        if len(name) > _NAME_LIMIT:
            span = Span(path, 0, len(name), name[:_NAME_LIMIT])
            seen = (Sighting("unknown", "tool", span),)
            return ToolReading(seen, frozenset(), passthrough=False, sensitive=False)
        return self._read_kept(name, path)

    def _read(self, name: str, path: str) -> ToolReading:
        own = self._words.own_tools.get(_evened_name(name)) or (("compute",) if self._hands_over(name) else ())
        if own:
            span = Span(path, 0, len(name), name)
            seen = tuple([Sighting(effect, "tool", span) for effect in own])
            return ToolReading(seen, frozenset(), passthrough=False, sensitive=False)
        skeleton = self._spelled_out(name)
        words = self._behind_owner(self._without_owners(skeleton))
        passthrough = self._passes_through(words)
        terms = self._phrases(words)
        if self._acts_on_collection(words, terms):
            terms = terms[1:]
        elif not passthrough and self._only_looks(words, self._words_of(_OWNER.split(skeleton)[-1]), terms):
            terms = [at for at in terms if not any(t.concept in ACTIONS and t.concept not in _HARMLESS for t in at)]
        effects = [] if self._names_system(words, terms) else self._effects(words, terms, passthrough=passthrough)
        span = Span(path, 0, len(name), name)
        return ToolReading(
            sightings=tuple(Sighting(effect, "tool", span) for effect in effects),
            environments=self.lexicon.environments(name),
            passthrough=passthrough and not effects,
            sensitive=not self._words.sensitive.isdisjoint(words),
            silent="" if effects else self._silence(words),
        )

    def _names_system(self, words: list[str], terms: list[Terms]) -> bool:
        """`payments_api`: nouns before the noun of a system, which does whatever it is asked for."""
        if len(words) < 2 or words[-1] not in _SYSTEMS:
            return False
        return all(t.role not in ("verb", "weak") or at[0].role == "noun" for at in terms for t in at)

    def _silence(self, words: list[str]) -> Silence:
        """How a name says nothing that has no effects."""
        known = self._words
        if not known.executors.isdisjoint(words):
            return "executor"
        if any([self._can_be_verb(word) for word in words if word not in known.systems]):
            return "unknown"
        if words and words[-1] in known.systems:
            return "noun"
        if len(words) != 1 or not words[0].isascii():
            return "unknown"
        return "noun" if self.lexicon.word(words[0]) or words[0] in known.attributes | known.records else "word"

    def _can_be_verb(self, word: str) -> bool:
        return word in self._words.silent_verbs or any(
            t.concept in ACTIONS and t.role != "noun" for t in self.lexicon.word(word)
        )

    def _without_owners(self, skeleton: str) -> list[str]:
        """The words of a name. Of its owners, what can also be a verb that looks is none where the operation behind
        the last dot begins with a verb: `compute.instances.setMetadata`. A product is none, either."""
        products = self._words.products
        *owners, operation = _OWNER.split(_TAIL.sub("", skeleton)) or [""]
        words = self._words_of(operation)
        acts = bool(words) and (
            words[0] in self._words.verbs
            or any([t.concept in ACTIONS and t.role != "noun" for t in self.lexicon.word(words[0])])
        )
        before = [word for owner in owners for word in self._words_of(owner)]
        if acts:
            before = [word for word in before if not self._only_harmless(word)]
        together = [*before, *words]
        if len(together) > 2 and together[0] in _HOSTS and (together[1] in _HOSTED or self._acts_at_all(together[-1])):
            together = together[1:]
        return [word for i, word in enumerate(together) if word not in products or i + 1 == len(together)]

    def _acts_at_all(self, word: str) -> bool:
        return word in self._words.verbs or any(
            [t.concept in ACTIONS and t.concept not in _HARMLESS for t in self.lexicon.word(word)]
        )

    def _only_harmless(self, word: str) -> bool:
        terms = [t for t in self.lexicon.word(word) if t.concept in ACTIONS]
        return bool(terms) and all(t.concept in _HARMLESS for t in terms)

    def _hands_over(self, name: str) -> bool:
        start = next((each for each in self._words.handovers if name.startswith(each)), None)
        return start is not None and self._words.payees.isdisjoint(split_words(name[len(start) :]))

    def is_operated(self, name: str) -> bool:
        """Whether a tool's `command` argument is the name of one of its operations."""
        return _evened_name(name) in self._words.operated

    def _behind_owner(self, words: list[str]) -> list[str]:
        """The words with the verb in front: what stands before it, where it can be no verb, is who owns the operation
        or what it belongs to (`jira_update_version`), and still a thing that is meant."""
        for index, word in enumerate(words):
            known = self.lexicon.word(word)
            terms = [t for t in known if t.concept in ACTIONS]
            if index and self.lexicon.word(" ".join(words[index - 1 : index + 1])):
                return words  # they are one term: `helm upgrade`
            nouns = [t for t in terms if t.role == "noun"]
            if word in self._words.verbs or (terms and (not nouns or self._acts_for_owner(words, index))):
                rehearsed = any(
                    [t.concept == "rehearsal" for size in (1, 2) for t in self.lexicon.word(" ".join(words[-size:]))]
                )
                return words if rehearsed or not index else [*words[index:], *words[:index]]
            looks = word in self._words.looking or any([t.concept in _TELLING_HOW for t in known])
            if looks and index and not any(t.concept in ACTIONS for w in words[:index] for t in self.lexicon.word(w)):
                return [*words[index:], *words[:index]]
            if terms or looks or word in _JOINERS or word in self._words.passthrough or word in self._words.generic:
                return words
        return words

    def _acts_for_owner(self, words: list[str], index: int) -> bool:
        """Whether a word that can be a noun is a verb: behind a name that nobody knows, before what it is done to."""
        if not index or index + 1 == len(words) or words[-1] in self._words.looking:
            return False
        known = any(self.lexicon.word(word) for word in words[:index])
        return not known and any(t.role != "noun" for t in self.lexicon.word(words[index]))

    def _spelled_out(self, name: str) -> str:
        """The name with its capitals, where they part words, and with disguised words as what they stand for."""
        skeleton = self.lexicon.skeleton(name)
        folded = self.lexicon.fold(name).text
        if folded != skeleton.lower():
            return folded
        return _RUN.sub(lambda run: self._evened(run[0]), skeleton)

    def _evened(self, run: str) -> str:
        """`deLeTe` is one word, `deleteUser` are two."""
        word = run.lower()
        return word if any(t.concept in ACTIONS for t in self.lexicon.word(word)) else run

    def _passes_through(self, words: list[str]) -> bool:
        """Whether a tool does whatever it is given. `query_orders` asks what it is named after; `query` and
        `query_postgres` ask anything."""
        known = self._words
        if not known.passthrough.isdisjoint(words):
            return True
        others = [word for word in words if word not in known.generic]
        if len(others) < len(words) and (not known.runners.isdisjoint(words) or not others):
            return bool(words)
        return "query" in words and all(word in self._words.engines for word in words if word not in _QUERYING)

    def _only_looks(self, words: list[str], operation: list[str], terms: list[Terms]) -> bool:
        """Whether a name, or what stands behind its last dot, begins with a word that only looks, and neither joins
        another action to it nor ends in a verb for the thing that it begins with (`list.delete`)."""
        looking = self._words.looking
        if not _JOINERS.isdisjoint(words) or not any(first in looking for first in (*words[:1], *operation[:1])):
            return False
        if words[0] in looking and words[0] not in _COLLECTIONS:
            return True
        last = [t for t in terms[-1] if t.concept in ACTIONS]
        acts = bool(last) and all(t.role != "noun" and t.concept not in _HARMLESS for t in last)
        return not acts or (len(terms) > 2 and words[-2] in _PURPOSES)

    def _acts_on_collection(self, words: list[str], terms: list[Terms]) -> bool:
        """`query_kill`, `list_clear`: a thing that can be looked at, and what is done to it; not `list_trash`."""
        if len(words) != 2 or len(terms) != 2 or words[0] not in _COLLECTIONS or words[1] in self._words.things:
            return False
        return not _is_collection(terms[1]) and any(
            t.role != "noun" and t.concept in ("delete", "disrupt") for t in terms[1]
        )

    def _words_of(self, text: str) -> list[str]:
        return [self._words.short_forms.get(part, part) for word in split_words(text) for part in self._unglued(word)]

    def _unglued(self, word: str) -> list[str]:
        """`deleteusers` is two words, an action and its object; any other word is itself."""
        if not word.isascii():
            return [hit.term.text for hit in self.lexicon.hits(word)] or [word]
        if len(word) < 7 or self.lexicon.word(word) or word in self._words.passthrough:
            return [word]
        for at in range(3, len(word) - 2):
            verbs, objects = self.lexicon.word(word[:at]), self.lexicon.word(word[at:])
            if any(t.concept in ACTIONS for t in verbs) and any(t.concept in OBJECTS for t in objects):
                return [word[:at], word[at:]]
        return [word]

    def _phrases(self, words: list[str]) -> list[Terms]:
        """The terms at each word; words that make one term together (`api key`) count as that term."""
        out: list[Terms] = []
        index = 0
        while index < len(words):
            length = next((n for n in (3, 2) if self._phrase(words[index : index + n], n)), 1)
            found = self._phrase(words[index : index + length], length)
            out.append(found or self._joiner(words[index]))
            index += length
        return out

    def _phrase(self, words: list[str], length: int) -> tuple[Term, ...]:
        """The terms of some words. A word that makes a tool a passthrough says nothing of what the tool is given."""
        known = self._words
        if (
            len(words) < length
            or (length > 1 and words[0] in _JOINERS)
            or (length == 1 and (words[0] in known.passthrough or words[0] in known.generic))
        ):
            return ()
        text = " ".join(words)
        if text in _ASKING:
            return _QUERY
        concept = self._words.verbs.get(text)
        if concept:
            return (Term(text, concept, "verb", "en"),)
        # In a name nobody says what somebody does: `reset_factors` are several factors.
        plural = length == 1 and text.isascii() and text.endswith("s") and not text.endswith("ss")
        found = self.lexicon.word(text)
        plural = plural and text[:-1] not in self._words.looking
        return tuple([t for t in found if not (plural and t.role == "verb" and t.concept in _HARMLESS)])

    def _is_headed(self, words: list[str], terms: list[Terms]) -> bool:
        """Whether a name ends in what it looks up (`deploy_status`) and nothing before does something to that."""
        if len(words) < 2 or (len(terms) == 1 and _can_act(terms[0])):
            return False
        if words[-1] in self._words.attributes:
            return not _acts_in_front(terms)
        return words[-1] in self._words.records and not _acts_in_front(terms) and not _can_act(terms[0])

    def _joiner(self, word: str) -> tuple[Term, ...]:
        if word in self._words.things:
            return (Term(word, "topic", "word", ""),)
        return (Term(word, "break", "word", "en"),) if word in _JOINERS else ()

    def _effects(self, words: list[str], terms: list[Terms], *, passthrough: bool) -> list[Effect]:
        if not terms:
            return []
        terms = _without_attributes(terms)
        objects = frozenset(t.concept for at in terms for t in at if t.concept in OBJECTS)
        rehearsed = _is_rehearsal(words, terms)
        effects: dict[Effect, None] = {}
        if passthrough:
            terms = [tuple(t for t in at if t.concept not in _SAYS_NOTHING) for at in terms]
        headed = self._is_headed(words, terms)
        performed = not self._words.performers.isdisjoint(words)
        for action in () if headed else _actions(terms, objects, guess=not passthrough, performed=performed):
            if rehearsed and action not in _HARMLESS:
                effects["compute"] = None
                continue
            if action == _ANYTHING:
                effects["unknown"] = None
                continue
            near = objects - {"personal_data", "secret"} if rehearsed or "schema" in objects else objects
            effects.update(dict.fromkeys(effects_of(action, near)))
        if rehearsed and not effects:
            effects["compute"] = None
        if headed:
            effects["read"] = None
        if not HARMLESS.issuperset(effects):
            for at in terms:
                for term in at:
                    if term.concept in MODIFIERS:
                        effects[MODIFIERS[term.concept]] = None
        return list(effects)


#: Services of a cloud that are called by what is a verb elsewhere, and what stands behind the first one then.
_HOSTS: Final = frozenset({"compute", "monitor"})
_HOSTED: Final = frozenset(
    {"vm", "vmss", "disk", "disks", "instance", "instances", "image", "images", "snapshot", "gallery"}
)
#: In front of a verb these say how it is meant.
_TELLING_HOW: Final = frozenset({"count", "rehearsal", "negation", "question", "compound"})
_PARTS: Final = re.compile(r"[\s_.:/-]+")


def _evened_name(name: str) -> str:
    """A name in small letters without what parts its words: `apply_patch`, `ApplyPatch`."""
    return _PARTS.sub("", name).lower()


#: What a name ends in that names a system by what it is about.
_SYSTEMS: Final = frozenset({"api", "service", "server", "system", "platform", "gateway", "backend", "sdk"})
#: Verbs that look, and as nouns what somebody looks at or in.
_COLLECTIONS: Final = frozenset({"list", "search", "query", "view"})
_ASKING: Final = frozenset({"query", "queries"})
_QUERY: Final[Terms] = (Term("query", "query", "verb", "en"),)
_SAYS_NOTHING: Final = frozenset({"query", "run"})
#: Words of a query tool's name that do not say what is asked.
_QUERYING: Final = frozenset({"query", "queries", "run", "execute", "exec", "do", "raw", "custom", "the", "a", "mcp"})


def _without_attributes(terms: list[Terms]) -> list[Terms]:
    """The terms without secrets that only name a topic: `password_policy`."""
    followed = [*terms[1:], ()]
    return [
        tuple(t for t in at if t.concept != "secret") if any(t.concept == "topic" for t in after) else at
        for at, after in zip(terms, followed, strict=True)
    ]


def _acts_in_front(terms: list[Terms]) -> bool:
    """Whether a name begins with a verb: `clear_history`, `summarize_report`, but not `transfer_history`."""
    if any(t.concept in _HARMLESS and t.role != "noun" for t in terms[0]):
        return True
    actions = [[t for t in at if t.concept in ACTIONS and t.concept not in _HARMLESS] for at in terms[:-1]]
    events = [bool(at) and any(t.role == "noun" for t in at) for at in actions]
    if any(at and not event for at, event in zip(actions, events, strict=True)):
        return True
    return len(terms) == 2 and events[0] and any(t.concept not in EVENTS for t in actions[0])


def _can_act(at: Terms) -> bool:
    """Whether a word can be a verb that does more than look, or starts something: `deploy` but not `deployment`."""
    return not _is_gerund(at) and any(
        t.concept == "trigger" or (t.role != "noun" and t.concept in ACTIONS and t.concept not in _HARMLESS) for t in at
    )


def _is_rehearsal(words: list[str], terms: list[Terms]) -> bool:
    """Whether the whole name is a count or a rehearsal: `count_deleted_users`, `delete_users_dry_run`."""
    concepts = [{t.concept for t in at} for at in terms]
    if not concepts or not _DENYING.isdisjoint(words) or any("break" in at or "soft" in at for at in concepts):
        return False
    return "count" in concepts[0] or "rehearsal" in concepts[0] or "rehearsal" in concepts[-1]


def _actions(terms: list[Terms], objects: frozenset[str], *, guess: bool, performed: bool) -> list[str]:
    """The action words that count, part by part: a joiner starts anew (`get_or_create`)."""
    parts: list[list[Terms]] = [[]]
    for at in terms:
        if any(t.concept in ("break", "soft") for t in at):
            parts.append([])
        else:
            parts[-1].append(at)
    found = [_part_actions(part, objects, performed=performed) for part in parts]
    if not any(found) and guess:
        return [action for part in parts for action in _guess(part)][:1]
    joined = [
        found[index] or _guess(part, joined=True) or _start_actions(part) for index, part in enumerate(parts) if index
    ]
    return [action for actions in (found[0], *joined) for action in actions]


def _guess(part: list[Terms], *, joined: bool = False) -> list[str]:
    """In a name nothing is a figure of speech: `drop_foo` drops, whatever a foo is."""
    weak = [(index, at, t) for index, at in enumerate(part) for t in at if t.role == "weak"]
    return [t.concept for index, at, t in weak if _acts_alone(t, at, first=index == 0, joined=joined)][:1]


def _start_actions(part: list[Terms]) -> list[str]:
    """`fetch_and_run` starts whatever it has got."""
    return [_ANYTHING] if len(part) == 1 and any(t.concept in _STARTS for t in part[0]) else []


#: What is done cannot be told from the name.
_ANYTHING: Final = "anything"
_STARTS: Final = frozenset({"trigger", "run"})


def _acts_alone(term: Term, at: Terms, *, first: bool, joined: bool) -> bool:
    """Whether a weak verb acts on something unknown: in front, unless it is a common noun (`text_stats`); a deletion or
    a payment anywhere (`customer_refund`). A plural is a collection."""
    if _is_collection(at):
        return False
    return term.concept in ("delete", "pay") or (first and (joined or term.concept not in ("message", "configure")))


def _part_actions(part: list[Terms], objects: frozenset[str], *, performed: bool) -> list[str]:
    """Of `refund_customer` the verb, of `customer_refund` the noun, of `deploy_plan_get` and `payment_get_status` the
    verb that looks: what stands before it names what is looked at, what stands after it too, unless it acts on."""
    found = [_acting(at, objects, performed=performed) for at in part]
    if (
        part
        and not found[0]
        and _is_weak_verb(part[0])
        and all(_looks(at) for at in found)
        and (guessed := _guess(part))
    ):
        return guessed  # `create_saved_search`: what looks is what is made
    if len(part) == 2 and not found[0] and _acts_on_a_look(part[0], part[1]) and (guessed := _guess(part)):
        return guessed
    for index, after in enumerate(part[1:]):
        if _names_a_topic(found[index], after, first=index == 0):
            found[index] = []
    looks = _first_look(found)
    if looks == 0 and len(part) > 2 and found[-1] and _is_pure(found[-1]) and not _looks(found[-1]):
        return [t.concept for t in found[-1]]  # `load_test_create`: what stands before the verb is what it is done to
    if len(part) > 1 and found[-1] and _looks(found[-1]) and not _acts_first(found):
        # `profile` in `update_profile` is a noun; in `payment_list` and `deploy_plan_get` the last word is the verb.
        only_a_verb = all(t.role != "noun" for t in found[-1])
        if only_a_verb or not any(t.role != "noun" for t in found[0]):
            looks = len(part) - 1
    actions: list[str] = []
    for index, at in enumerate(found):
        if looks is not None and index < looks:
            continue
        if looks is None or index == looks:
            counting = _verbs_or_events(at)
        else:
            counting = _verbs_or_events([t for t in at if _still_acts(t, part[index], part[index + 1 :])])
        actions.extend(t.concept for t in counting)
    return actions


def _is_weak_verb(at: Terms) -> bool:
    return any(t.role == "weak" for t in at) and not any(t.role == "noun" or t.concept in OBJECTS for t in at)


def _acts_on_a_look(at: Terms, after: Terms) -> bool:
    """`drop_view`, `stop_scan`, `apply_diff`: a verb before a word that names a thing, though it can be one that looks.
    What can be bought or sent has a list: `order_list`, `share_search`."""
    if not after or not _looks(after) or not any(t.role == "noun" for t in after):
        return False
    weak = [t.concept for t in at if t.role == "weak"]
    ends = any(concept in ("delete", "disrupt", "overwrite") for concept in weak)
    return ends or (bool(weak) and not any(t.text in _COLLECTIONS for t in after))


def _first_look(found: list[list[Term]]) -> int | None:
    """Where the first verb stands if it is one that looks. Behind a verb that acts, a word that can be a noun is one:
    `update_profile`."""
    acting = False
    for index, at in enumerate(found):
        if at and _is_pure(at):
            noun = any(t.role == "noun" for t in at)
            if not _looks(at):
                return None
            if not (acting and noun):
                return index
        acting = acting or any(t.role != "noun" for t in at)
    return None


def _verbs_or_events(at: Sequence[Term]) -> list[Term]:
    """Of a word's terms those that act: its verbs, or the event it names. A plural is a collection: `file_shares`."""
    events = [t for t in at if t.role == "noun"]
    collection = _is_collection(at)
    verbs = [] if collection else [t for t in at if t.role != "noun"]
    return verbs or [t for t in events if t.concept not in (_QUIET if collection else _MILD)]


def _is_collection(at: Sequence[Term]) -> bool:
    return any(t.role == "noun" and t.text.endswith("s") and not t.text.endswith("ss") for t in at)


def _is_gerund(at: Terms) -> bool:
    """`charging_stations`, `mailing_list`."""
    return any(t.role == "noun" and t.text.endswith("ing") for t in at)


def _acting(at: Terms, objects: frozenset[str], *, performed: bool) -> list[Term]:
    """The action terms at a word. The noun of a weak verb (`scale`) wants the same objects as the verb."""
    if _is_gerund(at):
        return []
    weak = [t for t in at if t.role == "weak"]
    if weak and not any(_counts(t, objects) for t in weak):
        return [t for t in at if performed and t.role == "noun" and t.concept in EVENTS]
    return [t for t in at if t.concept in ACTIONS and _counts(t, objects)]


def _names_a_topic(at: Sequence[Term], after: Terms, *, first: bool) -> bool:
    """`refund_policy`: a noun before a topic is part of its name. A verb in front is none: `export_report` exports."""
    if not any(t.concept == "topic" and t.language for t in after) or not any(t.role == "noun" for t in at):
        return False
    return not first or all(t.concept in EVENTS for t in at)


def _is_pure(at: Sequence[Term]) -> bool:
    """Whether a word is a verb and nothing else. One that looks is, in a name: `list_users`, `users_list`."""
    return all(t.role != "noun" or t.concept in _HARMLESS for t in at)


def _looks(at: Sequence[Term]) -> bool:
    return all(t.concept in _HARMLESS for t in at)


def _acts_first(found: list[list[Term]]) -> bool:
    """Whether a verb that is nothing else acts before the last word: `delete_user_get` deletes."""
    return any(at and _is_pure(at) and not _looks(at) for at in found[:-1])


def _still_acts(term: Term, at: Terms, after: list[Terms]) -> bool:
    if term.concept in _HARMLESS or (term.concept != "delete" and any(t.role == "noun" for t in at)):
        return False
    if not after:
        return True
    return term.concept in _DANGEROUS and not any(t.concept in ("topic", "trace") for t in after[0])


def _counts(term: Term, objects: frozenset[str]) -> bool:
    return term.role != "weak" or bool(term.needs & objects)

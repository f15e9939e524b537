"""Cases beside a pack: requests with known answers, each with the state and the clock that it is decided at."""

from __future__ import annotations

import hashlib
from collections.abc import Collection, Mapping, Sequence
from datetime import datetime
from typing import Any, Final

import msgspec

from stage0.core.decide import decide, prepare
from stage0.core.pack import Pack
from stage0.core.verdict import Decision
from stage0.knowledge.source import SUITE, Source, parse, places_of, plain_yaml, rules_of
from stage0.policy.layers import convert_at
from stage0.policy.load import Loaded
from stage0.reading.request import ActionRequest, Caller, RunState, State
from stage0.wire import Invalid, encode, read_check

#: A Monday, 10:00 UTC: when a case is decided that does not say.
CLOCK: Final = "2026-03-16T10:00:00+00:00"
VERDICTS: Final = ("ALLOW", "DEFER", "DENY")


class Expectation(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """What a case must give: its verdict, codes that must be there, and codes that must not."""

    verdict: str
    issue_codes: tuple[str, ...] = ()
    absent_codes: tuple[str, ...] = ()


class CaseRun(RunState, frozen=True, forbid_unknown_fields=True):
    """What the server has counted for a run, as a case gives it."""


class CaseState(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """What the server knows when a case is decided: of the API key, of the run, and of what is stopped."""

    roles: tuple[str, ...] = ()
    environments: tuple[str, ...] = ()
    agent: str = ""
    timezone: str = "UTC"
    test_mode: bool = False
    run: CaseRun | None = None
    stopped: str = ""

    def whole(self) -> State:
        """The state as the core takes it."""
        caller = Caller("suite", self.roles, self.environments, self.test_mode, self.timezone, self.agent)
        return State(caller, self.run, self.stopped)


class Case(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """A request with a known answer. `clock` is the RFC 3339 time at which it is decided."""

    name: str
    request: dict[str, Any]
    expect: Expectation
    clock: str = ""
    state: CaseState = CaseState()
    source: str = ""
    note: str = ""


class Ran(msgspec.Struct, frozen=True):
    """A case with what came of it. `problems` says in words what is not as expected; empty where all is."""

    case: Case
    decision: Decision
    problems: tuple[str, ...]


class SuiteResult(msgspec.Struct, frozen=True):
    """What running a suite has shown: every case, the verdicts that were expected, and the pack's own rules that
    never fired, or never stayed quiet."""

    ran: tuple[Ran, ...]
    missing_verdicts: tuple[str, ...]
    never_fired: tuple[str, ...]
    never_quiet: tuple[str, ...]

    @property
    def failed(self) -> tuple[Ran, ...]:
        """The cases that are not as expected."""
        return tuple(each for each in self.ran if each.problems)

    @property
    def activatable(self) -> str:
        """Why a pack with this suite is not activated unless forced; empty where it is."""
        if self.failed:
            first = self.failed[0].case.name
            return f"{len(self.failed)} of {len(self.ran)} cases of its suite fail, the first is `{first}`"
        if self.missing_verdicts:
            return f"its suite has no case for {' and '.join(self.missing_verdicts)}"
        return ""


def read_suite(text: str, file: str = SUITE) -> tuple[Case, ...]:
    """The cases of a suite. Raises PolicyError with what is wrong."""
    content = parse(text, file) or []
    source = Source(file, {}, places_of(content, file), {file: text})
    cases: tuple[Case, ...] = convert_at(source, (), plain_yaml(content), tuple[Case, ...])
    seen = set()
    for index, case in enumerate(cases):
        if case.name in seen:
            raise source.error((index, "name"), f"another case is called `{case.name}`, too")
        seen.add(case.name)
        if case.expect.verdict not in VERDICTS:
            problem = f"`{case.expect.verdict}` is none of {', '.join(VERDICTS)}"
            raise source.error((index, "expect", "verdict"), problem)
        try:
            _moment(case)
            request_of(case)
        except (ValueError, Invalid) as error:
            raise source.error((index,), f"{case.name}: {error}") from None
    return cases


def suite_of(files: Mapping[str, str]) -> tuple[Case, ...]:
    """The cases among a pack's files; none where it has no suite."""
    return read_suite(files[SUITE]) if SUITE in files else ()


def request_of(case: Case) -> ActionRequest:
    """A case's request, read as the server reads one. Raises Invalid."""
    return read_check(encode(case.request))


def run_case(case: Case, pack: Pack) -> Ran:
    """Decide a case under a pack."""
    prepared = prepare(request_of(case), pack.knowledge, lambda text: hashlib.sha256(text.encode()).hexdigest()[:8])
    decision = decide(
        prepared.request, pack=pack, state=case.state.whole(), now=_moment(case), reading=prepared.reading
    )
    codes = [issue.code for issue in decision.issues]
    return Ran(case, decision, tuple(differences(case.expect, decision.verdict, codes)))


def run_suite(cases: Sequence[Case], pack: Pack, rules: Collection[str]) -> SuiteResult:
    """Decide every case, and see which of `rules` (codes of the pack's own, not of its parents') the suite has shown
    firing and quiet."""
    ran = tuple(run_case(case, pack) for case in cases)
    fired = [{issue.code for issue in each.decision.issues} for each in ran]
    own = [rule.code for rule in pack.own if rule.code in rules]
    expected = {case.expect.verdict for case in cases}
    return SuiteResult(
        ran,
        tuple(verdict for verdict in VERDICTS if verdict not in expected),
        tuple(code for code in own if not any(code in codes for codes in fired)),
        tuple(code for code in own if fired and all(code in codes for codes in fired)),
    )


def try_suite(found: Loaded) -> SuiteResult:
    """What a loaded pack's own suite shows of it. Raises PolicyError where the suite cannot be read."""
    return run_suite(suite_of(found.source.files), found.pack, rules_of(found.source))


def differences(expect: Expectation, verdict: str, codes: Sequence[str]) -> list[str]:
    """What is not as expected, in words."""
    problems = []
    if verdict != expect.verdict:
        problems.append(f"verdict {verdict}, expected {expect.verdict}")
    missing = [code for code in expect.issue_codes if code not in codes]
    if missing:
        problems.append(f"missing {', '.join(missing)}")
    extra = [code for code in expect.absent_codes if code in codes]
    if extra:
        problems.append(f"unexpected {', '.join(extra)}")
    return problems


def _moment(case: Case) -> float:
    """When a case is decided, in Unix seconds. Raises ValueError."""
    moment = datetime.fromisoformat(case.clock or CLOCK)
    if moment.tzinfo is None:
        raise ValueError(f"the clock `{case.clock}` has no offset from UTC; write `{case.clock}Z`, for example")
    return moment.timestamp()

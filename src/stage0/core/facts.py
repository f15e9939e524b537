"""Everything that a rule may see, worked out once per decision.

Every fact has a lane: asserted by the caller, or verified by this server. An asserted fact may narrow and
never widens what a verified one says.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from typing import Any, Final, Generic, Literal, TypeVar

import msgspec

from stage0.core.calendar import Calendar
from stage0.core.fingerprint import short
from stage0.core.pack import ApprovalRule, Pack, Scope
from stage0.reading.constraints import ConstraintSet, Control
from stage0.reading.context import Lane
from stage0.reading.effects import HIGH_RISK, Effect, Sighting, Span
from stage0.reading.interpret import Interpretation
from stage0.reading.registry import matches_any
from stage0.reading.request import ActionRequest, RunState, State
from stage0.reading.workspace import Table, Workspace, effects_of_running

Coverage = Literal["evidenced", "declared", "none"]
_APPROVAL_FACTS: Final = frozenset({"approval_status", "approved", "approved_by", "approved_at"})
N = TypeVar("N", int, float)
V = TypeVar("V")
PRODUCTION: Final = "production"
_NO_ROLES: Final[frozenset[str]] = frozenset()


class lazy(Generic[V]):
    """A value worked out on first use and kept on the instance. The standard library's takes a lock on Python 3.11,
    which costs more than most of what is worked out here."""

    def __init__(self, work: Callable[[Any], V]) -> None:
        self._work = work
        self._name = work.__name__
        self.__doc__ = work.__doc__

    def __get__(self, instance: Any, owner: type | None = None) -> V:
        value = instance.__dict__[self._name] = self._work(instance)
        return value


class Approval(msgspec.Struct, frozen=True):
    """What is known of an approval. `stands` holds where nothing about it is wrong but its age; `given` only where the
    pack also accepts an approval by the caller's word."""

    given: bool
    stands: bool
    claimed: bool
    rejected: bool
    status: str
    approvers: tuple[str, ...]
    at: float | None
    self_given: bool
    in_future: bool
    lane: Lane


class Facts:
    """One action, as a rule sees it. Times are Unix seconds."""

    def __init__(
        self, request: ActionRequest, reading: Interpretation, pack: Pack, state: State, now: float, action: str
    ) -> None:
        self.request = request
        self.action = action
        self.reading = reading
        self.pack = pack
        self.caller = state.caller
        self.run: RunState | None = state.run
        self.stopped = state.stopped
        self.values: Mapping[str, Any] = reading.context.values
        #: The server's own clock; `now` is another one where a key in test mode says so.
        self.clock = now
        asserted = self.values.get("current_time")
        self.now: float = asserted if asserted is not None and state.caller.test_mode else now
        self.effects: Mapping[Effect, Sequence[Sighting]] = reading.effects
        if pack.workspace is not None:
            self.effects = self._kept_in(pack.workspace)
        self.high_risk = HIGH_RISK & self.effects.keys()
        self.constraints: ConstraintSet = self._with_imposed() if pack.imposes else reading.constraints
        self.controls: dict[str, list[Control]] = {}
        self._applying: dict[str, Control] = {}
        for control in self.constraints.controls:
            self.controls.setdefault(control.kind, []).append(control)
            if control.effects is None or not control.effects.isdisjoint(self.effects):
                kept = self._applying.setdefault(control.kind, control)
                if kept is not control and _stricter(control, kept):
                    self._applying[control.kind] = control

    def _kept_in(self, table: Table) -> Mapping[Effect, Sequence[Sighting]]:
        """The effects without what the work tree takes back. Of a call of which only a file is unread that it runs, the
        goal says nothing: that it runs one is noted."""
        reading = self.reading
        working = self.values.get("working_directory")
        tree = Workspace(table, self.caller.workspace, working)
        effects = tree.kept(reading.effects, reading.ran, reading.edited)
        if reading.basis.told and not reading.conclusive:
            effects = {
                effect: kept
                for effect, sightings in effects.items()
                if (kept := [seen for seen in sightings if seen.source != "goal"])
            }
        before = self.run.written if self.run is not None else ()
        for effect in effects_of_running(reading.files, before):
            span = Span("context.tool_arguments", 0, 0, ", ".join(reading.files)[:200])
            effects.setdefault(effect, []).append(Sighting(effect, "arguments", span))
        return effects

    def _with_imposed(self) -> ConstraintSet:
        """The caller's constraints, and those that the pack imposes on this action."""
        imposed = tuple(
            [c for each in self.pack.requirements if each.controls and self.in_scope(each) for c in each.controls]
        )
        if not imposed:
            return self.reading.constraints
        return self.pack.knowledge.grammar.extended(self.request.constraints, imposed)

    def control(self, kind: str) -> Control | None:
        """A control of a kind that applies to this action: the strictest where it is a limit."""
        return self._applying.get(kind)

    def named(self, kind: str) -> list[tuple[str, ...]]:
        """The lists of names that controls of a kind allow; all of them hold."""
        return [control.value or () for control in self.controls.get(kind, ())]

    def asked_for(self, kind: str) -> bool:
        """Whether the caller itself asks for a control of a kind: what a pack imposes guards nothing."""
        return kind in self.reading.constraints.kinds

    def in_scope(self, scope: Scope) -> bool:
        """Whether an entry of the pack is about this action."""
        if scope.effects and scope.effects.isdisjoint(self.effects):
            return False
        if scope.environments and not self._in(scope.environments):
            return False
        return not scope.tools or matches_any(self._tool_names, scope.tools)

    @lazy
    def tools(self) -> tuple[str, ...]:
        """The tools of the request, those of whole calls, and the one that is said to be in use."""
        current = self.reading.context.all_of("current_tool")
        called = self.reading.context.called
        return tuple(dict.fromkeys([*self.request.tools, *called, *[tool for tool in current if tool]]))

    @lazy
    def _tool_names(self) -> tuple[str, ...]:
        """The tools as they are written and evened: another way to write one does not get it out of a scope."""
        spell = self.pack.knowledge.spellings
        return tuple(dict.fromkeys([*self.tools, *[each for tool in self.tools for each in spell(tool)]]))

    # -- environment

    @lazy
    def stated_environments(self) -> tuple[str, ...]:
        """The environments that context or the API key name, trimmed and lower case."""
        asserted, bound = self._environments
        if len(bound) > 1 and self.environment_named:
            return tuple(dict.fromkeys(asserted))  # the caller may say which of several is meant, and nothing else
        return tuple(dict.fromkeys([*bound, *asserted]))

    @lazy
    def _environments(self) -> tuple[list[str], list[str]]:
        """What context says and what the key is bound to, trimmed and lower case."""
        asserted = [str(name).lower() for name in self.reading.context.all_of("environment")]
        return asserted, [name.strip().lower() for name in self.caller.environments]

    @lazy
    def environment_named(self) -> bool:
        """Whether it is known which environment is meant: said by the caller within the key's, or by the key alone."""
        asserted, bound = self._environments
        if not bound:
            return bool(asserted)
        return len(bound) == 1 or (bool(asserted) and all(name in bound for name in asserted))

    @lazy
    def production(self) -> bool:
        """Whether production is named anywhere."""
        if PRODUCTION in self.reading.environments:
            return True
        aliases = self.pack.environments.production
        stated = self.stated_environments
        if any(name in aliases or self._folded(name) in aliases for name in stated):
            return True
        lexicon = self.pack.knowledge.lexicon
        if any(PRODUCTION in lexicon.environments(name) for name in stated):
            return True
        return not stated and self.pack.environments.absent == PRODUCTION

    def _folded(self, name: str) -> str:
        return self.pack.knowledge.lexicon.fold(name).text.strip()

    @lazy
    def confined(self) -> bool:
        """Whether a named non-production environment is held to by a control (an evidenced guardrail)."""
        # In a work tree an environment is where others are; only one that the key is bound to is known.
        stated = self.stated_environments if self.pack.workspace is None else tuple(self._environments[1])
        if self.production or not stated or any(name not in self.pack.environments.non_production for name in stated):
            return False
        if self.asked_for("sandbox"):
            return True
        if self.asked_for("staging_only") and all(name in STAGING for name in stated):
            return True
        if not self.asked_for("allowed_environment"):
            return False
        return all(name in names for names in self.allowed_environments for name in stated)

    @lazy
    def allowed_environments(self) -> list[frozenset[str]]:
        """Each `allowed_environment` constraint as a set of names, trimmed and lower case."""
        return [frozenset(name.lower() for name in names) for names in self.named("allowed_environment")]

    # -- role

    @lazy
    def roles(self) -> tuple[tuple[str, ...], Lane]:
        """The caller's roles and their lane; a role outside those bound to the key counts as absent."""
        asserted = self.reading.context.all_of("actor_role")
        bound = self.caller.roles
        if not bound:
            return asserted, "asserted"
        inside = tuple(role for role in asserted if role in bound)
        return inside or (bound if len(bound) == 1 else ()), "verified"

    def fills(self, role: str, required: tuple[str, ...]) -> bool:
        """Whether a role is one of those required, or includes one by the pack."""
        return role in required or not self.pack.roles.get(role, _NO_ROLES).isdisjoint(required)

    @lazy
    def role_outside(self) -> bool:
        """Whether the caller claims a role that its key is not bound to: that may narrow, never widen."""
        bound = self.caller.roles
        return bool(bound) and any(role not in bound for role in self.reading.context.all_of("actor_role"))

    # -- approval

    @lazy
    def approval(self) -> Approval:
        """The approval that the caller asserts."""
        values = self.values
        status = values.get("approval_status", "")
        approved = values.get("approved")
        claimed = (status == "approved" or approved is True) and status in ("", "approved") and approved is not False
        unreadable = not _APPROVAL_FACTS.isdisjoint(self.reading.context.invalid)
        people = self.reading.people
        blank = self.request.context.get("approved_by") is not None and not people.approvers
        self_given = people.asks_itself
        at = values.get("approved_at")
        in_future = at is not None and at > self.now
        stands = claimed and not (unreadable or self_given or in_future or blank)
        return Approval(
            given=stands and self.pack.lanes.approval == "asserted",
            stands=stands,
            claimed=claimed,
            rejected=status == "rejected",
            status=status,
            approvers=people.approvers,
            at=at,
            self_given=self_given,
            in_future=in_future,
            lane="asserted",
        )

    @lazy
    def approval_control(self) -> Control | None:
        """The constraint that asks for approval of this action."""
        kinds = ("approval", "human_review", "approvers", "approval_timeout")
        return next((control for kind in kinds if (control := self.control(kind)) is not None), None)

    @lazy
    def approval_required(self) -> Mapping[str, frozenset[Effect]]:
        """Issue code to the effects for which the pack, or a declared effect, requires approval."""
        required: dict[str, frozenset[Effect]] = {}
        for requirement in self.pack.requirements:
            if requirement.approval and self.in_scope(requirement):
                effects = frozenset(self.effects.keys() & (requirement.effects or self.effects.keys()))
                required[requirement.code] = required.get(requirement.code, frozenset()) | effects
        if "requires_approval" in self.effects:
            code = "APPROVAL_REQUIRED"
            required[code] = required.get(code, frozenset()) | {"requires_approval"}
        return required

    def _in(self, environments: frozenset[str]) -> bool:
        if self.production and PRODUCTION in environments:
            return True
        return any(name in environments for name in self.stated_environments)

    @lazy
    def approval_needed(self) -> bool:
        """Whether anything asks for or requires approval."""
        return self.approval_control is not None or bool(self.approval_required)

    @lazy
    def approval_rules(self) -> tuple[ApprovalRule, ...]:
        """What the pack says of an approval of this action."""
        return tuple([each for each in self.pack.approvals if self.in_scope(each)])

    @lazy
    def approval_max_age(self) -> float | None:
        """Seconds after which an approval of this action has run out; None for never."""
        ages = [each.max_age for each in self.approval_rules if each.max_age is not None]
        timeout = self.control("approval_timeout")
        if timeout is not None:
            ages.append(timeout.value)
        return min(ages) if ages else None

    @lazy
    def approvers_wanted(self) -> int:
        """How many people have to be named as approvers; 0 where nobody says."""
        wanted = max([each.approvers for each in self.approval_rules if each.by or each.approvers > 1], default=0)
        control = self.control("approvers")
        return wanted if control is None else max(wanted, control.value)

    @lazy
    def entitled(self) -> tuple[str, ...]:
        """The approvers who may approve this action by the pack: all of them where it does not say who."""
        lists = [each.by for each in self.approval_rules if each.by]
        return tuple([name for name in self.approval.approvers if all(matches_any((name,), by) for by in lists)])

    @lazy
    def approval_expired(self) -> bool:
        """Whether a given approval is older than it may be."""
        limit = self.approval_max_age
        return limit is not None and self.approval.at is not None and self.now - self.approval.at > limit

    @lazy
    def approval_holds(self) -> bool:
        """Whether an approval is given and its age is known to be right."""
        if not self.approval.given or self.approval_expired:
            return False
        if self.approval_max_age is not None and self.approval.at is None:
            return False
        return len(self.entitled) >= self.approvers_wanted

    # -- guardrails

    @lazy
    def confirmed(self) -> bool:
        """Whether a confirmation was given."""
        return self.values.get("confirmed") is True

    @lazy
    def rehearsed(self) -> bool:
        """Whether a dry run was completed."""
        return self.values.get("dry_run_completed") is True

    @lazy
    def evidenced(self) -> bool:
        """Whether there is a guardrail that rests on evidence."""
        return self.approval_holds or self.confirmed or self.rehearsed or self.confined

    def coverage(self, effect: Effect) -> Coverage:
        """How well one effect is guarded."""
        if self.evidenced:
            return "evidenced"
        for control in self.reading.controls:
            if control.guard and (control.effects is None or effect in control.effects):
                return "declared"
        return "none"

    # -- run state: the larger of what the server counted and what the caller says

    @lazy
    def iteration(self) -> int | None:
        """Which ALLOW of its run this would be, counted from one."""
        server = None if self.run is None else self.run.allows + 1
        return self._larger(server, "current_iteration")

    @lazy
    def elapsed(self) -> float | None:
        """Seconds since the run began. Its clock stands still while this very action waits for an approval."""
        run = self.run
        if run is None:
            return self._larger(None, "elapsed_seconds")
        waited = run.waiting_seconds if self._again else 0.0
        return self._larger(max(0.0, run.elapsed_seconds - waited), "elapsed_seconds")

    @lazy
    def cost(self) -> float | None:
        """US dollars that the run has cost so far."""
        return self._larger(None if self.run is None else self.run.cost_usd, "cumulative_cost_usd")

    @lazy
    def retries(self) -> int | None:
        """How often this action was stopped or failed in a row before."""
        if self.run is None:
            return self._larger(None, "retry_count")
        return self._larger(self.run.retries if self._again else 0, "retry_count")

    @lazy
    def _again(self) -> bool:
        """Whether this action is the one that the run tried last."""
        return self.run is not None and self.run.last_action in ("", short(self.action))

    def _larger(self, server: N | None, name: str) -> N | None:
        asserted: N | None = self.values.get(name)
        if server is None:
            return asserted
        return server if asserted is None else max(server, asserted)

    def counter_known(self, name: str) -> bool:
        """Whether a counter is known in the lane that the pack accepts."""
        if self.run is not None:
            return True
        return self.pack.lanes.counters == "asserted" and name in self.values

    # -- change windows

    @lazy
    def windows_read(self) -> tuple[Calendar, ...]:
        """The windows that this decision looks at: those of its constraints, and of the pack's own rules."""
        known = self.pack.calendars
        if not known:
            return ()
        named = [control.value for control in self.controls.get("change_window", ())]
        if self.pack.conditions is not None:
            named += self.pack.conditions.calendars
        return tuple([known[name] for name in dict.fromkeys(named) if name in known])

    @lazy
    def clocks(self) -> tuple[tuple[float, str], ...]:
        """The times, each with its zone, by which a window has to be open: the server's, and one that is asserted."""
        own = self.now, self.caller.timezone
        asserted = self.values.get("current_time", self.now), self.values.get("timezone", self.caller.timezone)
        return (own,) if asserted == own else (own, asserted)

    @property
    def reads_hours(self) -> bool:
        """Whether a rule of the pack's own asks for the hour or the weekday."""
        conditions = self.pack.conditions
        return conditions is not None and any(name in conditions.names for name in ("hour", "weekday"))

    def window_open(self, calendar: Calendar) -> bool:
        """Whether a window is open by the server's clock; asserted time and zone may close it, never open it."""
        if not calendar.is_open(self.now, self.caller.timezone):
            return False
        if "current_time" in self.reading.context.invalid or "timezone" in self.reading.context.invalid:
            return False
        if "current_time" not in self.values and "timezone" not in self.values:
            return True
        at = self.values.get("current_time", self.now)
        return calendar.is_open(at, self.values.get("timezone", self.caller.timezone))


def _stricter(control: Control, other: Control) -> bool:
    """Of two limits the smaller is the stricter; of two demands the larger (approvers)."""
    if not isinstance(control.value, (int, float)):
        return False
    larger: bool = control.value > other.value
    return larger if control.kind == "approvers" else not larger


STAGING: Final = frozenset({"staging", "stage", "stg"})

"""Drives the model and the engine side by side, and compares everything after each step."""

from __future__ import annotations

from collections.abc import Callable
from functools import partial
from typing import Any

from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, initialize, invariant, precondition, rule

from tasks import actors as acting
from tests.proof.model import acts, starting, steps
from tests.proof.model.memory import forget_all
from tests.proof.model.shapes import DECIDER, WORKER, Flow
from tests.proof.model.world import DELAYED, EVERYTHING, FAILED, POLLED, REGISTERING, RUNNING, Process
from tests.proof.stateful.actors import FLOWS, NAMES, value_of
from tests.proof.stateful.flows import facts_of_flow
from tests.proof.stateful.lookups import distinct, picked
from tests.proof.stateful.sides import STEERINGS, Sides, noted

OUTCOMES = (steps.SUCCESS, steps.SUCCESS, steps.SUCCESS, steps.FAILURE, steps.GIVEN_UP, steps.SNOOZE, steps.BACK)
NAMED = ("a", "b", None)
BLOCKABLE = (NAMES[DECIDER], NAMES[WORKER], EVERYTHING)
MOST_AT_ONCE, MOST_EVER = 4, 8

picks = st.integers(0, 11)
some = st.lists(picks, min_size=1, max_size=3)
stray = st.one_of(st.none(), picks)
mostly = st.sampled_from((True, True, True, False))


class Machine(Sides, RuleBasedStateMachine):
    """What may be done to the engine, by whom and when; arguments are drawn, and shrunk where something differs."""

    def __init__(self) -> None:
        Process.forget_all()
        forget_all()
        FLOWS.clear()
        super().__init__()

    @initialize(facts=facts_of_flow(), bounded=st.booleans())
    def begin(self, facts: Any, bounded: bool) -> None:
        """A process is there, and registered."""
        self.start(facts=facts, name="a", bounded=bounded, registrable=True, again=False)
        self.register(chosen=[0])

    @precondition(lambda self: self.is_quiet())
    @rule(
        facts=facts_of_flow(),
        name=st.sampled_from(NAMED),
        bounded=st.booleans(),
        registrable=mostly,
        again=st.booleans(),
    )
    def start(self, facts: Any, name: str | None, bounded: bool, registrable: bool, again: bool) -> None:
        """Somebody starts a process that is like no other."""
        if sum(process is not None for process in self.world.processes) < MOST_AT_ONCE:
            flow = Flow(f"flow {len(FLOWS)}", facts, bounded=bounded, registrable=registrable)
            FLOWS[flow.title] = flow
            self.people_come("start")
            self.starts(flow, name, again)

    @precondition(lambda self: self.is_quiet() and bool(FLOWS))
    @rule(pick=picks, name=st.sampled_from(NAMED[:2]), again=st.booleans())
    def start_once_more(self, pick: int, name: str, again: bool) -> None:
        """Somebody repeats a start, perhaps under another custom id."""
        self.people_come("start once more")
        self.starts(picked(list(FLOWS.values()), pick), name, again)

    @precondition(lambda self: self.is_quiet() and self.ended_by_name())
    @rule(pick=picks)
    def start_beside_a_deletion(self, pick: int) -> None:
        """Somebody repeats a start while the process is being deleted: the start has to wait for that."""
        self.people_come("start beside a deletion")
        self.starts_beside_deletion(picked(self.ended_by_name(), pick))

    @precondition(lambda self: self.places_in(REGISTERING))
    @rule(chosen=some)
    def register(self, chosen: list[int]) -> None:
        """The registration runs, over processes that may be registered already."""
        noted("register")
        places = distinct(range(len(self.world.processes)), chosen)
        self.engine.register(places)
        self.each_process([(place, 0) for place in places], lambda process, _: steps.register(process))

    @precondition(lambda self: self.ready())
    @rule(pick=picks, limit=st.integers(1, 4))
    def claim(self, pick: int, limit: int) -> None:
        """A worker claims, perhaps for an actor that is blocked."""
        self.claims(picked(sorted(self.ready()), pick), limit)

    @precondition(lambda self: self.ready())
    @rule(pick=picks, limit=st.integers(1, 3))
    def work(self, pick: int, limit: int) -> None:
        """A worker claims, and everything goes well."""
        claimed = self.claims(picked(sorted(self.ready()), pick), limit)
        self.delivers([(ref, holder, steps.SUCCESS) for ref, holder in claimed])

    @precondition(lambda self: self.ready())
    @rule()
    def work_on(self) -> None:
        """Workers do all that is ready now, and everything goes well."""
        for actor in sorted(self.ready()):
            claimed = self.claims(actor, 9)
            for ref, holder in claimed:
                self.delivers([(ref, holder, steps.SUCCESS)])

    @precondition(lambda self: self.ready())
    @rule(pick=picks, limit=st.sampled_from((9, 2, 1)))
    def lose(self, pick: int, limit: int) -> None:
        """A worker claims, and is not heard of until its leases are over."""
        claimed = self.claims(picked(sorted(self.ready()), pick), limit)
        refs = [ref for ref, _ in claimed]
        noted("end leases")
        self.scans(steps.end_leases, self.engine.end_leases, refs, POLLED, late=True)

    @precondition(lambda self: self.ready())
    @rule(pick=stray, late=mostly)
    def look_for_unheard(self, pick: int | None, late: bool) -> None:
        """All bells are lost; a worker may have polled before what is ready now was there."""
        noted("look for unheard")
        self.looks_for_unheard(None if pick is None else picked(sorted(self.ready()), pick), late)

    @precondition(lambda self: self.held)
    @rule(pick=picks, outcome=st.sampled_from(OUTCOMES))
    def overtake(self, pick: int, outcome: str) -> None:
        """A lease is over, another worker claims the task, and the first one delivers."""
        ref, holder = picked(self.held, pick)
        noted("end leases")
        if self.world.processes[ref[0]] is not None and self.task(ref).state == POLLED:
            self.scans(steps.end_leases, self.engine.end_leases, [ref], POLLED, late=True)
        if self.actor(ref) in self.ready():
            self.claims(self.actor(ref), 9)
        self.sends_heartbeat(ref, holder)
        self.delivers([(ref, holder, outcome)])

    @precondition(lambda self: self.held)
    @rule(pick=picks)
    def send_heartbeat(self, pick: int) -> None:
        """A worker sends a heartbeat, perhaps for a lease that it has lost."""
        noted("heartbeat")
        self.sends_heartbeat(*picked(self.held, pick))

    @precondition(lambda self: self.held)
    @rule(pick=picks, outcome=st.sampled_from((steps.SUCCESS, steps.GIVEN_UP)))
    def deliver_in_standstill(self, pick: int, outcome: str) -> None:
        """Somebody pauses a process, a worker delivers to it, and it is resumed."""
        ref, holder = picked(self.held, pick)
        self.steers(*STEERINGS["pause"], ref[0])
        self.delivers([(ref, holder, outcome)])
        self.compares()
        self.steers(*STEERINGS["resume"], ref[0])

    @precondition(lambda self: self.held)
    @rule(chosen=some, outcomes=st.lists(st.sampled_from(OUTCOMES), min_size=3, max_size=3))
    def deliver(self, chosen: list[int], outcomes: list[str]) -> None:
        """A worker releases some of what it believes to hold."""
        held = distinct(self.held, chosen)
        once = [each for number, each in enumerate(held) if each[0] not in {ref for ref, _ in held[:number]}]
        self.delivers([(ref, holder, outcome) for (ref, holder), outcome in zip(once, outcomes, strict=False)])

    @precondition(lambda self: self.delivered)
    @rule(pick=picks)
    def deliver_once_more(self, pick: int) -> None:
        """The answer to a release was lost, and the worker repeats it."""
        noted("release once more")
        delivery, outcome = self.delivered.pop(pick % len(self.delivered))
        self.releases([delivery], [outcome])

    @precondition(lambda self: self.in_state(POLLED))
    @rule(chosen=some, other=stray, late=mostly)
    def end_leases(self, chosen: list[int], other: int | None, late: bool) -> None:
        """A scan takes leases back; it found some task that it should not have, or came too early."""
        noted("end leases")
        refs = self.found(self.in_state(POLLED), chosen, other)
        self.scans(steps.end_leases, self.engine.end_leases, refs, POLLED, late)

    @precondition(lambda self: self.in_state(DELAYED))
    @rule(chosen=some, other=stray, late=mostly)
    def enqueue_due(self, chosen: list[int], other: int | None, late: bool) -> None:
        """A scan hands out what is due."""
        noted("enqueue due")
        refs = self.found(self.in_state(DELAYED), chosen, other)
        self.scans(steps.enqueue_due, self.engine.enqueue_due, refs, DELAYED, late)

    @precondition(lambda self: self.budgeted())
    @rule(chosen=some, other=stray, late=mostly)
    def spend_budgets(self, chosen: list[int], other: int | None, late: bool) -> None:
        """A scan fails what has used up its time; the clock of a blocked actor stands."""
        noted("spend budgets")
        refs = self.found(self.budgeted(), chosen, other)
        spent = [ref for ref in refs if late and ref in self.budgeted() and not self.is_blocked(ref)]
        self.each_process(spent, steps.spend_budgets)
        acted = self.engine.spend_budgets(refs, late=late)
        assert acted == len(spent), f"a scan acted on {acted} of {refs}, not on {spent}"

    @precondition(lambda self: self.is_quiet() and self.places_in(RUNNING))
    @rule(chosen=some, late=st.booleans())
    def time_out(self, chosen: list[int], late: bool) -> None:
        """A scan ends processes whose time is used up; the clock of all stands while everything is paused."""
        self.people_come("time out")
        places = distinct(range(len(self.world.processes)), chosen)
        before = self.world
        if late and EVERYTHING not in before.blocked:
            self.each_process([(place, 0) for place in places], lambda process, _: steps.time_out(process))
        ended = sum(old is not new for old, new in zip(before.processes, self.world.processes, strict=True))
        assert self.engine.time_out(places, late=late) == ended

    @precondition(lambda self: self.is_quiet() and len(self.world.processes) > 0)
    @rule(pick=picks, steering=st.sampled_from(tuple(STEERINGS)), fits=mostly)
    def steer(self, pick: int, steering: str, fits: bool) -> None:
        """Somebody steers a process, which may be gone or in no state for it."""
        place = pick % len(self.world.processes)
        process = self.world.processes[place]
        fitting = [each for each, (act, _) in STEERINGS.items() if process and act(process)[1] == acts.DONE]
        if fits and fitting and steering not in fitting:
            steering = fitting[0]
        self.people_come(steering)
        self.steers(*STEERINGS[steering], place)

    @precondition(lambda self: self.is_quiet() and self.in_state(FAILED))
    @rule(pick=picks, has_failed=mostly)
    def restart_task(self, pick: int, has_failed: bool) -> None:
        """Somebody restarts a task, which may not have failed, or with an accepted failure."""
        self.people_come("restart task")
        refs = self.in_state(FAILED) if has_failed else self.refs()
        self.steers_task(acts.restart_task, acting.restart_task, picked(refs, pick))

    @precondition(lambda self: self.external())
    @rule(pick=picks, fails=st.booleans(), fits=mostly)
    def answer_from_outside(self, pick: int, fails: bool, fits: bool) -> None:
        """Somebody outside completes or fails a task, which may not be his, or not ready."""
        noted("fail from outside" if fails else "complete from outside")
        ref = picked(self.external() if fits else self.refs(), pick)
        if fails:
            self.steers_task(acts.fail_task, lambda task: acting.fail_task(task, "no"), ref)
        else:
            self.steers_task(acts.complete_task, lambda task: acting.complete_task(task, value_of(ref[1])), ref)

    @precondition(lambda self: self.is_quiet() and 0 < len(self.world.processes) < MOST_EVER)
    @rule(pick=picks, is_restart=st.booleans())
    def change_identity(self, pick: int, is_restart: bool) -> None:
        """Somebody restarts a process from its beginning, or deletes it."""
        self.people_come("restart process" if is_restart else "delete")
        act = starting.restart_process if is_restart else starting.delete_process
        real: Callable[..., Any] = acting.restart_process if is_restart else acting.delete_process
        place = pick % len(self.world.processes)
        after, code = act(self.world, place)
        self.answers(code, self.engine.on_process(real, place))
        self.moves(after)

    @precondition(lambda self: self.is_quiet())
    @rule(actor=st.sampled_from(BLOCKABLE), fits=mostly)
    def block(self, actor: str, fits: bool) -> None:
        """Somebody blocks an actor, or everything, or ends that; it may be so already."""
        if fits and self.world.blocked:
            actor = min(self.world.blocked)
        ends = (actor in self.world.blocked) == fits
        self.people_come("unblock" if ends else "block")
        after, code = starting.unblock(self.world, actor) if ends else starting.block(self.world, actor)
        if actor == EVERYTHING:
            real = acting.resume_everything if ends else acting.pause_everything
        else:
            real = partial(acting.unblock if ends else acting.block, actor)
        self.answers(code, self.engine.answered(real))
        self.moves(after)

    @invariant()
    def both_are_alike(self) -> None:
        """The database holds what the model says, and both keep the promises."""
        self.compares()

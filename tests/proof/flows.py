"""Makes flows at random: fan-outs, chains, diamonds, nested deciders, with all that can happen to a task in them.

A flow follows from a seed and the `custom_id` of its process alone, so whoever knows these knows the flow.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from random import Random
from types import MappingProxyType
from typing import Any

from tests.proof.drafts import PATTERNS, Draft
from tests.proof.evaluating import expected
from tests.proof.language import (
    DECIDE,
    FORM,
    MAX_ATTEMPTS,
    TIMER,
    Body,
    Call,
    Flow,
    Ref,
    awaited,
    call_of,
)

MOST_TASKS = 25
DEEPEST = 4
BUDGET_SECONDS = 1.5
POLL_TO_END_SECONDS = 0.5
START_TO_END_SECONDS = 4.0


@dataclass(frozen=True, slots=True, kw_only=True)
class Profile:
    """What a share of flows, or of calls, has."""

    failing: float = 0.25
    """Of flows: failures that nobody accepts may be in them."""
    accepting: float = 0.35
    """Of flows: failures that somebody accepts may be in them."""
    asking: float = 0.12
    """Of flows: tasks that are answered from outside may be in them."""
    hopeless: float = 0.03
    """Of flows: one of these is never answered, and the process times out."""
    napping: float = 0.4
    """Of the calls of worker `c`: they nap. The others take 0 to 3 ms, mostly none: their batches grow large."""
    nap: tuple[float, float] = (0.05, 0.4)
    """The shortest and the longest nap, in seconds."""
    weight_of_c: int = 2
    """How many of the calls of workers are calls of `c`: so many beside 16."""
    uneven: float = 0.12
    """Of calls of workers: they stumble, snooze or oversleep."""
    later: float = 0.05
    """Of calls: they start later, or after a timer."""
    tasks: float = 8.0
    """In a flow on average, about."""


PROFILES: Mapping[str, Profile] = MappingProxyType(
    {
        "mixed": Profile(),
        "smooth": Profile(failing=0.0, asking=0.0, hopeless=0.0, uneven=0.03, later=0.01, napping=0.3),
        "drowsy": Profile(napping=0.9, nap=(0.6, 2.6), weight_of_c=20, tasks=5.0),
        "crowded": Profile(asking=0.06, hopeless=0.01, uneven=0.05, later=0.03, napping=0.1, tasks=12.0),
    }
)


def flow_of(seed: object, custom_id: str, variant: int = 0, profile: str = "mixed") -> Flow:
    """The flow of the process that is called `custom_id`; each variant is another one."""
    return generate(Random(f"{seed} {custom_id} {variant}"), PROFILES[profile])


def generate(random: Random, profile: Profile = PROFILES["mixed"]) -> Flow:
    """A flow at random."""
    author = _Author(random, profile)
    flow = author.write(0, ())
    if author.is_hopeless:
        flow["calls"].append(call_of(FORM, "forgotten"))
        flow["start_to_end"] = START_TO_END_SECONDS
        if random.random() < 0.5:
            flow["returns"] = {"call": len(flow["calls"]) - 1}
    _repair(flow, may_fail=author.may_fail)
    return flow


class _Author:
    """Writes the bodies of one flow."""

    def __init__(self, random: Random, profile: Profile) -> None:
        self.random = random
        self.profile = profile
        self.left = min(2 + int(random.expovariate(1 / profile.tasks)), MOST_TASKS - 2)
        self.is_hopeless = self._happens(profile.hopeless)
        self.may_fail = self._happens(profile.failing) and not self.is_hopeless
        self.may_accept = self._happens(profile.accepting)
        self.may_ask = self._happens(profile.asking)

    def write(self, depth: int, inputs: tuple[bool, ...]) -> Body:
        """One body; `inputs` tells which of those it is handed may be a Failure."""
        count = min(max(self.left, 1), self.random.randint(2, 8) if depth == 0 else self.random.randint(1, 4))
        self.left -= count
        pattern = self.random.choice(PATTERNS)
        draft = Draft(inputs)
        for index in range(count):
            draft.add(self._call(draft, depth, pattern(self.random, index, count)))
        return {"calls": draft.calls, "returns": self._returned(draft)}

    def _call(self, draft: Draft, depth: int, earlier: Sequence[int]) -> Call:
        call = self._drawn(draft, depth)
        if call["actor"] == TIMER:
            return call
        self._connect(draft, call, earlier)
        self._let_fail(call)
        if draft.would_be_refused(call):
            call["accept"] = True
        if call["actor"] == DECIDE:
            body = self.write(depth + 1, tuple(draft.may_be_failure(ref) for ref in call["inputs"]))
            if self.may_accept and call["accept"] and self._happens(0.7):
                self._undermine(body)
            call["body"] = body
        return call

    def _drawn(self, draft: Draft, depth: int) -> Call:
        """A call of some actor, not connected yet."""
        options: dict[str, Any] = {}
        if self._happens(self.profile.later):
            later = round(self.random.uniform(0.3, 1.0), 2)
            if self._happens(0.5) and not draft.has_timer():
                return call_of(TIMER, start_in=later)
            options["start_in"] = later
        if self._happens(0.08):
            options["priority"] = self.random.randint(0, 9)
        if depth < DEEPEST and self.left > 0 and self._happens(0.25):
            return self._uneven(call_of(DECIDE, **options))
        if self.may_ask and self._happens(0.2):
            return call_of(FORM, "completed", start_in=options.get("start_in"))
        return self._worker(options)

    def _worker(self, options: Mapping[str, Any]) -> Call:
        weights = (8, 4, self.profile.weight_of_c, 3, 1)
        actor = self.random.choices(("a", "b", "c", "book", "judge"), weights)[0]
        takes_long = actor == "c" and self._happens(self.profile.napping)
        seconds = 0.0 if self._happens(0.7) else self.random.uniform(0.0, 0.003)
        if takes_long:
            seconds = self.random.uniform(*self.profile.nap)
        return self._uneven(call_of(actor, sleep=round(seconds, 4), **options))

    def _uneven(self, call: Call) -> Call:
        """The call, which now and then does not go smoothly."""
        if self._happens(self.profile.uneven):
            call["mode"] = self.random.choice(("stumbles", "snoozes"))
            call["times"] = self.random.randint(1, 2)
            if call["actor"] == "c" and self._happens(0.15):
                call["mode"], call["times"], call["poll_to_end"] = "oversleeps", 0, POLL_TO_END_SECONDS
                call["sleep"] = min(call["sleep"], POLL_TO_END_SECONDS / 2)
        return call

    def _connect(self, draft: Draft, call: Call, earlier: Sequence[int]) -> None:
        """Hand a call what it is to be handed, and let it wait for the rest."""
        refs: list[Ref] = []
        for index in earlier:
            if draft.calls[index]["actor"] == TIMER or self._happens(0.12):
                call["after"].append(index)
            else:
                refs.append({"call": index})
        if len(refs) > 1 and self._happens(0.4):
            refs = [{"all": refs}]
        if draft.inputs and self._happens(0.5):
            refs.append({"input": self.random.randrange(len(draft.inputs))})
        if not refs or self._happens(0.1):
            refs.append({"value": self.random.randrange(100)})
        takes_failures = call["actor"] in ("judge", DECIDE)
        call["inputs"] = [ref for ref in refs if takes_failures or "input" not in ref or not draft.may_be_failure(ref)]

    def _let_fail(self, call: Call) -> None:
        """Make a call fail now and then, where this flow may have such, and have the failure accepted or not."""
        if call["mode"] not in ("works", "completed"):
            return
        if self.may_fail and self._happens(0.12):
            call["mode"] = "failed" if call["actor"] == FORM else self.random.choice(("refuses", "refuses_until_cured"))
        elif self.may_accept and self._happens(0.4 if call["actor"] == DECIDE else 0.2):
            call["accept"] = self._happens(0.85)
            self._refuse(call)

    def _refuse(self, call: Call) -> None:
        if call["actor"] == FORM:
            call["mode"] = self.random.choice(("failed", "forgotten"))
            call["budget"] = BUDGET_SECONDS if call["mode"] == "forgotten" else None
        elif call["actor"] != DECIDE and self._happens(0.08):
            call["mode"], call["times"], call["budget"] = "stumbles", MAX_ATTEMPTS, BUDGET_SECONDS
        elif call["actor"] != DECIDE or self._happens(0.3):
            call["mode"] = "refuses"

    def _undermine(self, body: Body) -> None:
        """Let what a body returns fail, so that its failure climbs; through deciders in it, too."""
        last = len(body["calls"]) - 1
        call = body["calls"][last]
        if call["actor"] in (TIMER, FORM):
            return
        body["returns"] = {"call": last}
        call["accept"] = False
        if call["body"] is not None:
            self._undermine(call["body"])
        else:
            call["mode"], call["budget"] = "refuses", None
            # What may fail is waited for, not handed over: the engine would refuse the call.
            call["after"], call["inputs"] = sorted(awaited(call)), [{"value": last}]

    def _returned(self, draft: Draft) -> Ref:
        last = len(draft.calls) - 1
        chance = self.random.random()
        if chance < 0.1:
            return {"value": self.random.randrange(100)}
        if chance < 0.15:
            safe = [index for index, may_fail in enumerate(draft.inputs) if not may_fail]
            return {"input": self.random.choice(safe)} if safe else {"call": last}
        if chance < 0.4:
            chosen = sorted(self.random.sample(range(last + 1), self.random.randint(1, min(3, last + 1))))
            return {"all": [{"call": index} for index in chosen] + [{"value": last}]}
        return {"call": last if chance < 0.85 else self.random.randint(0, last)}

    def _happens(self, share: float) -> bool:
        return self.random.random() < share


def _repair(flow: Flow, *, may_fail: bool) -> None:
    """Leave no failure unaccepted that must not be, and none to be cured that would be delivered before its cure."""
    while True:
        told = expected(flow)
        early = [told.modes[key] for key in told.accepted if told.modes[key]["mode"] == "refuses_until_cured"]
        for call in early:
            call["mode"] = "refuses"
        unwanted = set() if may_fail else told.failing
        causes = told.accepted if unwanted & told.doomed else unwanted
        for key in causes:
            _make_work(told.modes[key])
        if not early and not causes:
            return


def _make_work(call: Call) -> None:
    call["mode"] = "completed" if call["actor"] == FORM else "works"
    call["times"], call["budget"] = 0, None

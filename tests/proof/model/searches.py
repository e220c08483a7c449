"""The settings that are searched: each shape with what makes its states, and each race with those who run it."""

from __future__ import annotations

from tests.proof.model import settings, shapes, steps
from tests.proof.model.settings import ALL_OUTCOMES, Setting, may
from tests.proof.model.world import Client

FAULTS = may(settings.DIES, settings.ANSWER_IS_LOST, settings.LEASE_ENDS)
PEOPLE = may(settings.PAUSE, settings.ABORT, settings.RESTART_TASK)
CLOCKS = may(settings.SPENT, settings.TIME_IS_UP)
SHAPES = (
    shapes.CHAIN,
    shapes.NESTED,
    shapes.ACCEPTED,
    shapes.CLIMBING,
    shapes.OVERHEARD,
    shapes.DOOMED,
    shapes.STRICT,
    shapes.ASIDE,
    shapes.VALUE,
    shapes.ASKED,
    shapes.LATER,
    shapes.FRAGILE,
    shapes.BAD,
)

EACH_SHAPE = tuple(
    Setting(
        shape.title,
        (shape,),
        workers=2,
        limit=2,
        outcomes=(steps.SUCCESS, steps.FAILURE, steps.BACK),
        may=FAULTS | PEOPLE | CLOCKS,
    )
    for shape in SHAPES
)

THREE_WORKERS = Setting(
    "three workers and one task",
    (shapes.SINGLE,),
    workers=3,
    outcomes=ALL_OUTCOMES,
    may=FAULTS | PEOPLE | may(settings.IN_TWO_STEPS, settings.BLOCK, settings.PAUSE_ALL),
    scans=2,
)

STARTS = Setting(
    "three starts with one custom id, two registrations",
    clients=(Client(shapes.SINGLE, "a"), Client(shapes.SINGLE, "a"), Client(shapes.OTHER, "a")),
    may=may(settings.DIES, settings.LEASE_ENDS, settings.REGISTRATIONS, settings.ABORT, settings.DELETE),
    outcomes=(steps.SUCCESS,),
    scans=2,
    places=2,
)

RACES = (
    Setting(
        "scans that find before they lock, and heartbeats",
        (shapes.CHAIN,),
        workers=2,
        limit=2,
        outcomes=ALL_OUTCOMES,
        may=FAULTS | PEOPLE | may(settings.IN_TWO_STEPS),
        scans=2,
    ),
    THREE_WORKERS,
    Setting(
        "a batch out of two processes, blocks and pauses",
        (shapes.CHAIN, shapes.SINGLE),
        workers=2,
        limit=2,
        may=may(settings.LEASE_ENDS, settings.PAUSE, settings.BLOCK),
    ),
    Setting(
        "a batch of two, and one that collects",
        (shapes.PAIR,),
        workers=2,
        limit=2,
        may=may(settings.LEASE_ENDS, settings.DIES, settings.PAUSE),
    ),
    Setting(
        "a batch that is lost, handed back and released late, under pauses",
        (shapes.PAIR,),
        workers=2,
        limit=2,
        outcomes=(steps.SUCCESS, steps.GIVEN_UP, steps.BACK),
        may=FAULTS | may(settings.PAUSE, settings.RESTART_TASK),
    ),
    Setting(
        "a failure that climbs while scans and heartbeats come late",
        (shapes.CLIMBING,),
        workers=2,
        limit=2,
        outcomes=ALL_OUTCOMES,
        may=FAULTS | PEOPLE | may(settings.IN_TWO_STEPS),
        scans=1,
    ),
    Setting(
        "a task that nobody awaits, and everything",
        (shapes.ASIDE,),
        workers=2,
        limit=2,
        outcomes=ALL_OUTCOMES,
        may=FAULTS | PEOPLE | may(settings.IN_TWO_STEPS),
        scans=1,
    ),
    Setting(
        "a promise that is handed on, and released in one batch with who was handed it",
        (shapes.GIVEN,),
        workers=2,
        limit=2,
        may=may(settings.LEASE_ENDS, settings.PAUSE),
    ),
    Setting(
        "bells that are lost and doubled",
        (shapes.CHAIN,),
        workers=2,
        outcomes=(steps.SUCCESS, steps.BACK),
        may=FAULTS | may(settings.BELLS, settings.PAUSE, settings.BLOCK),
    ),
    STARTS,
    Setting(
        "a start while the process is restarted or deleted",
        (shapes.SINGLE,),
        names=("a",),
        clients=(Client(shapes.SINGLE, "a"), Client(shapes.SINGLE, "a")),
        outcomes=(steps.SUCCESS,),
        may=may(settings.DIES, settings.LEASE_ENDS, settings.ABORT, settings.DELETE, settings.RESTART),
        places=3,
    ),
)

ALL = (*EACH_SHAPE, *RACES)
QUICK = (
    *(each for each in EACH_SHAPE if each.flows[0] in (shapes.CHAIN, shapes.ACCEPTED, shapes.ASKED, shapes.LATER)),
    THREE_WORKERS,
    STARTS,
)

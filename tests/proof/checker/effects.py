"""Effects: those of transactional workers exactly once, those of others at least once."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterator

from tests.proof.checker.records import EffectRow, Violation
from tests.proof.checker.story import Named, Story
from tests.proof.checker.values import NotThere, value_of

TRANSACTIONAL = "book"
BUILT_IN = "tasks."


def check(story: Story) -> Iterator[Violation]:
    """Every completed worker has its effect."""
    written: defaultdict[str, list[EffectRow]] = defaultdict(list)
    for effect in story.records.effects:
        written[effect.task].append(effect)
    for task_id, effects in written.items():
        if task_id not in story.tasks:
            yield Violation(f"{effects} were written by a task that does not exist", None, task_id)
    for named in story.named():
        task = named.task
        is_transactional = is_booking(task.actor)
        if not is_transactional or task.state != "COMPLETED":
            if written.get(task.id):
                sentence = f"{task.actor} is {task.state}, but wrote {written[task.id]}"
                yield Violation(sentence, named.process.id, task.id)
        else:
            yield from _exactly_once(named, written.get(task.id, []), story)
        if task.kind == "worker" and task.state == "COMPLETED" and not task.actor.startswith(BUILT_IN):
            yield from _at_least_once(named, story)


def is_booking(actor: str) -> bool:
    """Whether this is the transactional worker."""
    return actor.partition("#")[0].rpartition(".")[2] == TRANSACTIONAL


def _exactly_once(named: Named, written: list[EffectRow], story: Story) -> Iterator[Violation]:
    task = named.task
    try:
        value = value_of(task, story)
    except NotThere:
        value = None
    wanted = [(task.released_attempt, value[1] if isinstance(value, list) else None)]
    if [(each.attempt, each.nonce) for each in written] != wanted:
        sentence = f"it completed with attempt and nonce {wanted}, but wrote {written}"
        yield Violation(sentence, named.process.id, task.id)


def _at_least_once(named: Named, story: Story) -> Iterator[Violation]:
    task = named.task
    attempt = story.attempts_of(task.id).get(task.released_attempt or 0)
    effects = [effect["nonce"] for effect in attempt.effects] if attempt is not None else []
    returned = [end["value"] for end in attempt.ends if end["how"] == "value"] if attempt is not None else []
    if not any(value[1] in effects for value in returned):
        sentence = f"attempt {task.released_attempt} returned {returned} and had the effects {effects}"
        yield Violation(sentence, named.process.id, task.id)

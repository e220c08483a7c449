"""Executes a `transactional` worker: its ORM writes and its release commit together, or not at all."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any
from uuid import UUID

from django.db import transaction

from tasks.context import CurrentTask
from tasks.declaring import Actor
from tasks.execution import after_failure, execute, with_details
from tasks.outcomes import Answer, Lease, Outcome
from tasks.promises import Settled
from tasks.releasing import Released, release, release_within
from tasks.states import TaskState


class NotCompleted(Exception):
    """The attempt did not complete: roll back what it wrote."""

    def __init__(self, outcome: Outcome) -> None:
        super().__init__(outcome.state)
        self.outcome = outcome


class LeaseLost(Exception):
    """The lease ended before the transaction could commit: roll back what it wrote."""


def execute_transactionally(
    lease: Lease, actor: Actor[..., Any], values: Mapping[UUID, Settled], current: CurrentTask
) -> Released:
    """Run one attempt in one transaction with its release.

    User code runs first, with no lock of the engine held. Then the process is locked and the fence is asked: if
    the lease is lost everything is rolled back. A failed attempt is rolled back and its outcome is written in a
    new transaction. Raises what the database raises while writing that.
    """
    try:
        with transaction.atomic(durable=True):
            outcome = execute(lease, actor, values, current)
            if outcome.state != TaskState.COMPLETED:
                raise NotCompleted(outcome)
            released = release_within([outcome])
            if released.answers[lease.task_id] is not Answer.ACCEPTED:
                raise LeaseLost
            return released
    except NotCompleted as rolled_back:
        return release([rolled_back.outcome])
    except LeaseLost:
        return release([outcome])
    # The COMMIT itself may fail, with a constraint of the user's that was deferred to it.
    except Exception as error:  # noqa: BLE001
        return release([with_details(after_failure(lease, actor, error), current)])

"""The Celery tasks of the engine: parse, call one function, return."""

from celery import shared_task

from tasks import draining, registration


@shared_task(name="tasks.register_processes")
def register_processes() -> None:
    """Register the processes that wait for it."""
    registration.register_all_waiting()


@shared_task(name="tasks.drain")
def drain(actor: str) -> None:
    """Work for an actor (full name) until nothing is left or the turn ends."""
    draining.drain(actor)

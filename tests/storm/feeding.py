"""Keeps a number of storms going until it is told to stop: `python -m tests.storm.feeding LIVE`.

A start that is not answered with "created" or "exists" is repeated with its `custom_id`, as a client should. When
standard input ends it starts no more, prints how many there are, and exits.
"""

import sys
import threading
from time import sleep

import django

django.setup()

from django.db import Error, connection  # noqa: E402  # Django must be set up first

from processes.models import Process, ProcessState  # noqa: E402
from tasks.actors import Code, StartRequest, start_processes  # noqa: E402
from tasks.errors import OutcomeUnknown  # noqa: E402
from tests.storm.actors import storm  # noqa: E402


def feed(live: int, stopped: threading.Event) -> int:
    """Start storms so that `live` of them are going; return how many were started."""
    started = 0
    while not stopped.is_set():
        try:
            going = Process.objects.filter(state__in=[ProcessState.REGISTERING, ProcessState.RUNNING]).count()
        except Error:
            connection.close()
            sleep(0.1)
            continue
        numbers = range(started, started + live - going)
        while numbers and not start(numbers):
            sleep(0.1)
        started += len(numbers)
        sleep(0.1)
    return started


def start(numbers: range) -> bool:
    """Start these storms; tell whether all are there now."""
    try:
        answers = start_processes(
            StartRequest(actor=storm, args=(number,), custom_id=f"storm-{number}") for number in numbers
        )
    except (OutcomeUnknown, Error):
        connection.close()
        return False
    return all(answer.code in (Code.CREATED, Code.EXISTS) for answer in answers)


def stop_at_end_of_input(stopped: threading.Event) -> None:
    """Wait until nobody can write to standard input any more."""
    sys.stdin.read()
    stopped.set()


def main() -> None:
    """Feed until standard input ends."""
    stopped = threading.Event()
    threading.Thread(target=stop_at_end_of_input, args=(stopped,), daemon=True).start()
    print(feed(int(sys.argv[1]), stopped), flush=True)


if __name__ == "__main__":
    main()

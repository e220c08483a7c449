"""What the demo tells: lines above the progress bar, and a table of where the orders went."""

from __future__ import annotations

import sys
from collections import Counter
from collections.abc import Sequence

from tqdm import tqdm

from examples.orders.reading import Order
from processes.models import Process
from tasks.actors import Failure


def say(line: str) -> None:
    """Print a line, above the progress bar where there is one."""
    tqdm.write(line, file=sys.stdout)
    sys.stdout.flush()


def report(orders: Sequence[Order]) -> Counter[str]:
    """Print where the orders went; return how many processes are in which state."""
    states: Counter[str] = Counter()
    places: Counter[tuple[str, str]] = Counter()
    for process in Process.objects.filter(custom_id__in=[order.custom_id for order in orders]):
        states[process.state] += 1
        places[process.state, _told(process)] += 1
    say(f"\n{'state':<12} {'orders':>6}  what became of them")
    for (state, told), count in sorted(places.items(), key=lambda item: (-item[1], item[0])):
        say(f"{state:<12} {count:>6}  {told}")
    say("")
    return states


def _told(process: Process) -> str:
    if process.failure is not None:
        failure = Failure.from_text(process.failure)
        return f"{failure.type.rpartition('.')[2]}: {failure.message}"
    return str(process.value["outcome"]) if isinstance(process.value, dict) else ""

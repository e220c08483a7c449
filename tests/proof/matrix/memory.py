"""How much memory worker processes take, and whether it grows: a slope that a few jumps do not change."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Sequence
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path
from statistics import median

MIB = 2**20
HOUR = 3600.0
LEAST_SAMPLES = 10


@dataclass(frozen=True, slots=True)
class Growth:
    """What the memory of one process did after the warm-up."""

    name: str
    first_mib: float
    last_mib: float
    mib_an_hour: float
    seconds: float


class Memory:
    """The samples of some processes, each known by a name and its id."""

    def __init__(self) -> None:
        self._samples: dict[tuple[str, int], list[tuple[float, int]]] = defaultdict(list)

    def sample(self, at: float, name: str, pid: int) -> None:
        """Note how much a process takes now; nothing where it is gone."""
        found = anonymous_bytes(pid)
        if found is not None:
            self._samples[name, pid].append((at, found))

    def growths(self, warm_up: float, least: float) -> list[Growth]:
        """What became of those that were looked at for so long after a warm-up of their own; both in seconds."""
        kept = {
            who: [each for each in samples if each[0] >= samples[0][0] + warm_up]
            for who, samples in self._samples.items()
        }
        return [
            Growth(
                f"{name} {pid}",
                samples[0][1] / MIB,
                samples[-1][1] / MIB,
                slope(samples) * HOUR / MIB,
                samples[-1][0] - samples[0][0],
            )
            for (name, pid), samples in kept.items()
            if len(samples) >= LEAST_SAMPLES and samples[-1][0] - samples[0][0] >= least
        ]

    def told(self) -> dict[str, list[tuple[int, float]]]:
        """All samples, for JSON: seconds and MiB."""
        return {
            f"{name} {pid}": [(round(at), round(size / MIB, 2)) for at, size in samples]
            for (name, pid), samples in self._samples.items()
        }


def anonymous_bytes(pid: int) -> int | None:
    """The anonymous memory of a process that is resident, shared with its parent or not."""
    with suppress(FileNotFoundError, ProcessLookupError):
        for line in Path(f"/proc/{pid}/status").read_text().splitlines():
            if line.startswith("RssAnon:"):
                return int(line.split()[1]) * 1024
    return None


def slope(samples: Sequence[tuple[float, float]]) -> float:
    """The median of the slopes of all pairs (Theil and Sen): a few jumps do not change it."""
    pairs = (
        (later - earlier, after - before)
        for number, (earlier, before) in enumerate(samples)
        for later, after in samples[number + 1 :]
    )
    return median([rise / run for run, rise in pairs if run > 0])

"""The moments at which programs can be stopped, seen from outside: arms them, sees who is held there, lets go."""

from __future__ import annotations

from collections.abc import Collection, Iterable
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path

SIDES = ("before_commit", "after_commit", "before_publish", "after_publish")
START = tuple(f"start.{side}" for side in SIDES)
WORKER = (
    *(f"{act}.{side}" for act in ("registration", "claim", "release") for side in SIDES),
    "release.transactional.before_commit",
    "release.transactional.after_commit",
    "user_code",
    "user_code.transactional",
)
ALL = (*START, *WORKER)


@dataclass(frozen=True, slots=True)
class Held:
    """A process that stands still at a moment."""

    moment: str
    pid: int
    program: str
    """The name of the program that it belongs to; empty where that is not known (any more)."""


class Moments:
    """The moments of the programs that have this folder."""

    def __init__(self, folder: Path) -> None:
        self._armed = folder / "moments" / "armed"
        self._held = folder / "moments" / "held"
        for each in (self._armed, self._held):
            each.mkdir(parents=True, exist_ok=True)

    def arm(self, moments: Iterable[str]) -> None:
        """Have the next process that comes to one of these moments stand still there."""
        for moment in moments:
            (self._armed / moment).touch()

    def held(self) -> list[tuple[str, int]]:
        """Which moments hold which process."""
        pairs = (path.name.rpartition(".") for path in self._held.iterdir())
        return [(moment, int(pid)) for moment, _, pid in pairs]

    def let_go(self, but: Collection[int] = ()) -> None:
        """Let everybody go on but these processes, and nobody stand still any more."""
        for path in self._armed.iterdir():
            _remove(path)
        for path in self._held.iterdir():
            if int(path.suffix[1:]) not in but:
                _remove(path)

    def release(self, held: Iterable[Held]) -> None:
        """Let these go on."""
        for each in held:
            _remove(self._held / f"{each.moment}.{each.pid}")


def _remove(path: Path) -> None:
    with suppress(FileNotFoundError):
        path.unlink()

"""Programs that run beside this one, each under a guardian that stops it when its last owner is gone."""

from __future__ import annotations

import fcntl
import json
import os
import signal
import subprocess
import sys
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager, suppress
from pathlib import Path
from time import monotonic, sleep
from typing import IO

GUARDIAN = Path(__file__).with_name("guardian.py")
OWNERS = "owners.lock"
TICK_SECONDS = 0.02


class LaunchError(Exception):
    """Something cannot be started; the message is one line for a person."""


@contextmanager
def alone(path: Path, *, refusal: str = "") -> Iterator[None]:
    """Let nobody else hold `path` meanwhile. Waits for whoever does; raises LaunchError(refusal) instead, if given."""
    with open(path, "a") as file:
        try:
            fcntl.flock(file, fcntl.LOCK_EX | (fcntl.LOCK_NB if refusal else 0))
        except BlockingIOError as error:
            raise LaunchError(refusal) from error
        yield


class Ownership:
    """A shared lock on a folder: as long as somebody holds one, what was started there goes on running.

    It is given up by `close`, and by the end of this process, however it comes.
    """

    def __init__(self, folder: Path) -> None:
        try:
            folder.mkdir(parents=True, exist_ok=True)
            self.path = folder / OWNERS
            self._file: IO[str] | None = open(self.path, "a")  # noqa: SIM115  # held until closed
            fcntl.flock(self._file, fcntl.LOCK_SH)
        except OSError as error:
            raise LaunchError(f"{folder} cannot be used: {error.strerror}") from error

    def close(self) -> None:
        """Give the ownership up."""
        if self._file is not None:
            self._file.close()
            self._file = None

    def is_shared(self) -> bool:
        """Whether somebody else owns the folder (once this ownership is given up)."""
        with open(self.path, "a") as file:
            try:
                fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
                return False
            except BlockingIOError:
                pass
            try:
                # An owner lets another one in; a guardian that is stopping its program does not.
                fcntl.flock(file, fcntl.LOCK_SH | fcntl.LOCK_NB)
            except BlockingIOError:
                return False
            return True


class Program:
    """One program under its guardian. Starting it where it runs already attaches to it."""

    def __init__(
        self,
        name: str,
        ownership: Ownership,
        command: Sequence[str],
        *,
        environ: Mapping[str, str] | None = None,
        stop_signal: signal.Signals = signal.SIGTERM,
        restart: bool = False,
    ) -> None:
        self.name = name
        self.command = list(command)
        self._ownership = ownership
        self._folder = ownership.path.parent
        self._environ = environ
        self._stop_signal = stop_signal
        self._mode = "restart" if restart else "once"
        self._guardian: subprocess.Popen[bytes] | None = None

    @property
    def log_path(self) -> Path:
        """Where its output goes."""
        return self._folder / f"{self.name}.log"

    def start(self) -> None:
        """Start it, unless it runs already. Returns as soon as the operating system has started it."""
        with alone(self._folder / f"{self.name}.starting"):
            if not self.is_running():
                self._start_guardian()

    def is_running(self) -> bool:
        """Whether a guardian guards it."""
        return is_guarded(self._folder, self.name)

    @property
    def pid(self) -> int:
        """The process id of the program, which leads a process group of its own. Raises LaunchError if none runs."""
        if not self.is_running():
            raise LaunchError(f"{self.name} does not run")
        return guarded(self._folder, self.name)["program"]

    def send(self, number: signal.Signals) -> None:
        """Send a signal to the program alone."""
        os.kill(self.pid, number)

    def send_to_all(self, number: signal.Signals) -> None:
        """Send a signal to the program and its children."""
        os.killpg(self.pid, number)

    def kill(self) -> None:
        """Kill the program and its children with -9, and wait until its guardian is gone (or has restarted it)."""
        pid = self.pid
        with suppress(ProcessLookupError):
            os.killpg(pid, signal.SIGKILL)
        while self.is_running() and self.pid == pid:
            sleep(TICK_SECONDS)
        if self._mode == "once":
            self._reap()

    def stop(self, number: signal.Signals | None = None) -> None:
        """Stop it: with its own stop signal, or with another one. Returns when it is gone."""
        if not self.is_running():
            self._reap()
            return
        if number is not None and self._mode == "once":
            self.send(number)
        else:
            stop_guarded(self._folder, self.name)
        self.wait()

    def wait(self, seconds: float = 60.0) -> None:
        """Wait until it has ended. Raises LaunchError if it does not."""
        until = monotonic() + seconds
        while self.is_running():
            if monotonic() > until:
                raise LaunchError(f"{self.name} does not end")
            sleep(TICK_SECONDS)
        self._reap()

    def last_words(self) -> str:
        """The last line of its log."""
        try:
            lines = self.log_path.read_text(errors="replace").split("\n")
        except FileNotFoundError:
            return "it left no log"
        return next((line.strip() for line in reversed(lines) if line.strip()), "its log is empty")

    def _start_guardian(self) -> None:
        pid_path = self._folder / f"{self.name}.pid"
        pid_path.unlink(missing_ok=True)
        options = [str(self._folder), self.name, str(self._ownership.path), str(int(self._stop_signal)), self._mode]
        with open(self.log_path, "ab") as log:
            self._guardian = subprocess.Popen(
                [sys.executable, "-I", "-S", str(GUARDIAN), *options, *self.command],
                env=dict(self._environ) if self._environ is not None else None,
                stdin=subprocess.DEVNULL,
                stdout=log,
                stderr=log,
                start_new_session=True,
            )
        while not pid_path.exists():
            if self._guardian.poll() is not None and not pid_path.exists():
                raise LaunchError(f"{self.name} does not start: {self.last_words()}")
            sleep(TICK_SECONDS)

    def _reap(self) -> None:
        if self._guardian is not None:
            self._guardian.wait()
            self._guardian = None


def is_guarded(folder: Path, name: str) -> bool:
    """Whether a guardian guards a program of this name in this folder."""
    try:
        with open(folder / f"{name}.lock") as lock:
            fcntl.flock(lock, fcntl.LOCK_SH | fcntl.LOCK_NB)
    except BlockingIOError:
        return True
    except FileNotFoundError:
        return False
    return False


def guarded(folder: Path, name: str) -> dict[str, int]:
    """The process ids of the guardian and of the program. Raises LaunchError where none has run."""
    try:
        pids: dict[str, int] = json.loads((folder / f"{name}.pid").read_text())
    except FileNotFoundError as error:
        raise LaunchError(f"{name} does not run") from error
    return pids


def stop_guarded(folder: Path, name: str) -> None:
    """Have a guardian stop its program, and wait until both are gone; nothing where none runs."""
    while is_guarded(folder, name):
        # It may be about to write down who it is, or to end.
        with suppress(LaunchError, ProcessLookupError):
            os.kill(guarded(folder, name)["guardian"], signal.SIGTERM)
        sleep(TICK_SECONDS)


def guarded_names(folder: Path) -> list[str]:
    """The names of the programs that run in this folder."""
    names = [lock.stem for lock in folder.glob("*.lock") if lock.name != OWNERS]
    return [name for name in names if is_guarded(folder, name)]

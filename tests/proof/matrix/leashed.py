"""A program whose exit status matters, and which ends with the one that started it."""

from __future__ import annotations

import os
import subprocess
import sys
from collections.abc import Mapping, Sequence
from contextlib import suppress
from pathlib import Path

from orchestrator.local.running import LEASH


class Leashed:
    """A program on a leash: it cannot outlive us, whatever becomes of us."""

    def __init__(
        self, name: str, command: Sequence[str], environ: Mapping[str, str], log: Path, folder: Path | None = None
    ) -> None:
        self.name = name
        self._folder = folder
        self._command = command
        self._environ = environ
        self._log = log
        self._process: subprocess.Popen[bytes] | None = None
        self._held = -1

    @property
    def pid(self) -> int | None:
        """The process id of the program itself; None where it does not run."""
        if self._process is None:
            return None
        with suppress(FileNotFoundError, ProcessLookupError):
            leash = self._process.pid
            children = Path(f"/proc/{leash}/task/{leash}/children").read_text().split()
            return int(children[0]) if children else None
        return None

    def start(self) -> None:
        """Start it."""
        watched, self._held = os.pipe()
        with open(self._log, "ab") as log:
            self._process = subprocess.Popen(
                [sys.executable, "-I", "-S", str(LEASH), str(watched), *self._command],
                cwd=self._folder,
                env=dict(self._environ),
                stdin=subprocess.DEVNULL,
                stdout=log,
                stderr=log,
                pass_fds=[watched],
                start_new_session=True,
            )
        os.close(watched)

    def wait(self, seconds: float) -> int | None:
        """Its exit status; None where it goes on for longer than this."""
        assert self._process is not None
        try:
            return self._process.wait(seconds)
        except subprocess.TimeoutExpired:
            return None

    def kill(self) -> None:
        """End it, if it runs: the leash does."""
        if self._process is None or self._held < 0:
            return
        os.close(self._held)
        self._held = -1
        self._process.wait()

    def last_words(self) -> str:
        """The last line of what it said."""
        lines = [line for line in self._log.read_text(errors="replace").splitlines() if line.strip()]
        return lines[-1] if lines else "it said nothing"

"""Guards one program: starts it, and stops it when nobody owns it any more. Run as a script; standard library only.

    guardian.py FOLDER NAME OWNERS_LOCK STOP_SIGNAL {once|restart} COMMAND…

Every owner holds a shared lock on OWNERS_LOCK for as long as it lives, however it ends. The guardian holds the lock
FOLDER/NAME.lock while the program runs, so there is one guardian at most, and tells in FOLDER/NAME.pid who runs. It
looks a few times a second whether it can take OWNERS_LOCK for itself alone: then no owner is left. Where the kernel
can do that (Linux), the program gets its stop signal also when the guardian itself is killed.
"""

import ctypes
import fcntl
import json
import os
import signal
import subprocess
import sys
import time
from contextlib import suppress
from pathlib import Path
from typing import IO

TICK_SECONDS = 0.1
PATIENCE_SECONDS = 20.0
PAUSE_SECONDS = 1.0
LOCK_TRIES = 20
LOCK_TICK_SECONDS = 0.02
PR_SET_PDEATHSIG = 1


def main() -> int:
    """Guard until the program ends, is told to stop, or has no owner left."""
    folder, name, owners_path, stop_signal, mode, *command = sys.argv[1:]
    lock = open(Path(folder, f"{name}.lock"), "w")  # noqa: SIM115  # held for the life of this process
    if not is_taken(lock):
        return 0
    told_to_stop: list[int] = []
    for each in (signal.SIGTERM, signal.SIGINT, signal.SIGHUP):
        signal.signal(each, lambda number, _: told_to_stop.append(number))
    with open(owners_path, "w") as owners, open(Path(folder, f"{name}.log"), "ab") as log:
        while True:
            began = time.monotonic()
            program = start(command, log, int(stop_signal))
            try:
                note(Path(folder, f"{name}.pid"), program.pid)
                while program.poll() is None and not told_to_stop and not is_abandoned(owners):
                    time.sleep(TICK_SECONDS)
                if program.returncode is None:
                    stop(program, signal.Signals(int(stop_signal)))
                    return 0
            finally:
                kill_group(program.pid)
            if mode != "restart":
                return program.returncode
            time.sleep(TICK_SECONDS if time.monotonic() - began > PAUSE_SECONDS else PAUSE_SECONDS)


def is_taken(lock: IO[str]) -> bool:
    """Whether the lock could be taken. Somebody who only looks at it holds it for a moment: try again."""
    for _ in range(LOCK_TRIES):
        try:
            fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            time.sleep(LOCK_TICK_SECONDS)
        else:
            return True
    return False


def start(command: list[str], log: IO[bytes], stop_signal: int) -> "subprocess.Popen[bytes]":
    """Start the program in a process group of its own."""
    return subprocess.Popen(
        command,
        stdout=log,
        stderr=log,
        stdin=subprocess.DEVNULL,
        start_new_session=True,
        preexec_fn=lambda: end_with_parent(stop_signal),  # noqa: PLW1509  # there are no threads here
    )


def end_with_parent(number: int) -> None:
    """Have the kernel send this process a signal when its parent is gone, where it can."""
    if sys.platform == "linux":
        ctypes.CDLL(None).prctl(PR_SET_PDEATHSIG, number)


def note(path: Path, program: int) -> None:
    """Tell who guards and what is guarded; a reader never sees half of it."""
    beside = path.with_suffix(".new")
    beside.write_text(json.dumps({"guardian": os.getpid(), "program": program}))
    beside.replace(path)


def is_abandoned(owners: IO[str]) -> bool:
    """Whether no owner is left. The lock is then kept, so that none can come before the program has stopped."""
    try:
        fcntl.flock(owners, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError:
        return False
    return True


def stop(program: "subprocess.Popen[bytes]", stop_signal: signal.Signals) -> None:
    """Stop the program: politely, then not. What stands still must go on to hear it."""
    for pid in (program.pid, *descendants(program.pid)):
        with suppress(ProcessLookupError, PermissionError):
            os.kill(pid, signal.SIGCONT)
    program.send_signal(stop_signal)
    with suppress(subprocess.TimeoutExpired):
        program.wait(PATIENCE_SECONDS)
    kill_group(program.pid)
    program.wait()


def descendants(pid: int) -> list[int]:
    """The children of a process, their children, and so on."""
    if sys.platform == "linux":
        path = Path(f"/proc/{pid}/task/{pid}/children")
        words = path.read_text().split() if path.exists() else []
    else:
        done = subprocess.run(["pgrep", "-P", str(pid)], stdout=subprocess.PIPE, text=True, check=False)
        words = done.stdout.split()
    return [each for word in words for each in (int(word), *descendants(int(word)))]


def kill_group(leader: int) -> None:
    """Kill what is left of the program's process group."""
    with suppress(ProcessLookupError):
        os.killpg(leader, signal.SIGKILL)


if __name__ == "__main__":
    sys.exit(main())

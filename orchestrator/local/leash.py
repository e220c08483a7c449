"""Runs a command, and ends it when the program that asked for it is gone. Standard library only.

    leash.py FD COMMAND…

The program holds the other end of the pipe FD. However the program ends, the pipe then closes, and the command is
ended: politely, then not. Otherwise this script ends with the exit status of the command.
"""

import select
import signal
import subprocess
import sys
from contextlib import suppress

PATIENCE_SECONDS = 5.0
TICK_SECONDS = 0.05
NOT_FOUND = 127


def main() -> int:
    """Run the command for as long as the pipe is open."""
    pipe, command = int(sys.argv[1]), sys.argv[2:]
    try:
        process = subprocess.Popen(command)
    except OSError as error:
        print(f"error: {error.strerror}: {command[0]}", file=sys.stderr)
        return NOT_FOUND
    # Ctrl-C reaches the command as well: it decides what that means.
    signal.signal(signal.SIGINT, lambda *_: None)
    signal.signal(signal.SIGTERM, lambda *_: process.terminate())
    while process.poll() is None:
        if select.select([pipe], [], [], TICK_SECONDS)[0]:
            process.terminate()
            with suppress(subprocess.TimeoutExpired):
                process.wait(PATIENCE_SECONDS)
            process.kill()
    return shell_status(process.returncode)


def shell_status(returncode: int) -> int:
    """An exit status as shells tell it: 128 and the signal that ended the process."""
    return returncode if returncode >= 0 else 128 - returncode


if __name__ == "__main__":
    sys.exit(main())

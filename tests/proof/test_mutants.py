"""The planted bugs can be planted: each patch applies to the engine as it is, and to nothing else."""

from __future__ import annotations

import shutil
from pathlib import Path

import pytest

from orchestrator.settings import BASE_DIR
from tests.proof.mutants.catchers import Catcher, NoVerdict, Verdict, first_messages
from tests.proof.mutants.patches import Mutant, PatchError, mutants, read

MUTANTS = mutants()
ENGINE = ("processes", "tasks", "recovery")
PATCH = """\
diff --git a/tasks/one.py b/tasks/one.py
--- a/tasks/one.py
+++ b/tasks/one.py
@@ -1 +1 @@
-one = 1
+one = 2
"""


@pytest.fixture
def engine(tmp_path: Path) -> Path:
    """A copy of the engine, in no repository."""
    for app in ENGINE:
        shutil.copytree(BASE_DIR / app, tmp_path / app, ignore=shutil.ignore_patterns("__pycache__"))
    return tmp_path


@pytest.mark.parametrize("mutant", MUTANTS, ids=lambda mutant: mutant.name)
def test_every_patch_changes_the_engine_as_it_is_into_one_that_can_be_loaded(mutant: Mutant, engine: Path) -> None:
    before = {name: (engine / name).read_text() for name in mutant.files}
    mutant.apply(engine)
    after = {name: (engine / name).read_text() for name in mutant.files}
    assert all(after[name] != before[name] for name in before)
    for name, text in after.items():
        if name.endswith(".py"):
            compile(text, name, "exec")


def test_patches_are_many_and_change_nothing_but_the_engine() -> None:
    assert len(MUTANTS) >= 15
    assert {name for each in MUTANTS for name in each.files if name.partition("/")[0] not in ENGINE} == set()
    assert all("/migrations/" not in name for each in MUTANTS for name in each.files)


def test_no_two_patches_break_the_same() -> None:
    assert len({each.broken for each in MUTANTS}) == len(MUTANTS)
    assert len({each.path.read_text().partition("\ndiff --git ")[2] for each in MUTANTS}) == len(MUTANTS)


def test_a_patch_without_a_whole_header_is_refused(tmp_path: Path) -> None:
    path = tmp_path / "no_header.patch"
    path.write_text(f"Broken: one.\nCaught by: stateful\n\n{PATCH}")
    with pytest.raises(PatchError, match=r"no_header\.patch needs a header"):
        read(path)
    path.write_text(f"Broken: one.\nSeen: two.\nCaught by: luck\n\n{PATCH}")
    with pytest.raises(PatchError, match="names a catcher that there is not: luck"):
        read(path)


def test_a_patch_that_no_longer_applies_is_refused_and_changes_nothing(tmp_path: Path) -> None:
    path = tmp_path / "stale.patch"
    path.write_text(f"Broken: one.\nSeen: two,\n  lines.\nCaught by: storm none\n\n{PATCH}")
    mutant = read(path)
    assert (mutant.broken, mutant.seen, mutant.catchers) == ("one.", "two, lines.", ("storm none",))
    assert mutant.files == {"tasks/one.py"}
    (tmp_path / "tasks").mkdir()
    (tmp_path / "tasks" / "one.py").write_text("one = 3\n")
    with pytest.raises(PatchError, match=r"stale\.patch does not apply"):
        mutant.apply(tmp_path)
    assert (tmp_path / "tasks" / "one.py").read_text() == "one = 3\n"
    (tmp_path / "tasks" / "one.py").write_text("one = 1\n")
    mutant.apply(tmp_path)
    assert (tmp_path / "tasks" / "one.py").read_text() == "one = 2\n"


CATCHER = """\
import sys
assert sys.argv[1] == "--seconds" and sys.argv[3:] == ["--seed", "7", "--unshrunk"], sys.argv
import tasks
print(tasks.__file__)
"""


@pytest.mark.parametrize(
    ("code", "caught"),
    [
        ("print('nothing is wrong')", ()),
        ("print('WRONG two processes\\nWRONG one more'); sys.exit(1)", ("two processes", "one more")),
        ("raise AssertionError('the model has 1, the engine 2')", ("AssertionError: the model has 1, the engine 2",)),
        ("print('WRONG harness: no port\\nWRONG a task ran twice'); sys.exit(1)", ("a task ran twice",)),
    ],
)
def test_a_catcher_runs_on_the_copy_and_catches_what_it_finds_wrong(
    tmp_path: Path, code: str, caught: tuple[str, ...]
) -> None:
    verdict = _judged(tmp_path, code)
    assert (verdict.catcher, verdict.is_caught, verdict.messages) == ("stateful", bool(caught), caught)
    assert str(tmp_path / "project" / "tasks" / "__init__.py") in (tmp_path / "run" / "output").read_text()


@pytest.mark.parametrize(
    ("code", "told"),
    [
        ("sys.exit(3)", "stateful ended with 3: "),
        ("print('WRONG harness: no port'); sys.exit(1)", "stateful stumbled over itself: WRONG harness: no port"),
    ],
)
def test_a_catcher_that_fails_itself_has_caught_nothing(tmp_path: Path, code: str, told: str) -> None:
    with pytest.raises(NoVerdict, match=told):
        _judged(tmp_path, code)


def test_messages_are_the_first_five_that_are_wrong_or_else_what_was_said_last() -> None:
    assert first_messages("none: seed 1\nWRONG a\n" + "WRONG b\n" * 9 + "10 are wrong\n") == ("a", "b", "b", "b", "b")
    assert first_messages("step 1\n  state differs\n\n") == ("state differs",)


def _judged(folder: Path, code: str) -> Verdict:
    """What is said of a project whose stateful test is this code."""
    for name in ("tasks", "tests", "tests/proof", "tests/proof/stateful"):
        (folder / "project" / name).mkdir(parents=True)
        (folder / "project" / name / "__init__.py").touch()
    (folder / "project" / "tests" / "proof" / "stateful" / "__main__.py").write_text(CATCHER + code)
    return Catcher("stateful").judge(folder / "project", folder / "run", {}, 7)

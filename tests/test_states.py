"""The document of the states is true: it draws exactly the arrows that the tables hold."""

import re
from collections.abc import Iterable, Mapping
from importlib import import_module
from pathlib import Path
from typing import Any

import pytest

from processes.states import FINAL_STATES, PROCESS_TRANSITIONS, STANDSTILLS, ProcessState
from tasks.states import ENDED_STATES, OPEN_STATES, TASK_TRANSITIONS, TaskState

PAGE = (Path(__file__).parent.parent / "docs" / "states.md").read_text()
PROCESS_PART, TASK_PART = PAGE.split("\n## Process\n")[1].split("\n## Task\n")


def drawn_arrows(part: str) -> set[tuple[str, str]]:
    """The arrows of a mermaid diagram, without those from and to its ends."""
    return set(re.findall(r"^    (\w+) --> (\w+)$", part, re.MULTILINE))


def explained_arrows(part: str) -> dict[tuple[str, str], list[str]]:
    """The arrows of a table, each with the functions that it names."""
    rows = re.findall(r"^\| (\w+) \| (\w+) \| .+ \| (.+) \|$", part, re.MULTILINE)
    return {(before, after): re.findall(r"`([\w.]+)`", cell) for before, after, cell in rows if before != "from"}


def known_arrows(transitions: Mapping[Any, Iterable[Any]]) -> set[tuple[str, str]]:
    """The arrows of a transition table."""
    return {(str(before), str(after)) for before, afters in transitions.items() for after in afters}


@pytest.mark.parametrize(("part", "transitions"), [(PROCESS_PART, PROCESS_TRANSITIONS), (TASK_PART, TASK_TRANSITIONS)])
def test_document_draws_and_explains_exactly_the_arrows_of_the_table(
    part: str, transitions: Mapping[Any, Iterable[Any]]
) -> None:
    """Diagram, table of the page, and table of the code hold the same arrows."""
    assert drawn_arrows(part) == known_arrows(transitions)
    assert set(explained_arrows(part)) == known_arrows(transitions)


@pytest.mark.parametrize("part", [PROCESS_PART, TASK_PART])
def test_every_function_that_the_document_names_exists(part: str) -> None:
    """Each arrow names functions that can be imported."""
    for arrow, names in explained_arrows(part).items():
        assert names, arrow
        for name in names:
            module, attribute = name.split(".", 2)[:2], name.split(".", 2)[2]
            found = import_module(".".join(module))
            for each in attribute.split("."):
                found = getattr(found, each)


def test_every_state_has_a_row_in_its_table() -> None:
    """No state is forgotten, and final states lead nowhere."""
    assert set(PROCESS_TRANSITIONS) == set(ProcessState)
    assert set(TASK_TRANSITIONS) == set(TaskState)
    assert all(not PROCESS_TRANSITIONS[state] for state in FINAL_STATES)
    assert not set(FINAL_STATES) & set(STANDSTILLS)
    assert set(ENDED_STATES) | set(OPEN_STATES) == set(TaskState)
    assert not set(ENDED_STATES) & set(OPEN_STATES)

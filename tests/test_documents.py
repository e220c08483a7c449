"""What the documents say of files, functions and settings is so."""

from __future__ import annotations

import re
from pathlib import Path

import pytest

from orchestrator.settings import BASE_DIR

DOCUMENTS = sorted([*BASE_DIR.glob("*.md"), *(BASE_DIR / "docs").rglob("*.md")])
READ = re.compile(r'env\.(?!refuse_unknown)\w+\(\s*"(\w+)"(?:, ([^,()]+))?')
ROW = re.compile(r"^\| `([A-Z_]+)` \| [^|]+ \| ([^|]+) \|", re.MULTILINE)
FAILURES = (BASE_DIR / "docs" / "failures.md").read_text()
NO_DEFAULT = ("required", "none")


@pytest.mark.parametrize("document", DOCUMENTS, ids=lambda path: str(path.relative_to(BASE_DIR)))
def test_every_link_leads_somewhere(document: Path) -> None:
    links = re.findall(r"\]\((?!https?://|#)([^)#]+)", document.read_text())
    assert [link for link in links if not (document.parent / link).exists()] == []


def test_every_setting_is_explained_with_its_default() -> None:
    read = dict(READ.findall((BASE_DIR / "orchestrator" / "settings.py").read_text()))
    told = dict(ROW.findall((BASE_DIR / "docs" / "operations.md").read_text()))
    assert told.keys() == read.keys()
    numbers = {
        name: told[name].replace(" ", "").strip() for name in read if re.fullmatch(r"[\d_*]+", read[name].strip())
    }
    assert numbers == {name: str(_number(read[name])) for name in numbers}
    others = {name: told[name].strip() for name in read if name not in numbers}
    assert {name for name, default in others.items() if default not in NO_DEFAULT} == {
        name for name in others if read[name] and read[name].startswith(('"', "False"))
    }


def test_the_walks_name_files_and_functions_that_exist() -> None:
    walks = (BASE_DIR / "docs" / "walks.md").read_text()
    named = re.findall(r"`((?:tasks|processes|recovery|sql)/\w+\.(?:py|sql))`(?:\*\*)?((?:,? `[\w.]+`)*)", walks)
    assert len(named) > 30
    for file, functions in named:
        path = BASE_DIR / (f"tasks/{file}" if file.startswith("sql/") else file)
        text = path.read_text()
        for function in re.findall(r"`([\w.]+)`", functions):
            assert f"def {function.rpartition('.')[2]}(" in text, (file, function)


def test_every_meaning_of_failure_has_a_picture_and_is_a_test() -> None:
    meanings = FAILURES.partition("## What a failure means")[2].partition("\n## ")[0].split("\n### ")[1:]
    assert len(meanings) == 17
    tests = (BASE_DIR / "tests" / "test_meanings.py").read_text()
    for meaning in meanings:
        heading = meaning.partition("\n")[0]
        assert "```mermaid\n" in meaning, heading
        assert f"\ndef test_{heading.lower().replace(',', '').replace(' ', '_')}" in tests, heading


def test_the_patterns_of_the_failures_are_quoted_from_their_files() -> None:
    quoted = re.findall(r"\[`(examples/patterns/\w+\.py)`\]\S+\n\n```python\n(.*?)\n```", FAILURES, re.DOTALL)
    assert len(quoted) == FAILURES.count("```python") == 6
    for file, code in quoted:
        source = (BASE_DIR / file).read_text()
        assert [part for part in code.split("\n\n\n") if f"\n{part}\n" not in source] == []


def test_the_readme_names_tests_that_exist() -> None:
    named = set(re.findall(r"`(test_\w+\.py)`", (BASE_DIR / "README.md").read_text()))
    assert len(named) > 8
    assert [name for name in named if not (BASE_DIR / "tests" / name).exists()] == []


def _number(default: str) -> int:
    base, _, power = default.strip().replace("_", "").partition("**")
    return int(int(base) ** int(power or 1))

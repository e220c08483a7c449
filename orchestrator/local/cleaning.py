"""Stops what is left of earlier runs and removes what they made."""

from __future__ import annotations

import os
import shutil
import sys
from pathlib import Path

from orchestrator.local.privileges import all_outside
from orchestrator.local.programs import guarded_names, stop_guarded

CACHES = (".mypy_cache", ".ruff_cache", ".pytest_cache", ".hypothesis", ".import_linter_cache")


def clean(root: Path, local: Path) -> int:
    """Stop what runs below `local`, remove its data after asking, and what was made besides; return an exit status."""
    if local.exists():
        if not may_delete(local):
            print(f"kept {local}: answer yes, or set CONFIRM=yes, to delete its data")
            return 1
        for folder in local.iterdir():
            for name in guarded_names(folder):
                stop_guarded(folder, name)
            for elsewhere in all_outside(folder):
                shutil.rmtree(elsewhere)
        shutil.rmtree(local)
    for name in CACHES:
        shutil.rmtree(root / name, ignore_errors=True)
    for cache in root.glob("[!.]*/**/__pycache__"):
        shutil.rmtree(cache, ignore_errors=True)
    return 0


def may_delete(local: Path) -> bool:
    """Whether a person agrees that the data is deleted."""
    if os.environ.get("CONFIRM") == "yes":
        return True
    return sys.stdin.isatty() and input(f"delete all data below {local}? (yes/no) ") == "yes"

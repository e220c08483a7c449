"""Copies of the project, in which a bug can be planted."""

from __future__ import annotations

import shutil
from pathlib import Path

from orchestrator.local.django_programs import ROOT

LEFT_OUT = (".git", ".venv", ".local", "__pycache__", "*_cache", ".hypothesis")


def copy_project(folder: Path) -> Path:
    """Copy the project to a folder that is not there yet, without what was made from it; return the folder."""
    return Path(shutil.copytree(ROOT, folder, ignore=shutil.ignore_patterns(*LEFT_OUT)))

"""Makes installations: each on a database of its own, copied from a migrated one where there is such."""

from __future__ import annotations

import shutil
import subprocess
import sys
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path

from orchestrator.local.django_programs import ROOT, in_project
from orchestrator.local.programs import LaunchError
from orchestrator.local.servers import Servers
from tests.proof.matrix.installation import Scale, Site


@contextmanager
def installed(
    folder: Path, seed: str, proxied: frozenset[str], scale: Scale | None = None, template: Path | None = None
) -> Iterator[Site]:
    """An installation below `folder`, which ends with this. `proxied`: to which of the servers there are links.

    `template` is a folder that `prepare` has filled. Raises LaunchError.
    """
    folder.mkdir(parents=True, exist_ok=True)
    databases = list(template.glob("postgres-*/")) if template is not None else []
    for each in databases:
        shutil.copytree(each, folder / "servers" / each.name)
    with Servers(folder / "servers", {}) as servers:
        site = Site(folder, servers, scale or Scale(), seed, proxied)
        try:
            if not databases:
                migrate(site.environ("migrate") | servers.urls)
            site.start()
            yield site
        finally:
            site.end()


def prepare(folder: Path) -> None:
    """Make a migrated database below `folder`, to be copied by many installations. Raises LaunchError."""
    with Servers(folder, {}) as servers:
        site = Site(folder, servers, Scale(), "", frozenset())
        try:
            migrate(site.environ("migrate"))
        finally:
            site.end()


def migrate(environ: Mapping[str, str]) -> None:
    """Bring the database up to date. Raises LaunchError."""
    command = [sys.executable, str(ROOT / "manage.py"), "migrate", "-v0"]
    done = subprocess.run(command, env=in_project(environ), capture_output=True, text=True, check=False)
    if done.returncode:
        raise LaunchError(f"the database cannot be migrated: {done.stderr.strip()}")

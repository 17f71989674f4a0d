"""Who the servers run as: Postgres refuses root, so root's servers run as ``nobody``."""

import os
import pwd
import subprocess
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import IO

from scripts.stack import processes

# Nothing of the caller's: LC_ALL, PGDATA, LD_PRELOAD and their like change what a server does.
CLEAN_ENVIRONMENT = {"PATH": "/usr/local/bin:/usr/bin:/bin", "LC_ALL": "C", "LANG": "C", "TZ": "UTC"}


@dataclass(frozen=True)
class Account:
    """A user to become; only root can."""

    uid: int
    gid: int


def account_for(data: Path) -> Account | None:
    """Choose who runs the server of a data folder; None is whoever we are."""
    if os.geteuid() != 0:
        return None
    owner = _owner(data)
    return owner if owner and owner.uid != 0 else _nobody()


def can_run(account: Account | None, program: Path) -> bool:
    """Tell whether the account reaches a program and what it loads."""
    try:
        return run(account, [str(program), "--version"]).returncode == 0
    except OSError:
        return False


def can_enter(account: Account | None, folder: Path) -> bool:
    """Tell whether the account can go into a folder."""
    return account is None or run(account, ["/bin/sh", "-c", 'cd "$1"', "sh", str(folder)]).returncode == 0


def give(path: Path, account: Account | None) -> None:
    """Make the account the owner of a file or folder."""
    if account is not None:
        os.chown(path, account.uid, account.gid)


def run(
    account: Account | None, command: Sequence[str], text_in: str = "", keep: Sequence[int] = ()
) -> subprocess.CompletedProcess[str]:
    """Run a command to its end as the account; its whole output is in ``stdout``."""
    return subprocess.run(
        command,
        input=text_in,
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
        errors="replace",
        check=False,
        env=CLEAN_ENVIRONMENT,
        cwd="/",
        umask=0o077,
        pass_fds=keep,
        user=account.uid if account else None,
        group=account.gid if account else None,
        extra_groups=[] if account else None,
    )


def spawn(account: Account | None, command: Sequence[str], log: IO[bytes]) -> subprocess.Popen[bytes]:
    """Start a server as the account, in a session of its own."""
    child = subprocess.Popen(
        command,
        stdin=subprocess.DEVNULL,
        stdout=log,
        stderr=subprocess.STDOUT,
        env=CLEAN_ENVIRONMENT,
        cwd="/",
        umask=0o077,
        start_new_session=True,
        user=account.uid if account else None,
        group=account.gid if account else None,
        extra_groups=[] if account else None,
    )
    return processes.adopt(child)


def _owner(path: Path) -> Account | None:
    try:
        status = path.stat()
    except OSError:
        return None
    return Account(status.st_uid, status.st_gid)


def _nobody() -> Account:
    entry = pwd.getpwnam("nobody")
    return Account(entry.pw_uid, entry.pw_gid)

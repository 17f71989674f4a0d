"""A PgBouncer of the tests' own, before the Postgres of this run."""

import contextlib
import os
import re
import shutil
import socket
import subprocess
import tempfile
from collections.abc import Iterator
from pathlib import Path
from urllib.parse import unquote, urlsplit

import pytest

from app.core import secrets
from scripts.stack import ports
from tests.conftest import wait_until

_USER = "nobody"
"""PgBouncer refuses to run as root."""


def installed() -> str | None:
    """Return the program, None where there is none."""
    # Debian puts it where an ordinary user's PATH does not look.
    return shutil.which("pgbouncer", path=f"{os.environ.get('PATH', '')}:/usr/sbin:/usr/local/sbin")


def version() -> tuple[int, int]:
    """Return PgBouncer's version; skips the test where it is not installed."""
    program = installed()
    if program is None:
        pytest.skip("PgBouncer is not installed: apt install pgbouncer")
    told = subprocess.run([program, "--version"], check=True, capture_output=True, text=True).stdout
    major, minor = re.findall(r"\d+", told)[:2]
    return int(major), int(minor)


@contextlib.contextmanager
def running(environment: dict[str, str], **settings: object) -> Iterator[str]:
    """Start one in transaction mode for the owner and every role; yield the owner's URL through it."""
    version()
    owner, port = urlsplit(environment["DATABASE_URL"]), ports.free_port()
    whole = Path(environment["SECRETS_FILE"])
    files = (whole, secrets.admin_path(whole))
    passwords = {role: text for file in files for role, text in secrets.load(file).role_passwords.items()}
    users = passwords | {unquote(owner.username or ""): unquote(owner.password or "")}
    folder = Path(tempfile.mkdtemp(prefix="pooler_"))
    try:
        (folder / "userlist.txt").write_text("".join(f'"{name}" "{text}"\n' for name, text in users.items()))
        lines = {
            "listen_addr": "127.0.0.1", "listen_port": port, "unix_socket_dir": "", "pool_mode": "transaction",
            "auth_type": "scram-sha-256", "auth_file": folder / "userlist.txt", "max_client_conn": 300,
            "default_pool_size": 4, "logfile": folder / "pgbouncer.log",
        } | settings  # fmt: skip
        text = "".join(f"{name} = {value}\n" for name, value in lines.items())
        (folder / "pgbouncer.ini").write_text(
            f"[databases]\n* = host={owner.hostname} port={owner.port}\n[pgbouncer]\n{text}"
        )
        with _started(folder, port):
            yield owner._replace(netloc=f"{owner.netloc.rpartition('@')[0]}@127.0.0.1:{port}").geturl()
    finally:
        shutil.rmtree(folder)


@contextlib.contextmanager
def _started(folder: Path, port: int) -> Iterator[None]:
    ordinary: dict[str, object] = {}
    if os.geteuid() == 0:
        for path in (folder, *folder.iterdir()):
            shutil.chown(path, _USER)
        ordinary = {"user": _USER, "extra_groups": []}
    process = subprocess.Popen(
        [str(installed()), str(folder / "pgbouncer.ini")],
        stdin=subprocess.DEVNULL, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL, cwd="/", **ordinary,
    )  # fmt: skip
    try:
        wait_until(lambda: process.poll() is not None or _answers(port), "PgBouncer")
        assert process.poll() is None, (folder / "pgbouncer.log").read_text()
        yield
    finally:
        process.terminate()
        process.wait(10)


def _answers(port: int) -> bool:
    with contextlib.suppress(OSError), socket.create_connection(("127.0.0.1", port), timeout=1):
        return True
    return False

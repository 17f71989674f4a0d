"""Makes a database folder: whole or not at all, with the application's database in it."""

import shutil
from collections.abc import Sequence
from pathlib import Path

from scripts.stack import files
from scripts.stack.account import Account, give, run
from scripts.stack.errors import StackError

DATABASE = "taskqueue"
_FIRST_WITH_BUILTIN_LOCALES = 17


def create(programs: Path, data: Path, account: Account | None, password: str, lock: int) -> None:
    """Run initdb beside the folder, then rename. The children hold the lock too: they may outlive a killed parent."""
    draft = data.with_name(f"{data.name}.new")
    if draft.exists():
        shutil.rmtree(draft)
    draft.mkdir(mode=0o700)
    give(draft, account)
    password_file = data.with_name("password.new")
    files.write_private(password_file, password)
    give(password_file, account)
    try:
        _must(run(account, _initdb(programs, draft, password_file, account), keep=[lock]), "initdb")
    finally:
        password_file.unlink()
    # In single-user mode, before anybody can connect: a folder without the database never shows.
    single = [str(programs / "postgres"), "--single", "-D", str(draft), "postgres"]
    _must(run(account, single, f"CREATE DATABASE {DATABASE}\n", keep=[lock]), "creating the database")
    draft.rename(data)


def _initdb(programs: Path, data: Path, password_file: Path, account: Account | None) -> list[str]:
    command = [str(programs / "initdb"), "-D", str(data), "-U", "postgres", "--auth=scram-sha-256"]
    return [*command, f"--pwfile={password_file}", "--encoding=UTF8", *_locale(programs, account)]


def _locale(programs: Path, account: Account | None) -> Sequence[str]:
    """Choose a locale that needs nothing installed; the builtin provider knows Unicode's cases, from 17 on."""
    version = run(account, [str(programs / "initdb"), "--version"]).stdout.split()[2:3]
    if version and int("".join(filter(str.isdigit, version[0].partition(".")[0])) or 0) < _FIRST_WITH_BUILTIN_LOCALES:
        return ["--locale=C"]
    return ["--locale=C", "--locale-provider=builtin", "--builtin-locale=C.UTF-8"]


def _must(result: object, what: str) -> None:
    code, output = getattr(result, "returncode", 1), getattr(result, "stdout", "")
    # Single-user mode ends with 0 also after an error.
    if code != 0 or "ERROR:" in output or "FATAL:" in output:
        lines = "\n  ".join(output.strip().splitlines()[-6:])
        message = f"{what} failed (is there room on the disk?):\n  {lines}"
        raise StackError(message)

"""Where a server's files are: in its folder, or elsewhere when its account cannot enter that."""

import hashlib
import os
import secrets
import shutil
from pathlib import Path

from scripts.stack import files
from scripts.stack.account import Account, can_enter, can_run
from scripts.stack.errors import StackError

_RECORD = "placed-at"
_ORIGIN = "placed-for"


def home_of(folder: Path, account: Account | None) -> Path:
    """Return the folder that holds a server's files; its account can go in. A closed home is never opened."""
    if placed := placed_at(folder):
        return placed
    return folder if can_enter(account, folder) else _place(folder)


def placed_at(folder: Path) -> Path | None:
    """Return where the files are, if they are elsewhere."""
    placed = _recorded(folder)
    return placed if placed and placed.is_dir() and _belongs(placed, folder) else None


def _belongs(placed: Path, folder: Path) -> bool:
    """Tell whether a place is this folder's: a moved folder keeps it, a copy brings a record that is its original's."""
    origin = Path((placed / _ORIGIN).read_text().strip())
    return origin == folder or _recorded(origin) != placed


def _recorded(folder: Path) -> Path | None:
    try:
        return Path((folder / _RECORD).read_text().strip())
    except OSError:
        return None


def _place(folder: Path) -> Path:
    """Make a new place. None is ever taken over or removed: it may be that of a folder which was moved aside."""
    digest = hashlib.sha256(os.fsencode(folder)).hexdigest()[:12]
    place = _shelf() / f"{digest}-{secrets.token_hex(4)}"
    _make_enterable(place)
    files.write_private(place / _ORIGIN, str(folder))
    files.write_private(folder / _RECORD, str(place))
    return place


def reachable(account: Account | None, tree: Path, program: str, *beside: Path) -> Path:
    """Return the tree of a program, or a copy of it (and of what lies beside) that the account can run."""
    if can_run(account, tree / program):
        return tree
    status = (tree / program).stat()
    key = hashlib.sha256(f"{tree}:{status.st_size}:{status.st_mtime_ns}".encode()).hexdigest()[:16]
    copy = _shelf() / f"programs-{key}"
    if not copy.exists():
        _copy(copy, tree, *beside)
    if not can_run(account, copy / tree.name / program):
        message = f"{copy / tree.name / program} does not run as an ordinary user: is {copy} on a noexec file system?"
        raise StackError(message)
    return copy / tree.name


def _copy(target: Path, *trees: Path) -> None:
    draft = target.with_name(f"{target.name}.{os.getpid()}")
    _make_enterable(draft)
    for tree in trees:
        if tree.is_dir():
            shutil.copytree(tree, draft / tree.name, symlinks=True)
    for path in [draft, *draft.rglob("*")]:
        if not path.is_symlink():
            path.chmod(0o755 if path.is_dir() or path.stat().st_mode & 0o100 else 0o644)
    try:
        draft.rename(target)
    except OSError:
        # Another start was quicker.
        shutil.rmtree(draft)


def _shelf() -> Path:
    shelf = Path("/var/lib/task-queue-stack")
    try:
        _make_enterable(shelf)
    except OSError as error:
        message = f"the data folder is closed to others, and {shelf} cannot be made ({error.strerror}): use --data-dir"
        raise StackError(message) from error
    return shelf


def _make_enterable(folder: Path) -> None:
    folder.mkdir(exist_ok=True)
    folder.chmod(0o755)

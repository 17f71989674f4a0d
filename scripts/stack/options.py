"""The command line of ``up`` and ``down``."""

import argparse
import os
from dataclasses import dataclass
from pathlib import Path

_HIGHEST_PORT = 65535
_ROOT = Path(__file__).resolve().parents[2]
# The wheel has this module in a package of its own.
_IS_CHECKOUT = __name__.partition(".")[0] == "scripts"


@dataclass(frozen=True)
class UpOptions:
    """What ``scripts/up`` was asked for."""

    data_dir: Path
    detach: bool = False
    port: int | None = None
    """None: 8000, or the next free one."""
    workers: int | None = None
    """None: as many as before, at least one."""
    asyncio_workers: int | None = None
    """None: as many as before."""
    demo: bool = True
    tasks: Path | None = None
    """The folder of TASK_MODULES. None: TASK_MODULES_FOLDER, or the caller's folder."""
    modules: tuple[str, ...] = ()
    """None of them: those of TASK_MODULES."""
    reload: bool = False
    operator: bool = True
    """Whether the operator's pages run."""


def parse_up(arguments: list[str]) -> UpOptions:
    """Read the arguments of ``scripts/up``."""
    parser = argparse.ArgumentParser(
        prog="scripts/up", description="Start the whole stack, or what is missing of it, and run a demonstration task."
    )
    parser.add_argument("--detach", action="store_true", help="return when it is ready; stop it with scripts/down")
    parser.add_argument("--port", type=_port, help="the API's port (default: 8000, or the next free one)")
    _add_data_dir(parser)
    parser.add_argument("--workers", type=_positive, metavar="N", help="worker processes, two tasks each (default: 1)")
    parser.add_argument(
        "--asyncio-workers", type=_positive, metavar="N", help="worker processes for pool='asyncio' (default: none)"
    )
    parser.add_argument("--no-demo", action="store_true", help="do not run the demonstration task")
    parser.add_argument("--tasks", type=_folder, metavar="FOLDER", help="the folder of your task types (default: this)")
    parser.add_argument("--module", action="append", default=[], metavar="NAME", help="a module with task types in it")
    parser.add_argument("--reload", action="store_true", help="restart api and workers when a file in it changes")
    parser.add_argument("--no-operator", action="store_true", help="do not run the operator's pages (or OPERATOR=off)")
    values = parser.parse_args(arguments)
    if values.reload and values.detach:
        parser.error("--reload watches in the foreground: leave out --detach")
    return UpOptions(
        values.data_dir,
        values.detach,
        values.port,
        values.workers,
        values.asyncio_workers,
        not values.no_demo,
        values.tasks,
        tuple(values.module),
        values.reload,
        not values.no_operator and os.environ.get("OPERATOR") != "off",
    )


def parse_down(arguments: list[str]) -> Path:
    """Read the arguments of ``scripts/down``; returns the data folder."""
    parser = argparse.ArgumentParser(prog="scripts/down", description="Stop what scripts/up started; the data stays.")
    _add_data_dir(parser)
    folder: Path = parser.parse_args(arguments).data_dir
    return folder


def default_data_dir() -> Path:
    """Return the folder of the data: in the checkout, or in the working directory where the product is installed."""
    # In the checkout wherever the command is called from: another folder would be another stack with another key.
    return (_ROOT if _IS_CHECKOUT else Path.cwd()) / ".data"


def _add_data_dir(parser: argparse.ArgumentParser) -> None:
    default = Path(os.environ.get("DATA_DIR") or default_data_dir())
    about = f"where the data is (default: .data in the {'checkout' if _IS_CHECKOUT else 'working directory'})"
    parser.add_argument("--data-dir", type=_folder, default=default.absolute(), metavar="FOLDER", help=about)


def _folder(text: str) -> Path:
    return Path(text).expanduser().absolute()


def _port(text: str) -> int:
    port = int(text)
    if not 1 <= port <= _HIGHEST_PORT:
        message = f"a port is 1 to {_HIGHEST_PORT}"
        raise argparse.ArgumentTypeError(message)
    return port


def _positive(text: str) -> int:
    number = int(text)
    if number < 1:
        message = "at least 1"
        raise argparse.ArgumentTypeError(message)
    return number

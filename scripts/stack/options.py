"""The command line of ``up`` and ``down``."""

import argparse
import os
from dataclasses import dataclass
from pathlib import Path

_HIGHEST_PORT = 65535


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
    values = parser.parse_args(arguments)
    return UpOptions(
        values.data_dir, values.detach, values.port, values.workers, values.asyncio_workers, not values.no_demo
    )


def parse_down(arguments: list[str]) -> Path:
    """Read the arguments of ``scripts/down``; returns the data folder."""
    parser = argparse.ArgumentParser(prog="scripts/down", description="Stop what scripts/up started; the data stays.")
    _add_data_dir(parser)
    folder: Path = parser.parse_args(arguments).data_dir
    return folder


def _add_data_dir(parser: argparse.ArgumentParser) -> None:
    default = Path(os.environ.get("DATA_DIR", ".data"))
    about = "where the data is (default: .data)"
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

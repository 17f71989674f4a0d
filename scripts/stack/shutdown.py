"""Stops a stack: first what takes in work, then what does it, at last the servers."""

from collections.abc import Callable, Collection
from pathlib import Path

from scripts.stack import locks, options, parts, postgres, stackfile, valkey
from scripts.stack.console import say
from scripts.stack.stackfile import Stack

# In the order of their stopping.
_SERVERS = {"valkey": valkey, "postgres": postgres}


def _calm() -> bool:
    return False


def main(arguments: list[str]) -> int:
    """Run ``scripts/down``."""
    data_dir = options.parse_down(arguments)
    if not (data_dir / stackfile.NAME).exists() and not (data_dir / "lock").exists():
        say(f"Nothing runs for {data_dir}.")
        return 0
    stop_stack(data_dir)
    return 0


def stop_stack(data_dir: Path, is_urgent: Callable[[], bool] = _calm) -> None:
    """Stop everything of a data folder; what it stored stays."""
    # The path under which ``up`` marked its processes.
    data_dir = data_dir.resolve()
    with locks.held(data_dir / "lock", "Another command is at work on this stack; waiting for it ..."):
        stack = stackfile.load(data_dir)
        stop_parts(stack, is_urgent)
        parts.kill_leftovers(data_dir)
        stop_servers(stack, is_urgent)
        stackfile.save(stack)
    say("Stopped.")


def stop_parts(stack: Stack, is_urgent: Callable[[], bool] = _calm) -> None:
    """Stop the application's processes."""
    for part in parts.in_stopping_order(stack):
        if stack.is_running(part):
            say(f"Stopping {part} ...")
        parts.stop(stack, part, is_urgent)


def living_servers(data_dir: Path) -> list[str]:
    """Name the servers of ours that run."""
    return [name for name, server in _SERVERS.items() if server.running_pid(data_dir / name)]


def stop_servers(stack: Stack, is_urgent: Callable[[], bool] = _calm, keep: Collection[str] = ()) -> None:
    """Stop the servers of ours, but those to keep."""
    for name in living_servers(stack.data_dir):
        if name not in keep:
            say(f"Stopping {name} ...")
            _SERVERS[name].stop(stack.data_dir / name, is_urgent)
    running = living_servers(stack.data_dir)
    stack.postgres_pid = stack.postgres_pid if "postgres" in running else None
    stack.redis_pid = stack.redis_pid if "valkey" in running else None

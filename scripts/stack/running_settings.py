"""The settings with which a stack runs: what runs does not see new ones, so that has to be said."""

import os

from app.core.config import Settings
from scripts.stack.console import say
from scripts.stack.errors import StackError
from scripts.stack.stackfile import Stack

# Not kept: they are in other members of stack.json, or secret.
_ELSEWHERE = ("DATABASE_URL", "REDIS_URL", "SECRETS_FILE", "WORKER_SECRETS_FILE", "CLIENTS_FOLDER")
# With --reload it has another default, which takes effect with the first reload.
_OF_RELOADS = "WORKER_DRAIN_SECONDS"
_OF_TASKS = ("TASK_MODULES", "TASK_MODULES_FOLDER")


def given() -> dict[str, str]:
    """Return the settings that the environment names, and the options of the command with them."""
    names = [name.upper() for name in Settings.model_fields if not name.upper().startswith(_ELSEWHERE)]
    return {name: os.environ[name] for name in names if name in os.environ}


def keep(stack: Stack, *, is_reloading: bool = False) -> None:
    """Remember the settings of a stack that starts. One that runs keeps its own, also for parts that start now."""
    if not stack.living():
        stack.settings = given()
        return
    if is_reloading and any(given().get(name) != stack.settings.get(name) for name in _OF_TASKS):
        message = "the stack runs already, with other task types: run scripts/down, and this command again"
        raise StackError(message)
    _say_ignored(stack, {_OF_RELOADS} if is_reloading else set())
    for name in _OF_TASKS:
        os.environ.pop(name, None)
        if name in stack.settings:
            os.environ[name] = stack.settings[name]


def _say_ignored(stack: Stack, but: set[str]) -> None:
    for name, value in given().items():
        if name not in but and value != stack.settings.get(name):
            runs_with = f"with {name}={stack.settings[name]}" if name in stack.settings else f"without {name}"
            say(
                f"Ignored: {name}={value}. The stack runs already, {runs_with}. "
                "To apply it, run scripts/down, and this command again."
            )

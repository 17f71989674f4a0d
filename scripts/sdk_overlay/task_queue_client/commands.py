"""Run a command for each task: ``tq work``."""

import json
import os
import signal
import subprocess
from collections.abc import Callable, Sequence
from contextlib import suppress
from typing import Any

from . import writing
from .working import MAX_TEXT, TaskContext, TaskFailure

AGAIN = 75
"""The exit status that asks for another attempt: EX_TEMPFAIL of sysexits.h."""
_TICK, _PATIENCE = 0.25, 1.0


class CommandFailed(Exception):  # noqa: N818  # its name is the type of the task's error
    """The command asks for another attempt, or was stopped."""


def handler(command: Sequence[str]) -> Callable[[Any, TaskContext], Any]:
    """Return a handler that gives the payload to the command as JSON, and returns what it prints."""

    def run(payload: Any, context: TaskContext) -> Any:
        status, out, errors = _execute(command, writing.body(payload), context)
        if status == 0:
            return _result(out)
        told = f"exit status {status}: {errors.strip()}"
        # The last lines say why, so the beginning is cut off.
        message = told if len(told) <= MAX_TEXT else f"exit status {status}: …{errors.strip()[-(MAX_TEXT - 40) :]}"
        if status == AGAIN:
            raise CommandFailed(message)
        raise TaskFailure(message, type=CommandFailed.__name__)

    return run


def _result(out: bytes) -> Any:
    try:
        return json.loads(out, parse_constant=_refuse) if out.strip() else None
    except ValueError:
        return out.decode(errors="replace").removesuffix("\n")


def _refuse(constant: str) -> None:
    raise ValueError(f"{constant} is no JSON")


def _execute(command: Sequence[str], given: bytes, context: TaskContext) -> tuple[int, bytes, str]:
    facts = {
        "TASK_ID": str(context.task_id),
        "TASK_NAME": context.task,
        "TASK_ATTEMPT": str(context.attempt),
        "TASK_IDEMPOTENCY_KEY": context.idempotency_key,
    }
    # A session of its own: Ctrl-C must not reach the command, which may go on in the grace period.
    with subprocess.Popen(
        command,
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        env=os.environ | facts,
        start_new_session=True,
    ) as process:
        try:
            out, errors = _communicate(process, given, context)
        finally:
            _end(process, signal.SIGKILL)
    return process.returncode, out, errors.decode(errors="replace")


def _communicate(process: subprocess.Popen[bytes], given: bytes, context: TaskContext) -> tuple[bytes, bytes]:
    while True:
        try:
            return process.communicate(given, timeout=_TICK)
        except subprocess.TimeoutExpired:
            if context.cancel_requested or context.lease_lost:
                break
    _end(process, signal.SIGTERM)
    with suppress(subprocess.TimeoutExpired):
        process.communicate(timeout=_PATIENCE)
    raise CommandFailed("the command was stopped: the task is cancelled, or its lease is lost")


def _end(process: subprocess.Popen[bytes], number: signal.Signals) -> None:
    # The group lives as long as one of its processes: also those that the command has left behind.
    with suppress(ProcessLookupError, PermissionError):
        os.killpg(process.pid, number)

"""Runs a real task for people to watch, and says how to run one of their own."""

import json
import shlex
import time
from typing import Any

from scripts.stack import guide, http_client
from scripts.stack.console import LiveLine, say
from scripts.stack.errors import StackError
from scripts.stack.stackfile import Stack

_TERMINAL = {"SUCCESS", "FAILURE", "REVOKED"}
_SECONDS = 60.0
_TASK = {"task": "long_task", "payload": {"seconds": 3, "steps": 6}}


class KeyRefusedError(StackError):
    """The demo key is unknown to this database."""


def run(stack: Stack) -> None:
    """Submit a task, follow it on one line, print its result."""
    try:
        task_id = _submit(stack)
        _follow(stack, task_id)
        _print_result(stack, task_id)
    except OSError as error:
        message = f"the API stopped answering during the demonstration ({error}): see {stack.data_dir}/logs/api.log"
        raise StackError(message) from error


def check_key(stack: Stack) -> None:
    """Raise when the API does not know the demo key."""
    try:
        status, answer = _call(stack, "/api/tasks?limit=1")
    except OSError as error:
        raise StackError(f"the API stopped answering ({error}): see {stack.data_dir}/logs/api.log") from error
    if status in {401, 403}:
        raise KeyRefusedError(str(answer.get("detail") or status))


def print_directions(stack: Stack) -> None:
    """Print where the documentation is, the key, and lines to paste."""
    demo = stack.demo or {}
    key, secret = demo.get("api_key", ""), demo.get("webhook_secret")
    say(f"\nAPI docs:  {stack.api_url}/docs")
    if guide.is_built(stack):
        say(f"Guide:     {stack.api_url}/guide/")
    say(f"API key:   {key}   (tenant demo)")
    say("Try it:    " + _curl_line(stack, key))
    exports = {"API": stack.api_url, "KEY": key} | ({"WEBHOOK_SECRET": secret} if secret else {})
    say("Examples:  export " + " ".join(f"{name}={value}" for name, value in exports.items()))


def _curl_line(stack: Stack, key: str) -> str:
    words = ["curl", "-sS", "-H", f"Authorization: Bearer {key}", "-H", "Content-Type: application/json"]
    return shlex.join([*words, "-d", json.dumps(_TASK, separators=(",", ":")), f"{stack.api_url}/api/tasks/submit"])


def _submit(stack: Stack) -> str:
    status, answer = _call(stack, "/api/tasks/submit", _TASK)
    if "task_id" not in answer:
        message = f"the demonstration task was refused ({status} {answer.get('detail', '')})"
        message += f": see {stack.data_dir}/logs/api.log"
        raise StackError(message)
    say(f"\nSubmitted a long_task (3 s, 6 steps): {answer['task_id']}")
    return str(answer["task_id"])


def _follow(stack: Stack, task_id: str) -> None:
    live, deadline = LiveLine(every_seconds=0.4), time.monotonic() + _SECONDS
    while True:
        _, answer = _call(stack, f"/api/tasks/{task_id}/status")
        if answer.get("status") in _TERMINAL:
            return live.end()
        live.show(_describe(answer))
        if time.monotonic() > deadline:
            live.end()
            message = f"the demonstration task is still {answer.get('status')}: see {stack.data_dir}/logs/worker1.log"
            raise StackError(message)
        time.sleep(0.15)


def _describe(answer: dict[str, Any]) -> str:
    progress = answer.get("progress") or {}
    done, total = progress.get("done") or 0, progress.get("total") or 6
    filled = min(20, int(20 * done / total))
    note = progress.get("note") or answer.get("waiting_reason") or ""
    return f"  {answer.get('status', '?'):8} [{'#' * filled}{'.' * (20 - filled)}] {done:g}/{total:g} {note}"


def _print_result(stack: Stack, task_id: str) -> None:
    _, answer = _call(stack, f"/api/tasks/{task_id}/result?wait=30")
    say(f"  {answer.get('status')}  result: {json.dumps(answer.get('result'))}")
    if answer.get("status") != "SUCCESS":
        message = f"the demonstration task ended {answer.get('status')} ({answer.get('error')})"
        message += f": see {stack.data_dir}/logs"
        raise StackError(message)


def _call(stack: Stack, path: str, body: object = None) -> tuple[int, dict[str, Any]]:
    return http_client.call(f"{stack.api_url}{path}", body=body, key=(stack.demo or {}).get("api_key"))

"""What the load generator has to know of an app: its port, its requests, where an answer says what."""

import json
import re
from dataclasses import dataclass

_ID = re.compile(rb'"task_id":\s*"([0-9a-f-]+)"')


@dataclass(frozen=True)
class Target:
    """An app under load."""

    port: int
    submit_path: str
    result_path: str = ""
    """With ``%s`` for the task's id; empty where there are no results."""
    key: str = ""
    batch_path: str = ""
    """Empty where there are no batches."""
    pause_seconds: float = 0.0
    """Between two questions for one result, for one waiter; 0 where the server waits."""

    def submit_request(self, number: int) -> bytes:
        """Return the request that submits an ``echo`` of a number."""
        return self._post(self.submit_path, _echo(number))

    def batch_request(self, size: int) -> bytes:
        """Return the request that submits so many in one batch."""
        return self._post(self.batch_path, {"tasks": [_echo(number) for number in range(size)]})

    def result_request(self, task_id: str) -> bytes:
        """Return the request for a task's result."""
        return self._request("GET", self.result_path % task_id, "")

    def _post(self, path: str, body: object) -> bytes:
        content = json.dumps(body, separators=(",", ":")).encode()
        head = f"content-type: application/json\r\ncontent-length: {len(content)}\r\n"
        return self._request("POST", path, head) + content

    def _request(self, method: str, path: str, head: str) -> bytes:
        key = f"authorization: Bearer {self.key}\r\n" if self.key else ""
        return f"{method} {path} HTTP/1.1\r\nhost: 127.0.0.1:{self.port}\r\n{key}{head}\r\n".encode()


def _echo(number: int) -> dict[str, object]:
    return {"task": "echo", "payload": {"n": number}}


def accepted_of(body: bytes) -> int:
    """Return how many tasks of a batch were accepted: all, or it is an error (``ValueError``)."""
    if b'"error"' in body:
        message = f"not all of a batch was accepted: {body[:300]!r}"
        raise ValueError(message)
    return len(_ID.findall(body))


def task_id_of(body: bytes) -> str:
    """Return the id in the answer to a submit; raises ``ValueError``."""
    found = _ID.search(body)
    if found is None:
        message = f"no task_id in {body[:200]!r}"
        raise ValueError(message)
    return found[1].decode()


def has_ended(body: bytes) -> bool:
    """Tell whether an answer is a result; a task that failed is an error (``ValueError``)."""
    if b'"FAILURE"' in body:
        message = f"a task failed: {body[:300]!r}"
        raise ValueError(message)
    return b'"SUCCESS"' in body


def value_of(body: bytes) -> object:
    """Return the number that a result hands back; raises ``ValueError`` when there is none."""
    match json.loads(body):
        case {"result": {"n": number}}:
            return number
    message = f"no value in {body[:300]!r}"
    raise ValueError(message)

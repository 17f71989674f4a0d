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
    task: str = "echo"
    milliseconds: float | None = None
    """What its payload asks for; None: the payload is a number."""
    keys: tuple[str, ...] = ()
    """Of many tenants, who take turns: the number of a task says whose it is. Empty: all are of ``key``."""
    webhook_urls: tuple[str, ...] = ()
    """Where the ends of tasks are sent to, in turn; empty: nowhere."""

    def submit_request(self, number: int) -> bytes:
        """Return the request that submits a task with a number."""
        return self._post(self.submit_path, self._task(number), number)

    def batch_request(self, size: int, number: int = 0) -> bytes:
        """Return the request that submits so many in one batch, the first with a number."""
        tasks = [self._task(each) for each in range(number, number + size)]
        return self._post(self.batch_path, {"tasks": tasks}, number)

    def result_request(self, task_id: str, number: int = 0) -> bytes:
        """Return the request for the result of the task with a number."""
        return self._request("GET", self.result_path % task_id, "", number)

    def get_request(self, path: str, number: int = 0) -> bytes:
        """Return the request that reads a path, as the tenant of a number."""
        return self._request("GET", path, "", number)

    def _task(self, number: int) -> dict[str, object]:
        payload = {"n": number} if self.milliseconds is None else {"milliseconds": self.milliseconds}
        task: dict[str, object] = {"task": self.task, "payload": payload}
        return task | ({"webhook_url": self.webhook_urls[number % len(self.webhook_urls)]} if self.webhook_urls else {})

    def _post(self, path: str, body: object, number: int) -> bytes:
        content = json.dumps(body, separators=(",", ":")).encode()
        head = f"content-type: application/json\r\ncontent-length: {len(content)}\r\n"
        return self._request("POST", path, head, number) + content

    def _request(self, method: str, path: str, head: str, number: int) -> bytes:
        key = self.keys[number % len(self.keys)] if self.keys else self.key
        authorization = f"authorization: Bearer {key}\r\n" if key else ""
        return f"{method} {path} HTTP/1.1\r\nhost: 127.0.0.1:{self.port}\r\n{authorization}{head}\r\n".encode()


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

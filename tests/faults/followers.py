"""Clients that follow each tenant's events while everything is killed: what they were told must be the log itself."""

import json
import random
import threading
from collections.abc import Callable
from typing import Any, Final

import httpx

from tests.faults.load import Tenant

_WAIT: Final = 5
# Longer than the time between two comments of a stream: only then nothing comes any more.
_STREAM_TIMEOUT: Final = 20.0


class Follower:
    """One tenant's client, in a thread: now a stream, now pages, each time at another api, from where it had come to."""

    def __init__(self, tenant: Tenant, apis: Callable[[], dict[str, str]], seed: int) -> None:
        """``apis`` tells name and URL of the apis that clients know now."""
        self.slug = tenant.slug
        self.told: list[tuple[str | None, str, str]] = []
        """Task, type and id of each event, in the order in which they came."""
        self.wrong: list[str] = []
        self._apis = apis
        self._random = random.Random(f"{seed}-{tenant.slug}")
        self._headers = {"Authorization": f"Bearer {tenant.api_key}"}
        self._cursor: str | None = None
        self._ending = threading.Event()
        self._thread = threading.Thread(target=self._run, name=f"follower-{tenant.slug}", daemon=True)
        self._thread.start()

    def end(self) -> None:
        """Read on to the end of what is under way, and no further."""
        self._ending.set()

    def join(self) -> None:
        """Wait for the end of the thread."""
        self._thread.join(_STREAM_TIMEOUT + 10)

    def _run(self) -> None:
        while not self._ending.is_set():
            try:
                url = self._random.choice(list(self._apis().values()))
                timeout = httpx.Timeout(_WAIT + 5, read=_STREAM_TIMEOUT)
                with httpx.Client(base_url=url, timeout=timeout, trust_env=False, verify=False) as client:
                    self._random.choice((self._stream, self._pages))(client)
            except (httpx.HTTPError, OSError, IndexError):
                # Killed, paused or cut: another one knows.
                self._ending.wait(0.1)

    def _pages(self, client: httpx.Client) -> None:
        for _ in range(self._random.randint(1, 20)):
            params = {"wait": _WAIT} | ({"after": self._cursor} if self._cursor else {})
            response = client.get("/api/events", params=params, headers=self._headers)
            if not self._is_answered(response):
                return
            for item in response.json()["items"]:
                self._note(item)
            self._cursor = response.json()["next_cursor"]
            if self._ending.is_set():
                return

    def _stream(self, client: httpx.Client) -> None:
        if self._cursor is None:
            return
        headers = self._headers | {"Accept": "text/event-stream", "Last-Event-ID": self._cursor}
        cut_after = self._random.randint(1, 400)
        with client.stream("GET", "/api/events", headers=headers) as response:
            if not self._is_answered(response):
                return
            data: str | None = None
            for line in response.iter_lines():
                if line.startswith("data: "):
                    data = line[6:]
                elif line.startswith("id: "):
                    cursor = line[4:]
                elif not line:
                    # Event and place together: a stream that is cut between the two has told neither.
                    if data is not None:
                        self._note(json.loads(data))
                    self._cursor, data = cursor, None
                    cut_after -= 1
                    if not cut_after or self._ending.is_set():
                        return

    def _is_answered(self, response: httpx.Response) -> bool:
        if response.status_code != 200:
            response.read()
            if response.status_code not in {429, 503}:
                self.wrong.append(f"the feed of {self.slug} answered {response.status_code}: {response.text[:200]}")
            self._ending.wait(0.2)
        return response.status_code == 200

    def _note(self, item: dict[str, Any]) -> None:
        # An event about a quota names no task.
        self.told.append((item["data"].get("task_id"), item["type"], item["id"]))


class Followers:
    """A follower for each tenant."""

    def __init__(self, tenants: list[Tenant], apis: Callable[[], dict[str, str]], seed: int) -> None:
        self._each = [Follower(tenant, apis, seed) for tenant in tenants]

    def told(self) -> dict[str, list[tuple[str | None, str, str]]]:
        """Return what each tenant's follower was told by now."""
        return {each.slug: list(each.told) for each in self._each}

    def wrong(self) -> list[str]:
        """Return the answers that must not be."""
        return [wrong for each in self._each for wrong in each.wrong]

    def close(self) -> None:
        """End the threads."""
        for each in self._each:
            each.end()
        for each in self._each:
            each.join()

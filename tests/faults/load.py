"""Clients that submit with idempotency keys, come back with the same key until they know, and follow some tasks."""

import asyncio
import json
import random
import threading
import time
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any, Final

import httpx

from tests.faults import kinds
from tests.faults.history import Answer, History, Operation

_TIMEOUT: Final = 10.0
_CLIENTS: Final = 24
_UNTIL: Final = 90.0
"""Seconds for which a client comes back; Postgres may be away for 30."""
_QUOTA_CODES: Final = frozenset({"daily_quota", "monthly_quota"})


@dataclass(frozen=True)
class Tenant:
    """A customer of the load."""

    slug: str
    tenant_id: str
    api_key: str
    share: int
    """Of the operations, by weight."""


class Load:
    """A thread with an event loop: ``begin`` to submit, ``end`` to stop and wait for what is under way."""

    def __init__(self, tenants: list[Tenant], apis: Callable[[], dict[str, str]], hook: str, seed: int) -> None:
        """``apis`` tells name and URL of the apis that clients know now; ``hook`` is the receiver's URL."""
        self.history = History()
        self.tenants = {tenant.slug: tenant for tenant in tenants}
        self._apis = apis
        self._hook = hook
        self._random = random.Random(seed)
        self._seed = seed
        self._count = 0
        self._running: set[asyncio.Task[None]] = set()
        self._source: asyncio.Task[None] | None = None
        self._loop = asyncio.new_event_loop()
        self._thread = threading.Thread(target=self._loop.run_forever, name="load", daemon=True)
        self._thread.start()
        self._clients = self._call(self._connect())

    def begin(self, per_second: float) -> None:
        """Submit at this rate from now on."""
        self.end_source()
        self._source = self._call(self._start(per_second))

    def end_source(self) -> None:
        """Submit no more; what is under way goes on."""
        if self._source is not None:
            self._loop.call_soon_threadsafe(self._source.cancel)
            self._source = None

    def end(self, seconds: float = _UNTIL + 30) -> None:
        """Submit no more, and wait until every client knows what became of its operation."""
        self.end_source()
        self._call(self._join(seconds), seconds + 10)

    def submit(self, kind: str, tenant: str, **body: Any) -> Operation:
        """Submit one task beside the load, and wait for the answer."""
        return self._call(self._submit_one(kind, self.tenants[tenant], body), _UNTIL + 10)

    def submit_many(self, kind: str, tenant: str, bodies: list[dict[str, Any]], at_once: int = 32) -> list[Operation]:
        """Submit many, so many at once."""
        return self._call(self._submit_all(kind, self.tenants[tenant], bodies, at_once), 600)

    def close(self) -> None:
        """End the thread, and with it what is under way."""
        self.end_source()
        self._call(self._disconnect())
        self._loop.call_soon_threadsafe(self._loop.stop)
        self._thread.join(10)
        self._loop.close()

    def _call(self, work: Any, seconds: float = 30) -> Any:
        return asyncio.run_coroutine_threadsafe(work, self._loop).result(seconds)

    async def _connect(self) -> list[httpx.AsyncClient]:
        # Many, each with few connections: one with hundreds would itself be what is waited for.
        unbounded = httpx.Limits(max_connections=None)
        return [
            httpx.AsyncClient(timeout=_TIMEOUT, trust_env=False, verify=False, limits=unbounded)
            for _ in range(_CLIENTS)
        ]

    async def _disconnect(self) -> None:
        for task in self._running:
            task.cancel()
        await asyncio.gather(*self._running, return_exceptions=True)
        for client in self._clients:
            await client.aclose()

    async def _start(self, per_second: float) -> "asyncio.Task[None]":
        return asyncio.create_task(self._produce(per_second))

    async def _produce(self, per_second: float) -> None:
        weights = [tenant.share for tenant in self.tenants.values()]
        next_at = time.monotonic()
        while True:
            kind = kinds.draw(self._random)
            tenant = self._random.choices(list(self.tenants.values()), weights)[0]
            self._spawn(self._operate(self._new(kind, tenant, {}), tenant))
            next_at = max(next_at + self._random.expovariate(per_second), time.monotonic() - 1)
            await asyncio.sleep(max(0, next_at - time.monotonic()))

    def _spawn(self, work: Any) -> None:
        task = asyncio.create_task(work)
        self._running.add(task)
        task.add_done_callback(self._running.discard)

    async def _join(self, seconds: float) -> None:
        if self._running:
            _, late = await asyncio.wait(self._running, timeout=seconds)
            for task in late:
                task.cancel()

    async def _submit_one(self, kind: str, tenant: Tenant, body: dict[str, Any]) -> Operation:
        operation = self._new(kind, tenant, body)
        await self._until_known(operation, tenant, "submit", "/api/tasks/submit", operation.body)
        self._spawn(self._attend(operation, tenant))
        return operation

    async def _submit_all(
        self, kind: str, tenant: Tenant, bodies: list[dict[str, Any]], at_once: int
    ) -> list[Operation]:
        places = asyncio.Semaphore(at_once)

        async def one(body: dict[str, Any]) -> Operation:
            async with places:
                return await self._submit_one(kind, tenant, body)

        return list(await asyncio.gather(*map(one, bodies)))

    def _new(self, kind: str, tenant: Tenant, body: dict[str, Any]) -> Operation:
        self._count += 1
        key = f"{self._seed}-{self._count}"
        made = kinds.KINDS[kind].make(self._random, self._count) | body
        if made["task"] == "http_request":
            made["payload"] = made["payload"] | {"url": f"{self._hook}/{tenant.slug}/{made['payload']['url']}"}
        # The tag tells in the database which operation made the row.
        made["tags"] = [key]
        if "webhook_url" not in made and self._random.random() < 0.4:
            made["webhook_url"] = f"{self._hook}/{tenant.slug}/{self._random.choice(('ok', 'ok', 'moody'))}"
        return self.history.begin(Operation(key, tenant.slug, kind, made))

    async def _operate(self, operation: Operation, tenant: Tenant) -> None:
        await self._until_known(operation, tenant, "submit", "/api/tasks/submit", operation.body)
        await self._attend(operation, tenant)

    async def _attend(self, operation: Operation, tenant: Tenant) -> None:
        if not operation.is_accepted:
            return
        kind, path = kinds.KINDS[operation.kind], f"/api/tasks/{operation.task_ids[0]}"
        if kind.cancels_after is not None:
            await asyncio.sleep(kind.cancels_after)
            await self._until_known(operation, tenant, "cancel", f"{path}/cancel", None)
        if self._random.random() < 0.15:
            await self._follow(operation, tenant, f"{path}/result?wait=5")

    async def _until_known(
        self, operation: Operation, tenant: Tenant, call: str, path: str, body: dict[str, Any] | None
    ) -> None:
        deadline = time.monotonic() + _UNTIL
        while time.monotonic() < deadline:
            response = await self._try(operation, tenant, call, "POST", path, body)
            if response is not None and self._is_known(operation, call, response):
                return
            # As it is asked to; another client would come back at once, and be a flood.
            asked = float(response.headers.get("retry-after", 0)) if response is not None else 0.0
            await asyncio.sleep(self._random.uniform(0.1, 0.4) + self._random.uniform(0.5, 1) * min(asked, 5))

    def _is_known(self, operation: Operation, call: str, response: httpx.Response) -> bool:
        if call == "cancel":
            return response.status_code < 500
        if response.is_success:
            operation.accept(response.json()["task_id"], time.time())
            return True
        operation.is_refused = response.status_code == 429 and response.json().get("code") in _QUOTA_CODES
        return operation.is_refused

    async def _follow(self, operation: Operation, tenant: Tenant, path: str) -> None:
        deadline = time.monotonic() + 30
        while time.monotonic() < deadline:
            response = await self._try(operation, tenant, "result", "GET", path, None)
            if response is not None and response.status_code == 200:
                operation.seen_ends.append(response.json())
                return
            await asyncio.sleep(0.2)

    async def _try(
        self, operation: Operation, tenant: Tenant, call: str, method: str, path: str, body: dict[str, Any] | None
    ) -> httpx.Response | None:
        apis = self._apis()
        # Another one than the last time, where there is another.
        last = operation.answers[-1].api if operation.answers else ""
        name = self._random.choice([api for api in apis if api != last] or list(apis))
        headers = {"Authorization": f"Bearer {tenant.api_key}"} | (
            {"Idempotency-Key": operation.key} if call == "submit" else {}
        )
        began, at = time.monotonic(), time.time()
        response, detail = None, ""
        try:
            response = await self._random.choice(self._clients).request(
                method, f"{apis[name]}{path}", json=body, headers=headers
            )
            detail = response.text[:200] if response.status_code >= 300 else ""
        except (httpx.HTTPError, json.JSONDecodeError) as error:
            detail = type(error).__name__
        operation.answers.append(
            Answer(
                at, time.monotonic() - began, name, response.status_code if response is not None else 0, detail,
                response is not None and "retry-after" in response.headers, call,
            )
        )  # fmt: skip
        return response

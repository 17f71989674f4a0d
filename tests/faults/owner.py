"""The database as its owner sees it, past every proxy; it waits for a Postgres that is away."""

import asyncio
import threading
import time
from typing import Any

import asyncpg

_AWAY = (
    OSError,
    TimeoutError,
    asyncpg.PostgresConnectionError,
    asyncpg.InterfaceError,
    asyncpg.OperatorInterventionError,
    asyncpg.InvalidTransactionStateError,
    asyncpg.InsufficientResourcesError,
)


class Owner:
    """One connection, for one thread; every call is a transaction of its own."""

    def __init__(self, url: str, *, patience: float = 60.0) -> None:
        """A call goes on being tried for ``patience`` seconds while Postgres is away."""
        self._url = url
        self._patience = patience
        self._runner = asyncio.Runner()
        self._connection: asyncpg.Connection[asyncpg.Record] | None = None
        self._lock = threading.Lock()

    def rows(self, sql: str, *args: Any) -> list[asyncpg.Record]:
        """Return the rows of a statement."""
        deadline = time.monotonic() + self._patience
        with self._lock:
            while True:
                try:
                    return self._runner.run(self._fetch(sql, args))
                except _AWAY:
                    self._drop()
                    if time.monotonic() > deadline:
                        raise
                    time.sleep(0.05)

    def value(self, sql: str, *args: Any) -> Any:
        """Return the first value of the first row, None without one."""
        rows = self.rows(sql, *args)
        return rows[0][0] if rows else None

    def move(self, url: str) -> None:
        """Ask another server from now on."""
        with self._lock:
            self._drop()
            self._url = url

    def close(self) -> None:
        """Close the connection."""
        with self._lock:
            self._drop()
            self._runner.close()

    async def _fetch(self, sql: str, args: tuple[Any, ...]) -> list[asyncpg.Record]:
        if self._connection is None:
            self._connection = await asyncpg.connect(self._url, timeout=3, command_timeout=120)
        return list(await self._connection.fetch(sql, *args))

    def _drop(self) -> None:
        if self._connection is not None:
            self._connection.terminate()
            self._connection = None

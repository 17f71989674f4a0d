"""Questions to a contender's database, each on a connection of its own."""

import asyncio
from typing import Any

import asyncpg


def fetch(url: str, query: str, *arguments: object) -> list[tuple[Any, ...]]:
    """Return the rows of a query."""
    return asyncio.run(_fetch(url, query, arguments))


def value(url: str, query: str, *arguments: object) -> Any:
    """Return the one value of a query."""
    return fetch(url, query, *arguments)[0][0]


async def _fetch(url: str, query: str, arguments: tuple[object, ...]) -> list[tuple[Any, ...]]:
    connection = await asyncpg.connect(url)
    try:
        return [tuple(row) for row in await connection.fetch(query, *arguments)]
    finally:
        await connection.close()

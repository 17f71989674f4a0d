"""What handlers raise is told to the agent in our words: neither an address nor a text of a driver leaves the service."""

from collections.abc import Iterator
from types import SimpleNamespace
from typing import Any

import asyncpg
import pytest
from mcp.shared.exceptions import MCPError
from mcp_types import CallToolRequestParams
from redis.exceptions import ConnectionError as RedisConnectionError
from starlette.requests import Request

from app.core.config import get_settings
from app.core.errors import NotFound
from app.db import AWAY
from app.mcp import server, tools
from app.tasks.definition import types

PARAMS = CallToolRequestParams(name="echo", arguments={})
FAULTS = [OSError(111, "Connect call failed ('10.0.0.5', 5432)"), RedisConnectionError("Error 111 connecting to 10.0.0.5:6379"),
        asyncpg.AdminShutdownError("terminating connection on 10.0.0.5")]  # fmt: skip

KINDS = (*AWAY, RedisConnectionError)


def _raising(error: Exception) -> Any:
    async def call(*_: Any) -> Any:
        raise error

    return call


def _context() -> Any:
    scope = {"type": "http", "method": "POST", "path": "/mcp", "headers": [], "state": {"request_id": "r1"}}
    return SimpleNamespace(request=Request(scope), protocol_version="2026-07-28")


@pytest.mark.parametrize("error", FAULTS, ids=["os", "redis", "postgres"])
async def test_a_server_that_is_away_is_told_as_the_api_tells_it(error: Exception):
    result = await server.told_problems(_raising(error), KINDS)(_context(), PARAMS)
    assert result.is_error
    assert result.content[0].text == "unavailable: The service cannot answer now. Try again in a few seconds."
    with pytest.raises(MCPError) as raised:
        await server.refusing(_raising(error), KINDS)(_context(), PARAMS)
    assert (raised.value.error.data["code"], raised.value.error.data["status"]) == ("unavailable", 503)


async def test_an_error_that_nobody_expects_says_nothing_and_is_logged(caplog: pytest.LogCaptureFixture):
    for wrap in (server.told_problems, server.refusing):
        with pytest.raises(MCPError) as raised:
            await wrap(_raising(KeyError("the secret of 10.0.0.5")), KINDS)(_context(), PARAMS)
        assert "secret" not in str(raised.value.error)
    assert [record.levelname for record in caplog.records] == ["ERROR", "ERROR"]


async def test_problems_and_errors_of_the_protocol_stay_what_they_are():
    result = await server.told_problems(_raising(NotFound("There is no such task.")), KINDS)(_context(), PARAMS)
    assert result.content[0].text == "not_found: There is no such task."
    for wrap in (server.told_problems, server.refusing):
        with pytest.raises(MCPError, match="of the protocol"):
            await wrap(_raising(MCPError(code=-32602, message="of the protocol")), KINDS)(_context(), PARAMS)


@pytest.fixture
def settings(environment: dict[str, str], monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    """Have this process read settings: they name the task types."""
    for name in ("DATABASE_URL", "REDIS_URL", "SECRETS_FILE", "TASK_MODULES"):
        monkeypatch.setenv(name, environment[name])
    get_settings.cache_clear()
    yield
    get_settings.cache_clear()


@pytest.mark.usefixtures("settings")
def test_the_transport_finds_the_schema_of_a_tool_without_listing_all():
    # Else each call lists them, and that of a key which may not list them is an error in the log.
    find = server.make(()).get_tool_input_schema
    assert find is not None
    assert find("echo") == tools.input_schema(types.all_types()["echo"])
    assert find("get-task")
    assert find("no.such.tool") is None

"""An api process that serves ``/mcp``."""

from collections.abc import Iterator

import httpx
import pytest

from scripts.stack import ports
from tests.conftest import Stack, wait_until
from tests.quotas.conftest import limited as limited  # noqa: PLC0414  a fixture


@pytest.fixture(scope="package")
def url(stack: Stack) -> Iterator[str]:
    """Return the address of ``/mcp``."""
    port = ports.free_port()
    stack.start(
        "api-mcp", "uvicorn", "app.main:app", "--port", str(port), "--http", "app.http.protocol_limits:GuardedProtocol",
        MCP="on", CORS_ORIGINS="https://app.example.com",
    )  # fmt: skip
    wait_until(lambda: _is_up(f"http://127.0.0.1:{port}"), "an api process")
    yield f"http://127.0.0.1:{port}/mcp"
    stack.stop("api-mcp")


def _is_up(url: str) -> bool:
    try:
        return httpx.get(f"{url}/healthz", trust_env=False).status_code == 200
    except httpx.HTTPError:
        return False

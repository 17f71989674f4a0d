"""What a worker's main process does beside its tasks begins again when it ends."""

import asyncio
import threading

import pytest

from app.core.config import get_settings
from app.core.secrets import get_secrets
from app.worker.runtime import Runtime
from tests.conftest import wait_until


@pytest.fixture
def runtime(monkeypatch: pytest.MonkeyPatch, environment: dict[str, str]):
    for name in ("DATABASE_URL", "REDIS_URL", "SECRETS_FILE"):
        monkeypatch.setenv(name, environment[name])
    made = Runtime(connections=1)
    yield made
    made.close()
    get_settings.cache_clear()
    get_secrets.cache_clear()


def test_a_duty_that_raises_begins_again_and_its_sibling_is_not_touched(
    runtime: Runtime, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
):
    monkeypatch.setattr("app.core.duty._FIRST_PAUSE", 0.01)
    begun: list[str] = []
    third = threading.Event()

    async def beat() -> None:
        begun.append("beat")
        if begun.count("beat") < 3:
            raise RuntimeError("nobody thought of it")
        third.set()
        await _for_ever()

    async def watch() -> None:
        begun.append("watch")
        await _for_ever()

    runtime.on_duty(heartbeat=beat, watch=watch)
    wait_until(third.is_set, "the third beginning", 20)
    assert (begun.count("beat"), begun.count("watch")) == (3, 1)
    lines = [record for record in caplog.records if record.message == "a duty has failed"]
    assert [(line.duty, line.failures) for line in lines] == [("heartbeat", 1), ("heartbeat", 2)]


async def _for_ever() -> None:
    await asyncio.Event().wait()

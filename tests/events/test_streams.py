"""The streams of a process: counted for each tenant, and ended with their credentials."""

import asyncio
import uuid
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import Any

import pytest

from app.core.errors import TooManyStreams, Unauthenticated, Unavailable
from app.events.streams import OpenStreams
from app.identity.credentials import Credential

TENANT = uuid.uuid4()
KEY, OTHER = Credential("key"), Credential("other")


class Verifier:
    """Says of each credential what the test wants: this is about the streams, not about keys."""

    def __init__(self) -> None:
        self.errors: dict[Credential, Exception] = {}
        self.asked: list[Credential] = []

    async def check(self, credential: Credential) -> None:
        self.asked.append(credential)
        if error := self.errors.get(credential):
            raise error


@asynccontextmanager
async def running(verifier: Any) -> AsyncIterator[OpenStreams]:
    streams = OpenStreams(verifier)
    checking = asyncio.create_task(streams.run())
    yield streams
    checking.cancel()
    await asyncio.wait([checking])


def _keep(streams: OpenStreams, tenant_id: uuid.UUID, limit: int, credential: Credential = KEY) -> Any:
    with streams.reserved(tenant_id, limit) as reserved:
        return reserved.keep(credential)


async def test_a_tenant_has_as_many_streams_as_its_limit_and_others_have_theirs():
    streams = OpenStreams(Verifier())  # type: ignore[arg-type]
    first, _ = (_keep(streams, TENANT, 2) for _ in range(2))
    with pytest.raises(TooManyStreams), streams.reserved(TENANT, 2):
        pass
    _keep(streams, uuid.uuid4(), 1)
    with first(lambda: None):
        pass
    _keep(streams, TENANT, 2)


def test_a_stream_that_never_began_is_not_counted():
    streams = OpenStreams(Verifier())  # type: ignore[arg-type]
    with pytest.raises(ZeroDivisionError), streams.reserved(TENANT, 1):
        raise ZeroDivisionError
    with streams.reserved(TENANT, 1):
        pass
    _keep(streams, TENANT, 1)


@pytest.mark.parametrize("error", [Unauthenticated("no"), ValueError(), Unavailable()])
async def test_streams_end_when_their_credential_is_refused_or_cannot_be_confirmed(error: Exception):
    verifier, ended = Verifier(), []
    async with running(verifier) as streams:
        first, second, other = (_keep(streams, TENANT, 9, credential) for credential in (KEY, KEY, OTHER))
        with (
            first(lambda: ended.append("first")),
            second(lambda: ended.append("second")),
            other(lambda: ended.append("other")),
        ):
            verifier.errors[KEY] = error
            async with asyncio.timeout(5):
                while len(ended) < 2:  # noqa: ASYNC110 the streams are ended by functions
                    await asyncio.sleep(0.01)
        # However many streams a credential has, it is checked once in a round.
        assert set(ended) == {"first", "second"}
        assert abs(verifier.asked.count(KEY) - verifier.asked.count(OTHER)) <= 1
        _keep(streams, TENANT, 1)

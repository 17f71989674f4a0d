"""Names: a slow name server takes up neither the loop nor the places of other tenants."""

import asyncio
import threading
import time
import uuid
from collections.abc import Sequence
from ipaddress import ip_address

import pytest

from app.outbound import resolver
from app.outbound.addresses import Address
from app.outbound.resolver import NoThreadError, Resolver

ONE, OTHER = uuid.UUID(int=1), uuid.UUID(int=2)
FOUND = [ip_address("93.184.216.34")]


async def test_the_systems_resolver_finds_this_machine_and_not_what_is_unknown():
    assert ip_address("127.0.0.1") in await Resolver().addresses(ONE, "localhost")
    assert await Resolver().addresses(ONE, "a" * 64 + ".invalid") == ()


async def test_a_tenants_slow_names_leave_the_others_theirs(monkeypatch: pytest.MonkeyPatch):
    monkeypatch.setattr(resolver, "_TIMEOUT", 0.2)
    monkeypatch.setattr(resolver, "_THREAD_TIMEOUT", 0.2)
    answer, asked = threading.Event(), list[str]()

    def look_up(host: str) -> Sequence[Address]:
        asked.append(host)
        if host.startswith("slow"):
            answer.wait(10)
        return FOUND

    names = Resolver(look_up)
    slow = [names.addresses(ONE, f"slow{number}.example.com") for number in range(20)]
    began = time.monotonic()
    *outcomes, found = await asyncio.gather(*slow, names.addresses(OTHER, "quick.example.com"), return_exceptions=True)
    assert found == FOUND
    # Those that were asked took too long; the others were not asked at all, which is told apart.
    assert [sum(isinstance(outcome, kind) for outcome in outcomes) for kind in (TimeoutError, NoThreadError)] == [4, 16]
    assert time.monotonic() - began < 1
    # The threads of one tenant are few, and their places are held for as long as they hang.
    assert len(asked) == 4 + 1
    with pytest.raises(NoThreadError):
        await names.addresses(ONE, "quick.example.com")
    answer.set()
    assert await names.addresses(ONE, "quick.example.com") == FOUND

"""Passwords: their hashes, their length, and how many may wait to be hashed."""

import asyncio
import subprocess
import sys
import threading
from collections.abc import AsyncIterator
from time import thread_time
from uuid import UUID

import pytest
from argon2 import PasswordHasher

from app.accounts import passwords
from app.core.errors import InvalidRequest, TooManyAttempts, Unavailable
from tests.conftest import ROOT

STORED = passwords.hash_now("correct horse battery")


def test_the_right_password_and_no_other_is_right() -> None:
    assert passwords.verify_now("correct horse battery", STORED)
    assert not passwords.verify_now("correct horse batterz", STORED)
    assert STORED.startswith("$argon2id$v=19$m=19456,t=2,p=1$")
    assert passwords.hash_now("correct horse battery") != STORED


@pytest.mark.parametrize(
    "stored",
    [
        None,
        "",
        "x",
        "$argon2id$",
        "$2b$12$" + "x" * 53,
        pytest.param(STORED[:-5], id="cut"),
        "$argon2id$v=19$m=1,t=1,p=1$a$b",
    ],
)
def test_a_malformed_hash_is_no_error_and_no_password(stored: str | None) -> None:
    assert not passwords.verify_now("correct horse battery", stored)


@pytest.mark.parametrize("password", ["", "x" * 257, "x" * 5_000, "a\x00b", "\ud800"])
def test_no_password_provokes_an_error(password: str) -> None:
    assert not passwords.verify_now(password, STORED)
    assert not passwords.verify_now(password, None)


def test_where_there_is_no_member_it_takes_as_long() -> None:
    def fastest(stored: str | None) -> float:
        times = []
        for _ in range(7):
            # The time of this thread alone: what else the machine does must not count.
            started = thread_time()
            passwords.verify_now("wrong", stored)
            times.append(thread_time() - started)
        return min(times)

    assert 0.6 < fastest(None) / fastest(STORED) < 1.7
    assert not passwords.needs_rehash(passwords._NOBODY)


def test_other_parameters_are_told() -> None:
    assert passwords.needs_rehash(PasswordHasher(time_cost=1, memory_cost=8_192, parallelism=1).hash("x"))
    assert not passwords.needs_rehash(STORED)


@pytest.mark.parametrize("password", ["", "x" * 11, "x" * 257])
def test_a_password_has_a_sensible_length(password: str) -> None:
    with pytest.raises(InvalidRequest, match="12 to 256"):
        passwords.check(password)


def test_a_made_password_is_one_and_differs() -> None:
    made = {passwords.generate() for _ in range(20)}
    assert len(made) == 20
    for password in made:
        passwords.check(password)


def test_passlib_warns_of_nothing() -> None:
    program = "from app.accounts import passwords as p; assert p.verify_now('x', p.hash_now('x'))"
    subprocess.run([sys.executable, "-W", "error", "-c", program], cwd=ROOT, check=True, timeout=60)


def test_python_jose_brings_in_none_of_its_pure_python_backends() -> None:
    program = "import sys, app.identity.keyring; assert not {'ecdsa', 'rsa'} & set(sys.modules)"
    subprocess.run([sys.executable, "-W", "error", "-c", program], cwd=ROOT, check=True, timeout=60)


TENANT, OTHER = UUID(int=1), UUID(int=2)


@pytest.fixture
async def hasher() -> AsyncIterator[tuple[passwords.Hasher, threading.Event]]:
    """A hasher whose thread for new passwords is busy until the event is set."""
    made, may_go_on = passwords.Hasher(), threading.Event()
    made._for_all._executor.submit(may_go_on.wait, 20)
    yield made, may_go_on
    may_go_on.set()
    made.close()


async def test_a_tenant_has_two_new_passwords_waiting_at_most(
    hasher: tuple[passwords.Hasher, threading.Event],
) -> None:
    made, may_go_on = hasher
    waiting = [asyncio.create_task(made.hash(TENANT, "a password")) for _ in range(2)]
    await asyncio.sleep(0)
    with pytest.raises(TooManyAttempts) as refused:
        await made.hash(TENANT, "a password")
    assert refused.value.headers == {"Retry-After": "1"}
    of_another = asyncio.create_task(made.hash(OTHER, "a password"))
    may_go_on.set()
    assert all(found.startswith("$argon2id$") for found in await asyncio.gather(*waiting, of_another))
    assert not made._of_tenants


async def test_a_login_waits_for_no_new_password(hasher: tuple[passwords.Hasher, threading.Event]) -> None:
    made, may_go_on = hasher
    waiting = [
        asyncio.create_task(made.hash(UUID(int=number), "a password")) for number in range(passwords._MAX_WAITING)
    ]
    await asyncio.sleep(0)
    assert await made.verify("correct horse battery", STORED)
    assert not any(each.done() for each in waiting)
    with pytest.raises(Unavailable):
        await made.hash(UUID(int=99), "a password")
    for each in waiting:
        each.cancel()
    may_go_on.set()

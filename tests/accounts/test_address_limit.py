"""One network address may call an operation so often; tests/accounts/test_tokens.py counts over HTTP."""

import uuid

import pytest
from starlette.requests import Request

from app.accounts.address_limit import AddressLimit, limit_of, limited
from app.core.errors import TooManyAttempts


def _from(host: str) -> Request:
    return Request({"type": "http", "client": (host, 1), "headers": []})


@pytest.mark.parametrize(
    ("first", "second", "is_one"),
    [
        ("192.0.2.1", "192.0.2.1", True),
        ("192.0.2.1", "192.0.2.2", False),
        ("2001:db8:0:1::1", "2001:db8:0:1:ffff::2", True),
        ("2001:db8:0:1::1", "2001:db8:0:2::1", False),
        ("::ffff:192.0.2.1", "::ffff:192.0.2.2", False),
    ],
)
def test_an_ipv4_address_counts_alone_and_an_ipv6_network_as_one(first: str, second: str, is_one: bool) -> None:
    limit, operation = AddressLimit("1/minute"), uuid.uuid4().hex
    limit.count(_from(first), operation)
    if is_one:
        with pytest.raises(TooManyAttempts):
            limit.count(_from(second), operation)
    else:
        limit.count(_from(second), operation)


def test_each_operation_counts_for_itself() -> None:
    limit = AddressLimit("1/minute")
    for _ in range(3):
        limit.count(_from("192.0.2.9"), uuid.uuid4().hex)


def test_a_marked_endpoint_has_its_limit_and_another_has_none() -> None:
    @limited("2/minute")
    def marked() -> None: ...

    assert isinstance(limit_of(marked), AddressLimit)
    assert limit_of(_from) is None

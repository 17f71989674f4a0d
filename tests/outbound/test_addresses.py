"""Which addresses are public."""

from ipaddress import IPv4Address, IPv6Address, ip_address
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from app.outbound import addresses

HERE = Path(__file__).parent
NOT_PUBLIC = (HERE / "not_public_addresses.txt").read_text().split()
PUBLIC = (HERE / "public_addresses.txt").read_text().split()


@pytest.mark.parametrize("address", NOT_PUBLIC)
def test_an_address_that_means_a_machine_of_ours_is_not_public(address: str):
    assert not addresses.is_public(ip_address(address))


@pytest.mark.parametrize("address", PUBLIC)
def test_an_address_of_the_internet_is_public(address: str):
    assert addresses.is_public(ip_address(address))


@given(st.integers(0, 2**32 - 1).map(IPv4Address) | st.integers(0, 2**128 - 1).map(IPv6Address))
def test_nothing_is_public_that_python_calls_private(address: IPv4Address | IPv6Address):
    if addresses.is_public(address):
        assert address.is_global
        assert not address.is_multicast

"""Where requests may go: never to a machine of ours, whatever networks the operator allows."""

import socket
from ipaddress import ip_address, ip_network
from pathlib import Path
from typing import Any

import pytest

from app.core.config import Settings
from app.outbound import destinations
from app.outbound.destinations import Destinations
from app.outbound.http import httpx

HERE = Path(__file__).parent
LOCAL = (ip_network("127.0.0.0/8"),)
OWN_PORTS = frozenset({8000, 5432})


@pytest.mark.parametrize("address", (HERE / "not_public_addresses.txt").read_text().split())
def test_no_network_is_allowed_by_default(address: str):
    judge = Destinations((), OWN_PORTS)
    assert not judge.may_go_to(httpx.URL("https://api.example.com/"), ip_address(address))


@pytest.mark.parametrize("address", (HERE / "public_addresses.txt").read_text().split())
def test_the_internet_is_reached_by_https(address: str):
    judge = Destinations((), OWN_PORTS)
    assert judge.may_go_to(httpx.URL("https://api.example.com/"), ip_address(address))
    assert not judge.may_go_to(httpx.URL("http://api.example.com/"), ip_address(address))
    assert not judge.may_go_to(httpx.URL("https://api.example.com:5432/"), ip_address(address))


@pytest.mark.parametrize(
    ("url", "address", "may"),
    [
        ("https://a.example.com/", "93.184.216.34", True),
        ("https://a.example.com:8443/", "93.184.216.34", True),
        ("https://a.example.com:22/", "93.184.216.34", False),
        ("http://a.example.com/", "93.184.216.34", False),
        ("http://a.example.com:22/", "127.0.0.1", True),
        ("https://a.example.com/", "127.0.0.1", True),
        ("https://a.example.com/", "10.0.0.1", False),
        ("https://a.example.com/", "::1", False),
        ("https://a.example.com/", "::ffff:127.0.0.1", False),
    ],
)
def test_what_a_name_resolves_to_decides_where_it_may_go(url: str, address: str, may: bool):
    assert Destinations(LOCAL, OWN_PORTS).may_go_to(httpx.URL(url), ip_address(address)) is may


def test_a_port_of_ours_is_closed_in_an_allowed_network_too():
    judge = Destinations(LOCAL, OWN_PORTS)
    may = {
        port: judge.may_go_to(httpx.URL(f"http://localhost:{port}/"), ip_address("127.0.0.1")) for port in (8000, 9000)
    }
    assert may == {8000: False, 9000: True}


def test_an_address_of_this_machine_is_its_own_and_another_is_not():
    assert destinations.is_own(ip_address("127.0.0.1"))
    assert not destinations.is_own(ip_address("93.184.216.34"))
    # An address of an interface, where this machine has one.
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as probe:
        try:
            probe.connect(("198.51.100.1", 9))
        except OSError:
            return
        assert destinations.is_own(ip_address(probe.getsockname()[0]))


def test_a_public_address_of_this_machine_is_refused(monkeypatch: pytest.MonkeyPatch):
    monkeypatch.setattr(destinations, "is_own", lambda address: str(address) == "93.184.216.34")
    judge, url = Destinations((), OWN_PORTS), httpx.URL("https://api.example.com/")
    assert not judge.may_go_to(url, ip_address("93.184.216.34"))
    assert judge.may_go_to(url, ip_address("93.184.216.35"))


@pytest.mark.parametrize(
    ("settings", "ports"),
    [
        ({"database_url": "postgresql://o@db/x", "redis_url": "redis://r"}, {8000, 8001, 5432, 6379}),
        (
            {
                "database_url": "postgresql://o@a:6000,b:6001/x", "redis_url": "rediss://:p@r:7000/0",
                "database_url_tq_http": "postgresql://h@c:6002/x", "own_ports": (9000,),
            },
            {9000, 6000, 6001, 6002, 7000},
        ),
    ],
)  # fmt: skip
def test_our_ports_are_those_of_the_servers_and_those_that_are_named(settings: dict[str, Any], ports: set[int]):
    assert destinations.own_ports(Settings(_env_file=None, **settings)) == ports

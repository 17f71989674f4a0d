"""Which URLs may be a webhook_url: a corpus of hostile ones, and those that must pass."""

from ipaddress import ip_network
from pathlib import Path

import httpx
import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from app.outbound import urls

LOCAL = (ip_network("127.0.0.0/8"), ip_network("fd11::/16"))

HOSTILE = [
    *(Path(__file__).parent / "hostile_urls.txt").read_text().splitlines(),
    "",
    " https://example.com/",
    "https://example.com/ ",
    "https://example.com/\r\nX: y",
    "https://example.com/\0",
    "https://example.com/\t",
    "ht\ntps://example.com/",
    "https://example.com/\ud800",
    "https://example.com/" + "a" * 2_048,
    f"https://{'a' * 64}.com/",
    f"https://{'a.' * 130}com/",
]

GOOD = [
    "https://example.com",
    "https://example.com/",
    "HTTPS://Example.COM/Hook",
    "https://hooks.example.com/path/to?token=a%20b&x=[1]",
    "https://example.com:443/",
    "https://example.com:8443/",
    "https://example.com?x=1",
    "https://xn--exmple-cua.com/",
    "https://1.2.3.4.example.com/",
    "https://127-0-0-1.example.com/",
    "https://a-b.c1.example.museum/@user/a:b//c?u=https://b.com/@x",
    "https://example.com/" + "a" * 2_028,
]


@pytest.mark.parametrize("url", HOSTILE)
def test_a_hostile_url_is_refused_with_words_that_do_not_repeat_it(url: str):
    refusal = urls.validation_error(url, ())
    assert refusal is not None
    assert len(url) < 9 or url not in refusal


@pytest.mark.parametrize("url", GOOD)
def test_a_public_https_url_is_accepted(url: str):
    assert urls.validation_error(url, ()) is None


def test_the_corpus_is_large_enough():
    assert len(set(HOSTILE)) >= 100


@pytest.mark.parametrize(
    "url",
    [
        "http://127.0.0.1:9000/hook",
        "https://127.0.0.1/",
        "http://127.8.9.10:1/",
        "http://localhost:3000/",
        "http://[fd11::1]:80/",
        "http://hooks.example.com:9000/",
        *GOOD,
    ],
)
def test_an_allowed_network_takes_plain_http_and_any_port(url: str):
    assert urls.validation_error(url, LOCAL) is None


LOOSE = ["http://example.com/", "https://example.com:80/", "https://example.com:22/", "https://127.0.0.1/"]


@pytest.mark.parametrize("url", [url for url in HOSTILE if url not in LOOSE and "localhost/" not in url.lower()])
def test_an_allowed_network_opens_nothing_else(url: str):
    assert urls.validation_error(url, LOCAL) is not None


def test_localhost_needs_the_loopback_network():
    assert urls.validation_error("http://localhost:3000/", (ip_network("10.0.0.0/8"),)) is not None
    assert urls.validation_error("http://api.localhost:3000/", LOCAL) is not None


@given(st.text() | st.from_regex(r"https://[a-z0-9.%\[\]:@\\#-]{1,30}(/.{0,5})?", fullmatch=True))
@example("https://a.b/")
def test_whatever_is_accepted_names_a_host_that_no_resolver_takes_for_an_address(url: str):
    if urls.validation_error(url, ()) is None:
        host = httpx.URL(url).host
        assert "." in host
        assert host.rpartition(".")[2][0].isalpha()
        assert not urls.literal(host)

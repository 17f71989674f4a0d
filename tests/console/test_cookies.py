"""The cookie's name and attributes, by how the console is reached."""

import pytest

from app.console import cookies

VALUE = "v" * 43


def _scope(scheme: str, host: str) -> dict[str, object]:
    return {"scheme": scheme, "headers": [(b"host", host.encode())]}


@pytest.mark.parametrize(
    ("scheme", "host", "root", "header"),
    [
        ("https", "a.example", "", f"__Host-console={VALUE}; Path=/; HttpOnly; SameSite=Lax; Secure"),
        ("https", "localhost", "", f"__Host-console={VALUE}; Path=/; HttpOnly; SameSite=Lax; Secure"),
        ("https", "a.example", "/q", f"__Secure-console={VALUE}; Path=/q/console; HttpOnly; SameSite=Lax; Secure"),
        ("http", "127.0.0.1:8000", "", f"console={VALUE}; Path=/console; HttpOnly; SameSite=Lax"),
        ("http", "localhost", "/q", f"console={VALUE}; Path=/q/console; HttpOnly; SameSite=Lax"),
    ],
)
def test_the_cookie_is_as_strict_as_the_way_allows(scheme: str, host: str, root: str, header: str):
    rules = cookies.rules(_scope(scheme, host), root)
    assert rules is not None
    assert rules.header(VALUE, None) == header
    assert rules.header(VALUE, 60) == f"{header}; Max-Age=60"


@pytest.mark.parametrize(
    ("host", "is_loopback"),
    [
        ("localhost", True), ("LOCALHOST:8000", True), ("a.localhost", True), ("127.0.0.1", True), ("127.9.8.7:1", True),
        ("[::1]:8000", True), ("[::1]", True), ("", False), ("a.example", False), ("localhost.example:80", False),
        ("10.0.0.1:8000", False), ("127.0.0.1.example", False), ("[fe80::1]:80", False), ("0.0.0.0", False),
    ],
)  # fmt: skip
def test_only_names_of_the_browsers_own_machine_are_loopback(host: str, is_loopback: bool):
    assert cookies.is_loopback(host) is is_loopback
    assert (cookies.rules(_scope("http", host), "") is not None) is is_loopback


@pytest.mark.parametrize(
    "header", ["", "other=1", "console=short", f"console={VALUE}x", f"console={VALUE[:-1]}!", "=;;="]
)
def test_what_is_no_value_of_ours_is_no_cookie(header: str):
    rules = cookies.rules(_scope("http", "localhost"), "")
    assert rules is not None
    assert rules.value(header) is None
    assert rules.value(f"a=b; console={VALUE}; c=d") == VALUE

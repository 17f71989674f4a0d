"""Links that sign an operator in, and the ends of sessions."""

import json
from collections.abc import Callable

import asyncpg
import pytest

from tests.conftest import role_url
from tests.console.conftest import heading
from tests.operator.conftest import Admin, OperatorBrowser

Visitors = Callable[[], OperatorBrowser]
MakeLink = Callable[[], str]


def _path(url: str) -> str:
    return f"/link/{url.rpartition('/')[2]}"


def _is_out(browser: OperatorBrowser) -> bool:
    return heading(browser.get("/tenants")) == "Operator: sign in"


def test_a_link_signs_one_browser_in_and_works_once(visitors: Visitors, make_link: MakeLink):
    url = make_link()
    # Whoever only opens the page does not use it up.
    for _ in range(2):
        assert heading(visitors().get(_path(url))) == "Open the operator's pages"
    browser, other = visitors(), visitors()
    other.get(_path(url))
    browser.get("/sign-in")
    planted = browser.client.cookies["operator"]
    assert heading(browser.open_link(url)) == "Overview"
    assert browser.client.cookies["operator"] != planted
    assert heading(browser.get("/sign-in")) == "Overview"
    # Whoever has the page with the button still open comes too late.
    assert other.post(_path(url)).status_code == 404
    assert other.get(_path(url)).status_code == 404
    assert _is_out(other)


async def test_a_link_is_valid_for_five_minutes_and_is_not_stored(
    visitors: Visitors, make_link: MakeLink, environment: dict[str, str]
):
    url, browser = make_link(), visitors()
    browser.get(_path(url))
    owner = await asyncpg.connect(environment["DATABASE_URL"])
    try:
        left = await owner.fetchval("SELECT max(expires_at) - now() FROM operator_link")
        assert 290 < left.total_seconds() <= 300
        assert url.rpartition("/")[2] not in str(await owner.fetch("SELECT * FROM operator_link"))
        await owner.execute("UPDATE operator_link SET expires_at = now()")
    finally:
        await owner.close()
    assert browser.post(_path(url)).status_code == 404
    assert browser.get(_path(url)).status_code == 404
    assert _is_out(browser)


async def test_a_session_ends_after_twelve_hours(operator: OperatorBrowser, environment: dict[str, str]):
    owner = await asyncpg.connect(environment["DATABASE_URL"])
    try:
        left = await owner.fetchval("SELECT max(expires_at) - now() FROM operator_session")
        assert 43_000 < left.total_seconds() <= 43_200
        await owner.execute("UPDATE operator_session SET expires_at = now()")
    finally:
        await owner.close()
    assert _is_out(operator)


@pytest.mark.parametrize("secret", ["x", "x" * 43, "%00"])
def test_what_is_no_link_is_refused(visitors: Visitors, secret: str):
    assert visitors().get(f"/link/{secret}").status_code == 404


def test_signing_out_ends_the_session(operator: OperatorBrowser):
    old = operator.client.cookies["operator"]
    assert heading(operator.post("/sign-out")) == "Operator: sign in"
    assert operator.client.cookies["operator"] != old
    operator.client.cookies.set("operator", old, domain="127.0.0.1", path="/")
    assert _is_out(operator)


def test_a_command_ends_every_session_at_once_and_unused_links(
    operator: OperatorBrowser, visitors: Visitors, make_link: MakeLink, admin: Admin
):
    second, unused = visitors(), make_link()
    second.open_link(make_link())
    assert not _is_out(operator) and not _is_out(second)
    done = admin("operator-sign-out", "--json")
    assert json.loads(done.stdout)["sessions_ended"] >= 2
    assert _is_out(operator) and _is_out(second)
    assert visitors().get(_path(unused)).status_code == 404


def test_the_command_makes_one_kind_of_link(admin: Admin):
    for arguments in ([], ["acme", "--operator"]):
        done = admin("console-link", *arguments, "--json")
        assert (done.returncode, "--operator" in done.stderr) == (5, True)


@pytest.mark.parametrize(
    "role", ["tq_api", "tq_submit", "tq_auth", "tq_account", "tq_worker", "tq_http", "tq_dispatch", "tq_webhook"]
)
async def test_no_other_role_can_sign_an_operator_in(environment: dict[str, str], role: str):
    connection = await asyncpg.connect(role_url(environment, role))
    try:
        for statement in (
            "SELECT digest FROM operator_session",
            "INSERT INTO operator_session (id, digest, operator, expires_at) VALUES (gen_random_uuid(), 'x', 'x', now())",
            "INSERT INTO operator_link (id, digest, operator, expires_at) VALUES (gen_random_uuid(), 'x', 'x', now())",
        ):
            with pytest.raises(asyncpg.InsufficientPrivilegeError):
                await connection.execute(statement)
    finally:
        await connection.close()

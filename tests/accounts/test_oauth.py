"""The form and the client credentials of an OAuth token request."""

import base64

import pytest
from hypothesis import given
from hypothesis import strategies as st

from app.accounts import oauth
from app.accounts.oauth import Client, OAuthError

FORM = ["application/x-www-form-urlencoded; charset=utf-8"]


def _basic(text: str) -> list[str]:
    return ["Basic " + base64.b64encode(text.encode()).decode()]


def test_a_form_is_read_with_its_escapes() -> None:
    assert oauth.form(FORM, b"a=1&b=x%20y%2Bz") == {"a": "1", "b": "x y+z"}
    assert oauth.form(FORM, b"") == {}


@pytest.mark.parametrize("content_types", [[], ["application/json"], FORM * 2, ["text/plain"]])
def test_another_media_type_is_no_form(content_types: list[str]) -> None:
    with pytest.raises(OAuthError) as refused:
        oauth.form(content_types, b"a=1")
    assert (refused.value.error, refused.value.status) == ("invalid_request", 400)


@pytest.mark.parametrize("raw", [b"a=1&a=2", b"a", b"\xff=1", b"a=%ff", b"&".join([b"a%d=1" % n for n in range(21)])])
def test_a_repeated_field_and_what_is_no_form_are_refused(raw: bytes) -> None:
    with pytest.raises(OAuthError):
        oauth.form(FORM, raw)


@given(st.binary(max_size=200))
def test_no_body_provokes_another_error(raw: bytes) -> None:
    try:
        fields = oauth.form(FORM, raw)
    except OAuthError:
        return
    assert len(fields) <= 20


def test_credentials_come_from_the_form_or_from_basic() -> None:
    fields = {"client_id": "a", "client_secret": "b"}
    assert oauth.client([], fields) == oauth.client(["Bearer x"], fields) == Client("a", "b")
    assert oauth.client(_basic("a%2Fb:c%3Ad"), {}) == Client("a/b", "c:d")
    assert oauth.client(_basic("a:b"), {"client_id": "a"}) == Client("a", "b")


@pytest.mark.parametrize(
    ("authorization", "fields", "error", "status"),
    [
        (_basic("a:b") * 2, {}, "invalid_request", 400),
        (_basic("a:b"), {"client_secret": "b"}, "invalid_request", 400),
        (_basic("a:b"), {"client_id": "c"}, "invalid_request", 400),
        (_basic("no colon"), {}, "invalid_client", 401),
        (["Basic !"], {}, "invalid_client", 401),
        ([], {"client_id": "a"}, "invalid_client", 401),
        ([], {"client_secret": "b"}, "invalid_client", 401),
    ],
)
def test_credentials_that_are_missing_doubled_or_contradict_are_refused(
    authorization: list[str], fields: dict[str, str], error: str, status: int
) -> None:
    with pytest.raises(OAuthError) as refused:
        oauth.client(authorization, fields)
    assert (refused.value.error, refused.value.status) == (error, status)

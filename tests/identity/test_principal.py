"""The actor of a change, as the audit log names it."""

import uuid

from app.identity.principal import Actor, Principal


def _principal(key_id: str | None, email: str | None) -> Principal:
    return Principal(uuid.uuid4(), "acme", "free", {}, "active", frozenset(), key_id, email=email)


def test_a_member_acts_by_its_address_and_a_key_by_its_id() -> None:
    assert _principal("abc", None).actor == Actor("api_key", "abc")
    assert _principal(None, "ann@example.com").actor == Actor("member", "ann@example.com")


def test_an_actor_keeps_its_name_with_an_address() -> None:
    assert Actor("operator", "root").at("192.0.2.1") == Actor("operator", "root", "192.0.2.1")

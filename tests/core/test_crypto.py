"""Sealing: what comes back, and everything that must not open."""

import base64
from pathlib import Path
from uuid import UUID, uuid4

import pytest
from hypothesis import given
from hypothesis import strategies as st

from app.core import crypto, secrets
from app.core.secrets import Secrets

TENANT, OTHER = UUID(int=1), UUID(int=2)


def _secrets(kek_id: str = "k1", **keks: int) -> Secrets:
    keys = {name: base64.b64encode(bytes([fill]) * 32).decode() for name, fill in (keks or {"k1": 7}).items()}
    return Secrets(pepper_id="p1", peppers={}, kek_id=kek_id, keks=keys, role_passwords={})


ONE = _secrets()


@given(st.binary(max_size=200), st.uuids(), st.text(max_size=40))
def test_sealed_opens_in_its_place(plain: bytes, tenant_id: UUID, place: str) -> None:
    sealed = crypto.seal(plain, tenant_id=tenant_id, place=place, secrets=ONE)
    assert crypto.open_sealed(sealed, tenant_id=tenant_id, place=place, secrets=ONE) == plain


def test_sealed_names_its_version_and_key() -> None:
    assert crypto.seal(b"x" * 32, tenant_id=TENANT, place="a", secrets=ONE).startswith("k1.k1.")


def test_same_text_is_sealed_differently_each_time() -> None:
    assert len({crypto.seal(b"x", tenant_id=TENANT, place="a", secrets=ONE) for _ in range(50)}) == 50


@pytest.mark.parametrize(("tenant_id", "place"), [(OTHER, "a"), (TENANT, "b"), (OTHER, "b")])
def test_moved_ciphertext_is_refused(tenant_id: UUID, place: str) -> None:
    sealed = crypto.seal(b"secret", tenant_id=TENANT, place="a", secrets=ONE)
    with pytest.raises(crypto.SealBroken):
        crypto.open_sealed(sealed, tenant_id=tenant_id, place=place, secrets=ONE)


@given(st.integers(min_value=0, max_value=33), st.integers(min_value=1, max_value=255))
def test_altered_byte_is_refused(index: int, change: int) -> None:
    head, _, text = crypto.seal(b"secret", tenant_id=TENANT, place="a", secrets=ONE).rpartition(".")
    raw = bytearray(base64.b64decode(text))
    raw[index] ^= change
    with pytest.raises(crypto.SealBroken):
        crypto.open_sealed(f"{head}.{base64.b64encode(raw).decode()}", tenant_id=TENANT, place="a", secrets=ONE)


@given(st.text() | st.from_regex(r"k[12]\.k[12]\.[A-Za-z0-9+/=]*", fullmatch=True))
def test_anything_else_is_refused_by_one_error(text: str) -> None:
    with pytest.raises(crypto.SealBroken):
        crypto.open_sealed(text, tenant_id=TENANT, place="a", secrets=ONE)


def test_old_key_still_opens_after_a_new_one_is_current() -> None:
    sealed = crypto.seal(b"secret", tenant_id=TENANT, place="a", secrets=ONE)
    both = _secrets("k2", k1=7, k2=8)
    assert crypto.open_sealed(sealed, tenant_id=TENANT, place="a", secrets=both) == b"secret"
    assert crypto.seal(b"secret", tenant_id=TENANT, place="a", secrets=both).startswith("k1.k2.")


def test_key_that_the_file_lacks_is_refused() -> None:
    sealed = crypto.seal(b"secret", tenant_id=TENANT, place="a", secrets=ONE)
    with pytest.raises(crypto.SealBroken):
        crypto.open_sealed(sealed, tenant_id=TENANT, place="a", secrets=_secrets("k2", k2=8))


def test_secrets_file_as_it_is_made_seals(tmp_path: Path) -> None:
    made, tenant_id = secrets.create(tmp_path / "secrets.json"), uuid4()
    sealed = crypto.seal(b"secret", tenant_id=tenant_id, place="a", secrets=made)
    read = secrets.load(tmp_path / "secrets.json")
    assert crypto.open_sealed(sealed, tenant_id=tenant_id, place="a", secrets=read) == b"secret"

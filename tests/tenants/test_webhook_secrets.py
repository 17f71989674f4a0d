"""A webhook secret opens only as the row and for the tenant that it was sealed for."""

import base64
import uuid
from pathlib import Path

import pytest

from app.core import secrets
from app.core.crypto import SealBroken
from app.core.secrets import Secrets
from app.tenants import webhook_secrets


@pytest.fixture(scope="module")
def known(tmp_path_factory: pytest.TempPathFactory) -> Secrets:
    return secrets.create(Path(tmp_path_factory.mktemp("secrets")) / "secrets.json")


def test_a_secret_has_the_form_of_standard_webhooks_and_differs() -> None:
    made = {webhook_secrets.generate() for _ in range(20)}
    assert len(made) == 20
    for text in made:
        assert text.startswith("whsec_")
        assert len(base64.b64decode(text.removeprefix("whsec_"), validate=True)) == 32


def test_a_sealed_secret_opens_in_its_place_and_in_no_other(known: Secrets) -> None:
    tenant_id, secret_id, text = uuid.uuid4(), uuid.uuid4(), webhook_secrets.generate()
    sealed = webhook_secrets.seal(text, tenant_id, secret_id, known)
    assert text not in sealed
    assert webhook_secrets.open_sealed(sealed, tenant_id, secret_id, known) == text
    for others in ((uuid.uuid4(), secret_id), (tenant_id, uuid.uuid4())):
        with pytest.raises(SealBroken):
            webhook_secrets.open_sealed(sealed, *others, known)

"""openapi.yaml is what the code says, and every error is documented."""

import yaml

from scripts.openapi_document import document
from tests.conftest import ROOT


def test_the_document_is_up_to_date():
    assert (ROOT / "openapi.yaml").read_text() == document()


def test_every_operation_has_an_id_and_documents_its_refusals():
    described = yaml.safe_load((ROOT / "openapi.yaml").read_text())
    operations = [operation for path in described["paths"].values() for operation in path.values()]
    assert len({operation["operationId"] for operation in operations}) == len(operations)
    for operation in operations:
        if "security" in operation:
            assert "401" in operation["responses"], operation["operationId"]

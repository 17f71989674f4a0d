"""openapi.yaml is what the code says, and every error is documented."""

import os
import subprocess
import sys

import yaml

from tests.conftest import ROOT


def test_the_document_is_up_to_date():
    # In a process of its own: here other tests may have declared task types.
    line = [sys.executable, "-P", "-m", "scripts.openapi_document", "--check"]
    checked = subprocess.run(
        line, cwd=ROOT, env=os.environ | {"PYTHONPATH": str(ROOT)}, check=False, capture_output=True, text=True
    )
    assert checked.returncode == 0, checked.stderr


def test_every_operation_has_an_id_and_documents_its_refusals():
    described = yaml.safe_load((ROOT / "openapi.yaml").read_text())
    operations = [operation for path in described["paths"].values() for operation in path.values()]
    assert len({operation["operationId"] for operation in operations}) == len(operations)
    for operation in operations:
        if "security" in operation:
            assert "401" in operation["responses"], operation["operationId"]

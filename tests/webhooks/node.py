"""The npm packages of tests/webhooks/node_receivers, which ``.ci/run`` installs."""

import base64
import json
import shutil
import subprocess
from collections.abc import Sequence
from pathlib import Path

import pytest

from tests.webhooks.receiver import Received

FOLDER = Path(__file__).parent / "node_receivers"
_VERIFY = """
import { Webhook } from "standardwebhooks";
import { readFileSync } from "node:fs";
for (const { body, headers, secret } of JSON.parse(readFileSync(0, "utf8"))) {
  new Webhook(secret).verify(Buffer.from(body, "base64").toString("utf8"), headers);
}
"""


def missing() -> str | None:
    """Return what is missing to run JavaScript with the packages; None if nothing is."""
    if shutil.which("node") is None:
        return "node is not installed"
    if not (FOLDER / "node_modules" / "standardwebhooks").is_dir():
        return f"the npm packages are not installed: npm ci --prefix {FOLDER.relative_to(Path.cwd())}"
    return None


def require_node() -> None:
    """Skip a test where JavaScript cannot be run, and name what is missing."""
    if reason := missing():
        pytest.skip(reason)


def verify_with_node(signed: Sequence[tuple[Received, str]]) -> None:
    """Verify requests with the official library for Node, where it is installed; raises if one does not verify."""
    if missing() is None:
        told = [
            {"body": base64.b64encode(request.body).decode(), "headers": request.headers, "secret": secret}
            for request, secret in signed
        ]
        subprocess.run(
            ["node", "--input-type=module", "-e", _VERIFY], cwd=FOLDER, input=json.dumps(told), text=True, check=True
        )

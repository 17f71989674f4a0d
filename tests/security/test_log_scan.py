"""The scan of the suite's logs finds what must not be there."""

import json
from pathlib import Path

import pytest

from app.identity import api_keys
from tests import log_scan

TOKEN = "eyJhbGciOiJFUzI1NiJ9.eyJzdWIiOiIwMTk4YzVmMiJ9.c2lnbmF0dXJlLW9mLXRoZS10b2tlbg"


@pytest.mark.parametrize(
    "planted",
    [
        pytest.param(api_keys.generate().text, id="an API key"),
        TOKEN,
        "whsec_MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLw==",
        "-----BEGIN EC PRIVATE KEY-----",
        "postgresql://tq_api:a-password@127.0.0.1:5432/db",
        "correct horse battery staple 4711",
        "a role's password of this run",
    ],
)
def test_a_credential_in_a_log_is_found(planted: str):
    text = "\n".join([json.dumps({"message": "fine"}), json.dumps({"message": f"not {planted} fine"})])
    assert {line for line, _ in log_scan.credentials(text, ["a role's password of this run"])} == {2}


def test_what_a_log_may_say_is_not_found():
    for text in (
        "key tq_live_abcdefghijkl… used",
        "jwt…",
        "whsec_…",
        "postgresql://tq_api:…@host/db",
        "http://h:80/a@b",
    ):
        assert log_scan.credentials(text) == []


def test_a_scratch_folder_ends_badly_with_a_credential_in_a_log_of_it():
    def run() -> None:
        with log_scan.scratch_folder() as folder:
            (folder / "secrets.json").write_text(json.dumps({"role_passwords": {"tq_api": "p" * 20}}))
            (folder / "api.log").write_text(f"fine\nlogged in with {'p' * 20}\n")

    with pytest.raises(AssertionError, match=r"api\.log:2: a secret of this run"):
        run()


def test_a_log_outside_of_a_scratch_folder_is_held_too(tmp_path: Path):
    log = tmp_path / "webhooks.log"
    log.write_text(TOKEN)
    with pytest.raises(AssertionError, match="a token"):
        log_scan.hold([log])

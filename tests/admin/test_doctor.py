"""The examination of the servers, and the way back to an older timeline; by a real failover."""

import json
import os
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest

from scripts.stack import embedded
from scripts.stack.server import Server
from tests import log_scan, operator_commands, postgres_pair


@dataclass
class Installation:
    """A primary, its standby, a Valkey, and a secrets file."""

    first: Server
    second: Server
    settings: dict[str, str]

    def admin(self, *arguments: str) -> tuple[int, dict[str, Any], str]:
        """Run a command; return its exit code, its JSON and what it says."""
        done = operator_commands.run(os.environ | self.settings, *arguments, "--json")
        found = json.loads(done.stdout.splitlines()[-1]) if done.stdout.startswith("{") else {}
        return done.returncode, found, done.stderr


@pytest.fixture
def installation() -> Iterator[Installation]:
    with log_scan.scratch_folder() as folder:
        first, valkey = embedded.start_postgres(folder / "first"), embedded.start_valkey(folder / "valkey")
        settings = {
            "DATABASE_URL": first.url, "REDIS_URL": valkey.url, "SECRETS_FILE": str(folder / "keys" / "secrets.json"),
        }  # fmt: skip
        (folder / "keys").mkdir()
        made = Installation(first, first, settings)
        for command in ("bootstrap", "migrate"):
            code, _, said = made.admin(command)
            assert code == 0, said
        made.second = postgres_pair.make_standby(first, folder / "second")
        postgres_pair.wait_until_in_sync(first, made.second)
        settings["DATABASE_URL"] = postgres_pair.url_of_both(first, made.second)
        yield made


def test_an_old_primary_is_named_refused_and_accepted_when_the_operator_says_so(installation: Installation):
    first, second = installation.first, installation.second
    code, found, said = installation.admin("doctor")
    assert (code, found["faults"]) == (0, []), said
    assert "primary on timeline 1" in found["postgres"][f"127.0.0.1:{first.port}"]
    assert "standby" in found["postgres"][f"127.0.0.1:{second.port}"]
    embedded.kill(first)
    postgres_pair.promote(second)
    assert installation.admin("status")[0] == 0
    embedded.start_postgres(first.folder, port=first.port)

    code, found, said = installation.admin("doctor")
    assert code == 5
    assert "old primary" in found["postgres"][f"127.0.0.1:{first.port}"]
    assert list(found["newest_timelines"].values()) == [2]
    assert "several hosts" in said
    # Which of the two is meant is for the operator to show.
    code, _, said = installation.admin("doctor", "--accept-timeline")
    assert (code, "stop the others" in said) == (5, True)

    embedded.kill(second)
    code, _, said = installation.admin("status")
    assert (code, "--accept-timeline" in said) == (6, True)
    code, found, said = installation.admin("doctor", "--accept-timeline")
    assert (code, found["timeline"], found["before"]) == (0, 1, 2), said
    assert installation.admin("status")[0] == 0
    audited = postgres_pair.value(first, "SELECT detail->>'before' FROM audit_event WHERE action = 'timeline.accepted'")
    assert audited == "2"
    # Also where the file is gone, and Redis alone remembers.
    (Path(installation.settings["SECRETS_FILE"]).parent / "timelines.json").unlink()
    assert installation.admin("status")[0] == 0


def test_servers_that_are_away_are_named(installation: Installation):
    installation.settings["REDIS_URL"] = "redis://127.0.0.1:1"
    embedded.kill(installation.second)
    code, found, said = installation.admin("doctor")
    assert code == 5
    assert "cannot be reached" in found["postgres"][f"127.0.0.1:{installation.second.port}"]
    assert "Redis is away" in said


def test_a_command_on_a_read_only_server_says_so(installation: Installation):
    installation.settings["DATABASE_URL"] = installation.first.url
    postgres_pair.set_read_only(installation.first, is_read_only=True)
    code, _, said = installation.admin("tenant", "create", "acme", "--name", "A", "--plan", "pro")
    assert (code, "read-only" in said) == (6, True)

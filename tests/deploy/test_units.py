"""The units and settings of deploy/host: the commands that scripts/up runs, and who may read what. No server is needed."""

import hashlib
import re
import subprocess
from itertools import pairwise
from pathlib import Path

import pytest

from app.core.config import Settings
from scripts.stack import parts
from scripts.stack.stackfile import Stack
from tests.conftest import ROOT
from tests.deploy import units

HOST = ROOT / "deploy" / "host"
SYSTEMD = HOST / "systemd"
PAGE = (ROOT / "docs" / "deploy-on-servers.md").read_text()
NAMES = {
    "api": "taskqueue-api@8000",
    "dispatcher": "taskqueue-dispatcher",
    "webhooks": "taskqueue-webhooks",
    "http": "taskqueue-http",
    "operator": "taskqueue-operator",
    "worker1": "taskqueue-worker@1",
    "asyncio1": "taskqueue-asyncio@1",
}
WORKERS = ("worker1", "asyncio1")
_DIFFER = {"--host", "--port", "--console-url", "--forwarded-allow-ips"}


def _unit(part: str) -> units.Unit:
    return units.load(SYSTEMD, NAMES[part], Path("/run/credentials/one"))


def _compared(command: list[str]) -> list[str]:
    """Leave out the interpreter, what names an address, and whether a proxy is believed."""
    kept = [word for before, word in pairwise(command) if before not in _DIFFER and word not in _DIFFER]
    return [word for word in kept if word not in {"--proxy-headers", "--no-proxy-headers"}]


@pytest.mark.parametrize("part", NAMES)
def test_a_unit_runs_the_command_that_up_runs(part: str):
    command = _unit(part).command()
    assert command[0] == "/opt/taskqueue/.venv/bin/python"
    assert _compared(command) == _compared(parts._command(Stack(Path(), api_url="http://127.0.0.1:8000"), part))


def test_every_unit_is_one_of_these_and_on_the_page():
    files = {path.name for path in SYSTEMD.glob("*.service")}
    services = {f"{re.sub('@.*', '@', name)}.service" for name in NAMES.values()}
    assert files == services | {"taskqueue-probe@.service"}
    for name in (*(name.partition("@")[0] for name in NAMES.values()), "taskqueue-probe@", "taskqueue.target"):
        assert name in PAGE, name


@pytest.mark.parametrize("part", NAMES)
def test_a_unit_sees_no_file_that_it_does_not_need(part: str):
    unit = _unit(part)
    hidden = {path.removeprefix("-") for path in unit.words("InaccessiblePaths")}
    assert "/etc/taskqueue" in hidden
    assert ("/var/lib/taskqueue-admin" in hidden) == (part != "operator")
    assert ("/var/lib/taskqueue" in hidden) == (part in WORKERS)
    assert unit.one("User") == ("taskqueue-worker" if part in WORKERS else "taskqueue")
    assert not any("owner" in file for file in unit.words("EnvironmentFile"))
    assert unit.words("EnvironmentFile")[-1] == f"-/etc/taskqueue/{NAMES[part].partition('@')[0]}.env"


@pytest.mark.parametrize("part", WORKERS)
def test_a_worker_gets_the_secrets_file_of_workers_and_keeps_nothing_with_others(part: str):
    unit = _unit(part)
    assert unit.words("LoadCredential") == ["secrets.json:/var/lib/taskqueue/secrets.worker.json"]
    assert "SECRETS_FILE=/run/credentials/one/secrets.json" in unit.words("Environment")
    assert unit.words("StateDirectory") == ["taskqueue-worker"]


@pytest.mark.parametrize("part", NAMES)
def test_a_unit_has_limits_and_no_rights(part: str):
    unit = _unit(part)
    assert int(unit.one("LimitNOFILE")) >= 65_536
    assert unit.one("MemoryMax").endswith(("M", "G")) and unit.one("StateDirectoryMode") == "0700"
    assert (unit.one("NoNewPrivileges"), unit.one("CapabilityBoundingSet")) == ("yes", "")
    assert (unit.one("ProtectSystem"), unit.one("ProtectHome"), unit.one("PrivateTmp")) == ("strict", "yes", "yes")
    assert unit.one("Restart") == "always"
    # A drain must end before systemd kills.
    drain = Settings.model_fields["worker_drain_seconds"].default
    assert int(unit.one("TimeoutStopSec")) >= (2 * drain if part in (*WORKERS, "http") else 20)


def test_a_drop_in_of_another_prefix_is_not_read(tmp_path: Path):
    for name, text in {
        "one-two.service": "A=1",
        "one-.service.d/x.conf": "B=%p",
        "two-.service.d/x.conf": "C=3",
    }.items():
        (tmp_path / name).parent.mkdir(exist_ok=True)
        (tmp_path / name).write_text(f"[Service]\n# no\n{text}\n")
    assert units.load(tmp_path, "one-two", tmp_path).values == {"A": ["1"], "B": ["one-two"]}


def test_settings_are_made_once_and_only_their_owner_reads_them(tmp_path: Path):
    folder = tmp_path / "etc"
    command = [str(HOST / "make-settings"), str(folder)]
    subprocess.run(command, check=True, capture_output=True)
    files = {path.name: path.read_text() for path in folder.iterdir()}
    assert set(files) == {"owner_password", "redis_password", "owner.env", "taskqueue.env", "redis.acl"}
    assert {path.stat().st_mode & 0o777 for path in folder.iterdir()} == {0o600}
    assert folder.stat().st_mode & 0o777 == 0o700

    assert files["owner_password"] in files["owner.env"] and files["owner_password"] not in files["taskqueue.env"]
    assert len(files["owner_password"]) == 48 and files["owner_password"] != files["redis_password"]
    assert f"#{hashlib.sha256(files['redis_password'].encode()).hexdigest()} " in files["redis.acl"]
    settings = units.read(folder / "taskqueue.env") | units.read(folder / "owner.env")
    assert {name.lower() for name in settings} <= set(Settings.model_fields)

    assert subprocess.run(command, check=True, capture_output=True).stdout == b""
    assert {path.name: path.read_text() for path in folder.iterdir()} == files

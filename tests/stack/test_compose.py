"""compose.yaml and the image: the same commands as scripts/up, hardened, and complete; no engine is needed to know."""

import asyncio
import json
import os
import re
import shutil
import subprocess
import sys
import uuid
from collections.abc import Iterator
from itertools import pairwise
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

import asyncpg
import pytest
import yaml

from app.core.config import Settings
from scripts.stack import binaries, embedded, parts, ports, valkey
from scripts.stack.stackfile import Stack as Known
from tests.conftest import Servers, Stack, wait_until

COMPOSE = yaml.safe_load((parts.ROOT / "compose.yaml").read_text())
SERVICES: dict[str, dict[str, Any]] = COMPOSE["services"]
OURS = ["setup", "api", "dispatcher", "worker", "asyncio-worker", "webhooks", "http", "operator"]
PARTS = OURS[1:]
DOCKERFILE = (parts.ROOT / "Dockerfile").read_text()
COPIED = re.findall(r"^COPY (?!--)(\S+) (\S+)$", DOCKERFILE, re.MULTILINE)


def test_it_is_a_compose_file():
    done = subprocess.run(
        [sys.executable, "-m", "check_jsonschema", "--builtin-schema", "vendor.compose-spec", "compose.yaml"],
        cwd=parts.ROOT, check=False, capture_output=True, text=True, timeout=60,
    )  # fmt: skip
    assert done.returncode == 0, done.stdout + done.stderr


def _images() -> list[str]:
    """Every image that is not built from this repository."""
    theirs = [service["image"] for name, service in SERVICES.items() if name not in OURS]
    stages = re.findall(r"^FROM \S+ AS (\S+)", DOCKERFILE, re.MULTILINE)
    return theirs + [base for base in re.findall(r"^FROM (\S+)", DOCKERFILE, re.MULTILINE) if base not in stages]


def test_every_image_is_pinned_by_its_digest():
    assert len(_images()) == 4
    for image in _images():
        assert re.fullmatch(r"[a-z/]+:\d+\.\d+[a-z0-9.-]*@sha256:[0-9a-f]{64}", image), image


def without_address(command: list[str]) -> list[str]:
    """Leave the interpreter's path and the values of options that differ by place out."""
    differ = {"--host", "--port", "--loglevel", "--console-url"}
    return [one for before, one in pairwise(command) if before not in differ]


@pytest.mark.parametrize("part", PARTS)
def test_a_part_runs_the_command_that_up_runs(part: str):
    expected = parts._command(Known(Path(), api_url="http://127.0.0.1:8000"), part.removesuffix("-worker"))
    assert SERVICES[part]["command"][0] == "python"
    assert without_address(SERVICES[part]["command"]) == without_address(expected)


def test_the_image_runs_the_api_where_no_command_is_named():
    (command,) = re.findall(r"^CMD (\[.*\])$", DOCKERFILE, re.MULTILINE)
    assert json.loads(command) == SERVICES["api"]["command"]


def test_every_api_that_is_shipped_keeps_idle_connections_for_longer_than_proxies_do():
    unit = (parts.ROOT / "deploy" / "host" / "systemd" / "taskqueue-api@.service").read_text()
    commands = [
        parts._command(Known(Path(), api_url="http://127.0.0.1:8000"), "api"),
        SERVICES["api"]["command"],
        json.loads(*re.findall(r"^CMD (\[.*\])$", DOCKERFILE, re.MULTILINE)),
        *map(str.split, re.findall(r"^ExecStart=(.* uvicorn .*)$", unit, re.MULTILINE)),
    ]
    assert len(commands) == 4
    assert [dict(pairwise(command)).get("--timeout-keep-alive") for command in commands] == ["75"] * 4


@pytest.mark.parametrize("name", SERVICES)
def test_a_container_is_hardened(name: str):
    service = SERVICES[name]
    assert service["read_only"] is True
    assert service["cap_drop"] == ["ALL"]
    assert service["security_opt"] == ["no-new-privileges:true"]
    user, _, group = service["user"].partition(":")
    assert int(user) > 0 and int(group) > 0
    assert not {"privileged", "cap_add", "container_name", "hostname", "network_mode", "pid"} & set(service)
    assert service["deploy"]["resources"]["limits"]["memory"]


@pytest.mark.parametrize("name", SERVICES)
def test_no_secret_is_in_the_environment_and_each_file_is_mounted(name: str):
    service = SERVICES[name]
    for variable, value in service.get("environment", {}).items():
        assert variable.endswith("_FILE") or not re.search("PASSWORD|SECRET|KEY|URL|TOKEN", variable), variable
        assert "://" not in value
    mounted = dict(
        (one["target"], one["source"]) if isinstance(one, dict) else (one, one) for one in service["secrets"]
    )
    assert set(mounted.values()) <= set(COMPOSE["secrets"])
    # The owner's password reaches no part: code of task types runs there.
    assert ("owner_url" in mounted.values()) == (name == "setup")
    if name in OURS:
        assert set(mounted) <= set(Settings.model_fields)
        assert service["volumes"] == _volumes(name)


def _volumes(name: str) -> list[str]:
    """Return what a service of ours mounts: the keys, and instead of them what is left of them for workers."""
    if name == "setup":
        return [
            "keys:/var/lib/taskqueue", "worker-keys:/var/lib/taskqueue-worker", "admin-keys:/var/lib/taskqueue-admin",
        ]  # fmt: skip
    if name == "operator":
        return ["keys:/var/lib/taskqueue:ro", "admin-keys:/var/lib/taskqueue-admin:ro"]
    return ["worker-keys:/var/lib/taskqueue-worker:ro"] if "worker" in name else ["keys:/var/lib/taskqueue:ro"]


def test_workers_read_the_file_that_setup_writes_for_them():
    written = SERVICES["setup"]["environment"]["WORKER_SECRETS_FILE"]
    for name in ("worker", "asyncio-worker"):
        assert SERVICES[name]["environment"]["SECRETS_FILE"] == written
        assert {"TASK_MODULES", "LOG_LEVEL"} <= SERVICES[name]["environment"].keys()
    assert Path(written).parent.as_posix() in DOCKERFILE


def test_only_the_operators_pages_read_the_password_of_tq_admin():
    written = SERVICES["setup"]["environment"]["ADMIN_SECRETS_FILE"]
    assert [name for name in PARTS if "ADMIN_SECRETS_FILE" in SERVICES[name]["environment"]] == ["operator"]
    assert SERVICES["operator"]["environment"]["ADMIN_SECRETS_FILE"] == written
    assert Path(written).parent.as_posix() in DOCKERFILE


@pytest.mark.parametrize("part", PARTS)
def test_a_part_starts_after_setup_restarts_and_has_time_to_end(part: str):
    service = SERVICES[part]
    assert service["restart"] == "unless-stopped"
    assert service["depends_on"]["setup"] == {"condition": "service_completed_successfully"}
    assert {service["depends_on"][name]["condition"] for name in ("postgres", "redis")} == {"service_healthy"}
    steps = parts._WORKER if part == "worker" else parts._QUICK
    assert int(service["stop_grace_period"].removesuffix("s")) >= sum(seconds for _, seconds in steps)


def test_a_worker_can_be_scaled_and_only_the_api_and_the_operators_pages_are_reached_from_outside():
    assert [name for name, service in SERVICES.items() if "ports" in service] == ["api", "operator"]
    # This machine only, unless somebody says otherwise.
    assert SERVICES["operator"]["ports"] == ["${OPERATOR_BIND_ADDRESS:-127.0.0.1}:${OPERATOR_PORT:-8001}:8001"]
    assert COMPOSE["networks"]["data"] == {"internal": True}
    assert all(SERVICES[name]["networks"] == ["data"] for name in ("postgres", "redis"))


@pytest.fixture(scope="module")
def image(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Return a folder with the files of ours that are in the image."""
    folder = tmp_path_factory.mktemp("image")
    for source, target in COPIED:
        if (parts.ROOT / source).is_dir():
            shutil.copytree(parts.ROOT / source, folder / target, ignore=shutil.ignore_patterns("__pycache__"))
        elif target.endswith("/") and not target.startswith("/"):
            (folder / target).mkdir(exist_ok=True)
            shutil.copy(parts.ROOT / source, folder / target)
    return folder


def inside(image: Path, settings: dict[str, str], command: list[str]) -> subprocess.CompletedProcess[str]:
    """Run a command as in a container: with the image's files, and its path."""
    path = f"{Path(sys.executable).parent}{os.pathsep}{os.environ['PATH']}"
    changed = {"PYTHONPATH": str(image), "PATH": path, "TASK_MODULES": ""}
    return subprocess.run(
        command, env=settings | changed, cwd=image, check=False, capture_output=True, text=True, timeout=60
    )


async def execute(owner_url: str, statement: str) -> None:
    """Run a statement as the owner."""
    owner = await asyncpg.connect(owner_url)
    await owner.execute(statement)
    await owner.close()


@pytest.fixture(scope="module")
def set_up(environment: dict[str, str], servers: Servers, image: Path) -> Iterator[dict[str, str]]:
    """Return the settings of a new database, which setup's own command has prepared; nothing else runs on it."""
    name = f"compose_{uuid.uuid4().hex[:8]}"
    settings = environment | {
        "DATABASE_URL": f"{servers.postgres.url.rpartition('/')[0]}/{name}",
        "CLIENTS_FOLDER": str(image / "clients"),
    }
    asyncio.run(execute(servers.postgres.url, f"CREATE DATABASE {name}"))
    try:
        done = inside(image, settings, SERVICES["setup"]["command"])
        assert done.returncode == 0, done.stdout + done.stderr
        yield settings
    finally:
        asyncio.run(execute(servers.postgres.url, f"DROP DATABASE {name} WITH (FORCE)"))


def test_the_image_holds_all_that_the_parts_and_setup_need(image: Path, set_up: dict[str, str]):
    modules = "app.main, app.celery_app, app.dispatch.loop, app.webhooks.delivery.process, app.worker.jobs, app.operator.process"
    done = inside(image, set_up, ["python", "-P", "-c", f"import {modules}; print(app.__file__)"])
    assert done.stdout.strip() == str(image / "app" / "__init__.py"), done.stderr
    shown = inside(image, set_up, ["python", "-P", "-m", "app.admin", "status", "--json"])
    assert shown.returncode == 0, shown.stderr
    # setup has built what the api serves.
    assert len(json.loads((image / "clients" / "index.json").read_bytes())) == 2


def test_the_build_sees_what_the_image_takes_and_nothing_else():
    lines = (parts.ROOT / ".dockerignore").read_text().splitlines()
    assert lines[1] == "*"
    assert {line[1:] for line in lines if line.startswith("!")} == {source for source, _ in COPIED}
    assert '--require-hashes -r "/tmp/$wanted"' in DOCKERFILE


def test_the_build_has_every_page_of_the_guide(image: Path):
    program = "from pathlib import Path; from scripts.guide_site import finishing, staging; staging.stage(Path('staged')); print(finishing.llms())"
    done = inside(image, dict(os.environ), ["python", "-P", "-c", program])
    assert done.returncode == 0, done.stderr
    assert "(changelog.md)" in done.stdout
    assert (image / "staged" / "decisions" / "index.md").is_file()


def health(service: str, settings: dict[str, str], image: Path, port: int) -> bool:
    """Run a service's health check; the API's port is another than in its container."""
    kind, *command = SERVICES[service]["healthcheck"]["test"]
    assert kind == "CMD"
    done = inside(image, settings, [one.replace("8000", str(port)) for one in command])
    assert done.returncode in {0, 1}, done.stderr
    return done.returncode == 0


@pytest.mark.parametrize("part", ["api", "dispatcher", "worker"])
def test_a_part_that_runs_is_healthy(part: str, stack: Stack, image: Path):
    port = int(stack.url.rpartition(":")[2])
    wait_until(lambda: health(part, stack.environment, image, port), f"a healthy {part}")


@pytest.mark.parametrize("part", PARTS)
def test_a_part_that_does_not_run_is_not_healthy(part: str, set_up: dict[str, str], image: Path, stack: Stack):
    # The other stack runs, on the same servers.
    assert not health(part, set_up, image, ports.free_port())


def test_webhooks_are_healthy_while_they_look_for_deliveries(set_up: dict[str, str], image: Path, tmp_path: Path):
    alone = Stack("", set_up, tmp_path, {})
    alone.start("webhooks", "app.webhooks")
    try:
        wait_until(lambda: health("webhooks", set_up, image, 0), "healthy webhooks")
    finally:
        alone.stop("webhooks")
    assert not health("webhooks", set_up, image, 0)


def make_secrets(folder: Path) -> str:
    """Run the script; return what it said."""
    environment = {"PATH": os.environ["PATH"], "COMPOSE_SECRETS": str(folder)}
    script = parts.ROOT / "scripts" / "compose-secrets"
    return subprocess.run([script], env=environment, check=True, capture_output=True, text=True, timeout=30).stdout


def read(folder: Path) -> dict[str, str]:
    """Return each file's text."""
    return {path.name: path.read_text().strip() for path in folder.iterdir()}


def test_secrets_are_random_made_once_and_out_of_others_reach(tmp_path: Path):
    one, other = tmp_path / "one", tmp_path / "other"
    assert make_secrets(one).count("Made ") == 7
    made = read(one)
    assert make_secrets(one) == ""
    assert read(one) == made
    make_secrets(other)
    same = {name for name, text in read(other).items() if text == made[name]}
    assert same == {"database_url"}
    assert one.stat().st_mode & 0o777 == 0o700
    # Each container has another number; the folder is what keeps people out.
    assert {path.stat().st_mode & 0o777 for path in one.iterdir()} == {0o644}
    assert {Path(secret["file"]).name for secret in COMPOSE["secrets"].values()} <= set(made)


def test_the_settings_are_read_from_the_secrets(tmp_path: Path, monkeypatch: pytest.MonkeyPatch):
    for variable in ("DATABASE_URL", "REDIS_URL"):
        monkeypatch.delenv(variable, raising=False)
    make_secrets(tmp_path)
    settings = Settings(_secrets_dir=tmp_path, _env_file=None)
    address, redis = urlsplit(settings.database_url), urlsplit(settings.redis_url)
    database = urlsplit(read(tmp_path)["owner_url"])
    assert (address.hostname, address.port, address.path) == (database.hostname, database.port, database.path)
    assert (address.username, address.password) == (None, None)
    assert (database.username, database.path) == ("taskqueue", "/taskqueue")
    assert (database.password, redis.password) == (
        read(tmp_path)["owner_password"],
        read(tmp_path)["redis_password"],
    )
    assert {database.hostname, redis.hostname} <= set(SERVICES)


@pytest.fixture
def new_cluster() -> Iterator[str]:
    """Return the superuser's URL of a Postgres of its own: roles belong to the whole server."""
    with embedded.scratch_folder() as folder:
        url = embedded.start_postgres(folder / "postgres").url
        asyncio.run(execute(url.replace("/taskqueue", "/postgres"), "DROP DATABASE taskqueue"))
        yield url


def test_the_owner_of_the_database_is_no_superuser_and_setup_can_do_with_that(
    new_cluster: str, image: Path, tmp_path: Path
):
    script = (parts.ROOT / "deploy" / "compose" / "owner.sql").read_text().replace(":'owner_password'", "'secret'")
    of_the_server, of_the_database = script.split("\\connect taskqueue\n")
    for statement in filter(str.strip, of_the_server.split(";\n")):
        asyncio.run(execute(new_cluster.replace("/taskqueue", "/postgres"), statement))
    asyncio.run(execute(new_cluster, of_the_database))
    address = urlsplit(new_cluster)
    url = address._replace(netloc=f"taskqueue:secret@{address.hostname}:{address.port}").geturl()
    settings = dict(os.environ) | {
        "DATABASE_URL": url,
        "REDIS_URL": "redis://127.0.0.1:1",
        "SECRETS_FILE": str(tmp_path / "s"),
        "CLIENTS_FOLDER": str(tmp_path / "clients"),
    }
    # Twice: each start runs it.
    for _ in range(2):
        done = inside(image, settings, SERVICES["setup"]["command"])
        assert done.returncode == 0, done.stdout + done.stderr
    rights = asyncio.run(_rights(url))
    assert rights["is_super"] is False
    assert rights["reaches"] == ["taskqueue"]
    assert rights["makes"] == []


async def _rights(url: str) -> dict[str, Any]:
    """Return whether the owner is a superuser, and which databases and large objects the role tq_api reaches."""
    owner = await asyncpg.connect(url)
    try:
        row = await owner.fetchrow(
            "SELECT (SELECT rolsuper FROM pg_roles WHERE rolname = current_user) AS is_super,"
            " array(SELECT datname::text FROM pg_database WHERE datallowconn AND has_database_privilege('tq_api', oid, 'CONNECT')) AS reaches,"
            " array(SELECT proname::text FROM pg_proc WHERE proname IN ('lo_creat', 'lo_create', 'lo_from_bytea')"
            " AND has_function_privilege('tq_api', oid, 'EXECUTE')) AS makes"
        )
        assert row is not None
        return dict(row)
    finally:
        await owner.close()


def test_the_image_of_postgres_finds_the_script_that_makes_the_owner():
    mounts = [volume.split(":") for volume in SERVICES["postgres"]["volumes"] if volume.startswith("./")]
    assert {target for _, target, _ in mounts} == {
        "/docker-entrypoint-initdb.d/make-owner.sh",
        "/etc/taskqueue/owner.sql",
    }
    for source, _, mode in mounts:
        assert (parts.ROOT / source).is_file()
        assert mode == "ro"
    assert os.access(parts.ROOT / "deploy/compose/make-owner.sh", os.X_OK)
    assert "owner_password" in SERVICES["postgres"]["secrets"]


def test_valkey_takes_its_command_and_the_password(tmp_path: Path):
    make_secrets(tmp_path)
    port = ports.free_port()
    _, *arguments = [one.replace("/run/secrets", str(tmp_path)) for one in SERVICES["redis"]["command"]]
    program = [binaries.valkey_program(None), *arguments, "--bind", "127.0.0.1", "--port", str(port)]
    with subprocess.Popen(program, cwd=tmp_path, stdout=subprocess.DEVNULL) as server:
        try:
            wait_until(lambda: valkey.answers(port, read(tmp_path)["redis_password"]), "an answer")
            assert not valkey.answers(port, "another")
        finally:
            server.terminate()

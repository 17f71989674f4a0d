"""A worker with the operator's code cannot open a sealed secret: not as its role, and not with what it is given."""

import json
import subprocess
import sys
from pathlib import Path
from uuid import UUID

import asyncpg
import pytest

from app.core import secrets
from app.tasks import TaskContext, task
from tests.conftest import ROOT, role_url, worker_environment
from tests.declared import Nothing
from tests.http_requests.conftest import Customer

# The operator's code can do all that its process can: read its settings and its secrets file, and open what it finds.
_PROGRAM = """
import json, os, sys
from uuid import UUID
from app.core import secrets
from app.tasks import TaskContext, task
from app.core.config import get_settings
from app.core.crypto import SealBroken
from app.db.urls import role_url
from app.tenants import webhook_secrets
known = secrets.get_secrets()
try:
    webhook_secrets.open_sealed(sys.argv[3], UUID(sys.argv[1]), UUID(sys.argv[2]), known)
    opened = True
except SealBroken:
    opened = False
urls = {}
for role in secrets.ROLES:
    try:
        urls[role] = role_url(role)
    except secrets.SecretsFileError:
        urls[role] = None
print(json.dumps({"keks": known.keks, "peppers": known.peppers, "jwt": len(known.jwt_keys), "opened": opened,
                  "roles": [role for role, url in urls.items() if url], "owner": get_settings().database_url}))
"""


async def _sealed(environment: dict[str, str], tenant_id: UUID) -> tuple[UUID, str]:
    owner = await asyncpg.connect(environment["DATABASE_URL"])
    row = await owner.fetchrow("SELECT id, sealed FROM webhook_secret WHERE tenant_id = $1", tenant_id)
    await owner.close()
    return row["id"], row["sealed"]


async def test_what_a_worker_is_given_opens_no_sealed_secret(environment: dict[str, str], customer: Customer):
    secret_id, sealed = await _sealed(environment, customer.id)
    arguments = [str(customer.id), str(secret_id), sealed]
    found = {}
    for process, settings in {"worker": environment | worker_environment(environment), "http": environment}.items():
        done = subprocess.run(
            [sys.executable, "-c", _PROGRAM, *arguments], cwd=ROOT, env=settings, capture_output=True, text=True, check=True,
        )  # fmt: skip
        found[process] = json.loads(done.stdout)
    assert found["http"]["opened"]
    worker = found["worker"]
    assert (worker["opened"], worker["keks"], worker["peppers"], worker["jwt"]) == (False, {}, {}, 0)
    assert worker["roles"] == ["tq_worker"]
    assert "@" not in worker["owner"]


@pytest.mark.parametrize(("role", "may"), [("tq_worker", False), ("tq_http", True), ("tq_api", False)])
async def test_only_the_role_of_http_reads_sealed_secrets(
    environment: dict[str, str], customer: Customer, slow_customer: Customer, role: str, may: bool
):
    connection = await asyncpg.connect(role_url(environment, role))
    try:
        async with connection.transaction():
            await connection.execute("SELECT set_config('app.tenant_ids', $1, true)", f"{{{customer.id}}}")
            if not may:
                with pytest.raises(asyncpg.InsufficientPrivilegeError):
                    await connection.fetch("SELECT sealed FROM webhook_secret")
                return
            # And those of the transaction's tenant alone.
            tenants = {row[0] for row in await connection.fetch("SELECT tenant_id FROM webhook_secret")}
            assert tenants == {customer.id}
            assert slow_customer.id not in tenants
    finally:
        await connection.close()


def test_the_file_of_workers_follows_the_passwords_and_is_written_when_it_differs(tmp_path: Path):
    known = secrets.create(tmp_path / "secrets.json")
    path = secrets.worker_path(tmp_path / "secrets.json")
    assert path.name == "secrets.worker.json"
    secrets.write_for_workers(known, path)
    assert path.stat().st_mode & 0o777 == 0o600
    read = secrets.load(path)
    assert read.role_passwords == {"tq_worker": known.role_passwords["tq_worker"]}
    assert (read.keks, read.peppers, read.jwt_keys) == ({}, {}, ())
    before = path.stat().st_ino
    secrets.write_for_workers(known, path)
    assert path.stat().st_ino == before
    changed = known.model_copy(update={"role_passwords": known.role_passwords | {"tq_worker": "another"}})
    secrets.write_for_workers(changed, path)
    assert secrets.load(path).role_passwords == {"tq_worker": "another"}
    # Another place, in a folder that is still to be made.
    secrets.write_for_workers(known, tmp_path / "other" / "secrets.json")
    assert secrets.load(tmp_path / "other" / "secrets.json") == read


def test_the_worker_of_http_loads_no_code_of_the_operators(environment: dict[str, str]):
    program = """
import sys
from app.tasks.definition import types
types.load_only(types.HTTP_REQUEST)
print(*types.all_types(), types.find("test.add"), "tests.task_types" in sys.modules, "app.worker.tasks" in sys.modules)
"""
    assert environment["TASK_MODULES"]
    done = subprocess.run(
        [sys.executable, "-c", program], cwd=ROOT, env=environment, capture_output=True, text=True, check=True
    )
    assert done.stdout.split() == ["http_request", "None", "False", "False"]


def test_no_other_type_can_be_run_by_it():
    with pytest.raises(ValueError, match="pool: 'http' runs http_request alone"):

        @task("test.sly", pool="http")
        async def sly(payload: Nothing, context: TaskContext) -> None:
            """Run where the keys are."""

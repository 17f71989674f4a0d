"""The migrations build what app/models declares, and can be taken back."""

import os
import subprocess
import sys
import uuid

import asyncpg

from tests.conftest import ROOT


async def test_migrations_go_up_match_the_models_and_go_down(environment: dict[str, str]):
    name = f"migrations_{uuid.uuid4().hex[:8]}"
    owner = await asyncpg.connect(environment["DATABASE_URL"])
    await owner.execute(f"CREATE DATABASE {name}")
    settings = environment | {"DATABASE_URL": environment["DATABASE_URL"].rpartition("/")[0] + f"/{name}"}
    try:
        for command in (["upgrade", "head"], ["check"], ["downgrade", "base"], ["upgrade", "head"]):
            done = subprocess.run(
                [sys.executable, "-m", "alembic", *command],
                cwd=ROOT, env=os.environ | settings, check=False, text=True, capture_output=True, timeout=60,
            )  # fmt: skip
            assert done.returncode == 0, f"{command}: {done.stdout}{done.stderr}"
    finally:
        await owner.execute(f"DROP DATABASE {name} WITH (FORCE)")
        await owner.close()

"""Proof that the tests can fail: each safeguard is taken out of a copy of the repository, and its tests go red.

A safeguard is a mutation of the text (each old text stands in its file exactly once), and the tests that guard it.
"""

import os
import re
import shutil
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Final

ROOT: Final = Path(__file__).resolve().parents[2]
_COPIED: Final = ("app", "migrations", "scripts", "tests", "alembic.ini", "pyproject.toml", "openapi.yaml")
_RACES: Final = "tests/races"
_OF_LIMIT: Final = "CASE WHEN is_remote THEN s.lease_limit - s.leased ELSE s.running_limit - s.running END"


@dataclass(frozen=True)
class Safeguard:
    """One of them."""

    name: str
    where: str
    """A file, or a function of the database: then its file in migrations/functions."""
    changes: tuple[tuple[str, str], ...]
    """Each an old text, which stands there exactly once, and a new one."""
    tests: tuple[str, ...]


SAFEGUARDS: Final = (
    Safeguard(
        "claim token in the end of one attempt",
        "attempt_finish",
        (
            (
                "AND k.id = p_task_id AND k.claim_token = p_claim_token AND k.status = 'STARTED'",
                "AND k.id = p_task_id AND k.status = 'STARTED'",
            ),
        ),
        (f"{_RACES}/test_finish.py::test_who_lost_its_attempt_writes_nothing_while_the_next_one_runs",),
    ),
    Safeguard(
        "claim token in the end of a group",
        "attempts_finish",
        tuple(
            # In both of its statements, which differ in their indentation.
            (
                f"\n{' ' * indent}AND k.id = g.task_id AND k.claim_token = g.token AND k.status = 'STARTED'",
                f"\n{' ' * indent}AND k.id = g.task_id AND k.status = 'STARTED'",
            )
            for indent in (14, 10)
        ),
        (f"{_RACES}/test_groups.py::test_a_group_ends_no_attempt_that_was_taken_away_while_the_next_one_runs",),
    ),
    Safeguard(
        "SKIP LOCKED in the claim",
        "tasks_claim",
        (("LIMIT f.most FOR UPDATE SKIP LOCKED", "LIMIT f.most FOR UPDATE"),),
        (f"{_RACES}/test_claim.py::test_a_claim_waits_for_no_cancel_that_is_under_way",),
    ),
    Safeguard(
        "SKIP LOCKED in the claim of the only task",
        "tasks_claim",
        (("FOR UPDATE SKIP LOCKED\n            ) RETURNING", ") RETURNING"),),
        (f"{_RACES}/test_claim.py::test_a_claim_of_the_only_task_waits_for_no_cancel_that_is_under_way",),
    ),
    Safeguard(
        "running count in the claim",
        "tasks_claim",
        tuple(
            # In both of its ways, which differ in their indentation.
            (f"\n{' ' * indent}{_OF_LIMIT} AS of_limit", f"\n{' ' * indent}1000000 AS of_limit")
            for indent in (12, 16)
        ),
        (
            f"{_RACES}/test_claim.py::test_many_claims_at_once_start_each_task_once_and_no_more_than_the_limit",
            f"{_RACES}/test_claim.py::test_one_claim_takes_no_more_than_the_limit_leaves",
        ),
    ),
    Safeguard(
        "ticket reconciliation",
        "app/dispatch/reconciler.py",
        (("await tickets.offer_many(self._redis, [(tenant_id, pool, 1) for tenant_id, pool in due], limit=1)", ""),),
        (f"{_RACES}/test_dispatcher.py::test_a_tenant_without_a_ticket_is_offered_one",),
    ),
    Safeguard(
        "ring reconciliation",
        "app/dispatch/reconciler.py",
        (("await tickets.reconcile(self._redis, [tenant_id for tenant_id, _ in due])", ""),),
        (f"{_RACES}/test_dispatcher.py::test_a_tenant_that_has_fallen_out_of_line_gets_its_place_back",),
    ),
    Safeguard(
        "lease grace after a gap",
        "app/dispatch/loop.py",
        (("if duty.is_due() and self._contact.has_lasted(WORKER_DEAD_AFTER):", "if duty.is_due():"),),
        (f"{_RACES}/test_dispatcher.py::test_a_dispatcher_judges_workers_only_after_a_lease_of_contact",),
    ),
    Safeguard(
        "ordered locks in usage_reserve",
        "usage_reserve",
        # Without an order the index would have its own, which is the same.
        (("ORDER BY a.tenant_id FOR NO KEY", "ORDER BY array_position(p_tenants, a.tenant_id) FOR NO KEY"),),
        (f"{_RACES}/test_usage.py::test_batches_in_opposite_orders_never_lock_each_other_out",),
    ),
    Safeguard(
        "trigger on terminal tasks",
        "migrations/schema/tasks.sql",
        (
            (
                "WHEN (OLD.status IN ('SUCCESS', 'FAILURE', 'REVOKED')) EXECUTE FUNCTION refuse_terminal_change();",
                "WHEN (false) EXECUTE FUNCTION refuse_terminal_change();",
            ),
        ),
        ("tests/security/test_isolation.py::test_a_terminal_task_never_changes",),
    ),
    Safeguard(
        "idempotency keys are taken",
        "app/tasks/submit/group_commit.py",
        (
            (
                "return await store.take_keys_any_tenant(connection, keyed) if keyed else set()",
                "return {submission.id for submission in keyed}",
            ),
        ),
        (f"{_RACES}/test_idempotency.py::test_of_two_processes_that_store_under_one_key_one_does",),
    ),
    Safeguard(
        "poll of the epoch",
        "app/identity/verify.py",
        (("entry.epoch >= self._epoch and ", ""), ("if entry.epoch >= epoch}", "}")),
        (f"{_RACES}/test_revocation.py::test_a_revoked_key_that_is_remembered_is_refused_soon",),
    ),
)


@dataclass(frozen=True)
class Proof:
    """What a run showed."""

    name: str
    is_red: bool
    """With the safeguard taken out."""
    seconds: float
    detail: str


def file_of(safeguard: Safeguard, root: Path = ROOT) -> Path:
    """Return the file that holds the text."""
    if "/" in safeguard.where:
        return root / safeguard.where
    return root / "migrations" / "functions" / f"{safeguard.where}.sql"


def is_there(safeguard: Safeguard, root: Path = ROOT) -> bool:
    """Tell whether each old text stands in its file exactly once; else the table has rotted."""
    text = file_of(safeguard, root).read_text()
    return all(text.count(old) == 1 for old, _ in safeguard.changes)


@contextmanager
def copy() -> Iterator[Path]:
    """Yield a copy of the repository that uses this one's environment."""
    with tempfile.TemporaryDirectory(prefix="safeguards-") as folder:
        root = Path(folder)
        for name in _COPIED:
            source = ROOT / name
            if source.is_dir():
                shutil.copytree(source, root / name, ignore=shutil.ignore_patterns("__pycache__"))
            else:
                shutil.copy(source, root / name)
        (root / ".venv").symlink_to(ROOT / ".venv")
        yield root


@contextmanager
def without(safeguard: Safeguard, root: Path) -> Iterator[None]:
    """Take a safeguard out of a copy, and put it back."""
    assert root != ROOT, "never in the repository itself"
    assert is_there(safeguard, root), f"{safeguard.where} holds a text of {safeguard.name!r} not exactly once"
    file = file_of(safeguard, root)
    text = changed = file.read_text()
    for old, new in safeguard.changes:
        changed = changed.replace(old, new)
    file.write_text(changed)
    try:
        yield
    finally:
        file.write_text(text)


def run_tests(root: Path, tests: tuple[str, ...]) -> tuple[int, str]:
    """Run tests in a copy; return pytest's exit code (0 green, 1 red) and its last lines."""
    done = subprocess.run(
        [sys.executable, "-m", "pytest", "-q", "-p", "no:cacheprovider", *tests],
        cwd=root,
        env=os.environ | {"PYTHONPATH": str(root), "PYTHONDONTWRITEBYTECODE": "1"},
        check=False, capture_output=True, text=True, timeout=600,
    )  # fmt: skip
    return done.returncode, "\n".join(done.stdout.splitlines()[-6:])


def prove(say: Callable[[str], None]) -> list[Proof]:
    """Run every safeguard's tests, all green with all in place, then red with each taken out; say each line at once."""
    with copy() as root:
        every = tuple(dict.fromkeys(test for safeguard in SAFEGUARDS for test in safeguard.tests))
        code, detail = run_tests(root, every)
        assert code == 0, f"not green with every safeguard in place:\n{detail}"
        say(f"with every safeguard in place: {len(every)} tests green")
        return [_prove_one(root, safeguard, say) for safeguard in SAFEGUARDS]


def _prove_one(root: Path, safeguard: Safeguard, say: Callable[[str], None]) -> Proof:
    began = time.monotonic()
    with without(safeguard, root):
        code, detail = run_tests(root, safeguard.tests)
    # Tests must fail by themselves: an error of what they stand on proves nothing. A test may have several cases.
    summary = detail.splitlines()[-1]
    failed = re.search(r"(\d+) failed", summary)
    is_red = code == 1 and failed is not None and int(failed[1]) >= len(safeguard.tests) and " error" not in summary
    proof = Proof(safeguard.name, is_red, time.monotonic() - began, detail)
    say(f"{'red' if proof.is_red else 'NOT RED':8} {proof.seconds:5.1f} s  {safeguard.name}")
    return proof

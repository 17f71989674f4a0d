"""The SQL functions are called by the names of their parameters, and these are the fields of the Python side."""

import re
from collections.abc import Mapping, Sequence

import asyncpg
import pytest

from app.admin import offboarding_store
from app.quotas.schemas import Demand
from app.tasks import change_store, store
from app.tasks.read import store as read_store
from app.tasks.submit.new_tasks import NewTask
from tests.conftest import ROOT

_PARAMETERS = """
SELECT array_agg(name ORDER BY place) FROM pg_proc, unnest(proargnames) WITH ORDINALITY AS a (name, place)
WHERE oid = to_regproc($1) AND place <= pronargs
"""
_STORES = sorted((ROOT / "app").rglob("*store.py"))
_BY_FIELDS: Mapping[str, Sequence[str]] = {
    "tasks_accept": ("tenants", *Demand._fields, *NewTask._fields, "dead_after"),
    "task_accept": (*Demand._fields[1:], *NewTask._fields, "dead_after"),
    "waiting_change": ("tenant", "task", *change_store.WaitingChange._fields),
    "attempts_finish": (*store._End._fields, *store._FOR_ALL_ENDS),
    "attempt_finish": (*store._End._fields[:-1], *store._FOR_ALL_ENDS),
}
_CALL = re.compile(r"\b(\w+)\((p_\w+ => [^()]*(?:\(\)[^()]*)*)\)")


def _texts() -> list[str]:
    made = [
        value
        for module in (store, change_store, read_store, offboarding_store)
        for value in vars(module).values()
        if isinstance(value, str)
    ]
    return [*made, *(path.read_text() for path in _STORES)]


def _calls() -> dict[str, list[str]]:
    return {name: re.findall(r"(p_\w+) =>", arguments) for text in _texts() for name, arguments in _CALL.findall(text)}


async def _parameters(url: str, function: str) -> list[str]:
    connection = await asyncpg.connect(url)
    try:
        return list(await connection.fetchval(_PARAMETERS, function) or ())
    finally:
        await connection.close()


@pytest.mark.parametrize("function", _BY_FIELDS)
async def test_the_fields_of_the_python_side_are_the_parameters(environment: dict[str, str], function: str):
    fields = [f"p_{name}" for name in _BY_FIELDS[function]]
    assert fields == await _parameters(environment["DATABASE_URL"], function)


@pytest.mark.parametrize("function", sorted(_calls()))
async def test_a_call_names_every_parameter(environment: dict[str, str], function: str):
    assert set(_calls()[function]) == set(await _parameters(environment["DATABASE_URL"], function))


def test_tasks_are_accepted_claimed_ended_and_looked_at_by_name():
    assert {*_BY_FIELDS, "tasks_claim", "task_results", "task_statuses", "prune_tasks", "prune_account"} <= set(
        _calls()
    )
    for name in (
        "tasks_accept",
        "task_accept",
        "attempts_finish",
        "attempt_finish",
        "tasks_claim",
        "task_results",
        "task_statuses",
    ):
        assert not [path for path in _STORES if re.search(rf"\b{name}\(\$", path.read_text())], name

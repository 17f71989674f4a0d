"""The types of events: as the code names them, so does the database."""

import asyncpg

from app.events.types import EventType


async def test_the_database_gives_each_number_the_same_name(environment: dict[str, str]):
    owner = await asyncpg.connect(environment["DATABASE_URL"])
    try:
        rows = await owner.fetch("SELECT n, event_type_name(n::smallint) AS name FROM generate_series(1, 20) AS n")
    finally:
        await owner.close()
    named = {row["name"]: row["n"] for row in rows if row["name"]}
    assert named == {kind.value: kind.number for kind in EventType}


def test_an_event_says_the_status_that_its_task_got():
    assert [kind.task_status for kind in EventType if kind.is_about_a_task] == [
        "SUCCESS",
        "FAILURE",
        "REVOKED",
        "RETRY",
    ]

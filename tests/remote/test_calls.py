"""The calls of tenants' own workers, over HTTP, with a real dispatcher that ends expired leases."""

from typing import Any

from tests.conftest import wait_until
from tests.remote.conftest import Crew


def test_a_task_is_leased_and_finished(crew: Crew):
    crew.declare("first", lease_seconds=30)
    task_id = crew.tenant.submit(task="first", payload={"n": 9007199254740993, "x": 1.50}, tags=["a"], priority=7)
    leased = crew.lease_one("first", version="1.2")
    expected = {
        "task_id": task_id,
        "task": "first",
        "attempt": 1,
        "payload": {"n": 9007199254740993, "x": 1.5},
        "tags": ["a"],
    }
    assert {name: leased[name] for name in expected} == expected
    assert leased["idempotency_key"] == task_id
    assert crew.tenant.status(task_id)["status"] == "STARTED"
    assert crew.lease("first") == []
    outcome = crew.finish(lease=leased["lease"], result={"done": True})
    assert outcome == {"lease": leased["lease"], "outcome": "ended", "status": "SUCCESS", "detail": None}
    assert crew.tenant.result(task_id)["result"] == {"done": True}


def test_the_same_end_again_has_the_same_outcome_and_another_one_changes_nothing(crew: Crew):
    crew.declare("twice")
    task_id = crew.tenant.submit(task="twice")
    lease = crew.lease_one("twice")["lease"]
    for _ in range(2):
        assert crew.finish(lease=lease, result=1)["outcome"] == "ended"
    assert crew.finish(lease=lease, error={"type": "E", "message": "m"})["outcome"] == "lease_lost"
    assert crew.tenant.result(task_id)["result"] == 1


def test_a_lease_belongs_to_its_tenant(crew: Crew, rival: Crew):
    crew.declare("mine")
    rival.declare("mine")
    task_id = crew.tenant.submit(task="mine")
    lease = crew.lease_one("mine")["lease"]
    assert rival.lease("mine") == []
    assert rival.finish(lease=lease, result=1)["outcome"] == "lease_lost"
    assert rival.beat(lease=lease)["outcome"] == "lease_lost"
    assert rival.post("release", leases=[lease])["outcomes"][0]["outcome"] == "lease_lost"
    assert rival.post("lease", worker="w", tasks=["mine"], holding=[lease])["lost"] == [lease]
    assert crew.tenant.status(task_id)["status"] == "STARTED"
    assert crew.finish(lease=lease, result=2)["outcome"] == "ended"


def test_an_error_is_tried_again_until_it_is_not_worth_it(crew: Crew):
    crew.declare("shaky", max_attempts=3, retry_backoff=0)
    task_id = crew.tenant.submit(task="shaky")
    error = {"type": "Boom", "message": "it broke"}
    outcome = crew.finish(lease=crew.lease_one("shaky")["lease"], error=error)
    assert (outcome["outcome"], outcome["status"]) == ("ended", "RETRY")
    again = crew.lease_one("shaky")
    assert again["attempt"] == 2
    assert crew.finish(lease=again["lease"], error=error, retry=False)["status"] == "FAILURE"
    ended = crew.tenant.result(task_id)
    assert ended["error"] == error | {"attempt": 2}


def test_a_retry_waits_as_long_as_the_worker_says(crew: Crew):
    crew.declare("later")
    task_id = crew.tenant.submit(task="later")
    lease = crew.lease_one("later")["lease"]
    assert crew.finish(lease=lease, error={"type": "E", "message": ""}, retry_after_seconds=3600)["status"] == "RETRY"
    assert crew.tenant.status(task_id)["waiting_reason"] == "RETRY_BACKOFF"


def test_a_heartbeat_renews_a_lease_and_stores_progress_and_log_lines(crew: Crew):
    crew.declare("slow", lease_seconds=120)
    task_id = crew.tenant.submit(task="slow")
    leased = crew.lease_one("slow")
    lines = [{"message": "one"}, {"level": "ERROR", "message": "two", "fields": {"a": 1}}]
    state = crew.beat(lease=leased["lease"], progress={"done": 1, "total": 4, "note": "n"}, logs=lines)
    assert (state["outcome"], state["cancel_requested"], state["logs_dropped"]) == ("renewed", False, 0)
    assert state["deadline"] > leased["deadline"]
    crew.beat(lease=leased["lease"], logs=[{"message": "three"}])
    assert crew.tenant.status(task_id)["progress"] == {"done": 1, "total": 4, "note": "n"}
    stored = crew.tenant.client.get(f"/api/tasks/{task_id}/logs").json()["items"]
    assert [(line["level"], line["message"], line["fields"]) for line in stored] == [
        ("INFO", "one", None), ("ERROR", "two", {"a": 1}), ("INFO", "three", None),
    ]  # fmt: skip
    crew.finish(lease=leased["lease"], result=None)


def test_log_lines_beyond_the_bound_are_counted(crew: Crew):
    crew.declare("chatty")
    crew.tenant.submit(task="chatty")
    lease = crew.lease_one("chatty")["lease"]
    lines = [{"message": "x" * 1999}] * 50
    assert crew.beat(lease=lease, logs=lines)["logs_dropped"] == 50 - 32
    assert crew.beat(lease=lease, logs=lines[:1])["logs_dropped"] == 1
    crew.finish(lease=lease)


def test_a_released_task_waits_again_and_the_attempt_does_not_count(crew: Crew):
    crew.declare("back")
    task_id = crew.tenant.submit(task="back")
    lease = crew.lease_one("back")["lease"]
    assert crew.post("release", leases=[lease])["outcomes"] == [{"lease": lease, "outcome": "released"}]
    assert crew.finish(lease=lease, result=1)["outcome"] == "lease_lost"
    again = crew.lease_one("back")
    assert again["attempt"] == 2
    crew.finish(lease=again["lease"], result=1)
    attempts = crew.tenant.client.get(f"/api/tasks/{task_id}").json()["attempts"]
    assert [one["status"] for one in attempts] == ["RETURNED", "SUCCESS"]


def test_a_cancel_is_told_with_the_heartbeat_and_an_error_ends_the_task_revoked(crew: Crew):
    crew.declare("stop")
    task_id = crew.tenant.submit(task="stop")
    lease = crew.lease_one("stop")["lease"]
    assert crew.tenant.client.post(f"/api/tasks/{task_id}/cancel").status_code == 202
    assert crew.beat(lease=lease)["cancel_requested"] is True
    assert crew.finish(lease=lease, error={"type": "Cancelled", "message": ""})["status"] == "REVOKED"


def test_a_cancelled_task_that_is_released_ends_revoked(crew: Crew):
    crew.declare("stop.back")
    task_id = crew.tenant.submit(task="stop.back")
    lease = crew.lease_one("stop.back")["lease"]
    crew.tenant.client.post(f"/api/tasks/{task_id}/cancel")
    crew.post("release", leases=[lease])
    assert crew.tenant.result(task_id)["status"] == "REVOKED"


def test_a_result_that_does_not_fit_its_schema_ends_the_task_and_says_where(crew: Crew):
    crew.declare(
        "typed", result_schema={"type": "object", "required": ["url"], "properties": {"url": {"type": "string"}}}
    )
    task_id = crew.tenant.submit(task="typed")
    outcome = crew.finish(lease=crew.lease_one("typed")["lease"], result={"url": 5})
    assert (outcome["outcome"], outcome["status"]) == ("invalid_result", "FAILURE")
    assert outcome["detail"] == "#/result/url: It does not fit #/properties/url/type of the schema."
    assert crew.tenant.result(task_id)["error"]["type"] == "UnusableResult"


def test_finish_leases_the_next_tasks_in_the_same_call(crew: Crew):
    crew.declare("chain")
    first, second = crew.tenant.submit(task="chain"), crew.tenant.submit(task="chain")
    leased = crew.lease_one("chain")
    assert leased["task_id"] == first
    answer = crew.post(
        "finish",
        results=[{"lease": leased["lease"], "result": 1}],
        lease_more={"worker": "w", "tasks": ["chain"], "max": 5},
    )
    [more] = answer["leases"]
    assert (answer["outcomes"][0]["outcome"], more["task_id"]) == ("ended", second)
    crew.finish(lease=more["lease"])


def test_several_types_are_leased_by_priority_and_age(crew: Crew):
    crew.declare("alpha")
    crew.declare("beta")
    old = crew.tenant.submit(task="alpha")
    urgent = crew.tenant.submit(task="beta", priority=9)
    taken = [crew.post("lease", worker="w", tasks=["alpha", "beta"])["leases"][0] for _ in range(2)]
    assert [one["task_id"] for one in taken] == [urgent, old]
    both = crew.post("lease", worker="w", tasks=["alpha", "beta"], max=100, holding=[one["lease"] for one in taken])
    assert (both["leases"], both["lost"]) == ([], [])
    outcomes = crew.post("finish", results=[{"lease": one["lease"], "result": 1} for one in taken])["outcomes"]
    assert [one["outcome"] for one in outcomes] == ["ended", "ended"]


def test_workers_are_listed_and_a_type_without_one_says_so(crew: Crew):
    crew.declare("lonely")
    task_id = crew.tenant.submit(task="lonely")
    assert crew.tenant.status(task_id)["waiting_reason"] == "NO_WORKER"
    leased = crew.lease_one("lonely", worker="box-1", version="9")
    worker = next(one for one in crew.client.get("/api/work/workers").json()["items"] if one["worker"] == "box-1")
    assert {name: worker[name] for name in ("version", "tasks", "leases", "alive")} == {
        "version": "9", "tasks": ["lonely"], "leases": 1, "alive": True,
    }  # fmt: skip
    waiting = crew.tenant.submit(task="lonely")
    assert crew.tenant.status(waiting)["waiting_reason"] == "QUEUED"
    crew.finish(lease=leased["lease"])
    crew.finish(lease=crew.lease_one("lonely")["lease"])


def test_an_invalid_request_is_refused_at_its_place(crew: Crew):
    crew.declare("known")
    cases: list[tuple[str, dict[str, Any], str]] = [
        ("lease", {"worker": "w", "tasks": ["unknown"]}, "#/tasks/0"),
        ("lease", {"worker": "w", "tasks": []}, "#/tasks"),
        ("lease", {"worker": "w", "tasks": ["known"], "max": 101}, "#/max"),
        ("lease", {"worker": "w", "tasks": ["known"], "lease_seconds": 14}, "#/lease_seconds"),
        ("finish", {"results": [{"lease": "x", "result": 1, "error": {"type": "E", "message": ""}}]}, "#/results/0"),
        ("finish", {"results": [{"lease": "x", "retry": False}]}, "#/results/0"),
        ("finish", {"results": [{"lease": "x"}, {"lease": "x"}]}, "#"),
        ("heartbeat", {"leases": []}, "#/leases"),
        ("release", {"leases": ["x", "x"]}, "#"),
    ]
    for call, body, pointer in cases:
        response = crew.client.post(f"/api/work/{call}", json=body)
        assert response.status_code == 422, (call, body, response.text)
        assert pointer in [fault["pointer"] for fault in response.json()["errors"]], response.text


def test_a_text_that_is_no_lease_is_one_that_is_lost(crew: Crew):
    for text in ("x", "lease_", "lease_" + "A" * 43, "lease_é", "A" * 64):
        assert crew.beat(lease=text)["outcome"] == "lease_lost"
        assert crew.finish(lease=text, result=1)["outcome"] == "lease_lost"


def test_the_calls_need_their_scope(crew: Crew):
    made = crew.tenant.client.post("/api/keys", json={"name": "narrow", "scopes": ["tasks:read", "tasks:write"]}).json()
    headers = {"Authorization": f"Bearer {made['api_key']}"}
    response = crew.client.post("/api/work/lease", json={"worker": "w", "tasks": ["known"]}, headers=headers)
    assert (response.status_code, response.json()["code"]) == (403, "insufficient_scope")


def test_a_lease_that_no_call_names_is_given_back_and_does_not_count(crew: Crew):
    crew.declare("lostmail", max_attempts=1)
    task_id = crew.tenant.submit(task="lostmail")
    old = crew.lease_one("lostmail")["lease"]
    taken: list[dict[str, Any]] = []

    def is_back() -> bool:
        taken.extend(crew.lease("lostmail"))
        return bool(taken)

    wait_until(is_back, "the task of a lease that was never named", 30)
    assert crew.finish(lease=old, result="old")["outcome"] == "lease_lost"
    assert crew.beat(lease=old)["outcome"] == "lease_lost"
    assert crew.finish(lease=taken[0]["lease"], result="new")["outcome"] == "ended"
    assert crew.tenant.result(task_id)["result"] == "new"
    attempts = crew.tenant.client.get(f"/api/tasks/{task_id}").json()["attempts"]
    assert [one["status"] for one in attempts] == ["RETURNED", "SUCCESS"]

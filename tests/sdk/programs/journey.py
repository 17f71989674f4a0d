"""What a customer's program does with the client; each function is run by the test of its name, in a process of its own."""

import sys
import time
import uuid
from datetime import UTC, datetime, timedelta
from itertools import islice

import task_queue_client as tq
from raising import raised, task_of
from task_queue_client import TaskQueue
from task_queue_client.models import RefusedTask


def submit_wait_and_list(client: TaskQueue) -> None:
    """The main path, for each task type."""
    order = {"deep": [1, None, "x"]}
    task = client.tasks.submit(
        "long_task", {"seconds": 0.2, "steps": 2, "value": order}, tags=["sdk"], metadata={"order": "4711"}, priority=9
    )
    done = task.wait(timeout=30)
    assert (done["seconds"], done["steps"], done["value"]) == (0.2, 2, order)
    assert task.result() == client.tasks.result(str(task.task_id)) == done
    assert task.status().status == "SUCCESS"
    assert task.get(include_result=True).result == done
    assert [attempt.attempt for attempt in task.get().attempts] == [1]

    assert client.tasks.submit("echo", [1, 2]).wait(30) == [1, 2]
    assert client.tasks.submit("long_task", {"seconds": 0}).wait(30)["value"] is None

    found = client.tasks.list(
        tag="sdk", status=["SUCCESS", "FAILURE"], created_from=datetime.now(UTC) - timedelta(hours=1)
    )
    assert [item.task_id for item in found] == [task.task_id]
    assert [item.task_id for item in client.tasks.list(metadata="order:4711", status="SUCCESS")] == [task.task_id]


def lists_go_over_pages(client: TaskQueue) -> None:
    """A list has no pages for its reader."""
    outcomes = client.tasks.submit_many([{"task": "echo", "payload": n, "tags": ["paged"]} for n in range(7)])
    ids = [outcome.task_id for outcome in outcomes if isinstance(outcome, tq.TaskHandle)]
    assert len(ids) == 7
    for task_id in ids:
        client.tasks.wait(task_id, 30)
    assert {item.task_id for item in client.tasks.list(tag="paged", page_size=2)} == set(ids)
    assert len(list(islice(client.tasks.list(tag="paged", sort="created_at", page_size=2), 3))) == 3
    ends = [task_of(event) for event in client.past_events(tag="paged")]
    assert sorted(ends, key=str) == sorted(ids, key=str)


def a_batch_says_what_was_refused(client: TaskQueue) -> None:
    """An outcome for each, typed: accepted or refused."""
    key = uuid.uuid4().hex
    for _ in range(2):
        first, refused, third = client.tasks.submit_many(
            [
                {"task": "echo", "payload": 1},
                {"task": "long_task", "payload": {"seconds": -1}},
                {"task": tq.TaskName("echo"), "payload": 3},
            ],
            idempotency_key=key,
        )
        assert isinstance(refused, RefusedTask)
        assert (refused.error.status, refused.error.code) == (422, "invalid_request")
        assert [fault.pointer for fault in refused.error.errors or ()] == ["#/tasks/1/payload/seconds"]
        assert not isinstance(first, RefusedTask)
        assert not isinstance(third, RefusedTask)
        assert (first.wait(30), third.wait(30)) == (1, 3)


def errors_are_exceptions(client: TaskQueue) -> None:
    """Nothing is refused in silence, and each kind can be caught."""
    for unknown in (
        lambda: client.tasks.get(uuid.uuid4()),
        lambda: client.tasks.wait(uuid.uuid4(), 30),
        lambda: list(client.tasks.logs(uuid.uuid4())),
        lambda: list(client.tasks.events(uuid.uuid4())),
    ):
        missing = raised(tq.NotFoundError, unknown)
        assert (missing.status, missing.code, missing.errors) == (404, "not_found", ())
        assert missing.request_id in str(missing)
    invalid = raised(tq.InvalidRequestError, lambda: client.tasks.submit("long_task", {"seconds": -1}))
    assert {fault.pointer for fault in invalid.errors} == {"#/payload/seconds"}
    assert "#/payload/seconds" in str(invalid)
    with TaskQueue("tq_wrong", client.base_url) as stranger:
        assert raised(tq.AuthenticationError, lambda: list(stranger.tasks.list())).code == "unauthenticated"
        assert raised(tq.AuthenticationError, lambda: list(stranger.events())).status == 401
    raised(tq.InvalidCursorError, lambda: list(client.past_events(after="x")))
    raised(tq.InvalidRequestError, client.tasks.cancel_many)
    raised(ValueError, lambda: client.tasks.get("4711"))
    raised(ValueError, lambda: client.tasks.submit("echo", 1, scheduled_at=datetime(2030, 1, 1)))  # noqa: DTZ001
    raised(TypeError, lambda: client.tasks.submit("echo", object()))
    key = uuid.uuid4().hex
    assert (
        client.tasks.submit("echo", 1, idempotency_key=key).task_id
        == client.tasks.submit("echo", 1, idempotency_key=key).task_id
    )
    raised(tq.IdempotencyMismatchError, lambda: client.tasks.submit("echo", 2, idempotency_key=key))


def a_failed_task_is_an_exception(client: TaskQueue) -> None:
    """Also one that was cancelled, and one that has not ended."""
    task = client.tasks.submit("long_task", {"fail_attempts": 1, "seconds": 0}, max_attempts=1)
    for call in (lambda: task.wait(30), task.result):
        failed = raised(tq.TaskFailedError, call)
        assert failed.status == "FAILURE"
        assert failed.error is not None
        assert failed.error.type in str(failed)

    late = client.tasks.submit("echo", 1, delay_seconds=3600)
    assert "PENDING" in str(raised(tq.WaitTimeoutError, late.result))
    raised(TimeoutError, lambda: late.wait(0.3))
    assert late.change(priority=9, tags=["later"]).priority == 9
    assert late.cancel().status == "REVOKED"
    assert late.cancel().status == "REVOKED"
    assert isinstance(raised(tq.TaskFailedError, lambda: late.wait(5)), tq.TaskRevokedError)

    done = client.tasks.submit("echo", "done")
    done.wait(30)
    assert raised(tq.ConflictError, done.cancel).code == "illegal_state"
    again = done.retry()
    assert again.task_id != done.task_id
    assert again.wait(30) == "done"
    assert again.get().retry_of == done.task_id
    assert again.erase().task_id == again.task_id
    raised(tq.TaskErasedError, again.result)


def many_at_once(client: TaskQueue) -> None:
    """Cancel and retry by filter, in the background."""
    for _ in range(3):
        client.tasks.submit("echo", 1, tags=["bulk"], delay_seconds=3600)
    cancelled = client.tasks.cancel_many(tag="bulk").wait(timeout=40)
    assert (cancelled.status, cancelled.done) == ("SUCCEEDED", 3)
    retried = client.tasks.retry_many(tag="bulk", statuses=["REVOKED"])
    assert client.operations.wait(retried.operation_id, timeout=40).done == 3
    assert client.operations.get(str(retried.operation_id)).kind == "tasks.retry"
    assert retried.operation_id in {operation.operation_id for operation in client.operations.list(page_size=1)}
    raised(tq.ConflictError, retried.cancel)


def logs_and_events(client: TaskQueue) -> None:
    """What a task says while it runs, and what becomes of it."""
    with client.events(tag="told") as feed:
        task = client.tasks.submit(tq.TaskName("test.logs"), {"lines": 3}, tags=["told"])
        expected = ["line 0", "line 1", "line 2", "a warning"]
        assert [line.message for line in task.follow_logs()][:4] == expected
        ended = next(feed)
        assert (ended.type, task_of(ended)) == ("task.succeeded", task.task_id)
    lines = list(task.logs())
    assert [line.message for line in lines][:4] == expected
    assert lines[3].fields == {"row": 7}
    types = [event.type for event in task.events()]
    assert (types[0], types[-1]) == ("task.created", "task.succeeded")
    assert types.count("task.log") == len(lines)
    assert [event.id for event in client.past_events(tag="told")] == [ended.id]
    assert client.tasks.stream_token(task.task_id).expires_in > 0


def the_feed_goes_on_after_its_cursor(client: TaskQueue) -> None:
    """A stream that is opened again begins after the event that was seen last."""
    with client.events(tag="feed") as feed:
        tasks = [client.tasks.submit("echo", n, tags=["feed"]) for n in range(3)]
        seen = [task_of(next(feed))]
        cursor = feed.cursor
    for task in tasks:
        task.wait(30)
    with client.events(tag="feed", after=cursor) as feed:
        seen += [task_of(event) for event in islice(feed, 2)]
    assert sorted(seen, key=str) == sorted((task.task_id for task in tasks), key=str)


def errors_and_statistics(client: TaskQueue) -> None:
    """Errors as objects, and what was done in the last hours."""
    failing = [client.tasks.submit(tq.TaskName("test.fails"), {"a": 1, "b": 2}) for _ in range(2)]
    for task in failing:
        raised(tq.TaskFailedError, lambda: task.wait(30))  # noqa: B023  # called at once
    deadline = time.monotonic() + 30
    while not (found := list(client.errors.list(task="test.fails", status="unresolved"))):
        assert time.monotonic() < deadline
        time.sleep(0.1)
    (error,) = found
    assert error.type == "ValueError"
    assert client.errors.ignore(error.error_id).status == "ignored"
    assert client.errors.reopen(error.error_id).status == "unresolved"
    assert client.errors.resolve(str(error.error_id)).status == "resolved"
    assert list(client.errors.list(task="test.fails", status=["unresolved", "ignored"], page_size=1)) == []
    assert client.errors.retry(error.error_id).wait(40).done == 2
    assert client.errors.get(error.error_id).error_id == error.error_id
    raised(tq.NotFoundError, lambda: client.errors.get(uuid.uuid4()))
    stats = client.stats(datetime.now(UTC) - timedelta(hours=2), bucket="minute", task="test.fails")
    assert stats.bucket == "minute"
    assert (datetime.now(UTC) - stats.starts_at) > timedelta(hours=1)
    assert raised(tq.InvalidRequestError, lambda: client.stats("yesterday")).errors[0].parameter == "from"


def webhooks(client: TaskQueue) -> None:
    """Endpoints with their secrets, and what was sent to them."""
    endpoints = client.webhooks.endpoints
    made = endpoints.create(url="http://127.0.0.1:9/hook", event_types=["task.failed"], filter={"tags": ["hooked"]})
    assert made.secret not in repr(made)
    assert endpoints.secret(made.endpoint_id).secret == made.secret
    assert endpoints.rotate_secret(made.endpoint_id, overlap_seconds=0).secret != made.secret
    assert made.endpoint_id in {known.endpoint_id for known in endpoints.list(page_size=1)}
    assert endpoints.change(str(made.endpoint_id), description="nothing listens").description == "nothing listens"
    found = endpoints.get(made.endpoint_id).filter
    assert found is not None
    assert found.get("tags") == ["hooked"]
    since = datetime.now(UTC) - timedelta(hours=1)
    raised(tq.InvalidRequestError, lambda: endpoints.recover(made.endpoint_id, since="yesterday"))
    assert (
        list(client.webhooks.deliveries.list(endpoint=made.endpoint_id, status=["FAILED", "SKIPPED"], since=since))
        == []
    )
    raised(tq.NotFoundError, lambda: client.webhooks.deliveries.get(uuid.uuid4()))
    raised(tq.NotFoundError, lambda: client.webhooks.deliveries.resend(uuid.uuid4()))
    endpoints.delete(made.endpoint_id)
    raised(tq.NotFoundError, lambda: endpoints.get(made.endpoint_id))
    assert client.webhooks.metrics(by="status").bucket == "hour"
    assert client.webhooks.secret().secret.startswith("whsec_")


def schedules(client: TaskQueue) -> None:
    """Schedules: made by name, previewed, triggered, paused and deleted."""
    values: tq.models.ScheduleValues = {"cron": "0 3 * * *", "timezone": "Europe/Berlin", "task": "echo", "payload": 7}
    made = client.schedules.put("sdk-nightly", **values)
    assert client.schedules.put("sdk-nightly", **values).schedule_id == made.schedule_id
    other = client.schedules.create(name="sdk-other", every_seconds=3600, task="echo", paused=True)
    assert {made.schedule_id, other.schedule_id} <= {known.schedule_id for known in client.schedules.list(page_size=1)}
    assert len(client.schedules.preview(cron="@daily").next_fires) == 10
    assert client.schedules.trigger(made.schedule_id).wait(20) == 7
    shown = client.schedules.get(str(made.schedule_id))
    assert [fire.outcome for fire in shown.last_fires] == ["fired"]
    assert client.schedules.pause(made.schedule_id, note="a test").pause_note == "a test"
    assert not client.schedules.resume(made.schedule_id).paused
    planned = client.schedules.backfill(made.schedule_id, "2025-05-04T00:00:00Z", "2025-05-05T00:00:00Z", dry_run=True)
    assert (planned.operation_id, planned.count) == (None, 1)
    started = client.schedules.backfill(
        made.schedule_id, datetime(2025, 5, 4, tzinfo=UTC), datetime(2025, 5, 5, tzinfo=UTC)
    )
    assert started.operation_id is not None
    assert client.operations.get(started.operation_id).kind == "schedules.backfill"
    for schedule in (made, other):
        client.schedules.delete(schedule.schedule_id)
    raised(tq.NotFoundError, lambda: client.schedules.get(made.schedule_id))


def the_account(client: TaskQueue) -> None:
    """The queue, keys, members, limits, usage and audit log."""
    assert client.queue.pause().paused_by == ["tenant"]
    assert client.queue.state().paused
    assert not client.queue.resume().paused
    key = client.keys.issue(name="sdk", scopes=["tasks:read"])
    with TaskQueue(key.api_key, client.base_url) as reader:
        assert raised(tq.PermissionDeniedError, lambda: reader.tasks.submit("echo", 1)).code == "insufficient_scope"
    successor = client.keys.rotate(key.key_id, overlap_seconds=0)
    client.keys.revoke(successor.key_id)
    assert {key.key_id, successor.key_id} <= {known.key_id for known in client.keys.list(page_size=1)}
    raised(ValueError, lambda: client.keys.revoke(successor.api_key))
    member = client.members.add(email=f"{uuid.uuid4().hex}@example.com", role="viewer")
    assert client.members.change(member.member_id, disabled=True).disabled_at is not None
    assert member.member_id in {known.member_id for known in client.members.list()}
    client.members.remove(str(member.member_id))
    for shown in (key, member, client):
        assert "tq_live_" not in repr(shown)
        assert str(member.initial_password) not in repr(shown)
    assert "key.revoked" in {entry.action for entry in client.audit(page_size=5)}
    assert client.limits().plan == client.me().tenant.plan == "enterprise"
    assert client.usage(datetime.now(UTC).date()).day is not None
    task = client.request("submit_task", body={"task": "echo", "payload": 1}, idempotency_key=uuid.uuid4().hex)
    assert client.request("get_task_result", path={"task_id": task["task_id"]}, query={"wait": 20})["result"] == 1
    assert "list_limits" in str(raised(ValueError, lambda: client.request("list_limit")))
    raised(tq.NotFoundError, lambda: client.request("get_task", path={"task_id": "../limits"}))
    assert {"echo", "long_task"} <= {kind.name for kind in client.task_types()}


if __name__ == "__main__":
    with TaskQueue() as connected:
        globals()[sys.argv[1]](connected)

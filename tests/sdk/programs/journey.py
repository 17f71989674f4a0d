"""What a customer's program does with the SDK; each function is run by the test of its name, in a process of its own."""

import asyncio
import os
import sys
import uuid
from collections.abc import Callable

from task_queue_client import AuthenticatedClient, ProblemError, connect, unwrap, wait_for_result, wait_for_result_async
from task_queue_client.api.tasks import cancel_task, get_task, list_tasks, retry_task, submit_task, submit_tasks
from task_queue_client.models import (
    BatchRequest,
    BatchResponse,
    LongTaskPayload,
    RefusedTask,
    Status,
    SubmitEcho,
    SubmitLongTask,
    SubmitResponse,
    TaskPage,
    TaskResult,
)


def refusal(call: Callable[[], object]) -> ProblemError:
    """Return the refusal that a call must get."""
    try:
        call()
    except ProblemError as problem:
        return problem
    raise AssertionError("it was not refused")


def submit(client: AuthenticatedClient, body: SubmitLongTask | SubmitEcho) -> uuid.UUID:
    """Submit a task; return its id."""
    accepted: SubmitResponse = unwrap(submit_task.sync_detailed(client=client, body=body))
    return accepted.task_id


def typed_submit_wait_and_list(client: AuthenticatedClient) -> None:
    """The main path, for each task type."""
    payload = LongTaskPayload(seconds=0.2, steps=2, value={"deep": [1, None, "x"]})
    task_id = submit(client, SubmitLongTask(payload=payload, tags=["sdk"], priority=9))
    ended: TaskResult = wait_for_result(client, task_id, timeout=30)
    assert ended.status is Status.SUCCESS
    assert ended.error is None
    assert ended.result == {"seconds": 0.2, "steps": 2, "value": {"deep": [1, None, "x"]}}

    echoed = wait_for_result(client, submit(client, SubmitEcho(payload=[1, 2])), timeout=30)
    assert echoed.result == [1, 2]

    page: TaskPage = unwrap(list_tasks.sync_detailed(client=client, tag="sdk", status=Status.SUCCESS.value))
    assert [item.task_id for item in page.items] == [task_id]
    assert [attempt.attempt for attempt in unwrap(get_task.sync_detailed(task_id, client=client)).attempts] == [1]


def empty_submit_and_idempotency_key(client: AuthenticatedClient) -> None:
    """A submit that says nothing is a long_task; the same key is the same task."""
    key = uuid.uuid4().hex
    body = SubmitLongTask()
    first, second = (unwrap(submit_task.sync_detailed(client=client, body=body, idempotency_key=key)) for _ in range(2))
    assert first.task_id == second.task_id
    assert unwrap(get_task.sync_detailed(first.task_id, client=client)).task == "long_task"


def batch_of_both_types_and_a_refused_task(client: AuthenticatedClient) -> None:
    """An outcome for each, typed: accepted or refused."""
    tasks: list[SubmitEcho | SubmitLongTask] = [
        SubmitEcho(payload=1),
        SubmitLongTask(payload=LongTaskPayload(seconds=-1)),
        SubmitLongTask(payload=LongTaskPayload(seconds=0.1, steps=1)),
    ]
    key, body = uuid.uuid4().hex, BatchRequest(tasks=tasks)
    answered: BatchResponse = unwrap(submit_tasks.sync_detailed(client=client, body=body, idempotency_key=key))
    first, refused, third = answered.outcomes
    assert isinstance(refused, RefusedTask)
    assert (refused.error.status, refused.error.code) == (422, "invalid_request")
    assert isinstance(refused.error.errors, list)
    assert [fault.pointer for fault in refused.error.errors] == ["#/tasks/1/payload/seconds"]
    assert isinstance(first, SubmitResponse)
    assert isinstance(third, SubmitResponse)
    assert wait_for_result(client, first.task_id, timeout=30).result == 1
    assert wait_for_result(client, third.task_id, timeout=30).result == {"seconds": 0.1, "steps": 1, "value": None}
    replay: BatchResponse = unwrap(submit_tasks.sync_detailed(client=client, body=body, idempotency_key=key))
    assert replay == answered


def async_submit_and_wait(client: AuthenticatedClient) -> None:
    """The same calls without blocking."""

    async def both() -> None:
        async with client:
            accepted = unwrap(await submit_task.asyncio_detailed(client=client, body=SubmitEcho(payload="later")))
            ended = await wait_for_result_async(client, accepted.task_id, timeout=30)
            assert ended.result == "later"

    asyncio.run(both())


def unknown_task_is_a_problem(client: AuthenticatedClient) -> None:
    """404, also while waiting: asking again is of no use."""
    unknown = uuid.uuid4()
    problem = refusal(lambda: unwrap(get_task.sync_detailed(unknown, client=client)))
    assert (problem.status, problem.code, problem.errors) == (404, "not_found", ())
    assert problem.request_id in str(problem)
    assert refusal(lambda: wait_for_result(client, unknown, timeout=30)).code == "not_found"


def invalid_submit_names_its_faults(client: AuthenticatedClient) -> None:
    """422, with a pointer to each fault."""
    body = SubmitLongTask(payload=LongTaskPayload(seconds=-1), priority=17)
    problem = refusal(lambda: submit(client, body))
    assert (problem.status, problem.code) == (422, "invalid_request")
    assert problem.detail
    pointers = {fault.pointer for fault in problem.errors}
    assert pointers & {"#/priority", "#/payload/seconds"}, pointers
    assert all(fault.detail for fault in problem.errors)


def wrong_key_is_a_problem(client: AuthenticatedClient) -> None:
    """401."""
    with connect(os.environ["API_URL"], "tq_wrong") as stranger:
        assert refusal(lambda: unwrap(list_tasks.sync_detailed(client=stranger))).code == "unauthenticated"


def wait_ends_before_the_task(client: AuthenticatedClient) -> None:
    """A wait is bounded; the task goes on."""
    task_id = submit(client, SubmitEcho(payload=1, delay_seconds=3600))
    try:
        wait_for_result(client, task_id, timeout=0.5)
    except TimeoutError as late:
        assert "PENDING" in str(late)
    else:
        raise AssertionError("it ended an hour early")
    assert unwrap(get_task.sync_detailed(task_id, client=client)).status is Status.PENDING


def cancel_and_retry(client: AuthenticatedClient) -> None:
    """A waiting task ends at once; run again, it is another task."""
    task_id = submit(client, SubmitEcho(payload="again", delay_seconds=3600))
    cancelled = unwrap(cancel_task.sync_detailed(task_id, client=client))
    assert cancelled.status is Status.REVOKED
    assert wait_for_result(client, task_id, timeout=5).status is Status.REVOKED

    done = submit(client, SubmitEcho(payload="done"))
    wait_for_result(client, done, timeout=30)
    problem = refusal(lambda: unwrap(cancel_task.sync_detailed(done, client=client)))
    assert problem.status == 409

    again = unwrap(retry_task.sync_detailed(done, client=client))
    assert again.retry_of == done
    assert wait_for_result(client, again.task_id, timeout=30).result == "done"


if __name__ == "__main__":
    with connect(os.environ["API_URL"], os.environ["API_KEY"]) as connected:
        globals()[sys.argv[1]](connected)

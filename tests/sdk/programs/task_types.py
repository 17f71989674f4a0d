"""A program that declares a task type, changes it and deletes it."""

import sys

import task_queue_client as tq

name = f"{sys.argv[1]}.own"
with tq.TaskQueue() as client:
    made = client.task_types.put(name, summary="One", lease_seconds=30, payload_schema={"type": "integer"})
    assert (made.name, made.lease_seconds) == (name, 30)
    assert client.task_types.put(name, summary="Two").payload_schema is None
    assert client.task_types.get(name).summary == "Two"
    assert name in {kind.name for kind in client.task_types.list()}
    assert client.task_types() == client.task_types.list()
    client.task_types.delete(name)
    try:
        client.task_types.get(name)
    except tq.NotFoundError:
        pass
    else:
        raise AssertionError("it is still there")
    assert all(isinstance(worker.alive, bool) for worker in client.workers())

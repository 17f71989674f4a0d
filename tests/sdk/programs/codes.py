"""The codes of the API that have an exception of their own."""

from task_queue_client.errors import BY_CODE

print(*BY_CODE)  # noqa: T201  # the test reads it

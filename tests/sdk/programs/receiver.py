"""A receiver of webhooks: reads requests from stdin, and prints of each the event, or that it is no webhook."""

import json
import sys

from task_queue_client import (
    MemoryReplayStore,
    WebhookVerificationError,
    receive_webhook,
    verify_webhook,
)

outcomes: list[object] = []
for body, headers, secret in json.load(sys.stdin):
    try:
        event = verify_webhook(body.encode("latin-1"), headers, secret)
    except WebhookVerificationError as refused:
        outcomes.append(f"refused: {refused}")
    else:
        outcomes.append([event.id, event.type, event.timestamp, event.data])
        # Received once, and once more after the first handling has failed; then never again.
        store = MemoryReplayStore()
        try:
            with receive_webhook(body.encode("latin-1"), headers, secret, store) as first:
                assert first == event
                raise RuntimeError("the handler failed")  # noqa: TRY301
        except RuntimeError:
            pass
        for expected in (event, None, None):
            with receive_webhook(body.encode("latin-1"), headers, secret, store) as received:
                assert received == expected
json.dump(outcomes, sys.stdout)

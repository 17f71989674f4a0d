"""The calls of the client; see ``task_queue_client`` for what to import."""

"""The wire: a queue for each tenant on Redis, its ring, its tickets and its wake-ups."""

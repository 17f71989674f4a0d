"""The use of Redis: a queue of tickets for each tenant, the ring of these queues, and wake-up messages."""

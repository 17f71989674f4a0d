"""The event log: what happened to each tenant's tasks, numbered without gaps."""

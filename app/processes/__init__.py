"""Track the processes of the service in Postgres: their heartbeats, and whether they fit its schema."""

"""The processes of the service as Postgres knows them: that they turn, and whether they fit its schema."""

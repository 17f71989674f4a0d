"""Record heartbeats of the service's processes in Postgres, and check that their code fits the schema."""

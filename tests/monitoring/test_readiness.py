"""The readiness of a process: tests/monitoring/test_router.py takes Postgres, Redis and the others away."""

"""Contract tests of the wire, on a real Valkey and real Celery workers."""
